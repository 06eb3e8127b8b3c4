"""Wrong derivatives of one number's functions: the rule itself, its argument, its sign, a fork."""

from __future__ import annotations

import numpy as np

from .entry import (
    COTANGENT,
    EDGE,
    GLOBAL,
    LOCAL,
    MISSING,
    SIGN,
    TWICE,
    VALUE,
    Function,
    normal,
    positive,
    uses,
)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


# ---------------------------------------------------------------- tanh
tanh = Function("tanh", lambda x: np.tanh(x), lambda g, x: g * (1 - np.tanh(x) ** 2), normal("ab"))


@tanh.wrong("the input stands for the output", LOCAL, ["tanh", "input|1 - x"])
def _(g, x):
    return g * (1 - x**2)


@tanh.wrong("tanh of tanh", LOCAL, ["tanh", "of tanh|again|twice|of the output|own output"])
def _(g, x):
    y = np.tanh(x)
    return g * (1 - np.tanh(y) ** 2)


@tanh.wrong("1 / (1 - h^2)", LOCAL, ["tanh", r"divid|invers|reciprocal|1 ?/ ?\(?1"])
def _(g, x):
    return g / (1 - np.tanh(x) ** 2)


@tanh.wrong("the sigmoid's derivative", LOCAL, ["tanh", r"sigmoid|logistic|y ?\*? ?\(1 - y\)"])
def _(g, x):
    y = np.tanh(x)
    return g * y * (1 - y)


@tanh.wrong("1 - y, not squared", LOCAL, ["tanh", "square|1 - y"])
def _(g, x):
    return g * (1 - np.tanh(x))


@tanh.wrong("the slope is forgotten", LOCAL, ["tanh", MISSING])
def _(g, x):
    return 1 * g


# ---------------------------------------------------------------- sigmoid
logistic = Function(
    "sigmoid", sigmoid, lambda g, x: g * sigmoid(x) * (1 - sigmoid(x)), normal("ab")
)


@logistic.wrong("the input stands for the output", LOCAL, ["input|x ?\\*? ?\\(1 - x\\)"])
def _(g, x):
    return g * x * (1 - x)


@logistic.wrong("1 - s is forgotten", LOCAL, ["1 - |factor|exp|slope|derivative"])
def _(g, x):
    return g * sigmoid(x)


@logistic.wrong("tanh's derivative", LOCAL, ["tanh|1 - (y|s|out)"])
def _(g, x):
    return g * (1 - sigmoid(x) ** 2)


@logistic.wrong("the sign", GLOBAL, [SIGN])
def _(g, x):
    s = sigmoid(x)
    return g * s * (s - 1)


@logistic.wrong("applied to its own output", LOCAL, ["twice|of (the|its) (own )?output|applied"])
def _(g, x):
    s = sigmoid(sigmoid(x))
    return g * s * (1 - s)


# ---------------------------------------------------------------- relu, exp, log, sqrt, powers
relu = Function("relu", lambda x: np.maximum(x, 0), lambda g, x: g * (x > 0), normal("abc"))


@relu.wrong("the mask is forgotten", LOCAL, ["max|relu", MISSING + "|mask"])
def _(g, x):
    return 1 * g


@relu.wrong("the mask is the gradient's", LOCAL, ["gradient|linear|g "])
def _(g, x):
    return np.maximum(g, 0)


@relu.wrong(
    "the mask is turned round",
    LOCAL,
    ["max|relu|mask", "other|turned|wrong side|invert|revers|oppos|neg|where .* 0"],
)
def _(g, x):
    return g * (x < 0)


@relu.wrong(
    "times the output, not the mask",
    LOCAL,
    ["max|relu", "output|value|result|twice|input|factor|times x|linear"],
)
def _(g, x):
    return g * np.maximum(x, 0)


exponential = Function("exp", lambda x: np.exp(x), lambda g, x: g * np.exp(x), normal("ab"))


@exponential.wrong(
    "x e^(x-1), the rule of powers", LOCAL, ["exp", "power|another|other (function|rule)|input"]
)
def _(g, x):
    return g * x * np.exp(x - 1)


@exponential.wrong("the cotangent is ignored", COTANGENT, ["ignor|incoming|arriv|g "])
def _(g, x):
    return np.exp(x)


logarithm = Function("log", lambda x: np.log(x), lambda g, x: g / x, positive("ab"))


@logarithm.wrong("1 / log(x)", LOCAL, ["log", "output|result|log\\(x\\)"])
def _(g, x):
    return g / np.log(x)


@logarithm.wrong("times x", LOCAL, ["log", "times|multipl|divid|invers|reciprocal|1 ?/"])
def _(g, x):
    return g * x


root = Function("sqrt", lambda x: np.sqrt(x), lambda g, x: g / (2 * np.sqrt(x)), positive("ab"))


@root.wrong("the 2 is forgotten", LOCAL, [r"\b2\b|twice|half|0\.5|doubl"])
def _(g, x):
    return g / np.sqrt(x)


@root.wrong(
    "the input stands for the root", LOCAL, ["sqrt|root", "input|built from|not the (root|output)"]
)
def _(g, x):
    return g / (2 * x)


