"""One battery of checks over every function of the catalogue; then what is special about some."""

from __future__ import annotations

import numpy as np
import pytest
from cases import CATALOGUE, FAMILIES, WITHOUT_GRADIENT, Case, cases, functions
from hypothesis import given
from hypothesis import strategies as st
from naive import slope

import tinygrad_rnn as tg
from tinygrad_rnn import functional as F
from tinygrad_rnn import ops

NAMES = sorted(CATALOGUE)


def leaf(data, name=None):
    return tg.Tensor(data, requires_grad=True, name=name)


def listed(result):
    return list(result) if isinstance(result, (list, tuple)) else [result]


def normal(shape, seed=0):
    return np.asarray(np.random.default_rng(seed).normal(size=shape))


def close(actual, expected, rtol=1e-9, what=""):
    """Raise unless two arrays agree, relative to the largest entry of what is expected."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape, f"{what}: shape {actual.shape}, not {expected.shape}"
    scale = 1 + np.max(np.abs(expected), initial=0)
    error = np.max(np.abs(actual - expected), initial=0)
    assert error <= rtol * scale, f"{what}: off by {error}\n{actual}\n{expected}"


def backward(case: Case, operands=None):
    """The leaves and cotangents of one run of `backward()`, with the gradients in the leaves."""
    xs = [leaf(x) for x in (case.operands if operands is None else operands)]
    outs = listed(case.call(*xs))
    cotangents = [normal(out.shape, seed).astype(out.dtype) for seed, out in enumerate(outs)]
    for out, cotangent in zip(outs, cotangents, strict=True):
        out.backward(cotangent)
    return xs, cotangents


def gradients(case: Case, operands=None):
    xs, _ = backward(case, operands)
    return [np.zeros(x.shape) if x.grad is None else x.grad for x in xs]  # unbind may give no parts


# ---------------------------------------------------------------- the battery
def check_forward_equals_numpy(case: Case):
    expected = listed(case.numpy(*case.operands))
    plain = listed(case.call(*case.operands))
    recorded = listed(case.call(*(leaf(x) for x in case.operands)))
    assert len(plain) == len(recorded) == len(expected)
    for array, tensor, truth in zip(plain, recorded, expected, strict=True):
        assert isinstance(array, (np.ndarray, np.generic)), f"arrays in, {type(array)} out"
        assert isinstance(tensor, tg.Tensor), f"Tensors in, {type(tensor)} out"
        assert type(tensor.data) is np.ndarray
        assert tensor.requires_grad
        assert array.dtype == tensor.dtype == np.float64
        close(array, truth, 1e-12)
        close(array, tensor.data, 1e-14)


def check_gradient_equals_the_complex_step(case: Case):
    grads = gradients(case)
    for k, (x, grad) in enumerate(zip(case.operands, grads, strict=True)):
        direction = normal(x.shape, 10 + k)
        slopes = listed(slope(case.call, case.operands, k, direction))
        expected = sum(np.sum(normal(s.shape, seed) * s) for seed, s in enumerate(slopes))
        close(np.sum(grad * direction), expected, what=f"gradient of operand {k}")


def check_second_gradient_equals_the_complex_step_of_the_first(case: Case):
    """Of <w, gradient(x, g)>, with respect to every operand x and to the cotangent g."""
    xs = [leaf(x) for x in case.operands]
    weights = [normal(x.shape, 20 + k) for k, x in enumerate(xs)]
    parts = listed(case.call(*xs))
    gs = [leaf(normal(part.shape, seed)) for seed, part in enumerate(parts)]
    first = [tg.grad(part, xs, g, create_graph=True) for part, g in zip(parts, gs, strict=True)]
    for grads in first:
        assert all(grad.shape == x.shape for grad, x in zip(grads, xs, strict=True))
    along = sum(
        ((t * w).sum() for grads in first for t, w in zip(grads, weights, strict=True)), start=0
    )
    variables = [*xs, *gs]
    second = [None] * len(variables)
    if isinstance(along, tg.Tensor) and along.requires_grad:
        second = tg.grad(along, variables, allow_unused=True)

    def first_order(*values):
        leaves = [leaf(value) for value in values[: len(xs)]]
        total = 0
        for part, g in zip(listed(case.call(*leaves)), values[len(xs) :], strict=True):
            grads = tg.grad(part, leaves, g)
            total = total + sum(np.sum(t.data * w) for t, w in zip(grads, weights, strict=True))
        return total

    for k, (x, grad) in enumerate(zip(variables, second, strict=True)):
        direction = normal(x.shape, 30 + k)
        actual = 0.0 if grad is None else np.sum(grad.data * direction)
        expected = slope(first_order, [v.data for v in variables], k, direction) if parts else 0.0
        close(actual, expected, 1e-8, what=f"second gradient, variable {k}")


def check_complex_step_is_safe(case: Case):
    """Complex in, complex out, the same real part, and an imaginary part that is NumPy's slope."""
    real = listed(case.call(*case.operands))
    directions = [normal(x.shape, 40 + k) for k, x in enumerate(case.operands)]
    moved = [x + 1e-20j * d for x, d in zip(case.operands, directions, strict=True)]
    h = 1e-6
    ends = [
        listed(case.numpy(*(x + s * h * d for x, d in zip(case.operands, directions, strict=True))))
        for s in (1, -1)
    ]
    for a, b, right, left in zip(real, listed(case.call(*moved)), *ends, strict=True):
        assert b.dtype == complex, "the imaginary part was dropped"
        close(b.real, a, 1e-12)
        close(b.imag / 1e-20, (right - left) / (2 * h), 1e-6)


