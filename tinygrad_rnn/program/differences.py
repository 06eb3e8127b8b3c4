"""Where steps are not alike: which one differs, and in which line, in words.

Read next: `exchange.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise, zip_longest

from .lines import Line, index_free, made_of_parameters, step_scope
from .listing import formula
from .loops import Loop
from .runs import LEAST


def differences(
    lines: Sequence[Line], cuts: Mapping[int, int | None], loops: Sequence[Loop]
) -> list[str]:
    """A sentence for each step that is in no loop: what it has that its neighbour has not.

    Steps are known by their scope; or by standing between two loops that are alike, or between a
    loop and one more step of its kind. Of a program without such steps: whether there is a loop.
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
                found.append(f"{_ends(step)}, after {len(before)} steps, differs from them: {what}")
    found += _beside_loops(lines, cuts, loops)
    if not loops and not found:
        found.append(
            "no stretch of operations comes three times in a row or more with a state carried"
        )
    return found


def _same(lines: Sequence[Line], one: Loop, other: Loop) -> bool:
    """Whether the steps of two loops consist of the same operations."""
    ops = [[lines[n].op for n in loop.steps[0].tolist()] for loop in (one, other)]
    return ops[0] == ops[1]


def _beside_loops(
    lines: Sequence[Line], cuts: Mapping[int, int | None], loops: Sequence[Loop]
) -> list[str]:
    """Of loops without scopes: what parts them from a step of their kind that is not in them; or
    what is like a step with their weights, right before or after them, but not in all."""
    found = []
    for k, loop in enumerate(loops):
        shared = _shared(lines, loop)
        if loop.scoped or not loop.carried or not any(shared):
            continue
        body, size = [lines[n] for n in loop.steps[-1].tolist()], loop.period
        before, after = _around(lines, loops, k)
        starts = range(len(after) - size + 1)
        next_one = next((i for i in starts if _recurs(after, i, body, shared)), None)
        starts = range(len(before) - size + 1)
        last_one = next((i for i in reversed(starts) if _recurs(before, i, body, shared)), None)
        odd = []
        if next_one is not None or _begins_alike(after, body, shared):
            odd.append(("after", after[: next_one or size], body, False))
        if last_one is not None:
            odd.append(("before", before[last_one + size :], body, False))
        elif _begins_alike(before[-size:], body, shared):
            odd.append(("before", before[-size:], [lines[n] for n in loop.steps[0].tolist()], True))
        for where, step, other, first in odd:
            what = _first_difference(lines, cuts, step, other, first=first)
            if step and what is not None:
                found.append(f"{_ends(step)}, {where} {len(loop)} steps, differs from them: {what}")
    return found


def _shared(lines: Sequence[Line], loop: Loop) -> list[list[int]]:
    """For each operation of a step the arguments that are the same line in all steps: weights."""
    pairs = zip(loop.steps[0].tolist(), loop.steps[-1].tolist())
    taken = [zip(lines[a].inputs, lines[b].inputs) for a, b in pairs]
    return [[i for i, (x, y) in enumerate(some) if x == y] for some in taken]


def _around(lines: Sequence[Line], loops: Sequence[Loop], k: int) -> tuple[list[Line], list[Line]]:
    """The operations without scope between loop k and its neighbours, if these are no such loop."""
    start, stop = loops[k].steps[0, 0], loops[k].steps[-1, -1] + 1
    left = loops[k - 1].steps[-1, -1] + 1 if k else 0
    right = loops[k + 1].steps[0, 0] if k + 1 < len(loops) else len(lines)
    if k and _same(lines, loops[k - 1], loops[k]):
        left = start
    if k + 1 < len(loops) and _same(lines, loops[k], loops[k + 1]):
        right = stop
    before, after = (
        [lines[n] for n in span if lines[n].op is not None and lines[n].t is None]
        for span in (range(left, start), range(stop, right))
    )
    return before, after


def _recurs(ops: list[Line], at: int, body: list[Line], shared: list[list[int]]) -> bool:
    """Whether the operations from `at` on do the same as a step, with the same weights."""
    return all(
        (ops[at + j].op, ops[at + j].shape) == (line.op, line.shape)
        and all(ops[at + j].inputs[i] == line.inputs[i] for i in shared[j])
        for j, line in enumerate(body)
    )


def _begins_alike(ops: list[Line], body: list[Line], shared: list[list[int]]) -> bool:
    """Whether some first operations are those of a step, with a shared weight among them."""
    for line, one, arguments in zip(ops, body, shared):
        if (line.op, len(line.inputs)) != (one.op, len(one.inputs)):
            return False
        if arguments:
            return all(line.inputs[i] == one.inputs[i] for i in arguments)
    return False


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
    """What two neighbouring steps do not have in common, or that it is nothing."""
    few = f"they are alike, but too few: a loop has at least {LEAST} steps that carry a state on"
    return _first_difference(lines, cuts, step, other, first=first) or few


def _first_difference(
    lines: Sequence[Line],
    cuts: Mapping[int, int | None],
    step: list[Line],
    other: list[Line],
    *,
    first: bool,
) -> str | None:
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
    return None


def _alike(
    lines: Sequence[Line], x: int, y: int, counterpart: Mapping[int, int], entered: set[int]
) -> bool:
    """Whether y may be to its step what x is to its own, as far as these two steps can tell.

    `entered`: the lines of the two steps, if one is the first: a state comes from outside there.
    """
    if x in counterpart or x == y:
        return counterpart.get(x, x) == y or (x in entered) != (y in entered)
    kinds = {lines[x].kind, lines[y].kind}
    before = max(x, y) < min(*counterpart, *counterpart.values())
    if kinds == {"op"} and before and all(made_of_parameters(lines, n, {}) for n in (x, y)):
        return False  # W transposed is not V transposed
    return "op" not in kinds or kinds <= {"op", "cut"} or (x in entered) != (y in entered)


def _ends(step: list[Line]) -> str:
    first, last = f"n{step[0].number}", f"n{step[-1].number}"
    return first if first == last else f"{first} to {last}"


def _described(lines: Sequence[Line], cuts: Mapping[int, int | None], n: int) -> str:
    line = lines[n]
    if n in cuts:
        return f"n{n}, a cut"
    return f"n{n} {line.name or line.op or line.kind}"


def _counted(count: int) -> str:
    return f"{count} operation{'' if count == 1 else 's'}"
