"""Wrong rules of operations over axes: products, sums, maxima, orders, joining, broadcasting.

Read next: `indexing.py`.
"""

# mypy: disable-error-code=misc
# (a lambda that binds a loop variable by a default has no inferred type)

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ...arraylike import Array
from .indexing import of_getitem, of_scatter
from .program import Line, Program, fit
from .slopes import Alternative
from .words import edge_text, formula, inside, name_of

Rule = Callable[[Array], Array]


def of_movement(program: Program, line: Line, i: int) -> Iterator[Alternative]:
    """The wrong rules of an operation over axes, for argument i."""
    maker = _MAKERS.get(line.op.name if line.op else "")
    if maker is not None:
        yield from maker(program, line, i)


# ---------------------------------------------------------------- products
def _of_matmul(program: Program, line: Line, i: int) -> Iterator[Alternative]:
    x, y = line.operands
    left, right = (name_of(program, k, line.t) for k in line.args)
    where = f"in {formula(program, line.number)}"
    other, own = (right, left) if i == 0 else (left, right)
    untransposed = (lambda g: g @ y) if i == 0 else (lambda g: x @ g)
    swapped = (lambda g: y.T @ g) if i == 0 else (lambda g: g @ x.T)
    turned = (lambda g: (g @ y.T).T) if i == 0 else (lambda g: (x.T @ g).T)
    many = f"{other} is not transposed {where}, for the gradient of {own}"
    swap = f"the operands of {where[3:]} are in the other order, for the gradient of {own}"
    yield Alternative("matmul: not transposed", many, untransposed)
    yield Alternative("matmul: order", swap, swapped)
    yield Alternative(
        "matmul: order, not transposed", swap, ((lambda g: y @ g) if i == 0 else (lambda g: g @ x))
    )
    yield Alternative(
        "matmul: g not transposed",
        f"the gradient of {own} in {where[3:]} uses the transpose of what arrives: g.T for g (or g"
        " where g.T belongs)",
        (lambda g: g.T @ y.T) if i == 0 else (lambda g: x.T @ g.T),
    )
    yield Alternative("matmul: transposed", f"the gradient of {own} is transposed {where}", turned)
    yield Alternative(
        "matmul: reversed axes",
        f"{inside(other)}.T reverses all axes, the batch too, where the last two are transposed,"
        f" {where}",
        (lambda g: g @ y.T) if i == 0 else (lambda g: x.T @ g),
    )
    yield Alternative(
        "matmul: forgotten",
        f"the factor {other} of the product is forgotten {where}: the operand is missing",
        lambda g: g,
    )
    if i == 1 and x.ndim > 1 and y.ndim == 2:
        yield from _rows_of_matmul(x, own, where)
    if i == 0 and y.ndim == 2:
        yield Alternative(
            "matmul: twice",
            f"multiplied by {inside(right)}.T twice {where}",
            lambda g: (g @ y.T) @ y.T,
        )


def _rows_of_matmul(x: Array, own: str, where: str) -> Iterator[Alternative]:
    """dW is a sum over rows: of the last only, or over one of two axes."""
    for key, said, k in (("last", "last", -1), ("first", "first", 0)):
        yield Alternative(
            f"matmul: {key} row",
            f"the gradient of {own} is of the {said} example only, not summed over the batch,"
            f" {where}",
            lambda g, k=k: (
                np.swapaxes(x[k : k + 1 or None], -1, -2) @ g[k : k + 1 or None]
                if x.ndim == 2
                else x[k].T @ g[k]
            ),
        )


# ---------------------------------------------------------------- reductions
def _axes(line: Line) -> tuple[int, ...]:
    x, axis = line.operands[0], line.attrs.get("axis")
    return tuple(k % x.ndim for k in np.atleast_1d(range(x.ndim) if axis is None else axis))


def _kept(line: Line, g: Array) -> Array:
    """The gradient with the reduced axes back, of size 1."""
    axes = _axes(line)
    shape = [1 if k in axes else n for k, n in enumerate(line.operands[0].shape)]
    return g.reshape(shape)


