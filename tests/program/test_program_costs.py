"""Costs by hand: the convention of each operation, and memory that is counted once."""

import numpy as np
import pytest
from recorded_programs import layer

import tinygrad_rnn as tg
from tinygrad_rnn.program import Graph


def array(*shape):
    return tg.Tensor(np.random.default_rng(0).normal(size=shape), True)


@pytest.mark.parametrize(
    "made, flops",
    [
        (lambda: array(5, 3) @ array(3, 2), 2 * 5 * 3 * 2),
        (lambda: array(4, 5, 3) @ array(3, 2), 2 * 4 * 5 * 3 * 2),
        (lambda: array(4, 5, 3) @ array(4, 3, 2), 2 * 4 * 5 * 3 * 2),
        (lambda: array(3) @ array(3), 2 * 3),
        (lambda: array(5, 3) @ array(3), 2 * 5 * 3),
        (lambda: tg.einsum("bi,ij->bj", array(4, 3), array(3, 2)), 2 * 4 * 3 * 2),
        (lambda: tg.einsum("...i,ij,...j->...", array(4, 3), array(3, 2), array(4, 2)), 3 * 24),
        (lambda: tg.tanh(array(4, 3)), 12),
        (lambda: array(4, 1) + array(3), 12),
        (lambda: array(4, 3).sum(), 12),
        (lambda: array(4, 3).sum(axis=0), 12),
        (lambda: tg.logsumexp(array(4, 3), axis=-1), 48),
        (lambda: array(4, 3).T, 0),
        (lambda: tg.concatenate([array(2), array(3)]), 0),
        (lambda: array(4, 3)[1:, 0], 0),
    ],
)
def test_flops_of_one_operation(made, flops):
    graph = Graph(made())
    assert graph.flops(graph.ends[0]) == flops
    assert graph.flops(0) == 0


def test_a_view_keeps_no_memory_and_a_result_keeps_its_own():
    x = array(6, 5)
    y = x * 2.0  # 240 bytes
    z = y.T[1:].reshape(24)  # a transpose and a slice, views; the reshape has to copy: 192 bytes
    row = Graph((z * z).sum()).summary().total  # 192 more, and 8
    assert row.bytes == 240 + 192 + 192 + 8
    assert Graph(x.T).summary().total.bytes == 0  # the memory of a leaf is the user's


def test_bytes_are_those_of_all_arrays_that_the_graph_holds():
    """The memory of all results, found here by walking to the owner of each."""
    graph = Graph(layer("LSTM", 6))
    owners = {}
    for line in graph.nodes:
        value = line.value
        while isinstance(value, np.ndarray) and value.base is not None:
            value = value.base
        owners.setdefault(id(value), (np.asarray(value).nbytes, line.op is None))
    held = sum(size for size, is_leaf in owners.values() if not is_leaf)
    assert graph.summary().total.bytes == held > 0


def test_a_summary_has_a_row_for_each_scope_and_adds_up():
    graph = Graph(layer("LSTM", 5))
    table, by_step = graph.summary(), graph.summary(by_step=True)
    assert [row.scope for row in table.rows] == ["LSTM", "LSTM / layer0", "outside"]
    assert table.rows[1].steps == 5 and len(by_step.rows) > 5
    assert table.total[2:] == by_step.total[2:]
    assert table.total.operations == sum(line.op is not None for line in graph.nodes)
    H = B = D = 2
    B = 1
    step = 2 * B * H * 4 * H + 4 * B * H + 3 * B * H + B * H + 3 * B * H + B * H + B * H
    outside = 2 * 5 * B * D * 4 * H + 4 * H + 5 * B * 4 * H
    assert table.rows[1].flops == 5 * step + outside


def test_a_summary_prints_as_a_table():
    text = str(Graph(layer("RNN", 3)).summary())
    lines = text.splitlines()
    assert lines[0].split() == ["scope", "steps", "operations", "bytes", "kept", "flops"]
    assert lines[-1].startswith("total") and len({len(line) for line in lines}) == 1
    assert repr(Graph().summary()) == str(Graph().summary())


def test_an_operation_of_ones_own_counts_one_an_entry():
    cube = tg.primitive(lambda x: x**3, lambda g, out, x: 3 * g * x * x, name="cube")
    assert Graph(cube(array(4, 3))).summary().total.flops == 12
