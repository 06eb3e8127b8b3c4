"""The laid-out picture made ready for a page: smaller, coloured by the page, every part addressed.

Colours go, since a style sheet gives them for light and dark. Tooltips go, since they would tell
the gradients. What remains says of each part which line, or which argument of which line, it shows:
`data-n`, `data-from`, `data-to`, `data-arg`.

Read next: `page.py`.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

from ...program import Graph, short
from ..theme import THEMES, Theme

Edge = tuple[int, int]  # (line, argument)

_KEPT = (
    "d", "points", "cx", "cy", "rx", "ry", "x", "y", "text-anchor", "font-weight", "font-size",
    "font-style", "baseline-shift", "stroke-dasharray", "stroke-width",
)  # fmt: skip
_PLAIN = re.compile(r"\w*")  # names that a picture changes only on purpose, as h0 into h₀
_LONG = re.compile(r"-?\d+\.\d+")
_ROLES = ("value", "gradient", "faint", "parameter", "state")
_OWNER = re.compile(r"(?:node-n(\d+)|(?:ref|start)-n(\d+)-\w+|handover-n(\d+)-(\d+))")
_LOWERED = str.maketrans("0123456789-−+", "₀₁₂₃₄₅₆₇₈₉₋₋₊")


class Picture:
    """The small SVG, and what of the program its parts show.

    Attributes:
        names: what lines are called in the picture.
        shows: for every part with a gradient in it the line whose it is, or the edges whose sum.
        through: for lines that the picture passes over, the edges that run through each.
        text: the SVG.
    """

    def __init__(self, svg: bytes, graph: Graph) -> None:
        self.graph = graph
        self.names: dict[int, str] = {}
        self.shows: dict[str, int | list[Edge]] = {}
        self.through: dict[int, list[str]] = {}
        self._arrows: dict[Edge, int] = {}  # of arguments: where each comes from
        self._tails: dict[str, list[Edge]] = {}  # by where they start
        self._roots: dict[str, int] = {}  # of references: the shared line
        root = ET.fromstring(svg)
        box = root.attrib["viewBox"]
        new = ET.Element("svg", {"id": "picture", "viewBox": box, "role": "group"})
        (whole,) = _children(root, "g")
        inner = ET.SubElement(new, "g", {"id": "whole", "transform": whole.attrib["transform"]})
        table = None
        for part in whole:
            kind = part.attrib.get("class", "").split()[:1]
            if kind == ["cluster"]:
                _copy(part, ET.SubElement(inner, "g", {"class": "step"}))
            elif kind == ["edge"]:
                self._edge(part, ET.SubElement(inner, "g"))
            elif part.attrib.get("id") == "shared":
                table = ET.SubElement(inner, "g", {"class": "table"}), part
            elif kind == ["node"]:
                self._node(part, ET.SubElement(inner, "g"))
            elif _tag(part) == "text":
                inner.append(_plain(part))
        if table:
            self._table(*table)
        self._pass_through()
        self._find_edges_of_references()
        self.text = ET.tostring(new, encoding="unicode").replace(" />", "/>")

    # ------------------------------------------------------------ edges
    def _edge(self, part: ET.Element, new: ET.Element) -> None:
        """An arrow: of an argument, of a belt, or of a cut."""
        classes = part.attrib["class"].split()
        new.set("class", " ".join(c for c in classes if "-" not in c))
        for name, pattern in (
            ("data-from", "from-n"), ("data-to", "to-n"), ("data-arg", "argument-"),
            ("data-into", "into-s"),
        ):  # fmt: skip
            found = [c.removeprefix(pattern) for c in classes if c.startswith(pattern)]
            if found:
                new.set(name, found[0])
        ends, to = _title(part).split("->"), new.get("data-to")
        backwards = "belt" in classes and ends[0].startswith("in_")
        if backwards or ends[0] in (f"n{to}", f"op_n{to}"):
            ends.reverse()  # a reverse direction is laid out from right to left
        tail = ends[0].replace("_", "-")
        if tail.startswith("in-n"):
            new.set("data-belt", tail.removeprefix("in-"))
        if "data-arg" in new.attrib:
            edge = int(new.attrib["data-to"]), int(new.attrib["data-arg"])
            self._arrows[edge] = int(new.attrib["data-from"])
            self._tails.setdefault(tail, []).append(edge)
        if tail.startswith(("ref-", "start-")):
            new.set("data-tail", tail)
        _copy(part, new, _colour_class(part))
        for shape in new:  # an arrow's width and colour are the page's
            for key in ("stroke-width", "class"):
                shape.attrib.pop(key, None)

    # ------------------------------------------------------------ nodes
    def _node(self, part: ET.Element, new: ET.Element) -> None:
        """A line, a reference to one, or a point that a belt runs through."""
        owner = _OWNER.fullmatch(part.attrib.get("id", ""))
        classes = part.attrib["class"].split()
        if owner is None:
            new.set("class", "point")
            _copy(part, new)
            return
        name = part.attrib["id"]
        numbers = [int(text) for text in owner.groups() if text]
        line = numbers[0]
        if name.startswith(("ref-", "start-")):
            root = next(int(c[1:]) for c in classes if re.fullmatch(r"n\d+", c))
            self._roots[name] = root
            new.set("data-line", str(line))
        else:
            root = line
        new.set("id", name)
        new.set("class", " ".join(c for c in classes if not re.fullmatch(r"n\d+", c)))
        new.set("data-n", str(root))
        _copy(part, new)
        texts = [x for x in new if x.tag == "text"]
        title = _bold_name(texts)
        plainly = _PLAIN.fullmatch(self.graph.nodes[root].name or "")
        if title and plainly and not name.startswith("handover-"):
            self.names.setdefault(root, title)
        if self._mark_rows(new, texts, line):
            edges = name.startswith("handover-")
            self.shows[name] = [(numbers[0], numbers[1])] if edges else line

    def _mark_rows(self, new: ET.Element, texts: list[ET.Element], line: int) -> bool:
        """Name the rows of value and gradient; whether there is one of a gradient."""
        rows = texts[1:]
        found = bool(rows) and (rows[-1].text or "").startswith("∇ ")
        if found:
            _as_gradient(rows.pop(), _widest([x for x in new if x.tag != "text"]))
        value = short(self.graph.nodes[line].value)
        if rows and rows[-1].text == value:
            rows[-1].set("class", "val")
        return found

    def _table(self, new: ET.Element, part: ET.Element) -> None:
        """The shared leaves: a group for each row, which starts with a filled cell."""
        roots = {n for n in self._roots.values() if self.graph.nodes[n].op is None}
        lines = iter(sorted(roots))
        row, cell = new, None
        content = [x for x in part.iter() if _tag(x) in ("polygon", "path", "text")]
        rich = any(x.attrib.get("stroke") == "transparent" for x in content)
        for k, child in enumerate(content):
            if (rich and child.attrib.get("stroke") == "transparent") or (not rich and k > 1):
                n = next(lines)
                where = {"class": "entry parameter", "data-n": str(n), "id": f"row-n{n}"}
                row = ET.SubElement(new, "g", where)
            copied = _plain(child)
            copied.set("class", f"{copied.attrib.get('class', '')} cell".strip())
            if child.attrib.get("fill") == "none":
                copied.set("class", "line")
            row.append(copied)
            if copied.tag != "text":
                cell = copied
            elif row is not new:
                self._table_text(row, copied, cell)

    def _table_text(self, row: ET.Element, text: ET.Element, cell: ET.Element | None) -> None:
        """A name, or a gradient; without HTML-like labels, both and more in one text."""
        before, found, after = (text.text or "").rpartition("∇ ")
        n = int(row.attrib["data-n"])
        plainly = _PLAIN.fullmatch(self.graph.nodes[n].name or "")
        if plainly and text.attrib.get("font-weight") == "bold":
            self.names.setdefault(n, text.text or "")
        if not found:
            return
        self.shows[row.attrib["id"]] = n
        if not before and cell is not None:
            _as_gradient(text, cell, end=" = Σₜ" if after.endswith("= Σₜ") else "")
            return
        text.text = before
        ET.SubElement(text, "tspan", {"class": "grad"})

    # ------------------------------------------------------------ what parts show
    def _pass_through(self) -> None:
        """For each line that has no node: the drawn arrows that run through it."""
        for (child, argument), source in self._arrows.items():
            n = self.graph.nodes[child].inputs[argument]
            while n != source:
                self.through.setdefault(n, []).append(f"{child}.{argument}")
                (n,) = self.graph.nodes[n].inputs

    def _find_edges_of_references(self) -> None:
        """A reference shows what came back to its line over its own arrows."""
        for name in [name for name in self.shows if name in self._roots]:
            line, root = self.shows[name], self._roots[name]
            assert isinstance(line, int)
            step = name.rpartition("-")[2]
            tail = name if name.startswith("ref-") else f"in-n{root}-{step}"
            gates = [self._gate(edge, line) for edge in self._tails.get(tail, [])]
            self.shows[name] = list(dict.fromkeys(gates))

    def _gate(self, edge: Edge, line: int) -> Edge:
        """The recorded edge into `line` that a drawn arrow runs over."""
        while (operand := self.graph.nodes[edge[0]].inputs[edge[1]]) != line:
            edge = operand, 0
        return edge


def _tag(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]


def _children(element: ET.Element, tag: str) -> list[ET.Element]:
    return [child for child in element if _tag(child) == tag]


def _title(element: ET.Element) -> str:
    return next((child.text or "" for child in _children(element, "title")), "")


# ---------------------------------------------------------------- parts of an SVG
def _copy(part: ET.Element, new: ET.Element, extra: str = "") -> None:
    """The shapes and texts of a part, links taken apart, colours left out."""
    if extra:
        new.set("class", f"{new.attrib['class']} {extra}")
    for child in part.iter():
        if _tag(child) in ("polygon", "path", "ellipse", "polyline", "text"):
            new.append(_plain(child))


def _plain(child: ET.Element) -> ET.Element:
    """A shape or text without namespace and colours, its coordinates to a tenth of a point."""
    if _tag(child) == "path" and child.attrib.get("fill") != "none":
        return _box(child)
    new = ET.Element(_tag(child))
    for key in _KEPT:
        value = child.attrib.get(key)
        if value is None or (key, value) in _USUAL:
            continue
        if key == "points":  # a polygon closes by itself
            first, *others = value.split()
            value = " ".join([first, *others[: -1 if others[-1:] == [first] else None]])
        elif key == "font-size":
            value = value.removesuffix(".00")
        new.set(key, _LONG.sub(lambda number: _tenth(float(number[0])), value))
    if new.tag == "text":
        new.text = child.text
        colour = _colour_class(child)
        if colour:
            new.set("class", colour)
        if new.attrib.pop("baseline-shift", None):  # a browser lowers it, but too far, and large
            new.set("class", "sub")
            new.set("y", _tenth(float(new.attrib["y"]) + 2.5))
    elif child.attrib.get("fill") == "none":
        new.set("class", "line")
    return new


def _tenth(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")


def _box(path: ET.Element) -> ET.Element:
    """A box with round corners, for which Graphviz draws eight curves."""
    points = _points(path.attrib["d"])
    left, right = min(x for x, _ in points), max(x for x, _ in points)
    top, bottom = min(y for _, y in points), max(y for _, y in points)
    place = {"x": left, "y": top, "width": right - left, "height": bottom - top, "rx": 6.0}
    new = ET.Element("rect", {key: _tenth(value) for key, value in place.items()})
    for key in ("stroke-dasharray", "stroke-width"):
        if key in path.attrib:
            new.set(key, path.attrib[key])
    return new


def _points(text: str) -> list[tuple[float, float]]:
    """All the points that a path or polygon names."""
    return [(float(x), float(y)) for x, y in re.findall(r"(-?[\d.]+),(-?[\d.]+)", text)]


_USUAL = {("text-anchor", "start"), ("stroke-width", "1"), ("font-size", "8.00")}


def _colour_class(part: ET.Element) -> str:
    """The role of a colour in the drawing's theme: "state", "parameter", ...; "" for black."""
    own = part.attrib.get("fill" if _tag(part) == "text" else "stroke")
    colours = [own, *(child.attrib.get("stroke") for child in part)]
    theme = THEMES["light"]
    for role in _ROLES:
        if getattr(theme, role).lower() in colours:
            return f"is-{role}"
    return "is-input" if theme.nodes["input"]["color"].lower() in colours else ""


