"""One strategy per function: hypothesis chooses a call's structure, a seeded generator its values.

What they draw from is `tinygrad_rnn.testing.Pick`: structure in three families of shapes, values in
the function's domain and away from its kinks, so that every case has a derivative.
"""

from __future__ import annotations

import types
from collections.abc import Callable

import numpy as np
from hypothesis import strategies as st

from tinygrad_rnn import corners, ops
from tinygrad_rnn import functional as F
from tinygrad_rnn.arraylike import FUNCTIONS
from tinygrad_rnn.tensor import Primitive
from tinygrad_rnn.testing.battery import Case
from tinygrad_rnn.testing.pick import FAMILIES, Pick  # noqa: F401  (FAMILIES for those who draw)

OWN = {
    name: f
    for module in (ops, corners)
    for name, f in vars(module).items()
    if isinstance(f, Primitive)
}
WITHOUT_GRADIENT = {"one_hot"}  # gives plain arrays


def functions() -> dict[str, Callable]:
    """Every function that has a gradient, primitive or made of them, by its name in its module."""
    primitives = {name: f for name, f in OWN.items() if not f.constant}
    composed = {
        name: f
        for name, f in vars(F).items()
        if isinstance(f, types.FunctionType) and f.__module__ == F.__name__ and name[0] != "_"
    }
    found = primitives | composed
    seen = {*found.values(), *OWN.values()}
    return found | {name: f for name, f in FUNCTIONS.items() if f not in seen}


CATALOGUE: dict[str, Callable[[Pick], Case]] = {}


def case(*names: str):
    """Enter a builder of cases into the catalogue; with several names it is told which."""

    def enter(build):
        for name in names:
            CATALOGUE[name] = build if len(names) == 1 else (lambda p, name=name: build(p, name))
        return build

    return enter


@st.composite
def cases(draw, name: str, family: str) -> Case:
    return CATALOGUE[name](Pick(draw, family))


# ---------------------------------------------------------------- elementwise
def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


UNARY = {
    "negative": (np.negative, Pick.anywhere),
    "square": (np.square, Pick.anywhere),
    "sqrt": (np.sqrt, Pick.positive),
    "exp": (np.exp, Pick.anywhere),
    "expm1": (np.expm1, Pick.anywhere),
    "log": (np.log, Pick.positive),
    "log1p": (np.log1p, Pick.positive),
    "sin": (np.sin, Pick.anywhere),
    "cos": (np.cos, Pick.anywhere),
    "tanh": (np.tanh, Pick.anywhere),
    "sigmoid": (_sigmoid, Pick.anywhere),
    "softplus": (lambda x: np.log(1 + np.exp(x)), Pick.anywhere),
    "absolute": (np.abs, Pick.off_zero),
    "relu": (lambda x: np.where(x > 0, x, 0), Pick.off_zero),
}

BINARY = {  # NumPy's function, and where the two operands live
    "add": (np.add, Pick.anywhere, Pick.anywhere),
    "subtract": (np.subtract, Pick.anywhere, Pick.anywhere),
    "multiply": (np.multiply, Pick.anywhere, Pick.anywhere),
    "divide": (np.divide, Pick.anywhere, Pick.off_zero),
    "power": (np.power, Pick.positive, Pick.anywhere),
}


@case(*UNARY)
def unary(p, name):
    numpy, values = UNARY[name]
    shape = p.shape()
    return p.case(OWN[name], numpy, [values(p, shape)], f"{name} {shape}")


@case(*BINARY)
def binary(p, name):
    numpy, left, right = BINARY[name]
    a, b = p.stretched(2)
    share = name != "divide" or a != b  # x / x is the constant 1
    return p.case(OWN[name], numpy, [left(p, a), right(p, b)], f"{name} {a} {b}", share=share)


@case("maximum", "minimum")
def extremum_of_two(p, name):
    a, b = p.stretched(2)
    x = p.rng.integers(-3, 3, a) + p.rng.uniform(0.0, 0.4, a)
    y = p.rng.integers(-3, 3, b) + p.rng.uniform(0.5, 0.9, b)
    return p.case(OWN[name], getattr(np, name), [x, y], f"{name} {a} {b}", share=False)


