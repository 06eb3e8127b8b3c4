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
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from .arraylike import Array, Arraylike, raw
from .guards import (
    demand_finite,
    demand_like,
    demand_numbers,
    demand_switchable,
    fingerprints,
    has_gradient,
    is_plain,
    numbered,
    one_for_each,
    plain_operand,
    writes,
)  # fmt: skip
from .modes import Step, mode


# ---------------------------------------------------------------- the program that is recorded
class Node:
    """One line of the recorded program: `out = op(*inputs, **attrs)`, and the scope it was made in.

    `inputs` keeps order and multiplicity (`x * x` has two); an operand that is no Tensor (a number,
    a plain array) stays in its place as it was given, so that a drawing shows it. A node does not
    know its output: the output holds the node, so recorded data has no reference cycle.
    `values` are the same operands as plain arrays and numbers, for the gradient rules. `index` is
    the tick of the clock at which the line was made: creation order. (Lines that were written out
    later share a tick, and have fractions of it.)
    """

    __slots__ = ("attrs", "fingerprints", "index", "inputs", "op", "scope", "values")

    op: Primitive
    inputs: tuple[Any, ...]
    values: tuple[Any, ...]
    attrs: dict[str, Any]
    scope: tuple[str | Step, ...]
    index: float
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
        node: None for a leaf (parameter, input), else the `Node` it came from. What a replayed loop
            gave (`replay.py`) has the loop's lines written out when its node is first asked for.
        changed: when `data` was last replaced, on the clock that also numbers the nodes.
        cut: for what `detach()` cut off a graph, a weak reference to where; for drawings. Weak, so
            a cut keeps nothing of the past alive.

    Results of constants remember too, so that a drawing shows them; what should not be kept (a
    long simulation) belongs into `no_grad()`, and a running total is a number: `+= loss.item()`.

    Between Tensors `==` is identity, so that they can be keys; compare values with `a.data ==
    b.data`. `x == 0.0`, and the order comparisons (`<`, `>=`, ...), compare values and give plain
    boolean arrays.

    Raises:
        TypeError: for data that is not numeric, and for `requires_grad` on integers.

    >>> x = Tensor([1.0, 2.0], requires_grad=True, name="x")
    >>> y = (x * x).sum()
    >>> y.backward()
    >>> x.grad
    array([2., 4.])
    """

    __slots__ = (
        "__weakref__", "_array", "_node", "_requires_grad",
        "changed", "cut", "folded", "grad", "name",
    )  # fmt: skip

    learned: ClassVar[bool] = False  # True for the Parameters of modules
    _array: Array
    _requires_grad: bool
    _node: Node | None
    grad: Array | None
    name: str | None
    changed: int
    cut: weakref.ref[Tensor] | None
    folded: Callable[[], None] | None  # writes out the lines that `_node` stands for

    def __init__(
        self,
        data: ArrayLike,
        requires_grad: bool = False,
        name: str | None = None,
        *,
        dtype: DTypeLike | None = None,
    ) -> None:
        if isinstance(data, Tensor):
            raise TypeError("this is a Tensor already: use it as it is, or its values, .numpy()")
        if isinstance(data, np.ma.MaskedArray):
            raise TypeError("a masked array would lose its mask: use .filled(value), and tg.where")
        array = np.array(data, dtype=dtype)
        demand_numbers(array)
        self._array = array
        self._node = self.grad = self.cut = self.folded = None
        self.name = name
        self.changed = 0
        self._requires_grad = False
        self.requires_grad = requires_grad

    # ------------------------------------------------------------ what it holds
    @property
    def data(self) -> Array:
        """The array. Assigning replaces it; graphs that recorded the old one then refuse."""
        return self._array

    @data.setter
    def data(self, value: ArrayLike) -> None:
        array = np.asarray(raw(value))
        demand_like(array, self)
        self.changed = next(_clock)
        if array is self._array:  # `x.data -= 1` has written into it
            writes.note(self)
        self._array = array.astype(self.dtype, copy=False)

    @property
    def node(self) -> Node | None:
        """How it was made: a line of the recorded program, or None for a leaf."""
        write_out = self.folded
        if write_out is not None:
            write_out()
        return self._node

    @property
    def requires_grad(self) -> bool:
        """Whether the backward walk goes towards this tensor."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        demand_switchable(self, value)
        if value and not self._requires_grad:
            self._node = None  # a leaf from here on: it forgets the constants that it was made of
        self._requires_grad = bool(value)

    @property
    def label(self) -> str:
        """The name, or what it was made by; for messages."""
        if self.name is not None:
            return f"{self.name!r}"
        made = "a tensor" if self.node is None else f"the result of {self.node.op.name}"
        return f"{made} of shape {self.shape}"

    def detach(self) -> Tensor:
        """The same values (and array) with no memory: gradients stop here."""
        out = _result(self._array, None, False)
        out.cut = weakref.ref(self) if self._requires_grad else self.cut  # cut twice is cut
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

    def __reduce__(self) -> Any:
        """Leaves can be pickled and copied; a result is a place in a graph."""
        if self.node is not None:
            raise TypeError(f"{self.label} is part of a graph: keep .detach() or .numpy() of it")
        return _restored, (type(self), self._array, self._requires_grad, self.name, self.grad)


