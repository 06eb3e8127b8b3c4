"""One statement for each node: its label, colours and border.

With `rich`, labels are HTML-like; without, the same rows as plain text, for programs that drop
HTML-like labels.

Read next: `legend.py`.
"""

from __future__ import annotations

from collections.abc import Hashable

from .collapse import Box
from .escape import Quoted, attributes, form, pairs, quoted, rich_text
from .labels import Label, Labeller, Marked, Row
from .names import Run
from .patterns import Pattern, pattern_of
from .plan import Plan
from .references import Handover, Reference
from .theme import Theme

NONLINEAR = frozenset(
    (
        "sigmoid", "tanh", "relu", "softplus", "exp", "expm1", "log", "log1p", "logsumexp", "sqrt",
        "square", "absolute", "sin", "cos", "clip", "maximum", "minimum", "max", "min", "power",
    )
)  # fmt: skip

# Start, middle and end of an HTML-like table of rows, and of one of cells side by side.
_TABLE = '<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING='
_STACKED = f'{_TABLE}"1"><TR><TD>', "</TD></TR><TR><TD>", "</TD></TR></TABLE>"
_BESIDE = f'{_TABLE}"4"><TR><TD>', "</TD><VR/><TD>", "</TD></TR></TABLE>"

_LOWERED = str.maketrans("0123456789-−+", "₀₁₂₃₄₅₆₇₈₉₋₋₊")


