"""Losses against PyTorch where it is installed, and what each function refuses."""

from __future__ import annotations

import numpy as np
import pytest
from test_ops import close, leaf, normal

import tinygrad_rnn as tg
from tinygrad_rnn import functional as F


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="PyTorch, the oracle, is not installed")


def compare(torch, ours, theirs, *arrays):
    """The same value, and the same gradient for every floating operand, from the same cotangent."""
    xs = [leaf(a) if a.dtype.kind == "f" else a for a in arrays]
    ts = [torch.tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays]
    y, t = ours(*xs), theirs(*ts)
    close(y.data, t.detach().numpy(), 1e-12)
    seed = normal(y.shape, 9)
    y.backward(seed)
    t.backward(torch.tensor(seed))
    for x, s in zip(xs, ts, strict=True):
        if isinstance(x, tg.Tensor):
            close(x.grad, s.grad.numpy(), 1e-12)


REDUCTIONS = ["mean", "sum", "none"]


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", [(5, 3), (3, 3), (2, 4, 3), (3, 3, 3)])
def test_cross_entropy_is_pytorchs(torch, reduction, shape):
    target = np.random.default_rng(1).integers(0, shape[1], (shape[0], *shape[2:]))
    target.flat[1] = -100
    compare(
        torch,
        lambda x, t: F.cross_entropy(x, t, axis=1, reduction=reduction),
        lambda x, t: torch.nn.functional.cross_entropy(x, t, reduction=reduction),
        normal(shape),
        target,
    )


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_cross_entropy_of_one_position_is_pytorchs(torch, reduction):
    compare(
        torch,
        lambda x, t: F.cross_entropy(x, t, reduction=reduction),
        lambda x, t: torch.nn.functional.cross_entropy(x, t, reduction=reduction),
        normal((4,)),
        np.array(2),
    )


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_cross_entropy_of_probabilities_is_pytorchs(torch, reduction):
    compare(
        torch,
        lambda x, t: F.cross_entropy(x, t, axis=1, reduction=reduction),
        lambda x, t: torch.nn.functional.cross_entropy(x, t, reduction=reduction),
        normal((4, 3, 2)),
        np.random.default_rng(2).random((4, 3, 2)),
    )


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "binary_cross_entropy_with_logits"])
def test_elementwise_losses_are_pytorchs(torch, name, reduction):
    compare(
        torch,
        lambda x, t: getattr(F, name)(x, t, reduction=reduction),
        lambda x, t: getattr(torch.nn.functional, name)(x, t, reduction=reduction),
        3 * normal((4, 3)),
        np.random.default_rng(3).random((4, 3)),
    )


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_is_pytorchs(torch, name, axis):
    compare(
        torch,
        lambda x: getattr(F, name)(x, axis),
        lambda x: getattr(torch.nn.functional, name)(x, dim=axis),
        3 * normal((4, 3)),
    )


def test_linear_and_embedding_are_pytorchs(torch):
    compare(
        torch, F.linear, torch.nn.functional.linear, normal((2, 4, 3)), normal((5, 3)), normal((5,))
    )
    compare(
        torch,
        F.embedding,
        torch.nn.functional.embedding,
        np.array([[0, 2, 2], [1, 0, 2]]),
        normal((3, 4)),
    )


@pytest.mark.parametrize("name", ["var", "std"])
def test_spread_is_pytorchs(torch, name):
    compare(
        torch,
        lambda x: getattr(tg, name)(x, axis=1, ddof=1, keepdims=True),
        lambda x: getattr(torch, name)(x, dim=1, correction=1, keepdim=True),
        normal((4, 3)),
    )


def test_kinks_are_pytorchs(torch):
    """Where PyTorch has a convention at a kink, ours is the same."""
    x = np.array([-1.0, 0.0, 2.0])
    compare(torch, tg.relu, torch.relu, x)
    compare(torch, tg.absolute, torch.abs, x)
    compare(torch, tg.maximum, torch.maximum, x, np.array([-1.0, 1.0, 2.0]))
    compare(torch, lambda x: tg.max(x), lambda x: torch.amax(x, dim=0), np.array([2.0, 1.0, 2.0]))


# ---------------------------------------------------------------- what is refused
@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "binary_cross_entropy_with_logits"])
def test_losses_of_different_shapes_are_refused_instead_of_broadcast(name):
    with pytest.raises(ValueError, match=r"\(3, 1\).*\(3,\)"):
        getattr(F, name)(leaf(np.ones((3, 1))), np.ones(3))


