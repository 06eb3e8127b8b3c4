"""One picture in, many words out: the picture is the state that the decoder starts from.

So Vinyals et al. (2015) describe photographs; here the scenes are drawn. Legend: `B` batch, `T`
words, `H` hidden width, `V` vocabulary, `P` pixels times colours.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .. import functional as F
from ..arraylike import Array
from ..data import Vocabulary, pad_sequences
from ..modes import no_grad
from ..nn import LAYERS, Embedding, Linear, Module
from ..ops import tanh
from ..task import Task, batches
from ..tensor import Tensor

COLOURS = ("red", "green", "blue")  # the three channels of a picture
SHAPES = {
    "square": ("####", "#..#", "#..#", "####"),
    "cross": (".##.", "####", "####", ".##."),
    "triangle": ("#...", "##..", "###.", "####"),
}
ROWS, COLUMNS = ("top", "middle", "bottom"), ("left", "centre", "right")
END = "<end>"


class Describer(Module):
    """A picture becomes the first state of a recurrent layer that writes word after word."""

    def __init__(self, cell: str, P: int, H: int, V: int, rng: np.random.Generator) -> None:
        super().__init__()
        self.states = 2 if cell == "lstm" else 1  # an LSTM's state is the pair (h, c)
        self.look = Linear(P, H, dtype=np.float32, rng=rng)
        self.start = Linear(H, H * self.states, dtype=np.float32, rng=rng)
        self.embedding = Embedding(V, 16, dtype=np.float32, rng=rng)
        self.recurrent = LAYERS[cell](16, H, dtype=np.float32, rng=rng)
        self.output = Linear(H, V, dtype=np.float32, rng=rng)

    def first_state(self, pictures: Array) -> Any:
        """(B, P) to the state of one layer, (1, B, H), or a pair of them."""
        h = tanh(self.start(tanh(self.look(pictures))))
        parts = F.split(h[None], self.states, axis=-1)
        return parts[0] if self.states == 1 else tuple(parts)

    def next_words(self, words: Array, state: Any) -> tuple[Any, Any]:
        """Words (T, B) to (scores of the word after each (T, B, V), the last state)."""
        hs, state = self.recurrent(self.embedding(words), state)
        return self.output(hs), state

    def forward(self, pictures: Array, words: Array) -> Any:
        """Teacher forcing (Williams & Zipser 1989): scores (T, B, V), given the true words."""
        scores, _ = self.next_words(words, self.first_state(pictures))
        return scores


def draw_scene(things: list[tuple[str, str, int]], rng: np.random.Generator) -> Array:
    """A picture (12, 12, 3) of things (colour, shape, place 0 ... 8), and noise all over it."""
    picture = rng.normal(0, 0.1, (12, 12, 3))
    for colour, shape, place in things:
        row, column = 4 * (place // 3), 4 * (place % 3)
        stencil = np.array([[dot == "#" for dot in line] for line in SHAPES[shape]])
        brightness = rng.uniform(0.6, 1)
        picture[row : row + 4, column : column + 4, COLOURS.index(colour)] += brightness * stencil
    return picture.astype(np.float32)


def describe(things: list[tuple[str, str, int]]) -> list[str]:
    """The caption, in reading order.

    >>> " ".join(describe([("blue", "cross", 8), ("red", "square", 1)]))
    'red square top centre and blue cross bottom right'
    """
    words: list[str] = []
    for colour, shape, place in sorted(things, key=lambda thing: thing[2]):
        words += ["and"] if words else []
        words += [colour, shape, ROWS[place // 3], COLUMNS[place % 3]]
    return words


class Caption(Task):
    """One to three coloured shapes on a board of nine places, in words.

    The score is the share of captions on held-out scenes that are right to the last word, decoded
    greedily. `examples` shows it also for the scenes whose caption the training part does not
    have, where the nearest picture is of no help.
    """

    name = "caption"
    shape = "one-to-many"
    metric = "exact captions"
    epochs = 16
    lr = 4e-3
    H, B = 96, 50
    sizes = (12000, 500, 500)

    def __init__(self, *, source: Path | None = None, seed: int = 0) -> None:
        if source is not None:
            raise ValueError("caption draws its own scenes: leave --data out")
        rng = np.random.default_rng([seed, 0])
        words = [*COLOURS, *SHAPES, *ROWS, *COLUMNS, "and"]
        self.words = Vocabulary(words, padding=END)  # END is number 0, also before the first word
        self.parts = {
            part: self._draw(n, rng)
            for part, n in zip(("train", "validation", "test"), self.sizes, strict=True)
        }

    def _draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """(pictures (n, P), captions (n, T), each ended by at least one END)."""
        pictures, captions = [], []
        for _ in range(n):
            places = rng.permutation(9)[: rng.integers(1, 4)].tolist()
            things = [
                (str(rng.choice(COLOURS)), str(rng.choice(list(SHAPES))), place) for place in places
            ]
            pictures.append(draw_scene(things, rng).reshape(-1))
            captions.append(self.words.encode(describe(things)))
        return np.array(pictures), pad_sequences(captions, length=15, side="right")[0]

    def model(self, cell: str, rng: np.random.Generator) -> Module:
        return Describer(cell, 12 * 12 * 3, self.H, len(self.words), rng)

    def losses(self, model: Any, rng: np.random.Generator) -> Iterator[Tensor]:
        pictures, captions = self.parts["train"]
        for rows in batches(len(pictures), self.B, rng):
            y = captions[rows].T  # (T, B)
            before = np.vstack([np.zeros_like(y[:1]), y[:-1]])
            over = (before == 0) & (np.arange(len(y)) > 0)[:, None]  # after the first END
            x = pictures[rows] + rng.normal(0, 0.2, (len(rows), pictures.shape[1]))  # noise anew
            scores = model(x.astype(np.float32), before)
            yield F.cross_entropy(scores, np.where(over, -100, y))

    def decode(self, model: Any, pictures: Array) -> Array:
        """Captions (B, T): the most probable next word, fed back, until END."""
        state = model.first_state(pictures)
        words = np.zeros((1, len(pictures)), np.int64)
        written = []
        going = np.full(words.shape, True)
        for _ in range(self.parts["train"][1].shape[1]):
            scores, state = model.next_words(words, state)
            words = np.where(going, scores.data.argmax(axis=-1), 0)  # (1, B)
            going &= words > 0
            written.append(words[0])
        return np.stack(written, axis=1)

    def right(self, model: Any, part: str) -> Array:
        """(n,): whether a caption has every word right."""
        pictures, captions = self.parts[part]
        return (self.decode(model, pictures) == captions).all(axis=1)

    def score(self, model: Any, part: str) -> float:
        return float(self.right(model, part).mean())

    def baseline(self) -> tuple[str, float]:
        (known, captions), (pictures, y) = self.parts["train"], self.parts["test"]
        distances = (known**2).sum(axis=1) - 2 * pictures @ known.T  # up to |picture|^2
        found = captions[distances.argmin(axis=1)]
        return "the nearest picture's caption", float(np.mean((found == y).all(axis=1)))

    def examples(self, model: Any) -> list[str]:
        model.eval()
        pictures, captions = self.parts["test"]
        known = {tuple(caption) for caption in self.parts["train"][1].tolist()}
        new = np.array([tuple(caption) not in known for caption in captions.tolist()])
        with no_grad():
            right = self.right(model, "test")
            written = self.decode(model, pictures[:4])
        return [
            f"{new.sum()} captions are new: {right[new].mean():.4f} of them exact,"
            f" of the others {right[~new].mean():.4f}",
            *(
                f"{self.words.decode(y, ' ')} -> {self.words.decode(words, ' ')}"
                for y, words in zip(captions, written, strict=False)
            ),
        ]
