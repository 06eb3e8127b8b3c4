"""A language model says how likely each next word is; a surprised one has a high perplexity.

Legend: `B` rows of text read side by side, `T` steps of a batch, `V` words, `H` hidden width.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from .. import functional as F
from ..arraylike import Array
from ..bptt import detached
from ..data import Vocabulary, manual, read_text, sequential_batches, split, words
from ..modes import no_grad
from ..nn import LAYERS, Dropout, Embedding, Linear, Module
from ..task import Task
from ..tensor import Tensor


class LanguageModel(Module):
    """A word's vector into a recurrent layer, and a score for each possible next word out of it.

    Dropout on the way in and on the way out, not along time (Zaremba et al. 2014).

    Call `model(x, state=None)` with x (T, B): scores (T, B, V), and the state to go on from.
    """

    def __init__(
        self, cell: str, V: int, hidden: int, *, dropout: float = 0.0, rng: np.random.Generator
    ) -> None:
        super().__init__()
        self.embedding = Embedding(V, hidden, dtype=np.float32, rng=rng)
        self.dropout = Dropout(dropout, rng=rng)
        self.recurrent = LAYERS[cell](hidden, hidden, dtype=np.float32, rng=rng)
        self.output = Linear(hidden, V, dtype=np.float32, rng=rng)

    def forward(self, x: Array, state: Any = None) -> tuple[Any, Any]:
        hs, state = self.recurrent(self.dropout(self.embedding(x)), state)  # (T, B, H)
        return self.output(self.dropout(hs)), state


@no_grad()
def sample(
    model: LanguageModel,
    start: Array,
    length: int,
    *,
    temperature: float = 1.0,
    never: tuple[int, ...] = (),
    rng: int | np.random.Generator,
) -> Array:
    """`start` (n,) and `length` more symbols, each drawn from softmax(scores / temperature).

    Args:
        temperature: 1 is what was learned; towards 0, always the likeliest; above 1, bolder.
        never: symbols that are not drawn, such as the unknown word.

    Raises:
        ValueError: for a temperature that is not positive, or nothing to start from.
    """
    if temperature <= 0 or not len(start):
        raise ValueError(
            f"a sample needs a temperature > 0 and a first symbol; given {temperature} and"
            f" {len(start)} symbols"
        )
    rng = np.random.default_rng(rng)
    symbols = [int(k) for k in start]
    scores, state = model(np.asarray(start)[:, None])
    for _ in range(length):
        logits = scores.data[-1, 0].astype(float) / temperature  # (V,)
        logits[list(never)] = -np.inf
        symbols.append(int(rng.choice(len(logits), p=F.softmax(logits))))
        scores, state = model(np.array([[symbols[-1]]]), state)
    return np.array(symbols)


class Words(Task):
    """The next word of the standard library's own manual, by all the words before it.

    Paragraphs that the manual has twice are kept once: otherwise what is held out had been read;
    and the rules that its tables are drawn with are left out, which anyone can foretell.
    The last tenth of the text is held out to be judged by, the tenth before it to choose by. Words
    outside the 1,500 most frequent of the training part count as one, `<unk>`; so perplexities
    compare only with others on these symbols. The manual differs a little between Pythons.
    `source`: a text file.
    """

    name = "words"
    shape = "language model"
    metric = "perplexity"
    higher_is_better = False
    epochs = 8
    lr = 4e-3
    max_size, hidden, dropout = 1500, 128, 0.4
    B, T = 20, 30

    def __init__(self, *, source: Path | None = None, seed: int = 0) -> None:
        text = words(_prose(manual()) if source is None else read_text(source))
        if len(text) < 100:
            raise ValueError(f"{source} has {len(text)} words: a language model needs 100 or more")
        some, test = split(np.array(text, dtype=object), 0.1)
        train, validation = split(some, 1 / 9)
        self.vocabulary = Vocabulary(train, unknown="<unk>", max_size=self.max_size)
        texts = {"train": train, "validation": validation, "test": test}
        self.parts = {part: self.vocabulary.encode(text) for part, text in texts.items()}
        self.B = max(1, min(self.B, len(train) // (2 * self.T)))  # a short text: fewer rows
        self.seed = seed

    def model(self, cell: str, rng: np.random.Generator) -> Module:
        V = len(self.vocabulary)
        return LanguageModel(cell, V, self.hidden, dropout=self.dropout, rng=rng)

    def losses(self, model: Any, rng: np.random.Generator) -> Iterator[Tensor]:
        """Truncated back-propagation: the state is carried from batch to batch, without its past.

        Each pass begins at another word, so that the cuts do not always fall in the same places.
        """
        state = None
        start = rng.integers(0, self.T)
        for x, y in sequential_batches(self.parts["train"][start:], self.B, self.T):
            scores, state = model(x, detached(state))
            yield F.cross_entropy(scores, y)

    def score(self, model: Any, part: str) -> float:
        state, total, count = None, 0.0, 0
        for x, y in sequential_batches(self.parts[part], 1, 200):
            scores, state = model(x, state)
            total += F.cross_entropy(scores, y, reduction="sum").item()
            count += y.size
        return float(np.exp(total / count))

    def baseline(self) -> tuple[str, float]:
        k, perplexity = self.bigram
        return f"bigrams with add-{k:g} smoothing (unigrams: {self.unigram:.1f})", perplexity

    @property
    def unigram(self) -> float:
        """The perplexity of the test part by how frequent each word is, plus one."""
        counts = np.bincount(self.parts["train"], minlength=len(self.vocabulary)) + 1
        return _perplexity(counts[self.parts["test"][1:]] / counts.sum())

    @cached_property
    def bigram(self) -> tuple[float, float]:
        """(k, chosen on the validation part; the test part's perplexity by add-k bigrams)."""
        V, train = len(self.vocabulary), self.parts["train"]
        counts = np.zeros((V, V), np.int32)
        np.add.at(counts, (train[:-1], train[1:]), 1)
        before = counts.sum(axis=1)

        def judged(k: float, part: str) -> float:
            x, y = self.parts[part][:-1], self.parts[part][1:]
            return _perplexity((counts[x, y] + k) / (before[x] + k * V))

        k = min((0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1), key=lambda k: judged(k, "validation"))
        return k, judged(k, "test")

    def examples(self, model: Any) -> list[str]:
        start = self.vocabulary.encode(["the"])
        unknown = (int(self.vocabulary.encode([""])[0]),)
        texts = []
        for temperature in (0.3, 0.7, 1.0):
            settings: dict[str, Any] = {"temperature": temperature, "never": unknown}
            text = sample(model, start, 25, **settings, rng=self.seed)
            texts.append(f"temperature {temperature}: {self.vocabulary.decode(text, ' ')} ...")
        return texts


def _prose(text: str) -> str:
    """The text without the lines of its tables, and each paragraph once."""
    paragraphs = re.sub(r"[-+=|*~]{3,}|\|", " ", text).split("\n\n")
    return "\n\n".join(dict.fromkeys(" ".join(paragraph.split()) for paragraph in paragraphs))


def _perplexity(probabilities: Array) -> float:
    """exp of the mean -log probability."""
    return float(np.exp(-np.log(probabilities).mean()))
