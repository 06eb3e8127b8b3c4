"""A language model says how likely each next symbol is; a surprised one has a high perplexity.

Legend: `B` rows of text read side by side, `T` steps of a batch, `V` symbols.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from functools import cached_property
from itertools import cycle, islice
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from .. import functional as F
from ..arraylike import Array
from ..bptt import detached
from ..data import Vocabulary, manual, read_text, sequential_batches, split, words
from ..models import LanguageModel, default_prompt, save_model, write
from ..nn import Module
from ..task import Task
from ..tensor import Tensor


class Language(Task):
    """The next symbol of a text, by all the symbols before it.

    The last tenth of the text is held out to be judged by, the tenth before it to choose by.
    `source`: a text file.
    """

    shape = "language model"
    metric = "perplexity"
    higher_is_better = False
    layout = "a text file (UTF-8)"
    embedding, hidden, dropout = 64, 128, 0.0
    B, T = 32, 64
    unit: ClassVar[str]  # what one symbol is
    grams: ClassVar[tuple[int, ...]]  # the n-grams that the baseline is chosen from, by their n
    excerpt: ClassVar[int]  # symbols of an example

    vocabulary: Vocabulary
    seed: int
    parts: dict[str, Array]

    def _split(self, text: Any, source: Path | None) -> dict[str, Any]:
        """Three parts of a text, which is a string or an array of words."""
        if len(text) < 100:
            given = f"{source} has {len(text)} {self.name}"
            raise ValueError(f"{given}: a language model needs 100 or more")
        some, test = split(text, 0.1)
        train, validation = split(some, 1 / 9)
        return {"train": train, "validation": validation, "test": test}

    def _take(self, texts: dict[str, Any], vocabulary: Vocabulary, seed: int) -> None:
        self.vocabulary, self.seed = vocabulary, seed
        self.parts = {part: vocabulary.encode(text) for part, text in texts.items()}
        rows = len(self.parts["train"]) // (2 * self.T)
        self.B = max(1, min(self.B, rows))  # a short text: fewer rows

    def model(self, cell: str, rng: np.random.Generator) -> Module:
        sizes = (self.embedding, self.hidden, self.dropout)
        return LanguageModel(len(self.vocabulary), cell, *sizes, rng=rng)

    def losses(self, model: Any, rng: np.random.Generator) -> Iterator[Tensor]:
        """Truncated back-propagation: the state is carried from batch to batch, without its past.

        Each epoch begins at another symbol, so that the cuts do not always fall in the same places.
        """
        text, state = self.parts["train"], None
        batches = sequential_batches(np.roll(text, -rng.integers(len(text))), self.B, self.T)
        if self.epoch_steps is not None:
            batches = islice(cycle(batches), self.epoch_steps)
        for x, y in batches:
            scores, state = model(x, detached(state))
            yield F.cross_entropy(scores, y)

    def score(self, model: Any, part: str) -> float:
        """The part is read in rows of ten thousand symbols or more, the state carried on."""
        numbers, state, total, count = self.parts[part], None, 0.0, 0
        for x, y in sequential_batches(numbers, max(1, len(numbers) // 10_000), 200):
            scores, state = model(x, state)
            total += F.cross_entropy(scores, y, reduction="sum").item()
            count += y.size
        return math.exp(total / count)

    def baseline(self) -> tuple[str, float]:
        n, k, perplexity = self.ngram
        return f"{n}-grams with add-{k:g} smoothing (1-grams: {self.unigram:.1f})", perplexity

    @property
    def unigram(self) -> float:
        """The perplexity of the test part by how frequent each symbol is, plus one."""
        counts = np.bincount(self.parts["train"], minlength=len(self.vocabulary)) + 1
        return _perplexity(counts[self.parts["test"][1:]] / counts.sum())

    @cached_property
    def ngram(self) -> tuple[int, float, float]:
        """(n and k, chosen on the validation part; the test part's perplexity by add-k n-grams)."""
        V = len(self.vocabulary)
        ks = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1)
        counts = {n: self._counts(n, "validation") for n in self.grams if V**n < 2**63}
        choices = [(n, k) for n in counts for k in ks]
        n, k = min(choices, key=lambda choice: _add_k(*counts[choice[0]], choice[1], V))
        return n, k, _add_k(*self._counts(n, "test"), k, V)

    def _counts(self, n: int, part: str) -> tuple[Array, Array]:
        """How often every n-gram of the part occurs in the training part, and all but its last."""
        V = len(self.vocabulary)
        known, asked = (_grams(self.parts[name], n, V) for name in ("train", part))
        return _how_often(asked, known), _how_often(asked // V, known // V)

    def examples(self, model: Any) -> list[str]:
        start, texts = default_prompt(self.vocabulary), []
        for heat in (0.3, 0.7, 1.0):
            settings: dict[str, Any] = {"length": self.excerpt, "temperature": heat}
            text = write(model, self.vocabulary, prompt=start, **settings, seed=self.seed)
            texts.append(f"temperature {heat}: {' '.join(text.split())} ...")
        return texts

    def meaning(self, score: float) -> list[str]:
        nats, V = math.log(score), len(self.vocabulary)
        return [
            f"held-out: {nats:.3f} nats per {self.unit} = {nats / math.log(2):.2f} bits"
            f" (uniform over {V} symbols: {math.log(V):.2f} nats)"
        ]

    def progress(self, loss: float, rate: float) -> str:
        speed = rate * self.B * self.T
        return f"loss {loss:.3f} nats/{self.unit}, {speed:,.0f} {self.name}/s"

    def keep(self, model: Any, folder: Path) -> None:
        save_model(model, self.vocabulary, folder)


class Characters(Language):
    """The next character of the standard library's own manual.

    The manual has some paragraphs twice, so that a part of what is held out may have been read.
    An epoch is a twelfth of `steps`, whatever the length of the text; a short text is read again
    and again.
    """

    name, unit = "characters", "character"
    cell = "lstm"
    epochs = 12
    lr = 3e-3
    grams = (2, 3, 4)
    excerpt = 120

    def __init__(self, *, source: Path | None = None, seed: int = 0, steps: int = 1200) -> None:
        text = manual() if source is None else read_text(source)
        self._take(self._split(text, source), Vocabulary(text), seed)
        self.epochs = min(self.epochs, steps)
        self.epoch_steps = round(steps / self.epochs)


class Words(Language):
    """The next word of the standard library's own manual.

    Paragraphs that the manual has twice are kept once: otherwise what is held out had been read;
    and the rules that its tables are drawn with are left out, which anyone can foretell.
    Words outside the 1,500 most frequent of the training part count as one, `<unk>`; so
    perplexities compare only with others on these symbols. The manual differs a little between
    Pythons.
    """

    name, unit = "words", "word"
    epochs = 8
    lr = 4e-3
    max_size, embedding, dropout = 1500, 128, 0.4
    B, T = 20, 30
    grams = (2, 3)
    excerpt = 25

    def __init__(self, *, source: Path | None = None, seed: int = 0) -> None:
        text = words(_prose(manual()) if source is None else read_text(source))
        parts = self._split(np.array(text, dtype=object), source)
        known = Vocabulary(parts["train"], unknown="<unk>", max_size=self.max_size, joiner=" ")
        self._take(parts, known, seed)


def _prose(text: str) -> str:
    """The text without the lines of its tables, and each paragraph once."""
    paragraphs = re.sub(r"[-+=|*~]{3,}|\|", " ", text).split("\n\n")
    return "\n\n".join(dict.fromkeys(" ".join(paragraph.split()) for paragraph in paragraphs))


def _perplexity(probabilities: Array) -> float:
    """exp of the mean -log probability."""
    return float(np.exp(-np.log(probabilities).mean()))


def _add_k(together: Array, before: Array, k: float, V: int) -> float:
    """The perplexity by P(symbol after n - 1 others) = (together + k) / (before + k V)."""
    return _perplexity((together + k) / (before + k * V))


def _grams(numbers: Array, n: int, V: int) -> Array:
    """Every n symbols in a row as one number, the last symbol as its last digit to base V."""
    places = [numbers[i : len(numbers) - n + 1 + i] * V ** (n - 1 - i) for i in range(n)]
    return np.sum(places, axis=0)


def _how_often(asked: Array, known: Array) -> Array:
    values, counts = np.unique(known, return_counts=True)
    at = np.minimum(np.searchsorted(values, asked), len(values) - 1)
    return np.where(values[at] == asked, counts[at], 0)
