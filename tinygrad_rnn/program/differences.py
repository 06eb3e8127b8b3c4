"""Where steps are not alike: which one differs, and in which line, in words.

Read next: `exchange.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest

from .lines import Line, index_free, step_scope
from .listing import formula
from .loops import Loop


def differences(
    lines: Sequence[Line], cuts: Mapping[int, int | None], loops: Sequence[Loop]
) -> list[str]:
    """A sentence for each time step of a scope that is in no loop: what it has that others do not.

    Of a program without such scopes: whether there is a loop.
    """
    inside = {n for loop in loops for n in loop.steps.ravel().tolist()}
    chains = _chains(lines)
    found = []
    for path, steps in chains.items():
        for k, step in enumerate(steps):
            if len(steps) == 1 or all(line.number in inside for line in step):
                continue
            other = steps[k - 1] if k else steps[1]
            where = f" of {' / '.join(map(str, path))}" if path else ""
            what = _difference(lines, cuts, step, other)
            found.append(f"step t = {step[0].t}{where} differs from t = {other[0].t}: {what}")
    if not loops and not found:
        found.append("no stretch of operations is there three times or more, with a state carried")
    return found


def _chains(lines: Sequence[Line]) -> dict[tuple[object, ...], list[list[Line]]]:
    """The operations of the steps of each module path, step by step."""
    chains: dict[tuple[object, ...], list[list[Line]]] = {}
    scope = None
    for line in lines:
        if line.op is None:
            continue
        here = step_scope(line.scope)
        if here is not None:
            steps = chains.setdefault(here[:-1], [])
            if here != scope:
                steps.append([])
            steps[-1].append(line)
        scope = here
    return chains


def _difference(
    lines: Sequence[Line], cuts: Mapping[int, int | None], step: list[Line], other: list[Line]
) -> str:
    """The first thing that two steps do not have in common."""
    counterpart = {a.number: b.number for a, b in zip(step, other)}
    back = {b: a for a, b in counterpart.items()}
    for a, b in zip_longest(step, other):
        if a is None or b is None:
            return f"it has {_counted(len(step))}, and the other {len(other)}"
        if a.op != b.op or len(a.inputs) != len(b.inputs):
            return f"n{a.number} {formula(a)} stands where n{b.number} {formula(b)} does"
        if a.shape != b.shape:
            return f"n{a.number} = {a.op} gives {a.shape}, and n{b.number} = {b.op} {b.shape}"
        if index_free(a) != index_free(b):
            return f"n{a.number} is {formula(a)}, and n{b.number} is {formula(b)}"
        for i, (x, y) in enumerate(zip(a.inputs, b.inputs)):
            if not _alike(lines, x, y, counterpart, back):
                return (
                    f"operand {i} of n{a.number} {formula(a)} is {_described(lines, cuts, x)}, and"
                    f" of n{b.number} {formula(b)} {_described(lines, cuts, y)}"
                )
    return "they are alike, but stand in no run of three"


def _alike(
    lines: Sequence[Line], x: int, y: int, counterpart: dict[int, int], back: dict[int, int]
) -> bool:
    """Whether y is to its step what x is to its own, as far as the two alone can tell."""
    if x in counterpart or y in back:
        return counterpart.get(x) == y
    a, b = lines[x], lines[y]
    return x == y or (a.op is None) == (b.op is None) or "cut" in (a.kind, b.kind)


def _described(lines: Sequence[Line], cuts: Mapping[int, int | None], n: int) -> str:
    line = lines[n]
    if n in cuts:
        return f"n{n}, a cut"
    return f"n{n} {line.name or line.op or line.kind}"


def _counted(count: int) -> str:
    return f"{count} operation{'' if count == 1 else 's'}"
