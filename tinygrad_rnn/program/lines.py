"""A line of the recorded program is plain data: `n7 = op(n3, n5, **attrs)`, or a leaf.

Read next: `value.py`, which collects the lines of a graph.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import takewhile
from typing import Any, NamedTuple

import numpy as np

from ..arraylike import Array
from ..graph import Sending, summed
from ..modes import Step
from ..tensor import Tensor

Scope = tuple[str | Step, ...]

FOLDED, PREVIOUS = "folded", "previous"  # the operations of lines that stand for others

# They change where numbers stand, and compute none.
MOVEMENTS = (
    "getitem", "split", "transpose", "reshape", "broadcast_to", "astype", "concatenate", "stack",
)  # fmt: skip

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
LAYER = re.compile(r"layer(\d+)(_reverse)?")


@dataclass(eq=False, slots=True)  # not frozen: a graph has very many, and that would cost most
class Line:
    """One line: `n7 = op(n3, n5, **attrs)`, or a leaf (no op). It is never changed.

    Attributes:
        number: its place in the program, from 0.
        op: the primitive's name, or None for a leaf.
        inputs: the numbers of its operands, in order and with multiplicity.
        attrs: the metadata of the call.
        scope: module path and time step it was made in.
        value: the array (or the plain number, for a constant).
        tensor: the Tensor; None for a constant (an operand that was no Tensor), for a line that
            stands for others, and in a graph that was read from a file.
        name: the Tensor's, when the graph was made.
        kind: "op"; "folded" for a line that stands for the steps that a fold left out; or what sort
            of leaf: "parameter" (needs a gradient), "cut" (off a graph, by `detach()`), "input",
            "constant".
        learned: whether it is a Parameter of a module, and not only a tensor that requires grad.
    """

    number: int
    op: str | None
    inputs: tuple[int, ...]
    attrs: dict[str, Any]
    scope: Scope
    value: Any
    tensor: Tensor | None
    name: str | None
    kind: str
    learned: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        value = self.value
        return value.shape if isinstance(value, np.ndarray) else np.shape(value)

    @property
    def bytes(self) -> int:
        """The size of its value; of a plain number: 8."""
        return int(np.asarray(self.value).nbytes)

    @property
    def t(self) -> int | None:
        """The innermost time step of the scope."""
        scope = step_scope(self.scope)
        return None if scope is None else scope[-1].t  # type: ignore[union-attr]

    @property
    def path(self) -> tuple[str, ...]:
        """The module path: the scope without its time steps."""
        return _path(self.scope)

    @property
    def layer(self) -> int | None:
        """The number of the innermost layer of `tg.nn` that the line was made in."""
        found = self._layer()
        return None if found is None else int(found[1])

    @property
    def direction(self) -> str | None:
        """ "forward" or "reverse" in a layer of `tg.nn`, else None."""
        found = self._layer()
        return None if found is None else "reverse" if found[2] else "forward"

    def _layer(self) -> re.Match[str] | None:
        matches = (LAYER.fullmatch(entry) for entry in reversed(self.path))
        return next((match for match in matches if match), None)


@lru_cache(maxsize=4096)
def _path(scope: Scope) -> tuple[str, ...]:
    return tuple([entry for entry in scope if not isinstance(entry, Step)])


class Edge(NamedTuple):
    """Argument number `argument` of line `line` is line `source`; `x * x` has two edges."""

    source: int
    line: int
    argument: int


class Arrived(Mapping[tuple[int, int], Array]):
    """What arrived over each edge (line, argument).

    A walk leaves the parts of a large sum uncomputed until all are there. What one part is by
    itself is worked out when somebody asks: of many thousand edges few are drawn.

    Args:
        sendings: by the number of the line what it sent, as the walk left it.
    """

    def __init__(self, sendings: Mapping[int, Sequence[Sending]]) -> None:
        self._sendings = sendings
        self._known: dict[int, dict[int, Array]] = {}

    def _of_line(self, n: int) -> dict[int, Array]:
        if n not in self._known:
            sent = self._sendings.get(n, ())
            self._known[n] = {argument: summed([c], x) for argument, x, c in sent}
        return self._known[n]

    def __getitem__(self, edge: tuple[int, int]) -> Array:
        n, argument = edge
        return self._of_line(n)[argument]

    def total(self, edges: Sequence[tuple[int, int]]) -> Array | None:
        """The sum of what arrived over some edges of one operand, in one call; None if nothing."""
        wanted = set(edges)
        sent = [
            (c, x)
            for n in dict.fromkeys(n for n, _ in edges)
            for argument, x, c in self._sendings.get(n, ())
            if (n, argument) in wanted
        ]
        return summed([c for c, _ in sent], sent[0][1]) if sent else None

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return ((n, argument) for n, sent in self._sendings.items() for argument, _, _ in sent)

    def __len__(self) -> int:
        return sum(map(len, self._sendings.values()))


def together(
    arrived: Mapping[tuple[int, int], Array], edges: Sequence[tuple[int, int]]
) -> Array | None:
    """The sum of what arrived over some edges of one operand; None if nothing did."""
    if len(edges) > 1 and isinstance(arrived, Arrived):
        return arrived.total(edges)
    parts = [arrived[edge] for edge in edges if edge in arrived]
    return sum(parts[1:], parts[0]) if parts else None


class Gradients(NamedTuple):
    """What a walk found: dL/d(line) by number, and what arrived over each edge (line, argument)."""

    lines: dict[int, Array]
    edges: Mapping[tuple[int, int], Array]


def short(value: Any) -> str:
    """At most four numbers as they are (%.3g, without the sign of a zero), more as their norm; a
    missing value is a dash."""
    if value is None:
        return "–"
    flat = np.asarray(value).ravel()
    if flat.size <= 4 and flat.dtype.kind != "c":
        return " ".join([f"{v + 0:.3g}" for v in flat.tolist()]) or "empty"
    size = math.sqrt(flat.dot(flat)) if flat.dtype.kind == "f" else np.linalg.norm(flat)
    return f"|·| {size:.3g}"


def in_one_row(text: str) -> str:
    """A name without line breaks and other controls, which a terminal would obey.

    >>> in_one_row("x\\n\\x1b[2J")
    'x\\\\n\\\\x1b[2J'
    """
    return text if text.isprintable() else _CONTROL.sub(lambda c: repr(c[0])[1:-1], text)


@lru_cache(maxsize=4096)
def step_scope(scope: Scope) -> Scope | None:
    """A scope up to its innermost time step; None without one.

    >>> step_scope(("Net", Step(3), "LSTMCell"))
    ('Net', Step(t=3))
    """
    for k in range(len(scope), 0, -1):
        if isinstance(scope[k - 1], Step):
            return scope[:k]
    return None


def common_start(scopes: Collection[Scope]) -> Scope:
    """What all scopes begin with.

    >>> common_start([("Net", Step(3), "encoder"), ("Net", Step(3), "decoder")])
    ('Net', Step(t=3))
    """
    levels = zip(*scopes)
    return tuple(level[0] for level in takewhile(lambda level: len(set(level)) == 1, levels))


def made_of_parameters(lines: Sequence[Line], n: int, known: dict[int, bool]) -> bool:
    """Whether a line is a parameter, or made of parameters and constants alone, as W.T.

    Args:
        known: the answers so far, and those found on the way.
    """
    stack = [n]
    while stack:
        line = lines[stack[-1]]
        operands = [x for x in line.inputs if lines[x].kind != "constant"]
        unknown = [x for x in operands if x not in known]
        if unknown:
            stack += unknown
            continue
        made = bool(operands) and all(known[x] for x in operands)
        known[stack.pop()] = line.kind == "parameter" if line.op is None else made
    return known[n]


def index_free(line: Line) -> tuple[Any, ...]:
    """The metadata of a line as a key, without the places of an index: x[3] and x[4] are alike."""
    return tuple([(key, _key(value, key == "index")) for key, value in line.attrs.items()])


def _key(value: Any, is_index: bool) -> Any:
    if type(value) is int:
        return "place" if is_index else value
    if isinstance(value, (tuple, list)):
        return tuple([_key(part, is_index) for part in value])
    if isinstance(value, slice):
        if is_index:
            return "slice", value.start is None, value.stop is None, value.step
        return "slice", value.start, value.stop, value.step
    if isinstance(value, np.ndarray):
        return "array", value.shape, value.dtype.str
    if is_index and isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        return "place"
    return repr(value)
