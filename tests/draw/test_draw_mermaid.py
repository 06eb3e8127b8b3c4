"""Mermaid text: the same nodes and arrows as the picture, and no word gets out of its label."""

import re

import pytest
from drawn_graphs import GRAPHS, diamond, leaf, truncated
from test_draw_text import NASTY

import tinygrad_rnn as tg
from tinygrad_rnn.draw import draw
from tinygrad_rnn.program import Graph

BOX = re.compile(
    r'^ +(\w+)(\[\[|\[/|\(\[|\{\{|>|\[|\()"([^"]*)"(\]\]|/\]|\\\]|\]\)|\}\}|\]|\)):::(\w+)$'
)
FORWARD = re.compile(r"^ +(\w+) --> (\w+)$")
BACKWARD = re.compile(r'^ +(\w+) (?:-->\|"([^"]*)"\||-\.-) (\w+)$')
OTHER = [
    re.compile(pattern)
    for pattern in (
        r"---", r'title: ".*"', r"flowchart (LR|TB)", r'  subgraph s\d+\["[^"]*t = -?\d+"\]',
        r"  end",
        r'  n\d+ -\.->\|"cut"\| n\d+', r"  classDef \w+ fill:#\w+,stroke:#\w+,color:#.*",
    )
]  # fmt: skip


def parsed(text: str) -> tuple[dict[str, tuple[str, str]], list[tuple[str, str]]]:
    """({id: (words, class)}, [(from, to)]); every line of the text is one that we know."""
    boxes, arrows = {}, []
    for line in text.splitlines():
        if found := BOX.match(line):
            assert found[1] not in boxes
            boxes[found[1]] = found[3], found[5]
        elif found := FORWARD.match(line):
            arrows.append((found[1], found[2]))
        elif found := BACKWARD.match(line):
            arrows.append((found[3], found[1]))
        else:
            assert any(pattern.fullmatch(line) for pattern in OTHER), line
    return boxes, arrows


def plain(words: str) -> str:
    """What a reader sees."""
    text = words.replace("<br/>", "\n")
    return re.sub(r"#(\d+);", lambda found: chr(int(found[1])), text).replace("\u2060", "")


@pytest.mark.parametrize("options", [{}, {"view": "backward"}, {"depth": 1}, {"weights": "line"}])
@pytest.mark.parametrize("name", GRAPHS)
def test_nodes_and_arrows_are_those_of_the_picture(name, options):
    drawing = draw(GRAPHS[name](), max_nodes=10**4, **options)
    boxes, arrows = parsed(drawing.mermaid)
    shown = set(re.findall(r'id="node-(n\d+)"', drawing.source))
    assert shown == {box for box in boxes if re.fullmatch(r"n\d+", box)} & shown
    classes = re.findall(r'class="from-(n\d+) to-(n\d+) argument-\d+"', drawing.source)
    into = sorted(child for _, child in classes)
    assert sorted(head for _, head in arrows) == into
    assert {end for arrow in arrows for end in arrow} <= set(boxes)
    origins = [re.sub(r"ref_(n\d+)_.*", r"\1", tail) for tail, _ in arrows]
    direct = [origin for origin, tail in zip(origins, arrows, strict=True) if tail[0] == origin]
    assert not set(direct) - {origin for origin, _ in classes}


def test_words_are_those_of_the_picture():
    boxes, _ = parsed(draw(diamond()).mermaid)
    assert [plain(words) for words, _ in boxes.values()] == [
        "a\n3\n∇ 12", "b = +\n6\n∇ 3", "d = ×\n18\n∇ 1",
    ]  # fmt: skip
    assert [looks for _, looks in boxes.values()] == ["parameter", "op", "output"]


def test_backwards_the_gradient_is_on_the_arrow():
    text = draw(diamond(), view="backward").mermaid
    assert '  n1 -->|"3"| n0' in text and '  n2 -->|"6"| n0' in text


def test_a_cut_and_the_caption_are_there():
    text = draw(truncated()).mermaid
    assert text.count('-.->|"cut"|') == 1
    text = draw(GRAPHS["LSTM"]()).mermaid
    assert text.startswith('---\ntitle: "not drawn: ')


@pytest.mark.parametrize("name", NASTY)
def test_names_stay_in_their_labels(name):
    a = leaf(1.0, name)
    b = a * a
    b.name = name
    for t in (1, 2):
        with tg.scope(name or "m"), tg.scope(t=t):
            b = b * a
    boxes, _ = parsed(draw(Graph(b), focus=a).mermaid)
    words = plain(boxes["n1"][0]).split(" = ×")[0] if name else ""
    assert words == re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800]", "\ufffd", name)


@pytest.mark.parametrize("name", ["m.mmd", "m.md", "m.gv", "m.dot"])
def test_texts_are_written_without_any_program(name, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    drawing = draw(diamond())
    for write in (drawing.save, drawing.render):
        assert write(tmp_path / name) == str(tmp_path / name)
        text = (tmp_path / name).read_text(encoding="utf-8")
        kind = name.rpartition(".")[2]
        assert text == {
            "md": f"```mermaid\n{drawing.mermaid}```\n", "mmd": drawing.mermaid,
        }.get(kind, drawing.source)  # fmt: skip
        assert drawing.pipe(kind).decode() == text


def test_what_is_out_of_focus_is_pale():
    drawing = draw(GRAPHS["vanishing"](), focus=("x2", "loss"), show=())
    boxes, _ = parsed(drawing.mermaid)
    pale = set(re.findall(r'id="node-(n\d+)".*color="#D6D6D6"', drawing.source))
    assert {box for box, (_, looks) in boxes.items() if looks == "pale" and box[0] == "n"} == pale
