"""Movement operations change where numbers stand, not what they are: a drawing may pass over them.

A hidden line has one operand, so an arrow can run on through it: every argument of a drawn line
keeps exactly one arrow, from the nearest drawn line behind it.

Read next: `names.py`.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from ..program import Graph, Line
from ..tensor import PRIMITIVES

MOVEMENTS = (
    "getitem", "split", "transpose", "reshape", "broadcast_to", "astype", "concatenate", "stack",
)  # fmt: skip


class Link(NamedTuple):
    """One arrow: `source` is what argument number `argument` of line `child` comes from.

    `operand` is what the child was really given: the source, or the last hidden line after it.
    """

    source: int
    child: int
    argument: int
    operand: int


@dataclass(frozen=True)
class Contracted:
    """The lines that are drawn, and one link for each of their arguments.

    Attributes:
        drawn: numbers of the drawn lines, in order.
        roots: for every line the nearest drawn line at or behind it.
        links: by child and argument, in order.
        hidden: how many of what are not drawn, for the caption.
        passed: the hidden lines that arrows run through.
        merged: for an arrow (line, argument) into a box of many operations, the arguments that it
            stands for; it carries their gradients together.
    """

    lines: Sequence[Line]
    drawn: list[int]
    roots: list[int]
    links: list[Link]
    hidden: Counter[str]
    passed: frozenset[int] = frozenset()
    merged: dict[tuple[int, int], list[tuple[int, int]]] = field(default_factory=dict)


def contract(lines: Sequence[Line], hide: Collection[str], kept: Collection[int]) -> Contracted:
    """Hide the movement operations in `hide`; never the lines `kept` (the outputs)."""
    hide = frozenset(hide)
    roots: list[int] = []
    drawn, links = [], []
    hidden: Counter[str] = Counter()
    passed = set()
    for n, line in enumerate(lines):
        if line.op in hide and n not in kept and is_movement(line):
            roots.append(roots[line.inputs[0]])
            hidden[str(line.op)] += 1
            passed.add(n)
            continue
        roots.append(n)
        drawn.append(n)
        for argument, operand in enumerate(line.inputs):
            links.append(Link(roots[operand], n, argument, operand))
    return Contracted(lines, drawn, roots, links, hidden, frozenset(passed))


def demand_operations(names: Collection[str], graph: Graph) -> None:
    """Raise for the name of no operation: neither of tinygrad_rnn's own nor of one in the graph."""
    known = PRIMITIVES.keys() | {line.op for line in graph.nodes if line.op is not None}
    for name in names:
        if name not in known:
            close = difflib.get_close_matches(str(name), known, 1)
            meant = f"did you mean {close[0]!r}? There" if close else "there"
            there = ", ".join([*MOVEMENTS, *sorted(known - set(MOVEMENTS))])
            raise ValueError(f"there is no operation {name!r} to hide: {meant} are {there}")


def without_parameters(graph: Contracted) -> Contracted:
    """The same without the parameters and their arrows; the caption counts them."""
    parameters = {n for n in graph.drawn if graph.lines[n].kind == "parameter"}
    links = [link for link in graph.links if link.source not in parameters]
    lost = {"parameter": len(parameters), "arrow from parameters": len(graph.links) - len(links)}
    return replace(
        graph,
        drawn=[n for n in graph.drawn if n not in parameters],
        links=links,
        hidden=graph.hidden + Counter(lost),
    )


def is_movement(line: Line) -> bool:
    """Whether a line may be passed over: one operand, no name given to it, no look-up by array."""
    return len(line.inputs) == 1 and line.name is None and not looks_up(line)


def looks_up(line: Line) -> bool:
    """Whether a line picks entries by an array of indices, as an embedding and a loss do."""
    index = line.attrs.get("index")
    if isinstance(index, tuple):
        return any(isinstance(part, (np.ndarray, list)) for part in index)
    return isinstance(index, (np.ndarray, list))
