"""Wrong gradients of whole sequence models: a language model's loss, convolutions, attention."""

from __future__ import annotations

import numpy as np

from .entry import (
    EDGE,
    GLOBAL,
    LOCAL,
    MISSING,
    PAIR,
    SHAPE,
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
from .losses import log_softmax, softmax, softmax_backward
from .recurrent import CARRY, LAST, PREVIOUS, lengths, rnn, rnn_backward

MEAN = r"mean|average|divid|times too|size|count|1 ?/|valid|mask|factor"


# ---------------------------------------------------------------- a language model
def language_model(E, Wx, Wh, V, k, target, valid):
    """The mean negative log-probability of the targets at the valid positions; k (T, B)."""
    h = np.zeros((k.shape[1], Wh.shape[0]))
    total = 0.0
    for t in range(len(k)):
        h = np.tanh(E[k[t]] @ Wx + h @ Wh)
        p = log_softmax(h @ V)
        total = total - (p[np.arange(k.shape[1]), target[t]] * valid[t]).sum()
    return total / valid.sum()


def language_model_backward(g, E, Wx, Wh, V, k, target, valid, mistake=""):
    zero = np.zeros((k.shape[1], Wh.shape[0]))
    h = rnn(E[k], zero, Wx, Wh, np.zeros(Wh.shape[0]))
    p = softmax(h @ V)
    dz = p - np.eye(V.shape[1])[target]
    if mistake != "padding is not masked":
        dz = dz * valid[..., None]
    count = valid.size if mistake == "divided by all positions" else valid.sum()
    if mistake == "the mean is forgotten":
        count = 1
    if mistake == "divided by the batch":
        count = valid.shape[1]
    dz = g * dz / count
    dh = dz @ V.T
    dV = np.einsum("tbh,tbv->hv", h, dz)
    if mistake == "dV of the last step":
        dV = h[-1].T @ dz[-1]
    if mistake == "dV from the state before":
        dV = np.einsum("tbh,tbv->hv", np.concatenate([zero[None], h[:-1]]), dz)
    dx, _, dWx, dWh, _ = rnn_backward(
        dh, E[k], zero, Wx, Wh, np.zeros(Wh.shape[0]), NAMES.get(mistake, "")
    )
    dE = np.zeros_like(E)
    if mistake == "repeated tokens dropped":
        dE[k] = dx
    else:
        np.add.at(dE, k, dx)
    return dE, dWx, dWh, dV, None, None, None


NAMES = {"no gradient through time": "hidden gradient not passed back"}


def text(rng: np.random.Generator, n: Sizes) -> Inputs:
    T, B, D, H = lengths(n)
    V = n[4]
    long = np.append(rng.integers(2, T, B - 1), T)  # one of full length
    valid = (np.arange(T)[:, None] < long).astype(int)
    shapes = (V, D), (D, H), (H, H), (H, V)
    weights = [rng.normal(size=s) / np.sqrt(s[0]) for s in shapes]
    return *weights, rng.integers(0, V, (T, B)), rng.integers(0, V, (T, B)), valid


model = Function("language model", language_model, language_model_backward, text)
model.flagged("padding is not masked", EDGE, [MISSING + "|mask", "mask|valid|pad|multipl"])
model.flagged("divided by all positions", GLOBAL, [MEAN])
model.flagged("the mean is forgotten", GLOBAL, [MEAN])
model.flagged("divided by the batch", GLOBAL, [MEAN])
model.flagged("dV of the last step", TIME, ["V", LAST])
model.flagged("dV from the state before", VALUE, ["V", PREVIOUS])
model.flagged("no gradient through time", TIME, [MISSING + "|identity", CARRY])
model.flagged(
    "repeated tokens dropped", EDGE, ["E", "repeat|twice|same|duplicate|look|index|indices|assign"]
)


# ---------------------------------------------------------------- convolution and pooling
def convolve(x, w, b):
    """x (B, T, D), w (3, D, H), b (H): y_t = sum_k x_{t+k} w_k + b, without padding."""
    T = x.shape[1] - 2
    return x[:, :T] @ w[0] + x[:, 1 : T + 1] @ w[1] + x[:, 2 : T + 2] @ w[2] + b


def convolve_backward(g, x, w, b, mistake=""):
    T = g.shape[1]
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for k in range(3):
        tap = w[2 - k] if mistake == "the kernel turned round" else w[k]
        if mistake == "= for += where windows overlap":
            dx[:, k : T + k] = g @ tap.T
        else:
            dx[:, k : T + k] += g @ tap.T
        start = 0 if mistake == "dw from the first window at every tap" else k
        dw[k] = np.einsum("btd,bth->dh", x[:, start : T + start], g)
    if mistake == "dw turned round":
        dw = dw[::-1].copy()
    if mistake == "dw divided by the positions":
        dw = dw / T
    db = g.sum(axis=0) if mistake == "db summed over the batch only" else g.sum(axis=(0, 1))
    if mistake == "only the middle tap reaches x":
        dx = np.pad(g @ w[1].T, ((0, 0), (1, 1), (0, 0)))
    return dx, dw, db


def signal(rng: np.random.Generator, n: Sizes) -> Inputs:
    B, T, D, H = n[0], n[1] + 3, n[2], n[3]
    return rng.normal(size=(B, T, D)), rng.normal(size=(3, D, H)), rng.normal(size=H)


conv = Function("convolution", convolve, convolve_backward, signal)
conv.flagged("the kernel turned round", VALUE, ["revers|flip|order|turned|swap|" + uses("w")])
conv.flagged("= for += where windows overlap", EDGE, ["x", MISSING + "|assign|overlap"])
conv.flagged("dw from the first window at every tap", VALUE, ["w", "x|window|slice|\\[|tap|shift"])
conv.flagged("dw turned round", GLOBAL, ["w", "revers|flip|order|turned|axis 0|swap"])
conv.flagged(
    "dw divided by the positions", GLOBAL, ["w", "mean|average|divid|times too small|1 ?/"]
)
conv.flagged("db summed over the batch only", SHAPE, ["b", "sum|axis|shape"])
conv.flagged("only the middle tap reaches x", EDGE, ["x", MISSING])


def average_pool(x):
    """Means of pairs of neighbours, x (B, 2T)."""
    return (x[:, 0::2] + x[:, 1::2]) / 2


pool = Function(
    "average pooling",
    average_pool,
    lambda g, x: np.repeat(g, 2, axis=1) / 2,
    lambda rng, n: (rng.normal(size=(n[0], 2 * n[1])),),
)


@pool.wrong("not divided", LOCAL, [r"divid|half|\b2\b|mean|average|twice|factor"])
def _(g, x):
    return np.repeat(g, 2, axis=1)


@pool.wrong(
    "only to the first of a pair", EDGE, [MISSING, "slice|\\[|path|->|second|pair|getitem|add"]
)
def _(g, x):
    dx = np.zeros_like(x)
    dx[:, 0::2] = g / 2
    return dx


@pool.wrong("tiled, not repeated", LOCAL, ["order|slice|\\[|tile|repeat|place|getitem|permut"])
def _(g, x):
    return np.tile(g, 2) / 2


def max_pool(x):
    """The larger of neighbours, windows that overlap: x (B, T) -> (B, T - 1)."""
    return np.maximum(x[:, :-1], x[:, 1:])


def max_pool_backward(g, x):
    left = x[:, :-1] > x[:, 1:]
    dx = np.zeros_like(x)
    dx[:, :-1] += g * left
    dx[:, 1:] += g * ~left
    return dx


peaks = Function(
    "max pooling, windows overlap",
    max_pool,
    max_pool_backward,
    lambda rng, n: (rng.normal(size=(n[0] + 1, n[1] + 2)),),
)


@peaks.wrong(
    "a peak of two windows counts once",
    EDGE,
    [MISSING + "|overlap|assign|once", "max|slice|\\[|overlap|path|->"],
)
def _(g, x):
    left = x[:, :-1] > x[:, 1:]
    dx = np.zeros_like(x)
    dx[:, :-1] = g * left
    dx[:, 1:][~left] = g[~left]
    return dx


@peaks.wrong("shared by both", LOCAL, ["max", "half|both|share|mask|split|0\\.5"])
def _(g, x):
    return (np.pad(g, ((0, 0), (0, 1))) + np.pad(g, ((0, 0), (1, 0)))) / 2


@peaks.wrong("to the smaller one", LOCAL, ["max", "other|min|smaller|swap|operand|mask"])
def _(g, x):
    left = x[:, :-1] < x[:, 1:]
    dx = np.zeros_like(x)
    dx[:, :-1] += g * left
    dx[:, 1:] += g * ~left
    return dx


# ---------------------------------------------------------------- attention
def attention(q, k, v):
    return softmax(q @ k.T / np.sqrt(q.shape[1])) @ v


def attention_backward(g, q, k, v, mistake=""):
    scale = np.sqrt(q.shape[1])
    s = q @ k.T / scale
    p = softmax(s)
    dp = g @ v.T
    ds = softmax_backward(dp, s)
    if mistake == "the softmax's diagonal only":
        ds = dp * p * (1 - p)
    if mistake == "the softmax's sum is missing":
        ds = dp * p
    if mistake == "the softmax is handed through":
        ds = dp
    if mistake != "the scale is forgotten":
        ds = ds / scale
    if mistake == "the scale is applied twice":
        ds = ds / scale
    dv = (s if mistake == "dv from the scores" else p).T @ g
    if mistake == "dq from q":
        return ds @ q, ds.T @ q, dv
    if mistake == "dk is missing":
        return ds @ k, np.zeros_like(k), dv
    if mistake == "dk without the transpose":
        return ds @ k, ds @ q, dv
    return ds @ k, ds.T @ q, dv


heads = Function("attention", attention, attention_backward, normal("ab", "cb", "cd"))
heads.flagged(
    "the softmax's diagonal only", LOCAL, [r"diagonal|element|entr(y|ies) .*(own|itself|other)"]
)
heads.flagged("the softmax's sum is missing", EDGE, [MISSING, "sum|denominator|normali"])
heads.flagged("the softmax is handed through", PAIR, [MISSING, "exp|softmax|sum|divi"])
heads.flagged(
    "the scale is forgotten", LOCAL, ["divi|scale|sqrt|factor|times", MISSING + "|too large|divi"]
)
heads.flagged(
    "the scale is applied twice",
    LOCAL,
    ["divi|scale|sqrt|factor|times", "twice|again|too small|two|square|divi"],
)
heads.flagged("dv from the scores", VALUE, ["v", "score|before|" + uses(r"\(q @|s\b")])
heads.flagged("dk is missing", GLOBAL, ["k", "zero|0|missing"])
heads.flagged("dq from q", VALUE, ["itself|its own|swap|" + uses("q")], only="equal")
heads.flagged("dk without the transpose", LOCAL, ["k", TRANSPOSED], only="equal")


def causal(x, Wq, Wk, Wv):
    """Self-attention in which a position sees itself and what is before it; x (T, D)."""
    s = (x @ Wq) @ (x @ Wk).T
    seen = np.tri(len(x), dtype=bool)
    return softmax(np.where(seen, s, -1e9)) @ (x @ Wv)


def causal_backward(g, x, Wq, Wk, Wv, mistake=""):
    q, k, v = x @ Wq, x @ Wk, x @ Wv
    seen = np.tri(len(x), dtype=bool)
    s = np.where(seen, q @ k.T, -1e9)
    if mistake == "the mask is forgotten in the recomputed scores":
        s = q @ k.T
        seen = True
    ds = np.where(seen, softmax_backward(g @ v.T, s), 0)
    p = softmax(s)
    dq, dk, dv = ds @ k, ds.T @ q, p.T @ g
    dx = dq @ Wq.T + dk @ Wk.T + dv @ Wv.T
    if mistake == "= for += where q, k and v meet":
        dx = dv @ Wv.T
    if mistake == "dx without the keys":
        dx = dq @ Wq.T + dv @ Wv.T
    if mistake == "dx with the queries twice":
        dx = 2 * dq @ Wq.T + dk @ Wk.T + dv @ Wv.T
    dWq, dWk, dWv = x.T @ dq, x.T @ dk, x.T @ dv
    if mistake == "dWq and dWk swapped":
        dWq, dWk = dWk, dWq
    if mistake == "dWv from v":
        dWv = v.T @ dv
    return dx, dWq, dWk, dWv


def causal_inputs(rng: np.random.Generator, n: Sizes) -> Inputs:
    T, D, H = n[0] + 2, n[1], n[2]
    return rng.normal(size=(T, D)), *(rng.normal(size=(D, H)) / D for _ in range(3))


self_attention = Function("causal self-attention", causal, causal_backward, causal_inputs)
self_attention.flagged("the mask is forgotten in the recomputed scores", VALUE, ["where|mask"])
self_attention.flagged("= for += where q, k and v meet", EDGE, ["x", MISSING])
self_attention.flagged("dx without the keys", EDGE, ["x", MISSING, "Wk|key|path|->|matmul|@"])
self_attention.flagged("dx with the queries twice", EDGE, ["x", TWICE, "Wq|quer|path|->|matmul|@"])
self_attention.flagged("dWq and dWk swapped", GLOBAL, [SWAPPED, "Wq|Wk"])
self_attention.flagged(
    "dWv from v", VALUE, ["Wv", "its output|" + uses("x @ Wv|v\\b")], only="equal"
)


def additive(h, s, W, U, v):
    """Scores v . tanh(h_t W + s U), weights by softmax over t, the weighted sum; h (T, B, H)."""
    a = np.tanh(h @ W + s @ U) @ v
    return (softmax(a, axis=0)[..., None] * h).sum(axis=0)


def additive_backward(g, h, s, W, U, v, mistake=""):
    z = np.tanh(h @ W + s @ U)
    p = softmax(z @ v, axis=0)
    dp = (g * h).sum(axis=-1)
    da = p * (dp - (p * dp).sum(axis=0))
    if mistake == "the softmax summed over the wrong axis":
        da = p * (dp - (p * dp).sum(axis=1, keepdims=True))
    dz = da[..., None] * v
    if mistake != "the slope of tanh is missing":
        dz = dz * (1 - z**2)
    dh = p[..., None] * g + dz @ W.T
    if mistake == "h as values only":
        dh = p[..., None] * g
    if mistake == "h as keys only":
        dh = dz @ W.T
    ds = dz[-1] @ U.T if mistake == "s from the last step" else dz.sum(axis=0) @ U.T
    dU = s.T @ dz.sum(axis=0)
    return dh, ds, np.einsum("tbh,tbk->hk", h, dz), dU, np.einsum("tb,tbk->k", da, z)


def additive_inputs(rng: np.random.Generator, n: Sizes) -> Inputs:
    T, B, H, S, K = n[0] + 2, n[1], n[2], n[3], n[4]
    shapes = (T, B, H), (B, S), (H, K), (S, K), (K,)
    return tuple(0.7 * rng.normal(size=shape) for shape in shapes)


bahdanau = Function("additive attention", additive, additive_backward, additive_inputs)
bahdanau.flagged("the softmax summed over the wrong axis", LOCAL, ["axis|axes"])
bahdanau.flagged("the slope of tanh is missing", LOCAL, ["tanh", MISSING])
bahdanau.flagged("h as values only", EDGE, [r"\bd?h\b", MISSING, "path|->|W|matmul|@"])
bahdanau.flagged("h as keys only", EDGE, [r"\bd?h\b", MISSING, r"path|->|multiply|\*"])
bahdanau.flagged("s from the last step", EDGE, [r"\bd?s\b", LAST + "|sum|broadcast"])
