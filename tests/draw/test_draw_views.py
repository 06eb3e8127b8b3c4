"""The other views: backwards, in parts, by modules, one way only; each accounts for every line."""

import re
from itertools import pairwise
from math import log10

import numpy as np
import pytest
from drawn_graphs import (
    GRAPHS,
    cell,
    char_model,
    diamond,
    leaf,
    own_loop,
    slope_of_steps,
    truncated,
    vanishing,
)

import tinygrad_rnn as tg
from tinygrad_rnn import Tensor, nn
from tinygrad_rnn.draw import draw
from tinygrad_rnn.draw.arrows import THINNEST, WIDEST
from tinygrad_rnn.draw.labels import bars
from tinygrad_rnn.draw.theme import THEMES
from tinygrad_rnn.program import Graph

ARROW = re.compile(r'^(\w+) -> (\w+) \[class="from-n(\d+) to-n(\d+) argument-(\d+)"(.*)\]$', re.M)
VIEWS = [
    {"view": "backward"},
    {"style": "separate"},
    {"style": "record"},
    {"focus": "loss"},
    {"theme": "dark", "legend": True},
    {"weights": "line", "view": "backward", "style": "separate"},
]


def arrows(source: str) -> dict[tuple[int, int], tuple[int, dict[str, str]]]:
    """By (child, argument) the source of each arrow, and its attributes."""
    found = {}
    for _, _, origin, child, argument, rest in ARROW.findall(source):
        edge = int(child), int(argument)
        assert edge not in found
        values = dict(re.findall(r'(\w+)="([^"]*)"', rest))
        number = re.search("label=<.*<TD>(.*)</TD>", rest)
        values |= {"label": number[1]} if number else {}
        found[edge] = int(origin), values
    return found


def nodes(source: str) -> set[int]:
    return {int(n) for n in re.findall(r'id="node-n(\d+)"', source)}


def statement(source: str, svg_id: str) -> str:
    (line,) = [line for line in source.splitlines() if f'[id="{svg_id}"' in line]
    return line


def words(source: str, svg_id: str) -> str:
    label = re.search(r"label=<(.*?)> \w+=", statement(source, svg_id))
    assert label
    return " ".join(re.sub(r"<[^>]*>", " ", label[1]).split())


# ---------------------------------------------------------------- every view
@pytest.mark.parametrize("options", VIEWS, ids=lambda o: "-".join(map(str, o.values())))
@pytest.mark.parametrize("name", ["diamond", "vanishing", "truncated", "LSTM", "character model"])
def test_a_view_draws_the_same_nodes_and_arrows_as_the_plain_one(name, options):
    graph = Graph(GRAPHS[name]())
    if "focus" in options and name == "diamond":
        options = {"focus": "d"}
    kept = {"weights": options["weights"]} if "weights" in options else {}
    plain, view = draw(graph, **kept).source, draw(graph, **options).source
    assert nodes(view) == nodes(plain)
    assert {e: s for e, (s, _) in arrows(view).items()} == {
        e: s for e, (s, _) in arrows(plain).items()
    }


# ---------------------------------------------------------------- backwards
def test_thickness_is_the_logarithm_of_the_gradient_on_the_arrow():
    graph = Graph(vanishing())
    gradients = graph.gradients()
    drawing = draw(graph, view="backward", show=())
    sizes = {e: abs(float(g)) for e, g in gradients.edges.items()}
    largest = max(sizes.values())
    (tenth,) = map(float, re.findall(r"a tenth of it is ([\d.]+) pt", drawing.caption))
    assert f"widest arrow: |∇| = {largest:.3g};" in drawing.caption
    found = arrows(drawing.source)
    assert set(found) == set(sizes)
    for edge, (_, values) in found.items():
        assert values["dir"] == "back" and values["color"] == "#B0307A"
        assert values["edgetooltip"] == f"|∇| = {sizes[edge]:.3g}"
        width = float(values["penwidth"])
        if sizes[edge]:
            expected = WIDEST + tenth * log10(sizes[edge] / largest)
            assert width == pytest.approx(max(expected, THINNEST), abs=0.1)
        else:
            assert width == THINNEST


def test_a_gradient_that_vanishes_is_seen_to_vanish():
    source = draw(vanishing(), view="backward", show=()).source
    belts = re.findall(r'class="belt from-n\d+ into-s(\d+)".*?penwidth="([\d.]+)"', source)
    widths = [float(width) for _, width in sorted(belts, key=lambda belt: int(belt[0]))]
    assert len(widths) == 6 and all(a < b for a, b in pairwise(widths))
    assert widths[0] < widths[-1] / 2


