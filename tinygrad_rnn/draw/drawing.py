"""A Drawing holds the DOT text, and becomes a picture when one is asked for.

It answers to the names of the `graphviz` package's objects, and shows itself in a notebook.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any

from ..files import whole_file
from .render import DrawingError, known_format, picture

PICTURES = frozenset({".svg", ".png", ".pdf"})


class Drawing:
    """The picture of a graph, as text.

    Attributes:
        source: the DOT text.
        caption: what is not drawn, counted; "" if all is.
        summary: what the graph is made of, in one line.
    """

    def __init__(self, source: str, plain: Callable[[], str], caption: str, summary: str) -> None:
        self.source = source
        self.caption = caption
        self.summary = summary
        self._plain = plain

    def pipe(self, format: str = "svg", *, timeout: float = 30.0) -> bytes:
        """The bytes of the picture.

        Args:
            format: "svg", "pdf", "png", or another that `dot` writes.
            timeout: seconds until the layout is given up.

        Raises:
            ValueError: for a format that `dot` does not write.
            DrawingError: if there is no program to draw with, or it failed, or it took too long.
        """
        return picture(self.source, self._plain, known_format(format), timeout)

    def save(self, path: str | PathLike[str]) -> str:
        """Write the DOT text, or a picture if the name ends in .svg, .pdf, .png. Gives the path."""
        path = Path(path)
        if path.suffix.lower() in PICTURES:
            return self.render(path)
        _write(path, self.source.encode())
        return str(path)

    def render(
        self, filename: str | PathLike[str], format: str | None = None, *, timeout: float = 30.0
    ) -> str:
        """Write the picture, and give its path. If that fails, the DOT text is left beside it.

        Args:
            filename: "lstm.svg", or "lstm" with a format.
            format: default: what the file name ends in, else "svg".

        Raises:
            ValueError, DrawingError: as `pipe`; a file that was there before is as it was.
        """
        path = Path(filename)
        kind = known_format(format or path.suffix[1:] or "svg")
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
        """SVG and a line of text, and PNG where `dot` is. Never raises: the text then says why."""
        bundle: dict[str, Any] = {"text/plain": repr(self)}
        try:
            bundle["image/svg+xml"] = self.pipe("svg").decode()
            if shutil.which("dot"):
                bundle["image/png"] = self.pipe("png")
        except Exception as error:
            bundle["text/plain"] += f"\n{error}"
        return {
            kind: content
            for kind, content in bundle.items()
            if (not include or kind in include) and kind not in (exclude or ())
        }


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path, "wb") as file:
        file.write(content)
