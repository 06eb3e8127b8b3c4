"""Functions with corners, and the masks that their gradient rules are made of.

At a kink every slope between those of its two sides is a right answer (a subgradient). The rule
gives **the one of least norm**: operands that tie for a maximum or minimum share the gradient
equally; `absolute`, `relu` and `clip` have derivative 0. (`max` and `min` over axes, in `ops.py`,
follow the same convention.)

Legend as in `ops.py`. A mask is a primitive too, piecewise constant and so without a rule: then a
recorded gradient holds for other values as well. Comparisons look at the real part, so that the
gradient checker's complex step moves along the side on which the point lies.
"""

# mypy: disable-error-code=has-type

from __future__ import annotations

from typing import Any

import numpy as np

from .tensor import primitive


# ---------------------------------------------------------------- masks: piecewise constant
@primitive(constant=True)
def greater(x, y):
    """Where x > y."""
    return np.greater(x, y)


@primitive(constant=True)
def equal(x, y):
    """Where x = y."""
    return np.equal(x, y)


@primitive(constant=True)
def between(x, *, min=None, max=None):
    """Where min < x < max."""
    above = True if min is None else x.real > min
    return above & (np.full(x.shape, True) if max is None else x.real < max)


@primitive(constant=True)
def sign(x):
    """-1, 0 or 1, by the real part."""
    return np.sign(x.real)


@primitive(constant=True)
def whole_max(x, *, axis=None):
    """The largest entry along an axis (which is kept), rounded down; 0 where it is not finite."""
    top = np.floor(np.max(x.real, axis=axis, keepdims=True, initial=-np.inf))
    return np.where(np.isfinite(top), top, 0).astype(top.dtype)


@primitive
def where(condition, x, y):
    """x where the condition holds, else y."""
    return np.where(condition, x, y)


where.gradients(
    None,
    lambda g, out, condition, x, y: where(condition, g, 0),
    lambda g, out, condition, x, y: where(condition, 0, g),
)


# ---------------------------------------------------------------- functions with corners
@primitive
def absolute(x):
    """|x|; for complex x the holomorphic function that is |x| on the real axis, not the modulus."""
    return np.where(x.real < 0, -x, x) if np.iscomplexobj(x) else np.abs(x)


absolute.gradients(lambda g, out, x: g * sign(x))


@primitive
def relu(x):
    """max(x, 0)."""
    return np.maximum(x, 0)


relu.gradients(lambda g, out, x: where(greater(out, 0), g, 0))


@primitive(name="clip")
def clipped(x, *, min=None, max=None):
    """x where it lies between the bounds (plain numbers or arrays), else the nearer bound."""
    clipped = np.clip(x.real, min, max)
    if np.iscomplexobj(x):
        return np.where(between.forward(x, min=min, max=max), x, clipped)
    return clipped


clipped.gradients(lambda g, out, x, min=None, max=None: where(between(x, min=min, max=max), g, 0))


def _share(g: Any, x: Any, y: Any, out: Any) -> Any:
    """What x gets of the gradient: all where it won, half where it ties with y."""
    return where(equal(x, y), g / 2, where(equal(x, out), g, 0))


# fmt: off
maximum = primitive(np.maximum, lambda g, out, x, y: _share(g, x, y, out),
                                lambda g, out, x, y: _share(g, y, x, out))
minimum = primitive(np.minimum, lambda g, out, x, y: _share(g, x, y, out),
                                lambda g, out, x, y: _share(g, y, x, out))
# fmt: on
