"""Mistakes about the gradient that arrives: ignored, dropped, of another step, not used linearly.

They need nothing but the true gradient for another dL/dy.

Read next: `everywhere.py`.
"""

# mypy: disable-error-code=misc
# (a lambda that binds a loop variable by a default has no inferred type)

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ...arraylike import Array
from .case import Case
from .hypothesis import Gradients, Hypothesis, by_cotangents

BOUNDS = (0.01, 0.1, 0.2, 0.25, 0.5, 1.0, 2.0, 5.0)  # where people clip


def arriving(cases: Sequence[Case]) -> Iterator[Hypothesis]:
    """Mistakes that are linear in g."""
    outputs = cases[0].arriving
    if len(outputs) > 1:
        yield from _of_several(outputs)
    for k, g in enumerate(outputs):
        which = "the incoming gradient g" + (f" of output {k}" if len(outputs) > 1 else "")
        yield from _of_steps(k, g, which)


def _with(gs: list[Array], k: int, g: Array) -> list[Array]:
    return [*gs[:k], np.asarray(g), *gs[k + 1 :]]


def _of_several(outputs: Sequence[Array]) -> Iterator[Hypothesis]:
    ordinal = ("first", "second", "third", "fourth")
    for k in range(len(outputs)):
        which = f"output {k} (the {ordinal[min(k, 3)]} one, g[{k}])"
        yield by_cotangents(
            f"the incoming gradient of {which} is dropped: it is missing everywhere",
            lambda gs, k=k: _with(gs, k, 0 * gs[k]),
        )
        yield by_cotangents(
            f"the incoming gradient of {which} has the wrong sign",
            lambda gs, k=k: _with(gs, k, -gs[k]),
        )
        yield by_cotangents(
            f"the incoming gradient of {which} is counted twice",
            lambda gs, k=k: _with(gs, k, 2 * gs[k]),
        )
    for a in range(len(outputs)):
        for b in range(a + 1, len(outputs)):
            if outputs[a].shape == outputs[b].shape:
                yield by_cotangents(
                    f"the incoming gradients of the outputs {a} and {b} are swapped",
                    lambda gs, a=a, b=b: _with(_with(gs, a, gs[b]), b, gs[a]),
                )


