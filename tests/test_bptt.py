"""Truncated BPTT against a copy of the weights for every step; the tools against closed forms."""

from __future__ import annotations

import gc
import itertools
import tracemalloc
import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_rnn as tg
from tinygrad_rnn import Tensor, nn, optim
from tinygrad_rnn.bptt import (
    detached,
    find_states,
    gradient_norms,
    gradient_shares,
    gradient_table,
    jacobian_norms,
    kept_pairs,
    spectral_radius,
    state_jacobians,
    truncated_bptt,
    windows,
)
from tinygrad_rnn.nn.module import functional_call

CELLS = {"rnn": nn.RNNCell, "lstm": nn.LSTMCell, "gru": nn.GRUCell}
LAYERS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
CUTS = [  # T, k1, k2
    (7, 1, 1),
    (7, 1, 3),
    (8, 2, 2),
    (7, 2, 3),
    (9, 3, 3),
    (10, 4, 7),
    (7, 3, 5),
    (5, 5, 5),
    (5, 8, 9),
    (1, 1, 1),
]


class Net(nn.Module):
    """A cell and a head: (x_t, state) -> (output, next state)."""

    def __init__(self, cell, D=3, H=4, seed=0):
        super().__init__()
        rng = np.random.default_rng(seed)
        self.cell, self.head = CELLS[cell](D, H, rng=rng), nn.Linear(H, 2, rng=rng)

    def forward(self, x, state):
        state = self.cell(x, state)
        return self.head(state[0] if isinstance(state, tuple) else state), state


class Blocks(nn.Module):
    """A layer and a head: (x of a block, state) -> (outputs, next state)."""

    def __init__(self, layer, D=3, H=4, seed=0, **how):
        super().__init__()
        rng = np.random.default_rng(seed)
        self.layer, self.head = LAYERS[layer](D, H, rng=rng, **how), nn.Linear(H, 2, rng=rng)

    def forward(self, x, state):
        output, state = self.layer(x, state)
        return self.head(output), state


def squares(targets):
    """A loss for every step."""
    return lambda t, y: ((y - targets[t]) ** 2).sum()


def series(T, *shape, seed=1):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((T, *shape, 3)), rng.standard_normal((T, *shape, 2))


def parts(state):
    return state if isinstance(state, tuple) else (state,)


def grads(module):
    return {name: p.grad for name, p in module.named_parameters()}


def pairs(T, k1, k2):
    """The definition, in words of its own: after every k1 steps, and at the end."""
    kept = np.zeros((T, T), bool)
    done = 0
    for end in [*range(k1, T, k1), T]:
        for s in range(done, end):
            for t in range(T):
                kept[s, t] = end - k2 <= t <= s
        done = end
    return kept


def shares_by_copies(net, xs, loss):
    """d loss_s / d (weights of step t), for every s and t: every step has weights of its own."""
    copies = [{n: Tensor(p.data, True) for n, p in net.named_parameters()} for _ in xs]
    state, losses = None, []
    for t, x in enumerate(xs):
        output, state = functional_call(net, copies[t], x, state)
        losses.append(loss(t, output))
    table = {}
    for name, p in net.named_parameters():
        table[name] = np.zeros((len(xs), len(xs), *p.shape))
        for s, t in itertools.product(range(len(xs)), repeat=2):
            g = tg.grad(losses[s], copies[t][name], allow_unused=True)
            table[name][s, t] = 0 if g is None else g.data
    return table


def unrolled(net, xs, loss, state=None):
    """The whole series recorded: the losses of all steps."""
    losses = []
    for t, x in enumerate(xs):
        with tg.scope(t=t):
            output, state = net(x, state)
            losses.append(loss(t, output))
    return losses


def assert_close(found, expected, tolerance=1e-12):
    assert found.keys() == expected.keys()
    scale = max(np.abs(g).max() for g in expected.values())
    for name, g in expected.items():
        assert found[name].shape == g.shape
        error = np.abs(found[name] - g).max()
        assert error <= tolerance * scale, f"{name}: relative error {error / scale:.1e}"


# ---------------------------------------------------------------- which gradients are kept
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("T, k1, k2", CUTS)
def test_the_gradient_is_the_sum_over_exactly_the_allowed_pairs(cell, T, k1, k2):
    net, (xs, targets) = Net(cell), series(T, 2)
    table = shares_by_copies(net, xs, squares(targets))
    total, _ = truncated_bptt(net, xs, None, squares(targets), k1=k1, k2=k2)
    kept = pairs(T, k1, k2)
    assert_close(grads(net), {name: shares[kept].sum(0) for name, shares in table.items()})
    assert total == pytest.approx(sum(x.item() for x in unrolled(net, xs, squares(targets))))


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("k1, k2", [(1, 7), (2, 7), (3, 7), (3, 8), (7, 7), (5, 100), (9, 9)])
def test_it_is_the_full_gradient_if_the_window_holds_the_series(cell, k1, k2):
    net, (xs, targets) = Net(cell), series(7, 2)
    truncated_bptt(net, xs, None, squares(targets), k1=k1, k2=k2)
    found = grads(net)
    net.zero_grad()
    sum(unrolled(net, xs, squares(targets))[1:], unrolled(net, xs, squares(targets))[0]).backward()
    assert_close(found, grads(net))


