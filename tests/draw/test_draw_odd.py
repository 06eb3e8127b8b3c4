"""Programs that are unlike the usual ones: each of these was drawn wrongly, or not at all, once."""

import re
import shutil
from itertools import pairwise

import numpy as np
import pytest
from drawn_graphs import leaf

import tinygrad_rnn as tg
from tinygrad_rnn import Tensor
from tinygrad_rnn.draw import draw
from tinygrad_rnn.program import Graph, short

needs_dot = pytest.mark.skipif(not shutil.which("dot"), reason="the program dot is not there")


def undeclared(source: str) -> set[str]:
    """The names at the ends of arrows that no statement declares: dot would invent nodes."""
    ends = {x for way in re.findall(r"^(\w+(?: -> \w+)+)", source, re.M) for x in way.split(" -> ")}
    return ends - set(re.findall(r"^(\w+) \[", source, re.M))


def states(T: int) -> list[Tensor]:
    """The states of a scoped loop."""
    w, h, found = leaf(0.5, "w"), Tensor(0.1, name="h0"), []
    for t in range(1, T + 1):
        with tg.scope(t=t):
            h = tg.tanh(w * h + Tensor(0.1 * t, name="x"))
        found.append(h)
    return found


@needs_dot
@pytest.mark.parametrize("w, step", [(0.5, lambda z: tg.relu(z - 1.0)), (3.0, tg.exp)])
def test_a_rolled_state_whose_gradient_is_nothing_or_not_finite_has_no_bars(w, step):
    w, h = leaf(w, "w"), Tensor(1.0, name="h0")
    with np.errstate(all="ignore"):
        for _ in range(8):
            h = step(w * h)
        drawing = draw(h * h, rolled=True)
        again = Graph.from_json(Graph(h * h).roll().to_json())
    assert b"<svg" in drawing.pipe("svg")
    assert draw(again).source == drawing.source


@pytest.mark.parametrize("options", [{"steps": [2, 5]}, {"rolled": True}], ids=str)
def test_operands_stand_before_what_takes_them(options):
    """p0 is first taken after the first step's state, for which a line stands."""
    w, h, before, total = leaf(0.5, "w"), Tensor(0.1, name="h0"), Tensor(0.0, name="p0"), 0.0
    for t in range(1, 9):
        h = tg.tanh(w * h + Tensor(float(t), name="x"))
        total, before = total + (h - before) ** 2, h
    graph = Graph(total)
    thin = graph.fold(steps=options["steps"]) if "steps" in options else graph.roll()
    assert all(k < line.number for line in thin.nodes for k in line.inputs)
    assert undeclared(draw(total, **options).source) == set()


@pytest.mark.parametrize("steps", [[1], [2], [5], [2, 4, 6]], ids=str)
def test_a_loop_without_a_state_of_its_own_folds(steps):
    hs, v = states(10), leaf(0.7, "v")
    for some in ([v * (a + b) for a, b in pairwise(hs)], [v * h + 1.0 for h in hs[2:]]):
        assert undeclared(draw(tg.stack(some).sum(), steps=steps).source) == set()


@pytest.mark.parametrize("odd, window", [(1, 2), (2, 3)])
def test_a_cut_state_that_came_along_no_lane(odd, window):
    w, h, hs = leaf(0.5, "w"), Tensor(0.1, name="h0"), []
    for t in range(12):
        z = w * h + Tensor(float(t), name="x")
        h = tg.sigmoid(z) if t == odd else tg.tanh(z)
        hs.append(h)
        if t % window == window - 1:
            h = h.detach()
    assert undeclared(draw(sum(hs[1:], hs[0])).source) == set()


@pytest.mark.parametrize("weights", ["ref", "line"])
def test_an_initial_state_in_the_table_is_referred_to_outside_as_well(weights):
    net = tg.nn.RNN(2, 2, num_layers=2, rng=0)
    h0 = leaf(np.zeros((2, 1, 2)), "h0")
    output, _ = net(Tensor(np.ones((3, 1, 2)), name="x"), h0)
    drawing = draw((output * output).sum() + (h0 * h0).sum(), weights=weights)
    assert undeclared(drawing.source) == set() and 'id="ref-n0-out"' in drawing.source


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_the_graph_of_a_layers_gradient_names_no_node_that_is_not_there(kind):
    net = getattr(tg.nn, kind)(2, 2, num_layers=2, rng=0)
    output, _ = net(Tensor(np.ones((2, 1, 2)), name="x"))
    slope = tg.grad((output * output).sum(), net.weight_hh_l0, create_graph=True)
    assert undeclared(draw(slope).source) == set()


@pytest.mark.parametrize("options", [{"depth": 1}, {"focus": "x", "others": "hide"}], ids=str)
def test_a_rolled_state_that_is_not_drawn_has_no_arrow(options):
    output, _ = tg.nn.LSTM(2, 3, rng=0)(leaf(np.ones((9, 1, 2)), "x"))
    assert undeclared(draw((output * output).sum(), rolled=True, **options).source) == set()


@pytest.mark.parametrize("options", [{}, {"rolled": True}], ids=str)
def test_a_loop_inside_a_step_leaves_the_step_its_title(options):
    w, h = leaf(0.5, "w"), Tensor(0.1, name="h0")
    for t in (1, 2):
        with tg.scope(t=t):
            h = h + Tensor(0.1 * t, name="x")
            for _ in range(12):
                h = tg.tanh(w * h)
    titles = re.findall(r'class="step" label=<<B>([^<]*)</B>', draw(h * h, **options).source)
    assert titles == ["t = 1", "t = 2"]


def test_an_arrow_from_a_rolled_step_says_of_which_step_it_is():
    hs = states(10)
    graph = Graph(hs[3] * hs[9]).roll()
    (fold,) = graph.folds
    assert [t for _, _, t in fold.at] == [4]
    labels = re.findall(r'label="(t = \d+)"', draw(graph).source)
    assert sorted(labels) == ["t = 1", "t = 10", "t = 4"]
    assert draw(Graph.from_json(graph.to_json())).source == draw(graph).source


def test_an_output_of_a_step_that_is_left_out_is_marked():
    hs = states(12)
    graph = Graph(hs[5], hs[11] * hs[11])
    folded, rolled = graph.fold(), graph.roll()
    assert folded.nodes[folded.ends[0]].kind == "folded"
    assert rolled.nodes[rolled.ends[0]].op == "tanh"
    assert folded.ends[1] == len(folded) - 1 and rolled.ends[1] == len(rolled) - 1
    drawn = draw((hs[4], hs[9]), fold=2).source
    assert len(re.findall('class="output"', drawn)) == 2


