"""One run of the given forward as a program: its lines, where each was made, and what it is called.

Two lines have one `role` if the same place in the forward made them, in different rounds of its
loop; the round is the time step `t`. Names are the variables' own, taken while the forward ran.
A function of Tensors is recorded by itself: there scopes (`tg.scope(t=t)`) are the places.

Read next: `program.py`.
"""

from __future__ import annotations

import opcode
import sys
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from itertools import takewhile
from types import CodeType, FrameType
from typing import Any, NamedTuple

import numpy as np

from ...modes import Step, enable_grad, line_by_line
from ...tensor import Tensor
from ..setting import Setting
from ..subject import Pair, TensorFunction, is_floating
from .recorded import Recorded, Unrecordable, tensors
from .stand_in import Rebinding, StandIn

Place = tuple[Any, ...]


class Made(NamedTuple):
    """Where a line was made: for every call on the way, (code, instruction, round of its loop)."""

    levels: tuple[tuple[Any, int, int], ...]
    part: int  # a function of NumPy's that is several lines makes them all in one place


class Recording(NamedTuple):
    """The inputs as Tensors (None for integers), the outputs, and the places of the results.

    plain: the integer inputs as the forward held them, by name.
    """

    inputs: list[Tensor | None]
    outputs: list[Any]
    made: dict[Tensor, Made]
    plain: list[tuple[str, Any]]


def record(setting: Setting, inputs: Sequence[Any]) -> Recording:
    """Run the setting's forward on these inputs, recorded.

    Raises:
        Unrecordable: if the forward does what leaves no trace, or gives other numbers recorded.
    """
    subject = setting.subject
    try:
        with enable_grad(), np.errstate(all="ignore"):
            if isinstance(subject, Pair):
                return _Recorder(setting.names).pair(subject, inputs)
            if isinstance(subject, TensorFunction):
                with line_by_line():
                    xs, ys = subject.graph(inputs)
                _name(xs, setting.names)
                plain = [(n, x) for n, x in zip(setting.names, xs) if not isinstance(x, Tensor)]
                return Recording([x if isinstance(x, Tensor) else None for x in xs], ys, {}, plain)
    except Unrecordable:
        raise
    except Exception as error:  # whatever a forward says to an array that is none
        raise Unrecordable(f"{type(error).__name__}: {error}") from error
    raise Unrecordable("only functions of Tensors and pairs can be recorded")


class _Recorder:
    """Notes every recorded result: its place, and the variables that hold it."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        self.made: dict[Tensor, Made] = {}
        self.rounds: list[list[Any]] = []  # [frame, last instruction, rounds], outermost first
        self.bottom: FrameType | None = None
        self.levels: tuple[tuple[Any, int, int], ...] = ()
        self.part = 0  # how many lines this place has made in this round

    def pair(self, subject: Pair, inputs: Sequence[Any]) -> Recording:
        xs = [Tensor(x, requires_grad=True) if is_floating(x) else None for x in inputs]
        _name(xs, self.names)
        held = [x if t is None else Recorded(t, self) for x, t in zip(inputs, xs, strict=True)]
        forward = Rebinding(StandIn(self))(subject.forward)
        self.bottom = sys._getframe()
        try:
            result = forward(*held)
        finally:
            self.bottom, self.rounds = None, []  # frames hold everything that they saw
        many = isinstance(result, (tuple, list))
        outputs = tensors(list(result) if many else [result])
        plain = [(n, x) for n, x in zip(self.names, held) if not isinstance(x, Recorded)]
        return Recording(xs, outputs, self.made, plain)

    def note(self, tensors: Sequence[Tensor]) -> None:
        frames = self._frames()
        levels = tuple([self._level(k, frames) for k in range(len(frames))])
        del self.rounds[len(frames) :]
        still = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(levels, self.levels)))
        self.part = self.part + 1 if levels == self.levels else 0
        self.levels = levels
        stack = list(tensors[::-1])
        while stack:
            made = stack.pop()
            if made.node is not None and made not in self.made:
                self.made[made] = Made(levels, self.part)
                self.part += 1
                stack += [x for x in made.node.inputs if isinstance(x, Tensor)]
        for k in range(still, len(frames)):  # those that went on since the line before
            _name_variables(frames[k], parameters=k == 0)

    def _frames(self) -> list[FrameType]:
        """The calls that lead here, from the forward inwards; NumPy's and our own left out."""
        frames = []
        frame: FrameType | None = sys._getframe(2)
        while frame is not None and frame is not self.bottom:
            module = str(frame.f_globals.get("__name__", ""))
            if not module.startswith(_INSIDE):
                frames.append(frame)
            frame = frame.f_back
        return frames[::-1]

    def _level(self, k: int, frames: Sequence[FrameType]) -> tuple[Any, int, int]:
        """The place in one frame; a jump back begins another round of its loop.

        So does the same instruction again: one that computes, or one that makes another call.
        """
        frame = frames[k]
        here = _instruction(frame)
        if k < len(self.rounds) and self.rounds[k][0] is frame:
            entry = self.rounds[k]
            again = here == entry[1] and (
                not _unpacks(frame)
                if k + 1 == len(frames)
                else k + 1 < len(self.rounds) and self.rounds[k + 1][0] is not frames[k + 1]
            )
            entry[2] += here < entry[1] or again
            entry[1] = here
        else:
            del self.rounds[k:]
            entry = [frame, here, 0]
            self.rounds.append(entry)
        return frame.f_code, here, entry[2]


