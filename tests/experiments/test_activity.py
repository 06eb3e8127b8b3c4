"""Activity: labels by the pixels' own movement, single frames that tell nothing."""

from pathlib import Path

import numpy as np
import pytest

from tinygrad_rnn.experiments.activity import KINDS, MOTIONS, Activity, film
from tinygrad_rnn.fit import Fit

CELLS = ("rnn", "lstm", "gru")


class Small(Activity):
    sizes, H = (80, 20, 40), 24


@pytest.fixture(scope="module")
def task():
    return Small(seed=5)


def test_the_labels_are_what_rolling_the_last_frame_gives():
    """Every frame is the one before, rolled as its label says; or, growing, of another size."""
    for seed in range(20):
        frames, kinds = film(24, 8, np.random.default_rng(seed))
        seen = frames > 0.5
        for before, now, kind in zip(seen, seen[1:], kinds[1:], strict=False):
            down, right, growth = MOTIONS[KINDS[kind]]
            if growth:
                assert {before.sum(), now.sum()} == {1, 9}
            else:
                np.testing.assert_array_equal(now, np.roll(before, (down, right), axis=(0, 1)))


def test_a_motion_lasts_three_frames_or_more():
    kinds = film(200, 8, np.random.default_rng(0))[1]
    changes = np.flatnonzero(np.diff(kinds))
    assert np.diff(changes).min() >= 3 and {*kinds.tolist()} == set(range(len(KINDS)))


def test_the_seed_decides_and_no_film_is_in_two_parts(task):
    np.testing.assert_array_equal(Small(seed=5).parts["test"][0], task.parts["test"][0])
    assert not np.array_equal(Small(seed=6).parts["test"][0], task.parts["test"][0])
    films = np.concatenate([x for x, _ in task.parts.values()], axis=1)
    assert len(np.unique(films.swapaxes(0, 1).reshape(140, -1), axis=0)) == 140


@pytest.mark.parametrize("cell", CELLS)
def test_the_loss_decreases(task, cell):
    run = Fit(task, task.model(cell, np.random.default_rng(0)), epochs=15, lr=1e-2)
    rows = list(run.epochs_left())
    assert rows[-1].loss < 0.95 * rows[0].loss
    assert 0 <= rows[-1].score <= 1


def test_examples_say_that_one_frame_is_not_enough(task):
    chance, letters, truth, answer = task.examples(task.model("gru", np.random.default_rng(0)))
    assert float(chance.split("frame ")[1].split(",")[0]) < 0.3
    assert letters == "first letters of left, right, up, down, stands, grows"
    assert len(truth.split()) == len(answer.split()) == 24


def test_the_users_own_data_is_refused():
    with pytest.raises(ValueError, match="activity makes its own films"):
        Activity(source=Path("films"))


@pytest.mark.slow
def test_by_default_it_beats_the_baseline():
    task = Activity()
    run = Fit(task, task.model("gru", np.random.default_rng([0, 1])))
    assert len(list(run.epochs_left())) == task.epochs
    run.use_best()
    assert run.score("test") > 0.8 > task.baseline()[1] + 0.4
