"""Mistakes that the author of the diagnosis has not read: they say how it does on new ones.

Other functions than in the known parts, and a few other mistakes in functions that are known there.
"""

from __future__ import annotations

import numpy as np

from . import gated, losses, norms, recurrent, shapes
from .elementwise import sigmoid
from .entry import (
    COTANGENT,
    EDGE,
    EVERYWHERE,
    GLOBAL,
    LOCAL,
    MISSING,
    PAIR,
    SHAPE,
    SIGN,
    SWAPPED,
    TIME,
    TRANSPOSED,
    TWICE,
    VALUE,
    Function,
    Inputs,
    Sizes,
    normal,
    uses,
)
from .losses import log_softmax, softmax
from .recurrent import CARRY, LAST, PREVIOUS, TRUNCATED, lengths

# ---------------------------------------------------------------- activations and small networks
elu = Function(
    "elu",
    lambda x: np.where(x > 0, x, np.exp(x) - 1),
    lambda g, x: g * np.where(x > 0, 1, np.exp(x)),
    normal("abc"),
)


@elu.wrong(
    "the output for the slope",
    LOCAL,
    ["exp|where|negative|branch", r"output|uses exp\(x\) - 1"],
    held_out=True,
)
def _(g, x):
    return g * np.where(x > 0, 1, np.exp(x) - 1)


@elu.wrong("1 on both sides", LOCAL, ["exp|where", MISSING], held_out=True)
def _(g, x):
    return 1.0 * g


def gated_linear(x, W, V):
    return (x @ W) * sigmoid(x @ V)


def gated_linear_backward(g, x, W, V, mistake=""):
    a, s = x @ W, sigmoid(x @ V)
    da = g * s
    ds = g * (s if mistake == "ds times s, not times a" else a)
    dz = ds if mistake == "the gate's slope is forgotten" else ds * s * (1 - s)
    dx = da @ W.T + dz @ V.T
    if mistake == "dx without the gate":
        dx = da @ W.T
    return dx, x.T @ da, x.T @ dz


glu = Function("gated linear unit", gated_linear, gated_linear_backward, normal("ab", "bc", "bc"))
glu.flagged(
    "ds times s, not times a", VALUE, ["itself|its own|" + uses("1 / |s\\b")], held_out=True
)
glu.flagged(
    "the gate's slope is forgotten", LOCAL, ["sigmoid|exp|slope|divi", MISSING], held_out=True
)
glu.flagged("dx without the gate", EDGE, ["x", MISSING, "V|gate|path|->|matmul|@"], held_out=True)


def highway(x, W, V):
    t = sigmoid(x @ V)
    return t * np.tanh(x @ W) + (1 - t) * x


def highway_backward(g, x, W, V, mistake=""):
    t, h = sigmoid(x @ V), np.tanh(x @ W)
    dt = g * h if mistake == "dt without x" else g * (h - x)
    dzh, dzt = g * t * (1 - h**2), dt * t * (1 - t)
    dx = dzh @ W.T + dzt @ V.T
    if mistake != "x is not carried":
        dx = dx + g * (t if mistake == "carried with t" else 1 - t)
    return dx, x.T @ dzh, x.T @ dzt


road = Function("highway layer", highway, highway_backward, normal("ab", "bb", "bb"))
road.flagged("x is not carried", EDGE, ["x", MISSING, "path|->|multiply|\\*"], held_out=True)
road.flagged("carried with t", VALUE, [uses("t\\b"), "1 - t"], held_out=True)
road.flagged("dt without x", EDGE, [MISSING, "1 - |subtract|path|->"], held_out=True)

skip = Function(
    "residual block",
    lambda x, W, V: x + np.tanh(x @ W) @ V,
    lambda g, x, W, V: residual_backward(g, x, W, V),
    normal("ab", "bc", "cb"),
)


def residual_backward(g, x, W, V):
    h = np.tanh(x @ W)
    dz = (g @ V.T) * (1 - h**2)
    return g + dz @ W.T, x.T @ dz, h.T @ g


