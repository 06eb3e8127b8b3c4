"""A backward that computes the forward's values again, and differently: no eps, no mask, N - 1.

The lines are run again with one constant or one operation changed, and walked back by their right
rules: with the changed constant in them, or with the true one (only the values are wrong then).

Read next: `other_operands.py`.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

import numpy as np

from ...arraylike import Array
from .case import Case
from .hypothesis import Gradients, Hypothesis
from .program import Changes, Line, Program
from .recording import Place
from .words import formula, name_of, number


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
                for value in _instead(line, i):
                    said = _said(line, i, value, text)
                    for rules_too in (True, False):
                        yield _hypothesis(said, role, i, value, rules_too)
            elif np.shape(operand) == np.shape(line.value) and _can_be_left_out(line, i):
                source = name_of(program, line.args[i], line.t)
                others = [name_of(program, k, line.t) for k in line.args if k != line.args[i]]
                yield _hypothesis(
                    f"{text} is left out, its value and its rule: {line.op.name}"
                    f" ({', '.join(others)}) is missing, as a factor that is forgotten",
                    role, i, None, True,
                )  # fmt: skip
                yield _hypothesis(
                    f"{text} is recomputed without {line.op.name} (mask, divisor or root): {source}"
                    " is used instead",
                    role, i, None, False,
                )  # fmt: skip


def _instead(line: Line, i: int) -> list[float]:
    """Other numbers in the place of a constant."""
    c, op = float(line.operands[i]), line.op.name if line.op else ""
    if op in ("add", "subtract"):
        return [0.0]
    if op in ("multiply", "divide"):
        return [1.0, c - 1, c + 1] if c == round(c) and c > 2 else [1.0]
    return []


def _said(line: Line, i: int, value: float, text: str) -> str:
    c = number(float(line.operands[i]))
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
    sentence: str, role: Place, i: int, value: float | None, rules_too: bool
) -> Hypothesis:
    def supposed(case: Case) -> Gradients | None:
        program = case.program
        if program is None or role not in program.roles:
            return None
        again = _again(program, role, i, value, rules_too)
        handed = {(n, i): _itself for n in again.roles[role]} if value is None and rules_too else {}
        grads = again.of_inputs(again.walk(case.arriving, Changes(handed)), case.inputs)
        return {k: grads[k] for k in case.setting.checked}

    return Hypothesis("wrong value", sentence, supposed)


def _itself(g: Array) -> Array:
    return g


def _again(program: Program, role: Place, i: int, value: float | None, rules_too: bool) -> Program:
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
        mine.value = _value(mine, i if here else -1, value)
        if here and value is not None and rules_too:
            mine.operands = _replaced(mine.operands, i, value)
        other.lines[line.number] = mine
        changed.add(line.number)
    other.backwards = [other.lines[line.number] for line in program.backwards]
    return other


def _value(line: Line, i: int, value: float | None) -> object:
    assert line.op is not None
    if i >= 0 and value is None:
        return line.operands[i]
    operands = line.operands if i < 0 or value is None else _replaced(line.operands, i, value)
    return np.asarray(line.op.forward(*operands, **line.attrs))


def _replaced(operands: list[object], i: int, value: float) -> list[object]:
    return [*operands[:i], np.float64(value), *operands[i + 1 :]]
