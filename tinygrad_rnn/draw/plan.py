"""The plan of a drawing: what is drawn, in which step, and what is carried from step to step.

It knows lines and numbers only; the words are in `labels.py`, the DOT text in `dot.py`.

Read next: `labels.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

from ..program import Fold, Gradients, Graph, Line, in_steps
from ..tensor import Tensor
from .collapse import Box, collapse
from .contract import Contracted, Link, contract, without_parameters
from .focus import Focus, find_focus, without_others
from .names import plural
from .references import (
    Handover,
    Reference,
    find_handovers,
    find_references,
    find_starts,
    shared_starts,
)
from .states import States, base_name, find_states
from .steps import TimeStep, time_steps

LONG = 8  # steps; more than so many are folded

_NOUNS = frozenset(("parameter", "constant", "operation", "arrow", "line", "cut"))


class Recurrence(NamedTuple):
    """A state of a rolled step, and the line where it enters the step, so much later; perhaps over
    a cut, always or at times. Where there is no box to say it: how many steps there are."""

    state: int
    entry: int
    later: int
    cut: bool
    at_times: bool = False
    steps: int = 0


@dataclass(frozen=True)
class Plan:
    """What `dot_text` lays out.

    Attributes:
        outputs: the lines that the graph was made for.
        homes: for every line the number of its step, or None.
        references, handovers: what steps share, and what they hand out together.
        starts: by (state, step) the references to parts of one initial state.
        cuts: pairs (where from, leaf) of lines that `detach()` cut apart.
        unscoped: the numbers of the steps that no scope gave, but the likeness of the steps.
        table: the shared leaves, which stand in the table and not in the picture.
        derivatives: the operations that a walk back recorded, with `create_graph=True`.
        focus: what the rest is paler than.
        folds: the steps that were left out.
        notes: what else the caption says, first.
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
    unscoped: frozenset[int] = frozenset()
    derivatives: frozenset[int] = frozenset()
    focus: Focus | None = None
    folds: Sequence[Fold] = ()
    notes: tuple[str, ...] = ()

    def line(self, number: int) -> Line:
        return self.graph.lines[number]

    def nodes(self) -> list[int]:
        """The lines that get a node of their own."""
        tabled = set(self.table)
        return [n for n in self.graph.drawn if n not in tabled]

    def looks(self, number: int) -> str:
        """The class of a line, which decides its colours and border."""
        if number not in self._looks:
            self._looks[number] = self._class(number)
        return self._looks[number]

    @cached_property
    def _looks(self) -> dict[int, str]:
        return {}

    def _class(self, number: int) -> str:
        line = self.line(number)
        kind = line.kind
        if kind == "parameter" and self.is_own(number) and self.homes[number] not in self.unscoped:
            kind = "input"  # an x_t whose gradient was asked for
        if number in self.outputs:
            return "output"
        if isinstance(line, Box):
            return "module"
        if number in self.states.lanes and kind not in ("constant", "cut", "folded"):
            return "state"
        return "derivative" if number in self.derivatives else kind

    @cached_property
    def _once(self) -> frozenset[int]:
        """The parameters of one step that no other step of its chain has one like: the weights of
        an output that is made there, and no x_t whose gradient was asked for."""
        steps = [step for step in self.steps if step.fold is None or step.rolled]
        chains = Counter(step.path for step in steps)
        alike: dict[Any, set[int]] = {}
        lines, drawn = self.graph.lines, self.graph.drawn
        for n in [n for n in drawn if lines[n].kind == "parameter"]:
            step, line = self.step_of(n), lines[n]
            if step is not None and not step.rolled and chains[step.path] > 1:
                alike.setdefault((step.path, base_name(line.name)), set()).add(n)
        return frozenset([n for some in alike.values() if len(some) == 1 for n in some])

    @cached_property
    def _shared(self) -> frozenset[int]:
        """What steps that are not drawn take as well."""
        return frozenset([n for fold in self.folds for n in fold.shared])

    def step_of(self, number: int) -> TimeStep | None:
        home = self.homes[number]
        return None if home is None else self.steps[home]

    def recurrences(self) -> list[Recurrence]:
        """Those of which both ends are drawn, and not in a box or out of focus."""
        drawn, roots = set(self.nodes()), self.graph.roots
        found = []
        for fold in self.folds:
            always = dict(fold.cut)
            for state, entry, lag in fold.recurrences:
                cut, at_times = always.get(entry, False), always.get(entry) is False
                steps = len(fold.ts) if self.step_of(roots[state]) is None else 0
                one = Recurrence(roots[state], entry, lag * fold.pace, cut, at_times, steps)
                found.append(one)
        return [one for one in found if one.state in drawn and one.entry in drawn]

    @cached_property
    def referring(self) -> frozenset[tuple[int, int]]:
        """The arguments (line, argument) that come from a reference."""
        links = [link for reference in self.references for link in reference.links]
        return frozenset([(link.child, link.argument) for link in links])

    @cached_property
    def later(self) -> dict[int, int]:
        """How much later than its step a line of a rolled window stands, if it does."""
        return {n: shift for fold in self.folds for n, shift in fold.later}

    @cached_property
    def indexed(self) -> dict[int, tuple[int | None, int]]:
        """Where a rolled step takes the part x[t] of something: how much later, and the last t."""
        return {n: (shift, fold.ts[-1]) for fold in self.folds for n, shift in fold.indexed}

    def gathers(self, link: Link) -> bool:
        """Whether an arrow stands for those from all steps of a loop."""
        gathered = {gate for fold in self.folds for gate in fold.gathered}
        return not gathered.isdisjoint(self._gates(link))

    def taken_at(self, link: Link) -> list[int]:
        """The steps that an arrow from a rolled step takes something from; [] if that is not known
        for it: then it is the last one."""
        gates = self._gates(link)
        return [t for fold in self.folds for n, argument, t in fold.at if (n, argument) in gates]

    def passed(self, link: Link) -> list[int]:
        """The hidden lines that an arrow runs through, the nearest to its head first."""
        found, n = [], link.operand
        while n in self.graph.passed:
            found.append(n)
            (n,) = self.line(n).inputs
        return found

    def _gates(self, link: Link) -> list[tuple[int, int]]:
        """The arguments (line, argument) that an arrow goes through, hidden lines included."""
        own = link.child, link.argument
        return [*self.graph.merged.get(own, [own]), *((n, 0) for n in self.passed(link))]

    def is_own(self, number: int) -> bool:
        """Whether a leaf is of one time step only, and no weight of a module.

        Where a scope gave the step, it is an x_t. Where the likeness of the steps made them steps,
        it may be a weight as well, so that its class is what the program says: its kind.
        """
        home = self.homes[number]
        if home is None or self.line(number).learned or number in self._shared:
            return False
        if number in self._once:
            return False
        fold = self.steps[home].fold
        folds = self.steps[home].folds
        return fold is None or not fold.rolled or any(number in one.own for one in folds)

    def pale(self, *numbers: int) -> bool:
        """Whether the focus is elsewhere."""
        return self.focus is not None and not self.focus.lines.issuperset(numbers)

    def caption(self) -> str:
        """What the focus is on, and what is not drawn, counted; "" if all is."""
        hidden = [_counted(count, what) for what, count in sorted(self.graph.hidden.items())]
        parts = [*self.notes, *([self.focus.text] if self.focus else [])]
        parts += [_folded(self.folds)] if self.folds else []
        return "; ".join(parts + ([f"not drawn: {', '.join(hidden)}"] if hidden else []))

    def gathered(self, gradients: Gradients | None) -> Gradients | None:
        """The same gradients, with those of the arrows into boxes."""
        if gradients is None or not self.graph.merged:
            return gradients
        edges = dict(gradients.edges)
        for gate, parts in self.graph.merged.items():
            arrived = [gradients.edges[edge] for edge in parts if edge in gradients.edges]
            edges.pop(gate, None)
            if arrived:
                edges[gate] = sum(arrived[1:], arrived[0])
        return Gradients(gradients.lines, edges)


