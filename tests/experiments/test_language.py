"""Perplexity is what it says, the state is carried on, and a sample follows its temperature."""

from itertools import pairwise

import numpy as np
import pytest

from tinygrad_rnn.data import words
from tinygrad_rnn.experiments.language import LanguageModel, Words, _prose, sample
from tinygrad_rnn.fit import Fit


@pytest.fixture
def story(tmp_path):
    path = tmp_path / "story.txt"
    path.write_text("a cat sat on a mat . " * 60 + "the dog saw it . " * 4, encoding="UTF-8")
    return path


class Small(Words):
    B, T, hidden = 4, 10, 12


def test_parts_follow_one_another_and_little_is_in_two():
    task = Words()
    sizes = [len(task.parts[part]) for part in ("train", "validation", "test")]
    assert sizes[0] == pytest.approx(8 * sizes[1], rel=0.01)
    assert sizes[1] == pytest.approx(sizes[2], abs=2)
    assert len(task.vocabulary) == 1500
    known = {tuple(run) for run in np.lib.stride_tricks.sliding_window_view(task.parts["train"], 8)}
    held_out = np.lib.stride_tricks.sliding_window_view(task.parts["test"], 8)
    assert np.mean([tuple(run) in known for run in held_out]) < 0.03


def test_paragraphs_are_kept_once_without_rules():
    assert _prose("a b\n\n+---+\n| c |\n\na\n  b\n\nd") == "a b\n\nc\n\nd"


def test_unigrams_and_bigrams_by_hand(story):
    task = Words(source=story)
    train, test = task.parts["train"].tolist(), task.parts["test"].tolist()
    V, n = len(task.vocabulary), len(train)
    logs = [np.log((train.count(word) + 1) / (n + V)) for word in test[1:]]
    assert task.unigram == pytest.approx(np.exp(-np.mean(logs)))
    k, perplexity = task.bigram
    pairs = list(pairwise(train))
    logs = [
        np.log((pairs.count((a, b)) + k) / (train[:-1].count(a) + k * V)) for a, b in pairwise(test)
    ]
    assert perplexity == pytest.approx(np.exp(-np.mean(logs)))
    assert task.baseline()[1] == perplexity


def test_a_model_that_knows_nothing_has_perplexity_V(story):
    task = Small(source=story)
    model = task.model("gru", np.random.default_rng(0))
    for p in model.output.parameters():
        p.data[...] = 0
    assert task.score(model, "test") == pytest.approx(len(task.vocabulary), rel=1e-5)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_the_loss_falls_and_the_score_does_not_depend_on_where_it_is_cut(story, cell):
    task = Small(source=story)
    run = Fit(task, task.model(cell, np.random.default_rng(0)), epochs=3, lr=1e-2)
    rows = list(run.epochs_left())
    assert rows[-1].loss < rows[0].loss
    assert 1 <= rows[-1].score < len(task.vocabulary)
    run.model.eval()
    x = task.parts["test"][:-1, None]
    whole, _ = run.model(x)
    first, state = run.model(x[:7])
    rest, _ = run.model(x[7:], state)
    np.testing.assert_allclose(np.concatenate([first.data, rest.data]), whole.data, atol=1e-5)


def test_the_state_is_carried_without_its_past(story):
    task = Small(source=story)
    model, seen = task.model("lstm", np.random.default_rng(0)), []
    forward = model.forward

    def watched(x, state=None):
        seen.append(state)
        return forward(x, state)

    model.forward = watched
    for _ in task.losses(model, np.random.default_rng(0)):
        pass
    assert seen[0] is None and len(seen) > 2
    for h, c in seen[1:]:
        assert h.data.any() and not h.requires_grad and not c.requires_grad


def test_samples():
    model = LanguageModel("gru", 6, 8, rng=np.random.default_rng(0))
    model.output.bias.data[...] = [0, 3, 0, 0, 2.5, 0]
    start = np.array([2, 3])
    cold = sample(model, start, 30, temperature=1e-3, rng=0)
    assert cold[:2].tolist() == [2, 3] and len(cold) == 32
    assert (cold == sample(model, start, 30, temperature=1e-3, rng=1)).all()
    warm = [len(set(sample(model, start, 30, temperature=t, rng=0).tolist())) for t in (0.01, 9)]
    assert warm[0] < warm[1]
    assert 1 not in sample(model, start, 30, temperature=0.1, never=(1,), rng=0)
    assert (sample(model, start, 9, rng=5) == sample(model, start, 9, rng=5)).all()
    with pytest.raises(ValueError, match="temperature > 0"):
        sample(model, start, 3, temperature=0, rng=0)
    with pytest.raises(ValueError, match="0 symbols"):
        sample(model, start[:0], 3, rng=0)


def test_own_text(story, tmp_path):
    task = Small(source=story)
    assert set(task.vocabulary.symbols) == {"<unk>", *words("a cat sat on mat .")}
    assert len(task.examples(task.model("gru", np.random.default_rng(0)))) == 3
    path = tmp_path / "short.txt"
    path.write_text("too short", encoding="UTF-8")
    with pytest.raises(ValueError, match="2 words"):
        Words(source=path)


@pytest.mark.slow
def test_default_settings_beat_the_bigrams():
    task = Words()
    run = Fit(task, task.model(task.cell, np.random.default_rng([0, 1])))
    for _ in run.epochs_left():
        pass
    run.use_best()
    assert task.beats_baseline(run.score("test"))
