"""The program as text, a line each, with its scopes as headings: the first view of a graph.

Read next: `queries.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from .lines import FOLDED, Gradients, Line, Scope, in_one_row, short


def listing(
    lines: Sequence[Line],
    show: Collection[str],
    gradients: Gradients | None,
    cuts: Mapping[int, int | None],
) -> str:
    """The text of `Graph.listing`; `gradients` are needed where "grad" is in `show`."""
    width = len(f"n{len(lines) - 1}")
    rows: list[str] = []
    scope: Scope = ()
    for line in lines:
        here = line.path if line.op == FOLDED else line.scope
        if line.op is not None and here != scope:
            scope = here
            rows.append(f"# {in_one_row(' / '.join(map(str, scope))) or 'outside'}")
        columns = [f"n{line.number}".ljust(width) + "  " + formula(line)]
        columns += [str(line.shape)] if "shape" in show else []
        columns += [short(line.value)] if "value" in show else []
        if "grad" in show:
            assert gradients is not None
            columns.append(f"grad {short(gradients.lines.get(line.number))}")
        columns += ["requires grad"] if line.kind == "parameter" else []
        if line.number in cuts:
            source = cuts[line.number]
            columns.append("cut" if source is None else f"cut from n{source}")
        rows.append("  ".join(columns))
    return "\n".join(rows)


def formula(line: Line) -> str:
    """How a line was made: `h = tanh(n5)`, or the name of a leaf."""
    if line.kind == "constant":
        return repr(line.value) if np.isscalar(line.value) else "constant"
    if line.op is None:
        return in_one_row(line.name or "(unnamed)")
    operands = [f"n{k}" for k in line.inputs]
    attrs = [f"{key}={attr_text(value)}" for key, value in line.attrs.items()]
    made = f"{line.name or ''} = {line.op}({', '.join(operands + attrs)})"
    return in_one_row(made.lstrip())


def attr_text(value: Any) -> str:
    """Indices as they are written in brackets; arrays by their shape."""
    if isinstance(value, tuple):
        return f"[{', '.join(attr_text(v) for v in value)}]"
    if isinstance(value, slice):
        parts = [value.start, value.stop] + ([] if value.step is None else [value.step])
        return ":".join("" if part is None else str(part) for part in parts)
    if isinstance(value, np.ndarray):
        return f"array{value.shape}"
    return "..." if value is Ellipsis else str(value)
