"""Functions composed of primitives: nothing here has a gradient rule of its own.

Array functions carry NumPy's names and arguments; losses and layers PyTorch's. Legend: `B` batch,
`V` classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple
from numpy.typing import ArrayLike, DTypeLike

from .arraylike import Array, Axis, function, raw
from .corners import absolute, clipped, equal, maximum, minimum, where, whole_max
from .einsum import contracted
from .ops import (
    broadcast_to,
    exp,
    getitem,
    joined,
    logsumexp,
    multiply,
    part,
    reshape,
    scatter,
    softplus,
    sqrt,
    square,
    stacked,
    transpose,
)
from .ops import sum as sum_over
from .tensor import Tensor

Generator = np.random.Generator


# ---------------------------------------------------------------- statistics
@function
def mean(x: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
    """The average over one, several or all axes."""
    return sum_over(x, axis=axis, keepdims=keepdims) / _count(x, axis)


@function
def var(x: Any, axis: Axis = None, *, ddof: int = 0, keepdims: bool = False) -> Any:
    """The mean squared distance from the mean; `ddof` is subtracted from the count, as in NumPy."""
    distance = square(x - mean(x, axis, keepdims=True))
    n = _count(x, axis) - ddof
    return sum_over(distance, axis=axis, keepdims=keepdims) / (n if n > 0 else 0)


@function
def std(x: Any, axis: Axis = None, *, ddof: int = 0, keepdims: bool = False) -> Any:
    """The square root of `var`; where that is 0, its derivative is 0."""
    variance = var(x, axis, ddof=ddof, keepdims=keepdims)
    flat = equal(variance, 0)
    return where(flat, 0.0, sqrt(where(flat, 1.0, variance)))


def _count(x: Any, axis: Axis) -> int:
    """How many entries a reduction over `axis` puts into one."""
    shape = np.shape(raw(x))
    return int(
        np.prod([shape[k] for k in np.atleast_1d(range(len(shape)) if axis is None else axis)])
    )


# ---------------------------------------------------------------- NumPy's argument order
@function
def clip(x: Any, min: Any = None, max: Any = None) -> Any:
    """x where it lies between the bounds, else the nearer bound; a bound may be a Tensor."""
    if not isinstance(min, Tensor) and not isinstance(max, Tensor):
        return clipped(x, min=min, max=max)
    x = x if min is None else maximum(x, min)
    return x if max is None else minimum(x, max)


@function
def einsum(subscripts: str, *operands: Any) -> Any:
    """Sums of products of entries, by the subscripts: einsum("ij,jk->ik", a, b) is a @ b."""
    if not isinstance(subscripts, str):
        raise TypeError('einsum takes its subscripts as text, as in einsum("ij,jk->ik", a, b)')
    return contracted(*operands, subscripts=subscripts)


# ---------------------------------------------------------------- shapes
@function
def outer(x: Any, y: Any) -> Any:
    """All products x_i y_j, of the flattened inputs: (size of x, size of y)."""
    return multiply(reshape(x, shape=(-1, 1)), reshape(y, shape=(1, -1)))


@function
def swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    """x with two axes exchanged."""
    axes = list(range(np.ndim(raw(x))))
    axis1, axis2 = (normalize_axis_index(axis, np.ndim(raw(x))) for axis in (axis1, axis2))
    axes[axis1], axes[axis2] = axes[axis2], axes[axis1]
    return transpose(x, axes=tuple(axes))


@function
def expand_dims(x: Any, axis: int | tuple[int, ...]) -> Any:
    """x with new axes of size 1 at the given places of the result."""
    return reshape(x, shape=np.expand_dims(np.empty(np.shape(raw(x)), bool), axis).shape)


@function
def squeeze(x: Any, axis: Axis = None) -> Any:
    """x without its axes of size 1 (or the given ones)."""
    return reshape(x, shape=np.squeeze(np.empty(np.shape(raw(x)), bool), axis).shape)


@function
def concatenate(tensors: Sequence[Any], axis: int | None = 0) -> Any:
    """The tensors one after the other along an existing axis (flattened, for axis=None)."""
    if axis is None:
        return joined(*(reshape(x, shape=(-1,)) for x in tensors), axis=0)
    return joined(*tensors, axis=axis)


@function
def stack(tensors: Sequence[Any], axis: int = 0) -> Any:
    """The tensors side by side along a new axis."""
    return stacked(*tensors, axis=axis)


@function
def split(x: Any, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Any]:
    """x cut along an axis into equal parts, or before the given indices, as in NumPy.

    Raises:
        ValueError: if the axis cannot be cut into that many equal parts.

    >>> [part.shape for part in split(np.zeros((2, 6)), 3, axis=1)]
    [(2, 2), (2, 2), (2, 2)]
    """
    shape = np.shape(raw(x))  # raw: NumPy's questions to a Tensor take microseconds
    axis = normalize_axis_index(axis, len(shape))
    n = shape[axis]
    if isinstance(indices_or_sections, (int, np.integer)):
        if indices_or_sections < 1 or n % indices_or_sections:
            raise ValueError(
                f"an axis of {n} entries cannot be split into {indices_or_sections} equal parts:"
                " pass the indices to cut at instead"
            )
        cuts = tuple([k * (n // indices_or_sections) for k in range(indices_or_sections + 1)])
    else:
        cuts = (0, *(slice(0, k).indices(n)[1] for k in indices_or_sections), n)
    return [part(x, start=a, stop=b, axis=axis) for a, b in pairwise(cuts)]


@function
def unbind(x: Any, axis: int = 0) -> list[Any]:
    """The slices of x along an axis, without that axis (PyTorch's unbind)."""
    axis = normalize_axis_index(axis, np.ndim(raw(x)))
    before = (slice(None),) * axis
    return [getitem(x, index=(*before, k)) for k in range(np.shape(raw(x))[axis])]


@function
def flip(x: Any, axis: Axis = None) -> Any:
    """x with the order reversed along one, several or all axes."""
    axes = normalize_axis_tuple(range(np.ndim(raw(x))) if axis is None else axis, np.ndim(raw(x)))
    back = slice(None, None, -1)
    return getitem(
        x, index=tuple(back if k in axes else slice(None) for k in range(np.ndim(raw(x))))
    )


@function
def pad(x: Any, pad_width: Any, mode: str = "constant", *, constant_values: float = 0) -> Any:
    """x with a border of one constant; `pad_width` is n, (before, after), or one pair an axis.

    Raises:
        ValueError: for another mode.
    """
    if mode != "constant":
        raise ValueError(f"pad records mode='constant' only; given {mode!r}: index x instead")
    x = x if isinstance(x, Tensor) else np.asarray(x)
    border = np.pad(np.zeros(x.shape, x.dtype), pad_width, constant_values=constant_values)
    pairs = np.broadcast_to(pad_width, (np.ndim(raw(x)), 2))
    inside = tuple(
        slice(int(a), int(a) + n) for (a, _), n in zip(pairs, np.shape(raw(x)), strict=True)
    )
    padded = scatter(x, items=(inside,), shape=border.shape)
    return padded + border if constant_values else padded


@function
def take(x: Any, indices: ArrayLike, axis: int | None = None) -> Any:
    """The entries (or, with an axis, the slices) at the given indices."""
    index = np.array(raw(indices))
    index = index.astype(np.intp, casting="same_kind" if index.size else "unsafe")  # [] is float
    if axis is None:
        return getitem(reshape(x, shape=(-1,)), index=index)
    before = (slice(None),) * normalize_axis_index(axis, np.ndim(raw(x)))
    return getitem(x, index=(*before, index))


@function
def repeat(x: Any, repeats: Any, axis: int | None = None) -> Any:
    """Every entry along an axis `repeats` times in a row (flattened, without an axis)."""
    n = np.shape(raw(x))[axis] if axis is not None else int(np.prod(np.shape(raw(x))))
    return take(x, np.repeat(np.arange(n), repeats), axis)


@function
def tile(x: Any, reps: int | Sequence[int]) -> Any:
    """x laid side by side `reps` times along each axis."""
    reps = tuple(np.atleast_1d(reps).tolist())
    shape = (1,) * (len(reps) - np.ndim(raw(x))) + tuple(np.shape(raw(x)))
    reps = (1,) * (len(shape) - len(reps)) + reps
    apart = reshape(x, shape=tuple(n for size in shape for n in (1, size)))
    copies = broadcast_to(
        apart, shape=tuple(n for pair in zip(reps, shape, strict=True) for n in pair)
    )
    return reshape(copies, shape=tuple(r * n for r, n in zip(reps, shape, strict=True)))


# ---------------------------------------------------------------- layers as functions
def linear(x: Any, weight: Any, bias: Any = None) -> Any:
    """x W^T + b: (..., D) with W (H, D) and b (H,) gives (..., H)."""
    product = x @ weight.T
    return product if bias is None else product + bias


def embedding(indices: ArrayLike, weight: Any) -> Any:
    """The rows of `weight` (V, E) that integer `indices` of any shape name: (..., E).

    Raises:
        TypeError: for indices that are not integers.
        IndexError: for an index outside 0 ... V-1.
    """
    index = _integers(indices, "embedding")
    if index.size and not (index.min() >= 0 and index.max() < weight.shape[0]):
        raise IndexError(
            f"embedding has {weight.shape[0]} rows, 0 ... {weight.shape[0] - 1}; the indices run"
            f" from {index.min()} to {index.max()}"
        )
    return getitem(weight, index=index)


def one_hot(indices: ArrayLike, num_classes: int, *, dtype: DTypeLike = float) -> Array:
    """A plain array (..., num_classes) with a one at every index and zeros elsewhere."""
    index = _integers(indices, "one_hot")
    if index.size and not (index.min() >= 0 and index.max() < num_classes):
        raise IndexError(
            f"one_hot has {num_classes} classes; indices run from {index.min()} to {index.max()}"
        )
    return np.eye(num_classes, dtype=dtype)[index]


def _integers(indices: ArrayLike, what: str) -> Array:
    index = np.array(raw(indices))  # a copy: nobody else can change it
    if not index.size:
        index = index.astype(int)
    if index.dtype.kind not in "iu":
        raise TypeError(f"{what} takes integers, and these are {index.dtype}: give class numbers")
    return index


def dropout(x: Any, p: float = 0.5, training: bool = True, *, rng: int | Generator) -> Any:
    """Zero each entry with probability p and divide the rest by 1 - p (Srivastava et al. 2014).

    Args:
        rng: a seed or a Generator: there is no hidden random state.
    """
    if not 0 <= p <= 1:
        raise ValueError(f"dropout takes a probability 0 <= p <= 1, and this is {p}")
    if not training or p == 0:
        return x
    x = x if isinstance(x, Tensor) else np.asarray(x)
    keep = np.random.default_rng(rng).random(x.shape) >= p
    return x * (keep / (1 - p if p < 1 else 1)).astype(np.result_type(x.dtype, np.float16))


# ---------------------------------------------------------------- softmax and losses
def log_softmax(x: Any, axis: int = -1) -> Any:
    """log(exp(x) / sum(exp(x))) along an axis, without overflow.

    About the largest score is taken off first, as a constant: the result does not depend on it.
    """
    x = x if isinstance(x, Tensor) else np.asarray(x)
    x = x * 1.0 if x.dtype.kind in "biu" else x
    below = x - whole_max(x, axis=axis)
    return below - logsumexp(below, axis=axis, keepdims=True)


def softmax(x: Any, axis: int = -1) -> Any:
    """exp(x) / sum(exp(x)) along an axis."""
    return exp(log_softmax(x, axis))


def cross_entropy(
    logits: Any,
    target: Any,
    *,
    ignore_index: int | None = -100,
    reduction: str = "mean",
    axis: int = -1,
) -> Any:
    """-log softmax(logits)[target], in nats.

    Args:
        logits: (..., V) scores, with the classes along `axis` (PyTorch: axis 1).
        target: integers, of logits' shape without that axis; or probabilities, of logits' shape.
        ignore_index: positions with this integer target count for nothing.
        reduction: "mean" over the positions that count, "sum", or "none".

    Raises:
        ValueError: for shapes that do not match, an unknown reduction, or nothing left to average.
        IndexError: for a class outside 0 ... V-1.

    >>> float(cross_entropy(Tensor([[0.0, 0.0]]), [1]).data)  # log 2
    0.6931471805599453
    """
    if np.ndim(raw(logits)) == 0:
        raise ValueError("logits have at least one axis, that of the classes; this is one number")
    if np.ndim(raw(logits)) == 1:  # one position: a batch of one
        rows = (
            reshape(target, shape=(1, -1))
            if np.ndim(raw(target))
            else np.asarray(raw(target))[None]
        )
        batch = (reshape(logits, shape=(1, -1)), rows)
        losses = cross_entropy(*batch, ignore_index=ignore_index, reduction=reduction)
        return reshape(losses, shape=()) if reduction == "none" else losses
    scores = log_softmax(logits, axis)
    shape, V = np.shape(raw(logits)), np.shape(raw(logits))[axis]
    positions = shape[: axis % len(shape)] + shape[axis % len(shape) + 1 :]
    if np.asarray(raw(target)).dtype.kind in "fc":
        if np.shape(raw(target)) != shape:
            raise ValueError(
                f"probabilities as targets have the logits' shape {shape};"
                f" these {np.shape(raw(target))}"
            )
        return _reduce(-sum_over(scores * target, axis=axis), reduction)
    classes = _integers(target, "cross_entropy")
    if classes.shape != positions:
        raise ValueError(
            f"logits of shape {shape} need integer targets of shape {positions} (the classes are"
            f" along axis {axis}), and these have shape {classes.shape}"
        )
    counted = np.full(positions, True) if ignore_index is None else classes != ignore_index
    chosen = classes[counted]
    if chosen.size and not (chosen.min() >= 0 and chosen.max() < V):
        raise IndexError(
            f"cross_entropy has {V} classes; the targets run from {chosen.min()} to {chosen.max()}"
        )
    index: list[Any] = list(np.nonzero(counted))
    index.insert(axis % len(shape), chosen)
    losses = -getitem(scores, index=tuple(index))
    if reduction == "none":
        return scatter(losses, items=(counted,), shape=positions)
    return _reduce(losses, reduction)


def binary_cross_entropy_with_logits(logits: Any, target: Any, *, reduction: str = "mean") -> Any:
    """-(t log s + (1-t) log(1-s)) with s = sigmoid(logits), in nats, without overflow."""
    target = _comparable(logits, target, "logits")
    losses = target * softplus(-logits) + (1 - target) * softplus(logits)  # no digits cancel
    return _reduce(losses, reduction)


def mse_loss(output: Any, target: Any, *, reduction: str = "mean") -> Any:
    """(output - target)^2."""
    target = _comparable(output, target, "the output")
    return _reduce(square(output - target), reduction)


def l1_loss(output: Any, target: Any, *, reduction: str = "mean") -> Any:
    """|output - target|."""
    target = _comparable(output, target, "the output")
    return _reduce(absolute(output - target), reduction)


def _comparable(output: Any, target: Any, what: str) -> Any:
    """The target, whole numbers in the output's precision; refused if its shape differs."""
    if np.shape(raw(output)) != np.shape(raw(target)):
        raise ValueError(
            f"{what} has shape {np.shape(raw(output))} and the target"
            f" {np.shape(raw(target))}: they would broadcast and compare"
            " the wrong pairs; reshape one of them"
        )
    whole = np.asarray(raw(target)).dtype.kind in "biu"
    return np.asarray(raw(target)).astype(np.asarray(raw(output)).dtype) if whole else target


def _reduce(losses: Any, reduction: str) -> Any:
    if reduction == "none":
        return losses
    if reduction == "sum":
        return sum_over(losses)
    if reduction != "mean":
        raise ValueError(f'reduction is "mean", "sum" or "none"; given {reduction!r}')
    if not np.size(raw(losses)):
        raise ValueError("nothing to average: every target is ignored, or the batch is empty")
    return mean(losses)
