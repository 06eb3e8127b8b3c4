"""The DOT text of a plan: one statement a line, the same for the same graph, byte for byte.

The order of the statements and the invisible edges are hints that keep the lanes of states straight
and the steps side by side; they carry no meaning.

Read next: `mermaid.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, pairwise
from operator import attrgetter

from .arrows import Arrows
from .contract import Link
from .escape import Quoted, attributes, form, pairs, rich_text
from .labels import Labeller
from .legend import legend
from .names import plural
from .nodes import Nodes, dot_name
from .plan import Plan
from .references import Edge, Handover, Reference
from .rolled import recurs, when
from .states import Belt
from .steps import TimeStep, titles, turned
from .theme import Theme

# The last one is for browsers without the others. The WebAssembly build knows the widths of single
# fonts only, and takes those of a narrower one for such a list.
FONTS = "Helvetica,Arial,sans-serif"

_HINT = attributes(style="invis")
_LOOSE = {"style": "invis", "weight": "0", "minlen": "0"}
_OTHER_WAY = {"forward": "back", "back": "forward", "none": "none"}


def dot_text(
    plan: Plan,
    labeller: Labeller,
    theme: Theme,
    rankdir: str,
    rich: bool = True,
    *,
    style: str = "merged",
    arrows: Arrows | None = None,
    legend: bool = False,
) -> str:
    """The DOT text.

    Args:
        rich: False writes labels without HTML, for programs that drop such labels.
        style: "merged", or "separate" and "record" with operations in circles of their own.
        arrows: how arrows look; default: forwards.
        legend: whether to explain the classes that occur.
    """
    nodes = Nodes(plan, labeller, theme, rich, style)
    writer = _Writer(plan, nodes, arrows or Arrows(plan, theme), rankdir, legend)
    return "\n".join(writer.statements()) + "\n"


class _Writer:
    """Writes the statements of one plan, in order.

    `tails` and `heads` say where the arrow of an argument starts and ends, if not at the source and
    the child themselves: at references, entry points of belts, handovers. `lanes` are the lanes of
    the arguments that belts carry, `entering` those of the belts of each step; `straight` are
    arguments that go along a lane all the way; `turned` are steps that are laid out from right to
    left.
    """

    def __init__(
        self, plan: Plan, nodes: Nodes, arrows: Arrows, rankdir: str, legend: bool
    ) -> None:
        self.plan, self.nodes, self.arrows, self.theme = plan, nodes, arrows, nodes.theme
        self.rankdir, self.legend = rankdir, legend
        tabled = set(plan.table)  # what stands there enters a step like any other state
        self.cut_from = {leaf: source for source, leaf in plan.cuts if leaf not in tabled}
        self.references: dict[int | None, list[Reference]] = {}
        self.handovers: dict[int, list[Handover]] = {}
        self.tails: dict[Edge, str] = {}
        self.heads: dict[Edge, str] = {}
        self.lanes: dict[Edge, str] = {}
        for reference in plan.references:
            self.references.setdefault(reference.step, []).append(reference)
            self.tails |= {_edge(link): dot_name(reference.id) for link in reference.links}
        self.straight: set[Edge] = set()
        self.turned = turned(plan.steps)
        self.entering: dict[int | None, list[str]] = {}
        for home, belts in plan.states.belts.items():
            self.entering[home] = [belt.lane for belt in belts]
            for belt in belts:
                self.lanes |= {_edge(link): belt.lane for link in belt.links}
                if self._stands_for_many(belt):
                    self.straight |= {_edge(link) for link in belt.links}
                    self.tails |= {_edge(link): self._way(belt)[-1] for link in belt.links}
                elif belt.source not in self.cut_from:
                    self.tails |= {_edge(link): _entry(belt) for link in belt.links}
        for handover in plan.handovers:
            self.handovers.setdefault(handover.step, []).append(handover)
            self.heads[_edge(handover.link)] = dot_name(handover.id)

    def statements(self) -> Iterator[str]:
        plan, nodes = self.plan, self.nodes
        by_home: dict[int | None, list[int]] = {}
        for n in plan.nodes():
            by_home.setdefault(plan.homes[n], []).append(n)
        yield "digraph {"
        yield from self._defaults()
        yield from self._initial_states()
        yield from self._lines(by_home.get(None, []))
        yield from map(nodes.reference, plan.starts.values())
        yield from map(nodes.reference, self.references.get(None, []))
        for step, title in zip(plan.steps, titles(plan.steps), strict=True):
            if step.number in by_home:  # a focus may leave no line in it
                yield from self._step(step, by_home[step.number], title)
        if plan.table:
            yield nodes.table()
        yield from self._belts()
        yield from self._recurrences()
        yield from self._links()
        yield from self._last_handovers()
        yield from self._side_by_side()
        yield from self._cuts()
        if self.legend:
            yield from legend(plan, self.nodes)
        note = "; ".join(part for part in (plan.caption(), self.arrows.note) if part)
        if note:
            yield "graph" + attributes(
                label=note, labelloc="b", labeljust="r", fontsize="9",
                fontcolor=self.theme.faint,
            )  # fmt: skip
        yield "}"

    def _defaults(self) -> Iterator[str]:
        font = FONTS if self.nodes.rich else FONTS.partition(",")[0]
        yield "graph" + attributes(
            rankdir=self.rankdir, ordering="in", fontname=font, fontsize="12", pad="0.15",
            bgcolor=self.theme.background, nodesep="0.10", ranksep="0.22", outputorder="edgesfirst",
        )  # fmt: skip
        yield "node" + attributes(
            shape="box", style="filled", fontname=font, fontsize="11", margin="0.05,0.03",
            height="0.22", width="0.22", penwidth="1", fontcolor=self.theme.text,
        )  # fmt: skip
        yield "edge" + attributes(
            color=self.theme.edge,
            arrowsize="0.55",
            penwidth="1",
            fontname=font,
            fontsize="8",
        )

    def _lines(self, lines: list[int]) -> Iterator[str]:
        """The nodes, and the circles of their operations."""
        for n in lines:
            if self.nodes.is_parted(n):
                yield self.nodes.operation(n)
            yield self.nodes.line(n)

    # ------------------------------------------------------------ time steps
    def _initial_states(self) -> Iterator[str]:
        """States from outside stand one above the other, in the order of their lanes."""
        for step in self.plan.steps:
            if self.turned and self.rankdir == "LR":
                continue  # there, the places where they enter are in order, from below
            belts = self.plan.states.belts[step.number]
            outside = [self._origin(b) for b in belts if self.plan.line(b.source).op is None]
            if step.previous is None and len(outside) > 1:
                yield f"{{rank=same; {' -> '.join(outside)}{_HINT}}}"

    def _step(self, step: TimeStep, lines: list[int], title: str) -> Iterator[str]:
        """The box of one step."""
        states, nodes = self.plan.states, self.nodes
        belts = states.belts[step.number]
        exits = [n for n in lines if n in states.exits]
        references = self.references.get(step.number, [])
        yield f"subgraph cluster_s{step.number} {{"
        names = {"id": f"step-s{step.number}", "class": "step", "label": self._title(title, step)}
        looks = {"labeljust": "l", "labelloc": "t", "fontsize": "12", "margin": "7"}
        yield f"graph [{pairs(names)} {form(looks | self._frame(step))}]"
        for belt in belts:
            if _entry(belt) == self._gate(belt):
                yield nodes.point(_entry(belt), belt.lane, fork=len(belt.links) > 1)
        yield from (nodes.point(_exit(n), states.lanes[n]) for n in exits)
        yield from self._lines(sorted(lines, key=lambda n: n not in states.groups))
        yield from map(nodes.reference, references)
        for handover in self.handovers.get(step.number, []):
            yield nodes.handover(handover)
            yield f"{{rank=same; n{handover.link.source}; {dot_name(handover.id)}}}"
        yield from (f"{{rank=same; n{states.exits[n]} -> {_exit(n)}{_HINT}}}" for n in exits)
        gates = [self._gate(belt) for belt in belts]
        first = self._first_leaves(lines) if step.rolled and gates else []
        if len(gates) > 1 and (step.rolled or self.turned):
            yield self._above(gates if self.turned else self._downwards(gates))
        elif len(gates) > 1 and step.fold is not None:
            yield f"{{rank=same; {'; '.join(gates)}}}"
        if first:  # not above the state, where the arrow of time has its room
            yield self._above(self._downwards([gates[0], f"{{{' '.join(first)}}}"]))
        if gates:  # nothing stands before the place where the state enters
            starts = [f"n{n}" for n in lines if self.plan.line(n).op is None]
            starts += [dot_name(reference.id) for reference in references]
            for x in starts:
                if x not in gates and x not in first:
                    yield self._arrow([gates[0], x], "", _LOOSE, step.number)
        yield "}"

    def _downwards(self, names: list[str]) -> list[str]:
        """The order in which Graphviz stacks nodes of a cluster: from left to right, from below."""
        return names[::-1] if self.rankdir == "LR" else names

    def _above(self, names: list[str]) -> str:
        return f"{{rank=same; {' -> '.join(names)}{_HINT}}}"

    def _first_leaves(self, lines: list[int]) -> list[str]:
        """The leaves of a rolled step that are taken at once, and not late in the step."""
        inside, depth = set(lines), dict.fromkeys(lines, 0)
        links = [x for x in self.plan.graph.links if x.source in inside and x.child in inside]
        for x in links:  # in the order of their children
            depth[x.child] = max(depth[x.child], depth[x.source] + 1)
        late = {x.source for x in links if depth[x.child] > depth[x.source] + 2}
        early = {x.source for x in links if depth[x.child] == 1 and x.child not in late}
        return [f"n{n}" for n in lines if n in early and self.plan.line(n).op is None]

    def _frame(self, step: TimeStep) -> dict[str, str]:
        """The border of a step; steps of a recorded walk back have one of their own."""
        frame = {"style": "rounded", **self.theme.step}
        if step.fold is not None:
            frame["style"] = "rounded,bold" if step.rolled else "rounded,dashed"
        elif self.plan.derivatives.issuperset(step.members):
            frame |= {"style": "rounded,dotted", "color": self.theme.gradient}
        return frame

    def _title(self, title: str, step: TimeStep) -> str:
        rows = []
        if step.fold is not None and not step.rolled:
            count = step.fold.last - step.fold.first + 1
            cuts = sum(fold.cuts for fold in step.folds)
            lines = sum(fold.lines for fold in step.folds)
            rows = [plural(count, "step"), plural(lines, "line")]
            rows += [plural(cuts, "cut")] * (cuts > 0) + ["folded"]
        if not self.nodes.rich:
            return "\n".join([title, *rows])
        small = "".join(f'<BR/><FONT POINT-SIZE="8">{row}</FONT>' for row in rows)
        return Quoted(f"<<B>{rich_text(title)}</B>{small}>")

    # ------------------------------------------------------------ edges
    def _origin(self, belt: Belt) -> str:
        """The node that a belt starts from."""
        start = self.plan.starts.get((belt.source, belt.step))
        return f"n{belt.source}" if start is None else dot_name(start.id)

    def _stands_for_many(self, belt: Belt) -> bool:
        """Whether a belt leads to a line that stands for states left out."""
        return all(self.plan.line(link.child).kind == "folded" for link in belt.links)

    def _gate(self, belt: Belt) -> str:
        """The node through which a state enters a step: a point, if there is no other."""
        if self._stands_for_many(belt):
            return f"n{belt.links[0].child}"
        return f"n{belt.source}" if belt.source in self.cut_from else _entry(belt)

    def _way(self, belt: Belt) -> list[str]:
        """From a state to the end of its step."""
        n = belt.source
        return [self._origin(belt), *([_exit(n)] if n in self.plan.states.exits else [])]

    def _arrow(
        self, way: Sequence[str], name: str, looks: Mapping[str, str], home: int | None
    ) -> str:
        """An arrow into a step; into one that is laid out from right to left, written backwards.

        Args:
            name: its class in the SVG.
        """
        if home in self.turned:
            ends = {"arrowhead": "arrowtail", "arrowtail": "arrowhead"}
            looks = {**looks, "dir": _OTHER_WAY[looks.get("dir", "forward")]}
            looks = {ends.get(key, key): value for key, value in looks.items()}
            way = list(reversed(way))
        words = form(looks) if looks else ""
        if name:
            words = f'class="{name}" {words}' if words else f'class="{name}"'
        return f"{' -> '.join(way)} [{words}]"

    def _belts(self) -> Iterator[str]:
        """From each state through the end of its step to where it enters the next."""
        for step in self.plan.steps:
            for belt in self.plan.states.belts[step.number]:
                if belt.source in self.cut_from:
                    continue
                way = self._way(belt)
                way += [] if self._stands_for_many(belt) else [_entry(belt)]
                if len(way) > 1:
                    name = f"belt from-n{belt.source} into-s{step.number}"
                    looks = {"weight": "200", **self.arrows.belt(belt.links)}
                    yield self._arrow(way, name, looks, step.number)

    def _recurrences(self) -> Iterator[str]:
        """In a rolled step, from each state back to where it enters the next."""
        for one in self.plan.recurrences():
            looks = {"weight": "0", "label": recurs(one), **self.arrows.recurrence(one.cut)}
            name = f"recurrence from-n{one.state} to-n{one.entry}"
            home = self.plan.homes[one.entry]
            yield self._arrow([f"n{one.entry}", f"n{one.state}"], name, looks, home)

    def _links(self) -> Iterator[str]:
        """One arrow for each argument of each drawn line; from each circle one to its result."""
        plan, nodes, arrows, lanes = self.plan, self.nodes, self.arrows, self.lanes
        tails, heads, spines = self.tails, self.heads, plan.states.spines
        for child, some in groupby(plan.graph.links, attrgetter("child")):
            home, links, head = plan.homes[child], list(some), nodes.head(child)
            if len(links) > 1 and self.entering.get(home):
                links = self._in_order(links, self.entering[home])
            for k, link in enumerate(links):
                edge = child, link.argument
                looks = arrows.link(link, edge in lanes)
                if "label" in looks:
                    looks = self._legible(looks)
                if plan.folds:
                    looks = looks | self._when(when(plan, link))
                if edge in spines:
                    looks = looks | {"weight": "200" if edge in self.straight else "100"}
                ends = tails.get(edge) or f"n{link.source}", heads.get(edge) or head
                name = f"from-n{link.source} to-n{child} argument-{link.argument}"
                yield self._arrow(ends, name, looks, home)
                if not k and nodes.is_parted(child):
                    looks = {"weight": "100", **arrows.result(child)}
                    yield self._arrow([head, f"n{child}"], f"result of-n{child}", looks, home)

    def _in_order(self, links: list[Link], entering: list[str]) -> list[Link]:
        """Arrows into one node, side by side: in the order of the lanes that enter the step.

        Graphviz keeps this order; with a first lane above a last one, belts do not cross.
        """
        lanes, groups = self.lanes, self.plan.states.groups
        between = max(len(entering) - 1, 1) / 2

        def place(link: Link) -> float:
            lane = lanes.get(_edge(link)) or groups.get(link.source)
            return entering.index(lane) if lane in entering else between

        return sorted(links, key=place)

    def _legible(self, looks: dict[str, str]) -> dict[str, str]:
        """With a ground for the number on an arrow, so that the arrow does not run through it."""
        number, ground = looks["label"], self.theme.background
        if not self.nodes.rich:
            return looks | {"label": f"\u00a0{number}\u00a0"}
        table = f'<TABLE BORDER="0" CELLPADDING="1" CELLSPACING="0" BGCOLOR="{ground}">'
        return looks | {"label": Quoted(f"<{table}<TR><TD>{number}</TD></TR></TABLE>>")}

    def _when(self, words: str) -> dict[str, str]:
        """At which steps an arrow is there."""
        return {"label": words, "fontcolor": self.theme.faint} if words else {}

    def _cuts(self) -> Iterator[str]:
        """A dashed arrow where values went on and the gradient stops."""
        drawn, states = set(self.plan.nodes()), self.plan.states
        for source, leaf in self.plan.cuts:
            if source not in drawn or leaf not in drawn:
                continue  # one of them stands in the table
            on_lane = leaf in states.lanes
            exits = [_exit(source)] if on_lane and source in states.exits else []
            looks = {"style": "dashed", "label": "cut", "color": self.theme.state}
            looks |= {"fontcolor": self.theme.text} | ({"weight": "200"} if on_lane else {})
            for tail, head in pairwise([f"n{source}", *exits, f"n{leaf}"]):
                last = head == f"n{leaf}"
                name = f"cut from-n{source} to-n{leaf}" if last else "cut"
                extra = {} if last else {"arrowhead": "none", "label": ""}
                yield self._arrow([tail, head], name, looks | extra, self.plan.homes[leaf])

    def _last_handovers(self) -> Iterator[str]:
        """What takes something from many steps stands behind the last of them."""
        last: dict[tuple[int, object], Handover] = {}
        for handover in sorted(self.plan.handovers, key=lambda handover: handover.step):
            chain = handover.link.child, self.plan.steps[handover.step].path
            if handover.step not in self.turned or chain not in last:
                last[chain] = handover
        for (child, _), handover in sorted(last.items(), key=lambda item: item[1].step):
            belts = self.plan.states.belts[handover.step]
            tail = f"n{handover.link.source}"
            if handover.step in self.turned and belts:
                tail = self._origin(belts[0])  # at the right end of that chain
            yield f"{tail} -> n{child}{_HINT}"

    def _side_by_side(self) -> Iterator[str]:
        """The left end of what is laid out from right to left stands below that of the others."""
        plan, belts = self.plan, self.plan.states.belts
        values = attributes(style="invis", weight="50")
        origin = ""  # of the chain beside which the next one runs back
        waiting: list[int] = []
        for step in plan.steps:
            if step.number in self.turned and step.following is None:
                waiting += [n for n in step.members if n in plan.states.lanes][-1:]
            starts = step.previous is None and not step.walks_back
            if starts and step.number not in self.turned and belts[step.number]:
                origin = self._origin(belts[step.number][0])
            if origin:
                yield from (f"{origin} -> n{n}{values}" for n in waiting)
                waiting = []


def _edge(link: Link) -> Edge:
    return link.child, link.argument


def _entry(belt: Belt) -> str:
    return f"in_n{belt.source}_s{belt.step}"


def _exit(n: int) -> str:
    return f"out_n{n}"
