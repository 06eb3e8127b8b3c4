"""A Tensor is an array that remembers how it was made.

`Primitive.__call__` is the whole of recording: compute with NumPy, then write one line (a `Node`)
of the program that was run. Everything else in this package is a walk over those lines.

Read next: `graph.py`, which walks them backwards; `ops.py`, which lists the primitives. Operators,
methods and NumPy's protocols are in `arraylike.py`, `no_grad` and `scope` in `modes.py`.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import sys
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from .arraylike import FUNCTIONS, Array, Arraylike, plain_index, raw
from .modes import Step, mode


# ---------------------------------------------------------------- the program that is recorded
class Node:
    """One line of the recorded program: `out = op(*inputs, **attrs)`, and the scope it was made in.

    `inputs` keeps order and multiplicity (`x * x` has two); an operand that is no Tensor (a number,
    a plain array) stays in its place as it was given, so that a drawing shows it. A node does not
    know its output: the output holds the node, so recorded data has no reference cycle.
    `index` is the tick of the clock at which the line was made: creation order.
    """

    __slots__ = ("attrs", "fingerprints", "index", "inputs", "op", "scope")

    op: Primitive
    inputs: tuple[Any, ...]
    attrs: dict[str, Any]
    scope: tuple[str | Step, ...]
    index: int
    fingerprints: tuple[int, ...] | None

    def __repr__(self) -> str:
        inputs = [x.label if isinstance(x, Tensor) else repr(x) for x in self.inputs]
        attrs = [f"{key}={value!r}" for key, value in self.attrs.items()]
        return f"{self.op.name}({', '.join(inputs + attrs)})"


# One clock for "made at" (Node.index) and "changed at" (Tensor.changed).
_clock = itertools.count(1)


class Tensor(Arraylike):
    """An array (`data`), perhaps its gradient (`grad`), and a memory (`node`) of how it was made.

    Args:
        data: anything `np.array` takes; it is copied. A floating array keeps its dtype.
        requires_grad: ask for dL/d(this) from `backward()`. Refused for integers and booleans.
        name: used in listings, drawings and error messages.
        dtype: a NumPy dtype; default: the data's own (float64 for Python floats).

    Attributes:
        grad: None, or a plain array of the tensor's shape, filled by `backward()`.
        node: None for a leaf (parameter, input), else the `Node` it came from.
        changed: when `data` was last replaced, on the clock that also numbers the nodes.
        cut: for what `detach()` cut off a graph, a weak reference to where; for drawings. Weak, so
            a cut keeps nothing of the past alive.

    Results of constants remember too, so that a drawing shows them; what should not be kept (a
    long simulation) belongs into `no_grad()`, and a running total is a number: `+= loss.item()`.

    `==` is identity, so tensors can be keys; compare values with `a.data == b.data`. The order
    comparisons (`<`, `>=`, ...) compare values and give plain boolean arrays.

    Raises:
        TypeError: for data that is not numeric, and for `requires_grad` on integers.

    >>> x = Tensor([1.0, 2.0], requires_grad=True, name="x")
    >>> y = (x * x).sum()
    >>> y.backward()
    >>> x.grad
    array([2., 4.])
    """

    __slots__ = ("__weakref__", "_data", "_requires_grad", "changed", "cut", "grad", "name", "node")

    learned: ClassVar[bool] = False  # True for the Parameters of modules
    _data: Array
    _requires_grad: bool
    grad: Array | None
    node: Node | None
    name: str | None
    changed: int
    cut: weakref.ref[Tensor] | None

    def __init__(
        self,
        data: ArrayLike,
        requires_grad: bool = False,
        name: str | None = None,
        *,
        dtype: DTypeLike | None = None,
    ) -> None:
        if isinstance(data, Tensor):
            raise TypeError("this is a Tensor already: use it as it is, or write data.detach()")
        array = np.array(data, dtype=dtype)
        if array.dtype.kind not in "biufc":
            raise TypeError(
                f"a Tensor holds numbers; this is an array of dtype {array.dtype}. Convert it first"
                " (words: see tinygrad_rnn.data; tensors: tg.stack or tg.concatenate)"
            )
        self._data = array
        self.grad = None
        self.node = None
        self.name = name
        self.changed = 0
        self.cut = None
        self._requires_grad = False
        self.requires_grad = requires_grad

    # ------------------------------------------------------------ what it holds
    @property
    def data(self) -> Array:
        """The array. Assigning replaces it; graphs that recorded the old one then refuse."""
        return self._data

    @data.setter
    def data(self, value: ArrayLike) -> None:
        array = np.asarray(raw(value))
        if array.shape != self._data.shape:
            raise ValueError(
                f"{self.label} has shape {self.shape}, and its new data {array.shape}:"
                " give data of the same shape, or make a new Tensor"
            )
        if array.dtype.kind not in ("fc" if self._requires_grad else "biufc"):
            raise TypeError(f"the data of {self.label} cannot become {array.dtype}")
        self._data = array
        self.changed = next(_clock)

    @property
    def requires_grad(self) -> bool:
        """Whether the backward walk goes towards this tensor."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if value and self._data.dtype.kind not in "fc":
            raise TypeError(
                f"requires_grad needs floating data, and this is {self.dtype}: only functions of"
                " real numbers have derivatives. Write 1.0 for 1, or pass dtype=float"
            )
        if not value and self.node is not None and self._requires_grad:
            raise ValueError(f"{self.label} is a result: cut it off with .detach() instead")
        if value and not self._requires_grad:
            self.node = None  # a leaf from here on: it forgets the constants that it was made of
        self._requires_grad = bool(value)

    @property
    def label(self) -> str:
        """The name, or what it was made by; for messages."""
        if self.name is not None:
            return f"{self.name!r}"
        made = "a tensor" if self.node is None else f"the result of {self.node.op.name}"
        return f"{made} of shape {self.shape}"

    def numpy(self) -> Array:
        """A copy of the array: yours to change, and outside the graph."""
        return self._data.copy()

    def item(self) -> Any:
        """The one number in a tensor of one entry, as a Python number."""
        return self._data.item()

    def detach(self) -> Tensor:
        """The same values (and array) with no memory: gradients stop here."""
        out = _result(self._data, None, False)
        out.cut = weakref.ref(self) if self._requires_grad else None
        return out

    def backward(self, grad: ArrayLike | None = None) -> None:
        """Add dL/d(leaf) to `.grad` of every leaf that requires grad; L is this tensor.

        The graph stays as it is, so it can be drawn afterwards; calling this twice adds twice.

        Args:
            grad: dL/d(this), of this tensor's shape; may be left out for a single number.

        Raises:
            RuntimeError: if this tensor needs no gradient, if it is not a single number and `grad`
                is missing, or if a recorded array was replaced since.
        """
        from .graph import backward  # the one upward call

        backward(self, grad)

    def __repr__(self) -> str:
        body = np.array2string(self._data, separator=", ", prefix="Tensor(", threshold=20)
        extra = [f"dtype={self.dtype}"] if self.dtype not in (float, int, bool) else []
        extra += [f"name={self.name!r}"] if self.name is not None else []
        extra += ["requires_grad=True"] if self._requires_grad and self.node is None else []
        extra += [f"op={self.node.op.name}"] if self.node is not None else []
        return f"Tensor({', '.join([body, *extra])})"

    def __reduce__(self) -> Any:
        """Leaves can be pickled and copied; a result is a place in a graph."""
        if self.node is not None:
            raise TypeError(f"{self.label} is part of a graph: keep .detach() or .numpy() of it")
        return _restored, (type(self), self._data, self._requires_grad, self.name, self.grad)

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else repr(self)

    # ------------------------------------------------------------ changing a value in place
    # Recording, `t += u` means `t = t + u`: a new tensor, and the old value stays in the graph.
    # Inside `no_grad()` the tensor itself changes, as in an optimizer's step; `changed` tells the
    # walk. The old array is never written into: whatever shares its memory keeps its values.
    def _in_place(self, ufunc: np.ufunc, y: Any) -> Tensor:
        if not mode.get().recording:
            self.data = ufunc(self._data, raw(y)).astype(self._data.dtype, casting="same_kind")
            return self
        if self.node is None and self._requires_grad:
            raise RuntimeError(
                f"in-place {ufunc.__name__} on {self.label}, a leaf that requires grad: inside"
                " `with tg.no_grad():` it updates the value; to record it, write w2 = w + ..."
            )
        return FUNCTIONS[ufunc.__name__](self, y)

    # fmt: off
    def __iadd__(self, y: Any) -> Tensor: return self._in_place(np.add, y)
    def __isub__(self, y: Any) -> Tensor: return self._in_place(np.subtract, y)
    def __imul__(self, y: Any) -> Tensor: return self._in_place(np.multiply, y)
    def __itruediv__(self, y: Any) -> Tensor: return self._in_place(np.divide, y)
    def __ipow__(self, y: Any) -> Tensor: return self._in_place(np.power, y)
    def __imatmul__(self, y: Any) -> Tensor: return self @ y
    # fmt: on

    def __setitem__(self, index: Any, value: ArrayLike) -> None:
        if mode.get().recording:
            raise RuntimeError(
                f"assignment into {self.label} cannot be recorded: build the value with tg.where,"
                " tg.concatenate or tg.stack, or write inside `with tg.no_grad():`"
            )
        changed = self._data.copy()
        changed[plain_index(index)] = raw(value)
        self.data = changed


