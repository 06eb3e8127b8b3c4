"""What is asked of the walk: grad of a result; vjp, jvp, jacobian, hessian, hvp of a function.

Names, arguments and shapes are those of `torch.autograd.grad` and `torch.autograd.functional`: each
of the latter takes a function of Tensors and its input (or a tuple of inputs), and gives Tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .arraylike import raw
from .functional import stack
from .graph import gradients
from .guards import seed_of
from .modes import enable_grad
from .tensor import Tensor

Inputs = Any  # a Tensor or array, or a tuple of them
Function = Callable[..., Any]


def grad(
    output: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_output: ArrayLike | Tensor | Sequence[Any] | None = None,
    *,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> Any:
    """d(output)/d(input) for each input, as Tensors, leaving every `.grad` alone.

    Args:
        output: a single number, or any shape if `grad_output` is given; or a sequence of outputs,
            whose gradients add up.
        inputs: a Tensor (leaf or result), or a sequence of them.
        grad_output: dL/d(output); then the results are dL/d(input). For a sequence of outputs, a
            sequence.
        create_graph: record the walk, so that the results can be differentiated again.
        allow_unused: give None for an input that the output does not depend on.

    Returns:
        a Tensor for a Tensor, a tuple for a sequence; each of its input's shape.

    Raises:
        RuntimeError: if an input is not part of the output's graph (unless `allow_unused`).

    >>> from tinygrad_rnn import tanh
    >>> x = Tensor(0.5, requires_grad=True)
    >>> dx = grad(tanh(x), x, create_graph=True)
    >>> float(grad(dx, x).data)  # -2 tanh(x) (1 - tanh(x)^2)
    -0.7268619813835873
    """
    targets = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    if not all(isinstance(x, Tensor) for x in targets):
        raise TypeError("grad differentiates with respect to Tensors; an input is none")
    outputs, seeds = _ends(output, grad_output)
    seeds = [_as_tensor(g) if create_graph else raw(g) for g in seeds]
    with enable_grad():  # the sums that the walk makes between the rules are part of the graph
        found = gradients(
            outputs, seeds, set(targets).__contains__, towards=targets, recording=create_graph
        )
    for x in targets:
        if x not in found and not allow_unused:
            made = " and ".join(y.label for y in outputs)
            raise RuntimeError(
                f"{made} does not depend on {x.label}, or that needs no gradient: check"
                " the argument, set requires_grad=True, or pass allow_unused=True to get None"
            )
    grads = tuple(_as_tensor(found[x]) if x in found else None for x in targets)
    return grads[0] if isinstance(inputs, Tensor) else grads


def _ends(output: Any, grad_output: Any) -> tuple[list[Tensor], list[Any]]:
    """Where the walk starts, and the gradients that it starts with."""
    if not isinstance(output, (tuple, list)):
        return [output], [seed_of(output, grad_output)]
    given = [None] * len(output) if grad_output is None else list(grad_output)
    if len(given) != len(output):
        raise ValueError(f"{len(output)} outputs need {len(output)} gradients; given {len(given)}")
    return list(output), [seed_of(y, g) for y, g in zip(output, given)]


def _as_tensor(g: Any) -> Tensor:
    return g if isinstance(g, Tensor) else Tensor(g)


@enable_grad()
def vjp(
    f: Function, inputs: Inputs, v: Any = None, *, create_graph: bool = False
) -> tuple[Any, Any]:
    """(f(inputs), v^T J): the gradient of <v, f>; one walk back, whatever the sizes.

    Args:
        v: of f's shape; may be left out where f gives a single number.
    """
    xs = _fresh(inputs, create_graph)
    y = _apply(f, xs)
    return _leave(y, create_graph), _like(inputs, _grads(y, xs, v, create_graph))


@enable_grad()
def jvp(f: Function, inputs: Inputs, v: Any, *, create_graph: bool = False) -> tuple[Any, Any]:
    """(f(inputs), J v): how f changes along v, by two walks back.

    v^T J is linear in v; so the first walk makes the graph of a linear function, and the second
    walk, through that one, transposes it.
    """
    xs = _fresh(inputs, create_graph)
    y = _apply(f, xs)
    w = Tensor(np.zeros(y.shape, y.dtype), requires_grad=True)
    transposed = _grads(y, xs, w, create_graph=True)
    directions = v if isinstance(inputs, tuple) else (v,)
    _check_directions(xs, directions)
    along = sum(
        ((t * d).sum() for t, d in zip(transposed, directions, strict=True)), start=Tensor(0.0)
    )
    (product,) = _grads(along, (w,), None, create_graph)
    return _leave(y, create_graph), product


@enable_grad()
def jacobian(f: Function, inputs: Inputs, *, create_graph: bool = False) -> Any:
    """d f / d input, of shape (f's shape, input's shape): one walk for every entry of f."""
    xs = _fresh(inputs, create_graph)
    y = _apply(f, xs)
    rows: list[tuple[Any, ...]] = []
    for k in range(y.size):
        one = np.zeros(y.size, y.dtype)
        one[k] = 1
        rows.append(_grads(y, xs, one.reshape(y.shape), create_graph))
    empty = [np.zeros((0, *x.shape)) for x in xs]
    columns = zip(*rows, strict=True) if rows else [(e,) for e in empty]
    stacked = [stack(column) if rows else Tensor(column[0]) for column in columns]
    return _like(inputs, [s.reshape(y.shape + x.shape) for s, x in zip(stacked, xs, strict=True)])


@enable_grad()
def hessian(f: Function, inputs: Inputs, *, create_graph: bool = False) -> Any:
    """d2 f / d input^2 of a function that gives a single number, of shape (input's, input's).

    For a tuple of inputs: a tuple of tuples, [i][j] = d2 f / d input_i d input_j.
    """

    def gradient(i: int) -> Function:
        return lambda *xs: _grads(_scalar(f(*xs)), xs, None, create_graph=True)[i]

    if not isinstance(inputs, tuple):
        return jacobian(gradient(0), inputs, create_graph=create_graph)
    return tuple(
        jacobian(gradient(i), inputs, create_graph=create_graph) for i in range(len(inputs))
    )


@enable_grad()
def hvp(f: Function, inputs: Inputs, v: Any, *, create_graph: bool = False) -> tuple[Any, Any]:
    """(f(inputs), H v) of a function that gives a single number: two walks, no Hessian."""
    xs = _fresh(inputs, create_graph)
    y = _scalar(_apply(f, xs))
    directions = v if isinstance(inputs, tuple) else (v,)
    _check_directions(xs, directions)
    along = sum(
        (
            (g * d).sum()
            for g, d in zip(_grads(y, xs, None, create_graph=True), directions, strict=True)
        ),
        start=Tensor(0.0),
    )
    return _leave(y, create_graph), _like(inputs, _grads(along, xs, None, create_graph))


def _check_directions(xs: tuple[Tensor, ...], directions: tuple[Any, ...]) -> None:
    if len(xs) != len(directions):
        raise ValueError(f"{len(xs)} inputs need {len(xs)} directions; given {len(directions)}")
    for x, d in zip(xs, directions, strict=True):
        if x.shape != np.shape(d):
            raise ValueError(f"the direction has shape {np.shape(d)}, and its input {x.shape}")


def _fresh(inputs: Inputs, create_graph: bool) -> tuple[Tensor, ...]:
    """New leaves that require grad; under `create_graph` the caller's own, to stay connected."""
    xs = inputs if isinstance(inputs, tuple) else (inputs,)
    if create_graph:
        return tuple(
            x if isinstance(x, Tensor) and x.requires_grad else Tensor(raw(x), requires_grad=True)
            for x in xs
        )
    return tuple(Tensor(raw(x), True, x.name if isinstance(x, Tensor) else None) for x in xs)


def _apply(f: Function, xs: tuple[Tensor, ...]) -> Tensor:
    with enable_grad():
        y = f(*xs)
    if not isinstance(y, Tensor):
        raise TypeError(f"the function gave a {type(y).__name__}: it must return one Tensor")
    return y


def _grads(y: Tensor, xs: tuple[Tensor, ...], v: Any, create_graph: bool) -> tuple[Tensor, ...]:
    """grad(y, xs, v), with zeros for what y does not depend on."""
    zeros = tuple(Tensor(np.zeros(x.shape, x.dtype)) for x in xs)
    if not y.requires_grad:
        return zeros
    found = grad(y, xs, v, create_graph=create_graph, allow_unused=True)
    return tuple(z if g is None else g for g, z in zip(found, zeros, strict=True))


def _scalar(y: Tensor) -> Tensor:
    if y.size != 1:
        raise ValueError(f"second derivatives need a single number, and this has shape {y.shape}")
    return y


def _leave(y: Tensor, create_graph: bool) -> Tensor:
    return y if create_graph else y.detach()


def _like(inputs: Inputs, values: Any) -> Any:
    return tuple(values) if isinstance(inputs, tuple) else next(iter(values))
