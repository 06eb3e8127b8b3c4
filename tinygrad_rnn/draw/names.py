"""A name as it is written in formulas: W_hh for weight_hh_l0, x with a lowered 1 for x1.

Read next: `focus.py`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple


class Run(NamedTuple):
    """A piece of a title: style "" (plain), "b" (bold), "sub" (lowered) or "small" (a shape)."""

    text: str
    style: str = ""


_RECURRENT = re.compile(r"(weight|bias)_(ih|hh|hr|ch)(?:_(l\d+))?(_reverse)?")
_NUMBERED = re.compile(r"([^\W\d]+?)_?(\d+)")


@lru_cache(maxsize=4096)
def name_runs(name: str) -> tuple[Run, ...]:
    """A name as it is written in formulas.

    >>> name_runs("weight_hh_l0_reverse")
    (Run(text='W_hh', style='b'), Run(text='l0←', style='sub'))
    >>> name_runs("x1")
    (Run(text='x', style='b'), Run(text='1', style='sub'))
    """
    weight = _RECURRENT.fullmatch(name)
    if weight:
        kind, part, layer, reverse = weight.groups()
        base = f"{'W' if kind == 'weight' else 'b'}_{part}"
        below = (layer or "") + ("←" if reverse else "")
    else:
        numbered = _NUMBERED.fullmatch(name)
        base, below = numbered.groups() if numbered else (name, "")
    return (Run(base, "b"), Run(below, "sub")) if below else (Run(base, "b"),)


def is_shown_as(name: str, shown: str) -> bool:
    """Whether a picture may call a line of this name so: with what is lowered, or without.

    >>> [is_shown_as("weight_hh_l0", shown) for shown in ("W_hh", "W_hh_l0", "W_hhl0", "W_ih")]
    [True, True, True, False]
    >>> is_shown_as("h0", "h_init")
    True
    """
    base, below = [run.text for run in (*name_runs(name), Run(""))][:2]
    if below == "0" and shown == f"{base}_init":  # the first state of a loop
        return True
    weight = _RECURRENT.fullmatch(name) is not None
    return shown in (f"{base}{below}", f"{base}_{below}") or (weight and shown == base)


def plural(count: int, what: str) -> str:
    """1 step, 1,000 steps."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"
