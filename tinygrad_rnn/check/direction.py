"""Stages 4 to 6: compare along random directions; only if that fails, search the entry; grade.

For normal u and v, v^T (J u) = (J^T v)^T u. The left side is the truth along u (one evaluation, by
the oracle); the right side the gradient under test times u. A gradient that is wrong anywhere gives
two different numbers. Both u and v are signed and random: along (1, 1, ..., 1) errors cancel, and
with v = (1, 1, ..., 1) a softmax whose backward returns zeros passes.

A verdict is "right" only where something was compared: it starts as "not compared".

Read next: `search.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from ..arraylike import Array
from .chain_rule import by_chain_rule
from .compare import DECADES, Comparison, compare, digits, on, one, scales
from .exact import Exact
from .kinks import NAMED, Kinks
from .oracle import COMPLEX, RICHARDSON, Trial, richardson
from .report import Report, Result
from .rounding import Rounding
from .search import Search
from .setting import subscript
from .subject import Pair
from .ties import ties, torn

MANY = 2000  # above so many entries of an input the report shows the worst one, not all
TRIED = 10  # outputs that are tried for the smallest failing case
DIRECTIONS, CHANCE = 10, 1e-7  # at most so many, until a wrong gradient passes with this chance

BESIDE = (
    "right here, on a kink, and wrong just beside it: there the backward gives none of the"
    " derivatives that f has"
)
ORACLE = "the complex step is wrong here, f is not complex-safe: Richardson differences decided"
UNSEEN = (
    "cannot tell: the differences that stand in for the complex step see too few digits here."
    " Choose other inputs, or write f with operations that take complex numbers"
)


def direction(trial: Trial, report: Report, rng: np.random.Generator) -> None:
    """Stage 4 for every input; 5 and 6 for those that fail it."""
    for r in report.results:
        r.yours = trial.gradients[r.index]
    if _right_at_once(trial, report, rng):
        return
    rounding, exact = Rounding(trial), Exact(trial)
    for r in report.results:
        _on_jumps(trial, r)
        if r.stage is None:
            _judge(rounding, exact, r, rng)
    if len(report.results) > 1 and report:
        _together(exact, report, rng)


def _right_at_once(trial: Trial, report: Report, rng: np.random.Generator) -> bool:
    """One direction for all inputs: right, if their common error is one that each alone may have.

    Most checks end here. What does not is looked at input by input.
    """
    setting = trial.setting
    if len(report.results) < 2 or trial.oracle is not COMPLEX or setting.held:
        return False
    if any(len(scales(trial, r.index)) != 1 for r in report.results):
        return False
    steps = {r.index: rng.standard_normal(r.shape) for r in report.results}
    true = trial.v * trial.oracle.slope(setting, steps).values
    terms = {i: trial.gradients[i] * u for i, u in steps.items()}
    error = abs(float(true.sum() - sum(t.sum() for t in terms.values())))
    sizes = {i: 2 * float(np.abs(t).sum()) for i, t in terms.items()}
    least, most = min(sizes.values()), max(sizes.values())
    if least * 10.0**DECADES <= most or error > trial.oracle.direction * least:
        return False  # or an error of the least may be lost in the rounding of the most
    for r in report.results:
        r.verdict, r.digits = "right", digits(error, sizes[r.index])
    return True


def _together(exact: Exact, report: Report, rng: np.random.Generator) -> None:
    """All inputs at once: each alone is right, but a tie between two may be counted twice."""
    trial = exact.trial
    steps = {
        r.index: rng.standard_normal(r.shape) * trial.setting.own(r.index)
        * trial.setting.free(r.index)
        for r in report.results
    }  # fmt: skip
    slope = trial.oracle.slope(trial.setting, steps)
    true = trial.v * slope.values
    mine = np.concatenate([(trial.gradients[i] * u).ravel() for i, u in steps.items()])
    size = float(np.sum(np.abs(true)) + np.sum(np.abs(mine)))
    off = abs(float(np.sum(true) - np.sum(mine)))
    if off <= max(trial.oracle.direction * size, trial.blur(slope)):
        return
    found = ties(trial, {})
    bad = {r.index: torn(trial, found, r.index) for r in report.results}
    if not any(bad.values()) or by_chain_rule(exact, None):
        return
    for r in report.results:
        if bad[r.index]:
            r.fail("direction", bad[r.index])
            r.seen = True


def _judge(rounding: Rounding, exact: Exact, r: Result, rng: np.random.Generator) -> None:
    """The verdict on one input: along one direction for each order of magnitude."""
    trial, i = rounding.trial, r.index
    parts = scales(trial, i)
    directions, found = [], []
    for part in parts:
        for u, c in _along_some(trial, i, part, rng):
            directions.append(u)
            found.append(c)
    r.digits = min((c.digits for c in found if c.fits), default=None)
    failed = [u for u, c in zip(directions, found, strict=True) if not c.fits]
    if failed:
        _look_closer(rounding, exact, r, failed, rng)
    elif any(c.blind for c in found):
        r.digits = None
        r.notes.append(UNSEEN)
    elif parts or not math.prod(r.shape):
        r.verdict = "right"


def _along_some(
    trial: Trial, i: int, part: Array, rng: np.random.Generator
) -> Iterator[tuple[Array, Comparison]]:
    """Directions on these entries, as many as it takes, and what the comparison found.

    An oracle that sees d digits lets one wrong gradient in 10^d pass along one direction, where it
    happens to lie across: with few digits it takes several.
    """
    chance = 1.0
    for _ in range(DIRECTIONS):
        u = on(trial.gradients[i].shape, part, rng)
        c = compare(trial, i, u)
        yield u, c
        chance *= c.allowed / c.size if c.size else 0.0
        if not c.fits or c.blind or chance <= CHANCE:
            return


def _on_jumps(trial: Trial, r: Result) -> None:
    """Where f jumps, the gradient of a pair must be one of those beside; others are left out."""
    held = np.flatnonzero(~trial.setting.free(r.index))
    if not held.size:
        return
    kinks, f = Kinks(trial, r.index), trial.setting.subject
    if isinstance(f, Pair) and held.size <= NAMED:
        for j in held:
            if outside := kinks.outside(int(j)):
                r.worst = tuple(int(n) for n in np.unravel_index(j, r.shape))
                r.fail("direction", outside)
                return
        r.notes += kinks.conventions(r.name, set())
        return
    first = r.name + subscript(np.unravel_index(held[0], r.shape))
    what = f"{held.size} entries ({first}, ...) are" if held.size > 1 else f"{first} is"
    r.notes.append(f"{what} left out: {f.name} jumps there, and has no derivative")


# ---------------------------------------------------------------- after a failure
def _look_closer(
    rounding: Rounding, exact: Exact, r: Result, failed: list[Array], rng: np.random.Generator
) -> None:
    """Decide whether the difference is a mistake; if it is, say where and of what size."""
    trial = rounding.trial
    search = Search(trial, r.index, rounding)
    true = exact.gradient(r.index)
    j = search.suspected(true)
    if j is None:
        j = search.wrong_entry(failed)
    known = true is not None and exact.by_rules
    if j is not None and not known and _oracle_is_wrong(trial, r.index, j):
        r.notes.append(ORACLE)
        other = trial._replace(oracle=RICHARDSON)
        _judge(Rounding(other), Exact(other), r, rng)
        return
    split = search.torn() if j is None else ""
    legal = by_chain_rule(exact, search.kinks) if split or j is not None else ""
    if legal:
        r.verdict = "right"
        r.notes.append(legal)
        return
    r.notes += [] if split else search.notes(r.name)
    if j is not None:
        _condemn(trial, r, j, search, true)
    elif split:
        r.fail("direction", split)
        r.seen = True
    elif search.decided:
        r.verdict = "right"


def _condemn(trial: Trial, r: Result, j: int, search: Search, exactly: Array | None) -> None:
    """Stages 5 and 6: all entries if they are few, the worst, and the grade."""
    i, mine = r.index, trial.gradients[r.index].ravel()
    few = mine.size <= MANY
    entries = np.flatnonzero(trial.setting.free(i)) if few else np.array([j])
    true = np.full(mine.size, np.nan)
    if exactly is not None:
        true[entries] = exactly.ravel()[entries]
    else:
        for k in entries:
            true[k] = trial.v @ trial.slope(i, one(r.shape, k)).values
    off = np.abs(true - mine)
    j = search.worst(j, entries[np.argsort(-off[entries])][:TRIED])
    part = next(part for part in scales(trial, i) if j in part)
    part = part[np.isfinite(true[part])]
    largest = np.max(np.maximum(np.abs(true), np.abs(mine))[part])
    r.digits = digits(float(np.max(off[part])), float(largest))
    r.true = true.reshape(r.shape)
    r.worst = tuple(int(n) for n in np.unravel_index(j, r.shape))
    outside = search.kinks.outside(j) if r.digits < 4 else ""
    on_kink = r.digits >= 12 and bool(search.kinks.beside.jumping[j])
    r.fail("direction", outside or (BESIDE if on_kink else grade(r.digits)))
    r.smallest = _smallest_case(trial, r, j)


def grade(agreeing: float) -> str:
    """What a gradient that agrees to so many digits usually has.

    >>> grade(7.2)
    '7 digits agree: float32 somewhere (6 to 8 digits)'
    """
    n = math.floor(agreeing)
    if n >= 8:
        return f"{n} digits agree, not all: a tiny or a rounded constant, such as 3.14159265"
    if n >= 6:
        return f"{n} digits agree: float32 somewhere (6 to 8 digits)"
    if n >= 4:
        return f"{n} digits agree: a small constant is missing, such as an eps (4 to 6 digits)"
    return f"{n or 'no'} digit{'s' * (n != 1)} agree{'s' * (n == 1)}: a wrong formula"


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


def _oracle_is_wrong(trial: Trial, i: int, j: int) -> bool:
    """Whether differences side with the gradient under test, and clearly against the truth."""
    if trial.oracle.slope is richardson:
        return False
    g = trial.gradients[i]
    true = float(trial.v @ trial.slope(i, one(g.shape, j)).values)
    try:
        slope = richardson(trial.setting, {i: one(g.shape, j)})
    except ValueError:
        return False
    other, mine = float(trial.v @ slope.values), float(g.flat[j])
    room = max(1e-8 * (abs(other) + abs(mine)), trial.blur(slope))
    return abs(other - mine) <= room and abs(other - true) > 10 * room
