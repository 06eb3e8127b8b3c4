"""Backwards that break what every backward promises, and gradients that are not linear in g."""

from __future__ import annotations

import numpy as np

from .entry import CONTRACT, COTANGENT, GLOBAL, SHAPE, Function, normal

IN_PLACE = r"in place|changed|overwr|modif"

tanh = Function(
    "tanh, a layer's", lambda x: np.tanh(x), lambda g, x: g * (1 - np.tanh(x) ** 2), normal("ab")
)


@tanh.wrong("the incoming gradient is changed in place", CONTRACT, ["incoming|g\\b", IN_PLACE])
def _(g, x):
    g *= 1 - np.tanh(x) ** 2
    return g + 0


@tanh.wrong("the input is changed in place", CONTRACT, ["\\bx\\b|input", IN_PLACE])
def _(g, x):
    np.tanh(x, out=x)
    return g * (1 - x**2)


@tanh.wrong("g is clipped", COTANGENT, ["clip|linear|bounded"])
def _(g, x):
    return np.clip(g, -0.5, 0.5) * (1 - np.tanh(x) ** 2)


@tanh.wrong("the result is clipped", COTANGENT, ["clip|linear|bounded"])
def _(g, x):
    return np.clip(g * (1 - np.tanh(x) ** 2), -0.3, 0.3)


@tanh.wrong("clipped to a norm", COTANGENT, ["clip|norm|linear|bounded"])
def _(g, x):
    dx = g * (1 - np.tanh(x) ** 2)
    return dx / max(1.0, np.sqrt((dx * dx).sum()))


@tanh.wrong("g is used twice", COTANGENT, ["twice|squared|linear"])
def _(g, x):
    return g * g * (1 - np.tanh(x) ** 2)


@tanh.wrong("g is ignored", COTANGENT, ["ignor|does not depend|not used|never used|incoming"])
def _(g, x):
    return 1 - np.tanh(x) ** 2


@tanh.wrong(
    "the first entry of g for all", COTANGENT, ["first|entry|g\\[0|one entry|broadcast|incoming"]
)
def _(g, x):
    return g.flat[0] * (1 - np.tanh(x) ** 2)


@tanh.wrong("g summed", COTANGENT, ["sum|mix|incoming|g\\b|entries"])
def _(g, x):
    return g.sum() * (1 - np.tanh(x) ** 2)


@tanh.wrong("weight decay is added", COTANGENT, ["added|does not depend|decay|not zero|constant"])
def _(g, x):
    return g * (1 - np.tanh(x) ** 2) + 0.01 * x


@tanh.wrong("computed in float32", CONTRACT, ["float32|single|6 to 8"])
def _(g, x):
    y = np.tanh(x.astype(np.float32))
    return (g * (1 - y**2)).astype(np.float64)


@tanh.wrong("returned in float32", CONTRACT, ["float32|dtype"])
def _(g, x):
    return (g * (1 - np.tanh(x) ** 2)).astype(np.float32)


@tanh.wrong("a random mask", CONTRACT, ["second time|again|random|other one|another|same"])
def _(g, x):
    return g * (1 - np.tanh(x) ** 2) * (np.random.default_rng().random(x.shape) < 0.5)


plus = Function(
    "add, of one shape", lambda x, y: x + y, lambda g, x, y: (1 * g, 1 * g), normal("ab", "ab")
)


@plus.wrong("one array for both", CONTRACT, ["share|same|memory|alias"])
def _(g, x, y):
    dx = 1 * g
    return dx, dx


@plus.wrong("g itself is returned", CONTRACT, ["share|memory|incoming|alias"])
def _(g, x, y):
    return g, 1 * g


@plus.wrong(
    "one gradient for two inputs", CONTRACT, ["1 gradient|one gradient|2 inputs|two inputs|number"]
)
def _(g, x, y):
    return 1 * g


@plus.wrong("None for y", CONTRACT, ["y", "None|no gradient"])
def _(g, x, y):
    return 1 * g, None


@plus.wrong("split between the two", GLOBAL, [r"half|0\.5|2 times|twice|factor|too small"])
def _(g, x, y):
    return 0.5 * g, 0.5 * g


multiply = Function(
    "matrix product with gradients",
    lambda x, W: x @ W,
    lambda g, x, W: (g @ W.T, x.T @ g),
    normal("ab", "bc"),
)


@multiply.wrong(
    "the gradients in the other order", SHAPE, ["swap|order|exchang|other's|belongs|shape"]
)
def _(g, x, W):
    return x.T @ g, g @ W.T


class Kept:
    """dW += ... into an array that is kept between the calls, one for each layer (shape of W)."""

    def __init__(self):
        self.dW = {}

    def backward(self, g, x, W):
        self.dW[W.shape] = self.dW.get(W.shape, 0) + x.T @ g
        return g @ W.T, self.dW[W.shape]


@multiply.wrong(
    "added up over the calls", CONTRACT, ["W", "second time|between the calls|kept|accumul|adds up"]
)
def _(g, x, W, kept=Kept()):  # noqa: B008
    return kept.backward(g, x, W)


moments = Function(
    "mean and spread, two outputs",
    lambda x: (x.mean(axis=0), ((x - x.mean(axis=0)) ** 2).mean(axis=0)),
    lambda g, x: (g[0] + 2 * g[1] * (x - x.mean(axis=0))) / len(x),
    normal("ab"),
)


@moments.wrong(
    "the second output's gradient is dropped",
    COTANGENT,
    ["second|g1|y1|output 1|1\\]", "drop|ignor|not used|missing|zero|lost|never|without|cotangent"],
)
def _(g, x):
    return np.repeat(g[0][None], len(x), axis=0) / len(x)


@moments.wrong(
    "the first output's gradient is dropped",
    COTANGENT,
    ["first|g0|y0|output 0|0\\]", "drop|ignor|not used|missing|zero|lost|never|without|cotangent"],
)
def _(g, x):
    return 2 * g[1] * (x - x.mean(axis=0)) / len(x)


@moments.wrong("the two gradients swapped", COTANGENT, ["swap|exchang|other output|order"])
def _(g, x):
    return (g[1] + 2 * g[0] * (x - x.mean(axis=0))) / len(x)
