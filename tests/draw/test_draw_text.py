"""The DOT text: what is in it, what is counted as missing, and that it is always the same."""

import gc
import re
import tracemalloc
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from drawn_graphs import GRAPHS, cell, diamond, layer, leaf, own_loop, two_lanes
from work import calls_of

import tinygrad_rnn as tg
from tinygrad_rnn import Tensor
from tinygrad_rnn.draw import draw
from tinygrad_rnn.draw.labels import Labeller
from tinygrad_rnn.draw.patterns import MARKS
from tinygrad_rnn.draw.plan import make_plan
from tinygrad_rnn.program import Graph, Line

GOLDEN = Path(__file__).parent / "golden"
ARROW = re.compile(r'class="from-n(\d+) to-n(\d+) argument-(\d+)"')


def arrows(source: str) -> list[tuple[int, int, int]]:
    """(source, child, argument) of every arrow."""
    return sorted(tuple(map(int, found)) for found in ARROW.findall(source))


def nodes(source: str) -> set[int]:
    return {int(n) for n in re.findall(r'id="node-n(\d+)"', source)}


def hidden_count(caption: str, arrows: bool = False) -> int:
    """How many lines, or arrows, a caption says are not drawn."""
    _, _, items = caption.partition("not drawn: ")
    counts = re.findall(r"(\d[\d,]*) (\w+)", items)
    return sum(int(n.replace(",", "")) for n, noun in counts if noun.startswith("arrow") is arrows)


def label(source: str, svg_id: str) -> str:
    """The words of one node, tags removed."""
    (line,) = [line for line in source.splitlines() if f'id="{svg_id}"' in line]
    text = re.search(r"label=<(.*?)> (?:fillcolor|color|shape|style|tooltip|penwidth)", line)
    assert text
    return re.sub(r"<[^>]*>", " ", text[1]).strip()


TARGETS = {  # the golden set: file name, what is drawn, how
    "diamond": (diamond, {}),
    "diamond_backward": (diamond, {"view": "backward"}),
    "neuron_record": (GRAPHS["neuron"], {"style": "record"}),
    "own_loop": (own_loop, {}),
    "own_loop_compact": (own_loop, {"show": (), "rankdir": "TB"}),
    "own_loop_separate_dark": (own_loop, {"style": "separate", "theme": "dark", "legend": True}),
    "lstm_compact": (GRAPHS["LSTMCell"], {"show": ()}),
    "lstm_values": (GRAPHS["LSTMCell"], {"show": ("value", "grad")}),
    "gru_print": (GRAPHS["GRUCell"], {"show": (), "theme": "print"}),
    "vanishing_backward": (GRAPHS["vanishing"], {"view": "backward", "show": ()}),
    "vanishing_focus": (GRAPHS["vanishing"], {"focus": ("x2", "loss"), "show": ()}),
    "truncated": (GRAPHS["truncated"], {"show": ("grad",)}),
    "slope": (GRAPHS["slope"], {}),
    "lstm100_folded": (lambda: cell("LSTMCell", 100), {"show": ()}),
    "lstm100_rolled": (lambda: cell("LSTMCell", 100), {"show": (), "rolled": True}),
    "rnn24_rolled_sparkline": (lambda: cell("RNNCell", 24), {"show": ("grad",), "rolled": True}),
    "two_layers": (lambda: layer("LSTM", num_layers=2), {"show": ()}),
    "both_directions": (lambda: layer("LSTM", bidirectional=True), {"show": ()}),
    "modules": (GRAPHS["character model"], {"depth": 2}),
}


@pytest.mark.parametrize("name", TARGETS)
def test_the_text_is_the_golden_text(name):
    """Written anew by tests/draw/golden/write.py, after a look at the pictures."""
    output, options = TARGETS[name]
    assert draw(output(), **options).source == (GOLDEN / f"{name}.gv").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", GRAPHS)