def test_a_drawing_answers_after_its_program_has_changed(monkeypatch):
    hs = states(12)
    drawing, other = (draw(hs[-1] * hs[-1], view="backward", fold=fold) for fold in (2, None))
    mermaid = draw(hs[-1] * hs[-1], view="backward", fold=2).mermaid
    hs[-1].data = np.array(3.0)
    assert drawing.mermaid == mermaid
    assert other._folded is None  # what it was is lost: all steps, or an error that says so
    monkeypatch.setenv("PATH", "/nonexistent")
    assert "text/plain" in drawing._repr_mimebundle_()


def test_no_cut_is_lost():
    w, s, total, kept = leaf(0.5, "w"), Tensor(0.25, name="s0"), 0.0, []
    for t in range(1, 21):
        with tg.scope(t=t):
            s = tg.tanh(w * s + Tensor(0.2 * t, name="x"))
            kept.append(s)
            total = total + s * s
        if t % 5 == 0:
            s = s.detach()
    assert "3 cuts" in draw(total, rolled=True).caption
    a = tg.tanh(w * 2.0)
    shared, h = a.detach(), Tensor(0.1, name="h0")
    for t in range(3):
        with tg.scope(t=t):
            h = tg.tanh(w * h + shared)
    drawing = draw(h * a)
    assert drawing.caption == "not drawn: 1 cut" and '-.->|"cut"|' not in drawing.mermaid


def test_a_cut_state_that_other_steps_share():
    w, s = leaf(0.5, "w"), Tensor(0.25, name="s0")
    for t in range(1, 4):
        with tg.scope(t=t):
            s = tg.tanh(w * s)
        if t == 2:
            whole, s = s, s.detach()
            taken = s
    with tg.scope("later"):
        for t in range(1, 4):
            with tg.scope(t=t):
                s = tg.sin(s + taken)
    drawing = draw(s * whole)
    assert undeclared(drawing.source) == set() and drawing.caption == "not drawn: 1 cut"


@pytest.mark.parametrize("scoped", [True, False])
def test_a_weight_of_all_steps_is_no_input_of_the_only_one_drawn(scoped):
    """There it is a reference, with the part of the gradient that came from there."""

    def run(weights: list[Tensor]) -> Tensor:
        h = Tensor(0.1, name="h0")
        for t, w in enumerate(weights, 1):
            with tg.scope(t=t) if scoped else tg.scope("run"):
                h = tg.tanh(w * h + leaf(0.1 * t, "x"))
        return h

    each = [leaf(0.5, f"w{t}") for t in range(1, 9)]
    run(each).backward()
    drawing = draw(run([leaf(0.5, "w")] * 8), steps=[3])
    (line,) = (x for x in drawing.source.splitlines() if "| w |" in x)
    assert 'class="reference parameter n' in line and "<SUB>" not in line
    assert f"∇ {each[2].grad:.3g}<" in line
    whole = sum(w.grad for w in each)
    assert f"∇ {whole:.3g} = Σₜ + folded<" in drawing.source
    (line,) = (x for x in drawing.source.splitlines() if "| value 0.3 |" in x)
    assert "<SUB>" in line or not scoped


def test_a_focus_on_a_single_leaf_in_a_step_draws_it():
    w, h = leaf(0.5, "w"), Tensor(0.1, name="h0")
    for t in (1, 2):
        with tg.scope(t=t):
            h = tg.tanh(w * h + leaf(0.3, f"x{t}"))
    drawing = draw(h, focus=("x1", "x1"), others="hide")
    assert drawing.source.count('id="node-n') == 1 and "subgraph s0" in drawing.mermaid


def test_a_record_of_a_module_that_steps_share():
    cell, hs = tg.nn.RNNCell(1, 1, rng=0), states(4)
    with tg.scope("summary"):
        shared = tg.stack([h.reshape(1, 1) for h in hs]).sum(axis=0)
    h = Tensor(np.zeros((1, 1)), name="g0")
    for t in range(3):
        with tg.scope("net"), tg.scope(t=t):
            h = cell(shared, h)
    assert undeclared(draw(h.sum(), depth=1, style="record").source) == set()


def clockwork(T: int) -> Tensor:
    """Two states in scopes of their own, side by side in each step."""
    w, v, h, g = leaf(0.5, "w"), leaf(0.7, "v"), Tensor(0.1, name="h0"), Tensor(0.2, name="g0")
    for t in range(T):
        with tg.scope("fast"), tg.scope(t=t):
            h = tg.tanh(w * h + Tensor(0.1 * t, name="x"))
        with tg.scope("slow"), tg.scope(t=t):
            g = tg.tanh(v * (g + h))
    return h * g


def nested(T: int) -> Tensor:
    """A loop within each step, in a scope of its own."""
    w, v, h = leaf(0.5, "w"), leaf(0.7, "v"), Tensor(0.1, name="h0")
    for t in range(T):
        with tg.scope(t=t):
            h = tg.tanh(w * h + Tensor(0.1 * t, name="x"))
            for k in range(3):
                with tg.scope("inner"), tg.scope(t=k):
                    h = tg.tanh(v * h)
            tg.label(h=h)
    return h * h


@pytest.mark.parametrize("program", [clockwork, nested])
def test_a_rolled_step_of_several_scopes_is_one_box_with_all_that_it_does(program):
    graph = Graph(program(6)).roll()
    (fold,) = graph.folds
    assert {line.t for line in graph.nodes if line.number in {*fold.columns, *fold.stands}} == {5}
    drawing = draw(graph)
    assert re.findall(r'class="step" label=<<B>([^<]*)</B>', drawing.source) == ["loop × 6 steps"]
    assert undeclared(drawing.source) == set()
    (box,) = re.findall(r"^subgraph cluster_s0 \{\n(.*?)\n\}$", drawing.source, re.M | re.S)
    assert all(f'id="node-n{n}"' in box for n in (*fold.columns, *fold.stands))
    assert draw(Graph.from_json(graph.to_json())).source == drawing.source


def test_the_steps_left_out_of_a_loop_with_a_loop_inside_are_its_own():
    assert "<B>t = 1 … 4</B>" in draw(nested(6), fold=1).source


