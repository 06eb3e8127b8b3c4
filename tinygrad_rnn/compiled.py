"""The recorded program, written out as a Python function that calls NumPy and records nothing.

What does recording cost? Record a function once, backward pass included; write down the lines that
were recorded, one NumPy call each; run those. It is the same arithmetic in the same order, without
Tensors, nodes or a walk, and it can be read: `run.source`.

A line is written once for equal operands (`weight.T` at every step is one transpose), and a value
is forgotten after its last use.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Any

import numpy as np

from .arraylike import Array, raw
from .program import Graph, Line
from .tensor import Tensor

RECORDINGS = 6  # a mask of one entry is the same in all of them by chance 1 time in 32


class Compiled:
    """A recorded program as a function of arrays; made by `compile`.

    Attributes:
        source: the Python text of the function.
        constants: what the text names but does not contain, by name: functions and arrays.
    """

    def __init__(self, source: str, constants: dict[str, Any], inputs: Sequence[Array]) -> None:
        self.source = source
        self.constants = constants
        self._expected = [(x.shape, x.dtype) for x in inputs]
        namespace = dict(constants)
        exec(source, namespace)
        self._function: Callable[..., Any] = namespace["program"]

    def __call__(self, *inputs: Any) -> Any:
        """The results at these inputs (arrays or Tensors of the recorded shapes), as arrays."""
        arrays = [np.asarray(raw(x)) for x in inputs]
        given = [(x.shape, x.dtype) for x in arrays]
        if given != self._expected:
            wanted, got = (
                ", ".join(f"{d}{s}" for s, d in some) for some in (self._expected, given)
            )
            raise ValueError(
                f"this program was compiled for inputs {wanted}; given {got}:"
                " compile the function again for other shapes"
            )
        results = self._function(*arrays)
        many = type(results) is tuple
        return tuple(map(np.asarray, results)) if many else np.asarray(results)

    def __repr__(self) -> str:
        return f"<compiled program of {self.source.count(' = ')} operations>"


def compile(f: Callable[..., Any], *inputs: Tensor) -> Compiled:
    """Record f once, and give a function that runs the same NumPy calls and records nothing.

    What f does beside recorded operations (loops, branches, indices, masks, random numbers, other
    Tensors) is fixed as it was in the recording. So that nothing depends on values unseen, f is
    recorded again at random values, and refused if its program is another one there.

    Args:
        f: a function of Tensors that gives a Tensor, or a tuple or list of them. It may call
            `tg.grad(..., create_graph=True)`: the backward pass is then part of the program.
        inputs: Tensors to record with; of the shapes, dtypes and `requires_grad` to be used.

    Returns:
        a `Compiled`: call it with arrays or Tensors; it gives an array where f gives a Tensor, and
        a tuple of arrays where f gives several. The results may share memory with the inputs.

    Raises:
        TypeError: if an input is no Tensor, or f gives something else than Tensors.
        ValueError: if the program depends on the values of the inputs.

    >>> from tinygrad_rnn import grad, tanh
    >>> def slope(x):
    ...     return grad(tanh(x), x, create_graph=True)
    >>> run = compile(slope, Tensor(0.5, requires_grad=True))
    >>> print(run.source)
    def program(v0):
        v1 = tanh(v0)
        v2 = v1 * v1
        del v1
        v3 = 1 - v2
        del v2
        v4 = one * v3
        return v4
    >>> round(float(run(2.0)), 12)
    0.070650824853
    """
    for k, x in enumerate(inputs):
        if not isinstance(x, Tensor):
            raise TypeError(
                f"input {k} of compile is a {type(x).__name__}: give Tensors; what is the same at"
                " every call, f can hold itself"
            )
    leaves, outputs, many = _recorded(f, inputs, [x.data for x in inputs])
    program = _Program(Graph(*leaves, *outputs), leaves)
    program.demand_used(inputs)
    rng = np.random.default_rng(0)
    for k in range(RECORDINGS - 1):
        arrays = [_other_values(x.data, k, rng) for x in inputs]
        with np.errstate(all="ignore"):  # other values may lie outside of f's domain
            others, results, _ = _recorded(f, inputs, arrays)
        program.demand_same(_Program(Graph(*others, *results), others))
    source = program.written(outputs, many)
    return Compiled(source, program.constants, [x.data for x in inputs])


def _recorded(
    f: Callable[..., Any], inputs: Sequence[Tensor], arrays: Sequence[Array]
) -> tuple[list[Tensor], list[Tensor], bool]:
    """(leaves with these values, the outputs of f, whether it gives several)."""
    leaves = [
        Tensor(a, requires_grad=x.requires_grad, name=x.name)
        for x, a in zip(inputs, arrays, strict=True)
    ]
    found = f(*leaves)
    many = isinstance(found, (tuple, list))
    outputs = list(found) if many else [found]
    for y in outputs:
        if not isinstance(y, Tensor):
            raise TypeError(f"a compiled function gives Tensors; this one gave {type(y).__name__}")
    return leaves, outputs, many


def _other_values(x: Array, k: int, rng: np.random.Generator) -> Array:
    """Values of the other sign first, then random ones: masks and branches show themselves."""
    if x.dtype.kind not in "fc":
        return rng.permutation(x.ravel()).reshape(x.shape)
    if k == 0:
        return -x
    return (rng.standard_normal(x.shape) * (np.std(x) + np.abs(np.mean(x)) or 1)).astype(x.dtype)


# ---------------------------------------------------------------- from lines to text
class _Program:
    """The lines of a graph, and the names under which the text speaks of them."""

    def __init__(self, graph: Graph, leaves: Sequence[Tensor]) -> None:
        self.graph = graph
        self.constants: dict[str, Any] = {}
        self._names: dict[int, str] = {}  # of objects that the text names
        self._inputs = {graph.number(x): f"v{k}" for k, x in enumerate(leaves)}

    def demand_used(self, inputs: Sequence[Tensor]) -> None:
        """Raise for whole numbers that no line takes: f read them, and they would be frozen."""
        used = {k for line in self.graph.nodes for k in line.inputs}
        for n, x in zip(self._inputs, inputs, strict=True):
            if n not in used and x.dtype.kind not in "fc":
                raise ValueError(
                    f"{x.label}, an input of whole numbers, is used by no recorded operation: as"
                    " an index or a class it would be frozen. Let f hold it, or give one_hot of it"
                )

    def demand_same(self, other: _Program) -> None:
        """Raise at the first line that is another one in the other recording."""
        pairs = zip(self.graph.nodes, other.graph.nodes)
        differing = next((a for a, b in pairs if not self._same(a, b)), None)
        if differing is None and len(self.graph) == len(other.graph):
            return
        what = "its length" if differing is None else f"line {_described(differing)}"
        raise ValueError(
            f"this function records another program for other values ({what} differs): a mask, an"
            " index, a branch or a random number that was not recorded would be frozen. Write it"
            " with recorded operations (tg.where, tg.greater, ...), or run the function as it is"
        )

    def _same(self, a: Line, b: Line) -> bool:
        if (a.op, a.inputs, a.shape) != (b.op, b.inputs, b.shape):
            return False
        if a.op is None and a.number not in self._inputs:
            return _equal(a.value, b.value)
        return _equal(a.attrs, b.attrs)

    def written(self, outputs: Sequence[Tensor], many: bool) -> str:
        """The text of the function, its constants collected on the way."""
        names, statements = self._statements()
        results = [names[self.graph.number(y)] for y in outputs]
        last: dict[str, int] = {}
        for k, (_, _, operands) in enumerate(statements):
            last.update(dict.fromkeys(operands, k))
        kept = {*results, *self._inputs.values()}
        rows = [f"def program({', '.join(self._inputs.values())}):"]
        for k, (name, expression, operands) in enumerate(statements):
            rows.append(f"    {name} = {expression}")
            dead = [x for x in dict.fromkeys(operands) if last[x] == k and x not in kept]
            rows += [f"    del {', '.join(dead)}"] if dead and k + 1 < len(statements) else []
        gives = f"({', '.join(results)},)" if many else results[0]
        return "\n".join([*rows, f"    return {gives}"])

    def _statements(self) -> tuple[dict[int, str], list[tuple[str, str, list[str]]]]:
        """The name of each line, and (name, expression, operands) of each that is computed."""
        names = dict(self._inputs)
        computed: dict[Any, str] = {}
        statements = []
        fresh = (f"v{k}" for k in count(len(names)))
        for line in self.graph.nodes:
            if line.number in names:
                continue
            if line.op is None:
                names[line.number] = self._constant(line.value, line.name or "")
                continue
            operands = [names[k] for k in line.inputs]
            expression = self._expression(line, operands)
            if expression not in computed:
                computed[expression] = next(fresh)
                own = [x for x in operands if x.startswith("v")]
                statements.append((computed[expression], expression, own))
            names[line.number] = computed[expression]
        return names, statements

    def _expression(self, line: Line, operands: list[str]) -> str:
        """One line as Python writes it: `v3 * v4`, `v7[:, 0:32]`, `tanh(v8)`."""
        op = str(line.op)
        if op in _INFIX:
            return f" {_INFIX[op]} ".join(operands)
        if op == "negative":
            return f"-{operands[0]}"
        if op == "split":
            start, stop, axis = (line.attrs[key] for key in ("start", "stop", "axis"))
            return f"{operands[0]}[{':, ' * axis}{start}:{stop}]"
        if op == "matmul" and all(len(self.graph.nodes[k].shape) == 2 for k in line.inputs):
            return " @ ".join(operands)
        if op == "scatter" and (order := _tiled(line.attrs["items"], line.shape)) is not None:
            axis = len(line.attrs["items"][0]) - 1
            joined = self._constant(np.concatenate, "concatenate")
            return f"{joined}(({', '.join(operands[k] for k in order)}), axis={axis})"
        if op == "getitem" and (index := _index_text(line.attrs["index"])) is not None:
            return f"{operands[0]}[{index}]"
        assert line.tensor is not None and line.tensor.node is not None
        forward = self._constant(line.tensor.node.op.forward, op)
        metadata = [f"{key}={self._metadata(value, key)}" for key, value in line.attrs.items()]
        return f"{forward}({', '.join(operands + metadata)})"

    def _metadata(self, value: Any, name: str) -> str:
        plain = (int, bool, str, type(None))
        simple = isinstance(value, plain) or (
            isinstance(value, tuple) and all(isinstance(v, plain) for v in value)
        )
        return repr(value) if simple else self._constant(value, name)

    def _constant(self, value: Any, name: str) -> str:
        """A number as it is written; anything else under a name of its own."""
        if type(value) in (int, float) and np.isfinite(value):
            return f"({value!r})" if value < 0 else repr(value)
        if id(value) not in self._names:
            base = "".join(c if c.isalnum() else "_" for c in name) or "constant"
            if isinstance(value, np.ndarray) and value.shape == () and value == 1:
                base = "one"
            base = f"c_{base}" if base[0] == "v" or not base.isidentifier() else base
            called = next(n for n in _variants(base) if n not in self.constants)
            self._names[id(value)] = called
            self.constants[called] = value
        return self._names[id(value)]


_INFIX = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/"}


def _variants(base: str) -> Iterator[str]:
    yield base
    yield from (f"{base}_{k}" for k in count(2))


def _index_text(index: Any) -> str | None:
    """An index as it stands in brackets; None if it holds an array."""
    if isinstance(index, tuple):
        parts = [_index_text(part) for part in index]
        return None if None in parts or not parts else ", ".join(map(str, parts))
    if isinstance(index, slice):
        ends = ["" if end is None else repr(end) for end in (index.start, index.stop)]
        return ":".join(ends + ([] if index.step is None else [repr(index.step)]))
    return repr(index) if type(index) in (int, type(None)) else "..." if index is ... else None


def _tiled(items: Sequence[Any], shape: tuple[int, ...]) -> list[int] | None:
    """The order in which slices along one axis make up the whole of it; None if they do not.

    The gradients of the parts of a split can then be joined, and need not be added to zeros.
    """
    whole = slice(None)
    if len(items) < 2 or any(type(x) is not tuple or type(x[-1]) is not slice for x in items):
        return None
    if any(x[:-1] != (whole,) * (len(items[0]) - 1) or x[-1].step is not None for x in items):
        return None
    axis = len(items[0]) - 1
    order = sorted(range(len(items)), key=lambda k: items[k][-1].indices(shape[axis]))
    ends = [items[k][-1].indices(shape[axis])[:2] for k in order]
    joined = all(a[1] == b[0] for a, b in zip(ends, ends[1:]))
    return order if joined and ends[0][0] == 0 and ends[-1][1] == shape[axis] else None


def _equal(a: Any, b: Any) -> bool:
    """Whether two constants or two sets of metadata are the same, arrays entry by entry."""
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return np.array_equal(a, b, equal_nan=np.asarray(a).dtype.kind in "fc")
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_equal(a[key], b[key]) for key in a)
    if isinstance(a, (tuple, list)):
        return len(a) == len(b) and all(map(_equal, a, b))
    return type(a) is type(b) and (a == b or a != a)


def _described(line: Line) -> str:
    made = f"n{line.number} = {line.op}" if line.op is not None else f"n{line.number}, a constant"
    place = " / ".join(map(str, line.scope))
    return f"{made} in {place}" if place else made
