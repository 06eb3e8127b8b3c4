"""The recorded program as a value: its lines numbered in creation order.

Drawings, folds and exports start here; none of them needs more than these plain lines. What can be
done with them is in the files beside this one, a file for each question.

Read next: `listing.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..arraylike import raw
from ..graph import ancestors, cotangents, seed_of
from ..modes import Step, uncollected
from ..tensor import Tensor
from .lines import Edge, Gradients, Line
from .listing import listing


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

    @uncollected()
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
        node, inputs = tensor.node, ()
        if node is not None:
            inputs = tuple([self._operand(x) for x in node.inputs])
        number = self._numbers[tensor] = len(self.nodes)
        data, name = tensor.data, tensor.name
        if node is not None:
            op, attrs, scope = node.op.name, node.attrs, node.scope
            line = Line(number, op, inputs, attrs, scope, data, tensor, name, "op")
        else:
            kind = _leaf_kind(tensor)
            line = Line(number, None, (), {}, (), data, tensor, name, kind, tensor.learned)
        self.nodes.append(line)

    def _operand(self, x: Any) -> int:
        if not isinstance(x, Tensor):
            number = len(self.nodes)
            self.nodes.append(Line(number, None, (), {}, (), raw(x), None, None, "constant"))
            return number
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

    @uncollected()
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
        gradients = self.gradients() if "grad" in show else None
        return listing(self.nodes, show, gradients, self.cuts())


def _leaf_kind(tensor: Tensor) -> str:
    if tensor.requires_grad:
        return "parameter"
    return "input" if tensor.cut is None else "cut"
