"""Several lines that together are a known function: 1 / (1 + exp(-x)) is a sigmoid.

They are recognised by what they compute, not by how: a line `y` all of whose paths to the inputs go
through a line `x`, and whose value is f of the value of `x`. Its mistakes are those of f as a
whole: "softmax: the diagonal only".

Read next: `field.py`.
"""

# mypy: disable-error-code=misc
# (a lambda that binds a loop variable by a default has no inferred type)

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np

from ...arraylike import Array
from .program import Program
from .slopes import KNOWN, Alternative, of_function, sigmoid
from .values import Opening

FAR = 12  # how many dominators up the input of a known function may be


class Compound(NamedTuple):
    """The lines from `source` to `number` are the function `name`, along `axis` if it has one."""

    number: int
    source: int
    name: str
    axis: int | None
    pull: Callable[[Array], Array]  # its true rule


def softmax(x: Array, axis: int) -> Array:
    e = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return np.asarray(e / e.sum(axis=axis, keepdims=True))


def compounds(program: Program) -> list[Compound]:
    """All the known functions among the lines."""
    above = _dominators(program)
    found = []
    for line in program.backwards:
        known = line.op is not None and (line.declared is not None or line.op.name in _LAST)
        if not known or line.value.size < 2:
            continue
        source, farthest = above[line.number], None
        for _ in range(FAR):
            if source is None:
                break
            x = program.lines[source].value
            if x.shape == line.value.shape and (made := _recognised(x, line.value)):
                farthest = Compound(line.number, source, *made)  # softmax(x - max) is that of x
            source = above[source]
        if farthest is not None and _closed(program, line.number, farthest.source):
            found.append(farthest)
    return found


def _recognised(x: Array, y: Array) -> tuple[str, int | None, Callable[[Array], Array]] | None:
    """(name, axis, true rule) if y is a known function of x."""
    if x.dtype.kind != "f":
        return None
    for name, f in (("sigmoid", sigmoid), ("tanh", np.tanh), ("softplus", _softplus),
                    ("relu", _relu), ("absolute", np.abs), ("square", np.square)):  # fmt: skip
        if _equal(f(x), y):
            by_input = KNOWN[name].by_input
            assert by_input is not None
            slope = by_input(x)
            return name, None, partial(np.multiply, slope)
    for axis in range(-x.ndim, 0):
        if x.shape[axis] > 1:
            s = softmax(x, axis)
            if _equal(s, y):
                return (
                    "softmax",
                    axis,
                    lambda g, k=axis, s=s: s * (g - (g * s).sum(axis=k, keepdims=True)),
                )
            if _equal(np.log(s), y):
                return (
                    "log-softmax",
                    axis,
                    lambda g, k=axis, s=s: g - s * g.sum(axis=k, keepdims=True),
                )
    return None


def _softplus(x: Array) -> Array:
    return np.asarray(np.log1p(np.exp(x)))


def _relu(x: Array) -> Array:
    return np.maximum(x, 0)


def _equal(a: Array, b: Array) -> bool:
    return bool((np.abs(a - b) <= 1e-12 * (1 + np.abs(b))).all())


_LAST = frozenset(
    ["divide", "multiply", "subtract", "where", "add", "log", "log1p", "exp", "maximum", "clip"]
)


def _dominators(program: Program) -> list[int | None]:
    """For each line the last one before it that all its paths from the inputs go through."""
    above: list[int | None] = [None] * len(program.lines)
    depth = [0] * len(program.lines)
    for line in program.lines:
        sources = {source for _, source in line.live}
        if not sources:
            continue
        meet: int | None = sources.pop()
        for other in sources:
            k: int | None = other
            while meet != k:
                if meet is None or k is None:
                    meet = None
                    break
                if depth[meet] >= depth[k]:
                    meet = above[meet]
                else:
                    k = above[k]
        above[line.number] = meet
        depth[line.number] = depth[meet] + 1 if meet is not None else 0
    return above


def _closed(program: Program, number: int, source: int) -> bool:
    """Whether the lines between are used nowhere else."""
    inside, stack = {number}, [number]
    while stack:
        for _, k in program.lines[stack.pop()].live:
            if k != source and k not in inside:
                inside.add(k)
                stack.append(k)
    return all(
        user in inside
        for k in inside - {number}
        for user, _ in program.uses[k]
        if program.lines[user].live
    )


# ---------------------------------------------------------------- their mistakes
def of_compound(program: Program, made: Compound) -> Iterator[Alternative]:
    """The wrong rules of a known function."""
    x, y = program.lines[made.source].value, program.lines[made.number].value
    if made.name in KNOWN:
        yield from of_function(made.name, x, y)
    elif made.name == "softmax":
        yield from _of_softmax(y, made)
    else:
        yield from _of_log_softmax(x, y, made)


