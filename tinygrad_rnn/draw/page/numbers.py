"""How numbers are printed on the page: five digits, arrays of up to 16 entries in full.

Read next: `walk.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...program import short
from ...tensor import Array

IN_FULL = 16  # entries; a larger array is printed as its norm

Index = tuple[int, ...]


def digits(value: Any) -> str:
    """One number, to five digits, without the sign of a zero.

    >>> digits(-0.0), digits(2 / 3), digits(True)
    ('0', '0.66667', '1')
    """
    return f"{value + 0:.5g}"


def signed(value: Any) -> str:
    """One number inside of a formula: a negative one in brackets.

    >>> signed(-0.5)
    '(-0.5)'
    """
    text = digits(value)
    return f"({text})" if text.startswith("-") else text


class Printed:
    """All printed arrays of a page, each different one once.

    An entry of `table` has the shape `s`, the short form `p` that a picture has room for, and `e`,
    the entries in reading order, or `m`, the norm of an array too large for that.
    """

    def __init__(self) -> None:
        self.table: list[dict[str, Any]] = []
        self._places: dict[tuple[Any, ...], int] = {}

    def add(self, value: Any) -> int:
        """The place of an array in the table."""
        array = np.asarray(value)
        item: dict[str, Any] = {"s": list(array.shape), "p": short(array)}
        if array.size <= IN_FULL:
            item["e"] = [digits(v) for v in array.ravel().tolist()]
        else:
            item["m"] = digits(float(np.linalg.norm(array.ravel())))
        return self._place(item)

    def add_norm(self, shape: tuple[int, ...], norm: float) -> int:
        """The place of an array of which the norm alone is known."""
        return self._place({"s": list(shape), "p": f"|·| {norm:.3g}", "m": digits(norm)})

    def _place(self, item: dict[str, Any]) -> int:
        key = (*item["s"], item["p"], *item.get("e", (item.get("m"),)))
        if key not in self._places:
            self._places[key] = len(self.table)
            self.table.append(item)
        return self._places[key]


def largest(array: Array) -> Index:
    """The index of the entry of largest magnitude."""
    return tuple(map(int, np.unravel_index(int(np.argmax(np.abs(array))), array.shape)))