def test_a_weight_of_two_rolled_loops_shows_what_came_from_each():
    w, h, g = leaf(0.5, "w"), Tensor(0.1, name="h0"), Tensor(0.2, name="g0")
    for name in ("first", "second"):
        for t in range(6):
            with tg.scope(name), tg.scope(t=t):
                if name == "first":
                    h = tg.tanh(w * h + Tensor(0.1 * t, name="x"))
                else:
                    g = tg.sigmoid(w * g * h)
    loss = g * g
    graph = Graph(loss)
    rolled, recorded = graph.roll(), graph.gradients().edges
    parts = [recorded[edge] for edge in graph.uses("w")]
    gradients = rolled.gradients()
    found = [gradients.edges[edge] for edge in rolled.uses("w")]
    assert len(parts) == 12 and len(found) == 2
    np.testing.assert_allclose(found, [sum(parts[:6]), sum(parts[6:])], rtol=1e-13)
    np.testing.assert_allclose(sum(found), gradients.lines[rolled.number("w")], rtol=1e-13)
    references = re.findall(r'id="ref-n\d+-s\d+" .*?∇ ([^<]+)<', draw(rolled).source)
    assert references == [f"{float(g):.3g}" for g in found]
    assert dict(gradients.edges).keys() == set(gradients.edges)
    assert len(gradients.edges) == len(list(gradients.edges))


def windows(T: int, size: int) -> Tensor:
    """Truncated back-propagation: a cut and a loss after every `size` steps."""
    w, s, loss = leaf(0.5, "w"), Tensor(0.25, name="s0"), Tensor(0.0, name="none")
    for t in range(1, T + 1):
        with tg.scope(t=t):
            s = tg.tanh(Tensor(0.2 * t, name=f"x{t}") + w * s)
            s.name = "s"
        if t % size == 0:
            loss, s = loss + s * s, s.detach()
    tg.label(loss=loss)
    return loss


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("view", ["forward", "backward"])
def test_a_rolled_window_goes_on_over_its_cut(size, view):
    graph = Graph(windows(6 * size, size)).roll()
    (fold,) = graph.folds
    ((entry, always),) = fold.cut
    ((state, leaf_, lag),) = [x for x in fold.recurrences if x[1] == entry]
    assert always and (graph.nodes[state].name, lag, fold.pace) == ("s", 1, size)
    assert [graph.nodes[n].name for n in graph.nodes[entry].inputs] == ["s0"]
    assert fold.cuts == 5
    drawing = draw(graph, view=view)
    (arrow,) = (x for x in drawing.source.splitlines() if 'label="cut, t → t+' in x)
    assert arrow.startswith(f"n{leaf_} -> n{state} [") and f't → t+{size}"' in arrow
    assert 'dir="back"' in arrow
    assert draw(Graph.from_json(graph.to_json()), view=view).source == drawing.source


def test_the_steps_of_a_rolled_window_are_told_apart():
    drawing = draw(windows(12, 3), rolled=True)
    words = [re.sub("<[^>]*>", "", x) for x in re.findall(r"label=<(.*)> ?\w+=", drawing.source)]
    names = [re.split(" = |&#160;", word)[0] for word in words]
    assert [x for x in names if x[0] == "x"] == ["xt", "xt+1", "xt+2"]
    assert "st−1" in names and "loss12" in names


def test_an_arrow_inside_a_rolled_step_says_if_it_is_from_another_one():
    """Of sequences of several lengths, one that has ended keeps the state of the step before."""
    x = Tensor(np.ones((6, 2, 3)), name="x")
    output, _ = tg.nn.LSTM(3, 4, rng=0)(x, lengths=[6, 3])
    drawing = draw(output.sum(), rolled=True)
    lines = drawing.source.splitlines()
    (where,) = (x.split()[0] for x in lines if '<B>h</B><SUB><FONT POINT-SIZE="8.5">3<' in x)
    into = [x for x in lines if re.match(rf"\w+ -> {where} \[", x)]
    assert [re.findall('label="([^"]*)"', x) for x in into] == [["t = 3"], ["t = 2"], []]


def test_each_layer_that_runs_back_is_laid_out_beside_its_own_other_direction():
    net = tg.nn.RNN(2, 3, num_layers=2, bidirectional=True, rng=0)
    output, _ = net(Tensor(np.ones((4, 1, 2)), name="x"))
    for options in ({}, {"rolled": True}):
        source = draw(output.sum(), **options).source
        starts = re.findall(r'^(\w+) -> n\d+ \[style="invis" weight="50"\]', source, re.M)
        assert len(starts) == len(set(starts)) == 2


@pytest.mark.parametrize("depth", [1, 2])
def test_a_module_as_a_box_takes_what_a_rolled_loop_made(depth):
    w, h, hs = leaf(np.full((1, 1), 0.5), "w"), Tensor(np.ones((1, 1)), name="h0"), []
    for _ in range(9):
        h = tg.tanh(h @ w)
        hs.append(h)
    y = hs[3]
    for module in (tg.nn.Linear(1, 2, rng=0), tg.nn.Linear(2, 1, rng=0)):
        y = module(y)
    source = draw((y * h).sum(), rolled=True, depth=depth, hide=("transpose", "add")).source
    assert undeclared(source) == set()
    assert sorted(re.findall(r'label="(t = \d)"', source)) == ["t = 1", "t = 4", "t = 9"]


@pytest.mark.parametrize("T, taken", [(7, 0), (8, 4)])
def test_a_cut_into_what_only_the_steps_left_out_need(T, taken):
    """Each state takes the one three steps before, and every second one is cut off twice."""
    before, hs = [leaf(0.1 * k, f"h{k}") for k in (1, 2, 3)], []
    for t in range(T):
        with tg.scope(t=t):
            old = before[-3].detach() if t % 2 else before[-3]
            z = before[-1] * 0.25
            h = old + z + z
        hs.append(h)
        before.append(h.detach() if t % 2 else h)
    graph = Graph(sum((h * h for h in hs), hs[taken] * hs[taken])).roll()
    assert undeclared(draw(graph).source) == set()
    assert all(k < len(graph) for fold in graph.folds for one in fold.recurrences for k in one[:2])


@pytest.mark.parametrize("view", ["forward", "backward"])
def test_mermaid_says_that_a_rolled_step_recurs_and_when_arrows_are_there(view):
    drawing = draw(windows(12, 3), rolled=True, view=view)
    arrows = dict(re.findall(r'^  (n\d+ -\.?->\|"[^"]*t[^"]*"\|) (n\d+)$', drawing.mermaid, re.M))
    picture = re.findall(
        r'^(n\d+) -> (n\d+) \[class="recurrence.*?label="([^"]*)"', drawing.source, re.M
    )
    expected = {}
    for entry, state, words in picture:
        back = view == "backward" and "cut" not in words
        tail, head = (entry, state) if back else (state, entry)
        expected[f'{tail} -.->|"{words}"|'] = head
    assert len(expected) == 2 and expected.items() <= arrows.items()
    first = [arrow for arrow in arrows if '"t = 1"' in arrow]
    assert len(first) == 2 * (view == "forward")


