"""Wrong gradients of operations that move or pick numbers: order, axes, overlaps, repeats."""

from __future__ import annotations

import numpy as np

from .entry import (
    COTANGENT,
    EDGE,
    GLOBAL,
    LOCAL,
    MISSING,
    SHAPE,
    SWAPPED,
    TRANSPOSED,
    Function,
    Inputs,
    Sizes,
    normal,
)

ORDER = r"order|Fortran|transpos|row|column|permut|reshape"

# ---------------------------------------------------------------- the same numbers in another form
flat = Function(
    "reshape", lambda x: x.reshape(-1), lambda g, x: g.reshape(x.shape).copy(), normal("abc")
)


@flat.wrong("Fortran order", LOCAL, [ORDER])
def _(g, x):
    return g.reshape(x.shape, order="F").copy()


cycled = Function(
    "transpose of three axes",
    lambda x: x.transpose(1, 2, 0) * 2.0,
    lambda g, x: 2.0 * g.transpose(2, 0, 1),
    normal("abc"),
)


@cycled.wrong(
    "the same order again, not its inverse",
    LOCAL,
    ["transpos|axes|axis", "inver|order|permut|back|transpos"],
    only="equal",
)
def _(g, x):
    return 2.0 * g.transpose(1, 2, 0)


@cycled.wrong(
    "not transposed back", LOCAL, ["transpos|axes|axis", MISSING + "|order|back"], only="equal"
)
def _(g, x):
    return 2.0 * g


split_heads = Function(
    "split into heads",
    lambda x: x.reshape(x.shape[0], 2, -1).transpose(1, 0, 2),
    lambda g, x: g.transpose(1, 0, 2).reshape(x.shape).copy(),
    lambda rng, n: (rng.normal(size=(n[0], 2 * n[1])),),
)


@split_heads.wrong("reshaped without the transpose", LOCAL, ["transpos|axes|axis|order|permut"])
def _(g, x):
    return g.reshape(x.shape).copy()


# ---------------------------------------------------------------- joined and cut
joined = Function(
    "concatenate",
    lambda x, y: np.concatenate([x, y], axis=1) * 1.0,
    lambda g, x, y: (g[:, : x.shape[1]].copy(), g[:, x.shape[1] :].copy()),
    normal("ab", "ac"),
)


@joined.wrong("the halves are swapped", GLOBAL, [SWAPPED], only="equal")
def _(g, x, y):
    return g[:, y.shape[1] :].copy(), g[:, : y.shape[1]].copy()


@joined.wrong(
    "cut in the middle whatever the sizes", SHAPE, ["shape|axis 1|cut|split"], only="distinct"
)
def _(g, x, y):
    n = g.shape[1] // 2
    return g[:, :n].copy(), g[:, n:].copy()


@joined.wrong(
    "both get the first part",
    COTANGENT,
    ["y", "first|x|part|slice|offset|" + SWAPPED],
    only="equal",
)
def _(g, x, y):
    return g[:, : x.shape[1]].copy(), g[:, : y.shape[1]].copy()


def two_parts(x):
    a, b = np.split(x, 2, axis=1)
    return np.tanh(a) * b


def two_parts_backward(g, x):
    a, b = np.split(x, 2, axis=1)
    return np.concatenate([g * b * (1 - np.tanh(a) ** 2), g * np.tanh(a)], axis=1)


even = lambda rng, n: (rng.normal(size=(n[0], 2 * n[1])),)  # noqa: E731
parts = Function("split in two", two_parts, two_parts_backward, even)


@parts.wrong("joined in the other order", GLOBAL, [SWAPPED + "|block|half|halves"])
def _(g, x):
    a, b = np.split(x, 2, axis=1)
    return np.concatenate([g * np.tanh(a), g * b * (1 - np.tanh(a) ** 2)], axis=1)


@parts.wrong(
    "the second half is left at zero", EDGE, [MISSING + "|zero", "split|half|path|part|\\["]
)
def _(g, x):
    a, b = np.split(x, 2, axis=1)
    dx = np.zeros_like(x)
    dx[:, : a.shape[1]] = g * b * (1 - np.tanh(a) ** 2)
    return dx


@parts.wrong("the slope is forgotten", LOCAL, ["tanh", MISSING])
def _(g, x):
    a, b = np.split(x, 2, axis=1)
    return np.concatenate([g * b, g * np.tanh(a)], axis=1)


padded = Function(
    "pad",
    lambda x: np.pad(x, ((0, 0), (2, 1))) * 1.0,
    lambda g, x: g[:, 2:-1].copy(),
    normal("ab"),
)


@padded.wrong("cut at the wrong end", LOCAL, ["pad|cut|crop|shift|slice|offset|end|place"])
def _(g, x):
    return g[:, 1:-2].copy()


@padded.wrong("not cut", SHAPE, ["shape|pad|cut|crop"])
def _(g, x):
    return 1 * g


stacked = Function(
    "stack",
    lambda x, y: np.stack([x, y], axis=1) * 1.0,
    lambda g, x, y: (g[:, 0].copy(), g[:, 1].copy()),
    normal("ab", "ab"),
)


