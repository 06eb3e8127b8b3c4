"""The parameter counts of the study notes, which are Keras'; and they do not depend on T."""

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import nn


@pytest.mark.parametrize(
    ("layer", "count"),
    [
        (nn.RNN(500, 8, bias="single"), 4072),  # on one-hot words
        (nn.Embedding(500, 16), 8000),
        (nn.RNN(16, 8, bias="single"), 200),
        (nn.RNN(16, 8), 208),
        (nn.LSTM(16, 8, bias="single"), 800),
        (nn.LSTM(16, 8), 832),
        (nn.GRU(16, 8, bias="single", reset_after=False), 600),
        (nn.GRU(16, 8), 624),
    ],
    ids=repr,
)
def test_counts_of_the_notes(layer, count):
    assert layer.num_parameters() == count


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
def test_weights_are_shared_over_time(kind):
    layer = kind(3, 4, rng=0)
    count = layer.num_parameters()
    for T in (1, 5, 50):
        output, _ = layer(np.zeros((T, 2, 3)))
        leaves = {n.tensor for n in tg.Graph(output.sum()).nodes if n.kind == "parameter"}
        assert sum(p.size for p in leaves) == count


def test_the_gradient_of_a_shared_weight_is_the_sum_over_its_uses():
    cell = nn.RNNCell(2, 3, rng=0)
    x = np.random.default_rng(1).standard_normal((4, 2, 2))
    copies = [{k: tg.Tensor(v, True) for k, v in cell.state_dict().items()} for _ in x]
    h, h_apart = None, None
    for x_t, own in zip(x, copies, strict=True):
        h = cell(x_t, h)
        h_apart = nn.functional_call(cell, own, x_t, h_apart)
    (h * h).sum().backward()
    (h_apart * h_apart).sum().backward()
    for name, p in cell.named_parameters():
        np.testing.assert_allclose(p.grad, sum(own[name].grad for own in copies), rtol=1e-13)


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
def test_single_bias_is_the_sum_of_two(kind):
    if kind is nn.GRU:
        one, two = (kind(2, 3, bias=b, reset_after=False) for b in ("single", True))
    else:
        one, two = kind(2, 3, bias="single"), kind(2, 3)
    state = two.state_dict()
    b = state["bias_ih_l0"] + state.pop("bias_hh_l0")
    one.load_state_dict(state | {"bias_ih_l0": b})
    x = np.random.default_rng(0).standard_normal((5, 2, 2))
    np.testing.assert_allclose(one(x)[0].data, two(x)[0].data, rtol=1e-13)
    with pytest.raises(ValueError, match='True, False or "single"'):
        kind(2, 3, bias="double")


def test_recurrent_dropout_hides_the_same_entries_at_every_step():
    for kind in (nn.RNN, nn.LSTM, nn.GRU):
        layer = kind(2, 40, recurrent_dropout=0.5, rng=0)
        x = np.random.default_rng(0).standard_normal((6, 3, 2))
        dropped, plain = layer(x)[0].data, layer.eval()(x)[0].data
        assert not np.allclose(dropped, plain)
        np.testing.assert_allclose(plain, layer(x)[0].data)
    layer = nn.RNN(1, 200, recurrent_dropout=0.3, rng=1)
    layer.weight_ih_l0.data, layer.weight_hh_l0.data = np.zeros((200, 1)), np.eye(200) * 0.5
    layer.bias_ih_l0.data, layer.bias_hh_l0.data = np.full(200, 0.1), np.zeros(200)
    last = layer(np.zeros((30, 4, 1)))[0].data[-1]
    kept = last > 0.11  # an entry that is hidden at every step stays at tanh(0.1)
    assert abs(kept.mean() - 0.7) < 0.06
    assert np.ptp(last[~kept]) < 1e-15
    with pytest.raises(ValueError, match="recurrent_dropout < 1"):
        nn.GRU(2, 2, recurrent_dropout=1.0)