def test_what_leaves_a_rolled_window_says_when_it_was_made():
    w, s, after = leaf(0.5, "w"), Tensor(0.25, name="s0"), []
    for t in range(1, 13):
        with tg.scope(t=t):
            s = tg.tanh(w * s)
            if t % 3 == 0:
                s = tg.sin(s)
            after.append(s)
    drawing = draw(after[-2] * after[-1], rolled=True)
    labels = re.findall(r'label="(t = \d+)"', drawing.source)
    assert sorted(labels) == ["t = 1", "t = 11", "t = 12"]


def test_the_title_of_folded_windows_ends_with_the_last_time_step():
    assert "<B>t = 4 … 9</B>" in draw(windows(12, 3), fold=1).source


def arrow_labels(source: str) -> list[str]:
    return re.findall(r' -> .*label="([^"]*)"', source)


def test_each_of_two_states_before_starts_from_its_own():
    w, a, b = leaf(0.5, "w"), Tensor(0.1, name="a0"), Tensor(0.2, name="b0")
    for t in range(1, 7):
        with tg.scope(t=t):
            a, b = tg.tanh(a * w + b), a
            a.name = "a"
    graph = Graph(a * a).roll()
    starts = {
        lag: [graph.nodes[n].name for n in graph.nodes[entry].inputs]
        for _, entry, lag in graph.folds[0].recurrences
    }
    assert starts == {1: ["a0"], 2: ["b0", "a0"]}  # a0 is two steps old at t = 2
    labels = arrow_labels(draw(graph).source)
    assert sorted(x for x in labels if x < "t = 6") == ["t = 1", "t = 1", "t = 2"]


def chain(name: str, T: int) -> Tensor:
    w, h = leaf(0.5, "w"), Tensor(0.1, name="h0")
    for t in range(1, T + 1):
        with tg.scope(name), tg.scope(t=t):
            h = tg.tanh(h * w)
            h.name = "h"
    return h


@pytest.mark.parametrize("options", [{}, {"rolled": True}], ids=str)
def test_the_difference_of_two_states_is_no_stack_of_them(options):
    difference = chain("a", 4) - chain("b", 3)
    assert not re.search("<SUB>[^…]{0,40}…", draw(difference * difference, **options).source)


def test_a_rolled_step_that_begins_with_a_loop_of_its_own():
    w, h = leaf(0.5, "w"), Tensor(0.1, name="h0")
    for t in range(1, 5):
        with tg.scope(t=t):
            z = h
            for k in range(2):
                with tg.scope("inner"), tg.scope(t=k):
                    z = tg.sin(z * w)
            h = tg.tanh(z + h)
            h.name = "h"
    (loop,) = Graph(h).loops()
    assert loop.scoped and loop.ts == (1, 2, 3, 4)
    source = draw(h * h, rolled=True).source
    assert re.findall(r'class="step" label=<<B>([^<]*)</B>', source) == ["loop × 4 steps"]


def test_what_a_rolled_loop_takes_from_another_one_says_at_which_steps():
    hs, v = states(8), leaf(0.9, "v")
    every_second, every, at_most = 0.0, 0.0, 0.0
    for h in hs[1::2]:
        every_second = every_second + (h * v) ** 2
    for t, h in enumerate(hs, 1):
        with tg.scope("head"), tg.scope(t=t):
            every = every + (h * v - 0.1 * t) ** 2
    for t, h in enumerate(hs[:3], 1):
        with tg.scope("head"), tg.scope(t=t):
            at_most = at_most + (h * v) ** 2
    found = [arrow_labels(draw(y, rolled=True).source) for y in (every_second, every)]
    assert "t = 2, 4, … 8" in found[0] and "all t" not in found[0]
    assert "all t" in found[1] and "t = 8" not in found[1]
    assert "t = 1, 2, 3" in arrow_labels(draw(at_most * hs[-1], rolled=True).source)
    constants = re.findall(r'class="constant" label=<(.*?)> ', draw(every, rolled=True).source)
    assert [re.sub("<[^>]*>", "", x) for x in constants] == ["0", "ct", "2"]
    again = Graph.from_json(Graph(every_second).roll().to_json())
    assert draw(again).source == draw(every_second, rolled=True).source


def test_an_input_and_the_next_one_are_told_apart():
    xs = [leaf(0.1 * t, f"x{t}") for t in range(7)]
    w, h, loss = leaf(0.5, "w"), Tensor(0.1, name="h0"), 0.0
    for t in range(6):
        with tg.scope(t=t):
            h = tg.tanh(xs[t] + h * w)
            loss = loss + (h - xs[t + 1]) ** 2
    inputs = re.findall(r'class="input" label=<(.*?)> ', draw(loss, rolled=True).source)
    assert [re.sub("<[^>]*>", "", x) for x in inputs] == ["xt", "xt+1"]
    assert draw(loss, fold=1).source.count('class="input" label=<') == 4


@pytest.mark.parametrize(
    "every, words", [(1, "cut, "), (2, "cut at times, "), (3, "cut at times, ")]
)
def test_a_rolled_loop_says_how_often_its_state_is_cut(every, words):
    w, h, loss = leaf(0.5, "w"), Tensor(0.1, name="h0"), 0.0
    for t in range(1, 9):
        with tg.scope(t=t):
            h = tg.tanh(h * w + 0.3)
            loss = loss + h * h
        h = h.detach() if t % every == 0 else h
    labels = [x for x in arrow_labels(draw(loss, rolled=True).source) if "→" in x]
    assert sorted(labels) == sorted([f"{words}t → t+1", "t → t+1"])


def test_a_rolled_table_says_that_a_part_is_of_what_is_not_drawn():
    u, v, h = leaf(0.7, "u"), leaf(0.6, "v"), Tensor(0.1, name="h0")
    # made before the loop, and no loop: the last one is drawn, and not of u
    zs = [tg.sin((v if t == 7 else u) * Tensor(0.1 * t)) for t in range(8)]
    for name in ("first", "second"):
        for t in range(8):
            with tg.scope(name), tg.scope(t=t):
                h = tg.tanh(h * u + zs[t]) if name == "first" else tg.tanh(h * u)
    source = draw(h, rolled=True).source
    assert re.findall("= Σₜ [▁-█]*([^<]*)<", source) == [" + rolled up"]
    assert 'label="t = 7"' in source  # of the one that is drawn


