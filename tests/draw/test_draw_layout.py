"""What dot makes of the text: straight belts, quickly, and an SVG that matches the graph."""

import re
import shlex
import shutil
import xml.etree.ElementTree as ET

import pytest
from drawn_graphs import GRAPHS, STEPPED, leaf
from test_draw_text import NASTY

import tinygrad_rnn as tg
from tinygrad_rnn.draw import draw
from tinygrad_rnn.program import Graph

pytestmark = pytest.mark.skipif(shutil.which("dot") is None, reason="needs the program dot")
SVG = "{http://www.w3.org/2000/svg}"


def positions(drawing) -> dict[str, tuple[float, float]]:
    lines = drawing.pipe("plain").decode().splitlines()
    fields = [shlex.split(line) for line in lines if line.startswith("node ")]
    return {f[1]: (float(f[2]), float(f[3])) for f in fields}


@pytest.mark.parametrize("show", [(), ("value", "grad", "shape")], ids=["compact", "full"])
@pytest.mark.parametrize("rankdir", ["LR", "TB"])
@pytest.mark.parametrize("name", STEPPED)
def test_belts_are_straight_and_steps_stand_in_order(name, rankdir, show):
    """Entries, exits, spines and states of one lane have one height; states run forward, and those
    of a reverse direction the other way."""
    drawing = draw(GRAPHS[name](), rankdir=rankdir, show=show)
    turned = {
        lane
        for box in re.findall(r"layer0_reverse: t = .*?\n}\n", drawing.source, re.DOTALL)
        for lane in re.findall(r'group="([^"]*)"', box)
    }
    assert ("directions" in name) == bool(turned)
    where = positions(drawing)
    across, along = (1, 0) if rankdir == "LR" else (0, 1)
    lanes: dict[str, list[str]] = {}
    for node, lane in re.findall(r'^(\w+) \[.*?group="([^"]*)"', drawing.source, re.MULTILINE):
        lanes.setdefault(lane, []).append(node)
    assert lanes
    for lane, stations in lanes.items():
        heights = [where[node][across] for node in stations]
        assert max(heights) - min(heights) < 0.02, lane
        sign = (1 if rankdir == "LR" else -1) * (-1 if lane in turned else 1)
        entries = [where[node][along] * sign for node in stations if node.startswith("in_")]
        assert entries == sorted(entries)


@pytest.mark.parametrize("name", GRAPHS)
def test_the_svg_shows_the_graph(name):
    graph = Graph(GRAPHS[name]())
    drawing = draw(graph)
    root = ET.fromstring(drawing.pipe("svg"))
    groups = {g.get("id"): g.get("class", "").split() for g in root.iter(f"{SVG}g")}
    for n in map(int, re.findall(r'id="node-n(\d+)"', drawing.source)):
        line, classes = graph.nodes[n], groups[f"node-n{n}"]
        asked_for = {"input"} if line.kind == "parameter" and not line.learned else set()
        walked = {"derivative"} if name.startswith("slope") else set()
        assert classes[0] == "node"
        assert classes[1] in {line.kind, "state", "output"} | asked_for | walked
        assert ("output" in classes) == (line.tensor is graph.outputs[0])
        assert line.op is None or len(line.inputs) == sum(
            f"to-n{n}" in c and c[0] == "edge" for c in groups.values()
        )
    words = " ".join(text.text or "" for text in root.iter(f"{SVG}text"))
    assert not drawing.caption or drawing.caption in words


@pytest.mark.parametrize(
    "name", ['a"b', "<b>", "&lt;", "back\\slash", "\\n", "한글", "🙂", "]; n0 -> n1 [", "\\N"]
)
def test_names_are_shown_as_they_are(name):
    output = GRAPHS["diamond"]()
    output.name = name
    root = ET.fromstring(draw(output).pipe("svg"))
    texts = [text.text for text in root.iter(f"{SVG}text")]
    titles = [value for e in root.iter() for key, value in e.attrib.items() if "title" in key]
    assert name in [str(text).replace("\u2060", "") for text in texts]
    assert any(f"| {name} |" in title.replace("\u2060", "") for title in titles)


def test_no_name_becomes_a_part_of_the_page():
    """All names at once, in every place for one: the SVG has only the elements of a drawing."""
    weight = leaf(2.0, "</script><script>alert(1)</script>")
    state = leaf(1.0, '<img src="x" onerror="alert(2)">')
    for k, name in enumerate([*NASTY, "javascript:alert(3)", "</text></svg><b>"]):
        with tg.scope(name or "unnamed"), tg.scope(t=k):
            state = state * weight
            state.name = name
    for options in ({}, {"style": "record", "legend": True}, {"depth": 1, "view": "backward"}):
        drawing = draw(state, focus=None, max_nodes=10**4, **options)
        root = ET.fromstring(drawing.pipe("svg"))
        assert {e.tag.removeprefix(SVG) for e in root.iter()} <= {
            "svg", "g", "title", "polygon", "path", "text", "ellipse", "polyline", "a",
        }  # fmt: skip
        keys = {key for e in root.iter() for key in e.attrib}
        assert not [key for key in keys if key.startswith("on") or key.endswith("href")]