def _restored(kind: type[Tensor], data: Array, needed: bool, name: str, grad: Any) -> Tensor:
    """A leaf from its pickle; the clock of another process means nothing here."""
    tensor = kind(data, needed, name)
    tensor.grad = grad
    return tensor


def _result(data: Array, node: Node | None, requires_grad: bool) -> Tensor:
    """A Tensor around an array that is known to be good, without a copy."""
    out = Tensor.__new__(Tensor)
    out._array = data
    out._node = node
    out._requires_grad = requires_grad
    out.grad = out.name = out.cut = out.folded = None
    out.changed = 0
    return out


# ---------------------------------------------------------------- the operations that record
PRIMITIVES: dict[str, Primitive] = {}  # by name, filled by ops.py


class Primitive:
    """An operation that is recorded: a NumPy function, and one gradient rule per input.

    A rule is `rule(g, out, *inputs, **attrs)`: `g` is dL/d(out), and the result dL/d(this input),
    in any shape that broadcasting could have made of the input's (the walk sums it back). Rules see
    plain arrays in `backward()` and Tensors under `create_graph=True`, so they use operators,
    array methods and primitives only: a mask is `greater(x, y)`, `equal(x, y)`, ..., not `x > y`.

    >>> cube = Primitive(lambda x: x**3, name="cube").gradients(lambda g, out, x: 3 * g * x * x)
    >>> x = Tensor(2.0, requires_grad=True)
    >>> cube(x).backward()
    >>> x.grad
    array(12.)
    """

    declared: ClassVar[int] = 0  # how often rules were given: programs of older ones are outdated

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
        if len(rules) > self.arity:
            raise TypeError(f"{self.name} has {self.arity} inputs; given {len(rules)} rules")
        Primitive.declared += 1
        self.rules = rules
        self.each = each
        self.covers = -1 if None in rules else len(rules)
        return self

    def pull(self, i: int, g: Any, out: Any, inputs: Sequence[Any], attrs: dict[str, Any]) -> Any:
        """dL/d(input i), by its rule, from g = dL/d(out)."""
        if self.each is not None:
            return self.each(i, g, out, inputs, **attrs)
        return self.rules[i](g, out, *inputs, **attrs)  # type: ignore[misc]

    def puller(self) -> Callable[..., Any]:
        """`pull` for one visit of a node: a hand-written `backward` is called once for all i."""
        if self.backward is None:
            return self.pull
        found: list[Any] = []

        def pull(i: int, g: Any, out: Any, inputs: Sequence[Any], attrs: dict[str, Any]) -> Any:
            if not found:
                if type(g) is np.ndarray:  # it may be somebody else's gradient too
                    g = g.view()
                    g.flags.writeable = False
                grads = self.backward(g, *inputs, **attrs)  # type: ignore[misc]
                found.extend(one_for_each(inputs, grads, self))
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
                x = x._array
            elif not is_plain(x):
                return self(*map(plain_operand, inputs), **attrs)
            arrays.append(x)
        data = self.forward(*arrays, **attrs) if attrs else self.forward(*arrays)
        if not found:
            return data
        if type(data) is not np.ndarray:
            data = np.asarray(data)
        recording, scope, watching = mode.get()
        if not recording:
            return _result(data, None, False)
        if needed and (data.dtype.kind not in "fc" or len(inputs) != self.covers):
            needed = has_gradient(data, self, inputs)
        node = Node()
        node.op = self
        node.inputs = inputs
        node.values = tuple(arrays)
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
            one gradient per input (a single array for a single input). It must not write into g.
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


def rename(old: Any, new: Any) -> None:
    """Give the name of one Tensor to another, which stands for it from here on."""
    if isinstance(old, Tensor) and isinstance(new, Tensor):
        old.name, new.name = None, old.name


def label(**tensors: Any) -> None:
    """Name Tensors that have no name yet, for listings and drawings: `label(i=i, f=f)`."""
    for name, tensor in tensors.items():
        if isinstance(tensor, Tensor) and tensor.name is None:
            tensor.name = name
