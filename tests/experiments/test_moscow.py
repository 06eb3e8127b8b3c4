"""The label is the city the story began with; a bag cannot know it, and length is what hurts."""

import numpy as np
import pytest

from tinygrad_rnn.experiments.moscow import CITIES, END, Moscow
from tinygrad_rnn.fit import Fit


@pytest.fixture(scope="module")
def task():
    return type("Small", (Moscow,), {"n": 600})(seed=2)


def test_the_story_names_two_cities_and_the_first_is_the_answer(task):
    for texts, labels in task.texts.values():
        for text, label in zip(texts, labels, strict=True):
            there = [word for word in text.split() if word in CITIES]
            assert there[0] == label and len(set(there)) == 2 and there.count(label) == 1
            assert text.startswith(f"we came to {label} . ") and text.endswith(END)


def test_the_whole_story_is_read(task):
    assert max(len(task.tokens(text)) for some, _ in task.texts.values() for text in some) < 120


def test_a_bag_of_words_cannot_tell_the_two_cities_apart(task):
    """One of the two it names: half, by chance; the city that is named twice is not the answer."""
    assert task.baseline()[1] < 0.75


def test_it_tells_its_own_stories(tmp_path):
    with pytest.raises(ValueError, match="leave --data out"):
        Moscow(source=tmp_path)


def test_examples_show_both_ends_and_the_plain_rnn(task):
    task.epochs = 1
    lines = task.examples(task.model("gru", np.random.default_rng(0)))
    assert lines[0].count("short stories 0.") == 2 and lines[0].count("long 0.") == 2
    assert all("we came to" in line and "here is" in line for line in lines[1:])


@pytest.mark.slow
def test_by_default_it_remembers_what_a_plain_rnn_forgets():
    task = Moscow()
    run = Fit(task, task.model("gru", np.random.default_rng([0, 1])))
    list(run.epochs_left())
    run.use_best()
    assert run.score("test") > 0.97 > task.baseline()[1] + 0.3
    assert float(task.plain.split()[-1]) < 0.4
