"""A backward that computes the forward's values again, and differently: no eps, no mask, N - 1.

The lines are run again with one constant or one operation changed, and walked back by their right
rules: with the changed constant in them, or with the true one (only the values are wrong then).

Read next: `other_operands.py`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from ...arraylike import Array
from .case import Case
from .hypothesis import Gradients, Hypothesis
from .program import Changes, Line, Program
from .recording import Place
from .through_time import itself
from .words import formula, name_of, number

Other = Callable[[float], float]  # from a constant to what stands in its place


def recomputed(case: Case) -> Iterator[Hypothesis]:
    """Hypotheses about every constant, and about every operation that can be left out."""
    program = case.program
    if program is None:
        return
    for role, numbers in program.roles.items():
        line = program.lines[numbers[0]]
        if line.op is None:
            continue
        text = formula(program, line.number)
        for i, operand in enumerate(line.operands):
            if np.ndim(operand) == 0 and program.lines[line.args[i]].op is None:
                for other in _instead(line, i):
                    said = _said(line, i, other, text)
                    for rules_too in (True, False):
                        yield _hypothesis(said, role, partial(_constant, i, other, rules_too))
            elif np.shape(operand) == np.shape(line.value) and _can_be_left_out(line, i):
                source = name_of(program, line.args[i], line.t)
                others = [name_of(program, k, line.t) for k in line.args if k != line.args[i]]
                yield _hypothesis(
                    f"{text} is left out, its value and its rule: {line.op.name}"
                    f" ({', '.join(others)}) is missing, as a factor that is forgotten",
                    role, partial(_left_out, i), i,
                )  # fmt: skip
                yield _hypothesis(
                    f"{text} is recomputed without {line.op.name} (mask, divisor or root): {source}"
                    " is used instead",
                    role, partial(_left_out, i),
                )  # fmt: skip
        if "axis" in line.attrs and np.size(line.value) < np.size(line.operands[0]):
            yield from _of_axes(line, role, text)


def _of_axes(line: Line, role: Place, text: str) -> Iterator[Hypothesis]:
    """A sum, mean or maximum along another axis, or of the whole array."""
    axis, ndim = line.attrs["axis"], np.ndim(line.operands[0])
    if not isinstance(axis, int):
        return
    for other in range(ndim):
        if other != axis % ndim:
            yield _hypothesis(
                f"{text} is computed again along axis {other}, where axis {axis} belongs",
                role, partial(_along, other),
            )  # fmt: skip
    yield _hypothesis(
        f"{text} is computed again over the whole array, where axis {axis} belongs", role, _whole
    )
    yield _hypothesis(
        f"{text}, or the mean of it, is computed again over the whole array: one for all, where"
        f" axis {axis} belongs",
        role, _pooled,
    )  # fmt: skip


def _instead(line: Line, i: int) -> list[Other]:
    """Other numbers in the place of a constant, which may be a size, and another in each case."""
    c, op = float(line.operands[i]), line.op.name if line.op else ""
    if op in ("add", "subtract"):
        return [_zero]
    if op in ("multiply", "divide"):
        return [_one, _one_less, _one_more] if c == round(c) and c > 2 else [_one]
    return []


def _zero(c: float) -> float:
    return 0.0


def _one(c: float) -> float:
    return 1.0


def _one_less(c: float) -> float:
    return c - 1


def _one_more(c: float) -> float:
    return c + 1


def _said(line: Line, i: int, other: Other, text: str) -> str:
    c, value = number(float(line.operands[i])), other(float(line.operands[i]))
    if value == 0:
        return f"the constant {c} (an eps?) of {text} is forgotten where it is computed again"
    if value == 1:
        return f"the factor or divisor {c} of {text} is forgotten where it is computed again"
    small = "N - 1" if value < float(line.operands[i]) else "N + 1"
    return (
        f"{text} is computed again with {number(value)} for {c}: {small} instead of N, as in an"
        " unbiased variance or mean (ddof)"
    )


def _can_be_left_out(line: Line, i: int) -> bool:
    """Not what moves numbers, nor a sum or product with a constant: that is tried by itself."""
    others = [x for k, x in enumerate(line.operands) if k != i]
    constant = len(others) == 1 and np.ndim(others[0]) == 0
    moves = line.op is not None and line.op.name in ("reshape", "assign", "transpose")
    return not constant and not moves


def _hypothesis(
    sentence: str, role: Place, change: Callable[[Line], None], handed: int | None = None
) -> Hypothesis:
    """The walk where some lines have other values.

    Args:
        change: gives a line of this role another value, and may change its rules.
        handed: the argument that its gradient is handed to as it is.
    """

    def supposed(case: Case) -> Gradients | None:
        program = case.program
        if program is None or role not in program.roles:
            return None
        again = _again(program, role, change)
        rules = {} if handed is None else {(n, handed): itself for n in again.roles[role]}
        grads = again.of_inputs(again.walk(case.arriving, Changes(rules)), case.inputs)
        return {k: grads[k] for k in case.setting.checked}

    return Hypothesis("wrong value", sentence, supposed)


def _again(program: Program, role: Place, change: Callable[[Line], None]) -> Program:
    """The program with other values in all lines that depend on the change."""
    other = copy.copy(program)
    other.lines = list(program.lines)
    changed: set[int] = set()
    for line in program.lines:
        if line.op is None:
            continue
        here = line.role == role
        if not here and not any(k in changed for k in line.args):
            continue
        mine = copy.copy(line)
        mine.operands = [
            other.lines[k].value if k in changed else x
            for k, x in zip(line.args, line.operands, strict=True)
        ]
        if here:
            change(mine)
        else:
            mine.value = _value(mine, mine.operands)
        other.lines[line.number] = mine
        changed.add(line.number)
    other.backwards = [other.lines[line.number] for line in program.backwards]
    return other


def _value(line: Line, operands: list[Any], **attrs: Any) -> Array:
    assert line.op is not None
    return np.asarray(line.op.forward(*operands, **{**line.attrs, **attrs}))


# ---------------------------------------------------------------- changes of a line
def _constant(i: int, other: Other, rules_too: bool, line: Line) -> None:
    operands = list(line.operands)
    operands[i] = np.float64(other(float(operands[i])))
    line.value = _value(line, operands)
    if rules_too:
        line.operands = operands


def _left_out(i: int, line: Line) -> None:
    line.value = line.operands[i]


def _along(axis: int, line: Line) -> None:
    line.attrs = {**line.attrs, "axis": axis}
    line.value = _value(line, line.operands)


def _whole(line: Line) -> None:
    one = _value(line, line.operands, axis=None)
    line.value = np.broadcast_to(one.reshape(()), np.shape(line.value))


def _pooled(line: Line) -> None:
    line.value = np.full(np.shape(line.value), np.mean(_value(line, line.operands)))
