"""The recorded program, written out as a Python function that calls NumPy and records nothing.

What does recording cost? Record a function once, backward pass included; write down the lines that
were recorded, one NumPy call each; run those. It is the same arithmetic in the same order, without
Tensors, nodes or a walk, and it can be read: `run.source`.

A line is written once for equal operands (`weight.T` at every step is one transpose), the parts of
a split are joined and not added to zeros, and a value is forgotten after its last use.
"""

from __future__ import annotations

import functools
import keyword
import math
import re
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from itertools import count, pairwise
from typing import Any, NamedTuple

import numpy as np

from .arraylike import Array, raw
from .guards import refuse_changed
from .modes import enable_grad, line_by_line
from .program import Graph, Line
from .tensor import PRIMITIVES, Node, Tensor

SCALES = (1.0, 1.0, 1e-3, 1e3, 0.0)  # of the random values at which f is recorded again


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
        self._function: Callable[..., Any] = namespace.pop("program")

    def __call__(self, *inputs: Any) -> Any:
        """The results at these inputs (arrays or Tensors of the recorded shapes), as new arrays."""
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
        return tuple(map(np.array, results)) if many else np.array(results)

    def __repr__(self) -> str:
        return f"<compiled program of {self.source.count(' = ')} operations>"


def compile(f: Callable[..., Any], *inputs: Tensor) -> Compiled:
    """Record f once, and give a function that runs the same NumPy calls and records nothing.

    What f does beside recorded operations (loops, branches, indices, masks, random numbers, what
    it holds) is fixed as it was in the recording. f is run at six more sets of values, of both
    signs and of several scales, and refused if it records another program at one of them; a branch
    that none of them takes is not seen. So f has no effect on anything but its result.

    Args:
        f: a function of Tensors that gives a Tensor, or a tuple or list of them. It may call
            `tg.grad(..., create_graph=True)`: the backward pass is then part of the program.
        inputs: Tensors of floating numbers to record with, of the shapes, dtypes and
            `requires_grad` to be used. Whole numbers (indices, classes) are held by f itself.

    Returns:
        a `Compiled`: call it with arrays or Tensors; it gives an array where f gives a Tensor, and
        a tuple of arrays where f gives several. They are new arrays, equal to what the recorded
        function gives up to the sign of a zero.

    Raises:
        TypeError: if an input is no Tensor of floating numbers, or f gives something else.
        ValueError: if f records another program for other values, or calls `backward()`.
        RuntimeError: if f, or somebody before it, replaced an array that was recorded.

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
        if not isinstance(x, Tensor) or x.dtype.kind not in "fc":
            what = f"a {type(x).__name__}" if not isinstance(x, Tensor) else f"of {x.dtype}"
            raise TypeError(
                f"input {k} of compile is {what}: give Tensors of floating numbers; indices, and"
                " what is the same at every call, f holds itself"
            )
    program = _recorded(f, inputs, [x.data for x in inputs])
    rng = np.random.default_rng(0)
    others = [[-x.data for x in inputs]]
    others += [[_random(x.data, scale, rng) for x in inputs] for scale in SCALES]
    for arrays in others:
        with np.errstate(all="ignore"):  # other values may lie outside of f's domain
            try:
                other = _recorded(f, inputs, arrays)
            except Exception as error:
                error.add_note("compile ran f at other values: its program may not depend on them")
                raise
        program.demand_same(other)
    return Compiled(program.written(), program.constants, [x.data for x in inputs])


@enable_grad()
@line_by_line()
def _recorded(f: Callable[..., Any], inputs: Sequence[Tensor], arrays: Sequence[Array]) -> Program:
    """The program that f records for leaves like the inputs, with these values."""
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
    if not outputs:
        raise TypeError("a compiled function gives at least one Tensor; this one gave none")
    for x in leaves:
        if x.grad is not None or x.changed:
            raise ValueError(
                f"the function called backward() or replaced the data of {x.label}: that is no"
                " part of a program. Return tg.grad(..., create_graph=True), and new Tensors"
            )
    return Program(Graph(*leaves, *outputs), leaves, outputs, many)


def _random(x: Array, scale: float, rng: np.random.Generator) -> Array:
    """Normal numbers of the size of x's, times the scale."""
    finite = np.abs(x[np.isfinite(x)])
    size = scale * (finite.mean() if finite.size and finite.any() else 1.0)
    values = rng.standard_normal(x.shape) * size
    if x.dtype.kind == "c":
        values = values + 1j * size * rng.standard_normal(x.shape)
    return values.astype(x.dtype)


