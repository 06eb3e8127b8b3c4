"""A text becomes tokens, and tokens become integers: the same token, the same integer.

Legend: `V` symbols. Read next: `batches.py`, which makes integers rectangular.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np

from ..arraylike import Array

Form = Literal["NFC", "NFD", "NFKC", "NFKD"]
Order = Literal["sorted", "frequency", "given"]
ORDERS = ("sorted", "frequency", "given")


# ---------------------------------------------------------------- tokens
def characters(text: str, form: Form = "NFC") -> list[str]:
    """The text's characters: Unicode code points, after normalization.

    Args:
        form: "NFC" makes a Korean syllable one character, however it was typed; "NFD" takes it
            apart into its letters (jamo).

    >>> characters("한글"), len(characters("한글", form="NFD"))
    (['한', '글'], 6)
    """
    return list(unicodedata.normalize(form, text))


def words(text: str, *, lower: bool = True) -> list[str]:
    """The text's words and marks, by one rule for all languages that put spaces between words.

    The text is normalized to NFC and made lower-case. White space separates. A word is a run of
    letters, digits and underscores; an apostrophe (or a zero-width joiner) between two of them
    belongs to it, and so does a point or comma between two digits. Every other visible character
    is a token of its own. Accents stay with what they stand on. A Korean word keeps its particle
    (영웅은 is one token): for smaller pieces use `characters`. Nothing but white space is lost.

    Args:
        lower: whether "The" and "the" are the same word.

    >>> words("Don't cry, 영웅은 죽지 않아요! It costs 3.50.")
    ["don't", 'cry', ',', '영웅은', '죽지', '않아요', '!', 'it', 'costs', '3.50', '.']
    """
    text = unicodedata.normalize("NFC", text)
    if lower:
        text = unicodedata.normalize("NFC", text.lower())
    accents = sorted(c for c in set(text) if unicodedata.category(c).startswith("M"))
    return _word_pattern("".join(accents)).findall(text)


def _word_pattern(accents: str) -> re.Pattern[str]:
    """Python's \\w has no combining accents, so the pattern takes those that the text has."""
    on = f"[{re.escape(accents)}]*" if accents else ""
    joiner = r"['’\u200c\u200d](?=\w)|(?<=\d)[.,](?=\d)"
    return re.compile(rf"\w{on}(?:\w{on}|{joiner})*|\S{on}")


