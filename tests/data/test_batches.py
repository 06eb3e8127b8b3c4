"""No step is lost or read twice, padding is where it is said to be, and seeds decide the order."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_rnn as tg
from tinygrad_rnn.data import Batch, bucketed_batches, pad_sequences, sequential_batches

SIDES = st.sampled_from(["left", "right"])
LENGTHS = st.lists(st.integers(0, 9), min_size=1, max_size=40)


def sequences(lengths, *D):
    """Steps that are all different: which step is where can be read off."""
    steps = iter(range(1, 10_000))
    return [np.array([np.full(D, next(steps)) for _ in range(n)]).reshape(n, *D) for n in lengths]


# ---------------------------------------------------------------- padding
@given(LENGTHS, st.one_of(st.none(), st.integers(1, 12)), SIDES, SIDES, st.sampled_from([(), (3,)]))
def test_every_sequence_is_where_it_is_said_to_be(lengths, length, side, cut, D):
    rows = sequences(lengths, *D)
    x, n = pad_sequences(rows, length, side, cut, value=-7)
    T = max(lengths) if length is None else length
    assert x.shape[:2] == (len(rows), T)
    assert n.tolist() == [min(k, T) for k in lengths]
    for row, padded, k in zip(rows, x, n, strict=True):
        kept = row[len(row) - k :] if cut == "left" else row[:k]
        real = slice(T - k, T) if side == "left" else slice(0, k)
        assert (padded[real] == kept).all()
        assert (np.delete(padded, real, axis=0) == -7).all()


def test_the_notes_pad_in_front_with_zeros():
    x, n = pad_sequences([[1, 2, 195, 19], [2, 190, 4, 2, 352, 2, 183]], length=6)
    assert x.tolist() == [[0, 0, 1, 2, 195, 19], [190, 4, 2, 352, 2, 183]]
    assert n.tolist() == [4, 6]


@pytest.mark.parametrize(
    "rows, value, dtype",
    [
        ([[1], []], 0, np.int64),
        ([[], []], 0, np.int64),
        ([], 0, np.int64),
        ([[1], [0.5]], 0, np.float64),
        ([[1], [2, 3]], np.nan, np.float64),
        ([np.ones(2, np.float32), []], 0, np.float32),
        ([np.ones(2, np.uint8)], 9, np.uint8),
    ],
)
def test_the_dtype_is_the_sequences_own(rows, value, dtype):
    assert pad_sequences(rows, value=value)[0].dtype == dtype


def test_the_sequences_stay_as_they_were():
    rows = [np.arange(3), np.arange(5)]
    x, _ = pad_sequences(rows)
    x += 100
    assert rows[0].tolist() == [0, 1, 2] and rows[1].tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    "error, message, arguments",
    [
        (ValueError, "side is 'left' or 'right'; given 'front'", ([[1]], None, "front")),
        (ValueError, "cut is 'left' or 'right'; given 'end'", ([[1]], None, "left", "end")),
        (ValueError, "length of at least 1; given 0", ([[1]], 0)),
        (ValueError, r"have one shape; given \[\(2,\), \(3,\)\]", ([np.ones((1, 3)), [[1, 2]]],)),
        (ValueError, "steps of sequence 1 have different shapes", ([[1], [[1], [2, 3]]],)),
        (TypeError, r"sequence 0 does not consist of numbers \(<U3\): encode it", (["abc"],)),
        (TypeError, "sequence 1 does not consist of numbers", ([[1], ["a"]],)),
        (TypeError, "sequence 0 is the single number 1", ([1, 2],)),
        (OverflowError, "300", ([np.ones(1, np.uint8)], 3, "left", "left", 300)),
    ],
)
def test_what_cannot_be_padded_is_refused(error, message, arguments):
    with pytest.raises(error, match=message):
        pad_sequences(*arguments)


# ---------------------------------------------------------------- buckets
@given(LENGTHS, st.integers(1, 7), st.integers(1, 4), st.booleans(), st.integers(0, 99))
def test_every_sequence_is_in_one_batch(lengths, B, pool, batch_first, seed):
    rows = sequences(lengths)
    how = {"rng": seed, "pool": pool, "batch_first": batch_first}
    batches = list(bucketed_batches(rows, B, value=-7, **how))
    assert sorted(np.concatenate([b.rows for b in batches]).tolist()) == list(range(len(rows)))
    sizes = sorted(len(b.rows) for b in batches)
    assert all(size == B for size in sizes[1:]) and len(batches) == -(-len(rows) // B)
    for batch in batches:
        x = batch.x if batch_first else batch.x.T
        assert x.shape == (len(batch.rows), batch.lengths.max())
        for row, n, padded in zip(batch.rows, batch.lengths, x, strict=True):
            assert padded[:n].tolist() == rows[row].tolist()
            assert (padded[n:] == -7).all()


@given(st.lists(st.integers(1, 9), min_size=1, max_size=60), st.integers(1, 7), st.integers(0, 99))
def test_one_pool_has_as_little_padding_as_possible(lengths, B, seed):
    batches = list(bucketed_batches(sequences(lengths), B, rng=seed))
    assert all((np.diff(batch.lengths) >= 0).all() for batch in batches)
    spans = sorted((batch.lengths[0], batch.lengths[-1]) for batch in batches)
    assert all(before[1] <= after[0] for before, after in pairwise(spans))


def test_a_seed_repeats_and_a_generator_moves_on():
    rows = sequences([1 + k % 5 for k in range(50)])

    def order(rng):
        return [batch.rows.tolist() for batch in bucketed_batches(rows, 4, rng=rng)]

    assert order(3) == order(3) == order(np.random.default_rng(3))
    assert order(3) != order(4)
    rng = np.random.default_rng(3)
    assert order(rng) != order(rng)


def test_short_batches_do_not_come_first():
    longest = [b.lengths[-1] for b in bucketed_batches(sequences(range(1, 41)), 4, rng=0)]
    assert sorted(longest) == list(range(4, 41, 4))
    assert longest != sorted(longest)


@pytest.mark.parametrize("batch_first", [False, True])
def test_a_layer_that_is_given_the_lengths_sees_no_padding(batch_first):
    rows = [row / 10 for row in sequences([2, 4, 1], 3)]
    batch = next(bucketed_batches(rows, 3, rng=0, batch_first=batch_first, value=1e6))
    assert isinstance(batch, Batch)
    assert batch.x.shape == ((3, 4, 3) if batch_first else (4, 3, 3))
    assert batch.lengths.tolist() == [1, 2, 4]
    layer = tg.nn.GRU(3, 5, bidirectional=True, batch_first=batch_first, rng=0)
    _, h = layer(batch.x, lengths=batch.lengths)  # (2, B, H)
    for b, row in enumerate(batch.rows):
        _, alone = layer(rows[row])  # (2, H)
        np.testing.assert_allclose(h.data[:, b], alone.data, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "message, rows, B, how",
    [
        ("B=0, pool=100", [[1]], 0, {}),
        ("B=2, pool=0", [[1]], 2, {"pool": 0}),
        ("no sequences", [], 2, {}),
    ],
)
def test_batches_of_nothing_are_refused(message, rows, B, how):
    with pytest.raises(ValueError, match=message):
        next(bucketed_batches(rows, B, rng=0, **how))


# ---------------------------------------------------------------- rows side by side
@given(st.integers(2, 60), st.integers(1, 5), st.integers(1, 7))
def test_rows_carry_on_and_targets_are_one_later(n, B, T):
    numbers = np.arange(n)
    if (n - 1) // B < 1:
        with pytest.raises(ValueError, match="too few"):
            list(sequential_batches(numbers, B, T))
        return
    inputs, targets = zip(*sequential_batches(numbers, B, T), strict=True)
    rows = np.concatenate(inputs).T
    assert (rows + 1 == np.concatenate(targets).T).all()
    assert (np.diff(rows, axis=1) == 1).all()
    assert all(x.shape[0] == T for x in inputs[:-1])
    left_over = n - 1 - rows.size
    assert 0 <= left_over < B


@pytest.mark.parametrize("B, T", [(0, 3), (3, 0), (-1, 3)])
def test_a_batch_has_rows_and_steps(B, T):
    with pytest.raises(ValueError, match=f"at least one row and one step; given B={B}, T={T}"):
        next(sequential_batches(np.arange(9), B, T))
