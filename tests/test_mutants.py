"""What the mutants of the rules and of the walk asked for: each test kills one that survived."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import functional as F
from tinygrad_rnn import graph
from tinygrad_rnn.corners import whole_max
from tinygrad_rnn.tensor import PRIMITIVES
from tinygrad_rnn.testing.battery import close, leaf, normal

A, B, W = normal((3,), 1), normal((3,), 2), normal((3, 3), 3)


# ---------------------------------------------------------------- where the walk goes
def test_no_rule_is_called_in_a_part_of_the_graph_that_leads_to_no_goal():
    def forbidden(g, out, x):
        raise AssertionError("walked past")

    wall = tg.primitive(np.exp, forbidden, name="wall")
    a, b = leaf(A), leaf(B)
    h = tg.sin(wall(tg.sin(a)))  # results on both sides of the wall, not only leaves
    close(tg.grad(h * b, b, A).data, A * h.data)
    with pytest.raises(AssertionError, match="walked past"):
        tg.grad(h * b, a, A)


def test_the_first_of_several_inputs_must_be_part_of_the_graph_too():
    x, other = leaf(A, "x"), leaf(B, "other")
    with pytest.raises(RuntimeError, match="does not depend on 'other'"):
        tg.grad((x * x).sum(), [other, x])
    assert tg.grad((x * x).sum(), [other, x], allow_unused=True)[0] is None


@pytest.mark.parametrize("inputs", [A, [A], None.__eq__, "x"])
def test_gradients_are_asked_for_with_respect_to_tensors(inputs):
    x = leaf(A)
    with pytest.raises(TypeError, match=r"with respect to Tensors|not iterable"):
        tg.grad((x * x).sum(), inputs)


# ---------------------------------------------------------------- what it starts from
def test_a_seed_of_another_shape_is_refused_with_both_shapes():
    y = leaf(A) * 2
    for seed in (np.ones(2), np.ones((3, 1)), 1.0, tg.Tensor(np.ones((1, 3)))):
        with pytest.raises(ValueError, match=r"has shape \(3,\)"):
            y.backward(seed)
        with pytest.raises(ValueError, match="has the output's shape"):
            tg.grad(y, y, seed)


def test_a_seed_takes_the_outputs_precision_and_a_complex_one_stays_complex():
    y = leaf(A.astype(np.float32)) * 2
    assert tg.grad(y, y, B).dtype == np.float32
    assert tg.grad(y, y, B + 1e-3j).dtype.kind == "c"
    x = leaf(A)
    found = tg.grad(x * x + x, x, B + 1e-20j * A)
    close(found.data.imag / 1e-20, A * (2 * A + 1))


def test_a_seed_may_be_a_tensor_and_the_gradient_is_still_a_plain_array():
    x, seed = leaf(A), leaf(B)
    (x * x).backward(seed)
    assert type(x.grad) is np.ndarray
    close(x.grad, 2 * A * B)
    g = tg.grad(x * x, x, seed)
    assert g.node is None and not g.requires_grad
    (again,) = tg.grad(tg.grad(x * x, x, seed, create_graph=True).sum(), [seed])
    close(again.data, 2 * A)


def test_a_gradient_lies_in_memory_row_by_row():
    x = leaf(normal((2, 3)))
    x.T.backward(normal((3, 2)))
    assert x.grad.flags.c_contiguous


# ---------------------------------------------------------------- arrays that were replaced
@pytest.mark.parametrize(
    "program",
    [lambda w: tg.exp(w), lambda w: w * w, lambda w: tg.sin(tg.exp(w)), lambda w: w[0] + w[1]],
)
def test_an_operand_that_was_replaced_is_refused_however_many_there_are(program):
    w = leaf(A, "w")
    y = program(w)
    w.data = w.data + 1
    with pytest.raises(RuntimeError, match="'w' was changed in place"):
        y.backward(np.ones(y.shape))


def test_a_result_that_was_replaced_is_refused():
    """exp's rule uses its result: with another array in its place the gradient would be wrong."""
    x = leaf(A)
    y = tg.exp(x)
    y.data = y.data + 1
    with pytest.raises(RuntimeError, match="was changed in place after exp"):
        y.backward(B)


# ---------------------------------------------------------------- what arrives
def test_shares_of_different_operations_are_added_up_apart():
    """Even where their metadata are the same: here both have none."""
    doubled = tg.primitive(lambda *gs, items: 2 * np.sum(gs, axis=0), name="doubled")
    twice = tg.primitive(lambda x: 2 * x, name="twice").gradients(
        lambda g, out, x: graph.Share(doubled, (g,), None, {})
    )
    w, h = leaf(W), A[None]
    y = twice(w).sum() + (h @ w).sum() + twice(w).sum()
    y.backward()
    close(w.grad, 4 + h.T @ np.ones((1, 3)))


def test_shares_with_different_metadata_are_added_up_apart():
    times = tg.primitive(lambda *gs, items, k: k * np.sum(gs, axis=0), name="times")

    def scaled(k):
        return tg.primitive(lambda x: k * x, name=f"times {k}").gradients(
            lambda g, out, x: graph.Share(times, (g,), None, {"k": k})
        )

    x, seed = leaf(A), normal((3,), 7)
    (scaled(2)(x) + scaled(3)(x) + scaled(2)(x)).backward(seed)
    close(x.grad, 7 * seed)


