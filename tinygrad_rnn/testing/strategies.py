"""Strategies for hypothesis: structures that find mistakes, and values that do not hide them.

Where a strategy takes a `family` ("distinct", "equal", "edge"), leaving it out draws one of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import nn
from ..arraylike import Array
from .needs import needed
from .pick import FAMILIES, Pick, Shape

st = needed("hypothesis", "hypothesis").strategies


def families() -> Any:
    """ "distinct" (all sizes differ), "equal" (all the same) or "edge" (0-d, 1, empty)."""
    return st.sampled_from(FAMILIES)


def _picked(family: str | None, choose: Callable[[Pick], Any]) -> Any:
    @st.composite
    def strategy(draw: Any) -> Any:
        return choose(Pick(draw, draw(families()) if family is None else family))

    return strategy()


# ---------------------------------------------------------------- shapes, axes, indices
def shapes(low: int = 0, high: int = 3, least: int = 0, family: str | None = None) -> Any:
    """A shape of low to high axes; sizes from `least` on."""
    return _picked(family, lambda p: p.shape(low, high, least))


def broadcastable(n: int, family: str | None = None, least: int = 0) -> Any:
    """A list of n shapes that broadcast together: axes left out, or of size 1, here and there."""
    return _picked(family, lambda p: p.stretched(n, least))


def axes(ndim: int) -> Any:
    """None, an axis, or a tuple of axes, counted from either end."""
    return _picked("distinct", lambda p: p.axes(ndim))


def indices(shape: Shape) -> Any:
    """An index of any kind that NumPy has: integers, slices of either direction, newaxis, Ellipsis,
    integer arrays with repeats, boolean masks, lists, and mixtures of them."""
    return _picked("distinct", lambda p: p.index(tuple(shape)))


# ---------------------------------------------------------------- values
def arrays(shape: Shape, values: str | Callable[..., Any] = "anywhere") -> Any:
    """An array of the shape; `values` as for `testing.battery`."""

    def choose(p: Pick) -> Array:
        if callable(values):
            return np.asarray(values(p.rng, shape))
        return np.asarray(getattr(p, values)(shape))

    return _picked("distinct", choose)


def masks(shape: Shape) -> Any:
    """A boolean array: all true, all false, or some."""
    part = st.sampled_from([0.0, 0.4, 0.6, 1.0])

    @st.composite
    def strategy(draw: Any) -> Array:
        return np.asarray(Pick(draw, "distinct").rng.random(shape) < draw(part))

    return strategy()


def lengths(B: int, T: int) -> Any:
    """The lengths of B sequences in a batch of T steps: from 1 to T, and one of them is T."""

    @st.composite
    def strategy(draw: Any) -> Array:
        found = draw(st.lists(st.integers(1, T), min_size=B, max_size=B))
        if B:
            found[draw(st.integers(0, B - 1))] = T
        return np.array(found, dtype=int)

    return strategy()


# ---------------------------------------------------------------- recurrent nets
@dataclass(frozen=True)
class Configuration:
    """A recurrent cell or layer, and what it is called with.

    Attributes:
        kind: "rnn", "lstm" or "gru"; `layer`: whether it is a layer, and not a single cell.
        T, B, D, H: steps, batch, widths of the input and of the state.
        options: the constructor's, beyond the widths.
        lengths: of the sequences, or None.
        seed: of the weights and the inputs.
    """

    kind: str
    layer: bool
    T: int
    B: int
    D: int
    H: int
    options: dict[str, Any]
    lengths: Array | None
    seed: int

    def build(self) -> nn.Module:
        """The module, with its weights."""
        made = (nn.LAYERS if self.layer else CELLS)[self.kind]
        found: nn.Module = made(self.D, self.H, rng=self.seed, **self.options)
        return found

    def inputs(self) -> tuple[Array, Any]:
        """(x, state): x (T, B, D) or (B, T, D) for a layer, (B, D) for a cell; states likewise."""
        rng = np.random.default_rng(self.seed)
        first = self.options.get("batch_first", False)
        steps = (self.B, self.T) if first else (self.T, self.B)
        x = rng.normal(size=(*steps, self.D) if self.layer else (self.B, self.D))
        rows = self.options.get("num_layers", 1) * (1 + self.options.get("bidirectional", False))
        size = (rows, self.B, self.H) if self.layer else (self.B, self.H)
        state = tuple(rng.normal(size=size) for _ in range(2 if self.kind == "lstm" else 1))
        return x, state if self.kind == "lstm" else state[0]


CELLS = {"rnn": nn.RNNCell, "lstm": nn.LSTMCell, "gru": nn.GRUCell}


def cells() -> Any:
    """A `Configuration` of one cell, for one step."""
    return _configurations(layer=False)


def layers() -> Any:
    """A `Configuration` of a layer: stacked, bidirectional, batch first, ragged; or none of it."""
    return _configurations(layer=True)


@st.composite
def _configurations(draw: Any, layer: bool) -> Configuration:
    kind = draw(st.sampled_from(sorted(CELLS)))
    T, B, D, H = Pick(draw, draw(families())).sizes(4, least=1)
    options: dict[str, Any] = {"bias": draw(st.booleans())}
    if kind == "rnn":
        options["nonlinearity"] = draw(st.sampled_from(["tanh", "relu"]))
    ragged = None
    if layer:
        options["num_layers"] = draw(st.integers(1, 3))
        options["bidirectional"] = draw(st.booleans())
        options["batch_first"] = draw(st.booleans())
        ragged = draw(st.none() | lengths(B, T))
    seed = draw(st.integers(0, 2**32 - 1))
    return Configuration(kind, layer, T, B, D, H, options, ragged, seed)