# ---------------------------------------------------------------- from lines to text
class Statement(NamedTuple):
    """`name = expression`, the results that it uses, and the line that it came from."""

    name: str
    expression: str
    operands: list[str]
    line: Line


class Program:
    """The lines of a graph, and the names under which the text speaks of them."""

    def __init__(
        self, graph: Graph, leaves: Sequence[Tensor], outputs: Sequence[Tensor], many: bool
    ) -> None:
        self.graph = graph
        self.results = [graph.number(y) for y in outputs]
        self.many = many
        self.constants: dict[str, Any] = {}
        self._names: dict[int, str] = {}  # of objects that the text names, by id
        self._held: list[Any] = []  # these objects: an id is good while its object lives
        self._inputs = {graph.number(x): f"v{k}" for k, x in enumerate(leaves)}
        for line in graph.nodes:
            if line.op is not None:
                refuse_changed(line.tensor, _node(line))

    def demand_same(self, other: Program) -> None:
        """Raise at the first line that is another one in the other recording."""
        pairs = zip(self.graph.nodes, other.graph.nodes)
        differing = next((a for a, b in pairs if not self._same(a, b)), None)
        ends = (len(self.graph), self.results, self.many)
        if differing is None and ends == (len(other.graph), other.results, other.many):
            return
        what = "what it gives" if differing is None else f"line {_described(differing)}"
        raise ValueError(
            f"this function records another program for other values ({what} differs): a mask, an"
            " index, a branch, a random number, or what comes from detach() or no_grad() would be"
            " frozen. Write it with recorded operations (tg.where, tg.greater, ...), or run the"
            " function as it is"
        )

    def _same(self, a: Line, b: Line) -> bool:
        if (a.op, a.inputs, a.shape) != (b.op, b.inputs, b.shape):
            return False
        if a.op is None:
            return a.number in self._inputs or _equal(a.value, b.value)
        return _node(a).op is _node(b).op and _equal(a.attrs, b.attrs)

    def written(self) -> str:
        """The text of the function, its constants collected on the way."""
        names, statements = self.statements()
        results = [names[n] for n in self.results]
        gives = f"({', '.join(results)},)" if self.many else results[0]
        return function_text("program", list(self._inputs.values()), statements, results, gives)

    def statements(self) -> tuple[dict[int, str], list[Statement]]:
        """The name of each line, and what computes each that is computed."""
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
            ours = _node(line).op is PRIMITIVES.get(str(line.op))
            expression = self._expression(line, operands) if ours else self._call(line, operands)
            name = computed.get(expression) or next(fresh)
            if expression not in computed:
                own = [x for x in operands if x.startswith("v")]
                statements.append(Statement(name, expression, own, line))
            if ours:  # somebody else's operation may be another one each time
                computed[expression] = name
            names[line.number] = name
        return names, statements

    def _expression(self, line: Line, operands: list[str]) -> str:
        """A line of ours as Python writes it: `v3 * v4`, `v7[:, 0:32]`, `tanh(v8)`."""
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
        return self._call(line, operands)

    def _call(self, line: Line, operands: list[str]) -> str:
        """A line as a call of its forward function."""
        op = _node(line).op
        ours = op is PRIMITIVES.get(op.name)
        forward = self._constant(op.forward if ours else _with_arrays(op.forward), op.name)
        metadata = [f"{key}={self._metadata(value, key)}" for key, value in line.attrs.items()]
        return f"{forward}({', '.join(operands + metadata)})"

    def _metadata(self, value: Any, name: str) -> str:
        plain = (int, bool, str, type(None))
        simple = type(value) in plain or (
            type(value) is tuple and all(type(v) in plain for v in value)
        )
        return repr(value) if simple else self._constant(value, name)

    def _constant(self, value: Any, name: str) -> str:
        """A number as it is written; anything else under a name of its own."""
        if type(value) is int or (type(value) is float and math.isfinite(value)):
            return f"({value!r})" if value < 0 else repr(value)
        if id(value) not in self._names:
            if isinstance(value, np.ndarray) and value.shape == () and value == 1:
                name = "one"
            base = re.sub(r"\W", "_", name, flags=re.ASCII) or "constant"
            taken = keyword.iskeyword(base) or base == "program" or base[0] in "v0123456789"
            base = f"c_{base}" if taken else base
            called = next(n for n in _variants(base) if n not in self.constants)
            self._names[id(value)] = called
            self._held.append(value)
            self.constants[called] = deepcopy(value)  # nobody else can change it
        return self._names[id(value)]


