"""A graph goes out as JSON and comes back the same; anything else is refused with a reason."""

import json

import numpy as np
import pytest
from recorded_programs import LOOPS, kept, layer, truncated

import tinygrad_rnn as tg
from tinygrad_rnn.program import Graph

SHOW = ("shape", "value", "grad")


@pytest.mark.parametrize("values", ["lists", "base64"])
@pytest.mark.parametrize("name", LOOPS)
def test_a_graph_read_back_lists_and_answers_the_same(name, values):
    graph = Graph(LOOPS[name][0](5))
    again = Graph.from_json(graph.to_json(values=values))
    assert again.listing(SHOW) == graph.listing(SHOW)
    assert again.edges == graph.edges and again.cuts() == graph.cuts()
    assert str(again.summary(by_step=True)) == str(graph.summary(by_step=True))
    assert again.paths(0, len(graph) - 1) == graph.paths(0, len(graph) - 1)
    assert again.uses() == graph.uses()
    assert [x.steps.tolist() for x in again.loops()] == [x.steps.tolist() for x in graph.loops()]
    assert again.to_json(values=values) == graph.to_json(values=values)
    for one, other in zip(graph.nodes, again.nodes, strict=True):
        assert (one.kind, one.learned, one.scope) == (other.kind, other.learned, other.scope)
        np.testing.assert_array_equal(one.value, other.value, strict=True)
    full, read = graph.gradients(), again.gradients()
    assert full.edges.keys() == read.edges.keys()
    for edge, g in full.edges.items():
        np.testing.assert_array_equal(g, read.edges[edge], strict=True)


@pytest.mark.parametrize("way", [Graph.fold, Graph.roll])
def test_folded_and_rolled_graphs_are_written_with_what_they_left_out(way):
    kept.clear()
    for output in (layer("LSTM", 12), truncated(12, 4)):
        graph = way(Graph(output))
        again = Graph.from_json(graph.to_json())
        assert again.listing(SHOW) == graph.listing(SHOW)
        for fold, other in zip(graph.folds, again.folds, strict=True):
            assert (fold.ts, fold.first, fold.last) == (other.ts, other.first, other.last)
            assert (fold.lines, fold.edges, fold.stands) == (other.lines, other.edges, other.stands)
            assert fold.recurrences == other.recurrences
            for state, _, _ in fold.recurrences:
                np.testing.assert_array_equal(again.step_norms(state), graph.step_norms(state))


def test_a_graph_read_back_folds():
    graph = Graph(layer("LSTM", 12))
    again = Graph.from_json(graph.to_json(values="base64"))
    assert again.fold().listing(SHOW) == graph.fold().listing(SHOW)


@pytest.mark.parametrize("values", ["lists", "base64"])
@pytest.mark.parametrize(
    "data",
    [
        np.array([np.nan, np.inf, -np.inf, -0.0, 1e-320]),
        np.array([0.1, 2.0], np.float32),
        np.array([[1 + 2j, complex(np.inf, -1)]]),
        np.array([True, False]),
        np.array([], np.int8).reshape(0, 3),
        np.arange(6, dtype=">i4").reshape(2, 3).T,
        np.array(7, np.uint64),
    ],
    ids=lambda x: str(x.dtype),
)
def test_every_number_survives(data, values):
    graph = Graph(tg.Tensor(data))
    (line,) = Graph.from_json(graph.to_json(values=values)).nodes
    assert line.value.dtype == data.dtype.newbyteorder("<") and line.shape == data.shape
    np.testing.assert_array_equal(line.value, data)
    if data.dtype.kind in "fc":
        np.testing.assert_array_equal(np.signbit(line.value.real), np.signbit(data.real))


def test_metadata_and_names_survive():
    x = tg.Tensor(np.ones((3, 4)), True, 'a "quoted" <b> 한글 🙂\n')
    index = (slice(None, 2), Ellipsis, np.array([0, 2]))
    y = tg.sum(x[index][..., None].astype(np.float32), axis=(0, -1), keepdims=True)
    graph = Graph((y * np.float64(2.0) * 3 * True).sum())
    again = Graph.from_json(graph.to_json())
    assert again.listing(SHOW) == graph.listing(SHOW)
    for one, other in zip(graph.nodes, again.nodes, strict=True):
        assert repr(one.attrs) == repr(other.attrs) and one.name == other.name
        assert type(one.value) is type(other.value)


