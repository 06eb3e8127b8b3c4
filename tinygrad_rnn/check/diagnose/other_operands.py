"""A backward whose rules use another mask than the forward, or whose steps another step's state.

Read next: `through_time.py`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from .case import Case
from .hypothesis import Gradients, Hypothesis
from .program import Line, Program
from .recording import Place
from .through_time import crossings
from .words import name_of

KEPT = "1 - "  # how the name begins of what lets a state go on where a mask is 0

Another = Callable[[Line, int], Any]  # what stands in the place of an operand; None: it stays


def other_operands(case: Case) -> Iterator[Hypothesis]:
    """Hypotheses about states."""
    if case.program is not None:
        yield from _of_states(case.program)


def other_masks(case: Case) -> Iterator[Hypothesis]:
    """Hypotheses of rules that take a mask for 1 everywhere, or that of another step."""
    program = case.program
    if program is None:
        return
    for name in dict.fromkeys(_mask(program, k) for k in range(len(program.lines))):
        if name is None:
            continue
        if _places(program, name) > 1:  # in one place it is an operand that is forgotten
            yield _otherwise(
                f"the mask {name} is ignored: the rules are those for a mask that is 1 everywhere",
                partial(_ones, name),
            )
        for by, which in ((1, "after it, the next"), (-1, "before it, the previous")):
            yield _otherwise(
                f"the rules of each step use the mask {name} of the step {which} one",
                partial(_neighbours_mask, name, by),
            )


def _places(program: Program, name: str) -> int:
    """In how many places a mask is taken; of a loop those of one step, of a `where` each branch."""
    takers = [line for line in program.lines if name in [_mask(program, k) for k in line.args]]
    return sum({line.role: max(1, len(line.live)) for line in takers}.values())


def _mask(program: Program, n: int) -> str | None:
    """The name of a plain array of zeros and ones, or of the array that it is a part of, or 1 minus
    a part of."""
    line = program.lines[n]
    if line.op is not None or line.needs or line.name is None or not np.ndim(line.value):
        return None
    name = line.name.removeprefix(KEPT).partition("[")[0]
    return name if np.isin(line.value, (0, 1)).all() else None


def _ones(name: str, program: Program) -> Another:
    def another(line: Line, i: int) -> Any:
        if _mask(program, line.args[i]) != name:
            return None
        kept = str(program.lines[line.args[i]].name).startswith(KEPT)
        return np.full_like(line.operands[i], 0 if kept else 1)

    return another


def _neighbours_mask(name: str, by: int, program: Program) -> Another:
    def another(line: Line, i: int) -> Any:
        if _mask(program, line.args[i]) != name:
            return None
        steps = program.roles[line.role]
        k = steps.index(line.number) + by
        return program.lines[steps[k]].operands[i] if 0 <= k < len(steps) else None

    return another


def _of_states(program: Program) -> Iterator[Hypothesis]:
    """Steps that are computed again from the state that they made, and not from the one before."""
    states = [program.lines[n].args[i] for (n, i), t in crossings(program) if t]
    for role in dict.fromkeys(program.lines[k].role for k in states):
        name = name_of(program, program.roles[role][0], None)
        yield _otherwise(
            f"every step is computed again from the new {name}, where that of the step before"
            " belongs, t - 1: the states are shifted by one",
            partial(_new_state, role),
            values=True,
        )


def _new_state(role: Place, program: Program) -> Another:
    """Where a step takes the state of the one before: the state that it makes itself."""
    states = program.roles.get(role, [])
    taken = [((program.lines[n].role, i), t, program.lines[n].args[i])
             for (n, i), t in crossings(program)]  # fmt: skip
    ways = {way for way, t, k in taken if t and k in states}
    starts = [k for way, t, k in taken if t == 0 and way in ways]
    new = dict(pairwise(states)) | dict.fromkeys(starts, *states[:1])

    def another(line: Line, i: int) -> Any:
        k = line.args[i]
        return program.lines[new[k]].value if k in new and (line.role, i) in ways else None

    return another


def _otherwise(
    sentence: str, another_in: Callable[[Program], Another], values: bool = False
) -> Hypothesis:
    """The walk where some operands are others.

    Args:
        values: the lines that are made of them have other values, too, and not only other rules.
    """

    def supposed(case: Case) -> Gradients | None:
        if case.program is None:
            return None
        again = _rerun(case.program, another_in(case.program), values)
        if again is None:
            return None
        grads = again.of_inputs(again.walk(case.arriving), case.inputs)
        return {k: grads[k] for k in case.setting.checked}

    return Hypothesis("wrong value", sentence, supposed)


def _rerun(program: Program, another: Another, values: bool) -> Program | None:
    """The program with other operands; None where there is none to replace."""
    other = copy.copy(program)
    other.lines = list(program.lines)
    changed: dict[int, Any] = {}
    replaced = False
    for line in program.lines:
        found = [another(line, i) for i in range(len(line.args))]
        replaced = replaced or any(x is not None for x in found)
        operands = [
            x if x is not None else changed.get(k, operand)
            for x, k, operand in zip(found, line.args, line.operands)
        ]
        if line.op is not None and any(x is not y for x, y in zip(operands, line.operands)):
            mine = other.lines[line.number] = copy.copy(line)
            mine.operands = operands
            if values or not line.needs:
                mine.value = np.asarray(line.op.forward(*operands, **line.attrs))
                changed[line.number] = mine.value
    other.backwards = [other.lines[line.number] for line in program.backwards]
    return other if replaced else None
