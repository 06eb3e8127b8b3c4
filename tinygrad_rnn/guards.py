"""What recording and walking refuse, and in which words.

A wrong gradient in silence is the worst that can happen here. These checks stand beside the engine
and not in it, so that the engine can be read without them.

Read next: `tensor.py`, which they guard.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

import numpy as np

from .arraylike import Array, Arraylike, raw

_NUMBERS = "biufc"


# ---------------------------------------------------------------- what a Tensor holds
def demand_numbers(array: Array) -> None:
    """Raise for words and objects."""
    if array.dtype.kind not in _NUMBERS:
        raise TypeError(
            f"a Tensor holds numbers; this is an array of dtype {array.dtype}. Convert it first"
            " (words: see tinygrad_rnn.data; tensors: tg.stack or tg.concatenate)"
        )


def demand_like(array: Array, x: Any) -> None:
    """Raise if new data are of another shape, or of a kind that x cannot hold."""
    if array.shape != x.shape:
        raise ValueError(
            f"{x.label} has shape {x.shape}, and its new data {array.shape}:"
            " give data of the same shape, or make a new Tensor"
        )
    whole = x._requires_grad and array.dtype.kind not in "fc"
    if whole or not np.can_cast(array.dtype, x.dtype, "same_kind"):
        raise TypeError(
            f"the data of {x.label} are {x.dtype} and cannot become {array.dtype}: convert them"
            " with .astype, or make a new Tensor"
        )


def demand_switchable(x: Any, value: bool) -> None:
    """Raise if `requires_grad` of x cannot become `value`."""
    if value and x.dtype.kind not in "fc":
        raise TypeError(
            f"requires_grad needs floating data, and this is {x.dtype}: only functions of"
            " real numbers have derivatives. Write 1.0 for 1, or pass dtype=float"
        )
    if not value and x.node is not None and x._requires_grad:
        raise ValueError(f"{x.label} is a result: cut it off with .detach() instead")


# ---------------------------------------------------------------- operands
def is_plain(x: Any) -> bool:
    """Whether an operand that is no Tensor is a number or an array of numbers."""
    if isinstance(x, np.ma.MaskedArray):
        raise TypeError("a masked array would lose its mask: use .filled(value), and tg.where")
    if isinstance(x, (np.ndarray, np.generic)):
        return x.dtype.kind in _NUMBERS
    return isinstance(x, (int, float, complex))


def plain_operand(x: Any) -> Any:
    """A list or tuple as an array; what is no number at all is refused."""
    if isinstance(x, Arraylike) or is_plain(x):
        return x
    array = np.asarray(x)
    if not is_plain(array):
        raise TypeError(f"an operand is an array or a number; given {type(x).__name__}: {x!r:.60}")
    return array


def demand_rules(name: str, rules: Sequence[Any], inputs: Sequence[Any]) -> None:
    """Raise if an operand that requires grad has no gradient rule."""
    for i, x in enumerate(inputs):
        missing = i >= len(rules) or rules[i] is None
        if missing and isinstance(x, Arraylike) and x._requires_grad:
            raise TypeError(
                f"{name} has no gradient rule for input {i}, and {x.label} requires grad:"
                f" declare it with {name}.gradients(...), or pass the input detached"
            )


def has_gradient(data: Array, op: Any, inputs: Sequence[Any]) -> bool:
    """Whether gradients go through this result: not if it is whole numbers or piecewise constant.

    Raise if it is no numbers, or if a rule that is needed is missing.
    """
    if data.dtype.kind not in _NUMBERS:
        raise TypeError(f"{op.name} gave an array of {data.dtype}, not of numbers")
    if data.dtype.kind not in "fc":
        return False
    if op.rules or not (op.constant or op.each or op.backward):
        demand_rules(op.name, op.rules, inputs)
    return not op.constant


def one_for_each(inputs: Sequence[Any], grads: Any, op: Any) -> Sequence[Any]:
    """What a hand-written backward returned, as a sequence; raise if one is missing."""
    found = grads if isinstance(grads, (tuple, list)) else (grads,)
    if len(found) != len(inputs):
        raise ValueError(
            f"the backward of {op.name} returned {len(found)} gradients for {len(inputs)} inputs:"
            " return one for each"
        )
    return found


def numbered(inputs: Sequence[Any]) -> dict[str, Any]:
    return {f"input {i}": x for i, x in enumerate(inputs)}


# ---------------------------------------------------------------- gradients
def seed_of(output: Any, grad: Any) -> Any:
    """dL/d(output) to start from: `grad`, or 1 for a single number."""
    if not isinstance(output, Arraylike):
        raise TypeError(f"a gradient starts at a Tensor; this is a {type(output).__name__}")
    if not output._requires_grad:
        raise RuntimeError(
            f"{output.label} needs no gradient: nothing that it was made of has"
            " requires_grad=True, or it was made inside no_grad() or detached"
        )
    if grad is None:
        if output.size != 1:
            raise RuntimeError(
                f"{output.label} has {output.size} entries: sum it to a single number first, or"
                " pass the gradient that arrives at it, an array of its shape"
            )
        return np.ones(output.shape, output.dtype)
    seed = grad if isinstance(grad, Arraylike) else np.asarray(grad)
    if seed.shape != output.shape:
        raise ValueError(
            f"the gradient passed in has shape {seed.shape}, and {output.label} has shape"
            f" {output.shape}: dL/d(output) has the output's shape"
        )
    if seed.dtype != output.dtype and seed.dtype.kind != "c":
        seed = seed.astype(output.dtype)
    return seed


def refuse_shape(given: str, x: Any, node: Any, i: int) -> None:
    """Raise for a contribution that no broadcasting could have made of x's shape."""
    raise ValueError(
        f"the gradient rule of {node.op.name} for input {i} returned {given}, and {x.label} has"
        f" shape {x.shape}: return numbers of that shape, or of one that it broadcasts to"
    )


