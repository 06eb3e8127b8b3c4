"""Runs of steps that are alike, the longest first: the search behind `loops.py`.

For a distance p, `alike.py` says which places are like those p later; where that holds for all of a
stretch, it is a run with p operations a step. Only likely distances are tried. Where a step begins
is chosen by the scopes; without any, it begins where the fewest values cross.

Read next: `loops.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ..arraylike import Array
from .alike import Places

LEAST = 3  # steps; two stretches that are alike may be a coincidence
FEW = 8  # a run is short that covers less than one eighth of the stretch that it was found in


@dataclass(frozen=True)
class Stretch:
    start: int
    stop: int


@dataclass(frozen=True)
class Run:
    """`count` steps of p operations, from place `start` on."""

    p: int
    start: int
    count: int

    @property
    def stop(self) -> int:
        return self.start + self.p * self.count


def split(
    places: Places, stretches: list[Stretch], wanted: Callable[[Run], object]
) -> tuple[list[Run], list[Stretch]]:
    """The longest run of each stretch, then of what is left of and right of it, and so on.

    Each search takes time in proportion to its stretch. So that all of them together take little
    more than the first, what is left has to be shorter by an eighth at least, or to be in pieces of
    half the length: a longer piece around short runs is not searched again.
    """
    found: list[Run] = []
    rest: list[Stretch] = []
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


def _between(stretch: Stretch, runs: list[Run]) -> list[Stretch]:
    """What the runs leave of a stretch."""
    edges = [stretch.start, *[x for run in runs for x in (run.start, run.stop)], stretch.stop]
    return [Stretch(a, b) for a, b in zip(edges[::2], edges[1::2])]


def _longest(places: Places, stretch: Stretch, wanted: Callable[[Run], object]) -> list[Run]:
    """The run that covers most; the one with the shortest steps, where several do.

    If even that is short, the next longest as well, and so on, those that do not overlap: in order.
    """
    size = stretch.stop - stretch.start
    runs: list[Run] = []
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


def _distances(places: Places, stretch: Stretch) -> list[int]:
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


def _runs(places: Places, stretch: Stretch, p: int) -> Iterator[Run]:
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
) -> Run | None:
    """Choose where the steps begin, and keep as many as have operands that go along one to one."""
    first, last = _between_other_weights(places, p, base + c, base + d)
    c, d = first - base, last - base
    if d - c < (LEAST - 1) * p:
        return None
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
    unnamed = ~places.after_named[starts]
    order = np.lexsort((starts, unnamed, places.until_step[starts], width, -count, ~marked))
    start = int(starts[order[0]])
    run = Run(p, start, (stop - start) // p)
    steps = _one_to_one(places, run)
    return Run(p, start, steps) if steps >= LEAST else None


def _between_other_weights(places: Places, p: int, start: int, stop: int) -> tuple[int, int]:
    """The longest part in which lines share their weights: before, or after that, there is another
    one in the place of one that they share. A weight transposed is a weight."""
    place, argument, u, v = places.operands(p, start, stop)
    outside = (u < start) & (v < start)  # one made later: it took the place of an initial state
    place, argument, u, v = place[outside], argument[outside], u[outside], v[outside]
    shared = np.unique(u[u == v])
    ways = np.stack([(place - start) % p, argument, u])
    _, way, often = np.unique(ways, axis=1, return_inverse=True, return_counts=True)
    again = often[way.ravel()] > 1  # as two weights that take turns
    other = (u != v) & (np.isin(u, shared) | np.isin(v, shared) | again)
    ends = {
        n
        for n, x, y in zip(place[other].tolist(), u[other].tolist(), v[other].tolist())
        if places.is_weight(x) and places.is_weight(y)
    }
    edges = [start - 1, *sorted(ends), stop]
    return max(((a + 1, b) for a, b in pairwise(edges)), key=lambda part: part[1] - part[0])


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


def _one_to_one(places: Places, run: Run) -> int:
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
            run = Run(run.p, run.start, first + 1)
    return run.count
