"""The account of what is left out: a `Fold` for each gap, and what rolled steps say of time.

Read next: `thinning.py`, which puts the rest together.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..arraylike import Array
from .folds import Fold
from .lines import PREVIOUS
from .loops import Loop
from .taken import Taken


class Account(Taken):
    """Makes a Fold of each gap, once it is known which lines stay."""

    def _folds(self, alive: set[int], numbers: dict[int, int]) -> list[Fold]:
        """One for each gap."""
        gaps: dict[tuple[int, tuple[int, int]], int] = {}  # by loop, first and last step
        for i, kept in enumerate(self.kept):
            for k in np.flatnonzero(~kept).tolist():
                gaps.setdefault((i, self.gaps[i][k]), len(gaps))
        lines, edges = self._counts(alive, gaps)
        counts = zip(gaps, lines.tolist(), edges.tolist())
        return [self._fold(i, gap, a, b, numbers) for (i, gap), a, b in counts]

    def _fold(
        self, i: int, gap: tuple[int, int], lines: int, edges: int, numbers: dict[int, int]
    ) -> Fold:
        loop, rolled, (first, last) = self.loops[i], self.op == PREVIOUS, gap
        there = [(n, *self._place(self._stood(n))) for n in sorted(self.stands) if n in numbers]
        places = [(n, k, j) for n, other, k, j in there if other == i and first <= k <= last]
        stands, end = [n for n, _, _ in places], loop.steps[-1].tolist()
        states = [(end[j], n, len(loop) - 1 - k) for n, k, j in places if end[j] in numbers]
        columns = zip(end, loop.steps.T.tolist())
        gathered = [edge for edge, j in self.gathered.items() if i == j]
        at = [(*edge, step) for edge, (j, steps) in self.at.items() if i == j for step in steps]
        return Fold(
            rolled, loop.path, loop.ts, first, last, lines, edges,
            self._cuts(loop, gap),
            tuple(numbers[n] for n in stands),
            tuple((numbers[a], numbers[b], lag) for a, b, lag in states if rolled),
            tuple(numbers[n] for n in self._own(loop) if n in numbers and rolled),
            tuple((numbers[n], k) for n, k in gathered if n in numbers),
            {numbers[n]: tuple(column) for n, column in columns if n in numbers},
            loop.scoped,
            tuple((numbers[n], k, loop.ts[step]) for n, k, step in at if n in numbers),
            tuple(numbers[n] for n in self._shared(loop, gap) if n in numbers),
            tuple((numbers[n], k) for n, k in self._shifts(i).items() if n in numbers),
            tuple((numbers[n], self.cut_off[n][1]) for n in stands if n in self.cut_off),
            tuple((numbers[n], k) for n, k in self._indexed(i).items() if n in numbers),
        )  # fmt: skip

    def _shifts(self, i: int) -> dict[int, int]:
        """What of a rolled step stands at a later t than the step, and how much later."""
        if self.op != PREVIOUS:
            return {}
        loop, first = self.loops[i], self.beside.get(i, i)
        own = self._own(loop)
        along = [other for k, other in enumerate(self.loops) if self.beside.get(k, k) == first]
        now = {n for other in along for n in self._own(other)}
        before = {y: x for x, y in self._leaves(loop, -2, -1) if x != y and y in own}
        following = self._windows(before, now, loop)  # of two inputs one may later be the other
        windowed = [n for n in (*loop.steps[-1].tolist(), *own) if n in self.later]
        return following | {n: self.later[n] for n in windowed}

    def _windows(self, before: Mapping[int, int], now: set[int], loop: Loop) -> dict[int, int]:
        """How much later than its step each input of a step is: x_(t-1), x_t, x_(t+1).

        Names that count with the time steps of the scope say it: x4 in t = 5. Else the earliest is
        x_t.

        Args:
            before: for each input of the last step the one in its place in the step before.
            now: all inputs of the last step.
        """
        t, pace = loop.ts[-1], loop.ts[-1] - loop.ts[-2]
        chains: dict[int, list[int]] = {}
        for end in set(before) - {before[y] for y in before}:
            chain = [end]
            while before.get(chain[-1]) in now and len(chain) <= len(before):
                chain.append(before[chain[-1]])
            chains[end] = chain[::-1]
        found: dict[int, int] = {}
        for chain in chains.values():
            numbers = [self._numbered(n) for n in chain]
            earlier = [self._numbered(before[n]) for n in chain if n in before]
            steady = numbers[-1] is not None and earlier[-1:] == [numbers[-1] - pace]
            if loop.scoped and steady and None not in numbers:
                found |= {n: k - t for n, k in zip(chain, numbers) if k is not None and k != t}
            else:
                found |= {n: k * pace for k, n in enumerate(chain) if k}
        return found

    def _numbered(self, n: int) -> int | None:
        """The number that the name of a line ends with."""
        match = re.search(r"(\d+)$", self.lines[n].name or "")
        return None if match is None else int(match[1])

    def _indexed(self, i: int) -> dict[int, int | None]:
        """Where each step of a rolled loop takes the part x[t] of something: how much later x[t+k]
        is than its step; None for parts that are others at each step, and not by their time."""
        loop = self.loops[i]
        found: dict[int, int | None] = {}
        for n in loop.steps[-1].tolist():
            if self.op == PREVIOUS and self.lines[n].op == "getitem":
                parts = [_parts(self.lines[m].attrs.get("index")) for m in self._column(n)]
                running = _running(parts, loop.ts)
                if running:
                    found[n] = running[0]
        return found

    def _shared(self, loop: Loop, gap: tuple[int, int]) -> list[int]:
        """What a step of a gap takes, and another one in the same place: weights."""
        k = gap[0]
        pairs = self._operand_pairs(loop, k, k + 1 if k + 1 < len(loop) else k - 1)
        return sorted({x for x, y in pairs if x == y})

    def _cuts(self, loop: Loop, gap: tuple[int, int]) -> int:
        """How many cuts a gap takes its states over."""
        cut = [line.number for line in self.lines if line.kind == "cut"]
        if not cut:
            return 0
        lines = loop.steps[gap[0] : gap[1] + 1].ravel().tolist()
        taken = {x for n in lines for x in self.lines[n].inputs}
        end = loop.steps[-1].tolist()  # a rolled step takes the state in the place of what was cut
        taken |= {x for n in end for x in self.lines[n].inputs if x in self.cut_off}
        return len(taken.intersection(cut))

    def _own(self, loop: Loop) -> list[int]:
        """The leaves of the last step that are others in the first."""
        return [y for x, y in self._leaves(loop, 0, -1) if x != y and not self._alike(x, y)]

    def _leaves(self, loop: Loop, a: int, b: int) -> list[tuple[int, int]]:
        """The leaves that two steps of a loop take in the same places."""
        pairs = self._operand_pairs(loop, a, b)
        return [(x, y) for x, y in pairs if self.lines[x].op is None and self.lines[y].op is None]

    def _operand_pairs(self, loop: Loop, a: int, b: int) -> list[tuple[int, int]]:
        """What two steps of a loop take in the same places."""
        return [
            pair
            for n, m in zip(loop.steps[a].tolist(), loop.steps[b].tolist())
            for pair in zip(self.lines[n].inputs, self.lines[m].inputs)
        ]

    def _alike(self, x: int, y: int) -> bool:
        """Whether two leaves are one and the same constant."""
        a, b = self.lines[x], self.lines[y]
        return a.kind == b.kind == "constant" and np.array_equal(a.value, b.value)

    def _counts(
        self, alive: set[int], gaps: Mapping[tuple[int, tuple[int, int]], int]
    ) -> tuple[Array, Array]:
        """How many lines and edges went with each gap, by the gap's number."""
        gone = np.ones(len(self.lines), dtype=bool)
        gone[list(alive - self.stands.keys())] = False
        owner = np.full(len(self.lines), -1)
        for i, loop in enumerate(self.loops):
            if self.kept[i].all():
                continue
            # a line that goes, of a step that stays, can only have served a gap
            steps = np.where(self.kept[i], np.argmin(self.kept[i]), np.arange(len(loop)))
            owner[loop.steps] = [[gaps[i, self.gaps[i][k]]] for k in steps.tolist()]
        owner[~gone] = -1
        users, sources = self.users, self.sources
        last = np.full(len(self.lines), -1)
        last[sources[gone[users]]] = users[gone[users]]  # in order, so the last one stays
        for k in np.flatnonzero(gone[sources] & ~gone[users]).tolist():
            if last[sources[k]] < 0:  # a step that stays takes something in its place
                last[sources[k]] = self._column(int(users[k]))[0]
        for n in np.flatnonzero(gone & (owner < 0))[::-1].tolist():
            owner[n] = owner[last[n]]  # what served only lines that went goes with them
        owners = np.where(gone[users], owner[users], owner[sources])
        owners = owners[gone[users] | gone[sources]]
        size = len(gaps)
        return np.bincount(owner[gone], minlength=size), np.bincount(owners, minlength=size)


def _parts(index: Any) -> tuple[Any, ...]:
    """The parts of an index; arrays as themselves."""
    return index if isinstance(index, tuple) else (index,)


def _running(parts: Sequence[tuple[Any, ...]], ts: Sequence[int]) -> list[int | None]:
    """How much later than t the one part of an index is that changes from step to step: [k], or
    [None] if it is not by the time; [] if none changes."""
    if len({len(some) for some in parts}) != 1:
        return [None]
    changing = [some for some in zip(*parts) if any(repr(x) != repr(some[0]) for x in some)]
    if not changing:
        return []
    first, *others = changing
    if others or not all(isinstance(x, int | np.integer) for x in first):
        return [None]
    shifts = {int(x) - t for x, t in zip(first, ts)}
    return [shifts.pop()] if len(shifts) == 1 else [None]
