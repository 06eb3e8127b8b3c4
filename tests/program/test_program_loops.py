"""Loops are found by the likeness of their steps alone, and only where the steps are alike."""

from contextlib import ExitStack

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from recorded_programs import (
    LOOPS,
    encoder_decoder,
    heads,
    kept,
    layer,
    plain_loop,
    scoped_loop,
    stacked_by_hand,
    truncated,
    two_back,
)  # fmt: skip

import tinygrad_rnn as tg
from tinygrad_rnn import nn
from tinygrad_rnn.program import Graph, in_steps
from tinygrad_rnn.program import runs as search


def assert_isomorphic(graph, loop):
    """Step k + 1 is step k with every operand replaced one to one: shared ones by themselves,
    results and states by those one step later, leaves and outside results by others of their kind.
    """
    place = {n: (k, j) for k, step in enumerate(loop.steps.tolist()) for j, n in enumerate(step)}
    cuts = graph.cuts()
    for k, (one, two) in enumerate(zip(loop.steps.tolist(), loop.steps.tolist()[1:])):
        replaced = {}
        for a, b in ((graph.nodes[n], graph.nodes[m]) for n, m in zip(one, two)):
            assert (a.op, a.shape, len(a.inputs)) == (b.op, b.shape, len(b.inputs))
            for x, y in zip(a.inputs, b.inputs, strict=True):
                x, y = cuts.get(x, x), cuts.get(y, y)
                if x in place:
                    assert place[y] == (place[x][0] + 1, place[x][1])
                elif y in place:  # an initial state
                    assert place[y][0] <= k
                else:
                    assert replaced.setdefault(x, y) == y
                    assert graph.nodes[x].op == graph.nodes[y].op
        assert len(set(replaced.values())) == len(replaced)


@pytest.mark.parametrize("T", [3, 5, 12])
@pytest.mark.parametrize("name", LOOPS)
def test_the_loops_of_a_program_are_found_whole(name, T):
    program, missing = LOOPS[name]
    graph = Graph(program(T))
    loops = graph.loops()
    sizes = [len(loop) for loop in loops if loop.carried]
    assert sizes[0] == T + missing[0]
    assert sizes == [T + few for few in missing if T + few >= 3][: len(sizes)]
    for loop in loops:
        assert_isomorphic(graph, loop)


@pytest.mark.parametrize("T", [4, 9])
def test_scopes_are_not_needed(T):
    """The same program with and without its scopes has the same loops."""

    def run(scoped):
        h, cell = None, tg.nn.LSTMCell(2, 3, rng=0)
        rng = np.random.default_rng(0)
        state = (tg.Tensor(np.zeros((1, 3))), tg.Tensor(np.zeros((1, 3))))
        for t in range(T):
            x = tg.Tensor(rng.normal(size=(1, 2)))
            if scoped:
                with tg.scope(t=t):
                    state = cell(x, state)
            else:
                state = cell(x, state)
            h = state[0]
        return Graph((h * h).sum())

    with_scopes, without = run(True).loops(), run(False).loops()
    assert [loop.steps.tolist() for loop in with_scopes] == [x.steps.tolist() for x in without]
    assert with_scopes[0].ts == tuple(range(T)) and with_scopes[0].scoped
    assert without[0].ts == tuple(range(1, T + 1)) and not without[0].scoped


@settings(deadline=None, max_examples=40)
@given(
    st.integers(3, 9),
    st.integers(1, 3),
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=9
    ),
    st.booleans(),
    st.integers(0, 10**6),
)
@example(3, 2, [(0, 0, 0), (2, 14, 26), (2, 2, 6)], False, 0)  # x + x, of the same x two steps on
@example(4, 3, [(1, 25, 13), (1, 20, 4), (1, 8, 27), (0, 15, 29), (1, 6, 24)], True, 979022)
def test_a_random_cell_in_a_loop_is_found(T, states, body, scoped, seed):
    """Any cell: operations on random operands, of which the last ones are the new states."""
    rng = np.random.default_rng(seed)
    weights = [tg.Tensor(rng.normal(size=2), True) for _ in range(2)]
    hs = [tg.Tensor(rng.normal(size=2)) for _ in range(states)]
    ops = (tg.tanh, lambda x: -x, tg.add, tg.maximum)
    for t in range(T):
        with tg.scope(t=t) if scoped else tg.scope("run"):
            have = [*weights, *hs, tg.Tensor(rng.normal(size=2))]
            made = []
            for op, i, j in body:
                operands = [have[i % len(have)], have[j % len(have)]][: 1 + (op > 1)]
                made.append(ops[op](*operands))
                have.append(made[-1])
            mixed = hs[0] * weights[0]  # so that the first state is taken, whatever the body does
            hs = [mixed + made[-1], *made[: states - 1], *hs][:states]
    graph = Graph(sum(hs))
    loops = graph.loops()
    for loop in loops:
        assert_isomorphic(graph, loop)
    longest = max((len(loop) * loop.period for loop in loops if loop.carried), default=0)
    in_steps = sum(line.op is not None for line in graph.nodes) - (states if scoped else 0)
    assert longest >= in_steps * (T - 2) / T - 2 * len(body) - 8


