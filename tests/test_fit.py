"""A run learns, keeps its best weights, stops when nothing helps, resumes with equal numbers."""

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import functional as F
from tinygrad_rnn.fit import Fit
from tinygrad_rnn.schedule import Plateau
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

    def interrupted(step, loss, seconds):
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


def test_data_of_another_run_are_refused(tmp_path):
    list(run(tmp_path).epochs_left())
    again = run(tmp_path)
    again.task.y = again.task.y + 1
    with pytest.raises(ValueError, match="on other data"):
        again.resume(tmp_path)


def test_a_plateau_is_told_the_scores_and_a_resumed_run_falls_alike(tmp_path):
    def dull(folder=None):
        fit = run(folder, epochs=8, lr=1e-300, schedule=Plateau(patience=1, factor=0.5))
        return fit

    whole = dull()
    list(whole.epochs_left())
    best, seen = Plateau(patience=1, factor=0.5), []
    for row in whole.history:
        seen.append(best.now)
        best.seen(row.score)
    assert [row.lr for row in whole.history] == [1e-300 * factor for factor in seen]
    assert seen[-1] < 0.5
    broken, again = dull(tmp_path), dull(tmp_path)
    for row in broken.epochs_left():
        if row.epoch == 5:
            break
    again.resume(tmp_path)
    list(again.epochs_left())
    assert numbers(again) == numbers(whole)


class Bad(Line):
    """Something goes wrong in the second epoch's third step, in a named place."""

    def __init__(self, fault):
        super().__init__()
        self.fault, self.count = fault, 0

    def losses(self, model, rng):
        for rows in batches(40, 8, rng):
            self.count += 1
            with tg.scope("head"), tg.scope(t=self.count):
                y = model(self.x[rows])
                if self.count == 8:
                    y = self.fault(y)
            yield F.mse_loss(y, self.y[rows])


def too_large(y):
    square = (y * 1e200) * (y * 1e200)
    tg.label(square=square)
    return square - square


def steep(y):
    return y + tg.sqrt(y * 0.0)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (too_large, r"epoch 2, step 3: the result of multiply, 'square', in head / t=8 has 8 of 8"),
        (steep, r"epoch 2, step 3: the gradient of sqrt for input 0 in head / t=8 has 8 of 8"),
    ],
)
def test_the_first_bad_node_is_named_and_nothing_is_learned_from_it(tmp_path, fault, message):
    task = Bad(fault)
    fit = Fit(task, task.model("", np.random.default_rng(0)), folder=tmp_path)
    with np.errstate(all="ignore"), pytest.raises(FloatingPointError, match=message):
        list(fit.epochs_left())
    assert len(fit.history) == 1
    assert all(np.isfinite(p.data).all() for p in fit.model.parameters())


def test_a_learning_rate_that_is_too_high_is_named():
    fit = run(lr=1e308)
    fit.task.clip = 1e308
    with (
        np.errstate(all="ignore"),
        pytest.raises(FloatingPointError, match=r"epoch 1, step 2: the"),
    ):
        list(fit.epochs_left())
    fit = run()
    fit.model[0].weight.data = np.full((1, 1), np.inf)
    with (
        np.errstate(all="ignore"),
        pytest.raises(FloatingPointError, match=r"the weights 0.weight are not finite: lower the"),
    ):
        list(fit.epochs_left())


def test_a_score_that_is_not_finite_is_traced_too():
    class Unscored(Line):
        def score(self, model, part):
            with tg.scope("judging"):
                return float(tg.log(model(self.x[:3]) * 0.0).sum().item())

    task = Unscored()
    fit = Fit(task, task.model("", np.random.default_rng(0)))
    with np.errstate(all="ignore"), pytest.raises(FloatingPointError, match="log in judging has 3"):
        list(fit.epochs_left())


@pytest.mark.parametrize("key", ["foo", "best/zzz", "optimizer/zzz"])
def test_a_damaged_checkpoint_is_refused_before_training(tmp_path, key):
    list(run(tmp_path, epochs=2).epochs_left())
    arrays = dict(np.load(tmp_path / "checkpoint.npz"))
    np.savez(tmp_path / "checkpoint.npz", **arrays, **{key: np.ones(2)})
    with pytest.raises(ValueError, match=r"checkpoint\.npz is damaged"):
        run(tmp_path, epochs=2).resume(tmp_path)