def test_the_same_program_gives_the_same_text(name):
    assert draw(GRAPHS[name]()).source == draw(GRAPHS[name]()).source


@pytest.mark.parametrize("weights", ["ref", "line", "hide"])
@pytest.mark.parametrize("name", GRAPHS)
def test_every_line_and_argument_is_drawn_or_counted(name, weights):
    graph = Graph(GRAPHS[name]())
    drawing = draw(graph, weights=weights)
    missing = set(range(len(graph))) - nodes(drawing.source)
    tabled = {n for n in missing if _in_table(drawing, n)}
    assert len(missing - tabled) == hidden_count(drawing.caption)
    gone = {n for n in missing - tabled if graph.nodes[n].op is None}
    assert all(graph.nodes[n].kind == "parameter" for n in gone) and (not gone or weights == "hide")
    expected = [
        (root, line.number, argument)
        for line in graph.nodes
        if line.number not in missing or line.number in tabled
        for argument, operand in enumerate(line.inputs)
        if (root := _root(graph, operand, missing - tabled)) not in gone
    ]
    assert arrows(drawing.source) == sorted(expected)
    ends = [line for line in graph.nodes if line.number not in missing or line.number in tabled]
    lost = sum(len(line.inputs) for line in ends) - len(expected)
    assert lost == hidden_count(drawing.caption, arrows=True)


def _in_table(drawing, n):
    """Shared leaves stand in the table, and references name them as their root."""
    return re.search(rf'class="reference \w+ n{n}"', drawing.source) is not None


def _root(graph, n, hidden):
    while n in hidden and graph.nodes[n].op is not None:
        (n,) = graph.nodes[n].inputs
    return n


def test_x_times_x_has_two_arrows():
    x = leaf(3.0, "x")
    assert arrows(draw(x * x).source) == [(0, 1, 0), (0, 1, 1)]


def test_a_missing_gradient_is_a_dash_and_never_zero():
    used, unused = leaf(3.0, "used"), Tensor(2.0, name="unused")
    source = draw(used * unused).source
    assert label(source, "node-n0").endswith("∇ 2")
    assert label(source, "node-n1").endswith("∇ –")
    many = draw(leaf([1.0, 2.0], "x") * 2.0).source
    assert "∇ –" in many and "∇ 0" not in many


def test_a_seed_starts_the_gradient_of_several_numbers():
    source = draw(leaf([1.0, 2.0], "x") * 2.0, seed=[1.0, 10.0]).source
    assert "∇ 2 20" in label(source, "node-n0")


def test_drawing_leaves_every_grad_alone():
    x = leaf(3.0, "x")
    draw(x * x)
    assert x.grad is None


OTHERWISE = [{}, {"show": ()}, {"show": ("grad",), "theme": "dark"}, {"view": "backward"}]


@pytest.mark.parametrize("options", OTHERWISE, ids=str)
@pytest.mark.parametrize("name", GRAPHS)
def test_a_pattern_gives_what_each_line_would_be_by_itself(monkeypatch, name, options):
    output = GRAPHS[name]()
    if output.size > 1 and options.get("view") == "backward":
        output = output.sum()
    after_patterns = draw(output, fold=None, **options).source
    monkeypatch.setattr(Labeller, "kind", lambda self, n: None)
    assert draw(output, fold=None, **options).source == after_patterns


@pytest.mark.parametrize("name", ["50%", "%s", "%(x)d %%", MARKS.value, f"h{MARKS.t}", "{0}"])
def test_names_that_look_like_patterns_are_names(monkeypatch, name):
    def loop():
        h = leaf(0.5, "h0")
        for t in range(4):
            with tg.scope(t=t):
                h = tg.tanh(h * h)
                h.name = name
        return h

    after_patterns = draw(loop()).source
    monkeypatch.setattr(Labeller, "kind", lambda self, n: None)
    assert draw(loop()).source == after_patterns
    assert len(re.findall(f"<B>{re.escape(name)}</B>", after_patterns)) == 4


