"""What a diagnosis says, and how sure it is, in one of four words.

    certain     equal to nine digits in every case, and the only such hypothesis
    one of k    k hypotheses are: they give the same gradients, and nothing can tell them apart
    likely      one explains at least 99 % of the squared difference
    unknown     none does; it says which inputs, steps and rows are wrong, and nothing more

Read next: `../report.py`, which prints it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from .program import Edge, Program
from .time_table import TimeTable

CERTAIN, LIKELY, UNKNOWN = "certain", "likely", "unknown"


@dataclass
class Diagnosis:
    """Why a gradient is wrong.

    Attributes:
        word: "certain", "one of 3" (k hypotheses), "likely" or "unknown".
        sentence: what was done wrong; for "unknown", what is known.
        family: "contract", "shape", "global", "cotangent", "edge weight", "local rule", "wrong
            value", "everywhere", "time table" or "pairs"; "" for "unknown".
        alternatives: the other hypotheses that give the same gradients.
        cases: how many random cases they were compared in.
        edges: the edges (line, argument) of the forward's graph that are at fault.
        unrecorded: why the forward could not be recorded; "" where it could.
        table: how a recurrent weight's gradient is put together of its steps; None without one.
    """

    word: str
    sentence: str
    family: str = ""
    alternatives: list[str] = field(default_factory=list)
    cases: int = 1
    edges: tuple[Edge, ...] = ()
    program: Program | None = field(default=None, repr=False)
    table: TimeTable | None = None
    unrecorded: str = ""

    @property
    def k(self) -> int:
        return 0 if self.word == UNKNOWN else 1 + len(self.alternatives)

    def __str__(self) -> str:
        lines = [f"{self.word}: {self.sentence}"]
        lines += [f"  or: {other}" for other in self.alternatives]
        if self.table is not None:
            lines.append(str(self.table))
        return "\n".join(lines)

    def json(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "word": self.word,
            "sentence": self.sentence,
            "family": self.family,
            "alternatives": list(self.alternatives),
            "cases": self.cases,
            "edges": [list(edge) for edge in self.edges],
            "table": None if self.table is None else self.table.json(),
        }

    def draw(self, **options: Any) -> Any:
        """The forward's graph, a `tg.draw` drawing, with the edges at fault in red.

        Raises:
            ValueError: if the forward could not be recorded.
        """
        from ...draw import draw  # check and draw stand side by side: neither needs the other

        if self.program is None:
            raise ValueError(
                "the forward could not be recorded as a graph, so there is nothing to draw:"
                f" {self.unrecorded or 'its gradient was not compared'}"
            )
        everything: dict[str, Any] = {"hide": (), "show": ("shape",), "max_nodes": 2000}
        drawing = draw(self.program.graph, **everything | options)
        drawing.source = reddened(drawing.source, self.edges)
        return drawing


def reddened(source: str, edges: Iterable[Edge]) -> str:
    """DOT text with some edges (line, argument) in red: they are found by their classes."""
    lines = source.split("\n")
    marks = [f"to-n{n} argument-{i}" for n, i in edges]
    for k, line in enumerate(lines):
        found = _CLASS.search(line)
        if found and any(found.group(1).endswith(mark) for mark in marks):
            plain = _LOOKS.sub("", line.rstrip("]"))
            lines[k] = f'{plain} color="#CF222E" penwidth="3"]'
    return "\n".join(lines)


_CLASS = re.compile(r'-> .* \[class="([^"]*)"')
_LOOKS = re.compile(r' (color|penwidth)="[^"]*"')
