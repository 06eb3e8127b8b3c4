"""A program without some of its steps.

A line stands in the place of what a line that stays took from one that goes: `folded` between the
first and the last steps, `previous` (the state h_(t-1)) before a rolled step. It holds the value of
the last line it stands for, so values and gradients of what stays are those of the recorded
program. What served only the steps that went goes with them.

Read next: `differences.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..arraylike import Array
from .folds import Fold, Thinned
from .kept import KeptSteps
from .lines import FOLDED, PREVIOUS, Line, common_start, step_scope
from .loops import Loop, companions
from .runs import LEAST


class Thinner(KeptSteps):
    """Leaves steps out of a program.

    Attributes:
        users, sources: for every edge the line that takes, and the line that is taken.
        stands: the recorded lines in whose place a new line stands, with that line's operands.
        inputs: for every line that stays its operands, as pairs (recorded line, argument).
        of_others: for what only other steps take (see `others`) an edge by which one does.
        cut_off: for leaves in whose place a state of a rolled loop stands, that state, and whether
            it is cut off at all steps.
        same: the lines of rolled steps that are the same at all steps, as a weight transposed.
    """

    def __init__(
        self,
        lines: Sequence[Line],
        ends: Sequence[int],
        loops: Sequence[Loop],
        keep: Callable[[Loop], Array],
        op: str,
        cuts: Mapping[int, int | None],
    ) -> None:
        super().__init__(lines, loops, keep, op)
        self.ends, self.cuts = ends, cuts
        self.users = np.repeat(np.arange(len(lines)), [len(line.inputs) for line in lines])
        self.sources = np.array([n for line in lines for n in line.inputs], dtype=np.int64)
        self.stands: dict[int, list[int]] = {}
        self.inputs: dict[int, list[tuple[int, int]]] = {}
        self.of_others: dict[tuple[int, int], tuple[int, int]] = {}
        self.same: set[int] = set()
        self.cut_off: dict[int, tuple[int, bool]] = {}
        if op == PREVIOUS:
            self._find_the_same()

    # ------------------------------------------------------------ what stays
    def run(self) -> Thinned:
        alive = self._alive()
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
        ends = [numbers[self._end(n)] for n in self.ends]
        leaves = [n for n in self.cuts if n in numbers and n not in self.stands]
        cuts = {numbers[n]: self._cut_from(n) for n in leaves}
        found = {n: None if k is None else numbers.get(k) for n, k in cuts.items()}
        return Thinned(lines, ends, order, edges, found, folds, companions, frozenset(unscoped))

    def _edges(self, n: int, argument: int) -> list[tuple[int, int]]:
        """The recorded edges that an edge of a line that stays stands for: rolled, those of all
        steps, if they all take the same there, as a weight."""
        if self.op == PREVIOUS and self.looped[n] >= 0 and self._take_the_same(n, argument):
            return [(m, argument) for m in self._column(n)]
        return [(n, argument)]

    def _take_the_same(self, n: int, argument: int) -> bool:
        """Whether all steps take, where a line of the last one takes an operand, the same: what was
        there before the loop, or what each of them makes of that alone."""
        source = self.lines[n].inputs[argument]
        if self._same_loop(n, source):
            return source in self.same
        return all(self.lines[m].inputs[argument] == source for m in self._column(n))

    def _find_the_same(self) -> None:
        for loop in self.loops:
            for n in loop.steps[-1].tolist():
                arguments = range(len(self.lines[n].inputs))
                if arguments and all(self._take_the_same(n, k) for k in arguments):
                    self.same.add(n)

    def _column(self, n: int) -> list[int]:
        """A line of a loop, step by step."""
        steps: list[int] = self.loops[self.looped[n]].steps[:, self.column[n]].tolist()
        return steps

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

    def _alive(self) -> set[int]:
        """The lines that stay: what the ends are made of, as far as steps stay."""
        alive: set[int] = set()
        taken = np.zeros(len(self.lines), dtype=bool)
        taken[self.sources] = True  # what nothing takes is an end, or recurs in a rolled step
        stack = [self._end(n) for n in (*self.ends, *np.flatnonzero(~taken).tolist())]
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

    def _operands(self, n: int) -> list[tuple[int, int]]:
        """(recorded line, argument) for each operand of a line that stays, or stands for others."""
        if n in self.stands:
            sources = self.stands[n]
            if self.op == PREVIOUS:  # what came first may be of a step of its own loop
                sources = [x for x in sources if not (self._gone(x) and self._same_loop(n, x))]
            sources = [self._instead(x, None) if self._gone(x) else x for x in sources]
            return [(source, argument) for argument, source in enumerate(sources)]
        pairs: list[tuple[int, int]] = []
        inputs = self.lines[n].inputs
        together = self._together(n)
        for argument, source in enumerate(inputs):
            some = together.get(argument, [argument])
            if some[0] != argument:  # it stands with an earlier one
                continue
            last, edge = some[-1], (n, len(pairs))
            if self.op == PREVIOUS and (leaf := self._over_cut(n, argument)) is not None:
                pairs.append((leaf, argument))
                continue
            if self.op == PREVIOUS and self._differs(n, argument):
                self.at[edge] = self.looped[n], [self.step[n]]
            if len(some) > 1 or self._gone(source):
                if len(some) > 1 or not self._same_loop(n, source):
                    self._note(edge, [inputs[k] for k in some] if len(some) > 1 else [source])
                source = self._instead(inputs[last] if len(some) > 1 else source, n)
            pairs.append((source, last))
        return pairs + self._of_others(n, len(pairs))

    def _of_others(self, n: int, count: int) -> list[tuple[int, int]]:
        """What only other steps of a rolled loop take, as further operands."""
        pairs: list[tuple[int, int]] = []
        for argument in range(len(self.lines[n].inputs)) if self.others else ():
            for some in self.others.get((n, argument), ()):
                edge, (user, source) = (n, count + len(pairs)), some[-1]
                self.of_others[edge] = user, argument
                if self.looped[source] < 0:
                    self.at[edge] = self.looped[n], [self.step[user]]
                else:
                    self._note(edge, [taken for _, taken in some])
                    source = self._instead(source, n)
                pairs.append((source, argument))
        return pairs

    def _over_cut(self, n: int, argument: int) -> int | None:
        """Where a rolled step takes a state of an earlier one that is cut off there, at some steps
        or all: a leaf under whose number a line stands for it. What is not cut stands by itself."""
        if not self.cuts or self.looped[n] < 0:
            return None
        taken = [self.lines[m].inputs[argument] for m in self._column(n)]
        states = [self.cuts.get(x) for x in taken]
        cut = [x is not None and self._same_loop(n, x) for x in states]
        state = states[-1] if cut[-1] else taken[-1]
        if not any(cut) or state is None or not self._same_loop(n, state) or not self._gone(state):
            return None
        leaf = [x for x, one in zip(taken, cut) if one][-1]
        if leaf not in self.stands:
            self.stands[leaf] = self._entering(*self._place(state))
            self.cut_off[leaf] = state, all(cut[self.step[n] - self.step[state] :])
        return leaf

    def _differs(self, n: int, argument: int) -> bool:
        """Whether a rolled step takes a result from outside of all loops that is another one at
        other steps."""
        source = self.lines[n].inputs[argument]
        if self.looped[n] < 0 or self.looped[source] >= 0 or self.lines[source].op is None:
            return False
        return any(self.lines[m].inputs[argument] != source for m in self._column(n))

    def _stood(self, n: int) -> int:
        """The line in whose place a line stands, as it is or cut off."""
        return self.cut_off[n][0] if n in self.cut_off else n

    def _together(self, n: int) -> dict[int, list[int]]:
        """The arguments of a line that become one, by each of them: one line of a loop at several
        steps that are left out, as all the outputs in a `stack`."""
        inputs, found = self.lines[n].inputs, dict[Any, list[int]]()
        for argument, source in enumerate(inputs if len(inputs) >= LEAST else ()):
            if self._left_out(source) and not self._same_loop(n, source):
                i, k, j = self._place(source)
                gap = None if self.op == PREVIOUS else self._gap(i, k)
                found.setdefault((i, j, gap), []).append(argument)
        steps = {key: {self.step[inputs[k]] for k in some} for key, some in found.items()}
        return {k: found[key] for key in found if len(steps[key]) >= LEAST for k in found[key]}

    def _same_loop(self, n: int | None, other: int) -> bool:
        return n is not None and self.looped[n] == self.looped[other]

    def _left_out(self, n: int) -> bool:
        """Whether a line is not drawn as what it is: a rolled step stands for all of its loop."""
        return self._gone(n) or (self.op == PREVIOUS and self.looped[n] >= 0)

    def _instead(self, source: int, user: int | None) -> int:
        """What a line takes for one that is left out."""
        i, k, j = self._place(source)
        steps = self.loops[i].steps
        if not self._same_loop(user, source):
            if self.op == PREVIOUS:
                return int(steps[-1, j])
            source = int(steps[self._gap(i, k)[1], j])
        if source not in self.stands:
            self.stands[source] = self._entering(i, k, j)
        return source

    def _gap(self, i: int, k: int) -> tuple[int, int]:
        """The first and the last step of the gap that step k of a loop lies in."""
        return self.gaps[i][k]

    def _entering(self, i: int, k: int, j: int) -> list[int]:
        """What goes into the steps that are left out: a state as it was before them."""
        loop = self.loops[i]
        first, _ = self._gap(i, k)
        columns = [column for column, _ in loop.carried]
        columns = [j] if j in columns else list(dict.fromkeys(columns))
        if first:
            return [int(loop.steps[first - 1, column]) for column in columns]
        lag = len(loop) - 1 - k if self.op == PREVIOUS else None
        return list(
            dict.fromkeys(x for column in columns for x in self._initial(loop, column, lag))
        )

    def _initial(self, loop: Loop, column: int, lag: int | None) -> list[int]:
        """What the first step takes where later ones take a state; or that of `lag` steps before,
        if it is one that they take."""
        found = []
        lags = [k for state, k in loop.carried if state == column]
        lags = [lag] if lag in lags else lags
        for n, early in zip(loop.steps[-1].tolist(), loop.steps[0].tolist()):
            for argument, operand in enumerate(self.lines[n].inputs):
                state = self.cuts.get(operand)
                source = operand if state is None or not self._same_loop(n, state) else state
                taken = [source == loop.steps[-1 - lag, column] for lag in lags]
                if any(taken):
                    found.append(self.lines[early].inputs[argument])
        return found

    # ------------------------------------------------------------ the lines that are left
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

    # ------------------------------------------------------------ the account
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

        The earliest is x_t, if no name says that another one is.

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
            names = [self.lines[n].name or "" for n in chain]
            called = [k for k, name in enumerate(names) if re.search(rf"(?<!\d){t}$", name)]
            base = called[0] if called and loop.scoped else 0
            found |= {n: (k - base) * pace for k, n in enumerate(chain) if k != base}
        return found

    def _indexed(self, i: int) -> dict[int, int]:
        """Where each step of a rolled loop takes the part x[t] of something: how much later x[t+k]
        is than its step."""
        loop, found = self.loops[i], {}
        for n in loop.steps[-1].tolist():
            if self.op == PREVIOUS and self.lines[n].op == "getitem":
                places = [_first_index(self.lines[m].attrs.get("index")) for m in self._column(n)]
                shifts = {None if k is None else k - t for k, t in zip(places, loop.ts)}
                if len(shifts) == 1 and (shift := shifts.pop()) is not None:
                    found[n] = shift
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


def _first_index(index: Any) -> int | None:
    """The number in x[3] or x[3, :]; None for another index."""
    first = index[0] if isinstance(index, tuple) and index else index
    return int(first) if isinstance(first, int | np.integer) else None
