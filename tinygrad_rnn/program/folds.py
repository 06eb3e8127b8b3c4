"""What was left out of a program, and what is left: `Fold` and `Thinned`.

Every line and edge of the recorded program is still there, or counted in a `Fold`.

Read next: `folding.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from .lines import Gradients, Line, together


@dataclass(frozen=True)
class Fold:
    """One loop of which steps were left out. Line numbers are those of the graph that is left.

    Attributes:
        rolled: whether one step is left, which stands for all.
        path, ts: of the loop: the module path, and what its steps are called.
        first, last: the steps ts[first] ... ts[last] were left out.
        lines, edges: how many of the recorded program went with them.
        stands: the lines that stand for what was left out.
        recurrences: for a rolled step, (state, where it enters, how many steps later).
        cuts: how many cuts of the gradient went with them.
        own: the leaves that a rolled step takes in place of others at other steps: x_t.
        gathered: the arguments (line, argument) that stand for those of all steps, or of all that
            were left out.
        columns: for each line that is left of the last step, the recorded ones, step by step.
        scoped: whether its steps are time steps of scopes.
        at: the arguments (line, argument, t) outside that take what a rolled step made at this t,
            and those inside that take something at this t only.
        shared: what the steps left out take, too, each of them the same: weights.
        later: (line, how much later than its t) in a rolled step of several time steps, a window.
        cut: (where a state enters a rolled step over a cut, whether it does at all steps).
        indexed: (line, how much later) where a rolled step takes a part of something, as x[t+1];
            None, if it is another one at each step, but not by its time.
    """

    rolled: bool
    path: tuple[str, ...]
    ts: tuple[int, ...]
    first: int
    last: int
    lines: int
    edges: int
    cuts: int
    stands: tuple[int, ...]
    recurrences: tuple[tuple[int, int, int], ...]
    own: tuple[int, ...]
    gathered: tuple[tuple[int, int], ...]
    columns: Mapping[int, tuple[int, ...]] = field(repr=False)
    scoped: bool = True
    at: tuple[tuple[int, int, int], ...] = ()
    shared: tuple[int, ...] = ()
    later: tuple[tuple[int, int], ...] = ()
    cut: tuple[tuple[int, bool], ...] = ()
    indexed: tuple[tuple[int, int | None], ...] = ()

    @property
    def pace(self) -> int:
        """By how much t changes from step to step; where that is not always the same, 1 or -1."""
        paces = {b - a for a, b in pairwise(self.ts)}
        if len(paces) == 1:
            return paces.pop()
        return -1 if self.ts[0] > self.ts[-1] else 1


@dataclass(frozen=True)
class Thinned:
    """A program with steps left out.

    Attributes:
        lines: renumbered; `origins` are their numbers in the recorded program.
        ends: the outputs, or what stands for the steps that they went with.
        edges: for each (line, argument) the recorded ones that it stands for.
        cuts: for each leaf that was cut off a line, that line, or what stands for it.
        companions: as of the recorded program: lines that go along with a step, and with which.
        unscoped: lines whose time step no scope gave.
    """

    lines: list[Line]
    ends: list[int]
    origins: list[int]
    edges: dict[tuple[int, int], list[tuple[int, int]]]
    cuts: dict[int, int | None]
    folds: list[Fold]
    companions: dict[int, int]
    unscoped: frozenset[int]

    def gradients(self, recorded: Gradients) -> Gradients:
        """The recorded gradients of what is left."""
        lines = {n: recorded.lines[k] for n, k in enumerate(self.origins) if k in recorded.lines}
        edges = {}
        for edge, stood_for in self.edges.items():
            total = together(recorded.edges, stood_for)
            if total is not None:
                edges[edge] = total
        return Gradients(lines, edges)

    def norms(self, n: int, recorded: Gradients) -> list[float] | None:
        """The norm of dL/d(line), step by step, of a line of the last step; None for others."""
        column = next((fold.columns[n] for fold in self.folds if n in fold.columns), None)
        if column is None:
            return None
        found = [recorded.lines.get(k) for k in column]
        return [0.0 if g is None else float(np.linalg.norm(g)) for g in found]
