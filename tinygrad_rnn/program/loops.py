"""A loop leaves its steps in the program, all alike: they are found by that, whatever they do.

No scope, name or module is needed. `runs.py` finds stretches of alike steps; those that carry a
state, and those that go along with one, are loops.

Read next: `numbering.py`; `folding.py`, which leaves most of the steps out; `differences.py`, which
says why not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

import numpy as np

from ..arraylike import Array
from ..modes import Step
from .alike import Places
from .lines import Line, Scope, common_start, step_scope
from .runs import LEAST, Run, Stretch, split


@dataclass(frozen=True, eq=False)
class Loop:
    """Steps that are alike: line steps[k, j] does in step k what line steps[0, j] does in step 0.

    Attributes:
        steps: (steps, operations of a step), line numbers; in the order in which they ran.
        carried: pairs (j, lag): the lines of column j are taken `lag` steps later. States.
        ts: what the steps are called: their time steps, or 1, 2, ... where they have none.
        scoped: whether they have.
        path: the module path that all lines of a step share.
    """

    steps: Array
    carried: tuple[tuple[int, int], ...]
    ts: tuple[int, ...]
    scoped: bool
    path: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def period(self) -> int:
        """The number of operations in a step."""
        return int(self.steps.shape[1])


def find_loops(lines: Sequence[Line], cuts: Mapping[int, int | None]) -> list[Loop]:
    """The loops of a program, in the order in which they ran.

    First those that carry a state from step to step. Then those whose steps only take what the
    steps of such a loop made, as a loss for every output: they are loops of their companion.
    """
    places = Places(lines, cuts)
    whole = Stretch(0, len(places))
    states, rest = split(places, [whole], partial(_carried, places))
    runs, fresh = list(states), states
    while fresh:  # and companions of companions
        fresh, rest = split(places, rest, partial(_goes_along, places, _owners(places, runs)))
        runs += fresh
    found = None
    while runs != found:  # what takes from a run that turns out to be none is looked at again
        found, (owner, _) = runs, _owners(places, runs)
        runs = [part for run in found for part in _alike(places, run, owner)]
    runs.sort(key=lambda run: run.start)
    return [_loop(lines, places, run) for run in runs]


def in_steps(lines: Sequence[Line], loops: Sequence[Loop]) -> list[Line]:
    """The same lines, where those of a step have its time step in their scope.

    A loop without scopes gets them, if it is one over time and not over layers. In one with scopes,
    what was made of a step's results right after it, outside of its scope, belongs to that step:
    its loss, as a rule.
    """
    found = list(lines)
    for loop in loops:
        if not loop.carried or loop.period == 1 or (not loop.scoped and _layers(lines, loop)):
            continue
        back = _walks_back(lines, loop)
        for t, step in zip(loop.ts, loop.steps.tolist()):
            first = lines[step[0]]
            if first.t is not None and all(lines[n].scope is first.scope for n in step):
                continue
            unscoped = all(lines[n].t is None for n in step)
            inside: dict[int, Scope] = {}  # the lines of the step so far, and their time steps
            for n in step:
                line = lines[n]
                taken = [inside[x] for x in line.inputs if x in inside]
                if unscoped or (line.t is None and taken):
                    scope = (Step(t),) if unscoped else taken[-1]
                    first_of_all = line.scope[:1] if unscoped and back else ()
                    rest = line.scope[len(first_of_all) :]
                    found[n] = replace(line, scope=(*first_of_all, *scope, *rest))
                here = step_scope(found[n].scope)
                if here is not None:
                    inside[n] = here
    return found


def _layers(lines: Sequence[Line], loop: Loop) -> bool:
    """Whether each step has weights of its own, and none that all share: so it is with layers."""
    own = False
    for first, last in zip(loop.steps[0].tolist(), loop.steps[-1].tolist()):
        for x, y in zip(lines[first].inputs, lines[last].inputs):
            if x == y and lines[x].kind in ("parameter", "op"):  # an op: W.T, made before the loop
                return False
            own |= x != y and lines[x].kind == lines[y].kind == "parameter"
    return own


def anchored(lines: Sequence[Line], loops: Sequence[Loop]) -> dict[int, Sequence[int]]:
    """By number the loops without scopes that go along with the steps of an earlier loop, one by
    one; and for each of their steps the line that it takes from there."""
    place: dict[int, tuple[int, int]] = {}
    found: dict[int, Sequence[int]] = {}
    if all(loop.scoped for loop in loops):
        return found
    for i, loop in enumerate(loops):
        if i and not loop.scoped:
            anchors = _anchors(lines, loop, loops, place)
            if anchors:
                found[i] = anchors
        for k, step in enumerate(loop.steps.tolist()):
            place |= dict.fromkeys(step, (i, k))
    return found


def alongside(lines: Sequence[Line], loops: Sequence[Loop]) -> dict[int, Sequence[int]]:
    """Those of `anchored` that stand in the steps of the other: a recorded walk back does not."""
    found = anchored(lines, loops)
    return {i: some for i, some in found.items() if not _walks_back(lines, loops[i])}


def _walks_back(lines: Sequence[Line], loop: Loop) -> bool:
    return lines[loop.steps[0, 0]].scope[:1] == ("gradient",)


def companions(lines: Sequence[Line], loops: Sequence[Loop]) -> dict[int, int]:
    """For lines without a time step that go along with a step of an earlier loop: a line of that.

    The loss of each output, and their running sum, belong to the steps that the outputs are from.
    """
    found: dict[int, int] = {}
    for i, anchors in alongside(lines, loops).items():
        for step, anchor in zip(loops[i].steps.tolist(), anchors):
            found |= dict.fromkeys(step, found.get(anchor, anchor))
    return found


def _anchors(
    lines: Sequence[Line],
    loop: Loop,
    loops: Sequence[Loop],
    place: Mapping[int, tuple[int, int]],
) -> Sequence[int]:
    """For each step the operand that it takes from the steps of an earlier loop, one by one; or, at
    either end, from an odd step beside that loop."""
    for column in loop.steps.T.tolist():
        for argument in range(len(lines[column[0]].inputs)):
            taken = [lines[n].inputs[argument] for n in column]
            owners = {place[x][0] for x in taken[1:-1] if x in place}
            if len(owners) == 1 and all(x in place for x in taken[1:-1]):
                (i,) = owners
                places = [_step_beside(lines[x], i, loops[i], place) for x in taken]
                if all(abs(b - a) == 1 for a, b in pairwise(places)):
                    return taken
    return ()


def _step_beside(line: Line, i: int, loop: Loop, place: Mapping[int, tuple[int, int]]) -> float:
    """Which step of a loop a line is in; -1 for the step before the loop, which has its scope."""
    owner, k = place.get(line.number, (-1, 0))
    if owner == i:
        return k
    if owner >= 0 or line.t is None or not loop.scoped:
        return math.nan
    return (line.t - loop.ts[0]) / (loop.ts[1] - loop.ts[0])


# ---------------------------------------------------------------- what is found
def _carried(places: Places, run: Run) -> tuple[tuple[int, int], ...]:
    """(column, lag) of what the last step takes from earlier ones."""
    last = run.stop - run.p
    edges = slice(places.first[last], places.first[run.stop])
    sources = places.sources[edges]
    sources = sources[(sources >= run.start) & (sources < last)]
    lags = run.count - 1 - (sources - run.start) // run.p
    found = set(zip(((sources - run.start) % run.p).tolist(), lags.tolist()))
    return tuple(sorted(found))


def _owners(places: Places, runs: list[Run]) -> tuple[Array, Array]:
    """For each place the number of the run that it is in, or -1; and that run's period."""
    owner, period = np.full(len(places), -1), np.zeros(len(places), dtype=np.int64)
    for k, run in enumerate(runs):
        owner[run.start : run.stop] = k
        period[run.start : run.stop] = run.p
    return owner, period