class Nodes:
    """Writes the nodes of a plan."""

    def __init__(
        self, plan: Plan, labeller: Labeller, theme: Theme, rich: bool, style: str = "merged"
    ) -> None:
        self.plan, self.labeller, self.theme, self.rich = plan, labeller, theme, rich
        self.style, self.merged = style, style == "merged"
        self.compact = not labeller.show
        # There are very many nodes: what many have alike is written once.
        self._runs: dict[bool, dict[Run, str]] = {False: {}, True: {}}  # pale or not
        self._fonts: dict[tuple[str, int, bool], str] = {}
        self._patterns: dict[Hashable, Pattern | None] = {}
        self._pills: dict[tuple[str, bool], str] = {}
        self._points: dict[tuple[str, bool], str] = {}
        self._tooltips: dict[int, str] = {}

    def line(self, n: int) -> str:
        """A recorded line; one that reads like others is written after their pattern."""
        kind = self.labeller.kind(n) if self.rich and self.merged else None
        if kind is None:
            return self._line(n)
        key = kind, self.plan.looks(n), self.plan.pale(n), self._lane(n)
        if key not in self._patterns:
            self._patterns[key] = self._pattern(n)
        pattern = self._patterns[key]
        if pattern is None:
            return self._line(n)
        text, pick = pattern
        return text % pick(self.labeller.facts(n))

    def _pattern(self, n: int) -> Pattern | None:
        """What lines of this kind are written after; None if a mark is part of somebody's name."""
        marked = Nodes(self.plan, Marked(self.labeller), self.theme, self.rich)
        text, pick = pattern_of(marked._line(n))
        found = text % pick(self.labeller.facts(n)) == self._line(n)
        return (text, pick) if found else None

    def _line(self, n: int) -> str:
        plan, looks = self.plan, self.plan.looks(n)
        pale, label, circle = plan.pale(n), self._words(n), ""
        if self.merged and self.compact and looks in ("op", "derivative") and len(label.title) == 1:
            circle = label.title[0].text
        number = self.labeller.facts(n).number
        names = f'id="node-{number}" class="{looks}" label={self.label(label, pale)}'
        colours = self._colours(looks, plan.line(n).op, circle, pale)
        words = form(colours | _group(self._lane(n)))
        return f"{number} [{names} {words} tooltip={quoted(self.labeller.tooltip(n))}]"

    def is_parted(self, n: int) -> bool:
        """Whether the operation of a line stands in a circle of its own."""
        if self.merged:
            return False
        line = self.plan.line(n)
        return line.op is not None and not isinstance(line, Box)

    def head(self, n: int) -> str:
        """Where the arrows of a line's arguments end."""
        return f"op_n{n}" if self.is_parted(n) else f"n{n}"

    def operation(self, n: int) -> str:
        """The circle of an operation."""
        symbol, looks = self.labeller.symbol(n), self.plan.looks(n)
        values = {"id": f"op-n{n}", "class": f"operation n{n}", "label": symbol}
        values |= self.theme.nodes["derivative" if looks == "derivative" else "op"]
        values |= _circle(symbol) | _group(self._lane(n))
        values |= self.theme.pale if self.plan.pale(n) else {}
        return f"op_n{n}" + attributes(**values)

    def _colours(self, looks: str, op: str | None, circle: str, pale: bool) -> dict[str, str]:
        """The attributes for colours, shape and border."""
        values = dict(self.theme.nodes[looks])
        if circle:
            values |= _circle(circle)
        elif self.merged and op in NONLINEAR and looks != "derivative":
            values["style"] = "filled,rounded"
        return values | (self.theme.pale if pale else {})

    def _words(self, n: int) -> Label:
        if self.style == "record" and not isinstance(self.plan.line(n), Box):
            return self.labeller.record(n)
        return self.labeller.result(n) if self.is_parted(n) else self.labeller.node(n)

    def _lane(self, n: int) -> str:
        """The lane that a line stands on; "" if there is none."""
        states = self.plan.states
        return states.lanes.get(n) or states.groups.get(n) or ""

    def _tooltip(self, n: int) -> str:
        """Everything about a line; of a shared one for every reference to it."""
        if n not in self._tooltips:
            self._tooltips[n] = quoted(self.labeller.tooltip(n))
        return self._tooltips[n]

    def reference(self, reference: Reference) -> str:
        """What a step shares with others."""
        looks, label = self.plan.looks(reference.root), self.labeller.reference(reference)
        pale = bool(reference.links) and all(
            self.plan.pale(x.source, x.child) for x in reference.links
        )
        names = f'id="{reference.id}" class="reference {looks} n{reference.root}"'
        words = f"label={self.label(label, pale)} {self._pill(looks, pale)}"
        tooltip = self._tooltip(reference.line)
        return f"{dot_name(reference.id)} [{names} {words} tooltip={tooltip}]"

    def handover(self, handover: Handover) -> str:
        """What a step gives to a line outside, as others do."""
        source, child = handover.link.source, handover.link.child
        looks, label = self.plan.looks(child), self.labeller.handover(handover)
        pale = self.plan.pale(source, child)
        names = f'id="{handover.id}" class="handover {looks} n{child}"'
        words = f"label={self.label(label, pale)} {self._pill(looks, pale)}"
        return f"{dot_name(handover.id)} [{names} {words} tooltip={self._tooltip(child)}]"

    def _pill(self, looks: str, pale: bool) -> str:
        """The dashed, rounded form of a class."""
        if (looks, pale) not in self._pills:
            colours = self.theme.pale if pale else self.theme.nodes[looks]
            kept = {k: v for k, v in colours.items() if k not in ("peripheries", "shape", "style")}
            values = kept | {"style": "filled,rounded,dashed", "fontsize": "10"}
            self._pills[looks, pale] = pairs(values)
        return self._pills[looks, pale]

    def point(self, name: str, lane: str, *, fork: bool = False) -> str:
        """Where a state enters or leaves a step; a visible dot where its belt forks."""
        if (lane, fork) not in self._points:
            size = "0.05" if fork else "0.03"
            values = {"shape": "point", "width": size, "height": size, "color": self.theme.state}
            self._points[lane, fork] = attributes(**values, label="", group=lane)
        return name + self._points[lane, fork]

    def table(self) -> str:
        """The shared leaves: name, shape, value and the sum of the gradients of all steps."""
        plan = self.plan
        only = all(plan.looks(n) == "parameter" for n in plan.table)
        heading = f"shared {'parameters' if only else 'tensors'}"
        rows = [(n, *self.labeller.table_row(n)) for n in plan.table]
        values = {"id": "shared", "class": "shared"}
        if self.rich:
            return "shared" + attributes(
                **values, shape="plain", style="", label=self._rich_table(heading, rows)
            )
        lines = [
            "   ".join([plain_title(name), *(cell.text for cell in cells)])
            for _, name, cells in rows
        ]
        label = quoted("\n".join([heading, *lines, ""])).replace("\\n", "\\l")
        colours = {"fillcolor": self.theme.background, "color": self.theme.parameter}
        return "shared" + attributes(**values, label=Quoted(label), **colours)

    # ------------------------------------------------------------ labels
    def label(self, label: Label, pale: bool = False) -> str:
        """Title and rows, one under the other; in a record side by side."""
        beside = self.style == "record" and bool(label.rows)
        if not self.rich:
            words = [plain_title(label.title), *(row.text for row in label.rows)]
            return quoted(
                (" | " if beside else "\n").join(word for word in words if word or not beside)
            )
        title = self._rich_title(label.title, pale)
        if not label.rows:
            return f"<{title or ' '}>"
        size = 9 if beside else 8
        rows = [self._rich_row(row, size, pale) for row in label.rows]
        start, between, end = _BESIDE if beside else _STACKED
        return f"<{start}{between.join([title, *rows] if title else rows)}{end}>"

    def _rich_title(self, title: tuple[Run, ...], pale: bool = False) -> str:
        known = self._runs[pale]
        for run in title:
            if run not in known:
                known[run] = self._written(run, pale)
        return "".join([known[run] for run in title])

    def _written(self, run: Run, pale: bool) -> str:
        text = rich_text(run.text)
        if text.startswith(" "):  # an SVG swallows the first space
            text = f"&#160;{text[1:]}"
        if not text:
            return ""
        if run.style == "small":
            return f'<FONT POINT-SIZE="8" COLOR="{self._colour("faint", pale)}">{text}</FONT>'
        if run.style == "sub":  # as small as Graphviz measures it, also in a browser
            return f'<SUB><FONT POINT-SIZE="8.5">{text}</FONT></SUB>'
        return f"<B>{text}</B>" if run.style == "b" else text

    def _rich_row(self, row: Row, size: int = 8, pale: bool = False) -> str:
        key = row.colour, size, pale
        if key not in self._fonts:
            colour = self._colour(row.colour, pale)
            self._fonts[key] = f'<FONT POINT-SIZE="{size}" COLOR="{colour}">'
        return f"{self._fonts[key]}{rich_text(row.text)}</FONT>"

    def _colour(self, name: str, pale: bool) -> str:
        return self.theme.pale["fontcolor"] if pale else str(getattr(self.theme, name))

    def _rich_table(
        self, heading: str, rows: list[tuple[int, tuple[Run, ...], tuple[Row, ...]]]
    ) -> Quoted:
        body = "".join(
            f'<TR><TD BGCOLOR="{self.theme.nodes[self.plan.looks(n)]["fillcolor"]}">'
            f"{self._rich_title(name)}</TD>"
            + "".join(f"<TD>{self._rich_row(cell, 9)}</TD>" for cell in cells)
            + "</TR>"
            for n, name, cells in rows
        )
        return Quoted(
            '<<TABLE BORDER="0" CELLBORDER="1" CELLSPACING="0" CELLPADDING="3" '
            f'COLOR="{self.theme.parameter}">'
            f'<TR><TD COLSPAN="{1 + len(rows[0][2])}" BORDER="0" ALIGN="LEFT">'
            f'<FONT COLOR="{self.theme.parameter}">{heading}</FONT></TD></TR>{body}</TABLE>>'
        )


def plain_title(title: tuple[Run, ...]) -> str:
    """Lowered digits where Unicode has them, else the text after an underscore.

    >>> plain_title((Run("h", "b"), Run("12", "sub"), Run(" = ×")))
    'h₁₂ = ×'
    """
    return "".join(run.text if run.style != "sub" else _lowered(run.text) for run in title)


def _lowered(text: str) -> str:
    lowered = text.translate(_LOWERED)
    return lowered if all(ch in _LOWERED.values() for ch in map(ord, lowered)) else f"_{text}"


def dot_name(svg_id: str) -> str:
    """A DOT name from an SVG id."""
    return svg_id.replace("-", "_")


def _group(lane: str) -> dict[str, str]:
    """What keeps the nodes of a lane in a row."""
    return {"group": lane} if lane else {}


def _circle(symbol: str) -> dict[str, str]:
    """A small circle around a short symbol; a rounded box takes longer ones."""
    if len(symbol) > 4:
        return {"style": "filled,rounded", "fontsize": "10"}
    small = len(symbol) < 3
    size = "0.26" if small else "0.36"
    return {
        "shape": "circle", "fixedsize": "true", "width": size, "height": size,
        "fontsize": "10" if small else "9",
    }  # fmt: skip
