"""The battery: everything that one call of a recorded function must keep to, check by check.

Each check is a function of a `Case`, a call with its operands; it raises an AssertionError if the
call fails it. The truth is the complex step (Squire & Trapp 1998): the derivative along a direction
as Im f(x + ih u) / h, by the forward alone, so that no rule is judged by a rule.

Cotangents and directions are random and signed: with ones, a softmax whose backward returns zeros
passes.

Read next: `pytests.py`, which runs this over hypothesis' cases.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arraylike import Array
from ..derivatives import grad as gradient_of
from ..tensor import Tensor

STEP = 1e-20  # of the complex step: no subtraction, so no cancellation, so as small as one likes


@dataclass
class Case:
    """A call, the same from NumPy (or None), and the operands whose gradients are asked for.

    `call` takes arrays or Tensors and gives one result or a list of them; `text` says what it is.
    """

    call: Callable[..., Any]
    numpy: Callable[..., Any] | None
    operands: list[Array]
    text: str
    promotes: bool = False  # a float64 constant takes part, or a dtype is asked for


def run_battery(
    call: Callable[..., Any],
    *operands: Any,
    numpy: Callable[..., Any] | None = None,
    order: int = 2,
    promotes: bool = False,
) -> list[str]:
    """Run every check on one call; gives the names of the checks.

    Args:
        call: a primitive, or any function of Tensors that also takes plain arrays.
        operands: what it is called with; in float64.
        numpy: the same function in NumPy, for the forward.
        order: 1 leaves second derivatives out.
        promotes: whether float32 operands may give float64.

    Raises:
        AssertionError: naming the check, and saying what is off.

    >>> from tinygrad_rnn import tanh
    >>> len(run_battery(tanh, [0.5, 2.0], numpy=np.tanh))
    10
    """
    arrays = [np.array(x, dtype=float) for x in operands]
    case = Case(call, numpy, arrays, getattr(call, "__name__", "call"), promotes)
    names = chosen(order)
    for name in names:
        try:
            CHECKS[name](case)
        except Exception as error:
            error.add_note(f"in the check {name!r} of {case.text}")
            raise
    return names


def chosen(order: int) -> list[str]:
    """The checks up to this order of derivatives."""
    second = {"second_gradient_equals_the_complex_step_of_the_first", "both_walks_agree"}
    return [name for name in CHECKS if order > 1 or name not in second]


# ---------------------------------------------------------------- tools
def leaf(data: Any, name: str | None = None) -> Tensor:
    """A Tensor that requires grad."""
    return Tensor(data, requires_grad=True, name=name)


def listed(result: Any) -> list[Any]:
    """One result, or several, as a list."""
    return list(result) if isinstance(result, (list, tuple)) else [result]


def normal(shape: tuple[int, ...], seed: int = 0) -> Array:
    """Normal numbers."""
    return np.asarray(np.random.default_rng(seed).normal(size=shape))


def slope(f: Callable[..., Any], xs: Sequence[Array], k: int, direction: Array) -> Any:
    """d/dt f(x_0, ..., x_k + t direction, ...) at t = 0, of every result of f."""
    moved = [np.asarray(x, complex) for x in xs]
    moved[k] = moved[k] + 1j * STEP * direction
    return [np.imag(y) / STEP for y in listed(f(*moved))]


def demand(condition: Any, what: str) -> None:
    """Raise unless it holds."""
    if not condition:
        raise AssertionError(what)


def close(
    actual: Any, expected: Any, rtol: float = 1e-9, what: str = "", scale: float | None = None
) -> None:
    """Raise unless two arrays agree, relative to `scale`: 1 + the largest entry expected."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    demand(actual.shape == expected.shape, f"{what}: shape {actual.shape}, not {expected.shape}")
    scale = 1 + np.max(np.abs(expected), initial=0) if scale is None else scale
    error = np.max(np.abs(actual - expected), initial=0)
    demand(error <= rtol * scale, f"{what}: off by {error}\n{actual}\n{expected}")


def backward(case: Case, operands: Sequence[Array] | None = None) -> tuple[list[Any], list[Array]]:
    """The leaves and cotangents of one run of `backward()`, with the gradients in the leaves."""
    xs = [leaf(x) for x in (case.operands if operands is None else operands)]
    outs = listed(case.call(*xs))
    cotangents = [normal(out.shape, seed).astype(out.dtype) for seed, out in enumerate(outs)]
    for out, cotangent in zip(outs, cotangents, strict=True):
        out.backward(cotangent)
    return xs, cotangents


def gradients(case: Case, operands: Sequence[Array] | None = None) -> list[Array]:
    """dL/d(operand) for each; zeros where nothing arrives (unbind may give no parts)."""
    xs, _ = backward(case, operands)
    return [np.zeros(x.shape) if x.grad is None else x.grad for x in xs]