@skip.wrong("the skip is forgotten", EDGE, ["x", MISSING, "add|\\+|path|->"], held_out=True)
def _(g, x, W, V):
    dx, dW, dV = residual_backward(g, x, W, V)
    return dx - g, dW, dV


@skip.wrong("the branch is forgotten", EDGE, ["x", MISSING, "matmul|@|path|->"], held_out=True)
def _(g, x, W, V):
    return 1 * g, *residual_backward(g, x, W, V)[1:]


# ---------------------------------------------------------------- distances and losses
def cosine(x, y):
    return (x * y).sum(axis=1) / np.sqrt((x * x).sum(axis=1) * (y * y).sum(axis=1))


def cosine_backward(g, x, y, mistake=""):
    X, Y = ((a * a).sum(axis=1, keepdims=True) for a in (x, y))
    c, r = (x * y).sum(axis=1, keepdims=True) / np.sqrt(X * Y), np.sqrt(X * Y)
    g = g[:, None]
    if mistake == "the lengths are constants":
        return g * y / r, g * x / r
    if mistake == "the sign of the length's path":
        return g * (y / r + c * x / X), g * (x / r + c * y / Y)
    return g * (y / r - c * x / X), g * (x / r - c * y / Y)


angle = Function("cosine similarity", cosine, cosine_backward, normal("ab", "ab"))
angle.flagged(
    "the lengths are constants", EDGE, [MISSING, "sqrt|divi|length|norm|path|->"], held_out=True
)
angle.flagged(
    "the sign of the length's path", EDGE, [SIGN, "sqrt|divi|length|norm|path|->"], held_out=True
)

distances = Function(
    "pairwise squared distances",
    lambda x, y: ((x[:, None] - y[None]) ** 2).sum(axis=-1),
    lambda g, x, y: (
        2 * (g[..., None] * (x[:, None] - y[None])).sum(axis=1),
        -2 * (g[..., None] * (x[:, None] - y[None])).sum(axis=0),
    ),
    normal("ac", "bc"),
)


@distances.wrong("the sign of dy", EDGE, ["y", SIGN], held_out=True)
def _(g, x, y):
    d = 2 * g[..., None] * (x[:, None] - y[None])
    return d.sum(axis=1), d.sum(axis=0)


@distances.wrong("dy is not summed", SHAPE, ["y", "sum|axis|shape"], held_out=True)
def _(g, x, y):
    d = 2 * g[..., None] * (x[:, None] - y[None])
    return d.sum(axis=1), -d


@distances.wrong("summed over each other's axis", LOCAL, ["axis|axes"], only="equal", held_out=True)
def _(g, x, y):
    d = 2 * g[..., None] * (x[:, None] - y[None])
    return d.sum(axis=0), -d.sum(axis=1)


def smoothed(x, k):
    """Cross entropy against 0.9 on the class and 0.1 spread over all."""
    p = log_softmax(x)
    return -(0.9 * p[np.arange(len(k)), k] + 0.1 * p.mean(axis=1)).mean()


def smoothed_backward(g, x, k, mistake=""):
    N, C = x.shape
    target = 0.9 * np.eye(C)[k] + 0.1 / C
    if mistake == "the share of all classes is forgotten":
        target = 0.9 * np.eye(C)[k]
    return g * (softmax(x) - target) / (C if mistake == "the mean over the classes" else N), None


soft = Function("label smoothing", smoothed, smoothed_backward, losses.picked)
soft.flagged(
    "the share of all classes is forgotten",
    EDGE,
    [MISSING, "mean|path|->|0\\.1|sum"],
    held_out=True,
)
soft.flagged(
    "the mean over the classes",
    GLOBAL,
    ["mean|size|axis|divid|times"],
    only="distinct",
    held_out=True,
)


def likelihood(x, m, s):
    """Minus the log-density of a normal distribution, without its constant."""
    return (((x - m) / s) ** 2 / 2 + np.log(s)).sum()


