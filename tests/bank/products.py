"""Wrong gradients of products over axes and of broadcasting: transposes, operands, missing sums."""

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
    TRANSPOSED,
    VALUE,
    Function,
    normal,
    uses,
)

SUM_OVER = r"sum(med)? over|not summed|broadcast|un-?broadcast"

# ---------------------------------------------------------------- matrix products
matmul = Function(
    "matmul",
    lambda x, W: x @ W,
    lambda g, x, W: (g @ W.T, x.T @ g),
    normal("ab", "bc"),
)


@matmul.wrong("W is not transposed", LOCAL, ["x", TRANSPOSED], only="equal")
def _(g, x, W):
    return g @ W, x.T @ g


@matmul.wrong("x is not transposed", LOCAL, ["W", TRANSPOSED], only="equal")
def _(g, x, W):
    return g @ W.T, x @ g


@matmul.wrong("dW transposed", GLOBAL, ["W", TRANSPOSED], only="equal")
def _(g, x, W):
    return g @ W.T, g.T @ x


@matmul.wrong("dW has the wrong orientation", SHAPE, ["W", TRANSPOSED + "|shape"], only="distinct")
def _(g, x, W):
    return g @ W.T, g.T @ x


@matmul.wrong("the operands in the other order", LOCAL, [SWAPPED + "|" + TRANSPOSED], only="equal")
def _(g, x, W):
    return W.T @ g, g @ x.T


@matmul.wrong(
    "divided by the batch", GLOBAL, ["W", "mean|divid|times too small|1 ?/|size|batch|rows"]
)
def _(g, x, W):
    return g @ W.T, x.T @ g / len(x)


batched = Function(
    "batched matmul",
    lambda x, W: x @ W,
    lambda g, x, W: (g @ W.swapaxes(-1, -2), x.swapaxes(-1, -2) @ g),
    normal("abc", "acd"),
)


@batched.wrong("W is not transposed", LOCAL, ["x", TRANSPOSED], only="equal")
def _(g, x, W):
    return g @ W, x.swapaxes(-1, -2) @ g


@batched.wrong(".T reverses the batch too", LOCAL, ["x", TRANSPOSED + "|axes|axis"], only="equal")
def _(g, x, W):
    return g @ W.T, x.swapaxes(-1, -2) @ g


shared = Function(
    "batch times one matrix",
    lambda x, W: x @ W,
    lambda g, x, W: (g @ W.T, np.einsum("abc,abd->cd", x, g)),
    normal("abc", "cd"),
)


@shared.wrong("dW not summed over the batch", SHAPE, ["W", SUM_OVER, r"axis 0|batch|\(0"])
def _(g, x, W):
    return g @ W.T, x.swapaxes(-1, -2) @ g


@shared.wrong(
    "dW averaged over the batch", GLOBAL, ["W", "mean|average|times too small|divid|1 ?/"]
)
def _(g, x, W):
    return g @ W.T, (x.swapaxes(-1, -2) @ g).mean(axis=0)


@shared.wrong("dW of the last example only", EDGE, ["W", "last|only|example|batch|" + MISSING])
def _(g, x, W):
    for one_x, one_g in zip(x, g, strict=True):
        dW = one_x.T @ one_g
    return g @ W.T, dW


vector = Function(
    "matrix times vector",
    lambda A, x: A @ x,
    lambda g, A, x: (np.outer(g, x), A.T @ g),
    normal("ab", "b"),
)


@vector.wrong(
    "the outer product turned round", GLOBAL, ["A", TRANSPOSED + "|order|swap"], only="equal"
)
def _(g, A, x):
    return np.outer(x, g), A.T @ g


@vector.wrong("A is not transposed", LOCAL, ["x", TRANSPOSED], only="equal")
def _(g, A, x):
    return np.outer(g, x), A @ g


form = Function(
    "quadratic form",
    lambda x, A: x @ A @ x,
    lambda g, x, A: (g * (A + A.T) @ x, g * np.outer(x, x)),
    normal("a", "aa"),
)


@form.wrong(
    "A taken as symmetric", LOCAL, ["x", TRANSPOSED + "|symmetr|missing.*twice|twice.*missing"]
)
def _(g, x, A):
    return g * 2 * A @ x, g * np.outer(x, x)


@form.wrong("one of the two uses of x", EDGE, ["x", MISSING, "path|->|use|matmul|@|edge"])
def _(g, x, A):
    return g * A @ x, g * np.outer(x, x)


# ---------------------------------------------------------------- layers
def affine_backward(g, x, W, b):
    dz = g * (1 - np.tanh(x @ W.T + b) ** 2)
    return dz @ W, dz.T @ x, dz.sum(axis=0)


layer = Function(
    "dense layer with tanh",
    lambda x, W, b: np.tanh(x @ W.T + b),
    affine_backward,
    normal("ab", "cb", "c"),
)


