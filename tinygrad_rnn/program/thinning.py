"""A program without some of its steps.

A line stands in the place of what a line that stays took from one that goes: `folded` between the
first and the last steps, `previous` (the state h_(t-1)) before a rolled step. It holds the value of
the last line it stands for, so values and gradients of what stays are those of the recorded
program. What served only the steps that went goes with them.

Read next: `differences.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from .account import Account
from .folds import Thinned
from .lines import FOLDED, PREVIOUS, Line, common_start, step_scope
from .loops import companions


class Thinner(Account):
    """Leaves steps out of a program."""

    def run(self, ends: Sequence[int]) -> Thinned:
        """What is left of it.

        Args:
            ends: the outputs.
        """
        alive = self._alive(ends)
        order = self._order(alive)
        numbers = {n: k for k, n in enumerate(order)}
        lines, edges = [], {}
        users = self._users_left_out(alive)
        for n, k in numbers.items():
            pairs = self.inputs[n]
            lines.append(self._line(n, k, tuple(numbers[source] for source, _ in pairs)))
            for argument, (source, recorded) in enumerate(pairs):
                whole = users.get(source, []) if n in self.stands else self._edges(n, recorded)
                other = self.of_others.get((n, argument))
                edges[k, argument] = whole if other is None else [other]
        folds = self._folds(alive, numbers)
        unscoped = {k for n, k in numbers.items() if self.recorded[n].t is None is not lines[k].t}
        companions = self._companions(numbers)
        left = [numbers[self._end(n)] for n in ends]
        leaves = [n for n in self.cuts if n in numbers and n not in self.stands]
        cuts = {numbers[n]: self._cut_from(n) for n in leaves}
        found = {n: None if k is None else numbers.get(k) for n, k in cuts.items()}
        return Thinned(lines, left, order, edges, found, folds, companions, frozenset(unscoped))

    def _edges(self, n: int, argument: int) -> list[tuple[int, int]]:
        """The recorded edges that an edge of a line that stays stands for: rolled, those of all
        steps, if they all take the same there, as a weight."""
        if self.op == PREVIOUS and self.looped[n] >= 0 and self._take_the_same(n, argument):
            return [(m, argument) for m in self._column(n)]
        return [(n, argument)]

    def _end(self, n: int) -> int:
        """An output, or what stands for the steps that it went with."""
        return self._instead(n, None) if self._gone(n) else n

    def _cut_from(self, leaf: int) -> int | None:
        """The line that a leaf was cut off, or what stands for it between steps that are drawn."""
        source = self.cuts.get(leaf)
        if source is None or self.op == PREVIOUS or not self._gone(source):
            return source
        return self._instead(source, None)

    def _order(self, alive: set[int]) -> list[int]:
        """The lines that stay, operands first: what one that stands for others takes may be newer
        than it."""
        order: dict[int, None] = {}
        seen: set[int] = set()
        for first in sorted(alive):
            stack = [first]
            while stack:
                n = stack.pop()
                if n in seen:
                    order.setdefault(n)
                    continue
                seen.add(n)
                stack += [n, *[x for x, _ in reversed(self.inputs[n]) if x not in seen]]
        return list(order)

    def _companions(self, numbers: Mapping[int, int]) -> dict[int, int]:
        """The companions of the recorded program, as far as they are left."""
        recorded = companions(self.lines, self.loops)
        places = {n: self._place(self._stood(n)) for n in self.stands}
        gaps = {(i, self._gap(i, k)): n for n, (i, k, _) in places.items()}
        found = {}
        for n, number in numbers.items():
            if n in self.stands and self.op == PREVIOUS:
                i, _, j = places[n]
                n = int(self.loops[i].steps[-1, j])
            anchor = recorded.get(n)
            if anchor is not None and self._gone(anchor):
                i, k, _ = self._place(anchor)
                anchor = gaps.get((i, self._gap(i, k)))
            if anchor is not None and anchor in numbers:
                found[number] = numbers[anchor]
        return found

    def _alive(self, ends: Sequence[int]) -> set[int]:
        """The lines that stay: what the ends are made of, as far as steps stay."""
        alive: set[int] = set()
        taken = np.zeros(len(self.lines), dtype=bool)
        taken[self.sources] = True  # what nothing takes is an end, or recurs in a rolled step
        stack = [self._end(n) for n in (*ends, *np.flatnonzero(~taken).tolist())]
        while stack:
            n = stack.pop()
            if n in alive:
                continue
            alive.add(n)
            self.inputs[n] = self._operands(n)
            stack += [source for source, _ in self.inputs[n]]
            if self.op == FOLDED and (source := self._cut_from(n)) is not None:
                stack.append(source)
            if self.op == PREVIOUS and n in self.stands:  # what recurs, if only other steps need it
                i, _, j = self._place(self._stood(n))
                stack.append(int(self.loops[i].steps[-1, j]))
        return alive

    def _line(self, n: int, number: int, inputs: tuple[int, ...]) -> Line:
        line = self.lines[n]
        if n not in self.stands:
            return replace(line, number=number, inputs=inputs)
        i, k, j = self._place(self._stood(n))
        first, last = self._gap(i, k)
        # in the last of the steps left out, or, rolled, in the step that it enters
        step = self.loops[i].steps[last + (self.op == PREVIOUS)].tolist()
        scopes = self._scopes(step)
        around = step_scope(common_start(scopes)) if len(scopes) > 1 else None
        scope = around or self.lines[step[j]].scope
        attrs = {"steps": last - first + 1}
        return Line(number, self.op, inputs, attrs, scope, line.value, None, line.name, "folded")

    def _users_left_out(self, alive: set[int]) -> dict[int, list[tuple[int, int]]]:
        """For each line that goes into what is left out, the edges by which it does."""
        entering = {source for sources in self.stands.values() for source in sources}
        users: dict[int, list[tuple[int, int]]] = {source: [] for source in entering}
        enters = np.zeros(len(self.lines), dtype=bool)
        enters[list(entering)] = True
        for n in dict.fromkeys(self.users[enters[self.sources]].tolist()):
            if n in alive and n not in self.stands:
                continue
            for argument, source in enumerate(self.lines[n].inputs):
                if source in entering:
                    users[source].append((n, argument))
        return users
