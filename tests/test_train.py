"""The training loop learns, cuts the past off, and gives the same numbers for the same seed."""

import itertools

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn.data import Vocabulary, sequential_batches
from tinygrad_rnn.models import LanguageModel, load_model, save_model
from tinygrad_rnn.nn import LAYERS
from tinygrad_rnn.train import detached, evaluate, repeated, sample, train

TEXT = "the cat sat on the mat. " * 40
VOCABULARY = Vocabulary(TEXT)
NUMBERS = VOCABULARY.encode(TEXT)


def model(cell="lstm", **sizes):
    return LanguageModel(len(VOCABULARY), cell, rng=0, **({"embedding": 8, "hidden": 16} | sizes))


def learn(net, steps=60, **how):
    return list(train(net, repeated(lambda: sequential_batches(NUMBERS, 4, 12)), steps, **how))


@pytest.mark.parametrize("cell", LAYERS)
def test_every_cell_learns_a_text_that_repeats(cell):
    net = model(cell)
    uniform = np.log(len(VOCABULARY))
    untrained = evaluate(net, sequential_batches(NUMBERS, 2, 50))
    learn(net, 80, lr=2e-2)
    trained = evaluate(net, sequential_batches(NUMBERS, 2, 50))
    assert abs(untrained - uniform) < 0.5
    assert trained < 0.3 * uniform


def test_same_seed_same_numbers():
    first, second = ([p.loss for p in learn(model(), 20)] for _ in range(2))
    assert first == second


def test_it_can_be_stopped_after_any_step():
    net = model()
    run = train(net, repeated(lambda: sequential_batches(NUMBERS, 4, 12)), 1000)
    assert [p.step for p in itertools.islice(run, 3)] == [1, 2, 3]


def test_the_gradient_stops_at_the_edge_of_a_block_and_the_values_do_not():
    lstm = tg.nn.LSTM(2, 3, rng=0)
    x = np.random.default_rng(1).standard_normal((6, 2, 2))
    whole, _ = lstm(x)
    _, state = lstm(x[:3])
    first, cut = state, detached(state)
    output, _ = lstm(x[3:], cut)
    np.testing.assert_allclose(output.data, whole.data[3:], rtol=1e-13)
    assert not any(s.requires_grad for s in cut)
    assert all(s.requires_grad for s in first)
    assert tg.Graph(output).nodes[-1].tensor is output
    assert all(line.tensor is not first[0] for line in tg.Graph(output).nodes)


def test_evaluation_does_not_depend_on_the_size_of_the_blocks():
    net = model()
    losses = [evaluate(net, sequential_batches(NUMBERS, 1, T)) for T in (7, 50, 1000)]
    np.testing.assert_allclose(losses, losses[0], rtol=1e-5)


def test_sampling_follows_the_scores():
    net = model()
    learn(net, 300, lr=2e-2)
    prompt = VOCABULARY.encode("the cat ")
    greedy = VOCABULARY.decode(sample(net, prompt, 40, temperature=0, rng=0))
    assert ("the cat " + greedy)[:24] in TEXT
    same = [sample(net, prompt, 30, temperature=2.0, rng=5).tolist() for _ in range(2)]
    assert same[0] == same[1]
    assert same[0] != sample(net, prompt, 30, temperature=2.0, rng=6).tolist()
    with pytest.raises(ValueError, match="at least one symbol"):
        sample(net, prompt[:0], 3, rng=0)


def test_a_model_comes_back_from_its_folder(tmp_path):
    net = model("gru")
    save_model(net, VOCABULARY, tmp_path)
    loaded, vocabulary = load_model(tmp_path)
    assert vocabulary.symbols == VOCABULARY.symbols
    x = NUMBERS[:10, None]
    np.testing.assert_array_equal(loaded(x)[0].data, net(x)[0].data)


@pytest.mark.parametrize("content", ["{", "[]", '{"vocabulary": ["a"]}', '{"vocabulary": 3}'])
def test_a_broken_folder_is_named(tmp_path, content):
    (tmp_path / "model.json").write_text(content)
    with pytest.raises(ValueError, match=r"model\.json does not describe a model"):
        load_model(tmp_path)


def test_unknown_cells_are_refused():
    with pytest.raises(ValueError, match="rnn, lstm, gru"):
        model("elman")