def test_a_folded_drawing_keeps_no_recorded_lines():
    """They are very many small objects, which Python's collector would look through."""

    def lines():
        return sum(type(x) is Line for x in gc.get_objects())

    before, drawing = lines(), draw(layer("LSTM", 100), fold=2)
    assert lines() - before < 300
    assert drawing.mermaid.startswith("---\ntitle: ")


@pytest.mark.parametrize("options", [{"fold": 2}, {"rolled": True}], ids=str)
def test_a_folded_drawing_keeps_nothing_of_the_steps_left_out(options):
    """The gradients of all steps would be more than three megabytes."""
    output = layer("LSTM", 400)
    draw(output, **options)
    tracemalloc.start()
    drawing = draw(output, **options)
    gc.collect()
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 1_000_000 and drawing.source  # of 4 million bytes


def test_all_texts_are_of_the_moment_of_drawing():
    w = leaf(2.0, "w")
    drawing, others = draw(w * w), draw(w * w)
    before = drawing.mermaid, drawing._plain()
    w.data = 3.0
    assert (others.mermaid, others._plain()) == before
    assert "value 2" in before[1] and "grad 4" in before[1]


def test_values_are_those_of_the_moment_of_drawing():
    x = leaf(3.0, "x")
    drawing = draw(x * x)
    with tg.no_grad():
        x -= 1.0
    assert label(drawing.source, "node-n0").split() == ["x", "3", "∇", "6"]


@pytest.mark.parametrize("kind", ["RNNCell", "LSTMCell", "GRUCell"])
def test_references_carry_the_gradient_of_their_step(kind):
    """Those of all steps add up to the gradient of the parameter, which stands in the table."""
    output = cell(kind)
    graph = Graph(output)
    plan = make_plan(graph, ("transpose", "split", "getitem"), "ref")
    gradients = graph.gradients()
    parameters = [line for line in graph.nodes if line.kind == "parameter"]
    assert {line.number for line in parameters} <= set(plan.table)
    for line in parameters:
        parts = [r for r in plan.references if r.root == line.number]
        assert [plan.steps[r.step].t for r in parts] == [1, 2, 3]
        arrays = [(r.gradient(gradients), graph.nodes[r.line].op) for r in parts]
        total = sum(array.T if op == "transpose" else array for array, op in arrays)
        np.testing.assert_allclose(total, gradients.lines[line.number], atol=1e-12)


def test_two_uses_in_one_step_are_one_reference_with_the_sum_of_both():
    w, s = leaf(0.5, "w"), Tensor(0.25, name="s0")
    for t in (1, 2):
        with tg.scope(t=t):
            s = tg.tanh(w * s) * w
    graph = Graph(s)
    plan, gradients = make_plan(graph, (), "ref"), graph.gradients()
    assert [len(r.links) for r in plan.references] == [2, 2]
    total = sum(r.gradient(gradients) for r in plan.references)
    np.testing.assert_allclose(total, gradients.lines[graph.number(w)], rtol=1e-12)


def test_a_zero_has_no_sign():
    assert label(draw(leaf(0.0, "x") * -1.0).source, "node-n2").split() == ["×", "0", "∇", "1"]


def test_a_slice_that_enters_a_step_has_its_own_value_and_gradient():
    graph = Graph(layer("LSTM"))
    gradients = graph.gradients()
    source = draw(graph).source
    for line in graph.nodes:
        if line.op == "getitem" and line.t is not None:
            words = label(source, f"ref-n{line.number}-s{line.t}")
            assert f"[{line.t}]" in words.replace(" ", "")
            assert f"{np.linalg.norm(gradients.lines[line.number]):.3g}" in words


