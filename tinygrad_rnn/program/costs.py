"""What a program costs: floating-point operations, and the bytes that it keeps for `backward()`.

**flops.** A multiplication and an addition are two. A product of (n, k) and (k, m) is 2 n k m; a
function that works entry by entry counts one for each entry of its result, tanh and exp as well as
+; a sum or any other reduction one for each entry that goes in; moving numbers (slices, transposes,
copies) counts nothing. Only the forward pass is counted. An operation of your own counts as one
that works entry by entry.

**bytes.** A graph keeps the result of every line until it dies, whether a rule will read it or not.
A line's bytes are the memory that its result brought with it: all of the array for a new one,
nothing for a view (a slice, a transpose) of memory that is there already, in another line or in a
leaf. Leaves belong to the user and count nothing.

Read next: `alike.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np

from .lines import MOVEMENTS, Line, in_one_row

_REDUCING = frozenset(("sum", "prod", "max", "min", "cumsum", "scatter", "reassembled"))


class Row(NamedTuple):
    """Totals of one scope."""

    scope: str
    steps: int
    operations: int
    bytes: int
    flops: int


class Summary:
    """Rows of operations, bytes and flops by scope; prints as a table.

    Attributes:
        rows: in the order in which the scopes were entered first.
        total: of all rows.
    """

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = list(rows)
        self.total = Row(
            "total",
            max((row.steps for row in rows), default=0),
            sum(row.operations for row in rows),
            sum(row.bytes for row in rows),
            sum(row.flops for row in rows),
        )

    def __str__(self) -> str:
        heading = ("scope", "steps", "operations", "bytes kept", "flops")
        body = [(row.scope, *(f"{n:,}" for n in row[1:])) for row in (*self.rows, self.total)]
        table = [heading, *body]
        widths = [max(len(cells[k]) for cells in table) for k in range(len(heading))]
        texts = [
            "  ".join([cells[0].ljust(widths[0]), *map(str.rjust, cells[1:], widths[1:])])
            for cells in table
        ]
        return "\n".join([texts[0], "-" * len(texts[0]), *texts[1:]])

    __repr__ = __str__


def summary(lines: Sequence[Line], kept: Sequence[int], by_step: bool) -> Summary:
    """The table of `Graph.summary`; `kept` are the bytes of each line."""
    totals: dict[Any, list[Any]] = {}
    for line in lines:
        if line.kind != "op":
            continue
        scope = line.scope if by_step else line.path
        row = totals.setdefault(scope, [set(), 0, 0, 0])
        row[0] |= {line.t} - {None}
        for k, n in enumerate((1, kept[line.number], flops(line, lines)), start=1):
            row[k] += n
    rows = []
    for scope, (steps, *numbers) in totals.items():
        name = in_one_row(" / ".join(map(str, scope))) or "outside"
        rows.append(Row(name, len(steps), *numbers))
    return Summary(rows)


def flops(line: Line, lines: Sequence[Line]) -> int:
    """The floating-point operations of one line, by the convention above; 0 for a leaf."""
    if line.kind != "op" or line.op in MOVEMENTS:
        return 0
    size = prod(line.shape)
    shapes = [lines[n].shape for n in line.inputs]
    if line.op == "matmul":
        return 2 * size * shapes[0][-1]
    if line.op == "sum_of_products":  # pairs (n, i), (n, j): 2 n i j each
        return sum(2 * a[0] * a[-1] * b[-1] for a, b in zip(shapes[::2], shapes[1::2]))
    if line.op == "einsum":
        return _einsum_flops(line, shapes)
    if line.op == "logsumexp":  # the maximum, the difference, exp, the sum
        return 4 * prod(shapes[0])
    if line.op in _REDUCING:
        return sum(map(prod, shapes))
    return size


def _einsum_flops(line: Line, shapes: Sequence[tuple[int, ...]]) -> int:
    """One multiplication for each operand, at every combination of all indices (the last is the +).

    As a plain loop over all indices would; `np.einsum` may find a shorter way.
    """
    terms = line.attrs["subscripts"].replace(" ", "").split("->")[0].split(",")
    sizes: dict[Any, int] = {}
    for term, shape in zip(terms, shapes, strict=True):
        left, dots, right = term.partition("...")
        hidden = len(shape) - len(left) - len(right) if dots else 0
        letters = [*left, *range(-hidden, 0), *right]
        for letter, n in zip(letters, shape, strict=True):
            sizes[letter] = max(n, sizes.get(letter, 0))
    return max(len(shapes), 1) * prod(sizes.values())


def kept_bytes(lines: Sequence[Line]) -> list[int]:
    """For each line the memory that came with its result; of a view, and of a leaf, 0."""
    owners = {id(_owner(line.value)) for line in lines if line.op is None}
    kept = []
    for line in lines:
        owner = _owner(line.value)
        new = line.kind == "op" and id(owner) not in owners
        kept.append(int(np.asarray(owner).nbytes) if new else 0)
        if new:
            owners.add(id(owner))
    return kept


def _owner(value: Any) -> Any:
    """The array whose memory this one shows."""
    while isinstance(value, np.ndarray) and isinstance(value.base, np.ndarray):
        value = value.base
    return value
