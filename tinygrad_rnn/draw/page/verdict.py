"""Whether a gradient agrees with the numeric one beside it: up to rounding, and at a corner.

Rounding is judged by the precision of the program and by the size of what was added up: the
gradient of a mean that is subtracted again is 0, as a sum of larger numbers. Where that does not
explain a difference, the numeric gradient is asked for once more, a few units of the last place
away: a long chain may make nothing of all its digits. At a corner, as that of relu at 0, every
value between the slopes of the two sides is right.

Read next: `svg.py`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...program import Gradients, Graph
from ...tensor import Array
from .numbers import digits
from .replay import Replay

CREDIT = 1000  # rounding errors that a walk may pile up, in units of the last place
CLOSE = 1e-6  # relative to the gradient
NEAR = 4  # how far away the numeric gradient is asked for again, in units of the last place
APART = 1e-4  # slopes of two sides that differ by less are one

Verdict = tuple[str, str]  # agrees, corner, differs or unknown; and what is said


class Slope(NamedTuple):
    """Along a direction: by the gradient, numeric, and the size of what is added up to it."""

    direction: Array
    given: float
    true: float
    size: float


class Judge:
    """Compares the gradients of one graph with numeric ones."""

    def __init__(self, graph: Graph, gradients: Gradients, replay: Replay) -> None:
        self.graph, self.gradients, self.replay = graph, gradients, replay
        values = [np.asarray(line.value) for line in graph.nodes]
        self.eps = max([float(np.finfo(v.dtype).eps) for v in values if v.dtype.kind in "fc"])
        self.credit = min(CREDIT * self.eps, self.eps**0.5)
        self.close = max(CLOSE, self.credit)
        self.users = graph.uses()

    def verdict(self, n: int, g: Array, truth: Array | float) -> Verdict:
        """On dL/d(line n) and its numeric value: entry by entry; of a large array, the slope along
        it and along a direction drawn by lot."""
        with np.errstate(all="ignore"):
            slopes = self._slopes(n, np.asarray(g, float), truth)
            if not all(np.isfinite(one.true) and np.isfinite(one.given) for one in slopes):
                same = all(np.array_equal(x.true, x.given, equal_nan=True) for x in slopes)
                words = "✓ agree" if same else "the numeric gradient cannot be had here"
                return ("agrees" if same else "unknown"), words
            largest = max([max(abs(one.true), abs(one.given)) for one in slopes], default=0.0)
            wrong = [one for one in slopes if not self._fits(n, one, largest)]
            if not wrong:
                return "agrees", "✓ agree"
            ours = max(abs(one.given) for one in slopes) or largest
            off = max(abs(one.given - one.true) for one in wrong) / ours
            words = f"differ by {digits(off)} of the largest"
            return self._at_corner(n, wrong) or ("differs", words)

    def _slopes(self, n: int, g: Array, truth: Array | float) -> list[Slope]:
        if isinstance(truth, float):
            length = float(np.linalg.norm(g.ravel()))
            lot = np.random.default_rng(n).standard_normal(g.shape)
            lot /= float(np.linalg.norm(lot.ravel()))
            found = [(lot, float(np.sum(g * lot)), self.replay.slope({n: lot}))]
            found += [(g / length, length, truth)] if length else []
        else:
            units = np.eye(g.size).reshape(g.size, *g.shape)
            found = list(zip(units, g.ravel().tolist(), np.ravel(truth).tolist(), strict=True))
        return [Slope(u, given, true, self._size(n, u)) for u, given, true in found]

    def _size(self, n: int, direction: Array) -> float:
        """The size of the terms that are added up to a slope: what came to the lines that take this
        one, each times how much it changes."""
        moved = self.replay.changes(n, direction, [child for child, _ in self.users[n]])
        came = self.gradients.lines
        terms = (np.abs(change * came[child]) for child, change in moved.items() if child in came)
        return float(sum(np.sum(term) for term in terms))

    def _fits(self, n: int, one: Slope, largest: float) -> bool:
        room = self.close * max(abs(one.given), abs(one.true)) + self.credit * one.size
        if self.replay.method != "complex step":  # differences have an error of their own
            room += CLOSE * largest
        off = abs(one.given - one.true)
        if off <= room:
            return True
        near = [self.replay.slope({n: one.direction}, k * NEAR * self.eps) for k in (1, -1)]
        return off <= room + 2 * max(abs(true - one.true) for true in near)

    def _at_corner(self, n: int, wrong: list[Slope]) -> Verdict | None:
        """What is said where all that differ lie between the slopes of two sides."""
        spans = []
        for one in wrong:
            low, high = sorted(self.replay.side(n, one.direction, sign) for sign in (1.0, -1.0))
            room = APART * max(abs(low), abs(high))
            if not (high - low > room and low - room <= one.given <= high + room):
                return None
            spans.append((low, high))
        low, high = spans[0]
        where = f"from {digits(low)} to {digits(high)}, the slopes of its two sides"
        return "corner", f"✓ on a corner: every value {where}, is right"