# ---------------------------------------------------------------- the battery
def check_forward_equals_numpy(case: Case) -> None:
    """Arrays in, arrays out; Tensors in, Tensors out; the same numbers, in float64."""
    plain = listed(case.call(*case.operands))
    expected = plain if case.numpy is None else listed(case.numpy(*case.operands))
    recorded = listed(case.call(*(leaf(x) for x in case.operands)))
    demand(len(plain) == len(recorded) == len(expected), "another number of results than NumPy's")
    for array, tensor, truth in zip(plain, recorded, expected, strict=True):
        demand(isinstance(array, (np.ndarray, np.generic)), f"arrays in, {type(array)} out")
        demand(isinstance(tensor, Tensor), f"Tensors in, {type(tensor)} out")
        demand(type(tensor.data) is np.ndarray, f"a Tensor around a {type(tensor.data)}")
        demand(tensor.requires_grad, "the result needs no gradient: something is not recorded")
        demand(array.dtype == tensor.dtype == np.float64, f"float64 in, {array.dtype} out")
        close(array, truth, 1e-12, "the forward")
        close(array, tensor.data, 1e-14, "arrays and Tensors")


def check_gradient_equals_the_complex_step(case: Case) -> None:
    """Along a random direction in each operand, for random cotangents.

    Relative to the terms themselves and to the rounding of the results, not to 1: a factor of 2 in
    a gradient of 1e-9 is one.
    """
    grads = gradients(case)
    results = [y for y in listed(case.call(*case.operands)) if np.size(y)]
    level = sum(float(np.max(np.abs(y))) for y in results) * 1e-4  # times 1e-9: 1e-13 of y
    for k, (x, grad) in enumerate(zip(case.operands, grads, strict=True)):
        direction = normal(x.shape, 10 + k)
        slopes = slope(case.call, case.operands, k, direction)
        terms = [normal(s.shape, seed) * s for seed, s in enumerate(slopes)]
        mine, true = grad * direction, sum(np.sum(t) for t in terms)
        size = np.sum(np.abs(mine)) + sum(np.sum(np.abs(t)) for t in terms)
        least = level / (np.max(np.abs(x), initial=0) or 1) + STEP  # whose square is seen, too
        close(np.sum(mine), true, what=f"gradient of operand {k}", scale=float(size + least))


def check_second_gradient_equals_the_complex_step_of_the_first(case: Case) -> None:
    """Of <w, gradient(x, g)>, with respect to every operand x and to the cotangent g."""
    xs = [leaf(x) for x in case.operands]
    weights = [normal(x.shape, 20 + k) for k, x in enumerate(xs)]
    parts = listed(case.call(*xs))
    gs = [leaf(normal(part.shape, seed)) for seed, part in enumerate(parts)]
    first = [gradient_of(part, xs, g, create_graph=True) for part, g in zip(parts, gs, strict=True)]
    for grads in first:
        demand(
            all(grad.shape == x.shape for grad, x in zip(grads, xs, strict=True)),
            "a recorded gradient has not the shape of its operand",
        )
    terms = ((t * w).sum() for grads in first for t, w in zip(grads, weights, strict=True))
    along: Any = sum(terms, start=0)
    variables = [*xs, *gs]
    second: Sequence[Any] = [None] * len(variables)
    if isinstance(along, Tensor) and along.requires_grad:
        second = gradient_of(along, variables, allow_unused=True)
    values = [v.data for v in variables]
    for k, (x, grad) in enumerate(zip(variables, second, strict=True)):
        direction = normal(x.shape, 30 + k)
        actual = 0.0 if grad is None else np.sum(grad.data * direction)
        expected = slope(_first_order(case, weights), values, k, direction)[0] if parts else 0.0
        close(actual, expected, 1e-8, what=f"second gradient, variable {k}")


def _first_order(case: Case, weights: Sequence[Array]) -> Callable[..., Any]:
    """<w, gradient(x, g)> as a function of all x and g."""

    def total(*values: Array) -> Any:
        n = len(weights)
        leaves = [leaf(value) for value in values[:n]]
        found: Any = 0
        for part, g in zip(listed(case.call(*leaves)), values[n:], strict=True):
            grads = gradient_of(part, leaves, g)
            found = found + sum(np.sum(t.data * w) for t, w in zip(grads, weights, strict=True))
        return found

    return total


def check_complex_step_is_safe(case: Case) -> None:
    """Complex in, complex out, the same real part, and an imaginary part that is the slope."""
    real = listed(case.call(*case.operands))
    directions = [normal(x.shape, 40 + k) for k, x in enumerate(case.operands)]
    moved = [x + 1j * STEP * d for x, d in zip(case.operands, directions, strict=True)]
    h = 1e-6
    forward = case.call if case.numpy is None else case.numpy
    ends = [
        listed(forward(*(x + s * h * d for x, d in zip(case.operands, directions, strict=True))))
        for s in (1, -1)
    ]
    for a, b, right, left in zip(real, listed(case.call(*moved)), *ends, strict=True):
        demand(b.dtype == complex, "the imaginary part was dropped")
        close(b.real, a, 1e-12, "the real part at complex numbers")
        close(b.imag / STEP, (right - left) / (2 * h), 1e-6, "the imaginary part")


