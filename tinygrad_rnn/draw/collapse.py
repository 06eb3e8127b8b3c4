"""The view by modules: all operations of one call of a module become one box.

A call is a run of operations that were recorded one after another in the same scope, so a box can
never be made both before and after another one: there are no circles.

Read next: `steps.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from ..modes import Step
from ..program import Line
from .contract import Contracted, Link
from .names import plural

Scope = tuple[str | Step, ...]


@dataclass(eq=False, slots=True)
class Box(Line):
    """A call of a module, in the place of its last result that is taken outside.

    Attributes:
        facts: what is inside, as rows of text.
        several: whether more than one result is taken outside.
    """

    facts: tuple[str, ...] = ()
    several: bool = False


def box_scope(scope: Scope, depth: int) -> Scope | None:
    """A scope up to its name number `depth`; None if it has fewer. Time steps are no names.

    >>> box_scope((Step(2), "Net", "LSTM", Step(1)), 2)
    (Step(t=2), 'Net', 'LSTM')
    """
    names = [k for k, entry in enumerate(scope) if isinstance(entry, str)]
    return scope[: names[depth - 1] + 1] if len(names) >= depth else None


def collapse(graph: Contracted, depth: int, outputs: Collection[int]) -> Contracted:
    """Boxes for all modules at this depth. Parameters and constants of boxes only are inside."""
    return _Boxes(graph, depth, outputs).run()


class _Boxes:
    """One collapse; `box` has for every line inside the number of its box."""

    def __init__(self, graph: Contracted, depth: int, outputs: Collection[int]) -> None:
        self.graph, self.depth, self.outputs = graph, depth, frozenset(outputs)
        self.lines: list[Line] = list(graph.lines)
        self.runs = self._runs()
        self.owner = {n: k for k, (_, members) in enumerate(self.runs) for n in members}
        self.inside = self._absorbed()
        self.results = self._results()
        self.box = {n: self.results[k][-1] for n, k in self.owner.items()}

    def run(self) -> Contracted:
        graph = self.graph
        links, merged, inner = self._links()
        into: dict[int, list[int]] = {}
        for link in links:
            into.setdefault(link.child, []).append(link.operand)
        for k, (scope, members) in enumerate(self.runs):
            number = self.results[k][-1]
            self.lines[number] = self._box_line(k, scope, members, into.get(number, []))
        shown = {self.box.get(n, n) for n in graph.drawn if n not in self.inside}
        roots = [self.box.get(root, root) for root in graph.roots]
        hidden = graph.hidden + self._counted(inner)
        return Contracted(self.lines, sorted(shown), roots, links, hidden, graph.passed, merged)

    def _runs(self) -> list[tuple[Scope, list[int]]]:
        """(scope, lines) of each box, in order."""
        runs: list[tuple[Scope, list[int]]] = []
        last: Scope | None = None
        for n in self.graph.drawn:
            line = self.lines[n]
            if line.op is None:
                continue
            scope = box_scope(line.scope, self.depth)
            if scope is not None and scope == last:
                runs[-1][1].append(n)
            elif scope is not None:
                runs.append((scope, [n]))
            last = scope
        return runs

    def _absorbed(self) -> set[int]:
        """Parameters and constants that nothing outside takes."""
        outside = {link.source for link in self.graph.links if link.child not in self.owner}
        return {
            n
            for n in self.graph.drawn
            if (self.lines[n].learned or self.lines[n].kind == "constant")
            and n not in outside
            and n not in self.outputs
        }

    def _results(self) -> list[list[int]]:
        """For each box the lines that others take; its last line if none does."""
        taken = set(self.outputs)
        for link in self.graph.links:
            if self.owner.get(link.source) != self.owner.get(link.child, -1):
                taken.add(link.source)
        return [[n for n in lines if n in taken] or lines[-1:] for _, lines in self.runs]

    def _links(self) -> tuple[list[Link], dict[tuple[int, int], list[tuple[int, int]]], int]:
        """The arrows between boxes and lines, what each stands for, and how many are inside."""
        links: list[Link] = []
        merged: dict[tuple[int, int], list[tuple[int, int]]] = {}
        known: dict[tuple[int, int], tuple[int, int]] = {}
        count: Counter[int] = Counter()
        inner = 0
        for link in self.graph.links:
            edge = link.child, link.argument
            child = self.box.get(link.child)
            if child is None:
                links.append(link._replace(source=self.box.get(link.source, link.source)))
            elif self.box.get(link.source) == child or link.source in self.inside:
                inner += 1
            elif (link.operand, child) in known:
                merged[known[link.operand, child]].append(edge)
                inner += 1
            else:
                source = self.box.get(link.source, link.source)
                gate = known[link.operand, child] = child, count[child]
                links.append(Link(source, child, count[child], link.operand))
                merged[gate] = [edge]
                count[child] += 1
        return sorted(links, key=lambda x: (x.child, x.argument)), merged, inner

    def _box_line(self, k: int, scope: Scope, members: list[int], operands: Sequence[int]) -> Box:
        number = self.results[k][-1]
        last = self.lines[number]
        parameters = {
            link.source: self.lines[link.source]
            for link in self.graph.links
            if link.source in self.inside and self.owner.get(link.child) == k
        }
        learned = [line for line in parameters.values() if line.kind == "parameter"]
        facts = [plural(len(members), "operation")]
        steps = {self.lines[n].t for n in members} - {None}
        own = steps - {entry.t for entry in scope if isinstance(entry, Step)}
        if own:
            facts.append(plural(len(own), "time step"))
        if learned:
            size = sum(_size(line.value) for line in learned)
            facts.append(f"{plural(len(learned), 'parameter')}: {size:,}")
        *_, title = scope
        return Box(
            number, "module", tuple(operands), {}, scope[:-1], last.value, last.tensor, str(title),
            "module", facts=tuple(facts), several=len(self.results[k]) > 1,
        )  # fmt: skip

    def _counted(self, inner: int) -> Counter[str]:
        """What is inside of boxes, for the caption."""
        kinds = Counter(self.lines[n].kind for n in self.inside)
        found = Counter(
            {
                "arrow in boxes": inner,
                "operation in boxes": sum(len(members) for _, members in self.runs)
                - len(self.runs),
                "parameter in boxes": kinds["parameter"],
                "constant in boxes": kinds["constant"],
            }
        )
        return +found


def _size(value: Any) -> int:
    return int(getattr(value, "size", 1))
