"""A Tensor can stand where an array stands: operators, methods, and what NumPy does on meeting one.

`array * tensor`, `np.tanh(tensor)` and `np.concatenate([tensor, array])` are recorded like
`tensor * array`; a NumPy function that cannot be recorded raises and is named. There is never an
object array, and never a silent way out of the graph.

Read next: `tensor.py`, where recording is.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from .modes import mode

Array = NDArray[Any]
Axis = int | tuple[int, ...] | None

FUNCTIONS: dict[str, Callable[..., Any]] = {}  # NumPy's name -> our function, filled by ops.py


def function(f: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a function made of primitives, so that NumPy's function of that name finds it."""
    FUNCTIONS[f.__name__] = f
    return f


class Arraylike:
    """What a Tensor shares with an array. Every result is made by a function that records."""

    __slots__ = ()

    _array: Array
    _requires_grad: bool
    changed: int
    data: Any
    node: Any
    name: str | None
    label: Any

    shape = property(lambda self: self._array.shape, doc="The array's shape.")
    dtype = property(lambda self: self._array.dtype, doc="The array's dtype.")
    ndim = property(lambda self: self._array.ndim, doc="The number of axes.")
    size = property(lambda self: self._array.size, doc="The number of entries.")

    __hash__ = object.__hash__

    # ------------------------------------------------------------ operators, as in NumPy
    # fmt: off
    def __add__(self, y: Any) -> Any: return FUNCTIONS["add"](self, y)
    def __radd__(self, x: Any) -> Any: return FUNCTIONS["add"](x, self)
    def __sub__(self, y: Any) -> Any: return FUNCTIONS["subtract"](self, y)
    def __rsub__(self, x: Any) -> Any: return FUNCTIONS["subtract"](x, self)
    def __mul__(self, y: Any) -> Any: return FUNCTIONS["multiply"](self, y)
    def __rmul__(self, x: Any) -> Any: return FUNCTIONS["multiply"](x, self)
    def __truediv__(self, y: Any) -> Any: return FUNCTIONS["divide"](self, y)
    def __rtruediv__(self, x: Any) -> Any: return FUNCTIONS["divide"](x, self)
    def __pow__(self, y: Any) -> Any: return FUNCTIONS["power"](self, y)
    def __rpow__(self, x: Any) -> Any: return FUNCTIONS["power"](x, self)
    def __matmul__(self, y: Any) -> Any: return FUNCTIONS["matmul"](self, y)
    def __rmatmul__(self, x: Any) -> Any: return FUNCTIONS["matmul"](x, self)
    def __neg__(self) -> Any: return FUNCTIONS["negative"](self)
    def __pos__(self) -> Any: return self
    def __abs__(self) -> Any: return FUNCTIONS["absolute"](self)
    def __getitem__(self, i: Any) -> Any: return FUNCTIONS["getitem"](self, index=plain_index(i))
    def __eq__(self, y: Any) -> Any: return self is y if _is_identity(y) else self._array == y
    def __ne__(self, y: Any) -> Any: return self is not y if _is_identity(y) else self._array != y
    def __lt__(self, y: Any) -> Array: return self._array < raw(y)
    def __le__(self, y: Any) -> Array: return self._array <= raw(y)
    def __gt__(self, y: Any) -> Array: return self._array > raw(y)
    def __ge__(self, y: Any) -> Array: return self._array >= raw(y)
    def __bool__(self) -> bool: return bool(self._array)
    def __float__(self) -> float: return float(self.__array__())
    def __int__(self) -> int: return int(self.__array__())
    def __index__(self) -> int: return self.__array__().__index__()
    # fmt: on

    def item(self) -> Any:
        """The one number in a tensor of one entry, as a Python number."""
        return self._array.item()

    def numpy(self) -> Array:
        """A copy of the array: yours to change, and outside the graph."""
        return self._array.copy()

    def __repr__(self) -> str:
        body = np.array2string(self._array, separator=", ", prefix="Tensor(", threshold=20)
        extra = [f"dtype={self.dtype}"] if self.dtype not in (float, int, bool) else []
        extra += [f"name={self.name!r}"] if self.name is not None else []
        extra += ["requires_grad=True"] if self._requires_grad and self.node is None else []
        extra += [f"op={self.node.op.name}"] if self.node is not None else []
        return f"Tensor({', '.join([body, *extra])})"

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else repr(self)

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("a 0-d tensor has no length")
        return int(self.shape[0])

    def __iter__(self) -> Iterator[Any]:
        return (self[k] for k in range(len(self)))

    # ------------------------------------------------------------ methods, as in NumPy
    def sum(self, axis: Axis = None, keepdims: bool = False) -> Any:
        return FUNCTIONS["sum"](self, axis=axis, keepdims=keepdims)

    def prod(self, axis: Axis = None, keepdims: bool = False) -> Any:
        return FUNCTIONS["prod"](self, axis=axis, keepdims=keepdims)

    def max(self, axis: Axis = None, keepdims: bool = False) -> Any:
        return FUNCTIONS["max"](self, axis=axis, keepdims=keepdims)

    def min(self, axis: Axis = None, keepdims: bool = False) -> Any:
        return FUNCTIONS["min"](self, axis=axis, keepdims=keepdims)

    def mean(self, axis: Axis = None, keepdims: bool = False) -> Any:
        return FUNCTIONS["mean"](self, axis=axis, keepdims=keepdims)

    def var(self, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Any:
        return FUNCTIONS["var"](self, axis=axis, ddof=ddof, keepdims=keepdims)

    def std(self, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Any:
        return FUNCTIONS["std"](self, axis=axis, ddof=ddof, keepdims=keepdims)

    def cumsum(self, axis: int | None = None) -> Any:
        return FUNCTIONS["cumsum"](self, axis=axis)

    def clip(self, min: ArrayLike | None = None, max: ArrayLike | None = None) -> Any:
        return FUNCTIONS["clip"](self, min, max)

    def reshape(self, *shape: Any) -> Any:
        return FUNCTIONS["reshape"](self, shape=_one_or_many(shape))

    def flatten(self) -> Any:
        return self.reshape(-1)

    def transpose(self, *axes: Any) -> Any:
        return FUNCTIONS["transpose"](self, axes=_one_or_many(axes) or None)

    def swapaxes(self, axis1: int, axis2: int) -> Any:
        return FUNCTIONS["swapaxes"](self, axis1, axis2)

    def squeeze(self, axis: Axis = None) -> Any:
        return FUNCTIONS["squeeze"](self, axis)

    def repeat(self, repeats: Any, axis: int | None = None) -> Any:
        return FUNCTIONS["repeat"](self, repeats, axis)

    def take(self, indices: ArrayLike, axis: int | None = None) -> Any:
        return FUNCTIONS["take"](self, indices, axis)

    def astype(self, dtype: DTypeLike) -> Any:
        return FUNCTIONS["astype"](self, dtype=np.dtype(dtype))

    @property
    def T(self) -> Any:
        """The tensor with its axes reversed."""
        return FUNCTIONS["transpose"](self, axes=None)

    # ------------------------------------------------------------ changing a value in place
    # Recording, `t += u` means `t = t + u`: a new tensor, and the old value stays in the graph.
    # Inside `no_grad()` the tensor itself changes, as in an optimizer's step; `changed` tells the
    # walk. The old array is never written into: whatever shares its memory keeps its values.
    def _in_place(self, ufunc: np.ufunc, y: Any) -> Any:
        if not mode.get().recording:
            self.data = ufunc(self._array, raw(y)).astype(self._array.dtype, casting="same_kind")
            return self
        if self.node is None and self._requires_grad:
            raise RuntimeError(
                f"in-place {ufunc.__name__} on {self.label}, a leaf that requires grad: inside"
                " `with tg.no_grad():` it updates the value; to record it, write w2 = w + ..."
            )
        return FUNCTIONS[ufunc.__name__](self, y)

    # fmt: off
    def __iadd__(self, y: Any) -> Any: return self._in_place(np.add, y)
    def __isub__(self, y: Any) -> Any: return self._in_place(np.subtract, y)
    def __imul__(self, y: Any) -> Any: return self._in_place(np.multiply, y)
    def __itruediv__(self, y: Any) -> Any: return self._in_place(np.divide, y)
    def __ipow__(self, y: Any) -> Any: return self._in_place(np.power, y)
    def __imatmul__(self, y: Any) -> Any: return self._in_place(np.matmul, y)
    # fmt: on

    def __setitem__(self, index: Any, value: ArrayLike) -> None:
        if mode.get().recording:
            raise RuntimeError(
                f"assignment into {self.label} cannot be recorded: build the value with tg.where,"
                " tg.concatenate or tg.stack, or write inside `with tg.no_grad():`"
            )
        changed = self._array.copy()
        changed[plain_index(index)] = raw(value)
        self.data = changed

    # ------------------------------------------------------------ when NumPy meets a Tensor
    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Array:
        if self._requires_grad:
            raise TypeError(
                f"{self.label} requires grad, and a plain array would forget it: use a function of"
                " tinygrad_rnn, or say .item(), .numpy() or .detach() to leave the graph"
            )
        array = np.array(self._array, dtype=dtype, copy=copy)
        if np.shares_memory(array, self._array):
            array = array.view()
            array.flags.writeable = False
        return array

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if ufunc.__name__ in _QUESTIONS:
            kwargs = {key: raw(value) for key, value in kwargs.items()}
            if any(isinstance(x, Arraylike) for x in kwargs.get("out", ())):
                raise TypeError(f"np.{ufunc.__name__}(out=) cannot write into a Tensor")
            return getattr(ufunc, method)(*map(raw, inputs), **kwargs)
        if method != "__call__" or kwargs or ufunc.__name__ not in FUNCTIONS:
            how = "" if method == "__call__" else f".{method}"
            how += f"({', '.join(f'{key}=' for key in kwargs)})" if kwargs else ""
            raise TypeError(
                f"np.{ufunc.__name__}{how} on a Tensor cannot be recorded: use a function of"
                " tinygrad_rnn, declare one with @tg.primitive, or leave the graph with .numpy()"
            )
        return FUNCTIONS[ufunc.__name__](*inputs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if func.__name__ in _QUERIES:
            return func(*plain_index(args), **{key: raw(value) for key, value in kwargs.items()})
        ours = FUNCTIONS.get(func.__name__)
        if ours is None or getattr(np, func.__name__, None) is not func:
            raise TypeError(
                f"{func.__module__}.{func.__name__} on a Tensor cannot be recorded: use a function"
                " of tinygrad_rnn, declare one with @tg.primitive, or leave the graph with .numpy()"
            )
        return _call_like_numpy(ours, func, args, kwargs)


# NumPy functions that give booleans: there is nothing to record.
# fmt: off
_QUESTIONS = frozenset([
    "less", "less_equal", "greater", "greater_equal", "equal", "not_equal", "logical_and",
    "logical_or", "logical_xor", "logical_not", "isfinite", "isnan", "isinf", "signbit",
])
# fmt: on

# NumPy functions whose results have no derivative: answered from the values.
# fmt: off
_QUERIES = frozenset([
    "shape", "ndim", "size", "argmax", "argmin", "argsort", "result_type", "zeros_like",
    "ones_like", "empty_like", "full_like", "allclose", "isclose", "array_equal", "array_repr",
    "array_str", "array2string",
])
# fmt: on

# NumPy's second names for the same argument.
_ALIASES = {"newshape": "shape", "a_min": "min", "a_max": "max"}


def _is_identity(y: Any) -> bool:
    """Whether == with y asks if it is the same object: with a Tensor it does, as with None."""
    return not isinstance(y, (np.ndarray, np.generic, int, float, complex))


def raw(x: Any) -> Any:
    """The plain array (or number) inside: masks and indices in rules come from here."""
    return x._array if isinstance(x, Arraylike) else x


def plain_index(index: Any) -> Any:
    """An index with no Tensors in it, whose arrays are its own: nobody else can change them."""
    if isinstance(index, tuple):
        return tuple([plain_index(i) for i in index])
    if isinstance(index, list):
        return [plain_index(i) for i in index]
    if isinstance(index, Arraylike):
        index = index._array
    return index.copy() if isinstance(index, np.ndarray) else index


def _one_or_many(args: tuple[Any, ...]) -> tuple[int, ...]:
    """`f(2, 3)` and `f((2, 3))` mean the same."""
    return tuple(args[0]) if len(args) == 1 and isinstance(args[0], Sequence) else args


def _call_like_numpy(ours: Any, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Our function on NumPy's arguments: metadata that stands by position gets its name.

    np.sum(x, 0) is sum(x, axis=0), because NumPy calls its second argument "axis".
    """
    signature = inspect.signature(ours)
    kinds = [p.kind for p in signature.parameters.values()]
    arrays = sum(kind is not inspect.Parameter.KEYWORD_ONLY for kind in kinds)
    if inspect.Parameter.VAR_POSITIONAL in kinds:
        arrays = len(args)
    names = (
        list(inspect.signature(func).parameters)[arrays : len(args)] if len(args) > arrays else []
    )
    attrs = dict(zip(names, args[arrays:], strict=True)) | kwargs
    attrs = {_ALIASES.get(key, key): value for key, value in attrs.items()}
    given = {k: v for k, v in attrs.items() if k in signature.parameters or v is not None}
    try:
        signature.bind(*args[:arrays], **given)
    except TypeError as error:
        raise TypeError(f"np.{func.__name__} on a Tensor takes {signature}: {error}") from None
    return ours(*args[:arrays], **given)