def test_a_belt_is_as_thick_as_all_its_takers_together():
    w, s = leaf(2.0, "w"), leaf(0.5, "s0")
    for t in (1, 2):
        with tg.scope(t=t):
            s = s * w + s  # 2 and 1 come back over two arrows: 3 over the belt
    source = draw(s, view="backward").source
    tooltips = re.findall(r'class="belt .*?edgetooltip="\|∇\| = ([\d.]+)"', source)
    assert sorted(map(float, tooltips)) == [3.0, 9.0]


def test_no_gradient_is_no_arrow_backwards():
    x, k = leaf(3.0, "x"), Tensor(2.0, name="k")
    found = arrows(draw(x * k, view="backward").source)
    assert found[2, 0][1]["dir"] == "back"
    assert found[2, 1][1]["dir"] == "none" and found[2, 1][1]["edgetooltip"] == "no gradient"


def test_the_diamond_shows_the_sum_of_its_uses():
    source = draw(diamond(), view="backward").source
    assert words(source, "node-n0") == "a 3 ∇ 3 + 3 + 6 = 12"
    labels = {edge: values["label"] for edge, (_, values) in arrows(source).items()}
    assert labels == {(1, 0): "3", (1, 1): "3", (2, 0): "6", (2, 1): "3"}


@pytest.mark.parametrize("theme", THEMES)
def test_the_number_on_an_arrow_has_a_ground_of_its_own(theme):
    """The arrow would run through its sign."""
    drawing = draw(leaf(3.0, "x") - leaf(2.0, "y"), view="backward", theme=theme)
    ground = f'BGCOLOR="{THEMES[theme].background}"><TR><TD>-1</TD>'
    assert ground in drawing.source


def test_signs_in_a_sum_are_written_once():
    x = leaf(3.0, "x")
    assert words(draw(x * 5.0 - x, view="backward").source, "node-n0") == "x 3 ∇ 5 - 1 = 4"


def test_the_backward_view_of_a_gradient_of_all_zeros():
    x = leaf(0.0, "x")
    found = arrows(draw(x * x, view="backward").source)
    assert {values["penwidth"] for _, values in found.values()} == {f"{THINNEST:.2f}"}


@pytest.mark.parametrize("graph", [Graph(leaf([1.0, 2.0], "x") * 2.0), Graph(diamond(), diamond())])
def test_backwards_needs_a_start(graph):
    with pytest.raises(ValueError, match="backward view needs a gradient to start from"):
        draw(graph, view="backward")


def test_a_cut_is_seen_from_both_sides():
    source = draw(truncated(), view="backward").source
    (leaf_number,) = re.findall(r'id="node-n(\d+)" class="cut"', source)
    assert 'shape="octagon"' in statement(source, f"node-n{leaf_number}")
    assert len(re.findall(rf'class="cut from-n\d+ to-n{leaf_number}" style="dashed"', source)) == 1
    taken = [v for origin, v in arrows(source).values() if origin == int(leaf_number)]
    assert [values["dir"] for values in taken] == ["none"]


# ---------------------------------------------------------------- styles
@pytest.mark.parametrize("style", ["separate", "record"])
def test_each_operation_has_a_circle_and_a_result(style):
    graph = Graph(GRAPHS["neuron"]())
    source = draw(graph, style=style).source
    for line in graph.nodes:
        made = f"op_n{line.number} -> n{line.number} " in source
        assert made == (line.op is not None) == (f'id="op-n{line.number}"' in source)
        heads = re.findall(rf'-> (\w+) \[class="from-n\d+ to-n{line.number} ', source)
        assert set(heads) <= {f"op_n{line.number}"} and len(heads) == len(line.inputs)


def test_a_record_has_name_data_and_grad_with_four_decimals():
    source = draw(GRAPHS["neuron"](), style="record").source
    assert words(source, "node-n0") == "x 1 data 2.0000 grad -1.4999"
    assert "<VR/>" in statement(source, "node-n0")
    assert words(draw(GRAPHS["neuron"](), style="record", show=()).source, "node-n0") == "x 1"


