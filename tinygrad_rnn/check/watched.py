"""Is f analytic on its way? It runs once on arrays that note what is done to them.

The complex step needs analytic operations, and some lose the imaginary part in silence: |z|, z*,
sign(z), and what is made of them (a norm, a variance). In a sum with larger terms that cannot be
seen in the result: z^2 + |z| differs from z^2 by little at a large z, and log(1 + exp(-|z|)) by
nothing that differences see at z = 30, where its gradient is all that there is.

Most of them are analytic on each side of their kink, and a watched array goes on there: |z| is z or
-z, by the sign of the real part, and the norm is the root of the sum of z^2. What has no such
branch is noted by name, and then no complex step is taken.

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

Branch = Callable[..., Any]


def _absolute(z: Array) -> Array:
    """On the kink itself the side that the step goes to, as NumPy's comparisons have it."""
    return np.where((z.real < 0) | ((z.real == 0) & (z.imag < 0)), -z, z)


def _variance(z: Array, axis: Any = None, ddof: float = 0, keepdims: bool = False) -> Array:
    mean = z.mean(axis=axis, keepdims=True)
    squares = ((z - mean) ** 2).sum(axis=axis, keepdims=keepdims)
    return np.asarray(squares / (z.size / mean.size - ddof))


def _deviation(z: Array, axis: Any = None, ddof: float = 0, keepdims: bool = False) -> Array:
    return np.asarray(np.sqrt(_variance(z, axis, ddof, keepdims)))


def _norm(z: Array, *, axis: Any = None, keepdims: bool = False) -> Array:
    return np.asarray(np.sqrt((z * z).sum(axis=axis, keepdims=keepdims)))


# What is not analytic, by name, with the branch on which it is; None where there is none.
UFUNCS: dict[np.ufunc, tuple[str, Branch | None]] = {
    np.absolute: ("np.abs", _absolute),
    np.fabs: ("np.fabs", _absolute),
    np.sign: ("np.sign", lambda z: np.sign(z.real) + 0j),
    np.conjugate: ("np.conj", lambda z: z),
    np.hypot: ("np.hypot", lambda a, b: np.sqrt(a * a + b * b)),
    np.copysign: ("np.copysign", None),
}
FUNCTIONS: dict[Callable[..., Any], tuple[str, Branch | None]] = {
    np.linalg.norm: ("np.linalg.norm", _norm),
    np.var: ("np.var", _variance),
    np.std: ("np.std", _deviation),
    np.vdot: ("np.vdot", lambda a, b: np.asarray((np.ravel(a) * np.ravel(b)).sum())),
    np.angle: ("np.angle", None),
}


class Notes(NamedTuple):
    """What was done that is not analytic, by name, and went on by a branch, or did not; and the
    numbers that watched arrays met."""

    names: set[str]
    continued: set[str]
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
            name, branch = UFUNCS[ufunc]
            if method == "__call__" and out is None:
                return _by_branch(name, branch, getattr(ufunc, method), plain, options)
            _note(name)
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
            name, branch = FUNCTIONS[function]
            return _by_branch(name, branch, function, [_plain(x) for x in args], kwargs)
        result = super().__array_function__(function, types, args, kwargs)
        return (
            type(result)(map(watched, result)) if type(result) in (tuple, list) else watched(result)
        )

    def __getitem__(self, index: Any) -> Any:
        """A single number stays watched, too; so do the numbers of a loop over a vector."""
        return watched(super().__getitem__(index))

    @property  # type: ignore[misc]
    def real(self) -> Any:
        """Of what stands for a real number, itself."""
        if not np.iscomplexobj(self):
            return self
        _note("real", continued=True)
        return self

    def var(self, *args: Any, **kwargs: Any) -> Any:
        return np.var(self, *args, **kwargs)

    def std(self, *args: Any, **kwargs: Any) -> Any:
        return np.std(self, *args, **kwargs)


def watched(x: Any) -> Any:
    """The array, to be watched; a single number becomes one of no axes."""
    return np.asarray(x).view(Watched) if isinstance(x, (np.ndarray, np.generic)) else x


def _plain(x: Any) -> Any:
    return x.view(np.ndarray) if isinstance(x, Watched) else x


def _note(name: str, continued: bool = False) -> None:
    notes = _notes.get()
    if notes is not None:
        (notes.continued if continued else notes.names).add(name)


def _by_branch(
    name: str, branch: Branch | None, f: Branch, args: Sequence[Any], options: dict[str, Any]
) -> Any:
    """f on the branch where it is analytic, if there is one for these arguments; and noted."""
    try:
        if branch is not None:
            result = watched(branch(*args, **options))
            _note(name, continued=True)
            return result
    except TypeError:  # an argument that the branch does not know
        pass
    _note(name)
    return watched(f(*args, **options))


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
    notes, result = Notes(set(), set(), []), None
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

    names: what is not analytic, by name; and has no branch by which it went on. z: f of these
        inputs, if known.
    lost: whether numbers came out, or met those that are watched, which follow the inputs and are
        not watched, as after np.asarray: then not all was seen.
    """

    names: list[str]
    z: Array | None
    lost: bool
    continued: bool = False


def not_analytic(setting: Setting, inputs: list[Any], near: list[Any]) -> Seen:
    """What f does to these complex inputs that is not analytic; `near` are real ones close by.

    Of a function of Tensors the engine's own operations are all analytic, and the user's are asked
    one by one. Nothing is seen of an f that takes no such arrays.
    """
    subject = setting.subject
    if isinstance(subject, GradientOf):
        subject = subject.inner
    if isinstance(subject, TensorFunction):
        notes = [noted(partial(_run, call))[0] for call in subject.own or ()]
        every = set().union(*(each.names | each.continued for each in notes))
        return Seen(sorted(every), None, False)
    assert isinstance(subject, Pair)
    seen, results = noted(partial(_watched_results, subject, inputs))
    names = sorted(seen.names)
    if results is None:
        return Seen(names, None, False)
    found = [np.array(y) for y in results]
    out = any(y.dtype.kind == "c" and not isinstance(x, Watched) for x, y in zip(results, found))
    lost = out
    if seen.met and not lost:
        again, _ = noted(partial(_watched_results, subject, near))
        lost = not _same(seen.met, again.met)
    z = setting.flat(found).astype(complex)
    return Seen(names, z, lost, bool(seen.continued))


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
