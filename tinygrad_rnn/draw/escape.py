"""Any text, safely inside DOT: names and labels are the user's, and may hold anything.

Read next: `dot.py`.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from functools import lru_cache

_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")

_SPECIAL = re.compile(r"[&<>\"'\\]")
_DOT_ESCAPE = re.compile(r"\\(?=[GNETHL])")


class Quoted(str):
    """A value that is DOT already: quoted text, or an HTML-like label."""

    __slots__ = ()


def quoted(text: str) -> Quoted:
    """Any text as a DOT string that shows exactly this text.

    >>> print(quoted('a & "b"'))
    "a &amp; &quot;b&quot;"
    """
    if text.isprintable() and not _SPECIAL.search(text):
        return Quoted(f'"{text}"')
    text = html.escape(printable(text)).replace("\\", "\\\\")
    return Quoted('"' + text.replace("\n", "\\n") + '"')


def rich_text(text: str) -> str:
    """Any text inside an HTML-like label.

    >>> rich_text("<h> & co")
    '&lt;h&gt; &amp; co'
    """
    if text.isprintable() and not _SPECIAL.search(text):
        return text
    return html.escape(printable(text)).replace("\n", "<BR/>")


def printable(text: str) -> str:
    """Without what an SVG file cannot hold; and with an invisible mark inside of, say, backslash N.

    dot would write the node's own name for that.
    """
    if not text.isprintable():
        text = text.replace("\r", "").replace("\t", " ")  # dot takes no label of tabs alone
        text = _UNPRINTABLE.sub("\ufffd", text)
    return _DOT_ESCAPE.sub("\\\\\u2060", text) if "\\" in text else text


def attributes(**values: str) -> str:
    """` [key="value" ...]`."""
    return f" [{pairs(values)}]" if values else ""


def pairs(values: Mapping[str, str]) -> str:
    """`key="value" ...`."""
    return " ".join([f"{k}={v if type(v) is Quoted else quoted(v)}" for k, v in values.items()])


def form(values: Mapping[str, str]) -> str:
    """The same for colours, shapes and sizes: they stand in every statement, and there are few sets
    of them."""
    return _form(tuple(values.items()))


@lru_cache(maxsize=4096)
def _form(values: tuple[tuple[str, str], ...]) -> str:
    return pairs(dict(values))
