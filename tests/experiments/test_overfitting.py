"""The events stand where they should; dropout closes the gap that the net without it has."""

import numpy as np
import pytest

from tinygrad_rnn.experiments.overfitting import ALL, NONE, Dropped, Overfitting
from tinygrad_rnn.fit import Fit


@pytest.fixture
def quiet(monkeypatch):
    monkeypatch.setattr(Overfitting, "noise", 0.0)
    return Overfitting(seed=0)


def test_the_label_is_the_pattern_that_comes_first(quiet):
    seen = {}
    for x, y in quiet.parts.values():
        times, _ = np.nonzero(np.abs(x).sum(axis=-1).T > 0)[::-1]
        first, second = times.reshape(-1, 2).T  # two events in every example
        assert (first < quiet.T // 2).all()
        assert (second >= quiet.T // 2).all()
        for k, label in enumerate(y):
            seen.setdefault(int(label), []).append(x[first[k], k])
            seen.setdefault(1 - int(label), []).append(x[second[k], k])
    for patterns in seen.values():  # each event looks the same wherever it stands
        np.testing.assert_array_equal(patterns, np.broadcast_to(patterns[0], np.shape(patterns)))
    np.testing.assert_allclose(np.linalg.norm(seen[0][0]), quiet.loudness, rtol=1e-6)
    assert not np.allclose(seen[0][0], seen[1][0])


def test_parts_are_drawn_apart_balanced_and_seeded():
    task, same, other = Overfitting(seed=1), Overfitting(seed=1), Overfitting(seed=2)
    assert [x.shape for x, _ in task.parts.values()] == [
        (12, 250, 12), (12, 1000, 12), (12, 2000, 12),
    ]  # fmt: skip
    whole = np.concatenate([x for x, _ in task.parts.values()], axis=1)
    assert len(np.unique(whole[0], axis=0)) == whole.shape[1]
    for part, (x, y) in task.parts.items():
        assert x.dtype == np.float32
        assert 0.4 < y.mean() < 0.6
        np.testing.assert_array_equal(x, same.parts[part][0])
        assert not np.array_equal(x, other.parts[part][0])


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_the_loss_falls_with_every_cell(cell):
    task = Overfitting(seed=0)
    run = Fit(task, task.model(cell, np.random.default_rng(0)), epochs=4)
    losses = [row.loss for row in run.epochs_left()]
    assert losses[-1] < losses[0] - 0.03
    assert 0 < run.score("test") < 1


def test_dropout_acts_while_training_and_not_when_judged():
    x = Overfitting(seed=0).parts["test"][0][:, :5]
    for rates in (NONE, ALL, (0.3, 0.0, 0.0), (0.0, 0.3, 0.0), (0.0, 0.0, 0.5)):
        model = Dropped("lstm", 12, 8, rates, np.random.default_rng(0))
        assert np.array_equal(model(x).data, model(x).data) == (rates == NONE)
        model.eval()
        np.testing.assert_array_equal(model(x).data, model(x).data)


def test_the_number_of_parameters_is_the_one_that_is_told():
    task = Overfitting(seed=0)
    count = task.model("lstm", np.random.default_rng(0)).num_parameters()
    assert f"{count:,} parameters" in str(Overfitting.__doc__)


def test_examples_are_a_table_with_the_gap(monkeypatch):
    monkeypatch.setattr(Overfitting, "epochs", 1)
    task = Overfitting(seed=0)
    model = task.model("lstm", np.random.default_rng(0)).eval()
    _, *rows = task.examples(model)
    numbers = np.array([[float(cell) for cell in row.split()[-4:]] for row in rows])
    np.testing.assert_allclose(numbers[:, 1] - numbers[:, 0], numbers[:, 2], atol=2e-3)
    assert numbers[0, 3] == pytest.approx(task.score(model, "test"), abs=1e-3)
    assert numbers[1, 3] == pytest.approx(task.baseline()[1], abs=1e-3)
    assert task.trained("rnn", NONE) == task.trained("rnn", NONE)


def test_another_model_is_judged_at_its_best_epoch(monkeypatch):
    for name, value in (("n", 50), ("epochs", 12), ("lr", 2e-2)):  # over-fits at once
        monkeypatch.setattr(Overfitting, name, value)
    task = Overfitting(seed=0)
    model = Dropped("rnn", task.D, task.H, NONE, np.random.default_rng([0, 1]))
    run = Fit(task, model, seed=0)
    scores = [row.score for row in run.epochs_left()]
    assert min(scores) < scores[-1]
    run.use_best()
    assert run.score("validation") == pytest.approx(min(scores))
    assert task.trained("rnn", NONE)[1:] == (scores[-1], run.score("test"))


@pytest.mark.parametrize("cell", ["rnn", "gru"])
def test_the_baseline_is_the_same_cell(cell, monkeypatch):
    monkeypatch.setattr(Overfitting, "epochs", 1)
    task = Overfitting(seed=0)
    assert task.baseline()[0] == "the same LSTM without dropout"
    task = Overfitting(seed=0)
    task.model(cell, np.random.default_rng(0))
    what, score = task.baseline()
    assert what == f"the same {cell.upper()} without dropout"
    assert score == task.trained(cell, NONE)[2] != task.trained("lstm", NONE)[2]


def test_it_makes_its_own_data(tmp_path):
    with pytest.raises(ValueError, match="leave --data out"):
        Overfitting(source=tmp_path)


@pytest.mark.slow
def test_dropout_beats_early_stopping_and_closes_the_gap():
    task = Overfitting(seed=0)
    train, validation, test = task.trained("lstm", ALL)
    train_without, validation_without, _ = task.trained("lstm", NONE)
    assert test < 0.75 * task.baseline()[1]
    assert validation - train < 0.5 * (validation_without - train_without)
