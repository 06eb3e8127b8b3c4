"""The recorded program as a value: its lines numbered in creation order, listed and queried.

Drawings, folds and exports start here; none of them needs more than these plain lines.

Read next: `draw/`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .arraylike import Array, raw
from .graph import ancestors, cotangents, seed_of
from .modes import Step
from .tensor import Tensor


@dataclass(frozen=True, eq=False)
class Line:
    """One line: `n7 = op(n3, n5, **attrs)`, or a leaf (no op).

    Attributes:
        number: its place in the program, from 0.
        op: the primitive's name, or None for a leaf.
        inputs: the numbers of its operands, in order and with multiplicity.
        attrs: the metadata of the call.
        scope: module path and time step it was made in.
        value: the array (or the plain number, for a constant).
        tensor: the Tensor; None for a constant, an operand that was no Tensor.
    """

    number: int
    op: str | None
    inputs: tuple[int, ...]
    attrs: dict[str, Any]
    scope: tuple[str | Step, ...]
    value: Any
    tensor: Tensor | None

    @property
    def name(self) -> str | None:
        return None if self.tensor is None else self.tensor.name

    @property
    def shape(self) -> tuple[int, ...]:
        return np.shape(self.value)

    @property
    def learned(self) -> bool:
        """Whether it is a Parameter of a module, and not only a tensor that requires grad."""
        return self.tensor is not None and self.tensor.learned

    @property
    def t(self) -> int | None:
        """The innermost time step of the scope."""
        return next((entry.t for entry in reversed(self.scope) if isinstance(entry, Step)), None)

    @property
    def kind(self) -> str:
        """ "op", or what sort of leaf: "parameter" (needs a gradient), "cut" (off a graph, by
        `detach()`), "input", "constant"."""
        if self.op is not None:
            return "op"
        if self.tensor is None:
            return "constant"
        if self.tensor.requires_grad:
            return "parameter"
        return "input" if self.tensor.cut is None else "cut"


class Gradients(NamedTuple):
    """What a walk found: dL/d(line) by number, and what arrived over each edge (line, argument)."""

    lines: dict[int, Array]
    edges: dict[tuple[int, int], Array]


class Graph:
    """Everything that `outputs` were made of, as numbered lines.

    A leaf stands just before the line that uses it first. The numbers depend on the program only,
    not on memory addresses: the same program gives the same lines.

    >>> x = Tensor(3.0, requires_grad=True, name="x")
    >>> print(Graph(x * x + 1.0).listing())
    n0  x  ()  requires grad
    n1  = multiply(n0, n0)  ()
    n2  1.0  ()
    n3  = add(n1, n2)  ()
    """

    def __init__(self, *outputs: Tensor) -> None:
        for output in outputs:
            if not isinstance(output, Tensor):
                raise TypeError(f"a graph is made of Tensors; this is a {type(output).__name__}")
        self.outputs = outputs
        self.nodes: list[Line] = []
        self._numbers: dict[Tensor, int] = {}
        for tensor in (*ancestors(outputs), *outputs):
            if tensor not in self._numbers:
                self._add(tensor)

    def _add(self, tensor: Tensor) -> None:
        node = tensor.node
        if node is None:
            line = Line(len(self.nodes), None, (), {}, (), tensor.data, tensor)
        else:
            inputs = tuple([self._operand(x) for x in node.inputs])
            number = len(self.nodes)
            line = Line(number, node.op.name, inputs, node.attrs, node.scope, tensor.data, tensor)
        self._numbers[tensor] = line.number
        self.nodes.append(line)

    def _operand(self, x: Any) -> int:
        if not isinstance(x, Tensor):
            self.nodes.append(Line(len(self.nodes), None, (), {}, (), raw(x), None))
            return len(self.nodes) - 1
        if x not in self._numbers:
            self._add(x)
        return self._numbers[x]

    def number(self, tensor: Tensor) -> int:
        """The number of a tensor's line."""
        return self._numbers[tensor]

    def __len__(self) -> int:
        return len(self.nodes)

    def __repr__(self) -> str:
        made = [line for line in self.nodes if line.op is not None]
        steps = {line.t for line in made} - {None}
        leaves = len(self.nodes) - len(made)
        return f"Graph({len(made)} operations, {leaves} leaves, {len(steps)} time steps)"

    def cuts(self) -> dict[int, int | None]:
        """For every line that was cut off the line it was cut from; None if that is not here.

        Values went over the cut, and no gradient comes back: truncated BPTT.
        """
        leaves = [line for line in self.nodes if line.kind == "cut"]
        sources = {line.number: line.tensor.cut() for line in leaves}  # type: ignore[union-attr, misc]
        return {n: self._numbers.get(x) if x is not None else None for n, x in sources.items()}

    def uses(self) -> dict[int, list[tuple[int, int]]]:
        """For every line the (line, argument) pairs that it goes into."""
        users: dict[int, list[tuple[int, int]]] = {line.number: [] for line in self.nodes}
        for line in self.nodes:
            for argument, source in enumerate(line.inputs):
                users[source].append((line.number, argument))
        return users

    def gradients(self, seed: Any = None) -> Gradients:
        """Walk back and keep everything: the gradient of each line, and what each edge carried.

        No tensor's `.grad` is touched.

        Args:
            seed: dL/d(output), for an output that is not a single number.

        Raises:
            ValueError: for a graph of several outputs: a gradient has one start.
        """
        if len(self.outputs) != 1:
            raise ValueError(
                f"gradients start at one output, and this graph has {len(self.outputs)}"
            )
        edges: dict[tuple[Tensor, int], Any] = {}
        (output,) = self.outputs
        walk = cotangents(output, raw(seed_of(output, seed)), edges=edges)
        lines = {self._numbers[tensor]: g for tensor, g in walk}
        return Gradients(lines, {(self._numbers[out], i): g for (out, i), g in edges.items()})

    def listing(self, show: Iterable[str] = ("shape",)) -> str:
        """The program as text, a line each; scopes as headings.

        Args:
            show: of "shape", "value", "grad" (dL/d(line); the graph then needs a single output).
        """
        show = tuple(show)
        unknown = set(show) - {"shape", "value", "grad"}
        if unknown:
            raise ValueError(f'listing shows "shape", "value" and "grad"; given {sorted(unknown)}')
        grads = self.gradients().lines if "grad" in show else {}
        width = len(f"n{len(self.nodes) - 1}")
        cuts = self.cuts()
        rows: list[str] = []
        scope: tuple[str | Step, ...] = ()
        for line in self.nodes:
            if line.op is not None and line.scope != scope:
                scope = line.scope
                rows.append(f"# {' / '.join(map(str, scope)) or 'outside'}")
            columns = [f"n{line.number}".ljust(width) + "  " + self._formula(line)]
            columns += [str(line.shape)] if "shape" in show else []
            columns += [short(line.value)] if "value" in show else []
            columns += [f"grad {short(grads.get(line.number))}"] if "grad" in show else []
            columns += ["requires grad"] if line.kind == "parameter" else []
            if line.number in cuts:
                source = cuts[line.number]
                columns.append("cut" if source is None else f"cut from n{source}")
            rows.append("  ".join(columns))
        return "\n".join(rows)

    def _formula(self, line: Line) -> str:
        if line.kind == "constant":
            return repr(line.value) if np.isscalar(line.value) else "constant"
        if line.op is None:
            return line.name or "(unnamed)"
        operands = [f"n{k}" for k in line.inputs]
        attrs = [f"{key}={_attr_text(value)}" for key, value in line.attrs.items()]
        return f"{line.name or ''} = {line.op}({', '.join(operands + attrs)})".lstrip()


def short(value: Any) -> str:
    """At most four numbers as they are (%.3g), more as their norm; a missing value is a dash."""
    if value is None:
        return "–"
    flat = np.ravel(value)
    if flat.size <= 4 and flat.dtype.kind != "c":
        return " ".join(f"{v:.3g}" for v in flat) or "empty"
    return f"|·| {np.linalg.norm(flat):.3g}"


def _attr_text(value: Any) -> str:
    """Indices as they are written in brackets; arrays by their shape."""
    if isinstance(value, tuple):
        return f"[{', '.join(_attr_text(v) for v in value)}]"
    if isinstance(value, slice):
        parts = [value.start, value.stop] + ([] if value.step is None else [value.step])
        return ":".join("" if part is None else str(part) for part in parts)
    if isinstance(value, np.ndarray):
        return f"array{value.shape}"
    return "..." if value is Ellipsis else str(value)
