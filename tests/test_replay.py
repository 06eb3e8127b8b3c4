"""A loop that is replayed gives what the loop gives line by line, and its lines come when asked."""

from __future__ import annotations

import copy
import gc
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import replay
from tinygrad_rnn.graph import ancestors, cotangents

T = replay.LONG + 3


@pytest.fixture
def rng():
    return np.random.default_rng(0)


CELLS = [
    ("RNN", {}),
    ("RNN", {"nonlinearity": "relu", "bias": "single"}),
    ("LSTM", {}),
    ("LSTM", {"bias": False, "num_layers": 2, "bidirectional": True}),
    ("LSTM", {"peephole": True, "proj_size": 2}),
    ("GRU", {}),
    ("GRU", {"bias": False, "recurrent_dropout": 0.4}),
    ("GRU", {"reset_after": False, "bidirectional": True}),
]
cells = pytest.mark.parametrize(("kind", "options"), CELLS)


def layer_of(kind, options, **more):
    return getattr(tg.nn, kind)(3, 4, rng=0, **options, **more)


def outcome(layer, x, *state, seed=1):
    """(loss, leaves by name): the loss sees every output and every last state."""
    rng = np.random.default_rng(seed)
    output, last = layer(x, *state)
    parts = [output, *(last if isinstance(last, tuple) else (last,))]
    loss = sum((part * rng.standard_normal(part.shape)).sum() for part in parts)
    leaves = dict(layer.named_parameters())
    return loss, leaves | ({"x": x} if isinstance(x, tg.Tensor) else {})


def replayed_lines(loss):
    return [t for t in ancestors([loss], folded=True) if t._node.op.name == "loop"]


def tensor(rng, *shape):
    return tg.Tensor(rng.standard_normal(shape), requires_grad=True, name="x")


@cells
@pytest.mark.parametrize("shape", [(T, 2, 3), (T, 3), (T, 1, 3)], ids=str)
def test_equal_to_the_loop_line_by_line(rng, kind, options, shape):
    x = tensor(rng, *shape)
    loss, leaves = outcome(layer_of(kind, options), x)
    assert replayed_lines(loss)
    loss.backward()
    found = {name: leaf.grad for name, leaf in leaves.items()}
    x.grad = None
    with tg.line_by_line():
        plain, leaves = outcome(layer_of(kind, options), x)
    assert not replayed_lines(plain)
    plain.backward()
    assert loss.item() == plain.item()
    for name, leaf in leaves.items():
        np.testing.assert_allclose(
            found[name], leaf.grad, rtol=0, atol=1e-13 * abs(leaf.grad).max()
        )


@cells
def test_the_lines_come_when_somebody_asks(rng, kind, options):
    x = tensor(rng, T, 2, 3)
    loss, _ = outcome(layer_of(kind, options), x)
    with tg.line_by_line():
        plain, _ = outcome(layer_of(kind, options), x)
    shown = [tg.Graph(y).listing(show=("shape", "value", "grad")) for y in (loss, plain)]
    assert shown[0] == shown[1]
    places = [[t.node.scope for t in ancestors([y])] for y in (loss, plain)]
    assert places[0] == places[1]
    assert not replayed_lines(loss)


def test_in_order_of_creation_between_what_came_before_and_after(rng):
    x = tensor(rng, T, 2, 3)
    before = x * 2.0
    output, _ = layer_of("LSTM", {})(before)
    after = output * 3.0
    inner = [t for t in ancestors([after]) if t is not after]
    assert max(t.node.index for t in inner) < after.node.index
    assert next(t for t in inner if t.node.op.name == "multiply") is before
    assert len({t.node.index for t in inner}) == len(inner)


def test_a_gradient_may_be_taken_before_and_after_the_lines_are_written(rng):
    x = tensor(rng, T, 2, 3)
    loss, _ = outcome(layer_of("GRU", {}), x)
    loss.backward()
    first, x.grad = x.grad, None
    tg.draw(loss, fold=2)
    loss.backward()
    np.testing.assert_allclose(x.grad, first, rtol=0, atol=1e-14)


def test_backward_twice_adds_up(rng):
    x = tensor(rng, T, 2, 3)
    loss, _ = outcome(layer_of("LSTM", {}), x)
    loss.backward()
    once = x.grad.copy()
    loss.backward()
    np.testing.assert_array_equal(x.grad, 2 * once)


