"""Further cases: the same forward on new random inputs, of other sizes where it takes them.

Equal sizes are taken for one symbol: if x is (5, 3) and W (3, 4), then N = 5, D = 3, H = 4, and
each gets a new value. A size that is a multiple of a smaller one may have to stay it (four gates
side by side); where no other sizes work, there are new values of the same shapes.

Read next: `words.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ...arraylike import Array
from ..setting import Setting
from ..subject import is_floating
from .case import Case, Cases, made_case

Sizes = Mapping[int, int]
STEPS = 5  # a time table needs so many
LONG, BRIEF = 8, 6  # steps: a longer run is looked at when it is cut to so many


def further(first: Case, cases: Cases | None, count: int = 2) -> list[Case]:
    """More cases with the same mistake in them; fewer than `count` if the backward takes none."""
    found: list[Case] = []
    for k in range(count):
        case = None
        for inputs in _offered(first, cases, k):
            case = case_at(first, inputs, k + 1)
            if case is not None and set(case.wrong) & set(first.wrong):
                break
        if case is not None:
            found.append(case)
    return found


def _offered(first: Case, cases: Cases | None, k: int) -> Iterator[list[Any]]:
    if cases is not None:
        yield list(cases(k))
    rng = np.random.default_rng([k, 5])
    for sizes in _new_sizes(first, k):
        yield [redrawn(x, _shape(np.shape(x), sizes), rng) for x in first.inputs]
    yield [redrawn(x, np.shape(x), rng) for x in first.inputs]


def _new_sizes(first: Case, k: int) -> Iterator[Sizes]:
    """Which value each size gets: all apart, then multiples of smaller ones kept."""
    symbols = sorted({n for x in first.inputs for n in np.shape(x)} - {0, 1})
    if not symbols:
        return
    # each by another step, so that no size keeps its distance from another: N - 1 is no D
    grown = {n: n + (k + 1) * (1 + j) for j, n in enumerate(symbols)}
    steps = rounds(first)
    if steps in grown:
        grown[steps] = max(grown[steps], STEPS + k)
    yield grown
    for factor in (4, 3, 2):
        several = dict(grown)
        for n in symbols:
            if n % factor == 0 and n // factor in grown:
                several[n] = factor * grown[n // factor]
        if several != grown:
            yield several
    for n in reversed(symbols):
        yield {n: grown[n]}


def rounds(case: Case) -> int:
    """How many time steps the recorded forward has."""
    lines = case.program.lines if case.program is not None else []
    return max((line.t + 1 for line in lines if line.t is not None), default=0)


def shortened(first: Case) -> Case | None:
    """A long run cut to a few steps, if what is wrong there is wrong in it as well."""
    case = short(first, BRIEF) if rounds(first) > LONG else None
    return case if case is not None and set(case.wrong) == set(first.wrong) else None


def short(first: Case, steps: int) -> Case | None:
    """The first case cut to so many time steps, if there is an axis to cut."""
    n = rounds(first)
    if n <= steps:
        return None
    tried: list[set[tuple[int, int]]] = [set()]
    for which in _time_axes(first.inputs, n):
        if which in tried:
            continue
        tried.append(which)
        inputs = [
            _cut(x, {axis for k, axis in which if k == i}, steps)
            for i, x in enumerate(first.inputs)
        ]
        case = case_at(first, inputs, 7)
        if case is not None and case.program is not None and rounds(case) <= steps:
            return case
    return None


def _time_axes(inputs: Sequence[Any], n: int) -> Iterator[set[tuple[int, int]]]:
    """Sets of (input, axis) that may be the time: first axes of sequences, all of that size, ...

    The width may be the same number, and a forward may run, by broadcasting, with that cut, too.
    What comes as whole numbers is a sequence: tokens, labels, masks.
    """
    shapes = [np.shape(x) for x in inputs]
    found = [(i, axis) for i, shape in enumerate(shapes) for axis, m in enumerate(shape) if m == n]
    yield {(i, axis) for i, axis in found if axis == 0 and len(shapes[i]) > 2}
    if all(sum(k == i for k, _ in found) <= 1 for i, _ in found):
        yield set(found)
    for axis in (0, 1):
        yield {(i, k) for i, k in found if k == axis and not _is_real(inputs[i])}
    for axis in (0, 1):
        yield {(i, k) for i, k in found if k == axis and len(shapes[i]) > 2}
        yield {(i, k) for i, k in found if k == axis}
    for place in found:
        yield {place}


def _cut(x: Any, axes: set[int], steps: int) -> Any:
    if not axes or not isinstance(x, np.ndarray):
        return x
    return x[tuple(slice(0, steps) if k in axes else slice(None) for k in range(x.ndim))].copy()


def case_at(first: Case, inputs: Sequence[Any], seed: int) -> Case | None:
    """The case at other inputs; None where the forward or the backward does not work."""
    setting = first.setting
    arrays = [np.array(x, dtype=float) if _is_real(x) else x for x in inputs]
    try:
        with np.errstate(all="ignore"):
            names, checked = setting.names, setting.checked
            there = Setting(setting.subject, arrays, names, checked, twice=False)
            there.continued = setting.continued
    except Exception:  # the forward was made for other shapes
        return None
    return made_case(there, [seed, 11], first.program)


def _is_real(x: Any) -> bool:
    return is_floating(x) or (isinstance(x, (float, np.floating)))


def _shape(shape: tuple[int, ...], sizes: Sizes) -> tuple[int, ...]:
    return tuple(sizes.get(n, n) for n in shape)


# ---------------------------------------------------------------- new values of the same character
def redrawn(x: Any, shape: tuple[int, ...], rng: np.random.Generator) -> Any:
    """New values for an input: in its range, with its sign, of its values if they are few."""
    if not isinstance(x, np.ndarray) or not x.size:
        return x
    if x.dtype.kind in "biu":
        return rng.choice(x.ravel(), size=shape).astype(x.dtype)
    if not x.ndim and x:  # a rate, a temperature: nearer to 0, so that it stays what it is
        return np.asarray(x * rng.uniform(0.5, 0.95))
    for fits, draw in _CHARACTERS:
        if fits(x):
            return draw(x, shape, rng)
    return rng.standard_normal(shape) * float(np.sqrt(np.mean(np.square(x))))


def _few(x: Array) -> bool:
    return bool(np.all(x == np.round(x))) and bool(np.any(x))


def _rows_sum_to_one(x: Array) -> bool:
    return x.ndim > 0 and bool(np.all(x >= 0)) and bool(np.allclose(x.sum(axis=-1), 1))


def _rows(x: Array, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    drawn = rng.uniform(0.1, 1, size=shape)
    return np.asarray(drawn / drawn.sum(axis=-1, keepdims=True))


_Draw = Callable[[Array, tuple[int, ...], np.random.Generator], Array]
_CHARACTERS: list[tuple[Callable[[Array], bool], _Draw]] = [
    (lambda x: not np.any(x), lambda x, shape, rng: 0.5 * rng.standard_normal(shape)),
    (_few, lambda x, shape, rng: rng.choice(x.ravel(), size=shape)),
    (_rows_sum_to_one, _rows),
    (
        lambda x: bool(np.all(x > 0)),
        lambda x, shape, rng: rng.uniform(x.min(), x.max() * (1 + 1e-3), size=shape),
    ),
]
