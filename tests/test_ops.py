"""One battery of checks over every function of the catalogue; then what is special about some."""

from __future__ import annotations

import numpy as np
import pytest
from cases import CATALOGUE, FAMILIES, WITHOUT_GRADIENT, Case, cases, functions
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_rnn as tg
from tinygrad_rnn import corners, ops
from tinygrad_rnn import functional as F
from tinygrad_rnn.testing.battery import (
    CHECKS,
    check_both_walks_agree,
    check_forward_equals_numpy,
    check_gradient_equals_the_complex_step,
    check_second_gradient_equals_the_complex_step_of_the_first,
    close,
    leaf,
    normal,
)

NAMES = sorted(CATALOGUE)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("check", CHECKS)
@given(data=st.data())
def test_every_function(check, name, data):
    for family in FAMILIES:
        case = data.draw(cases(name, family))
        CHECKS[check](case)


def test_every_function_has_a_case():
    assert set(functions()) - WITHOUT_GRADIENT == set(CATALOGUE)


def test_every_primitive_is_public_and_findable_by_its_numpy_name():
    for name, op in functions().items():
        if isinstance(op, tg.Primitive):
            assert op.name in tg.arraylike.FUNCTIONS, name


# ---------------------------------------------------------------- large numbers
FAR = np.array([-1000.0, -50.0, 0.3, 50.0, 1000.0])


@pytest.mark.parametrize(
    ("f", "expected"),
    [
        (tg.sigmoid, [0, np.exp(-50.0), 1 / (1 + np.exp(-0.3)), 1, 1]),
        (tg.softplus, [0, np.exp(-50.0), np.log1p(np.exp(0.3)), 50, 1000]),
        (tg.tanh, [-1, -1, np.tanh(0.3), 1, 1]),
        (lambda x: F.softmax(x), [0, 0, 0, 0, 1]),
        (lambda x: F.log_softmax(x), FAR - 1000),
        (lambda x: tg.logsumexp(x), 1000),
        (lambda x: F.cross_entropy(x, 0), 2000),
        (lambda x: F.cross_entropy(x[None], [1], reduction="none"), [1050]),
        (
            lambda x: F.binary_cross_entropy_with_logits(
                x, np.array([1, 0, 0, 1, 0]), reduction="none"
            ),
            [1000, np.exp(-50.0), np.log1p(np.exp(0.3)), np.exp(-50.0), 1000],
        ),
    ],
)
def test_nothing_overflows_at_plus_minus_1000(f, expected):
    for dtype in (np.float64, np.float32):
        x = leaf(FAR.astype(dtype))
        y = f(x)
        close(y.data, np.asarray(expected), 1e-6 if dtype == np.float32 else 1e-15)
        y.backward(normal(y.shape))
        assert np.all(np.isfinite(x.grad))
        x.grad = None
        g = tg.grad(y, x, normal(y.shape), create_graph=True)
        if g.requires_grad:
            assert np.all(np.isfinite(tg.grad(g, x, normal(x.shape), allow_unused=True).data))


def test_sigmoid_keeps_its_relative_accuracy_in_both_tails():
    x = np.linspace(-700, 700, 2801)
    small = np.exp(-np.abs(x))
    truth = np.where(x < 0, small, 1.0) / (1 + small)
    assert np.max(np.abs(tg.sigmoid(x) / truth - 1)) < 1e-13
    assert 0 <= tg.sigmoid(-1000.0) < 1e-300


def test_softplus_keeps_its_relative_accuracy_where_it_is_small():
    x = np.linspace(-700, -1, 700)
    assert np.max(np.abs(tg.softplus(x) / np.log1p(np.exp(x)) - 1)) < 1e-13


def test_logsumexp_of_masked_entries():
    x = leaf([-np.inf, 0.0, 1.0])
    tg.logsumexp(x).backward()
    close(x.grad, [0, 1 / (1 + np.e), np.e / (1 + np.e)])
    assert tg.logsumexp(np.array([-np.inf, -np.inf])) == -np.inf


def test_logsumexp_takes_the_largest_entry_of_each_row_out_of_that_row():
    x = leaf([[1000.0, 1000.0], [-1000.0, -1001.0]])
    y = tg.logsumexp(x, axis=1)
    close(y.data, [1000 + np.log(2), -1000 + np.log1p(np.exp(-1))])
    y.backward([2.0, 3.0])
    close(x.grad, [[1, 1], [3 / (1 + np.exp(-1)), 3 / (1 + np.e)]])