def test_a_shared_line_that_moves_into_two_steps_from_inside_one_is_split_exactly():
    """W^T made in the first step and used again in the second: each gets its own part only."""
    W, s = leaf([[0.5, 0.1], [0.2, 0.3]], "W"), Tensor([1.0, 2.0], name="s0")
    with tg.scope(t=1):
        Wt = W.T
        s = s @ Wt
    with tg.scope(t=2):
        s = s @ Wt
    graph = Graph(s.sum())
    plan, gradients = make_plan(graph, ("transpose",), "ref"), graph.gradients()
    parts = [np.asarray(r.gradient(gradients)) for r in plan.references]
    assert len(parts) == 2 and not np.allclose(parts[0], parts[1])
    np.testing.assert_allclose((parts[0] + parts[1]).T, gradients.lines[graph.number(W)])


def test_states_are_what_crosses_whatever_their_names_are():
    source = draw(two_lanes()).source
    assert source.count('class="belt ') == 9  # p, q and the loss, into three steps
    assert 'class="belt ' not in draw(diamond()).source


@pytest.mark.parametrize("T, options", [(2, {}), (12, {}), (12, {"steps": [5]}),
                                        (12, {"rolled": True})])  # fmt: skip
def test_the_initial_state_is_called_the_same_in_every_view(T, options):
    """Where steps count from 0, h0 is what the first one makes, and not what it takes."""
    named = '<B>s</B><SUB><FONT POINT-SIZE="8.5">{}</FONT></SUB>'
    for first, below, never in ((0, "init", "0"), (1, "0", "init")):
        source = draw(own_loop(T, first=first), show=(), **options).source
        assert source.count(named.format(below)) == 1 and named.format(never) not in source


def test_the_initial_state_of_a_net_that_runs_backwards_alone_is_no_h0_either():
    h = Tensor(np.zeros(2), name="h0")
    for t in (2, 1, 0):
        with tg.scope(t=t):
            h = tg.tanh(h * 0.5)
            tg.label(h=h)
    source = draw(h, show=()).source
    assert source.count('<B>h</B><SUB><FONT POINT-SIZE="8.5">0</FONT></SUB>') == 1


def test_two_lines_of_one_name_are_told_apart_by_their_layer():
    source = draw(layer("RNN", bidirectional=True, num_layers=2), show=()).source
    titles = re.findall(r"<B>xW</B>(.*?)&#160;= ", source)
    marks = [re.sub(r"<[^>]*>", "", title) for title in titles]
    assert sorted(marks) == ["l0", "l0←", "l1", "l1←"]


def test_a_stack_of_states_is_called_after_them():
    source = draw(layer("RNN", 12), show=(), fold=None).source
    assert len(re.findall(r"label=<→ <B>h</B><SUB>[^>]*>0…11<", source)) == 12
    (stack,) = [row for row in source.splitlines() if "= stack>" in row]
    assert "<B>h</B>" in stack and ">0…11<" in stack


def test_a_shared_parameter_says_whether_all_its_uses_are_in_steps():
    w, h = leaf(0.5, "w"), leaf(0.25, "h0")
    for t in range(1, 4):
        with tg.scope(t=t):
            h = tg.tanh(h * w)
    inside = draw(h, show=("grad",)).source
    outside = draw(h * w, show=("grad",)).source
    both = [re.search(r"∇ [-.\de]+ = Σₜ [▁-█]+(.*?)<", text)[1] for text in (inside, outside)]
    assert both == ["", " + outside"]


def test_initial_states_in_one_tensor_are_no_sum_over_time():
    source = draw(layer("RNN", num_layers=2), show=("grad",)).source
    (table,) = [row for row in source.splitlines() if 'id="shared"' in row]
    first, *others = table.split("<TR>")[2:]
    assert ">init<" in first and ["= Σₜ" in row for row in (first, *others)] == [False, True, True]


def test_two_parameters_of_one_name_are_told_apart():
    source = draw(GRAPHS["character model"]()).source
    assert "<B>emb.weight</B>" in source and "<B>head.weight</B>" in source


