"""Perplexity is what it says, the state is carried on, and what was trained writes."""

from collections import Counter

import numpy as np
import pytest
from learning import learned

from tinygrad_rnn.cli import main
from tinygrad_rnn.data import words
from tinygrad_rnn.experiments.language import Characters, Words, _prose
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


def by_hand(train, test, n, k, V):
    """The perplexity of add-k n-grams, by counting strings of symbols."""
    grams = [tuple(train[i : i + n]) for i in range(len(train) - n + 1)]
    before = Counter(gram[:-1] for gram in grams)
    together = Counter(grams)
    logs = []
    for i in range(len(test) - n + 1):
        gram = tuple(test[i : i + n])
        logs.append(np.log((together[gram] + k) / (before[gram[:-1]] + k * V)))
    return np.exp(-np.mean(logs))


@pytest.mark.parametrize("kind", [Characters, Words])
def test_the_baselines_by_hand(story, kind):
    task = kind(source=story)
    parts = {part: task.parts[part].tolist() for part in task.parts}
    V, n = len(task.vocabulary), len(parts["train"])
    logs = [np.log((parts["train"].count(s) + 1) / (n + V)) for s in parts["test"][1:]]
    assert task.unigram == pytest.approx(np.exp(-np.mean(logs)))
    n, k, perplexity = task.ngram
    assert perplexity == pytest.approx(by_hand(parts["train"], parts["test"], n, k, V))
    assert task.baseline()[1] == perplexity
    chosen = by_hand(parts["train"], parts["validation"], n, k, V)
    for other in task.grams:
        for k in (0.001, 0.1, 1):
            assert by_hand(parts["train"], parts["validation"], other, k, V) >= chosen - 1e-9


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


def test_an_epoch_of_characters_has_its_steps_however_short_the_text(story):
    task = Characters(source=story, steps=30)
    assert (task.epochs, task.epoch_steps, task.B) == (12, 2, len(task.parts["train"]) // 128)
    assert Characters(source=story, steps=1).epochs == 1
    net = task.model("gru", np.random.default_rng(0))
    seen = []
    net.forward = lambda x, state=None, forward=net.forward: seen.append(x) or forward(x, state)
    task.epoch_steps = 40
    assert len(list(task.losses(net, np.random.default_rng(0)))) == len(seen) == 40
    passes = len(task.parts["train"]) // task.B // task.T + 1
    np.testing.assert_array_equal(seen[0], seen[passes])  # the text from its beginning again


@pytest.mark.parametrize("kind", [Characters, Words])
def test_a_resumed_run_of_a_language_model_has_identical_numbers(story, tmp_path, kind):
    def run(folder=None):
        task = kind(source=story)
        task.epochs, task.epoch_steps = 4, 3
        return Fit(task, task.model("gru", np.random.default_rng(0)), folder=folder)

    whole, broken, again = run(), run(tmp_path), run(tmp_path)
    list(whole.epochs_left())
    next(broken.epochs_left())
    again.resume(tmp_path)
    list(again.epochs_left())
    for name, weight in whole.model.state_dict().items():
        np.testing.assert_array_equal(again.model.state_dict()[name], weight)
    assert [row.loss for row in again.history] == [row.loss for row in whole.history]


@pytest.mark.parametrize("kind", ["characters", "words"])
def test_what_was_trained_writes(story, tmp_path, capsys, kind):
    out = tmp_path / "kept"
    main(["train", kind, "--data", str(story), "--epochs", "1", "--out", str(out)])
    held_out = capsys.readouterr().out
    assert "nats per" in held_out and "temperature 0.3: " in held_out
    for prompt in ([], ["--prompt", "a cat"]):
        command = ["sample", str(out), "--length", "6", "--temperature", "0.5", *prompt]
        assert main(command) == 0
        text = capsys.readouterr().out
        assert main(command) == 0 and capsys.readouterr().out == text
    assert text.startswith("a cat")
    written = text.removesuffix("\n").removeprefix("a cat")
    assert len(written) == 6 if kind == "characters" else len(words(written)) == 6


def test_own_text(story, tmp_path):
    task = Small(source=story)
    assert set(task.vocabulary.symbols) == {"<unk>", *words("a cat sat on mat .")}
    assert len(task.examples(task.model("gru", np.random.default_rng(0)))) == 3
    path = tmp_path / "short.txt"
    path.write_text("too short", encoding="UTF-8")
    with pytest.raises(ValueError, match="2 words"):
        Words(source=path)
    with pytest.raises(ValueError, match="9 characters"):
        Characters(source=path)


@pytest.mark.slow
def test_it_learns_to_beat_the_ngrams():
    """Words; characters do so in the demo."""
    task = Words()
    score, _ = learned(task, 0.97 * task.baseline()[1])
    assert task.beats_baseline(score)