@case("clip", "clipped")
def clip(p, name):
    shape = p.shape()
    bound = p.choose(1.0, np.array(1.0), p.rng.uniform(0.9, 1.1, shape))
    low, high = p.choose((-bound, bound), (-bound, None), (None, bound))
    return p.case(
        lambda x: {"clip": F.clip, "clipped": corners.clipped}[name](x, min=low, max=high),
        lambda x: np.clip(x, low, high),
        [p.off_one(shape)],
        f"{name} {shape} min={low} max={high}",
        promotes=isinstance(bound, np.ndarray),
    )


@case("where")
def where(p):
    c, a, b = p.stretched(3)
    condition = p.rng.random(c) < 0.5
    return p.case(
        lambda x, y: corners.where(condition, x, y),
        lambda x, y: np.where(condition, x, y),
        [p.anywhere(a), p.anywhere(b)],
        f"where {c} {a} {b}",
    )


# ---------------------------------------------------------------- products over axes
@case("matmul")
def matmul(p):
    m, k, n, b = p.sizes(4)
    c = p.choose(b, 1)
    left, right = p.choose(
        ((k,), (k,)), ((m, k), (k,)), ((k,), (k, n)), ((m, k), (k, n)), ((b, m, k), (k, n)),
        ((m, k), (b, k, n)), ((b, m, k), (c, k, n)), ((c, m, k), (b, k, n)), ((b, m, k), (k,)),
        ((k,), (b, k, n)), ((2, c, m, k), (b, k, n)), ((2, b, m, k), (k, n)), ((k, k), (k, k)),
    )  # fmt: skip
    operands = [p.anywhere(left), p.anywhere(right)]
    return p.case(ops.matmul, np.matmul, operands, f"matmul {left} {right}")


@case("linear")
def linear(p):
    H, D, *lead = p.sizes(4, least=1)
    shape = (*lead[: p.number(0, 2)], D)
    operands = [p.anywhere(shape), p.anywhere((H, D)), p.anywhere((H,))]
    if p.choose(True, False):
        return p.case(F.linear, lambda x, W, b: x @ W.T + b, operands, f"linear {shape} {(H, D)}")
    return p.case(F.linear, lambda x, W: x @ W.T, operands[:2], f"linear {shape} {(H, D)}, no bias")


@case("outer")
def outer(p):
    a, b = p.shape(high=2, least=1), p.shape(high=2, least=1)
    return p.case(F.outer, np.outer, [p.anywhere(a), p.anywhere(b)], f"outer {a} {b}")


