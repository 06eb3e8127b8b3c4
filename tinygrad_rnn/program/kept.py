"""Which steps of the loops stay, and in which time step a line of theirs stands.

Read next: `taken.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from ..arraylike import Array
from ..modes import Step
from .lines import FOLDED, PREVIOUS, Line, Scope, common_start, step_scope
from .loops import Loop, alongside, in_steps

FEW = 2  # odd steps of an earlier loop, beside which a later loop is drawn


class KeptSteps:
    """The loops of a program, and which of their steps stay. A gap is a run of steps that do not.

    Attributes:
        recorded, lines: the program, and the same with time steps in all its loops.
        looped: for every line the number of its loop, or -1; step, column: where it stands there.
        kept: for every loop which of its steps stay; gaps: the gap that each of the others is in.
        names: what loops are called that got a scope for that.
        gathered: the arguments (line, argument) that stand for those of all steps of a loop, or of
            a gap; with the number of that loop.
        at: for arguments that take what a rolled loop made at some steps: that loop and these.
        others: for arguments of last steps, in whose place other steps take other lines of earlier
            loops, these as pairs (which line takes, what), line by line of such a loop.
        beside: for a rolled loop that goes along with an earlier one, step by step, that one.
        later: how much later than its loop's last step a line stands, if that is several steps.
    """

    def __init__(
        self, lines: Sequence[Line], loops: Sequence[Loop], keep: Callable[[Loop], Array], op: str
    ) -> None:
        self.recorded, self.loops, self.op = lines, loops, op
        along = alongside(lines, loops) if op == FOLDED else ()
        alone = [loop for i, loop in enumerate(loops) if i not in along]
        self.lines = in_steps(lines, alone)  # the others: see `companions`
        self.looped, self.step, self.column = _places(loops, len(lines))
        self.gathered: dict[tuple[int, int], int] = {}
        self.at: dict[tuple[int, int], tuple[int, list[int]]] = {}
        self.later: dict[int, int] = {}
        self.beside: dict[int, int] = {}
        self.others: dict[tuple[int, int], list[list[tuple[int, int]]]] = {}
        self.kept: list[Array] = []
        self.names: dict[int, str] = {}
        for loop in loops:
            if op == PREVIOUS:
                self._put_together(loop)
            self.kept.append(self._in_step(loop, keep(loop)))
        self.gaps = [_gaps(kept) for kept in self.kept]

    def _in_step(self, loop: Loop, kept: Array) -> Array:
        """A loop that goes along with an earlier one keeps the steps that take from kept ones.

        Rolled, one step stands for all, also where it takes from other steps than its own: what it
        takes then is that of all steps, and it gets a scope, so that its step is none of theirs.
        """
        i, along = len(self.kept), np.ones(len(loop), dtype=bool)
        taken = self._taken_by(loop, range(i))
        for sources in taken.values():
            along &= [not self._gone(x) for x in sources]
        if self.op == FOLDED:
            return along if along.any() and not along.all() else kept
        together = taken and np.array_equal(along, kept)
        together = together and all(map(self._one_by_one, taken.values()))
        (earlier, *_) = [*(self.looped[sources[-1]] for sources in taken.values()), i]
        if together and len(loop) >= len(self.loops[earlier]) - 1:  # but perhaps for the first step
            self.beside[i] = self.beside.get(earlier, earlier)
            self._set_apart(i, loop, self.names.get(earlier))
            if loop.scoped or self.loops[earlier].scoped:  # else it is in the same step
                self._note_all(taken)
        elif taken:
            self._note_all(taken)
            self._set_apart(i, loop, f"loop {i + 1}")
        return kept

    def _note_all(self, taken: Mapping[tuple[int, int], Sequence[int]]) -> None:
        for edge, sources in taken.items():
            if self.looped[sources[-1]] >= 0:
                place = self._place(sources[-1])[::2]
                self._note(edge, [n for n in sources if self._place(n)[::2] == place])

    def _note(self, edge: tuple[int, int], sources: Sequence[int]) -> None:
        """At which steps of a loop what an argument takes was made: rolled, at all or at some;
        folded, at all those of a gap."""
        j = self.looped[sources[-1]]
        steps = [self.step[n] for n in sources if self.looped[n] == j]
        folded = self.op == FOLDED and len(sources) > 1
        if folded or len(set(steps)) == len(self.loops[j]):
            self.gathered[edge] = j
        elif self.op == PREVIOUS:
            self.at.setdefault(edge, (j, steps))

    def _put_together(self, loop: Loop) -> None:
        """One time step for all that a rolled step does, also where several scopes are in it."""
        last = loop.steps[-1].tolist()
        scopes = self._scopes(last)
        if len(scopes) < 2:
            return
        common, own = common_start(scopes), Step(loop.ts[-1])
        around = step_scope(common)  # the others are parts of it
        for n in last:
            line = self.lines[n]
            if line.t is not None:
                if around is None and line.t != own.t:
                    leaves = [x for x in line.inputs if self.lines[x].op is None]
                    self.later |= dict.fromkeys([n, *leaves], line.t - own.t)
                parts = line.scope[len(around or common) :]
                names = [str(part) for part in parts if around or part != own]
                self.lines[n] = replace(line, scope=(*(around or (*common, own)), *names))

    def _scopes(self, step: Sequence[int]) -> set[Scope]:
        """The time steps that a step of a loop is in."""
        scopes = {step_scope(self.lines[n].scope) for n in step}
        return {scope for scope in scopes if scope is not None}

    def _one_by_one(self, sources: Sequence[int]) -> bool:
        """Whether lines are of one step after the other, but perhaps for the first."""
        steps = [self.step[n] for n in sources]
        return all(b - a == 1 for a, b in pairwise(steps[1:]))

    def _taken_by(self, loop: Loop, earlier: Collection[int]) -> dict[tuple[int, int], list[int]]:
        """For each argument (line, argument) of the last step what all steps take in its place, if
        that is of earlier loops, perhaps but for the last, and not the same for all."""
        found = {}
        for n, column in zip(loop.steps[-1].tolist(), loop.steps.T.tolist()):
            for argument, source in enumerate(self.lines[n].inputs):
                before = self.lines[column[-2]].inputs[argument]
                odd = self.looped[source] < 0 and self.looped[before] in earlier
                if odd or self.looped[source] in earlier:
                    sources = [self.lines[k].inputs[argument] for k in column]
                    if sources[0] != source:
                        found[n, argument] = sources
                    if self.op == PREVIOUS:
                        self._note_others(n, argument, list(zip(column, sources)), earlier)
        return found

    def _note_others(
        self, n: int, argument: int, pairs: list[tuple[int, int]], earlier: Collection[int]
    ) -> None:
        """What the other steps take in the place of an argument of the last one, if that is another
        line of a loop than the last one takes, or of one or two odd steps."""
        groups: dict[tuple[int, int], list[tuple[int, int]]] = {}
        odd = {x: u for u, x in pairs if self.looped[x] < 0 and self.lines[x].op is not None}
        for user, source in pairs:
            if self.looped[source] in earlier:
                groups.setdefault(self._place(source)[::2], []).append((user, source))
            elif odd.get(source) == user and len(odd) <= FEW:
                groups[-1, source] = [(user, source)]
        last = pairs[-1][1]
        groups.pop((-1, last) if last in odd else self._place(last)[::2], None)
        if groups:
            self.others[n, argument] = list(groups.values())

    def _set_apart(self, i: int, loop: Loop, name: str | None) -> None:
        """A name for a loop without scopes, as a scope around its last step: that is a box."""
        if name is None or loop.scoped:
            return
        self.names[i] = name
        for n in loop.steps[-1].tolist():
            line = self.lines[n]
            step = () if line.t is not None else (Step(loop.ts[-1]),)
            self.lines[n] = replace(line, scope=(name, *step, *line.scope))

    def _gone(self, n: int) -> bool:
        """Whether a line belongs to a step that is left out."""
        i = self.looped[n]
        return i >= 0 and not self.kept[i][self.step[n]]

    def _place(self, n: int) -> tuple[int, int, int]:
        """The loop, step and column of a line in a loop."""
        return self.looped[n], self.step[n], self.column[n]


def _gaps(kept: Array) -> list[tuple[int, int]]:
    """For each step that goes the first and last step of its gap; of no meaning for the others."""
    here = np.arange(len(kept))
    first = np.maximum.accumulate(np.where(kept, here, -1)) + 1
    after = np.minimum.accumulate(np.where(kept, here, len(kept))[::-1])[::-1]
    return list(zip(first.tolist(), (after - 1).tolist()))


def _places(loops: Sequence[Loop], count: int) -> tuple[list[int], list[int], list[int]]:
    """For each line its loop, or -1; its step there, and its column."""
    found = np.full((3, count), -1)
    for i, loop in enumerate(loops):
        found[0, loop.steps] = i
        found[1, loop.steps] = np.arange(len(loop))[:, None]
        found[2, loop.steps] = np.arange(loop.period)
    looped, step, column = found.tolist()
    return looped, step, column
