"""Wrong back-propagation through time in a plain RNN: one layer, two layers, both ways, masked.

Legend: x (T, B, D) inputs, h0 (B, H); h_t = tanh(x_t Wx + h_{t-1} Wh + b); the result is all states
(T, B, H), so that a loss may look at every step. `dh` is what arrives at h_t from step t + 1.
"""

from __future__ import annotations

import numpy as np

from .entry import (
    COTANGENT,
    EDGE,
    GLOBAL,
    LOCAL,
    MISSING,
    SIGN,
    SWAPPED,
    TIME,
    TRANSPOSED,
    TWICE,
    VALUE,
    Function,
    Inputs,
    Sizes,
    uses,
)

CARRY = r"carr|later|earlier|future|back(ward)? through time|previous|step|time|recurren|h'? ?->|Wh"
TRUNCATED = r"truncat|last \d|\d steps|window|band|older|earl(y|ier)|cut"
PREVIOUS = (
    r"uses \S*_t\b|uses \S*t-1\}|of the step (before|after)|(previous|next|one|earlier) step|shift"
)
LAST = r"assign|overwrit|only|last|first|one (step|column)|not (added|accumulated|summed)"


def lengths(n: Sizes) -> Sizes:
    """(T, B, D, H) with at least five steps."""
    B, D, H = n[1:4]
    return n[0] + 5 * (n[0] < 5), B, D, H


# ---------------------------------------------------------------- one layer
def rnn(x, h0, Wx, Wh, b):
    h, states = h0, []
    for x_t in x:
        h = np.tanh(x_t @ Wx + h @ Wh + b)
        states.append(h)
    return np.stack(states)


def rnn_backward(g, x, h0, Wx, Wh, b, mistake=""):
    h = [h0, *rnn(x, h0, Wx, Wh, b)]  # h[t + 1] is the state after step t
    T = len(x)
    dx, dWx, dWh, db = np.zeros_like(x), np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)
    dh = np.zeros_like(h0)
    for t in reversed(range(T)):
        total = g[t] + dh
        if mistake == "hidden gradient not passed back":
            total = g[t]
        if mistake == "only the last step's loss":
            total = (g[t] if t == T - 1 else 0) + dh
        if mistake == "the carried gradient counts twice":
            total = g[t] + dh + dh
        if mistake == "the sign of the carried gradient":
            total = g[t] - dh
        if mistake == "the gradient of the step before":
            total = g[max(t - 1, 0)] + dh
        if mistake == "truncated: the last three steps" and t < T - 3:
            break
        slope = 1 - h[t + 1] ** 2
        if mistake == "the slope is forgotten":
            slope = 1
        if mistake == "1 / (1 - h^2)":
            slope = 1 / (1 - h[t + 1] ** 2)
        if mistake == "tanh of tanh":
            slope = 1 - np.tanh(h[t + 1]) ** 2
        if mistake == "the slope of the step before":
            slope = 1 - h[t] ** 2
        dz = total * slope
        dx[t] = dz @ Wx.T
        dWx += x[t].T @ dz
        dWh += (h[t + 1] if mistake == "h_t for h_{t-1}" else h[t]).T @ dz
        db += dz.sum(axis=0)
        dh = dz @ Wh.T
        if mistake == "dWh assigned in the loop":
            dWh = h[t].T @ dz
        if mistake == "db assigned in the loop":
            db = dz.sum(axis=0)
        if mistake == "Wh is not transposed":
            dh = dz @ Wh
        if mistake == "carried before the slope":
            dh = total @ Wh.T
        if mistake == "carried without Wh":
            dh = dz
        if mistake == "cut every three steps" and t % 3 == 0:
            dh = np.zeros_like(h0)
    if mistake == "dWh without the first step":
        dWh = dWh - h0.T @ (dz)
    if mistake == "dx in the order of the loop":
        dx = dx[::-1].copy()
    if mistake == "dWh divided by T":
        dWh = dWh / T
    if mistake == "h0 has no gradient":
        dh = np.zeros_like(h0)
    if mistake == "h0's gradient before the last product":
        dh = dz
    return dx, dh, dWx, dWh, db


def rnn_inputs(rng: np.random.Generator, n: Sizes) -> Inputs:
    T, B, D, H = lengths(n)
    return (
        rng.normal(size=(T, B, D)),
        rng.normal(size=(B, H)),
        0.7 * rng.normal(size=(D, H)),
        rng.normal(size=(H, H)) / np.sqrt(H),
        0.5 * rng.normal(size=H),
    )