def _of_sum(program: Program, line: Line, i: int) -> Iterator[Alternative]:
    x, text = line.operands[0], formula(program, line.number)
    axes = _axes(line)
    for key, k in (("first", 0), ("last", -1)):
        yield Alternative(
            f"sum: {key}",
            f"only the {key} entry along the axis of {text} gets the gradient: the sum's gradient"
            " is broadcast to all",
            lambda g, k=k: _kept(line, g) * _one_at(x.shape, axes, k),
        )
    for other in range(x.ndim):
        if len(axes) == 1 and other != axes[0] and x.shape[other] == x.shape[axes[0]]:
            yield Alternative(
                f"sum: axis {other}",
                f"the gradient of {text} is spread over axis {other}, the wrong axis: the sum was"
                f" over axis {axes[0]}",
                lambda g, k=other: (
                    np.expand_dims(g.reshape(_without(x.shape, axes)), k) + np.zeros(x.shape)
                ),
            )
    if len(axes) > 1 and x.ndim == 2 and x.shape[0] == x.shape[1]:
        yield Alternative(
            "sum: diagonal",
            f"only the diagonal gets the gradient of {text}: axis None taken as one axis",
            lambda g: g.reshape(1, 1) * np.eye(len(x)),
        )
    count = int(np.prod([x.shape[k] for k in axes]))
    if count > 1:
        yield Alternative(
            "sum: mean",
            f"the gradient of the sum {text} is divided by its {count} entries, as if it were a"
            " mean",
            lambda g: _kept(line, g) / count + np.zeros(x.shape),
        )


def _one_at(shape: tuple[int, ...], axes: tuple[int, ...], k: int) -> Array:
    mask = np.zeros(shape)
    mask[tuple(k if axis in axes else slice(None) for axis in range(len(shape)))] = 1
    return mask