def test_cross_entropy_refuses_what_does_not_fit():
    x = leaf(np.ones((4, 3)))
    with pytest.raises(ValueError, match=r"\(4,\).*\(3,\)"):
        F.cross_entropy(x, [0, 1, 2])
    with pytest.raises(ValueError, match=r"\(4, 3\).*\(4, 2\)"):
        F.cross_entropy(x, np.ones((4, 2)))
    with pytest.raises(IndexError, match="3 classes"):
        F.cross_entropy(x, [0, 1, 2, 3])
    with pytest.raises(IndexError, match="3 classes"):
        F.cross_entropy(x, [0, 1, 2, -1])
    with pytest.raises(IndexError, match="3 classes"):
        F.cross_entropy(x, [0, 1, 2, -100], ignore_index=None)
    with pytest.raises(TypeError, match="integers"):
        F.cross_entropy(x, [True, False, True, True])
    with pytest.raises(ValueError, match="'median'"):
        F.cross_entropy(x, [0, 1, 2, 0], reduction="median")
    with pytest.raises(ValueError, match="nothing to average"):
        F.cross_entropy(x, [-100] * 4)
    assert F.cross_entropy(x, [-100] * 4, reduction="sum").data == 0


def test_mean_losses_of_nothing_are_refused():
    with pytest.raises(ValueError, match="nothing to average"):
        F.mse_loss(leaf(np.ones((0, 3))), np.ones((0, 3)))


def test_embedding_and_one_hot_refuse_indices_outside():
    weight = leaf(np.ones((3, 2)))
    for call in (lambda i: F.embedding(i, weight), lambda i: F.one_hot(i, 3)):
        for wrong in ([0, 3], [-1, 0]):
            with pytest.raises(IndexError, match=r"0 to 3|-1 to 0"):
                call(wrong)
        with pytest.raises(TypeError, match="float64"):
            call([0.0, 1.0])
        assert np.shape(call(np.zeros((0,), int)).data)[0] == 0


def test_one_hot_is_a_plain_array():
    encoded = F.one_hot(tg.Tensor([[2, 0]]), 3, dtype=np.float32)
    assert type(encoded) is np.ndarray and encoded.dtype == np.float32
    assert encoded.tolist() == [[[0, 0, 1], [1, 0, 0]]]


def test_dropout_has_no_hidden_randomness_and_keeps_the_mean():
    x = leaf(np.ones(10_000, np.float32))
    once, again = F.dropout(x, 0.25, rng=3), F.dropout(x, 0.25, rng=3)
    assert np.array_equal(once.data, again.data) and once.dtype == np.float32
    assert set(np.unique(once.data)) == {np.float32(0), np.float32(1 / 0.75)}
    assert abs(once.data.mean() - 1) < 0.02
    once.backward(np.ones(10_000))
    assert np.array_equal(x.grad, once.data)
    generator = np.random.default_rng(3)
    first, second = (F.dropout(x, 0.5, rng=generator).data for _ in range(2))
    assert not np.array_equal(first, second)


def test_dropout_is_nothing_outside_training():
    x = leaf(np.ones(3))
    assert F.dropout(x, 0.5, training=False, rng=0) is x
    assert F.dropout(x, 0.0, rng=0) is x
    assert not F.dropout(x, 1.0, rng=0).data.any()
    for p in (-0.1, 1.5):
        with pytest.raises(ValueError, match=str(p)):
            F.dropout(x, p, rng=0)


def test_pad_records_constants_only():
    with pytest.raises(ValueError, match="'reflect'"):
        tg.pad(leaf(np.ones(3)), 1, mode="reflect")


def test_an_unequal_split_says_what_to_do():
    with pytest.raises(ValueError, match="5 entries cannot be split into 2"):
        tg.split(leaf(np.ones(5)), 2)


# ---------------------------------------------------------------- what a first reviewer found
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_common_offset_of_the_scores_costs_no_digits(dtype):
    scores = np.array([[0.5, -1.0, 2.0]], dtype)
    far = tg.Tensor(scores + dtype(2**16), requires_grad=True)
    near = tg.Tensor(far.data - dtype(2**16), requires_grad=True)
    for x in (far, near):
        F.cross_entropy(x, [1]).backward()
    assert np.array_equal(F.softmax(far).data, F.softmax(near).data)
    assert np.array_equal(far.grad, near.grad)


def test_one_position_that_is_ignored():
    scores = tg.Tensor(np.array([0.5, -1.0]), requires_grad=True)
    assert F.cross_entropy(scores, -100, reduction="sum").item() == 0
    assert F.cross_entropy(scores, -100, reduction="none").item() == 0
    with pytest.raises(ValueError, match="nothing to average"):
        F.cross_entropy(scores, -100)
    with pytest.raises(ValueError, match="at least one axis"):
        F.cross_entropy(tg.Tensor(3.0), 0)