@stacked.wrong("taken apart in the other order", GLOBAL, [SWAPPED])
def _(g, x, y):
    return g[:, 1].copy(), g[:, 0].copy()


repeated = Function(
    "repeat",
    lambda x: np.repeat(x, 3, axis=1),
    lambda g, x: g.reshape(*x.shape, 3).sum(axis=-1),
    normal("ab"),
)


@repeated.wrong("as if tiled", LOCAL, ["repeat|tile|order|index|getitem|\\["])
def _(g, x):
    return g.reshape(len(x), 3, -1).sum(axis=1)


@repeated.wrong("only the first copy", EDGE, ["repeat|cop(y|ies)|sum|index|getitem|" + MISSING])
def _(g, x):
    return g[:, ::3].copy()


flipped = Function("flip", lambda x: x[::-1] * 1.0, lambda g, x: g[::-1].copy(), normal("ab"))


@flipped.wrong("not flipped back", GLOBAL, ["revers|flip|order|\\[::-1\\]"])
def _(g, x):
    return 1.0 * g


# ---------------------------------------------------------------- looked up
def chosen(rng: np.random.Generator, n: Sizes) -> Inputs:
    """A table (V, D), and row numbers of which some repeat."""
    V, D, B, T = n[:4]
    k = rng.integers(0, V, (B, T))
    k[0, 0] = k[-1, -1]
    return rng.normal(size=(V, D)), k


def look_up_backward(g, W, k):
    dW = np.zeros_like(W)
    np.add.at(dW, k, g)
    return dW, None


table = Function("embedding", lambda W, k: W[k], look_up_backward, chosen)


@table.wrong(
    "repeated look-ups dropped",
    EDGE,
    ["repeat|twice|same|duplicate|look|index|indices|more than once"],
)
def _(g, W, k):
    dW = np.zeros_like(W)
    dW[k] += g
    return dW, None


@table.wrong(
    "rows divided by how often they were looked up",
    LOCAL,
    ["repeat|count|often|average|mean|divid|index|indices"],
)
def _(g, W, k):
    dW, _ = look_up_backward(g, W, k)
    return dW / np.maximum(np.bincount(k.ravel(), minlength=len(W)), 1)[:, None], None


@table.wrong(
    "only the first position of each sequence", EDGE, ["first|only|position|step|" + MISSING]
)
def _(g, W, k):
    return look_up_backward(g[:, :1], W, k[:, :1])


@table.wrong("row 0 taken as padding", EDGE, ["row 0|index 0|\\[0|padding|first row|W\\[0"])
def _(g, W, k):
    dW, _ = look_up_backward(g, W, k)
    dW[0] = 0
    return dW, None


window = Function(
    "neighbouring differences",
    lambda x: x[1:] - x[:-1],
    lambda g, x: np.pad(g, ((1, 0), (0, 0))) - np.pad(g, ((0, 1), (0, 0))),
    normal("ab"),
)


@window.wrong(
    "= for += on overlapping slices",
    EDGE,
    [MISSING + "|overlap|assign", "slice|\\[|path|->|subtract|overlap"],
)
def _(g, x):
    dx = np.zeros_like(x)
    dx[1:] = g
    dx[:-1] = -g
    return dx


@window.wrong("the sign of the earlier neighbour", EDGE, ["sign|negat|minus|-1|subtract"])
def _(g, x):
    dx = np.zeros_like(x)
    dx[1:] += g
    dx[:-1] += g
    return dx


# ---------------------------------------------------------------- sums, maxima
running = Function(
    "cumsum",
    lambda x: np.cumsum(x, axis=1),
    lambda g, x: np.cumsum(g[:, ::-1], axis=1)[:, ::-1].copy(),
    normal("ab"),
)


@running.wrong(
    "summed from the wrong end",
    LOCAL,
    ["cumsum|running|cumulat", "end|revers|direction|flip|order|start"],
)
def _(g, x):
    return np.cumsum(g, axis=1)


@running.wrong(
    "without its own place", EDGE, ["cumsum|running|cumulat", MISSING + "|itself|own|exclusive"]
)
def _(g, x):
    return np.cumsum(g[:, ::-1], axis=1)[:, ::-1] - g


@running.wrong("along the wrong axis", LOCAL, ["axis"])
def _(g, x):
    return np.cumsum(g[::-1], axis=0)[::-1].copy()


@running.wrong("g handed through", LOCAL, ["cumsum|running|cumulat", MISSING])
def _(g, x):
    return 1.0 * g


total = Function(
    "sum of squares",
    lambda x: (x * x).sum(),
    lambda g, x: 2 * g * x,
    normal("ab"),
)


@total.wrong("axis None taken as 0", LOCAL, ["axis|sum|broadcast|entr|row|diagonal"], only="equal")
def _(g, x):
    return 2 * x * (np.eye(*x.shape) * g)


@total.wrong("only one of the two factors", EDGE, [r"half|0\.5|\b2\b|twice|factor|path|->"])
def _(g, x):
    return g * x


average = Function(
    "mean over an axis",
    lambda x: x.mean(axis=1),
    lambda g, x: np.repeat(g[:, None], x.shape[1], axis=1) / x.shape[1],
    normal("abc"),
)


