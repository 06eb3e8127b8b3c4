"""Is f analytic on its way? It runs once on arrays that note what is done to them.

The complex step needs analytic operations, and some lose the imaginary part in silence: |z|, z*,
sign(z), and what is made of them (a norm, a variance). In a sum with larger terms that cannot be
seen in the result: z^2 + |z| differs from z^2 by little at a large z, and log(1 + exp(-|z|)) by
nothing that differences see at z = 30, where its gradient is all that there is.

Read next: `oracle.py`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..arraylike import Array
from .setting import Setting
from .subject import Call, GradientOf, Pair, TensorFunction

UFUNCS = {
    np.absolute: "np.abs", np.sign: "np.sign", np.conjugate: "np.conj", np.fabs: "np.fabs",
    np.hypot: "np.hypot", np.copysign: "np.copysign",
}  # fmt: skip
FUNCTIONS: dict[Callable[..., Any], str] = {
    np.linalg.norm: "np.linalg.norm", np.var: "np.var", np.std: "np.std", np.vdot: "np.vdot",
    np.angle: "np.angle",
}  # fmt: skip


class Notes(NamedTuple):
    """What was done that is not analytic, by name; and the numbers that watched arrays met."""

    names: set[str]
    met: list[Any]


_notes: ContextVar[Notes | None] = ContextVar("notes", default=None)


class Watched(np.ndarray):
    """An array that notes what is not analytic, when it is done to complex numbers."""

    def __array_ufunc__(
        self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **options: Any
    ) -> Any:
        _meet(inputs)
        plain = [_plain(x) for x in inputs]
        if ufunc in UFUNCS and any(map(np.iscomplexobj, plain)):
            _note(UFUNCS[ufunc])
        options = {key: _plain(value) for key, value in options.items()}
        if out is not None:
            options["out"] = tuple(map(_plain, out))
        result = getattr(ufunc, method)(*plain, **options)
        if out is not None:
            return out[0] if len(out) == 1 else out
        return tuple(map(watched, result)) if isinstance(result, tuple) else watched(result)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        _meet(args)
        if function in FUNCTIONS and np.iscomplexobj(args[0]):
            _note(FUNCTIONS[function])
        result = super().__array_function__(function, types, args, kwargs)
        return (
            type(result)(map(watched, result)) if type(result) in (tuple, list) else watched(result)
        )

    def __getitem__(self, index: Any) -> Any:
        """A single number stays watched, too; so do the numbers of a loop over a vector."""
        return watched(super().__getitem__(index))

    def var(self, *args: Any, **kwargs: Any) -> Any:
        return np.var(self, *args, **kwargs)

    def std(self, *args: Any, **kwargs: Any) -> Any:
        return np.std(self, *args, **kwargs)


def watched(x: Any) -> Any:
    """The array, to be watched; a single number becomes one of no axes."""
    return np.asarray(x).view(Watched) if isinstance(x, (np.ndarray, np.generic)) else x


def _plain(x: Any) -> Any:
    return x.view(np.ndarray) if isinstance(x, Watched) else x


def _note(name: str) -> None:
    notes = _notes.get()
    if notes is not None:
        notes.names.add(name)


def _meet(operands: Iterable[Any]) -> None:
    """Note the numbers that are not watched."""
    notes = _notes.get()
    for x in operands if notes is not None else ():
        if isinstance(x, (list, tuple)):
            _meet(x)
        elif isinstance(x, (float, complex, np.number, np.ndarray)) and not isinstance(x, Watched):
            notes.met.append(x)  # type: ignore[union-attr]


def noted(f: Callable[[], Any]) -> tuple[Notes, Any]:
    """What f does to watched arrays; and its result, or None."""
    notes, result = Notes(set(), []), None
    token = _notes.set(notes)
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
            result = f()
    except Exception:  # whatever f says to them
        pass
    finally:
        _notes.reset(token)
    return notes, result


class Seen(NamedTuple):
    """What was seen of f at complex inputs.

    names: what is not analytic, by name. z: f of these inputs, if known.
    lost: whether numbers came out, or met those that are watched, which follow the inputs and are
        not watched, as after np.asarray: then not all was seen.
    """

    names: list[str]
    z: Array | None
    lost: bool


def not_analytic(setting: Setting, inputs: list[Any], near: list[Any]) -> Seen:
    """What f does to these complex inputs that is not analytic; `near` are real ones close by.

    Of a function of Tensors the engine's own operations are all analytic, and the user's are asked
    one by one. Nothing is seen of an f that takes no such arrays.
    """
    subject = setting.subject
    if isinstance(subject, GradientOf):
        subject = subject.inner
    if isinstance(subject, TensorFunction):
        names = [name for call in subject.own or () for name in noted(partial(_run, call))[0].names]
        return Seen(sorted(set(names)), None, False)
    assert isinstance(subject, Pair)
    here, there = (noted(partial(_watched_results, subject, x)) for x in (inputs, near))
    names, results = sorted(here[0].names), here[1]
    if results is None:
        return Seen(names, None, False)
    found = [np.array(y) for y in results]
    out = any(y.dtype.kind == "c" and not isinstance(x, Watched) for x, y in zip(results, found))
    lost = out or not _same(here[0].met, there[0].met)
    return Seen(names, setting.flat(found).astype(complex), lost)


def _watched_results(subject: Pair, inputs: Sequence[Any]) -> list[Any]:
    return subject.results([watched(x) for x in inputs])


def _same(a: Sequence[Any], b: Sequence[Any]) -> bool:
    """Whether the same numbers were met."""
    return len(a) == len(b) and all(
        np.shape(x) == np.shape(y) and np.array_equal(x, y, equal_nan=True)
        for x, y in zip(a, b, strict=True)
    )


def _run(call: Call) -> Any:
    """An operation of the user's own, run on complex operands."""
    return call.op.forward(*[watched(np.asarray(x) + 0j) for x in call.operands], **call.attrs)
