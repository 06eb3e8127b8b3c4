"""Back-propagation through time derived by hand, for one layer in one direction: the truth.

Nothing here knows tinygrad_rnn. `forward` is holomorphic (also in the imaginary direction), so the
complex step checks `backward`, which is the chain rule written out: for each step, newest first,
the gradient of the pre-activations, from which everything else follows.

Legend: B batch, T time, D input width, H hidden width; `a` pre-activations from the input and `b`
from the state; d_ of anything is dL/d(it). Gates in PyTorch's order: i, f, g, o and r, z, n.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

KINDS = ("tanh", "relu", "lstm", "gru")
BLOCKS = {"tanh": 1, "relu": 1, "lstm": 4, "gru": 3}


@dataclass
class Weights:
    """w_ih (blocks H, D), w_hh (blocks H, H), b_ih and b_hh (blocks H,)."""

    w_ih: np.ndarray
    w_hh: np.ndarray
    b_ih: np.ndarray
    b_hh: np.ndarray


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def forward(kind, x, states, weights):
    """(hs, final states, what backward needs) of x (T, B, D) and states h0 (, c0) of (B, H)."""
    h = states[0]
    c = states[1] if kind == "lstm" else None
    hs, tape = [], []
    for x_t in x:
        a = x_t @ weights.w_ih.T + weights.b_ih
        b = h @ weights.w_hh.T + weights.b_hh
        if kind in ("tanh", "relu"):
            s = a + b
            new = np.tanh(s) if kind == "tanh" else s * (s.real > 0)
            tape.append((h, s, new))
        elif kind == "lstm":
            i, f, g, o = np.split(a + b, 4, axis=-1)
            i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
            c_before, c = c, f * c + i * g
            new = o * np.tanh(c)
            tape.append((h, c_before, i, f, g, o, c))
        else:
            (a_r, a_z, a_n), (b_r, b_z, b_n) = np.split(a, 3, axis=-1), np.split(b, 3, axis=-1)
            r, z = sigmoid(a_r + b_r), sigmoid(a_z + b_z)
            n = np.tanh(a_n + r * b_n)
            new = (1 - z) * n + z * h
            tape.append((h, r, z, n, b_n))
        h = new
        hs.append(h)
    return np.stack(hs), (h, c) if kind == "lstm" else (h,), tape


def backward(kind, x, weights, tape, d_hs, d_final):
    """(d_x, d_states, d_weights) from dL/d(hs) (T, B, H) and dL/d(final states)."""
    d_h = d_final[0]
    d_c = d_final[1] if kind == "lstm" else None
    d_x = np.zeros_like(x)
    d = Weights(*(np.zeros_like(w) for w in vars(weights).values()))
    for t in reversed(range(len(x))):
        d_h = d_h + d_hs[t]
        h = tape[t][0]  # the state before this step
        if kind in ("tanh", "relu"):
            _, s, new = tape[t]
            d_a = d_b = d_h * (1 - new**2) if kind == "tanh" else d_h * (s > 0)
            d_direct = 0
        elif kind == "lstm":
            _, c_before, i, f, g, o, c = tape[t]
            d_c = d_c + d_h * o * (1 - np.tanh(c) ** 2)
            d_i = d_c * g * i * (1 - i)
            d_f = d_c * c_before * f * (1 - f)
            d_g = d_c * i * (1 - g**2)
            d_o = d_h * np.tanh(c) * o * (1 - o)
            d_a = d_b = np.concatenate([d_i, d_f, d_g, d_o], axis=-1)
            d_c = d_c * f
            d_direct = 0
        else:
            _, r, z, n, b_n = tape[t]
            d_n = d_h * (1 - z) * (1 - n**2)
            d_z = d_h * (h - n) * z * (1 - z)
            d_r = d_n * b_n * r * (1 - r)
            d_a = np.concatenate([d_r, d_z, d_n], axis=-1)
            d_b = np.concatenate([d_r, d_z, d_n * r], axis=-1)
            d_direct = d_h * z  # h' = ... + z h
        d_x[t] = d_a @ weights.w_ih
        d_h = d_b @ weights.w_hh + d_direct
        d.w_ih += d_a.T @ x[t]
        d.w_hh += d_b.T @ h
        d.b_ih += d_a.sum(axis=0)
        d.b_hh += d_b.sum(axis=0)
    return d_x, (d_h, d_c) if kind == "lstm" else (d_h,), d
