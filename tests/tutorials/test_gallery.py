"""The gallery: every cell runs, and the page shows the cells' own code beside what they draw."""

import html
import json
import re
import runpy
import sys
from pathlib import Path

import pytest

from tinygrad_rnn import Drawing, Page

TUTORIALS = Path(__file__).parents[2] / "tutorials"
GALLERY = TUTORIALS / "gallery.py"
sys.path.insert(0, str(TUTORIALS / "gallery"))

import cells  # noqa: E402

CELLS = cells.read_cells(GALLERY)


@pytest.fixture(scope="module")
def values():
    """What each cell gives, run one after the other as on the page."""
    return {cell.name: value for cell, value in cells.run_cells(CELLS, GALLERY)}


def _text(drawing, format="svg", *, timeout=30.0):
    """DOT text in the place of the picture, which would take a program and its time to lay out."""
    return f'<svg width="300pt">{html.escape(drawing.source)}</svg>'.encode()


def test_every_cell_but_the_imports_gives_a_picture_or_a_page(values):
    kinds = {name: type(value) for name, value in values.items()}
    assert kinds.pop("imports") is type(None)
    assert kinds.pop("step_page") is Page
    assert set(kinds.values()) == {Drawing}
    assert len(kinds) >= 18


def test_no_two_pictures_are_the_same(values):
    sources = [value.source for value in values.values() if isinstance(value, Drawing)]
    assert len(set(sources)) == len(sources)


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)
def test_a_cell_is_short_and_says_what_it_shows(cell):
    assert len(cell.code.splitlines()) <= 16
    assert cell.title and len(cell.words) > 30


def test_every_cell_uses_public_names_only():
    for cell in CELLS:
        assert not re.search(r"\._[a-z]|import _|tinygrad_rnn\.\w", cell.code), cell.name


def test_the_diamond_adds_three_and_three_and_six(values):
    assert "3 + 3 + 6 = 12" in values["diamond"].source


def test_what_is_said_of_the_pictures_is_drawn(values):
    assert "96 steps" in values["lstm_folded"].source
    assert "100 steps" in values["lstm_rolled"].source
    assert "24 steps" in values["rnn_rolled"].source
    boxes = re.findall(r"<B>t = (\d)</B>", values["lstm_values"].source)
    assert boxes == ["1", "2", "3"]
    assert "2 ways" in values["focus"].caption
    assert "cut" in values["truncated"].source


# ---------------------------------------------------------------- the page
@pytest.fixture
def page(values, tmp_path, monkeypatch):
    """The page, from what the cells gave."""
    monkeypatch.setattr(Drawing, "pipe", _text)
    monkeypatch.setattr(
        cells, "run_cells", lambda found, path: ((c, values[c.name]) for c in found)
    )
    written = cells.build(GALLERY, tmp_path / "out")
    assert written[-1] == tmp_path / "out" / "index.html"
    return tmp_path / "out"


def test_the_code_on_the_page_is_that_of_the_cells(page):
    text = (page / "index.html").read_text(encoding="utf-8")
    blocks = re.findall(r"<pre[^>]*><code>(.*?)</code></pre>", text, re.DOTALL)
    shown = [html.unescape(re.sub(r"</?span[^>]*>", "", block)) for block in blocks]
    assert shown == [cell.code for cell in CELLS]
    source = GALLERY.read_text(encoding="utf-8")
    assert all(code in source for code in shown)


def test_every_picture_of_the_page_is_there_and_described(page):
    text = (page / "index.html").read_text(encoding="utf-8")
    images = re.findall(r'<img src="([^"]+)" alt="([^"]+)"', text)
    links = re.findall(r'href="([^"#]+)', text)
    assert {file for file, _ in images} >= {
        f"{cell.name}.svg" for cell in CELLS if cell.name not in ("imports", "step_page")
    }
    assert "step_page.html" in links
    assert all((page / file).is_file() for file in [*links, *(file for file, _ in images)])
    assert not re.search(r"https?://|<script", text)


def test_the_page_is_the_same_twice(page, values, tmp_path):
    again = tmp_path / "again"
    cells.build(GALLERY, again)
    names = sorted(path.relative_to(page) for path in page.rglob("*") if path.is_file())
    assert names == sorted(path.relative_to(again) for path in again.rglob("*") if path.is_file())
    assert all((page / name).read_bytes() == (again / name).read_bytes() for name in names)


def test_pictures_of_other_tools_say_which_version_made_them(page):
    peers = json.loads((TUTORIALS / "gallery" / "peers" / "peers.json").read_text("utf-8"))
    text = (page / "index.html").read_text(encoding="utf-8")
    assert {peer["tool"] for peer in peers} >= {"torchviz", "torchview", "torchlens"}
    for peer in peers:
        assert f"{peer['tool']} {peer['version']}" in text
        assert (page / "peers" / peer["file"]).stat().st_size <= 160_000


# ---------------------------------------------------------------- the reader of cells
def test_marks_leave_code_as_it_is():
    code = 'def f(x):\n    return x < "<b>"  # ü & é\n\n\nf("""a\n  b""")'
    marked = cells.code_html(code)
    assert html.unescape(re.sub(r"</?span[^>]*>", "", marked)) == code
    assert '<span class="keyword">return</span>' in marked and "<b>" not in marked


def test_a_cell_without_a_name_of_its_own_is_refused(tmp_path):
    path = tmp_path / "two.py"
    path.write_text("# %% a\n1\n# %% a\n2\n")
    with pytest.raises(ValueError, match="a name of its own; this one has 'a'"):
        cells.read_cells(path)
    path.write_text("# %%\n1\n")
    with pytest.raises(ValueError, match="this one has ''"):
        cells.read_cells(path)


def test_cells_run_in_one_namespace_and_give_their_last_line(tmp_path):
    path = tmp_path / "three.py"
    path.write_text("# %% [markdown]\n# ## T\n#\n# words\n\n# %% a\nx = 1\n\n# %% b\nx + 1\n")
    found = cells.read_cells(path)
    assert [(c.title, c.words, c.level) for c in found] == [("T", "words", 2), ("", "", 2)]
    assert [value for _, value in cells.run_cells(found, path)] == [None, 2]


def test_an_error_in_a_cell_says_where(tmp_path):
    path = tmp_path / "bad.py"
    path.write_text("# %% bad\n1 / 0\n")
    with pytest.raises(ZeroDivisionError) as caught:
        list(cells.run_cells(cells.read_cells(path), path))
    assert any("cell bad" in str(entry.path) for entry in caught.traceback)


def test_the_command_says_where_the_page_is(page, values, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["gallery.py", "--out", str(tmp_path / "there")])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(GALLERY), run_name="__main__")
    assert ended.value.code == 0
    assert "there/index.html" in capsys.readouterr().out


def test_the_page_of_the_repository_is_up_to_date_with_the_cells():
    """Its pictures depend on the version of `dot`, its code does not: write it anew if this fails.

    python tutorials/gallery.py
    """
    text = (TUTORIALS / "gallery" / "index.html").read_text(encoding="utf-8")
    for cell in CELLS:
        assert f"<code>{cells.code_html(cell.code)}</code>" in text, cell.name
        assert cells.words_html(cell.words) in text, cell.name
