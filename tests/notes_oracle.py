"""An RNN by hand, layer by layer, as the notes build it: forward keeps a cache, backward uses it.

This is the one place where a backward pass of a recurrent net is written out, and it is no part of
the package: NumPy alone, rows are examples, and weights stand on the right.

    t = h_prev Wh + x Wx + b,  h_next = tanh(t)
    dt = dh_next (1 - h_next^2);  through the sum unchanged, through a product with the other factor

Legend: `N` batch, `T` time, `D` input width, `H` hidden width; a gradient has the shape of what it
belongs to. Source: Saito, "Deep Learning from Scratch 2", chapter 5, by way of the notes.
"""

from __future__ import annotations

import numpy as np


class RNNStep:
    """One step. Every step of a series has a cache of its own, and they share the weights."""

    def __init__(self, Wx, Wh, b):
        self.Wx, self.Wh, self.b = Wx, Wh, b
        self.cache = None

    def forward(self, x, h_prev):
        """(N, D), (N, H) -> (N, H)"""
        h_next = np.tanh(h_prev @ self.Wh + x @ self.Wx + self.b)
        self.cache = x, h_prev, h_next
        return h_next

    def backward(self, dh_next):
        """dL/dh_next (N, H) -> dL/dx (N, D), dL/dh_prev (N, H), and this step's (dWx, dWh, db)."""
        x, h_prev, h_next = self.cache
        dt = dh_next * (1 - h_next**2)
        db = dt.sum(axis=0)  # b was added to every row of the batch
        dWh, dh_prev = h_prev.T @ dt, dt @ self.Wh.T
        dWx, dx = x.T @ dt, dt @ self.Wx.T
        return dx, dh_prev, (dWx, dWh, db)


class TimeRNN:
    """T steps in a row. `stateful`: the next block begins with the state that this one ended with.

    The gradient never crosses from block to block, whatever `stateful` says: that is truncated
    BPTT. What would have crossed is left in `dh`, what arrived at the weights in `grads`.
    """

    def __init__(self, Wx, Wh, b, stateful=False):
        self.weights, self.stateful = (Wx, Wh, b), stateful
        self.steps, self.h, self.dh, self.grads = [], None, None, None

    def forward(self, xs):
        """(N, T, D) -> (N, T, H)"""
        N, T, _ = xs.shape
        H = self.weights[1].shape[0]
        if not self.stateful or self.h is None:
            self.h = np.zeros((N, H))
        self.steps, hs = [RNNStep(*self.weights) for _ in range(T)], np.empty((N, T, H))
        for t, step in enumerate(self.steps):
            hs[:, t] = self.h = step.forward(xs[:, t], self.h)
        return hs

    def backward(self, dhs):
        """dL/dhs (N, T, H) -> dL/dxs (N, T, D): h_t goes up to its output and on to step t + 1."""
        N, T, H = dhs.shape
        dxs, dh = np.empty((N, T, self.weights[0].shape[0])), np.zeros((N, H))
        self.grads = [np.zeros_like(w) for w in self.weights]
        for t in reversed(range(T)):
            dxs[:, t], dh, grads = self.steps[t].backward(dhs[:, t] + dh)
            for total, g in zip(self.grads, grads):
                total += g
        self.dh = dh
        return dxs
