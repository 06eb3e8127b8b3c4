"""What lines are called on the page, and how each was made, in symbols.

Read next: `chain.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...program import Graph, Line
from .numbers import digits

LONGEST = 40  # characters; a longer expression is called by its number

_INFIX = {
    "add": "+", "subtract": "−", "multiply": "×", "divide": "÷", "matmul": "@", "power": "^",
}  # fmt: skip
_AROUND = {
    "negative": "−x", "square": "x²", "sqrt": "√x", "absolute": "|x|", "sigmoid": "σ(x)",
    "transpose": "xᵀ",
}  # fmt: skip
_LOWERED = str.maketrans("-0123456789", "₋₀₁₂₃₄₅₆₇₈₉")


def names_of(graph: Graph, drawn: Mapping[int, str]) -> list[str]:
    """A name for each line: as it is `drawn`, else its own; a part is called after the whole.

    >>> from tinygrad_rnn import Tensor
    >>> names_of(Graph(Tensor([[1.0, 2.0]], name="W").T[1]), {})
    ['W', 'Wᵀ', 'Wᵀ[1]']
    """
    names: list[str] = []
    for line in graph.nodes:
        name = own_name(line)
        if line.op in ("transpose", "getitem", "split") and line.name is None:
            part = expression(line, names)
            name = part if len(part) <= LONGEST else name
        shown = drawn.get(line.number, "")
        names.append(shown if _is_seen(shown) else name)
    return names


def own_name(line: Line) -> str:
    """What a line is called by itself: its name and time step, its number, or a constant's value.

    >>> from tinygrad_rnn import Tensor
    >>> [own_name(line) for line in Graph(Tensor(1.0, name="x") + 2.5).nodes]
    ['x', '2.5', 'n2']
    """
    if line.name and _is_seen(line.name):
        step = line.t if line.op is not None and not line.name[-1].isdigit() else None
        return line.name + ("" if step is None else str(step).translate(_LOWERED))
    if line.kind == "constant":
        return digits(np.asarray(line.value).item()) if line.shape == () else "array"
    return f"n{line.number}"


def _is_seen(name: str) -> bool:
    """Whether there is anything to read, or to click on, in a name: not so in " "."""
    return any(letter.isprintable() and not letter.isspace() for letter in name)


def expression(line: Line, names: Sequence[str]) -> str:
    """`f₁ × c₀`, `tanh(c₁)`, `z₁[:, 0:2]`: an operation with the names of its operands."""
    operands = [names[i] for i in line.inputs]
    if line.op in _INFIX:
        return f" {_INFIX[line.op]} ".join(operands)
    if line.op in _AROUND:
        return _AROUND[line.op].replace("x", operands[0])
    if line.op == "split" and line.attrs.keys() == {"start", "stop", "axis"}:
        index = [":"] * line.attrs["axis"] + ["{start}:{stop}".format(**line.attrs)]
        return f"{operands[0]}[{', '.join(index)}]"
    if line.op == "getitem":
        return f"{operands[0]}[{_text(line.attrs.get('index')).strip('()')}]"
    attrs = [f"{key}={_text(value)}" for key, value in line.attrs.items() if value is not None]
    return f"{line.op}({', '.join([*operands, *attrs])})"


def _text(value: Any) -> str:
    """Metadata as it was written; arrays by their shape."""
    if isinstance(value, tuple):
        return f"({', '.join(map(_text, value))})"
    if isinstance(value, slice):
        ends = ["" if end is None else str(end) for end in (value.start, value.stop)]
        return ":".join(ends + ([] if value.step is None else [str(value.step)]))
    if isinstance(value, np.ndarray):
        return f"array{value.shape}"
    return "..." if value is Ellipsis else f"{value!s:.40}"