@given(st.integers(1, 12), st.integers(1, 14), st.integers(0, 14), st.integers(0, 2**32 - 1))
def test_a_linear_series_by_its_formula(T, k1, more, seed):
    """h_t = w h_(t-1) + x_t, loss c_t h_t: a pair (s, t) is c_s w^(s-t) h_(t-1)."""
    rng = np.random.default_rng(seed)
    w, (x, c) = Tensor(rng.standard_normal(), True), rng.standard_normal((2, T))

    def step(x, h):
        h = w * h + x
        return h, h

    k2, h, a = k1 + more, [0.5], w.item()
    _, last = truncated_bptt(step, x, 0.5, lambda t, h: c[t] * h, k1=k1, k2=k2)
    for t in range(T):
        h.append(a * h[-1] + x[t])
    s, t = np.nonzero(pairs(T, k1, k2))
    np.testing.assert_allclose(last.data, h[-1], rtol=1e-12)
    terms = c[s] * a ** (s - t) * np.array(h)[t]
    np.testing.assert_allclose(w.grad, terms.sum(), atol=1e-12 * max(np.abs(terms).sum(), 1))
    assert np.array_equal(kept_pairs(T, k1, k2), pairs(T, k1, k2))


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("k1, k2", [(1, 1), (1, 2), (2, 3), (4, 4)])
def test_layers_run_in_blocks(layer, k1, k2):
    """Eleven steps in blocks of three and a shorter last one; k1 and k2 count blocks."""
    net, (xs, targets) = Blocks(layer, num_layers=2), series(11, 2)
    blocks = [xs[t : t + 3] for t in range(0, 11, 3)]
    loss = squares([targets[t : t + 3] for t in range(0, 11, 3)])
    table = shares_by_copies(net, blocks, loss)
    _, state = truncated_bptt(net, blocks, None, loss, k1=k1, k2=k2)
    kept = pairs(4, k1, k2)
    assert_close(grads(net), {name: shares[kept].sum(0) for name, shares in table.items()})
    _, whole = net(xs, None)
    for cut, full in zip(parts(state), parts(whole), strict=True):
        np.testing.assert_allclose(cut.data, full.data, rtol=1e-12)


@pytest.mark.parametrize("T, k1, k2", CUTS)
def test_it_is_the_table_of_shares_with_the_cut_pairs_left_out(T, k1, k2):
    """What a user does to see a cut: one recorded run, its table, and the mask."""
    net, (xs, targets) = Net("gru"), series(T, 1)
    losses = unrolled(net, xs, squares(targets))
    truncated_bptt(net, xs, None, squares(targets), k1=k1, k2=k2)
    expected = {
        name: gradient_shares(losses, p)[kept_pairs(T, k1, k2)].sum(0)
        for name, p in net.named_parameters()
    }
    assert_close(grads(net), expected)


# ---------------------------------------------------------------- windows, states, losses
@pytest.mark.parametrize("T, k1, k2", CUTS)
def test_windows_tile_the_losses_and_reach_back_at_most_k2(T, k1, k2):
    net, (xs, targets), asked = Net("rnn"), series(T, 1), []
    loss = squares(targets)

    def watched(t, y):
        asked.append(t)
        return loss(t, y)

    found = [(w.start, w.first, w.end) for w in windows(net, xs, None, watched, k1=k1, k2=k2)]
    assert asked == list(range(T)), "every loss once, in order"
    assert [first for _, first, _ in found] == list(range(0, T, k1))
    assert [end for _, _, end in found] == [*range(k1, T, k1), T]
    assert [start for start, _, _ in found] == [max(0, end - k2) for _, _, end in found]


def test_values_carry_on_where_gradients_are_cut():
    net, (xs, targets) = Net("lstm"), series(9, 2)
    _, state = truncated_bptt(net, xs, None, squares(targets), k1=2, k2=3)
    h = None
    for x in xs:
        _, h = net(x, h)
    for cut, full in zip(state, h, strict=True):
        assert np.array_equal(cut.data, full.data)
        assert cut.node is None and not cut.requires_grad


def test_an_endless_series_can_be_stopped():
    """Inputs are taken k1 at a time, and not one before it is needed."""
    net, (xs, targets), taken = Net("rnn"), series(5, 1), itertools.count()
    endless = (xs[next(taken) % 5] for _ in itertools.count())
    run = windows(net, endless, None, lambda t, y: squares(targets)(t % 5, y), k1=2, k2=5)
    assert next(taken) == 0
    for k, _ in enumerate(itertools.islice(run, 3)):
        assert next(taken) == 2 * (k + 1) + k + 1
    run.close()


