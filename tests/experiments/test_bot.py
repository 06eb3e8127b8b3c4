"""The answers follow from the facts, by a reader that only knows the last sentence on a matter."""

import re
from collections import Counter

import numpy as np
import pytest
from learning import learned

from tinygrad_rnn.experiments.bot import Bot, dialogue, question
from tinygrad_rnn.fit import Fit

FEW = {"train": 96, "validation": 20, "test": 20}


class Few(Bot):
    sizes, hidden, batch = FEW, 16, 32


def answered(text):
    """What a reader with regular expressions says."""
    asked = question(text)
    if found := re.match(r"who has the (\w+)", asked):
        takers = re.findall(rf"(\w+) took the {found[1]}\.|the {found[1]} to (\w+)\.", text)
        holder = max(takers[-1])
        return f"{holder} has the {found[1]}."
    found = re.match(r"(?:where )?is (\w+)(?: in the (\w+))?", asked)
    place = re.findall(rf"{found[1]} went to the (\w+)\.", text)[-1]
    if found[2] is None:
        return f"{found[1]} is in the {place}."
    return "yes." if found[2] == place else f"no, in the {place}."


def test_answers_follow_from_the_facts():
    rng, kinds = np.random.default_rng(0), Counter()
    for _ in range(500):
        text, answer = dialogue(rng)
        assert answer == answered(text)
        kinds[question(text).split()[0]] += 1
        assert 2 <= text.count(". ") <= 5
    assert min(kinds["who"], kinds["where"], kinds["is"]) > 50


def test_people_give_only_what_they_have_and_take_only_what_is_free():
    rng = np.random.default_rng(1)
    for _ in range(300):
        holder = {}
        for fact in dialogue(rng)[0].split(". ")[:-1]:
            if found := re.fullmatch(r"(\w+) took the (\w+)", fact):
                assert found[2] not in holder
                holder[found[2]] = found[1]
            elif found := re.fullmatch(r"(\w+) gave the (\w+) to (\w+)", fact):
                assert holder[found[2]] == found[1] != found[3]
                holder[found[2]] = found[3]


def test_no_dialogue_is_in_two_parts_and_the_seed_decides():
    task = Few()
    texts = [text for part in FEW for text in task.parts[part].sources]
    assert len(set(texts)) == len(texts) == sum(FEW.values())
    assert Few().parts["test"].sources == task.parts["test"].sources
    assert Few(seed=1).parts["test"].sources != task.parts["test"].sources


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_the_loss_falls_with_every_cell(cell):
    task = Few()
    run = Fit(task, task.model(cell, np.random.default_rng(0)), epochs=3)
    losses = [row.loss for row in run.epochs_left()]
    assert losses[-1] < losses[0]
    assert 0 <= run.score("test") <= 1
    assert len(task.examples(run.model)) == 7


def test_own_dialogues_and_the_usual_answer(tmp_path):
    path = tmp_path / "talk.tsv"
    lines = [
        f"hi. how are you, {name}?\tfine, {name}." for name in ("anna", "ben") for _ in "12345678"
    ]
    path.write_text("\n".join(lines), encoding="UTF-8")
    task = Bot(source=path)
    assert [len(task.parts[part].targets) for part in FEW] == [12, 2, 2]
    assert task.by_question == 1.0 and "question: 1.000" in task.baseline()[0]
    path.write_text("hi. who?\n", encoding="UTF-8")
    with pytest.raises(ValueError, match="line 1"):
        Bot(source=path)


@pytest.mark.slow
def test_it_learns_to_beat_the_baseline():
    task = Bot()
    score, _ = learned(task, max(task.baseline()[1], task.by_question) + 0.05)
    assert task.beats_baseline(score) and score > task.by_question