# ---------------------------------------------------------------- kinks, ties, zeros
def test_the_convention_at_kinks_is_written_at_the_top_of_corners():
    for word in ("kink", "least norm", "tie", "share the gradient", "absolute", "relu", "clip"):
        assert word in corners.__doc__.replace("\n", " ")


def test_corners_have_derivative_zero():
    for f in (tg.relu, tg.absolute, lambda x: tg.clip(x, min=0.0), lambda x: tg.clip(x, max=0.0)):
        x = leaf([-1.0, 0.0, 1.0])
        f(x).backward([2.0, 3.0, 5.0])
        assert x.grad[1] == 0


def test_operands_that_tie_share_the_gradient():
    for f in (tg.maximum, tg.minimum):
        x, y = leaf([1.0, 2.0]), leaf([1.0, 2.0])
        f(x, y).backward([3.0, 5.0])
        close(x.grad, [1.5, 2.5])
        close(y.grad, [1.5, 2.5])
        x.grad = None
        f(x, x).backward([3.0, 5.0])
        close(x.grad, [3.0, 5.0])


def test_entries_that_tie_share_the_gradient():
    x = leaf([[2.0, 1.0, 2.0], [0.0, 0.0, 0.0]])
    tg.max(x, axis=1).backward([6.0, 9.0])
    close(x.grad, [[3, 0, 3], [3, 3, 3]])
    x.grad = None
    tg.min(x).backward(6.0)
    close(x.grad, [[0, 0, 0], [2, 2, 2]])


@pytest.mark.parametrize(
    ("x", "axis"),
    [
        ([2.0, 0.0, 3.0], None),
        ([0.0, 2.0, 0.0], 0),
        ([[1.0, 0.0], [0.0, 0.0], [2.0, 3.0]], 1),
        ([[1.0, 0.0], [0.0, 4.0], [2.0, 3.0]], (0, 1)),
        ([[[1.0, 0.0], [5.0, 4.0]], [[2.0, 3.0], [0.0, 0.0]]], (-1, 0)),
        (0.0, None),
    ],
)
def test_the_product_of_entries_some_of_which_are_zero(x, axis):
    def f(x):
        return tg.prod(x, axis=axis)

    case = Case(f, lambda x: np.prod(x, axis=axis), [np.asarray(x)], "prod with zeros")
    check_forward_equals_numpy(case)
    check_gradient_equals_the_complex_step(case)
    check_both_walks_agree(case)
    check_second_gradient_equals_the_complex_step_of_the_first(case)


def test_powers_of_zero_and_of_negative_numbers_have_finite_gradients():
    x = leaf([0.0, 0.0, 0.0, -2.0, -2.0])
    (x ** np.array([0, 1, 2, 3, -1])).backward(np.ones(5) * 2)
    close(x.grad, [0, 2, 0, 24, -0.5])
    exponent = leaf([1.0, 2.0])
    (0.0**exponent).backward([1.0, 1.0])
    close(exponent.grad, [0, 0])


# ---------------------------------------------------------------- indexing
def test_a_row_that_is_looked_up_twice_gets_both_gradients():
    weight, seed = leaf(normal((3, 2))), normal((4, 2), 5)
    indices = np.array([0, 2, 0, 0])
    expected = np.stack([seed[[0, 2, 3]].sum(axis=0), np.zeros(2), seed[1]])
    for look_up in (
        lambda w: w[indices],
        lambda w: tg.take(w, indices, axis=0),
        lambda w: F.embedding(indices, w),
        lambda w: tg.stack([w[k] for k in indices]),
    ):
        weight.grad = None
        look_up(weight).backward(seed)
        close(weight.grad, expected)


@pytest.mark.parametrize(
    "index",
    [
        True,
        np.array(True),
        np.array(1),
        [],
        np.zeros(0, int),
        (),
        None,
        ...,
        (slice(None), [2, 2, 0]),
        ([0, 1, 1], slice(None, None, -1)),
        ([[0], [1]], [0, 2, 2]),
        (0, ..., [1, 1]),
        (np.uint8(1), slice(-2, None)),
        np.array([[True, False, True], [False, False, True]]),
    ],
    ids=repr,
)
def test_indices_of_every_kind(index):
    for name in ("forward_equals_numpy", "gradient_equals_the_complex_step", "both_walks_agree"):
        CHECKS[name](
            Case(lambda x: tg.getitem(x, index=index), lambda x: x[index], [normal((2, 3))], "")
        )


