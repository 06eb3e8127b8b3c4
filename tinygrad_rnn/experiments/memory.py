"""Long memory: what has to be remembered stands far back, with noise in between."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .. import functional as F
from ..arraylike import Array
from ..nn import LAYERS, Linear, Module
from ..task import Task, batches
from ..tensor import Tensor


class LastStep(Module):
    """A recurrent layer, and a linear output of its last state: many-to-one."""

    def __init__(
        self, cell: str, inputs: int, hidden: int, outputs: int, rng: np.random.Generator
    ) -> None:
        super().__init__()
        self.recurrent = LAYERS[cell](inputs, hidden, dtype=np.float32, rng=rng)
        self.output = Linear(hidden, outputs, dtype=np.float32, rng=rng)

    def forward(self, x: Array) -> Any:
        hs, _ = self.recurrent(x)  # (T, B, H)
        return self.output(hs[-1])


class Adding(Task):
    """Two of T numbers are marked; the answer is their sum (Hochreiter & Schmidhuber 1997, Exp. 4).

    In the form of Le, Jaitly & Hinton (2015): numbers uniform in [0, 1], one mark in each half.
    Always to answer 1 has a mean squared error of 1/6.
    """

    name = "adding"
    shape = "long memory"
    metric = "mean squared error"
    higher_is_better = False
    epochs = 12
    lr = 3e-3
    T, n = 50, 4000

    def __init__(self, *, source: Path | None = None, seed: int = 0) -> None:
        if source is not None:
            raise ValueError("adding makes its own data: leave --data out")
        rng = np.random.default_rng([seed, 0])
        self.parts = {
            part: self._draw(n, rng)
            for part, n in (("train", self.n), ("validation", 500), ("test", 1000))
        }

    def _draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """(x (T, n, 2): numbers and marks, y (n, 1): the sum of the two marked)."""
        T = self.T
        x = np.zeros((T, n, 2), np.float32)
        x[:, :, 0] = rng.random((T, n))
        first, second = rng.integers(0, T // 2, n), rng.integers(T // 2, T, n)
        x[first, np.arange(n), 1] = x[second, np.arange(n), 1] = 1
        return x, (x[:, :, 0] * x[:, :, 1]).sum(axis=0)[:, None]

    def model(self, cell: str, rng: np.random.Generator) -> Module:
        return LastStep(cell, 2, 32, 1, rng)

    def losses(self, model: Any, rng: np.random.Generator) -> Iterator[Tensor]:
        x, y = self.parts["train"]
        for rows in batches(self.n, 50, rng):
            yield F.mse_loss(model(x[:, rows]), y[rows])

    def score(self, model: Any, part: str) -> float:
        x, y = self.parts[part]
        return float(np.mean((model(x).data - y) ** 2))

    def baseline(self) -> tuple[str, float]:
        _, y = self.parts["test"]
        return "always the mean", float(np.mean((y - self.parts["train"][1].mean()) ** 2))

    def examples(self, model: Any) -> list[str]:
        x, y = self.parts["test"]
        answers = model(x[:, :3]).data
        return [f"sum {t:.3f}, answer {a:.3f}" for (t,), (a,) in zip(y[:3], answers, strict=True)]