def test_what_merges_or_looks_up_or_has_a_name_is_not_hidden():
    E, x = leaf(np.eye(3), "E"), leaf([1.0, 2.0], "x")
    named = x[0:1]
    named.name = "first"
    drawing = draw(tg.concatenate([E[np.array([0, 2])][0], named, x[1:2]]).sum())
    assert drawing.caption == "not drawn: 2 getitem"


def test_an_operation_to_hide_has_to_be_one():
    with pytest.raises(ValueError, match="no operation 'foo' to hide: there are getitem, split"):
        draw(diamond(), hide=["foo"])
    with pytest.raises(ValueError, match=r"'tahn' to hide: did you mean 'tanh'\?"):
        draw(diamond(), hide=("getitem", "tahn"))
    with pytest.raises(ValueError, match="no operation 3 to hide"):
        draw(diamond(), hide=[3])

    @tg.primitive
    def turned(x):
        return -x

    turned.gradients(lambda g, out, x: -g)
    drawing = draw(turned(leaf(1.0, "x")) * 2.0, hide=["turned", "tanh"])
    assert drawing.caption == "not drawn: 1 turned"


def test_show_and_compact_labels():
    source = draw(diamond(), show=()).source
    assert "∇" not in re.sub(r'tooltip="[^"]*"', "", source) and "TABLE" not in source
    source = draw(neuron := GRAPHS["neuron"](), show=()).source
    assert source.count('shape="circle"') == 4 and neuron.name == "o"
    assert "2×2" in draw(leaf(np.eye(2), "W").sum(), show=("shape",)).source


NASTY = [
    'a"b', "<b>", "x & y", "&lt;", "back\\slash", "\\N", "two\nlines", "한글", "🙂", "", " ",
    "\x00\x1b", "<script>alert(1)</script>", '"]; evil [label="', "]; n0 -> n1 [", "-->", "\ud800",
    "{|}", "%",
]  # fmt: skip


@pytest.mark.parametrize("name", NASTY)
def test_names_stay_text(name):
    """No name adds a statement: only the words differ from those of a tame one."""

    def statements(name):
        a = leaf(1.0, name)
        b = a * a
        b.name = name
        for t in (1, 2):
            with tg.scope(name or "m"), tg.scope(t=t):
                b = b * a
        text = draw(b).source
        return [re.sub(r'"[^"]*"|(?<==)<.*?>(?= \w+=|\])', "_", line) for line in text.splitlines()]

    def shape(name):
        return [line.split("[")[0] for line in statements(name)]

    assert shape(name) == shape("tame")


@pytest.mark.parametrize(
    "options, message",
    [
        ({"theme": "neon"}, 'theme is one of "light"'),
        ({"rankdir": "RL"}, "rankdir is"),
        ({"show": ("values",)}, "show is any of"),
        ({"show": "value"}, "show is any of"),
        ({"weights": "table"}, "weights is"),
        ({"hide": "getitem"}, "hide is a collection"),
        ({"max_nodes": 2}, "max_nodes=3"),
    ],
)
def test_unknown_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        draw(diamond(), **options)


def test_too_large_a_graph_is_refused_with_its_number_of_steps():
    with pytest.raises(ValueError, match=r"in 30 time steps: draw a shorter sequence"):
        draw(layer("LSTM", 30), max_nodes=200, fold=None)


@pytest.mark.slow
def test_100_000_operations_are_written():
    y = leaf(1.0, "x")
    for _ in range(50_000):
        y = (y * 1.00001).reshape(1).reshape(())
    drawing = draw(y, max_nodes=10**6, fold=None)
    assert drawing.caption == "not drawn: 99,999 reshape"
    assert drawing.source.count("to-n") == 2 * 50_000 + 1


def test_the_text_of_many_steps_is_linear_in_their_number():
    def work(T):
        graph = Graph(own_loop(T))
        return calls_of(lambda: draw(graph, max_nodes=10**6, fold=None))

    work(10)
    assert work(1000) < 10.5 * work(100)


