"""Whether a gradient agrees with the numeric one beside it: up to rounding, and at a corner.

Rounding is judged by the precision of the program, and by the size of what was added up: the
gradient of a mean that is subtracted again is 0, as a sum of large numbers. At a corner, as that of
relu at 0, every value between the slopes of the two sides is right.

Read next: `svg.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...program import Gradients, Graph
from ...tensor import Array
from .numbers import IN_FULL, digits
from .replay import Replay

CREDIT = 1000  # rounding errors that a walk may pile up, in units of the last place
CLOSE = 1e-6  # relative to the gradient; in low precision, the root of its last place
APART = 1e-4  # slopes of two sides that differ by less are one

Verdict = tuple[str, str]  # agrees, corner or differs; and what is said


class Judge:
    """Compares the gradients of one graph with numeric ones."""

    def __init__(self, graph: Graph, gradients: Gradients, replay: Replay) -> None:
        self.graph, self.replay = graph, replay
        values = [np.asarray(line.value) for line in graph.nodes]
        self.eps = max([float(np.finfo(v.dtype).eps) for v in values if v.dtype.kind in "fc"])
        self.close = max(CLOSE, self.eps**0.5)
        with np.errstate(all="ignore"):
            moved = [_most(values[n] * np.asarray(g)) for n, g in gradients.lines.items()]
        self.size = max([size for size in moved if np.isfinite(size)], default=0.0)

    def verdict(self, n: int, g: Array, truth: Array | float) -> Verdict:
        """On dL/d(line n), and its numeric value: entry by entry, or, of a large array, the norm
        and the slope along it."""
        given = np.linalg.norm(g.ravel()) if isinstance(truth, float) else g
        with np.errstate(all="ignore"):
            off = np.abs(given - truth)
            scale = _most(given) or 1.0
            rounding = CREDIT * self.eps * self.size / (_most(self.graph.nodes[n].value) or 1.0)
            wrong = ~(off <= max(self.close * scale, rounding))
        if not np.any(wrong):
            return "agrees", "✓ agree"
        return self._at_corner(n, g, wrong) or (
            "differs", f"differ by {digits(_most(off) / scale)} of the largest"
        )  # fmt: skip

    def _at_corner(self, n: int, g: Array, wrong: Array) -> Verdict | None:
        """What is said where all entries that differ lie between the slopes of two sides."""
        spans = []
        for place in np.argwhere(wrong) if g.size <= IN_FULL else [None]:
            if place is None:
                given = float(np.linalg.norm(g.ravel()))
                direction = g / (given or 1.0)
            else:
                given, direction = float(g[tuple(place)]), np.zeros(g.shape)
                direction[tuple(place)] = 1.0
            low, high = sorted(self.replay.side(n, direction, sign) for sign in (1.0, -1.0))
            room = APART * max(abs(low), abs(high))
            if not (high - low > room and low - room <= given <= high + room):
                return None
            spans.append((low, high))
        low, high = spans[0]
        where = f"from {digits(low)} to {digits(high)}, the slopes of its two sides"
        return "corner", f"✓ on a corner: every value {where}, is right"


def _most(x: Any) -> float:
    return float(np.max(np.abs(x), initial=0.0))
