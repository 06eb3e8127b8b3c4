"""What the steps of a loop are called: by their time steps, or 1, 2, ... where they have none.

A step that is unlike the others ends a loop, and the next one is a loop of its own. Its numbers go
on where it takes the states on, so that no two steps of one chain are called the same.

Read next: `folds.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from .lines import Line
from .loops import Loop, anchored


def numbered(
    lines: Sequence[Line], cuts: Mapping[int, int | None], loops: Sequence[Loop]
) -> list[Loop]:
    """The same loops; those without time steps go on counting where an earlier one stopped, and
    those that go along with another one, step by step, have its numbers.

    A stretch between them that is as long as a step, or several, is counted as such.
    """
    found: list[Loop] = []
    along = anchored(lines, loops)
    several = len(loops) > 1 and not all(loop.scoped for loop in loops)
    times: dict[int, int] = {}  # of the lines in loops so far, if others go along with these
    last: dict[bool, Loop] = {}  # of one operation a step, as a running sum; and of more
    for i, loop in enumerate(loops):
        read = _read_again(lines, loop, times) if several and not loop.scoped else None
        if i in along or read:
            taken = along.get(i) or read or ()
            loop = replace(loop, ts=tuple([times.get(n, lines[n].t or 0) for n in taken]))
        elif loop.carried and not loop.scoped:
            before = last.get(loop.period == 1)
            if before is not None and _carries_on(lines, cuts, before, loop):
                start = before.ts[-1] + _steps_between(lines, before, loop)
                loop = replace(loop, ts=tuple(range(start + 1, start + len(loop) + 1)))
            last[loop.period == 1] = loop
        found.append(loop)
        for t, step in zip(loop.ts, loop.steps.tolist() if several else ()):
            leaves = [x for n in step for x in lines[n].inputs if lines[x].op is None]
            times |= dict.fromkeys([*step, *leaves], t)
    return found


def _read_again(
    lines: Sequence[Line], loop: Loop, times: Mapping[int, int]
) -> Sequence[int] | None:
    """For each step of a loop the leaf of an earlier loop's step that it takes, one by one: as the
    inputs, read from the other end."""
    for column in loop.steps.T.tolist():
        for argument in range(len(lines[column[0]].inputs)):
            taken = [lines[n].inputs[argument] for n in column]
            if all(lines[x].op is None and x in times for x in taken):
                paces = {times[b] - times[a] for a, b in pairwise(taken)}
                if paces in ({1}, {-1}):
                    return taken
    return None


def _carries_on(
    lines: Sequence[Line], cuts: Mapping[int, int | None], before: Loop, loop: Loop
) -> bool:
    """Whether the states that a loop starts from are made of the last step of another."""
    end = set(before.steps[-1].tolist())
    stack, seen = initial_states(lines, cuts, loop), set[int]()
    while stack:
        n = stack.pop()
        if n in end:
            return True
        if n not in seen and n > before.steps[-1, 0]:
            seen.add(n)
            stack += [cuts.get(x) or x for x in lines[n].inputs]
    return False


def initial_states(lines: Sequence[Line], cuts: Mapping[int, int | None], loop: Loop) -> list[int]:
    """What the first step takes where the last one takes a state."""
    states = {int(loop.steps[-1 - lag, column]) for column, lag in loop.carried}
    found = []
    for first, last in zip(loop.steps[0].tolist(), loop.steps[-1].tolist()):
        for x, y in zip(lines[first].inputs, lines[last].inputs, strict=True):
            if (cuts.get(y) or y) in states:
                found.append(cuts.get(x) or x)
    return found


def _steps_between(lines: Sequence[Line], before: Loop, loop: Loop) -> int:
    """How many steps of another form stand between two loops of the same operations."""
    one, two = ([lines[n].op for n in each.steps[0].tolist()] for each in (before, loop))
    between = range(before.steps[-1, -1] + 1, loop.steps[0, 0])
    operations = sum(lines[n].op is not None for n in between)
    return operations // loop.period if one == two else 0