likely = Function(
    "normal log-likelihood",
    likelihood,
    lambda g, x, m, s: (
        g * (x - m) / s**2,
        -(g * (x - m) / s**2).sum(axis=0),
        (g * (1 / s - (x - m) ** 2 / s**3)).sum(axis=0),
    ),
    lambda rng, n: (rng.normal(size=n[:2]), rng.normal(size=n[1]), rng.uniform(0.5, 2, n[1])),
)


@likely.wrong("ds without the logarithm", EDGE, ["s", MISSING, "log|path|->"], held_out=True)
def _(g, x, m, s):
    d = g * (x - m) / s**2
    return d, -d.sum(axis=0), -(g * (x - m) ** 2 / s**3).sum(axis=0)


@likely.wrong("divided by s once", LOCAL, ["divi|\\bs\\b|square|once"], held_out=True)
def _(g, x, m, s):
    d = g * (x - m) / s
    return d, -d.sum(axis=0), (g * (1 / s - (x - m) ** 2 / s**3)).sum(axis=0)


def pooled(x, m):
    """The mean over the valid steps, x (B, T, D), m (B, T)."""
    return (x * m[..., None]).sum(axis=1) / m.sum(axis=1, keepdims=True)


def ragged(rng: np.random.Generator, n: Sizes) -> Inputs:
    B, T, D = n[0], n[1] + 2, n[2]
    return rng.normal(size=(B, T, D)), (np.arange(T) < rng.integers(1, T, B)[:, None]).astype(int)


pool = Function(
    "mean over valid steps",
    pooled,
    lambda g, x, m: (g[:, None] * m[..., None] / m.sum(axis=1)[:, None, None], None),
    ragged,
)


@pool.wrong(
    "divided by all steps", GLOBAL, ["mean|sum|divid|count|valid|size|mask|axis"], held_out=True
)
def _(g, x, m):
    return g[:, None] * m[..., None] / m.shape[1], None


@pool.wrong(
    "padding gets its share", EDGE, ["mask|multipl|\\bm\\b|valid|pad|\\*", MISSING], held_out=True
)
def _(g, x, m):
    return g[:, None] * np.ones_like(x) / m.sum(axis=1)[:, None, None], None


# ---------------------------------------------------------------- recurrences of other kinds
def leaky(x, a):
    """h' = s h + (1 - s) x_t with s = sigmoid(a), for each of H units; x (T, B, H)."""
    s, h, states = sigmoid(a), 0, []
    for x_t in x:
        h = s * h + (1 - s) * x_t
        states.append(h)
    return np.stack(states)


def leaky_backward(g, x, a, mistake=""):
    s = sigmoid(a)
    h = [np.zeros_like(x[0]), *leaky(x, a)]
    dx, ds, dh = np.zeros_like(x), np.zeros_like(a), np.zeros_like(x[0])
    for t in reversed(range(len(x))):
        dh = g[t] + (0 if mistake == "the state is not carried" else dh)
        dx[t] = (1 - s) * dh
        inner = h[t + 1] if mistake == "the new state for the old" else h[t]
        each = (dh * (inner - (0 if mistake == "ds without the input's side" else x[t]))).sum(
            axis=0
        )
        ds = each if mistake == "ds assigned in the loop" else ds + each
        dh = s * dh
    return dx, ds * s * (1 - s)


def steady(rng: np.random.Generator, n: Sizes) -> Inputs:
    T, B, _, H = lengths(n)
    return rng.normal(size=(T, B, H)), rng.normal(size=H)


leak = Function("leaky integrator", leaky, leaky_backward, steady)
leak.flagged(
    "the state is not carried",
    TIME,
    [MISSING + "|identity", "carr|time|step|state|path|->"],
    held_out=True,
)
leak.flagged(
    "the new state for the old",
    VALUE,
    [PREVIOUS + "|uses h|one power too many|too often|too many"],
    held_out=True,
)
leak.flagged(
    "ds without the input's side", EDGE, ["a", MISSING, "1 - |subtract|path|->|x"], held_out=True
)
leak.flagged("ds assigned in the loop", TIME, ["a", LAST], held_out=True)