# ---------------------------------------------------------------- nan and infinity: detect_anomaly
def demand_finite(data: Any, what: str, node: Any, operands: Mapping[str, Any]) -> None:
    """Raise if there is a nan or infinity, naming the operation, its place and its operands."""
    bad = data.size - np.count_nonzero(np.isfinite(data))
    if bad:
        place = " / ".join(map(str, node.scope)) or "the outermost scope"
        ranges = [
            f"{name}: {np.min(x):.3g} to {np.max(x):.3g}"
            for name, x in operands.items()
            if np.size(x) and np.asarray(x).dtype.kind in "fiu"
        ]
        raise FloatingPointError(
            f"{what} in {place} has {bad} of {data.size} entries that are not finite"
            f" ({'; '.join(ranges)})"
        )


def demand_finite_gradient(c: Any, node: Any, i: int, g: Any) -> None:
    """The same for what a rule gave for input i."""
    what = f"the gradient of {node.op.name} for input {i}"
    demand_finite(np.asarray(raw(c)), what, node, {"g": raw(g)} | numbered(node.values))


# ---------------------------------------------------------------- arrays that changed
def fingerprints(out: Array, inputs: Sequence[Any], attrs: Mapping[str, Any]) -> tuple[int, ...]:
    """A number for the content of each array: equal content, equal number."""
    given = [part for value in attrs.values() for part in _parts(value)]
    return tuple(hash(np.asarray(x).tobytes()) for x in (out, *inputs, *given))


def _parts(value: Any) -> list[Array]:
    """The arrays in a piece of metadata, such as an index."""
    if isinstance(value, (tuple, list)):
        return [part for item in value for part in _parts(item)]
    return [value] if isinstance(value, np.ndarray) else []


class Writes:
    """The arrays that `x.data -= 1` wrote into: results that are views of them changed, too."""

    def __init__(self) -> None:
        self.last = 0  # the tick of the latest
        self._known: dict[int, tuple[weakref.ref[Array], int, str]] = {}

    def note(self, x: Any) -> None:
        """Called when the array of x was written into; forgotten when nobody holds the array."""
        key, self.last = id(x._array), x.changed
        gone = weakref.ref(x._array, lambda _: self._known.pop(key, None))
        self._known[key] = gone, x.changed, x.label

    def into(self, array: Any, index: float) -> str:
        """The tensor whose memory this is, if it was written into after that tick; else ""."""
        for written, tick, label in list(self._known.values()):
            if tick > index and np.may_share_memory(written(), array):
                return label
        return ""


writes = Writes()


def refuse_changed(out: Any, node: Any) -> None:
    """Raise if an array was replaced after this node recorded it: its gradient would be wrong."""
    for x in (out, *node.inputs):
        if isinstance(x, Arraylike) and x.changed > node.index:
            raise RuntimeError(
                f"{x.label} was changed in place after {node.op.name} had recorded it, so this"
                " gradient would be wrong: run the forward pass again, or call backward() first"
            )
    for x, array in zip((out, *node.inputs), (out._array, *node.values), strict=True):
        if isinstance(array, np.ndarray) and (label := writes.into(array, node.index)):
            what = x.label if isinstance(x, Arraylike) else "a plain array"
            raise RuntimeError(
                f"{what} shares the memory of {label}, which was changed in place after"
                f" {node.op.name} had recorded it, so this gradient would be wrong: run the forward"
                " pass again, or call backward() first"
            )
    if node.fingerprints is not None:
        now = fingerprints(out._array, [raw(x) for x in node.inputs], node.attrs)
        for x, before, after in zip_longest((out, *node.inputs), node.fingerprints, now):
            if before != after:
                what = x.label if isinstance(x, Arraylike) else "a plain array"
                raise RuntimeError(
                    f"{what} was written into after {node.op.name} had recorded it: copy the array"
                    " before writing, or write before the forward pass"
                )
