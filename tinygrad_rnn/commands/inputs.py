"""Where the inputs of a user's function come from: said, drawn by the file, annotated, or tried."""

from __future__ import annotations

import inspect
import itertools
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..check.rules import argument_names
from ..tensor import Primitive
from ..userfile import UserFileError
from .subjects import Checked

SECONDS = 5.0  # for trial
SIZES = {"distinct": (2, 3, 4, 5, 6, 7), "other": (7, 5, 3, 6, 2, 4)}


@dataclass(frozen=True)
class Kind:
    """One input: normal numbers of a shape; whole numbers below `below`; or a value."""

    shape: tuple[int, ...] = ()
    below: int | None = None
    value: float | None = None

    def drawn(self, rng: np.random.Generator) -> Any:
        if self.value is not None:
            return np.asarray(self.value)
        if self.below is not None:
            return rng.integers(0, self.below, self.shape)
        return rng.standard_normal(self.shape)


class Inputs:
    """The inputs by name, drawn anew for each seed: from kinds, or by the file's own function."""

    def __init__(self, names: list[str], kinds: list[Kind], source: str, given: Any = None) -> None:
        self.names, self.kinds, self.source, self.given = names, kinds, source, given

    def values(self, seed: int) -> list[Any]:
        """One array for each input."""
        rng = np.random.default_rng(seed)
        if self.given is None:
            return [kind.drawn(rng) for kind in self.kinds]
        found = self.given(rng) if callable(self.given) else self.given
        if isinstance(found, dict):
            missing = [name for name in self.names if name not in found]
            if missing:
                raise UserFileError(f"{self.source} gives no {', '.join(missing)}")
            return [found[name] for name in self.names]
        return list(found) if isinstance(found, (tuple, list)) else [found]

    def structures(self) -> Iterator[Inputs]:
        """The same with other sizes, smallest first: equal sizes stay equal."""
        if self.given is not None:
            return
        used = sorted({n for kind in self.kinds for n in kind.shape})
        for to in ((1,) * len(used), (2,) * len(used), SIZES["distinct"], SIZES["other"]):
            size = dict(zip(used, to, strict=False))
            if len(size) == len(used) and any(size[n] != n for n in used):
                kinds = [
                    Kind(tuple(size[n] for n in k.shape), size.get(k.below or 0, k.below), k.value)
                    for k in self.kinds
                ]
                yield Inputs(self.names, kinds, self.source)

    def described(self, values: list[Any]) -> str:
        """Names and shapes, and where they come from."""
        known = len(self.names or []) == len(values)
        names = self.names if known else [f"input {k}" for k in range(len(values))]
        each = [f"{n} {np.shape(v)}" for n, v in zip(names, values, strict=True)]
        return f"{', '.join(each)} ({self.source})"


def inputs_for(what: Checked, shapes: str | None, seed: int) -> Inputs:
    """The inputs of what is to be checked.

    Raises:
        UserFileError: if nothing says what they are, and none of those tried is taken.
    """
    names = parameters(what.call)
    if shapes is not None:
        return _said(names, shapes)
    for source, given in _own(what):
        return Inputs(names or [], [], source, given)
    if names is None:
        raise UserFileError(
            f"{what.name} takes any number of inputs: say which, --shapes 'x=4,3 y=3,5'"
        )
    said = _annotated(what.call, names)
    if len(said) == len(names):
        annotated = Inputs(names, list(said.values()), "annotations")
        if what.takes(annotated.values(seed)):
            return annotated
        said = {}
    return _tried(what, names, seed, said)


def parameters(f: Any) -> list[str] | None:
    """The names of the inputs that f needs; None if it takes any number."""
    if isinstance(f, np.ufunc):
        return argument_names(f, f.nin)
    if isinstance(f, Primitive):
        return parameters(f.forward)
    found = list(inspect.signature(f).parameters.values())
    if any(p.kind is p.VAR_POSITIONAL for p in found):
        return None
    return [
        p.name for p in found
        if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]  # fmt: skip


