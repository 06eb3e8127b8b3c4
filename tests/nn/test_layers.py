"""Linear, Embedding, Dropout, Sequential: against what they say they compute."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_rnn as tg
from tinygrad_rnn import Tensor, nn
from tinygrad_rnn import functional as F

try:
    import torch
except ImportError:
    torch = None

needs_torch = pytest.mark.skipif(torch is None, reason="PyTorch is not installed: .[oracle]")

seeds = st.integers(0, 2**32 - 1)


# ---------------------------------------------------------------- Linear
@given(
    lead=st.lists(st.integers(1, 4), max_size=3).map(tuple),
    size=st.sampled_from([(2, 5), (3, 3), (1, 1), (4, 1), (1, 4)]),
    bias=st.booleans(),
    seed=seeds,
)
def test_linear_is_its_formula_with_all_gradients(lead, size, bias, seed):
    rng, (D, H) = np.random.default_rng(seed), size
    layer = nn.Linear(D, H, bias, rng=rng)
    x, cotangent = rng.standard_normal((*lead, D)), rng.standard_normal((*lead, H))
    xs = Tensor(x, requires_grad=True)
    y = layer(xs)
    w, b = layer.weight.data, layer.bias.data if bias else np.zeros(H)
    np.testing.assert_allclose(y.data, np.einsum("...d,hd->...h", x, w) + b, rtol=1e-12, atol=1e-12)
    (y * cotangent).sum().backward()
    rows, d_rows = x.reshape(-1, D), cotangent.reshape(-1, H)
    np.testing.assert_allclose(xs.grad, (d_rows @ w).reshape(x.shape), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(layer.weight.grad, d_rows.T @ rows, rtol=1e-12, atol=1e-12)
    if bias:
        np.testing.assert_allclose(layer.bias.grad, d_rows.sum(axis=0), rtol=1e-12, atol=1e-12)


@needs_torch
@pytest.mark.parametrize("bias", [True, False])
def test_linear_has_torchs_names_shapes_and_range(bias):
    ours, theirs = nn.Linear(100, 7, bias, rng=0), torch.nn.Linear(100, 7, bias)
    expected = {path: tuple(value.shape) for path, value in theirs.state_dict().items()}
    assert {path: value.shape for path, value in ours.state_dict().items()} == expected
    assert 0.09 < np.max(np.abs(ours.weight.data)) <= 0.1


def test_linear_refuses_another_width():
    layer = nn.Linear(3, 2)
    for shape in ((4,), (3, 4), (), (3, 1)):
        with pytest.raises(ValueError, match=r"Linear expects \(\.\.\., 3\), and was given \("):
            layer(np.zeros(shape))


@pytest.mark.parametrize("make", [nn.Linear, nn.Embedding])
def test_weights_come_from_the_seed(make):
    first, again, other = (
        make(4, 3, rng=rng).weight.data for rng in (1, np.random.default_rng(1), 2)
    )
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_float32_stays_float32():
    rng = np.random.default_rng(0)
    net = nn.Sequential(
        nn.Embedding(5, 4, dtype=np.float32, rng=rng),
        nn.Dropout(0.5, rng=rng),
        nn.Linear(4, 3, dtype=np.float32, rng=rng),
    )
    y = net(np.array([[0, 1], [4, 4]]))
    assert y.dtype == np.float32
    (y * rng.standard_normal(y.shape).astype(np.float32)).sum().backward()
    assert {p.grad.dtype for p in net.parameters()} == {np.dtype(np.float32)}


# ---------------------------------------------------------------- Embedding
@given(
    shape=st.lists(st.integers(0, 4), max_size=3).map(tuple),
    V=st.integers(1, 4),  # few rows, so that many are looked up more than once
    E=st.integers(1, 3),
    seed=seeds,
)
def test_an_embedding_is_a_product_with_one_hot(shape, V, E, seed):
    rng = np.random.default_rng(seed)
    layer = nn.Embedding(V, E, rng=rng)
    indices = rng.integers(0, V, shape)
    y = layer(indices)
    assert y.shape == (*shape, E)
    hot = F.one_hot(indices, V)
    np.testing.assert_allclose(y.data, hot @ layer.weight.data, rtol=1e-12)
    cotangent = rng.standard_normal(y.shape)
    (y * cotangent).sum().backward()
    expected = hot.reshape(-1, V).T @ cotangent.reshape(-1, E)
    np.testing.assert_allclose(layer.weight.grad, expected, rtol=1e-12, atol=1e-12)


def test_repeated_rows_add_up():
    layer = nn.Embedding(3, 2)
    y = layer([1, 1, 0])
    (y * np.array([[2.0, 3.0], [5.0, 7.0], [11.0, 13.0]])).sum().backward()
    assert layer.weight.grad.tolist() == [[11.0, 13.0], [7.0, 10.0], [0.0, 0.0]]
    layer.zero_grad()
    (layer([1]) * 2.0 + layer([1]) * 3.0).sum().backward()  # in two look-ups
    assert layer.weight.grad.tolist() == [[0.0, 0.0], [5.0, 5.0], [0.0, 0.0]]


def test_embedding_refuses_what_is_no_row():
    layer = nn.Embedding(3, 2)
    for indices in ([0, 3], [-1], [[2, 1], [0, 99]]):
        with pytest.raises(IndexError, match=r"embedding has 3 rows, 0 \.\.\. 2; the indices run"):
            layer(indices)
    for indices in ([0.0, 1.0], np.array([True, False, True]), Tensor([1.0])):
        with pytest.raises(TypeError, match="takes integers"):
            layer(indices)


def test_embedding_takes_an_integer_tensor_and_a_single_index():
    layer = nn.Embedding(3, 2, rng=0)
    assert np.array_equal(layer(Tensor([2, 0])).data, layer.weight.data[[2, 0]])
    assert np.array_equal(layer(1).data, layer.weight.data[1])


# ---------------------------------------------------------------- Dropout
@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_keeps_the_mean(p):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 300)) + 3
    y = nn.Dropout(p, rng=1)(Tensor(x)).data
    zeros = y == 0
    n = x.size
    assert abs(np.mean(zeros) - p) < 5 * np.sqrt(p * (1 - p) / n)
    np.testing.assert_allclose(y[~zeros], x[~zeros] / (1 - p), rtol=1e-14)
    assert abs(np.mean(y) - np.mean(x)) < 5 * np.sqrt(10 * p / (1 - p) / n)


def test_dropout_gives_the_gradient_of_what_it_kept():
    rng = np.random.default_rng(0)
    x = Tensor(rng.standard_normal((5, 7)), requires_grad=True)
    cotangent = rng.standard_normal((5, 7))
    y = nn.Dropout(0.3, rng=0)(x)
    (y * cotangent).sum().backward()
    np.testing.assert_allclose(x.grad, np.where(y.data == 0, 0, cotangent / 0.7), rtol=1e-12)


def test_dropout_is_the_identity_in_eval_and_without_probability():
    x = Tensor(np.random.default_rng(0).standard_normal((4, 5)))
    assert np.array_equal(nn.Dropout(0.5, rng=0).eval()(x).data, x.data)
    assert np.array_equal(nn.Dropout(0.0, rng=0)(x).data, x.data)


def test_dropout_is_seeded_and_new_at_every_call():
    x = np.ones(100)
    first, again = nn.Dropout(0.5, rng=3), nn.Dropout(0.5, rng=3)
    a, b = first(x), first(x)
    assert not np.array_equal(a, b)
    assert np.array_equal(a, again(x)) and np.array_equal(b, again(x))
    assert not np.array_equal(a, nn.Dropout(0.5, rng=4)(x))


@pytest.mark.parametrize("p", [-0.1, 1.5, np.nan])
def test_dropout_refuses_what_is_no_probability(p):
    with pytest.raises(ValueError, match=r"0 <= p <= 1, and this is"):
        nn.Dropout(p)


def test_dropout_of_integers():
    y = F.dropout(np.ones(100, int), 0.3, rng=0)
    assert set(np.round(y, 12)) == {0.0, round(1 / 0.7, 12)}


# ---------------------------------------------------------------- Sequential
def test_sequential_runs_in_order():
    rng = np.random.default_rng(0)
    a, b = nn.Linear(2, 3, rng=rng), nn.Linear(3, 1, rng=rng)
    both = nn.Sequential(a, nn.Dropout(0.5, rng=rng), b).eval()
    x = rng.standard_normal((5, 2))
    assert np.array_equal(both(x).data, b(a(x)).data)
    assert len(both) == 3 and both[0] is a and both[-1] is b
    assert list(both.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert np.array_equal(nn.Sequential()(x), x)


def test_sequential_runs_a_module_twice():
    a = nn.Linear(2, 2, rng=0)
    x = np.random.default_rng(0).standard_normal((5, 2))
    assert np.array_equal(nn.Sequential(a, a)(x).data, a(a(x)).data)


def test_sequential_runs_or_refuses_plain_functions():
    a, x = nn.Linear(2, 2, rng=0), np.random.default_rng(0).standard_normal((5, 2))
    try:
        net = nn.Sequential(a, tg.tanh)
    except TypeError:
        return
    assert np.array_equal(net(x).data, tg.tanh(a(x)).data)