@pytest.mark.parametrize("shape", [(), (2,), (3, 1), (1, 1, 2), (4, 3, 2)])
def test_a_gradient_that_no_broadcasting_could_have_made_is_named(shape):
    op = tg.primitive(lambda x: x * 1.0, name="odd").gradients(lambda g, out, x: np.ones(shape))
    x = leaf(normal((2, 3)), "x")
    with pytest.raises(ValueError, match="gradient rule of odd for input 0 returned shape"):
        op(x).backward(np.ones((2, 3)))


def test_many_uses_add_up_in_the_precision_of_the_tensor():
    for dtype in (np.float32, np.float64):
        x = leaf(A.astype(dtype))
        y = x * B + x * A + x * 2.0 + tg.sin(x) + x[::-1]
        y.backward(np.ones(3, y.dtype))
        assert x.grad.dtype == dtype
        close(x.grad, B + A + 2 + np.cos(A) + 1, 1e-6)
        g = tg.grad(y, x, np.ones(3, y.dtype), create_graph=True)
        close(tg.grad(g.sum(), x).data, -np.sin(A), 1e-6)


def test_the_gradient_of_a_maximum_is_computed_in_the_precision_of_the_tensor():
    x = leaf(np.array([[1, 3, 3], [0, 5, 5]], np.float32))
    g = tg.grad(x.max(axis=1).sum(), x, create_graph=True)
    kinds = {line.value.dtype for line in tg.Graph(g).nodes if line.op}
    assert np.dtype(np.float64) not in kinds and g.dtype == np.float32
    close(g.data, [[0, 0.5, 0.5], [0, 0.5, 0.5]])


# ---------------------------------------------------------------- rules and their forwards
def test_a_perturbation_is_kept_in_numbers_and_not_in_a_mask():
    x = np.array([1 + 1e-100j, 0])
    astype = PRIMITIVES["astype"].forward
    assert astype(x, dtype=np.dtype("f8")).dtype == np.complex128
    assert astype(x, dtype=np.dtype("f4")).dtype == np.complex64
    assert astype(x, dtype=np.dtype(bool)).dtype == bool


def test_the_axes_that_a_gradient_is_turned_back_by_are_plain_numbers():
    x = leaf(normal((2, 3, 4)))
    g = tg.grad((tg.transpose(x, (2, 0, -2)) ** 2).sum(), x, create_graph=True)
    turned = [line for line in tg.Graph(g).nodes if line.op == "transpose"]
    assert [list(line.attrs["axes"]) for line in turned] == [[2, 0, -2], [1, 2, 0]]
    assert {type(k) for line in turned for k in line.attrs["axes"]} == {int}
    close(g.data, 2 * x.data)


def test_the_gradient_of_another_dtype_is_in_the_tensors_own():
    x = np.ones(2, np.float32)
    g = PRIMITIVES["astype"].pull(0, leaf(np.ones(2)), leaf(np.ones(2)), (leaf(x),), {"dtype": 0})
    assert g.dtype == np.float32


def test_the_logarithm_of_the_sum_of_nothing():
    assert np.array_equal(tg.logsumexp(leaf(np.zeros((2, 0))), axis=1).data, [-np.inf, -np.inf])


def test_sigmoid_and_softplus_of_whole_numbers_and_booleans():
    for x in (np.array([0, 1, 200], np.uint8), np.array([-3, 0, 4]), np.array([True, False])):
        close(tg.sigmoid(x), tg.sigmoid(x.astype(float)))
        close(tg.softplus(x), tg.softplus(x.astype(float)))
        assert tg.sigmoid(x).dtype == tg.softplus(x).dtype == np.float64


@pytest.mark.parametrize(("dtype", "n"), [("e", 11), ("f", 88), ("F", 88), ("d", 709), ("D", 709)])
def test_sigmoid_keeps_its_digits_on_the_left_and_does_not_overflow_on_the_right(dtype, n):
    x = np.array([-n - 0.25, -n + 0.5, 0, n, n + 1, np.finfo(dtype).max], dtype)
    y = tg.sigmoid(x)
    assert y.dtype == dtype
    assert np.allclose(y[:2] / np.exp(x[:2].astype(complex)), 1, rtol=0.01)
    assert np.allclose(y[2:], [0.5, 1, 1, 1], rtol=1e-4)
    assert tg.sigmoid(np.array(-np.finfo(dtype).max, dtype)) == 0


def test_the_exponent_of_zero_to_the_zero_gets_no_gradient():
    x, y = leaf([0.0, 0.0, 2.0]), leaf([0.0, 3.0, 3.0])
    (x**y).backward([1.0, 1.0, 1.0])
    close(y.grad, [0, 0, 8 * np.log(2)])
    close(x.grad, [0, 0, 12])


def test_softmax_keeps_its_precision_beside_infinity():
    for dtype in (np.float32, np.float64):
        found = F.softmax(leaf(np.array([-np.inf, 1e4, 3.0], dtype)))
        assert found.dtype == dtype
        close(found.data, [0, 1, 0])


def test_a_rule_that_returns_nothing_is_named():
    forgetful = tg.primitive(lambda x: x * 2, lambda g, out, x: None, name="forgetful")
    x = tg.Tensor(1.0, requires_grad=True)
    with pytest.raises(ValueError, match="rule of forgetful for input 0 returned None"):
        forgetful(x).backward()


def test_a_complex_gradient_has_the_precision_of_its_tensor():
    x = tg.Tensor(np.ones(2, np.complex64), requires_grad=True)
    (x * np.ones(2, complex)).backward(np.ones(2, complex))
    assert x.grad.dtype == np.complex64


def test_the_largest_of_nothing_takes_nothing_off():
    np.testing.assert_array_equal(whole_max(np.zeros((2, 0)), axis=-1), [[0.0], [0.0]])