def peephole(x, h, c, W, U, b, p):
    """An LSTM whose forget gate also sees c p; the states of all steps."""
    states = []
    for x_t in x:
        i, f, g, o = np.split(x_t @ W + h @ U + b, 4, axis=-1)
        c = sigmoid(f + c * p) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        states.append(h)
    return np.stack(states)


def peephole_backward(g, x, h0, c0, W, U, b, p, mistake=""):
    kept, h, c = [], h0, c0
    for x_t in x:
        zi, zf, zg, zo = np.split(x_t @ W + h @ U + b, 4, axis=-1)
        i, f, n, o = sigmoid(zi), sigmoid(zf + c * p), np.tanh(zg), sigmoid(zo)
        before = h, c
        c = f * c + i * n
        h = o * np.tanh(c)
        kept.append((*before, i, f, n, o, c))
    dx, dW, dU, db, dp = (np.zeros_like(y) for y in (x, W, U, b, p))
    dh, dc = np.zeros_like(h0), np.zeros_like(c0)
    for t in reversed(range(len(x))):
        h, c, i, f, n, o, new = kept[t]
        dh = g[t] + dh
        dc = dc + dh * o * (1 - np.tanh(new) ** 2)
        zf = dc * c * f * (1 - f)
        z = [dc * n * i * (1 - i), zf, dc * i * (1 - n**2), dh * np.tanh(new) * o * (1 - o)]
        if mistake == "the blocks f and i in the other order":
            z[0], z[1] = z[1], z[0]
        dz = np.concatenate(z, axis=-1)
        dx[t], dW, dU, db = dz @ W.T, dW + x[t].T @ dz, dU + h.T @ dz, db + dz.sum(axis=0)
        dp += (zf * (new if mistake == "dp from the new cell" else c)).sum(axis=0)
        dh, dc = dz @ U.T, dc * f + (0 if mistake == "the peephole carries nothing" else zf * p)
    return dx, dh, dc, dW, dU, db, dp


def peephole_inputs(rng: np.random.Generator, n: Sizes) -> Inputs:
    return *gated.lstm_inputs(rng, n), rng.normal(size=lengths(n)[3])


peep = Function("LSTM with a peephole", peephole, peephole_backward, peephole_inputs)
peep.flagged(
    "the peephole carries nothing", EDGE, [MISSING, r"\bp\b|c\b|path|->|multiply|\*"], held_out=True
)
peep.flagged("dp from the new cell", VALUE, [r"\bd?p\b", PREVIOUS], held_out=True)
peep.flagged(
    "the blocks f and i in the other order", EVERYWHERE, [gated.BLOCKS, SWAPPED], held_out=True
)


def horner(x, c):
    """The polynomial with coefficients c (K, H), the highest first, at x (B, H)."""
    y = c[0] + 0 * x
    for c_k in c[1:]:
        y = y * x + c_k
    return y


def horner_backward(g, x, c, mistake=""):
    y = [c[0] + 0 * x]
    for c_k in c[1:]:
        y.append(y[-1] * x + c_k)
    dx, dc, dy = np.zeros_like(x), np.zeros_like(c), g
    for k in reversed(range(1, len(c))):
        dc[k] = dy.sum(axis=0)
        use = dy * y[k if mistake == "the value after the step" else k - 1]
        dx = use if mistake == "dx assigned in the loop" else dx + use
        dy = dy if mistake == "carried without x" else dy * x
    dc[0] = dy.sum(axis=0)
    if mistake == "dc in the order of the loop":
        dc = dc[::-1].copy()
    return dx, dc


