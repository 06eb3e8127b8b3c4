"""When a difference is rounding, and no mistake. Asked only after a comparison has failed.

The slope of sigmoid at 20 is 2.1e-9, of which `out * (1 - out)` has 8 digits; at 40 it is 4e-18,
and the formula gives 0. No formula in `out` does better, so neither is a mistake. But a 0 that is
always 0 is one. Two questions tell them apart:

- does the difference go away when the same formula computes with more digits?
- where it only changes, there or close by, or is too small to show: is the backward right at other
  inputs, where nothing is lost? Noise alone excuses nothing: a factor of 2 hides in it as well.

Read next: `kinks.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property, partial

import numpy as np

from ..arraylike import Array
from .compare import TRUNCATION, Comparison, compare, on, scales
from .oracle import Trial
from .setting import EPS

CREDIT = 1000  # rounding errors that a backward may pile up, in units of the last place
TINY = 1e-100  # numbers so small have products that underflow
NEAR = 64 * EPS  # how far away rounding is drawn anew, relative to an entry
GONE = 1e-2  # what is left of a difference with more digits, relative to the gradient
LOOSE = 1e-8  # a formula that is right to so many digits elsewhere is right
INWARD, OUTWARD = (1, 2, 3, 5, 8), (1, 2, 4, 5, 6)  # powers of 4


class Rounding:
    """What rounding does to a trial: with more digits, close by, and far away; each tried once."""

    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        self._tried: dict[int, Rounding | None] = {}

    def disproved(self, i: int, u: Array) -> bool:
        """Whether the difference along u goes away with more digits: then it was rounding.

        More digits: `longdouble`, 80 bits or more on most machines.
        """
        true, mine = _both_sides(self.trial, i, u)
        if self._longer is None:
            return False
        better_true, better_mine = _both_sides(self._longer, i, u)
        size = abs(better_true) + abs(better_mine)
        left = abs(better_mine - better_true)
        return bool(size > 0 and left <= GONE * size and left <= 0.1 * abs(mine - true))

    def explains(self, i: int, u: Array) -> bool:
        """Whether the difference along u changes with more digits, or close by: noise is in it.

        Close by: a few units of the last place away. If the truth jumps close by, that is a kink.
        """
        true, mine = _both_sides(self.trial, i, u)
        off = abs(mine - true)
        if self._longer is not None:
            better_true, better_mine = _both_sides(self._longer, i, u)
            change = abs((better_mine - better_true) - (mine - true))
            if np.isfinite(change) and change > 0.5 * off:
                return True
        near = self._close_by(i, u)
        jumps = np.ptp(near[:, 0]) > 1e-6 * (abs(true) + abs(mine))
        return not jumps and off <= 2 * float(np.ptp(near[:, 1] - near[:, 0]))

    def vanishes(self, i: int, u: Array) -> bool:
        """Whether both sides are rounding and nothing else, as of x / x, whose gradient is 0."""
        near = self._close_by(i, u)
        return bool(np.all(np.abs(near[0]) <= 2 * np.ptp(near, axis=0)))

    def _close_by(self, i: int, u: Array) -> Array:
        """(truth, mine) along u, here and close by."""
        return np.array([_both_sides(t, i, u) for t in (self.trial, *self._near)])

    def covers(self, i: int, u: Array, found: Comparison) -> bool:
        """Whether rounding could make this difference: a bound on what it may do, not did.

        An error d in an entry of the gradient changes L by d max|x| if x moves by its own size; no
        more than L's own rounding cannot be told from it. The size of L is that of <|v|, |y|>
        here and nearer to 0, over the entries of y that u touches: a saturated loss is 0, but was
        not. Nor can anything be said where products underflow.

        It reaches far: y = 1e9 + x^2 hides an error of 1e-4 behind it, and y = exp(30 - x) at 60
        all of its slope. So it excuses nothing by itself: the formula must be right elsewhere,
        see `vouched`.
        """
        v = np.abs(self.trial.v[found.touched])
        sizes = [v * np.abs(y[found.touched]) for y in self._shrunk]
        size = max(float(np.sum(s[np.isfinite(s)])) for s in sizes)
        floor = CREDIT * EPS * size / self.trial.setting.scale(i)
        return found.error <= max(TINY, floor * float(np.max(np.abs(u), initial=0.0)))

    def vouched(self, i: int, support: Array) -> bool | None:
        """Whether the backward is right elsewhere, in these entries; None if no place can tell.

        Elsewhere is along the line through the inputs and 0 (nearer to 0 gates open; farther out
        and on the other side a constant no longer hides what is added to it), then anywhere.
        """
        answer = None
        for k, change in enumerate(_far()):
            if k not in self._tried:
                self._tried[k] = self._at(change)
            there = self._tried[k]
            right, silent = (None, support) if there is None else there._right(i, support)
            if right and self._along(i, silent)[1].fits:  # what is silent there is not in question
                return True
            answer = right if answer is None and not right else answer
        return answer

    def _right(self, i: int, support: Array) -> tuple[bool | None, Array]:
        """Whether the backward is right here, each order of magnitude for itself; None: unclear.

        And the entries that nothing depends on here.
        """
        answer, unclear, silent = None, False, [support[:0]]
        for part in scales(self.trial, i, support):
            u, found = self._along(i, part)
            if found.size <= TRUNCATION:
                silent.append(part)
            elif found.fits or found.error <= LOOSE * found.size:
                answer = True
            elif self.covers(i, u, found) or self.explains(i, u):
                unclear = True
            else:
                return False, support
        return None if unclear else answer, np.concatenate(silent)

    def _along(self, i: int, part: Array) -> tuple[Array, Comparison]:
        u = on(self.trial.gradients[i].shape, part, np.random.default_rng(0))
        return u, compare(self.trial, i, u)

    # ------------------------------------------------------------ other inputs
    @cached_property
    def _longer(self) -> Trial | None:
        found = self._at(lambda x: x.astype(np.longdouble))
        return None if found is None else found.trial

    @cached_property
    def _near(self) -> list[Trial]:
        return [there.trial for there in map(self._at, _nudges()) if there is not None]

    @cached_property
    def _shrunk(self) -> list[Array]:
        """y here and nearer to 0."""
        return [self.trial.setting.y, *(there.y for there in self.trial.setting.shrunk())]

    def _at(self, change: Callable[[Array], Array]) -> Rounding | None:
        """The trial at other inputs; None where f or the oracle does not work there."""
        try:
            there = self.trial.elsewhere(self.trial.setting.elsewhere(change))
            numbers = [there.setting.y, *there.gradients.values()]
            numbers += [
                there.slope(i, np.zeros(g.shape)).values for i, g in there.gradients.items()
            ]
        except Exception:  # f promised nothing about other inputs, nor about longdouble
            return None
        return Rounding(there) if all(np.all(np.isfinite(a)) for a in numbers) else None


def _far() -> Iterator[Callable[[Array], Array]]:
    yield from (partial(np.multiply, 4.0**-k) for k in INWARD)
    yield np.negative
    yield from (partial(np.multiply, sign * 4.0**k) for k in OUTWARD for sign in (1, -1))
    for k in INWARD:
        yield partial(_mixed, rng=np.random.default_rng(k), size=4.0 ** (1 - k))


def _mixed(x: Array, rng: np.random.Generator, size: float) -> Array:
    return x * size * rng.standard_normal(x.shape)


def _nudges() -> Iterator[Callable[[Array], Array]]:
    for seed in range(3):
        for sign in (1, -1):
            yield partial(_nudged, rng=np.random.default_rng(seed), most=sign * NEAR)


def _nudged(x: Array, rng: np.random.Generator, most: float) -> Array:
    return x * (1 + most * rng.uniform(-1, 1, x.shape))


def _both_sides(trial: Trial, i: int, u: Array) -> tuple[float, float]:
    """(v^T J u, g^T u)."""
    slope = trial.slope(i, u)
    return float(trial.v @ slope.values), float(np.sum(trial.gradients[i] * u))
