"""Many-to-one on pictures: a handwritten digit is read row by row, as if it were a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from .. import functional as F
from ..arraylike import Array
from ..data import shuffled_split
from ..nn import Module
from ..task import Task, batches
from ..tensor import Tensor
from .memory import LastStep

SHADES = " .:*#"


class Digits(Task):
    """Which digit is it? 1,797 pictures of 8 x 8 pixels from scikit-learn (UCI, Alpaydin 1998).

    Step t is row t of the picture, from the top: T = 8, D = 8. The pictures stand in scikit-learn's
    own files, nothing is downloaded. A fifth is held out for the test, a fifth for validation.

    Raises:
        ModuleNotFoundError: without scikit-learn.
    """

    name = "digits"
    shape = "many-to-one"
    metric = "accuracy"
    epochs = 40
    lr = 5e-3

    def __init__(self, *, source: Path | None = None, seed: int = 0) -> None:
        if source is not None:
            raise ValueError("digits reads scikit-learn's own pictures: leave --data out")
        try:
            load_digits = import_module("sklearn.datasets").load_digits
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                "digits reads the pictures that come with scikit-learn: pip install scikit-learn"
            ) from error
        data = load_digits()
        pictures = (data.images / 16).astype(np.float32)  # (n, 8, 8), from 0 to 1
        rng = np.random.default_rng([seed, 0])
        rest, test = shuffled_split(
            pictures, data.target, held_out=0.2, stratify=data.target, rng=rng
        )
        train, validation = shuffled_split(*rest, held_out=0.25, stratify=rest[1], rng=rng)
        self.parts: dict[str, tuple[Array, Array]] = {
            part: (x.transpose(1, 0, 2), y)  # (T, n, D), (n,)
            for part, (x, y) in (("train", train), ("validation", validation), ("test", test))
        }

    def model(self, cell: str, rng: np.random.Generator) -> Module:
        return LastStep(cell, 8, 64, 10, rng)

    def losses(self, model: Any, rng: np.random.Generator) -> Iterator[Tensor]:
        x, y = self.parts["train"]
        for rows in batches(len(y), 32, rng):
            yield F.cross_entropy(model(x[:, rows]), y[rows])

    def score(self, model: Any, part: str) -> float:
        x, y = self.parts[part]
        return float(np.mean(model(x).data.argmax(axis=-1) == y))

    def baseline(self) -> tuple[str, float]:
        x, y = self.parts["train"]
        means = np.stack([x[:, y == digit].mean(axis=1) for digit in range(10)])  # (10, T, D)
        x, y = self.parts["test"]
        distances = ((x.transpose(1, 0, 2)[:, None] - means) ** 2).sum(axis=(2, 3))  # (n, 10)
        return "nearest class mean", float(np.mean(distances.argmin(axis=1) == y))

    def examples(self, model: Any) -> list[str]:
        x, y = self.parts["test"]
        answers = model(x[:, :4]).data.argmax(axis=-1)
        shades = np.rint(x[:, :4] * (len(SHADES) - 1)).astype(int)  # (T, 4, D)
        lines = [
            "    ".join("".join(SHADES[k] * 2 for k in row) for row in rows) for rows in shades
        ]
        under = (f"{digit}, answer {a}" for digit, a in zip(y[:4], answers, strict=True))
        return [*lines, "    ".join(f"{text:16}" for text in under).rstrip()]
