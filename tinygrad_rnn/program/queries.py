"""What leads to what: ways through a program, counted and bounded without walking each of them.

Between two lines of an unrolled net there are far more ways than could be listed (2^T already for
two a step). But as many lead to a line as to its operands together: one addition for each edge.

Read next: `costs.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

from .lines import MOVEMENTS, Line


def paths(lines: Sequence[Line], start: int, end: int) -> int:
    """The number of ways along edges from one line to another; 1 from a line to itself."""
    ways = [0] * (end + 1)
    ways[start : start + 1] = [1] * (start <= end)
    for line in lines[start + 1 : end + 1]:
        ways[line.number] = sum([ways[operand] for operand in line.inputs])
    return ways[end]


def ancestors(lines: Sequence[Line], end: int) -> list[int]:
    """The lines that a line is made of, itself not included."""
    leading = {end}
    for line in reversed(lines[: end + 1]):
        if line.number in leading:
            leading.update(line.inputs)
    return sorted(leading - {end})


def between(lines: Sequence[Line], start: int, end: int) -> list[int]:
    """The lines on any way from one line to another, both included; none if there is no way."""
    reached = {start}
    for line in lines[start + 1 : end + 1]:
        if not reached.isdisjoint(line.inputs):
            reached.add(line.number)
    return sorted(reached & {*ancestors(lines, end), end}) if end in reached else []


def all_uses(lines: Sequence[Line]) -> dict[int, list[tuple[int, int]]]:
    """For every line the (line, argument) pairs that it goes into."""
    users: dict[int, list[tuple[int, int]]] = {line.number: [] for line in lines}
    for line in lines:
        for argument, source in enumerate(line.inputs):
            users[source].append((line.number, argument))
    return users


def uses(lines: Sequence[Line], n: int) -> list[tuple[int, int]]:
    """The (line, argument) pairs that take a line, as it is or moved: transposed, sliced, ..."""
    moved = {n}
    found = []
    for line in lines[n + 1 :]:
        taken = [i for i, source in enumerate(line.inputs) if source in moved]
        if taken and line.op in MOVEMENTS and len(line.inputs) == 1:
            moved.add(line.number)
        else:
            found += [(line.number, i) for i in taken]
    return found


def named(lines: Sequence[Line], name: str) -> int:
    """The number of the one line of that name, or of `n12`.

    Raises:
        ValueError: if there is no such line, or several.
    """
    found = [line for line in lines if line.name == name]
    made = [line for line in found if line.kind not in ("previous", "folded")]
    found = made or found or [line for line in lines if f"n{line.number}" == name]
    if len(found) == 1:
        return found[0].number
    if not found:
        names = list(dict.fromkeys(line.name for line in lines if line.name))
        there = ", ".join(map(repr, names[:20])) or "none"
        raise ValueError(f"no line is called {name!r}; names in this graph: {there}")
    places = [f"n{x.number}{'' if x.t is None else f' (t={x.t})'}" for x in found[:6]]
    more = ", ..." if len(found) > 6 else ""
    raise ValueError(
        f"{len(found)} lines are called {name!r}: {', '.join(places)}{more}. Give the number of one"
    )
