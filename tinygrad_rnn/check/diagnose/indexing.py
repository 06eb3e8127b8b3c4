"""Wrong rules of x[index]: slices that are shifted, rows that are taken twice, gradients put back.

Read next: `values.py`.
"""

# mypy: disable-error-code=misc
# (a lambda that binds a loop variable by a default has no inferred type)

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ...arraylike import Array
from .program import Line, Program
from .slopes import Alternative
from .words import edge_text, formula


def of_getitem(program: Program, line: Line, i: int) -> Iterator[Alternative]:
    x, index, text = line.operands[0], line.attrs["index"], edge_text(program, line.number, i)
    yield Alternative(
        "getitem: assigned",
        f"repeated indices overwrite one another in {text}: an entry that was looked up twice gets"
        " its last gradient only, where all are added (np.add.at)",
        lambda g: _put(x.shape, index, g),
        "edge weight",
    )
    counts = np.zeros(x.shape)
    np.add.at(counts, index, 1.0)
    yield Alternative(
        "getitem: averaged",
        f"the gradient of {text} is divided by how often each index is repeated: a mean over the"
        " look-ups",
        lambda g: _added(x.shape, index, g) / np.maximum(counts, 1),
    )
    at = [k for k in (index if isinstance(index, tuple) else (index,)) if not _is_whole(k)]
    if len(at) == 1 and isinstance(at[0], np.ndarray) and at[0].dtype.kind in "iu":
        yield from _of_repeats(x, index, text)
        if not isinstance(index, tuple):
            yield from _of_look_up(x, index, text)
    basic = index if isinstance(index, tuple) else (index,)
    if all(isinstance(k, slice) for k in basic):
        yield from _shifted_slices(x, basic, text)


def _of_look_up(x: Array, index: Array, text: str) -> Iterator[Alternative]:
    for row in sorted({0, len(x) - 1}):
        yield Alternative(
            f"getitem: row {'0' if row == 0 else 'last'}",
            f"row {row} gets no gradient in {text}, as if index {row} were padding",
            lambda g, row=row: _zero_row(_added(x.shape, index, g), row),
            "edge weight",
        )
    for axis in range(index.ndim):
        for key, k in (("first", slice(0, 1)), ("last", slice(-1, None))):
            where = (slice(None),) * axis + (k,)
            yield Alternative(
                f"getitem: {key} along {axis}",
                f"only the {key} position along axis {axis} of the indices is added in {text}",
                lambda g, where=where: _added(x.shape, index[where], g[where]),
                "edge weight",
            )
    if index.ndim == 1 and index.size == x.shape[0]:
        yield Alternative(
            "getitem: not inverted",
            f"the gradient of {text} is put in the order itself, not in its inverse",
            lambda g: g[index],
        )


def _is_whole(k: Any) -> bool:
    return isinstance(k, slice) and k == slice(None)


def _of_repeats(x: Array, index: Any, text: str) -> Iterator[Alternative]:
    """Repeated and tiled copies mixed up; the first copy only."""
    yield Alternative(
        "getitem: tiled",
        f"the repeats of {text} are taken as if they were tiled, in another order",
        lambda g: _tiled(g, x.shape),
    )
    yield Alternative(
        "getitem: repeated",
        f"the tiles of {text} are taken as if they were repeats, in another order",
        lambda g: _untiled(g, x.shape),
    )
    yield Alternative(
        "getitem: first copy",
        f"only the first copy of each entry counts in {text}: the sum over repeated indices is"
        " forgotten",
        lambda g: _first_copy(x.shape, index, g),
        "edge weight",
    )


def _first_copy(shape: tuple[int, ...], index: Any, g: Array) -> Array:
    """Written in reverse order, so that what was looked up first stays."""
    axis = next(k for k, at in enumerate(index if isinstance(index, tuple) else (index,))
                if not _is_whole(at))  # fmt: skip
    at = index[axis] if isinstance(index, tuple) else index
    if at.ndim != 1:
        raise ValueError("one axis of indices")
    out = np.zeros(shape)
    whole = (slice(None),) * axis
    out[(*whole, at[::-1])] = g[(*whole, slice(None, None, -1))]
    return out


def _untiled(g: Array, shape: tuple[int, ...]) -> Array:
    axis = next(k for k, (n, m) in enumerate(zip(g.shape, shape)) if n != m)
    apart = g.reshape(*shape[: axis + 1], -1, *shape[axis + 1 :])
    return np.asarray(apart.sum(axis=axis + 1))


def _tiled(g: Array, shape: tuple[int, ...]) -> Array:
    axis = next(k for k, (n, m) in enumerate(zip(g.shape, shape)) if n != m)
    apart = g.reshape(*shape[:axis], -1, *shape[axis:])
    return np.asarray(apart.sum(axis=axis))


def _zero_row(c: Array, row: int) -> Array:
    c[row] = 0
    return c


def _put(shape: tuple[int, ...], index: Any, g: Array) -> Array:
    out = np.zeros(shape)
    out[index] = g
    return out


def _added(shape: tuple[int, ...], index: Any, g: Array) -> Array:
    out = np.zeros(shape)
    np.add.at(out, index, g)
    return out


def _shifted_slices(x: Array, index: tuple[slice, ...], text: str) -> Iterator[Alternative]:
    """The same number of entries at another place along one axis."""
    for axis, part in enumerate(index):
        start, stop, step = part.indices(x.shape[axis])
        if step == -1 and stop == -1:
            yield Alternative(
                f"getitem: flip {axis}",
                f"the gradient of {text} is not reversed back along axis {axis}",
                lambda g: g,
            )
        if step > 1:
            yield _run_for_stride(x, index, axis, text)
        length = stop - start
        for begin in {0, x.shape[axis] - length, start - 1, start + 1} - {start}:
            if step == 1 and 0 <= begin <= x.shape[axis] - length and length > 0:
                moved = (*index[:axis], slice(begin, begin + length), *index[axis + 1 :])
                yield Alternative(
                    f"getitem: shifted {begin - start} along {axis}",
                    f"the gradient of the slice {text} is put at another place, shifted by"
                    f" {begin - start} along axis {axis}",
                    lambda g, moved=moved: _put(x.shape, moved, g),
                )


def _run_for_stride(x: Array, index: tuple[slice, ...], axis: int, text: str) -> Alternative:
    """Every second place taken for the first half."""
    start, _, step = index[axis].indices(x.shape[axis])

    def rule(g: Array) -> Array:
        n = g.shape[axis]
        run = (*index[:axis], slice(start * n, (start + 1) * n), *index[axis + 1 :])
        return _put(x.shape, run, g)

    return Alternative(
        f"getitem: run along {axis}",
        f"the gradient of the slice {text}, every {step} places along axis {axis}, is put side by"
        " side instead, in another order (tiled, not repeated)",
        rule,
    )


def of_scatter(program: Program, line: Line, i: int) -> Iterator[Alternative]:
    """Padding: the gradient is cut out at another place."""
    index, shape = line.attrs["items"][i], line.value.shape
    text = formula(program, line.number)
    if not (isinstance(index, tuple) and all(isinstance(k, slice) for k in index)):
        return
    for axis, part in enumerate(index):
        length = part.stop - part.start
        for begin in range(shape[axis] - length + 1):
            if begin != part.start:
                moved = (*index[:axis], slice(begin, begin + length), *index[axis + 1 :])
                yield Alternative(
                    f"pad: axis {axis} at {begin}",
                    f"the gradient of the padded array is cut at the wrong place, {begin} and not"
                    f" {part.start} along axis {axis}, in {text}: cut off the padding",
                    lambda g, moved=moved: g[moved],
                )