def test_second_derivatives_go_through_the_lines(rng):
    layer, v = layer_of("RNN", {}), rng.standard_normal((T, 1, 3))

    def f(x):
        return outcome(layer, x)[0]

    x = tensor(rng, T, 1, 3)
    _, found = tg.hvp(f, x, v)
    with tg.line_by_line():
        _, expected = tg.hvp(f, x, v)
    np.testing.assert_allclose(found.data, expected.data, rtol=1e-12)


def test_grad_gives_what_backward_gives(rng):
    x = tensor(rng, T, 2, 3)
    layer = layer_of("LSTM", {})
    loss, _ = outcome(layer, x)
    found = tg.grad(loss, [x, layer.weight_hh_l0])
    assert replayed_lines(loss)
    loss.backward()
    np.testing.assert_array_equal(found[0].data, x.grad)
    np.testing.assert_array_equal(found[1].data, layer.weight_hh_l0.grad)


@pytest.mark.parametrize("frozen", ["weight_hh_l0", "bias_hh_l0", "weight_ih_l0", "x", "all"])
def test_only_what_needs_a_gradient_gets_one(rng, frozen):
    layer = layer_of("GRU", {})
    names = dict(layer.named_parameters()) if frozen == "all" else [frozen]
    for name in set(names) - {"x"}:
        getattr(layer, name).requires_grad = False
    x = tg.Tensor(rng.standard_normal((T, 2, 3)), requires_grad=frozen != "x")
    loss, leaves = outcome(layer, x)
    assert replayed_lines(loss)
    loss.backward()
    assert {name for name, leaf in leaves.items() if leaf.grad is None} == set(names)


def test_initial_states_are_trained(rng):
    h = tg.Tensor(rng.standard_normal((1, 2, 4)), requires_grad=True)
    x, layer = rng.standard_normal((T, 2, 3)), layer_of("RNN", {})
    loss, _ = outcome(layer, x, h)
    loss.backward()
    found, h.grad = h.grad, None
    with tg.line_by_line():
        outcome(layer, x, h)[0].backward()
    np.testing.assert_allclose(found, h.grad, rtol=1e-12)


def test_each_recurrent_dropout_is_its_own(rng):
    layer, x = layer_of("LSTM", {"recurrent_dropout": 0.5}), rng.standard_normal((T, 2, 3))
    first, second = (layer(x)[0].data for _ in range(2))
    assert not np.array_equal(first, second)


def test_an_option_that_changes_makes_another_program(rng):
    layer, x = layer_of("RNN", {}), rng.standard_normal((T, 2, 3))
    layer(x)
    layer.nonlinearity = "relu"
    assert (layer(x)[0].data >= 0).all()


def test_weights_that_changed_are_seen_by_the_walk(rng):
    layer = layer_of("LSTM", {})
    loss, _ = outcome(layer, rng.standard_normal((T, 2, 3)))
    with tg.no_grad():
        layer.weight_hh_l0 *= 2.0
    with pytest.raises(RuntimeError, match="weight_hh_l0"):
        loss.backward()


def test_lines_written_late_show_the_arrays_of_the_replay(rng):
    """After an optimizer's step, a drawing still shows what was computed, not what would be."""
    layer, x = layer_of("LSTM", {}), rng.standard_normal((T, 2, 3))
    output, _ = layer(x)
    values = output.data.copy()
    for p in layer.parameters():
        p.data = p.data * 3.0
    line = next(t for t in ancestors([output]) if t.name == "h" and t.node.scope[-1] == (T - 1,))
    np.testing.assert_array_equal(line.data, values[-1])
    np.testing.assert_array_equal(output.data, values)


def test_float32_stays(rng):
    x = rng.standard_normal((T, 2, 3)).astype(np.float32)
    layer = tg.nn.LSTM(3, 4, dtype=np.float32, rng=0)
    loss, leaves = outcome(layer, x)
    assert replayed_lines(loss)
    loss.backward()
    assert {leaf.grad.dtype for leaf in leaves.values()} == {np.dtype(np.float32)}