def test_one_is_counted_as_one():
    w, h, loss = leaf(0.5, "w"), Tensor(0.1, name="h0"), 0.0
    for t in range(1, 6):
        with tg.scope(t=t):
            h = tg.tanh(h * w)
            loss = loss + h * h
        h = h.detach() if t == 2 else h
    source = draw(loss, steps=[1, 2, 4, 5]).source
    assert all(x in source for x in ("<B>t = 3</B>", ">1 step<", ">1 cut<"))


def test_a_state_cut_off_a_step_that_is_left_out_has_its_name_and_its_arrow():
    graph = Graph(windows(12, 3)).fold(1)  # the windows t = 4 to 6 and 7 to 9 are left out
    drawing = draw(graph)
    ((leaf_, source),) = graph.cuts().items()
    assert graph.nodes[leaf_].kind == "cut" and graph.nodes[source].kind == "folded"
    arrow = f'n{source} -> n{leaf_} [class="cut from-n{source} to-n{leaf_}"'
    assert drawing.source.count(arrow) == 1
    (node,) = (x for x in drawing.source.splitlines() if x.startswith(f"n{leaf_} ["))
    assert re.search('<B>s</B><SUB><FONT POINT-SIZE="[^"]*">9<', node)
    assert ">2 cuts<" in drawing.source  # after steps 3 and 6: into steps that are left out
    assert draw(Graph.from_json(graph.to_json())).source == drawing.source


def gradient_norm(T: int) -> Tensor:
    """|dL/dw|^2, where L is made of the last state: its graph holds a walk back."""
    w, h = leaf(np.full((2, 2), 0.4), "w"), leaf(np.ones((1, 2)), "h0")
    for t in range(T):
        with tg.scope(t=t):
            h = tg.tanh(h @ w)
            h.name = "h"
    g = tg.grad((h * h).sum(), w, create_graph=True)
    return (g * g).sum()


def test_what_many_steps_hand_to_one_product_is_one_arrow_each():
    """The gradient of the weight is one product of all the states and all that came back."""
    drawing = draw(gradient_norm(6), rolled=True)
    (child,) = set(re.findall(r'"handover-(n\d+)-\d+"', drawing.source))
    labels = re.findall(rf'to-{child} argument-\d+".*label="([^"]*)"', drawing.source)
    assert sorted(labels) == ["all t", "t = 0, 1, … 4"]  # the last state is in no product
    folded = draw(gradient_norm(6), fold=1).source
    assert folded.count('id="handover-n') == 5  # of the first loop without the last step
    some = [x for x in folded.splitlines() if 'id="handover-n' in x]
    assert sorted("∇" in x for x in some) == [False, False, True, True, True]  # two of many steps


def test_what_a_walk_back_takes_from_a_rolled_loop_is_of_each_step_or_of_one():
    """h_t in the rolled walk back has no number of one step; in the step t = 0, h_0 has its own."""
    graph = Graph(gradient_norm(6))
    lines = draw(graph, rolled=True).source.splitlines()
    many, one = sorted(x for x in lines if re.match(r"ref_n\d+_s", x) and "= tanh" in x)
    assert ">t</FONT></SUB>" in many and "∇" not in many
    assert ">0</FONT></SUB>" in one and "∇" in one


def test_what_all_rolled_steps_make_of_a_weight_has_the_sum_of_its_gradients():
    graph = Graph(gradient_norm(6))
    rolled, recorded = graph.roll(), graph.gradients()
    (moved,) = (line for line in rolled.nodes if line.op == "transpose")
    whole = sum(recorded.lines[n.number] for n in graph.nodes if n.op == "transpose")
    gradients = rolled.gradients()
    np.testing.assert_allclose(gradients.edges[moved.number, 0], whole.T, rtol=1e-12)
    (edge,) = (x for x in rolled.edges if x.source == moved.number)
    np.testing.assert_allclose(gradients.edges[edge.line, edge.argument], whole, rtol=1e-12)
    (reference,) = (x for x in draw(rolled).source.splitlines() if re.match("ref.* = transpose", x))
    assert f"∇ {short(whole)}<" in reference


def test_the_target_of_a_loss_is_the_input_of_the_next_step():
    w, h, hs = leaf(0.5, "w"), Tensor(0.1, name="h0"), []
    xs = [Tensor(0.1 * t, name=f"x{t}") for t in range(8)]
    for t in range(7):
        with tg.scope(t=t):
            h = tg.tanh(w * h + xs[t])
        hs.append(h)
    loss = sum((h - x) ** 2 for h, x in zip(hs, xs[1:]))
    drawing = draw(loss, rolled=True)
    names = re.findall(r'class="input"[^\n]*?<B>x</B><SUB><FONT[^>]*>([^<]*)<', drawing.source)
    assert sorted(names) == ["t", "t+1"]


def with_output(T: int, at: int) -> Tensor:
    """A scoped loop, in one step of which an output is made, with a weight of its own."""
    w, v, h = leaf(0.5, "w"), leaf(2.0, "v"), Tensor(0.1, name="h0")
    for t in range(T):
        with tg.scope(t=t):
            h = tg.tanh(w * h + leaf(0.1 * t, f"x{t}"))
            if t == at:
                y = tg.sigmoid(v * h)
    return y * h if at == T - 1 else y + h


@pytest.mark.parametrize("T, at, titles", [
    (6, 5, ["loop × 6 steps", "t = 5"]),
    (6, 3, ["loop × 4 steps", "t = 3", "t = 4", "t = 5"]),
])  # fmt: skip
def test_what_only_the_last_rolled_step_does_is_not_in_the_box_of_all(T, at, titles):
    drawing = draw(with_output(T, at), rolled=True)
    found = re.findall(r'class="step" label=<<B>([^<]*)</B>', drawing.source)
    assert sorted(found) == sorted(titles)
    lines = drawing.source.splitlines()
    (start,) = (k for k, x in enumerate(lines) if f"<B>t = {at}</B>" in x)
    box = lines[start : lines.index("}", start)]
    assert sum("= sigmoid" in x for x in box) == 1
    (weight,) = (x for x in box if "| v |" in x)
    assert 'class="parameter"' in weight and "<SUB>" not in weight
    (own,) = (x for x in lines if 'class="input"' in x and ">t</FONT></SUB>" in x)
    assert "<B>x</B>" in own
    inside = {x.split()[0] for x in box}
    times = re.findall(r'^\w+ -> (\w+) .*label="(t = \d)"', drawing.source, re.M)
    assert {words for head, words in times if head in inside} == {f"t = {at}"}