def function_text(
    name: str,
    inputs: Sequence[str],
    statements: Sequence[Statement],
    results: Sequence[str],
    gives: str,
) -> str:
    """A Python function of these statements, in which a value is forgotten after its last use."""
    last: dict[str, int] = {}
    for k, statement in enumerate(statements):
        last.update(dict.fromkeys(statement.operands, k))
    kept = {*results, *inputs}
    rows = [f"def {name}({', '.join(inputs)}):"]
    for k, statement in enumerate(statements):
        rows.append(f"    {statement.name} = {statement.expression}")
        dead = [x for x in dict.fromkeys(statement.operands) if last[x] == k and x not in kept]
        rows += [f"    del {', '.join(dead)}"] if dead and k + 1 < len(statements) else []
    return "\n".join([*rows, f"    return {gives}"])


_INFIX = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/"}


def _node(line: Line) -> Node:
    assert line.tensor is not None and line.tensor.node is not None
    return line.tensor.node


@functools.cache
def _with_arrays(forward: Callable[..., Any]) -> Callable[..., Any]:
    """Somebody else's forward, with arrays in and out, as recording calls it."""

    def called(*inputs: Any, **attrs: Any) -> Array:
        arrays = [np.asarray(x) if isinstance(x, np.generic) else x for x in inputs]
        return np.asarray(forward(*arrays, **attrs))

    return called


def _variants(base: str) -> Iterator[str]:
    yield base
    yield from (f"{base}_{k}" for k in count(2))


def _index_text(index: Any) -> str | None:
    """An index as it stands in brackets; None if it holds an array."""
    if isinstance(index, tuple):
        parts = [_index_text(part) for part in index]
        return ", ".join(map(str, parts)) if parts and None not in parts else None
    if isinstance(index, slice):
        ends = (index.start, index.stop, index.step)
        if not all(end is None or _is_whole(end) for end in ends):
            return None
        texts = ["" if end is None else repr(int(end)) for end in ends]
        return ":".join(texts if texts[2] else texts[:2])
    if index is None or index is ...:
        return "None" if index is None else "..."
    return repr(int(index)) if _is_whole(index) else None


def _is_whole(x: Any) -> bool:
    return isinstance(x, (int, np.integer)) and not isinstance(x, bool)


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
    joined = all(a[1] == b[0] for a, b in pairwise(ends))
    return order if joined and ends[0][0] == 0 and ends[-1][1] == shape[axis] else None


def _equal(a: Any, b: Any) -> bool:
    """Whether two constants or two sets of metadata are the same, arrays entry by entry."""
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return np.array_equal(a, b, equal_nan=np.asarray(a).dtype.kind in "fc")
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_equal(a[key], b[key]) for key in a)
    if isinstance(a, (tuple, list)):
        return len(a) == len(b) and all(map(_equal, a, b))
    return type(a) is type(b) and (a == b or (a != a and b != b))


def _described(line: Line) -> str:
    made = f"n{line.number} = {line.op}" if line.op is not None else f"n{line.number}, a constant"
    place = " / ".join(map(str, line.scope))
    return f"{made} in {place}" if place else made
