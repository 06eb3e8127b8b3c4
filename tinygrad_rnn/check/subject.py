"""What is checked, behind one interface: a function of plain arrays, and the gradient it claims.

`TensorFunction`: the engine walks back. `Pair`: a hand-written backward does. `GradientOf`: the
gradient of a TensorFunction is a function too; to check it is to check second derivatives.

Read next: `setting.py`, `oracle.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..arraylike import Array, raw
from ..derivatives import grad
from ..graph import ancestors
from ..modes import enable_grad, no_grad
from ..tensor import PRIMITIVES, Primitive, Tensor

Walk = Callable[[list[Array]], Any]


class Run(NamedTuple):
    """One forward pass: its results, the inputs as f holds them, and the walk back from it."""

    outputs: list[Array]
    held: list[Any]
    walk: Walk  # one g for each output -> what the backward gives, one entry for each input


class Call(NamedTuple):
    """One call of a primitive."""

    op: Primitive
    operands: list[Any]
    attrs: dict[str, Any]


class Subject(ABC):
    """A function of plain arrays, complex ones too (`values`), and its claimed gradient (`run`)."""

    name: str
    own_arrays: bool  # is the backward somebody's own code, which may return what it should copy?

    @abstractmethod
    def values(self, inputs: Sequence[Any]) -> list[Array]:
        """f(inputs), one array for each output."""

    @abstractmethod
    def run(self, inputs: Sequence[Any]) -> Run:
        """f(inputs), ready to walk back."""


def subject_of(f: Any) -> Subject:
    """A Subject for what the user passed as `f`.

    Raises:
        TypeError: for what is neither a function nor a pair of functions.
    """
    if isinstance(f, (tuple, list)) and len(f) == 2 and callable(f[0]) and callable(f[1]):
        return Pair(*f)
    if not callable(f):
        raise TypeError(
            f"gradcheck takes a function of Tensors, or a pair (forward, backward) of NumPy"
            f" functions; given: {f!r:.80}"
        )
    return TensorFunction(f)


class TensorFunction(Subject):
    """f takes Tensors and gives Tensors: what is checked is the engine and its rules."""

    own_arrays = False

    def __init__(self, f: Callable[..., Any]) -> None:
        self.f = f
        self.name = title(f)
        self._records = False  # whether f calls tg.grad itself, so that its values need a graph
        self.own: list[Call] | None = None  # of primitives that are not the package's, at first

    def values(self, inputs: Sequence[Any]) -> list[Array]:
        if self._records or self.own is None:
            _, ys = self.graph(inputs)
            self.own = _own_calls(ys) if self.own is None else self.own
            return [y.data for y in ys]
        try:
            with no_grad():
                return [y.data for y in self._apply([_tensor(x, False) for x in inputs])]
        except RuntimeError:
            found = [y.data for y in self.graph(inputs)[1]]
            self._records = True
            return found

    def run(self, inputs: Sequence[Any]) -> Run:
        xs, ys = self.graph(inputs)
        return Run([y.data for y in ys], [raw(x) for x in xs], lambda gs: pull(ys, xs, gs))

    def graph(self, inputs: Sequence[Any]) -> tuple[list[Any], list[Tensor]]:
        """(inputs as leaves, outputs), recorded."""
        xs = [_tensor(x, True) for x in inputs]
        with enable_grad():
            return xs, self._apply(xs)

    def _apply(self, xs: list[Any]) -> list[Tensor]:
        result = self.f(*xs)
        ys = list(result) if isinstance(result, (tuple, list)) else [result]
        for y in ys:
            if not isinstance(y, Tensor):
                raise TypeError(
                    f"{self.name} returned a {type(y).__name__}: it must return one Tensor or a"
                    " tuple of Tensors. For plain NumPy functions pass a pair (forward, backward)"
                )
        return ys


def _own_calls(ys: Sequence[Tensor]) -> list[Call]:
    """What the user's primitives were called with."""
    nodes = [out.node for out in ancestors(ys) if out.node is not None]
    return [
        Call(node.op, [raw(x) for x in node.inputs], node.attrs)
        for node in nodes if PRIMITIVES.get(node.op.name) is not node.op
    ]  # fmt: skip


def _tensor(x: Any, requires_grad: bool) -> Any:
    """A Tensor around a floating array; anything else (indices, lengths) as it was given."""
    return Tensor(x, requires_grad) if is_floating(x) else x


def is_floating(x: Any) -> bool:
    """Whether x is an array that has derivatives: the inputs made ready by `gradcheck`."""
    return isinstance(x, np.ndarray) and x.dtype.kind in "fc"


def pull(ys: Sequence[Tensor], xs: Sequence[Any], gs: Sequence[Any]) -> list[Any]:
    """dL/dx for each x, with L = sum_k <g_k, y_k>; None for what no walk reaches."""
    return [raw(g) for g in walk_back(ys, xs, gs, create_graph=False)]


