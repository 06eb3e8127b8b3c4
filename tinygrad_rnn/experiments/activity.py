"""What a moving picture shows at each moment: no single frame tells it, only the change does.

Legend: `B` batch, `T` frames, `S` pixels along a side, `H` hidden width, `K` kinds of motion.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .. import functional as F
from ..arraylike import Array
from ..modes import no_grad
from ..nn import LAYERS, Linear, Module
from ..ops import tanh
from ..task import Task, batches
from ..tensor import Tensor

# kind: (steps down, steps right, growth of the half side) in a frame
MOTIONS = {
    "left": (0, -1, 0),
    "right": (0, 1, 0),
    "up": (-1, 0, 0),
    "down": (1, 0, 0),
    "stands": (0, 0, 0),
    "grows": (0, 0, 1),
}
KINDS = tuple(MOTIONS)


class Watcher(Module):
    """Each frame is looked at alone; a recurrent layer remembers what the last ones looked like."""

    def __init__(self, cell: str, pixels: int, H: int, K: int, rng: np.random.Generator) -> None:
        super().__init__()
        self.look = Linear(pixels, H, dtype=np.float32, rng=rng)
        self.recurrent = LAYERS[cell](H, H, dtype=np.float32, rng=rng)
        self.output = Linear(H, K, dtype=np.float32, rng=rng)

    def forward(self, frames: Array) -> Any:
        """(T, B, S * S) to scores (T, B, K)."""
        hs, _ = self.recurrent(tanh(self.look(frames)))  # (T, B, H)
        return self.output(hs)


def film(T: int, S: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """(frames (T, S, S), the kind of each frame (T,)) of a square on a ring-shaped board.

    What leaves at one side comes in at the other; a square that has grown to half the board is
    small again. So all places and sizes are equally frequent in every kind of motion, and a frame
    says nothing of it. A motion lasts 3 to 6 frames, counted from the first that differs.
    """
    kinds: list[int] = []
    while len(kinds) < T:
        kinds += [int(rng.integers(len(KINDS)))] * int(rng.integers(3, 7))
    row, column = rng.integers(0, S, 2)
    half = int(rng.integers(0, S // 4))  # the square's side is 2 half + 1
    frames = rng.normal(0, 0.1, (T, S, S))
    for frame, kind in zip(frames, kinds, strict=False):
        down, right, growth = MOTIONS[KINDS[kind]]
        row, column, half = row + down, column + right, (half + growth) % (S // 4)
        rows, columns = (np.arange(at - half, at + half + 1) % S for at in (row, column))
        frame[np.ix_(rows, columns)] += 1
    return frames.astype(np.float32), np.array(kinds[:T])


class Activity(Task):
    """The motion in every frame of a film: left, right, up, down, growing, or standing still.

    The score is the share of frames that are labelled right, without the first of each film,
    before which nothing can have moved. A frame alone is at chance; two hold the answer, but not
    in a weighted sum of their pixels, which is what the baseline is.
    """

    name = "activity"
    shape = "many-to-many, same length"
    metric = "accuracy"
    epochs = 20
    lr = 5e-3
    T, S, H, B = 24, 8, 64, 32
    sizes = (1500, 200, 300)

    def __init__(self, *, source: Path | None = None, seed: int = 0) -> None:
        if source is not None:
            raise ValueError("activity makes its own films: leave --data out")
        rng = np.random.default_rng([seed, 0])
        self.parts = {
            part: self._films(n, rng)
            for part, n in zip(("train", "validation", "test"), self.sizes, strict=True)
        }

    def _films(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """(frames (T, n, S * S), kinds (T, n))."""
        frames, kinds = zip(*(film(self.T, self.S, rng) for _ in range(n)), strict=True)
        return np.stack(frames, axis=1).reshape(self.T, n, -1), np.stack(kinds, axis=1)

    def model(self, cell: str, rng: np.random.Generator) -> Module:
        return Watcher(cell, self.S**2, self.H, len(KINDS), rng)

    def losses(self, model: Any, rng: np.random.Generator) -> Iterator[Tensor]:
        x, y = self.parts["train"]
        for rows in batches(x.shape[1], self.B, rng):
            yield F.cross_entropy(model(x[:, rows])[1:], y[1:, rows])

    def score(self, model: Any, part: str) -> float:
        x, y = self.parts[part]
        return float(np.mean(model(x).data.argmax(axis=-1)[1:] == y[1:]))

    def baseline(self) -> tuple[str, float]:
        """Softmax regression on a frame and the one before it, without a hidden layer."""
        (x, y), (x_test, y_test) = self.parts["train"], self.parts["test"]
        W = _softmax_regression(_pairs(x), y[1:].reshape(-1), len(KINDS))
        right = (_pairs(x_test) @ W).argmax(axis=1) == y_test[1:].reshape(-1)
        return "softmax regression on two frames", float(right.mean())

    def examples(self, model: Any) -> list[str]:
        model.eval()
        (x, y), (x_test, y_test) = self.parts["train"], self.parts["test"]
        W = _softmax_regression(_single(x), y[1:].reshape(-1), len(KINDS))
        alone = (_single(x_test) @ W).argmax(axis=1) == y_test[1:].reshape(-1)
        with no_grad():
            found = model(x_test[:, :1]).data.argmax(axis=-1)[1:, 0]
        return [
            f"softmax regression on one frame {alone.mean():.4f}, chance {1 / len(KINDS):.4f}",
            "first letters of " + ", ".join(KINDS),
            "film   " + " ".join(KINDS[k][0] for k in y_test[1:, 0]),
            "answer " + " ".join(KINDS[k][0] for k in found),
        ]


def _single(x: Array) -> Array:
    """Each frame but the first, as a row, and a one."""
    rows = x[1:].reshape(-1, x.shape[-1])
    return np.hstack([rows, np.ones((len(rows), 1), x.dtype)])


def _pairs(x: Array) -> Array:
    """Each frame but the first, and the one before it, as a row, and a one."""
    return np.hstack([x[:-1].reshape(-1, x.shape[-1]), _single(x)])


def _softmax_regression(x: Array, y: Array, K: int, steps: int = 150, lr: float = 0.5) -> Array:
    """Weights (n, K), by gradient descent on the mean cross-entropy."""
    W = np.zeros((x.shape[1], K), x.dtype)
    for _ in range(steps):
        scores = x @ W
        p = np.exp(scores - scores.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        p[np.arange(len(y)), y] -= 1
        W -= lr * (x.T @ p) / len(y)
    return W
