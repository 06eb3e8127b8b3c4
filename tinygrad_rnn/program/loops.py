"""A loop leaves its steps in the program, all alike: they are found by that, whatever they do.

No scope, name or module is needed. For a distance p, `alike.py` says which lines are like those p
later; where that holds for all lines of a stretch, the stretch is a loop with p operations a step.
Scopes help to choose where a step begins; without any, it begins where the fewest values cross.

Read next: `numbering.py`; `folding.py`, which leaves most of the steps out; `differences.py`, which
says why not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise, takewhile

import numpy as np

from ..arraylike import Array
from ..modes import Step
from .alike import Places
from .lines import Line, Scope, step_scope

LEAST = 3  # steps; two stretches that are alike may be a coincidence
FEW = 8  # a run is short that covers less than one eighth of the stretch that it was found in


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
    whole = _Stretch(0, len(places))
    states, rest = _split(places, [whole], partial(_carried, places))
    runs, fresh = list(states), states
    while fresh:  # and companions of companions
        fresh, rest = _split(places, rest, partial(_goes_along, places, _owners(places, runs)))
        runs += fresh
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
                    found[n] = replace(line, scope=(*scope, *line.scope))
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


def companions(lines: Sequence[Line], loops: Sequence[Loop]) -> dict[int, int]:
    """For lines without a time step that go along with a step of an earlier loop: a line of that.

    The loss of each output, and their running sum, belong to the steps that the outputs are from.
    """
    place: dict[int, tuple[int, int]] = {}
    found: dict[int, int] = {}
    if all(loop.scoped for loop in loops):
        return found
    for i, loop in enumerate(loops):
        if i and not loop.scoped:
            anchors = _anchors(lines, loop, place)
            for step, anchor in zip(loop.steps.tolist(), anchors):
                found |= dict.fromkeys(step, found.get(anchor, anchor))
        for k, step in enumerate(loop.steps.tolist()):
            place |= dict.fromkeys(step, (i, k))
    return found


def _anchors(
    lines: Sequence[Line], loop: Loop, place: Mapping[int, tuple[int, int]]
) -> Sequence[int]:
    """For each step the operand that it takes from the steps of an earlier loop, one by one."""
    for column in loop.steps.T.tolist():
        for argument in range(len(lines[column[0]].inputs)):
            taken = [lines[n].inputs[argument] for n in column]
            places = [place.get(x, (-1, -1)) for x in taken]
            same = len({i for i, _ in places}) == 1 and places[0][0] >= 0
            if same and all(abs(b - a) == 1 for (_, a), (_, b) in pairwise(places)):
                return taken
    return ()


# ---------------------------------------------------------------- the search
@dataclass(frozen=True)
class _Stretch:
    start: int
    stop: int


@dataclass(frozen=True)
class _Run:
    """`count` steps of p operations, from place `start` on."""

    p: int
    start: int
    count: int

    @property
    def stop(self) -> int:
        return self.start + self.p * self.count


def _split(
    places: Places, stretches: list[_Stretch], wanted: Callable[[_Run], object]
) -> tuple[list[_Run], list[_Stretch]]:
    """The longest run of each stretch, then of what is left of and right of it, and so on.

    Each search takes time in proportion to its stretch. So that all of them together take little
    more than the first, what is left has to be shorter by an eighth at least, or to be in pieces of
    half the length: a longer piece around short runs is not searched again.
    """
    found: list[_Run] = []
    rest: list[_Stretch] = []
    todo = list(stretches)
    while todo:
        stretch = todo.pop()
        runs = _longest(places, stretch, wanted)
        found += runs
        size = stretch.stop - stretch.start
        much = FEW * sum(run.stop - run.start for run in runs) >= size
        for piece in _between(stretch, runs):
            again = runs and (much or 2 * (piece.stop - piece.start) <= size)
            (todo if again else rest).append(piece)
    return found, rest


def _between(stretch: _Stretch, runs: list[_Run]) -> list[_Stretch]:
    """What the runs leave of a stretch."""
    edges = [stretch.start, *[x for run in runs for x in (run.start, run.stop)], stretch.stop]
    return [_Stretch(a, b) for a, b in zip(edges[::2], edges[1::2])]


def _longest(places: Places, stretch: _Stretch, wanted: Callable[[_Run], object]) -> list[_Run]:
    """The run that covers most; the one with the shortest steps, where several do.

    If even that is short, the next longest as well, and so on, those that do not overlap: in order.
    """
    size = stretch.stop - stretch.start
    runs: list[_Run] = []
    for p in _distances(places, stretch):
        runs += [run for run in _runs(places, stretch, p) if wanted(run)]
        runs.sort(key=lambda run: (run.start - run.stop, run.p, run.start))
        if runs and runs[0].stop - runs[0].start > size // 2:  # nothing else can cover as much
            break
    if not runs or FEW * (runs[0].stop - runs[0].start) >= size:
        return runs[:1]
    taken, apart = np.zeros(size, dtype=bool), []
    for run in runs:
        there = taken[run.start - stretch.start : run.stop - stretch.start]
        if not there.any():
            there[:] = True
            apart.append(run)
    return sorted(apart, key=lambda run: run.start)


def _distances(places: Places, stretch: _Stretch) -> list[int]:
    """Distances at which lines may be alike, the likeliest first.

    Where the time step of the scope changes; where a line of the same kind comes next; where the
    same operand, a shared weight, is used next; and small multiples of those.
    """
    start, stop = stretch.start, stretch.stop
    limit = (stop - start) // LEAST
    homes = places.home[start:stop]
    changes = np.flatnonzero(np.diff(homes))
    edges = slice(places.first[start], places.first[stop])
    likely = [
        *_commonest(np.diff(changes), limit, 4),
        *_commonest(_gaps(places.tokens[start:stop], np.arange(stop - start)), limit, 12),
        *_commonest(_gaps(places.sources[edges], places.users[edges]), limit, 8),
    ]
    multiples = [m * p for m in (2, 3, 4) for p in likely[:8] if m * p <= limit]
    return list(dict.fromkeys([*likely, *multiples]))


def _gaps(keys: Array, places: Array) -> Array:
    """The distances between neighbouring places of the same key."""
    order = np.argsort(keys, kind="stable")
    same = np.diff(keys[order]) == 0
    return np.diff(places[order])[same]


def _commonest(gaps: Array, limit: int, count: int) -> list[int]:
    gaps = gaps[(gaps > 0) & (gaps <= limit)]
    if not len(gaps):
        return []
    often = np.bincount(gaps)
    order = np.argsort(-often, kind="stable")[:count]
    return [int(p) for p in order if often[p]]


def _runs(places: Places, stretch: _Stretch, p: int) -> Iterator[_Run]:
    """The loops with p operations a step in a stretch."""
    start, stop, least = stretch.start, stretch.stop, (LEAST - 1) * p
    if not _parts(places.tokens[start : stop - p] == places.tokens[start + p : stop], least):
        return  # as a rule: looking closer takes ten times as long
    after, until = places.bounds(p, start, stop)
    for a, b in _parts((until >= 0) & (after < stop), least):
        for c, d in _valid(after - start, until - start, a, b, least):
            run = _aligned(places, p, start, after, until, c, d)
            if run is not None:
                yield run


def _parts(possible: Array, least: int) -> list[tuple[int, int]]:
    """The parts [a, b) of at least so many places where all is possible."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], possible, [False]]).astype(np.int8)))
    first, last = edges[::2], edges[1::2]
    long = last - first >= least
    return list(zip(first[long].tolist(), last[long].tolist()))


