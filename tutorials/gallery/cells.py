"""A file of cells run one after the other, and laid out as a page: words, picture, code.

    python tutorials/gallery.py [--out DIR]

The code on the page is that of the cells, and the pictures are what their last lines give. With the
same version of `dot` the same files come out, byte for byte; each is written whole or not at all.
"""

from __future__ import annotations

import argparse
import ast
import html
import io
import json
import keyword
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinygrad_rnn import Drawing, Page
from tinygrad_rnn.files import whole_file

HERE = Path(__file__).parent
PEERS = HERE / "peers"
SKIPPED = ("page",)  # the cell that starts this program
SMALLEST = 0.55  # of its size, that a picture shrinks to


@dataclass(frozen=True)
class Cell:
    """A cell of code, and the words above it.

    Attributes:
        name: what stands behind `# %%`.
        title, words: the heading and the paragraphs of the Markdown cell in front; "" without one.
        code: its lines, as they are in the file.
        level: of the heading; 1 is the page's own.
    """

    name: str
    title: str
    words: str
    code: str
    level: int = 2


def read_cells(path: str | Path) -> list[Cell]:
    """The cells of a file in the percent format.

    Raises:
        ValueError: for two cells of one name, or a cell of code without one.
    """
    text = Path(path).read_text(encoding="utf-8")
    found: list[Cell] = []
    title, words, level = "", "", 2
    for head, body in re.findall(r"^# %%(.*)\n((?:(?!# %%).*\n?)*)", text, re.MULTILINE):
        name = head.strip()
        if name == "[markdown]":
            title, words, level = _markdown(body)
            continue
        if not name.isidentifier() or name in {cell.name for cell in found}:
            raise ValueError(f"a cell of {path} needs a name of its own; this one has {name!r}")
        found.append(Cell(name, title, words, body.strip("\n"), level))
        title = words = ""
    return [cell for cell in found if cell.name not in SKIPPED]


def _markdown(body: str) -> tuple[str, str, int]:
    """Title, paragraphs, and the level of the title, of a commented Markdown cell."""
    lines = [line.removeprefix("#").strip() for line in body.splitlines()]
    head = next((line for line in lines if line.startswith("#")), "##")
    title = head.lstrip("#")
    words = "\n".join(line for line in lines if not line.startswith("#")).strip()
    return title.strip(), words, len(head) - len(title)


def run_cells(cells: list[Cell], path: str | Path) -> Iterator[tuple[Cell, Any]]:
    """Each cell with what its last line gives (None, if that is no expression), as a notebook."""
    names: dict[str, Any] = {"__name__": "cells"}
    for cell in cells:
        tree = ast.parse(cell.code)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        place = f"{path}, cell {cell.name}"
        exec(compile(tree, place, "exec"), names)
        value = None
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), place, "eval"), names)
        yield cell, value


