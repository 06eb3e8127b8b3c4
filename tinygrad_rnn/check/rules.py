"""The gradient rules of one primitive, checked alone: each against the primitive's own forward.

A rule is right or wrong by itself, whatever it is used in; so what `gradcheck` does to a function
is done to the function that a primitive is, towards one operand or all.

Read next: `locate.py`, which does this at every node of a graph.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..arraylike import Array, raw
from ..derivatives import grad
from ..modes import enable_grad
from ..tensor import Primitive, Tensor
from .gradcheck import gradcheck
from .report import Report, Result
from .subject import is_floating


def check_rule(
    primitive: Primitive,
    i: int | None,
    *inputs: Tensor | ArrayLike,
    order: int = 1,
    seed: int = 0,
    diagnose: bool = True,
    **attrs: Any,
) -> Report:
    """Compare the rule of argument i (or, with None, every rule) with the truth at these inputs.

    Args:
        primitive: what `@tg.primitive` made, with its rules.
        i: the argument whose rule is checked, from 0; None for every argument that has one.
        inputs: the operands: arrays, Tensors or floats; integers are passed through.
        order: 2 checks the derivatives of the rules too.
        seed, diagnose: as for `gradcheck`.
        attrs: the metadata of the call, by name. (For metadata that is itself called "order",
            "seed" or "diagnose": `gradcheck(lambda x: primitive(x, seed=...), x)`.)

    Returns:
        a `Report`, as `gradcheck` gives; a result for each rule that was checked.

    Raises:
        TypeError: for what is no primitive, or an argument without a floating value.
        ValueError: if there is no such argument or rule.

    >>> cube = Primitive(lambda x: x**3, name="cube").gradients(lambda g, out, x: 3 * g * x)
    >>> print(check_rule(cube, 0, [2.0]))  # doctest: +ELLIPSIS
    cube: gradient WRONG (found at stage 4, direction)
      x  (1,)  WRONG  0 digits  [0] yours ..., true ..., ratio 0.5
    ...
    """
    if not isinstance(primitive, Primitive):
        raise TypeError(
            f"check_rule takes a primitive, such as @tg.primitive makes; given {primitive!r:.60}."
            " For any other function: gradcheck(f, *inputs)"
        )
    arrays = [_plain(x) for x in inputs]
    names = argument_names(primitive.forward, len(arrays))
    checked = _chosen(primitive, i, arrays, names)
    broken = _contract(primitive, checked, arrays, names, attrs, seed)
    if broken is not None:
        return broken
    f = as_function(primitive, checked, attrs)
    return gradcheck(
        f, *arrays, order=order, wrt=checked, seed=seed, names=names, diagnose=diagnose
    )


def as_function(
    primitive: Primitive, checked: Sequence[int], attrs: dict[str, Any]
) -> Callable[..., Tensor]:
    """The primitive as a function of Tensors in which only the checked operands need a gradient."""

    def f(*xs: Any) -> Any:
        return primitive(*[x if k in checked else raw(x) for k, x in enumerate(xs)], **attrs)

    f.__name__ = primitive.name
    return f


def has_rule(primitive: Primitive, i: int) -> bool:
    """Whether the primitive says what the gradient of argument i is."""
    if primitive.each is not None or primitive.backward is not None:
        return True
    return i < len(primitive.rules) and primitive.rules[i] is not None


def argument_names(forward: Callable[..., Any], n: int) -> list[str]:
    """What the first n arguments of a function are called; x and y for NumPy's own functions."""
    if isinstance(forward, np.ufunc):
        return ["x", "y"][:n]
    found: list[str] = []
    for p in inspect.signature(forward).parameters.values():
        if p.kind is p.VAR_POSITIONAL:
            found += [f"{p.name}[{k}]" for k in range(n - len(found))]
        elif p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD):
            found.append(p.name)
    return (found + [f"argument {k}" for k in range(len(found), n)])[:n]


def _plain(x: Any) -> Any:
    """Floating operands as float64 arrays; whole numbers and masks as they were given."""
    array = np.asarray(raw(x))
    return array.astype(np.float64) if array.dtype.kind == "f" else raw(x)


def _chosen(primitive: Primitive, i: int | None, arrays: list[Any], names: list[str]) -> list[int]:
    """The arguments whose rules are checked."""
    floating = [k for k, x in enumerate(arrays) if is_floating(x)]
    if i is None:
        found = [k for k in floating if has_rule(primitive, k)]
        if not found:
            raise ValueError(
                f"{primitive.name} has no gradient rule for any floating argument: declare them"
                f" with {primitive.name}.gradients(...), and pass floats (1.0, not 1)"
            )
        return found
    if i not in range(len(arrays)):
        raise ValueError(
            f"there is no argument {i}: {primitive.name} was given {len(arrays)} operands"
            f" ({', '.join(names)}), counted from 0"
        )
    if i not in floating:
        raise TypeError(
            f"argument {i} of {primitive.name} ({names[i]}) is not floating, and has no derivative"
        )
    if not has_rule(primitive, i):
        raise ValueError(
            f"{primitive.name} has no gradient rule for argument {i} ({names[i]}): declare it with"
            f" {primitive.name}.gradients(...)"
        )
    return [i]


def _contract(
    primitive: Primitive,
    checked: list[int],
    arrays: list[Any],
    names: list[str],
    attrs: dict[str, Any],
    seed: int,
) -> Report | None:
    """A failed report if a rule gives nothing, a wrong shape, or writes into what it is given.

    The walk raises for these, and names the rule; here they are a verdict like any other.
    """
    found = Report(
        primitive.name,
        [Result(names[k], arrays[k].shape, k) for k in checked],
        "not asked: the rule breaks its contract",
        seed,
    )
    for r in found.results:
        _one_call(primitive, r, arrays, attrs, seed)
    return found if found.stage is not None else None


def _one_call(
    primitive: Primitive, r: Result, arrays: list[Any], attrs: dict[str, Any], seed: int
) -> None:
    """Call one rule once, by the walk, and enter what is wrong with how it answers."""
    xs = [Tensor(x, requires_grad=k == r.index) if is_floating(x) else x
          for k, x in enumerate(arrays)]  # fmt: skip
    with enable_grad():
        y = primitive(*xs, **attrs)
    if not isinstance(y, Tensor) or not y.requires_grad:
        return  # gradcheck says what is wrong with such a forward
    g = np.random.default_rng(seed).standard_normal(y.shape).astype(y.dtype)
    before = g.copy()
    try:
        grad(y, xs[r.index], g)
    except ValueError as error:
        if not str(error).startswith(("the gradient rule of", "the backward of")):
            raise
        r.fail("contract", str(error))
    if g.tobytes() != before.tobytes():
        r.fail("contract", "the rule changed g in place: it is still needed. Write g * ..., not *=")
    for k, x in enumerate(arrays):
        if is_floating(x) and _differ(x, xs[k].data):
            r.fail("contract", f"the rule or the forward changed operand {k} in place")


def _differ(a: Array, b: Array) -> bool:
    return a.tobytes() != b.tobytes()