# ---------------------------------------------------------------- shapes that are wrong or unusual
def test_products_with_an_empty_axis_are_numpys():
    for a, b in [((2, 3, 0), (0, 4)), ((2, 3, 4), (4, 0)), ((3, 0), (0,)), ((0, 2), (2, 3))]:
        x, y = leaf(np.ones(a)), leaf(np.ones(b))
        z = x @ y
        close(z.data, np.ones(a) @ np.ones(b))
        z.backward(np.ones(z.shape))
        assert x.grad.shape == a and y.grad.shape == b


def test_einsum_letters_that_broadcast():
    for a, b in [((4, 3), (1, 3)), ((1, 3), (4, 3)), ((4, 1), (4, 3))]:
        case = Case(
            lambda x, y: tg.einsum("ij,ij->j", x, y),
            lambda x, y: np.einsum("ij,ij->j", x, y),
            [normal(a), normal(b, 1)],
            "einsum",
        )
        check_forward_equals_numpy(case)
        check_gradient_equals_the_complex_step(case)


@pytest.mark.parametrize(
    ("subscripts", "shapes", "gradients"),
    [
        ("ij,jk->ik", [(2, 3), (3, 4)], ["ik,jk->ij", "ik,ij->jk"]),
        ("ij,ij->j", [(2, 3), (2, 3)], ["j,ij->ij", "j,ij->ij"]),
        ("ij->j", [(2, 3)], ["j,i->ij"]),
        ("ii->i", [(3, 3)], ["i,iA->iA"]),
        ("ii->", [(3, 3)], [",i,iA->iA"]),
    ],
)
def test_ones_and_identities_take_part_in_an_einsums_gradient_only_where_they_must(
    subscripts, shapes, gradients
):
    """Elsewhere they would change no value, but cost time; and they have the operands' dtype."""
    operands = [leaf(normal(shape, k).astype(np.float32)) for k, shape in enumerate(shapes)]
    y = tg.einsum(subscripts, *operands)
    found = tg.grad(y, operands, np.ones(y.shape, y.dtype), create_graph=True)
    assert [g.node.attrs["subscripts"] for g in found] == gradients
    assert {x.dtype for g in found for x in g.node.inputs} == {np.dtype(np.float32)}


@pytest.mark.parametrize(
    ("subscripts", "shapes"),
    [("...A,A->...", [(2, 3), (3,)]), ("zyxwvu", [(2, 1, 3, 2, 1, 2)])],
    ids=["the ellipsis has other letters", "an implied result is in alphabetical order"],
)
def test_the_letters_of_an_einsum(subscripts, shapes):
    case = Case(
        lambda *xs: tg.einsum(subscripts, *xs),
        lambda *xs: np.einsum(subscripts, *xs),
        [normal(shape, k) for k, shape in enumerate(shapes)],
        subscripts,
    )
    check_forward_equals_numpy(case)
    check_gradient_equals_the_complex_step(case)


@pytest.mark.parametrize("axis", [None, 0, -1])
def test_the_running_sum_of_a_single_number_is_an_array_of_one(axis):
    x = leaf(2.0)
    y = tg.cumsum(x, axis=axis)
    assert y.shape == (1,)
    y.backward([3.0])
    assert x.grad.shape == () and x.grad == 3


def test_a_cast_casts_the_gradient_back():
    x = leaf(normal((3,)))
    y = x.astype(np.float32)
    y.backward(np.array([1, 2, 3], np.float32))
    assert y.dtype == np.float32 and x.grad.dtype == np.float64
    close(x.grad, [1, 2, 3])


@pytest.mark.parametrize(
    "call",
    [
        lambda x: tg.sum(x, axis=2),
        lambda x: tg.flip(x, 2),
        lambda x: tg.take(x, [0], axis=2),
        lambda x: tg.unbind(x, 2),
        lambda x: tg.split(x, 1, axis=2),
        lambda x: tg.mean(x, axis=-3),
        lambda x: tg.swapaxes(x, 0, 2),
        lambda x: tg.repeat(x, 2, axis=2),
        lambda x: tg.concatenate([x, x], axis=2),
        lambda x: tg.expand_dims(x, 4),
        lambda x: tg.squeeze(x, 0),
        lambda x: tg.matmul(x, x),
        lambda x: tg.reshape(x, shape=(4,)),
        lambda x: x[2],
        lambda x: tg.split(x, 0),
        lambda x: tg.split(x, 2, axis=1),
        lambda x: tg.take(x, [6]),
    ],
)
def test_axes_shapes_and_indices_that_do_not_exist_raise(call):
    for x in (np.ones((2, 3)), leaf(np.ones((2, 3)))):
        with pytest.raises((ValueError, IndexError)):
            call(x)


