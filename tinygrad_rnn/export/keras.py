"""Keras' recurrent weights and ours are the same numbers in another layout.

| | Keras | here (PyTorch) |
|---|---|---|
| products | kernel (D, gates H), recurrent_kernel | weight_ih (gates H, D), weight_hh |
| LSTM gates | i, f, c, o | i, f, g, o: the same |
| GRU gates | z, r, h | r, z, n |
| biases | one; GRU with reset_after: two, (2, 3H) | bias="single", or bias_ih, bias_hh |

A model with `bias="single"` takes Keras' one bias; with `bias=True` it goes into bias_ih, and
bias_hh becomes 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..arraylike import Array

# The place of each of our blocks of H rows in Keras' order.
ORDER = {"rnn": [0], "lstm": [0, 1, 2, 3], "gru": [1, 0, 2]}


def from_keras(kind: str, weights: Sequence[Array], suffix: str = "_l0") -> dict[str, Array]:
    """`layer.get_weights()` of a Keras SimpleRNN, LSTM or GRU as a state dict of one layer.

    Args:
        kind: "rnn", "lstm" or "gru".
        weights: kernel, recurrent_kernel and, where the layer has one, bias.
        suffix: of the names: "_l0", "_l1_reverse", or "" for a cell.

    Raises:
        ValueError: for a kind or shapes that do not fit.
    """
    kernel, recurrent, *bias = (np.asarray(w) for w in weights)
    _check(kind, kernel, recurrent)
    state = {"weight_ih": kernel.T, "weight_hh": recurrent.T}
    if bias:
        rows = bias[0].reshape(-1, kernel.shape[1])
        state |= dict(zip(("bias_ih", "bias_hh"), rows, strict=False))
    return {name + suffix: _reordered(w, ORDER[kind]) for name, w in state.items()}


def to_keras(kind: str, state: Mapping[str, Array], suffix: str = "_l0") -> list[Array]:
    """The arrays for Keras' `layer.set_weights(...)`, from a state dict of one layer.

    Two biases become one, their sum, except for a GRU, whose second is Keras' (2, 3H).
    """
    order = [ORDER[kind].index(k) for k in range(len(ORDER[kind]))]
    ours = {
        name: _reordered(np.asarray(state[name + suffix]), order)
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        if name + suffix in state
    }
    _check(kind, ours["weight_ih"].T, ours["weight_hh"].T)
    weights = [ours["weight_ih"].T.copy(), ours["weight_hh"].T.copy()]
    biases = [ours[name] for name in ("bias_ih", "bias_hh") if name in ours]
    if biases:
        two = kind == "gru" and len(biases) == 2
        weights.append(np.stack(biases) if two else np.sum(biases, axis=0))
    return weights


def _reordered(w: Array, order: list[int]) -> Array:
    """The blocks of H rows in another order."""
    blocks = np.split(w, len(order))
    return np.concatenate([blocks[k] for k in order])


def _check(kind: str, kernel: Array, recurrent: Array) -> None:
    if kind not in ORDER:
        raise ValueError(f"kind is one of {', '.join(ORDER)}; given {kind!r}")
    H = recurrent.shape[0]
    if recurrent.shape != (H, len(ORDER[kind]) * H) or kernel.shape[1] != recurrent.shape[1]:
        raise ValueError(
            f"a Keras {kind} has kernel (D, {len(ORDER[kind])}H) and recurrent_kernel"
            f" (H, {len(ORDER[kind])}H); given {kernel.shape} and {recurrent.shape}"
        )
