"""A state is a value that crosses from one time step into the next, whatever its name is.

Each state has a lane through all the steps, and in each step a spine: the shortest way from where
the old state enters to where the new one is made. Lanes and spines are what is drawn straight.

Read next: `references.py`.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from ..program.lines import FOLDED
from .contract import Contracted, Link
from .steps import TimeStep

# h, c, h0, c_0: what an initial state is called, where no second step shows its place.
_STATE_NAME = re.compile(r"[hc](_?\d+)?")


@dataclass
class Belt:
    """A state that enters a step: where it comes from, its lane, and who takes it there."""

    source: int
    step: int
    lane: str
    links: list[Link]


@dataclass
class States:
    """Everything about states that a layout needs.

    Attributes:
        belts: the entering states of each step, in the order in which they are taken.
        lanes: the lane of every state line, initial ones included.
        groups: the lane of every line that stands on a spine.
        spines: the links (child, argument) along spines.
        exits: states that leave before their step ends, with the last state of that step.
    """

    belts: dict[int, list[Belt]] = field(default_factory=dict)
    lanes: dict[int, str] = field(default_factory=dict)
    groups: dict[int, str] = field(default_factory=dict)
    spines: set[tuple[int, int]] = field(default_factory=set)
    exits: dict[int, int] = field(default_factory=dict)

    def linked(self) -> set[tuple[int, int]]:
        """The links (child, argument) that a belt carries."""
        return {
            (link.child, link.argument)
            for belts in self.belts.values()
            for belt in belts
            for link in belt.links
        }


def find_states(
    graph: Contracted,
    steps: list[TimeStep],
    homes: list[int | None],
    cuts: Mapping[int, int] | None = None,
) -> States:
    """Recognise the states and lay their lanes. Moves initial states out of the first step.

    Args:
        cuts: for leaves that were cut off a line, that line. A lane goes on over a cut.
    """
    return _Search(graph, steps, homes, cuts or {}).run()


def base_name(name: str | None) -> str | None:
    """A name without its step: h1, h_1 and h are one state.

    >>> base_name("h12"), base_name("W_ih"), base_name(None)
    ('h', 'W_ih', None)
    """
    return None if name is None else re.sub(r"(?<=\w)_?\d+$", "", name)


class _Search:
    """One pass along the chains, from each first step to its last."""

    def __init__(
        self,
        graph: Contracted,
        steps: list[TimeStep],
        homes: list[int | None],
        cuts: Mapping[int, int],
    ) -> None:
        self.graph, self.steps, self.homes, self.cuts = graph, steps, homes, cuts
        self.lines = graph.lines
        self.ordinal = {n: k for step in steps for k, n in enumerate(step.members)}
        self.nth: dict[int, int] = {}  # of the same operation in its step
        for step in steps:
            seen: dict[str | None, int] = {}
            for n in step.members:
                op = self.lines[n].op
                self.nth[n] = seen.get(op, 0)
                seen[op] = self.nth[n] + 1
        self.into: dict[int, list[Link]] = {step.number: [] for step in steps}
        self.inside: dict[int, list[Link]] = {}
        for link in graph.links:
            home = homes[link.child]
            if home is not None:
                self.into[home].append(link)
                self.inside.setdefault(link.source, []).append(link)
        self.found = States()

    def run(self) -> States:
        entering = {step.number: self._entering(step) for step in self.steps}
        leaving: dict[int, list[int]] = {}
        for step in self.steps:
            following = entering.get(step.following) if step.following is not None else None
            leaving[step.number] = [self._origin(n) for n in following or ()]
        for step in self.steps:
            if step.rolled or (step.fold is not None and step.previous is None):
                entering[step.number] = self._previous(step)
                leaving[step.number] += self._recurring(step)
            elif step.previous is None:
                entering[step.number] = self._initial(step)
            elif step.fold is not None:  # states that begin in the steps left out
                entering[step.number] |= self._previous(step, entering[step.number])
            if not leaving[step.number]:
                leaving[step.number] = self._final(step, leaving, entering[step.number])
            self._lay(step, entering[step.number], leaving[step.number])
        return self.found

    def _place(self, n: int) -> tuple[int, str | None] | None:
        """Where in its step a line stands; None for one outside of all.

        What has the same place in the next step is the same state, one step later.
        """
        if self.cuts.get(n) in self.ordinal:
            n = self.cuts[n]
        if n not in self.ordinal:
            return None
        line = self.lines[n]
        if line.op == FOLDED and line.inputs:  # the place of what it stands for
            place = self._place(self.graph.roots[line.inputs[0]])
            if place is not None:
                return place
        return self.nth[n], line.op

    def _origin(self, n: int) -> int:
        """The line that a cut was made from, or the line itself."""
        return self.cuts.get(n, n)

    def _entering(self, step: TimeStep) -> dict[int, list[Link]]:
        """The states of the step before that this one takes, perhaps over a cut."""
        found: dict[int, list[Link]] = {}
        if step.previous is None:
            return found
        for link in self.into[step.number]:
            if self.homes[self._origin(link.source)] == step.previous:
                found.setdefault(link.source, []).append(link)
        return found

    def _previous(self, step: TimeStep, others: Collection[int] = ()) -> dict[int, list[Link]]:
        """What the lines that stand for earlier states of a step come from at first; but for those
        that come from `others`."""
        found: dict[int, list[Link]] = {}
        for link in self.into[step.number]:
            if self.lines[link.child].kind == "folded" and link.source not in others:
                found.setdefault(link.source, []).append(link)
                lane = self.found.lanes[link.child] = self._lane_name(link.child, step)
                if self.homes[link.source] == step.number and link.source in self.ordinal:
                    continue  # a sum of states that begins with the first of them
                self.found.lanes[link.source] = lane
                if self.homes[link.source] == step.number:
                    self.homes[link.source] = None
        return found

    def _recurring(self, step: TimeStep) -> list[int]:
        """The states of a rolled step, each on the lane of the one before it."""
        states = []
        recurrences = [one for fold in step.folds for one in fold.recurrences]
        for state, entry, _ in recurrences:
            root = self.graph.roots[state]
            if root in self.ordinal and entry in self.found.lanes:
                self.found.lanes.setdefault(root, self.found.lanes[entry])
                states.append(root)
        return list(dict.fromkeys(states))

    def _initial(self, step: TimeStep) -> dict[int, list[Link]]:
        """What the first step takes where the second takes a state; or is called h or c."""
        found: dict[int, list[Link]] = {}
        instead: dict[int, list[int]] = {}  # by the state that the second step takes
        places = self._places_of_states(step)
        for link in self.into[step.number]:
            n, home = link.source, self.homes[link.source]
            elsewhere = n in self.ordinal  # a decoder starts from an encoder's last state
            if home == step.number if elsewhere else home not in (None, step.number):
                continue
            state = places.get((*self._call(link.child), link.argument))
            if state is not None or self._is_called_state(n):
                found.setdefault(n, []).append(link)
            if state is not None:
                instead.setdefault(state, []).append(n)
        for n in self._not_states(instead):
            del found[n]
        lanes = {n: self._lane_name(state, step) for state, some in instead.items() for n in some}
        self._leave([n for n in found if n in self.ordinal])
        for n in found:
            if n in self.found.lanes and n in self.ordinal:
                continue  # it goes on along the lane of the chain that it ends
            self.homes[n] = self.homes[n] if n in self.ordinal else None
            self.found.lanes[n] = lanes.get(n) or self._lane_name(n, step)
        return found

    def _call(self, n: int) -> tuple[int, str | None]:
        """Which operation of its step a line is: the second product."""
        return self.nth[n], self.lines[n].op

    def _places_of_states(self, step: TimeStep) -> dict[tuple[int, str | None, int], int]:
        """Where in its step, and as which argument, the step after a first one takes a state."""
        taker, places = self._taker(step), {}
        for link in self.into[taker.number] if taker is not None else ():
            source = self._origin(link.source)
            if taker is not None and self.homes[source] == taker.previous:
                places[(*self._call(link.child), link.argument)] = source
        return places

    def _not_states(self, instead: Mapping[int, list[int]]) -> set[int]:
        """Of several lines that stand in one state's stead, those that are inputs.

        A decoder reads its own last output, which is its state, too; at first it reads a token.
        """
        found: set[int] = set()
        for some in instead.values():
            states = {n for n in some if n in self.ordinal or self._is_called_state(n)}
            found |= set(some) - states if states else set()
        return found

    def _is_called_state(self, n: int) -> bool:
        line = self.lines[n]
        return line.op is None and _STATE_NAME.fullmatch(line.name or "") is not None

    def _taker(self, step: TimeStep) -> TimeStep | None:
        """The next step of the chain that is one, and does not stand for several."""
        while step.following is not None:
            step = self.steps[step.following]
            if step.fold is None:
                return step
        return None

    def _final(
        self, step: TimeStep, leaving: dict[int, list[int]], entering: dict[int, list[Link]]
    ) -> list[int]:
        """The states that the last step makes: as in the step before, or called as what entered."""
        if step.previous is not None:
            places = {self._place(n) for n in leaving[step.previous]}
            alike = [n for n in step.members if self._place(n) in places]
            if alike:
                return alike
        names = {base_name(self.lines[n].name) for n in entering} - {None}
        return [n for n in step.members if base_name(self.lines[n].name) in names]

    def _lay(self, step: TimeStep, entering: dict[int, list[Link]], leaving: list[int]) -> None:
        """Give the step's states their lanes, belts, spines and exits."""
        states = self.found
        if len(entering) == len(leaving) == 1 and not step.rolled:  # whatever its names are
            (source,), (n,) = entering, leaving
            states.lanes[n] = self._lane(source, step)
        new = [n for n in leaving if n not in states.lanes]
        states.lanes |= self._continued(step, new, entering)
        states.lanes |= {n: self._lane(n, step) for n in entering if n in self.cuts}
        order = sorted(entering, key=lambda n: min(self._taken(link) for link in entering[n]))
        states.belts[step.number] = []
        for source in order:
            for links in self._bundles(entering[source]):
                child = links[0].child
                stands = self.lines[child].kind == "folded" and child in states.lanes
                lane = states.lanes[child if stands else source]
                states.belts[step.number].append(Belt(source, step.number, lane, links))
                target = next((n for n in leaving if states.lanes[n] == lane), None)
                if target is not None:
                    self._spine(links, target, lane)
        if step.following is not None and step.fold is None:
            self._leave(leaving)

    def _leave(self, leaving: list[int]) -> None:
        """An exit for each state that is made before the last line of its step."""
        ends = {}
        for n in leaving:
            home = self.homes[n]
            assert home is not None
            ends[n] = max(self.steps[home].members)
        self.found.exits.update({n: end for n, end in ends.items() if n != end})

    def _bundles(self, links: list[Link]) -> list[list[Link]]:
        """The links of a state, together; those into lines that stand for others one by one."""
        if all(self.lines[link.child].kind == "folded" for link in links):
            return [[link] for link in links]
        return [links]

    def _taken(self, link: Link) -> int:
        """When a step takes a state; of a line that stands for others, when that is taken."""
        if self.lines[link.child].kind == "folded":
            later = [self.ordinal[x.child] for x in self.inside.get(link.child, ())]
            return min(later, default=0)
        return self.ordinal[link.child]

    def _continued(
        self, step: TimeStep, leaving: list[int], entering: dict[int, list[Link]]
    ) -> dict[int, str]:
        """The lane of each new state: that of the same place, else name, in the step before."""
        found: dict[int, str] = {}
        for n in leaving:
            place = self._place(n)
            alike = [m for m in entering if self._place(m) == place] or self._called(n, entering)
            if alike:
                found[n] = self._lane(alike[0], step)
        new = [n for n in leaving if n not in found]
        begun = [m for m in entering if self._begins_in_between(m)]
        begun = [m for m in begun if self._lane(m, step) not in found.values()]
        if len(new) == len(begun) == 1:
            found[new[0]] = self._lane(begun[0], step)
        return found | {n: self._lane_name(n, step) for n in new if n not in found}

    def _called(self, n: int, entering: Iterable[int]) -> list[int]:
        """The states that have the same name."""
        name = base_name(self.lines[n].name)
        return [m for m in entering if name and base_name(self.lines[m].name) == name]

    def _begins_in_between(self, m: int) -> bool:
        """Whether a state begins in the steps left out, so that no step before has its place."""
        line = self.lines[m]
        roots = [self.graph.roots[x] for x in line.inputs]
        return line.op == FOLDED and all(x not in self.ordinal for x in roots)

    def _lane(self, n: int, step: TimeStep) -> str:
        """The lane of a state, or of what it was cut off; a new one, if it came along none."""
        n = self._origin(n)
        return self.found.lanes.setdefault(n, self._lane_name(n, step))

    def _lane_name(self, n: int, step: TimeStep) -> str:
        """A lane is called after the first line that needs it."""
        return f"lane-{step.number}-{base_name(self.lines[n].name) or n}"

    def _spine(self, starts: list[Link], target: int, lane: str) -> None:
        """The shortest way from the takers of a state to the new one becomes its spine."""
        home, groups = self.homes[target], self.found.groups
        came: dict[int, Link] = {}
        queue = deque(starts)
        while queue:
            link = queue.popleft()
            if link.child in came or link.child in groups or self.homes[link.child] != home:
                continue
            came[link.child] = link
            if link.child == target:
                break
            queue.extend(self.inside.get(link.child, ()))
        n = target
        while n in came:
            groups[n] = lane
            self.found.spines.add((came[n].child, came[n].argument))
            n = came[n].source
