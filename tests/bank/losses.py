"""Wrong gradients of softmax and of losses: means, one-hot targets, the sum of g, diagonals."""

from __future__ import annotations

import numpy as np

from .elementwise import sigmoid
from .entry import (
    COTANGENT,
    EDGE,
    GLOBAL,
    LOCAL,
    MISSING,
    PAIR,
    SIGN,
    VALUE,
    Function,
    Inputs,
    Sizes,
    normal,
    uses,
)

MEAN = r"mean|average|divid|1 ?/ ?(N|n|B)\b|batch|size|rows|times too (large|small)"


# ---------------------------------------------------------------- softmax and its logarithm
def softmax(x, axis=-1):
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def softmax_backward(g, x):
    s = softmax(x)
    return s * (g - (g * s).sum(axis=-1, keepdims=True))


soft = Function("softmax", softmax, softmax_backward, normal("ab"))


@soft.wrong(
    "diagonal only", LOCAL, [r"diagonal|element|entr(y|ies) .*(own|itself|other)|s ?\*? ?\(1 - "]
)
def _(g, x):
    s = softmax(x)
    return g * s * (1 - s)


@soft.wrong("the sum's path is missing", EDGE, [MISSING, "sum|denominator|normali"])
def _(g, x):
    return g * softmax(x)


@soft.wrong("the whole is zero", GLOBAL, ["zero|all 0|is 0|times 0"])
def _(g, x):
    return np.zeros_like(x)


@soft.wrong("the inner sum is over the batch", LOCAL, ["axis|rows|batch|columns"], only="equal")
def _(g, x):
    s = softmax(x)
    return s * (g - (g * s).sum(axis=0, keepdims=True))


@soft.wrong(
    "the outer factor s is forgotten",
    LOCAL,
    [MISSING + "|factor|divided by", "exp|s\\b|softmax|output"],
)
def _(g, x):
    return g - (g * softmax(x)).sum(axis=-1, keepdims=True)


@soft.wrong("the sign of the sum's path", EDGE, [SIGN, "sum|denominator|normali|divi"])
def _(g, x):
    s = softmax(x)
    return s * (g + (g * s).sum(axis=-1, keepdims=True))


def log_softmax(x):
    top = x - x.max(axis=-1, keepdims=True)
    return top - np.log(np.exp(top).sum(axis=-1, keepdims=True))


log_soft = Function(
    "log-softmax",
    log_softmax,
    lambda g, x: g - softmax(x) * g.sum(axis=-1, keepdims=True),
    normal("ab"),
)


@log_soft.wrong("without the sum of g", COTANGENT, ["sum|g\\b|ignor|incoming|arriv|zero"])
def _(g, x):
    return g - softmax(x)


@log_soft.wrong(
    "g times s, not summed",
    LOCAL,
    ["sum|broadcast|axis|diagonal|own|entr", MISSING + "|diagonal|element"],
)
def _(g, x):
    return g - softmax(x) * g


@log_soft.wrong(
    "the path through the logarithm is missing", EDGE, [MISSING, "log|sum|subtract|normali"]
)
def _(g, x):
    return 1 * g


@log_soft.wrong("its own output for the softmax", VALUE, ["own output|log", "softmax|exp"])
def _(g, x):
    return g - log_softmax(x) * g.sum(axis=-1, keepdims=True)


# ---------------------------------------------------------------- cross entropy
def picked(rng: np.random.Generator, n: Sizes) -> Inputs:
    """Logits (N, C), one class each."""
    N, C = n[:2]
    return 0.5 * rng.normal(size=(N, C)), rng.integers(0, C, N)


def cross_entropy(x, k):
    return -log_softmax(x)[np.arange(len(k)), k].mean()


def one_hot(k, C):
    return np.eye(C)[k]


entropy = Function(
    "cross entropy",
    cross_entropy,
    lambda g, x, k: (g * (softmax(x) - one_hot(k, x.shape[1])) / len(k), None),
    picked,
)


@entropy.wrong("the mean over N is forgotten", GLOBAL, [MEAN])
def _(g, x, k):
    return g * (softmax(x) - one_hot(k, x.shape[1])), None


@entropy.wrong(
    "divided by C, not by N",
    GLOBAL,
    [MEAN, "axis 1|columns|C\\b|classes|last|N ?/|/ ?N|shape\\[1\\]"],
    only="distinct",
)
def _(g, x, k):
    return g * (softmax(x) - one_hot(k, x.shape[1])) / x.shape[1], None


@entropy.wrong(
    "divided by all entries", GLOBAL, [MEAN, "axis 1|columns|C\\b|classes|last|entries|size"]
)
def _(g, x, k):
    return g * (softmax(x) - one_hot(k, x.shape[1])) / x.size, None


@entropy.wrong(
    "the one-hot is not subtracted", EDGE, [MISSING, "path|index|getitem|\\[|target|label|pick|->"]
)
def _(g, x, k):
    return g * softmax(x) / len(k), None


@entropy.wrong("only the target's column", EDGE, [MISSING, "log|sum|normali|path|->"])
def _(g, x, k):
    return -g * one_hot(k, x.shape[1]) / len(k), None


@entropy.wrong("the sign", GLOBAL, [SIGN])
def _(g, x, k):
    return g * (one_hot(k, x.shape[1]) - softmax(x)) / len(k), None


@entropy.wrong("the incoming g is ignored", COTANGENT, ["ignor|incoming|arriv|g\\b"])
def _(g, x, k):
    return (softmax(x) - one_hot(k, x.shape[1])) / len(k), None


