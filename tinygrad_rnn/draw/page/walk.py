"""The backward walk, slowed down: every contribution in the order in which the walk meets it.

The contributions are those of `Graph.gradients().edges`. They are added one after the other; the
last sum is the walk's own.

Legend: `n` the number of a line in the program, `k` of a step of the page.

Read next: `names.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ...program import Gradients, Graph
from ...tensor import Array

Edge = tuple[int, int]  # (line, argument)


class Contribution(NamedTuple):
    """What arrived at `operand` in step `k` over one edge, as number `which` of `of`."""

    k: int
    edge: Edge
    operand: int
    value: Array
    was: Array | None
    now: Array
    which: int
    of: int


@dataclass(frozen=True)
class Walk:
    """The backward walk, slowed down.

    Attributes:
        seed: the step that starts it.
        visits: (step, line) for each operation, and for each cut that it stops at.
        arrived: what each edge carried.
        last: the number of the step after the walk.
    """

    seed: int
    visits: list[tuple[int, int]]
    arrived: dict[Edge, Contribution]
    last: int


def walk_back(graph: Graph, gradients: Gradients) -> Walk:
    """Every contribution in the order of the walk, with the sum before and after it."""
    nodes = graph.nodes
    seed = sum(line.op is not None for line in nodes) + 1
    order = [n for n in range(len(nodes) - 1, -1, -1) if n in gradients.lines and nodes[n].op]
    cuts = _cuts_met(graph, order)
    visited = sorted([*order, *cuts], reverse=True)
    visits = list(enumerate(visited, seed + 1))
    total: dict[int, int] = {}
    for child, argument in gradients.edges:
        operand = nodes[child].inputs[argument]
        total[operand] = total.get(operand, 0) + 1
    sums: dict[int, tuple[int, Array]] = {}
    arrived: dict[Edge, Contribution] = {}
    for k, n in visits:
        for edge in [(n, i) for i in range(len(nodes[n].inputs)) if (n, i) in gradients.edges]:
            operand, value = nodes[n].inputs[edge[1]], np.asarray(gradients.edges[edge])
            which, was = sums.get(operand, (0, None))
            which, of = which + 1, total[operand]
            now = value if was is None else was + value
            if which == of:
                now = np.asarray(gradients.lines[operand])
            sums[operand] = which, now
            arrived[edge] = Contribution(k, edge, operand, value, was, now, which, of)
    return Walk(seed, visits, arrived, seed + len(visits) + 1)


def _cuts_met(graph: Graph, order: list[int]) -> list[int]:
    """The cut leaves that the walk comes to."""
    met = {i for n in order for i in graph.nodes[n].inputs}
    return [n for n in graph.cuts() if n in met]
