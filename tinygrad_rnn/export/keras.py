"""Keras' recurrent weights and ours are the same numbers in another layout.

| | Keras | here (PyTorch) |
|---|---|---|
| products | kernel (D, gates H), recurrent_kernel | weight_ih (gates H, D), weight_hh |
| LSTM gates | i, f, c, o | i, f, g, o: the same |
| GRU gates | z, r, h | r, z, n |
| biases | one; GRU with reset_after: two, (2, 3H) | bias="single", or bias_ih, bias_hh |

A layer with `bias="single"` takes Keras' one bias as it is; for one with `bias=True` say so, and it
goes into bias_ih, and bias_hh is 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..arraylike import Array

# The place of each of our blocks of H rows in Keras' order.
ORDER = {"rnn": [0], "lstm": [0, 1, 2, 3], "gru": [1, 0, 2]}


def from_keras(
    kind: str, weights: Sequence[Array], suffix: str = "_l0", *, bias: bool | str = "single"
) -> dict[str, Array]:
    """`layer.get_weights()` of a Keras SimpleRNN, LSTM or GRU as a state dict of one layer.

    Args:
        kind: "rnn", "lstm" or "gru".
        weights: kernel, recurrent_kernel and, where the layer has one, bias.
        suffix: of the names: "_l0", "_l1_reverse", or "" for a cell.
        bias: of the layer that takes them: True if it has bias_hh as well. (Two biases, of a GRU
            with reset_after, stay two.)

    Raises:
        ValueError: for a kind or shapes that do not fit.
    """
    arrays = [np.asarray(w) for w in weights]
    if len(arrays) not in (2, 3):
        raise ValueError(
            f"a Keras {kind} has two or three arrays, kernel, recurrent_kernel and perhaps bias;"
            f" given {len(arrays)}"
        )
    _check(kind, *arrays)
    state = {"weight_ih": arrays[0].T, "weight_hh": arrays[1].T}
    if len(arrays) == 3:
        rows = list(np.atleast_2d(arrays[2]))
        rows += [np.zeros_like(rows[0])] * (bias is True and len(rows) == 1)
        state |= dict(zip(("bias_ih", "bias_hh"), rows))
    return {name + suffix: _reordered(w, ORDER[kind]) for name, w in state.items()}


def to_keras(
    kind: str, state: Mapping[str, Array], suffix: str = "_l0", *, reset_after: bool = True
) -> list[Array]:
    """The arrays for Keras' `layer.set_weights(...)`, from a state dict of one layer.

    Two biases become one, their sum; but a GRU with `reset_after` (Keras' default, and ours) has
    two in Keras, (2, 3H), and where we have one the second is 0.

    Raises:
        ValueError: for a kind or shapes that do not fit, missing weights, or ones that Keras has
            not (peepholes, projections).
    """
    ours = {name: np.asarray(w) for name, w in state.items()}
    for name in ("weight_ih", "weight_hh"):
        if name + suffix not in ours:
            raise ValueError(f"the state dict has no {name + suffix!r}: it has {sorted(ours)}")
    for name in ("weight_ch", "weight_hr"):
        if name + suffix in ours:
            raise ValueError(f"the state dict has {name + suffix!r}, which Keras' {kind} has not")
    weights = [ours["weight_ih" + suffix].T, ours["weight_hh" + suffix].T]
    _check(kind, *weights)
    biases = [ours[name + suffix] for name in ("bias_ih", "bias_hh") if name + suffix in ours]
    order = [ORDER[kind].index(k) for k in range(len(ORDER[kind]))]
    keras = [_reordered(w.T, order).T.copy() for w in weights]
    if biases and kind == "gru" and reset_after:
        biases += [np.zeros_like(biases[0])] * (len(biases) == 1)
        keras.append(np.stack([_reordered(b, order) for b in biases]))
    elif biases:
        keras.append(_reordered(np.sum(biases, axis=0), order))
    return keras


def _reordered(w: Array, order: list[int]) -> Array:
    """The blocks of H rows in another order."""
    blocks = np.split(w, len(order))
    return np.concatenate([blocks[k] for k in order])


def _check(kind: str, kernel: Array, recurrent: Array, bias: Array | None = None) -> None:
    if kind not in ORDER:
        raise ValueError(f"kind is one of {', '.join(ORDER)}; given {kind!r}")
    H, gates = recurrent.shape[0] if recurrent.ndim else 0, len(ORDER[kind])
    if recurrent.shape != (H, gates * H) or kernel.ndim != 2 or kernel.shape[1] != gates * H:
        raise ValueError(
            f"a Keras {kind} has kernel (D, {gates}H) and recurrent_kernel (H, {gates}H); given"
            f" {kernel.shape} and {recurrent.shape}"
        )
    shapes = [(gates * H,)] + [(2, gates * H)] * (kind == "gru")
    if bias is not None and bias.shape not in shapes:
        raise ValueError(f"the bias of this {kind} has shape {shapes[-1]}; given {bias.shape}")