one = Function("RNN", rnn, rnn_backward, rnn_inputs)
one.flagged("hidden gradient not passed back", TIME, [MISSING + "|identity", CARRY])
one.flagged("only the last step's loss", COTANGENT, ["last|only|final", "step|state|loss|output|g"])
one.flagged("the carried gradient counts twice", TIME, [TWICE + "|carry (of )?2|powers", CARRY])
one.flagged("the sign of the carried gradient", TIME, [SIGN, CARRY])
one.flagged(
    "the gradient of the step before", COTANGENT, ["shift|step|before|previous|neighbou?r|time"]
)
one.flagged("truncated: the last three steps", TIME, [TRUNCATED, "3|three"])
one.flagged("cut every three steps", TIME, [TRUNCATED + "|" + MISSING, "3|three|step"])
one.flagged("the slope is forgotten", LOCAL, ["tanh|slope", MISSING])
one.flagged("1 / (1 - h^2)", LOCAL, ["tanh", r"divid|invers|reciprocal|1 ?/ ?\(?1"])
one.flagged("tanh of tanh", LOCAL, ["tanh", "of tanh|again|twice|of the output|own output"])
one.flagged("the slope of the step before", VALUE, ["tanh|slope", PREVIOUS])
one.flagged("h_t for h_{t-1}", VALUE, ["Wh", PREVIOUS])
one.flagged("dWh assigned in the loop", TIME, ["Wh", LAST])
one.flagged("db assigned in the loop", TIME, [r"\bd?b\b", LAST])
one.flagged("Wh is not transposed", LOCAL, [TRANSPOSED, "Wh|matmul|@|recurren"])
one.flagged("carried before the slope", EDGE, ["tanh|slope", MISSING, CARRY])
one.flagged("carried without Wh", LOCAL, [r"Wh|matmul|@|product", MISSING + "|factor"])
one.flagged("dWh without the first step", TIME, ["Wh", "first|step 0|t = 0|h0|initial|0"])
one.flagged("dx in the order of the loop", GLOBAL, ["x", "revers|time|order|backward"])
one.flagged("dWh divided by T", GLOBAL, ["Wh", r"mean|average|divid|1 ?/|times too small|\bT\b"])
one.flagged("h0 has no gradient", GLOBAL, ["h0", "zero|0|missing|no gradient|never"])
one.flagged("h0's gradient before the last product", EDGE, ["h0", "Wh|matmul|@|product|step"])


# ---------------------------------------------------------------- many to one, mean over the batch
def last_state(x, h0, Wx, Wh, b):
    h = h0
    for x_t in x:
        h = np.tanh(x_t @ Wx + h @ Wh + b)
    return (h * h).sum() / len(h)


def last_state_backward(g, x, h0, Wx, Wh, b, mistake=""):
    h = [h0, *rnn(x, h0, Wx, Wh, b)]
    dx, dWx, dWh, db = np.zeros_like(x), np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)
    dh = 2 * g * h[-1]
    if mistake != "the mean over the batch is forgotten":
        dh = dh / len(h0)
    steps = range(len(x)) if mistake == "walked forward in time" else reversed(range(len(x)))
    for t in steps:
        dz = dh * (1 - h[t + 1] ** 2)
        dx[t], dh = dz @ Wx.T, dz @ Wh.T
        dWx += x[t].T @ dz
        dWh += h[0 if mistake == "the first state at every step" else t].T @ dz
        db += dz.sum(axis=0)
        if mistake == "clipped at every step":
            dh = np.clip(dh, -0.01, 0.01)
        if mistake == "only the last step":
            dh = np.zeros_like(dh)
    return dx, dh, dWx, dWh, db


end = Function("RNN, a loss of the last state", last_state, last_state_backward, rnn_inputs)
end.flagged(
    "the mean over the batch is forgotten",
    GLOBAL,
    [r"mean|average|divid|batch|times too large|axis 0|size"],
)
end.flagged("walked forward in time", GLOBAL, ["revers|order|forward|time|direction"])
end.flagged("the first state at every step", VALUE, ["Wh", uses("h0") + "|(first|initial) state"])
end.flagged("clipped at every step", COTANGENT, ["clip|linear|bounded"])
end.flagged(
    "only the last step", TIME, ["last|only|one step|carr|truncat", "step|time|carr|truncat"]
)


# ---------------------------------------------------------------- two layers
def two_layers(x, Wx1, Wh1, Wx2, Wh2):
    h1 = h2 = np.zeros((x.shape[1], Wh1.shape[0]))
    out = []
    for x_t in x:
        h1 = np.tanh(x_t @ Wx1 + h1 @ Wh1)
        h2 = np.tanh(h1 @ Wx2 + h2 @ Wh2)
        out.append(h2)
    return np.stack(out)


