"""What a line of the recorded forward is called in a sentence: by its variable, or as its formula.

    o * tanh(c)        a line that no variable holds
    h_t, h_{t-1}       a line of a time step, seen from step t

Read next: `slopes.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .program import Line, Program

_INFIX = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/", "matmul": "@", "power": "**"}
DEPTH = 3


def name_of(program: Program, n: int, seen_from: int | None = None, depth: int = DEPTH) -> str:
    """The variable, with its step as seen from another one; else the formula."""
    line = program.lines[n]
    step = _step(line, seen_from)
    if line.name is None:
        text = formula(program, n, depth)
        return text if step in ("", "_t") or depth < DEPTH else f"{inside(text)}{step}"
    return line.name.removesuffix("_t") + step if step else line.name


def told_apart(program: Program, a: int, b: int, seen_from: int | None) -> tuple[str, str]:
    """What two lines are called, deeper where their formulas begin alike."""
    for depth in (DEPTH, 2 * DEPTH):
        one, other = (name_of(program, n, seen_from, depth) for n in (a, b))
        if one != other:
            return one, other
    return f"{one} (n{a})", f"{other} (n{b})"


def _step(line: Line, seen_from: int | None) -> str:
    if line.t is None or seen_from is None:
        return ""
    apart = line.t - seen_from
    return "_t" if not apart else f"_{{t{apart:+d}}}"


def seen_from(program: Program, line: Line, i: int) -> int | None:
    """The step that an argument is seen from; None where it is of another loop: an encoder's last
    state has a later step than a decoder's first line, and no line takes what comes after it."""
    t = program.lines[line.args[i]].t
    return None if t is not None and line.t is not None and t > line.t else line.t


def formula(program: Program, n: int, depth: int = DEPTH) -> str:
    """The line as it is computed, some levels deep."""
    if depth == DEPTH:
        if n not in program.texts:
            program.texts[n] = _formula(program, n, depth)
        return program.texts[n]
    return _formula(program, n, depth)


def _formula(program: Program, n: int, depth: int) -> str:
    line = program.lines[n]
    if line.op is None:
        return _constant(line.value) if line.name is None else line.name
    if depth == 0:
        return "..."
    parts = [
        name_of(program, k, seen_from(program, line, i), depth - 1) for i, k in enumerate(line.args)
    ]
    op = line.op.name
    if op == "divide" and (summed := mean_of(program, line)) is not None:
        return f"mean({name_of(program, summed, line.t, depth - 1)})"
    if op in _INFIX and len(parts) == 2:
        return f"{inside(parts[0])} {_INFIX[op]} {inside(parts[1])}"
    if op == "negative":
        return f"-{inside(parts[0])}"
    if op == "transpose" and line.attrs.get("axes") is None:
        return f"{inside(parts[0])}.T"
    if op == "getitem":
        return f"{inside(parts[0])}[{index_text(line.attrs['index'])}]"
    if op == "split":
        return f"part {line.attrs['start']}:{line.attrs['stop']} of {parts[0]}"
    if op == "assign":
        return f"[{index_text(line.attrs['index'])}] = {parts[1]}"
    return f"{op}({', '.join(parts)})"


def mean_of(program: Program, line: Line) -> int | None:
    """What a sum that is divided by the number of its entries is the mean of."""
    total = program.lines[line.args[0]]
    if total.op is None or total.op.name != "sum" or total.name is not None:
        return None
    count = np.size(total.operands[0]) / max(np.size(total.value), 1)
    divisor = line.operands[1]
    return total.args[0] if np.ndim(divisor) == 0 and divisor == count else None


def inside(text: str) -> str:
    """The text as an operand: in brackets, if it is an operation itself."""
    depth, operation = 0, text.startswith("-")
    for letter in text:
        depth += (letter in "([{") - (letter in ")]}")
        operation = operation or (letter == " " and depth == 0)
    return f"({text})" if operation else text


def _constant(value: Any) -> str:
    if np.ndim(value) == 0:
        return f"{float(value):.6g}"
    return "mask" if np.asarray(value).dtype == bool else "constant"


def index_text(index: Any) -> str:
    """An index as it is written between brackets."""
    if isinstance(index, tuple):
        return ", ".join(index_text(each) for each in index)
    if isinstance(index, slice):
        ends = ["" if end is None else str(end) for end in (index.start, index.stop)]
        return ":".join(ends + ([] if index.step is None else [str(index.step)]))
    if isinstance(index, np.ndarray):
        return "indices" if index.ndim else str(index)
    return "..." if index is Ellipsis else str(index)


def edge_text(program: Program, n: int, i: int) -> str:
    """The path over an edge, from the result to the argument: `h = o * tanh(c) -> c`."""
    line = program.lines[n]
    source = name_of(program, line.args[i], seen_from(program, line, i))
    left = "" if line.name is None else f"{line.name}{_step(line, line.t)} = "
    return f"{left}{formula(program, n)} -> {source}"


def listed(names: list[str]) -> str:
    """x; x and y; x, y and z."""
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def number(x: float) -> str:
    """A factor as it is said: 2, 0.5, 1/3."""
    for n in range(1, 13):
        if abs(x * n - round(x * n)) < 1e-9 * n and round(x * n):
            top = round(x * n)
            return str(top) if n == 1 else f"{top / n:g}" if n in (2, 4, 5, 8, 10) else f"{top}/{n}"
    return f"{x:.6g}" if abs(x - 1) > 1e-4 else f"{x:.12g}"  # 1.0000001 is not 1
