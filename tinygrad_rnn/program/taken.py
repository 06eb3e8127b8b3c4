"""What the lines that stay take, where steps are left out: of lines that go, what stands for them.

Read next: `account.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..arraylike import Array
from .kept import KeptSteps
from .lines import PREVIOUS, Line
from .loops import Loop
from .runs import LEAST


class Taken(KeptSteps):
    """The operands of lines that stay, and of lines that stand for others.

    Attributes:
        users, sources: for every edge the line that takes, and the line that is taken.
        inputs: for every line that stays its operands, as pairs (recorded line, argument).
        stands: the recorded lines in whose place a new line stands, with that line's operands.
        of_others: for what only other steps take (see `others`) an edge by which one does.
        cut_off: for leaves in whose place a state of a rolled loop stands, that state, and whether
            it is cut off at all steps.
        enters: for each initial state (loop, column, lag, line) the step that it enters.
        same: the lines of rolled steps that are the same at all steps, as a weight transposed.
    """

    def __init__(
        self,
        lines: Sequence[Line],
        loops: Sequence[Loop],
        keep: Callable[[Loop], Array],
        op: str,
        cuts: Mapping[int, int | None],
    ) -> None:
        super().__init__(lines, loops, keep, op)
        self.cuts = cuts
        self.users = np.repeat(np.arange(len(lines)), [len(line.inputs) for line in lines])
        self.sources = np.array([n for line in lines for n in line.inputs], dtype=np.int64)
        self.inputs: dict[int, list[tuple[int, int]]] = {}
        self.stands: dict[int, list[int]] = {}
        self.of_others: dict[tuple[int, int], tuple[int, int]] = {}
        self.cut_off: dict[int, tuple[int, bool]] = {}
        self.enters: dict[tuple[int, int, int | None, int], int] = {}
        self.same: set[int] = set()
        if op == PREVIOUS:
            self._find_the_same()

    def _operands(self, n: int) -> list[tuple[int, int]]:
        """(recorded line, argument) for each operand of a line that stays, or stands for others."""
        if n in self.stands:
            sources = self.stands[n]
            if self.op == PREVIOUS:  # what came first may be of a step of its own loop
                sources = [x for x in sources if not (self._gone(x) and self._same_loop(n, x))]
            for argument, x in enumerate(sources):
                if self._gone(x):
                    self.at[n, argument] = self.looped[x], [self.step[x]]
                elif self.op == PREVIOUS:
                    i, k, j = self._place(self._stood(n))
                    step = self.enters.get((i, j, len(self.loops[i]) - 1 - k, x), 0)
                    if step:  # else it is there at the first
                        self.at[n, argument] = i, [step]
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
        found: dict[int, int] = {}
        for column in columns:
            for step, x in self._initial(loop, column, lag):
                found.setdefault(x, step)
        for x, step in found.items():
            self.enters[i, j, lag, x] = step
        return list(found)

    def _initial(self, loop: Loop, column: int, lag: int | None) -> list[tuple[int, int]]:
        """(step, what it takes) for the first step where later ones take a state; if that is the
        one of `lag` steps before, for the first so many steps."""
        found = []
        lags = [k for state, k in loop.carried if state == column]
        lags = [lag] if lag in lags else lags
        for n, early in zip(loop.steps[-1].tolist(), loop.steps.T.tolist()):
            for argument, operand in enumerate(self.lines[n].inputs):
                state = self.cuts.get(operand)
                source = operand if state is None or not self._same_loop(n, state) else state
                taken = [source == loop.steps[-1 - lag, column] for lag in lags]
                for step in range(lag if lag in lags else 1) if any(taken) else ():
                    found.append((step, self.lines[early[step]].inputs[argument]))
        return found

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