def states_of_two(x, Wx1, Wh1, Wx2, Wh2):
    h1 = [np.zeros((x.shape[1], Wh1.shape[0]))]
    h2 = [h1[0]]
    for x_t in x:
        h1.append(np.tanh(x_t @ Wx1 + h1[-1] @ Wh1))
        h2.append(np.tanh(h1[-1] @ Wx2 + h2[-1] @ Wh2))
    return h1, h2


def two_layers_backward(g, x, Wx1, Wh1, Wx2, Wh2, mistake=""):
    h1, h2 = states_of_two(x, Wx1, Wh1, Wx2, Wh2)
    dx, dWx1, dWh1 = np.zeros_like(x), np.zeros_like(Wx1), np.zeros_like(Wh1)
    dWx2, dWh2 = np.zeros_like(Wx2), np.zeros_like(Wh2)
    dh1, dh2 = np.zeros_like(h1[0]), np.zeros_like(h1[0])
    for t in reversed(range(len(x))):
        dz2 = (g[t] + dh2) * (1 - h2[t + 1] ** 2)
        dWx2 += h1[t if mistake == "the state below, one step late" else t + 1].T @ dz2
        dWh2 += (h1[t] if mistake == "the other layer's state" else h2[t]).T @ dz2
        dh2 = dz2 @ Wh2.T
        below = dz2 @ Wx2.T
        if mistake == "the layer below gets no gradient in time":
            dh1 = 0
        if mistake == "= for += where time and depth meet" and t < len(x) - 1:
            below = 0
        dz1 = (below + dh1) * (1 - h1[t + 1] ** 2)
        dWx1 += x[t].T @ dz1
        dWh1 += h1[t].T @ dz1
        dx[t] = dz1 @ Wx1.T
        dh1 = dz1 @ (Wh2.T if mistake == "the other layer's weight" else Wh1.T)
        if mistake == "layer 2 is not carried":
            dh2 = 0
    if mistake == "the layers' gradients swapped":
        dWh1, dWh2 = dWh2, dWh1
    return dx, dWx1, dWh1, dWx2, dWh2


def two_inputs(rng: np.random.Generator, n: Sizes) -> Inputs:
    T, B, D, H = lengths(n)
    shapes = (D, H), (H, H), (H, H), (H, H)
    return rng.normal(size=(T, B, D)), *(rng.normal(size=s) / np.sqrt(s[0]) for s in shapes)


deep = Function("two-layer RNN", two_layers, two_layers_backward, two_inputs)
deep.flagged("the state below, one step late", VALUE, ["Wx2", PREVIOUS])
deep.flagged("the other layer's state", VALUE, ["Wh2", uses("h1") + "|other layer|layer below"])
deep.flagged(
    "the layer below gets no gradient in time", TIME, [MISSING, "Wh1|layer|carr|time|step"]
)
deep.flagged(
    "= for += where time and depth meet",
    TIME,
    [MISSING + "|last|assign", "layer|Wx2|depth|path|step|below"],
)
deep.flagged("the other layer's weight", VALUE, [uses("Wh2") + "|other layer|other weight"])
deep.flagged("layer 2 is not carried", TIME, [MISSING, "Wh2|layer|carr|time|step"])
deep.flagged("the layers' gradients swapped", GLOBAL, [SWAPPED, "Wh"])


# ---------------------------------------------------------------- both directions
def both_ways(x, Wx, Wh, Vx, Vh):
    """The states of a forward and of a backward RNN side by side, (T, B, 2H)."""
    zero = np.zeros((x.shape[1], Wh.shape[0]))
    right = rnn(x, zero, Wx, Wh, np.zeros(Wh.shape[0]))
    left = rnn(x[::-1], zero, Vx, Vh, np.zeros(Wh.shape[0]))[::-1]
    return np.concatenate([right, left], axis=-1)


