"""A question-answer bot: it reads what was said and a question, and writes the answer.

It is the encoder-decoder of `translate.py`, with words for letters. What it has to learn is which
sentence the question is about, and that the last word on a matter counts.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from functools import cached_property
from typing import ClassVar

import numpy as np

from ..data import words
from .translate import Translation, _cut, _share_right

PEOPLE = ("anna", "ben", "minsu", "yuna")
PLACES = ("kitchen", "garden", "office", "school", "station", "market")
THINGS = ("milk", "ball", "book")


def dialogue(rng: np.random.Generator) -> tuple[str, str]:
    """(two to five facts and a question, the answer).

    People go to places, take things that nobody has, and give away what they have. A question is
    only asked if the facts answer it, and what was said last holds. After the tasks of Weston et
    al. (2015), whose own data are not used.

    >>> dialogue(np.random.default_rng(3))[0].endswith("?")
    True
    """
    place: dict[str, str] = {}
    holder: dict[str, str] = {}
    facts = [_fact(place, holder, rng) for _ in range(rng.integers(2, 6))]
    question, answer = _question(place, holder, rng)
    return " ".join([*facts, question]), answer


def _one(some: tuple[str, ...] | list[str], rng: np.random.Generator) -> str:
    return some[rng.integers(len(some))]


def _fact(place: dict[str, str], holder: dict[str, str], rng: np.random.Generator) -> str:
    """A sentence; it changes who is where, or who has what."""
    person, kind = _one(PEOPLE, rng), rng.random()
    free = [thing for thing in THINGS if thing not in holder]
    if kind < 0.2 and holder:
        thing = _one(sorted(holder), rng)
        giver = holder[thing]
        holder[thing] = _one([other for other in PEOPLE if other != giver], rng)
        return f"{giver} gave the {thing} to {holder[thing]}."
    if kind < 0.45 and free:
        thing = _one(free, rng)
        holder[thing] = person
        return f"{person} took the {thing}."
    place[person] = _one([p for p in PLACES if p != place.get(person)], rng)
    return f"{person} went to the {place[person]}."


def _question(
    place: dict[str, str], holder: dict[str, str], rng: np.random.Generator
) -> tuple[str, str]:
    if holder and (not place or rng.random() < 0.4):
        thing = _one(sorted(holder), rng)
        return f"who has the {thing}?", f"{holder[thing]} has the {thing}."
    person = _one(sorted(place), rng)
    if rng.random() < 0.6:
        return f"where is {person}?", f"{person} is in the {place[person]}."
    asked = place[person] if rng.random() < 0.5 else _one(PLACES, rng)
    yes = asked == place[person]
    return f"is {person} in the {asked}?", "yes." if yes else f"no, in the {place[person]}."


class Bot(Translation):
    """Answers to questions on a short dialogue: who is where, who has what, and is that so?

    No dialogue is in two parts. `source`: a dialogue with its question on each line, a tab, and the
    answer; the question is the last sentence. Tokens are words.
    """

    name = "bot"
    layout = "lines of a dialogue with its question, a tab, and the answer"
    epochs = 10
    lr = 5e-3
    batch = 32
    joiner = " "
    sizes: ClassVar[dict[str, int]] = {"train": 8000, "validation": 500, "test": 1000}

    def source_tokens(self, text: str) -> list[str]:
        return words(text)

    def target_tokens(self, text: str) -> list[str]:
        return words(text)

    def _make(self, rng: np.random.Generator) -> dict[str, tuple[list[str], list[str]]]:
        some: dict[str, str] = {}  # each dialogue once
        while len(some) < sum(self.sizes.values()):
            text, answer = dialogue(rng)
            some[text] = answer
        return _cut(list(some), list(some.values()), self.sizes)

    def baseline(self) -> tuple[str, float]:
        what, score = super().baseline()
        return f"{what} (most frequent answer to the question: {self.by_question:.3f})", score

    @cached_property
    def by_question(self) -> float:
        """How often the most frequent answer to the same question is right on the test part."""
        train, test = self.parts["train"], self.parts["test"]
        answers: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for text, answer in zip(train.sources, train.targets, strict=True):
            answers[question(text)][answer] += 1
        usual = Counter(train.targets).most_common(1)[0][0]  # where the question is new
        best = {asked: counts.most_common(1)[0][0] for asked, counts in answers.items()}
        guesses = [best.get(question(text), usual) for text in test.sources]
        return _share_right(guesses, test.targets)


def question(text: str) -> str:
    """The last sentence of a dialogue.

    >>> question("anna took the milk. who has the milk?")
    'who has the milk?'
    """
    return text.rpartition(". ")[2]
