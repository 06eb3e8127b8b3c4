"""Captions: the picture shows what the words say, and decoding follows the true words."""

from pathlib import Path

import numpy as np
import pytest
from learning import learned

from tinygrad_rnn.experiments.caption import COLOURS, COLUMNS, ROWS, Caption, describe, draw_scene
from tinygrad_rnn.fit import Fit
from tinygrad_rnn.modes import no_grad

CELLS = ("rnn", "lstm", "gru")


class Small(Caption):
    sizes, H = (300, 40, 60), 24


@pytest.fixture(scope="module")
def task():
    return Small(seed=5)


def test_the_words_say_what_is_in_the_picture(task):
    """Places and colours by the brightness of each ninth of the board."""
    for picture, caption in zip(*task.parts["test"], strict=True):
        text = task.words.decode(caption[caption > 0], " ")
        light = picture.reshape(3, 4, 3, 4, 3).sum(axis=(1, 3))  # (row, column, colour)
        seen = {
            (COLOURS[colour], ROWS[row], COLUMNS[column])
            for row, column, colour in np.argwhere(light > 3)
        }
        said = {(w[0], w[2], w[3]) for w in (part.split() for part in text.split(" and "))}
        assert seen == said


def test_captions_are_in_reading_order():
    things = [("red", "square", 4), ("blue", "cross", 0), ("green", "triangle", 8)]
    assert " ".join(describe(things)) == (
        "blue cross top left and red square middle centre and green triangle bottom right"
    )


def test_shapes_differ():
    rng = np.random.default_rng(0)
    sums = {shape: draw_scene([("red", shape, 4)], rng)[4:8, 4:8, 0] > 0.4
            for shape in ("square", "cross", "triangle")}  # fmt: skip
    assert [int(dots.sum()) for dots in sums.values()] == [12, 12, 10]
    assert not np.array_equal(sums["square"], sums["cross"])


def test_the_seed_decides_and_no_picture_is_in_two_parts(task):
    np.testing.assert_array_equal(Small(seed=5).parts["test"][0], task.parts["test"][0])
    assert not np.array_equal(Small(seed=6).parts["test"][0], task.parts["test"][0])
    pictures = np.concatenate([x for x, _ in task.parts.values()])
    assert len(np.unique(pictures, axis=0)) == 400


@pytest.mark.parametrize("cell", CELLS)
def test_the_loss_decreases(task, cell):
    run = Fit(task, task.model(cell, np.random.default_rng(0)), epochs=5)
    rows = list(run.epochs_left())
    assert rows[-1].loss < 0.9 * rows[0].loss
    assert 0 <= rows[-1].score <= 1
    assert len(task.examples(run.model)) == 5


@pytest.mark.parametrize("cell", CELLS)
def test_decoding_is_teacher_forcing_with_its_own_words(task, cell):
    model = task.model(cell, np.random.default_rng(2))
    pictures = task.parts["test"][0][:7]
    with no_grad():
        words = task.decode(model, pictures)  # (B, T)
        before = np.vstack([np.zeros((1, 7), int), words.T[:-1]])
        best = model(pictures, before).data.argmax(axis=-1).T
    over = np.cumsum(words == 0, axis=1) > 0
    np.testing.assert_array_equal(np.where(over, 0, best), np.where(over, 0, words))
    assert (words[over] == 0).all()


def test_the_picture_is_all_that_the_decoder_knows(task):
    model = task.model("gru", np.random.default_rng(0))
    loss = model(task.parts["test"][0][:3], np.zeros((2, 3), int)).sum()
    loss.backward()
    assert np.abs(model.look.weight.grad).max() > 0


def test_the_users_own_data_is_refused():
    with pytest.raises(ValueError, match="caption draws its own scenes"):
        Caption(source=Path("pictures"))


@pytest.mark.slow
def test_it_learns_to_beat_the_baseline():
    task = Caption()
    score, _ = learned(task, task.baseline()[1] + 0.15)
    assert score > task.baseline()[1] + 0.1