def both_ways_backward(g, x, Wx, Wh, Vx, Vh, mistake=""):
    H = Wh.shape[0]
    zero, none = np.zeros((x.shape[1], H)), np.zeros(H)
    right, left = g[..., :H], g[..., H:]
    if mistake == "the halves are swapped":
        right, left = left, right
    if mistake != "the reverse direction's g is not reversed":
        left = left[::-1]
    dx, _, dWx, dWh, _ = rnn_backward(right, x, zero, Wx, Wh, none)
    seen = x if mistake == "the reverse direction reads x forward" else x[::-1]
    dx2, _, dVx, dVh, _ = rnn_backward(left, seen, zero, Vx, Vh, none)
    if mistake == "the reverse direction gets no gradient":
        dVx, dVh = np.zeros_like(Vx), np.zeros_like(Vh)
    if mistake == "dx of one direction only":
        return dx, dWx, dWh, dVx, dVh
    if mistake == "dx of the reverse direction not turned round":
        return dx + dx2, dWx, dWh, dVx, dVh
    if mistake == "the directions' weights swapped":
        dWx, dVx = dVx, dWx
    return dx + dx2[::-1], dWx, dWh, dVx, dVh


def both_inputs(rng: np.random.Generator, n: Sizes) -> Inputs:
    T, B, D, H = lengths(n)
    shapes = (D, H), (H, H), (D, H), (H, H)
    return rng.normal(size=(T, B, D)), *(rng.normal(size=s) / np.sqrt(s[0]) for s in shapes)


ways = Function("bidirectional RNN", both_ways, both_ways_backward, both_inputs)
ways.flagged("the halves are swapped", COTANGENT, [SWAPPED, "half|halves|concat|part|direction"])
ways.flagged("the reverse direction's g is not reversed", COTANGENT, ["revers|flip|order|::-1"])
ways.flagged("the reverse direction reads x forward", VALUE, ["x|V", "revers|flip|order|::-1"])
ways.flagged(
    "the reverse direction gets no gradient", GLOBAL, ["Vx|Vh", "zero|0|no gradient|missing"]
)
ways.flagged(
    "dx of one direction only", EDGE, ["x", MISSING, "path|direction|Vx|revers|matmul|flip|::-1|->"]
)
ways.flagged(
    "dx of the reverse direction not turned round", EDGE, ["x", "revers|flip|order|::-1|turn"]
)
ways.flagged("the directions' weights swapped", GLOBAL, [SWAPPED, "Wx|Vx"])


# ---------------------------------------------------------------- sequences of different lengths
def masked(x, m, Wx, Wh, b):
    """m (T, B, 1) is 1 where a step counts; elsewhere the state stays."""
    h, states = np.zeros((x.shape[1], Wh.shape[0])), []
    for x_t, m_t in zip(x, m, strict=True):
        h = np.where(m_t, np.tanh(x_t @ Wx + h @ Wh + b), h)
        states.append(h)
    return np.stack(states)


def masked_backward(g, x, m, Wx, Wh, b, mistake=""):
    h = [np.zeros((x.shape[1], Wh.shape[0])), *masked(x, m, Wx, Wh, b)]
    dx, dWx, dWh, db = np.zeros_like(x), np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)
    dh = np.zeros_like(h[0])
    for t in reversed(range(len(x))):
        total = g[t] + dh
        used = m[t] * total
        kept = (1 - m[t]) * total
        if mistake == "the mask is ignored":
            used, kept = total, 0
        if mistake == "padding carries nothing":
            kept = 0
        if mistake == "padding learns too":
            used = total
        if mistake == "the mask of the next step" and t + 1 < len(x):
            used, kept = m[t + 1] * total, (1 - m[t + 1]) * total
        if mistake == "the whole gradient kept":
            kept = total
        dz = used * (1 - np.tanh(x[t] @ Wx + h[t] @ Wh + b) ** 2)
        dx[t], dWx, dWh = dz @ Wx.T, dWx + x[t].T @ dz, dWh + h[t].T @ dz
        db += dz.sum(axis=0)
        dh = dz @ Wh.T + kept
    return dx, None, dWx, dWh, db


def masked_inputs(rng: np.random.Generator, n: Sizes) -> Inputs:
    T, B, *_ = lengths(n)
    long = rng.integers(2, T, B)
    mask = np.arange(T)[:, None, None] < long[:, None]
    x, _, Wx, Wh, b = rnn_inputs(rng, n)
    return x, mask.astype(int), Wx, Wh, b


ragged = Function("RNN with padding", masked, masked_backward, masked_inputs)
ragged.flagged("the mask is ignored", LOCAL, ["where|mask", MISSING + "|mask"])
ragged.flagged("padding carries nothing", EDGE, [MISSING, "where|mask|carr|pad|path"])
ragged.flagged("padding learns too", EDGE, ["where|mask|pad"])
ragged.flagged("the mask of the next step", VALUE, ["mask|where|\\bm\\b", PREVIOUS])
ragged.flagged("the whole gradient kept", EDGE, ["where|mask|pad|carr|path"])
