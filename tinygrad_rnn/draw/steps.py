"""A time step is a run of operations recorded under the same `tg.scope(t=...)`.

Steps of the same module path follow one another in a chain: a layer, a direction, a user's loop.
What has no operation of its own (an input, a slice) belongs to the step that alone uses it.

Read next: `states.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter

from ..modes import Step
from ..program import Fold, step_scope
from .contract import Contracted

Scope = tuple[str | Step, ...]


@dataclass
class TimeStep:
    """One box `t = 3`: its number among all boxes, its scope, and the operations drawn in it.

    `previous` and `following` are the numbers of its neighbours in the chain. `fold` says that the
    box stands for many steps: for those left out, or, rolled, for all; `folds` has those of loops
    that go along, too.
    """

    number: int
    scope: Scope
    members: list[int] = field(default_factory=list)
    previous: int | None = None
    following: int | None = None
    folds: list[Fold] = field(default_factory=list)

    @property
    def fold(self) -> Fold | None:
        return self.folds[0] if self.folds else None

    @property
    def t(self) -> int:
        last = self.scope[-1]
        assert isinstance(last, Step)
        return last.t

    @property
    def ts(self) -> tuple[int, ...]:
        """This one step; for a box that stands for many, all the steps of its loop."""
        return (self.t,) if self.fold is None else self.fold.ts

    @property
    def rolled(self) -> bool:
        """Whether this one box stands for all the steps of its loop."""
        return self.fold is not None and self.fold.rolled

    @property
    def title(self) -> str:
        """t = 3; for many steps which, or how many."""
        if self.fold is None:
            return f"t = {self.t}"
        if not self.rolled:  # up to its own t: of windows, each of several time steps, the last
            first = self.fold.ts[self.fold.first]
            return f"t = {first}" if first == self.t else f"t = {first} … {self.t}"
        return f"{' / '.join(self.fold.path) or 'loop'} × {len(self.fold.ts)} steps"

    @property
    def walks_back(self) -> bool:
        """Whether it is a step of a recorded walk back."""
        return self.path[:1] == ("gradient",)

    @property
    def path(self) -> Scope:
        """The module path that the steps of one chain share."""
        return self.scope[:-1]


def titles(steps: list[TimeStep]) -> list[str]:
    """What is written over each box: its step, and its chain where there are several.

    >>> paths = ("Net", "encoder"), ("Net", "decoder")
    >>> titles([TimeStep(k, (*path, Step(3))) for k, path in enumerate(paths)])
    ['encoder: t = 3', 'decoder: t = 3']
    """
    paths = list(dict.fromkeys(step.path for step in steps))
    shared = 0
    while len(paths) > 1 and all(path[: shared + 1] == paths[0][: shared + 1] for path in paths):
        shared += 1
    names = {path: " / ".join(map(str, path[shared:])) for path in paths if len(paths) > 1}
    chains = [names.get(step.path) for step in steps]
    return [
        f"{chain}: {step.title}" if chain and not step.rolled else step.title
        for step, chain in zip(steps, chains, strict=True)
    ]


def turned(steps: Sequence[TimeStep]) -> frozenset[int]:
    """The steps of chains that run from the last time step to the first, beside one that does not.

    They are drawn from right to left: a reverse direction runs the other way.
    """
    chains: dict[Scope, list[int]] = {}
    for step in steps:
        if not step.walks_back:
            chains.setdefault(step.path, []).extend(step.ts)
    back = {path for path, ts in chains.items() if ts[0] > ts[-1]}
    if not any(ts[0] < ts[-1] for ts in chains.values()):
        return frozenset()
    return frozenset(step.number for step in steps if step.path in back)


def time_steps(
    graph: Contracted,
    folds: Sequence[Fold] = (),
    companions: Mapping[int, int] | None = None,
    unscoped: Collection[int] = (),
) -> tuple[list[TimeStep], list[int | None]]:
    """The steps in the order they ran, and for every line the number of its step, or None.

    Args:
        companions: for lines outside of the scopes a line of the step that they belong to.
        unscoped: the lines whose time step no scope gave.
    """
    steps: list[TimeStep] = []
    homes: list[int | None] = [None] * len(graph.lines)
    last: dict[Scope, TimeStep] = {}
    for scope, members, apart in _stretches(graph, folds):
        step = TimeStep(len(steps), scope, members)
        steps.append(step)
        for n in members:
            homes[n] = step.number
        if apart and not _goes_on(graph, step):
            continue  # it hangs on the last of the rolled steps, and the chain goes on from there
        before = last.get(step.path)
        if before is not None:
            before.following, step.previous = step.number, before.number
        last[step.path] = step
    for n, anchor in sorted((companions or {}).items()):
        home = homes[graph.roots[anchor]]
        if home is not None and homes[n] is None and graph.roots[n] == n:
            steps[home].members.append(n)
            homes[n] = home
    _move_in(graph, homes, {n for fold in folds if not fold.rolled for n in fold.shared})
    for fold in folds:
        # a loop without scopes may stand inside of one step of somebody's own
        found = {homes[n] for n in fold.stands if fold.scoped or n in unscoped} - {None}
        for home in sorted(home for home in found if home is not None):
            steps[home].folds.append(fold)
    return steps, homes


def _stretches(graph: Contracted, folds: Sequence[Fold]) -> Iterator[tuple[Scope, list[int], bool]]:
    """The operations of one step after the other. What a rolled loop does in its last step only, as
    making an output, is a step of its own, apart: the others do nothing of the kind."""
    rolled = [fold for fold in folds if fold.rolled]
    looped = {n for fold in rolled for n in (*fold.columns, *fold.stands)}
    ends = {
        step_scope(graph.lines[n].scope) for fold in rolled if fold.scoped for n in fold.columns
    }
    scoped = [(scope, n) for n in graph.drawn if (scope := step_scope(graph.lines[n].scope))]
    for scope, pairs in groupby(scoped, itemgetter(0)):
        members = [n for _, n in pairs]
        if scope not in ends:
            yield scope, members, False
            continue
        for apart in (False, True):
            some = [n for n in members if (n not in looped) is apart]
            if some:
                yield scope, some, apart


def _goes_on(graph: Contracted, step: TimeStep) -> bool:
    """Whether a later step of the chain takes something from this one."""
    members = set(step.members)
    takers = [graph.lines[x.child].scope for x in graph.links if x.source in members]
    later = [scope for scope in map(step_scope, takers) if scope and scope != step.scope]
    return any(scope[:-1] == step.path for scope in later)


def _move_in(graph: Contracted, homes: list[int | None], several: set[int]) -> None:
    """Leaves and hidden lines go where all their uses are; what is in a box, where that is.

    Args:
        several: the lines that have uses in several steps, some of them left out.
    """
    users: dict[int, int | None] = {}  # by line the home of its uses
    roots, passed = graph.roots, graph.passed
    for line in reversed(graph.lines):
        n = line.number
        if roots[n] != n and n not in passed:
            homes[n] = homes[roots[n]]
        elif (line.op is None or n in passed) and n in users and n not in several:
            homes[n] = users[n]
        home = homes[n]
        for operand in line.inputs:
            if users.setdefault(operand, home) != home:
                several.add(operand)
