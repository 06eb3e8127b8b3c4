"""A mistake that might have been made: a sentence, and the gradient that it would give in any case.

A hypothesis holds if that gradient is yours, to nine digits, in every case. What it says about the
inputs that are right already decides how it is put: a rule that is wrong for dW alone says so.

Read next: `whole.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...arraylike import Array
from .case import Case
from .program import Changes, Edge, Program

Gradients = dict[int, Array]


@dataclass(frozen=True)
class Hypothesis:
    """Attributes:

    family, sentence: what kind of mistake, and which.
    supposed: the gradients it would give in a case; None where it cannot be made there.
    edges: the edges at fault, in the first case's program.
    rank: 1 for what is only said where nothing of rank 0 holds.
    key: the same for two that say the same; by default the sentence.
    about: the inputs whose gradient it explains; `everywhere`: no other would change by it.
    possible: a cheap look whether it can be your gradient of some inputs in a case.
    walks: how many walks over the forward it takes to have its gradients.
    partly: whether there are steps in which it cannot be made, as with a step before the first.
    in_some_steps: whether it is about some steps of a loop only.
    """

    family: str
    sentence: str
    supposed: Callable[[Case], Gradients | None]
    edges: tuple[Edge, ...] = ()
    key: object = None
    rank: int = 0
    about: tuple[int, ...] = ()
    everywhere: bool = True
    possible: Callable[[Case, Sequence[int]], bool] = lambda case, among: True
    walks: int = 1
    partly: bool = False
    in_some_steps: bool = False


def holds(hypothesis: Hypothesis, cases: Sequence[Case], among: Sequence[int]) -> Hypothesis | None:
    """The hypothesis, if it gives your gradients of these inputs in every case."""
    everywhere = True
    for case in cases:
        if not hypothesis.possible(case, among):
            return None
        supposed = _supposed(hypothesis, case)
        if supposed is None or not all(case.given_by(i, supposed[i]) for i in among):
            return None
        everywhere = everywhere and all(case.given_by(i, g) for i, g in supposed.items())
    return replace(hypothesis, about=tuple(among), everywhere=everywhere)


def excluded(hypothesis: Hypothesis, case: Case, among: Sequence[int]) -> bool:
    """Whether it can be made in this case, and does not give your gradients there."""
    supposed = _supposed(hypothesis, case)
    return supposed is not None and not all(case.given_by(i, supposed[i]) for i in among)


def _supposed(hypothesis: Hypothesis, case: Case) -> Gradients | None:
    try:
        with np.errstate(all="ignore"):
            return hypothesis.supposed(case)
    except (ValueError, IndexError, TypeError, StopIteration):  # it does not exist here
        return None


def share_explained(hypothesis: Hypothesis, case: Case) -> float:
    """How much of the squared difference between yours and the truth it explains.

    That there is no gradient explains nothing where there is one, however small.
    """
    supposed = _supposed(hypothesis, case)
    if supposed is None or any(case.yours[i].shape != supposed[i].shape for i in case.wrong):
        return 0.0
    if any(np.any(case.yours[i]) and not np.any(supposed[i]) for i in case.wrong):
        return 0.0
    left = sum(float(np.sum((case.yours[i] - supposed[i]) ** 2)) for i in case.wrong)
    all_of_it = sum(float(np.sum((case.yours[i] - case.true[i]) ** 2)) for i in case.wrong)
    return 1 - left / all_of_it if all_of_it else 0.0


def by_changes(
    family: str, sentence: str, made: Callable[[Program], Changes | None], case: Case
) -> Hypothesis:
    """A hypothesis of changed rules; `case` is the first."""

    def supposed(there: Case) -> Gradients | None:
        if there.program is None:
            return None
        changes = at_first if there.program is case.program else made(there.program)
        return None if changes is None else there.supposed(changes)

    assert case.program is not None
    at_first = made(case.program)
    changes = at_first or Changes()
    edges = (*changes.rules, *changes.borrowed)
    edges += tuple((n, i) for n in changes.skips for i, _ in case.program.lines[n].live)
    return Hypothesis(family, sentence, supposed, edges)


def by_cotangents(
    sentence: str, change: Callable[[list[Array]], Sequence[Array]], family: str = "cotangent"
) -> Hypothesis:
    """A hypothesis about dL/dy: the true gradient, for another one."""

    def changed(case: Case) -> list[Array] | None:
        gs = [np.asarray(g) for g in change([g.copy() for g in case.arriving])]
        return gs if [g.shape for g in gs] == [g.shape for g in case.arriving] else None

    def supposed(case: Case) -> Gradients | None:
        gs = changed(case)
        return None if gs is None else case.truth(gs)

    def possible(case: Case, among: Sequence[int]) -> bool:
        gs = changed(case)
        return gs is not None and all(case.may_be_given_by(i, gs) for i in among)

    return Hypothesis(family, sentence, supposed, possible=possible)