def walk_back(
    ys: Sequence[Tensor], xs: Sequence[Any], gs: Sequence[Any], *, create_graph: bool
) -> list[Tensor | None]:
    """`pull`, in Tensors: one walk, from the output or from the sum over the outputs."""
    pairs = [(y, g) for y, g in zip(ys, gs, strict=True) if y.requires_grad]
    leaves = [x for x in xs if isinstance(x, Tensor) and x.requires_grad]
    if not pairs:
        return [None for _ in xs]
    output, seed = pairs[0]
    if len(pairs) > 1:
        with enable_grad():
            output, seed = sum(((y * g).sum() for y, g in pairs[1:]), (output * seed).sum()), None
    found = grad(output, leaves, seed, create_graph=create_graph, allow_unused=True)
    of_leaf = dict(zip(leaves, found, strict=True))
    return [of_leaf.get(x) if isinstance(x, Tensor) else None for x in xs]


class Pair(Subject):
    """Two NumPy functions, forward(*inputs) and backward(g, *inputs): an exercise, a custom op."""

    own_arrays = True

    def __init__(self, forward: Callable[..., Any], backward: Callable[..., Any]) -> None:
        self.forward, self.backward = forward, backward
        self.name = title(forward)
        self._last: list[Any] | None = None  # the inputs of the run that forward was last called in

    def values(self, inputs: Sequence[Any]) -> list[Array]:
        return [np.array(y) for y in self.results(inputs)]

    def results(self, inputs: Sequence[Any]) -> list[Any]:
        """What the forward gives, as it gives it: arrays of whatever kind."""
        self._last = None
        return self._outputs(self.forward(*copied(inputs)))

    def run(self, inputs: Sequence[Any]) -> Run:
        held = copied(inputs)
        result = self.forward(*held)
        self._last = held
        many = isinstance(result, (tuple, list))
        outputs = [np.array(y) for y in self._outputs(result)]

        def walk(gs: list[Array]) -> Any:
            if self._last is not held:  # a layer keeps what its backward needs of the last forward
                self.forward(*held)
                self._last = held
            try:
                return self.backward(tuple(gs) if many else gs[0], *held)
            except Exception as error:
                shapes = ", ".join(str(np.shape(x)) for x in held)
                error.add_note(
                    f"gradcheck called backward(g, *inputs) with g of shape"
                    f" {', '.join(str(g.shape) for g in gs)} and inputs of shapes {shapes}"
                )
                raise

        return Run(outputs, held, walk)

    def _outputs(self, result: Any) -> list[Any]:
        ys = list(result) if isinstance(result, (tuple, list)) else [result]
        for y in ys:
            if isinstance(y, Tensor) or np.asarray(y).dtype.kind not in "biufc":
                raise TypeError(
                    f"the forward {self.name} returned a {type(y).__name__}: the forward of a pair"
                    " takes and returns plain arrays. For a function of Tensors pass it alone"
                )
        return ys


class GradientOf(Subject):
    """G(x, g) = J(x)^T g, the gradient of a TensorFunction as a function of f's inputs and of g.

    Its values come from the plain walk, so the complex step of it is the complex step of the
    backward pass; its claimed gradient is a walk through a recorded walk (`create_graph=True`).
    """

    own_arrays = False

    def __init__(
        self, inner: TensorFunction, checked: Sequence[int], outputs: Sequence[int]
    ) -> None:
        self.inner, self.checked, self.outputs = inner, list(checked), list(outputs)
        self.name = f"gradient of {inner.name}"

    def values(self, inputs: Sequence[Any]) -> list[Array]:
        _, _, grads = self._gradients(inputs, create_graph=False)
        return [g.data for g in grads]

    def run(self, inputs: Sequence[Any]) -> Run:
        xs, gs, grads = self._gradients(inputs, create_graph=True)
        leaves = [*xs, *gs]
        held = [raw(x) for x in leaves]
        return Run([g.data for g in grads], held, lambda ws: pull(grads, leaves, ws))

    def _gradients(
        self, inputs: Sequence[Any], *, create_graph: bool
    ) -> tuple[list[Any], list[Tensor], list[Tensor]]:
        """(x as leaves, g as leaves, J(x)^T g for each checked x)."""
        n = len(inputs) - len(self.outputs)
        xs, ys = self.inner.graph(inputs[:n])
        gs = [Tensor(g, requires_grad=True) for g in inputs[n:]]
        seeds = gs if create_graph else [g.data for g in gs]
        found = walk_back([ys[k] for k in self.outputs], xs, seeds, create_graph=create_graph)
        grads = [found[i] for i in self.checked]
        zeros = [Tensor(np.zeros_like(raw(xs[i]))) for i in self.checked]
        return xs, gs, [z if g is None else g for g, z in zip(grads, zeros, strict=True)]


def copied(inputs: Sequence[Any]) -> list[Any]:
    """The inputs with their arrays copied: what f does to them stays with f."""
    return [x.copy() if isinstance(x, np.ndarray) else x for x in inputs]


def title(f: Any) -> str:
    """A function's name for messages."""
    name = getattr(f, "__name__", type(f).__name__)
    return "f" if name == "<lambda>" else str(name)
