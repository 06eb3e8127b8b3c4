"""Folded and rolled pictures: all is drawn or counted, lanes stay straight, and auto means auto."""

import re
import shlex
import shutil
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from drawn_graphs import cell, char_model, diamond, layer, leaf, own_loop, two_lanes
from work import calls_of

import tinygrad_rnn as tg
from tinygrad_rnn import Tensor, nn
from tinygrad_rnn.draw import draw
from tinygrad_rnn.draw.labels import bars
from tinygrad_rnn.program import Graph

has_dot = pytest.mark.skipif(shutil.which("dot") is None, reason="needs the program dot")
ARROW = re.compile(r'class="from-n(\d+) to-n(\d+) argument-(\d+)"')


def losses(T: int) -> Tensor:
    """A loss at every step, outside of its scope, added up after the loop."""
    rng, step, h, parts = np.random.default_rng(0), nn.RNNCell(2, 3, rng=0), None, []
    h = Tensor(np.zeros((1, 3)), name="h0")
    for t in range(T):
        with tg.scope(t=t):
            h = step(Tensor(rng.normal(size=(1, 2)), name="x"), h)
        parts.append(((h - 0.1) ** 2).sum())
    loss = sum(parts[1:], parts[0])
    tg.label(loss=loss)
    return loss


def cuts(T: int) -> Tensor:
    """Truncated BPTT in one graph: the state is cut every five steps, and each step has a loss."""
    w, s, total, KEPT[:] = leaf(0.5, "w"), Tensor(0.25, name="s0"), 0.0, []
    for t in range(T):
        with tg.scope(t=t):
            s = tg.tanh(Tensor(0.2 * t, name=f"x{t}") + w * s)
            tg.label(s=s)
            total = total + s * s
        KEPT.append(s)
        if t % 5 == 4:
            s = s.detach()
    assert isinstance(total, Tensor)
    return total


KEPT: list[Tensor] = []  # a cut knows where from only as long as that lives

LONG = {
    "RNNCell": lambda: cell("RNNCell", 14),
    "LSTMCell": lambda: cell("LSTMCell", 14),
    "GRUCell": lambda: cell("GRUCell", 14),
    "LSTM": lambda: layer("LSTM", 14),
    "two layers": lambda: layer("LSTM", 14, num_layers=2),
    "both directions": lambda: layer("GRU", 14, bidirectional=True),
    "own loop": lambda: own_loop(14),
    "two lanes": lambda: two_lanes(14),
    "character model": lambda: char_model(14),
    "cuts": lambda: cuts(14),
    "losses": lambda: losses(14),
}
WAYS = {"fold": {"fold": 2}, "roll": {"rolled": True}, "steps": {"steps": (5, 6)}}


def arrows(source: str) -> list[tuple[int, ...]]:
    return sorted(tuple(map(int, found)) for found in ARROW.findall(source))


def thinned(graph: Graph, way: str) -> Graph:
    if way == "roll":
        return graph.roll()
    return graph.fold(2) if way == "fold" else graph.fold(steps=(5, 6))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", LONG)
def test_every_line_and_argument_is_drawn_hidden_or_folded_and_counted(name, way):
    graph = Graph(LONG[name]())
    thin = thinned(graph, way)
    drawing = draw(graph, **WAYS[way])
    folded, hidden = re.fullmatch(
        r"(?:folded|rolled up): (.*?)(?:; not drawn: (.*))?", drawing.caption
    ).groups()
    lines, edges, *cuts = (int(x.split()[0].replace(",", "")) for x in folded.split(", "))
    assert sum(cuts) == sum(fold.cuts for fold in thin.folds if fold.rolled)
    hidden_count = sum(map(int, re.findall(r"\d+", hidden or "")))
    drawn = {int(n) for n in re.findall(r'id="node-n(\d+)"', drawing.source)}
    tabled = {int(n) for n in re.findall(r'class="reference \w+ n(\d+)"', drawing.source)} - drawn
    stands = {line.number for line in thin.nodes if line.kind == "folded"}
    assert stands <= drawn
    assert len(drawn | tabled) - len(stands) + hidden_count + lines == len(graph)
    shown = draw(graph, hide=(), **WAYS[way])
    assert arrows(shown.source) == sorted((e.source, e.line, e.argument) for e in thin.edges)
    kept = [n for line, n in zip(thin.nodes, thin.origins) if line.kind != "folded"]
    between = [e for e in graph.edges if e.source in set(kept) and e.line in set(kept)]
    assert len(between) + edges == len(graph.edges)


