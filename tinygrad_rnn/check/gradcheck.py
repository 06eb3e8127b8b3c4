"""Is this the gradient of that function? Asked in stages; the first that fails gives the answer.

1. setting: f is finite and deterministic here; can the complex step differentiate it?
2. contract: one gradient per input, right shape and dtype, nothing changed in place
3. linearity: the gradient is linear in the gradient that arrives
4. direction: one random direction for each input
5. localise: which entry, if that failed; 6. grade: what an error of that size usually is
7. diagnose: what was done wrong

Read next: `subject.py`, `oracle.py`.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..arraylike import raw
from ..tensor import Tensor
from .compare import digits
from .contract import contract, linearity, unshared
from .diagnose.answer import diagnose as explain
from .diagnose.diagnosis import LIKELY
from .direction import direction
from .oracle import choose
from .report import Report, Result
from .rounding import CREDIT
from .setting import EPS, Setting
from .subject import GradientOf, Pair, Subject, TensorFunction, is_floating, subject_of

STREAM = 1998  # dL/dy must not be the very numbers that a user drew as inputs with the same seed


def gradcheck(
    f: Any,
    *inputs: Tensor | ArrayLike,
    order: int = 1,
    wrt: int | str | Sequence[int | str] | None = None,
    seed: int = 0,
    names: Sequence[str] | None = None,
    may_share: bool = False,
    cases: Callable[[int], Sequence[Any]] | None = None,
    diagnose: bool = True,
) -> Report:
    """Compare the gradient of f with the truth at these inputs, for a random dL/dy.

    The truth is the complex step along a random direction in each input (see `oracle.py`): exact to
    rounding, one evaluation of f a direction. np.abs, a norm and a variance go on analytically, on
    their side of the kink (see `watched.py`). Differences of f replace it where f cannot take
    complex numbers, or loses their imaginary part otherwise; the report says so. On a kink every
    subgradient is right.

    Args:
        f: a function of Tensors that returns a Tensor or a tuple of them: the engine's gradient is
            checked. Or a pair of plain NumPy functions `(forward, backward)`: `forward(*inputs)`
            gives an array or a tuple of arrays, `backward(g, *inputs)` one gradient for each input,
            where `g` is dL/dy (a tuple if the forward gives one).
        inputs: Tensors, arrays or floats. They are copied, and checked in float64. Integers and
            booleans are passed through as they are: they have no gradient.
        order: 2 checks the gradient of the gradient too (Tensor functions only): the complex step
            of the backward pass against two recorded walks, and that the Hessian is symmetric.
        wrt: the inputs to check, by position or name; default: every floating one.
        seed: for the directions and for dL/dy.
        names: the inputs' names in the report; default: the Tensors' own, else f's parameters'.
            For a module, pass its parameters' arrays as inputs, under their paths, and let f call
            `nn.functional_call`.
        may_share: allow the backward of a pair to return g, an input, or one array twice.
        cases: `cases(k)` gives the inputs of the k-th further case for the diagnosis; by default
            these inputs are resized and drawn anew.
        diagnose: say what is wrong with a gradient that is (`report.diagnosis`); a right one pays
            nothing for it.

    Returns:
        a `Report`: true if all is right (false also if something could not be compared: on very
            many kinks, where f jumps, or where differences see too little); it prints itself, and
            has `.raise_if_failed()` for tests.

    Raises:
        TypeError: if f or an input is of the wrong kind, or nothing floating goes in or comes out.
        ValueError: for an unknown `wrt`, `names` or `order`, or an f that is not finite or gives
            another result the second time.

    >>> report = gradcheck((lambda x: x**2, lambda g, x: g * x), [1.0, 2.0])
    >>> bool(report)
    False
    >>> print(report)  # doctest: +ELLIPSIS
    f: gradient WRONG (found at stage 4, direction)
      x  (2,)  WRONG  0 digits  [1] yours 1.93028, true 3.86056, ratio 0.5
      x: smallest failing case: d y[1] / d x[1] is 4; the backward makes it 2
      one of 2: dx is 2 times too small, 0.5 of the true one: a constant factor
        or: the factor 2, the exponent, is forgotten in the power x ** 2: ...
      x: no digits agree: a wrong formula
      truth: complex step, sees 15 digits; seed 0
    """
    if order not in (1, 2):
        raise ValueError(f"order is 1 or 2; given {order!r}")
    seed = _whole(seed)
    subject = subject_of(f)
    if order == 2 and not isinstance(subject, TensorFunction):
        raise TypeError(
            "order=2 needs a function of Tensors: the backward of a pair of NumPy functions is not"
            " recorded. Write the function with Tensors, or leave order=1"
        )
    arrays, notes = _prepared(subject, inputs)
    called = _named(subject, inputs, names)
    setting = Setting(subject, arrays, called, _chosen(arrays, called, wrt))
    report = _stages(setting, seed, may_share)
    report.notes += notes
    if order == 2 and isinstance(subject, TensorFunction):
        report.order = 2
        if report and sum(r.yours.size for r in report.results if r.yours is not None):
            _second_order(setting, subject, report)
    if diagnose and report.stage is not None and report.order == 1:
        report.diagnosis = explain(setting, report, cases)
    if diagnose and report.stage is not None and isinstance(subject, TensorFunction):
        _locate(subject, inputs, report)
    return report


def _locate(subject: TensorFunction, inputs: Sequence[Any], report: Report) -> None:
    """The operations of a wrong function of Tensors that are wrong themselves, and their lines."""
    from .locate import culprits  # it checks single operations by gradcheck

    try:
        report.located = culprits(subject, inputs, report.order, report.seed)[0]
        if report.located and report.diagnosis and report.diagnosis.family == "global":
            report.diagnosis.word = LIKELY  # a factor is how the operation at fault shows
    except (TypeError, ValueError) as error:  # an operation that cannot be checked where it stands
        report.notes.append(
            f"the operations of {subject.name} were not checked one by one: {error}"
        )


def _stages(setting: Setting, seed: int, may_share: bool) -> Report:
    """Stages 1 to 6, up to the first that fails; 7 comes after them."""
    rng = np.random.default_rng([seed, STREAM])
    v = rng.standard_normal(setting.y.size)
    results = [Result(setting.names[i], setting.inputs[i].shape, i) for i in setting.checked]
    oracle = choose(setting, rng)
    report = Report(setting.subject.name, results, str(oracle), seed)
    trial, shared = contract(setting, oracle, v, report)
    if trial is not None and report.stage is None:
        linearity(trial, report)
    if trial is not None and report.stage is None:
        direction(trial, report, rng)
    if not may_share:
        unshared(shared, report)
    return report


# ---------------------------------------------------------------- second order
def _second_order(setting: Setting, f: TensorFunction, report: Report) -> None:
    """Check G(x, g) = J(x)^T g like any other function, and that its derivative is symmetric."""
    rng = np.random.default_rng([report.seed, STREAM, 2])
    v = setting.cotangents(rng.standard_normal(setting.y.size))
    v = [v[k] for k in setting.floating]
    subject = GradientOf(f, setting.checked, setting.floating)
    arriving = ["g" if len(v) == 1 else f"g{k}" for k in setting.floating]
    n = len(setting.inputs)
    checked = [*setting.checked, *range(n, n + len(v))]
    second = Setting(subject, [*setting.inputs, *v], [*setting.names, *arriving], checked)
    found = _stages(second, report.seed, may_share=True)
    if found:
        _symmetry(second, len(setting.checked), found, rng)
    for r in found.results:
        r.name = f"d/d{r.name} of the gradient"
    report.results += found.results
    report.problems += [(stage, f"second derivative: {why}") for stage, why in found.problems]
    if found.oracle != report.oracle:
        report.notes.append(f"truth of the second derivative: {found.oracle}")


def _symmetry(second: Setting, n: int, report: Report, rng: np.random.Generator) -> None:
    """u^T H w = w^T H u for the Hessian H of <v, f(x)> over all checked inputs together."""
    if any(r.digits is None for r in report.results):
        return  # at the limit of rounding, or on a kink
    run = second.run()
    free = np.concatenate([second.free(i).ravel() for i in second.checked[:n]])
    u, w = rng.standard_normal((2, second.y.size)) * free
    of_u, of_w = second.pull(run, u), second.pull(run, w)
    row_u = np.concatenate([of_u[i].ravel() for i in second.checked[:n]])
    row_w = np.concatenate([of_w[i].ravel() for i in second.checked[:n]])
    error = abs(float(row_u @ w - row_w @ u))
    size = float(np.abs(row_u) @ np.abs(w) + np.abs(row_w) @ np.abs(u))
    floor = CREDIT * EPS * float(np.sum(np.abs(second.y)) * np.max(np.abs([u, w])))
    if error > max(1e-9 * size, floor / min(second.scale(i) for i in second.checked[:n])):
        agreeing = digits(error, size)
        report.fail("direction", f"the Hessian is not symmetric ({agreeing:.0f} digits agree)")


# ---------------------------------------------------------------- what was passed in
def _whole(seed: Any) -> int:
    try:
        found = operator.index(seed)
    except TypeError:
        found = -1
    if found < 0:
        raise ValueError(
            f"seed is a whole number from 0 (the report names it, so that its answer can be had"
            f" again); given {seed!r}"
        )
    return found


def _prepared(subject: Subject, inputs: Sequence[Any]) -> tuple[list[Any], list[str]]:
    """The inputs as float64 arrays, integers as they were given; and what was done to them."""
    arrays: list[Any] = []
    promoted = set()
    for k, x in enumerate(inputs):
        array = np.asarray(raw(x))
        if array.dtype.kind == "f":
            if array.dtype != np.float64:
                promoted.add(str(array.dtype))
            arrays.append(np.array(array, dtype=np.float64))
        elif array.dtype.kind in "biu":
            arrays.append(raw(x) if isinstance(subject, Pair) else x)
        else:
            raise TypeError(
                f"input {k} of gradcheck is a {type(x).__name__} of dtype {array.dtype}: inputs are"
                " arrays or Tensors of real numbers. Fix anything else with a lambda:"
                " gradcheck(lambda x: f(x, mode), x)"
            )
    if not any(is_floating(a) for a in arrays):
        raise TypeError(
            f"gradcheck({subject.name}, ...) got no floating input: there is nothing to"
            " differentiate. Pass floats (1.0, not 1), after f: gradcheck(f, x, W, ...)"
        )
    kinds = ", ".join(sorted(promoted))
    return arrays, [f"{kinds} inputs were checked in float64"] if promoted else []


def _named(subject: Subject, inputs: Sequence[Any], names: Sequence[str] | None) -> list[str]:
    """A name for each input: the given one, the Tensor's, the parameter's, or its position."""
    if names is not None:
        if len(names) != len(inputs):
            raise ValueError(f"names has {len(names)} entries, and there are {len(inputs)} inputs")
        if len(set(names)) < len(names):
            raise ValueError(f"names has the same name twice: {list(names)}; give each its own")
        return [str(name) for name in names]
    own = [x.name if isinstance(x, Tensor) else None for x in inputs]
    chosen = [a or b for a, b in zip(own, _parameters(subject, len(inputs)), strict=True)]
    return [name if chosen.count(name) == 1 else f"{name} ({k})" for k, name in enumerate(chosen)]


def _parameters(subject: Subject, n: int) -> list[str]:
    f = subject.forward if isinstance(subject, Pair) else getattr(subject, "f", None)
    found: list[str] = []
    try:
        for p in inspect.signature(f).parameters.values():  # type: ignore[arg-type]
            if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD):
                found.append(p.name)
    except (TypeError, ValueError):  # a function written in C does not tell
        pass
    return (found + [f"input {k}" for k in range(len(found), n)])[:n]


def _chosen(
    arrays: Sequence[Any], names: Sequence[str], wrt: int | str | Sequence[int | str] | None
) -> list[int]:
    """The positions of the inputs to check."""
    floating = [i for i, x in enumerate(arrays) if is_floating(x)]
    if wrt is None:
        return floating
    chosen = []
    for which in [wrt] if isinstance(wrt, (int, str)) else wrt:
        i = names.index(which) if which in names else which
        if not isinstance(i, int) or i not in floating:
            there = ", ".join(f"{i} ({names[i]})" for i in floating)
            raise ValueError(f"wrt={which!r} is no floating input of f; there are {there}")
        chosen.append(i)
    if not chosen:
        raise ValueError("wrt is empty: name at least one input to check, or leave it out")
    return chosen
