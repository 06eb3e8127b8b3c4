"""When a difference is a kink, and no mistake: there every value between two slopes is right.

At x = 0, relu has a derivative to the left and another to the right, and any value between them is
a right answer (a subgradient). Where f jumps it has no derivative at all, and the values between
those just beside stand in. Both are slopes *beside* x, never differences from x: a difference over
a jump has no bound, and would let anything pass.

First all entries at once: the gradient to the left, or to the right, or the mean of both. What that
does not settle is looked at entry by entry.

Read next: `ties.py`, entries that share a kink; `chain_rule.py`, kinks behind one another.
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np

from ..arraylike import Array
from .compare import compare, on, one, scales
from .jumps import jumps
from .oracle import Trial, beside, complex_step
from .setting import subscript

PLACES = 12  # random places beside, where a kink that several entries share shows its other sides
NAMED = 64  # entries whose value on the kink is looked at, to be named
SAMPLED = 4  # of more than that


class Beside(NamedTuple):
    """The entries whose gradient jumps close by, and whether it is the mean of two gradients there.

    sides: for each entry, 1 for the gradient to the right, -1 to the left, 0 for their mean.
    """

    jumping: Array
    agreed: bool
    sides: Array


def noise_of(trial: Trial) -> float:
    """What rounding makes of slopes beside, relative to the results."""
    exact = trial.oracle.slope is complex_step
    return 1e-3 if trial.setting.single else 1e-13 if exact else 1e-8


class Kinks:
    """The entries of input i that lie exactly on a kink, and whose gradient is a legal one.

    Legal is all of sum_k [least v_k J_kj, most v_k J_kj] of the J beside: every output may choose
    for itself. `found` keeps for such an entry its share: 0 the left derivative, 1 the right one;
    None where f jumps.
    """

    def __init__(self, trial: Trial, i: int) -> None:
        self.trial, self.i = trial, i
        self.shape = trial.gradients[i].shape
        self.found: dict[int, float | None] = {}
        self._asked: dict[int, bool] = {}
        setting = trial.setting
        exact = trial.oracle.slope is complex_step
        self.blur = 1e-2 if setting.single else 1e-5 if exact else 1e-4  # of slopes beside
        self.noise = noise_of(trial) * float(np.sum(np.abs(trial.v * setting.y)))

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

    def right_beside(self) -> bool:
        """Whether the gradient under test is right to the right and to the left, where it jumps."""
        sides = [self._gradient_at(np.full(self.beside.jumping.size, s)) for s in (1.0, -1.0)]
        return all(t is not None and self._right_at(t, self.beside.jumping) for t in sides)

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
        """Whether entry j is on a kink or a jump, and its gradient lies between those beside."""
        if j not in self._asked:
            self._asked[j] = self._legal(j)
        return self._asked[j]

    def _legal(self, j: int) -> bool:
        own = float(self.trial.setting.own(self.i).flat[j])
        given = own * float(self.trial.gradients[self.i].flat[j])
        axis = one(self.shape, j)
        near = [self.trial.v * self._slope(axis * side, axis) for side in (1, -1)]
        right, left = (float(np.sum(terms)) for terms in near)
        if not np.isfinite(right + left):
            return False
        seen_too_far = self.trial.oracle.slope is not complex_step  # differences step over kinks
        if seen_too_far and all(abs(given - s) <= 1e-8 * abs(s) for s in (right, left)):
            return self._enter(j, np.nan)
        if not self._between(given, near, kink=True):
            if jumps(self.trial.setting, self.i, np.array([j])):
                return self._enter(j, None) if self._between(given, near, kink=False) else False
            near += [self.trial.v * self._slope(w, axis) for w in self._around]
            if not self._between(given, near, kink=True):
                return False
        return self._enter(j, (given - left) / (right - left) if right != left else np.nan)

    def outside(self, j: int) -> str:
        """What is wrong with entry j, if it is on a kink or a jump; empty if it is on none."""
        if self.excuse(j):
            return ""
        axis = one(self.shape, j)
        near = [self.trial.v * self._slope(axis * side, axis) for side in (-1, 1)]
        jump = jumps(self.trial.setting, self.i, np.array([j]))
        own = float(self.trial.setting.own(self.i).flat[j])
        left, right = (float(np.sum(terms)) / own for terms in near)
        room = 10 * self.blur * max(abs(left), abs(right)) + 10 * self.noise / own
        if not (jump or abs(left - right) > room):
            return ""
        place = self.trial.setting.names[self.i] + subscript(np.unravel_index(j, self.shape))
        what = "where the function jumps" if jump else "on a kink"
        given = float(self.trial.gradients[self.i].flat[j])
        return (
            f"{place} lies {what}: the derivatives of <g, y> just beside are {left:.4g} and"
            f" {right:.4g}, and {given:.4g} is not between them"
        )

    def _between(self, given: float, near: list[Array], *, kink: bool) -> bool:
        """Whether the given lies between; with `kink`, only where the slopes are not all one."""
        low, high = np.sum(np.min(near, axis=0)), np.sum(np.max(near, axis=0))
        room = self.blur * float(np.sum(np.max(np.abs(near), axis=0))) + self.noise
        apart = not kink or high - low > 10 * room
        return bool(apart and low - room <= given <= high + room)

    def _enter(self, j: int, share: float | None) -> bool:
        self.found[j] = share
        return True

    def _slope(self, offset: Array, steps: Array) -> Array:
        return beside(self.trial, {self.i: offset}, {self.i: steps})

    @cached_property
    def _around(self) -> list[Array]:
        rng = np.random.default_rng(1)
        return [rng.uniform(-1, 1, self.shape) for _ in range(PLACES)]

    # ------------------------------------------------------------ in words
    def entries(self) -> Array:
        """All that lie on a kink or on a jump and were found legal."""
        if "beside" in vars(self) and self.beside.agreed:
            return np.union1d(list(self.found), np.flatnonzero(self.beside.jumping)).astype(int)
        return np.array(sorted(self.found), dtype=int)

    def conventions(self, name: str, tied: set[int]) -> list[str]:
        """Which of the legal values were used, in words; `tied` entries are left out."""
        entries = [int(j) for j in self.entries() if j not in tied]
        looked = entries if len(entries) <= NAMED else entries[:SAMPLED]
        for j in looked:
            if j not in self.found:
                self.excuse(j)
        on_jump = [j for j in entries if j in self.found and self.found[j] is None]
        entries = [j for j in entries if j not in on_jump]
        used = {_word(share) for j in entries if (share := self.found.get(j)) is not None}
        if len(entries) > NAMED and "beside" in vars(self) and not tied:
            rest = np.unique(self.beside.sides[entries])
            used |= {_word((1 + side) / 2) for side in rest} if self.beside.agreed else set()
        said = []
        if on_jump:
            one_ = f"{self._few(name, on_jump)} exactly where {self.trial.setting.subject.name}"
            said.append(f"{one_} jumps, and has no derivative; used here: one just beside")
        if entries:
            said.append(
                f"{self._few(name, entries)} exactly on a kink, where any value between the"
                " derivatives to the left and to the right is right; used here:"
                f" {' or '.join(sorted(used))}"
            )
        return said

    def _few(self, name: str, entries: list[int]) -> str:
        first = name + subscript(np.unravel_index(min(entries), self.shape))
        n = len(entries)
        return f"{n} entries ({first}, ...) lie" if n > 1 else f"{first} lies"


def _word(share: float) -> str:
    """Which value between the left derivative and the right one was used."""
    near = [word for at, word in _CONVENTIONS.items() if abs(share - at) < 1e-3]
    return near[0] if near else "a value between"


_CONVENTIONS = {0.0: "the left one", 1.0: "the right one", 0.5: "the middle"}