def test_a_weight_of_one_step_is_no_input():
    """The other steps have none like it, as they have an x_t."""
    lines = draw(with_output(6, 5)).source.splitlines()
    (weight,) = (x for x in lines if "| v |" in x)
    assert 'class="parameter"' in weight and "<SUB>" not in weight
    inputs = [x for x in lines if re.search(r"\| x\d \|", x)]
    assert len(inputs) == 6 and all('class="input"' in x and "<SUB>" in x for x in inputs)


def boxes(source: str) -> dict[str, str]:
    """What stands in each time step, by its title."""
    found = {}
    for text in re.findall(r"^subgraph cluster_s\d+ {\n(.*?)^}", source, re.M | re.S):
        title = re.search(r'class="step" label=<<B>([^<]*)<', text)[1]
        assert title not in found
        found[title] = text
    return found


@pytest.mark.parametrize("scoped", [True, False])
@pytest.mark.parametrize("taken", [slice(2, None), slice(None), slice(None, None, -1)], ids=str)
@pytest.mark.parametrize("T", [5, 12])
def test_the_loss_of_an_output_in_a_second_loop_stands_in_the_step_of_the_output(scoped, taken, T):
    w, h, hs, total = leaf(0.5, "w"), Tensor(0.1, name="h0"), [], 0.0
    first = 0 if scoped else 1  # steps without a scope are counted from 1
    for t in range(T):
        with tg.scope(t=t) if scoped else tg.scope("run"):
            h = tg.tanh(w * h + 0.1)
        h.name = "h"
        hs.append(h)
    for q in hs[taken]:
        total = total + tg.sin(q)
    graph = Graph(total)
    drawing = draw(graph, steps=range(first, first + T))
    found = boxes(drawing.source)
    assert list(found) == [f"t = {t}" for t in range(first, first + T)]
    assert f"{T} time steps" in repr(drawing)
    losses = {f"t = {first + t}" for t in range(T)[taken]}
    assert {title for title, text in found.items() if "= sin(" in text} == losses
    assert [loop.ts for loop in graph.loops()] == [
        tuple(range(first, first + T)), tuple(first + t for t in range(T)[taken]),
    ]  # fmt: skip


def test_a_second_loop_over_some_of_the_steps_is_rolled_by_itself():
    hs, total = states(9), 0.0
    for h in hs[3:]:
        total = total + h * h
    drawing = draw(total, rolled=True)
    titles = re.findall(r'class="step" label=<<B>([^<]*)</B>', drawing.source)
    assert titles == ["loop × 9 steps", "loop × 6 steps"]
    labels = re.findall(r'label="(t = [^"]*)"', drawing.source)
    assert sorted(labels) == ["t = 1", "t = 4", "t = 4, 5, … 9", "t = 4, 5, … 9"]


def test_a_sum_that_begins_in_the_steps_left_out_has_a_lane_of_its_own():
    hs, total = states(12), Tensor(0.0, name="none")
    for h in hs[3:]:
        total = total + h * h
    source = draw(total).source
    ((start, lane),) = re.findall(r'^(n\d+) \[.* group="(lane[^"]*)" .*\| none \|', source, re.M)
    assert f"\n{start} [" not in boxes(source)["t = 3 … 10"]
    assert source.count(f'group="{lane}"') > 3  # on to the last step


@pytest.mark.parametrize("T", [6, 7, 8])
@pytest.mark.parametrize("every", [1, 3])
def test_a_rolled_state_that_is_cut_keeps_what_it_starts_from(T, every):
    """Also where the last step begins with a cut."""
    u, w, alive, loss = leaf(0.5, "u"), leaf(0.5, "w"), [], 0.0
    h = tg.tanh(u * 0.3)
    for t in range(1, T + 1):
        h = tg.tanh(h * w + 0.1 * t)
        tg.label(h=h)
        alive.append(h)
        loss = loss + h * h
        if t % every == 0 and t < T:
            h = h.detach()
    graph = Graph(loss).roll()
    (fold,) = graph.folds
    assert fold.cuts == (T - 1) // every
    ((entry, always),) = fold.cut
    assert always == (every == 1)
    assert len(fold.recurrences) == 2 and len({x for x, _, _ in fold.recurrences}) == 2
    (start,) = graph.nodes[entry].inputs
    assert graph.nodes[start].op == "tanh" and "u" in [line.name for line in graph.nodes]
    source = draw(graph).source
    words = "cut, t → t+1" if always else "cut at times, t → t+1"
    assert source.count(f'label="{words}"') == 1 and undeclared(source) == set()
    assert draw(Graph.from_json(graph.to_json())).source == source
    stands = sum(line.kind == "folded" for line in graph.nodes)
    assert len(graph) - stands + fold.lines == len(Graph(loss))


def both_ways(scoped: bool, first_odd: bool) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """A bidirectional net by hand; the first step of the forward loop may have no state."""
    w, a, b = leaf(0.5, "w"), leaf(0.3, "a"), leaf(0.2, "b")
    xs = [Tensor(0.1 * t, name=f"x{t}") for t in range(1, 8)]
    h, g = None if first_odd else Tensor(0.1, name="h0"), Tensor(0.2, name="g0")
    hs, gs = [], []
    for t, x in enumerate(xs, 1):
        with tg.scope("forward" if scoped else "net"), tg.scope(t=t) if scoped else tg.scope("f"):
            h = tg.tanh(x if h is None else x + h * w)
            tg.label(h=h)
        hs.append(h)
    for t in range(7, 0, -1):
        with tg.scope("backward" if scoped else "net"), tg.scope(t=t) if scoped else tg.scope("b"):
            g = tg.tanh((hs[t - 1] * b if first_odd else xs[t - 1]) + g * a)
            tg.label(g=g)
        gs.append(g)
    return g * h, hs, gs


@pytest.mark.parametrize("scoped", [True, False])
def test_a_loop_over_the_inputs_from_the_other_end_counts_its_steps_down(scoped):
    output, _, _ = both_ways(scoped, first_odd=False)
    graph = Graph(output)
    assert [loop.ts for loop in graph.loops()] == [(1, 2, 3, 4, 5, 6, 7), (7, 6, 5, 4, 3, 2, 1)]
    source = draw(graph, rolled=True).source
    assert sorted(re.findall(r'class="recurrence.*label="([^"]*)"', source)) == [
        "t → t+1",
        "t → t−1",
    ]
    assert len(re.findall(r"^subgraph cluster_s", source, re.M)) == 2


