"""A long-term dependency in words: the city that began a story is asked for at its end.

"We came to Moscow ... I said: here is ___" is the sentence by which one explains why a plain RNN
forgets: the longer the story between, the smaller the gradient that the first words get. Read
first: `reviews.py`, whose classes of text this is one of; `memory.py` for `chrono`.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..data import words
from ..fit import Fit
from ..modes import no_grad
from .memory import chrono
from .reviews import Reader, Texts

CITIES = ("moscow", "seoul", "paris", "cairo", "lima", "oslo")
ELSEWHERE = (
    "my sister called from {}", "the train to {} was late", "a friend of mine works in {}",
    "the paper wrote about {}", "somebody asked the way to {}",
)  # fmt: skip
FILLERS = (
    "the houses are lovely", "the food is good", "the weather is fine", "we bought a sandwich",
    "we ate in the park", "then it rained", "i slept well", "the museum was closed",
)  # fmt: skip
END = "then my boss called and asked where i was . i said : here is"
LONG = 7  # sentences from which on a story counts as long


class Moscow(Texts):
    """Which city is "here", when the story names another one on the way?

    A story begins with the city, has 1 to 12 sentences, at least one of which names another city,
    and ends with the question. So a bag of words knows which cities it has to choose from, and
    no more. `examples` shows short and long stories apart, and a plain RNN's answers beside.
    """

    name = "moscow"
    shape = "long memory"
    layout = ""
    epochs = 4
    lr = 5e-3
    longest = 120
    in_bag = "words"

    def __init__(self, *, source: Path | None = None, seed: int = 0) -> None:
        if source is not None:
            raise ValueError("moscow tells its own stories: leave --data out")
        super().__init__(seed=seed)

    def make(self, rng: np.random.Generator) -> tuple[str, str]:
        here, other = rng.permutation(CITIES)[:2]
        n = int(rng.integers(1, 13))
        middle = [str(rng.choice(FILLERS)) for _ in range(n)]
        for k in rng.permutation(n)[: int(rng.integers(1, 3))]:
            middle[k] = str(rng.choice(ELSEWHERE)).format(other)
        return " . ".join([f"we came to {here}", *middle, END]), str(here)

    def tokens(self, text: str) -> list[str]:
        return words(text)

    def bag(self, text: str) -> list[str]:
        return words(text)

    def shown(self, text: str) -> str:
        return f"{text[:48]} ... {text[-48:]}"

    def model(self, cell: str, rng: np.random.Generator) -> Reader:
        model = super().model(cell, rng)
        chrono(model.recurrent, self.longest, rng)
        return model

    def by_length(self, model: Any) -> str:
        """The shares of short and of long stories of the test part that are answered right."""
        model.eval()
        with no_grad():
            right = self._right(model, "test")
        long = np.array([text.count(" . ") - 2 >= LONG for text in self.texts["test"][0]])
        return f"short stories {right[~long].mean():.3f}, long {right[long].mean():.3f}"

    @cached_property
    def plain(self) -> str:
        """The same for a plain RNN, trained as long."""
        run = Fit(self, self.model("rnn", np.random.default_rng(0)))
        for _ in run.epochs_left():
            pass
        run.use_best()
        return self.by_length(run.model)

    def examples(self, model: Any) -> list[str]:
        lines = [f"this net: {self.by_length(model)}; plain RNN: {self.plain}"]
        return lines + super().examples(model)
