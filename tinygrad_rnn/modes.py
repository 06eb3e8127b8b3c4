"""What a `with` block changes about recording: whether, under which labels, and how suspiciously.

Read next: `tensor.py`.
"""

from __future__ import annotations

import gc
from abc import ABC, abstractmethod
from contextlib import ContextDecorator
from contextvars import ContextVar, Token
from copy import copy
from inspect import isgeneratorfunction
from typing import Any, NamedTuple


class Step(NamedTuple):
    """A time step in a scope stack, made by `tg.scope(t=3)`."""

    t: int

    def __str__(self) -> str:
        return f"t={self.t}"


class Mode(NamedTuple):
    """The state of recording in this thread."""

    recording: bool
    scope: tuple[str | Step, ...]
    watching: frozenset[str]  # of "writes", "finite" and "lines"


_NOTHING: frozenset[str] = frozenset()
mode: ContextVar[Mode] = ContextVar("mode", default=Mode(True, (), _NOTHING))  # noqa: B039


class _Switch(ContextDecorator, ABC):
    """A `with` block, or a decorator, that changes the mode and puts it back."""

    def __init__(self, *given: Any) -> None:
        if given:
            name = type(self).__name__
            raise TypeError(f"{name} takes no argument: write @{name}(), or `with {name}():`")
        self._tokens: list[Token[Mode]] = []

    @abstractmethod
    def _changed(self, now: Mode) -> Mode: ...

    def __call__(self, f: Any) -> Any:
        """Decorate a function: every call of it runs in the changed mode."""
        if isgeneratorfunction(f):
            raise TypeError(
                f"{f.__name__} is a generator: its body runs outside the call, so write"
                f" `with {type(self).__name__}():` inside it"
            )
        return super().__call__(f)

    def _recreate_cm(self) -> _Switch:
        """Each call of a decorated function enters a switch of its own."""
        fresh = copy(self)
        fresh._tokens = []
        return fresh

    def __enter__(self) -> None:
        self._tokens.append(mode.set(self._changed(mode.get())))

    def __exit__(self, *exception: object) -> None:
        mode.reset(self._tokens.pop())


class no_grad(_Switch):
    """Record nothing: results have no node and need no gradient; in-place updates are allowed."""

    def _changed(self, now: Mode) -> Mode:
        return now._replace(recording=False)


class enable_grad(_Switch):
    """Record again, inside a `no_grad()` block."""

    def _changed(self, now: Mode) -> Mode:
        return now._replace(recording=True)


class debug(_Switch):
    """Keep a fingerprint of every recorded array: the walk then notices `t.data[0] = 1`."""

    def _changed(self, now: Mode) -> Mode:
        return now._replace(watching=now.watching | {"writes"})


class detect_anomaly(_Switch):
    """Stop at the first result, or gradient, that is not finite, and say where it was made."""

    def _changed(self, now: Mode) -> Mode:
        return now._replace(watching=now.watching | {"finite"})


class line_by_line(_Switch):
    """Record every operation of a layer as it is computed, also in long loops.

    Otherwise a loop of many steps is one line, and its own lines are written out when somebody
    asks for them (`replay.py`): the same numbers and the same graph, sooner.
    """

    def _changed(self, now: Mode) -> Mode:
        return now._replace(watching=now.watching | {"lines"})


class rewriting(_Switch):
    """Record line by line, in the scope in which a replayed loop was run."""

    def __init__(self, place: tuple[str | Step, ...]) -> None:
        super().__init__()
        self._place = place

    def _changed(self, now: Mode) -> Mode:
        return Mode(True, self._place, frozenset(["lines"]))


class differentiating(_Switch):
    """Record the work of a gradient rule, in the scope of the node that the rule belongs to."""

    def __init__(self, place: tuple[str | Step, ...]) -> None:
        super().__init__()
        self._place = place

    def _changed(self, now: Mode) -> Mode:
        return Mode(True, ("gradient", *self._place), now.watching - {"finite"})


class scope(_Switch):
    """Label the nodes made inside: `with tg.scope("encoder"):`, `with tg.scope(t=3):`."""

    def __init__(self, name: str | None = None, *, t: int | None = None) -> None:
        super().__init__()
        if (name is None) == (t is None):
            raise TypeError('a scope has a name or a time step: tg.scope("encoder"), tg.scope(t=3)')
        self._entry: str | Step = name if name is not None else Step(int(t))  # type: ignore[arg-type]

    def _changed(self, now: Mode) -> Mode:
        return Mode(now.recording, (*now.scope, self._entry), now.watching)


class uncollected(ContextDecorator):
    """Pause Python's search for reference cycles while a long program is recorded or walked.

    There are none to be found in it, and the collector would look through all of it again and
    again: at T = 10,000 that is two thirds of the time.
    """

    def __enter__(self) -> None:
        self._was_enabled = gc.isenabled()
        gc.disable()

    def __exit__(self, *exception: object) -> None:
        if self._was_enabled:
            gc.enable()

    def _recreate_cm(self) -> uncollected:
        return uncollected()
