"""The truth, the slow way: derivatives that share no line with the package.

`slope` is the complex step. `Value` is a program as a tree of NumPy functions; its gradient is the
sum, over all paths from the result to a leaf, of the product of dense Jacobians along the path. No
topological order, no accumulation, no un-broadcasting, no rules: nothing to share a mistake with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

STEP = 1e-20  # of the complex step: no subtraction, so no cancellation, so as small as one likes


def slope(f: Callable, xs: Sequence[np.ndarray], k: int, direction: np.ndarray):
    """d/dt f(x_0, ..., x_k + t direction, ...) at t = 0, exactly (Squire and Trapp 1998)."""
    moved = [np.asarray(x, complex) for x in xs]
    moved[k] = moved[k] + 1j * STEP * direction
    return _imaginary(f(*moved))


def _imaginary(values):
    if isinstance(values, (list, tuple)):
        return [_imaginary(value) for value in values]
    return np.imag(values) / STEP


class Value:
    """A leaf (`array`), or `f(*parents)`, with f a holomorphic NumPy function of arrays."""

    def __init__(self, array=None, f: Callable | None = None, parents: Sequence[Value] = ()):
        self.array = array if array is None else np.array(array, float)
        self.f = f
        self.parents = tuple(parents)


def evaluate(value: Value, known: dict | None = None) -> np.ndarray:
    """The number that the program gives."""
    known = {} if known is None else known
    if value.f is None:
        return value.array
    if value not in known:
        known[value] = np.asarray(value.f(*(evaluate(p, known) for p in value.parents)))
    return known[value]


def jacobian(f: Callable, xs: Sequence[np.ndarray], k: int) -> np.ndarray:
    """The dense matrix d f / d x_k, (size of f, size of x_k), one column at a time."""
    columns = []
    for j in range(xs[k].size):
        one = np.zeros(xs[k].size)
        one[j] = 1
        columns.append(np.ravel(slope(f, xs, k, one.reshape(xs[k].shape))))
    return np.stack(columns, axis=1) if columns else np.zeros((np.size(f(*xs)), 0))


def paths(value: Value, leaf: Value, known: dict) -> np.ndarray:
    """d value / d leaf: the sum over all paths between them of the product of the Jacobians."""
    if value is leaf:
        return np.eye(leaf.array.size)
    if value not in known:
        xs = [evaluate(p) for p in value.parents]
        known[value] = np.zeros((evaluate(value).size, leaf.array.size))
        for k, parent in enumerate(value.parents):  # a parent that stands twice counts twice
            known[value] = known[value] + jacobian(value.f, xs, k) @ paths(parent, leaf, known)
    return known[value]


def gradient(value: Value, leaf: Value, cotangent: np.ndarray) -> np.ndarray:
    """d <cotangent, value> / d leaf."""
    return (np.ravel(cotangent) @ paths(value, leaf, {})).reshape(leaf.array.shape)


def second_derivative(value, leaf, cotangent, weights, other, direction, step=1e-5) -> float:
    """d/dt <weights, gradient(value, leaf, cotangent)> as `other` moves along direction."""
    start = other.array
    ends = []
    for sign in (1, -1):
        other.array = start + sign * step * direction
        ends.append(np.sum(weights * gradient(value, leaf, cotangent)))
    other.array = start
    return float((ends[0] - ends[1]) / (2 * step))
