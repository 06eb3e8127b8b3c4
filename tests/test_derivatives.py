"""vjp, jvp, jacobian, hessian, hvp against closed forms and PyTorch's functions of these names."""

from __future__ import annotations

import numpy as np
import pytest
from naive import slope
from test_ops import close, leaf, normal

import tinygrad_rnn as tg

A, B, M = normal((3,), 1), normal((3,), 2), normal((2, 3), 3)
FUNCTIONS = [tg.vjp, tg.jvp, tg.jacobian, tg.hessian, tg.hvp]


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="PyTorch, the oracle, is not installed")


def bend(x):
    """(3,) to (2,), with a full Jacobian."""
    return np.tanh(M @ x) * x[:2]


def bowl(x):
    """A number with a full Hessian."""
    return (np.sin(M @ x) ** 2).sum() * x[0] + x[1] * x[2] ** 2


def two(x, y):
    return (x * x * y).sum() + (y**3).sum()


def full(f, x):
    """The Jacobian of f, one complex step a column."""
    return np.stack([slope(f, [x], 0, e) for e in np.eye(x.size)], axis=-1)


# ---------------------------------------------------------------- closed forms
def test_vjp_and_jvp_are_products_with_the_jacobian():
    J, u = full(bend, A), normal((2,), 5)
    y, product = tg.vjp(bend, tg.Tensor(A), u)
    close(y.data, bend(A))
    close(product.data, u @ J)
    y, product = tg.jvp(bend, tg.Tensor(A), B)
    close(y.data, bend(A))
    close(product.data, J @ B)


def test_jacobian_has_the_outputs_shape_then_the_inputs():
    close(tg.jacobian(bend, A).data, full(bend, A))
    J = tg.jacobian(lambda x: tg.sum(x, axis=0), M)
    assert J.shape == (3, 2, 3)
    close(J.data, np.eye(3)[:, None, :].repeat(2, axis=1))
    assert tg.jacobian(lambda x: x.sum(), M).shape == (2, 3)
    assert tg.jacobian(lambda x: x[:0], A).shape == (0, 3)


def test_hessian_and_hvp_of_a_quadratic_form():
    Q = normal((3, 3), 7)

    def form(x):
        return x @ Q @ x

    close(tg.hessian(form, A).data, Q + Q.T)
    value, product = tg.hvp(form, A, B)
    close(value.data, A @ Q @ A)
    close(product.data, (Q + Q.T) @ B)


def test_second_derivatives_agree_with_the_complex_step_of_the_gradient():
    def gradient(x):
        leaf_ = leaf(x)
        return tg.grad(bowl(leaf_), leaf_).data

    H = full(gradient, A)
    close(tg.hessian(bowl, A).data, H)
    close(tg.hvp(bowl, A, B)[1].data, H @ B)
    close(H, H.T)


def test_several_inputs_give_tuples():
    _, (gx, gy) = tg.vjp(two, (A, B))
    close(gx.data, 2 * A * B)
    close(gy.data, A * A + 3 * B * B)
    _, along = tg.jvp(two, (A, B), (B, A))
    close(along.data, np.sum(gx.data * B + gy.data * A))
    Jx, Jy = tg.jacobian(two, (A, B))
    close(Jx.data, gx.data)
    close(Jy.data, gy.data)
    (xx, xy), (yx, yy) = tg.hessian(two, (A, B))
    close(xx.data, np.diag(2 * B))
    close(xy.data, np.diag(2 * A))
    close(yx.data, np.diag(2 * A))
    close(yy.data, np.diag(6 * B))
    _, (hx, hy) = tg.hvp(two, (A, B), (B, A))
    close(hx.data, 2 * B * B + 2 * A * A)
    close(hy.data, 2 * A * B + 6 * B * A)


def test_what_a_function_does_not_depend_on_has_derivative_zero():
    constant = leaf(B)
    close(tg.jvp(lambda x: constant * 2, A, B)[1].data, np.zeros(3))
    close(tg.jacobian(lambda x: tg.Tensor(B), A).data, np.zeros((3, 3)))
    close(tg.vjp(lambda x, y: x * 2, (A, B), A)[1][1].data, np.zeros(3))
    close(tg.hessian(lambda x: x.sum(), A).data, np.zeros((3, 3)))
    close(tg.hvp(lambda x: (2 * x).sum(), A, B)[1].data, np.zeros(3))


def test_float32_stays_float32():
    x, v = A.astype(np.float32), B.astype(np.float32)
    assert tg.vjp(bowl, x)[1].dtype == np.float32
    assert tg.jvp(np.tanh, x, v)[1].dtype == np.float32
    assert (
        tg.jacobian(np.tanh, x).dtype == tg.hessian(lambda x: (x**3).sum(), x).dtype == np.float32
    )
    assert tg.hvp(lambda x: (x**3).sum(), x, v)[1].dtype == np.float32


