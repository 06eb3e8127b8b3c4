"""What can be asked of a drawing, checked in one place.

Read next: `contract.py`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

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
        if isinstance(self.show, str) or not set(self.show) <= set(SHOWN):
            raise ValueError(f'show is any of ("value", "grad", "shape"); given {self.show!r}')
        if isinstance(self.hide, str):
            raise ValueError(f'hide is a collection of names of operations: ("{self.hide}",)')
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                known = ", ".join(f'"{choice}"' for choice in choices)
                raise ValueError(f"{name} is one of {known}; given {getattr(self, name)!r}")
        if self.depth is not None and (not isinstance(self.depth, int) or self.depth < 1):
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
        if self.depth is not None and self.focus:
            raise ValueError("depth= puts lines into boxes, and focus= picks lines: give one")


def as_focus(focus: Any) -> tuple[Tensor | str, ...]:
    """One or two Tensors or names, as a tuple."""
    if focus is None:
        return ()
    parts = (focus,) if isinstance(focus, Tensor | str) else tuple(focus)
    if len(parts) not in (1, 2) or not all(isinstance(part, Tensor | str) for part in parts):
        raise ValueError(
            f"focus is (from, to), or one Tensor whose uses are wanted; given {focus!r}"
        )
    return parts