@pytest.mark.parametrize("name", LONG)
def test_a_rolled_picture_has_one_box_a_loop_and_an_arrow_for_each_state(name):
    graph = Graph(LONG[name]())
    source = draw(graph, rolled=True).source
    recurrences = [one for fold in graph.roll().folds for one in fold.recurrences]
    assert source.count('class="recurrence ') == len(recurrences) > 0
    assert source.count("subgraph cluster_s") == sum(
        len(loop.carried) > 0 and loop.period > 1 for loop in graph.loops()
    )
    assert "t−1" in source


@pytest.mark.parametrize("rankdir", ["LR", "TB"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", LONG)
@has_dot
def test_lanes_run_straight_through_folds(name, way, rankdir):
    if way == "steps" and name in ("two lanes", "losses"):
        return  # of a state without a name, nothing says which it is when the loop starts folded
    drawing = draw(LONG[name](), rankdir=rankdir, show=(), **WAYS[way])
    where = {}
    for line in drawing.pipe("plain").decode().splitlines():
        if line.startswith("node "):
            _, node, x, y, *_ = shlex.split(line)
            where[node] = float(y if rankdir == "LR" else x)
    lanes: dict[str, list[float]] = {}
    for node, lane in re.findall(r'^(\w+) \[.*?group="([^"]*)"', drawing.source, re.MULTILINE):
        lanes.setdefault(lane, []).append(where[node])
    assert lanes
    for lane, heights in lanes.items():
        assert max(heights) - min(heights) < 0.02, lane


def test_the_bars_of_a_rolled_state_are_its_gradients():
    graph = Graph(cell("LSTMCell", 20))
    source = draw(graph, rolled=True).source
    gradients = graph.gradients().lines
    for name in "hc":
        norms = [np.linalg.norm(gradients[x.number]) for x in graph.nodes if x.name == name]
        assert bars(norms, 24) in source
        assert f"|∇| {norms[0]:.3g} … {norms[-1]:.3g}" in source


def test_a_rolled_step_shows_no_values_of_one_step():
    source = draw(cell("LSTMCell", 20), rolled=True, show=("value",)).source
    (z,) = [line for line in source.splitlines() if "<B>z</B>" in line]
    assert "<TABLE" not in z
    assert '<SUB><FONT POINT-SIZE="8.5">t</FONT></SUB>' in z


# ---------------------------------------------------------------- what is folded when
def boxes(drawing) -> int:
    return drawing.source.count("subgraph cluster_s")


def test_more_than_eight_steps_are_folded_by_themselves():
    assert boxes(draw(layer("LSTM", 8))) == 8 and "folded" not in draw(layer("LSTM", 8)).caption
    assert boxes(draw(layer("LSTM", 9))) == 5
    assert boxes(draw(layer("LSTM", 9), fold=None)) == 9
    assert boxes(draw(layer("LSTM", 9), fold=1)) == 3
    assert "t = 2 … 6" in draw(layer("LSTM", 9)).source


def test_a_loop_without_scopes_is_boxed_and_folded_too():
    def plain(T):
        s, w = Tensor(0.25, name="s0"), leaf(0.5, "w")
        for t in range(T):
            s = tg.tanh(w * s + Tensor(float(t), name="x"))
        return s * s

    assert boxes(draw(plain(4))) == 4
    assert boxes(draw(plain(30))) == 5


def test_above_max_nodes_a_short_loop_is_folded():
    output = layer("LSTM", 7)
    assert boxes(draw(output)) == 7
    assert boxes(draw(output, max_nodes=70)) == 5
    with pytest.raises(ValueError, match="rolled=True for one step of each loop"):
        draw(output, max_nodes=70, fold=None)


def test_a_graph_that_cannot_fold_says_where():
    h, w = Tensor(np.ones((1, 2)), name="h0"), leaf(np.eye(2), "w")
    for t in range(30):
        with tg.scope(t=t):
            h = tg.concatenate([tg.tanh(h @ w), np.ones((1, 2))], axis=0)
    with pytest.raises(ValueError, match=r"max_nodes=.*step t = 0 differs from t = 1: .*gives"):
        draw(h.sum(), max_nodes=20, fold=2)


def test_given_steps_are_drawn_and_the_others_folded():
    source = draw(cell("RNNCell", 40), steps=(20, 21)).source
    assert "t = 1 … 19" in source and "t = 22 … 40" in source
    assert "<B>t = 20</B>" in source and "<B>t = 21</B>" in source
    with pytest.raises(ValueError, match="no step 77, 99; there are steps 1 to 40"):
        draw(cell("RNNCell", 40), steps=(1, 99, 2, 77))
    with pytest.raises(ValueError, match="there is no loop, so there are no steps"):
        draw(diamond(), steps=(1,))


def test_a_step_in_no_loop_may_be_asked_for_too():
    """It is drawn in any case: it does not fold."""
    h, w = Tensor(0.3, name="h0"), leaf(0.5, "w")
    for t in range(12):
        with tg.scope(t=t):
            h = tg.sigmoid(h * w) if t == 5 else tg.tanh(h * w)
    assert "t = 5" in draw(h, steps=(4, 5)).source


def test_the_numbers_of_steps_without_scopes_go_on_after_one_that_is_unlike_them():
    h, w = Tensor(0.3, name="h0"), leaf(0.5, "w")
    for t in range(12):
        h = tg.tanh(h * w)
        if t == 5:
            h = h * 2
    found = re.findall(r"<B>t = (\d+)</B>", draw(h, fold=None).source)
    assert found == [str(t) for t in range(1, 13)]
    assert "<B>t = 8</B>" in draw(h, steps=(8,)).source


@pytest.mark.parametrize(
    "options, message",
    [
        ({"fold": 0}, "how many steps to keep"),
        ({"fold": "always"}, "how many steps to keep"),
        ({"rolled": True, "fold": 2}, "give one"),
        ({"rolled": True, "steps": (1,)}, "give one"),
        ({"rolled": True}, "there is no loop to roll"),
    ],
)
def test_what_does_not_go_together_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        draw(diamond(), **options)


def test_cuts_in_a_fold_are_counted():
    source = draw(cuts(30), show=()).source
    assert "5 cuts" in source


# ---------------------------------------------------------------- losses and directions
@has_dot
@pytest.mark.parametrize("options", [{"fold": None}, {"fold": 2}, {"rolled": True}], ids=str)
def test_losses_of_the_steps_make_no_staircase(options):
    drawing = draw(losses(6), show=(), **options)
    places = [
        float(shlex.split(line)[3])
        for line in drawing.pipe("plain").decode().splitlines()
        if re.match(r"node in_n\d+_s\d+ ", line)
    ]
    assert len(set(places)) <= 2  # the lane of h, the lane of the running loss
    assert 'class="belt ' in drawing.source or options.get("rolled")


@has_dot
@pytest.mark.parametrize("options", [{}, {"rolled": True}, {"fold": 2, "theme": "dark"}], ids=str)
def test_a_reverse_direction_runs_from_right_to_left(options):
    drawing = draw(layer("GRU", 7, bidirectional=True), show=(), **options)
    root = ET.fromstring(drawing.pipe("svg"))
    along = {}
    for g in root.iter("{http://www.w3.org/2000/svg}g"):
        if g.get("class") == "cluster step":
            text = g.find("{http://www.w3.org/2000/svg}text")
            along["".join(g.itertext()).split("\n")[-2] + str(len(along))] = float(text.get("x"))
    xs = list(along.values())
    half = len(xs) // 2
    assert half >= 1 and xs[:half] == sorted(xs[:half])
    assert xs[half:] == sorted(xs[half:], reverse=True)
    if options.get("rolled"):
        assert (
            "t → t−1" in drawing.source
            and '<SUB><FONT POINT-SIZE="8.5">t+1</FONT></SUB>' in drawing.source
        )


# ---------------------------------------------------------------- what was read, and time
@pytest.mark.parametrize("name", LONG)
def test_a_graph_that_was_read_is_drawn_the_same(name):
    graph = Graph(LONG[name]())
    again = Graph.from_json(graph.to_json(values="base64"))
    for options in ({"fold": None, "max_nodes": 10**4}, {"fold": 1}, {"rolled": True}):
        assert draw(again, **options).source == draw(graph, **options).source
    rolled = Graph.from_json(graph.roll().to_json())
    assert draw(rolled).source == draw(graph, rolled=True).source


@has_dot
@pytest.mark.parametrize("options", [{}, {"rolled": True}], ids=["folded", "rolled"])
def test_a_thousand_steps_cost_little_more_than_ten(options):
    def work(T):
        graph = Graph(layer("LSTM", T))
        return calls_of(lambda: draw(graph, **options))

    work(20)
    assert work(1000) < 10.5 * work(100)
    drawing = draw(Graph(layer("LSTM", 1000)), **options)
    assert len(drawing.source) < 100_000
    assert drawing.pipe("svg")


def test_the_gradient_of_a_shared_weight_is_said_to_be_of_the_steps_left_out_too():
    def sums(**options):
        return re.findall(
            "= Σₜ ([^<]*)<", draw(layer("LSTM", 20), **options, max_nodes=1000).source
        )

    assert all(re.fullmatch("[▁-█]{4} \\+ folded", text) for text in sums(fold=2))
    assert all(re.fullmatch("[▁-█]{20}", text) for text in sums(fold=None))
    assert len(sums(fold=2)) == len(sums(fold=None)) > 0
