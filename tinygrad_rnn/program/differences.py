"""Where steps are not alike: which one differs, and in which line, in words.

Read next: `exchange.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise, zip_longest

from .lines import Line, index_free, step_scope
from .listing import formula
from .loops import LEAST, Loop


def differences(
    lines: Sequence[Line], cuts: Mapping[int, int | None], loops: Sequence[Loop]
) -> list[str]:
    """A sentence for each step that is in no loop: what it has that its neighbour has not.

    Steps are known by their scope, or by standing between two loops that are alike. Of a program
    without such steps: whether there is a loop.
    """
    inside = {n for loop in loops for n in loop.steps.ravel().tolist()}
    found = []
    for path, steps in _chains(lines).items():
        for k, step in enumerate(steps):
            if len(steps) == 1 or all(line.number in inside for line in step):
                continue
            other = steps[k - 1] if k else steps[1]
            where = f" of {' / '.join(map(str, path))}" if path else ""
            what = _difference(lines, cuts, step, other, first=k <= 1)
            found.append(f"step t = {step[0].t}{where} differs from t = {other[0].t}: {what}")
    for before, after in pairwise(loops):
        if not before.scoped and not after.scoped and _same(lines, before, after):
            between = range(before.steps[-1, -1] + 1, after.steps[0, 0])
            step = [lines[n] for n in between if lines[n].op is not None]
            if step:
                other = [lines[n] for n in before.steps[-1].tolist()]
                what = _difference(lines, cuts, step, other, first=False)
                ends = f"n{step[0].number} to n{step[-1].number}"
                found.append(f"{ends}, after {len(before)} steps, differs from them: {what}")
    if not loops and not found:
        found.append("no stretch of operations is there three times or more, with a state carried")
    return found


def _same(lines: Sequence[Line], one: Loop, other: Loop) -> bool:
    """Whether the steps of two loops consist of the same operations."""
    ops = [[lines[n].op for n in loop.steps[0].tolist()] for loop in (one, other)]
    return ops[0] == ops[1]


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
    lines: Sequence[Line],
    cuts: Mapping[int, int | None],
    step: list[Line],
    other: list[Line],
    *,
    first: bool,
) -> str:
    """The first thing that two neighbouring steps do not have in common.

    `first`: one of them is the first of its chain, so that its states come from outside.
    """
    counterpart = {a.number: b.number for a, b in zip(step, other)}
    inside = {line.number for line in (*step, *other)}
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
            if not _alike(lines, x, y, counterpart, inside if first else set()):
                return (
                    f"operand {i} of n{a.number} {formula(a)} is {_described(lines, cuts, x)}, and"
                    f" of n{b.number} {formula(b)} {_described(lines, cuts, y)}"
                )
    return f"they are alike, but too few: a loop has at least {LEAST} steps that carry a state on"


def _alike(
    lines: Sequence[Line], x: int, y: int, counterpart: Mapping[int, int], entered: set[int]
) -> bool:
    """Whether y may be to its step what x is to its own, as far as these two steps can tell.

    `entered`: the lines of the two steps, if one is the first: a state comes from outside there.
    """
    if x in counterpart or x == y:
        return counterpart.get(x, x) == y or (x in entered) != (y in entered)
    kinds = {lines[x].kind, lines[y].kind}
    return "op" not in kinds or kinds <= {"op", "cut"} or (x in entered) != (y in entered)


def _described(lines: Sequence[Line], cuts: Mapping[int, int | None], n: int) -> str:
    line = lines[n]
    if n in cuts:
        return f"n{n}, a cut"
    return f"n{n} {line.name or line.op or line.kind}"


def _counted(count: int) -> str:
    return f"{count} operation{'' if count == 1 else 's'}"