nest = Function(
    "polynomial by Horner",
    horner,
    horner_backward,
    lambda rng, n: (rng.normal(size=(n[0], n[1])), rng.normal(size=(max(5, n[2]), n[1]))),
)
nest.flagged("the value after the step", VALUE, [PREVIOUS], held_out=True)
nest.flagged("dx assigned in the loop", TIME, ["x", LAST], held_out=True)
nest.flagged("carried without x", EDGE, [MISSING + "|factor", r"\bx\b|multipl|\*"], held_out=True)
nest.flagged(
    "dc in the order of the loop", GLOBAL, [r"\bd?c\b", "revers|order|backward|time"], held_out=True
)

# ---------------------------------------------------------------- more in functions known elsewhere
HELD = {"held_out": True}
shapes.cycled.wrong(
    "two axes exchanged", LOCAL, ["transpos|axes|axis|permut"], only="equal", **HELD
)(lambda g, x: 2.0 * g.transpose(0, 2, 1))
norms.layer.wrong("normalised over the batch", LOCAL, ["axis|batch|rows"], **HELD)(
    lambda g, x, a, b: (
        norms.batch_norm_backward(g, x, a, b)[0],
        *norms.layer_norm_backward(g, x, a, b)[1:],
    )
)
losses.soft.wrong(
    "counted twice in the sum's path", EDGE, [TWICE, "sum|denominator|normali|divi"], **HELD
)(lambda g, x: softmax(x) * (g - 2 * (g * softmax(x)).sum(axis=-1, keepdims=True)))
recurrent.one.wrong("Wh swapped for its transpose in dWh", GLOBAL, ["Wh", TRANSPOSED], **HELD)(
    lambda g, *xs: [d.T if k == 3 else d for k, d in enumerate(recurrent.rnn_backward(g, *xs))]
)
recurrent.one.wrong(
    "dx and h0 right, all weights of the first step only", TIME, ["W", LAST], **HELD
)(
    lambda g, x, h0, *W: (
        *recurrent.rnn_backward(g, x, h0, *W)[:2],
        *first_step_only(g, x, h0, *W),
    )
)


def first_step_only(g, x, h0, Wx, Wh, b):
    """The gradients of the weights, had they been used at step 0 alone."""
    later = recurrent.rnn(x[:1], h0, Wx, Wh, b)[0]
    _, dh, *_ = recurrent.rnn_backward(g[1:], x[1:], later, Wx, Wh, b)
    return recurrent.rnn_backward((g[0] + dh)[None], x[:1], h0, Wx, Wh, b)[2:]


def last_loss(gs, x, h, c, W, U, b):
    """Through time as if only the loss at the last step existed."""
    g = np.zeros_like(gs[0])
    g[-1] = gs[0][-1]
    return gated.lstm_backward((g, gs[1]), x, h, c, W, U, b)


gated.through.wrong(
    "the losses before the last are dropped", COTANGENT, ["last|only|step|earlier", MISSING], **HELD
)(last_loss)


def two_at_once(gs, x, h, c, W, U, b):
    """The forget gate's slope missing, and U's gradient negative."""
    dx, dh, dc, dW, dU, db = gated.lstm_step_backward(
        gs, x, h, c, W, U, b, "the forget gate's slope is missing"
    )
    return dx, dh, dc, dW, -dU, db


gated.cell.wrong("a slope and a sign at once", PAIR, [MISSING, SIGN], **HELD)(two_at_once)
gated.gru_time.wrong(
    "cut every two steps", TIME, [TRUNCATED + "|" + MISSING, "2|two|" + CARRY], **HELD
)(lambda g, *inputs: cut_gru(g, *inputs))


def cut_gru(g, x, h0, W, U, b):
    """Two steps at a time, each piece by itself; the states are right."""
    h = [h0, *gated.gru(x, h0, W, U, b)]
    pieces = [
        gated.gru_backward(g[t : t + 2], x[t : t + 2], h[t], W, U, b) for t in range(0, len(x), 2)
    ]
    dx = np.concatenate([piece[0] for piece in pieces])
    return dx, pieces[0][1], *(sum(piece[k] for piece in pieces) for k in (2, 3, 4))
