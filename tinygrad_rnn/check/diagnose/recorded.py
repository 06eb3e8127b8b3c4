"""An array that remembers: a plain NumPy forward computes with it, and a graph is recorded.

A `Recorded` holds a Tensor and stands where an array stands: operators, methods, NumPy's functions,
and, unlike a Tensor, assignment into it (`hs[t] = h`). What NumPy computes and the package has no
primitive for becomes a primitive on the spot, whose derivative is the complex step.

Read next: `stand_in.py`, how a forward comes to compute with it; `recording.py`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Protocol

import numpy as np

from ...arraylike import Array, raw
from ...corners import where
from ...functional import concatenate, expand_dims, stack
from ...ops import getitem, matmul, multiply, reshape, scatter, sqrt, square, transpose
from ...ops import sum as sum_over
from ...tensor import Primitive, Tensor, primitive
from ..watched import UFUNCS


class Unrecordable(Exception):
    """The forward does something that leaves no trace; the message says what."""


class Notes(Protocol):
    """Who is told of every recorded result: see `recording.py`."""

    def note(self, tensors: Sequence[Tensor]) -> None: ...


# ---------------------------------------------------------------- what NumPy has and ops.py has not
def _assigned(x: Array, value: Array, *, index: Any) -> Array:
    kind = np.result_type(x, value) if np.iscomplexobj(value) else x.dtype
    out = x.astype(kind)
    out[index] = value
    return out


def _without(g: Array, index: Any) -> Array:
    kept = np.array(g)
    kept[index] = 0
    return kept


assigned = primitive(
    _assigned,
    lambda g, out, x, value, index: _without(g, index),
    lambda g, out, x, value, index: g[index],
    name="assign",
)


def by_complex_step(f: Callable[..., Any], name: str, elementwise: bool) -> Primitive:
    """A primitive for any NumPy function of arrays that takes complex numbers."""
    rule = _elementwise_rule if elementwise else _entrywise_rule
    return Primitive(f, name=name).gradients(each=partial(rule, f))


def _elementwise_rule(f: Any, i: int, g: Any, out: Any, inputs: Any, **attrs: Any) -> Any:
    def at(by: complex) -> Any:
        return f(*inputs[:i], inputs[i] + by, *inputs[i + 1 :], **attrs)

    if f in UFUNCS:  # no complex step goes through it
        return g * (at(2.0**-20) - at(-(2.0**-20))) * 2.0**19
    return g * (at(1e-100j).imag / 1e-100)


def _entrywise_rule(f: Any, i: int, g: Any, out: Any, inputs: Any, **attrs: Any) -> Any:
    gradient = np.zeros(np.shape(inputs[i]))
    for j in range(gradient.size):
        moved = list(inputs)
        moved[i] = np.array(inputs[i], dtype=complex)
        moved[i].flat[j] += 1e-100j
        gradient.flat[j] = np.sum(g * np.imag(f(*moved, **attrs))) / 1e-100
    return gradient


def _dot(x: Any, y: Any) -> Any:
    if np.ndim(raw(x)) == 0 or np.ndim(raw(y)) == 0:
        return multiply(x, y)
    if np.ndim(raw(y)) > 2:
        raise Unrecordable("np.dot of arrays with more than two axes")
    return matmul(x, y)


def _norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    if ord not in (None, 2, "fro") or (ord == 2 and axis is None and np.ndim(raw(x)) != 1):
        raise Unrecordable(f"np.linalg.norm with ord={ord!r}")
    return sqrt(sum_over(square(x), axis=axis, keepdims=keepdims))


def _moved_axis(x: Any, source: Any, destination: Any) -> Any:
    order = np.moveaxis(np.empty(range(2, 2 + x.ndim)), source, destination).shape
    return transpose(x, axes=tuple(n - 2 for n in order))


def _rolled(x: Any, shift: Any, axis: Any = None) -> Any:
    places = np.roll(np.arange(x.size).reshape(x.shape), shift, axis)
    return getitem(reshape(x, shape=(-1,)), index=places)


def _gathered(move: Callable[..., Any], x: Any, *args: Any, **kwargs: Any) -> Any:
    """What only moves numbers, as a look-up in the flattened array."""
    places = move(np.arange(x.size).reshape(x.shape), *args, **kwargs)
    return getitem(reshape(x, shape=(-1,)), index=places)


def _masked(keep: Callable[..., Any], x: Any, k: int = 0) -> Any:
    return where(keep(np.ones(x.shape[-2:], bool), k), x, 0.0)


def _rows(xs: Any) -> list[Any]:
    return [x if np.ndim(raw(x)) > 1 else reshape(x, shape=(1, -1)) for x in xs]


def _side_by_side(xs: Any) -> Any:
    return concatenate(list(xs), axis=0 if np.ndim(raw(xs[0])) == 1 else 1)


ALIKE: dict[str, Callable[..., Any]] = {
    "dot": _dot,
    "norm": _norm,
    "ravel": lambda x: reshape(x, shape=(-1,)),
    "copy": lambda x, **_: x,
    "real": lambda x: x,
    "conjugate": lambda x: x,
    "amax": lambda x, axis=None, keepdims=False: x.max(axis, keepdims),
    "amin": lambda x, axis=None, keepdims=False: x.min(axis, keepdims),
    "reciprocal": lambda x: 1.0 / x,
    "positive": lambda x: x,
    "moveaxis": _moved_axis,
    "roll": _rolled,
    "rot90": partial(_gathered, np.rot90),
    "diagonal": partial(_gathered, np.diagonal),
    "tril": partial(_masked, np.tril),
    "triu": partial(_masked, np.triu),
    "vstack": lambda xs: concatenate(_rows(xs), axis=0),
    "hstack": _side_by_side,
    "inner": lambda x, y: matmul(x, y if y.ndim == 1 else y.T),
    "vdot": lambda x, y: sum_over(multiply(x, y)),
    "atleast_2d": lambda x: x if x.ndim > 1 else reshape(x, shape=(1, -1)),
    "take_along_axis": lambda x, i, axis: _gathered(np.take_along_axis, x, raw(i), axis),
}


# ---------------------------------------------------------------- the array
class Recorded:
    """A Tensor in an array's place; `+=` and assignment replace the Tensor and keep the place."""

    __slots__ = ("notes", "tensor")
    __array_priority__ = 1000

    def __init__(self, tensor: Tensor, notes: Notes) -> None:
        self.tensor, self.notes = tensor, notes

    # ------------------------------------------------------------ what it is
    shape = property(lambda self: self.tensor.shape)
    dtype = property(lambda self: self.tensor.dtype)
    ndim = property(lambda self: self.tensor.ndim)
    size = property(lambda self: self.tensor.size)
    real = property(lambda self: self)
    imag = property(lambda self: np.zeros(self.shape))
    T = property(lambda self: self._wrap(self.tensor.T))

    def __len__(self) -> int:
        return len(self.tensor)

    def __iter__(self) -> Iterator[Any]:
        return (self[k] for k in range(len(self)))

    def __bool__(self) -> bool:
        return bool(self.tensor.data)

    def __float__(self) -> float:
        raise Unrecordable("float() or .item() of a value")

    __int__ = __index__ = __float__

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        raise Unrecordable("a value is written into a plain array, or converted to one")

    def __repr__(self) -> str:
        return f"Recorded({self.tensor!r})"

    # ------------------------------------------------------------ operators
    # fmt: off
    def __add__(self, y: Any) -> Any: return self._call(operator.add, self, y)
    def __radd__(self, x: Any) -> Any: return self._call(operator.add, x, self)
    def __sub__(self, y: Any) -> Any: return self._call(operator.sub, self, y)
    def __rsub__(self, x: Any) -> Any: return self._call(operator.sub, x, self)
    def __mul__(self, y: Any) -> Any: return self._call(operator.mul, self, y)
    def __rmul__(self, x: Any) -> Any: return self._call(operator.mul, x, self)
    def __truediv__(self, y: Any) -> Any: return self._call(operator.truediv, self, y)
    def __rtruediv__(self, x: Any) -> Any: return self._call(operator.truediv, x, self)
    def __pow__(self, y: Any) -> Any: return self._call(operator.pow, self, y)
    def __rpow__(self, x: Any) -> Any: return self._call(operator.pow, x, self)
    def __matmul__(self, y: Any) -> Any: return self._call(operator.matmul, self, y)
    def __rmatmul__(self, x: Any) -> Any: return self._call(operator.matmul, x, self)
    def __neg__(self) -> Any: return self._call(operator.neg, self)
    def __pos__(self) -> Any: return self
    def __abs__(self) -> Any: return self._call(operator.abs, self)
    def __getitem__(self, i: Any) -> Any: return self._call(operator.getitem, self, i)
    def __lt__(self, y: Any) -> Any: return self.tensor.data < plain(y)
    def __le__(self, y: Any) -> Any: return self.tensor.data <= plain(y)
    def __gt__(self, y: Any) -> Any: return self.tensor.data > plain(y)
    def __ge__(self, y: Any) -> Any: return self.tensor.data >= plain(y)
    def __eq__(self, y: Any) -> Any: return self.tensor.data == plain(y)
    def __ne__(self, y: Any) -> Any: return self.tensor.data != plain(y)
    def __iadd__(self, y: Any) -> Any: return self._become(self + y)
    def __isub__(self, y: Any) -> Any: return self._become(self - y)
    def __imul__(self, y: Any) -> Any: return self._become(self * y)
    def __itruediv__(self, y: Any) -> Any: return self._become(self / y)
    def __ipow__(self, y: Any) -> Any: return self._become(self**y)
    # fmt: on
    __hash__ = None  # type: ignore[assignment]

    def __setitem__(self, index: Any, value: Any) -> None:
        result = assigned(self.tensor, tensors(value), index=plain(index))
        self._become(self._wrap(result))

    def _become(self, other: Any) -> Recorded:
        self.tensor = other.tensor
        return self

    # ------------------------------------------------------------ functions and methods
    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name in _VALUES:
            return getattr(self.tensor.data, name)
        if name in ALIKE:
            return partial(self._call, ALIKE[name], self)
        if name in ("flatten", "conj"):
            return partial(self._call, ALIKE["ravel" if name == "flatten" else "real"], self)
        method = getattr(self.tensor, name, None)
        if not callable(method) or name in ("backward", "detach", "item", "numpy"):
            raise Unrecordable(f"the method .{name} of an array")
        return lambda *args, **kwargs: self._call(_method, self, name, *args, **kwargs)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        out = kwargs.pop("out", (None,))[0]
        f = ALIKE.get(ufunc.__name__, ufunc)
        if method == "at":
            return self._add_at(ufunc, *inputs)
        if method == "reduce" and ufunc in _REDUCTIONS:
            f = _reduction(ufunc)
            kwargs.setdefault("axis", 0)
        elif method != "__call__":
            raise Unrecordable(f"np.{ufunc.__name__}.{method}")
        kwargs = {key: value for key, value in kwargs.items() if value is not None}
        result = self._call(f, *inputs, **kwargs)
        return result if out is None else out._become(result)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return self._call(ALIKE.get(func.__name__, func), *args, **kwargs)

    def _add_at(self, ufunc: np.ufunc, target: Any, index: Any, values: Any) -> None:
        if ufunc is not np.add or not isinstance(target, Recorded):
            raise Unrecordable(f"np.{ufunc.__name__}.at into a plain array")
        index = plain(index)
        spread = np.zeros(np.shape(target.tensor.data[index]))  # the values, broadcast
        added = scatter(tensors(values) + spread, items=(index,), shape=target.shape)
        target._become(self._wrap(target.tensor + added))

    def _call(self, f: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """f of the Tensors inside, recorded; of the plain values, where f gives no numbers."""
        if f is operator.getitem:
            return self._wrap(args[0].tensor[plain(args[1])])
        given, named = tensors(args), {key: tensors(value) for key, value in kwargs.items()}
        try:
            result = f(*given, **named)
        except TypeError as error:
            if "cannot be recorded" not in str(error) and " on a Tensor takes " not in str(error):
                raise
            result = self._improvised(f, given, named)
        return self._wrap(result)

    def _improvised(self, f: Callable[..., Any], args: tuple[Any, ...], named: Any) -> Any:
        """A primitive made on the spot for what ops.py does not have."""
        plainly = f(*_raw(args), **_raw(named))
        if not isinstance(plainly, (np.ndarray, np.generic)):
            raise Unrecordable(f"np.{getattr(f, '__name__', f)} gives several results")
        if plainly.dtype.kind not in "fc":
            return plainly
        name = str(getattr(f, "__name__", "function"))
        flat = [x for x in _leaves(args) if isinstance(x, Tensor)]
        if isinstance(f, np.ufunc) and len(args) == f.nin:
            return by_complex_step(f, name, elementwise=True)(*args, **named)

        def call(*arrays: Any) -> Any:
            return f(*_filled(args, iter(arrays)), **_raw(named))

        return by_complex_step(call, name, elementwise=False)(*flat)

    def _wrap(self, result: Any) -> Any:
        if isinstance(result, Tensor):
            self.notes.note([result])
            return Recorded(result, self.notes)
        if isinstance(result, (list, tuple)):
            self.notes.note([x for x in result if isinstance(x, Tensor)])
            return type(result)(
                [Recorded(x, self.notes) if isinstance(x, Tensor) else x for x in result]
            )
        return result


_VALUES = {"argmax", "argmin", "argsort", "any", "all", "nonzero", "tolist", "strides", "flags",
           "itemsize", "nbytes"}  # fmt: skip
_REDUCTIONS: dict[np.ufunc, Callable[..., Any]] = {
    np.add: np.sum,
    np.multiply: np.prod,
    np.maximum: np.max,
    np.minimum: np.min,
}


def _reduction(ufunc: np.ufunc) -> Callable[..., Any]:
    return _REDUCTIONS[ufunc]


def _method(x: Tensor, name: str, *args: Any, **kwargs: Any) -> Any:
    return getattr(x, name)(*args, **kwargs)


def tensors(x: Any) -> Any:
    """x with the Tensors of its Recorded in their place, in lists and tuples too.

    A list of numbers and Recorded stays a list: NumPy's functions on lists find the Tensors.
    """
    if isinstance(x, Recorded):
        return x.tensor
    if isinstance(x, (list, tuple)):
        return type(x)([tensors(each) for each in x])
    return x


def plain(x: Any) -> Any:
    """x with plain arrays in the place of its Recorded: for indices and comparisons."""
    if isinstance(x, Recorded):
        return x.tensor.data
    if isinstance(x, (list, tuple)):
        return type(x)([plain(each) for each in x])
    return x


def joined_up(x: Any, notes: Notes) -> Recorded:
    """np.array of a list of Recorded and numbers, at any depth."""
    if isinstance(x, Recorded):
        return Recorded(x.tensor, notes)
    if isinstance(x, (list, tuple)):
        parts = [joined_up(each, notes).tensor for each in x]
        result = stack(parts) if len(parts) > 1 else expand_dims(parts[0], 0)
        notes.note([result])
        return Recorded(result, notes)
    return Recorded(Tensor(x), notes)


def _raw(x: Any) -> Any:
    if isinstance(x, dict):
        return {key: _raw(value) for key, value in x.items()}
    if isinstance(x, (list, tuple)):
        return type(x)([_raw(each) for each in x])
    return raw(x)


def _leaves(x: Any) -> Iterator[Any]:
    if isinstance(x, (list, tuple)):
        for each in x:
            yield from _leaves(each)
    else:
        yield x


def _filled(x: Any, arrays: Iterator[Any]) -> Any:
    """x with its Tensors replaced by the arrays, in order."""
    if isinstance(x, (list, tuple)):
        return type(x)([_filled(each, arrays) for each in x])
    return next(arrays) if isinstance(x, Tensor) else x
