"""Kinks behind one another: what the chain rule gives there is right, whatever it is for the whole.

relu(x) - relu(-x) is x, with slope 1 at 0; but each relu may answer 0 there, and then so does the
chain rule. The sum of two subgradients need not be a subgradient of the sum (Bolte & Pauwels 2020):
every rule is right, and no tool can do better without knowing the whole. So where a gradient at a
kink is none of f's own, one question is left: is it one of those that legal rules give?

- a function of Tensors: is every rule legal in its place, and the gradient right close by?
- a pair: is it the walk over the recorded forward, with some one side taken at every kink?
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import partial

import numpy as np

from ..arraylike import Array
from .diagnose.program import Changes, Line, Program
from .exact import Exact
from .kinks import Kinks
from .oracle import Trial
from .subject import Pair, TensorFunction

CLOSE = 1e-6  # of gradients that a step of a billionth apart are the same
BESIDE = 2.0**-30
SIDES = (-1.0, 1.0, 0.0)  # to the left, to the right, the package's own
KINDS = 3  # of operations that may each take a side of their own

SAID = (
    "on kinks of several operations ({}) each may answer with any of its subgradients. By the chain"
    " rule the gradient there is right, though f as a whole may have another"
)


def by_chain_rule(exact: Exact, kinks: Kinks | None) -> str:
    """What to say of gradients that legal rules give; empty if they do not.

    Args:
        exact: the recorded forward; what cannot be recorded cannot be asked.
        kinks: of the input in question; None if each input for itself is right.
    """
    trial = exact.trial
    subject = trial.setting.subject
    if not isinstance(subject, (Pair, TensorFunction)):
        return ""
    if kinks is not None and not np.any(kinks.beside.jumping):
        return ""
    program = exact.program
    if program is None:
        return ""
    try:
        with np.errstate(all="ignore"):
            kinked = [line for line in program.backwards if _on_kink(program, line)]
    except Exception:  # a rule of the user's own may do anything
        return ""
    if not kinked or len(program.backwards) == 1:  # of one operation this is the question itself
        return ""
    if isinstance(subject, Pair):
        legal = any(_same(trial, program, walk) for walk in _walks(program, kinked))
    else:
        beside = kinks is None or kinks.right_beside()
        legal = beside and _legal_rules(trial, subject, kinked)
    names = sorted({line.op.name for line in kinked if line.op is not None})
    return SAID.format(", ".join(names)) if legal else ""


def _legal_rules(trial: Trial, f: TensorFunction, kinked: list[Line]) -> bool:
    """Whether every rule is right in its place; on a kink those of one operation together."""
    from .locate import culprits  # it checks single operations by gradcheck
    from .rules import check_rule

    if culprits(f, trial.setting.inputs, cuts=False)[0]:
        return False
    for line in kinked:
        op = line.declared or line.op
        operands = [np.asarray(x) for x in line.operands]
        if op is not None and not check_rule(op, None, *operands, diagnose=False, **line.attrs):
            return False
    return True


def _same(trial: Trial, program: Program, walk: Changes) -> bool:
    """Whether this walk gives the gradients under test, of all inputs."""
    inputs = trial.setting.inputs
    found = program.of_inputs(program.walk(trial.setting.cotangents(trial.v), walk), inputs)
    for i, mine in trial.gradients.items():
        size = np.max(np.abs([mine, found[i]]), initial=0.0)
        if not np.max(np.abs(mine - found[i]), initial=0.0) <= CLOSE * size:
            return False
    return True


def _walks(program: Program, kinked: list[Line]) -> Iterator[Changes]:
    """One side for all operations of one name."""
    names = sorted({line.op.name for line in kinked if line.op is not None})
    some = itertools.product(SIDES, repeat=len(names)) if len(names) <= KINDS else ()
    for sides in some or [(side,) * len(names) for side in SIDES]:
        of_name = dict(zip(names, sides, strict=True))
        yield Changes(
            {
                (line.number, i): partial(_pull, program, line, of_name[line.op.name], i)
                for line in kinked if line.op is not None
                for i, _ in line.live
            }
        )  # fmt: skip


def _pull(program: Program, line: Line, side: float, i: int, g: Array) -> Array:
    """The rule of argument i with the first argument a little to one side: one side for all."""
    if not side:
        return np.asarray(program.pull(line, i, g))
    there = Line(line.number, line.value, None)
    there.op, there.args, there.attrs = line.op, line.args, line.attrs
    x = np.asarray(line.operands[0], dtype=float)
    own = np.where(x == 0, np.max(np.abs(x), initial=0.0) or 1.0, np.abs(x))
    ramp = np.linspace(1.0, 2.0, x.size).reshape(x.shape)
    there.operands = [x + side * BESIDE * own * ramp, *line.operands[1:]]
    assert line.op is not None
    there.value = line.op.forward(*there.operands, **line.attrs)
    return np.asarray(program.pull(there, i, g))


def _on_kink(program: Program, line: Line) -> bool:
    """Whether the rule answers otherwise a little to one side than to the other."""
    if np.asarray(line.operands[0]).dtype.kind != "f":
        return False
    g = np.ones(np.shape(line.value))
    for i, _ in line.live:
        left, right = (_pull(program, line, side, i, g) for side in (-1.0, 1.0))
        if np.any(np.abs(left - right) > CLOSE * np.max(np.abs([left, right]), initial=0.0)):
            return True
    return False
