"""Attention is a weighted mean of what may be looked at; norms and padding rows as in PyTorch."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import tinygrad_rnn as tg
from tinygrad_rnn import nn

RNG = np.random.default_rng(0)


def attentions():
    return [nn.DotAttention(), nn.AdditiveAttention(4, 4, 3, rng=0)]


@pytest.mark.parametrize("attend", attentions(), ids=lambda a: type(a).__name__)
def test_weights_add_up_to_one_and_masked_memories_get_none(attend):
    query, memory = RNG.standard_normal((2, 3, 4)), RNG.standard_normal((2, 5, 4))
    mask = np.array([[1, 1, 1, 0, 0], [0, 1, 1, 1, 1]], dtype=bool)
    memory[~mask] = 1e3
    context, weights = attend(query, memory, mask)
    assert context.shape == (2, 3, 4)
    assert_allclose(weights.data.sum(-1), 1)
    assert not weights.data.swapaxes(0, 1)[:, ~mask].any()
    assert_allclose(context.data, weights.data @ memory, rtol=1e-12)
    alone, _ = attend(query[:1], memory[:1, :3])
    assert_allclose(context.data[:1], alone.data, rtol=1e-12)
    one, w = attend(query[:, 0], memory, mask)
    assert_allclose(one.data, context.data[:, 0], rtol=1e-12)
    assert w.shape == (2, 5)


@pytest.mark.parametrize("attend", attentions(), ids=lambda a: type(a).__name__)
def test_gradients_of_attention(attend):
    state = attend.state_dict()
    mask = np.array([[1, 1, 0], [1, 1, 1]], dtype=bool)

    def f(query, memory, *parameters):
        tensors = dict(zip(state, parameters, strict=True))
        return nn.functional_call(attend, tensors, query, memory, mask)

    inputs = RNG.standard_normal((2, 2, 4)), RNG.standard_normal((2, 3, 4))
    tg.gradcheck(f, *inputs, *state.values()).raise_if_failed()


def test_dot_attention_is_pytorchs():
    torch = pytest.importorskip("torch", reason="the oracle")
    q, m = RNG.standard_normal((2, 3, 4)), RNG.standard_normal((2, 5, 4))
    theirs = torch.nn.functional.scaled_dot_product_attention(*map(torch.tensor, (q, m, m)))
    assert_allclose(nn.DotAttention()(q, m)[0].data, theirs.numpy(), rtol=1e-12)


def test_what_does_not_fit_is_explained():
    attend = nn.DotAttention()
    with pytest.raises(ValueError, match=r"query \(B, T, Q\)"):
        attend(np.zeros((2, 3, 4)), np.zeros((3, 5, 4)))
    with pytest.raises(ValueError, match="equal widths"):
        attend(np.zeros((2, 3)), np.zeros((2, 5, 4)))
    with pytest.raises(ValueError, match="something to look at"):
        attend(np.zeros((2, 4)), np.zeros((2, 5, 4)), np.zeros((2, 5)))


def test_layer_norm_is_pytorchs():
    torch = pytest.importorskip("torch", reason="the oracle")
    ours, theirs = nn.LayerNorm(4), torch.nn.LayerNorm(4).double()
    state = {"weight": RNG.standard_normal(4), "bias": RNG.standard_normal(4)}
    ours.load_state_dict(state)
    theirs.load_state_dict({k: torch.tensor(v) for k, v in state.items()})
    x, r = RNG.standard_normal((3, 2, 4)), RNG.standard_normal((3, 2, 4))
    a, b = tg.Tensor(x, True), torch.tensor(x, requires_grad=True)
    (ours(a) * r).sum().backward()
    (theirs(b) * torch.tensor(r)).sum().backward()
    assert_allclose(a.grad, b.grad.numpy(), rtol=1e-11, atol=1e-13)
    for name, p in ours.named_parameters():
        assert_allclose(p.grad, dict(theirs.named_parameters())[name].grad.numpy(), rtol=1e-11)
    with pytest.raises(ValueError, match=r"expects \(..., 4\)"):
        ours(np.zeros((2, 3)))


def test_the_padding_row_is_zero_and_stays_so():
    table = nn.Embedding(5, 3, padding_idx=-5, rng=0)
    assert table.padding_idx == 0
    indices = np.array([[0, 2], [2, 0]])
    rows = table(indices)
    assert not rows.data[indices == 0].any()
    (rows * RNG.standard_normal(rows.shape)).sum().backward()
    assert np.flatnonzero(table.weight.grad.any(axis=1)).tolist() == [2]
    with pytest.raises(ValueError, match="one of the 5 rows; given 5"):
        nn.Embedding(5, 3, padding_idx=5)