def test_a_loss_at_the_end_only():
    net, (xs, targets) = Net("gru"), series(6, 1)

    def last(t, y):
        return squares(targets)(t, y) if t == 5 else None

    run = list(windows(net, xs, None, last, k1=2, k2=4))
    assert [w.loss is None for w in run] == [True, True, False]
    table = shares_by_copies(net, xs, squares(targets))
    assert_close(grads(net), {name: shares[5, 2:].sum(0) for name, shares in table.items()})


def test_the_initial_state_receives_its_gradient_while_windows_start_there():
    net, (xs, targets) = Net("rnn"), series(6, 2)
    encoder = Tensor(np.full((2, 4), 0.3), requires_grad=True)
    h0 = encoder * 2
    truncated_bptt(net, xs, h0, squares(targets), k1=2, k2=4)
    found, encoder.grad = encoder.grad, None
    first = unrolled(net, xs[:4], squares(targets), encoder * 2)
    sum(first[1:], first[0]).backward()
    np.testing.assert_allclose(found, encoder.grad, rtol=1e-12)


def test_an_initial_state_made_of_weights_that_have_moved_is_refused():
    net, (xs, targets) = Net("rnn"), series(6, 2)
    encoder = Tensor(np.full((2, 4), 0.3), requires_grad=True, name="encoder")
    optimizer = optim.SGD([encoder, *net.parameters()], lr=0.1)
    run = {"k1": 2, "k2": 4, "update": lambda window: optimizer.step()}
    with pytest.raises(RuntimeError, match="'encoder' was changed in place"):
        truncated_bptt(net, xs, encoder * 2, squares(targets), **run)
    truncated_bptt(net, xs, detached(encoder * 2), squares(targets), **run)


def test_states_of_every_kind_are_cut():
    h = Tensor([1.0], requires_grad=True) * 2
    array = np.ones(2)
    cut = detached({"a": (h, [h, None]), "b": array, "c": 0.5})
    assert cut["b"] is array and cut["c"] == 0.5 and cut["a"][1][1] is None
    assert [type(part) for part in (cut, cut["a"], cut["a"][1])] == [dict, tuple, list]
    for part in (cut["a"][0], cut["a"][1][0]):
        assert part.node is None and not part.requires_grad and part.data == 2


# ---------------------------------------------------------------- with an optimizer
@pytest.mark.parametrize("T, k1, k2", CUTS)
def test_an_optimizer_may_step_after_every_window(T, k1, k2):
    """Against the same by hand: run again from the newest value of k2 steps back, today's weights.

    h_t = tanh(h_(t-1) W + x_t), loss |h_t - y_t|^2, plain gradient descent.
    """
    rng = np.random.default_rng(3)
    start, xs, ys = (rng.standard_normal(shape) for shape in ((4, 4), (T, 2, 4), (T, 2, 4)))
    W = Tensor(0.5 * start, requires_grad=True)
    optimizer = optim.SGD([W], lr=0.05)

    def step(x, h):
        h = tg.tanh(h @ W + x)
        return h, h

    def update(window):
        optimizer.step()
        optimizer.zero_grad()

    total, h = truncated_bptt(step, xs, np.zeros((2, 4)), squares(ys), k1=k1, k2=k2, update=update)

    V, values, expected = 0.5 * start, {0: np.zeros((2, 4))}, 0.0
    for end in [*range(k1, T, k1), T]:
        begin, block = max(0, end - k2), (end - 1) // k1 * k1
        for t in range(begin, end):
            values[t + 1] = np.tanh(values[t] @ V + xs[t])
        dh, dV = np.zeros((2, 4)), np.zeros((4, 4))
        for t in reversed(range(begin, end)):
            if t >= block:
                dh = dh + 2 * (values[t + 1] - ys[t])
                expected += ((values[t + 1] - ys[t]) ** 2).sum()
            d = dh * (1 - values[t + 1] ** 2)
            dV, dh = dV + values[t].T @ d, d @ V.T
        V = V - 0.05 * dV
    np.testing.assert_allclose(W.data, V, rtol=1e-11)
    np.testing.assert_allclose(h.data, values[T], rtol=1e-11)
    assert total == pytest.approx(expected, rel=1e-11)


def test_blocks_side_by_side_are_the_training_loop_of_the_house():
    """k1 = k2 = 1 block: forward, backward, step, cut."""

    def trained(run):
        net = Blocks("lstm")
        optimizer = optim.Adam(net.parameters(), lr=0.02)

        def update(window):
            optim.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()

        run(net, update)
        return net.state_dict()

    xs, targets = series(12, 2)
    xs, targets = xs.reshape(4, 3, 2, 3), targets.reshape(4, 3, 2, 2)

    def by_one_call(net, update):
        truncated_bptt(net, xs, None, squares(targets), k1=1, k2=1, update=update)

    def by_loop(net, update):
        state = None
        for t, x in enumerate(xs):
            y, state = net(x, state)
            squares(targets)(t, y).backward()
            update(None)
            state = detached(state)

    ours, loop = trained(by_one_call), trained(by_loop)
    assert all(np.array_equal(ours[name], loop[name]) for name in loop)