# ---------------------------------------------------------------- graphs in and out
def test_nothing_is_left_behind_in_the_callers_tensors():
    x, v = leaf(A), leaf(B)
    for derivative in (tg.vjp(bowl, x), tg.jvp(bowl, x, v), tg.hvp(bowl, x, v)):
        assert not any(t.requires_grad for t in derivative)
    assert not tg.jacobian(bend, x).requires_grad and not tg.hessian(bowl, x).requires_grad
    assert x.grad is None and v.grad is None


def test_create_graph_connects_the_result_to_the_callers_tensors():
    x = leaf(A)
    _, g = tg.vjp(bowl, x, create_graph=True)
    close(tg.grad(g, x, B).data, tg.hvp(bowl, A, B)[1].data)
    third = tg.grad(tg.hvp(bowl, x, B, create_graph=True)[1], x, normal((3,), 5)).data
    h = 1e-5
    moved = [tg.hessian(bowl, A + s * h * B).data @ normal((3,), 5) for s in (1, -1)]
    close(third, (moved[0] - moved[1]) / (2 * h), 1e-7)
    J = tg.jacobian(bend, x, create_graph=True)
    assert J.requires_grad
    H = tg.hessian(bowl, x, create_graph=True)
    assert np.all(np.isfinite(tg.grad(H.sum(), x).data))
    v = leaf(B)
    product = tg.jvp(bend, x, v, create_graph=True)[1]
    close(tg.grad(product, v, normal((2,), 6)).data, normal((2,), 6) @ full(bend, A))


def test_the_callers_mode_changes_nothing():
    plain = [
        tg.vjp(bowl, A)[1], tg.jvp(bend, A, B)[1], tg.jacobian(bend, A), tg.hessian(bowl, A),
        tg.hvp(bowl, A, B)[1],
    ]  # fmt: skip
    with tg.no_grad():
        inside = [
            tg.vjp(bowl, A)[1], tg.jvp(bend, A, B)[1], tg.jacobian(bend, A), tg.hessian(bowl, A),
            tg.hvp(bowl, A, B)[1],
        ]  # fmt: skip
    for a, b in zip(plain, inside, strict=True):
        close(b.data, a.data)


# ---------------------------------------------------------------- what is refused
def test_directions_have_the_shape_of_their_input():
    for wrong in (1.0, A[:1], A[:2], M):
        for f in (tg.jvp, tg.hvp):
            with pytest.raises(ValueError):
                f(bowl, A, wrong)
    for f in (tg.jvp, tg.hvp):
        with pytest.raises(ValueError):
            f(two, (A, B), (A,))
    with pytest.raises(ValueError, match=r"\(3,\).*\(2,\)"):
        tg.vjp(bend, A, B)


def test_a_vjp_of_many_numbers_needs_v():
    with pytest.raises(RuntimeError, match="2 entries"):
        tg.vjp(bend, A)


def test_second_derivatives_need_a_single_number():
    for derivative in (lambda: tg.hessian(bend, A), lambda: tg.hvp(bend, A, B)):
        with pytest.raises(ValueError, match="single number"):
            derivative()


def test_a_function_that_gives_no_tensor_is_refused():
    for f in (lambda x: x.data, lambda x: (x, x), lambda x: 1.0):
        with pytest.raises(TypeError, match="one Tensor"):
            tg.jacobian(f, A)


# ---------------------------------------------------------------- PyTorch
def test_all_five_are_pytorchs(torch):
    functional = torch.autograd.functional
    m = torch.tensor(M)

    def their_bend(x):
        return torch.tanh(m @ x) * x[:2]

    def their_bowl(x):
        return (torch.sin(m @ x) ** 2).sum() * x[0] + x[1] * x[2] ** 2

    x, v, u = (torch.tensor(a) for a in (A, B, normal((2,), 5)))
    for ours, theirs in [
        (tg.vjp(bend, A, normal((2,), 5)), functional.vjp(their_bend, x, u)),
        (tg.jvp(bend, A, B), functional.jvp(their_bend, x, v)),
        (tg.hvp(bowl, A, B), functional.hvp(their_bowl, x, v)),
        ([tg.jacobian(bend, A)], [functional.jacobian(their_bend, x)]),
        ([tg.hessian(bowl, A)], [functional.hessian(their_bowl, x)]),
    ]:
        for a, b in zip(ours, theirs, strict=True):
            close(a.data, b.numpy(), 1e-12)


def test_derivatives_of_several_inputs_are_pytorchs(torch):
    def their_two(x, y):
        return (x * x * y).sum() + (y**3).sum()

    theirs = torch.autograd.functional.hessian(their_two, (torch.tensor(A), torch.tensor(B)))
    for our_row, their_row in zip(tg.hessian(two, (A, B)), theirs, strict=True):
        for a, b in zip(our_row, their_row, strict=True):
            close(a.data, b.numpy(), 1e-12)