def _span(shape: ET.Element) -> tuple[float, float]:
    """Left and right end of a shape."""
    if shape.tag == "ellipse":
        centre, radius = float(shape.attrib["cx"]), float(shape.attrib["rx"])
        return centre - radius, centre + radius
    if shape.tag == "rect":
        left = float(shape.attrib["x"])
        return left, left + float(shape.attrib["width"])
    xs = [x for x, _ in _points(shape.attrib.get("points") or shape.attrib["d"])]
    return min(xs), max(xs)


def _widest(shapes: list[ET.Element]) -> ET.Element:
    return max(shapes, key=lambda shape: _span(shape)[1] - _span(shape)[0])


def _as_gradient(text: ET.Element, shape: ET.Element, end: str = "") -> None:
    """A row that the page fills: centred in its shape, whose width it must not exceed."""
    left, right = _span(shape)
    text.set("x", f"{(left + right) / 2:.1f}")
    text.set("class", "grad")
    text.set("data-width", f"{right - left - 6:.0f}")
    if end:
        text.set("data-end", end)
    text.text = ""


def _bold_name(texts: list[ET.Element]) -> str:
    """The bold start of a title, with what is lowered behind it; "" if it has none."""
    if not texts or texts[0].attrib.get("font-weight") != "bold":
        return ""
    name = texts[0].text or ""
    if len(texts) > 1 and texts[1].attrib.get("class") == "sub":
        below = texts[1].text or ""
        lowered = below.translate(_LOWERED)
        name += lowered if all(ord(ch) in _LOWERED.values() for ch in lowered) else f"_{below}"
    return name


# ---------------------------------------------------------------- colours
def palette() -> str:
    """The colours of the drawing's themes as CSS variables, each for light and for dark."""
    light, dark = _colours(THEMES["light"]), _colours(THEMES["dark"])
    rows = [f"--{name}:light-dark({colour},{dark[name]})" for name, colour in light.items()]
    return f":root{{{';'.join(rows)}}}"


def _colours(theme: Theme) -> dict[str, str]:
    found = {role: getattr(theme, role) for role in ("background", "text", "edge", *_ROLES)}
    found["step-fill"], found["step-line"] = theme.step["bgcolor"], theme.step["color"]
    for name, values in theme.nodes.items():
        found |= {f"{name}-fill": values["fillcolor"], f"{name}-line": values["color"]}
    return found
