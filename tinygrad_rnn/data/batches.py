"""Sequences of different length become rectangles, and one long sequence becomes rows side by side.

Legend: `B` batch, `T` time, `D` input width. Read next: `windows.py`, for time series.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from ..arraylike import Array

Side = Literal["left", "right"]


def pad_sequences(
    sequences: Iterable[Any],
    length: int | None = None,
    side: Side = "left",
    cut: Side = "left",
    value: Any = 0,
) -> tuple[Array, Array]:
    """(the sequences as one array (B, T) or (B, T, D), their lengths (B,) in it).

    Padding on the left leaves a layer that knows nothing of padding with the last word freshest.
    A layer that is given `lengths=` wants it on the right.

    Args:
        sequences: each (n,), or (n, D); n may differ.
        length: T; the longest n, unless given.
        side: where short sequences are filled up.
        cut: where long sequences lose what is too much: "left" loses the beginning.
        value: the filling.

    Raises:
        ValueError: for another side, a length below 1, or widths D that differ.
        TypeError: for sequences that do not consist of numbers.
        OverflowError: for a value that the sequences' own dtype cannot hold.

    >>> pad_sequences([[5, 6], [1, 2, 3, 4]], length=3)
    (array([[0, 5, 6],
           [2, 3, 4]]), array([2, 3]))
    """
    for name, given in (("side", side), ("cut", cut)):
        if given not in ("left", "right"):
            raise ValueError(f"{name} is 'left' or 'right'; given {given!r}")
    if length is not None and length < 1:
        raise ValueError(f"sequences are padded to a length of at least 1; given {length}")
    rows = [_row(k, sequence) for k, sequence in enumerate(sequences)]
    T = max(map(len, rows), default=0) if length is None else length
    filled = [row for row in rows if row.size or row.ndim > 1]  # [] says nothing of dtype and D
    filled = filled or [np.zeros(0, np.int64)]
    if len({row.shape[1:] for row in filled}) > 1:
        shapes = sorted({row.shape[1:] for row in filled})
        raise ValueError(f"the steps of all sequences have one shape; given {shapes}")
    dtype = np.result_type(*(row.dtype for row in filled), value)
    array = np.full((len(rows), T, *filled[0].shape[1:]), value, dtype)  # (B, T, ...)
    lengths = np.array([min(len(row), T) for row in rows], dtype=np.int64)
    for to, row, n in zip(array, rows, lengths, strict=True):
        if n:
            kept = row[len(row) - n :] if cut == "left" else row[:n]
            to[T - n if side == "left" else 0 :][:n] = kept
    return array, lengths


def _row(k: int, sequence: Any) -> Array:
    try:
        row = np.asarray(sequence)
    except ValueError:
        raise ValueError(f"the steps of sequence {k} have different shapes") from None
    if row.dtype.kind not in "biufc":
        raise TypeError(f"sequence {k} does not consist of numbers ({row.dtype}): encode it first")
    if row.ndim == 0:
        raise TypeError(f"sequence {k} is the single number {row}: give a sequence of sequences")
    return row


class Batch(NamedTuple):
    """x (T, B), or (B, T), ...; the lengths (B,); and which sequences they are, rows (B,)."""

    x: Array
    lengths: Array
    rows: Array


def bucketed_batches(
    sequences: Sequence[Any],
    B: int,
    *,
    rng: int | np.random.Generator,
    pool: int = 100,
    batch_first: bool = False,
    value: Any = 0,
) -> Iterator[Batch]:
    """Yield every sequence once, in batches of similar length, padded on the right.

    The sequences are shuffled; every `pool` batches are sorted by length and cut into batches;
    the batches are shuffled. So little is padding, and neighbours differ from pass to pass. What
    belongs to a batch, such as labels, is `labels[batch.rows]`. The last batch may be smaller.

    Args:
        sequences: each (n,), or (n, D).
        B: sequences in a batch.
        rng: a seed, for the same order in every pass; or a Generator, which moves on.
        pool: batches that are sorted together: more give less padding, fewer more chance.
        batch_first: x is (B, T) instead of (T, B).
        value: the filling.

    Raises:
        ValueError: if B or pool is below 1, or there are no sequences.

    >>> for x, lengths, rows in bucketed_batches([[1], [2, 2, 2], [3], [4, 4]], B=2, rng=0):
    ...     print(x.T.tolist(), lengths, rows)
    [[4, 4, 0], [2, 2, 2]] [2 3] [3 1]
    [[3], [1]] [1 1] [2 0]
    """
    if B < 1 or pool < 1:
        raise ValueError(f"a batch, and a pool, is at least 1; given B={B}, pool={pool}")
    if not len(sequences):
        raise ValueError("there are no sequences to make batches of")
    rng = np.random.default_rng(rng)
    lengths = np.array([len(sequence) for sequence in sequences])
    order = rng.permutation(len(sequences))
    batches = []
    for start in range(0, len(order), pool * B):
        some = order[start : start + pool * B]
        some = some[np.argsort(lengths[some], kind="stable")]
        batches += [some[k : k + B] for k in range(0, len(some), B)]
    for k in rng.permutation(len(batches)):
        rows = batches[k]
        x, n = pad_sequences([sequences[row] for row in rows], side="right", value=value)
        yield Batch(x if batch_first else x.swapaxes(0, 1), n, rows)


def sequential_batches(numbers: Array, B: int, T: int) -> Iterator[tuple[Array, Array]]:
    """Yield (inputs, targets), each (T, B); every row carries on where it stopped in the last.

    The text is cut into B pieces of equal length that are read side by side; targets are the
    inputs one place later. So a recurrent state may be carried from batch to batch. The last batch
    may have fewer steps; less than one row's length is left over at the end.

    Raises:
        ValueError: if the text is too short for B rows of two symbols, or B or T is below 1.

    >>> [(x.T.tolist(), y.T.tolist()) for x, y in sequential_batches(np.arange(8), B=1, T=4)]
    [([[0, 1, 2, 3]], [[1, 2, 3, 4]]), ([[4, 5, 6]], [[5, 6, 7]])]
    """
    if B < 1 or T < 1:
        raise ValueError(f"a batch has at least one row and one step; given B={B}, T={T}")
    numbers = np.asarray(numbers)
    length = (len(numbers) - 1) // B  # steps in every row; the targets need one symbol more
    if length < 1:
        raise ValueError(
            f"{len(numbers)} symbols are too few for {B} rows: use a longer text or a smaller batch"
        )
    inputs = numbers[: B * length].reshape(B, length)
    targets = numbers[1 : B * length + 1].reshape(B, length)
    for start in range(0, length, T):
        yield inputs[:, start : start + T].T, targets[:, start : start + T].T
