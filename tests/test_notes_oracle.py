"""The walk gives what the notes' layers give by hand: every gradient, to 1e-14."""

from __future__ import annotations

import numpy as np
import pytest
from notes_oracle import RNNStep, TimeRNN

import tinygrad_rnn as tg
from tinygrad_rnn import Tensor, nn
from tinygrad_rnn.bptt import truncated_bptt

SIZES = [  # N, T, D, H
    (2, 5, 3, 4),
    (3, 7, 2, 5),
    (4, 4, 4, 4),
    (1, 6, 3, 2),
    (3, 1, 2, 4),
    (2, 5, 3, 1),
    (2, 4, 1, 3),
    (1, 1, 1, 1),
    (8, 40, 6, 16),
]


def close(ours, theirs, tolerance=1e-14):
    """Lists of arrays: a gradient is one vector, so errors are relative to its largest entry.

    (Its parts may cancel: with H = 1, dWh is one number, a sum of larger ones of both signs.)
    """
    assert [np.shape(a) for a in ours] == [np.shape(b) for b in theirs]
    scale = max(np.abs(b).max() for b in theirs)
    error = max(np.abs(a - b).max() for a, b in zip(ours, theirs))
    assert error <= tolerance * scale, f"relative error {error / scale:.1e}"


def weights(rng, D, H):
    return [rng.standard_normal(shape) / np.sqrt(H) for shape in ((D, H), (H, H), (H,))]


def leaves(*arrays):
    return [Tensor(array, requires_grad=True) for array in arrays]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("N, T, D, H", SIZES)
def test_one_step(N, T, D, H, seed):
    rng = np.random.default_rng(seed)
    arrays = weights(rng, D, H)
    x, h, dh = (rng.standard_normal((N, n)) for n in (D, H, H))
    step = RNNStep(*arrays)
    Wx, Wh, b, x_, h_ = tensors = leaves(*arrays, x, h)
    h_next = tg.tanh(h_ @ Wh + x_ @ Wx + b)
    close([h_next.data], [step.forward(x, h)])
    h_next.backward(dh)
    dx, dh_prev, grads = step.backward(dh)
    close([tensor.grad for tensor in tensors], [*grads, dx, dh_prev])


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("N, T, D, H", SIZES)
def test_a_layer_along_time(N, T, D, H, seed):
    """Against `nn.RNN`, whose weights are the transposes and whose two biases are one in sum."""
    rng = np.random.default_rng(seed)
    arrays = weights(rng, D, H)
    xs, dhs = rng.standard_normal((N, T, D)), rng.standard_normal((N, T, H))
    layer = TimeRNN(*arrays)
    rnn = nn.RNN(D, H, batch_first=True, rng=0)
    Wx, Wh, b = arrays
    rnn.load_state_dict(dict(zip(rnn.state_dict(), (Wx.T, Wh.T, b, np.zeros(H)), strict=True)))
    x, h0 = leaves(xs, np.zeros((1, N, H)))
    output, h_n = rnn(x, h0)
    close([output.data, h_n.data[0]], [layer.forward(xs), layer.h])
    output.backward(dhs)
    dxs, (dWx, dWh, db) = layer.backward(dhs), layer.grads
    found = [parameter.grad for parameter in rnn.parameters()]
    close([x.grad, h0.grad[0], *found], [dxs, layer.dh, dWx.T, dWh.T, db, db])


@pytest.mark.parametrize("k", [1, 3, 4, 12])
def test_stateful_blocks_are_truncated_bptt(k):
    """A series of 12 steps in blocks of k: the notes' picture, forward joined and backward cut."""
    rng = np.random.default_rng(k)
    N, T, D, H = 2, 12, 3, 4
    arrays = weights(rng, D, H)
    xs, dhs = rng.standard_normal((N, T, D)), rng.standard_normal((N, T, H))
    layer = TimeRNN(*arrays, stateful=True)
    expected = [np.zeros_like(w) for w in arrays]
    for t in range(0, T, k):
        layer.forward(xs[:, t : t + k])
        layer.backward(dhs[:, t : t + k])
        expected = [total + g for total, g in zip(expected, layer.grads)]

    Wx, Wh, b = tensors = leaves(*arrays)

    def step(x, h):
        h = tg.tanh(h @ Wh + x @ Wx + b)
        return h, h

    _, h = truncated_bptt(
        step, xs.swapaxes(0, 1), np.zeros((N, H)), lambda t, h: (h * dhs[:, t]).sum(), k1=k, k2=k
    )
    close([h.data], [layer.h])
    close([tensor.grad for tensor in tensors], expected)


def test_the_state_is_carried_only_if_asked():
    rng = np.random.default_rng(0)
    arrays, xs = weights(rng, 3, 4), rng.standard_normal((2, 5, 3))
    whole = TimeRNN(*arrays).forward(xs)
    joined, apart = TimeRNN(*arrays, stateful=True), TimeRNN(*arrays)
    blocks = [joined.forward(xs[:, :2]), joined.forward(xs[:, 2:])]
    close([np.concatenate(blocks, axis=1)], [whole])
    apart.forward(xs[:, :2])
    assert not np.allclose(apart.forward(xs[:, 2:]), whole[:, 2:])