@pytest.mark.parametrize("block", [tg.debug, tg.detect_anomaly, tg.line_by_line, tg.no_grad])
def test_where_lines_are_watched_nothing_is_replayed(rng, block):
    layer = layer_of("GRU", {})
    with block():
        loss, _ = outcome(layer, rng.standard_normal((T, 2, 3)))
    assert not replayed_lines(loss)


def test_what_is_not_of_one_dtype_or_is_complex_is_not_replayed(rng):
    layer, x = layer_of("RNN", {}), rng.standard_normal((T, 2, 3))
    assert not replayed_lines(outcome(layer, x + 0j)[0])
    h = np.zeros((1, 2, 4), np.float32)
    assert not replayed_lines(outcome(layer, x, h)[0])
    assert not replayed_lines(outcome(layer, x[: replay.LONG - 1])[0])


def test_a_replay_leaves_nothing_to_the_collector(rng):
    layer, x = layer_of("LSTM", {}), rng.standard_normal((T, 2, 3))

    def step():
        loss, _ = outcome(layer, x)
        loss.backward()
        layer.zero_grad()
        return loss

    step()
    gc.collect()
    gc.disable()
    try:
        ancestors([step()])  # writes out the lines
        step()
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_a_layer_that_was_replayed_can_be_copied_and_saved(rng):
    layer, x = layer_of("GRU", {}), rng.standard_normal((T, 2, 3))
    expected = layer(x)[0].data
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        np.testing.assert_array_equal(other(x)[0].data, expected)


def test_results_that_nobody_holds_are_not_needed(rng):
    layer = layer_of("LSTM", {})
    output, last = layer(rng.standard_normal((T, 2, 3)))
    del last
    gc.collect()
    assert len(tg.Graph(output.sum())) > T


def test_lines_need_no_room_until_they_are_asked_for(rng):
    output, _ = layer_of("LSTM", {})(rng.standard_normal((T, 2, 3)))
    loss = output.sum()
    assert len(ancestors([loss], folded=True)) < 30 < len(ancestors([loss]))


def test_a_walk_that_watches_goes_through_the_lines(rng):
    layer, x = layer_of("RNN", {"nonlinearity": "relu"}), rng.standard_normal((T, 2, 3))
    output, _ = layer(x)
    seed = np.zeros(output.shape)
    seed[-1] = np.inf
    with tg.detect_anomaly(), pytest.raises(FloatingPointError, match="the gradient of stack"):
        output.backward(seed)


def test_a_rule_that_is_declared_anew_is_used(rng):
    layer, x = layer_of("GRU", {}), tensor(rng, T, 2, 3)
    outcome(layer, x)[0].backward()
    right, x.grad = x.grad, None
    rules = tg.sigmoid.rules
    try:
        tg.sigmoid.gradients(lambda g, out, x: g * out)
        outcome(layer, x)[0].backward()
        assert not np.allclose(x.grad, right)
    finally:
        tg.sigmoid.gradients(*rules)
    x.grad = None
    outcome(layer, x)[0].backward()
    np.testing.assert_array_equal(x.grad, right)


def test_a_step_of_ones_own_is_not_replayed(rng):
    class Scaled(tg.nn.GRU):
        def _step(self, x, state, weights):
            (h,) = super()._step(x, state, weights)
            return (h * self.scale,)

    layer = Scaled(3, 4, rng=0)
    layer.scale = tg.nn.Parameter(0.9)
    loss, _ = outcome(layer, rng.standard_normal((T, 2, 3)))
    assert not replayed_lines(loss)
    loss.backward()
    assert layer.scale.grad
    plain = tg.nn.GRU(3, 4, rng=0)
    plain._step = lambda x, state, weights: state
    assert not replayed_lines(outcome(plain, rng.standard_normal((T, 2, 3)))[0])


def test_lines_written_late_are_those_of_the_layer_as_it_was(rng):
    layer, x = layer_of("RNN", {}), tensor(rng, T, 2, 3)
    output, _ = layer(x)
    layer.nonlinearity = "relu"
    ops = {t.node.op.name for t in ancestors([output])}
    assert "tanh" in ops and "relu" not in ops


