"""Mistakes with what is carried from step to step: added up, added too late, carried the other way.

The walk is made step by step, as people write it: with no edge between the steps, what a step sends
back to the state of the step before is carried by hand, and so it can be carried wrongly.

Read next: `time_table.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from ...arraylike import Array
from .case import Case
from .hypothesis import Gradients, Hypothesis
from .program import Edge, Program, fit
from .program import Gradients as Lines
from .recording import Place
from .through_time import crossings, cut


class Way(NamedTuple):
    """How somebody carries a gradient back through the steps.

    forward: from the first step to the last.
    late: the states (by role) that it is added to behind their own rule, not before.
    whole: those whose whole gradient goes on, too; kept: those for which what was carried does.
    """

    forward: bool = False
    late: frozenset[Place] = frozenset()
    whole: frozenset[Place] = frozenset()
    kept: frozenset[Place] = frozenset()


def carried_wrongly(case: Case) -> Iterator[Hypothesis]:
    """Hypotheses about what is carried from step to step."""
    program = case.program
    assert program is not None
    states = dict.fromkeys(program.carried.values())
    names = {role: program.lines[program.roles[role][0]].name for role in states}
    groups = [([role], f"to {name or 'the state'}_{{t-1}}") for role, name in names.items()]
    groups += [(list(states), "to the states")] if len(states) > 1 else []
    yield walked_forward()
    for roles, what in groups:
        some = frozenset(roles)
        yield _walked(
            f"what is carried back {what} is added up over the steps, += for =: the whole gradient"
            " of the state after goes on as it is, too",
            Way(whole=some),
        )
        yield _walked(
            f"what is carried back {what} is added up over the steps, += for =: what was carried"
            " to the state after goes on as it is, too",
            Way(kept=some),
        )
        yield _walked(
            f"what is carried back {what} is added too late: behind the derivative of the function"
            " that makes the state, which it has to be multiplied by",
            Way(late=some),
        )


def walked_forward() -> Hypothesis:
    """If only the last step has a loss, that is as if nothing were carried."""
    return _walked(
        "the steps are walked forward in time, and what a step sends back goes to the step after"
        " it: go back from the last step to the first",
        Way(forward=True),
    )


def _walked(sentence: str, way: Way) -> Hypothesis:
    return Hypothesis("time table", sentence, partial(walked, way), walks=2)


def walked(way: Way, case: Case) -> Gradients | None:
    """The gradients of a walk step by step; None where the states are not handed on by steps."""
    program = case.program
    steps = None if program is None else _steps(program)
    if program is None or steps is None:
        return None
    apart = cut(program, lambda t: True)
    found = program.walk(case.arriving, apart)
    carried: dict[Place, Array] = {}
    for step in steps if way.forward else reversed(steps):
        seeds = {}
        for role, g in carried.items():
            entry = _entry(program, step.states[role], role in way.late)
            if entry is None:
                return None
            seeds[entry] = g
        _add_up(found, program.walk(None, apart, seeds=seeds))
        carried = _sent(program, step, found, carried, way)
    first = {n: carried[role] for role, n in steps[0].before.items() if role in carried}
    _add_up(found, program.walk(None, apart, seeds=first))
    grads = program.of_inputs(found, case.inputs)
    return {i: grads[i] for i in case.setting.checked}


class _Step(NamedTuple):
    """The states that a step makes, as lines by role; those that it takes; the edges by which."""

    states: dict[Place, int]
    before: dict[Place, int]
    takes: list[tuple[Edge, Place]]


def _steps(program: Program) -> list[_Step] | None:
    """The steps, if each makes every state, and takes those of the step before only."""
    count = max((line.t + 1 for line in program.lines if line.t is not None), default=0)
    steps = [_Step({}, {}, []) for _ in range(count)]
    roles = set(program.carried.values())
    for role in roles:
        for n in program.roles.get(role, ()):
            steps[program.lines[n].t or 0].states[role] = n
    for (n, i), t in crossings(program):
        source, role = program.lines[n].args[i], program.carried[program.lines[n].role, i]
        if t and source != steps[t - 1].states.get(role):
            return None
        if steps[t].before.setdefault(role, source) != source:
            return None
        steps[t].takes.append(((n, i), role))
    later = steps[1:]  # the first one may start from constants
    whole = all(step.states.keys() == roles for step in steps)
    return steps if whole and all(step.before.keys() == roles for step in later) else None


def _entry(program: Program, state: int, late: bool) -> int | None:
    """The line that the carried gradient is added to."""
    line = program.lines[state]
    if not late:
        return state
    if len(line.live) != 1:
        return None
    ((_, source),) = line.live
    return source if program.lines[source].value.shape == line.value.shape else None


def _sent(
    program: Program, step: _Step, found: Lines, carried: dict[Place, Array], way: Way
) -> dict[Place, Array]:
    """What a step sends back, by state, with what is added to it wrongly."""
    sent: dict[Place, Array] = {}
    for (n, i), role in step.takes:
        g = found[n]
        if g is not None:
            line = program.lines[n]
            c = fit(program.pull(line, i, g), program.lines[line.args[i]].value.shape)
            sent[role] = sent[role] + c if role in sent else c
    for role, n in step.states.items():
        more = found[n] if role in way.whole else carried.get(role) if role in way.kept else None
        if more is not None:
            sent[role] = sent[role] + more if role in sent else more
    return sent


def _add_up(found: Lines, more: Lines) -> None:
    for n, g in enumerate(more):
        if g is not None:
            before = found[n]
            found[n] = g if before is None else before + g