# ---------------------------------------------------------------- --shapes
def _said(names: list[str] | None, text: str) -> Inputs:
    found: dict[str, Kind] = {}
    for part in text.split():
        name, equals, sizes = part.partition("=")
        if not equals or not name.isidentifier():
            raise UserFileError(f"--shapes: {part!r} is not NAME=SIZES, such as x=4,3")
        found[name] = _kind(part, sizes)
    unknown = [name for name in found if names is not None and name not in names]
    missing = [name for name in names or [] if name not in found]
    if unknown or missing:
        said = f"there is no {', '.join(unknown)}" if unknown else f"{', '.join(missing)} missing"
        raise UserFileError(f"--shapes: {said}; the inputs are {', '.join(names or [])}")
    order = names if names is not None else list(found)
    return Inputs(order, [found[name] for name in order], "--shapes")


def _kind(part: str, sizes: str) -> Kind:
    """The kind in x=4,3 or i=int5:4,3 or p=0.5 or p=."""
    match = re.fullmatch(r"(?:int(\d+):)?((?:\d+,?)*)", sizes)
    if match:
        below = None if match[1] is None else int(match[1])
        return Kind(tuple(int(n) for n in match[2].split(",") if n), below)
    try:
        return Kind(value=float(sizes))
    except ValueError:
        raise UserFileError(
            f"--shapes: {part!r} is not understood: x=4,3 (sizes), i=int5:4 (whole numbers below"
            " 5), p=0.5 (a number)"
        ) from None


# ---------------------------------------------------------------- what the file says
def _own(what: Checked) -> Iterator[tuple[str, Any]]:
    """(where, inputs) for what the object or the file brings itself."""
    given = getattr(what.made, "inputs", None)
    if given is not None:
        yield f"{what.name}.inputs", given
    for name in (f"{what.name}_inputs", "inputs"):
        if name in what.around and what.around[name] is not what.made:
            yield f"{name} of the file", what.around[name]


def _annotated(f: Any, names: list[str]) -> dict[str, Kind]:
    """Kinds from annotations: "B, D" or "4, 3" (sizes), float, int; of those that have one."""
    try:
        hints = inspect.signature(f.forward if isinstance(f, Primitive) else f).parameters
    except (TypeError, ValueError):
        return {}
    letters: dict[str, int] = {}
    kinds: dict[str, Kind] = {}
    for name in names:
        hint = hints[name].annotation if name in hints else None
        text = hint.strip("'\"()[] ") if isinstance(hint, str) else ""
        if hint in (float, "float"):
            kinds[name] = Kind()
        elif hint in (int, "int"):
            kinds[name] = Kind((), 3)
        elif text and re.fullmatch(r"(\d+|[A-Z])([, ]+(\d+|[A-Z]))*,?", text):
            sizes = [letters.setdefault(n, 2 + len(letters)) if n.isalpha() else int(n)
                     for n in re.findall(r"\w+", text)]  # fmt: skip
            kinds[name] = Kind(tuple(sizes))
    return kinds


# ---------------------------------------------------------------- trial
TRIED = (
    Kind((4, 3)), Kind((3, 5)), Kind((3,)), Kind(()), Kind((5,)), Kind((4,)), Kind((2, 4, 3)),
    Kind((4,), 3), Kind((), 3), Kind((4, 5)),
)  # fmt: skip


def _tried(what: Checked, names: list[str], seed: int, said: Mapping[str, Kind]) -> Inputs:
    """The first kinds that the function takes, for those inputs of which none is said."""
    end, source = time.monotonic() + SECONDS, "found by trial"
    source += f"; annotated: {', '.join(said)}" if said else ""
    for kinds in itertools.product(*([said[n]] if n in said else TRIED for n in names)):
        found = Inputs(names, list(kinds), source)
        values = found.values(seed)
        if any(np.asarray(v).dtype.kind == "f" for v in values) and what.takes(values):
            return found
        if time.monotonic() > end:
            break
    example = " ".join(f"{name}=4,3" for name in names)
    why = f" (it said: {what.refusal})" if what.refusal else ""
    raise UserFileError(
        f"{what.name} took none of the inputs that were tried{why}: say their shapes, --shapes"
        f" '{example}', or define {what.name}_inputs(rng) in the file"
    )