def test_a_rolled_loop_that_takes_an_odd_step_as_well_says_when():
    """The first state is made without a state before it; read backwards, it is taken last."""
    output, hs, _ = both_ways(True, first_odd=True)
    graph = Graph(output)
    drawing = draw(graph, rolled=True)
    titles = re.findall(r'class="step" label=<<B>([^<]*)</B>', drawing.source)
    assert sorted(titles) == ["backward × 7 steps", "forward × 6 steps", "forward: t = 1"]
    into = re.findall(r'from-n(\d+) to-n(\d+) .* label="(all t|t = 1)"', drawing.source)
    rolled = graph.roll()
    (taker,) = {child for _, child, words in into if words == "all t"}
    taken = {words: rolled.nodes[int(n)].tensor for n, child, words in into if child == taker}
    assert taken == {"all t": hs[-1], "t = 1": hs[0]}
    assert draw(Graph.from_json(rolled.to_json())).source == drawing.source


def test_losses_of_the_last_steps_only_are_rolled_by_themselves():
    hs = states(10)
    source = draw(sum((h * h).sum() for h in hs[-3:]), rolled=True).source
    titles = re.findall(r'class="step" label=<<B>([^<]*)</B>', source)
    assert titles == ["loop × 10 steps", "loop × 3 steps"]
    assert source.count('label="t = 8, 9, 10"') == 2


def test_an_unscoped_walk_back_counts_the_steps_of_the_loop_down():
    w, h = leaf(np.full((2, 2), 0.4), "w"), leaf(np.ones((1, 2)), "h0")
    for _ in range(6):
        h = tg.tanh(h @ w)
    g = tg.grad((h * h).sum(), w, create_graph=True)
    graph = Graph((g * g).sum())
    back = next(loop for loop in graph.loops() if "gradient" in loop.path)
    assert list(back.ts) == sorted(back.ts, reverse=True) and not back.scoped
    for options in ({}, {"fold": 1}, {"rolled": True}):
        found = boxes(draw(graph, **options).source)
        ours = [title for title in found if not title.startswith("gradient")]
        assert len(ours) < len(found)
        assert not any('class="derivative' in found[title] for title in ours)


def names_of(source: str, kind: str) -> list[str]:
    """What the nodes of a class are called, as x_t, in the order of the text."""
    found = re.findall(rf'class="[^"]*\b{kind}\b[^"]*" label=<(.*?)> \w+=', source)
    words = [re.split("</TD>|&#160;| = ", text)[0] for text in found]
    return [re.sub("<[^>]*>", "", word) for word in words]


@pytest.mark.parametrize("offsets, expected", [
    ((-1, 0, 1), ["xt−1", "xt", "xt+1"]),
    ((-1, 0), ["xt−1", "xt"]),
    ((0, 2), ["xt", "xt+2"]),
    ((-2, -1), ["xt−2", "xt−1"]),
    ((1,), ["xt+1"]),
])  # fmt: skip
def test_the_inputs_of_a_window_are_told_apart(offsets, expected):
    xs, h = [Tensor(0.1 * t, name=f"x{t}") for t in range(14)], Tensor(0.1, name="h1")
    weights = [leaf(0.5, name) for name in "abc"]
    for t in range(2, 10):
        with tg.scope(t=t):
            h = sum((w * xs[t + k] for k, w in zip(offsets, weights)), h * 0.5)
    found = names_of(draw(h * h, rolled=True).source, "input")
    assert found == expected


def test_parts_of_one_tensor_say_which_they_are():
    w, v = leaf(np.full((2, 2), 0.3), "w"), leaf(np.full((2, 2), 0.2), "v")
    xs, h, loss = Tensor(np.ones((8, 1, 2)), name="xs"), Tensor(np.ones((1, 2)), name="h0"), 0.0
    for t in range(7):
        with tg.scope(t=t):
            h = tg.tanh(h + xs[t] @ w)
            loss = loss + (h @ v - xs[t + 1]).sum()
    graph = Graph(loss)
    rolled = draw(graph, rolled=True).source
    labels = dict(re.findall(r'from-n\d+ to-n(\d+) argument-\d.*label="(\[t[^"]*\])"', rolled))
    lines = graph.roll().nodes
    assert {lines[int(n)].op: words for n, words in labels.items()} == {
        "matmul": "[t]", "subtract": "[t+1]",
    }  # fmt: skip
    folded = boxes(draw(graph, fold=1).source)
    for t in (0, 6):
        names = re.findall(r"<B>xs</B>(\[\d\])<", folded[f"t = {t}"])
        assert sorted(names) == [f"[{t}]", f"[{t + 1}]"]
    assert draw(Graph.from_json(graph.roll().to_json())).source == rolled


def test_a_reference_to_parts_in_a_rolled_step_is_of_no_particular_one():
    x = Tensor(np.ones((6, 3, 2)), name="x")
    output, _ = tg.nn.RNN(2, 3, rng=0)(x, lengths=[6, 4, 2])
    source = draw(output.sum(), rolled=True).source
    (part,) = (x for x in source.splitlines() if re.match(r"ref_.*<B>xW</B>\[t\]", x))
    assert "∇" not in part and "|·|" not in part.split("tooltip")[0]


def test_two_of_a_name_in_a_rolled_step_are_told_apart():
    data = np.random.default_rng(0).normal(size=(7, 2))
    w, h, loss = leaf(0.5, "w"), Tensor(np.zeros(2), name="h0"), 0.0
    for t in range(7):
        with tg.scope(t=t):
            h = tg.tanh(h * w + Tensor(data[t]))
            loss = loss + (h - Tensor(data[t] + 1.0)).sum()
    assert names_of(draw(loss, rolled=True).source, "input") == ["xt", "x′t"]
    h, losses = Tensor(0.1, name="h0"), []
    for t in range(12):  # two steps that differ by their loss are one of the loop
        h = tg.tanh(h * w + Tensor(0.1 * t, name=f"x{t}"))
        tg.label(h=h)
        losses.append(tg.exp(h) if t % 2 else h * h)
    source = draw(sum(losses[1:], losses[0]), rolled=True).source
    assert names_of(source, "input") == ["xt", "x′t"]
    found = set(re.findall(r"<B>(h′?)</B><SUB><FONT[^>]*>(t[^<]*)<", source))
    assert sorted(found) == [("h", "t"), ("h′", "t"), ("h′", "t−1")]


def test_layers_rolled_say_that_each_has_its_own_weights():
    z = Tensor(np.ones((1, 3)), name="x")
    for k in range(10):
        z = tg.tanh(z @ leaf(np.eye(3) * 0.1 * k, f"W{k}") + leaf(np.ones(3) * k, f"b{k}"))
        tg.label(z=z)
    drawing = draw((z * z).sum(), rolled=True)
    assert names_of(drawing.source, "parameter") == ["Wt", "bt"]
    assert 'label="t → t+1, × 10 steps"' in drawing.source
    for x in drawing.source.splitlines():
        if 'class="parameter"' in x:
            assert "∇" not in x.split("tooltip")[0]


