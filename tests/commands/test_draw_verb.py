"""`tinygrad-rnn draw`: every option as a flag, the user's own function, one line for each error."""

import inspect
import re
import shutil
import sys

import pytest

from tinygrad_rnn.cli import main
from tinygrad_rnn.draw import draw
from tinygrad_rnn.draw.options import CHOICES

needs_sh = pytest.mark.skipif(sys.platform == "win32", reason="a fake dot is a shell script")
has_dot = pytest.mark.skipif(shutil.which("dot") is None, reason="needs the program dot")

MINE = """
import tinygrad_rnn as tg

def build():
    x = tg.Tensor(0.5, requires_grad=True, name="x")
    y = tg.tanh(x) * x
    y.name = "y"
    return y

def two():
    return build(), build()

def graph():
    return tg.Graph(build())

ready = build()

def a_list(): return [build()]
def number(): return 3.0
def mixed(): return build(), 3.0
def nothing(): pass
def empty(): return ()
def crash(): return tg.Tensor(1.0) + "a"
def needs(width): return width

def rewritten():
    y = build()
    y.node.inputs[1].data = 2.0
    return y

def spoilt():
    y = build()
    y.node.inputs[0].data = 2.0
    return y
"""


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    """Runs the verb in a folder with the user's file; gives (exit code, stdout, stderr)."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(MINE)

    def run(*words):
        try:
            code = main(["draw", *map(str, words)])
        except SystemExit as stopped:
            code = stopped.code
        return code, *capsys.readouterr()

    return run


@pytest.mark.parametrize("name", ["build", "two", "graph", "ready", "a_list"])
def test_ones_own_function_is_drawn(call, tmp_path, name):
    code, out, err = call(f"mine.py:{name}", "--out", "o.gv")
    assert (code, err) == (0, "") and "o.gv" in out
    text = (tmp_path / "o.gv").read_text(encoding="utf-8")
    assert text.count('class="output"') == (2 if name == "two" else 1)


@pytest.mark.parametrize(
    "words, message",
    [
        (["mine.py:number"], "mine.py:number gave a float: it has to be a function"),
        (["mine.py:mixed"], r"gave a tuple of \(Tensor, float\)"),
        (["mine.py:nothing"], "gave None"),
        (["mine.py:empty"], r"gave a tuple of \(\)"),
        (["mine.py:tg"], "is a module"),
        (["mine.py:crash"], r"mine.py, line \d+, in crash: TypeError: an operand"),
        (["mine.py:needs"], "missing 1 required positional argument: 'width'"),
        (["mine.py:biuld"], "has no 'biuld': did you mean build?"),
        (["mine.py:spoilt", "--view", "backward"], "was given another array after it was made"),
        (["nothing.py:build"], "there is no file 'nothing.py'"),
        (["mine.py"], "names no function: write mine.py:build"),
        (["mine.py:two", "--view", "backward"], "needs a gradient to start from"),
        (["mine.py:build", "--focus", "z,y"], "no line is called 'z'; there are 'x', 'y'"),
        (["mine.py:build", "--focus", "x,y,x"], r"focus is \(from, to\)"),
        (["mine.py:build", "--focus", ""], "focus is"),
        (["mine.py:build", "--show", "values"], "show is any of"),
        (["--depth", "1", "--focus", "x"], "give one"),
        (["--max-nodes", "3"], "--max-nodes 49 .*--fold 2 .*--rolled .*--listing"),
        (["--out", "a.xyz"], "no format 'xyz': use svg, pdf, png, gv"),
        (["--out", "."], "--out needs a file name"),
        (["--out", "there.gv"], "[Dd]irectory: there.gv$"),
        (["--hide", "getitem,foo"], "no operation 'foo' to hide: there are getitem, split"),
        (["--steps", "30", "--only", "1,2,50"], "no step 50; there are steps 1 to 30"),
    ],
)
def test_what_is_wrong_is_one_line_and_exit_code_2(call, tmp_path, words, message):
    (tmp_path / "there.gv").mkdir()
    code, out, err = call(*words)
    assert (code, out) == (2, "")
    (line,) = err.splitlines()
    assert line.startswith("tinygrad-rnn draw: ") and re.search(message, line), line


@pytest.mark.parametrize(
    "words", [["--theme", "neon"], ["--depth", "0"], ["--view", "side"], ["--max-nodes", "x"]]
)
def test_unknown_values_are_named(call, words):
    code, _, err = call(*words)
    assert code == 2 and words[1] in err.splitlines()[-1]


def test_every_option_of_draw_is_a_flag(call):
    _, out, _ = call("--help")
    for name in inspect.signature(draw).parameters:
        name = "only" if name == "steps" else name  # --steps is how many the built-in cell runs
        if name not in ("outputs", "seed"):  # dL/d(output) is an array
            assert f"--{name.replace('_', '-')} " in out.replace("\n", " "), name


@pytest.mark.parametrize("name, choices", CHOICES.items())
def test_every_choice_draws(call, tmp_path, name, choices):
    texts = []
    for choice in choices:
        more = ["--focus", "x,y"] if name == "others" else []
        assert call("mine.py:build", f"--{name}", choice, "--out", "o.gv", *more)[0] == 0
        texts.append((tmp_path / "o.gv").read_text(encoding="utf-8"))
    assert name in ("weights", "others") or len(set(texts)) == len(choices)


def test_flags_reach_the_drawing(call, tmp_path):
    words = ["--cell", "gru", "--steps", "2", "--depth", "1", "--legend", "--show", ""]
    assert call(*words, "--out", "new/o.gv")[0] == 0
    text = (tmp_path / "new" / "o.gv").read_text(encoding="utf-8")
    assert text.count('class="module"') == 2 and 'id="legend"' in text and "TABLE" not in text
    _, out, _ = call("--steps", "2", "--hide", "", "--out", "o.gv")
    assert "not drawn" not in out
    _, out, _ = call("--steps", "3", "--focus", "x2,loss", "--others", "hide", "--out", "o.gv")
    assert out.startswith("from x2 to loss: ") and "out of focus" in out


def test_the_listing_of_ones_own_function(call):
    code, out, _ = call("mine.py:build", "--listing", "--show", "grad")
    assert code == 0 and "n2  y = multiply(n1, n0)  grad 1" in out


@pytest.mark.parametrize(
    "words",
    [
        "--out o.html --rolled", "--out o.html --fold 2", "--out o.html --only 1",
        "--out o.html --depth 1", "--out o.html --focus x", "--out o.html --others hide",
        "--out o.html --view backward", "--out o.html --style record", "--out o.htm --legend",
        "--out o.html --weights line", "--out o.html --hide split", "--out o.html --show value",
        "--listing --rolled", "--listing --out o.txt", "--listing --timeout 3",
        "--out o.mmd --theme dark", "--out o.md --legend", "--out o.svg --numeric",
        "--out o.gv --predict", "mine.py:build --cell gru", "mine.py:build --steps 5",
        "mine.py:build --hidden 3", "mine.py:build --seed 1",
    ],
)  # fmt: skip
def test_a_flag_that_would_change_nothing_is_refused(call, tmp_path, words):
    before = sorted(tmp_path.iterdir())
    code, out, err = call(*words.split())
    assert (code, out) == (2, "") and "would change nothing in" in err
    assert next(word for word in words.split()[::-1] if word.startswith("--")) in err
    assert sorted(tmp_path.iterdir()) == before


def test_weights_that_were_changed_since_are_drawn_as_they_were(call, tmp_path):
    code, out, err = call("mine.py:rewritten", "--out", "o.gv")
    assert (code, err) == (0, "") and out.startswith("as recorded: 'x' has new values since")
    assert call("mine.py:build", "--out", "p.gv")[0] == 0
    changed, never = (
        (tmp_path / name).read_text(encoding="utf-8").splitlines() for name in ("o.gv", "p.gv")
    )
    assert [row for row in changed if "as recorded" not in row] == never
    code, out, err = call("mine.py:spoilt", "--out", "o.gv")
    assert (code, err) == (0, "") and "no gradients: the result of tanh" in out


@needs_sh
def test_a_slow_layout_is_folded_and_said_on_one_line(call, tmp_path, monkeypatch):
    program = tmp_path / "bin" / "dot"
    program.parent.mkdir()
    program.write_text(
        '#!/bin/sh\ncase "$(cat)" in *"took too long"*) echo svg;; *) sleep 20;; esac'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    words = ["--cell", "rnn", "--steps", "4", "--timeout", "1", "--out", "o.svg"]
    code, out, err = call(*words)
    assert code == 0 and "o.svg" in out and (tmp_path / "o.svg").read_text() == "svg\n"
    (line,) = err.splitlines()
    assert line.startswith("tinygrad-rnn draw: dot had not laid out") and "folded" in line


@pytest.mark.parametrize("name", ["o.mmd", "o.md", "o.dot"])
def test_texts_need_no_program(call, tmp_path, monkeypatch, name):
    monkeypatch.setenv("PATH", "")
    assert call("mine.py:build", "--out", name)[0] == 0
    assert "n1" in (tmp_path / name).read_text(encoding="utf-8")


@has_dot
@pytest.mark.parametrize("name", ["o.svg", "o.pdf", "o.png", "o"])
def test_pictures(call, tmp_path, name):
    assert call("mine.py:build", "--out", name)[0] == 0
    assert (tmp_path / (name if "." in name else "o.svg")).stat().st_size > 500


@has_dot
def test_a_page_to_step_through(call, tmp_path):
    out = tmp_path / "page.html"
    status, *_ = call("mine.py:build", "--out", str(out), "--numeric", "--theme", "dark")
    assert status == 0 and "<html" in out.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "message"),
    [(["mine.py:two"], "one output, and there are 2"), (["--theme", "print"], "light or dark")],
)
def test_a_page_that_cannot_be_made(call, tmp_path, words, message):
    status, _, error = call(*words, "--out", str(tmp_path / "page.html"))
    assert status == 2 and message in error and not (tmp_path / "page.html").exists()


def test_long_loops_fold_and_roll(call, tmp_path):
    def drawn(*words):
        code, _, err = call("--cell", "rnn", "--steps", "12", *words, "--out", "o.gv")
        assert (code, err) == (0, "")
        return (tmp_path / "o.gv").read_text(encoding="utf-8").count("subgraph")

    folded, rolled, whole = drawn(), drawn("--rolled"), drawn("--fold", "none")
    assert rolled < folded < whole
    assert folded < drawn("--fold", "4") < whole
    assert drawn("--only", "1,6,7") < whole
    for words in (["--fold", "x"], ["--only", "1,b"]):
        code, _, err = call("--cell", "rnn", *words)
        assert code == 2 and words[0] in err
