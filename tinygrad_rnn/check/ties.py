"""Entries that share a kink: the gradient may be split between them, but must add up.

Where entries tie for a maximum, or where x = y in |x - y|, each of them is on a kink, and there is
a direction that moves all of them along it: there y_k is smooth, every subgradient has one slope,
and so must the gradient under test. The entries may belong to several inputs: with `x >= y` for the
one and `y >= x` for the other, `maximum(x, y)` is counted twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ..arraylike import Array
from .compare import one
from .kinks import Kinks, noise_of
from .oracle import Trial, beside
from .setting import subscript

MOST = 64  # entries that are looked at
SAMPLED = 16  # outputs that are looked at, if there are more entries
GROUPS = 64  # groups of them, over all outputs
PLACES = 8  # places beside, where what is smooth must have the same slope
ROOM = 1e-4  # of slopes

Entry = tuple[int, int]  # an input, an entry of it


class Tie(NamedTuple):
    """Entries that share a kink of y_k, with what each gets and what all together must get.

    shares, expected: along the direction in which they move together.
    noise: what rounding can make of them: at the top of a hill they are nothing else.
    """

    k: int
    entries: tuple[Entry, ...]
    shares: tuple[float, ...]
    expected: float
    noise: float

    @property
    def adds_up(self) -> bool:
        size = max(sum(map(abs, self.shares)), abs(self.expected))
        return abs(sum(self.shares) - self.expected) <= 10 * ROOM * size + self.noise

    def how(self) -> str:
        """How the gradient is split, in words."""
        if abs(self.expected) <= ROOM * sum(map(abs, self.shares)):
            return "what adds up to 0"
        parts = np.array(self.shares) / self.expected
        if np.all(np.minimum(np.abs(parts), np.abs(parts - 1)) <= ROOM):
            return "all to one of them"
        even = np.all(np.abs(parts - 1 / parts.size) <= ROOM)
        return "equal shares" if even else "another split"


def ties(trial: Trial, known: Mapping[int, Array]) -> list[Tie]:
    """The ties among the entries on a kink of all inputs; those of some inputs are `known`."""
    where = dict(known)
    for i in trial.gradients:
        if i not in where:
            where[i] = np.flatnonzero(Kinks(trial, i).beside.jumping)
    entries = [(i, int(j)) for i, found in where.items() for j in found]
    if len(entries) < 2:
        return []
    if len(entries) > MOST:
        return _of_many(trial, entries)
    sides = {e: (_slope(trial, _axis(trial, e, 1), e), _slope(trial, _axis(trial, e, -1), e))
             for e in entries}  # fmt: skip
    found, looked = [], 0
    for k in range(trial.v.size):
        for group in _groups(trial, k, sides):
            looked += 1
            tie = _tie(trial, k, group, sides)
            found += [] if tie is None else [tie]
            if looked >= GROUPS:
                return found
    return found


def _of_many(trial: Trial, entries: Sequence[Entry]) -> list[Tie]:
    """The ties among very many entries, if they are all that tie: they move by one step each."""
    steps = _steps(trial, dict.fromkeys(entries, 1.0))
    slopes = _slopes(trial, steps)
    size = np.max(np.abs(slopes), axis=0)
    smooth = np.flatnonzero((np.ptp(slopes, axis=0) <= ROOM * size) & (size > 0))
    found = []
    for k in smooth[:SAMPLED]:
        tie = _shared(trial, int(k), entries, steps, slopes[0, k])
        if not tie.adds_up:
            mine = _that_move(trial, int(k), entries) or entries
            return [
                _shared(trial, int(k), mine, _steps(trial, dict.fromkeys(mine, 1.0)), slopes[0, k])
            ]
        if np.count_nonzero(tie.shares) > 1:
            found.append(tie)
    return found


def _that_move(trial: Trial, k: int, entries: Sequence[Entry]) -> list[Entry]:
    """Those of many entries that change y_k at all, by halving."""
    if not np.any(_slopes(trial, _steps(trial, dict.fromkeys(entries, 1.0)))[:, k]):
        return []
    if len(entries) == 1:
        return list(entries)
    half = len(entries) // 2
    return _that_move(trial, k, entries[:half]) + _that_move(trial, k, entries[half:])


def _groups(
    trial: Trial, k: int, sides: Mapping[Entry, tuple[Array, Array]]
) -> Iterator[list[Entry]]:
    """The entries on a kink of y_k: those of one value, then all."""
    kinked = [e for e, (right, left) in sides.items() if _kinked(right[k], left[k])]
    by_value: dict[float, list[Entry]] = {}
    for i, j in kinked:
        by_value.setdefault(float(trial.setting.inputs[i].flat[j]), []).append((i, j))
    yield from (group for group in by_value.values() if len(group) > 1)
    if len(by_value) > 1:
        yield kinked


def _kinked(right: float, left: float) -> bool:
    return bool(abs(right - left) > ROOM * max(abs(right), abs(left)))


def _tie(
    trial: Trial, k: int, group: Sequence[Entry], sides: Mapping[Entry, tuple[Array, Array]]
) -> Tie | None:
    """The tie that a group is, if y_k is smooth where its entries move together."""
    weights = {}
    for e in group:
        right, left = (side[k] for side in sides[e])
        weights[e] = (-1 if right + left < -ROOM * abs(right - left) else 1) / abs(right - left)
    most = max(abs(w) for w in weights.values())
    steps = _steps(trial, {e: w / most for e, w in weights.items()})
    slopes = _slopes(trial, steps)[:, k]
    size = max(abs(side[k]) * abs(weights[e]) / most for e in group for side in sides[e])
    if not np.ptp(slopes) <= ROOM * size:
        return None
    return _shared(trial, k, group, steps, float(slopes[0]))


def _slopes(trial: Trial, steps: Mapping[int, Array]) -> Array:
    """The slopes of all of y along the steps, at places beside, one in each row."""
    rng = np.random.default_rng(2)
    near = [dict(steps), {i: -u for i, u in steps.items()}]
    near += [{i: rng.uniform(-1, 1, u.shape) for i, u in steps.items()} for _ in range(PLACES)]
    return np.array([beside(trial, offset, steps) for offset in near])


def _shared(
    trial: Trial, k: int, group: Sequence[Entry], steps: Mapping[int, Array], expected: float
) -> Tie:
    """The tie, with what the backward under test gives to each entry."""
    arriving = np.zeros(trial.v.size)
    arriving[k] = 1.0
    pulled = trial.pull(arriving)
    moved = {i: trial.setting.own(i) * u for i, u in steps.items()}
    unit = max(float(np.max(np.abs(u))) for u in moved.values())  # equal entries move by 1
    shares = [float(pulled[i].flat[j] * moved[i].flat[j]) / unit for i, j in group]
    noise = noise_of(trial) * abs(float(trial.setting.y[k])) / unit
    return Tie(k, tuple(group), tuple(shares), expected / unit, noise)


def _slope(trial: Trial, offset: Mapping[int, Array], e: Entry) -> Array:
    return beside(trial, offset, _axis(trial, e, 1))


def _axis(trial: Trial, e: Entry, side: float) -> dict[int, Array]:
    i, j = e
    return {i: side * one(trial.gradients[i].shape, j)}


def _steps(trial: Trial, weights: Mapping[Entry, float]) -> dict[int, Array]:
    found: dict[int, Array] = {}
    for (i, j), w in weights.items():
        found.setdefault(i, np.zeros(trial.gradients[i].shape)).flat[j] = w
    return found


# ---------------------------------------------------------------- in words
def torn(trial: Trial, found: Sequence[Tie], i: int) -> str:
    """What is wrong with a tie that has entries of input i; empty if all add up."""
    for tie in found:
        if not tie.adds_up and any(i == of for of, _ in tie.entries):
            names = listing(trial, tie.entries)
            n, y = len(tie.entries), trial.setting.entry(tie.k)
            return (
                f"{n} entries tie for {y} ({names}): their gradients may be split in any way, but"
                f" must add up to {tie.expected:.4g}, and they add up to {sum(tie.shares):.4g}"
            )
    return ""


def conventions(trial: Trial, found: Sequence[Tie], i: int) -> list[str]:
    """How the gradient is split where entries of input i tie, in words."""
    mine = [tie for tie in found if any(i == of for of, _ in tie.entries)]
    if not mine:
        return []
    entries = list(dict.fromkeys(e for tie in mine for e in tie.entries))
    names = listing(trial, entries)
    used = " or ".join(sorted({tie.how() for tie in mine}))
    said = f"{names} tie, where any split of the gradient that adds up is right"
    return [f"{said}; used here: {used}"]


def listing(trial: Trial, entries: Sequence[Entry]) -> str:
    """x[0], y[0]: a few of them by name."""
    names = [
        trial.setting.names[i] + subscript(np.unravel_index(j, trial.gradients[i].shape))
        for i, j in entries[:3]
    ]
    return ", ".join(names) + (", ..." if len(entries) > 3 else "")