@case("sum_of_products")
def sum_of_products(p):
    m, n, *rows = p.sizes(5)
    operands = []
    for r in rows[: p.number(1, 3)]:
        operands += [p.anywhere((r, m)), p.anywhere((r, n))]
    return p.case(
        lambda *pairs: ops.sum_of_products(*pairs, items=(None,) * (len(pairs) // 2)),
        lambda *pairs: sum(a.T @ b for a, b in zip(pairs[::2], pairs[1::2], strict=True)),
        operands,
        f"sum_of_products {m} {n} {rows}",
    )


SUBSCRIPTS = (
    "ij,jk->ik", "ij,jk", "i,i", "i,j->ij", "ji", "ij->", "ijk->j", "ij,ij->ij", "ij,ij->j",
    "ij,kj", "bij,bjk->bik", "i,ij,j->", "ab,bc,cd->ad", "i,i,i->i", "ij , jk -> ki", "i,->i", ",",
    "i->i", "ii", "ii->i", "iji->j", "iij->ji", "ijj", "ii,i->", "ii,jj->ij", "ii,ii->i", "iii->i",
    "iJ,Jk->ik", "...i,...i->...", "...ij,jk->...ik", "ij...->ji...", "...,...->...", "i...,i...",
    "...ii->...i", "...ij", "i...->...", "...a,b...->ab...",
)  # fmt: skip


@case("einsum", "contracted")
def einsum(p, name):
    subscripts = p.choose(*SUBSCRIPTS)
    letters = sorted(set(subscripts) - set("->,. "))
    size = dict(zip(letters, p.sizes(len(letters)), strict=True))
    dots = tuple(p.sizes(p.number(0, 2)))
    shapes = []
    for term in subscripts.replace(" ", "").partition("->")[0].split(","):
        left, ellipsis, right = term.partition("...")
        middle = dots[p.number(0, len(dots)) :] if ellipsis else ()
        middle = tuple(1 if p.choose(*[False] * 4, True) else n for n in middle)
        shapes.append(tuple(size[c] for c in left) + middle + tuple(size[c] for c in right))
    ours = {
        "einsum": lambda *xs: F.einsum(subscripts, *xs),
        "contracted": lambda *xs: ops.contracted(*xs, subscripts=subscripts),
    }
    return p.case(
        ours[name],
        lambda *xs: np.einsum(subscripts, *xs),
        [p.anywhere(shape) for shape in shapes],
        f"{name} {subscripts} {shapes}",
    )


# ---------------------------------------------------------------- reductions
def _logsumexp(x, axis, keepdims):
    return np.log(np.sum(np.exp(x), axis=axis, keepdims=keepdims))


REDUCTIONS = {
    "sum": (np.sum, Pick.anywhere, 0),
    "prod": (np.prod, Pick.off_zero, 0),
    "max": (np.max, Pick.no_ties, 1),
    "min": (np.min, Pick.no_ties, 1),
    "logsumexp": (_logsumexp, Pick.anywhere, 1),
    "mean": (np.mean, Pick.anywhere, 1),
}


@case(*REDUCTIONS)
def reduction(p, name):
    numpy, values, least = REDUCTIONS[name]
    shape = p.shape(least=least)
    how = {"axis": p.axes(len(shape)), "keepdims": p.choose(False, True)}
    ours = getattr(F if name == "mean" else ops, name)
    return p.case(
        lambda x: ours(x, **how),
        lambda x: numpy(x, **how),
        [values(p, shape)],
        f"{name} {shape} {how}",
    )


@case("var", "std")
def spread(p, name):
    shape = p.shape(low=1, least=2)
    how = {"axis": p.axes(len(shape)), "ddof": p.choose(0, 1), "keepdims": p.choose(False, True)}
    if how["axis"] == ():  # the variance of one number is 0, where its root has a kink
        how["axis"] = None
    ours, numpy = getattr(F, name), getattr(np, name)
    x = p.no_ties(shape)
    return p.case(lambda x: ours(x, **how), lambda x: numpy(x, **how), [x], f"{name} {shape} {how}")


@case("cumsum")
def cumsum(p):
    shape = p.shape()
    axis = p.choose(None, p.axis(len(shape))) if shape else None
    return p.case(
        lambda x: ops.cumsum(x, axis=axis),
        lambda x: np.cumsum(x, axis),
        [p.anywhere(shape)],
        f"cumsum {shape} axis={axis}",
    )


# ---------------------------------------------------------------- shapes
@case("reshape")
def reshape(p):
    shape = p.shape()
    order = tuple(p.draw(st.permutations(shape)))
    new = p.choose(order, (*order, 1), (1, *shape), (-1,) if np.prod(shape) else order, shape)
    return p.case(
        lambda x: ops.reshape(x, shape=new),
        lambda x: np.reshape(x, new),
        [p.anywhere(shape)],
        f"reshape {shape} to {new}",
    )


@case("transpose")
def transpose(p):
    shape = p.shape()
    order = [k - p.choose(0, len(shape)) for k in p.draw(st.permutations(range(len(shape))))]
    axes = p.choose(None, tuple(order))
    return p.case(
        lambda x: ops.transpose(x, axes=axes),
        lambda x: np.transpose(x, axes),
        [p.anywhere(shape)],
        f"transpose {shape} {axes}",
    )


@case("swapaxes")
def swapaxes(p):
    shape = p.shape(low=1)
    a, b = p.axis(len(shape)), p.axis(len(shape))
    return p.case(
        lambda x: F.swapaxes(x, a, b),
        lambda x: np.swapaxes(x, a, b),
        [p.anywhere(shape)],
        f"swapaxes {shape} {a} {b}",
    )


@case("broadcast_to")
def broadcast_to(p):
    whole = p.shape()
    part = tuple(1 if p.choose(False, True) else n for n in whole)[p.number(0, len(whole)) :]
    return p.case(
        lambda x: ops.broadcast_to(x, shape=whole),
        lambda x: np.broadcast_to(x, whole),
        [p.anywhere(part)],
        f"broadcast {part} to {whole}",
    )


@case("expand_dims")
def expand_dims(p):
    shape = p.shape(high=2)
    axis = p.choose(p.axis(len(shape) + 1), (0, -1))
    return p.case(
        lambda x: F.expand_dims(x, axis),
        lambda x: np.expand_dims(x, axis),
        [p.anywhere(shape)],
        f"expand_dims {shape} {axis}",
    )


@case("squeeze")
def squeeze(p):
    shape = list(p.shape(low=1))
    at = p.number(0, len(shape) - 1)
    shape[at] = 1
    axis = p.choose(None, at, at - len(shape), (at,))
    return p.case(
        lambda x: F.squeeze(x, axis),
        lambda x: np.squeeze(x, axis),
        [p.anywhere(shape)],
        f"squeeze {shape} {axis}",
    )


@case("astype")
def astype(p):
    shape = p.shape()
    return p.case(
        lambda x: ops.astype(x, dtype=np.dtype(float)),
        lambda x: x.astype(float),
        [p.anywhere(shape)],
        f"astype {shape}",
        promotes=True,
    )


@case("concatenate", "joined")
def concatenate(p, name):
    shape = p.shape(low=1)
    axis = p.axis(len(shape))
    lengths = p.choose([2, 3, 1], [2, 2], [0, 3], [4])
    shapes = [[n if k != axis % len(shape) else m for k, n in enumerate(shape)] for m in lengths]
    if name == "concatenate" and p.choose(False, False, True):
        axis = None
    ours = {
        "concatenate": lambda *xs: F.concatenate(xs, axis),
        "joined": lambda *xs: ops.joined(*xs, axis=axis),
    }
    return p.case(
        ours[name],
        lambda *xs: np.concatenate(xs, axis),
        [p.anywhere(s) for s in shapes],
        f"{name} {shapes} axis={axis}",
    )


@case("stack", "stacked")
def stack(p, name):
    shape = p.shape(high=2)
    axis = p.axis(len(shape) + 1)
    ours = {
        "stack": lambda *xs: F.stack(xs, axis),
        "stacked": lambda *xs: ops.stacked(*xs, axis=axis),
    }
    return p.case(
        ours[name],
        lambda *xs: np.stack(xs, axis),
        [p.anywhere(shape) for _ in range(p.number(1, 3))],
        f"{name} {shape} axis={axis}",
    )


@case("split")
def split(p):
    shape = p.shape(low=1)
    axis = p.axis(len(shape))
    n = shape[axis]
    sections = p.choose(1, [1], [0, 1, 1], [-1], [2, 1], *([n] if n else []))
    return p.case(
        lambda x: F.split(x, sections, axis),
        lambda x: np.split(x, sections, axis),
        [p.anywhere(shape)],
        f"split {shape} {sections} axis={axis}",
    )


def cuts(p, n):
    """Places to cut an axis of n entries at, from 0 to n."""
    return (0, *sorted(p.number(0, n) for _ in range(p.number(0, 3))), n)


@case("part")
def part(p):
    shape = p.shape(low=1)
    axis = p.number(0, len(shape) - 1)
    at = cuts(p, shape[axis])
    k = p.number(0, len(at) - 2)
    return p.case(
        lambda x: ops.part(x, start=at[k], stop=at[k + 1], axis=axis),
        lambda x: np.split(x, at[1:-1], axis)[k],
        [p.anywhere(shape)],
        f"part {k} of {shape} cut at {at}, axis={axis}",
    )


@case("unbind")
def unbind(p):
    shape = p.shape(low=1)
    axis = p.axis(len(shape))
    return p.case(
        lambda x: F.unbind(x, axis),
        lambda x: list(np.moveaxis(x, axis, 0)),
        [p.anywhere(shape)],
        f"unbind {shape} axis={axis}",
    )


@case("flip")
def flip(p):
    shape = p.shape()
    axis = p.axes(len(shape))
    return p.case(
        lambda x: F.flip(x, axis),
        lambda x: np.flip(x, axis),
        [p.anywhere(shape)],
        f"flip {shape} axis={axis}",
    )


@case("pad")
def pad(p):
    shape = p.shape(low=1)
    width = p.choose(1, (2, 1), [(k, 1) for k in range(len(shape))], 0)
    value = p.choose(0, 1.5)
    return p.case(
        lambda x: F.pad(x, width, constant_values=value),
        lambda x: np.pad(x, width, constant_values=value),
        [p.anywhere(shape)],
        f"pad {shape} {width} {value}",
    )


@case("repeat")
def repeat(p):
    shape = p.shape(low=1)
    axis = p.choose(None, p.axis(len(shape)))
    n = shape[axis] if axis is not None else int(np.prod(shape))
    repeats = p.choose(2, 0, [int(k) for k in p.rng.integers(0, 3, n)])
    return p.case(
        lambda x: F.repeat(x, repeats, axis),
        lambda x: np.repeat(x, np.asarray(repeats, int), axis),
        [p.anywhere(shape)],
        f"repeat {shape} {repeats} axis={axis}",
    )


@case("tile")
def tile(p):
    shape = p.shape()
    reps = p.choose(2, (2,), (2, 3), (1, 2, 1), (), (0, 2))
    return p.case(
        lambda x: F.tile(x, reps),
        lambda x: np.tile(x, reps),
        [p.anywhere(shape)],
        f"tile {shape} {reps}",
    )


# ---------------------------------------------------------------- indexing
@case("getitem")
def getitem(p):
    shape = p.shape()
    index = p.index(shape)
    return p.case(
        lambda x: ops.getitem(x, index=index),
        lambda x: x[index],
        [p.anywhere(shape)],
        f"{shape}[{index!r}]",
    )


@case("scatter")
def scatter(p):
    shape = p.shape(low=1)
    n = shape[0]
    halves = [slice(0, n // 2), slice(n // 2, n)]
    steps = p.choose([], list(range(n)), halves, *([[0, 0], [-1, 0]] if n else []))
    steps = p.choose(steps, [(k, ...) for k in steps])
    items = (*steps, *(p.index(shape) for _ in range(p.number(0 if steps else 1, 2))))

    def numpy(*gs):
        out = np.zeros(shape, np.result_type(float, *gs))
        for g, index in zip(gs, items, strict=True):
            np.add.at(out, index, g)
        return out

    return p.case(
        lambda *gs: ops.scatter(*gs, items=items, shape=shape),
        numpy,
        [p.anywhere(np.zeros(shape)[index].shape) for index in items],
        f"scatter into {shape} at {items}",
    )


@case("take")
def take(p):
    shape = p.shape(low=1, least=1)
    axis = p.choose(None, p.axis(len(shape)))
    n = shape[axis] if axis is not None else int(np.prod(shape))
    indices = p.choose(
        0, -1, [0, n - 1, 0], p.rng.integers(-n, n, (2, 3)), p.rng.integers(-n, n, 4)
    )
    return p.case(
        lambda x: F.take(x, indices, axis),
        lambda x: np.take(x, indices, axis),
        [p.anywhere(shape)],
        f"take {shape} {indices} axis={axis}",
    )


@case("embedding")
def embedding(p):
    V, E, *lead = p.sizes(4, least=1)
    indices = p.rng.integers(0, V, lead[: p.number(0, 2)])
    return p.case(
        lambda weight: F.embedding(indices, weight),
        lambda weight: weight[indices],
        [p.anywhere((V, E))],
        f"embedding {(V, E)} {indices.tolist()}",
    )


# ---------------------------------------------------------------- softmax, losses, dropout
@case("softmax", "log_softmax")
def softmax(p, name):
    shape = p.shape(low=1, least=1)
    axis = p.axis(len(shape))

    def numpy(x):
        share = np.exp(x) / np.sum(np.exp(x), axis=axis, keepdims=True)
        return share if name == "softmax" else np.log(share)

    ours = getattr(F, name)
    return p.case(
        lambda x: ours(x, axis), numpy, [p.anywhere(shape)], f"{name} {shape} axis={axis}"
    )


def _reduced(losses, reduction, count):
    return {"none": losses, "sum": np.sum(losses), "mean": np.sum(losses) / count}[reduction]


@case("cross_entropy")
def cross_entropy(p):
    shape = p.shape(low=1, least=1)
    axis, reduction = p.axis(len(shape)), p.choose("mean", "sum", "none")
    how = {"axis": axis, "reduction": reduction}
    logits = p.anywhere(shape)
    positions = tuple(np.delete(shape, axis))

    if p.choose(True, False, False):  # probabilities, which may need a gradient themselves

        def of_probabilities(x, t):
            x, t = np.moveaxis(x, axis, -1), np.moveaxis(t, axis, -1)
            losses = np.sum(t * (np.log(np.sum(np.exp(x), axis=-1, keepdims=True)) - x), axis=-1)
            return _reduced(losses, reduction, int(np.prod(positions)))

        operands = [logits, p.rng.random(shape)]
        ours = lambda x, t: F.cross_entropy(x, t, **how)  # noqa: E731
        return p.case(ours, of_probabilities, operands, f"cross_entropy {shape} {how}", share=False)

    target = np.asarray(p.rng.integers(0, shape[axis], positions))
    ignored = np.asarray(p.rng.random(positions) < 0.3)
    ignored.flat[0] = False
    target = np.where(ignored, -100, target) if p.choose(True, False) else target

    def of_classes(x):
        losses = np.zeros(positions, x.dtype)
        x = np.moveaxis(x, axis, -1)
        for at in np.ndindex(*positions):
            if target[at] != -100:
                losses[at] = np.log(np.sum(np.exp(x[at]))) - x[at][target[at]]
        return _reduced(losses, reduction, np.sum(target != -100))

    return p.case(
        lambda x: F.cross_entropy(x, target, **how),
        of_classes,
        [logits],
        f"cross_entropy {shape} {target.tolist()} {how}",
    )


LOSSES = {
    "binary_cross_entropy_with_logits": lambda x, t: (
        -t * np.log(_sigmoid(x)) - (1 - t) * np.log(1 - _sigmoid(x))
    ),
    "mse_loss": lambda x, t: (x - t) ** 2,
    "l1_loss": lambda x, t: np.abs(x - t),
}


@case(*LOSSES)
def loss(p, name):
    shape = p.shape(least=1)
    reduction = p.choose("mean", "sum", "none")
    output = p.anywhere(shape)
    target = output + p.off_zero(shape) if name == "l1_loss" else p.rng.random(shape)
    ours = getattr(F, name)
    return p.case(
        lambda x, t: ours(x, t, reduction=reduction),
        lambda x, t: _reduced(LOSSES[name](x, t), reduction, int(np.prod(shape))),
        [output, target],
        f"{name} {shape} {reduction}",
        share=False,
    )


@case("dropout")
def dropout(p):
    shape = p.shape()
    probability, seed = p.choose(0.0, 0.3, 0.5), p.number(0, 9)
    keep = np.random.default_rng(seed).random(shape) >= probability
    return p.case(
        lambda x: F.dropout(x, probability, rng=seed),
        lambda x: np.where(keep, x / (1 - probability), 0),
        [p.anywhere(shape)],
        f"dropout {shape} p={probability}",
    )
