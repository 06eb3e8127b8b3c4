"""What a name in a user's file is, as something that can be checked.

Read next: `inputs.py`, where its inputs come from.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..check import Report, gradcheck
from ..check.modules import check_module
from ..check.rules import check_rule
from ..nn import Module
from ..tensor import Primitive, Tensor
from ..userfile import UserFileError, blaming, load, split_spec

WIDTHS = (3, 4, 5, 6, 7)  # for what a class must be told to be made


@dataclass
class Checked:
    """Something to check: how it is called, and how it is checked.

    Attributes:
        name: in the user's file; `made`: what stands there; `around`: all names of the file.
        call: what takes the inputs, for names, annotations and trial; for a pair its forward.
        report: (inputs, order, seed) -> the report.
        refusal: what it said to the last inputs that it did not take.
        function: it, if it is a function of Tensors, and has a graph; pair: whether it is NumPy's.
    """

    name: str
    made: Any
    call: Callable[..., Any]
    report: Callable[[list[Any], int, int], Report]
    function: Callable[..., Any] | None = None
    pair: bool = False
    around: dict[str, Any] = field(default_factory=dict)
    refusal: str = ""

    def takes(self, values: list[Any]) -> bool:
        """Whether it gives finite numbers for these inputs, and no error."""
        own = [
            Tensor(x) if not self.pair and np.asarray(x).dtype.kind == "f" else np.array(x)
            for x in values
        ]
        try:
            with np.errstate(all="ignore"):
                result = self.call(*own)
        except Exception as error:  # it need not take whatever is tried
            self.refusal = f"{type(error).__name__}: {error}"
            return False
        return _finite(result)


def _finite(result: Any) -> bool:
    """Whether there is a floating number in a result, and no other than finite ones."""
    found = list(_arrays(result))
    return bool(found) and all(a.size and np.all(np.isfinite(a)) for a in found)


def _arrays(result: Any) -> Any:
    if isinstance(result, (tuple, list)):
        for item in result:
            yield from _arrays(item)
    elif result is not None:
        array = result.data if isinstance(result, Tensor) else np.asarray(result)
        if array.dtype.kind == "f":
            yield array


def checked(spec: str, seed: int) -> Checked:
    """What "file.py:NAME" is.

    Raises:
        UserFileError: if it is nothing that has a gradient; the message says what would be.
    """
    path, name = split_spec(spec)
    made = load(spec)
    around = _names_of(path)
    beside = around.get(f"{name}_backward")
    with blaming(path):
        if isinstance(made, type):
            made = _made(made, seed)
        found = _what(made, name, beside)
    if found is None:
        raise UserFileError(
            f"{spec} is a {type(made).__name__}: a check takes a function, a pair (forward,"
            " backward), a primitive, an nn.Module, or a class with forward and backward"
        )
    found.around = around
    return found


def _what(made: Any, name: str, beside: Any) -> Checked | None:
    if isinstance(made, Primitive):
        return Checked(
            name, made, made,
            lambda xs, order, seed: check_rule(made, None, *xs, order=order, seed=seed),
        )  # fmt: skip
    if isinstance(made, Module):
        return Checked(
            name, made, made.forward,
            lambda xs, order, seed: check_module(made, *xs, order=order, seed=seed),
        )  # fmt: skip
    pair = _pair(made, beside)
    if pair is not None:
        forward, backward = pair
        return Checked(
            name, made, forward,
            lambda xs, order, seed: gradcheck((forward, backward), *xs, seed=seed), pair=True,
        )  # fmt: skip
    if not callable(made):
        return None
    return Checked(
        name, made, made,
        lambda xs, order, seed: gradcheck(made, *xs, order=order, seed=seed), function=made,
    )  # fmt: skip


def _pair(made: Any, beside: Any) -> tuple[Callable[..., Any], Callable[..., Any]] | None:
    """(forward, backward(g, *inputs)) of a pair, of an object that has both, of two neighbours."""
    if isinstance(made, (tuple, list)) and len(made) == 2 and all(map(callable, made)):
        return made[0], made[1]
    if callable(made) and callable(beside):
        return made, beside
    forward, backward = getattr(made, "forward", None), getattr(made, "backward", None)
    if not (callable(forward) and callable(backward)):
        return None
    if _number_of_arguments(backward) != 1:
        return forward, backward

    def with_state(g: Any, *inputs: Any) -> Any:
        """For a backward that takes g alone, and uses what the forward before it kept."""
        forward(*inputs)
        return backward(g)

    return forward, with_state


def _number_of_arguments(f: Callable[..., Any]) -> int:
    kinds = [p.kind for p in inspect.signature(f).parameters.values()]
    if inspect.Parameter.VAR_POSITIONAL in kinds:
        return -1
    return sum(k in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
               for k in kinds)  # fmt: skip


def _made(kind: type, seed: int) -> Any:
    """An object of a class: small sizes for what it must be told, the seed for its weights."""
    parameters = inspect.signature(kind).parameters
    needed = [
        p for p in parameters.values()
        if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]  # fmt: skip
    strange = [p.name for p in needed if p.annotation not in (p.empty, int, "int")]
    if strange or len(needed) > len(WIDTHS):
        raise UserFileError(
            f"{kind.__name__} needs {', '.join(strange or [p.name for p in needed])} to be made,"
            " which cannot be guessed: make one in the file (net = ...), and name that"
        )
    options = {"rng": seed} if "rng" in parameters else {}
    return kind(*WIDTHS[: len(needed)], **options)


def _names_of(path: Path) -> dict[str, Any]:
    """What the file defines: it was run last of all modules of that path."""
    files = [(m, getattr(m, "__file__", None)) for m in list(sys.modules.values())]
    mine = [m for m, file in files if file and Path(file).resolve() == path.resolve()]
    return vars(mine[-1]) if mine else {}
