"""Stages 4 to 6: compare along one random direction; only if that fails, entry by entry; grade.

For normal u and v, v^T (J u) = (J^T v)^T u. The left side is the truth along u (one evaluation, by
the oracle); the right side the gradient under test times u. A gradient that is wrong anywhere gives
two different numbers. Both u and v are signed and random: along (1, 1, ..., 1) errors cancel, and
with v = (1, 1, ..., 1) a softmax whose backward returns zeros passes.

Read next: `excuses.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from ..arraylike import Array
from .excuses import Kinks, floor_of, is_rounding
from .oracle import RICHARDSON, Trial, richardson
from .report import Report, Result
from .setting import EPS, subscript

MANY = 2000  # above so many entries of an input: bisect, do not look at each
TRIED = 10  # outputs that are tried for the smallest failing case
PATIENCE = 50  # entries on kinks that a bisection excuses before it stops

ROUNDING = (
    "the difference from the truth is no more than rounding can make here (saturated, or"
    " ill-conditioned): these inputs can show no more"
)
ORACLE = "the complex step is wrong here, f is not complex-safe: Richardson differences decided"


def direction(trial: Trial, report: Report, rng: np.random.Generator) -> None:
    """Stage 4 for every input; 5 and 6 for those that fail it."""
    for r in report.results:
        r.verdict, r.yours = "right", trial.gradients[r.index]
        u = rng.standard_normal(r.shape)
        error, size, allowed = compare(trial, r.index, u)
        r.digits = digits(error, size)
        if error > allowed:
            _look_closer(trial, r, u, error, size)


def compare(trial: Trial, i: int, u: Array) -> tuple[float, float, float]:
    """(|v^T J u - g^T u|, the sum of the absolute terms of both, how much is allowed)."""
    slope = trial.slope(i, u)
    true, mine = trial.v * slope.values, trial.gradients[i] * u
    size = float(np.sum(np.abs(true)) + np.sum(np.abs(mine)))
    error = abs(float(np.sum(true) - np.sum(mine)))
    return error, size, max(trial.oracle.direction * size, trial.blur(slope))


def digits(error: float, size: float) -> float:
    """How many digits agree: 0 to 16."""
    return 16.0 if error == 0 else abs(math.log10(min(1.0, max(error / size, EPS / 2))))


# ---------------------------------------------------------------- after a failure
def _look_closer(trial: Trial, r: Result, u: Array, error: float, size: float) -> None:
    """Decide whether the difference is a mistake; if it is, say where and of what size."""
    floor = floor_of(trial, r.index)
    if error <= floor * np.max(np.abs(u)) or is_rounding(trial, r.index, u, size):
        r.digits = None
        r.notes.append(ROUNDING)
        return
    kinks = Kinks(trial, r.index)
    j, true = _worst_entry(trial, r.index, kinks, floor)
    if j is None:
        _judge_kinks(trial, kinks, r, true)
    elif trial.oracle.slope is not richardson and _oracle_is_wrong(trial, r.index, j, true[j]):
        r.notes.append(ORACLE)
        again = trial._replace(oracle=RICHARDSON)
        error, size, allowed = compare(again, r.index, u)
        r.digits = digits(error, size)
        if error > allowed:
            _look_closer(again, r, u, error, size)
    else:
        _condemn(trial, r, j, true)


def _condemn(trial: Trial, r: Result, j: int, true: Array) -> None:
    """Stage 6: the verdict, from the entries that were looked at."""
    known = np.isfinite(true)
    mine = trial.gradients[r.index].ravel()
    largest = max(np.max(np.abs(true[known])), np.max(np.abs(mine[known])))
    r.true = true.reshape(r.shape)
    r.worst = tuple(int(n) for n in np.unravel_index(j, r.shape))
    r.digits = digits(float(np.max(np.abs(true - mine)[known])), float(largest))
    # Stage 7, the diagnosis, belongs here: `trial` holds f and its inputs, `r` yours and true. Its
    # sentence, where it finds one, takes the place of the grade's.
    r.fail("direction", grade(r.digits))
    r.smallest = _smallest_case(trial, r, j)


def grade(agreeing: float) -> str:
    """What a gradient that agrees to so many digits usually has.

    >>> grade(7.2)
    '7 digits agree: float32 somewhere (6 to 8 digits)'
    """
    n = math.floor(agreeing)
    if n >= 6:
        return f"{n} digits agree: float32 somewhere (6 to 8 digits)"
    if n >= 4:
        return f"{n} digits agree: a small constant is missing, such as an eps (4 to 6 digits)"
    return f"{n or 'no'} digit{'s' * (n != 1)} agree{'s' * (n == 1)}: a wrong formula"


# ---------------------------------------------------------------- where
def _worst_entry(trial: Trial, i: int, kinks: Kinks, floor: float) -> tuple[int | None, Array]:
    """Stage 5: (the entry furthest off that is on no kink, the true gradient where looked at)."""
    g = trial.gradients[i]
    true = np.full(g.size, np.nan)
    bisecting = g.size > MANY
    room = floor
    for j in _bisected(trial, i, kinks) if bisecting else range(g.size):
        slope = trial.slope(i, one(g.shape, j))
        true[j] = float(trial.v @ slope.values)
        room = max(room, trial.blur(slope))
        if bisecting and not kinks.excuse(j, float(g.flat[j])):
            break
    off = np.abs(true - g.ravel())
    allowed = trial.oracle.entry * (np.nanmax(np.abs(true), initial=0.0) + np.max(np.abs(g)))
    for j in np.argsort(-off):  # nan, not looked at, comes last
        if not off[j] > max(allowed, room):
            break
        if j not in kinks.found and not kinks.excuse(int(j), float(g.flat[j])):
            return int(j), true
    return None, true


def _bisected(trial: Trial, i: int, kinks: Kinks) -> Iterator[int]:
    """Entries that are off: halve the support of a random direction, log2(n) times for each."""
    rng = np.random.default_rng(0)
    shape = trial.gradients[i].shape

    def on(support: Array) -> Array:
        u = np.zeros(shape)
        u.flat[support] = rng.standard_normal(support.size)
        return u

    for _ in range(PATIENCE):
        support = np.setdiff1d(np.arange(int(np.prod(shape))), list(kinks.found))
        error, _, allowed = compare(trial, i, on(support))
        if error <= allowed:
            return
        while support.size > 1:
            halves = np.array_split(support, 2)
            support = halves[int(np.argmax([compare(trial, i, on(half))[0] for half in halves]))]
        yield int(support[0])


def one(shape: tuple[int, ...], j: int) -> Array:
    """The direction of entry j alone."""
    u = np.zeros(shape)
    u.flat[j] = 1.0
    return u


def _smallest_case(trial: Trial, r: Result, j: int) -> str:
    """One entry of the Jacobian that is wrong: a gradient of 1 arriving at one output only."""
    slope = trial.slope(r.index, one(r.shape, j)).values
    cases = []
    for k in np.argsort(-np.abs(trial.v * slope))[:TRIED]:
        given = float(trial.pull(one(slope.shape, int(k)))[r.index].flat[j])
        cases.append((abs(given - slope[k]), int(k), given, float(slope[k])))
    off, k, given, true = max(cases)
    if off <= trial.oracle.entry * (abs(given) + abs(true)):
        return ""
    n = 6 if off > 1e-4 * abs(true) else 12
    place = r.name + subscript(r.worst or ())
    return (
        f"smallest failing case: d {trial.setting.entry(k)} / d {place} is {true:.{n}g};"
        f" the backward makes it {given:.{n}g}"
    )


# ---------------------------------------------------------------- who is right
def _oracle_is_wrong(trial: Trial, i: int, j: int, true: float) -> bool:
    """Whether differences side with the gradient under test, and clearly against the truth."""
    g = trial.gradients[i]
    try:
        slope = richardson(trial.setting, {i: one(g.shape, j)})
    except ValueError:
        return False
    other, mine = float(trial.v @ slope.values), float(g.flat[j])
    room = max(1e-8 * (abs(other) + abs(mine)), trial.blur(slope))
    return abs(other - mine) <= room and abs(other - true) > 10 * room


def _judge_kinks(trial: Trial, kinks: Kinks, r: Result, true: Array) -> None:
    """No entry is wrong for itself: right, on a kink; unless a tie was counted twice."""
    g = trial.gradients[r.index]
    if not kinks.found and g.size <= MANY:
        for j in range(g.size):
            kinks.excuse(j, float(g.flat[j]))
    if not kinks.found:
        known = np.isfinite(true)
        size = np.max(np.abs(g), initial=0.0)
        r.digits = digits(float(np.max(np.abs(true - g.ravel())[known], initial=0.0)), size or 1.0)
        return
    overcounted = kinks.overcounted_tie()
    if overcounted:
        r.fail("direction", overcounted)
        return
    r.digits = None
    r.notes.append(kinks.convention(r.name))