def test_a_gradient_over_an_arrow_into_a_box_is_counted_once():
    x, w = leaf([1.0, 1.0], "x"), leaf([100.0, 100.0], "w")
    with tg.scope("f"):
        z = w * (x * 2.0)
    source = draw(z.sum(), depth=1, view="backward").source
    sizes = re.findall(r'to-n\d+ argument-\d+".*edgetooltip="\|∇\| = ([^"]*)"', source)
    assert sorted(map(float, sizes)) == [1.41, 2.83, 283.0]  # of the sum, of w, of x


def test_a_loss_of_an_odd_first_step_stands_there():
    """The first state is made without a state before it."""
    w, h, hs, total = leaf(0.5, "w"), None, [], 0.0
    for t in range(1, 8):
        with tg.scope(t=t):
            h = tg.tanh(Tensor(0.1 * t, name="x") if h is None else h * w)
        hs.append(h)
    for h in hs:
        total = total + tg.sin(h)
    graph = Graph(total)
    assert [loop.ts for loop in graph.loops()] == [tuple(range(2, 8)), tuple(range(1, 8))]
    found = boxes(draw(graph).source)
    assert list(found) == [f"t = {t}" for t in range(1, 8)]
    assert all("= sin(" in text for text in found.values())
    rolled = draw(graph, rolled=True).source
    labels = re.findall(r'from-n(\d+) to-n(\d+) argument-\d.*label="(all t|t = 1)"', rolled)
    (taker,) = {child for _, child, words in labels if words == "all t"}
    assert sorted(words for _, child, words in labels if child == taker) == ["all t", "t = 1"]


def test_a_sum_of_two_lines_of_one_loop_takes_both():
    """Every second step has a loss of another kind, and all are added up after the loop."""
    w, h, losses = leaf(0.5, "w"), Tensor(0.1, name="h0"), []
    for t in range(12):
        h = tg.tanh(h * w)
        losses.append(tg.exp(h) if t % 2 else h * h)
    graph = Graph(sum(losses[1:], losses[0] * 1.0))
    drawing = draw(graph, rolled=True)
    rolled = graph.roll()
    takers = [line for line in rolled.nodes if line.op == "add" and len(line.inputs) > 1]
    sources = {rolled.nodes[n].op for line in takers for n in line.inputs}
    assert {"exp", "multiply"} <= sources
    assert undeclared(drawing.source) == set()
    assert draw(Graph.from_json(rolled.to_json())).source == drawing.source


def test_a_sum_that_begins_with_the_first_state_leaves_it_in_its_step():
    hs = states(10)
    total = hs[0]
    for h in hs[1:]:
        total = total + h
    drawing = draw(total, rolled=True)
    ((title, text),) = boxes_of_loops(drawing.source).items()
    assert title == "loop × 10 steps" and "= tanh(" in text and "= add(" in text
    assert drawing.source.count('label="t → t+1"') == 2


def boxes_of_loops(source: str) -> dict[str, str]:
    return {title: text for title, text in boxes(source).items() if "×" in title}


def test_weights_that_take_turns_are_two_weights():
    """A step is two of them, as where the operations take turns."""
    weights, h = [leaf(0.5, "even"), leaf(0.4, "odd")], Tensor(0.1, name="h0")
    for t in range(10):
        h = tg.tanh(h * weights[t % 2])
        tg.label(h=h)
    (loop,) = Graph(h).loops()
    assert (len(loop), loop.period) == (5, 4)
    assert sorted(names_of(draw(h, rolled=True).source, "parameter")) == ["even", "odd"]


def test_what_an_index_picks_of_all_steps_is_said():
    output, _ = tg.nn.RNN(2, 3, rng=0)(Tensor(np.ones((10, 1, 2)), name="x"))
    source = draw(output[-1].sum(), rolled=True).source
    assert 'label="all t [-1]"' in source and 'label="all t"' not in source
    assert 'label="all t"' in draw(output.sum(), rolled=True).source


@pytest.mark.parametrize("first", [True, False])
def test_an_index_in_a_rolled_step_is_that_of_each_step(first):
    cell, state = tg.nn.LSTMCell(2, 3, rng=0), None
    x = Tensor(np.ones((10, 4, 2) if first else (4, 10, 2)), name="x")
    for t in range(10):
        with tg.scope(t=t):
            state = cell(x[t] if first else x[:, t], state)
    source = draw(state[0].sum(), rolled=True).source
    assert ("[t]" if first else "[:, t]") in source
    assert not re.search(r"label=[^\n]*\[(:, )?9\][^\n]* tooltip", source)


def test_an_arrow_from_a_state_to_where_a_sum_begins_says_of_which_step_it_is():
    hs = states(10)
    source = draw(hs[1] + hs[3] + hs[5] + hs[7] + hs[9], rolled=True).source
    labels = re.findall(r'label="(t = [^"]*)"', source)
    assert sorted(labels) == ["t = 1", "t = 2", "t = 4, 6, … 10"]  # h0, h2, and the others


def test_an_index_with_an_array_in_it_is_written_too():
    x, h = Tensor(np.arange(24.0).reshape(8, 3), name="x"), Tensor(np.zeros(2), name="h0")
    for t in range(8):
        with tg.scope(t=t):
            part = x[t, np.array([0, 2])]
            part.name = "part"
            h = tg.tanh(h * 0.5 + part)
    assert "= [t, ids]" in draw(h.sum(), rolled=True).source


def test_a_state_of_three_steps_before_starts_from_three():
    w, hs = leaf(0.5, "w"), [Tensor(0.1 * k, name=f"h{k}") for k in range(3)]
    for t in range(3, 15):
        with tg.scope(t=t):
            hs.append(tg.tanh(w * hs[-3] + hs[-1]))
    graph = Graph(hs[-1] * hs[-1]).roll()
    starts = {
        lag: [graph.nodes[n].name for n in graph.nodes[entry].inputs]
        for _, entry, lag in graph.folds[0].recurrences
    }
    assert starts == {1: ["h2"], 3: ["h0", "h1", "h2"]}
    labels = re.findall(r'label="(t = [345])"', draw(graph).source)
    assert sorted(labels) == ["t = 3", "t = 3", "t = 4", "t = 5"]
    assert draw(Graph.from_json(graph.to_json())).source == draw(graph).source
