"""How does x2 reach the loss? By the lines that are made from x2 and that the loss is made from.

Which these are, and how many ways lead over them, the graph itself knows.

Read next: `collapse.py`.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace

from ..program import Graph
from ..program.lines import in_one_row
from ..tensor import Tensor
from .contract import MOVEMENTS, Contracted
from .names import is_shown_as


@dataclass(frozen=True)
class Focus:
    """The lines in focus, and what to say about them in the caption."""

    lines: frozenset[int]
    text: str


def find_focus(graph: Graph, focus: tuple[Tensor | str, ...]) -> Focus | None:
    """From a first line to a second one; or one line and what takes it directly.

    Raises:
        ValueError: if a line is not in the graph, or no way leads from the first to the second.
    """
    if not focus:
        return None
    ends = [_number(graph, end) for end in focus]
    words = [_word(graph, n, end) for n, end in zip(ends, focus, strict=True)]
    if len(ends) == 1:
        users = {child for child, _ in graph.uses()[ends[0]]}
        return Focus(_with_movements(graph, {ends[0], *users}), f"in focus: the uses of {words[0]}")
    ways = graph.paths(*ends)
    if not ways:
        raise ValueError(
            f"{words[1]} was not made from {words[0]}: no arrow leads there, so there is nothing to"
            " focus on"
        )
    where = " in this picture" if graph.folds else ""
    counted = f"{ways:,} way{'s' * (ways != 1)}{where}"
    lines = frozenset(line.number for line in graph.between(*ends))
    return Focus(lines, f"from {words[0]} to {words[1]}: {counted}")


def _word(graph: Graph, n: int, end: Tensor | str) -> str:
    """What the caption calls an end: its name, and its step where the name is that of several."""
    name = end if isinstance(end, str) else end.name
    if name is None:
        return f"n{n}"
    several, name = sum(line.name == name for line in graph.nodes) > 1, in_one_row(name)
    t = graph.nodes[n].t
    return f"{name} (n{n}{'' if t is None else f', t = {t}'})" if several else name


def without_others(graph: Contracted, focus: Focus) -> Contracted:
    """Only what is in focus; the caption counts the rest."""
    left = [n for n in graph.drawn if n not in focus.lines]
    kept = [n for n in graph.drawn if n in focus.lines]
    links = [x for x in graph.links if x.source in focus.lines and x.child in focus.lines]
    lost = {"line out of focus": len(left), "arrow out of focus": len(graph.links) - len(links)}
    return replace(graph, drawn=kept, links=links, hidden=graph.hidden + Counter(lost))


def _with_movements(graph: Graph, lines: set[int]) -> frozenset[int]:
    """And what takes a line after it was transposed or sliced: that is a use of it, too."""
    users = graph.uses()
    found, stack = set(lines), list(lines)
    while stack:
        n = stack.pop()
        if graph.nodes[n].op in MOVEMENTS:
            fresh = {child for child, _ in users[n]} - found
            found |= fresh
            stack += fresh
    return frozenset(found)


def _number(graph: Graph, end: Tensor | str) -> int:
    """The line of a tensor, or of the last one of a name: "h" is the last h, "h2" that of step 2.

    A name that was given stands before one that a step adds, both before a number as "n12", and
    that before what a picture makes of a name: "W_hh", "h_init".
    """
    if isinstance(end, Tensor):
        numbers = [line.number for line in graph.nodes if line.tensor is end]
        if not numbers:
            raise ValueError(f"focus: {end.label} is not part of this graph")
        return numbers[-1]
    named = [line.number for line in graph.nodes if line.name == end]
    found = named or _in_step(graph, end)
    found = found or [line.number for line in graph.nodes if end == f"n{line.number}"]
    found = found or [x.number for x in graph.nodes if x.name and is_shown_as(x.name, end)]
    if not found:
        names = dict.fromkeys(repr(line.name) for line in graph.nodes if line.name)
        raise ValueError(f"focus: no line is called {end!r}; there are {', '.join(names)}")
    return found[-1]


def _in_step(graph: Graph, name: str) -> list[int]:
    """The lines that a picture calls x2: an x that was made, or is taken, in time step 2."""
    numbered = re.fullmatch(r"(.+?)_?(\d+)", name)
    if not numbered:
        return []
    base, t = numbered[1], int(numbered[2])
    users = graph.uses()
    return [
        line.number
        for line in graph.nodes
        if line.name == base
        and t
        in ({line.t} if line.op else {graph.nodes[child].t for child, _ in users[line.number]})
    ]
