"""When a difference is a kink, and no mistake: there every value between two slopes is right.

At x = 0, relu has a derivative to the left and another to the right, and any value between them is
a right answer (a subgradient). So is any split of a gradient between entries that tie for a max.

First all entries at once: the gradient to the left, or to the right, or the mean of both. What that
does not settle is looked at entry by entry.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ..arraylike import Array
from .compare import compare, on, scales
from .oracle import Trial, one_sided
from .setting import subscript


class Kink(NamedTuple):
    """The derivatives of every y_k to the right and to the left of an entry, and dL/dx as given."""

    right: Array
    left: Array
    given: float


class Beside(NamedTuple):
    """The entries whose gradient jumps close by, and whether it is the mean of two gradients there.

    sides: for each entry, 1 for the gradient to the right, -1 to the left, 0 for their mean.
    """

    jumping: Array
    agreed: bool
    sides: Array


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

    # ------------------------------------------------------------ all at once
    @cached_property
    def beside(self) -> Beside:
        """The gradients a billionth of each entry to the right and to the left, beside the given.

        A limit of gradients close by is a subgradient, and so is the mean of two. Both of them are
        compared with the truth where they are; which sides to take, the given gradient says itself.
        """
        given = self.trial.gradients[self.i].ravel()
        nothing = Beside(np.zeros(given.size, dtype=bool), False, np.zeros(given.size))
        turns = np.where(np.arange(given.size) % 2, -1.0, 1.0)  # the middle of a tie moves too
        every = [self._gradient_at(side) for side in (turns**2, -(turns**2), turns)]
        if any(there is None for there in every):
            return nothing
        near = [there.gradients[self.i].ravel() for there in every if there is not None]
        r, l, _ = near
        most = np.max(np.abs([given, *near]), axis=0)
        jumping = np.ptp([given, *near], axis=0) > 1e-3 * most + 1e-12 * np.max(most, initial=0.0)
        if not np.any(jumping):
            return nothing
        is_left, is_right = (np.abs(given - g) <= self.blur * most for g in (l, r))
        sides = np.where(is_right, 1.0, np.where(is_left, -1.0, 0.0))
        if np.all(is_left[jumping]):
            sides[:] = -1.0
        a, b = self._gradient_at(sides + (sides == 0)), self._gradient_at(sides - (sides == 0))
        if a is None or b is None:
            return Beside(jumping, False, sides)
        mean = (a.gradients[self.i] + b.gradients[self.i]).ravel() / 2
        same = np.all(np.abs(given - mean)[jumping] <= self.blur * most[jumping])
        agreed = bool(same) and all(self._right_at(t, jumping) for t in (a, b))
        return Beside(jumping, agreed, sides)

    def _gradient_at(self, sides: Array) -> Trial | None:
        """The trial with every entry of input i moved a little to its side."""
        setting = self.trial.setting
        step = setting.nudge(self.i) * np.reshape(sides, self.shape)
        try:
            there = self.trial.elsewhere(setting.there(setting.moved({self.i: step}, 1.0)))
        except Exception:  # f promised nothing about other inputs
            return None
        return there if np.all(np.isfinite(there.gradients[self.i])) else None

    def _right_at(self, there: Trial, entries: Array) -> bool:
        rng = np.random.default_rng(0)
        parts = scales(there, self.i, np.flatnonzero(entries))
        return all(compare(there, self.i, on(self.shape, part, rng)).fits for part in parts)

    # ------------------------------------------------------------ one by one
    def excuse(self, j: int) -> bool:
        """Whether entry j is on a kink and its gradient lies between its one-sided derivatives."""
        given = float(self.trial.gradients[self.i].flat[j])
        right, left = self._one_sided(j)
        a, b = self.trial.v * right, self.trial.v * left
        low, high = float(np.sum(np.minimum(a, b))), float(np.sum(np.maximum(a, b)))
        room = self.blur * float(np.sum(np.maximum(np.abs(a), np.abs(b)))) + self.noise
        if high - low > 10 * room and low - room <= given <= high + room:
            self.found[j] = Kink(right, left, given)
            return True
        return False

    def convention(self, name: str) -> str:
        """Which of the legal values were used, in words; empty if nothing is on a kink."""
        used = set()
        for kink in self.found.values():
            left, right = float(self.trial.v @ kink.left), float(self.trial.v @ kink.right)
            share = (kink.given - left) / (right - left) if right != left else 0.25
            near = [word for at, word in _CONVENTIONS.items() if abs(share - at) < 1e-3]
            used.add(near[0] if near else "a value between")
        entries = set(self.found)
        if "beside" in vars(self) and self.beside.agreed:
            entries.update(np.flatnonzero(self.beside.jumping).tolist())
            sides = self.beside.sides[self.beside.jumping]
            used.update(_CONVENTIONS[(1 + side) / 2] for side in np.unique(sides))
        if not entries:
            return ""
        first = name + subscript(np.unravel_index(min(entries), self.shape))
        n = len(entries)
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
        if not self.found:
            return ""
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
