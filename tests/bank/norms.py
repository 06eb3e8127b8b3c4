"""Wrong gradients of normalisations: the paths through the mean and the spread, eps, the axis."""

from __future__ import annotations

import numpy as np

from .entry import EDGE, GLOBAL, LOCAL, MISSING, PAIR, SHAPE, SIGN, VALUE, Function, normal, uses

EPS = 1e-5
MEAN_PATH = r"mean|average|centr"
SPREAD_PATH = r"var|spread|std|square|sqrt|deviation|divi|normali|power|\*\*"
FACTOR = r"mean|average|divid|1 ?/|times too|factor|sum"


# ---------------------------------------------------------------- layer norm
def layer_norm(x, a, b):
    d = x - x.mean(axis=-1, keepdims=True)
    return a * d / np.sqrt((d * d).mean(axis=-1, keepdims=True) + EPS) + b


def layer_norm_backward(g, x, a, b, mistake=""):
    m = x.mean(axis=-1, keepdims=True)
    d = x - m
    var = (d * d).mean(axis=-1, keepdims=True)
    s = np.sqrt(var + (0 if mistake == "eps is forgotten" else EPS))
    if mistake == "the unbiased variance":
        s = np.sqrt((d * d).sum(axis=-1, keepdims=True) / (x.shape[-1] - 1) + EPS)
    if mistake == "divided by the variance, not its root":
        s = var + EPS
    y = d / s
    dy = g if mistake == "the gain is forgotten in dx" else g * a
    through_mean = dy.mean(axis=-1, keepdims=True)
    through_spread = y * (dy * y).mean(axis=-1, keepdims=True)
    if mistake == "the path through the mean is missing":
        through_mean = 0
    if mistake == "the path through the variance is missing":
        through_spread = 0
    if mistake == "the sign of the variance's path":
        through_spread = -through_spread
    if mistake == "sums for means":
        through_mean = dy.sum(axis=-1, keepdims=True)
        through_spread = y * (dy * y).sum(axis=-1, keepdims=True)
    dx = (dy - through_mean - through_spread) / s
    if mistake == "the statistics are constants":
        dx = dy / s
    da = (g * (x if mistake == "the gain's gradient from x" else y)).sum(axis=0)
    db = g if mistake == "db is not summed" else g.sum(axis=0)
    return dx, da, db


def affine(rng, n):
    """x (N, D), a gain and an offset for each feature; features enough to have a spread."""
    N, D = n[0], n[1] + 2
    return rng.normal(size=(N, D)), rng.normal(size=D), rng.normal(size=D)


layer = Function("layer norm", layer_norm, layer_norm_backward, affine)
layer.flagged("the path through the mean is missing", EDGE, ["x", MISSING, MEAN_PATH])
layer.flagged("the path through the variance is missing", EDGE, ["x", MISSING, SPREAD_PATH])
layer.flagged("the sign of the variance's path", EDGE, ["x", SIGN, SPREAD_PATH])
layer.flagged("the statistics are constants", PAIR, [MISSING, MEAN_PATH, SPREAD_PATH])
layer.flagged("eps is forgotten", VALUE, [r"eps|constant|1e-0?5|small|add"])
layer.flagged("the unbiased variance", LOCAL, [r"N - 1|n - 1|ddof|unbias|mean|count|var"])
layer.flagged("divided by the variance, not its root", LOCAL, ["sqrt|root|std|spread"])
layer.flagged(
    "the gain is forgotten in dx", EDGE, ["x", MISSING + "|factor", r"\ba\b|gain|multipl"]
)
layer.flagged(
    "the gain's gradient from x", VALUE, ["a", uses("x") + "|not normali|normalisation|division"]
)
layer.flagged("db is not summed", SHAPE, ["b", "sum", "axis 0"])
layer.flagged("sums for means", LOCAL, ["mean|average|sum|divid|N|times"])


# ---------------------------------------------------------------- batch norm
def batch_norm(x, a, b):
    d = x - x.mean(axis=0)
    return a * d / np.sqrt((d * d).mean(axis=0) + EPS) + b


def batch_norm_backward(g, x, a, b, mistake=""):
    N = len(x)
    d = x - x.mean(axis=0)
    s = np.sqrt((d * d).mean(axis=0) + EPS)
    y = d / s
    dy = g * a
    dvar = (dy * d).sum(axis=0) * -0.5 / s**3
    if mistake == "the 0.5 of the root is forgotten":
        dvar = 2 * dvar
    if mistake == "s^2 for s^3":
        dvar = dvar * s
    dmean = -dy.sum(axis=0) / s
    dx = dy / s + dmean / N + dvar * 2 * d / N
    if mistake == "the mean's gradient is not spread over N":
        dx = dy / s + dmean + dvar * 2 * d / N
    if mistake == "the 2 of the square is forgotten":
        dx = dy / s + dmean / N + dvar * d / N
    if mistake == "the running statistics taken as constants":
        dx = dy / s
    if mistake == "averaged over the features":
        dmean = -dy.sum(axis=1, keepdims=True) / s
        dx = dy / s + dmean / N + dvar * 2 * d / N
    da = (g * (d if mistake == "the gain's gradient before the division" else y)).sum(axis=0)
    return dx, da, g.sum(axis=0)


