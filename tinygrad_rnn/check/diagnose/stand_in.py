"""A forward that computes with `Recorded` arrays: the same code, with another `np` around it.

`hs = np.zeros(...)` followed by `hs[t] = h` would copy numbers into a plain array and lose where
they came from. So the function is run with a stand-in for the module `np` in its globals, whose
makers of arrays make recorded ones. Nothing is changed in NumPy, nor in the function.

Read next: `recording.py`.
"""

from __future__ import annotations

import builtins
import types
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ...tensor import Tensor
from .recorded import Notes, Recorded, joined_up, plain

_MAKERS = ("zeros", "ones", "empty", "full", "eye", "arange", "linspace")
_LIKE = ("zeros_like", "ones_like", "empty_like", "full_like")
_ARRAYS = ("array", "asarray", "ascontiguousarray", "asanyarray", "copy", "asfarray")


class StandIn:
    """`np` for a forward that is recorded: what makes arrays makes `Recorded` ones."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._own: dict[str, Callable[..., Any]] = {}
        for name in (*_MAKERS, *_LIKE):
            self._own[name] = partial(self._make, getattr(np, name))
        for name in _ARRAYS:
            if f := getattr(np, name, None):
                self._own[name] = partial(self._array, f)

    def __getattr__(self, name: str) -> Any:
        return self._own.get(name) or getattr(np, name)

    def function(self, f: Any) -> Any:
        """Ours, for one of NumPy's own functions that was imported by itself."""
        name = getattr(f, "__name__", "")
        return self._own[name] if name in self._own and getattr(np, name, None) is f else f

    def _make(self, f: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        made = f(*plain(args), **{key: plain(value) for key, value in kwargs.items()})
        if made.dtype.kind != "f":
            return made
        if f is np.empty or f is np.empty_like:
            made[...] = 0.0
        return Recorded(Tensor(made), self._notes)

    def _array(self, f: Callable[..., Any], x: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(x, Recorded):
            made = f is not np.asarray and f is not np.asanyarray
            return Recorded(x.tensor, self._notes) if made else x
        if _holds(x):
            return joined_up(x, self._notes)
        made = f(x, *args, **kwargs)
        return Recorded(Tensor(made), self._notes) if made.dtype.kind == "f" else made


def _holds(x: Any) -> bool:
    """Whether a list or tuple holds a Recorded, at any depth."""
    if isinstance(x, (list, tuple)):
        return any(_holds(each) for each in x)
    return isinstance(x, Recorded)


# ---------------------------------------------------------------- the function, in other globals
class Rebinding:
    """Functions with the stand-in in the place of `np`; helpers that they call are rebound too."""

    def __init__(self, stand_in: StandIn) -> None:
        self.stand_in = stand_in
        self.globals: dict[int, dict[str, Any]] = {}
        self.functions: dict[int, Any] = {}

    def __call__(self, f: Any, depth: int = 0) -> Any:
        """f itself, where it is no Python function."""
        if isinstance(f, partial):
            return partial(self(f.func, depth), *f.args, **f.keywords)
        if isinstance(f, types.MethodType):
            return types.MethodType(self(f.__func__, depth), f.__self__)
        if not isinstance(f, types.FunctionType):
            return self.stand_in if f is np else self.stand_in.function(f)
        if id(f) in self.functions:
            return self.functions[id(f)]
        if depth > 3:
            return f
        around = self._globals(f.__globals__)
        made = _like(f, around, f.__closure__)
        self.functions[id(f)] = made  # before its cells: a function may hold itself
        if f.__closure__:
            cells = tuple(self._cell(cell, depth) for cell in f.__closure__)
            self.functions[id(f)] = made = _like(f, around, cells)
        return made

    def _globals(self, given: dict[str, Any]) -> dict[str, Any]:
        """A copy of a module's names, in which NumPy is the stand-in."""
        if id(given) not in self.globals:
            around = {"__builtins__": builtins, **given}
            self.globals[id(given)] = around
            for name, value in given.items():
                if value is np:
                    around[name] = self.stand_in
                elif isinstance(value, types.FunctionType):
                    if value.__globals__ is given or not _is_library(value.__globals__):
                        around[name] = self(value, 1)
                elif callable(value) and getattr(value, "__module__", "") == "numpy":
                    around[name] = self.stand_in.function(value)
        return self.globals[id(given)]

    def _cell(self, cell: types.CellType, depth: int) -> types.CellType:
        try:
            inside = cell.cell_contents
        except ValueError:  # still empty
            return cell
        rebound = self(inside, depth + 1) if callable(inside) or inside is np else inside
        return cell if rebound is inside else types.CellType(rebound)


def _like(f: types.FunctionType, around: dict[str, Any], cells: Any) -> types.FunctionType:
    made = types.FunctionType(f.__code__, around, f.__name__, f.__defaults__, cells)
    made.__kwdefaults__ = f.__kwdefaults__
    return made


def _is_library(names: dict[str, Any]) -> bool:
    """Whether these are the globals of this package, or of a module that does not use NumPy."""
    package = str(names.get("__name__", "")).partition(".")[0]
    return package in ("numpy", "scipy", _PACKAGE) or np not in [
        names.get("np"),
        names.get("numpy"),
    ]


_PACKAGE = __name__.partition(".")[0]
