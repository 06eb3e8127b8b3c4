"""What the study notes say of recurrent nets, heading by heading, each in about ten lines.

What they train has a task of its own (`tinygrad_rnn.experiments`), what they count is in
`tests/nn/test_counts.py`, their backward pass by hand in `tests/test_notes_oracle.py`, and
vanishing, exploding, clipping and truncation in `tests/test_bptt.py`.
"""

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import functional as F
from tinygrad_rnn.bptt import state_jacobians, truncated_bptt
from tinygrad_rnn.data import Vocabulary, pad_sequences, words
from tinygrad_rnn.experiments.memory import LastStep
from tinygrad_rnn.nn import GRU, LSTM, RNN, Linear, LSTMCell, RNNCell, Sequential
from tinygrad_rnn.nn.cells import rnn_step
from tinygrad_rnn.optim import Adam

LAYERS = {"rnn": RNN, "lstm": LSTM, "gru": GRU}


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


# ---------------------------------------------------------------- the cell
@pytest.mark.parametrize(
    ("nonlinearity", "f"), [("tanh", np.tanh), ("relu", lambda z: z * (z > 0))]
)
def test_a_memory_cell_with_batch_one_and_both_widths_four(nonlinearity, f):
    """h_t = f(W_x x_t + W_h h_(t-1) + b), y_t = softmax(W_y h_t + b_y)."""
    cell, output = RNNCell(4, 4, nonlinearity=nonlinearity, rng=0), Linear(4, 4, rng=1)
    x, h = normal(1, 4), normal(1, 4, seed=1)
    new = cell(x, h)
    W_x, W_h, b = cell.weight_ih.data, cell.weight_hh.data, cell.bias_ih.data + cell.bias_hh.data
    by_hand = f(W_x @ x[0] + W_h @ h[0] + b)
    np.testing.assert_allclose(new.data[0], by_hand, rtol=1e-12)
    scores = np.exp(output.weight.data @ by_hand + output.bias.data)
    np.testing.assert_allclose(F.softmax(output(new)).data[0], scores / scores.sum(), rtol=1e-12)


def test_every_neuron_hears_every_neuron_of_the_step_before():
    """Weights: features x neurons, and neurons x neurons."""
    cell = RNNCell(5, 3, bias=False, rng=0)
    assert cell.num_parameters() == 5 * 3 + 3 * 3
    h = tg.Tensor(normal(3), requires_grad=True)
    assert (tg.jacobian(lambda h: cell(normal(5, seed=1), h), h).data != 0).all()


def test_tanh_passes_up_to_four_times_the_gradient_that_a_sigmoid_passes():
    slopes = {
        f: tg.jacobian(f, tg.Tensor(0.0, requires_grad=True)).data for f in (tg.tanh, tg.sigmoid)
    }
    assert slopes == {tg.tanh: 1, tg.sigmoid: 0.25}
    for f, slope in slopes.items():  # and over ten steps up to 4^10 times as much
        states = [tg.Tensor([0.0], requires_grad=True)]
        for _ in range(10):
            states.append(
                rnn_step(0.0, states[-1], np.eye(1), activation=lambda z, f=f: f(z) - f(0 * z))
            )
        np.testing.assert_allclose(state_jacobians(states)[-1], slope**10)


# ---------------------------------------------------------------- unrolled
@pytest.mark.parametrize("kind", LAYERS)
def test_one_step_after_the_other_is_all_steps_at_once(kind):
    """(B, 1, E) to (B, 1, H) n times, with the same weights, is (B, n, E) to (B, n, H)."""
    layer, x, state, steps = LAYERS[kind](4, 3, batch_first=True, rng=0), normal(2, 5, 4), None, []
    for t in range(5):
        output, state = layer(x[:, t : t + 1], state)
        assert output.shape == (2, 1, 3)
        steps.append(output.data)
    np.testing.assert_allclose(layer(x)[0].data, np.concatenate(steps, axis=1), rtol=1e-12)


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("both", [False, True])
def test_hidden_is_all_layers_at_the_end_and_output_the_last_layer_at_all_steps(kind, both):
    layer = LAYERS[kind](4, 3, num_layers=2, bidirectional=both, batch_first=True, rng=0)
    output, state = layer(normal(6, 5, 4))
    hidden = state[0] if kind == "lstm" else state
    directions = 1 + both
    assert output.shape == (6, 5, 3 * directions) and hidden.shape == (2 * directions, 6, 3)
    np.testing.assert_array_equal(output.data[:, -1, :3], hidden.data[-directions])
    if both:  # the way back ends at the first step
        np.testing.assert_array_equal(output.data[:, 0, 3:], hidden.data[-1])


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("both", [False, True])
def test_both_ways_needs_the_future_so_it_cannot_write_word_after_word(kind, both):
    layer = LAYERS[kind](2, 3, bidirectional=both, rng=0)
    x = tg.Tensor(normal(6, 1, 2), requires_grad=True)
    layer(x)[0][2].sum().backward()  # the output of step 2
    reached = (x.grad != 0).any(axis=(1, 2))
    assert reached.tolist() == [True] * 3 + [both] * 3


def test_the_loss_of_all_steps_has_the_gradient_of_each_steps_loss_in_sum():
    layer, x, y = RNN(4, 3, rng=0), normal(5, 2, 4), normal(5, 2, 3, seed=1)
    errors = ((layer(x)[0] - y) ** 2).sum(axis=(1, 2))  # (T,)
    each = [tg.grad(errors[t], layer.weight_hh_l0).data for t in range(5)]
    np.testing.assert_allclose(
        tg.grad(errors.sum(), layer.weight_hh_l0).data, sum(each), rtol=1e-12
    )


