"""Fold: of a loop's steps show the first few and the last few. Roll: show one, and that it recurs.

Read next: `kept.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from ..arraylike import Array
from .folds import Thinned
from .lines import FOLDED, PREVIOUS, Line
from .loops import Loop
from .thinning import Thinner


def folded(
    lines: Sequence[Line],
    ends: Sequence[int],
    loops: Sequence[Loop],
    cuts: Mapping[int, int | None],
    keep: int,
    steps: Collection[int] | None = None,
) -> Thinned:
    """The first and last `keep` steps of each loop that has at least two more; or the given steps.

    Args:
        cuts: for leaves that were cut off a line, that line.

    Raises:
        ValueError: for `keep` below 1, and for steps that are not there.
    """
    if isinstance(keep, bool) or not isinstance(keep, int | np.integer) or keep < 1:
        raise ValueError(f"a fold keeps at least 1 step at each end of a loop; given keep={keep!r}")
    if steps:
        _demand_there(steps, lines, loops)

    def kept(loop: Loop) -> Array:
        k = np.arange(len(loop))
        if steps is not None:
            chosen = np.isin(loop.ts, list(steps))
            return chosen if chosen.any() else k == 0
        return (k < keep) | (k >= len(loop) - keep) | (len(loop) < 2 * keep + 2)

    return Thinner(lines, loops, kept, FOLDED, cuts).run(ends)


def _demand_there(steps: Collection[int], lines: Sequence[Line], loops: Sequence[Loop]) -> None:
    """Raise for a step that is in no loop, nor the time step of any line."""
    there = {t for loop in loops for t in loop.ts} | {t for x in lines if (t := x.t) is not None}
    missing = sorted(set(steps) - there)
    if missing and not there:
        raise ValueError(f"there is no loop, so there are no steps {missing}")
    if missing:
        raise ValueError(f"there is no step {_listed(missing)}; there are steps {_spans(there)}")


def _listed(numbers: Sequence[int]) -> str:
    """At most eight numbers."""
    some = ", ".join(str(n) for n in numbers[:8])
    return f"{some}, …" if len(numbers) > 8 else some


def _spans(numbers: Collection[int]) -> str:
    """Whole numbers as stretches without gaps.

    >>> _spans({1, 2, 3, 7, 9, 10})
    '1 to 3, 7, 9 to 10'
    """
    order = sorted(numbers)
    starts = [n for k, n in enumerate(order) if not k or order[k - 1] < n - 1]
    stops = [n for k, n in enumerate(order) if k == len(order) - 1 or order[k + 1] > n + 1]
    return ", ".join(str(a) if a == b else f"{a} to {b}" for a, b in zip(starts, stops))


def rolled(
    lines: Sequence[Line],
    ends: Sequence[int],
    loops: Sequence[Loop],
    cuts: Mapping[int, int | None],
) -> Thinned:
    """The last step of each loop, with marks where its states come from; cuts as in `folded`."""

    def kept(loop: Loop) -> Array:
        return np.arange(len(loop)) == len(loop) - 1

    return Thinner(lines, loops, kept, PREVIOUS, cuts).run(ends)
