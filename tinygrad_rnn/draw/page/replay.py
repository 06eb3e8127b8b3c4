"""Numeric gradients of a recorded program: change one line a little, and run what follows again.

Every result is differentiated, not the leaves alone: the numeric column stands beside each ∇. The
program is run as it was recorded, so a cut stays a cut. The complex step (Squire & Trapp 1998) is
taken where it agrees with central differences on this program, and else central differences are.

Read next: `verdict.py`.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...program import Graph
from ...tensor import Array
from .numbers import IN_FULL


class Replay:
    """Runs a recorded program again.

    Attributes:
        method: "complex step" or "central differences", whichever is used.
    """

    def __init__(self, graph: Graph, seed: Array) -> None:
        self.nodes = graph.nodes
        self.output = graph.number(graph.outputs[0])
        self.seed = seed
        single = any(np.asarray(line.value).dtype.char in "efF" for line in graph.nodes)
        self.tiny = 1e-20 if single else 1e-100
        self.method = "complex step"
        if not self._complex_safe():
            self.method = "central differences"

    def loss(self, changed: Mapping[int, Array]) -> Any:
        """L = sum(seed * output), where some lines have other values."""
        values: dict[int, Any] = dict(changed)
        for line in self.nodes[min(changed) + 1 :]:
            if line.tensor is None or line.tensor.node is None or line.number in changed:
                continue
            if any(i in values for i in line.inputs):
                inputs = [values.get(i, self.nodes[i].value) for i in line.inputs]
                values[line.number] = line.tensor.node.op(*inputs, **line.attrs)
        return np.sum(self.seed * values.get(self.output, self.nodes[self.output].value))

    def slope(self, directions: Mapping[int, Array], shift: float = 0.0) -> float:
        """dL along a direction in each of some lines, by the method; with a `shift`, there where
        their values are larger by that part of them."""
        if self.method == "complex step":
            return self._complex(directions, shift)
        return self._central(directions, shift)

    def changes(self, n: int, direction: Array, children: Sequence[int]) -> dict[int, Array]:
        """How much the lines that take a line change along a direction in it."""
        h, found = self.tiny if self.method == "complex step" else 1e-6, {}
        for child in dict.fromkeys(children):
            line = self.nodes[child]
            if line.tensor is None or line.tensor.node is None:
                continue
            value = np.asarray(self.nodes[n].value)
            step = 1j * h if self.method == "complex step" else h * self._reach({n: direction})
            values = [
                value + step * direction if i == n else self.nodes[i].value for i in line.inputs
            ]
            moved = line.tensor.node.op(*values, **line.attrs)
            change = np.imag(moved) if self.method == "complex step" else moved - line.value
            found[child] = np.asarray(change) / abs(step)
        return found

    def gradient(self, n: int, g: Array) -> Array | float:
        """dL/d(line n), entry by entry; for a large array the slope along g, which is its norm."""
        g = np.asarray(g, float)
        if g.size > IN_FULL:
            length = float(np.linalg.norm(g.ravel()))
            return self.slope({n: g / length}) if length else 0.0
        units = np.eye(g.size).reshape(g.size, *g.shape)
        return np.array([self.slope({n: unit}) for unit in units]).reshape(g.shape)

    def _complex(self, directions: Mapping[int, Array], shift: float = 0.0) -> float:
        h = self.tiny
        values = {n: self.nodes[n].value * (1 + shift) for n in directions}
        moved = {n: values[n] + 1j * h * u for n, u in directions.items()}
        return float(np.imag(self.loss(moved))) / h

    def _central(self, directions: Mapping[int, Array], shift: float = 0.0) -> float:
        """(L(x + hu) - L(x - hu)) / 2h, extrapolated from h and h/2: the error falls with h^4."""
        reach = self._reach(directions)
        wide, narrow = (self._difference(directions, h * reach, shift) for h in (2e-3, 1e-3))
        return narrow + (narrow - wide) / 3

    def side(self, n: int, direction: Array, sign: float) -> float:
        """The slope along a direction on one side, as of relu at 0: 1 and 0. Extrapolated."""
        value = np.asarray(self.nodes[n].value, float)
        h = sign * 1e-5 * (float(np.max(np.abs(value), initial=0.0)) or 1.0)
        here, near, far = (self.loss({n: value + k * h * direction}) for k in (0.0, 1.0, 2.0))
        return float(4 * near - far - 3 * here) / (2 * h)

    def _reach(self, directions: Mapping[int, Array]) -> float:
        """How far to go, relative to a direction, so that no value moves by more than itself."""
        found = []
        for n, u in directions.items():
            value = np.abs(np.broadcast_to(self.nodes[n].value, np.shape(u)))
            own = value[(u != 0) & (value > 0)] / np.abs(u[(u != 0) & (value > 0)])
            found += [float(own.min())] if own.size else []
        return min(found, default=1.0)

    def _difference(self, directions: Mapping[int, Array], h: float, shift: float = 0.0) -> float:
        """(L(x + hu) - L(x - hu)) / 2h."""
        values = {n: self.nodes[n].value * (1 + shift) for n in directions}
        there, back = (
            self.loss({n: values[n] + s * h * u for n, u in directions.items()})
            for s in (1.0, -1.0)
        )
        return float(there - back) / (2 * h)

    def _complex_safe(self) -> bool:
        """Whether the complex step agrees with differences, along one direction in all leaves."""
        rng = np.random.default_rng(0)
        leaves = [line for line in self.nodes if line.kind == "parameter"]
        directions = {x.number: rng.standard_normal(x.shape) for x in leaves}
        for n, u in directions.items():  # each entry by its own size, so as to stay in a domain
            u *= np.where(self.nodes[n].value == 0, 0.0, np.abs(self.nodes[n].value))
            u += np.where(np.any(u), 0.0, 1.0)
        if not directions:
            return False
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("error", np.exceptions.ComplexWarning)
                found = self._complex(directions)
        except Exception:  # whatever a user's operation says to complex numbers
            return False
        with np.errstate(all="ignore"):
            fine, finer = (self._difference(directions, h) for h in (1e-4, 1e-5))
        room = 1e-3 * abs(fine) + 10 * abs(fine - finer) + 1e-9
        return bool(abs(found - fine) <= room)
