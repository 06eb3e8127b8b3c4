"""Wrong gradients on kinks, ties and jumps only: everywhere else these backwards are right."""

from __future__ import annotations

import numpy as np

from .entry import GLOBAL, LOCAL, Function

TIE = r"tie"
TWICE = r"add up to 1, and they add up to 2"
NONE = r"add up to 1, and they add up to 0"


def tied_pair(rng, n):
    """Two arrays of small whole numbers, with a tie between them."""
    x, y = (rng.integers(-2, 3, size=(n[0], n[1])).astype(float) for _ in range(2))
    x[0, 0] = y[0, 0]
    return x, y


# ---------------------------------------------------------------- ties between two inputs
def of_maximum(g, x, y):
    return g * (x >= y), g * (y > x)


larger = Function("maximum of two that tie", np.maximum, of_maximum, tied_pair)


@larger.wrong("both get the gradient", LOCAL, [TIE, TWICE])
def _(g, x, y):
    return g * (x >= y), g * (y >= x)


@larger.wrong("neither gets the gradient", LOCAL, [TIE, NONE])
def _(g, x, y):
    return g * (x > y), g * (y > x)


smaller = Function(
    "minimum of two that tie", np.minimum, lambda g, x, y: of_maximum(g, y, x), tied_pair
)


@smaller.wrong("both get the gradient", LOCAL, [TIE, TWICE])
def _(g, x, y):
    return g * (x <= y), g * (y <= x)


# ---------------------------------------------------------------- ties within one input
def tied_rows(rng, n):
    """Rows of distinct numbers, the largest of each twice."""
    N, D = n[0], n[1] + 1
    x = rng.permuted(np.tile(np.arange(D, dtype=float), (N, 1)), axis=1)
    x[:, 0] = x[:, 1:].max(axis=1)
    return (x,)


def first_largest(g, x):
    dx = np.zeros_like(x)
    dx[np.arange(len(x)), x.argmax(axis=1)] = g
    return dx


pooled = Function("max of rows that tie", lambda x: x.max(axis=1), first_largest, tied_rows)


@pooled.wrong("every one of them gets all of it", LOCAL, [TIE, TWICE])
def _(g, x):
    return g[:, None] * (x == x.max(axis=1, keepdims=True))


@pooled.wrong("all is divided by the number of columns", GLOBAL, [r"times too small|tie"])
def _(g, x):
    return first_largest(g, x) / x.shape[1]