def _of_steps(k: int, g: Array, which: str) -> Iterator[Hypothesis]:
    """One entry along an axis only, all in reverse, or each the neighbour's."""
    for axis in range(g.ndim):
        along = f"along axis {axis}" + (" (the steps)" if axis == 0 else "")
        for word, at in (("last", -1), ("first", 0)):
            yield by_cotangents(
                f"only the {word} entry of {which} {along} is used: the others are dropped",
                lambda gs, axis=axis, at=at: _with(gs, k, _only(gs[k], axis, at)),
            )
            yield by_cotangents(
                f"the {word} entry of {which} {along} is dropped: it is missing",
                lambda gs, axis=axis, at=at: _with(gs, k, gs[k] - _only(gs[k], axis, at)),
            )
        yield by_cotangents(
            f"{which} is taken in reverse order {along}",
            lambda gs, axis=axis: _with(gs, k, np.flip(gs[k], axis)),
        )
        for by, neighbour in ((1, "before"), (-1, "after it, the next")):
            for clamped in (True, False):
                yield by_cotangents(
                    f"{which} is shifted {along}: each step uses that of the step {neighbour}",
                    lambda gs, axis=axis, by=by, clamped=clamped: _with(
                        gs, k, _shifted(gs[k], axis, by, clamped)
                    ),
                )
        if g.shape[axis] > 2:  # of two entries it is the reverse order
            yield by_cotangents(
                f"the two halves of {which} {along} are swapped, in the other order",
                lambda gs, axis=axis: _with(gs, k, np.roll(gs[k], gs[k].shape[axis] // 2, axis)),
            )
        yield by_cotangents(
            f"{which} is replaced by its mean {along}: the entries are mixed",
            lambda gs, axis=axis: _with(gs, k, _spread(gs[k], np.mean, axis)),
        )
        yield by_cotangents(
            f"{which} is summed {along} and handed to all: the entries are mixed",
            lambda gs, axis=axis: _with(gs, k, _spread(gs[k], np.sum, axis)),
        )
    yield from _of_all_entries(k, g, which)


def _of_all_entries(k: int, g: Array, which: str) -> Iterator[Hypothesis]:
    """Transposed, or one number for all."""
    if g.ndim == 2 and g.shape[0] == g.shape[1]:
        yield by_cotangents(
            f"{which} is transposed: its axes are swapped", lambda gs: _with(gs, k, gs[k].T)
        )
    if g.size > 1:
        for phrase, f in (
            ("summed, and one sum used for all entries", np.sum),
            ("averaged, and one mean used for all entries", np.mean),
            ("replaced by its first entry g[0], which is used for all", lambda a, **_: a.flat[0]),
        ):
            yield by_cotangents(
                f"{which} is {phrase}",
                lambda gs, f=f: _with(gs, k, np.full(gs[k].shape, f(gs[k]))),
            )


def _only(g: Array, axis: int, at: int) -> Array:
    kept = np.zeros_like(g)
    where = (slice(None),) * axis + (at,)
    kept[where] = g[where]
    return kept


def _shifted(g: Array, axis: int, by: int, clamped: bool) -> Array:
    moved = np.roll(g, by, axis)
    edge = (slice(None),) * axis + (0 if by > 0 else -1,)
    moved[edge] = g[edge] if clamped else 0
    return moved


def _spread(g: Array, f: object, axis: int) -> Array:
    return np.asarray(f(g, axis=axis, keepdims=True) + 0 * g)  # type: ignore[operator]


# ---------------------------------------------------------------- not linear in g
def nonlinear(cases: Sequence[Case]) -> Iterator[Hypothesis]:
    """g ignored, squared, clipped; a result that is clipped, or has something added."""
    for phrase, f in (
        ("the incoming gradient is ignored: g is never used, as if it were 1", np.ones_like),
        ("the incoming gradient g is used twice: its square", lambda g: g * g),
        ("the incoming gradient loses its sign: |g| is used for g", np.abs),
        ("only the sign of the incoming gradient g is used", np.sign),
    ):
        yield by_cotangents(phrase, lambda gs, f=f: [f(g) for g in gs])
    for bound in BOUNDS:
        yield by_cotangents(
            f"the incoming gradient g is clipped to [-{bound:g}, {bound:g}]",
            lambda gs, bound=bound: [np.clip(g, -bound, bound) for g in gs],
        )
        yield _of_result(
            f"the gradients are clipped to [-{bound:g}, {bound:g}]: what is clipped is no gradient",
            lambda g, bound=bound: np.clip(g, -bound, bound),
        )
        yield _of_result(
            f"the gradients are clipped to the norm {bound:g}: what is scaled is no gradient",
            lambda g, bound=bound: g * min(1.0, bound / (np.sqrt(np.sum(g * g)) or 1)),
        )
    yield from _something_added(cases)


def _of_result(sentence: str, f: object) -> Hypothesis:
    def supposed(case: Case) -> Gradients:
        return {i: f(g) for i, g in case.true.items()}  # type: ignore[operator]

    return Hypothesis("cotangent", sentence, supposed, walks=0)


def _something_added(cases: Sequence[Case]) -> Iterator[Hypothesis]:
    """What the backward gives for g = 0 is a multiple of the input: weight decay."""
    first = cases[0]
    at_zero = first.answer(0 * first.v)
    rates = {}
    for i, added in at_zero.items():
        x = first.inputs[i]
        size = float(np.sum(x * x)) if added.shape == x.shape else 0.0
        rate = float(np.sum(added * x)) / size if size else 0.0
        if np.any(added) and not np.allclose(added, rate * x, rtol=1e-9, atol=1e-12):
            rate = 0.0
        rates[i] = rate
    if any(rates.values()):
        i = max(rates, key=lambda k: abs(rates[k]))
        yield Hypothesis(
            "cotangent",
            f"{rates[i]:.6g} times {first.names[i]} is added, which does not depend on g: a weight"
            " decay belongs into the loss or the optimizer",
            lambda case: {k: g + rates[k] * case.inputs[k] for k, g in case.true.items()},
            walks=0,
        )