# ---------------------------------------------------------------- integers
class Vocabulary:
    """Symbols numbered 0 ... V-1, in sorted order: the same text gives the same numbers.

    A symbol is one character or one word. The padding symbol, if there is one, has number 0 (so
    that padding with zeros is right), and the unknown symbol the next.

    Args:
        symbols: a text (its characters) or tokens, with repetitions; or class names.
        unknown: what every symbol counts as that the vocabulary does not have; without it, such a
            symbol is an error.
        padding: the symbol that fills short sequences up, such as "<pad>".
        min_count: symbols that occur less often are left out.
        max_size: the largest V, `unknown` and `padding` included; the most frequent symbols stay.
        order: "sorted"; "frequency", the most frequent first, equals sorted; or "given", in the
            order of first appearance.
        joiner: what stands between two symbols of a text: "" for characters, " " for words.

    Raises:
        ValueError: for arguments that contradict each other.
        TypeError: for symbols that are not strings.

    >>> vocabulary = Vocabulary("banana")
    >>> vocabulary.encode("nab")
    array([2, 0, 1])
    >>> vocabulary.decode([2, 0, 1])
    'nab'
    >>> vocabulary = Vocabulary("to be or not to be".split(), unknown="<unk>", padding="<pad>")
    >>> vocabulary.symbols
    ('<pad>', '<unk>', 'be', 'not', 'or', 'to')
    >>> vocabulary.encode("to see or be".split())
    array([5, 1, 4, 2])
    """

    def __init__(
        self,
        symbols: Iterable[str],
        *,
        unknown: str | None = None,
        padding: str | None = None,
        min_count: int = 1,
        max_size: int | None = None,
        order: Order = "sorted",
        joiner: str = "",
    ) -> None:
        special = [symbol for symbol in (padding, unknown) if symbol is not None]
        _check_arguments(special, min_count, max_size, order)
        counts = Counter(iter(symbols))
        strange = next((s for s in [*special, *counts] if not isinstance(s, str)), None)
        if strange is not None:
            raise TypeError(f"symbols are strings; given {strange!r}")
        for symbol in special:
            counts.pop(symbol, None)
        room = None if max_size is None else max_size - len(special)
        ordinary = _chosen(counts, min_count, room, order)
        self.unknown, self.padding, self.joiner = unknown, padding, joiner
        self.symbols: tuple[str, ...] = (*special, *ordinary)
        self._numbers = {symbol: k for k, symbol in enumerate(self.symbols)}
        self._long = any(len(symbol) > 1 for symbol in ordinary)

    def __len__(self) -> int:
        return len(self.symbols)

    def encode(self, text: Iterable[str]) -> Array:
        """The numbers of the symbols, (length,).

        Raises:
            ValueError: naming the symbols that the vocabulary does not have, if it has no
                `unknown`; or for a text where words are expected.
        """
        symbols = list(text)
        strange = set(symbols) - self._numbers.keys()
        if strange and isinstance(text, str) and self._long:
            raise ValueError(
                "a text was given, and the symbols of this vocabulary are words:"
                " encode words(text), or list(text) if characters are meant"
            )
        if strange and self.unknown is None:
            raise ValueError(
                f"{len(strange)} symbols are not among the {len(self)} that are known:"
                f" {' '.join(map(repr, sorted(strange, key=str)[:8]))}"
            )
        other = -1 if self.unknown is None else self._numbers[self.unknown]
        return np.array([self._numbers.get(symbol, other) for symbol in symbols], dtype=np.int64)

    def decode(self, numbers: Sequence[int] | Array, joiner: str | None = None) -> str:
        """The symbols of the numbers, joined; padding is left out.

        Args:
            numbers: integers (length,).
            joiner: what stands between two symbols; default: the vocabulary's.

        Raises:
            ValueError: for numbers that are not in 0 ... V-1, or not one row of integers.
        """
        row = np.asarray(numbers)
        if row.ndim != 1 or (row.size and row.dtype.kind not in "iu"):
            raise ValueError(f"decode takes one row of integers; given {row.dtype} {row.shape}")
        if row.size and not (row.min() >= 0 and row.max() < len(self)):
            raise ValueError(
                f"the symbols are numbered 0 ... {len(self) - 1}; given {row.min()} ... {row.max()}"
            )
        symbols = (self.symbols[k] for k in row.tolist())
        joiner = self.joiner if joiner is None else joiner
        return joiner.join(symbol for symbol in symbols if symbol != self.padding)

    def to_json(self) -> dict[str, Any]:
        """What `json.dump` can write and `from_json` makes this vocabulary of again."""
        return {
            "symbols": list(self.symbols), "unknown": self.unknown, "padding": self.padding,
            "joiner": self.joiner,
        }  # fmt: skip

    @classmethod
    def from_json(cls, value: dict[str, Any] | Sequence[str]) -> Vocabulary:
        """The vocabulary that `to_json` described; or of a plain list of symbols, in its order.

        Raises:
            ValueError: if the value describes no vocabulary.
        """
        parts = value if isinstance(value, dict) else {"symbols": value}
        symbols = parts.get("symbols")
        try:
            vocabulary = cls(**{"symbols": None, "order": "given"} | parts)
        except TypeError:
            vocabulary = None
        right = vocabulary is not None and isinstance(vocabulary.joiner, str)
        if vocabulary is None or not right or not isinstance(symbols, list | tuple):
            raise ValueError(
                "a vocabulary is a list of strings, or has the keys symbols, unknown, padding,"
                f" joiner; given {str(value)[:80]}"
            )
        if vocabulary.symbols != tuple(symbols):
            raise ValueError(
                "the symbols of a vocabulary are all different, padding and unknown first;"
                f" given {str(value)[:80]}"
            )
        return vocabulary

    def __repr__(self) -> str:
        shown = (" " if self._long else "").join(self.symbols)[:40]
        return f"Vocabulary({len(self)} symbols: {shown!r} ...)"


def _check_arguments(special: list[str], min_count: int, max_size: int | None, order: str) -> None:
    if len(set(special)) < len(special):
        raise ValueError(f"unknown and padding are two symbols; given {special[0]!r} for both")
    if order not in ORDERS:
        raise ValueError(f"order is one of {', '.join(ORDERS)}; given {order!r}")
    if min_count < 1:
        raise ValueError(f"min_count is at least 1; given {min_count}")
    if max_size is not None and max_size <= len(special):
        raise ValueError(f"max_size {max_size} leaves no room beside {special}: make it larger")


def _chosen(counts: Counter[str], min_count: int, room: int | None, order: str) -> list[str]:
    """The symbols that are frequent enough and fit, in order."""
    kept = [symbol for symbol, count in counts.items() if count >= min_count]  # as they appeared
    frequent = sorted(kept, key=lambda symbol: (-counts[symbol], symbol))[:room]
    if order == "frequency":
        return frequent
    if order == "sorted":
        return sorted(frequent)
    chosen = set(frequent)
    return [symbol for symbol in kept if symbol in chosen]
