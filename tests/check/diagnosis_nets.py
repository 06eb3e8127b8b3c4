"""Forwards and backwards of recurrent nets by hand, with the mistakes that the diagnosis names.

Each backward takes `mistake=`; "" is right. Rows are examples: x (T, B, D), h (B, H).
"""

from __future__ import annotations

from functools import partial

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def normal(*shapes, seed=0, scale=0.7):
    rng = np.random.default_rng(seed)
    return [scale * rng.normal(size=shape) for shape in shapes]


def pair(forward, backward, mistake):
    return forward, partial(backward, mistake=mistake)


# ---------------------------------------------------------------- a plain RNN
def rnn(x, h, W, U):
    states = []
    for x_t in x:
        h = np.tanh(x_t @ W + h @ U)
        states.append(h)
    return np.stack(states)


def rnn_backward(g, x, h0, W, U, mistake=""):
    h = [h0, *rnn(x, h0, W, U)]
    dx, dW, dU, dh = np.zeros_like(x), np.zeros_like(W), np.zeros_like(U), np.zeros_like(h0)
    T = len(x)
    for t in range(T) if mistake == "forward" else reversed(range(T)):
        if mistake == "stopped" and t < T - 3:
            break
        if mistake == "band" and t < T - 1:
            dh = carried_over_two(g, h, U, t)
        total = g[t] + (2 * dh if mistake == "doubled" else 0 * dh if mistake == "identity" else dh)
        if mistake == "added late":
            total = g[t]
        if mistake == "last three" and t < T - 3:
            total = 0 * total
        dz = total * (1 - h[t + 1] ** 2)
        if mistake == "added late":
            dz = dz + dh
        if mistake == "new state":
            dz = total * (1 - np.tanh(x[t] @ W + h[t + 1] @ U) ** 2)
        dx[t] = dz @ W.T
        dW += x[t].T @ dz
        used = h[t + 1] if mistake in ("h_t", "new state") else h[t]
        dU = used.T @ dz if mistake == "column" else dU + used.T @ dz
        more = {"total added up": total, "carried added up": dh}.get(mistake, 0)
        dh = dz @ U.T + more
    return dx, dh, dW, dU


def carried_over_two(g, h, U, t):
    """What arrives at h_t from the loss of the next step alone."""
    return (g[t + 1] * (1 - h[t + 2] ** 2)) @ U.T


RNN_SHAPES = [(6, 2, 3), (2, 4), (3, 4), (4, 4)]


# ---------------------------------------------------------------- two layers
def two_layers(x, W1, U1, W2, U2):
    h1 = h2 = np.full((x.shape[1], U1.shape[0]), 0.3)
    states = []
    for x_t in x:
        h1 = np.tanh(x_t @ W1 + h1 @ U1)
        h2 = np.tanh(h1 @ W2 + h2 @ U2)
        states.append(h2)
    return np.stack(states)


def two_layers_backward(g, x, W1, U1, W2, U2, mistake=""):
    start = np.full((x.shape[1], U1.shape[0]), 0.3)
    h1, h2 = [start], [start]
    for x_t in x:
        h1.append(np.tanh(x_t @ W1 + h1[-1] @ U1))
        h2.append(np.tanh(h1[-1] @ W2 + h2[-1] @ U2))
    dx, grads = np.zeros_like(x), [np.zeros_like(w) for w in (W1, U1, W2, U2)]
    dh1 = dh2 = 0 * start
    for t in reversed(range(len(x))):
        dz2 = (g[t] + dh2) * (1 - h2[t + 1] ** 2)
        dz1 = (dz2 @ W2.T + dh1) * (1 - h1[t + 1] ** 2)
        dx[t] = dz1 @ W1.T
        terms = x[t].T @ dz1, h1[t].T @ dz1, h1[t + 1].T @ dz2, h2[t].T @ dz2
        grads = [a + b for a, b in zip(grads, terms, strict=True)]
        if mistake == "column":
            grads[3] = terms[3]
        dh1, dh2 = dz1 @ U1.T, dz2 @ U2.T
        if mistake == "doubled":
            dh2 = 2 * dh2
    return dx, *grads