def wide(rng, n):
    x, a, b = affine(rng, (n[1], n[0]))
    return np.concatenate([x, rng.normal(size=(2, x.shape[1]))]), a, b


batch = Function("batch norm", batch_norm, batch_norm_backward, wide)
batch.flagged("the 0.5 of the root is forgotten", LOCAL, ["x", r"sqrt|root|0\.5|twice|doubl|\b2\b"])
batch.flagged("s^2 for s^3", LOCAL, ["x", "sqrt|divi|root|power|std|deviation"])
batch.flagged("the mean's gradient is not spread over N", LOCAL, ["x", "mean", FACTOR])
batch.flagged(
    "the 2 of the square is forgotten", LOCAL, ["x", "square|multipl|\\*|half|0\\.5|\\b2\\b"]
)
batch.flagged("the running statistics taken as constants", PAIR, [MISSING, MEAN_PATH, SPREAD_PATH])
batch.flagged("averaged over the features", LOCAL, ["x", "axis|features|columns|rows"])
batch.flagged(
    "the gain's gradient before the division", VALUE, ["a", "divi|std|sqrt|normali|before"]
)


# ---------------------------------------------------------------- root mean square, and unit length
def rms_norm(x, a):
    return a * x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + EPS)


def rms_norm_backward(g, x, a, mistake=""):
    s = np.sqrt((x * x).mean(axis=-1, keepdims=True) + EPS)
    dy = g * a
    inner = (dy * x).sum(axis=-1, keepdims=True)
    if mistake != "the mean's 1/D is forgotten":
        inner = inner / x.shape[-1]
    dx = dy / s - (
        0 if mistake == "the path through the mean square is missing" else x * inner / s**3
    )
    if mistake == "the mean square's path counted twice":
        dx = dx - x * inner / s**3
    return dx, (g * x / s).sum(axis=0)


rms = Function("RMS norm", rms_norm, rms_norm_backward, lambda rng, n: affine(rng, n)[:2])
rms.flagged("the path through the mean square is missing", EDGE, ["x", MISSING, SPREAD_PATH])
rms.flagged("the mean's 1/D is forgotten", LOCAL, ["x", FACTOR, "mean|sqrt|D\\b|axis"])
rms.flagged("the mean square's path counted twice", EDGE, ["twice|doubl|2", SPREAD_PATH])

unit = Function(
    "unit length",
    lambda x: x / np.sqrt((x * x).sum(axis=-1, keepdims=True)),
    lambda g, x: (
        g / np.sqrt((x * x).sum(axis=-1, keepdims=True))
        - x * (g * x).sum(axis=-1, keepdims=True) / (x * x).sum(axis=-1, keepdims=True) ** 1.5
    ),
    normal("ab"),
)


@unit.wrong("the length taken as a constant", EDGE, [MISSING, "sqrt|sum|length|norm|divi|path"])
def _(g, x):
    return g / np.sqrt((x * x).sum(axis=-1, keepdims=True))


@unit.wrong("the projection is not divided by the length", LOCAL, ["divi|sqrt|power|square|sum"])
def _(g, x):
    s = np.sqrt((x * x).sum(axis=-1, keepdims=True))
    return (g - x * (g * x).sum(axis=-1, keepdims=True)) / s


weight = Function(
    "weight normalisation",
    lambda x, v, a: x @ (a * v / np.sqrt((v * v).sum(axis=0))),
    lambda g, x, v, a: weight_backward(g, x, v, a),
    normal("ab", "bc", "c"),
)


def weight_backward(g, x, v, a, mistake=""):
    s = np.sqrt((v * v).sum(axis=0))
    dW = x.T @ g
    da = (dW * v / s).sum(axis=0)
    if mistake == "da keeps the length":
        da = (dW * v).sum(axis=0)
    dv = a / s * dW
    if mistake != "the projection is forgotten":
        dv = dv - a * v * (dW * v).sum(axis=0) / s**3
    return g @ (a * v / s).T, dv, da


for _name, _says in {
    "da keeps the length": ["a", "divi|sqrt|length|norm"],
    "the projection is forgotten": ["v", MISSING, "sqrt|sum|length|norm|divi|path"],
}.items():
    weight.wrong(_name, LOCAL if "keeps" in _name else EDGE, _says)(
        lambda g, *inputs, mistake=_name: weight_backward(g, *inputs, mistake=mistake)
    )

standard = Function(
    "variance",
    lambda x: ((x - x.mean(axis=0)) ** 2).sum(axis=0) / (len(x) - 1),
    lambda g, x: 2 * g * (x - x.mean(axis=0)) / (len(x) - 1),
    normal("ab"),
)


@standard.wrong(
    "divided by N, not N - 1", GLOBAL, [r"N - 1|n - 1|divid|size|times|factor|ratio|constant"]
)
def _(g, x):
    return 2 * g * (x - x.mean(axis=0)) / len(x)


@standard.wrong("the mean is not subtracted", VALUE, ["subtract|mean|centr|" + uses("x\\b")])
def _(g, x):
    return 2 * g * x / (len(x) - 1)
