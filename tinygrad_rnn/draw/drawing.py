"""A Drawing holds the DOT text, and becomes a picture when one is asked for.

It answers to the names of the `graphviz` package's objects, and shows itself in a notebook.
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any

from ..files import whole_file
from .render import DrawingError, LayoutTimeout, known_format, picture

PICTURES = frozenset({".svg", ".png", ".pdf"})
TEXTS = frozenset({"gv", "dot", "mmd", "md"})


class Drawing:
    """The picture of a graph, as text.

    Attributes:
        source: the DOT text.
        caption: what is not drawn, counted; "" if all is.
        summary: what the graph is made of, in one line.

    Args:
        folded: makes the same picture with the steps of its loops folded, for when the layout takes
            too long; None if there is nothing to fold.
    """

    def __init__(
        self,
        source: str,
        plain: Callable[[], str],
        caption: str,
        summary: str,
        mermaid: Callable[[], str],
        folded: Callable[[], Drawing | None],
    ) -> None:
        self.source = source
        self.caption = caption
        self.summary = summary
        self._plain = plain
        self._mermaid = mermaid
        self._fold = folded
        self._given_up = 0.0  # seconds after which the layout of all steps was given up

    @cached_property
    def mermaid(self) -> str:
        """The same graph as a Mermaid flowchart, for Markdown; it takes no program to write."""
        return self._mermaid()

    def pipe(self, format: str = "svg", *, timeout: float = 30.0) -> bytes:
        """The bytes of the picture; with folded steps, and a warning, if its layout takes too long.

        Args:
            format: "svg", "pdf", "png", or another that `dot` writes; "gv" or "dot" for the DOT
                text, "mmd" for Mermaid text, "md" for that in a Markdown file.
            timeout: seconds until the layout is given up.

        Raises:
            ValueError: for an unknown format.
            DrawingError: if there is no program to draw with, or it failed, or it took too long
                and there is no loop to fold, or a PNG would be larger than a PNG can be.
        """
        text = self._text(format.lower().removeprefix("."))
        if text is not None:
            return text.encode()
        demand_timeout(timeout)
        try:
            if timeout > self._given_up:
                return self.laid_out(format, timeout)
        except LayoutTimeout as error:
            if self._folded is None:
                raise
            self._given_up = timeout
            stopped, _, _ = str(error).partition(":")
            words = f"{stopped}: its steps are folded. For all of them pass a longer timeout="
            warnings.warn(words, RuntimeWarning, stacklevel=2)
        assert self._folded is not None
        return self._folded.laid_out(format, timeout)

    def laid_out(self, format: str, timeout: float) -> bytes:
        """The bytes of the picture of all steps, or an error; see `pipe`."""
        demand_timeout(timeout)
        return picture(self.source, self._plain, known_format(format), timeout)

    @cached_property
    def _folded(self) -> Drawing | None:
        return self._fold()

    def save(self, path: str | PathLike[str]) -> str:
        """Write a file of the kind that its name ends in, and give its path. A missing folder is
        made.

        .svg, .pdf, .png: a picture. .mmd: Mermaid text; .md: that in a Markdown file. .gv, .dot, or
        no ending: the DOT text.

        Raises:
            ValueError: for another ending.
        """
        path = Path(path)
        if path.suffix.lower() in (".html", ".htm"):
            raise ValueError("a drawing is no page: tg.step_through(output).save(...) makes one")
        if path.suffix:
            check_format(path.suffix)
        if path.suffix.lower() in PICTURES:
            return self.render(path)
        text = self._text(path.suffix.lower().removeprefix("."))
        _write(path, (self.source if text is None else text).encode())
        return str(path)

    def _text(self, format: str) -> str | None:
        """The text of a format that needs no program."""
        if format not in TEXTS:
            return None
        if format == "md":
            return f"```mermaid\n{self.mermaid}```\n"
        return self.mermaid if format == "mmd" else self.source

    def render(
        self, filename: str | PathLike[str], format: str | None = None, *, timeout: float = 30.0
    ) -> str:
        """Write the picture, and give its path. If that fails, the DOT text is left beside it. A
        missing folder is made, as the `graphviz` package does.

        Args:
            filename: "lstm.svg", or "lstm" with a format.
            format: default: what the file name ends in, else "svg".

        Raises:
            ValueError, DrawingError: as `pipe`; a file that was there before is as it was.
        """
        path = Path(filename)
        kind = (format or path.suffix[1:] or "svg").lower().removeprefix(".")
        kind = kind if kind in TEXTS else known_format(kind)
        if path.suffix.lower() != f".{kind}":
            path = path.with_name(f"{path.name}.{kind}")
        try:
            content = self.pipe(kind, timeout=timeout)
        except DrawingError as error:
            beside = path.with_suffix(".gv")
            _write(beside, self.source.encode())
            raise DrawingError(f"{error}\nThe DOT text is in {beside}") from None
        _write(path, content)
        return str(path)

    def __repr__(self) -> str:
        return f"<Drawing of {self.summary}{'; ' + self.caption if self.caption else ''}>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        """SVG and a line of text, and PNG where `dot` is. Never raises: the text then says why, and
        there is Mermaid text, which JupyterLab shows as a picture."""
        bundle: dict[str, Any] = {"text/plain": repr(self)}
        try:
            bundle["image/svg+xml"] = self.pipe("svg").decode()
            if shutil.which("dot"):
                bundle["image/png"] = self.pipe("png")
        except Exception as error:  # a cell that shows a drawing never fails
            bundle["text/plain"] += f"\n{error}"
            if "image/svg+xml" not in bundle:
                bundle["text/vnd.mermaid"] = self.mermaid
        return {
            kind: content
            for kind, content in bundle.items()
            if (not include or kind in include) and kind not in (exclude or ())
        }


def demand_timeout(timeout: Any) -> None:
    """Raise unless it is a number of seconds."""
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not timeout > 0:
        raise ValueError(f"timeout is a number of seconds, more than 0; given {timeout!r}")


def check_format(format: str) -> None:
    """Raise for the name of a file format that no drawing can be written in."""
    kind = format.lower().removeprefix(".")
    if kind not in TEXTS:
        known_format(kind)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path, "wb") as file:
        file.write(content)
