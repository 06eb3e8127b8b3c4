"""A Page is one HTML file that needs nothing else: picture, steps, style and script.

Its own script is the only one that a browser will run in it: the policy in its head names that
script by its hash, and forbids every request. User's text comes in as data, never as markup.

Read next: `page.js`.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import math
import re
from importlib import resources
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from ...files import whole_file
from ...program import Graph
from ...tensor import Tensor
from .. import draw
from ..options import TooManyNodes, demand_flag
from .replay import Replay
from .steps import Writer
from .svg import Picture, palette
from .verdict import Judge

THEMES = ("light", "dark", "auto")


class Page:
    """The page as text; shows itself in a notebook.

    Attributes:
        html: the whole file.
        title: its title.
        steps: the number of the last step, which is `#k=...` at the end of its address.
    """

    def __init__(self, text: str, title: str, steps: int) -> None:
        self.html = text
        self.title = title
        self.steps = steps

    def save(self, path: str | PathLike[str]) -> str:
        """Write the file, whole or not at all. Gives the path. A missing folder is made.

        Raises:
            ValueError: for a name that ends in something else than .html.
        """
        target = Path(path)
        if target.suffix.lower() not in ("", ".html", ".htm"):
            raise ValueError(
                f"a page is HTML, and {target.name!r} says {target.suffix}: call it"
                f" {target.with_suffix('.html').name!r}, or draw a picture with tg.draw"
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(target) as file:
            file.write(self.html)
        return str(target)

    def __repr__(self) -> str:
        return f"<Page {self.title!r}: {self.steps} steps, {len(self.html.encode()) // 1000} kB>"

    def _repr_html_(self) -> str:
        """The page in a frame of its own, where its script runs and reaches nothing outside."""
        frame = '<iframe sandbox="allow-scripts" style="width:100%;height:44rem;border:0"'
        return f'{frame} title="{html.escape(self.title)}" srcdoc="{html.escape(self.html)}">' + (
            "</iframe>"
        )

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        bundle = {"text/plain": repr(self), "text/html": self._repr_html_()}
        return {
            kind: content
            for kind, content in bundle.items()
            if (not include or kind in include) and kind not in (exclude or ())
        }


def step_through(
    output: Tensor | Graph,
    *,
    numeric: bool = False,
    predict: bool = False,
    theme: str = "light",
    rankdir: str = "LR",
    max_nodes: int = 400,
    seed: Any = None,
    title: str | None = None,
    timeout: float = 30.0,
) -> Page:
    """A page to step through how a number was made, and then back through its gradients.

    Forward in the order of creation, backward in the other order, so through time from the last
    step to the first. Each step back shows the chain rule with its numbers, and how the gradient
    of each operand grows: `was -> now`.

    Args:
        output: a Tensor that requires grad, or a Graph of one.
        numeric: put a numeric gradient beside each gradient, from running the program again.
        predict: start with "Predict first" switched on: the reader types a gradient and is told
            whether it is right, within 1 %, before it is shown. The page has a switch for it.
        theme: "light", "dark", or "auto": as the reader's system has it.
        rankdir: "LR" from left to right, "TB" from top to bottom.
        max_nodes: refuse to draw more.
        seed: dL/d(output), for an output that is not a single number.
        title: default: after the output's name.
        timeout: seconds until the layout is given up.

    Raises:
        ValueError: for an unknown theme or rankdir, more nodes than `max_nodes`, a folded graph or
            one of several outputs, or a seed of another shape.
        RuntimeError: if the output needs no gradient, or has several entries and no seed.
        DrawingError: if there is no program to lay out the picture, or it took too long; it says
            what to do.

    >>> a = Tensor(3.0, requires_grad=True, name="a")
    >>> page = step_through(a * a)  # doctest: +SKIP
    >>> page.save("square.html")  # doctest: +SKIP
    'square.html'
    """
    if theme not in THEMES:
        raise ValueError(f'theme is "light", "dark" or "auto"; given {theme!r}')
    for name, flag in (("numeric", numeric), ("predict", predict)):
        demand_flag(name, flag)
    if title is not None and not isinstance(title, str):
        raise TypeError(f"title is a text; given {title!r}")
    graph = output if isinstance(output, Graph) else Graph(output)
    if graph.ends and not graph.outputs:
        raise ValueError(
            "a page needs the recorded graph, and this one was read from JSON, which has the"
            " results only: record it again, and pass the output"
        )
    if graph.folds:
        raise ValueError(
            "a page steps through every recorded operation, and this graph is folded: pass the"
            " output itself, or Graph(output)"
        )
    gradients = graph.gradients(seed)
    try:
        drawing = draw(graph, rankdir=rankdir, fold=None, max_nodes=max_nodes, seed=seed)
    except TooManyNodes as error:
        raise TooManyNodes(
            error.count,
            f"a page shows every operation, and this one would have {error.count} nodes: step"
            " through a shorter sequence, whose steps are the same",
            [("max_nodes", error.count, f" (it is {max_nodes}; such a page is slow)")],
        ) from None
    picture = Picture(drawing.laid_out("svg", timeout), graph)
    writer = Writer(graph, gradients, picture.names)
    data = _data(writer, picture)
    name = writer.names[writer.output]
    title = title or f"{name}, step by step"
    data |= {"predict": predict, "summary": drawing.summary}
    if numeric:
        data["numeric"] = _numeric(writer)
    data["arrays"] = writer.printed.table
    data["words"] = _once([p for step in data["steps"] for p in step.get("pulls", ())], "say")
    data["places"] = _once(data["lines"], "at")
    return Page(_html(data, picture.text, title, theme), title, len(data["steps"]) - 1)


# ---------------------------------------------------------------- the data
def _data(writer: Writer, picture: Picture) -> dict[str, Any]:
    """Everything that the script reads, but for the table of arrays."""
    return {
        "lines": writer.lines(),
        "steps": writer.steps(),
        "seed": writer.walk.seed,
        "output": writer.output,
        "shows": {part: _growth(writer, what) for part, what in picture.shows.items()},
        "through": picture.through,
        "widths": _widths(writer),
    }


def _once(items: list[dict[str, Any]], key: str) -> list[str]:
    """Put each text under a key into a table, once, and its number in its place."""
    places: dict[str, int] = {}
    for item in items:
        if key in item:
            item[key] = places.setdefault(item[key], len(places))
    return list(places)


def _growth(writer: Writer, what: int | list[tuple[int, int]]) -> list[list[int]]:
    """When a gradient in the picture changes: pairs (step, place in the table of arrays).

    A line's own gradient; or the sum over some of the edges that lead to it.
    """
    walk, add = writer.walk, writer.printed.add
    arrived = sorted(walk.arrived.values(), key=lambda one: one.k)
    if isinstance(what, int):
        first = [[walk.seed, add(writer.gradients.lines[what])]] if what == writer.output else []
        return first + [[one.k, add(one.now)] for one in arrived if one.operand == what]
    total: Any = None
    growth = []
    for one in arrived:
        if one.edge in what:
            total = one.value if total is None else total + one.value
            growth.append([one.k, add(total)])
    return growth


def _widths(writer: Writer) -> dict[str, float]:
    """For each edge a line width from the logarithm of the gradient on it: 4 for the largest, and
    1 from a thousandth of that on."""
    norms = {
        edge: float(np.linalg.norm(one.value.ravel())) for edge, one in writer.walk.arrived.items()
    }
    top = max(norms.values(), default=0.0)
    widths = {}
    for (child, argument), norm in norms.items():
        share = norm / top if norm > 0 else 0.0
        width = 4.0 + math.log10(share) if 1e-3 < share <= 1 else 1.0  # nan and inf: 1
        widths[f"{child}.{argument}"] = round(width, 1)
    return widths


def _numeric(writer: Writer) -> dict[str, Any]:
    """The numeric gradient of each line that has a gradient: its place, and whether they agree."""
    replay = Replay(writer.graph, np.asarray(writer.gradients.lines[writer.output]))
    judge = Judge(writer.graph, writer.gradients, replay)
    found = {}
    for n, g in writer.gradients.lines.items():
        truth = replay.gradient(n, np.asarray(g))
        if isinstance(truth, float):
            place = writer.printed.add_norm(np.shape(g), truth)
        else:
            place = writer.printed.add(truth)
        found[n] = [place, *judge.verdict(n, np.asarray(g), truth)]
    return {"method": replay.method, "lines": found}


# ---------------------------------------------------------------- the file
def _html(data: dict[str, Any], svg: str, title: str, theme: str) -> str:
    script = _part("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    parts = {
        "theme": theme,
        "title": html.escape(title),
        "policy": f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline';"
        " img-src data:; base-uri 'none'; form-action 'none'",
        "style": palette() + _part("page.css"),
        "svg": svg,
        "data": _safe_json(data),
        "script": script,
    }
    text = re.sub(r"@@(\w+)@@", lambda place: parts[place[1]], _part("page.html"))
    return text.encode("utf-8", "replace").decode()  # half a surrogate pair has no UTF-8


def _part(name: str) -> str:
    """A file of the page, without its indentation."""
    text = resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
    return "\n".join(map(str.strip, text.splitlines()))


def _safe_json(data: Any) -> str:
    """JSON that can stand inside of a script element: nothing in it can end that element."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), default=_plain)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _plain(value: Any) -> Any:
    """NumPy's numbers as Python's."""
    return value.item()
