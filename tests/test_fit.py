"""A run learns, keeps its best weights, stops when nothing helps, resumes with equal numbers."""

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import functional as F
from tinygrad_rnn.fit import Fit
from tinygrad_rnn.task import Task, batches


class Line(Task):
    """y = 2 x - 1, through a layer with dropout, whose random state must be resumed too."""

    name, shape, metric, higher_is_better = "line", "test", "mean squared error", False
    epochs, lr = 6, 0.05

    def __init__(self, *, source=None, seed=0):
        rng = np.random.default_rng(seed)
        self.x = rng.standard_normal((60, 1))
        self.y = 2 * self.x - 1

    def model(self, cell, rng):
        return tg.nn.Sequential(tg.nn.Linear(1, 1, rng=rng), tg.nn.Dropout(0.05, rng=rng))

    def losses(self, model, rng):
        for rows in batches(40, 8, rng):
            yield F.mse_loss(model(self.x[rows]), self.y[rows])

    def score(self, model, part):
        rows = slice(40, 50) if part == "validation" else slice(50, 60)
        return float(np.mean((model(self.x[rows]).data - self.y[rows]) ** 2))

    def baseline(self):
        return "zero", float(np.mean(self.y[50:] ** 2))


def run(folder=None, seed=0, **options):
    task = Line()
    return Fit(task, task.model("", np.random.default_rng(0)), folder=folder, seed=seed, **options)


def numbers(fit):
    return [(row.epoch, row.loss, row.score, row.lr) for row in fit.history]


def test_it_learns_and_judges_with_the_best_weights():
    fit = run(epochs=30)
    for _ in fit.epochs_left():
        pass
    fit.use_best()
    assert fit.score("validation") == min(row.score for row in fit.history)
    assert fit.task.beats_baseline(fit.score("test"))


def test_a_resumed_run_has_identical_numbers(tmp_path):
    whole = run()
    list(whole.epochs_left())
    broken = run(tmp_path)
    for row in broken.epochs_left():
        if row.epoch == 3:
            break
    again = run(tmp_path)
    again.resume(tmp_path)
    list(again.epochs_left())
    assert numbers(again) == numbers(whole)
    for name, weight in whole.model.state_dict().items():
        np.testing.assert_array_equal(again.model.state_dict()[name], weight)
        np.testing.assert_array_equal(again.best[name], whole.best[name])


def test_an_interrupted_epoch_is_done_again(tmp_path):
    whole = run()
    list(whole.epochs_left())
    broken = run(tmp_path)

    def interrupted(step, loss):
        if len(broken.history) == 2 and step == 3:
            raise KeyboardInterrupt

    broken.on_step = interrupted
    with pytest.raises(KeyboardInterrupt):
        list(broken.epochs_left())
    again = run(tmp_path)
    again.resume(tmp_path)
    list(again.epochs_left())
    assert numbers(again) == numbers(whole)


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    list(run(tmp_path, epochs=2).epochs_left())
    with pytest.raises(ValueError, match="belongs to another run"):
        run(epochs=3).resume(tmp_path)
    with pytest.raises(FileNotFoundError):
        run().resume(tmp_path / "none")
    np.savez(tmp_path / "checkpoint.npz", a=np.zeros(2))
    with pytest.raises(ValueError, match="not a checkpoint"):
        run().resume(tmp_path)


def test_it_stops_when_nothing_helps_any_more():
    fit = run(epochs=50, patience=3, lr=1e-300)
    rows = list(fit.epochs_left())
    assert len(rows) < 50
    best = min(range(len(rows)), key=lambda k: rows[k].score)
    assert len(rows) == best + 4


def test_a_loss_that_is_not_finite_stops_the_run():
    fit = run(lr=1e200)
    with np.errstate(all="ignore"), pytest.raises(FloatingPointError, match="learning rate"):
        list(fit.epochs_left())