@pytest.mark.parametrize(
    "options, most",
    [({"show": (), "fold": None}, 135), ({"fold": None}, 165), ({"fold": 2}, 68)],
    ids=str,
)
def test_a_line_takes_few_calls(options, most):
    """From the Tensor to the text, the walk back included, for each recorded line."""
    output = layer("LSTM", 100)
    lines = len(Graph(output))
    assert calls_of(lambda: draw(output, max_nodes=10**6, **options)) < most * lines


def test_the_text_of_1000_steps_of_an_lstm():
    drawing = draw(layer("LSTM", 1000), max_nodes=10**6, fold=None)
    assert drawing.source.count("subgraph cluster_s") == 1000


# ---------------------------------------------------------------- time or depth
def classes(drawing) -> dict[str, str]:
    """The class of each node of a Mermaid text, by its first word."""
    return dict(re.findall(r'"([^"<\n]+)(?:<br/>[^"\n]*)?"[^:\n]*:::(\w+)', drawing.mermaid))


def mlp(depth: int) -> Tensor:
    rng, h = np.random.default_rng(0), Tensor(np.ones((2, 4)), name="x")
    for k in range(depth):
        h = tg.tanh(h @ leaf(rng.normal(size=(4, 4)), f"W{'abcdefghijklmno'[k]}"))
    return tg.mean(h)


@pytest.mark.parametrize("options", [{}, {"fold": None}, {"rolled": True}], ids=str)
@pytest.mark.parametrize("depth", [5, 12])
def test_a_deep_net_of_ones_own_is_not_drawn_as_time(depth, options):
    drawing = draw(mlp(depth), show=(), **options)
    found = classes(drawing)
    weights = {name: kind for name, kind in found.items() if name.startswith("W")}
    assert weights and set(weights.values()) == {"parameter"}
    assert found["x"] == "input"
    assert "subgraph" not in drawing.mermaid and "t = " not in drawing.source


@pytest.mark.parametrize("options", [{}, {"fold": 1}], ids=str)
@pytest.mark.parametrize("scoped, kind", [(True, "input"), (False, "parameter")])
def test_only_a_scope_makes_a_leaf_with_a_gradient_the_input_of_a_step(scoped, kind, options):
    w, h = leaf(0.5, "w"), Tensor(0.0, name="h0")
    for t in range(1, 6):
        with tg.scope(t=t) if scoped else nullcontext():
            h = tg.tanh(h * w + leaf(0.1 * t, "x"))
    graph = Graph(h.sum())
    drawing = draw(graph, **options)
    assert classes(drawing)["x₁"] == kind and "t = 1" in drawing.source
    thin = graph.fold(1)
    again = draw(Graph.from_json(thin.to_json()))
    assert again.source == draw(thin).source


def test_a_loss_outside_of_the_scope_leaves_the_steps_scoped():
    w, h, loss = leaf(0.5, "w"), Tensor(0.0, name="h0"), 0.0
    for t in range(1, 5):
        with tg.scope(t=t):
            h = tg.tanh(h * w + leaf(0.1 * t, "x"))
        loss = loss + h * h
    assert isinstance(loss, Tensor)
    assert classes(draw(loss))["x₁"] == "input"


def test_an_initial_state_that_the_steps_take_as_well_is_drawn():
    """Its belt started from a node that no statement had made: a box called n0."""
    x = tg.Tensor(0.5, requires_grad=True, name="x")
    h = x
    for t in range(4):
        with tg.scope(t=t):
            h = tg.tanh(h * x)
            tg.label(h=h)
    source = tg.draw(h).source
    made = set(re.findall(r"^(\w+) \[", source, re.MULTILINE))
    used = {end for line in source.splitlines() if " -> " in line and "{" not in line
            for end in re.findall(r"\b\w+\b", line.partition("[")[0])}  # fmt: skip
    assert used and used <= made


