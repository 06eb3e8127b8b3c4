"""v^T (J u) = (J^T v)^T u: the truth along a direction u, beside the gradient under test times u.

A direction holds entries of one order of magnitude only. Along all entries together the large ones
drown the small: with dL/dx = (1e12, 1, 1), zeros in place of the ones leave 12 digits right.

Read next: `direction.py`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ..arraylike import Array
from .oracle import Trial, complex_step
from .setting import EPS

DECADES = 4  # orders of magnitude that share a direction
TRUNCATION = 1e-150  # the complex step leaves h^2 = 1e-200 of a third derivative: x^3 at 0
BLIND = 1e-2  # an oracle that allows so large a share of an error has decided nothing


class Comparison(NamedTuple):
    """|v^T J u - g^T u|, the sum of the absolute terms of both, and how large an error may be."""

    error: float
    size: float
    allowed: float
    touched: Array  # which entries of y change along u

    @property
    def fits(self) -> bool:
        return self.error <= self.allowed

    @property
    def blind(self) -> bool:
        return self.allowed > max(BLIND * self.size, TRUNCATION) and self.size > 0

    @property
    def digits(self) -> float:
        return digits(self.error if self.error > TRUNCATION else 0.0, self.size)


def compare(trial: Trial, i: int, u: Array) -> Comparison:
    """Both sides of the equation, for a direction u in input i."""
    slope = trial.slope(i, u)
    true, mine = trial.v * slope.values, trial.gradients[i] * u
    size = float(np.abs(true).sum() + np.abs(mine).sum())
    error = abs(float(true.sum() - mine.sum()))
    allowed = max(trial.oracle.direction * size, trial.blur(slope), TRUNCATION)
    touched = slope.values != 0
    return Comparison(error, size, allowed, touched if touched.any() else ~touched)


def digits(error: float, size: float) -> float:
    """How many digits agree: 0 to 16."""
    return 16.0 if error == 0 else abs(math.log10(min(1.0, max(error / size, EPS / 2))))


def scales(trial: Trial, i: int, among: Array | None = None) -> list[Array]:
    """The entries of input i (or those of `among`), in parts of about one order of magnitude.

    Entries whose gradient is 0 are a part of their own: the truth there should be 0 too. Only the
    complex step sees small entries beside large ones: for other oracles there is one part.
    """
    entries = np.flatnonzero(trial.setting.free(i)) if among is None else among
    if not entries.size or trial.oracle.slope is not complex_step or trial.setting.single:
        return [entries] if entries.size else []
    sizes = np.abs(trial.gradients[i].ravel()[entries])
    if sizes.min() > sizes.max() / 10.0**DECADES:
        return [entries]
    with np.errstate(divide="ignore"):
        decade = np.log10(sizes)
    part = np.ceil((decade - np.max(decade)) / DECADES) if np.any(np.isfinite(decade)) else decade
    return [entries[part == p] for p in np.unique(part)[::-1]]


def on(shape: tuple[int, ...], support: Array, rng: np.random.Generator) -> Array:
    """A random direction of these entries."""
    u = np.zeros(shape)
    u.flat[support] = rng.standard_normal(support.size)
    return u


def one(shape: tuple[int, ...], j: int) -> Array:
    """The direction of entry j alone."""
    u = np.zeros(shape)
    u.flat[j] = 1.0
    return u
