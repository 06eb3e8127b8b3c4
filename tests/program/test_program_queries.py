"""What leads to what, counted exactly and compared with walking every way."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recorded_programs import layer, scoped_loop

import tinygrad_rnn as tg
from tinygrad_rnn.program import Edge, Graph


def random_graph(choices):
    have = [tg.Tensor(1.0, True, "a"), tg.Tensor(2.0, True, "b")]
    for i, j in choices:
        have.append(have[i % len(have)] * have[j % len(have)])
    return Graph(*have)


def above(graph, n):
    """What n is made of, by recursion."""
    return {k for x in graph.nodes[n].inputs for k in {x} | above(graph, x)}


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=8),
    st.integers(0, 9),
    st.integers(0, 9),
)
def test_queries_agree_with_walking_every_way(choices, i, j):
    graph = random_graph(choices)
    a, b = i % len(graph), j % len(graph)

    def ways(n):
        """Every way from a to n, as a tuple of edges."""
        found = [()] if n == a else []
        for argument, source in enumerate(graph.nodes[n].inputs):
            found += [(*way, (source, n, argument)) for way in ways(source)]
        return found

    every = ways(b)
    on_the_way = {n for way in every for edge in way for n in edge[:2]} | ({a} if a == b else set())
    assert graph.paths(a, b) == len(every)
    assert [line.number for line in graph.between(a, b)] == sorted(on_the_way)
    assert {line.number for line in graph.ancestors(b)} == above(graph, b)
    assert graph.uses(a) == [(e.line, e.argument) for e in sorted(graph.edges, key=lambda e: e[1:])
                             if e.source == a]  # fmt: skip


def test_far_too_many_ways_are_counted_exactly():
    x = y = tg.Tensor(1.0, True, "x")
    for _ in range(2000):
        y = y * y
        y = y * 0.5
    assert Graph(y).paths(x, y) == 2**2000


def test_one_edge_for_each_argument():
    x = tg.Tensor(2.0, True)
    assert Graph(x * x).edges == [Edge(0, 1, 0), Edge(0, 1, 1)]


def test_a_weight_is_used_at_every_step_through_its_transpose():
    graph = Graph(layer("LSTM", 7))
    uses = graph.uses("weight_hh_l0")
    assert [graph.nodes[n].op for n, _ in uses] == ["matmul"] * 7
    assert [graph.nodes[n].t for n, _ in uses] == list(range(7))
    gradients = graph.gradients()
    number = graph.number("weight_hh_l0")
    total = np.sum([gradients.edges[use] for use in uses], axis=0)
    np.testing.assert_allclose(total.T, gradients.lines[number], rtol=1e-12)


def test_lines_are_given_by_tensor_number_or_name():
    x, y = tg.Tensor(1.0, True, "x"), tg.Tensor(2.0, True, "y")
    graph = Graph(z := x * y)
    assert graph.number(x) == graph.number("x") == graph.number("n0") == graph.number(0) == 0
    assert graph.paths("x", z) == 1 and graph.paths(z, "x") == 0
    assert graph.between(z, "x") == []


@pytest.mark.parametrize(
    "what, message",
    [
        ("w", r"no line is called 'w'; names in this graph: .*'x'"),
        ("h", r"3 lines are called 'h': n\d+ \(t=0\), n\d+ \(t=1\), n\d+ \(t=2\). Give the number"),
        (99999, "lines 0 to"),
        (-1, "lines 0 to"),
        (tg.Tensor(1.0, name="stranger"), "'stranger' is not part of this graph"),
    ],
)
def test_what_is_no_line_is_refused(what, message):
    with pytest.raises(ValueError, match=message):
        Graph(scoped_loop(3)).number(what)


def test_scopes_are_there_as_path_step_layer_and_direction():
    graph = Graph(layer("GRU", 3, num_layers=2, bidirectional=True))
    (line,) = [x for x in graph.nodes if x.name == "h" and x.t == 1 and x.layer == 1
               and x.direction == "reverse"]  # fmt: skip
    assert line.path == ("GRU", "layer1_reverse")
    outside = graph.nodes[-1]
    assert (outside.path, outside.t, outside.layer, outside.direction) == ((), None, None, None)
