"""How an arrow looks: forwards by what it carries, backwards by how much gradient comes over it.

The backward view keeps every arrow in its place and turns its head round, so both views can be laid
side by side. Thickness is the logarithm of the gradient's norm on that arrow, relative to the
largest one: a gradient that vanishes is seen to vanish.

Read next: `nodes.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import log10, sqrt

import numpy as np

from ..program import Gradients, short
from .contract import Link
from .plan import Plan
from .theme import Theme

WIDEST, THINNEST = 4.5, 0.4  # pt
STEEPEST = 1.4  # pt, that an arrow with a tenth of the gradient is thinner by, at most


_PLAIN: dict[str, str] = {}
_COLOURED = ("parameter", "input")  # arrows that start there are coloured like it


class Arrows:
    """The attributes of arrows, forwards."""

    note = ""

    def __init__(self, plan: Plan, theme: Theme) -> None:
        self.plan, self.theme = plan, theme
        self.focus = plan.focus.lines if plan.focus else None
        self.state = {"color": theme.state, "penwidth": "2"}
        self.colours = {name: {"color": theme.nodes[name]["color"]} for name in _COLOURED}
        self.colours["derivative"] = {"color": theme.gradient}

    def link(self, link: Link, belted: bool) -> dict[str, str]:
        """The arrow of one argument; `belted`: it takes a state from a belt."""
        if belted or (self.plan.folds and self.plan.line(link.source).kind == "folded"):
            values = self.state
        else:
            values = self.colours.get(self.plan.looks(link.source), _PLAIN)
        return values if self.focus is None else self._focused(values, [link])

    def belt(self, links: list[Link]) -> dict[str, str]:
        """The line from a state to where it enters the next step, for these arguments there."""
        return self._focused({**self.state, "arrowhead": "none"}, links)

    def recurrence(self, cut: bool) -> dict[str, str]:
        """The arrow from a rolled step's state back to where it enters the next step.

        It is written from there to the state, and drawn the other way: so it bends no lane. Over a
        cut it is thin, and always forwards: no gradient comes back.
        """
        return {
            "dir": "back", "arrowtail": "normal", "style": "dashed", "color": self.theme.state,
            "penwidth": "1" if cut else "2", "fontcolor": self.theme.text,
        }  # fmt: skip

    def result(self, n: int) -> dict[str, str]:
        """The arrow from the circle of an operation to its result."""
        return {"color": self.theme.pale["color"]} if self.plan.pale(n) else {}

    def _focused(self, values: dict[str, str], links: Iterable[Link]) -> dict[str, str]:
        """Thick where the focus is, pale where it is not."""
        if self.focus is None:
            return values
        if any(link.source in self.focus and link.child in self.focus for link in links):
            return values | {"penwidth": "2.6"}
        return values | {"color": self.theme.pale["color"], "penwidth": "1"}


class BackwardArrows(Arrows):
    """The attributes of arrows, backwards.

    Args:
        numbered: whether arrows over which a single number comes have it written on them.
    """

    def __init__(self, plan: Plan, theme: Theme, gradients: Gradients, numbered: bool) -> None:
        super().__init__(plan, theme)
        self.gradients, self.numbered = gradients, numbered
        sizes = [self.size([link]) for link in plan.graph.links]
        known = [size for size in sizes if size and np.isfinite(size)]
        self.largest, smallest = max(known, default=1.0), min(known, default=1.0)
        tenths = log10(self.largest) - log10(smallest)
        self.a_tenth = min(STEEPEST, (WIDEST - THINNEST) / max(tenths, 1e-9))
        thinner = f"a tenth of it is {self.a_tenth:.2g} pt thinner"
        self.note = f"widest arrow: |∇| = {self.largest:.3g}; {thinner}"

    def link(self, link: Link, belted: bool) -> dict[str, str]:
        values = self._sized(self.size([link]))
        g = self.gradients.edges.get((link.child, link.argument))
        if self.numbered and g is not None and np.size(g) == 1:
            values |= {"label": short(g), "fontcolor": self.theme.gradient}
        return self._focused(values, [link])

    def belt(self, links: list[Link]) -> dict[str, str]:
        return self._focused(self._sized(self.size(links)), links)

    def result(self, n: int) -> dict[str, str]:
        g = self.gradients.lines.get(n)
        values = self._sized(None if g is None else float(np.linalg.norm(np.ravel(g))))
        return values | super().result(n)

    def recurrence(self, cut: bool) -> dict[str, str]:
        back = {} if cut else {"dir": "forward", "color": self.theme.gradient}
        return super().recurrence(cut) | back

    def size(self, links: list[Link]) -> float | None:
        """The norm of what comes over some arrows from one tensor; None if nothing does."""
        arrived: dict[int, np.ndarray] = {}
        for link in links:
            g = self.gradients.edges.get((link.child, link.argument))
            if g is not None:
                before = arrived.get(link.operand)
                arrived[link.operand] = g if before is None else before + g
        if not arrived:
            return None
        return sqrt(sum(float(np.vdot(g, g).real) for g in arrived.values()))

    def _sized(self, size: float | None) -> dict[str, str]:
        if size is None:  # no gradient comes back: no arrow, and that can be seen
            return {"dir": "none", "style": "dotted", "edgetooltip": "no gradient"}
        return {
            "dir": "back", "color": self.theme.gradient, "penwidth": f"{self._width(size):.2f}",
            "edgetooltip": f"|∇| = {size:.3g}",
        }  # fmt: skip

    def _width(self, size: float) -> float:
        if not np.isfinite(size):
            return WIDEST
        if size == 0:
            return THINNEST
        return max(THINNEST, WIDEST + self.a_tenth * (log10(size) - log10(self.largest)))

    def _focused(self, values: dict[str, str], links: Iterable[Link]) -> dict[str, str]:
        """Thickness has a meaning here, so only colour is taken away."""
        if self.focus is None or any(
            link.source in self.focus and link.child in self.focus for link in links
        ):
            return values
        return values | {"color": self.theme.pale["color"]}