def check_gradient_is_linear_in_the_cotangent(case: Case) -> None:
    """0 for 0, and -2 times as much for -2 g: g is neither ignored nor clipped nor squared."""
    xs = [leaf(x) for x in case.operands]
    for seed, out in enumerate(listed(case.call(*xs))):
        g = normal(out.shape, seed)
        once, twice, never = (gradient_of(out, xs, f * g) for f in (1.0, -2.0, 0.0))
        for k, (a, b, c) in enumerate(zip(once, twice, never, strict=True)):
            close(b.data, -2 * a.data, 1e-12, f"gradient of operand {k} for -2 g")
            demand(not np.any(c.data), f"the gradient of operand {k} is not 0 for g = 0")


def check_inputs_and_cotangents_stay_untouched(case: Case) -> None:
    """Neither walk writes into an operand, a result or a cotangent."""
    xs = [leaf(x) for x in case.operands]
    outs = listed(case.call(*xs))
    cotangents = [normal(out.shape, seed) for seed, out in enumerate(outs)]
    arrays = [*(x.data for x in xs), *cotangents, *(out.data for out in outs)]
    before = [array.tobytes() for array in arrays]
    for out, cotangent in zip(outs, cotangents, strict=True):
        out.backward(cotangent)
        out.backward(cotangent)
    tensors = [Tensor(c) for c in cotangents]
    for out, g in zip(outs, tensors, strict=True):
        gradient_of(out, xs, g)
    demand(
        [array.tobytes() for array in arrays] == before,
        "an operand, a result or a cotangent was changed in place",
    )
    demand(
        [t.data.tobytes() for t in tensors] == before[len(xs) : len(xs) + len(outs)],
        "a cotangent was changed in place",
    )


def check_gradients_share_no_memory(case: Case) -> None:
    """Every gradient is an array of its own."""
    xs, cotangents = backward(case)
    grads = [x.grad for x in xs if x.grad is not None]
    others = [*(x.data for x in xs), *cotangents]
    for k, grad in enumerate(grads):
        demand(type(grad) is np.ndarray, f"a gradient is a {type(grad)}")
        demand(grad.flags.writeable, "a gradient cannot be written into")
        for other in [*grads[:k], *others]:
            demand(not np.shares_memory(grad, other), "a gradient is a view of something else")


def check_float32_stays_float32(case: Case) -> None:
    """float32 in, float32 out, forwards and back; and roughly the same numbers."""
    operands = [x.astype(np.float32) for x in case.operands]
    xs, _ = backward(case, operands)
    if not case.promotes:
        for out in [*listed(case.call(*operands)), *listed(case.call(*xs))]:
            demand(out.dtype == np.float32, f"float32 in, {out.dtype} out")
    for x, grad in zip(xs, gradients(case), strict=True):
        if x.grad is not None:
            demand(x.grad.dtype == np.float32, f"float32 in, a gradient in {x.grad.dtype}")
            close(x.grad, grad, 1e-3, "the gradient in float32")


def check_constants_change_no_gradient(case: Case) -> None:
    """A plain array in an operand's place: the same gradients for the others, and none for it."""
    grads = gradients(case)
    for k in range(len(case.operands)):
        xs = [leaf(x) for x in case.operands]
        outs = listed(case.call(*(x.data if j == k else x for j, x in enumerate(xs))))
        if len(xs) > 1:
            for seed, out in enumerate(outs):
                out.backward(normal(out.shape, seed))
            for j, x in enumerate(xs):
                demand((x.grad is None) == (j == k), f"operand {j}: a gradient for a constant")
                demand(
                    j == k or np.array_equal(np.asarray(x.grad), grads[j]),
                    f"operand {j} has another gradient when operand {k} is a constant",
                )


def check_both_walks_agree(case: Case) -> None:
    """`backward()` on arrays and `grad(create_graph=True)` on Tensors run the same rules.

    And the recorded walk, too, leaves what it is given as it was.
    """
    xs, cotangents = backward(case)
    total = [np.zeros(x.shape) for x in xs]
    before = [x.data.tobytes() for x in xs]
    for out, cotangent in zip(listed(case.call(*xs)), cotangents, strict=True):
        g = Tensor(cotangent)
        for k, grad in enumerate(gradient_of(out, xs, g, create_graph=True)):
            total[k] = total[k] + grad.data
        demand(g.data.tobytes() == cotangent.tobytes(), "a cotangent was changed in place")
    demand([x.data.tobytes() for x in xs] == before, "an operand was changed in place")
    for x, grad in zip(xs, total, strict=True):
        close(grad, np.zeros(x.shape) if x.grad is None else x.grad, 1e-12, "the recorded walk")


CHECKS: dict[str, Callable[[Case], None]] = {
    name.removeprefix("check_"): f for name, f in list(globals().items()) if name[:6] == "check_"
}