TWO_SHAPES = [(6, 2, 3), (3, 4), (4, 4), (4, 4), (4, 4)]


# ---------------------------------------------------------------- LSTM
def lstm(x, h, c, W, U):
    states = []
    for x_t in x:
        h, c = lstm_step(x_t, h, c, W, U)[:2]
        states.append(h)
    return np.stack(states)


def lstm_step(x_t, h, c, W, U):
    i, f, g, o = np.split(x_t @ W + h @ U, 4, axis=-1)
    i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
    c = f * c + i * g
    return o * np.tanh(c), c, i, f, g, o


def lstm_backward(gs, x, h0, c0, W, U, mistake=""):
    kept, h, c = [], h0, c0
    for x_t in x:
        step = lstm_step(x_t, h, c, W, U)
        kept.append((x_t, h, c, *step))
        h, c = step[:2]
    dx, dW, dU = np.zeros_like(x), np.zeros_like(W), np.zeros_like(U)
    dh, dc = np.zeros_like(h0), np.zeros_like(c0)
    for t in reversed(range(len(x))):
        x_t, h, c, _, new, i, f, g, o = kept[t]
        dh = gs[t] + (0 if mistake == "h is not carried" else dh)
        slope = 1 - np.tanh(np.tanh(new) if mistake == "tanh of tanh" else new) ** 2
        dc = dc + dh * o * slope
        if mistake == "path":
            dc = dc - dh * o * slope
        gates = dc * g * i * (1 - i), dc * c * f * (1 - f), dc * i * (1 - g * g)
        blocks = [*gates, dh * np.tanh(new) * o * (1 - o)]
        if mistake == "blocks":
            blocks = [blocks[0], blocks[1], blocks[3], blocks[2]]
        dz = np.concatenate(blocks, axis=-1)
        dx[t], dW = dz @ W.T, dW + x_t.T @ dz
        dU = h.T @ dz if mistake == "column" else dU + h.T @ dz
        more = dc if mistake == "c added up" else 0
        dh, dc = dz @ U.T, dc * (1 if mistake == "c without f" else f) + more
    return dx, dh, dc, dW, dU


LSTM_SHAPES = [(5, 2, 3), (2, 4), (2, 4), (3, 16), (4, 16)]


# ---------------------------------------------------------------- GRU
def gru(x, h, W, U):
    states = []
    for x_t in x:
        h = gru_step(x_t, h, W, U)[0]
        states.append(h)
    return np.stack(states)


def gru_step(x_t, h, W, U):
    a, b = x_t @ W, h @ U
    H = h.shape[1]
    r, u = sigmoid(a[:, :H] + b[:, :H]), sigmoid(a[:, H : 2 * H] + b[:, H : 2 * H])
    n = np.tanh(a[:, 2 * H :] + r * b[:, 2 * H :])
    return (1 - u) * n + u * h, r, u, n, b[:, 2 * H :]


def gru_backward(gs, x, h0, W, U, mistake=""):
    kept, h = [], h0
    for x_t in x:
        step = gru_step(x_t, h, W, U)
        kept.append((x_t, h, *step))
        h = step[0]
    dx, dW, dU, dh = np.zeros_like(x), np.zeros_like(W), np.zeros_like(U), np.zeros_like(h0)
    for t in reversed(range(len(x))):
        x_t, h, _, r, u, n, b = kept[t]
        dh = gs[t] + (2 * dh if mistake == "doubled" else dh)
        dn = dh * (1 - u) * (1 - n * n)
        du, dr = dh * (h - n) * u * (1 - u), dn * b * r * (1 - r)
        da = np.concatenate([dr, du, dn], axis=-1)
        db = np.concatenate([dr, du, dn * r], axis=-1)
        dx[t], dW = da @ W.T, dW + x_t.T @ da
        dU = h.T @ db if mistake == "column" else dU + h.T @ db
        dh = db @ U.T + dh * u
    return dx, dh, dW, dU


GRU_SHAPES = [(5, 2, 3), (2, 4), (3, 12), (4, 12)]
