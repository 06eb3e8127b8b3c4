"""A language model samples by its scores, writes characters or words, and comes back from disk."""

import json

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn.bptt import detached
from tinygrad_rnn.data import Vocabulary, words
from tinygrad_rnn.experiments.language import Characters
from tinygrad_rnn.fit import Fit
from tinygrad_rnn.models import LanguageModel, default_prompt, load_model, sample, save_model, write

TEXT = "the cat sat on the mat. " * 40
VOCABULARY = Vocabulary(TEXT)
NUMBERS = VOCABULARY.encode(TEXT)


def model(cell="lstm", **sizes):
    return LanguageModel(len(VOCABULARY), cell, rng=0, **({"embedding": 8, "hidden": 16} | sizes))


class Small(Characters):
    B, T, embedding, hidden, lr = 4, 12, 8, 16, 2e-2


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text(TEXT)
    task = Small(source=path, steps=300)
    net = task.model("lstm", np.random.default_rng(0))
    list(Fit(task, net).epochs_left())
    return net


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


def test_sampling_follows_the_scores(learned):
    prompt = VOCABULARY.encode("the cat ")
    greedy = VOCABULARY.decode(sample(learned, prompt, 40, temperature=0, rng=0))
    assert ("the cat " + greedy)[:24] in TEXT
    same = [sample(learned, prompt, 30, temperature=2.0, rng=5).tolist() for _ in range(2)]
    assert same[0] == same[1]
    assert same[0] != sample(learned, prompt, 30, temperature=2.0, rng=6).tolist()
    with pytest.raises(ValueError, match="at least one symbol"):
        sample(learned, prompt[:0], 3, rng=0)
    with pytest.raises(ValueError, match="temperature >= 0"):
        sample(learned, prompt, 3, temperature=-1, rng=0)


def test_temperature_and_what_is_never_drawn():
    net = LanguageModel(6, "gru", 8, 8, rng=0)
    net.output.bias.data[...] = [0, 3, 0, 0, 2.5, 0]
    start = np.array([2, 3])
    cold = sample(net, start, 30, temperature=1e-3, rng=0)
    assert (cold == sample(net, start, 30, temperature=0, rng=1)).all()
    kinds = [len(set(sample(net, start, 30, temperature=t, rng=0).tolist())) for t in (0.01, 9)]
    assert kinds[0] < kinds[1]
    for temperature in (0, 0.1, 9):
        assert 1 not in sample(net, start, 30, temperature=temperature, never=(1,), rng=0)


def test_characters_and_words_are_written_as_they_are_read(learned):
    how = {"length": 5, "temperature": 0.0, "seed": 0}
    assert len(write(learned, VOCABULARY, prompt="the ", **how)) == 9
    vocabulary = Vocabulary(words(TEXT), unknown="<unk>", joiner=" ")
    net = LanguageModel(len(vocabulary), "gru", 4, 4, rng=0)
    net.output.bias.data[vocabulary.encode(["<unk>"])] = 9.0
    text = write(net, vocabulary, prompt="The Dog ", **how)
    assert text.startswith("The Dog ") and "<unk>" not in text
    assert len(words(text)) == 7
    with pytest.raises(ValueError, match="at least one symbol"):
        write(net, vocabulary, prompt=" ", **how)


def test_the_prompt_is_one_that_the_model_knows():
    assert default_prompt(Vocabulary(words(TEXT), joiner=" ")) == "The "
    assert default_prompt(Vocabulary(["b", "c"], joiner=" ")) == "c"
    assert default_prompt(Vocabulary(TEXT)) == "t"


@pytest.mark.parametrize(
    "vocabulary", [VOCABULARY, Vocabulary(words(TEXT), unknown="<unk>", joiner=" ")]
)
def test_a_model_comes_back_from_its_folder(tmp_path, vocabulary):
    net = LanguageModel(len(vocabulary), "gru", 8, 16, 0.5, rng=0)
    save_model(net, vocabulary, tmp_path)
    loaded, same = load_model(tmp_path)
    assert same.to_json() == vocabulary.to_json()
    assert not loaded.training
    x = np.arange(6)[:, None] % len(vocabulary)
    net.eval()
    np.testing.assert_array_equal(loaded(x)[0].data, net(x)[0].data)


def test_a_folder_of_an_earlier_version_is_read(tmp_path):
    net = model()
    save_model(net, VOCABULARY, tmp_path)
    path = tmp_path / "model.json"
    config = json.loads(path.read_text())
    del config["dropout"]
    config["vocabulary"] = list(VOCABULARY.symbols)
    path.write_text(json.dumps(config))
    assert load_model(tmp_path)[1].symbols == VOCABULARY.symbols


@pytest.mark.parametrize("content", ["{", "[]", '{"vocabulary": ["a"]}', '{"vocabulary": 3}'])
def test_a_broken_folder_is_named(tmp_path, content):
    (tmp_path / "model.json").write_text(content)
    with pytest.raises(ValueError, match=r"model\.json does not describe a model"):
        load_model(tmp_path)


def test_unknown_cells_are_refused():
    with pytest.raises(ValueError, match="rnn, lstm, gru"):
        model("elman")
