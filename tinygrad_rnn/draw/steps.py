"""A time step is a run of operations recorded under the same `tg.scope(t=...)`.

Steps of the same module path follow one another in a chain: a layer, a direction, a user's loop.
What has no operation of its own (an input, a slice) belongs to the step that alone uses it.

Read next: `states.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..tensor import Step
from .contract import Contracted

Scope = tuple[str | Step, ...]


@dataclass
class TimeStep:
    """One box `t = 3`: its number among all boxes, its scope, and the operations drawn in it.

    `previous` and `following` are the numbers of its neighbours in the chain.
    """

    number: int
    scope: Scope
    members: list[int] = field(default_factory=list)
    previous: int | None = None
    following: int | None = None

    @property
    def t(self) -> int:
        last = self.scope[-1]
        assert isinstance(last, Step)
        return last.t

    @property
    def path(self) -> Scope:
        """The module path that the steps of one chain share."""
        return self.scope[:-1]


def step_scope(scope: Scope) -> Scope | None:
    """A scope up to its innermost time step; None without one.

    >>> step_scope(("Net", Step(3), "LSTMCell"))
    ('Net', Step(t=3))
    """
    for k in range(len(scope), 0, -1):
        if isinstance(scope[k - 1], Step):
            return scope[:k]
    return None


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
        f"{chain}: t = {step.t}" if chain else f"t = {step.t}"
        for step, chain in zip(steps, chains, strict=True)
    ]


def time_steps(graph: Contracted) -> tuple[list[TimeStep], list[int | None]]:
    """The steps in the order they ran, and for every line the number of its step, or None."""
    steps: list[TimeStep] = []
    homes: list[int | None] = [None] * len(graph.lines)
    last: dict[Scope, TimeStep] = {}
    for n in graph.drawn:
        scope = step_scope(graph.lines[n].scope)
        if scope is None:
            continue
        if not steps or scope != steps[-1].scope:
            step = TimeStep(len(steps), scope)
            before = last.get(step.path)
            if before is not None:
                before.following, step.previous = step.number, before.number
            last[step.path] = step
            steps.append(step)
        steps[-1].members.append(n)
        homes[n] = steps[-1].number
    _move_in(graph, homes)
    return steps, homes


def _move_in(graph: Contracted, homes: list[int | None]) -> None:
    """Leaves and hidden lines go where all their uses are; what is in a box, where that is."""
    users: list[set[int | None]] = [set() for _ in graph.lines]
    for line in reversed(graph.lines):
        n = line.number
        if graph.roots[n] != n and n not in graph.passed:
            homes[n] = homes[graph.roots[n]]
        elif (line.op is None or n in graph.passed) and len(users[n]) == 1:
            (homes[n],) = users[n]
        for operand in line.inputs:
            users[operand].add(homes[n])
