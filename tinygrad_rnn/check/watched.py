"""Is f analytic on its way? It runs once on arrays that note what is done to them.

The complex step needs analytic operations, and some lose the imaginary part in silence: |z|, z*,
sign(z), and what is made of them (a norm, a variance). In a sum with larger terms that cannot be
seen in the result: z^2 + |z| differs from z^2 by little at a large z, and log(1 + exp(-|z|)) by
nothing that differences see at z = 30, where its gradient is all that there is.

Read next: `oracle.py`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from typing import Any

import numpy as np

from ..arraylike import Array
from .setting import Setting
from .subject import Call, GradientOf, TensorFunction

UFUNCS = {
    np.absolute: "np.abs", np.sign: "np.sign", np.conjugate: "np.conj", np.fabs: "np.fabs",
    np.hypot: "np.hypot", np.copysign: "np.copysign",
}  # fmt: skip
FUNCTIONS: dict[Callable[..., Any], str] = {
    np.linalg.norm: "np.linalg.norm", np.var: "np.var", np.std: "np.std", np.vdot: "np.vdot",
    np.angle: "np.angle",
}  # fmt: skip

_noted: ContextVar[set[str] | None] = ContextVar("noted", default=None)


class Watched(np.ndarray):
    """An array that notes what is not analytic, when it is done to complex numbers."""

    def __array_ufunc__(
        self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **options: Any
    ) -> Any:
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
        if function in FUNCTIONS and np.iscomplexobj(args[0]):
            _note(FUNCTIONS[function])
        return super().__array_function__(function, types, args, kwargs)

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
    noted = _noted.get()
    if noted is not None:
        noted.add(name)


def noted(f: Callable[[], Any]) -> tuple[list[str], Any]:
    """What f does to watched arrays that is not analytic, by name; and its result, or None."""
    found: set[str] = set()
    token, result = _noted.set(found), None
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
            result = f()
    except Exception:  # whatever f says to them
        pass
    finally:
        _noted.reset(token)
    return sorted(found), result


def not_analytic(setting: Setting, inputs: list[Any]) -> tuple[list[str], Array | None]:
    """What f does to these complex inputs that is not analytic, by name; and f of them, if known.

    Of a function of Tensors the engine's own operations are all analytic, and the user's are asked
    one by one. Nothing is noted of an f that takes no such arrays.
    """
    subject = setting.subject
    if isinstance(subject, GradientOf):
        subject = subject.inner
    if isinstance(subject, TensorFunction):
        names = [name for call in subject.own or () for name in noted(partial(_run, call))[0]]
        return sorted(set(names)), None
    return noted(lambda: setting.at([watched(x) for x in inputs]).astype(complex))


def _run(call: Call) -> Any:
    """An operation of the user's own, run on complex operands."""
    return call.op.forward(*[watched(np.asarray(x) + 0j) for x in call.operands], **call.attrs)