def _without(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(n for k, n in enumerate(shape) if k not in axes)


def _of_max(program: Program, line: Line, i: int) -> Iterator[Alternative]:
    assert line.op is not None
    op, x, text = line.op.name, line.operands[0], formula(program, line.number)
    axes = _axes(line)
    ones = np.ones(x.shape)
    won = np.asarray(1.0 * (x == _kept(line, line.value)))
    yield Alternative(
        f"{op}: all",
        f"every entry gets the gradient of {text}: the mask of the {op} is forgotten",
        lambda g: _kept(line, g) * ones,
    )
    yield Alternative(
        f"{op}: value",
        f"the {op}'s own value is a factor too many in the gradient of {text}",
        lambda g: _kept(line, g) * won * x,
    )
    for other, f in (("min", np.min), ("max", np.max)):
        if other != op:
            mask = np.asarray(1.0 * (x == f(x, axis=axes, keepdims=True)))
            word = "smallest" if other == "min" else "largest"
            yield Alternative(
                f"{op}: {other}",
                f"the {word} entry gets the gradient of {text}: {other} for {op}, the other one",
                lambda g, mask=mask: _kept(line, g) * mask,
            )
    pick = np.max if op == "max" else np.min
    for axis in range(x.ndim):
        if (axis,) != axes:
            mask = np.asarray(1.0 * (x == pick(x, axis=axis, keepdims=True)))
            yield Alternative(
                f"{op}: axis {axis}",
                f"the {op} in the gradient of {text} is taken over axis {axis}, the wrong axis",
                lambda g, mask=mask: _kept(line, g) * mask,
            )


def _of_prod(program: Program, line: Line, i: int) -> Iterator[Alternative]:
    x, text = line.operands[0], formula(program, line.number)
    total = _kept(line, line.value)
    yield Alternative(
        "prod: not divided",
        f"the output of {text} is not divided by the entry itself: the product of the others",
        lambda g: _kept(line, g) * total + 0 * x,
    )
    yield Alternative(
        "prod: sum",
        f"the rule of a sum stands for that of {text}: the other factors of prod are missing",
        lambda g: _kept(line, g) + 0 * x,
    )
    yield Alternative(
        "prod: 1/x",
        f"the product of prod is missing in the gradient of {text}: only 1 / x, a factor",
        lambda g: _kept(line, g) / x,
    )


def _of_cumsum(program: Program, line: Line, i: int) -> Iterator[Alternative]:
    x, text, axis = line.operands[0], formula(program, line.number), line.attrs.get("axis") or 0
    back = tuple(
        slice(None, None, -1) if k == axis % x.ndim else slice(None) for k in range(x.ndim)
    )

    def from_the_end(g: Array, k: int = axis, way: Any = back) -> Array:
        return np.asarray(np.cumsum(g[way], axis=k)[way])

    yield Alternative(
        "cumsum: end",
        f"the running sum of {text}'s gradient is summed from the wrong end: reverse it",
        lambda g: np.cumsum(g, axis=axis),
    )
    for key, which, rule in (
        ("back", "not turned back after it was summed", lambda g: np.cumsum(g[back], axis=axis)),
        (
            "after",
            "turned round after the sum, not before",
            lambda g: np.cumsum(g, axis=axis)[back],
        ),
    ):
        yield Alternative(
            f"cumsum: {key}",
            f"the running sum of {text}'s gradient is {which}: reverse, sum, and reverse again",
            rule,
        )
    yield Alternative(
        "cumsum: itself",
        f"the running sum (cumsum) of {text}'s gradient is exclusive: the entry itself is missing",
        lambda g: from_the_end(g) - g,
    )
    yield Alternative(
        "cumsum: forgotten", f"the running sum (cumsum) is forgotten in {text}", lambda g: g
    )
    for k in range(x.ndim):
        if k != axis % x.ndim:
            way = tuple(slice(None, None, -1) if m == k else slice(None) for m in range(x.ndim))
            yield Alternative(
                f"cumsum: axis {k}",
                f"the running sum of {text}'s gradient is along axis {k}, the wrong axis",
                lambda g, k=k, way=way: from_the_end(g, k, way),
            )


def _of_sort(program: Program, line: Line, i: int) -> Iterator[Alternative]:
    x, text = line.operands[0], formula(program, line.number)
    axis = next((k for k in range(x.ndim) if np.array_equal(np.sort(x, axis=k), line.value)), None)
    yield Alternative(
        "sort: left", f"the gradient of {text} is left in sorted order: put it back", lambda g: g
    )
    if axis is not None:
        order = np.argsort(x, axis=axis)
        yield Alternative(
            "sort: order",
            f"the gradient of {text} is put in the order of sort itself, not in its inverse",
            lambda g: np.take_along_axis(g, order, axis=axis),
        )


def _of_clip(program: Program, line: Line, i: int) -> Iterator[Alternative]:
    x, text = line.operands[0], formula(program, line.number)
    low, high = line.attrs.get("min"), line.attrs.get("max")
    below = np.zeros(x.shape, bool) if low is None else x < low
    above = np.zeros(x.shape, bool) if high is None else x > high
    yield Alternative("clip: mask", f"the mask is forgotten in the gradient of {text}", lambda g: g)
    yield Alternative(
        "clip: upper",
        f"clip masks the upper side only in {text}: the lower bound is forgotten",
        lambda g: g * ~above,
    )
    yield Alternative(
        "clip: lower",
        f"clip masks the lower side only in {text}: the upper bound is forgotten",
        lambda g: g * ~below,
    )
    yield Alternative(
        "clip: inverted", f"the mask of {text} is turned round", lambda g: g * (below | above)
    )
    for key, kept in (("both", ~(below | above)), ("gradient", np.ones(x.shape, bool))):
        yield Alternative(
            f"clip: {key} gradient",
            f"the gradient itself is clipped in {text}, which is not linear in g",
            lambda g, kept=kept: np.clip(g, low, high) * kept,
        )


# ---------------------------------------------------------------- orders and places
def _of_transpose(program: Program, line: Line, i: int) -> Iterator[Alternative]:
    text = edge_text(program, line.number, i)
    shape = line.operands[0].shape
    for order in itertools.permutations(range(len(shape))):
        yield Alternative(
            f"transpose: {order}",
            f"the axes of {text} are transposed by {order}, which does not put them back: use the"
            " inverse order",
            lambda g, order=order: _demand(g.transpose(order), shape),
        )
    yield Alternative(
        "transpose: reshaped",
        f"reshaped without the transpose of {text}: the axes are in another order",
        lambda g: g.reshape(shape),
    )


def _demand(c: Array, shape: tuple[int, ...]) -> Array:
    if c.shape != shape:
        raise ValueError("another shape")
    return c


def _of_reshape(program: Program, line: Line, i: int) -> Iterator[Alternative]:
    text, shape = edge_text(program, line.number, i), line.operands[0].shape
    yield Alternative(
        "reshape: Fortran",
        f"the gradient is reshaped in Fortran order (columns first) in {text}",
        lambda g: g.reshape(shape, order="F"),
    )
    if len(shape) > 1:
        yield Alternative(
            "reshape: transposed",
            f"the gradient is reshaped with the axes in the other order, transposed, in {text}",
            lambda g: g.reshape(shape[::-1]).T,
        )


def _of_joined(program: Program, line: Line, i: int) -> Iterator[Alternative]:
    """Pieces of the gradient in another order."""
    op = line.op
    assert op is not None and op.backward is not None
    text, shape = edge_text(program, line.number, i), line.operands[i].shape
    for k in range(len(line.operands)):
        if k != i and line.operands[k].shape == shape:
            yield Alternative(
                f"{op.name}: part {k}",
                f"it gets part {k} of the gradient, another's, not part {i}: the parts are swapped,"
                f" in another order, in {text}",
                lambda g, k=k: op.backward(g, *line.operands, **line.attrs)[k],
                "everywhere",
            )


# ---------------------------------------------------------------- broadcasting
def of_broadcasting(program: Program, line: Line, i: int, pull: Rule) -> Iterator[Alternative]:
    """The sum over the axes that an operand was broadcast along, done wrong."""
    shape, text = np.shape(line.operands[i]), name_of(program, line.args[i], line.t)
    full = line.value.shape
    if shape == full or line.op is None or line.op.name not in _ELEMENTWISE:
        return
    lead = len(full) - len(shape)
    axes = [*range(lead), *(lead + k for k, n in enumerate(shape) if n == 1 != full[lead + k])]
    count = int(np.prod([full[k] for k in axes]))
    along = f"axis {', '.join(map(str, axes))}"
    over = f"over {along}, where it was broadcast"
    if count < 2:
        return
    yield Alternative(
        "broadcast: mean",
        f"the gradient of {text} is averaged {over}, where it is summed: divided by {count}",
        lambda g: fit(pull(g), shape) / count,
    )
    for key, k in (("first", 0), ("last", -1)):
        yield Alternative(
            f"broadcast: {key}",
            f"only the {key} entry is taken {over}: the gradient of {text} is summed there",
            lambda g, k=k: _entry(np.broadcast_to(pull(g), full), axes, k).reshape(shape),
        )
    for other in itertools.combinations(range(len(full)), len(axes)):
        if list(other) != axes:
            yield Alternative(
                f"broadcast: axes {other}",
                f"the gradient of {text} is summed over axis {', '.join(map(str, other))}, the"
                f" wrong axes: it was broadcast along {along}",
                lambda g, other=other: _demand(
                    np.asarray(np.broadcast_to(pull(g), full).sum(axis=other)), shape
                ),
            )
    yield from _summed_before(program, line, i, axes)


def _summed_before(program: Program, line: Line, i: int, axes: list[int]) -> Iterator[Alternative]:
    """The sum taken before the other factor is multiplied in."""
    shape, full = np.shape(line.operands[i]), line.value.shape
    text = name_of(program, line.args[i], line.t)
    if line.op is not None and line.op.name == "multiply":
        factor = line.operands[1 - i]
        own = [k for k in axes if np.ndim(factor) == len(full) and factor.shape[k] > 1]
        if own:
            theirs = name_of(program, line.args[1 - i], line.t)
            yield Alternative(
                "broadcast: before",
                f"the gradient of {text} is summed before multiplying by {theirs}: multiply first,"
                " then sum",
                lambda g: fit(g.sum(axis=tuple(axes), keepdims=True) * factor, shape),
            )


def _entry(c: Array, axes: list[int], k: int) -> Array:
    return c[tuple(k if axis in axes else slice(None) for axis in range(c.ndim))]


_ELEMENTWISE = frozenset(["add", "subtract", "multiply", "divide", "where", "maximum", "minimum"])
_MAKERS: dict[str, Callable[[Program, Line, int], Iterator[Alternative]]] = {
    "matmul": _of_matmul,
    "sum": _of_sum,
    "max": _of_max,
    "min": _of_max,
    "prod": _of_prod,
    "cumsum": _of_cumsum,
    "sort": _of_sort,
    "clip": _of_clip,
    "transpose": _of_transpose,
    "reshape": _of_reshape,
    "getitem": of_getitem,
    "scatter": of_scatter,
    "concatenate": _of_joined,
    "stack": _of_joined,
}