def _valid(after: Array, until: Array, a: int, b: int, least: int) -> Iterator[tuple[int, int]]:
    """The parts [c, d) of [a, b) that may start at c: after < c <= until, for all of them."""
    c = a
    while b - c >= least:
        i = _first_bad(after, until, c, b)
        if i - c >= least:
            yield c, i
        if i == b:
            return
        later = int(after[i]) + 1
        c = later if c < later <= min(i, int(until[i])) else i + 1


def _first_bad(after: Array, until: Array, c: int, b: int) -> int:
    """The first place of [c, b) that cannot be in a loop that starts at c; b, if all can.

    Looked for in windows that double: most are near, and there may be many.
    """
    i, size = c, 64
    while i < b:
        j = min(b, i + size)
        bad = (after[i:j] >= c) | (until[i:j] < c)
        if bad.any():
            return i + int(bad.argmax())
        i, size = j, 2 * size
    return b


def _aligned(
    places: Places, p: int, base: int, after: Array, until: Array, c: int, d: int
) -> _Run | None:
    """Choose where the steps begin, and keep as many as have operands that go along one to one."""
    d = _until_other_weights(places, p, base + c, base + d) - base
    last_after = np.maximum.accumulate(after[c:d][::-1])[::-1]
    first_until = np.minimum.accumulate(until[c:d][::-1])[::-1]
    starts = np.arange(base + c, base + d)
    starts = starts[(last_after < starts) & (starts <= first_until)][:p]
    stop = base + d + p
    starts = starts[stop - starts >= LEAST * p]
    if not len(starts):
        return None
    marked = places.begins[starts] & places.begins[starts + p]
    width = _crossing(places, base + c, stop)[starts + p - (base + c)]
    count = (stop - starts) // p
    order = np.lexsort((starts, places.until_step[starts], width, -count, ~marked))
    start = int(starts[order[0]])
    run = _Run(p, start, (stop - start) // p)
    steps = _one_to_one(places, run)
    return _Run(p, start, steps) if steps >= LEAST else None


def _until_other_weights(places: Places, p: int, start: int, stop: int) -> int:
    """The first place from start on where a weight that lines shared is replaced by another one."""
    place, _, u, v = places.operands(p, start, stop)
    weights = np.flatnonzero((u < 0) & (v < 0))  # a result in its place: it was an initial state
    weights = weights[places.parameters[-1 - u[weights]]]
    place, u, v = place[weights], u[weights], v[weights]
    return int(place[(u != v) & np.isin(u, u[u == v])].min(initial=stop))


def _crossing(places: Places, start: int, stop: int) -> Array:
    """How many results from start on are still needed at each place."""
    edges = slice(places.first[start], places.first[stop])
    sources, users = places.sources[edges], places.users[edges]
    inside = sources >= start
    last = np.arange(stop - start)
    np.maximum.at(last, sources[inside] - start, users[inside] - start)
    count = np.zeros(stop - start + 1, dtype=np.int64)
    np.add.at(count, np.arange(stop - start) + 1, 1)
    np.add.at(count, last + 1, -1)
    return np.cumsum(count)


def _one_to_one(places: Places, run: _Run) -> int:
    """How many steps go along with the one before: what x_1 is replaced by, it is everywhere."""
    place, _, u, v = places.operands(run.p, run.start, run.stop - run.p)
    outside = (u < run.start) & (v < run.start)
    k, u, v = (place[outside] - run.start) // run.p, u[outside], v[outside]
    pairs = np.unique(np.stack([k, u, v]), axis=1)
    for one in (pairs[:2], pairs[::2]):
        order = np.lexsort(one[::-1])
        twice = np.flatnonzero((np.diff(one[:, order], axis=1) == 0).all(axis=0))
        if len(twice):
            first = int(one[0, order][twice].min())
            pairs = pairs[:, pairs[0] < first]
            run = _Run(run.p, run.start, first + 1)
    return run.count


# ---------------------------------------------------------------- what is found
def _carried(places: Places, run: _Run) -> tuple[tuple[int, int], ...]:
    """(column, lag) of what the last step takes from earlier ones."""
    last = run.stop - run.p
    edges = slice(places.first[last], places.first[run.stop])
    sources = places.sources[edges]
    sources = sources[(sources >= run.start) & (sources < last)]
    lags = run.count - 1 - (sources - run.start) // run.p
    found = set(zip(((sources - run.start) % run.p).tolist(), lags.tolist()))
    return tuple(sorted(found))


def _owners(places: Places, runs: list[_Run]) -> tuple[Array, Array]:
    """For each place the number of the run that it is in, or -1; and that run's period."""
    owner, period = np.full(len(places), -1), np.zeros(len(places), dtype=np.int64)
    for k, run in enumerate(runs):
        owner[run.start : run.stop] = k
        period[run.start : run.stop] = run.p
    return owner, period


def _goes_along(places: Places, owners: tuple[Array, Array], run: _Run) -> bool:
    """Whether each step takes from a step of another loop, and the next from the next."""
    place, argument, u, v = places.operands(run.p, run.start, run.stop - run.p)
    made = (u >= 0) & (v >= 0)
    place, argument, u, v = place[made], argument[made], u[made], v[made]
    owner, period = owners
    along = (owner[u] >= 0) & (owner[u] == owner[v]) & (np.abs(v - u) == period[u])
    ways = np.stack([owner[u], (place - run.start) % run.p, argument])[:, along]
    _, often = np.unique(ways, return_counts=True, axis=1)
    return len(often) > 0 and int(often.max()) == run.count - 1


def _loop(lines: Sequence[Line], places: Places, run: _Run) -> Loop:
    steps = places.numbers[run.start : run.stop].reshape(run.count, run.p)
    scopes = [
        next((t for n in step if (t := lines[n].t) is not None), None) for step in steps.tolist()
    ]
    ts = [t for t in scopes if t is not None]
    scoped = len(set(ts)) == run.count
    names = ts if scoped else range(1, run.count + 1)
    path = _common([lines[n].path for n in steps[0].tolist()])
    return Loop(steps, _carried(places, run), tuple(names), scoped, path)


def _common(paths: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """What all paths begin with."""
    levels = zip(*paths)
    return tuple(level[0] for level in takewhile(lambda level: len(set(level)) == 1, levels))