def _over(axis: int | None) -> Callable[[Array], Array]:
    return lambda a: a.sum(axis=axis, keepdims=True)


def _of_softmax(s: Array, made: Compound) -> Iterator[Alternative]:
    total, right = _over(made.axis), "ds = s (g - sum(g s))"
    for key, phrase, rule in (
        ("diagonal", "softmax: the diagonal of its Jacobian only, s (1 - s), each entry by itself",
         lambda g: g * s * (1 - s)),
        ("no sum", "softmax without its sum: the path through the denominator is missing, s g",
         lambda g: g * s),
        ("handed through", "the derivative of softmax is forgotten: g is handed through (exp, the"
         " sum and the division)", lambda g: g),
        ("no factor", "softmax: the outer factor s, its output, is forgotten",
         lambda g: g - total(g * s)),
        ("sign", "softmax: the sign of the sum's path, the denominator, is wrong: minus",
         lambda g: s * (g + total(g * s))),
        ("sum of g", "softmax: sum(g) for sum(g s): the factor s is missing in the sum",
         lambda g: s * (g - total(g))),
        ("log-softmax", "softmax: the derivative of log-softmax stands for it",
         lambda g: g - s * total(g)),
        ("mean", "softmax: a mean for the sum over the axis",
         lambda g: s * (g - total(g * s) / s.shape[made.axis or -1])),
        ("off diagonal", "softmax: the diagonal of its Jacobian is missing, only -s s",
         lambda g: -s * total(g * s)),
    ):  # fmt: skip
        yield Alternative(f"softmax: {key}", f"{phrase}: {right}", rule)
    for axis in range(-s.ndim, 0):
        if axis != made.axis:
            yield Alternative(
                f"softmax: axis {axis}",
                f"softmax: its inner sum is over axis {axis % s.ndim}, the wrong axis, not axis"
                f" {(made.axis or 0) % s.ndim}: {right}",
                lambda g, axis=axis: s * (g - (g * s).sum(axis=axis, keepdims=True)),
            )


def _of_log_softmax(x: Array, y: Array, made: Compound) -> Iterator[Alternative]:
    s, total, right = np.exp(y), _over(made.axis), "g - s sum(g)"
    for key, phrase, rule in (
        ("sum ignored", "log-softmax without the sum of g: g is taken to add up to 1",
         lambda g: g - s),
        ("diagonal", "log-softmax: s g, each entry by itself: the sum of g is missing",
         lambda g: g - s * g),
        ("no log", "log-softmax: the path through the logarithm of the sum is missing",
         lambda g: g),
        ("own output", "log-softmax: its own output log(s) stands for the softmax s, exp of it,"
         " instead", lambda g: g - y * total(g)),
        ("softmax", "log-softmax: the derivative of softmax stands for it",
         lambda g: s * (g - total(g * s))),
        ("sign", "log-softmax: the sign of the path through the logarithm of the sum, minus, is"
         " wrong", lambda g: g + s * total(g)),
        ("input", "log-softmax: its input stands for the softmax s",
         lambda g: g - x * total(g)),
        ("not normalised", "log-softmax: exp(x) stands for the softmax s, the division by the"
         " sum is forgotten: not normalised",
         lambda g: g - np.exp(x) * total(g)),
        ("shifted, not normalised", "log-softmax: exp(x - max) stands for the softmax s,"
         " the division by the sum is forgotten: not normalised",
         lambda g: g - np.exp(x - x.max(axis=made.axis, keepdims=True)) * total(g)),
    ):  # fmt: skip
        yield Alternative(f"log-softmax: {key}", f"{phrase}: {right}", rule)
    for axis in range(-y.ndim, 0):
        if axis != made.axis:
            yield Alternative(
                f"log-softmax: axis {axis}",
                f"log-softmax: the sum of g is over axis {axis % y.ndim}, the wrong axis: {right}",
                lambda g, axis=axis: g - s * g.sum(axis=axis, keepdims=True),
            )


def slope_of(made: Compound, shape: tuple[int, ...]) -> Opening | None:
    """Where another value can stand in the slope of a function of one number."""
    known = KNOWN.get(made.name)
    if known is None or known.by_output is None:
        return None
    slope = known.by_output
    return Opening(
        f"{made.name} by output",
        -1,
        slope,
        shape,
        lambda v, g: g * slope(v),
        lambda g, dx: g * dx,
    )