def test_a_graph_without_a_start_is_written_without_gradients():
    x = tg.Tensor([1.0, 2.0], True)
    graph = Graph(x * 2.0)
    again = Graph.from_json(graph.to_json())
    assert again.listing() == graph.listing() and not again.differentiable
    with pytest.raises(ValueError, match="without gradients"):
        again.gradients()
    seeded = Graph.from_json(graph.to_json(seed=[1.0, 10.0]))
    np.testing.assert_array_equal(seeded.gradients().lines[0], [2.0, 20.0])


def broken(**changes):
    document = json.loads(Graph(tg.Tensor(3.0, True) * 2.0).to_json())
    for key, value in changes.items():
        place, parts = document, key.split("__")
        for part in parts[:-1]:
            place = place[int(part) if part.isdigit() else part]
        place[int(parts[-1]) if parts[-1].isdigit() else parts[-1]] = value
    return json.dumps(document)


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "no JSON text"),
        ("[" * 100_000, "no JSON text"),
        ("[]", 'its "format"'),
        ('{"format": "onnx"}', 'its "format"'),
        (broken(version=2), "version 2, and this package reads version 1"),
        (broken(nodes=None), 'no list "nodes"'),
        (broken(ends=[9]), '"ends" of this graph .*9 is no number of a line from 0 to 2'),
        (broken(nodes__2__inputs=[0, 2]), "node 2 of this graph .*2 is no number"),
        (broken(nodes__2__inputs=[0, -1]), "node 2 of this graph .*-1 is no number"),
        (broken(nodes__2__inputs=[0, "x"]), "node 2 of this graph .*'x' is no number"),
        (broken(nodes__1__kind="thing"), "node 1 of this graph .*kind 'thing'"),
        (broken(nodes__1__kind="op"), "node 1 of this graph .*op None"),
        (broken(nodes__0={}), "node 0 of this graph .*'kind' is missing"),
        (broken(nodes__0=7), "node 0 of this graph"),
        (broken(nodes__0__value={"dtype": "O", "shape": [], "data": [1]}), "dtype object"),
        (broken(nodes__0__value={"dtype": "<f8", "shape": [3], "data": [1]}), "1 numbers for sha"),
        (broken(nodes__0__value={"dtype": "<f8", "shape": [1], "base64": "?"}), "node 0"),
        (broken(nodes__0__value={"dtype": "<f8", "shape": [1], "data": ["one"]}), "'one'"),
        (broken(nodes__2__attrs={"axis": {"code": "1"}}), "node 2 of this graph"),
        (broken(gradients={"lines": [[7, {}]], "edges": []}), '"gradients" of this graph'),
        (broken(folds=[{}]), '"folds" of this graph .*is missing'),
    ],
)
def test_other_texts_are_refused_with_the_part_that_is_wrong(text, message):
    with pytest.raises(ValueError, match=message):
        Graph.from_json(text)


def test_values_are_written_in_one_of_two_ways():
    with pytest.raises(ValueError, match='"lists" or "base64"; given \'hex\''):
        Graph(tg.Tensor(1.0)).to_json(values="hex")


def test_networkx_has_an_edge_for_each_argument():
    networkx = pytest.importorskip("networkx", reason="to_networkx is an extra")
    graph = Graph(layer("LSTM", 3))
    made = graph.to_networkx()
    assert isinstance(made, networkx.MultiDiGraph)
    assert sorted((a, b, k) for a, b, k in made.edges(keys=True)) == sorted(graph.edges)
    gradients = graph.gradients()
    for n, data in made.nodes(data=True):
        line = graph.nodes[n]
        assert (data["op"], data["name"], data["t"]) == (line.op, line.name, line.t)
        assert data["gradient"] is None or n in gradients.lines
    assert networkx.is_directed_acyclic_graph(made)
    x = tg.Tensor(2.0, True)
    assert Graph(x * x).to_networkx().number_of_edges(0, 1) == 2


def test_without_networkx_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "networkx", None)
    with pytest.raises(ImportError, match=r"pip install 'tinygrad_rnn\[networkx\]'"):
        Graph(tg.Tensor(1.0)).to_networkx()