@pytest.mark.parametrize("k2, learnt", [(1, 0.1), (3, 0.1), (4, 1.0), (9, 1.0)])
def test_it_learns_what_lies_within_its_reach_and_nothing_beyond(k2, learnt):
    """A delay line: what enters as w x_t comes out three steps later, and should be x_t."""
    x = np.random.default_rng(0).choice([-1.0, 1.0], 100)
    w, delay = Tensor(0.1, requires_grad=True), np.eye(4, k=1)
    optimizer = optim.SGD([w], lr=0.1)

    def step(x, h):
        h = h @ delay + w * (x * np.eye(4)[0])
        return h[3], h

    def loss(t, y):
        return (y - x[t - 3]) ** 2 if t >= 3 else None

    def update(window):
        optimizer.step()
        optimizer.zero_grad()

    truncated_bptt(step, x, np.zeros(4), loss, k1=1, k2=k2, update=update)
    np.testing.assert_allclose(w.data, learnt, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("k1, k2", [(5, 5), (5, 12)])
def test_memory_does_not_depend_on_the_length_of_the_series(k1, k2):
    net, (xs, targets) = Net("lstm", H=16), series(10, 4)

    def loss(t, y):
        return squares(targets)(t % 10, y)

    def peak(T, k1, k2):
        inputs = (xs[t % 10] for t in range(T))
        tracemalloc.start()
        truncated_bptt(net, inputs, None, loss, k1=k1, k2=k2, update=lambda _: net.zero_grad())
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    gc.disable()  # nothing may wait for the collector
    try:
        peak(300, k1, k2)  # fills Python's own free lists, which look like growth at first
        short, long, full = peak(60, k1, k2), peak(300, k1, k2), peak(60, 60, 60)
    finally:
        gc.enable()
    assert long < 1.05 * short, f"{short} bytes for 60 steps, {long} for 300"
    assert full > 2.5 * short, "uncut, all steps are kept"


def test_a_window_is_forgotten_before_the_next_is_recorded():
    """With the collector off: nothing may wait for it."""
    net, (xs, targets), graphs = Net("gru"), series(6, 1), []

    def step(x, state):
        assert all(graph() is None for graph in graphs)
        return net(x, state)

    def update(window):
        graphs.append(weakref.ref(window.loss))

    gc.disable()
    try:
        truncated_bptt(step, xs, None, squares(targets), k1=2, k2=3, update=update)
    finally:
        gc.enable()
    assert len(graphs) == 3


# ---------------------------------------------------------------- the cut in the graph
def test_the_cut_is_visible_in_the_graph():
    net, (xs, targets) = Net("gru"), series(6, 1)
    seen = {w.start: tg.Graph(w.loss) for w in windows(net, xs, None, squares(targets), k1=2, k2=3)}
    assert list(seen) == [0, 1, 3]
    for start, graph in seen.items():
        assert {line.t for line in graph.nodes if line.op} - {None} == set(
            range(start, min(start + 3, 6) if start else 2)
        )
        assert {line.name for line in graph.nodes if line.kind in ("input", "cut")} == (
            {f"h{start - 1}"} if start else {"h0"}
        )
    assert "h2  (1, 4)" in seen[3].listing()
    assert "h" in tg.draw(seen[3]).source


def test_windows_of_layers_can_be_drawn():
    net, (xs, targets) = Blocks("lstm"), series(4, 1)
    blocks, loss = [xs[:2], xs[2:]], squares([targets[:2], targets[2:]])
    for window in windows(net, blocks, None, loss, k1=1, k2=2):
        assert tg.draw(window.loss).source.startswith("digraph")


# ---------------------------------------------------------------- wrong arguments
@pytest.mark.parametrize("run", [truncated_bptt, windows])
@pytest.mark.parametrize("k1, k2", [(0, 3), (3, 2), (-1, -1)])
def test_windows_that_cannot_be_are_refused_at_once(run, k1, k2):
    with pytest.raises(ValueError, match=f"k2 >= k1 >= 1; given k1={k1}, k2={k2}"):
        run(Net("rnn"), [], None, squares([]), k1=k1, k2=k2)
    with pytest.raises(TypeError):
        run(Net("rnn"), [], None, squares([]), k1=1.5, k2=2)


def test_what_cannot_be_run_is_refused():
    net, (xs, targets) = Net("rnn"), series(4, 1)
    with pytest.raises(ValueError, match="this one is empty"):
        truncated_bptt(net, xs[:0], None, squares(targets), k1=1, k2=1)
    with pytest.raises(TypeError, match="the loss of step 0 is float"):
        truncated_bptt(net, xs, None, lambda t, y: 1.0, k1=1, k2=1)
    with pytest.raises(TypeError, match=r"the loss of step 1 is shape \(1, 2\)"):
        truncated_bptt(net, xs, None, lambda t, y: y if t else y.sum(), k1=1, k2=1)
    with pytest.raises(TypeError, match="given a set: return it from `step` as a tuple"):
        truncated_bptt(lambda x, h: (h, {h}), xs, Tensor(0.0), lambda t, y: None, k1=1, k2=1)
    with pytest.raises(RuntimeError, match="needs no gradient"), tg.no_grad():
        truncated_bptt(net, xs, None, squares(targets), k1=1, k2=1)


# ---------------------------------------------------------------- the norm of a gradient by step
def linear(W, T, h0=None):
    """h_t = W h_(t-1), as columns would have it, recorded: the states h_0 ... h_T."""
    W = np.asarray(W)
    h = [Tensor(np.ones(len(W)) if h0 is None else h0, requires_grad=True)]
    for _ in range(T):
        h.append(W @ h[-1])
    return h


def test_the_figure_of_the_book():
    """N = 2, H = 3, T = 20, seed 3 (Saito, Deep Learning from Scratch 2, figures 6-8 and 6-9)."""
    N, H, T = 2, 3, 20
    Wh = np.random.RandomState(3).randn(H, H)
    ends = {}
    for scale in (1.0, 0.5):
        h = [Tensor(np.zeros((N, H)), requires_grad=True)]
        for _ in range(T):
            h.append(h[-1] @ (scale * Wh))
        norms = gradient_norms(h[-1], h, seed=np.ones((N, H))) / N
        assert norms.shape == (T + 1,) and norms[-1] == np.sqrt(N * H) / N
        ends[scale] = norms[0]
    assert ends[1.0] == pytest.approx(249.495615421267, rel=1e-12)
    assert ends[0.5] == pytest.approx(2.3793756e-4, rel=1e-7)
    assert ends[0.5] == pytest.approx(ends[1.0] * 0.5**T, rel=1e-12)
    singular = np.linalg.svd(Wh, compute_uv=False)
    np.testing.assert_allclose(singular, [2.659, 0.610, 0.178], atol=1e-3)


def test_gradient_norms_by_formula():
    rng = np.random.default_rng(0)
    W, g = rng.standard_normal((4, 4)), rng.standard_normal(4)
    h = linear(W, 9)
    expected = [np.linalg.norm(np.linalg.matrix_power(W.T, 9 - t) @ g) for t in range(10)]
    np.testing.assert_allclose(gradient_norms((h[-1] * g).sum(), h), expected, rtol=1e-12)
    np.testing.assert_allclose(gradient_norms(h[-1], h, seed=g), expected, rtol=1e-12)
    assert np.array_equal(gradient_norms(h[5], h[5:], seed=g) > 0, [True] + 4 * [False])


@pytest.mark.parametrize("layer", LAYERS)
def test_gradient_norms_of_a_layer_are_those_of_its_steps(layer):
    net, (xs, targets) = Blocks(layer, num_layers=2), series(6, 2)
    loss = squares([targets])(0, net(xs, None)[0])
    for k in (0, 1):
        h = find_states(loss, within=f"layer{k}")
        assert len(h) == 6
        found = [np.linalg.norm(tg.grad(loss, x).data) for x in h]
        np.testing.assert_allclose(gradient_norms(loss, h), found, rtol=1e-12)
    assert all(p.grad is None for p in net.parameters()), "the tools leave .grad alone"


def test_clipping_ends_an_explosion_and_keeps_its_direction():
    """Before: the norm grows like 1.5^T. After: never above the bound, the direction unchanged."""
    for T in (10, 40, 80):
        w = Tensor(1.5, requires_grad=True)
        v = Tensor(-0.5, requires_grad=True)
        h = Tensor(1.0)
        for _ in range(T):
            h = w * h + v
        h.backward()
        before = np.array([w.grad, v.grad])
        norm = optim.clip_grad_norm_([w, v], 1.0)
        after = np.array([w.grad, v.grad])
        assert norm == pytest.approx(np.linalg.norm(before)) and norm > 1.4**T
        np.testing.assert_allclose(after, before / norm, rtol=1e-5)
        assert np.linalg.norm(after) <= 1
        np.testing.assert_allclose(before[1], (1.5**T - 1) / 0.5, rtol=1e-12)


# ---------------------------------------------------------------- Jacobians by lag
@pytest.mark.parametrize("w", [0.5, 0.9, 1.0, -1.1, 2.0])
def test_a_scalar_vanishes_or_explodes_as_its_power(w):
    np.testing.assert_allclose(jacobian_norms(linear([[w]], 50)), abs(w) ** np.arange(51.0))


@pytest.mark.parametrize("rho", [0.5, 0.9, 1.0, 1.1, 1.5])
@pytest.mark.parametrize("seed", range(3))
def test_a_linear_net_has_the_powers_of_its_matrix(rho, seed):
    W = np.random.default_rng(seed).standard_normal((6, 6))
    W *= rho / spectral_radius(W)
    J = state_jacobians(linear(W, 40))
    powers = np.array([np.linalg.matrix_power(W, k) for k in range(41)])
    assert np.all(np.abs(J - powers) <= 1e-12 * np.abs(powers).max(axis=(1, 2), keepdims=True))
    norms = jacobian_norms(linear(W, 40))
    np.testing.assert_allclose(norms, np.linalg.norm(powers, 2, axis=(1, 2)), rtol=1e-11)
    assert np.all(norms >= rho ** np.arange(41.0) * (1 - 1e-12)), "a norm is at least the radius"
    assert norms[40] ** (1 / 40) == pytest.approx(rho, rel=0.1), "and grows like it"


def test_a_radius_below_one_may_grow_before_it_vanishes():
    """Not |W| but the radius decides in the end: here |W| = 4, and the radius is 0.5."""
    W = [[0.5, 4.0], [0.0, 0.5]]
    norms = jacobian_norms(linear(W, 30))
    assert norms[1] > 4 and norms.argmax() > 0 and norms[30] < 1e-5
    assert spectral_radius(W) == 0.5


@pytest.mark.parametrize(
    "rho, straight, bent",
    [
        (0.5, 1.5e-15, 2.4e-20),
        (0.9, 8.9e-3, 1.4e-8),
        (1.0, 1.7, 9.1e-7),
        (1.1, 2.0e2, 2.7e-5),
        (1.5, 1.1e9, 0.18),
    ],
)
def test_a_tanh_still_vanishes_where_a_linear_net_explodes(rho, straight, bent):
    """dh_50/dh_0 for H = 64, inputs from N(0, 1/4): lessons' table, to an order of magnitude."""
    H, T = 64, 50

    def norm(activation, seed):
        rng = np.random.default_rng(seed)
        W = rng.standard_normal((H, H))
        W *= rho / spectral_radius(W)
        h = [Tensor(np.zeros(H), requires_grad=True)]
        for _ in range(T):
            h.append(activation(W @ h[-1] + 0.5 * rng.standard_normal(H)))
        return jacobian_norms([h[0], h[-1]])[1]

    linears = [norm(lambda z: z, seed) for seed in range(3)]
    tanhs = [norm(tg.tanh, seed) for seed in range(3)]
    assert np.all(np.abs(np.log10(linears) - np.log10(straight)) < 1)
    assert np.all(np.abs(np.log10(tanhs) - np.log10(bent)) < 1)
    assert max(tanhs) < 1


def test_a_batch_is_one_vector_and_its_rows_do_not_mix():
    h = [Tensor(np.ones((2, 3)), requires_grad=True)]
    W = np.random.default_rng(0).standard_normal((3, 3))
    for _ in range(4):
        h.append(h[-1] @ W.T)
    J = state_jacobians(h).reshape(5, 2, 3, 2, 3)
    for k in range(5):
        np.testing.assert_allclose(J[k, 0, :, 0], np.linalg.matrix_power(W, k), rtol=1e-12)
        np.testing.assert_allclose(J[k, 1, :, 1], np.linalg.matrix_power(W, k), rtol=1e-12)
    assert not J[:, 0, :, 1].any() and not J[:, 1, :, 0].any()


def test_an_lstms_path_along_c_is_its_forget_gates():
    """With the other gates shut, dc_T/dc_t is the product of f_t+1 ... f_T (here all the same)."""
    cell = nn.LSTMCell(1, 1, rng=0)
    for p in cell.parameters():
        p.data = np.zeros(p.shape)
    cell.bias_ih.data = np.array([-50.0, 2.0, 0.0, 0.0])
    state = tuple(Tensor(np.ones(1), requires_grad=True) for _ in range(2))
    for t in range(12):
        with tg.scope(t=t):
            state = cell(np.zeros(1), state)
    c = find_states(state[1], "c")
    forget = 1 / (1 + np.exp(-2.0))
    np.testing.assert_allclose(jacobian_norms(c), forget ** np.arange(12.0), rtol=1e-12)


def test_spectral_radius():
    rng = np.random.default_rng(0)
    V, eigenvalues = rng.standard_normal((4, 4)), np.array([0.1, -0.7, 0.3, 0.2])
    W = V @ np.diag(eigenvalues) @ np.linalg.inv(V)
    assert spectral_radius(W) == pytest.approx(0.7)
    assert spectral_radius(Tensor(W)) == pytest.approx(0.7)
    assert spectral_radius([[0.0, -2.0], [2.0, 0.0]]) == pytest.approx(2), "a pair of complex ones"
    for wrong in ([1.0, 2.0], np.ones((2, 3)), np.ones((0, 0))):
        with pytest.raises(ValueError, match="square matrix"):
            spectral_radius(wrong)


# ---------------------------------------------------------------- a weight's gradient, use by use
@pytest.mark.parametrize("cell", CELLS)
def test_the_table_is_that_of_separate_weights(cell):
    net, (xs, targets) = Net(cell), series(5, 2)
    losses, table = (
        unrolled(net, xs, squares(targets)),
        shares_by_copies(net, xs, squares(targets)),
    )
    found = {name: gradient_shares(losses, p) for name, p in net.named_parameters()}
    assert_close(found, table)
    for name, p in net.named_parameters():
        expected = np.sqrt((table[name] ** 2).reshape(5, 5, -1).sum(-1))
        np.testing.assert_allclose(gradient_table(losses, p), expected, rtol=1e-11)


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("how", [{}, {"num_layers": 2}, {"bidirectional": True}])
def test_a_layer_shares_its_gradient_among_steps(layer, how):
    """Even W_ih and the biases, which meet all inputs in one product before the loop."""
    rnn, rng = LAYERS[layer](3, 4, rng=0, **how), np.random.default_rng(1)
    output, _ = rnn(rng.standard_normal((6, 2, 3)))
    cotangent = rng.standard_normal(output.shape)
    losses = [(output[t] * cotangent[t]).sum() for t in range(6)]
    sum(losses[1:], losses[0]).backward()
    for p in rnn.parameters():
        shares = gradient_shares(losses, p)
        assert shares.shape == (6, 6, *p.shape)
        np.testing.assert_allclose(shares.sum((0, 1)), p.grad, atol=1e-12)
        for s, loss in enumerate(losses):
            np.testing.assert_allclose(shares[s].sum(0), tg.grad(loss, p).data, atol=1e-12)
        if not how:
            assert not shares[np.triu_indices(6, 1)].any(), "no loss reaches a later step"


def test_a_layer_and_its_cell_in_a_loop_share_alike():
    layer, cell, (xs, targets) = nn.GRU(3, 4, rng=0), nn.GRUCell(3, 4, rng=0), series(5, 2)
    cell.load_state_dict(dict(zip(cell.state_dict(), layer.state_dict().values(), strict=True)))
    output, _ = layer(xs)
    ours, h, losses = [output[t].sum() * targets[t].sum() for t in range(5)], None, []
    for t, x in enumerate(xs):
        with tg.scope(t=t):
            h = cell(x, h)
        losses.append(h.sum() * targets[t].sum())
    for p, q in zip(layer.parameters(), cell.parameters(), strict=True):
        np.testing.assert_allclose(gradient_shares(ours, p), gradient_shares(losses, q), atol=1e-12)


def test_a_layer_that_reads_its_own_output_counts_every_share_once():
    """Its W meets, before the steps of the second run, what the steps of the first made of W."""
    layer, x = nn.RNN(4, 4, rng=0), np.random.default_rng(1).standard_normal((3, 1, 4))
    twice, _ = layer(layer(x)[0])
    losses = [twice[t].sum() for t in range(3)]
    sum(losses[1:], losses[0]).backward()
    for p in layer.parameters():
        np.testing.assert_allclose(gradient_shares(losses, p).sum((0, 1)), p.grad, atol=1e-12)


def test_blocks_in_a_loop_have_a_column_for_every_block():
    net, (xs, targets) = Blocks("rnn"), series(6, 1)
    xs, loss = xs.reshape(2, 3, 1, 3), squares(targets.reshape(2, 3, 1, 2))
    losses, table = unrolled(net, xs, loss), shares_by_copies(net, xs, loss)
    found = {name: gradient_shares(losses, p) for name, p in net.named_parameters()}
    assert_close(found, table)


def test_shares_keep_the_precision_of_the_weight_and_touch_no_gradient():
    cell = nn.RNNCell(2, 3, rng=0, dtype=np.float32)
    with tg.scope(t=0):
        loss = cell(np.ones((1, 2), np.float32)).sum()
    assert gradient_shares([loss], cell.weight_ih).dtype == np.float32
    assert all(p.grad is None for p in cell.parameters())


def test_a_weight_may_be_a_result_itself():
    w, b = Tensor(0.5, requires_grad=True), Tensor(0.3, requires_grad=True)
    w = w * b
    with tg.scope(t=0):
        y = w * 2.0
    with tg.scope(t=1):
        y = w * y
    np.testing.assert_allclose(gradient_shares([y], w), [[0.3, 0.3]], rtol=1e-15)


def test_a_step_may_use_a_weight_more_than_once():
    w, h, losses = Tensor(0.5, requires_grad=True), 1.0, []
    for t in (8, 1):  # columns are in the order of t, whatever the order of the run
        with tg.scope(t=t), tg.scope(t=0):
            h = w * h + w * w
        losses.append(h)
    # h_8 = w + w^2 and h_1 = w h_8 + w^2
    expected = [[0, 1 + 2 * 0.5], [0.75 + 2 * 0.5, 0.5 * (1 + 2 * 0.5)]]
    np.testing.assert_allclose(gradient_shares(losses, w), expected, rtol=1e-15)


def test_tables_are_made_inside_no_grad_too():
    rnn = nn.RNN(2, 3, rng=0)
    loss = rnn(np.ones((4, 1, 2)))[0].sum()
    expected = gradient_table([loss], rnn.weight_hh_l0)
    with tg.no_grad():
        assert np.array_equal(gradient_table([loss], rnn.weight_hh_l0), expected)
        h = find_states(loss)
        assert jacobian_norms(h)[0] == 1 and gradient_norms(loss, h).shape == (4,)


def test_a_loss_that_needs_no_gradient_has_no_share():
    w = Tensor(2.0, requires_grad=True)
    with tg.scope(t=0):
        y = w * 3.0
    table = gradient_table([y * 1.0, Tensor(1.0) * 2.0], w)
    np.testing.assert_array_equal(table, [[3.0], [0.0]])


def test_what_has_no_table_is_refused():
    w = Tensor(2.0, requires_grad=True, name="w")
    with tg.scope(t=0):
        y = w * 3.0
    with pytest.raises(ValueError, match="uses 'w' outside of time steps"):
        gradient_shares([y, y + w], w)
    with pytest.raises(ValueError, match="no time step uses 'other'"):
        gradient_shares([y], Tensor(1.0, requires_grad=True, name="other"))
    with pytest.raises(ValueError, match="'constant' needs no gradient"):
        gradient_shares([y], Tensor(1.0, name="constant"))


# ---------------------------------------------------------------- finding states
def test_states_are_found_by_name_and_module():
    net, (xs, _) = Blocks("lstm", num_layers=2), series(4, 1)
    output, (h_n, c_n) = net(xs, None)
    h, c = find_states(output, within="layer1"), find_states(c_n, "c", within="layer1")
    np.testing.assert_array_equal(h[-1].data, h_n.data[1])
    np.testing.assert_array_equal(c[-1].data, c_n.data[1])
    assert len(h) == len(c) == 4
    shallow, _ = Blocks("gru")(xs, None)
    assert find_states(shallow, within="layer") == find_states(shallow)
    with pytest.raises(ValueError, match=r"several chains of 'h'.*layer0, .*layer1"):
        find_states(output)
    with pytest.raises(ValueError, match="no state 'k' in a time step; names in time steps: c"):
        find_states(output, "k")
    with pytest.raises(ValueError, match="no state 'h' within 'layer7'"):
        find_states(output, within="layer7")
    with pytest.raises(ValueError, match="names in time steps: none"):
        find_states(Tensor(1.0) * 2.0)


def test_a_reverse_direction_is_found_in_the_order_it_ran():
    output, h_n = nn.RNN(3, 4, bidirectional=True, rng=0)(np.ones((5, 1, 3)))
    h = find_states(h_n, within="layer0_reverse")
    np.testing.assert_array_equal(h[-1].data, output.data[0, :, 4:])
    assert jacobian_norms(h)[4] < jacobian_norms(h)[1] < jacobian_norms(h)[0] == 1


def test_states_that_cannot_be_looked_at_are_refused():
    h = linear(np.eye(2), 2)
    with pytest.raises(ValueError, match="the list of states is empty"):
        gradient_norms(h[-1].sum(), [])
    with pytest.raises(ValueError, match="'h0' needs no gradient, so none was recorded"):
        gradient_norms(h[-1].sum(), [Tensor(np.ones(2), name="h0"), *h])
    with pytest.raises(ValueError, match=r"states have one size; given \[\(2,\), \(3,\)\]"):
        state_jacobians([Tensor(np.ones(3), requires_grad=True), *h])


# ---------------------------------------------------------------- one state for each step
@pytest.mark.parametrize("T", [5, 20])
@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU", "LSTM with a projection"])
def test_a_step_has_one_state_also_where_it_is_masked_or_projected(kind, T):
    """The cell's h and the masked or projected h were both found, twice as many as steps."""
    options = {"proj_size": 2} if "projection" in kind else {}
    net = getattr(nn, kind.split()[0])(2, 3, **options, rng=0)
    x = np.random.default_rng(0).normal(size=(T, 2, 2))
    for lengths in (None, [T, T - 2]):
        output, _ = net(x) if lengths is None else net(x, lengths=lengths)
        states = find_states(output)
        assert [h.shape for h in states] == [(2, 2 if options else 3)] * T
        for t, h in enumerate(states):
            kept = h.data if lengths is None else h.data * (t < np.array(lengths))[:, None]
            np.testing.assert_array_equal(output.data[t], kept)
        assert len(gradient_norms((output * output).sum(), states)) == T
