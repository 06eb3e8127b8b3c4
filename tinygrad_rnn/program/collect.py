"""The lines of a program, from the Tensors that it gave.

A leaf stands just before the line that uses it first; results stand in the order of their making.

Read next: `recorded.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from ..arraylike import raw
from ..graph import ancestors as results_of
from ..tensor import Tensor
from .lines import Line
from .recorded import recorded_arrays


class Collected(NamedTuple):
    """The lines, their numbers by Tensor, and what has another array by now than was recorded."""

    lines: list[Line]
    numbers: dict[Tensor, int]
    replaced: list[str]


def collect(outputs: Sequence[Tensor]) -> Collected:
    """All that `outputs` were made of, as numbered lines with the values that were recorded."""
    results = results_of(outputs)
    lines: list[Line] = []
    numbers: dict[Tensor, int] = {}
    for tensor in results:
        node = tensor._node  # `results_of` has written out replayed loops
        assert node is not None
        inputs = []
        for x in node.inputs:
            if not isinstance(x, Tensor):
                inputs.append(len(lines))
                lines.append(Line(len(lines), None, (), {}, (), raw(x), None, None, "constant"))
                continue
            if x not in numbers:  # a leaf: what results are made of has a line already
                numbers[x] = len(lines)
                lines.append(_leaf(len(lines), x))
            inputs.append(numbers[x])
        number = numbers[tensor] = len(lines)
        op, attrs, scope, data = node.op.name, node.attrs, node.scope, tensor._array
        lines.append(Line(number, op, tuple(inputs), attrs, scope, data, tensor, tensor.name, "op"))
    for tensor in outputs:
        if tensor not in numbers:
            numbers[tensor] = len(lines)
            lines.append(_leaf(len(lines), tensor))
    changed = any(tensor.changed for tensor in numbers)
    arrays = recorded_arrays(results) if changed else {}
    for tensor, array in arrays.items():
        lines[numbers[tensor]] = replace(lines[numbers[tensor]], value=array)
    return Collected(lines, numbers, [tensor.label for tensor in arrays])


def _leaf(number: int, x: Tensor) -> Line:
    return Line(number, None, (), {}, (), x.data, x, x.name, _leaf_kind(x), x.learned)


def _leaf_kind(x: Tensor) -> str:
    if x.requires_grad:
        return "parameter"
    return "input" if x.cut is None else "cut"
