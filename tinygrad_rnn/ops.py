"""Each NumPy function with its derivative beneath it.

Legend: `g` = dL/d(out), the gradient that arrives; `out` the result; `x, y` the inputs; a rule
returns dL/d(its input). A rule may return more axes than its input has, where that was broadcast:
the walk sums them. Names, shapes, axes and dtypes are NumPy's; arrays are positional, all else is
keyword-only. Called on plain arrays, a primitive returns a plain array and records nothing.

Forwards are complex-safe (comparisons on `.real`, no `np.abs`), so that the gradient checker can
differentiate them with the complex step; rules are holomorphic: nothing is conjugated.

Read next: `corners.py`, the functions with kinks; `functional.py`, what is composed of all these;
`check/`, which proves them.
"""

# mypy: disable-error-code=has-type

from __future__ import annotations

import math
from typing import Any

import numpy as np

from . import corners
from .arraylike import FUNCTIONS, Axis
from .corners import equal, where
from .einsum import contracted  # noqa: F401 - one of the primitives
from .graph import Share
from .tensor import PRIMITIVES, Primitive, primitive

# fmt: off
# ---------------------------------------------------------------- arithmetic
add      = primitive(np.add,      lambda g, out, x, y: g,     lambda g, out, x, y: g)
subtract = primitive(np.subtract, lambda g, out, x, y: g,     lambda g, out, x, y: -g)
multiply = primitive(np.multiply, lambda g, out, x, y: g * y, lambda g, out, x, y: g * x)
divide   = primitive(np.divide,   lambda g, out, x, y: g / y, lambda g, out, x, y: -g * out / y)
negative = primitive(np.negative, lambda g, out, x: -g)
power    = primitive(np.power,    lambda g, out, x, y: g * _power_slope(x, y),
                                  lambda g, out, x, y: g * out * log(where(equal(x, 0), 1.0, x)))
square   = primitive(np.square,   lambda g, out, x: g * (2 * x))
sqrt     = primitive(np.sqrt,     lambda g, out, x: g / (2 * out))

# ---------------------------------------------------------------- exponentials and trigonometry
exp      = primitive(np.exp,      lambda g, out, x: g * out)
expm1    = primitive(np.expm1,    lambda g, out, x: g * exp(x))
log      = primitive(np.log,      lambda g, out, x: g / x)
log1p    = primitive(np.log1p,    lambda g, out, x: g / (1 + x))
sin      = primitive(np.sin,      lambda g, out, x: g * cos(x))
cos      = primitive(np.cos,      lambda g, out, x: -g * sin(x))
tanh     = primitive(np.tanh,     lambda g, out, x: g * (1 - out * out))
# fmt: on


def _power_slope(x: Any, y: Any) -> Any:
    """y x^(y-1), and 0 where both are 0 (x^0 is the constant 1, also at x = 0)."""
    return y * power(x, where(equal(x, 0), where(equal(y, 0), 1.0, y - 1), y - 1))


def _floating(x: Any) -> Any:
    """Whole numbers and booleans in float64, as 0.5 * x would give them."""
    if type(x) is not np.ndarray:
        x = np.asarray(x)
    return x if x.dtype.kind in "fc" else x.astype(float)


@primitive
def sigmoid(x):
    """exp(x) / (1 + exp(x)), without overflow, and to full relative accuracy on the left."""
    x = _floating(x)
    most, one = _MOST_AND_ONE.get(x.dtype.char, _MOST_AND_ONE["d"])
    e = np.exp(np.minimum(x, most))
    return e / (e + one)


sigmoid.gradients(lambda g, out, x: g * (out * (1 - out)))

# exp(most) fits into the dtype (as arrays: NumPy converts a Python number anew at every call)
_MOST_AND_ONE = {
    c: (np.array(n, c), np.array(1, c)) for c, n in {"e": 11, "f": 88, "F": 88, "d": 709}.items()
}


@primitive
def softplus(x):
    """log(1 + exp(x)), without overflow."""
    x = _floating(x)
    right = x.real > 0
    return np.where(right, x, 0) + np.log1p(np.exp(np.where(right, -x, x)))


softplus.gradients(lambda g, out, x: g * sigmoid(x))


# ---------------------------------------------------------------- products over axes
@primitive
def matmul(x, y):
    """x @ y for vectors, matrices and (broadcast) stacks of them; one product if y is a matrix."""
    if np.ndim(x) > 2 and np.ndim(y) == 2:
        return np.matmul(as_rows(x, x.shape[-1]), y).reshape(*x.shape[:-1], y.shape[-1])
    return np.matmul(x, y)