def make_plan(
    graph: Graph,
    hide: Collection[str],
    weights: str,
    *,
    depth: int | None = None,
    focus: tuple[Tensor | str, ...] = (),
    others: str = "pale",
) -> Plan:
    """Decide everything that does not depend on words or colours."""
    outputs = frozenset(graph.ends)
    along = graph.companions()
    loops = [loop for loop in graph.loops() if loop.scoped or len(loop) <= LONG]
    loops = [loop for loop in loops if int(loop.steps[0, 0]) not in along]
    lines = graph.nodes if graph.folds else in_steps(graph.nodes, loops)
    contracted = contract(lines, hide, outputs)
    if weights == "hide":
        contracted = without_parameters(contracted)
    focused = find_focus(graph, focus)
    if depth is not None:
        contracted = collapse(contracted, depth, outputs)
    steps, homes = time_steps(contracted, graph.folds, along, graph.unscoped)
    cuts = _cuts(graph, contracted)
    states = find_states(contracted, steps, homes, {leaf: source for source, leaf in cuts})
    if focused is not None and others == "hide":
        contracted = without_others(contracted, focused)
        _keep_only(set(contracted.drawn), steps, states)
    back = {step.number for step in steps if step.walks_back}
    initial = shared_starts(contracted, states)
    folded = {contracted.roots[n] for fold in graph.folds if not fold.rolled for n in fold.shared}
    rolled = {step.number for step in steps if step.rolled}
    references = find_references(
        contracted, homes, states.linked(), weights, back, initial, folded, rolled
    )
    starts = find_starts(contracted, states, {reference.root for reference in references})
    roots = dict.fromkeys(reference.root for reference in (*starts.values(), *references))
    table = [n for n in sorted(roots) if contracted.lines[n].op is None]
    shown = set(contracted.drawn).difference(table)
    lost = sum(not shown.issuperset(pair) for pair in cuts)
    if lost:
        contracted = replace(contracted, hidden=contracted.hidden + Counter({"cut": lost}))
    return Plan(
        contracted, outputs, steps, homes, states, references,
        find_handovers(contracted, homes), starts, cuts, table,
        _unscoped(graph, steps, homes),
        find_derivatives(graph), focused, graph.folds,
    )  # fmt: skip


