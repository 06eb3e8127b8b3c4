"""Folded and rolled graphs: nothing of the recorded program is lost without being counted."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from recorded_programs import LOOPS, heads, kept, layer, plain_loop, read_again, truncated
from work import calls_of

import tinygrad_rnn as tg
from tinygrad_rnn.program import Graph

WAYS = {"fold": Graph.fold, "fold(1)": lambda graph: graph.fold(1), "roll": Graph.roll}


def recorded(graph, thin):
    """The recorded number of each line that is there still."""
    found = {}
    for line, origin in zip(thin.nodes, thin.origins, strict=True):
        assert line.value is graph.nodes[origin].value
        if line.kind != "folded":
            assert line.tensor is graph.nodes[origin].tensor
            found[line.number] = origin
    return found


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", LOOPS)
def test_every_line_and_edge_is_there_or_counted(name, way):
    graph = Graph(LOOPS[name][0](12))
    thin = WAYS[way](graph)
    stays = [line for line in thin.nodes if line.kind != "folded"]
    assert thin.folds and len(stays) + sum(fold.lines for fold in thin.folds) == len(graph)
    origin = recorded(graph, thin)
    alive = set(origin.values())
    assert len(alive) == len(stays)
    there = [edge for edge in graph.edges if edge.source in alive and edge.line in alive]
    assert len(there) + sum(fold.edges for fold in thin.folds) == len(graph.edges)
    drawn = {(origin.get(e.source), origin[e.line]) for e in thin.edges if e.line in origin}
    assert [edge for edge in there if (edge.source, edge.line) not in drawn] == []


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", LOOPS)
def test_operands_come_first_and_steps_are_whole(name, way):
    thin = WAYS[way](Graph(LOOPS[name][0](12)))
    for line in thin.nodes:
        assert thin.nodes[line.number] is line
        assert all(k < line.number for k in line.inputs)
        assert line.kind != "op" or line.tensor is None or line.tensor.node is not None
    ends = [thin.nodes[n].tensor for n in thin.ends]
    assert ends == list(thin.outputs)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", LOOPS)
def test_values_and_gradients_are_those_of_the_recorded_program(name, way):
    graph = Graph(LOOPS[name][0](12))
    thin = WAYS[way](graph)
    full, few = graph.gradients(), thin.gradients()
    for n, k in recorded(graph, thin).items():
        assert thin.nodes[n].value is graph.nodes[k].value
        assert (n in few.lines) == (k in full.lines)
        if n in few.lines:
            assert_allclose(few.lines[n], full.lines[k], rtol=0, atol=0)


def test_a_folded_lstm_shows_the_first_and_last_steps_and_a_line_for_each_state():
    graph = Graph(layer("LSTM", 100))
    thin = graph.fold(keep=2)
    assert sorted({line.t for line in thin.nodes if line.kind == "op"} - {None}) == [0, 1, 98, 99]
    (fold,) = thin.folds
    assert (fold.ts[fold.first], fold.ts[fold.last]) == (2, 97) and fold.lines == 96 * 16
    stands = [thin.nodes[n] for n in fold.stands]
    assert [(line.op, line.name, line.attrs) for line in stands] == [
        ("folded", "c", {"steps": 96}),
        ("folded", "h", {"steps": 96}),
    ]
    before = {line.name: line for line in thin.nodes if line.t == 1 and line.name in ("h", "c")}
    for line in stands:
        assert [thin.nodes[n] for n in line.inputs] == [before[line.name]]
    assert {thin.nodes[k].t for line in stands for k, _ in thin.uses()[line.number]} == {98, None}


def test_the_edge_into_a_fold_carries_the_gradient_that_comes_out_of_it():
    """What h_2 gets from the folded steps, and from outside of them, is all that it gets."""
    graph = Graph(layer("LSTM", 20))
    thin = graph.fold()
    gradients = thin.gradients()
    for fold in thin.folds:
        for n in fold.stands:
            (source,) = thin.nodes[n].inputs
            parts = [gradients.edges[e] for e in thin.uses()[source] if e in gradients.edges]
            assert_allclose(np.sum(parts, axis=0), gradients.lines[source], rtol=1e-12)


def test_a_rolled_lstm_is_one_step_whose_states_recur():
    graph = Graph(layer("LSTM", 100))
    rolled = graph.roll()
    (fold,) = rolled.folds
    assert fold.rolled and len(fold.ts) == 100
    names = [(rolled.nodes[a].name, rolled.nodes[b].op) for a, b, _ in fold.recurrences]
    assert names == [("c", "previous"), ("h", "previous")]
    initial = [rolled.nodes[k].op for _, b, _ in fold.recurrences for k in rolled.nodes[b].inputs]
    assert initial == ["getitem", "getitem"]  # c0[0] and h0[0]
    states = [line for line in graph.nodes if line.name == "h"]
    full = graph.gradients().lines
    norms = rolled.step_norms(fold.recurrences[1][0])
    assert_allclose(norms, [np.linalg.norm(full[line.number]) for line in states], rtol=1e-14)


def test_norms_belong_to_rolled_steps():
    graph = Graph(plain_loop(6))
    with pytest.raises(ValueError, match="in no loop"):
        graph.step_norms(3)
    with pytest.raises(ValueError, match="in no loop"):
        graph.roll().step_norms(0)


def test_what_goes_along_with_a_loop_goes_with_it():
    """Heads, and the sum of losses, are loops of their own: each keeps the steps it belongs to."""
    graph = Graph(heads(30))
    assert len(graph.fold(2)) < 50 and len(graph.roll()) < 20


def test_what_a_whole_loop_made_for_a_gap_only_is_counted_with_it():
    """Step 6 of the first loop, which is too short to fold, is taken in the gap of the second."""
    graph = Graph(read_again(20, lambda t: t % 7, S=7))
    thin = graph.fold(keep=3)
    (fold,) = thin.folds
    stays = [line for line in thin.nodes if line.kind != "folded"]
    assert (fold.ts[fold.first], fold.ts[fold.last]) == (4, 17)
    assert len(stays) + fold.lines == len(graph)
    assert fold.lines == 14 * 3 + 4  # and multiply, add, tanh and the x of that step


@pytest.mark.parametrize("order", [lambda t: 8 - t, lambda t: (t + 4) % 9, lambda t: t // 2])
def test_a_rolled_loop_that_takes_other_steps_has_a_step_of_its_own(order):
    thin = Graph(read_again(9, order)).roll()
    assert [len(fold.stands) for fold in thin.folds] == [1, 1]
    scopes = [thin.nodes[fold.stands[0]].scope[:-1] for fold in thin.folds]
    assert scopes == [(), ("loop 2",)]
    (gate,) = [gate for fold in thin.folds for gate in fold.gathered]
    assert thin.nodes[gate[0]].op == "add"  # which adds what the other loop made at all t


def test_a_rolled_loop_that_goes_along_shares_the_step():
    thin = Graph(read_again(9, lambda t: t)).roll()
    scopes = [thin.nodes[fold.stands[0]].scope[:-1] for fold in thin.folds]
    assert scopes == [(), ()] and not any(fold.gathered for fold in thin.folds)


def test_a_short_loop_is_not_folded():
    graph = Graph(plain_loop(5))
    assert graph.fold(2).folds == [] and graph.fold(1).folds
    assert len(graph.fold(2)) == len(graph)
    with pytest.raises(ValueError, match="at least 1 step"):
        graph.fold(0)


def test_cuts_are_there_in_a_folded_graph():
    kept.clear()
    graph = Graph(truncated(24, 4))
    thin = graph.fold(5)
    sources = {n: k for n, k in thin.cuts().items() if k is not None}
    assert len(graph.cuts()) == 5 and len(sources) == 2
    for n, k in sources.items():
        assert thin.nodes[n].kind == "cut" and thin.nodes[k].name == "h"


def test_the_work_of_folding_and_rolling_is_linear_in_the_steps():
    def work(T):
        graph = Graph(layer("LSTM", T))
        return calls_of(lambda: (graph.fold(), graph.roll()))

    work(20)
    assert work(1000) < 10.5 * work(100)
    graph = Graph(layer("LSTM", 1000))
    assert len(graph.fold()) < 120 and len(graph.roll()) < 60


@pytest.mark.slow
def test_a_hundred_thousand_operations_fold():
    y = tg.Tensor(0.5, True)
    for _ in range(33_000):
        y = tg.tanh(y * 1.5) + 0.1
    assert len(Graph(y).roll()) == 7