@entropy.wrong(
    "one too many subtracted at the target", LOCAL, [r"twice|doubl|2|target|label|index|getitem"]
)
def _(g, x, k):
    d = softmax(x)
    d[np.arange(len(k)), k] -= 2
    return g * d / len(k), None


@entropy.wrong("every example subtracts from row 0", VALUE, ["row|index|look|getitem|example|\\["])
def _(g, x, k):
    d = softmax(x)
    d[0, k] -= 1
    return g * d / len(k), None


@entropy.wrong("probabilities not normalised", PAIR, ["sum|normali", MISSING])
def _(g, x, k):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return g * (e - one_hot(k, x.shape[1])) / len(k), None


# ---------------------------------------------------------------- other losses
squares = Function(
    "mean squared error",
    lambda y, t: ((y - t) ** 2).mean(),
    lambda g, y, t: (2 * g * (y - t) / y.size, -2 * g * (y - t) / y.size),
    normal("ab", "ab"),
)


@squares.wrong("the 2 is forgotten", LOCAL, [r"\b2\b|0\.5|half|factor|doubl|twice"])
def _(g, y, t):
    return g * (y - t) / y.size, -g * (y - t) / y.size


@squares.wrong("divided by the rows only", GLOBAL, [MEAN])
def _(g, y, t):
    return 2 * g * (y - t) / len(y), -2 * g * (y - t) / len(y)


@squares.wrong("the sign of the target's gradient", EDGE, ["t\\b", SIGN])
def _(g, y, t):
    return 2 * g * (y - t) / y.size, 2 * g * (y - t) / y.size


@squares.wrong("the target has no gradient", EDGE, ["t\\b", "zero|0|missing|path"])
def _(g, y, t):
    return 2 * g * (y - t) / y.size, np.zeros_like(t)


def binary_entropy(z, t):
    return (np.log1p(np.exp(z)) - z * t).sum()


binary = Function(
    "binary cross entropy of logits",
    binary_entropy,
    lambda g, z, t: (g * (sigmoid(z) - t), -g * z),
    lambda rng, n: (rng.normal(size=n[:2]), rng.uniform(0.1, 0.9, size=n[:2])),
)


@binary.wrong("the target's path is missing", EDGE, ["z", MISSING, "path|t\\b|multiply|->"])
def _(g, z, t):
    return g * sigmoid(z), -g * z


@binary.wrong(
    "the slope of a sigmoid once too often", LOCAL, ["z", "sigmoid|slope|exp|log|1 - |factor"]
)
def _(g, z, t):
    s = sigmoid(z)
    return g * (s - t) * s * (1 - s), -g * z


@binary.wrong("the logit stands for the probability", VALUE, ["z", "its input|logit|" + uses("z")])
def _(g, z, t):
    return g * (z - t), -g * z


def divergence(p, q):
    return (p * (np.log(p) - np.log(q))).sum()


kl = Function(
    "Kullback-Leibler divergence",
    divergence,
    lambda g, p, q: (g * (np.log(p / q) + 1), -g * p / q),
    lambda rng, n: tuple(rng.uniform(0.2, 1, size=n[:2]) for _ in range(2)),
)


@kl.wrong("the + 1 is forgotten", EDGE, ["p", MISSING, "log|path|->"])
def _(g, p, q):
    return g * np.log(p / q), -g * p / q


@kl.wrong("the sign of dq", EDGE, ["q", SIGN])
def _(g, p, q):
    return g * (np.log(p / q) + 1), g * p / q


@kl.wrong("p / q turned over", LOCAL, ["q", "p", "swap|turned|invers|upside|reciprocal"])
def _(g, p, q):
    return g * (np.log(p / q) + 1), -g * q / p


def hinge(s, k):
    """Multi-class: the mean over examples of sum_j max(0, s_j - s_k + 1), j != k."""
    rows = np.arange(len(k))
    margins = np.maximum(s - s[rows, k][:, None] + 1, 0)
    return (margins.sum() - len(k)) / len(k)


def hinge_backward(g, s, k, mistake=""):
    rows = np.arange(len(k))
    over = (s - s[rows, k][:, None] + 1 > 0).astype(float)
    over[rows, k] = 0
    d = over.copy()
    if mistake == "the correct class gets -1":
        d[rows, k] = -1
    elif mistake != "the correct class gets nothing":
        d[rows, k] = -over.sum(axis=1)
    if mistake != "the mean is forgotten":
        d = d / len(k)
    return g * d, None


margin = Function("hinge loss", hinge, hinge_backward, picked)
margin.flagged("the correct class gets -1", EDGE, ["sum|count|broadcast|target|index|getitem|\\["])
margin.flagged(
    "the correct class gets nothing", EDGE, [MISSING, "index|getitem|\\[|target|path|->"]
)
margin.flagged("the mean is forgotten", GLOBAL, [MEAN])


def huber(x):
    size = np.where(x < 0, -x, x)
    return np.where(size < 1, 0.5 * x * x, size - 0.5).sum()


smooth = Function("Huber loss", huber, lambda g, x: g * np.clip(x, -1, 1), normal("ab", scale=2.0))


@smooth.wrong("quadratic everywhere", LOCAL, ["where|branch|mask|clip|condition|absolute.*input"])
def _(g, x):
    return g * x


@smooth.wrong("the sign outside is forgotten", EDGE, [SIGN + "|where|branch"])
def _(g, x):
    return g * np.where(np.abs(x) < 1, x, 1.0)