# ---------------------------------------------------------------- the page
def build(path: str | Path, folder: str | Path) -> list[Path]:
    """Run the cells of a file, and write their pictures and index.html into a folder.

    Returns:
        what was written, index.html last.

    Raises:
        DrawingError: if there is no program to draw with.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    sections: list[str] = []
    for cell, value in run_cells(read_cells(path), path):
        figure = ""
        if isinstance(value, Drawing):
            content = value.pipe("svg", timeout=120)
            written.append(_write(folder / f"{cell.name}.svg", content))
            figure = picture_html(cell, value, content)
        elif isinstance(value, Page):
            written.append(_write(folder / f"{cell.name}.html", value.html.encode()))
            figure = link_html(cell, value)
        sections.append(section_html(cell, figure))
    peers = _peers()
    if peers:
        sections.append(PEERS_HTML)
    for peer in peers:
        written.append(_write(folder / "peers" / peer["file"], (PEERS / peer["file"]).read_bytes()))
        sections.append(peer_html(peer))
    text = (HERE / "page.html").read_text(encoding="utf-8")
    page = text.replace("@@sections@@", "\n".join(sections))
    written.append(_write(folder / "index.html", page.encode()))
    return written


def _peers() -> list[dict[str, str]]:
    """What tests/benchmarks/peers.py left: the pictures that other tools made of the same net."""
    path = PEERS / "peers.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else []


def _write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_bytes() != content:
        with whole_file(path, "wb") as file:
            file.write(content)
    return path


# ---------------------------------------------------------------- its parts
def section_html(cell: Cell, figure: str) -> str:
    """Words, picture and code of one cell."""
    title = f"<h{cell.level}>{_text(cell.title)}</h{cell.level}>" if cell.title else ""
    return (
        f'<section id="{cell.name}">{title}{words_html(cell.words)}\n{figure}\n'
        f'<pre tabindex="0"><code>{code_html(cell.code)}</code></pre></section>'
    )


def picture_html(cell: Cell, drawing: Drawing, svg: bytes) -> str:
    """The picture as an image, as large as it is, down to where its text is still legible."""
    alt = f"{cell.title}: {drawing.summary}"
    return figure_html(f"{cell.name}.svg", alt, drawing.summary, svg_width(svg))


def figure_html(file: str, alt: str, caption: str, width: int | None = None) -> str:
    """An image that opens alone at a click.

    With its width it scrolls sideways where it is much wider than the page; else it shrinks.
    """
    size = f' style="width:{width}px;min-width:{round(width * SMALLEST)}px"' if width else ""
    return (
        f'<figure><div tabindex="0" role="region" aria-label="{_text(alt)}"><a href="{file}">'
        f'<img src="{file}" alt="{_text(alt)}"{size}></a></div>'
        f"<figcaption>{_text(caption)}</figcaption></figure>"
    )


def svg_width(content: bytes) -> int | None:
    """The width that an SVG asks for, in CSS pixels."""
    found = re.search(rb'<svg[^>]*? width="([\d.]+)(pt|px)?"', content)
    if not found:
        return None
    return round(float(found[1]) * (4 / 3 if found[2] == b"pt" else 1))


def link_html(cell: Cell, page: Page) -> str:
    """A link into a page, half way, where there is something to see."""
    place = f"{cell.name}.html#k={page.steps * 3 // 4}"
    size = len(page.html.encode()) // 1000
    return (
        f'<figure><p class="open"><a href="{place}">Open it in the middle of the way back</a>:'
        f" {page.steps} steps, {size} kB</p></figure>"
    )


def peer_html(peer: dict[str, str]) -> str:
    """What another tool draws of the same net, and which version of it."""
    title = f"{peer['tool']} {peer['version']}"
    note = words_html(peer["note"])
    picture = figure_html(f"peers/{peer['file']}", f"{title}: {peer['net']}", peer["net"])
    head = f'<section class="peer" id="peer-{peer["tool"]}"><h3>{_text(title)}</h3>'
    return f"{head}{note}\n{picture}</section>"


def words_html(words: str) -> str:
    """Paragraphs of Markdown, as far as it is used here: `code`."""
    paragraphs = [" ".join(part.split()) for part in words.split("\n\n") if part.strip()]
    marked = [re.sub(r"`([^`]+)`", r"<code>\1</code>", _text(part)) for part in paragraphs]
    return "".join(f"<p>{part}</p>" for part in marked)


def code_html(code: str) -> str:
    """Code with its keywords, strings, numbers and comments marked; without the marks, itself."""
    lines = code.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    parts, end = [], 0
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        kind = _KINDS.get(token.type)
        if token.type == tokenize.NAME and keyword.iskeyword(token.string):
            kind = "keyword"
        if kind:
            start = starts[token.start[0] - 1] + token.start[1]
            parts.append(_text(code[end:start]))
            parts.append(f'<span class="{kind}">{_text(token.string)}</span>')
            end = starts[token.end[0] - 1] + token.end[1]
    return "".join(parts) + _text(code[end:])


def _text(text: str) -> str:
    return html.escape(text)


PEERS_HTML = (
    '<section id="peers"><h2>The same net by other tools</h2><p>The '
    '<a href="#lstm_compact">LSTM over three steps</a>, as other tools draw it by themselves; '
    "each picture fits the width of the page here, and opens in its own size at a click. What each "
    "tool can show, and how long it takes, is measured by <code>tests/benchmarks/peers.py</code>, "
    "which made these pictures.</p></section>"
)
_KINDS = {tokenize.STRING: "string", tokenize.NUMBER: "number", tokenize.COMMENT: "comment"}


def main(path: str) -> int:
    """`python tutorials/gallery.py`: write the page, and say where it is."""
    parser = argparse.ArgumentParser(description="Draw every picture of the gallery.")
    default = Path(path).with_suffix("")
    parser.add_argument("--out", type=Path, default=default, help="default: %(default)s")
    written = build(path, parser.parse_args().out)
    size = sum(file.stat().st_size for file in written)
    print(f"{len(written)} files, {size // 1000} kB: {written[-1]}")
    return 0
