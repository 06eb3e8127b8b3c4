"""A machine that grows random programs and asks both engines, ours and the naive, for gradients."""

from __future__ import annotations

import numpy as np
from cases import Pick
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, multiple, rule
from naive import Value, evaluate, gradient, second_derivative

import tinygrad_rnn as tg

SHAPES = [(2, 3), (3,), (1, 3), (2, 1), (), (3, 3), (3, 2)]

UNARY = [
    (np.tanh, np.tanh),
    (np.sin, np.sin),
    (np.negative, np.negative),
    (tg.sigmoid, lambda x: 1 / (1 + np.exp(-x))),
    (tg.softplus, lambda x: np.log(1 + np.exp(x))),
    (lambda x: 0.5 * x**2, lambda x: 0.5 * x * x),
]

SHAPING = [
    lambda x: x.T,
    lambda x: x.reshape(-1),
    lambda x: x[None],
    lambda x: x.sum(),
    lambda x: x.sum(axis=0) if x.ndim else x,
    lambda x: x.sum(axis=-1, keepdims=True) if x.ndim else x,
    lambda x: x.cumsum(axis=0) if x.ndim else x,
    lambda x: x.mean(axis=-1) if x.ndim else x,
    lambda x: np.flip(x),
    lambda x: np.tile(x, 2),
    lambda x: np.pad(x, 1) if x.ndim == 1 else x,
]

BINARY = [
    lambda x, y: x + y,
    lambda x, y: x - y,
    lambda x, y: x * y,
    lambda x, y: x / (y * y + 2),
    lambda x, y: np.stack([x, y]) if x.shape == y.shape else x + y,
    lambda x, y: np.outer(x, y),
]


def broadcast(a, b):
    return all(n == m or 1 in (n, m) for n, m in zip(a[::-1], b[::-1], strict=False))


