"""Long memory: what has to be remembered stands far back, with noise or blanks in between.

Legend: `B` batch, `T` time, `H` hidden width, `V` symbols. Read next: `recall.py`, which compares
the three cells by the length of these tasks.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from .. import functional as F
from ..arraylike import Array
from ..nn import GRU, LAYERS, LSTM, RNN, Linear, Module
from ..task import Task, batches
from ..tensor import Tensor


def chrono(layer: Any, longest: int, rng: np.random.Generator) -> None:
    """Set the gates' biases to keep things for 1 to `longest` steps (Tallec & Ollivier 2018).

    LSTM: b_f = log U(1, longest), b_i = -b_f. GRU, where z keeps: b_z = log U(1, longest). The
    other biases become 0; a plain RNN has no gates and stays as it is.

    Raises:
        ValueError: if `longest` is not above 1, or the layer has no biases.
    """
    if longest <= 1:
        raise ValueError(f"chrono needs a longest memory above 1 step; given {longest}")
    if not isinstance(layer, LSTM | GRU):
        return
    H = layer.hidden_size
    for name, bias in layer.named_parameters():
        if name.startswith("bias_ih"):
            keep = np.log(rng.uniform(1, longest, H))
            bias.data[...] = 0
            bias.data[H : 2 * H] = keep  # the forget gate of i, f, g, o; the z of r, z, n
            if isinstance(layer, LSTM):
                bias.data[:H] = -keep
        elif name.startswith("bias_hh"):
            bias.data[...] = 0
    if not layer.bias:
        raise ValueError("chrono sets biases, and this layer was made with bias=False")


def orthogonal(layer: Any, rng: np.random.Generator) -> None:
    """Start a plain RNN with an orthogonal W_hh, that neither shrinks nor stretches h (Saxe 2014).

    Gates need no such help: LSTM and GRU stay as they are.
    """
    if not isinstance(layer, RNN):
        return
    for name, W in layer.named_parameters():
        if name.startswith("weight_hh"):
            Q, R = np.linalg.qr(rng.standard_normal(W.shape))
            W.data[...] = Q * np.sign(np.diag(R))  # so that every orthogonal matrix is as likely


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


class Recall(Module):
    """One-hot symbols into a recurrent layer with chrono biases, scores from its last states.

    Call `model(x, last)` with x (T, B): the scores of the `last` steps, (last, B, V).
    """

    def __init__(
        self, cell: str, symbols: int, hidden: int, classes: int, longest: int,
        rng: np.random.Generator,
    ) -> None:  # fmt: skip
        super().__init__()
        self.symbols = symbols
        self.recurrent = LAYERS[cell](symbols, hidden, dtype=np.float32, rng=rng)
        chrono(self.recurrent, longest, rng)
        self.output = Linear(hidden, classes, dtype=np.float32, rng=rng)

    def forward(self, x: Array, last: int) -> Any:
        hs, _ = self.recurrent(F.one_hot(x, self.symbols, dtype=np.float32))  # (T, B, H)
        return self.output(hs[-last:])


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
    lr = 1e-2
    n: ClassVar[int] = 4000

    def __init__(self, *, source: Path | None = None, seed: int = 0, length: int = 50) -> None:
        if source is not None:
            raise ValueError("adding makes its own data: leave --data out")
        if length < 2:
            raise ValueError(f"adding marks two of T >= 2 numbers; given {length}")
        self.T = length
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
        model = LastStep(cell, 2, 32, 1, rng)
        chrono(model.recurrent, self.T, rng)
        return model

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


class Copy(Task):
    """Ten symbols of eight, T blanks, a signal; then the ten are to be said (Arjovsky et al. 2016).

    Sequences are T + 20 long. Symbol 0 is the blank, 9 the signal; until the signal the answer is
    blank. To know all but the ten symbols has a cross-entropy of 10 ln 8 / (T + 20).
    """

    name = "copy"
    shape = "long memory"
    metric = "cross-entropy a step"
    higher_is_better = False
    epochs = 30
    lr = 1e-2
    n: ClassVar[int] = 5000

    def __init__(self, *, source: Path | None = None, seed: int = 0, length: int = 20) -> None:
        if source is not None:
            raise ValueError("copy makes its own data: leave --data out")
        if length < 1:
            raise ValueError(f"copy has T >= 1 steps between; given {length}")
        self.T = length
        rng = np.random.default_rng([seed, 0])
        sizes = {"train": self.n, "validation": 300, "test": 600}
        self.parts = {part: self._draw(n, rng) for part, n in sizes.items()}

    def _draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """(x (T + 20, n), y (T + 20, n)): 8^10 sequences, so that hardly two are the same."""
        x = np.zeros((self.T + 20, n), np.int64)
        y = x.copy()
        x[:10] = y[-10:] = rng.integers(1, 9, (10, n))
        x[-11] = 9
        return x, y

    def model(self, cell: str, rng: np.random.Generator) -> Module:
        return Recall(cell, 10, 64, 9, 2 * self.T, rng)

    def losses(self, model: Any, rng: np.random.Generator) -> Iterator[Tensor]:
        x, y = self.parts["train"]
        for rows in batches(x.shape[1], 20, rng):
            yield F.cross_entropy(model(x[:, rows], len(x)), y[:, rows])

    def score(self, model: Any, part: str) -> float:
        x, y = self.parts[part]
        return float(F.cross_entropy(model(x, len(x)), y).item())

    def baseline(self) -> tuple[str, float]:
        return "10 ln 8 / (T + 20), to remember nothing", float(10 * np.log(8) / (self.T + 20))

    def examples(self, model: Any) -> list[str]:
        x, y = self.parts["test"]
        said = model(x, 10).data.argmax(axis=-1)
        lines = [f"{_digits(y[-10:, k])} recalled as {_digits(said[:, k])}" for k in range(3)]
        return [*lines, f"symbols recalled: {np.mean(said == y[-10:]):.3f} (chance: 0.125)"]


def _digits(symbols: Array) -> str:
    return "".join(map(str, symbols))


class Order(Task):
    """Did X or Y come first, and X or Y second? Noise before, between and after.

    Temporal order, Experiment 6a of Hochreiter & Schmidhuber (1997): E begins, B ends, X or Y
    stands twice, the first in the second tenth of the sequence, the second in the sixth tenth, and
    all else is noise of four symbols. Four classes: XX, XY, YX, YY. The paper's `length` is 100,
    and up to a tenth more.
    """

    name = "order"
    shape = "long memory"
    metric = "accuracy"
    epochs = 10
    lr = 1e-2
    n: ClassVar[int] = 1600
    symbols = "abcdXYEB"

    def __init__(self, *, source: Path | None = None, seed: int = 0, length: int = 100) -> None:
        if source is not None:
            raise ValueError("order makes its own data: leave --data out")
        if length < 20:
            raise ValueError(f"order needs a length of at least 20, to have room; given {length}")
        self.length = length
        rng = np.random.default_rng([seed, 0])
        sizes = {"train": self.n, "validation": 400, "test": 2560}
        self.parts = {part: self._draw(n, rng) for part, n in sizes.items()}

    def _draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """(x (T, n), the class (n,)); a shorter sequence begins later, behind blanks (8)."""
        tenth, rows = self.length // 10, np.arange(n)
        T = self.length + tenth
        x = rng.integers(0, 4, (T, n))
        lengths = rng.integers(self.length, T + 1, n)
        start = T - lengths
        x[np.arange(T)[:, None] < start] = 8
        first, second = rng.integers(0, 2, (2, n))
        x[start + rng.integers(tenth, 2 * tenth + 1, n), rows] = 4 + first
        x[start + rng.integers(5 * tenth, 6 * tenth + 1, n), rows] = 4 + second
        x[start, rows], x[-1] = 6, 7
        return x, 2 * first + second

    def model(self, cell: str, rng: np.random.Generator) -> Module:
        return Recall(cell, 9, 16, 4, self.length, rng)

    def losses(self, model: Any, rng: np.random.Generator) -> Iterator[Tensor]:
        x, y = self.parts["train"]
        for rows in batches(x.shape[1], 32, rng):
            yield F.cross_entropy(model(x[:, rows], 1)[0], y[rows])

    def score(self, model: Any, part: str) -> float:
        x, y = self.parts[part]
        return float(np.mean(model(x, 1).data[0].argmax(axis=-1) == y))

    def baseline(self) -> tuple[str, float]:
        _, y = self.parts["test"]
        counts = np.bincount(self.parts["train"][1], minlength=4)
        return "most frequent class", float(np.mean(y == counts.argmax()))

    def examples(self, model: Any) -> list[str]:
        x, y = self.parts["test"]
        said = model(x[:, :3], 1).data[0].argmax(axis=-1)
        names = ("XX", "XY", "YX", "YY")
        return [
            f"{''.join(self.symbols[s] for s in x[:, k] if s < 8)} is {names[y[k]]},"
            f" answer {names[said[k]]}"
            for k in range(3)
        ]