def _restored(kind: type[Tensor], data: Array, needed: bool, name: str, grad: Any) -> Tensor:
    """A leaf from its pickle; the clock of another process means nothing here."""
    tensor = kind(data, needed, name)
    tensor.grad = grad
    return tensor


def _result(data: Array, node: Node | None, requires_grad: bool) -> Tensor:
    """A Tensor around an array that is known to be good, without a copy."""
    out = Tensor.__new__(Tensor)
    out._data = data
    out._requires_grad = requires_grad
    out.node = node
    out.grad = None
    out.name = None
    out.changed = 0
    out.cut = None
    return out


# ---------------------------------------------------------------- the operations that record
PRIMITIVES: dict[str, Primitive] = {}  # by name, filled by ops.py


class Primitive:
    """An operation that is recorded: a NumPy function, and one gradient rule per input.

    A rule is `rule(g, out, *inputs, **attrs)`: `g` is dL/d(out), and the result dL/d(this input),
    in any shape that broadcasting could have made of the input's (the walk sums it back). Rules see
    plain arrays in `backward()` and Tensors under `create_graph=True`, so they use operators,
    array methods and primitives only; masks and indices come from `raw(x)`.

    >>> cube = Primitive(lambda x: x**3, name="cube").gradients(lambda g, out, x: 3 * g * x * x)
    >>> x = Tensor(2.0, requires_grad=True)
    >>> cube(x).backward()
    >>> x.grad
    array(12.)
    """

    def __init__(
        self,
        forward: Callable[..., Any],
        *,
        name: str | None = None,
        backward: Callable[..., Any] | None = None,
        constant: bool = False,
    ) -> None:
        functools.update_wrapper(self, forward)
        self.name: str = name or forward.__name__
        self.forward = forward
        self.backward = backward
        self.constant = constant
        self.rules: tuple[Callable[..., Any] | None, ...] = ()
        self.each: Callable[..., Any] | None = None
        self.covers = -1  # with this many inputs every one of them has a rule
        self.arity, self.metadata = _signature(forward)

    def gradients(
        self, *rules: Callable[..., Any] | None, each: Callable[..., Any] | None = None
    ) -> Primitive:
        """Declare one rule per input, or, for any number of inputs, `each(i, g, out, inputs)`."""
        self.rules = rules
        self.each = each
        self.covers = -1 if None in rules else len(rules)
        return self

    def pull(self, i: int, g: Any, out: Any, inputs: Sequence[Any], attrs: dict[str, Any]) -> Any:
        """dL/d(input i), by its rule, from g = dL/d(out)."""
        if self.each is not None:
            return self.each(i, g, out, inputs, **attrs)
        return self.rules[i](g, out, *inputs, **attrs)  # type: ignore[misc]

    def pull_jointly(self) -> Callable[..., Any]:
        """The same as `pull` by the hand-written `backward`, for one visit: it is called once."""
        found: list[Any] = []

        def pull(i: int, g: Any, out: Any, inputs: Sequence[Any], attrs: dict[str, Any]) -> Any:
            if not found:
                grads = self.backward(g, *inputs, **attrs)  # type: ignore[misc]
                found.extend(grads if isinstance(grads, (tuple, list)) else (grads,))
                if len(found) != len(inputs):
                    raise ValueError(
                        f"the backward of {self.name} returned {len(found)} gradients for"
                        f" {len(inputs)} inputs: return one for each"
                    )
            return found[i]

        return pull

    def __call__(self, *inputs: Any, **attrs: Any) -> Any:
        if len(inputs) > self.arity:
            return self(*inputs[: self.arity], **self._by_name(inputs[self.arity :], attrs))
        found = needed = False
        arrays = []
        for x in inputs:
            if isinstance(x, Tensor):
                found = True
                if x._requires_grad:
                    needed = True
                x = x._data
            elif type(x) is not float and type(x) is not int and _unusual(x):
                return self(*map(_plain_operand, inputs), **attrs)
            arrays.append(x)
        data = self.forward(*arrays, **attrs)
        if not found:
            return data
        if type(data) is not np.ndarray:
            data = np.asarray(data)
        recording, scope, watching = mode.get()
        if data.dtype.kind not in "fc":
            needed = needed and self._demand_numbers(data)
        if not recording:
            return _result(data, None, False)
        if needed and len(inputs) != self.covers:
            needed = self._has_rules(inputs)
        node = Node()
        node.op = self
        node.inputs = inputs
        node.attrs = attrs
        node.scope = scope
        node.index = next(_clock)
        node.fingerprints = fingerprints(data, arrays, attrs) if "writes" in watching else None
        if "finite" in watching:
            demand_finite(data, f"the result of {self.name}", node, numbered(arrays))
        return _result(data, node, needed)

    def _by_name(self, extra: tuple[Any, ...], attrs: dict[str, Any]) -> dict[str, Any]:
        """Metadata is keyword-only, but the first may stand by position, as in sum(x, 0)."""
        if len(extra) > 1 or not self.metadata or self.metadata[0] in attrs:
            raise TypeError(
                f"{self.name} takes {self.arity} arrays, and by name: {', '.join(self.metadata)};"
                f" given {self.arity + len(extra)} arguments by position"
            )
        return {self.metadata[0]: extra[0], **attrs}

    def _demand_numbers(self, data: Array) -> bool:
        """False: whole numbers and booleans have no gradient. Anything else is refused."""
        if data.dtype.kind not in "biu":
            raise TypeError(f"{self.name} gave an array of {data.dtype}, not of numbers")
        return False

    def _has_rules(self, inputs: tuple[Any, ...]) -> bool:
        """Raise if a rule that is needed is missing; False: piecewise constant, no gradient."""
        if self.constant or self.each is not None or self.backward is not None:
            return not self.constant
        rules = (*self.rules, *[None] * len(inputs))
        for i, x in enumerate(inputs):
            if rules[i] is None and isinstance(x, Tensor) and x._requires_grad:
                raise TypeError(
                    f"{self.name} has no gradient rule for input {i}, and {x.label} requires grad:"
                    f" declare it with {self.name}.gradients(...), or pass the input detached"
                )
        return True

    def __deepcopy__(self, memory: Any) -> Primitive:
        return self

    def __reduce__(self) -> Any:
        if PRIMITIVES.get(self.name) is not self:
            raise TypeError(f"{self!r} cannot be pickled: it is not one of tinygrad_rnn's own")
        return _primitive_named, (self.name,)

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"