def _goes_along(places: Places, owners: tuple[Array, Array], run: Run) -> bool:
    """Whether each step takes from a step of another loop, and the next from the next."""
    place, argument, u, v = places.operands(run.p, run.start, run.stop - run.p)
    made = (u >= 0) & (v >= 0)
    place, argument, u, v = place[made], argument[made], u[made], v[made]
    owner, period = owners
    along = (owner[u] >= 0) & (owner[u] == owner[v]) & (np.abs(v - u) == period[u])
    ways = np.stack([owner[u], (place - run.start) % run.p, argument])[:, along]
    _, often = np.unique(ways, return_counts=True, axis=1)
    return len(often) > 0 and int(often.max()) == run.count - 1


def _alike(places: Places, run: Run, owner: Array) -> list[Run]:
    """The parts of a run whose steps take results from before it that were made alike.

    A running sum of unlike terms is a run of additions, and no loop.
    """
    place, _, u, v = places.operands(run.p, run.start, run.stop - run.p)
    outside = (u != v) & (u >= 0) & (v >= 0) & (u < run.start) & (v < run.start)
    seen: set[tuple[int, int]] = set()
    unlike = {
        (n - run.start) // run.p
        for n, x, y in zip(place[outside].tolist(), u[outside].tolist(), v[outside].tolist())
        if not _made_alike(places, x, y, owner, seen)
    }
    edges = [-1, *sorted(unlike), run.count - 1]  # after which a part begins
    parts = [(a + 1, b - a) for a, b in pairwise(edges)]
    return [Run(run.p, run.start + a * run.p, n) for a, n in parts if n >= LEAST]


def _made_alike(places: Places, x: int, y: int, owner: Array, seen: set[tuple[int, int]]) -> bool:
    """Whether two results were made by the same operations; how those of a loop were is known."""
    stack, found = [(x, y)], set[tuple[int, int]]()
    while stack:
        pair = stack.pop()
        if pair in seen or pair in found or pair[0] == pair[1]:
            continue
        found.add(pair)
        a, b = pair
        if min(a, b) < 0:
            if max(a, b) >= 0:
                return False
            continue
        if places.tokens[a] != places.tokens[b]:
            return False
        if owner[a] < 0 and owner[b] < 0:
            ours, theirs = (places.sources[places.first[n] : places.first[n + 1]] for n in pair)
            stack += zip(ours.tolist(), theirs.tolist(), strict=True)
    seen |= found
    return True


def _time_around(lines: Sequence[Line], step: Sequence[int]) -> int | None:
    """The time step around all lines of a step that have one."""
    scopes = {lines[n].scope for n in step if lines[n].t is not None}
    around = step_scope(common_start(scopes))
    return None if around is None else around[-1].t  # type: ignore[union-attr]


def _loop(lines: Sequence[Line], places: Places, run: Run) -> Loop:
    steps = places.numbers[run.start : run.stop].reshape(run.count, run.p)
    scopes = [
        next((t for n in step if (t := lines[n].t) is not None), None) for step in steps.tolist()
    ]
    ts = [t for t in scopes if t is not None]
    if len(set(ts)) < run.count:  # the first line may be in a loop within the step
        ts = [t for step in steps.tolist() if (t := _time_around(lines, step)) is not None]
    scoped = len(set(ts)) == run.count
    names = ts if scoped else range(1, run.count + 1)
    path = tuple(map(str, common_start([lines[n].path for n in steps[0].tolist()])))
    return Loop(steps, _carried(places, run), tuple(names), scoped, path)