def test_truncated_bptt_of_a_series_of_a_thousand_steps():
    """A hundred backward passes of ten steps; forwards it is one series."""
    cell, xs, passes = RNNCell(1, 3, rng=0), normal(1000, 1), []
    loss, state = truncated_bptt(
        lambda x, h: (cell(x, h),) * 2, xs, np.zeros(3), lambda t, h: (h * h).sum(),
        k1=10, k2=10, update=passes.append,
    )  # fmt: skip
    assert [(p.start, p.end) for p in passes] == [(t, t + 10) for t in range(0, 1000, 10)]
    hs = RNN(1, 3, rng=0)
    hs.load_state_dict({f"{name}_l0": w for name, w in cell.state_dict().items()})
    output, last = hs(xs)
    assert loss == pytest.approx((output.data**2).sum(), rel=1e-12)
    np.testing.assert_allclose(state.data, last.data[0], rtol=1e-12)


# ---------------------------------------------------------------- words in
def test_words_become_integers_of_one_length_filled_up_in_front_with_zeros():
    texts = [words(text) for text in ("I am a boy", "am I a boy, I am asked")]
    vocabulary = Vocabulary((w for text in texts for w in text), padding="<pad>", order="given")
    x, _ = pad_sequences([vocabulary.encode(text) for text in texts], length=6)
    assert x.tolist() == [[0, 0, 1, 2, 3, 4], [3, 4, 5, 1, 2, 6]]  # the same word, the same integer


def test_an_integer_k_is_a_row_with_its_one_at_place_k_and_an_embedding_picks_row_k():
    """(The notes show the one of 10 two places further on.)"""
    row, table = F.one_hot(10, 500), normal(500, 16)
    assert row.sum() == 1 and row[10] == 1 and row.shape == (500,)
    np.testing.assert_array_equal(row @ table, F.embedding(10, table))


def test_one_sigmoid_neuron_is_a_softmax_of_two():
    z = normal(7)
    two = F.softmax(np.stack([z, 0 * z], axis=1))
    np.testing.assert_allclose(tg.sigmoid(z), two[:, 0], rtol=1e-12)
    np.testing.assert_allclose(two.sum(axis=1), 1)


# ---------------------------------------------------------------- why recurrent: shared weights
def trained(model, x, y, steps=80):
    optimizer = Adam(model.parameters(), lr=2e-2)
    for _ in range(steps):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
    return model


def test_a_word_that_moves_is_known_to_shared_weights_and_new_to_a_feed_forward_net():
    """Like "yesterday", in front or at the end: which of two words there is tells all."""
    rng = np.random.default_rng(0)

    def sentences(n, places):
        x, y = rng.integers(0, 4, (8, n)), rng.integers(0, 2, n)
        x[rng.choice(places, n), np.arange(n)] = 4 + y
        return F.one_hot(x, 6, dtype=np.float32), y  # (T, n, V)

    class Flat(Sequential):
        def forward(self, x):
            return super().forward(x.swapaxes(0, 1).reshape(x.shape[1], -1))

    x, y = sentences(200, [2, 3, 5])
    moved, answers = sentences(200, [1, 4, 6])
    recurrent = trained(LastStep("gru", 6, 8, 2, rng), x, y)
    flat = trained(Flat(Linear(48, 8, rng=0), tg.tanh, Linear(8, 2, rng=1)), x, y)
    right = {net: np.mean(net(moved).data.argmax(axis=1) == answers) for net in (recurrent, flat)}
    assert np.mean(flat(x).data.argmax(axis=1) == y) == 1  # it did learn what it was shown
    assert right[recurrent] > 0.95 and right[flat] < 0.75


# ---------------------------------------------------------------- gates
def test_a_forget_gate_of_one_keeps_all_and_of_zero_nothing():
    cell, c = LSTMCell(2, 3, rng=0), normal(1, 3, seed=2)
    i, f = slice(0, 3), slice(3, 6)
    for gate, kept in ((60.0, c), (-60.0, 0 * c)):
        cell.bias_ih.data[f], cell.bias_ih.data[i] = gate, -60.0  # and nothing new comes in
        _, new = cell(normal(1, 2), (normal(1, 3, seed=1), c))
        np.testing.assert_allclose(new.data, kept, atol=1e-12)


def test_the_cell_state_stays_in_its_layer():
    """With its output gate closed, layer 0 tells layer 1 nothing, whatever it remembers."""
    lstm = LSTM(2, 3, num_layers=2, rng=0)
    lstm.bias_ih_l0.data[9:] = -1e3
    outputs = []
    for c in (0.0, 5.0):
        h0, c0 = np.zeros((2, 1, 3)), np.zeros((2, 1, 3))
        c0[0] = c
        output, (_, last) = lstm(normal(4, 1, 2), (h0, c0))
        outputs.append(output.data)
    assert np.abs(last.data[0]).max() > 0.1
    np.testing.assert_array_equal(*outputs)


def test_a_grus_update_gate_divides_between_the_old_and_the_new():
    gru, x, h = GRU(2, 3, rng=0), normal(1, 1, 2), normal(1, 1, 3, seed=1)
    z = slice(3, 6)
    for gate, share in ((60.0, 1.0), (0.0, None), (-60.0, 0.0)):
        gru.weight_ih_l0.data[z], gru.weight_hh_l0.data[z], gru.bias_hh_l0.data[z] = 0, 0, 0
        gru.bias_ih_l0.data[z] = gate
        new = gru(x, h)[1].data
        if share == 1:
            np.testing.assert_allclose(new, h, atol=1e-12)
        elif share == 0:
            candidate = new
        else:
            half = new
    np.testing.assert_allclose(half, (h + candidate) / 2, atol=1e-12)
