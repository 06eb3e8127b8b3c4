"""`locate`: the primitive, the argument and the line of whatever is wrong in a graph."""

import sys
from pathlib import Path

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import nn
from tinygrad_rnn.check.locate import locate

RNG = np.random.default_rng(0)
X, W = RNG.normal(size=(4, 3)), RNG.normal(size=(3, 3))
HERE = Path(__file__).read_text().splitlines()

wrong = tg.primitive(lambda x, y: x * y, name="wrong").gradients(
    lambda g, out, x, y: g * y, lambda g, out, x, y: g * y
)


def line_of(mark):
    return next(k for k, line in enumerate(HERE, 1) if line.endswith(f"# {mark}"))


def in_a_loop(x, w):
    h = tg.tanh(x @ w)
    for _ in range(3):
        h = tg.sigmoid(wrong(h, x) + 1)  # here
    return h.sum()


def test_the_primitive_the_argument_and_the_line():
    found = locate(in_a_loop, X, W)
    assert not found and len(found) == 1
    (f,) = found
    assert (f.op, f.argument, f.name, f.kind, f.calls, f.of) == ("wrong", 1, "y", "rule", 3, 3)
    assert f.place.own.file == __file__ and f.place.own.line == line_of("here")
    assert f.place.near.expression == "wrong(h, x)"
    assert f"wrong, argument 1, called in test_locate.py:{line_of('here')}: h = tg.sigmoid(" in str(
        f
    )
    assert "wrong formula" in str(found)


def test_a_right_function():
    found = locate(lambda x, w: tg.tanh(x @ w).sum(), X, W)
    assert found and len(found) == 0 and "right, too" in str(found)


def test_one_line_that_calls_the_primitive_twice(monkeypatch):
    monkeypatch.setattr(tg.sigmoid, "rules", (lambda g, out, x: g * out * out,))
    found = locate(lambda x: tg.sigmoid(x) + tg.sigmoid(2 * x), X)
    assert [f.among for f in found] == [", at tg.sigmoid(x)", ", at tg.sigmoid(2 * x)"]


def test_operators_and_methods_are_found_where_they_stand(monkeypatch):
    monkeypatch.setattr(tg.multiply, "rules", (tg.multiply.rules[0], lambda g, out, x, y: g * y))

    def f(x, y):
        z = x * y  # product
        return z.reshape(-1).sum()

    found = locate(f, X, X + 1)
    assert str(found[0]).startswith(
        f"multiply, argument 1, called in test_locate.py:{line_of('product')}: z = x * y"
    )


def test_inside_a_layer_the_equation_and_the_users_line(monkeypatch):
    monkeypatch.setattr(tg.tanh, "rules", (lambda g, out, x: g * (1 - out),))
    cell = nn.RNN(3, 4, rng=0)
    found = locate(lambda x: cell(x)[0], RNG.normal(size=(5, 2, 3)))
    (f,) = found
    assert f.op == "tanh" and f.place.near.short.startswith("tinygrad_rnn/nn/")
    assert f.place.own.file == __file__ and (f.calls, f.of) == (5, 5)
    assert "tinygrad_rnn/nn/" in str(f) and "(from test_locate.py:" in str(f)


@pytest.mark.parametrize(
    ("cut", "where"),
    [
        (lambda x: x.detach(), "detach"),
        (lambda x: x.numpy(), "numpy"),
        (lambda x: float(x.sum().data), "float"),
        (lambda x: np.abs(x.data), "numpy"),
    ],
)
def test_a_value_that_is_cut_off_the_graph(cut, where):
    def f(x, w):
        h = x @ w
        return tg.tanh(h * cut(h))  # cut

    (f,) = locate(f, X, W)
    assert (f.op, f.argument, f.kind) == ("multiply", 1, "cut")
    assert f.place.own.line == line_of("cut") and where in f.reason


def test_a_constant_that_cancels_is_meant():
    def logsumexp(x):
        top = tg.max(x, axis=-1, keepdims=True).detach()
        return tg.log(tg.exp(x - top).sum(axis=-1)) + top[..., 0]

    assert locate(logsumexp, X)


def test_constants_masks_and_kinks_are_no_mistake():
    assert locate(lambda x: tg.where(x > 0, x, 0.1 * x) * X, X)
    assert locate(tg.relu, np.array([0.0, 1.0]))


def test_a_rule_that_breaks_its_contract_or_raises():
    none = tg.primitive(lambda x: 2 * x, name="none").gradients(lambda g, out, x: None)
    found = locate(lambda x: none(x).sum(), X)
    assert found[0].op == "none" and "returned None" in str(found)
    crash = tg.primitive(lambda x: 2 * x, name="crash").gradients(lambda g, out, x: g @ g @ g)
    with pytest.raises(ValueError):  # gradcheck itself cannot go on, and says so
        locate(lambda x: crash(x).sum(), X)


def test_a_derivative_that_is_wrong_at_order_2_only():
    once = tg.primitive(np.sin, name="once").gradients(
        lambda g, out, x: g * np.cos(tg.tensor.raw(x))
    )
    assert locate(lambda x: once(x).sum(), X)
    found = locate(lambda x: once(x * x).sum(), X, order=2)
    assert [f.op for f in found] == ["once"]


def test_a_profiler_that_was_there_is_put_back():
    def mine(frame, event, value):
        return None

    before = sys.getprofile()
    sys.setprofile(mine)
    try:
        locate(tg.tanh, X)
        now = sys.getprofile()
    finally:
        sys.setprofile(before)
    assert now is mine


def test_a_long_graph():
    def f(x):
        for _ in range(500):
            x = x + 0.001 * tg.sin(x)
        return wrong(x, -x)  # last

    found = locate(f, X[0])
    assert found.nodes == 1502 and found[0].place.own.line == line_of("last")


def test_pairs_have_no_graph():
    with pytest.raises(TypeError, match="a function of Tensors"):
        locate((np.tanh, np.tanh), X)
