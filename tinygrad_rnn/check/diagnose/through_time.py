"""Mistakes in the walk through time as a whole: cut between steps, stopped early, walked forwards.

In a run that is too short for one of them it changes nothing: there the gradient has to be right.

Read next: `carried.py`.
"""

# mypy: disable-error-code=misc
# (a lambda that binds a loop variable by a default has no inferred type)

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from ...arraylike import Array
from .case import Case
from .hypothesis import Hypothesis, by_changes
from .program import Changes, Edge, Line, Program, Rule
from .recording import Place
from .resize import rounds
from .words import name_of

MOST = 8  # steps up to which every set of cuts is tried


def through_time(case: Case) -> Iterator[Hypothesis]:
    """Hypotheses about the steps of a loop."""
    T = rounds(case)
    if T < 2 or case.program is None:
        return
    yield by_changes(
        "time table",
        "the steps are walked forward in time: each step's gradient uses the values of its mirror"
        " image; go back from the last step to the first, in reverse order",
        mirrored,
        case,
    )
    yield by_changes(
        "time table",
        "no gradient is carried from step to step: what a later step sends back to h_{t-1} is"
        " missing, and each loss reaches its own step only",
        lambda program: cut(program, lambda t: t > 0),
        case,
    )
    yield by_changes(
        "time table",
        "no gradient is carried from step to step, nor to the first state: what a step sends back"
        " to h_{t-1} is missing, and each loss reaches its own step only",
        lambda program: cut(program, lambda t: True),
        case,
    )
    yield from _weights(case)
    yield from _assigned(case)
    for n in range(1, T):
        for said, at in _truncations(n) if n > 1 else ():
            yield by_changes(
                "time table",
                f"truncated: {said}",
                lambda program, at=at: cut(program, partial(at, _last(program) + 1)),
                case,
            )
        walked = f"truncated: only the last {n} step{'s are' if n > 1 else ' is'} walked"
        yield by_changes(
            "time table",
            f"{walked}, the earlier ones get no gradient at all",
            lambda program, n=n: stopped(program, n),
            case,
        )
        yield by_changes(
            "time table",
            f"{walked}, and what is carried back to there is given as the gradient of the first"
            " state: the loop stops too early",
            lambda program, n=n: stopped(program, n, returned=True),
            case,
        )


def _assigned(case: Case) -> Iterator[Hypothesis]:
    """= for += at what every step takes in several places: one step's share is all.

    Where a step takes it in one place, that is a path that is missing in all other steps.
    """
    program = case.program
    assert program is not None
    for line in program.lines:
        taken = _steps_that_take(program, line) if line.t is None and line.needs else []
        if taken and min(map(taken.count, taken)) > 1:
            for first, which in ((True, "first step, the last one on the way back"),
                                 (False, "last step, the first one on the way back")):  # fmt: skip
                yield by_changes(
                    "time table",
                    f"the gradient of {name_of(program, line.number)} is the share of the {which},"
                    " and those of the others are missing: it is assigned in the loop, = for +=",
                    partial(_one_share, line.role, first),
                    case,
                )


def _steps_that_take(program: Program, line: Line) -> list[int]:
    """The step of each place that takes a line; [] if one of them is in no step."""
    uses = [(n, i) for n, i in program.uses[line.number]
            if (i, line.number) in program.lines[n].live]  # fmt: skip
    steps = [program.lines[n].t for n, _ in uses]
    return [t for t in steps if t is not None] if None not in steps else []


def _one_share(role: Place, first: bool, program: Program) -> Changes:
    """What a line gets from the first step that takes it, or from the last one."""
    (n, *_) = program.roles[role]
    taken = _steps_that_take(program, program.lines[n])
    if len(set(taken)) < 2:
        return Changes()
    kept = min(taken) if first else max(taken)
    return Changes({(m, i): nothing for m, i in program.uses[n] if program.lines[m].t != kept})


def _truncations(n: int) -> Iterator[tuple[str, Callable[[int, int], bool]]]:
    """Where people cut: (in words, whether (T, t) is a place to cut before)."""
    every = f"the carried gradient is cut every {n} steps, counted from the"
    yield f"{every} first", lambda T, t: t > 0 and t % n == 0
    yield f"{every} first, and so it does not reach the first state", lambda T, t: t % n == 0
    yield f"{every} last", lambda T, t: t > 0 and (T - t) % n == 0
    yield f"the gradient is carried back over the last {n} steps only", lambda T, t: t == T - n
    yield (
        f"over the last {n} steps the gradient is carried back, before that it is cut between all"
        " steps",
        lambda T, t: 0 < t <= T - n,
    )