# In h @ W, a few rows h meet the many columns of a weight, and again at the next step. So the
# operand with the greater outer dimension (rows of x, columns of y) is taken for a weight, and its
# gradient is left as a share: the shares of all steps make one product in the end.
def _matmul_left(g: Any, out: Any, x: Any, y: Any) -> Any:
    met = 1 if y.ndim == 1 else y.shape[-1]
    if x.ndim == 2 and y.ndim <= 2 and met < x.shape[0]:  # W @ h
        rows = (lambda a: a.reshape(1, -1)) if y.ndim == 1 else (lambda a: a.T)
        return Share(sum_of_products, (rows(g), rows(y)), None, {})
    if y.ndim == 1:
        return expand(g, -1) * y
    if x.ndim == 1:
        return matmul(y, expand(g, -1))[..., 0]
    return g @ y.T if g.ndim == y.ndim == 2 else matmul(g, y.swapaxes(-1, -2))


def _matmul_right(g: Any, out: Any, x: Any, y: Any) -> Any:
    if y.ndim == 2:
        rows, g_rows = as_rows(x, x.shape[-1]), as_rows(g, y.shape[-1])
        if rows.shape[0] <= y.shape[1]:  # h @ W
            return Share(sum_of_products, (rows, g_rows), None, {})
        return rows.T @ g_rows
    if x.ndim == 1:
        return expand(x, -1) * expand(g, -2) if y.ndim > 1 else g * x
    if y.ndim == 1:
        return as_rows(x * expand(g, -1), x.shape[-1]).sum(axis=0)
    return matmul(x.swapaxes(-1, -2), g)


def as_rows(x: Any, n: int) -> Any:
    """All the vectors along the last axis, of length n, under each other."""
    return x if x.ndim == 2 else x.reshape(math.prod(x.shape[:-1]), n)


def expand(x: Any, axis: int) -> Any:
    """A new axis of size 1, counted from the end."""
    return x[..., None] if axis == -1 else x[..., None, :]


matmul.gradients(_matmul_left, _matmul_right)


@primitive
def sum_of_products(*pairs, items):
    """sum_k a_k.T @ b_k for pairs (a_0, b_0, a_1, b_1, ...), as one product over all the rows."""
    a, b = pairs[0::2], pairs[1::2]
    if len(a) == 1:
        return a[0].T @ b[0]
    return np.concatenate(a).T @ np.concatenate(b)


sum_of_products.gradients(
    each=lambda i, g, out, pairs, items: pairs[i + 1] @ g.T if i % 2 == 0 else pairs[i - 1] @ g
)


# ---------------------------------------------------------------- reductions
def _kept(g: Any, x: Any, axis: Axis, keepdims: bool) -> Any:
    """A reduction's result or gradient, with the reduced axes put back as size 1."""
    if keepdims:
        return g
    axes = (
        range(x.ndim)
        if axis is None
        else {k % x.ndim for k in np.atleast_1d(axis)}
        if x.ndim
        else ()
    )
    return g.reshape(tuple(1 if k in axes else n for k, n in enumerate(x.shape)))


@primitive
def sum(x, *, axis=None, keepdims=False):
    """The sum over one, several or all axes."""
    return np.sum(x, axis=axis, keepdims=keepdims)


sum.gradients(
    lambda g, out, x, axis=None, keepdims=False: broadcast_to(
        _kept(g, x, axis, keepdims), shape=x.shape
    )
)


@primitive
def prod(x, *, axis=None, keepdims=False):
    """The product over one, several or all axes."""
    return np.prod(x, axis=axis, keepdims=keepdims)