# ---------------------------------------------------------------- themes, legend
def test_only_forms_that_occur_are_explained():
    source = draw(own_loop(), legend=True).source
    assert set(re.findall(r'id="legend-(\w+)"', source)) == {
        "input", "state", "op", "output", "reference",
    }  # fmt: skip
    assert "legend" not in draw(own_loop()).source


def test_the_legend_explains_every_class():
    from tinygrad_rnn.draw.legend import MEANINGS
    from tinygrad_rnn.draw.theme import THEMES

    assert all(set(theme.nodes) == set(MEANINGS) for theme in THEMES.values())


# ---------------------------------------------------------------- modules
@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize(
    "name", ["character model", "LSTM", "LSTM, both directions", "LSTMCell", "GRU", "slope"]
)
def test_every_line_and_arrow_is_drawn_or_in_a_box(name, depth):
    graph = Graph(GRAPHS[name]())
    drawing = draw(graph, depth=depth, max_nodes=10**4)
    counts = {what: int(n) for n, what in re.findall(r"(\d+) ([\w ]+)", drawing.caption)}
    drawn = nodes(drawing.source)
    tabled = {int(n) for n in re.findall(r'class="reference \w+ n(\d+)"', drawing.source)}
    in_boxes = sum(
        counts.get(f"{k}{s} in boxes", 0)
        for k in ("operation", "parameter", "constant")
        for s in ("", "s")
    )
    movements = sum(n for what, n in counts.items() if "boxes" not in what)
    assert len(drawn | tabled) + in_boxes + movements == len(graph.nodes)
    arguments = sum(len(line.inputs) for line in graph.nodes) - movements  # each has one operand
    inner = sum(counts.get(f"arrow{s} in boxes", 0) for s in ("", "s"))
    assert len(arrows(drawing.source)) + inner == arguments


def test_a_box_says_what_is_in_it():
    source = draw(char_model(), depth=2).source
    boxes = re.findall(r'id="(node-n\d+)" class="module"', source)
    assert [words(source, box).split()[0] for box in boxes] == ["emb", "rnn", "head"]
    rnn = words(source, boxes[1])
    assert "4 time steps" in rnn and "4 parameters: 144" in rnn  # 4·4·(3 + 4) + 2·16


def test_a_box_of_cells_stays_in_its_time_step():
    source = draw(cell("LSTMCell"), depth=1).source
    steps = re.findall(r"subgraph cluster_s\d+ \{(.*?)^\}", source, re.S | re.M)
    assert [step.count('class="module"') for step in steps] == [1, 1, 1]
    assert source.count('class="belt ') == 4  # h0, c0, and twice what a cell hands on


def test_arrows_into_boxes_carry_the_sum_of_what_they_stand_for():
    x = leaf(3.0, "x")
    with tg.scope("Net"):
        y = x * 2.0 + x * 5.0
    found = arrows(draw(y * 1.0, depth=1, view="backward").source)
    assert [v["edgetooltip"] for origin, v in found.values() if origin == 0] == ["|∇| = 7"]


def test_a_module_called_twice_is_two_boxes_without_a_circle():
    x = leaf(3.0, "x")
    with tg.scope("Net"):
        y = x * 2.0
    y = y + x
    with tg.scope("Net"):
        y = y * y
    source = draw(y, depth=1).source
    assert source.count('class="module"') == 1 and 'class="output"' in source
    assert all(origin < child for (child, _), (origin, _) in arrows(source).items())


# ---------------------------------------------------------------- one way only
def test_focus_counts_the_ways():
    a, b = leaf(1.0, "a"), leaf(2.0, "b")
    y = a
    for _ in range(60):
        y = y + y  # 2 ways more each time: 2^60 in all
    end = y * b
    end.name = "end"
    assert draw(end, focus=(a, end)).caption == f"from a to end: {2**60:,} ways"
    assert draw(end, focus=("b", "end")).caption == "from b to end: 1 way"


def test_focus_is_on_what_lies_between_and_nothing_else():
    graph = Graph(vanishing())
    source = draw(graph, focus=("x2", "loss"), show=()).source
    pale = {int(n) for n in re.findall(r'id="node-n(\d+)".*color="#D6D6D6"', source)}
    (x2,) = [line.number for line in graph.nodes if line.name == "x2"]
    after = {x2}
    for line in graph.nodes:
        if after & set(line.inputs):
            after.add(line.number)
    assert nodes(source) - pale == after
    for (child, _), (origin, values) in arrows(source).items():
        on_the_way = origin in after and child in after
        assert (values.get("penwidth") == "2.6") == on_the_way
        assert (values.get("color") == "#D6D6D6") != on_the_way


