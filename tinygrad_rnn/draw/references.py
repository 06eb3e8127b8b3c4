"""What many time steps share is drawn once, and in each step stands a reference to it.

One node with arrows to T steps costs `dot` minutes and the reader the overview. A reference also
has a number of its own to show: the part of the gradient that came from its step. The same holds
for what all steps hand to one line outside of them, as their outputs to a `stack`: see `Handover`.

Read next: `plan.py`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from ..program import Gradients
from ..tensor import Array
from .contract import Contracted, Link
from .states import Belt, States

Edge = tuple[int, int]  # (line, argument)


@dataclass(frozen=True)
class Reference:
    """`W_ih` in step 3: the shared line `root`, taken there as `line`, by `links`.

    `line` is the root itself or a slice or transpose of it. `step` is None outside of the steps.
    The start of a belt has no links: it stands before its step, and the belt goes on from there.
    `gates` are the edges into the step, over which its part of dL/d(line) arrives; None if the
    line serves this step only, so that all of its gradient does. A rolled step stands for all of
    its loop, and so do what arrives over its edges: the line itself is that of the last one.
    """

    root: int
    line: int
    step: int | None
    links: list[Link]
    gates: list[Edge] | None

    @property
    def id(self) -> str:
        if not self.links:
            return f"start-n{self.line}-s{self.step}"
        return f"ref-n{self.line}-{'out' if self.step is None else f's{self.step}'}"

    def gradient(self, gradients: Gradients | None) -> Array | None:
        """This step's part of dL/d(line)."""
        if gradients is None:
            return None
        if self.gates is None:
            return gradients.lines.get(self.line)
        arrived = map(gradients.edges.get, self.gates)
        parts = [part for part in arrived if part is not None]
        return sum(parts[1:], parts[0]) if parts else None


@dataclass(frozen=True)
class Handover:
    """What a step gives to a line outside that takes something from several steps."""

    link: Link
    step: int

    @property
    def id(self) -> str:
        return f"handover-n{self.link.child}-{self.link.argument}"

    def gradient(self, gradients: Gradients | None) -> Array | None:
        """What comes back over this arrow: the loss of this step itself, not of later ones."""
        edge = self.link.child, self.link.argument
        return None if gradients is None else gradients.edges.get(edge)


def find_handovers(graph: Contracted, homes: list[int | None]) -> list[Handover]:
    """The links from two or more steps into one line outside."""
    found: dict[int, list[Handover]] = {}
    for link in graph.links:
        home = homes[link.source]
        if homes[link.child] is None and home is not None:
            found.setdefault(link.child, []).append(Handover(link, home))
    several = [some for some in found.values() if len({one.step for one in some}) > 1]
    return [one for some in several for one in some]


def find_starts(
    graph: Contracted, states: States, shared: Collection[int]
) -> dict[tuple[int, int], Reference]:
    """Where an initial state stands in the table: a reference for each belt that it starts.

    It does if one tensor holds the initial states of several chains, or if it is `shared` by the
    steps besides.
    """
    starts = {}
    for root, some in _initial_belts(graph, states).items():
        for belt in some if len(some) > 1 or root in shared else []:
            operands = {link.operand for link in belt.links}
            line = operands.pop() if len(operands) == 1 else root
            gates = None if line != root else [(x.child, x.argument) for x in belt.links]
            starts[root, belt.step] = Reference(root, line, belt.step, [], gates)
    return starts


def shared_starts(graph: Contracted, states: States) -> set[int]:
    """The leaves that hold the initial states of several chains: they stand in the table."""
    return {root for root, some in _initial_belts(graph, states).items() if len(some) > 1}


def _initial_belts(graph: Contracted, states: States) -> dict[int, list[Belt]]:
    """By leaf the belts that it starts."""
    belts: dict[int, list[Belt]] = {}
    for some in states.belts.values():
        for belt in some:
            if graph.lines[belt.source].op is None:
                belts.setdefault(belt.source, []).append(belt)
    return belts


def find_references(
    graph: Contracted,
    homes: list[int | None],
    belted: set[Edge],
    weights: str,
    back: Collection[int] = (),
    initial: Collection[int] = (),
    folded: Collection[int] = (),
    rolled: Collection[int] = (),
) -> list[Reference]:
    """A reference for each step and each line that two or more steps share.

    Args:
        belted: the links (child, argument) that belts carry: a state is not shared.
        weights: "line" draws arrows from a parameter to all its uses instead.
        back: the steps of a recorded walk back. What they take from the steps that it went through
            stands in them by reference, too: an arrow would cross all that lies between.
        initial: what else stands in the table, so that all its uses are references.
        folded: what steps take that are left out: of these, one step that is drawn is enough.
        rolled: the steps that stand for all steps of a loop.
    """
    shared = _shared(graph, homes, belted, folded)
    if weights == "line":
        shared = {n for n in shared if graph.lines[n].kind != "parameter"}
    shared |= set(initial)
    entrances = _entrances(graph, homes)
    found: dict[tuple[int | None, int, int | None], dict[Edge, list[Link]]] = {}
    for link in graph.links:
        home = homes[link.child]
        from_far = home in back and homes[link.source] not in (None, *back)
        if not (link.source in shared or from_far):
            continue
        gate = link.child, link.argument
        if gate in belted or (home is None and graph.lines[link.source].op is not None):
            continue
        if home is not None and homes[link.operand] == home and link.operand in graph.passed:
            gate = (entrances[link.operand], 0)
        line = graph.lines[gate[0]].inputs[gate[1]]
        # each part of something, as x[t] and x[t+1], is a reference of its own
        part = gate[0] if graph.lines[gate[0]].op == "getitem" and gate[0] in graph.passed else None
        found.setdefault((home, line, part), {}).setdefault(gate, []).append(link)
    return [
        _reference(graph, home, line, gates, home in rolled)
        for (home, line, _), gates in found.items()
    ]


def _shared(
    graph: Contracted, homes: list[int | None], belted: set[Edge], folded: Collection[int]
) -> set[int]:
    """The drawn lines outside of all steps that two or more steps take, left out ones included."""
    takers: dict[int, set[int]] = {}
    for source, child, argument, _ in graph.links:
        home = homes[child]
        if homes[source] is None and home is not None and (child, argument) not in belted:
            takers.setdefault(source, set()).add(home)
    return {n for n, some in takers.items() if len(some) > 1 or n in folded}


def _entrances(graph: Contracted, homes: list[int | None]) -> list[int]:
    """For every hidden line inside a step the first hidden line there on the way to it."""
    entrances = list(range(len(graph.lines)))
    for n in sorted(graph.passed):
        (operand,) = graph.lines[n].inputs
        if homes[operand] == homes[n] and operand in graph.passed:
            entrances[n] = entrances[operand]
    return entrances


def _reference(
    graph: Contracted, home: int | None, line: int, gates: dict[Edge, list[Link]], rolled: bool
) -> Reference:
    """One reference; if a single slice or transpose enters the step, it stands for that."""
    root = graph.roots[line]
    links = [link for some in gates.values() for link in some]
    (first, _), *others = gates
    if not others and first in graph.passed:
        return Reference(root, first, home, links, _uses(graph, first) if rolled else None)
    return Reference(root, line, home, links, list(gates))


def _uses(graph: Contracted, n: int) -> list[Edge]:
    """The edges that take a line."""
    later = graph.lines[n + 1 :]
    return [(line.number, k) for line in later for k, x in enumerate(line.inputs) if x == n]