# ---------------------------------------------------------------- what is computed, and what is not
@pytest.mark.parametrize(
    ("x", "y", "gathered"),
    [  # by the outer dimensions: rows of x, columns of y
        ((5, 3), (3, 2), "x"),
        ((5, 2), (2, 3), "x"),
        ((4, 5), (5, 2), "x"),
        ((2, 3), (3, 2), "y"),
        ((2, 3), (3, 5), "y"),
        ((5, 3), (3,), "x"),
        ((2, 3), (3,), "x"),
        ((1, 3), (3,), ""),
        ((3,), (3, 5), "y"),
        ((2, 2, 3), (3, 4), "y"),
        ((2, 3, 3), (3, 4), ""),
    ],
)
def test_the_operand_with_more_vectors_gets_the_sum_of_its_uses_in_one_product(
    monkeypatch, x, y, gathered
):
    sums = []
    forward = ops.sum_of_products.forward

    def counting(*pairs, items):
        sums.append((len(pairs), forward(*pairs, items=items).shape))
        return forward(*pairs, items=items)

    monkeypatch.setattr(ops.sum_of_products, "forward", counting)
    a, b = leaf(normal(x)), leaf(normal(y, 1))
    z = a @ b + 2 * (a @ b)
    z.backward(normal(z.shape, 2))
    assert sums == [(4, {"x": x, "y": y}[name]) for name in gathered], "two pairs, one product"


def test_a_product_is_not_made_anew_for_every_entry_unless_it_is_recorded(monkeypatch):
    def costly(x, axis):
        raise AssertionError("n products of n entries, where one division would do")

    monkeypatch.setattr(ops, "_product_of_others", costly)
    x = leaf([2.0, 3.0, 4.0])
    tg.prod(x).backward(5.0)
    close(x.grad, [60, 40, 30])
    x = leaf([2.0, 0.0, 4.0])
    tg.prod(x).backward(5.0)
    close(x.grad, [0, 40, 0])
    with pytest.raises(AssertionError, match="n products"):
        tg.grad(tg.prod(x), x, create_graph=True)


# ---------------------------------------------------------------- masks
@pytest.mark.parametrize(
    ("f", "numpy"),
    [
        (corners.greater, np.greater),
        (corners.equal, np.equal),
        (lambda x, y: corners.between(x, max=0.5), lambda x, y: x < 0.5),
        (lambda x, y: corners.between(x, min=-0.5, max=0.5), lambda x, y: (x > -0.5) & (x < 0.5)),
        (lambda x, y: corners.between(x), lambda x, y: np.full(x.shape, True)),
        (lambda x, y: corners.sign(x), lambda x, y: np.sign(x)),
        (
            lambda x, y: corners.whole_max(x, axis=1),
            lambda x, y: np.floor(x.max(axis=1, keepdims=True)),
        ),
    ],
)
def test_a_piecewise_constant_function_is_recorded_and_stops_gradients(f, numpy):
    x, y = np.random.default_rng(0).standard_normal((2, 3, 4)).round(1)
    a, b = tg.Tensor(x, requires_grad=True), tg.Tensor(y, requires_grad=True)
    mask = f(a, b)
    np.testing.assert_array_equal(mask.data, numpy(x, y))
    np.testing.assert_array_equal(f(x, y), numpy(x, y))
    assert mask.node.inputs[0] is a and not mask.requires_grad
    (mask * a).sum().backward()
    np.testing.assert_array_equal(a.grad, numpy(x, y) * np.ones_like(x))
    assert b.grad is None


def test_whole_max_of_what_is_not_finite_takes_nothing_off():
    x = np.array([[-np.inf, -np.inf], [np.inf, 1.0], [2.5, -np.inf]])
    np.testing.assert_array_equal(corners.whole_max(x, axis=-1), [[0.0], [0.0], [2.0]])


def test_an_einsum_with_a_plain_number():
    x = tg.Tensor(np.array([1.0, 2.0, 3.0]), requires_grad=True)
    tg.einsum("i,->i", x, 2.0).backward(np.array([1.0, 10.0, 100.0]))
    np.testing.assert_array_equal(x.grad, [2.0, 20.0, 200.0])
