"""When a difference is no mistake: rounding, and kinks. Asked only after a comparison has failed.

A right gradient must never be called wrong. Two things can make one differ from the truth:

- *rounding*: the slope of sigmoid at 40 is 4e-18, and `out * (1 - out)` gives 0; no float64 formula
  in `out` can do better;
- *a kink*: at x = 0, relu has a derivative to the left and another to the right, and any value
  between them is a right answer (a subgradient).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..arraylike import Array
from .oracle import Trial, one_sided
from .setting import EPS, Setting, subscript

CREDIT = 1000  # rounding errors that a backward may pile up, in units of the last place


# ---------------------------------------------------------------- rounding
def floor_of(trial: Trial, i: int) -> float:
    """How far rounding can move an entry of dL/dx_i, from the size of the loss.

    An error d in an entry of the gradient changes L by d max|x| if x moves by its own size; no more
    than L's own rounding cannot be told from it. The size of L is that of <|v|, |y|> here, at x / 4
    and at 0: a saturated loss is 0, but was not.
    """
    v, setting = trial.v, trial.setting
    size = float(np.sum(np.abs(v * setting.y)))
    for shrink in (0.25, 0.0):
        y = setting.elsewhere(partial(np.multiply, shrink)).y
        size = max(size, float(np.sum(np.abs(v * y)[np.isfinite(y)])))
    return CREDIT * EPS * size / setting.scale(i)


def is_rounding(trial: Trial, i: int, u: Array, size: float) -> bool:
    """Whether the difference along u changes with more digits, or close by: a mistake's does not.

    More digits: `longdouble`, 80 bits or more on most machines. Close by: a few units of the last
    place away, where rounding is drawn anew. If the truth jumps close by, that is a kink.
    """
    setting = trial.setting
    true, mine = _both_sides(trial, i, u, setting)
    off = abs(mine - true)
    try:
        better_true, better_mine = _both_sides(trial, i, u, setting.elsewhere(_longer))
        change = abs((better_mine - better_true) - (mine - true))
        if np.isfinite(change) and change > 0.1 * off:
            return True
    except Exception:  # f need not know longdouble
        pass
    near = np.array([_both_sides(trial, i, u, there) for there in _neighbours(setting)])
    jumps = np.ptp([true, *near[:, 0]]) > 1e-6 * size
    return not jumps and off <= 4 * float(np.ptp([mine - true, *(near[:, 1] - near[:, 0])]))


def _longer(x: Array) -> Array:
    return x.astype(np.longdouble)


def _neighbours(setting: Setting) -> Iterator[Setting]:
    """Settings whose inputs are up to 64 units of the last place away, to either side."""
    for seed in range(3):
        for sign in (1, -1):
            rng = np.random.default_rng(seed)
            yield setting.elsewhere(partial(_moved, rng=rng, most=sign * 64 * EPS))


def _moved(x: Array, rng: np.random.Generator, most: float) -> Array:
    return x * (1 + most * rng.uniform(-1, 1, x.shape))


def _both_sides(trial: Trial, i: int, u: Array, there: Setting) -> tuple[float, float]:
    """(v^T J u, g^T u) in another setting."""
    with np.errstate(all="ignore"):
        g = there.pull(there.run(), trial.v).get(i, np.zeros_like(u))
    slope = trial.oracle.slope(there, {i: u})
    return float(trial.v @ slope.values), float(np.sum(g * u))


# ---------------------------------------------------------------- kinks
class Kink(NamedTuple):
    """The derivatives of every y_k to the right and to the left of an entry, and dL/dx as given."""

    right: Array
    left: Array
    given: float


class Kinks:
    """The entries of input i that lie exactly on a kink, and whose gradient is a legal one.

    Legal is all of sum_k [v_k left_k, v_k right_k]: every output may choose for itself.
    """

    def __init__(self, trial: Trial, i: int) -> None:
        self.trial, self.i = trial, i
        self.shape = trial.gradients[i].shape
        self.found: dict[int, Kink] = {}
        size = float(np.sum(np.abs(trial.v * trial.setting.y)))
        self.blur = 1e-2 if trial.setting.single else 1e-5  # of one-sided differences
        self.noise = self.blur / 100 * size / trial.setting.scale(i)

    def excuse(self, j: int, given: float) -> bool:
        """Whether entry j is on a kink and `given` lies between its one-sided derivatives."""
        right, left = self._one_sided(j)
        a, b = self.trial.v * right, self.trial.v * left
        low, high = float(np.sum(np.minimum(a, b))), float(np.sum(np.maximum(a, b)))
        room = self.blur * float(np.sum(np.maximum(np.abs(a), np.abs(b)))) + self.noise
        if high - low > 10 * room and low - room <= given <= high + room:
            self.found[j] = Kink(right, left, given)
            return True
        return False

    def convention(self, name: str) -> str:
        """Which of the legal values were used, in words."""
        used = set()
        for kink in self.found.values():
            left, right = float(self.trial.v @ kink.left), float(self.trial.v @ kink.right)
            share = (kink.given - left) / (right - left) if right != left else 0.25
            near = [word for at, word in _CONVENTIONS.items() if abs(share - at) < 1e-3]
            used.add(near[0] if near else "a value between")
        first = name + subscript(np.unravel_index(next(iter(self.found)), self.shape))
        n = len(self.found)
        what = f"{n} entries ({first}, ...) lie" if n > 1 else f"{first} lies"
        return (
            f"{what} exactly on a kink, where any value between the derivatives to the left and to"
            f" the right is right; used here: {' or '.join(sorted(used))}"
        )

    def overcounted_tie(self) -> str:
        """What is wrong with the shares of tied entries; empty if they add up.

        Where n equal entries tie for a maximum, each alone has the one-sided derivatives 0 and d,
        and all together have the derivative d: the shares are free, but their sum is d.
        """
        entries = np.array(list(self.found))
        right = np.array([kink.right for kink in self.found.values()])
        left = np.array([kink.left for kink in self.found.values()])
        x = self.trial.setting.inputs[self.i].flat[entries]
        for k in range(self.trial.v.size):
            on = np.abs(right[:, k] - left[:, k]) > 1e-4 * np.abs(right[:, k] + left[:, k])
            for value in np.unique(x[on]):
                group = np.flatnonzero(on & (x == value))
                total = self._tie(k, entries[group], right[group, k], left[group, k])
                if total is not None:
                    shares = self._shares(k, entries[group])
                    if abs(shares - total) > 1e-4 * abs(total):
                        return (
                            f"{len(group)} entries tie for {self.trial.setting.entry(k)}: their"
                            f" gradients may be split in any way, but must add up to {total:.4g},"
                            f" and they add up to {shares:.4g}"
                        )
        return ""

    def _tie(self, k: int, entries: Array, right: Array, left: Array) -> float | None:
        """The derivative of y_k when the entries move together, if they are a tie."""
        jump = right - left
        room = 1e-4 * abs(float(jump[0]))
        if len(entries) < 2 or np.max(np.abs(jump - jump[0])) > room:
            return None
        a, b = self._one_sided(entries)
        together = float(np.sum(left if jump[0] > 0 else right)) + abs(float(jump[0]))
        smooth = abs(a[k] - b[k]) <= room and abs(a[k] - together) <= room
        return float(a[k]) if smooth else None

    def _shares(self, k: int, entries: Array) -> float:
        """The sum of dy_k / dx over the entries, by the backward under test."""
        arriving = np.zeros(self.trial.v.size)
        arriving[k] = 1.0
        return float(np.sum(self.trial.pull(arriving)[self.i].flat[entries]))

    def _one_sided(self, entries: Any) -> tuple[Array, Array]:
        u = np.zeros(self.shape)
        u.flat[entries] = 1.0
        return one_sided(self.trial.setting, {self.i: u})


_CONVENTIONS = {0.0: "the left one", 1.0: "the right one", 0.5: "the middle"}