@layer.wrong("db is not summed", SHAPE, ["b", SUM_OVER, "axis 0"])
def _(g, x, W, b):
    dz = g * (1 - np.tanh(x @ W.T + b) ** 2)
    return dz @ W, dz.T @ x, dz


@layer.wrong(
    "db is averaged over the batch", GLOBAL, ["b", "mean|average|divid|times too small|1 ?/"]
)
def _(g, x, W, b):
    dz = g * (1 - np.tanh(x @ W.T + b) ** 2)
    return dz @ W, dz.T @ x, dz.mean(axis=0)


@layer.wrong("db summed over the features", LOCAL, ["b", "axis|axes|rows|columns"], only="equal")
def _(g, x, W, b):
    dz = g * (1 - np.tanh(x @ W.T + b) ** 2)
    return dz @ W, dz.T @ x, dz.sum(axis=1)


@layer.wrong("the slope is forgotten for W", PAIR, ["W", "tanh", MISSING])
def _(g, x, W, b):
    dz = g * (1 - np.tanh(x @ W.T + b) ** 2)
    return dz @ W, g.T @ x, dz.sum(axis=0)


@layer.wrong("the slope of the sum before tanh", LOCAL, ["tanh", "input|before|pre-?activation"])
def _(g, x, W, b):
    dz = g * (1 - (x @ W.T + b) ** 2)
    return dz @ W, dz.T @ x, dz.sum(axis=0)


@layer.wrong(
    "dW from the output, not the input", VALUE, ["W", "the output|" + uses("tanh|y")], only="equal"
)
def _(g, x, W, b):
    y = np.tanh(x @ W.T + b)
    dz = g * (1 - y**2)
    return dz @ W, dz.T @ y, dz.sum(axis=0)


def mlp(x, W1, b1, W2, b2):
    return np.maximum(x @ W1 + b1, 0) @ W2 + b2


def mlp_backward(g, x, W1, b1, W2, b2, mistake=""):
    z = x @ W1 + b1
    h = np.maximum(z, 0)
    dW2 = (z if mistake == "dW2 from before the relu" else h).T @ g
    dh = g @ W2.T
    dz = dh if mistake == "the relu is forgotten" else dh * (z > 0)
    if mistake == "the mask of the gradient":
        dz = dh * (dh > 0)
    db1 = dh.sum(axis=0) if mistake == "db1 before the mask" else dz.sum(axis=0)
    return dz @ W1.T, x.T @ dz, db1, dW2, g.sum(axis=0)


two = Function("two-layer network", mlp, mlp_backward, normal("ab", "bc", "c", "cd", "d"))
two.flagged(
    "dW2 from before the relu", VALUE, ["W2", "before|" + uses(r"\(x @ W1\)|z\b|its input")]
)
two.flagged("the relu is forgotten", LOCAL, ["relu|max", MISSING])
two.flagged(
    "the mask of the gradient", LOCAL, ["relu|max|linear|incoming", "mask|gradient|linear|g\\b"]
)
two.flagged("db1 before the mask", PAIR, ["b1", "relu|max", MISSING])

# ---------------------------------------------------------------- broadcasting
plus = Function(
    "add a bias",
    lambda x, b: x + b,
    lambda g, x, b: (1 * g, g.sum(axis=(0, 1))),
    normal("abc", "c"),
)


@plus.wrong("not summed", SHAPE, ["b", SUM_OVER, "0.*1"])
def _(g, x, b):
    return 1 * g, 1 * g


@plus.wrong("summed over the first axis only", SHAPE, ["b", SUM_OVER + "|axis"])
def _(g, x, b):
    return 1 * g, g.sum(axis=0)


@plus.wrong("axes renumbered while summing", LOCAL, ["b", "axis|axes"], only="equal")
def _(g, x, b):
    g_b = g
    for axis in (0, 1):
        g_b = g_b.sum(axis=axis)
    return 1 * g, g_b


@plus.wrong("the mean, not the sum", GLOBAL, ["b", "mean|average|divid|times too small|1 ?/"])
def _(g, x, b):
    return 1 * g, g.mean(axis=(0, 1))


scale = Function(
    "a column times a row",
    lambda c, r: c * r,
    lambda g, c, r: ((g * r).sum(axis=1, keepdims=True), (g * c).sum(axis=0, keepdims=True)),
    lambda rng, n: (rng.normal(size=(n[0], 1)), rng.normal(size=(1, n[1]))),
)


@scale.wrong("not summed", SHAPE, ["r\\b", SUM_OVER, "axis 0"])
def _(g, c, r):
    return (g * r).sum(axis=1, keepdims=True), g * c


@scale.wrong("summed before multiplying", LOCAL, ["sum"])
def _(g, c, r):
    return g.sum(axis=1, keepdims=True) * r.sum(), g.sum(axis=0, keepdims=True) * c.sum()


@scale.wrong("the operand is forgotten", LOCAL, ["r\\b", MISSING + "|factor|operand"])
def _(g, c, r):
    return (g * r).sum(axis=1, keepdims=True), g.sum(axis=0, keepdims=True)
