"""The program as a value: every line accounted for, numbered the same way every time."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import tinygrad_rnn as tg
from tinygrad_rnn.program import Graph, short


def lstm_loss(T=3, seed=0):
    rng = np.random.default_rng(seed)
    lstm = tg.nn.LSTM(2, 3, rng=rng)
    output, _ = lstm(tg.Tensor(rng.standard_normal((T, 2, 2)), requires_grad=True))
    return (output * rng.standard_normal(output.shape)).sum()


def test_operands_come_before_their_uses_with_order_and_multiplicity():
    graph = Graph(lstm_loss())
    for line in graph.nodes:
        assert all(k < line.number for k in line.inputs)
        if line.tensor is not None and line.tensor.node is not None:
            operands = [graph.nodes[k] for k in line.inputs]
            for operand, x in zip(operands, line.tensor.node.inputs, strict=True):
                assert operand.tensor is x or operand.value is x
    x = tg.Tensor(2.0, requires_grad=True)
    assert Graph(x * x).nodes[1].inputs == (0, 0)


def test_uses_are_the_inputs_turned_round():
    graph = Graph(lstm_loss())
    uses = graph.uses()
    pairs = {(line.number, i, k) for line in graph.nodes for i, k in enumerate(line.inputs)}
    assert {(user, i, k) for k, users in uses.items() for user, i in users} == pairs


def test_the_same_program_gives_the_same_listing():
    show = ("shape", "value", "grad")
    assert Graph(lstm_loss()).listing(show) == Graph(lstm_loss()).listing(show)


def test_what_arrives_over_the_edges_adds_up_to_the_gradient_of_each_line():
    loss = lstm_loss()
    graph = Graph(loss)
    gradients = graph.gradients()
    for number, users in graph.uses().items():
        parts = [gradients.edges[edge] for edge in users if edge in gradients.edges]
        if number in gradients.lines and parts:
            assert_allclose(np.sum(parts, axis=0), gradients.lines[number], rtol=1e-12, atol=1e-15)
    assert all(line.tensor is None or line.tensor.grad is None for line in graph.nodes)
    loss.backward()
    for line in graph.nodes:
        if line.kind == "parameter":
            assert_allclose(line.tensor.grad, gradients.lines[line.number], rtol=1e-13)


def test_time_steps_and_module_paths_are_in_the_scopes():
    graph = Graph(lstm_loss())
    assert {line.t for line in graph.nodes} == {None, 0, 1, 2}
    assert any(line.scope[:2] == ("LSTM", "layer0") for line in graph.nodes)
    assert "3 time steps" in repr(graph)


def test_listing_needs_no_picture_and_shows_what_is_asked_for():
    x = tg.Tensor([1.0, 2.0], requires_grad=True, name="x")
    with tg.scope(t=4):
        y = tg.sum(x * np.array([3.0, 4.0])[::-1])
    assert Graph(y).listing(("value", "grad")) == "\n".join(
        [
            "n0  x  1 2  grad 4 3  requires grad",
            "n1  constant  4 3  grad –",
            "# t=4",
            "n2  = multiply(n0, n1)  4 6  grad 1 1",
            "n3  = sum(n2)  10  grad 1",
        ]
    )
    with pytest.raises(ValueError, match="given \\['colour'\\]"):
        Graph(y).listing(["colour"])


def test_gradients_have_one_start():
    x = tg.Tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(ValueError, match="this graph has 2"):
        Graph(x * 2, x * 3).gradients()
    assert_allclose(Graph(x * 2).gradients([1.0, 10.0]).lines[0], [2.0, 20.0])
    with pytest.raises(TypeError, match="float"):
        Graph(1.0)


def test_numbers_are_short():
    assert short(None) == "–"
    assert short(0.5) == "0.5"
    assert short(np.array([1.0, -2.0, 1 / 3])) == "1 -2 0.333"
    assert short(np.full(16, 0.5)) == "|·| 2"
    assert short(np.array([])) == "empty"


def test_a_cut_is_a_leaf_that_says_where_its_values_come_from():
    cell = tg.nn.RNNCell(2, 3, rng=0)
    x = np.ones((1, 2))
    h = cell(x)
    cut = h.detach()
    later = (cell(x, cut) ** 2).sum() + h.sum()
    graph = Graph(later)
    (line,) = [line for line in graph.nodes if line.kind == "cut"]
    assert graph.cuts() == {line.number: graph.number(h)}
    assert f"cut from n{graph.number(h)}" in graph.listing()
    assert f'class="cut from-n{graph.number(h)} to-n{line.number}"' in tg.draw(later).source


def test_a_cut_keeps_no_past_alive():
    x = tg.Tensor([1.0], requires_grad=True)
    cut = (x * 2).detach()
    assert cut.cut() is None
    assert "cut" in Graph(cut * x).listing()
    assert tg.Tensor([1.0]).detach().cut is None
