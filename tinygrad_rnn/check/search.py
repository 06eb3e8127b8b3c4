"""Stage 5: which entry is wrong, found by halves; what rounding or a kink explains is left out.

A part of the entries whose direction fits is done with; so is one whose difference is rounding. One
that is neither is halved, down to a single entry, which is wrong unless it lies on a kink. What a
bounded number of steps cannot decide stays undecided.

Read next: `rounding.py`, `kinks.py`.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from ..arraylike import Array
from .compare import compare, on, one
from .kinks import Kinks
from .oracle import Trial
from .rounding import Rounding
from .ties import MOST, Tie, conventions, ties, torn

STEPS = 100  # parts that are halved before the search gives up
KINKS = 500  # entries that are looked at one by one, whether they lie on a kink

ROUNDING = (
    "the difference from the truth is no more than rounding can make here (saturated, or"
    " ill-conditioned): these inputs can show no more"
)
HIDDEN = (
    "cannot tell: the difference from the truth is no more than rounding can make here, and no"
    " other inputs show whether it is. Choose inputs where f is not saturated"
)
TOO_MANY = (
    "cannot tell: too many entries lie on a kink, or differ by rounding, to look at each. Choose"
    " inputs without exact zeros and ties"
)


class Search:
    """What was looked at in input i, and with what result."""

    def __init__(self, trial: Trial, i: int, rounding: Rounding) -> None:
        self.trial, self.i = trial, i
        self.shape = trial.gradients[i].shape
        self.rounding, self.kinks = rounding, Kinks(trial, i)
        self.rng = np.random.default_rng(0)
        self.rounded = self.hidden = self.exhausted = False

    @property
    def decided(self) -> bool:
        return not (self.hidden or self.exhausted)

    def notes(self, name: str) -> list[str]:
        """What should be known of the entries that are not wrong."""
        mine = {j for tie in self.tied for i, j in tie.entries if i == self.i}
        said = conventions(self.trial, self.tied, self.i) + self.kinks.conventions(name, mine)
        more = {ROUNDING: self.rounded, HIDDEN: self.hidden, TOO_MANY: self.exhausted}
        return said + [note for note, true in more.items() if true]

    @cached_property
    def tied(self) -> list[Tie]:
        """The entries, of all inputs, that share a kink with some of this one."""
        mine = self.kinks.entries()
        if not mine.size:
            return []
        x = self.trial.setting.inputs[self.i]
        if x.size <= MOST:
            return ties(self.trial, {self.i: np.arange(x.size)})
        partners = np.isin(x, x.flat[mine]).ravel() | self.kinks.beside.jumping
        return ties(self.trial, {self.i: np.union1d(mine, np.flatnonzero(partners))})

    def torn(self) -> str:
        """What is wrong with how a tie is split; empty if it adds up."""
        return torn(self.trial, self.tied, self.i)

    def wrong_entry(self, failed: list[Array]) -> int | None:
        """An entry that is wrong, given the directions that failed; None if there is none.

        None means that all are right: if `decided`.
        """
        jumping, agreed, _ = self.kinks.beside
        if agreed and all(np.all(jumping[np.flatnonzero(u)]) for u in failed):
            return None
        parts = [np.flatnonzero(u) for u in failed if self._looks_wrong(u, whole=True)]
        if not parts:
            return None
        apart = [part[~jumping[part]] for part in parts if np.any(jumping[part])]
        j = self._among(
            [part for part in parts if not np.any(jumping[part])]
            + [part for part in apart if part.size and self._looks_wrong(self._along(part))]
        )
        if j is None and not agreed:
            j = self._one_by_one(np.concatenate([part[jumping[part]] for part in parts]))
        if j is None and not (agreed or self.rounded or self.kinks.found):
            for k in np.concatenate(parts)[:KINKS]:
                self.kinks.excuse(int(k))
        return j

    def suspected(self, true: Array | None) -> int | None:
        """The entry that is furthest from a gradient that was found otherwise, if it is wrong."""
        if true is None or not true.size:
            return None
        off = np.abs(true - self.trial.gradients[self.i]) * self.trial.setting.free(self.i)
        j = int(np.argmax(off))
        large = off.flat[j] > 1e-6 * np.max(np.abs(true))
        return j if large and self._looks_wrong(one(self.shape, j)) else None

    def _among(self, parts: list[Array]) -> int | None:
        """Halve what looks wrong, the larger error first."""
        for _ in range(STEPS):
            if not parts:
                return None
            part = parts.pop()
            if part.size == 1:
                return int(part[0])
            halves = [self._along(half) for half in np.array_split(part, 2)]
            halves = sorted(filter(self._looks_wrong, halves), key=self._error)
            parts += [np.flatnonzero(u) for u in halves]
            if not halves and not self.rounded:  # just above the tolerance, and just below it
                j = self._most_wrong(part)
                if j is not None:
                    return j
        self.exhausted = True
        return None

    def _most_wrong(self, part: Array) -> int | None:
        """The entry of a part that is wrong as a whole, by its share of the error."""
        found = [
            (compare(self.trial, self.i, one(self.shape, int(j))), int(j)) for j in part[:MOST]
        ]
        shares = [(c.error / c.size if c.size else 0.0, j) for c, j in found]
        share, j = max(shares)
        return j if share > 0 and not self.kinks.excuse(j) else None

    def _one_by_one(self, entries: Array) -> int | None:
        """The entries whose gradient jumps close by, where no one side explains them all."""
        most = min(KINKS, max(20, 10**7 // self.trial.v.size))
        for j in entries[:most]:
            if not self.kinks.excuse(int(j)) and self._looks_wrong(one(self.shape, j)):
                return int(j)
        self.exhausted |= entries.size > most
        return None

    def worst(self, j: int, candidates: Array) -> int:
        """The first of the candidates that is wrong; j if none is."""
        for k in candidates:
            if k == j or self._looks_wrong(one(self.shape, k)):
                return int(k)
        return j

    def _along(self, part: Array) -> Array:
        if part.size == 1:
            return one(self.shape, int(part[0]))
        return on(self.shape, part, self.rng)

    def _error(self, u: Array) -> float:
        return compare(self.trial, self.i, u).error

    def _looks_wrong(self, u: Array, *, whole: bool = False) -> bool:
        """Whether the direction does not fit, and neither a kink nor rounding is why.

        Whether rounding is why is costly. It is asked of the whole, of single entries, and of the
        parts between as soon as it was why once.
        """
        found = compare(self.trial, self.i, u)
        if found.fits:
            return False
        part = np.flatnonzero(u)
        if part.size > 1 and not (self.rounded or whole):
            return True
        if part.size == 1 and self.kinks.excuse(int(part[0])):
            return False
        rounding = self.rounding
        right: bool | None = rounding.disproved(self.i, u)
        if not right and (rounding.covers(self.i, u, found) or rounding.explains(self.i, u)):
            right = rounding.vouched(self.i, part)
            if right is None and rounding.vanishes(self.i, u):
                right = True
            if right is None and part.size == 1:
                self.hidden = True
                return False
        self.rounded |= right is True
        return not right