def test_others_are_left_out_and_counted():
    graph = Graph(vanishing())
    pale = draw(graph, focus=("x2", "loss"), others="pale")
    drawing = draw(graph, focus=("x2", "loss"), others="hide")
    left = len(graph.nodes) - len(nodes(drawing.source))
    lost = len(graph.edges) - len(arrows(drawing.source))
    words = f"{lost} arrows out of focus, {left} lines out of focus"
    assert lost > 0 and drawing.caption == f"from x2 to loss: 2 ways; not drawn: {words}"
    assert "D6D6D6" in pale.source and "D6D6D6" not in drawing.source


def test_a_single_tensor_in_focus_shows_its_uses():
    graph = Graph(cell("LSTMCell"))
    source = draw(graph, focus="weight_hh").source
    bright = [line for line in source.splitlines() if 'id="ref-' in line and "#D6D6D6" not in line]
    assert len(bright) == 3 and all("W_hh" in line for line in bright)


def test_a_name_as_it_is_drawn_is_understood():
    graph = Graph(cell("LSTMCell"))
    for shown, name in (("W_hh", "weight_hh"), ("h_init", "h0"), ("c_init", "c0")):
        assert shown.replace("_init", "") in draw(graph).source
        found = draw(graph, focus=shown).source
        assert found == draw(graph, focus=name).source.replace(
            f"uses of {name}", f"uses of {shown}"
        )


def test_names_of_a_loop_are_found_with_their_step():
    s = leaf(0.5, "s0")
    for t in (1, 2):
        with tg.scope(t=t):
            s = s * Tensor(2.0, name="x")
            s.name = "s"
    drawing = draw(s, focus=("x2", "s"), others="hide")
    assert len(nodes(drawing.source)) == 2 and drawing.caption.startswith(
        "from x2 to s (n4, t = 2): 1"
    )


@pytest.mark.parametrize(
    "focus, message",
    [
        (("nothing", "d"), "no line is called 'nothing'; there are 'a', 'b', 'd'"),
        (("d", "a"), "a was not made from d"),
        ((), "focus is"),
        (("a", "b", "d"), "focus is"),
        (3, "not iterable|focus is"),
        (leaf(1.0, "stranger"), "stranger.* is not part of this graph"),
    ],
)
def test_what_cannot_be_focused_on_is_refused(focus, message):
    with pytest.raises((ValueError, TypeError), match=message):
        draw(diamond(), focus=focus)


# ---------------------------------------------------------------- gradients of gradients
def test_what_the_walk_back_made_is_told_apart():
    x = leaf(0.5, "x")
    y = tg.tanh(x) * x
    primal = len(Graph(y).nodes)
    graph = Graph(tg.grad(y, x, create_graph=True) * 1.0)
    source = draw(graph).source
    walked = {int(n) for n in re.findall(r'id="node-n(\d+)" class="derivative"', source)}
    made = {line.number for line in graph.nodes if line.op and line.scope[:1] == ("gradient",)}
    assert graph.nodes[max(made)].op == "add"  # of what came back over both uses of x
    (seed,) = (line.number for line in graph.nodes if line.kind == "input")
    assert walked == made | {seed}
    assert primal == 3 and all(
        'style="filled,dotted"' in statement(source, f"node-n{n}") for n in walked
    )


def test_steps_of_a_walk_back_have_boxes_of_their_own():
    w = leaf(0.5, "w")
    s = Tensor(0.25, name="s0")
    for t in (1, 2):
        with tg.scope(t=t):
            s = tg.tanh(w * s)
    source = draw(tg.grad(s, w, create_graph=True)).source
    titles = re.findall(r"<B>((?:\w+: )?t = \d)</B>", source)
    assert titles == ["t = 1", "t = 2", "gradient: t = 2", "gradient: t = 1"]
    assert source.count('style="rounded,dotted"') == 2


# ---------------------------------------------------------------- a weight over time
def test_bars_are_the_contributions_of_the_steps():
    graph = Graph(vanishing())
    source = draw(graph).source
    (row,) = re.findall(r"W_hh.*?Σₜ ([▁▂▃▄▅▆▇█]+)", statement(source, "shared"))
    gradients = graph.gradients()
    (w,) = [line.number for line in graph.nodes if line.name == "W_hh"]
    sizes = [abs(float(gradients.edges[edge])) for edge in sorted(graph.uses()[w])]
    assert row == bars(sizes) and row[0] == "▁" and "█" in row


