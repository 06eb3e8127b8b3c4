"""A text becomes integers, and the integers batches whose rows carry on where they stopped.

Legend: `B` batch, `T` time, `V` symbols.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from ..arraylike import Array


def manual() -> str:
    """The standard library's own text on Python: `pydoc_data.topics`, about 0.5 million characters.

    It differs a little from one Python version to the next.
    """
    from pydoc_data.topics import topics

    return "\n".join(topics[name] for name in sorted(topics))


def read_text(path: str | Path) -> str:
    """The text of a UTF-8 file.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it is not UTF-8, or empty.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text (byte {error.start}): convert it") from None
    if not text:
        raise ValueError(f"{path} is empty")
    return text


class Vocabulary:
    """Symbols numbered 0 ... V-1, in sorted order: the same text gives the same numbers.

    >>> vocabulary = Vocabulary("banana")
    >>> vocabulary.encode("nab")
    array([2, 0, 1])
    >>> vocabulary.decode([2, 0, 1])
    'nab'
    """

    def __init__(self, symbols: Iterable[str]) -> None:
        self.symbols: tuple[str, ...] = tuple(sorted(set(symbols)))
        self._numbers = {symbol: k for k, symbol in enumerate(self.symbols)}

    def __len__(self) -> int:
        return len(self.symbols)

    def encode(self, text: Iterable[str]) -> Array:
        """The numbers of the symbols, (length,).

        Raises:
            ValueError: naming the symbols that the vocabulary does not have.
        """
        symbols = list(text)
        unknown = sorted(set(symbols) - self._numbers.keys())
        if unknown:
            raise ValueError(
                f"{len(unknown)} symbols are not among the {len(self)} that are known:"
                f" {' '.join(map(repr, unknown[:8]))}"
            )
        return np.array([self._numbers[symbol] for symbol in symbols], dtype=np.int64)

    def decode(self, numbers: Sequence[int] | Array) -> str:
        """The symbols of the numbers, joined."""
        return "".join(self.symbols[k] for k in numbers)

    def __repr__(self) -> str:
        return f"Vocabulary({len(self)} symbols: {''.join(self.symbols)[:40]!r} ...)"


def split(numbers: Array, held_out: float = 0.1) -> tuple[Array, Array]:
    """(the first part to train on, the last part to be judged by)."""
    cut = len(numbers) - int(len(numbers) * held_out)
    return numbers[:cut], numbers[cut:]


def sequential_batches(numbers: Array, B: int, T: int) -> Iterator[tuple[Array, Array]]:
    """Yield (inputs, targets), each (T, B); every row carries on where it stopped in the last.

    The text is cut into B pieces of equal length that are read side by side; targets are the
    inputs one place later. So a recurrent state may be carried from batch to batch. The last batch
    may have fewer steps; less than one row's length is left over at the end.

    Raises:
        ValueError: if the text is too short for B rows of two symbols.

    >>> [(x.T.tolist(), y.T.tolist()) for x, y in sequential_batches(np.arange(8), B=1, T=4)]
    [([[0, 1, 2, 3]], [[1, 2, 3, 4]]), ([[4, 5, 6]], [[5, 6, 7]])]
    """
    length = (len(numbers) - 1) // B  # steps in every row; the targets need one symbol more
    if length < 1:
        raise ValueError(
            f"{len(numbers)} symbols are too few for {B} rows: use a longer text or a smaller batch"
        )
    inputs = numbers[: B * length].reshape(B, length)
    targets = numbers[1 : B * length + 1].reshape(B, length)
    for start in range(0, length, T):
        yield inputs[:, start : start + T].T, targets[:, start : start + T].T