@average.wrong("not divided", GLOBAL, ["mean|average|divid|times too large|axis 1"])
def _(g, x):
    return np.repeat(g[:, None], x.shape[1], axis=1)


@average.wrong(
    "divided by the number of all entries", GLOBAL, ["mean|average|divid|times too small|axis"]
)
def _(g, x):
    return np.repeat(g[:, None], x.shape[1], axis=1) / x.size


@average.wrong("spread over the wrong axis", LOCAL, ["axis|axes|transpos"], only="equal")
def _(g, x):
    return np.repeat(g[:, :, None], x.shape[1], axis=2) / x.shape[1]


largest = Function(
    "max over rows",
    lambda x: x.max(axis=1),
    lambda g, x: g[:, None] * (x == x.max(axis=1, keepdims=True)),
    normal("ab"),
)


@largest.wrong(
    "every entry gets it", LOCAL, ["max", "mask|every|all|broadcast|sum|largest|winner|" + MISSING]
)
def _(g, x):
    return g[:, None] * np.ones_like(x)


@largest.wrong("the largest of the columns", LOCAL, ["max", "axis|column|row"])
def _(g, x):
    return g[:, None] * (x == x.max(axis=0))


@largest.wrong("times the value", LOCAL, ["max", "value|output|factor|times|square"])
def _(g, x):
    top = x.max(axis=1, keepdims=True)
    return g[:, None] * np.where(x == top, x, 0)


@largest.wrong("the smallest", LOCAL, ["max", "min|smallest|another|other"])
def _(g, x):
    return g[:, None] * (x == x.min(axis=1, keepdims=True))


sorting = Function(
    "sort",
    lambda x: np.sort(x, axis=1),
    lambda g, x: np.take_along_axis(g, np.argsort(np.argsort(x, axis=1), axis=1), axis=1),
    normal("ab"),
)


@sorting.wrong("the order itself, not its inverse", LOCAL, ["sort|order|permut|inverse|place"])
def _(g, x):
    return np.take_along_axis(g, np.argsort(x, axis=1), axis=1)


@sorting.wrong("left in sorted order", LOCAL, ["sort|order|permut|back|place"])
def _(g, x):
    return 1.0 * g


powers = Function(
    "product over rows",
    lambda x: x.prod(axis=1),
    lambda g, x: (g * x.prod(axis=1))[:, None] / x,
    lambda rng, n: (rng.uniform(0.5, 2, size=n[:2]) * rng.choice([-1, 1], n[:2]),),
)


@powers.wrong("not divided by the entry", LOCAL, ["prod", "divi|itself|others|output|factor"])
def _(g, x):
    return np.repeat((g * x.prod(axis=1))[:, None], x.shape[1], axis=1)


@powers.wrong("the rule of a sum", LOCAL, ["prod", "sum|others|factor|" + MISSING])
def _(g, x):
    return np.repeat(g[:, None], x.shape[1], axis=1)


exponents = Function(
    "logsumexp",
    lambda x: np.log(np.exp(x).sum(axis=1)),
    lambda g, x: g[:, None] * np.exp(x) / np.exp(x).sum(axis=1, keepdims=True),
    normal("ab"),
)


@exponents.wrong("not normalised", EDGE, ["log", MISSING + "|divi|slope|derivative"])
def _(g, x):
    return g[:, None] * np.exp(x)


@exponents.wrong("normalised over the whole array", LOCAL, ["axis|sum|whole|all"])
def _(g, x):
    return g[:, None] * np.exp(x) / np.exp(x).sum()


@exponents.wrong("the exponential is forgotten", EDGE, ["exp", MISSING])
def _(g, x):
    return np.repeat((g / np.exp(x).sum(axis=1))[:, None], x.shape[1], axis=1)


clipping = Function(
    "clip", lambda x: np.clip(x, -1, 1), lambda g, x: g * ((x > -1) & (x < 1)), normal("abc")
)


@clipping.wrong(
    "the gradient is clipped, not masked", LOCAL, ["clip", "gradient|linear|g\\b|twice"]
)
def _(g, x):
    return np.clip(g, -1, 1) * ((x > -1) & (x < 1))


@clipping.wrong("only the upper bound", LOCAL, ["clip", "lower|bound|upper|side|below|min"])
def _(g, x):
    return g * (x < 1)


@clipping.wrong("not masked", LOCAL, ["clip", MISSING + "|mask"])
def _(g, x):
    return 1.0 * g


trace = Function(
    "row sums of a product with its transpose",
    lambda x: (x @ x.T).sum(axis=1),
    lambda g, x: (g[:, None] + g[None, :]) @ x,
    normal("ab"),
)


@trace.wrong("one of the two uses", EDGE, [MISSING, "path|->|use|matmul|@|edge|transpos"])
def _(g, x):
    return g[:, None] * x.sum(axis=0)


@trace.wrong("2 g x, as if it were symmetric", LOCAL, [TRANSPOSED + "|symmetr|path|->|matmul"])
def _(g, x):
    return 2 * g[:, None] * x.sum(axis=0)