def _weights(case: Case) -> Iterator[Hypothesis]:
    """What is carried back counted twice, or with the wrong sign; of all states, or of one."""
    program = case.program
    assert program is not None
    states = {program.lines[k].role: program.lines[k].name for k in _states(program)}
    for weight, said in ((2.0, "counted twice"), (-1.0, "subtracted: its sign is wrong")):
        for role, name in ([(None, "")] if len(states) < 2 else []) + list(states.items()):
            what = f"to {name}_{{t-1}}" if name else "from step to step"
            sentence = f"the gradient that is carried back {what} is {said}"
            yield by_changes(
                "time table",
                sentence,
                lambda there, weight=weight, role=role: carried(there, weight, role),
                case,
            )
            yield _with_the_last(sentence, weight, role)
        if len(states) > 1:
            yield by_changes(
                "time table",
                f"all that is carried back from step to step is {said}",
                lambda there, weight=weight: carried(there, weight, None),
                case,
            )


def _states(program: Program) -> list[int]:
    return [program.lines[n].args[i] for (n, i), t in crossings(program) if t]


def carried(program: Program, weight: float, role: object) -> Changes:
    """What goes from a step to a state of the step before, times a weight."""
    rules: dict[Edge, Rule] = {}
    for (n, i), t in crossings(program):
        line = program.lines[n]
        if t and role in (None, program.lines[line.args[i]].role):
            rules[n, i] = lambda g, line=line, i=i: weight * np.asarray(program.pull(line, i, g))
    return Changes(rules)


def _with_the_last(sentence: str, weight: float, role: object) -> Hypothesis:
    """The same, where the last state is a result of the forward: its gradient is carried, too."""

    def supposed(case: Case) -> dict[int, Array] | None:
        program = case.program
        if program is None:
            return None
        ends = [n is not None and program.lines[n].role == role for n in program.outputs]
        if not any(ends):
            return None
        gs = [weight * g if end else g for g, end in zip(case.arriving, ends, strict=True)]
        return case.supposed(carried(program, weight, role), gs)

    return Hypothesis("time table", f"{sentence}, and that of the last one", supposed)


def other_cuts(case: Case) -> Iterator[Hypothesis]:
    """Cuts between any one or two pairs of steps."""
    T = rounds(case)
    for size in (1, 2) if T <= MOST else (1,):
        for chosen in itertools.combinations(range(1, T), size):
            places = " and ".join(f"{step} and {step - 1}" for step in chosen)
            yield by_changes(
                "time table",
                f"the gradient is not carried back between steps {places}: it is cut there",
                lambda program, chosen=chosen: cut(program, lambda t: t in chosen),
                case,
            )


def _last(program: Program) -> int:
    return max((line.t for line in program.lines if line.t is not None), default=0)


def crossings(program: Program) -> list[tuple[Edge, int]]:
    """The edges from one step to the step before, with the later step; at 0 those to what is first.

    The first state is where the first step has what later steps have from the step before.
    """
    found = []
    for line in program.backwards:
        for i, source in line.live:
            before = program.lines[source].t
            if line.t is not None and before is not None and before < line.t:
                found.append(((line.number, i), line.t))
    carried = program.carried
    for line in program.backwards:
        if line.t == 0:
            found += [((line.number, i), 0) for i, _ in line.live if (line.role, i) in carried]
    return found


def cut(program: Program, at: object) -> Changes:
    """No gradient goes from step t to the step before, for the steps chosen."""
    return Changes({e: nothing for e, t in crossings(program) if at(t)})  # type: ignore[operator]


def stopped(program: Program, k: int, returned: bool = False) -> Changes | None:
    """Only the last k steps send anything to what they are made of.

    Args:
        returned: what they carry back goes to the first states, as if it had come all the way.
    """
    first = _last(program) + 1 - k
    rules: dict[Edge, Rule] = {}
    for line in program.backwards:
        for i, source in line.live:
            t = line.t if line.t is not None or not returned else program.lines[source].t
            if t is not None and t < first:  # an earlier step, or its loss
                rules[line.number, i] = nothing
    if not rules or not returned:
        return Changes(rules)
    taken: dict[object, dict[int, int]] = {}  # the states that a place takes, step by step
    for (n, i), t in crossings(program):
        taken.setdefault((program.lines[n].role, i), {})[t] = program.lines[n].args[i]
    ends = {by_step[first]: by_step[0] for by_step in taken.values() if {0, first} <= set(by_step)}
    return Changes(rules, {n: (start, itself) for n, start in ends.items()}) if ends else None


def itself(g: Array) -> Array:
    return g


def mirrored(program: Program) -> Changes | None:
    """Every step's rules with the values of step T - 1 - t."""
    rules: dict[Edge, Rule] = {}
    for numbers in program.roles.values():
        for n, other in zip(numbers, numbers[::-1], strict=True):
            line, image = program.lines[n], program.lines[other]
            if line.t is None:
                continue
            for i, source in line.live:
                shape = np.shape(program.lines[source].value)
                if np.shape(image.operands[i]) == shape or source in program.inputs:
                    rules[n, i] = lambda g, image=image, i=i: program.pull(image, i, g)
    return Changes(rules) if rules else None


def nothing(g: Array) -> Array:
    return np.zeros(())