def primitive(
    forward: Callable[..., Any] | None = None,
    *rules: Callable[..., Any] | None,
    name: str | None = None,
    backward: Callable[..., Any] | None = None,
    constant: bool = False,
) -> Any:
    """Declare an operation: `@tg.primitive` above a NumPy function, rules beneath it.

    Arrays are positional arguments of the function, everything else is keyword-only.

    Args:
        forward: the NumPy function. It must not write into its inputs.
        rules: one per input, if they are given at once and not with `.gradients(...)`.
        name: default: the function's.
        backward: instead of rules, one hand-written `backward(g, *inputs, **attrs)` that returns
            one gradient per input (a single array for a single input).
        constant: piecewise constant, as a comparison: it has no rules, and stops gradients.

    >>> @primitive
    ... def scaled(x, y, *, k):
    ...     return k * x * y
    >>> _ = scaled.gradients(lambda g, out, x, y, k: g * k * y, lambda g, out, x, y, k: g * k * x)
    >>> x = Tensor([1.0, 2.0], requires_grad=True)
    >>> scaled(x, x, k=10.0).backward([1.0, 1.0])
    >>> x.grad
    array([20., 40.])
    """
    if forward is None:
        return functools.partial(primitive, name=name, backward=backward, constant=constant)
    op = Primitive(forward, name=name, backward=backward, constant=constant)
    return op.gradients(*rules) if rules else op