def _prod_gradient(g: Any, out: Any, x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    g = _kept(g, x, axis, keepdims)
    if type(x) is not np.ndarray:  # what is recorded has a derivative at zeros too
        return g * _product_of_others(x, axis)
    zero = x == 0
    others = np.where(zero, 1, x)
    total = np.prod(others, axis=axis, keepdims=True)  # it is the rest where x is the only zero
    return g * np.where(np.sum(zero, axis=axis, keepdims=True) == zero, total / others, 0)


def _product_of_others(x: Any, axis: Axis) -> Any:
    """For every entry the product of the others along the axes; right also where some are zero."""
    axes = [k % x.ndim for k in np.atleast_1d(range(x.ndim) if axis is None else axis)]
    order = [k for k in range(x.ndim) if k not in axes] + axes
    moved = x.transpose(order)
    n = int(np.prod([x.shape[k] for k in axes]))
    rows = moved.reshape(*moved.shape[: x.ndim - len(axes)], 1, n)
    others = prod(where(np.eye(n, dtype=bool), 1.0, rows), axis=-1)
    return others.reshape(moved.shape).transpose([int(k) for k in np.argsort(order)])


prod.gradients(_prod_gradient)


@primitive
def max(x, *, axis=None, keepdims=False):
    """The largest entry along one, several or all axes."""
    return np.max(x, axis=axis, keepdims=keepdims)


@primitive
def min(x, *, axis=None, keepdims=False):
    """The smallest entry along one, several or all axes."""
    return np.min(x, axis=axis, keepdims=keepdims)


def _extremum_gradient(g: Any, out: Any, x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    g, won = _kept(g, x, axis, keepdims), equal(x, _kept(out, x, axis, keepdims))
    return where(won, g / sum(astype(won, dtype=g.dtype), axis=axis, keepdims=True), 0)


max.gradients(_extremum_gradient)
min.gradients(_extremum_gradient)


@primitive
def logsumexp(x, *, axis=None, keepdims=False):
    """log(sum(exp(x))) without overflow: the largest entry is taken out first."""
    top = np.max(x.real, axis=axis, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0)
    with np.errstate(divide="ignore"):  # nothing but -inf: the result is -inf
        total = np.log(np.sum(np.exp(x - top), axis=axis, keepdims=True)) + top
    return total if keepdims else np.squeeze(total, axis=axis)


logsumexp.gradients(
    lambda g, out, x, axis=None, keepdims=False: (
        _kept(g, x, axis, keepdims) * exp(x - _kept(out, x, axis, keepdims))
    )
)


@primitive
def cumsum(x, *, axis=None):
    """The running sum along an axis (of the flattened array, without one)."""
    return np.cumsum(x, axis=axis)


def _cumsum_gradient(g: Any, out: Any, x: Any, axis: int | None = None) -> Any:
    """A running sum from the other end."""
    if not x.ndim:
        return g.reshape(())
    back = (slice(None),) * (0 if axis is None else axis % x.ndim) + (slice(None, None, -1),)
    return cumsum(g[back], axis=0 if axis is None else axis)[back].reshape(x.shape)


cumsum.gradients(_cumsum_gradient)


# ---------------------------------------------------------------- shapes
@primitive
def reshape(x, *, shape):
    """The same entries in another shape."""
    return np.reshape(x, shape)


reshape.gradients(lambda g, out, x, shape: g.reshape(x.shape))


@primitive
def transpose(x, *, axes=None):
    """The axes in another order; reversed, without one."""
    return np.transpose(x, axes)


transpose.gradients(
    lambda g, out, x, axes=None: (
        g.T
        if axes is None
        else g.transpose([int(k) for k in np.argsort([k % x.ndim for k in axes])])
    )
)


@primitive
def broadcast_to(x, *, shape):
    """x repeated to a larger shape."""
    return np.broadcast_to(x, shape)


broadcast_to.gradients(lambda g, out, x, shape: g)


@primitive
def astype(x, *, dtype):
    """The same values in another dtype; a complex perturbation (the checker's) is kept."""
    kept = np.iscomplexobj(x) and dtype.kind == "f"
    return x.astype(np.result_type(dtype, np.complex64) if kept else dtype)


astype.gradients(lambda g, out, x, dtype: g.astype(x.dtype))


def _apart(g: Any, *xs: Any, axis: int) -> list[Any]:
    """The pieces of g that belong to each of the joined arrays."""
    before = (slice(None),) * (axis % g.ndim)
    stops = np.cumsum([x.shape[axis] for x in xs]).tolist()
    return [g[(*before, slice(b - x.shape[axis], b))] for x, b in zip(xs, stops, strict=True)]


@primitive(name="concatenate", backward=_apart)
def joined(*xs, axis):
    """The arrays one after the other along an axis."""
    return np.concatenate(xs, axis=axis)


@primitive(name="split")
def part(x, *, start, stop, axis):
    """The entries from start to stop along a (non-negative) axis: one part of several."""
    return x[(slice(None),) * axis + (slice(start, stop),)]


part.gradients(
    lambda g, out, x, start, stop, axis: Share(
        scatter, (g,), (slice(None),) * axis + (slice(start, stop),), {"shape": x.shape}
    )
)


def _unstacked(g: Any, *xs: Any, axis: int) -> list[Any]:
    """The slices of g along the axis along which the arrays were stacked."""
    before = (slice(None),) * (axis % g.ndim)
    return [g[(*before, k)] for k in range(len(xs))]


@primitive(name="stack", backward=_unstacked)
def stacked(*xs, axis):
    """The arrays side by side along a new axis."""
    return np.stack(xs, axis=axis)


# ---------------------------------------------------------------- indexing
@primitive
def getitem(x, *, index):
    """x[index], for every kind of index that NumPy has."""
    return x[index]


getitem.gradients(lambda g, out, x, index: Share(scatter, (g,), index, {"shape": x.shape}))


@primitive
def scatter(*gs, items, shape):
    """Zeros of `shape`, with each gs[k] added at the index items[k]: the transpose of indexing.

    Repeated indices add up. T slices of one tensor cost one buffer, not T.
    """
    out = np.zeros(shape, np.result_type(*{g.dtype for g in gs}))
    for g, index in zip(gs, items):
        if _BASIC.issuperset(map(type, index if type(index) is tuple else (index,))):
            out[index] += g
        else:
            np.add.at(out, index, g)
    return out


# an index made of these takes every entry at most once
_BASIC = frozenset([int, slice, type(None), type(Ellipsis)])


scatter.gradients(each=lambda i, g, out, gs, items, shape: g[items[i]])


for _name, _op in [*vars(corners).items(), *globals().items()]:
    if isinstance(_op, Primitive):
        PRIMITIVES[_op.name] = _op
        if _name == _op.name:  # joined, part, ... have their NumPy face in functional.py
            FUNCTIONS[_name] = _op
