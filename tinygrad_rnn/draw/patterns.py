"""Lines of one kind read alike but for a few facts: one is written with marks, the others after it.

Read next: `arrows.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from operator import itemgetter
from typing import Any, NamedTuple


class Facts(NamedTuple):
    """What is different in lines of one kind, as text: n7; 2, for t = 2; n3, n5; ..."""

    number: str
    t: str
    operands: str
    value: str
    grad: str


# Marks that stand for facts: of the code points that no text should hold (Unicode: noncharacters).
MARKS = Facts("\ufdd0", "\ufdd1", "\ufdd2", "\ufdd3", "\ufdd4")
MARK = re.compile("[\ufdd0-\ufdd4]")

Pattern = tuple[str, Callable[[Facts], Any]]  # a text to format, and what picks its arguments


def pattern_of(text: str) -> Pattern:
    """The pattern that a text with marks is of.

    >>> text, pick = pattern_of(f"{MARKS.number} [tooltip={MARKS.number}, 50%, t={MARKS.t}]")
    >>> text % pick(Facts("n7", "2", "", "", ""))
    'n7 [tooltip=n7, 50%, t=2]'
    """
    places = [MARKS.index(mark) for mark in MARK.findall(text)]
    return MARK.sub("%s", text.replace("%", "%%")), itemgetter(*places)