def _primitive_named(name: str) -> Primitive:
    return PRIMITIVES[name]


def _signature(forward: Callable[..., Any]) -> tuple[int, tuple[str, ...]]:
    """(how many arrays it takes by position, the names of its metadata)."""
    if isinstance(forward, np.ufunc):
        return forward.nin, ()
    parameters = inspect.signature(forward).parameters.values()
    names = tuple(p.name for p in parameters if p.kind is p.KEYWORD_ONLY)
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return sys.maxsize, names
    return sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters), names


# ---------------------------------------------------------------- small helpers


def _unusual(x: Any) -> bool:
    """Whether an operand is neither a Tensor nor a number nor an array of numbers."""
    if isinstance(x, (np.ndarray, np.generic)):
        return x.dtype.kind not in "biufc"
    return not isinstance(x, (int, float, complex))


def _plain_operand(x: Any) -> Any:
    """A list or tuple as an array; what is no number at all is refused."""
    if isinstance(x, Tensor) or not _unusual(x):
        return x
    array = np.asarray(x)
    if _unusual(array):
        raise TypeError(f"an operand is an array or a number; given {type(x).__name__}: {x!r:.60}")
    return array


def label(**tensors: Any) -> None:
    """Name Tensors that have no name yet, for listings and drawings: `label(i=i, f=f)`."""
    for name, tensor in tensors.items():
        if isinstance(tensor, Tensor) and tensor.name is None:
            tensor.name = name


def numbered(inputs: Sequence[Any]) -> dict[str, Any]:
    return {f"input {i}": x for i, x in enumerate(inputs)}


def demand_finite(data: Any, what: str, node: Node, operands: Mapping[str, Any]) -> None:
    """Raise if there is a nan or infinity, naming the operation, its place and its operands."""
    bad = data.size - np.count_nonzero(np.isfinite(data))
    if bad:
        place = " / ".join(map(str, node.scope)) or "the outermost scope"
        ranges = [
            f"{name}: {np.min(x):.3g} to {np.max(x):.3g}"
            for name, x in operands.items()
            if np.size(x) and np.asarray(x).dtype.kind in "fiu"
        ]
        raise FloatingPointError(
            f"{what} in {place} has {bad} of {data.size} entries that are not finite"
            f" ({'; '.join(ranges)})"
        )


def fingerprints(out: Array, inputs: Sequence[Any], attrs: Mapping[str, Any]) -> tuple[int, ...]:
    """A number for the content of each array: equal content, equal number."""
    given = [value for value in attrs.values() if isinstance(value, np.ndarray)]
    return tuple(hash(np.asarray(x).tobytes()) for x in (out, *inputs, *given))
