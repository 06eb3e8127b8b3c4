"""The chain rule at one operand: in words, in symbols, and in the numbers of its largest entry.

Short keys, for the page is small: `say` the words, `f` the formula, `at` the entry, `x` the formula
with its numbers, `t` what a reader may be asked: the entry, and the largest of all entries.

Read next: `steps.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ...program import Gradients, Graph, Line
from ...tensor import PRIMITIVES, Array
from .numbers import IN_FULL, Index, digits, largest, signed
from .rules import FORMULAS, formula, words
from .walk import Contribution

TERMS = 8  # a sum of more products is not written out


class ChainRule:
    """Explains the contributions of one graph."""

    def __init__(self, graph: Graph, gradients: Gradients, names: Sequence[str]) -> None:
        self.graph, self.gradients, self.names = graph, gradients, names

    def explain(self, arrived: Contribution) -> dict[str, Any]:
        """What to say about a contribution."""
        line = self.graph.nodes[arrived.edge[0]]
        said = {"say": self._words(line, arrived.edge[1])}
        return said | self._at_largest(line, arrived) if arrived.value.size else said

    def _words(self, line: Line, argument: int) -> str:
        if not _rule(line):
            return f"The rule declared with {line.op} for operand {argument}."
        text = words(str(line.op), argument)
        operand = self.graph.nodes[line.inputs[argument]]
        if line.op in FORMULAS and operand.shape != line.shape:
            text += " Broadcasting made copies of it, and their gradients add up."
        return text

    def _at_largest(self, line: Line, arrived: Contribution) -> dict[str, Any]:
        """The rule with names, with the numbers of the largest entry, and what may be asked."""
        argument, at = arrived.edge[1], largest(arrived.value)
        item: dict[str, Any] = {}
        symbolic = self._symbolic(line, argument)
        if symbolic:
            item["f"] = symbolic
        numbers = self._numbers(line, argument, at)
        if numbers:
            item["x"] = f"{numbers} = {digits(arrived.value[at].item())}"
        if at:
            item["at"] = f"[{', '.join(map(str, at))}]"
        scale = float(np.max(np.abs(arrived.value)))
        if self._readable(line) and np.isfinite(scale):
            item["t"] = [float(f"{arrived.value[at].item():.9g}"), float(f"{scale:.9g}")]
        return item

    def _symbolic(self, line: Line, argument: int) -> str | None:
        names = [self.names[i] for i in line.inputs]
        rule = _rule(line)
        if rule == "matmul" and all(np.ndim(self._value(i)) == 2 for i in line.inputs):
            return f"∇ @ {names[1]}ᵀ" if argument == 0 else f"{names[0]}ᵀ @ ∇"
        text = formula(rule, argument)
        if text is None:
            return None
        x, y = (*names, "")[:2]
        return text.format(g="∇", out=self.names[line.number], x=x, y=y)

    def _numbers(self, line: Line, argument: int, at: Index) -> str:
        """The rule with the numbers that make entry `at`; "" where they would be too many."""
        g, out = np.asarray(self.gradients.lines[line.number]), np.asarray(line.value)
        inputs = [np.asarray(self._value(i)) for i in line.inputs]
        rule = _rule(line)
        if rule in FORMULAS:
            template = str(formula(rule, argument))
            if out.size > TERMS * inputs[argument].size:
                return ""
            terms = [
                template.format(**{key: signed(v) for key, v in term._asdict().items()})
                for term in entrywise(inputs, argument, g, out, at)
            ]
        elif rule == "matmul" and all(x.ndim in (1, 2) for x in inputs):
            pairs = inner(inputs, argument, g, at)
            terms = [f"{signed(a)} × {signed(b)}" for a, b in pairs[: TERMS + 1]]
        else:
            return ""
        return " + ".join(terms) if len(terms) <= TERMS else ""

    def _readable(self, line: Line) -> bool:
        """Whether the reader sees all the numbers that a contribution is made of."""
        return all(np.size(self._value(i)) <= IN_FULL for i in (line.number, *line.inputs))

    def _value(self, n: int) -> Any:
        return self.graph.nodes[n].value


def _rule(line: Line) -> str:
    """The name under which rules.py knows an operation; "" for a user's own, whatever its name."""
    node = None if line.tensor is None else line.tensor.node
    known = node is not None and PRIMITIVES.get(node.op.name) is node.op
    return node.op.name if node is not None and known else ""


class Term(NamedTuple):
    """One summand of an entry of a contribution: the entries of g, out, x and y in it."""

    g: Any
    out: Any
    x: Any
    y: Any


def entrywise(inputs: list[Any], argument: int, g: Array, out: Array, at: Index) -> list[Term]:
    """What an operation that works entry by entry adds up in entry `at` of an operand.

    One term, or one for each copy that broadcasting made of the entry.
    """
    operand = np.asarray(inputs[argument])
    numbered = np.arange(operand.size).reshape(operand.shape)
    copies = np.argwhere(np.broadcast_to(numbered, out.shape) == numbered[at])
    values = [np.broadcast_to(x, out.shape) for x in inputs] + [np.zeros(out.shape)]
    x, y = values[:2]
    places = [tuple(place) for place in copies.tolist()]
    return [Term(g[p].item(), out[p].item(), x[p].item(), y[p].item()) for p in places]


def inner(inputs: list[Any], argument: int, g: Array, at: Index) -> list[tuple[Any, Any]]:
    """What a product of vectors or matrices adds up in entry `at` of an operand: pairs of factors.

    The left one gets g @ y.T, the right one x.T @ g.
    """
    x, y = inputs
    rows = x.reshape(-1, x.shape[-1])  # a vector on the left is a row, on the right a column
    columns = y.reshape(y.shape[0], -1)
    g = g.reshape(len(rows), columns.shape[1])
    if argument == 0:
        i, k = (0, *at)[-2:]
        pairs = zip(g[i], columns[k], strict=True)
    else:
        k, j = (*at, 0)[:2]
        pairs = zip(rows[:, k], g[:, j], strict=True)
    return [(a.item(), b.item()) for a, b in pairs]
