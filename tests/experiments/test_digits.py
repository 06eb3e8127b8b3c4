"""The digits are scikit-learn's, row by row; the parts have no picture in common."""

import sys

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="pip install scikit-learn")

from sklearn.datasets import load_digits
from sklearn.neighbors import NearestCentroid

from tinygrad_rnn.experiments.digits import Digits
from tinygrad_rnn.fit import Fit


@pytest.fixture(scope="module")
def task():
    return Digits(seed=0)


def test_the_parts_are_all_pictures_each_once_with_its_digit(task):
    own = []
    for x, y in task.parts.values():
        own += [(tuple(x[:, k].ravel() * 16), int(digit)) for k, digit in enumerate(y)]
    data = load_digits()
    theirs = [(tuple(row), int(digit)) for row, digit in zip(data.data, data.target, strict=True)]
    assert sorted(own) == sorted(theirs)
    assert len({picture for picture, _ in own}) == len(own)


def test_a_step_is_a_row_and_every_digit_is_in_every_part(task):
    for x, y in task.parts.values():
        assert x.shape == (8, len(y), 8)
        assert x.dtype == np.float32
        assert 0 <= x.min() < x.max() <= 1
        assert set(y) == set(range(10))


def test_same_seed_same_parts(task):
    same, other = Digits(seed=0), Digits(seed=1)
    np.testing.assert_array_equal(same.parts["test"][0], task.parts["test"][0])
    assert not np.array_equal(other.parts["test"][1], task.parts["test"][1])


@pytest.mark.filterwarnings("ignore:self.within_class_std_dev_")  # the corners are always empty
def test_the_baseline_is_scikit_learns_nearest_centroid(task):
    (x, y), (x_test, y_test) = (
        (x.transpose(1, 0, 2).reshape(-1, 64), y)
        for x, y in (task.parts["train"], task.parts["test"])
    )
    assert task.baseline()[1] == NearestCentroid().fit(x, y).score(x_test, y_test)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_the_loss_falls_with_every_cell(task, cell):
    run = Fit(task, task.model(cell, np.random.default_rng(0)), epochs=2)
    first, second = run.epochs_left()
    assert second.loss < first.loss - 0.1
    assert 0 <= second.score <= 1


def test_examples_draw_the_pictures(task):
    *rows, under = task.examples(task.model("rnn", np.random.default_rng(0)))
    assert len(rows) == 8
    assert all(len(row) == 4 * 16 + 3 * 4 for row in rows)
    assert under.count("answer") == 4


def test_it_reads_no_other_pictures(tmp_path):
    with pytest.raises(ValueError, match="leave --data out"):
        Digits(source=tmp_path)


def test_without_scikit_learn_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ModuleNotFoundError, match="pip install scikit-learn"):
        Digits()


@pytest.mark.slow
def test_the_default_run_beats_the_baseline_clearly():
    task = Digits(seed=0)
    run = Fit(task, task.model(task.cell, np.random.default_rng([0, 1])))
    assert len(list(run.epochs_left())) == Digits.epochs
    run.use_best()
    assert run.score("test") > 0.95 > task.baseline()[1]
