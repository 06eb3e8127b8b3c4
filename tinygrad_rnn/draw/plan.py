"""The plan of a drawing: what is drawn, in which step, and what is carried from step to step.

It knows lines and numbers only; the words are in `labels.py`, the DOT text in `dot.py`.

Read next: `labels.py`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from ..program import Graph, Line
from .contract import Contracted, contract, without_parameters
from .references import Handover, Reference, find_handovers, find_references, find_starts
from .states import States, find_states
from .steps import TimeStep, time_steps


@dataclass(frozen=True)
class Plan:
    """What `dot_text` lays out.

    Attributes:
        outputs: the lines that the graph was made for.
        homes: for every line the number of its step, or None.
        references, handovers: what steps share, and what they hand out together.
        starts: by (state, step) the references to parts of one initial state.
        cuts: pairs (where from, leaf) of lines that `detach()` cut apart.
        table: the shared leaves, which stand in the table and not in the picture.
    """

    graph: Contracted
    outputs: frozenset[int]
    steps: list[TimeStep]
    homes: list[int | None]
    states: States
    references: list[Reference]
    handovers: list[Handover]
    starts: dict[tuple[int, int], Reference]
    cuts: list[tuple[int, int]]
    table: list[int]

    def line(self, number: int) -> Line:
        return self.graph.lines[number]

    def nodes(self) -> list[int]:
        """The lines that get a node of their own."""
        tabled = set(self.table)
        return [n for n in self.graph.drawn if n not in tabled]

    def looks(self, number: int) -> str:
        """The class of a line, which decides its colours and border."""
        line = self.line(number)
        kind = line.kind
        if kind == "parameter" and self.homes[number] is not None and not line.learned:
            kind = "input"  # an x_t whose gradient was asked for
        if number in self.outputs:
            return "output"
        if number in self.states.lanes and kind not in ("constant", "cut"):
            return "state"
        return kind

    def caption(self) -> str:
        """What is not drawn, counted; "" if all is."""
        hidden = [_counted(count, what) for what, count in sorted(self.graph.hidden.items())]
        return f"not drawn: {', '.join(hidden)}" if hidden else ""


def make_plan(graph: Graph, hide: Collection[str], weights: str) -> Plan:
    """Decide everything that does not depend on words or colours."""
    outputs = frozenset(graph.number(output) for output in graph.outputs)
    contracted = contract(graph.nodes, hide, outputs)
    if weights == "hide":
        contracted = without_parameters(contracted)
    steps, homes = time_steps(contracted)
    states = find_states(contracted, steps, homes)
    references = find_references(contracted, homes, states.linked(), weights)
    starts = find_starts(contracted, states)
    roots = dict.fromkeys(reference.root for reference in (*starts.values(), *references))
    table = [n for n in sorted(roots) if contracted.lines[n].op is None]
    return Plan(
        contracted, outputs, steps, homes, states, references,
        find_handovers(contracted, homes), starts, _cuts(graph, contracted), table,
    )  # fmt: skip


def _cuts(graph: Graph, contracted: Contracted) -> list[tuple[int, int]]:
    """The cuts whose two ends are in the graph."""
    pairs = graph.cuts().items()
    return [(contracted.roots[source], n) for n, source in pairs if source is not None]


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' if what == 'parameter' and count > 1 else ''}"