def test_a_weight_that_needs_a_gradient_only_after_the_forward_pass_gets_it(rng):
    layer, x = layer_of("GRU", {}), rng.standard_normal((T, 2, 3))
    layer.bias_hh_l0.requires_grad = False
    loss, _ = outcome(layer, x)
    layer.bias_hh_l0.requires_grad = True
    loss.backward()
    found = layer.bias_hh_l0.grad
    layer.zero_grad()
    outcome(layer, x)[0].backward()
    np.testing.assert_allclose(found, layer.bias_hh_l0.grad, rtol=1e-12)


def test_threads_that_ask_for_the_lines_at_once_see_the_same(rng):
    for _ in range(20):
        loss, _ = outcome(layer_of("LSTM", {}), tensor(rng, 40, 2, 3))
        with ThreadPoolExecutor(4) as pool:
            graphs = list(pool.map(lambda _: set(ancestors([loss])), range(4)))  # noqa: B023
        assert all(graph == graphs[0] for graph in graphs)


def test_a_layer_that_is_dropped_leaves_nothing_to_the_collector(rng):
    x = rng.standard_normal((T, 2, 3))
    outcome(layer_of("GRU", {}), x)[0].backward()
    gc.collect()
    gc.disable()
    try:
        layer = layer_of("GRU", {})
        layer.output, _ = layer(x)  # held by the layer itself
        layer.output.sum().backward()
        del layer
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_programs_do_not_pile_up(rng):
    layer = layer_of("RNN", {})
    for B in range(1, replay.MOST + 10):
        layer.calls = B
        layer(rng.standard_normal((T, B, 3)))
    assert len(replay._programs) <= replay.MOST


def test_outputs_and_the_last_state_have_nothing_in_common(rng):
    output, h = layer_of("RNN", {})(tensor(rng, T, 2, 3))
    last = h.data.copy()
    output.data[:] = 0.0
    np.testing.assert_array_equal(h.data, last)
    with tg.no_grad():
        output *= 2.0
    h.sum().backward()
    with pytest.raises(RuntimeError, match=r"result of stack .* was changed in place"):
        output.sum().backward()


@pytest.mark.parametrize("name", ["weight_hh_l0", "bias_hh_l0", "weight_ih_l0"])
def test_a_refusal_names_the_line_and_not_the_loop(rng, name):
    layer = layer_of("GRU", {})
    x = rng.standard_normal((T, 2, 3))
    said = []
    for block in (tg.enable_grad, tg.line_by_line):
        with block():
            loss, _ = outcome(layer, x)
        getattr(layer, name).data = getattr(layer, name).data * 1.5
        with pytest.raises(RuntimeError) as error:
            loss.backward()
        said.append(str(error.value))
    assert said[0] == said[1] and name in said[0]


def test_a_block_that_watches_the_way_back_does_not_judge_the_way_there(rng):
    layer, x = layer_of("RNN", {"nonlinearity": "relu"}), rng.standard_normal((T, 2, 3))
    x[3, 0, 0] = np.inf
    with np.errstate(all="ignore"):
        output, _ = layer(x)
        with tg.detect_anomaly():
            assert len(tg.Graph(output)) > T


def test_nothing_warns_that_does_not_warn_line_by_line(rng):
    x = rng.standard_normal((T, 2, 3))
    layer_of("RNN", {"nonlinearity": "relu"})(x, np.full((1, 2, 4), 1e200))
    with np.errstate(all="ignore"):
        output, _ = layer_of("RNN", {"nonlinearity": "relu"})(x * 1e308 * 10)
    tg.Graph(output)  # warnings are errors here


def test_lines_written_after_a_raw_write_into_a_weight_show_what_was_computed(rng):
    layer = layer_of("LSTM", {})
    output, _ = layer(rng.standard_normal((T, 2, 3)))
    for p in layer.parameters():
        p.data -= 0.5
    h = [t for t in ancestors([output]) if t.name == "h"]
    np.testing.assert_array_equal(np.stack([t.data for t in h]), output.data)


def test_a_walk_that_somebody_looks_at_goes_through_the_lines(rng):
    loss, _ = outcome(layer_of("LSTM", {}), rng.standard_normal((T, 2, 3)))
    seen = {x.name for x, _ in cotangents(loss, np.ones(()), folded=True)}
    assert replayed_lines(loss) and "z" not in seen
    assert "z" in {x.name for x, _ in cotangents(loss, np.ones(()))}