class Programs(RuleBasedStateMachine):
    """Each entry of `made`: what the engine has, a Tensor or a plain array, and its naive twin."""

    made = Bundle("made")

    @initialize(target=made, seed=st.integers(0, 2**32 - 1))
    def begin(self, seed):
        self.rng = np.random.default_rng(seed)
        self.leaves = []
        return multiple(*(self.leaf(shape) for shape in [(2, 3), (3,), (3, 2)]))

    def leaf(self, shape):
        twin = Value(self.rng.normal(size=shape))
        tensor = tg.Tensor(twin.array, requires_grad=True, name=f"leaf{len(self.leaves)}")
        self.leaves.append((tensor, twin))
        return tensor, twin

    def enter(self, result, f, *parents):
        """A new pair, unless it is large in size or value."""
        value = (
            tg.Tensor(result).data if isinstance(result, np.ndarray | np.generic) else result.data
        )
        if value.size > 24 or np.max(np.abs(value), initial=0) > 20:
            return multiple()
        result = np.asarray(result) if isinstance(result, np.generic) else result
        return result, Value(f=f, parents=[twin for _, twin in parents])

    # ------------------------------------------------------------ growing
    @rule(target=made, shape=st.sampled_from(SHAPES))
    def new_leaf(self, shape):
        if len(self.leaves) == 6:
            return multiple()
        return self.leaf(shape)

    @rule(target=made, shape=st.sampled_from(SHAPES), as_tensor=st.booleans())
    def constant(self, shape, as_tensor):
        array = np.asarray(self.rng.normal(size=shape))
        return (tg.Tensor(array) if as_tensor else array), Value(array)

    @rule(target=made, x=made, f=st.sampled_from(UNARY))
    def unary(self, x, f):
        return self.enter(f[0](x[0]), f[1], x)

    @rule(target=made, x=made, f=st.sampled_from(SHAPING))
    def shaping(self, x, f):
        return self.enter(f(x[0]), f, x)

    @rule(target=made, x=made, y=made, f=st.sampled_from(BINARY))
    def binary(self, x, y, f):
        if not broadcast(x[0].shape, y[0].shape):
            return multiple()
        return self.enter(f(x[0], y[0]), f, x, y)

    @rule(target=made, x=made, f=st.sampled_from(BINARY))
    def twice_the_same(self, x, f):
        return self.enter(f(x[0], x[0]), f, x, x)

    @rule(target=made, x=made, y=made)
    def product(self, x, y):
        a, b = x[0].shape, y[0].shape
        if not (a and b and a[-1] == b[-2 if len(b) > 1 else 0] and broadcast(a[:-2], b[:-2])):
            return multiple()
        return self.enter(x[0] @ y[0], lambda x, y: x @ y, x, y)

    @rule(target=made, x=made, data=st.data())
    def index(self, x, data):
        index = Pick(data.draw, "distinct").index(x[0].shape)
        if not x[0][index].size:  # nothing to average later
            return multiple()
        return self.enter(x[0][index], lambda x: x[index], x)

    @rule(target=made, x=made, backwards=st.booleans())
    def steps(self, x, backwards):
        order = range(*x[0].shape[:1])[:: -1 if backwards else 1] if x[0].ndim else ()
        if not order:
            return multiple()

        def unrolled(x, tanh):
            h = x[order[0]] * 0.5
            for t in order:
                h = tanh(h) + x[t]
            return h

        return self.enter(unrolled(x[0], tg.tanh), lambda x: unrolled(x, np.tanh), x)

    @rule(target=made, x=made, y=made, axis=st.sampled_from([0, -1]))
    def concatenate(self, x, y, axis):
        a, b = list(x[0].shape), list(y[0].shape)
        if not (a and len(a) == len(b)):
            return multiple()
        a[axis] = b[axis] = 0
        if a != b:
            return multiple()
        return self.enter(
            np.concatenate([x[0], y[0]], axis), lambda x, y: np.concatenate([x, y], axis), x, y
        )

    @rule(target=made, x=made, y=made)
    def add_in_place_while_recording(self, x, y):
        if not isinstance(x[0], tg.Tensor) or x[0].shape != y[0].shape:
            return multiple()
        before = x[0]
        total = before * 1.0
        total += y[0]
        assert x[0] is before
        return self.enter(total, lambda x, y: x + y, x, y)

    @rule(target=made, x=made)
    def detach(self, x):
        if not isinstance(x[0], tg.Tensor):
            return multiple()
        return x[0].detach(), Value(evaluate(x[1]))

    @rule(target=made, x=made)
    def without_recording(self, x):
        with tg.no_grad():
            result = x[0] * np.float64(0.5)
        return result, Value(evaluate(x[1]) * 0.5)

    # ------------------------------------------------------------ asking
    def close(self, actual, expected, tolerance):
        scale = 1 + np.max(np.abs(expected), initial=0)
        assert np.max(np.abs(actual - expected), initial=0) <= tolerance * scale

    @rule(x=made)
    def values_agree(self, x):
        value = x[0].data if isinstance(x[0], tg.Tensor) else x[0]
        assert np.allclose(value, evaluate(x[1]), rtol=1e-12, atol=1e-12)

    @rule(y=made)
    def gradients_agree(self, y):
        if not isinstance(y[0], tg.Tensor):
            return
        cotangent = np.asarray(self.rng.normal(size=y[0].shape))
        expected = [gradient(y[1], twin, cotangent) for _, twin in self.leaves]
        if not y[0].requires_grad:
            assert not any(np.any(e) for e in expected)
            return
        tensors = [tensor for tensor, _ in self.leaves]
        for tensor in tensors:
            tensor.grad = None
        y[0].backward(cotangent)
        found = tg.grad(y[0], tensors, cotangent, allow_unused=True)
        for tensor, g, e in zip(tensors, found, expected, strict=True):
            self.close(np.zeros(tensor.shape) if tensor.grad is None else tensor.grad, e, 1e-9)
            self.close(np.zeros(tensor.shape) if g is None else g.data, e, 1e-9)

    @rule(y=made, data=st.data())
    def second_gradients_agree(self, y, data):
        if not (isinstance(y[0], tg.Tensor) and y[0].requires_grad):
            return
        (x, x_twin), (z, z_twin) = (data.draw(st.sampled_from(self.leaves)) for _ in range(2))
        cotangent = np.asarray(self.rng.normal(size=y[0].shape))
        weights, direction = (np.asarray(self.rng.normal(size=t.shape)) for t in (x, z))
        first = tg.grad(y[0], x, cotangent, create_graph=True, allow_unused=True)
        actual = 0.0
        if first is not None and (along := (first * weights).sum()).requires_grad:
            second = tg.grad(along, z, allow_unused=True)
            actual = 0.0 if second is None else np.sum(second.data * direction)
        expected = second_derivative(y[1], x_twin, cotangent, weights, z_twin, direction)
        self.close(actual, expected, 1e-5)


TestPrograms = Programs.TestCase
TestPrograms.settings = settings(max_examples=60 * settings().max_examples)
