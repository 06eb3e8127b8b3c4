"""Where in the source a recorded operation was called: found by running a function once, observed.

Recording keeps no source lines: that would cost every step of every training what only a search for
a mistake needs. So a function is run again under `sys.setprofile`, which is told of every return;
the first function that returns a new Tensor has recorded it, and its callers are on the stack.

Read next: `locate.py`, which asks.
"""

from __future__ import annotations

import linecache
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NamedTuple

from ..modes import line_by_line
from ..tensor import Tensor

PACKAGE = str(Path(__file__).parents[1])
LIBRARY = sysconfig.get_path("stdlib")
CORE = {"tensor.py", "arraylike.py", "ops.py", "corners.py", "graph.py", "derivatives.py"}
CORE |= {"modes.py", "functional.py", "cli.py"}
ROOMS = ("check", "commands", "testing")  # they call what the user gave them


class Place(NamedTuple):
    """A line of source, and the expression on it that was being computed; "" where unknown."""

    file: str
    line: int
    text: str
    expression: str

    def __str__(self) -> str:
        where = f"{self.short}:{self.line}"
        return f"{where}: {self.text}" if self.text else where

    @property
    def short(self) -> str:
        """The file's name; a file of this package from the package on."""
        path = Path(self.file)
        if self.file.startswith(PACKAGE):
            return str(path.relative_to(Path(PACKAGE).parent))
        return path.name


class Call(NamedTuple):
    """Where an operation was called: the nearest line that is not the core's, and the user's own.

    They are the same, unless a cell or a layer of this package stands between.
    """

    near: Place
    own: Place

    def __str__(self) -> str:
        return str(self.near) if self.near == self.own else f"{self.near} (from {self.own})"


def watched(f: Callable[[], Any]) -> tuple[Any, dict[Tensor, Call]]:
    """(f(), where each Tensor that f recorded was made).

    Where f is an operation itself, that is where the check was called. It is left out where the
    command line called it: no line of the user's did.
    """
    places: dict[Tensor, Call | None] = {}
    before = sys.getprofile()

    def note(frame: FrameType, event: str, value: Any) -> None:
        made = event == "return" and isinstance(value, Tensor) and value.node is not None
        if made and value not in places:
            places[value] = _call(frame)

    sys.setprofile(note)
    try:
        with line_by_line():
            result = f()
    finally:
        sys.setprofile(before)
    return result, {made: place for made, place in places.items() if place is not None}


def _call(frame: FrameType) -> Call | None:
    """The lines that led to this return, from the innermost that is of interest outwards."""
    near = None
    step: FrameType | None = frame
    while step is not None:
        file = step.f_code.co_filename
        if not (_core(file) or _library(file) or _tool(file)):
            near = near or step
            if not file.startswith(PACKAGE):
                return Call(_place(near), _place(step))
        step = step.f_back
    return None if near is None else Call(_place(near), _place(near))


def _core(file: str) -> bool:
    inside = any(_inside(file, room) for room in ROOMS)
    return file.startswith(PACKAGE) and (Path(file).name in CORE or inside)


def _library(file: str) -> bool:
    """Whether it is Python's own: a context manager that decorates a function stands between."""
    return file.startswith(LIBRARY) and "site-packages" not in file


def _tool(file: str) -> bool:
    """Whether it is a script such as `tinygrad-rnn` or `pytest`, no source of the user's."""
    return not file.endswith(".py") and not file.startswith("<")


def _inside(file: str, room: str) -> bool:
    return file.startswith(PACKAGE) and Path(file).parent.name == room


def _place(frame: FrameType) -> Place:
    code, line = frame.f_code, frame.f_lineno
    text = linecache.getline(code.co_filename, line).strip()
    return Place(code.co_filename, line, text, _expression(code, frame.f_lasti))


def _expression(code: CodeType, instruction: int) -> str:
    """The source of the expression that an instruction belongs to, if it is on one line."""
    positions = list(code.co_positions())[instruction // 2]
    first, last, start, end = positions
    if first is None or first != last or start is None or end is None:
        return ""
    source = linecache.getline(code.co_filename, first).encode()
    return source[start:end].decode(errors="replace")
