"""What can be asked of a drawing, checked in one place.

Read next: `contract.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..tensor import Tensor
from .contract import MOVEMENTS
from .theme import THEMES

SHOWN = ("value", "grad", "shape")
CHOICES: dict[str, tuple[str, ...]] = {
    "rankdir": ("LR", "TB"),
    "weights": ("ref", "line", "hide"),
    "view": ("forward", "backward"),
    "style": ("merged", "separate", "record"),
    "others": ("pale", "hide"),
    "theme": tuple(THEMES),
}


@dataclass(frozen=True)
class Options:
    """The arguments of `draw`, where they are explained.

    Raises:
        ValueError: for a value that is none of those.
    """

    rankdir: str = "LR"
    show: Collection[str] = SHOWN
    weights: str = "ref"
    hide: Collection[str] = MOVEMENTS
    view: str = "forward"
    style: str = "merged"
    depth: int | None = None
    focus: tuple[Tensor | str, ...] = ()
    others: str = "pale"
    theme: str = "light"
    legend: bool = False
    rolled: bool = False
    fold: str | int | None = "auto"
    steps: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if not _is_collection(self.show) or not set(self.show) <= set(SHOWN):
            raise ValueError(f'show is any of ("value", "grad", "shape"); given {self.show!r}')
        if not _is_collection(self.hide):
            name = self.hide if isinstance(self.hide, str) else "transpose"
            raise ValueError(
                f'hide is a collection of names of operations: ("{name}",); given {self.hide!r}'
            )
        for name in ("legend", "rolled"):
            demand_flag(name, getattr(self, name))
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                known = ", ".join(f'"{choice}"' for choice in choices)
                raise ValueError(f"{name} is one of {known}; given {getattr(self, name)!r}")
        if self.depth is not None and (type(self.depth) is not int or self.depth < 1):
            raise ValueError(f"depth counts names of modules, from 1; given {self.depth!r}")
        if self.fold not in ("auto", None) and (type(self.fold) is not int or self.fold < 1):
            raise ValueError(
                'fold is "auto", None, or how many steps to keep at each end, from 1;'
                f" given {self.fold!r}"
            )
        if self.rolled and (self.steps is not None or self.fold not in ("auto", None)):
            raise ValueError(
                "rolled=True draws one step for all, fold= and steps= several: give one"
            )
        if self.steps is not None and self.fold not in ("auto", None):
            raise ValueError("steps= says which steps to draw, and fold= how many: give one")
        if self.depth is not None and self.focus:
            raise ValueError("depth= puts lines into boxes, and focus= picks lines: give one")


def demand_flag(name: str, value: Any) -> None:
    """Raise unless a value is True or False."""
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"{name} is True or False; given {value!r}")


def as_steps(steps: Any) -> tuple[int, ...] | None:
    """The time steps to draw, as a tuple."""
    if steps is None:
        return None
    if isinstance(steps, str) or not isinstance(steps, Iterable):
        raise ValueError(f"steps are several time steps, as [1, 2, 50]; given {steps!r}")
    found = tuple(steps)
    if not all(isinstance(t, int | np.integer) for t in found):
        raise ValueError(f"steps are whole numbers, as [1, 2, 50]; given {steps!r}")
    return tuple(map(int, found))


def _is_collection(value: Any) -> bool:
    return isinstance(value, Collection) and not isinstance(value, str)


class TooManyNodes(ValueError):
    """A drawing would have more nodes than were allowed; the message says how to draw fewer.

    Args:
        count: how many there are.
        what: the message up to its advice; `more`: after it.
        ways: the arguments that help, each as (name, value, what for).
    """

    def __init__(
        self, count: int, what: str, ways: list[tuple[str, Any, str]], more: str = ""
    ) -> None:
        self.count, self.what, self.ways, self.more = count, what, ways, more
        super().__init__(self.told(lambda name, value: f"{name}={value!r}", "Graph(y).listing()"))

    def told(self, written: Callable[[str, Any], str], listing: str) -> str:
        """The message, with each argument as the reader would write it."""
        ways = [f"{written(name, value)}{words}" for name, value, words in self.ways]
        return f"{self.what}, or pass {', or '.join(ways)}; {listing} prints it as text{self.more}"


def as_focus(focus: Any) -> tuple[Tensor | str, ...]:
    """One or two Tensors or names, as a tuple."""
    if focus is None:
        return ()
    parts = (focus,)
    if isinstance(focus, Iterable) and not isinstance(focus, Tensor | str):
        parts = tuple(focus)
    if len(parts) not in (1, 2) or not all(isinstance(part, Tensor | str) for part in parts):
        raise ValueError(
            f"focus is (from, to), or one Tensor whose uses are wanted; given {focus!r}"
        )
    return parts
