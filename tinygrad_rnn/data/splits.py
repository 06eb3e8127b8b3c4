"""What is learned from one part is judged by another: the end of a text, or examples by chance.

Read next: `sources.py`, for files of your own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arraylike import Array


def split(numbers: Array, held_out: float = 0.1) -> tuple[Array, Array]:
    """(the first part to train on, the last part to be judged by).

    Raises:
        ValueError: if the share that is held out is not 0 <= held_out < 1.
    """
    if not 0 <= held_out < 1:
        raise ValueError(f"the share that is held out is 0 <= held_out < 1; given {held_out}")
    cut = len(numbers) - int(len(numbers) * held_out)
    return numbers[:cut], numbers[cut:]


def shuffled_split(
    *columns: Any,
    held_out: float = 0.1,
    stratify: Sequence[Any] | Array | None = None,
    rng: int | np.random.Generator,
) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """(the columns to train on, the same columns to be judged by), rows kept together.

    Each part has at least one example, and with `stratify` at least one of every class.

    Args:
        columns: texts, labels, ...: arrays or lists of one length; an array stays an array.
        held_out: the share to be judged by, rounded to whole examples.
        stratify: a class for every example; its share is then held out of every class.
        rng: a seed or a Generator.

    Raises:
        ValueError: for columns of different length, a share outside 0 < held_out < 1, or fewer
            than two examples, of a class or of all.

    >>> (x, y), (x_test, y_test) = shuffled_split([1, 2, 3, 4], list("abcd"), held_out=0.5, rng=0)
    >>> x, y, x_test, y_test
    ([2, 4], ['b', 'd'], [3, 1], ['c', 'a'])
    """
    lengths = [len(column) for column in (*columns, *([] if stratify is None else [stratify]))]
    if not columns or len(set(lengths)) > 1:
        raise ValueError(f"columns of one length are split together; given lengths {lengths}")
    if not 0 < held_out < 1:
        raise ValueError(f"the share that is held out is 0 < held_out < 1; given {held_out}")
    order = np.random.default_rng(rng).permutation(lengths[0])
    if stratify is None:
        groups = {"the whole": order}
    else:
        names, numbers = np.unique(np.asarray(stratify), return_inverse=True)
        groups = {
            f"class {str(name)!r}": order[numbers[order] == k] for k, name in enumerate(names)
        }
    judged = np.zeros(lengths[0], dtype=bool)
    for name, members in groups.items():
        judged[members[: _share(name, len(members), held_out)]] = True
    parts = order[~judged[order]], order[judged[order]]
    training, held = (tuple(_take(column, rows) for column in columns) for rows in parts)
    return training, held


def _share(name: str, n: int, held_out: float) -> int:
    if n < 2:
        raise ValueError(f"{name} has {n} examples: to be on both sides it needs two")
    return min(max(round(n * held_out), 1), n - 1)


def _take(column: Any, rows: Array) -> Any:
    if isinstance(column, np.ndarray):
        return column[rows]
    return [column[row] for row in rows.tolist()]
