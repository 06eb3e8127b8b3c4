"""Names are new, tags follow the template, and what stands behind a name counts."""

import re
from itertools import pairwise

import numpy as np
import pytest

from tinygrad_rnn.experiments.entities import CLOSINGS, OPENINGS, Entities, name, sentence
from tinygrad_rnn.fit import Fit


class Small(Entities):
    sizes, H, B, epochs = (300, 30, 60), 16, 16, 6


def test_tags_mark_what_the_template_calls_a_person_a_place_or_a_firm():
    rng = np.random.default_rng(0)
    patterns = [f"{a} {b} ." for a in OPENINGS for b in CLOSINGS]
    for _ in range(200):
        words, tags = sentence(rng)
        assert len(words) == len(tags)
        symbols = [
            w if t == "O" else t[2:] for w, t in zip(words, tags, strict=True) if t[0] != "I"
        ]
        assert " ".join(symbols) in patterns
        assert all(b[2:] == a[2:] for a, b in pairwise(tags) if b[0] == "I")


def test_a_name_is_one_word_or_two_and_hardly_any_comes_twice():
    rng = np.random.default_rng(0)
    names = [" ".join(name(rng)) for _ in range(500)]
    assert {len(some.split()) for some in names} == {1, 2}
    assert all(re.fullmatch("([A-Z][a-z]+ ?){1,2}", some) for some in names)
    assert len(set(names)) > 470


def test_most_names_of_the_test_part_are_new_to_the_net():
    task = Entities(seed=1)
    words, tags = task.texts["test"]
    named = [
        w
        for row, t in zip(words, tags, strict=True)
        for w, k in zip(row, t, strict=True)
        if k != "O"
    ]
    known = sum(word in task.symbols.symbols for word in named)
    assert known < 0.15 * len(named)
    assert task.texts["test"] == Entities(seed=1).texts["test"] != Entities(seed=2).texts["test"]


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_the_loss_decreases(cell):
    task = Small()
    run = Fit(task, task.model(cell, np.random.default_rng(0)), epochs=3)
    rows = list(run.epochs_left())
    assert rows[-1].loss < 0.9 * rows[0].loss


def test_both_ways_are_better_than_one_and_the_command_shows_it():
    task = Small()
    run = Fit(task, task.model("gru", np.random.default_rng(0)))
    list(run.epochs_left())
    first, *rest = task.examples(run.model)
    one, both = (
        float(some.split()[-1]) for some in re.split(", bidir", first.replace("always", ""))[:2]
    )
    assert both > one + 0.03 and both > task.baseline()[1]
    assert all(len(line) <= 100 and "/" in line for line in rest)