@lru_cache(maxsize=1000)
def _bytes(code: CodeType) -> bytes:
    return code.co_code


def _instruction(frame: FrameType) -> int:
    """Where a frame is: at an instruction, not in the cache behind it that CPython may point to."""
    code, here = _bytes(frame.f_code), frame.f_lasti
    while here > 0 and code[here] == 0:  # CACHE
        here -= 2
    return here


def _unpacks(frame: FrameType) -> bool:
    """Whether one instruction takes several values: `i, f, g, o = z`."""
    return opcode.opname[_bytes(frame.f_code)[_instruction(frame)]].startswith("UNPACK")


_PACKAGE = __name__.partition(".")[0]
_INSIDE = (
    "numpy",
    __name__.rpartition(".")[0],
    *(f"{_PACKAGE}.{name}" for name in ("functional", "ops", "tensor", "arraylike", "graph")),
)


def _name_variables(frame: FrameType, parameters: bool) -> None:
    """A result that a variable holds takes its name; a helper's parameters name nothing."""
    code = frame.f_code
    arguments = () if parameters else code.co_varnames[: code.co_argcount]
    for name, value in frame.f_locals.items():
        unnamed = isinstance(value, Recorded) and value.tensor.name is None
        if unnamed and not name.startswith((".", "_")) and name not in arguments:
            value.tensor.name = name


def _name(xs: Sequence[Any], names: Sequence[str]) -> None:
    for x, name in zip(xs, names, strict=True):
        if isinstance(x, Tensor) and x.name is None:
            x.name = name


# ---------------------------------------------------------------- roles and steps
def loop_of(recording: Recording) -> int | None:
    """How many calls deep the loop over time is: the outermost one that goes round."""
    levels = (m.levels for m in recording.made.values())
    return min((k for each in levels for k, level in enumerate(each) if level[2]), default=None)


def roles(
    recording: Recording, lines: Sequence[Tensor], loop: int | None, known: frozenset[Place]
) -> list[tuple[Place, int | None]]:
    """(role, time step) of each result; None for the step of what is in no loop.

    A round of an inner loop is a place of its own. In a loop is what is made several times, here or
    in a longer run (`known`).
    """
    if not recording.made:
        return _roles_by_scope(lines)
    first: dict[Place, int] = {}
    found: list[tuple[Place, int]] = []
    for tensor in lines:
        levels, part = recording.made[tensor]
        if loop is None or loop >= len(levels):
            found.append(((*levels, part), -1))
            continue
        code, here, t = levels[loop]
        outer = tuple(level[:2] for level in levels[:loop])
        role = (*outer, (code, here), *levels[loop + 1 :], part)
        found.append((role, t - first.setdefault(role, t)))
    often = Counter(role for role, _ in found)
    return [(role, t if often[role] > 1 or role in known else None) for role, t in found]


def _roles_by_scope(lines: Sequence[Tensor]) -> list[tuple[Place, int | None]]:
    """By the labels of `tg.scope`: the path without its steps, and the place in that scope."""
    found: list[tuple[Place, int | None]] = []
    counts: dict[Any, int] = {}
    for tensor in lines:
        assert tensor.node is not None
        scope = tensor.node.scope
        t = next((entry.t for entry in reversed(scope) if isinstance(entry, Step)), None)
        count = counts[scope] = counts.get(scope, -1) + 1
        path = tuple(entry for entry in scope if not isinstance(entry, Step))
        found.append(((*path, tensor.node.op.name, count), t))
    return found