def check_inputs_and_cotangents_stay_untouched(case: Case):
    xs = [leaf(x) for x in case.operands]
    outs = listed(case.call(*xs))
    cotangents = [normal(out.shape, seed) for seed, out in enumerate(outs)]
    arrays = [*(x.data for x in xs), *cotangents, *(out.data for out in outs)]
    before = [array.tobytes() for array in arrays]
    for out, cotangent in zip(outs, cotangents, strict=True):
        out.backward(cotangent)
        out.backward(cotangent)
    tensors = [tg.Tensor(c) for c in cotangents]
    for out, g in zip(outs, tensors, strict=True):
        tg.grad(out, xs, g, create_graph=True)
    assert [array.tobytes() for array in arrays] == before
    assert [t.data.tobytes() for t in tensors] == before[len(xs) : len(xs) + len(outs)]


def check_gradients_share_no_memory(case: Case):
    xs, cotangents = backward(case)
    grads = [x.grad for x in xs if x.grad is not None]
    others = [*(x.data for x in xs), *cotangents]
    for k, grad in enumerate(grads):
        assert type(grad) is np.ndarray
        assert grad.flags.writeable
        for other in [*grads[:k], *others]:
            assert not np.shares_memory(grad, other), "a gradient is a view of something else"


def check_float32_stays_float32(case: Case):
    operands = [x.astype(np.float32) for x in case.operands]
    xs, _ = backward(case, operands)
    if not case.promotes:
        for out in [*listed(case.call(*operands)), *listed(case.call(*xs))]:
            assert out.dtype == np.float32
    for x, grad in zip(xs, gradients(case), strict=True):
        if x.grad is not None:
            assert x.grad.dtype == np.float32
            close(x.grad, grad, 1e-3)


def check_constants_change_no_gradient(case: Case):
    """A plain array in an operand's place: the same gradients for the others, and none for it."""
    grads = gradients(case)
    for k in range(len(case.operands)):
        xs = [leaf(x) for x in case.operands]
        outs = listed(case.call(*(x.data if j == k else x for j, x in enumerate(xs))))
        if len(xs) > 1:
            for seed, out in enumerate(outs):
                out.backward(normal(out.shape, seed))
            for j, x in enumerate(xs):
                assert (x.grad is None) == (j == k)
                assert j == k or np.array_equal(x.grad, grads[j])


def check_both_walks_agree(case: Case):
    """`backward()` on arrays and `grad(create_graph=True)` on Tensors run the same rules."""
    xs, cotangents = backward(case)
    total = [np.zeros(x.shape) for x in xs]
    for out, cotangent in zip(listed(case.call(*xs)), cotangents, strict=True):
        for k, grad in enumerate(tg.grad(out, xs, cotangent, create_graph=True)):
            total[k] = total[k] + grad.data
    for x, grad in zip(xs, total, strict=True):
        close(grad, np.zeros(x.shape) if x.grad is None else x.grad, 1e-12)


CHECKS = {
    name.removeprefix("check_"): f for name, f in list(globals().items()) if name[:6] == "check_"
}


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
            assert op.name in tg.tensor.FUNCTIONS, name


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


# ---------------------------------------------------------------- kinks, ties, zeros
def test_the_convention_at_kinks_is_written_at_the_top_of_ops():
    for word in ("kink", "least norm", "tie", "share it equally", "absolute", "relu", "clip"):
        assert word in ops.__doc__


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


# ---------------------------------------------------------------- masks
@pytest.mark.parametrize(
    ("f", "numpy"),
    [
        (ops.greater, np.greater),
        (ops.equal, np.equal),
        (lambda x, y: ops.between(x, max=0.5), lambda x, y: x < 0.5),
        (lambda x, y: ops.between(x, min=-0.5, max=0.5), lambda x, y: (x > -0.5) & (x < 0.5)),
        (lambda x, y: ops.between(x), lambda x, y: np.full(x.shape, True)),
        (lambda x, y: ops.sign(x), lambda x, y: np.sign(x)),
        (
            lambda x, y: ops.whole_max(x, axis=1),
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
    np.testing.assert_array_equal(ops.whole_max(x, axis=-1), [[0.0], [0.0], [2.0]])
