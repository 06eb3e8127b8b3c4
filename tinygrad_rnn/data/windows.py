"""A time series becomes examples: a window slides over it, and what comes next is the target.

Legend: `N` windows, `T` time, `D` input width. Read next: `splits.py`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..arraylike import Array


def sliding_windows(
    series: ArrayLike, T: int, *, steps: int = 1, horizon: int = 1, stride: int = 1
) -> tuple[Array, Array]:
    """(inputs (N, T), targets (N, steps)), each with a last axis D if the series has it.

    Neighbouring windows share most of their values. So part the series first, with `split`, and
    make windows of each part: windows that are shuffled and parted later leak the answers.

    Args:
        series: (n,) or (n, D), in the order of time.
        T: values in a window.
        steps: values to predict.
        horizon: how far after the window the first of them lies; 1 is the very next.
        stride: from the start of one window to the start of the next.

    Raises:
        ValueError: if a size is below 1, or the series is shorter than one window and its target.

    >>> x, y = sliding_windows([0, 10, 20, 30, 40, 50], 3, steps=2)
    >>> x.tolist(), y.tolist()
    ([[0, 10, 20], [10, 20, 30]], [[30, 40], [40, 50]])
    """
    series = np.asarray(series)
    sizes = {"T": T, "steps": steps, "horizon": horizon, "stride": stride}
    if any(not isinstance(n, (int, np.integer)) or n < 1 for n in sizes.values()):
        raise ValueError(f"all sizes of a window are whole numbers, at least 1; given {sizes}")
    span = T + horizon - 1 + steps
    if series.ndim == 0 or len(series) < span:
        raise ValueError(
            f"a series of shape {series.shape} is too short: {T} values, and {steps} to predict"
            f" from {horizon} later on, need {span}"
        )
    starts = np.arange(0, len(series) - span + 1, stride)[:, None]  # (N, 1)
    x = series[starts + np.arange(T)]  # (N, T, ...)
    y = series[starts + T + horizon - 1 + np.arange(steps)]  # (N, steps, ...)
    return x, y