@pytest.mark.parametrize(
    "options, error, message",
    [
        ({"show": 5}, ValueError, "show is any of .* given 5"),
        ({"hide": None}, ValueError, "hide is a collection .* given None"),
        ({"steps": 3}, ValueError, r"steps are several .* \[1, 2, 50\]; given 3"),
        ({"steps": ["a"]}, ValueError, "steps are whole numbers"),
        ({"steps": [1], "fold": 1}, ValueError, "steps= says which .* give one"),
        ({"focus": 3}, ValueError, "focus is .* given 3"),
        ({"max_nodes": "5"}, ValueError, "max_nodes is how many .* given '5'"),
        ({"legend": "no"}, ValueError, "legend is True or False; given 'no'"),
        ({"rolled": "no"}, ValueError, "rolled is True or False; given 'no'"),
        ({"depth": True}, ValueError, "depth counts .* given True"),
    ],
    ids=str,
)
def test_bad_arguments_are_named(options, error, message):
    with pytest.raises(error, match=message):
        draw(diamond(), **options)


@pytest.mark.parametrize("given", [3, None, "x", [leaf(1.0, "a"), 3]], ids=str)
def test_what_is_no_tensor_is_not_drawn(given):
    with pytest.raises(TypeError, match="draw takes a Tensor, several, or a Graph; given"):
        draw(given)


@pytest.mark.parametrize("timeout", [0, -1, "5", None, True])
def test_a_timeout_is_a_number_of_seconds(timeout):
    with pytest.raises(ValueError, match="timeout is a number of seconds, more than 0; given"):
        draw(diamond()).pipe("svg", timeout=timeout)


def test_advice_is_of_what_would_help():
    a = leaf(3.0, "a")
    with pytest.raises(ValueError, match="max_nodes=2") as refused:
        draw(a * a, max_nodes=1)
    assert not re.search("depth|fold=|rolled", str(refused.value))
    assert "No part of it folds: no stretch of operations comes three" in str(refused.value)
    with pytest.raises(ValueError, match="depth=1 for boxes"):
        draw(cell("LSTMCell"), max_nodes=5, depth=3)
    with pytest.raises(ValueError) as refused:
        draw(GRAPHS["character model"](), max_nodes=1, depth=1)
    assert "depth" not in str(refused.value)


@pytest.mark.parametrize("style", ["merged", "separate", "record"])
def test_a_name_of_white_space_is_drawn(style):
    for name in ("\t", "\t\n", " ", "\n"):
        x = leaf([1.0, 2.0], name)
        with tg.scope(name):
            y = x * x
        y.name = name
        for options in ({}, {"depth": 1}):
            assert b"<svg" in draw(y.sum(), style=style, **options).pipe("svg")


def test_a_caption_says_why_there_are_no_gradients():
    x = leaf([1.0, 2.0], "x")
    assert draw(x * 2.0).caption == (
        "no gradients: the output is 2 and no single number, so pass seed="
    )
    assert draw([x.sum(), x * x]).caption == (
        "no gradients: they start at one output, and there are 2"
    )
    assert draw(x * 2.0, seed=[1.0, 1.0]).caption == draw(x.sum()).caption == ""
    assert draw(Tensor([1.0, 2.0]) * 2.0).caption == draw(x * 2.0, show=()).caption == ""


def test_names_obey_no_terminal():
    x = leaf(2.0, "x\nn1  = evil(n0)  99\x1b[31m")
    with tg.scope("mod\n# t=9\x1b[2J"):
        y = x * x
    graph = Graph(y)
    texts = [
        graph.listing(),
        str(graph.summary()),
        repr(draw(y, focus=x)),
        draw(y, focus=x).caption,
    ]
    for text, rows in zip(texts, (3, 4, 1, 1), strict=True):
        assert "\x1b" not in text and len(text.splitlines()) == rows