def _unscoped(graph: Graph, steps: list[TimeStep], homes: list[int | None]) -> frozenset[int]:
    """The steps without a line that a scope put there."""
    unscoped = {step.number for step in steps}
    for line in graph.nodes:
        home = homes[line.number]
        if home in unscoped and line.t is not None and line.number not in graph.unscoped:
            unscoped.discard(home)
    return frozenset(unscoped)


def _keep_only(drawn: set[int], steps: list[TimeStep], states: States) -> None:
    """Forget what is out of focus, once the steps and the lanes are found with its help."""
    for step in steps:
        step.members = [n for n in step.members if n in drawn]
        for belt in states.belts[step.number]:
            belt.links = [x for x in belt.links if x.source in drawn and x.child in drawn]
        states.belts[step.number] = [belt for belt in states.belts[step.number] if belt.links]
    states.exits = {n: last for n, last in states.exits.items() if n in drawn and last in drawn}


def find_derivatives(graph: Graph) -> frozenset[int]:
    """What a walk back recorded, in scope "gradient"; and what it started from, dL/dL = 1."""
    found = {
        line.number
        for line in graph.nodes
        if line.op is not None and line.scope[:1] == ("gradient",)
    }
    taken: dict[int, bool] = {}  # the leaves that such lines take, and whether they alone do
    for line in graph.nodes:
        for x in line.inputs:
            if graph.nodes[x].kind == "input":
                taken[x] = taken.get(x, True) and line.number in found
    return frozenset(found.union(x for x, alone in taken.items() if alone))


def _cuts(graph: Graph, contracted: Contracted) -> list[tuple[int, int]]:
    """The cuts whose two ends are in the graph."""
    pairs = graph.cuts().items()
    return [(contracted.roots[source], n) for n, source in pairs if source is not None]


def _folded(folds: Sequence[Fold]) -> str:
    """How much of the recorded program went with the steps left out."""
    lines, edges = sum(fold.lines for fold in folds), sum(fold.edges for fold in folds)
    cuts = sum(fold.cuts for fold in folds if fold.rolled)  # a folded box says so itself
    what = "rolled up" if folds[0].rolled else "folded"
    parts = [plural(lines, "line"), plural(edges, "arrow")]
    return f"{what}: {', '.join(parts + [plural(cuts, 'cut')] * (cuts > 0))}"


def _counted(count: int, what: str) -> str:
    """12 getitem, 2 parameters, 3 operations in boxes."""
    noun, _, rest = what.partition(" ")
    if count > 1 and noun in _NOUNS:
        noun += "s"
    return f"{count:,} {noun} {rest}".rstrip()
