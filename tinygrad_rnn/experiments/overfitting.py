"""Over-fitting: few examples and a large net; dropout keeps it from learning them by heart.

Legend: `T` time, `D` sensors, `n` examples.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from .. import functional as F
from ..arraylike import Array
from ..fit import Fit
from ..modes import no_grad
from ..nn import LAYERS, Dropout, Linear, Module
from ..task import Task, batches
from ..tensor import Tensor

Rates = tuple[float, float, float]  # dropout of the inputs, of h along time, of the last h
Scores = tuple[float, float, float]  # training and validation at the end; test at the best epoch
NONE: Rates = (0.0, 0.0, 0.0)
ALL: Rates = (0.3, 0.3, 0.5)


class Dropped(Module):
    """A recurrent layer and a linear output, with dropout before, along and after the layer."""

    def __init__(self, cell: str, D: int, H: int, rates: Rates, rng: np.random.Generator) -> None:
        super().__init__()
        before, along, after = rates
        self.before = Dropout(before, rng=rng)
        self.recurrent = LAYERS[cell](D, H, recurrent_dropout=along, dtype=np.float32, rng=rng)
        self.after = Dropout(after, rng=rng)
        self.output = Linear(H, 2, dtype=np.float32, rng=rng)

    def forward(self, x: Array) -> Any:
        hs, _ = self.recurrent(self.before(x))  # (T, B, H)
        return self.output(self.after(hs[-1]))  # (B, 2)


class Overfitting(Task):
    """Which of two events came first? 250 noisy examples to learn from, 12,002 parameters.

    Each event is a pattern over D sensors, one in the first and one in the second half of T steps.
    The model has dropout of inputs and outputs (Srivastava et al. 2014; Zaremba et al. 2014) and
    recurrent dropout (Gal & Ghahramani 2016). The baseline is the same net without dropout,
    trained as long, with its best epoch chosen by validation too: early stopping alone has to be
    beaten. `examples` shows the gap between training and validation, for the plain RNN also.
    """

    name = "overfitting"
    shape = "over-fitting"
    metric = "cross-entropy"
    higher_is_better = False
    epochs = 30
    lr = 5e-3
    cell = "lstm"
    T, D, H, n = 12, 12, 48, 250
    loudness, noise = 2.0, 0.5

    def __init__(self, *, source: Path | None = None, seed: int = 0) -> None:
        if source is not None:
            raise ValueError("overfitting makes its own data: leave --data out")
        self.seed, self.asked = seed, self.cell  # asked: whose baseline it will be
        rng = np.random.default_rng([seed, 0])
        events = rng.standard_normal((2, self.D))
        events /= np.linalg.norm(events, axis=1, keepdims=True)
        self.parts = {
            part: self._draw(n, events, rng)
            for part, n in (("train", self.n), ("validation", 1000), ("test", 2000))
        }

    def _draw(self, n: int, events: Array, rng: np.random.Generator) -> tuple[Array, Array]:
        """(x (T, n, D): noise and both events, y (n,): the number of the first)."""
        x = self.noise * rng.standard_normal((self.T, n, self.D))
        y = rng.integers(0, 2, n)
        first = rng.integers(0, self.T // 2, n)
        second = rng.integers(self.T // 2, self.T, n)
        x[first, np.arange(n)] += self.loudness * events[y]
        x[second, np.arange(n)] += self.loudness * events[1 - y]
        return x.astype(np.float32), y

    def model(self, cell: str, rng: np.random.Generator) -> Module:
        self.asked = cell
        return Dropped(cell, self.D, self.H, ALL, rng)

    def losses(self, model: Any, rng: np.random.Generator) -> Iterator[Tensor]:
        x, y = self.parts["train"]
        for rows in batches(self.n, 25, rng):
            yield F.cross_entropy(model(x[:, rows]), y[rows])

    def score(self, model: Any, part: str) -> float:
        x, y = self.parts[part]
        return float(F.cross_entropy(model(x), y).data)

    def baseline(self) -> tuple[str, float]:
        return f"the same {self.asked.upper()} without dropout", self._plain[2]

    @cached_property
    def _plain(self) -> Scores:
        return self.trained(self.asked, NONE)

    def trained(self, cell: str, rates: Rates) -> Scores:
        """The cross-entropies of another model, trained as long and from the same seed."""
        rng = np.random.default_rng([self.seed, 1])
        model = Dropped(cell, self.D, self.H, rates, rng)
        run = Fit(self, model, seed=self.seed)
        for _ in run.epochs_left():
            pass
        train, validation = run.score("train"), run.score("validation")
        run.use_best()
        return train, validation, run.score("test")

    def examples(self, model: Any) -> list[str]:
        with no_grad():
            own = tuple(self.score(model, part) for part in ("train", "validation", "test"))
        name = self.asked.upper()
        rows = {
            "this model, at its best epoch": own,
            f"{name}, no dropout": self._plain,
            f"{name}, recurrent dropout": self.trained(self.asked, (0.0, ALL[1], 0.0)),
            "plain RNN, no dropout": self.trained("rnn", NONE),
            "plain RNN, all dropout": self.trained("rnn", ALL),
        }
        head = "after all epochs: cross-entropy   training  validation    gap   test (best epoch)"
        return [head, *(_line(name, *numbers) for name, numbers in rows.items())]


def _line(name: str, train: float, validation: float, test: float) -> str:
    return f"{name:32}  {train:8.3f}  {validation:10.3f} {validation - train:6.3f}   {test:.3f}"