def test_bars_of_many_steps_are_gathered_and_odd_numbers_give_none():
    assert len(bars([1.0] * 1000)) <= 40 and len(bars([0.0, 1.0])) == 2
    assert bars([1.0]) == bars([0.0, 0.0]) == bars([np.nan, 1.0]) == bars([np.inf, 1.0]) == ""


def test_sums_of_slices_and_of_products_belong_to_the_walk_back():
    x = leaf(np.ones((2, 1, 2)), "x")
    output, _ = nn.LSTM(2, 2, rng=0)(x)
    g = tg.grad((output * output).sum(), x, create_graph=True)
    graph = Graph((g * g).sum())
    source = draw(graph).source
    gathered = [n for n in graph.nodes if n.op in ("scatter", "sum_of_products")]
    assert gathered
    assert all('class="derivative"' in statement(source, f"node-n{n.number}") for n in gathered)
    assert "gradient / LSTM / layer0: t = 1" in source


def test_what_a_walk_back_takes_from_the_steps_stands_in_its_own_steps_by_reference():
    """An arrow from t = 1 to the gradient at t = 1 would cross all that lies between."""
    graph = Graph(slope_of_steps(6))
    source = draw(graph, show=()).source
    rows = source.splitlines()
    box, boxes = None, {}
    for row in rows:
        box = row if row.startswith("subgraph") else None if row == "}" else box
        found = re.match(r"(\w+) \[", row)
        if found and box:
            boxes[found[1]] = box
    titles = {box: rows[rows.index(box) + 1] for box in boxes.values()}
    ends = re.findall(r"^(\w+) -> (\w+) \[class=.from-n", source, re.MULTILINE)
    inside = [(boxes[a], boxes[b]) for a, b in ends if a in boxes and b in boxes]
    assert len(inside) > 40 and all(a == b for a, b in inside)
    assert sum("gradient" in title for title in titles.values()) == 6


def test_a_rolled_walk_back_says_no_wrong_step_of_what_it_takes():
    source = draw(slope_of_steps(12), show=(), rolled=True).source
    rows = [row for row in source.splitlines() if re.match(r"ref_n\d+_s\d+ -> ", row)]
    assert rows and not any("t = 12" in row for row in rows)


def test_all_that_a_walk_back_records_is_under_gradient():
    """Also where several uses of a line meet, and where a broadcast is undone."""
    x, b = leaf(np.ones((3, 2)), "x"), leaf(np.ones(2), "b")
    y = (tg.tanh(x * x) + b) * x
    first = tg.grad(y.sum(), (x, b), create_graph=True)
    graph = Graph((first[0] * first[0]).sum() + (first[1] * first[1]).sum())
    ours = [line.number for line in graph.nodes if line.op and line.scope[:1] != ("gradient",)]
    operations = [str(graph.nodes[n].op) for n in ours]
    assert operations == [
        "multiply", "tanh", "add",  # of y what its gradients take
        "multiply", "sum", "multiply", "sum", "add",  # made of them
    ]  # fmt: skip
    assert graph.listing().count("# gradient") == 1


@pytest.mark.parametrize("name", ["LSTM", "GRU", "diamond", "character model", "truncated"])
@pytest.mark.parametrize("options", [{"weights": "hide"}, {"others": "hide"}], ids=str)
def test_arrows_that_go_with_what_is_left_out_are_counted(name, options):
    graph = Graph(GRAPHS[name]())
    if "others" in options:
        options = {**options, "focus": graph.nodes[graph.ends[0]].inputs and _ends_of(graph)}
    drawing = draw(graph, hide=(), fold=None, max_nodes=10**4, **options)
    counts = re.findall(r"(\d[\d,]*) arrows? (?:out of|from)", drawing.caption)
    lost = sum(int(count.replace(",", "")) for count in counts)
    assert len(arrows(drawing.source)) + lost == len(graph.edges)


def _ends_of(graph: Graph) -> tuple[Tensor, Tensor]:
    """A leaf that needs a gradient, and the output."""
    leaf_ = next(line.tensor for line in graph.nodes if line.kind == "parameter")
    return leaf_, graph.outputs[0]
