"""A graph is what was recorded, also after an optimizer has given its weights new arrays."""

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import Graph, Tensor, nn, optim
from tinygrad_rnn.draw.page import step_through


def trained(made_before: bool):
    """(the gradients before a training step, a graph of the same loss, the gradients after it)."""
    net, x = nn.LSTM(2, 3, rng=0), np.random.default_rng(0).normal(size=(4, 2, 2))
    loss = (net(x)[0] ** 2).sum()
    graph = Graph(loss)
    before = graph.gradients()
    loss.backward()
    optim.Adam(net.parameters(), lr=0.1).step()
    graph = graph if made_before else Graph(loss)
    return before, graph, graph.gradients(), net


@pytest.mark.parametrize("made_before", [True, False])
def test_gradients_after_a_training_step_are_those_of_the_recorded_values(made_before):
    before, _, after, _ = trained(made_before)
    for kind in ("lines", "edges"):
        old, new = getattr(before, kind), getattr(after, kind)
        assert old.keys() == new.keys()
        assert all(np.array_equal(old[key], new[key]) for key in old)


def test_values_after_a_training_step_are_the_recorded_ones_and_the_graph_says_so():
    _, graph, _, net = trained(False)
    weight = graph.nodes[graph.number(net.weight_ih_l0)].value
    assert not np.array_equal(weight, net.weight_ih_l0.data)
    assert sorted(graph.replaced) == sorted(repr(name) for name, _ in net.named_parameters())
    assert graph.fold().replaced == graph.replaced
    fresh = Graph(net(np.ones((2, 1, 2)))[0].sum())  # recorded with the new arrays
    assert fresh.replaced == [] and fresh.gradients().lines


def test_a_drawing_after_a_training_step_has_its_gradients_and_the_caption_says_so():
    w = Tensor(0.5, requires_grad=True, name="w")
    loss = tg.tanh(w * 3.0)
    forward, backward = tg.draw(loss), tg.draw(loss, view="backward")
    w.data = 7.0
    for before, after in ((forward, tg.draw(loss)), (backward, tg.draw(loss, view="backward"))):
        assert after.caption.startswith("as recorded: 'w' has new values since")
        statements = (x.source.split("\ngraph [label=")[0].strip("}\n") for x in (before, after))
        assert len(set(statements)) == 1


def lost():
    x = Tensor(2.0, requires_grad=True, name="x")
    y = x * x
    y.name = "y"
    z = y * 3
    y.data = 5.0
    return z


def two_arrays():
    w = Tensor(2.0, requires_grad=True, name="w")
    y = w * w
    w.data = 3.0
    return y * w


def written_into():
    with tg.debug():
        w = Tensor(np.ones(2), requires_grad=True, name="w")
        y = (w * w).sum()
        w.data[0] = 7.0
    return y


SPOILT = [(lost, "'y' was given another array"), (two_arrays, "'w' had two arrays"),
          (written_into, "'w' was written into")]  # fmt: skip


@pytest.mark.parametrize("build, message", SPOILT)
def test_gradients_that_cannot_be_had_are_left_out_and_the_caption_says_why(build, message):
    drawing = tg.draw(build())
    assert f"no gradients: {message}" in drawing.caption and "∇ –" in drawing.source
    assert drawing.caption.count("run the forward pass") + drawing.caption.count("copy") == 1


@pytest.mark.parametrize("build, message", SPOILT)
def test_gradients_that_were_asked_for_and_cannot_be_had_are_an_error(build, message):
    output = build()
    asked = [
        lambda: tg.draw(output, view="backward"),
        lambda: tg.draw(output, seed=1.0),
        lambda: step_through(output),
        lambda: Graph(output).listing(show=("grad",)),
    ]
    for ask in asked:
        with pytest.raises(RuntimeError, match=message):
            ask()
    assert "∇" not in tg.draw(output, show=("value",)).source


def test_a_wrong_rule_does_not_keep_the_values_from_being_drawn():
    @tg.primitive
    def cube(x):
        return x**3

    cube.gradients(lambda g, out, x: np.ones(5))
    y = cube(Tensor(np.ones(2), requires_grad=True)).sum()
    assert "no gradients: the gradient rule of cube for input 0 returned" in tg.draw(y).caption