def test_nothing_is_found_where_nothing_repeats():
    x = tg.Tensor([1.0, 2.0, 3.0, 4.0], True)
    i, f, g, o = tg.split(tg.tanh(x) * x, 4)  # four pieces are no loop: nothing is carried
    assert Graph(tg.sigmoid(i) * f + tg.tanh(g) * o).loops() == []
    assert Graph().loops() == [] and Graph(x).loops() == []


def test_weights_of_other_steps_are_no_loop():
    """h W_1 W_2 W_3: the same operations, but no weight is shared; that is a loop over leaves. And
    with the same leaf taken in different ways at each step it is none."""
    h, weights = tg.Tensor(1.0), [tg.Tensor(0.5, True) for _ in range(6)]
    for k in range(6):
        h = tg.tanh(h * weights[k] + weights[k // 2])
    graph = Graph(h)
    for loop in graph.loops():
        assert_isomorphic(graph, loop)
        assert len(loop) < 5


def test_a_state_may_be_taken_two_steps_later():
    (loop,) = Graph(LOOPS["two back"][0](8)).loops()
    assert len(loop) == 8
    assert {lag for _, lag in loop.carried} == {1, 2}


def test_a_cut_does_not_end_a_loop():
    kept.clear()
    (loop,) = Graph(truncated(12, 4)).loops()
    assert len(loop) == 12


@pytest.mark.parametrize(
    "step",
    [lambda h, x: h * x, lambda h, x: tg.tanh(h * x), lambda h, x: tg.tanh(x * h + 0.1) + x],
    ids=["a power", "tanh", "taken twice"],
)
def test_a_state_that_starts_as_a_weight_of_all_steps_makes_a_loop(step):
    h = x = tg.Tensor(0.5, requires_grad=True, name="x")
    for _ in range(12):
        h = step(h, x)
    graph = Graph(h)
    (loop,) = graph.loops()
    assert len(loop) == 12 and graph.remarks == []
    assert_isomorphic(graph, loop)
    rolled = graph.roll()
    assert rolled.gradients().lines[0] == graph.gradients().lines[0]


# ---------------------------------------------------------------- where steps differ
def weights(*shapes):
    rng = np.random.default_rng(0)
    return [tg.Tensor(rng.normal(size=shape), requires_grad=True) for shape in shapes]


def test_an_odd_step_is_named_with_its_first_difference():
    graph = Graph(scoped_loop(12, odd=5))
    assert [loop.ts for loop in graph.loops()] == [(0, 1, 2, 3, 4, 5), (6, 7, 8, 9, 10, 11)]
    (remark,) = graph.fold(1).remarks
    assert "step t = 5 differs from t = 4: it has 9 operations, and the other 8" in remark


def test_an_odd_step_of_a_plain_loop_is_named_by_its_lines():
    graph = Graph(plain_loop(12, odd=5))
    assert [len(loop) for loop in graph.loops()] == [5, 6]
    (remark,) = graph.fold(1).remarks
    assert "after 5 steps" in remark
    assert "sigmoid" in remark and "stands where" in remark and "tanh" in remark


@pytest.mark.parametrize(
    ("odd", "said"), [(0, "before 11 steps, differs"), (11, "after 11 steps, differs")]
)
def test_an_odd_step_at_an_end_is_named_without_scopes_too(odd, said):
    h, W = weights((2, 3), (3, 3))
    for t in range(12):
        h = tg.relu(h @ W) if t == odd else tg.tanh(h @ W)
    (remark,) = tg.Graph((h * h).sum()).remarks
    assert said in remark and "relu" in remark and "tanh" in remark, remark


def test_what_only_follows_a_loop_is_no_odd_step():
    h, W, V = weights((2, 3), (3, 3), (3, 3))
    for _ in range(12):
        h = tg.tanh(h @ W)
    assert tg.Graph(tg.relu(h @ V).sum()).remarks == []


@pytest.mark.parametrize(
    "odd, steps, words",
    [(3, 3, "after 3 steps"), (4, 4, "after 4 steps"), (1, 4, "before 4 steps")],
)
def test_an_odd_step_beside_the_only_loop_is_named(odd, steps, words):
    """The one or two steps beyond it are too few for a second loop."""
    graph = Graph(plain_loop(6, odd=odd))
    assert [len(loop) for loop in graph.loops()] == [steps]
    (remark,) = graph.remarks
    assert words in remark and "sigmoid" in remark and "tanh" in remark
    (number,) = [line.number for line in graph.nodes if line.op == "sigmoid"]
    assert f" to n{number}, " in remark


def test_no_step_is_called_odd_where_none_is():
    for program in (plain_loop(6), two_back(6), stacked_by_hand(6), heads(6)):
        assert Graph(program).remarks == []


def test_steps_without_scopes_go_on_counting_where_the_states_go_on():
    """An odd step of the same length is counted, an operation between two steps is not; the second
    of two layers counts from 1."""
    assert [loop.ts for loop in Graph(plain_loop(12, odd=5)).loops()] == [
        (1, 2, 3, 4, 5),
        (7, 8, 9, 10, 11, 12),
    ]
    h, w = tg.Tensor(0.3), tg.Tensor(0.5, True)
    for t in range(7):
        h = tg.tanh(h * w)
        h = h * 2.0 if t == 2 else h
    assert [loop.ts for loop in Graph(h).loops()][-1] == (4, 5, 6, 7)
    xs, s = [], tg.Tensor(0.1)
    for u in (w, tg.Tensor(0.4, True)):
        layer, s = [], tg.Tensor(0.1)
        for t in range(5):
            s = tg.tanh(s * u + xs[t]) if xs else tg.tanh(s * u)
            layer.append(s)
        xs = layer
    assert [loop.ts for loop in Graph(s).loops()] == [(1, 2, 3, 4, 5)] * 2


def test_attention_over_a_growing_memory_says_which_steps_differ_and_where():
    graph = Graph(encoder_decoder(4, 6, growing=True))
    assert [loop.path for loop in graph.loops()] == [("GRU", "layer0")]
    remarks = graph.roll().remarks
    assert len(remarks) == 6
    assert "step t = 3 of decoder differs from t = 2: " in remarks[3]
    assert "gives (1, 3, 7), and" in remarks[3]


def test_two_steps_are_too_few_and_said_to_be_so():
    with pytest.raises(ValueError, match=r"step t = 0 .* at least 3 steps"):
        Graph(scoped_loop(2)).roll()
    with pytest.raises(ValueError, match="no stretch of operations"):
        Graph(tg.Tensor(1.0, True) * 2.0).roll()


def test_both_directions_have_a_loop_each_that_run_opposite_ways():
    loops = Graph(layer("GRU", 6, bidirectional=True)).loops()
    assert [loop.ts for loop in loops] == [(0, 1, 2, 3, 4, 5), (5, 4, 3, 2, 1, 0)]
    assert [loop.path[-1] for loop in loops] == ["layer0", "layer0_reverse"]


@pytest.mark.parametrize("scoped", [True, False])
def test_an_encoder_and_a_decoder_of_one_kind_are_two_loops(scoped):
    """Their steps are alike but for the weights, and for the scope."""
    cells = [nn.RNNCell(2, 2, rng=k) for k in range(2)]
    h = tg.Tensor(np.zeros(2), name="h0")
    for name, step in zip(("encoder", "decoder"), cells):
        for t in range(5):
            with ExitStack() as stack:
                for scope in (tg.scope(name), tg.scope(t=t)) if scoped else ():
                    stack.enter_context(scope)
                h = step(tg.Tensor(np.ones(2), name="x"), h)
    loops = tg.Graph(h).loops()
    assert [len(loop) for loop in loops] == [5, 5]
    assert [loop.scoped for loop in loops] == [scoped, scoped]


def test_steps_of_one_chain_with_other_weights_are_no_loop_of_the_others():
    weights = [tg.Tensor(0.5, requires_grad=True, name="w") for _ in range(2)]
    h = tg.Tensor(1.0, name="h0")
    for t in range(12):
        with tg.scope(t=t):
            h = tg.tanh(h * weights[t >= 7])
    assert [len(loop) for loop in tg.Graph(h).loops()] == [7, 5]


def test_a_loss_after_a_window_of_steps_belongs_to_its_last_step():
    """Windows of three steps, each with a loss, are a loop whose steps are windows."""
    w, h, loss = tg.Tensor(0.5, requires_grad=True), tg.Tensor(0.1), 0.0
    for t in range(12):
        with tg.scope(t=t):
            h = tg.tanh(h * w + 1.0)
        if t % 3 == 2:
            loss = loss + h * h
            h = h.detach()
    graph = tg.Graph(loss)
    lines = in_steps(graph.nodes, graph.loops())
    squares = [x for x in lines if x.op == "multiply" and len(set(x.inputs)) == 1]
    assert [x.t for x in squares] == [2, 5, 8, 11]


# ---------------------------------------------------------------- without any order
def test_the_search_of_an_irregular_chain_is_about_linear(monkeypatch):
    """It has short loops by chance, everywhere. What is counted are the places looked at."""
    looked, runs = [], search._runs

    def counting(places, stretch, p):
        looked.append(stretch.stop - stretch.start)
        return runs(places, stretch, p)

    monkeypatch.setattr(search, "_runs", counting)

    def work(n):
        rng, x = np.random.default_rng(0), tg.Tensor([0.5, 0.5], True)
        ops, h = (tg.tanh, tg.sin, tg.exp, tg.sigmoid, lambda h: h * x, lambda h: h + x), x
        for k in range(n):
            h = ops[rng.integers(6)](h) if k % 2 else h * 0.5
        looked.clear()
        found = Graph(h).loops()
        assert len(found) > n / 200
        return sum(looked)

    assert work(8000) < 6 * work(2000)


def test_many_loops_of_all_kinds_in_one_program_are_all_found():
    """Each is short beside the whole."""
    rng, h, weights = np.random.default_rng(0), tg.Tensor(0.3), [tg.Tensor(0.5, True)]
    ops = (tg.tanh, tg.sin, tg.relu, tg.sigmoid)
    for k in range(20):
        body = [ops[i] for i in rng.integers(4, size=3 + k % 5)]
        weights.append(tg.Tensor(0.5, True))
        for _ in range(6):
            h = h * weights[-1]
            for op in body:
                h = op(h)
    found = [len(loop) for loop in Graph(h).loops()]
    assert len(found) == 20 and set(found) <= {
        5,
        6,
    }  # one less where its first step is another's last


@pytest.mark.parametrize("scoped", [True, False])
@pytest.mark.parametrize("odd", [1, 2, 4, 6, 8])
def test_a_step_with_another_weight_is_no_step_of_the_loop(odd, scoped):
    """Also where the weights are transposed before the loop."""
    W, V, h = (tg.Tensor(np.eye(2) * k, requires_grad=True) for k in (0.5, 0.6, 1.0))
    WT, VT = W.T, V.T
    for t in range(1, 9):
        with tg.scope(t=t) if scoped else tg.scope("run"):
            h = tg.tanh(h @ (VT if t == odd else WT) + tg.Tensor(np.full((2, 2), 0.1 * t)))
        tg.label(h=h)
    graph = tg.Graph((h * h).sum())
    for loop in graph.loops():
        lines = [graph.nodes[n] for n in loop.steps.ravel()]
        taken = {line.inputs[1] for line in lines if line.op == "matmul"}
        assert taken == {graph.number(WT)}
    expected = {n for n in (odd - 1, 8 - odd) if n >= 3}
    assert {len(loop) for loop in graph.loops()} == expected
    if scoped:
        assert any("transpose" in remark for remark in graph.remarks)


def test_unlike_terms_are_no_loop():
    """Their sum is a run of additions; but what they are, a fold would hide."""
    kinds = [tg.tanh, tg.exp, tg.sigmoid, tg.sin, tg.cos, tg.square]
    ws = [tg.Tensor(np.ones(k + 1), requires_grad=True) for k in range(12)]
    terms = [kinds[k % 6](w).sum() for k, w in enumerate(ws)]
    assert tg.Graph(sum(terms[1:], terms[0])).loops() == []
    alike = [tg.tanh(w * 0.5).sum() for w in (tg.Tensor(np.ones(3), True) for _ in range(8))]
    (loop,) = tg.Graph(sum(alike[1:], alike[0])).loops()
    assert len(loop) == 7
    mixed = tg.Graph(sum([*terms[:2], *alike, *terms[2:4]], 0.0))
    (loop,) = mixed.loops()
    sums = [mixed.nodes[n].inputs[1] for n in loop.steps[:, 0]]
    assert [mixed.nodes[n].tensor for n in sums] == alike


def test_a_long_chain_of_parameters_alone_is_asked_about_without_recursion():
    """A state made of parameters alone is taken by all steps of a loop but the last ones."""
    w, v, h = (tg.Tensor(value, requires_grad=True) for value in (0.5, 0.6, 1.0))
    for _ in range(3000):
        h = tg.tanh(h * w)
    other, s = tg.tanh(h * v), tg.Tensor(0.1)
    for t in range(12):
        s = tg.sin(s + (h if t < 6 else other))
        tg.label(s=s)
    loops = tg.Graph(s).loops()
    assert [len(loop) for loop in loops] == [3000, 6, 6]
