"""A window's target is what comes after it, at the distance that was asked for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_rnn.data import sliding_windows

SIZE = st.integers(1, 5)


@given(SIZE, SIZE, SIZE, SIZE, st.integers(0, 30), st.sampled_from([(), (2,), (2, 3)]))
def test_windows_and_targets_are_pieces_of_the_series(T, steps, horizon, stride, extra, D):
    n = T + horizon - 1 + steps + extra
    series = np.random.default_rng(n).standard_normal((n, *D))
    x, y = sliding_windows(series, T, steps=steps, horizon=horizon, stride=stride)
    N = 1 + extra // stride
    assert x.shape == (N, T, *D) and y.shape == (N, steps, *D)
    for k in range(N):
        start, target = k * stride, k * stride + T - 1 + horizon
        assert (x[k] == series[start : start + T]).all()
        assert (y[k] == series[target : target + steps]).all()


def test_the_next_value_unless_asked_otherwise():
    x, y = sliding_windows(range(5), 3)
    assert x.tolist() == [[0, 1, 2], [1, 2, 3]]
    assert y.tolist() == [[3], [4]]
    assert sliding_windows(range(5), 3, horizon=2)[1].tolist() == [[4]]


def test_windows_are_copies():
    series = np.arange(6.0)
    x, y = sliding_windows(series, 2)
    x += 1
    y += 1
    assert series.tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("size", ["T", "steps", "horizon", "stride"])
def test_sizes_below_one_are_refused(size):
    with pytest.raises(ValueError, match=f"at least 1; given .*'{size}': 0"):
        sliding_windows(np.arange(9), **({"T": 2} | {size: 0}))


@pytest.mark.parametrize("series", [np.arange(7), 5.0, []])
def test_a_series_that_is_too_short_says_what_it_takes(series):
    with pytest.raises(ValueError, match=r"too short: 4 values, and 2 .* from 3 later on, need 8"):
        sliding_windows(series, 4, steps=2, horizon=3)