cube = Function("cube", lambda x: x**3, lambda g, x: 3 * g * x**2, normal("abc"))


@cube.wrong("the exponent is forgotten", LOCAL, [r"\b3\b|third|0\.333|exponent|factor"])
def _(g, x):
    return g * x**2


@cube.wrong(
    "the exponent is not reduced",
    LOCAL,
    ["power|\\*\\*|exponent|cube|\\^", "exponent|reduc|output|result|twice|input|times|2"],
)
def _(g, x):
    return 3 * g * x**3


quotient = Function(
    "divide",
    lambda x, y: x / y,
    lambda g, x, y: (g / y, -g * x / y**2),
    lambda rng, n: (rng.normal(size=n[:2]), rng.uniform(0.5, 2, size=n[:2])),
)


@quotient.wrong("the sign of dy", EDGE, ["y", SIGN])
def _(g, x, y):
    return g / y, g * x / y**2


@quotient.wrong("y is not squared", LOCAL, ["y", "square|divi|twice|power|factor"])
def _(g, x, y):
    return g / y, -g * x / y


@quotient.wrong("the two gradients are swapped", GLOBAL, ["swap|exchang|other('s)? |each other"])
def _(g, x, y):
    return -g * x / y**2, g / y


difference = Function(
    "subtract", lambda x, y: x - y, lambda g, x, y: (1 * g, -g), normal("ab", "ab")
)


@difference.wrong("the sign of dy", EDGE, ["y", SIGN])
def _(g, x, y):
    return 1 * g, 1 * g


product = Function(
    "multiply", lambda x, y: x * y, lambda g, x, y: (g * y, g * x), normal("ab", "ab")
)


@product.wrong(
    "each times itself",
    GLOBAL,
    ["swap|itself|(its|their) own|exchang|other operand|wrong operand|other factor"],
)
def _(g, x, y):
    return g * x, g * y


# ---------------------------------------------------------------- forks: the same x used twice
def silu_backward(g, x):
    s = sigmoid(x)
    return g * (s + x * s * (1 - s))


silu = Function("silu", lambda x: x * sigmoid(x), silu_backward, normal("ab"))


@silu.wrong("= for += at the fork, the gate's path", EDGE, [MISSING, "path|->|multiply|edge"])
def _(g, x):
    s = sigmoid(x)
    dx = g * s
    dx = g * x * s * (1 - s)
    return dx


@silu.wrong("the gate taken as a constant", EDGE, [MISSING, "path|->|exp|sigmoid|divide"])
def _(g, x):
    return g * sigmoid(x)


@silu.wrong("the gate's path counted twice", EDGE, [TWICE, "path|->|exp|sigmoid|divide"])
def _(g, x):
    s = sigmoid(x)
    ds = g * x
    ds += ds
    return g * s + ds * s * (1 - s)


ratio = Function(
    "tanh times sigmoid of one input",
    lambda x: np.tanh(x) * sigmoid(x),
    lambda g, x: g * ((1 - np.tanh(x) ** 2) * sigmoid(x) + np.tanh(x) * sigmoid(x) * sigmoid(-x)),
    normal("ab"),
)


@ratio.wrong("= for += at the fork", EDGE, [MISSING, "tanh|path|->"])
def _(g, x):
    t, s = np.tanh(x), sigmoid(x)
    dx = g * s * (1 - t**2)
    dx = g * t * s * (1 - s)
    return dx


@ratio.wrong("a value of the other branch", VALUE, ["tanh", uses("1 / |sigmoid|s\\b")])
def _(g, x):
    t, s = np.tanh(x), sigmoid(x)
    return g * s * (1 - s**2) + g * t * s * (1 - s)


ROOT = np.sqrt(2 / np.pi)


def gelu_backward(g, x):
    t = np.tanh(ROOT * (x + 0.044715 * x**3))
    inner = ROOT * (1 + 3 * 0.044715 * x**2)
    return g * (0.5 * (1 + t) + 0.5 * x * (1 - t**2) * inner)


gelu = Function(
    "gelu",
    lambda x: 0.5 * x * (1 + np.tanh(ROOT * (x + 0.044715 * x**3))),
    gelu_backward,
    normal("ab"),
)


@gelu.wrong("the 3 of the cube is forgotten", LOCAL, ["power|\\*\\*|cube|x\\^|exponent|\\b3\\b"])
def _(g, x):
    t = np.tanh(ROOT * (x + 0.044715 * x**3))
    inner = ROOT * (1 + 0.044715 * x**2)
    return g * (0.5 * (1 + t) + 0.5 * x * (1 - t**2) * inner)


@gelu.wrong("the inner derivative is forgotten", EDGE, [MISSING + "|inner|factor|chain"])
def _(g, x):
    t = np.tanh(ROOT * (x + 0.044715 * x**3))
    return g * (0.5 * (1 + t) + 0.5 * x * (1 - t**2))


softplus = Function(
    "softplus", lambda x: np.log1p(np.exp(x)), lambda g, x: g * sigmoid(x), normal("ab")
)


@softplus.wrong("the chain stops at log1p", EDGE, ["exp", MISSING + "|slope|derivative"])
def _(g, x):
    return g / (1 + np.exp(x))
