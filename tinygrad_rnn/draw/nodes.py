"""One statement for each node: its label, colours and border.

With `rich`, labels are HTML-like; without, the same rows as plain text, for programs that drop
HTML-like labels.

Read next: `legend.py`.
"""

from __future__ import annotations

from .collapse import Box
from .escape import Quoted, attributes, form, quoted, rich_text
from .labels import Label, Labeller, Row
from .names import Run
from .plan import Plan
from .references import Handover, Reference
from .theme import Theme

NONLINEAR = frozenset(
    (
        "sigmoid", "tanh", "relu", "softplus", "exp", "expm1", "log", "log1p", "logsumexp", "sqrt",
        "square", "absolute", "sin", "cos", "clip", "maximum", "minimum", "max", "min", "power",
    )
)  # fmt: skip

_LOWERED = str.maketrans("0123456789-−+", "₀₁₂₃₄₅₆₇₈₉₋₋₊")


class Nodes:
    """Writes the nodes of a plan."""

    def __init__(
        self, plan: Plan, labeller: Labeller, theme: Theme, rich: bool, style: str = "merged"
    ) -> None:
        self.plan, self.labeller, self.theme, self.rich = plan, labeller, theme, rich
        self.style, self.merged = style, style == "merged"
        self._runs: dict[tuple[Run, bool], str] = {}  # few, and very many nodes
        self._fonts: dict[tuple[str, int, bool], str] = {}
        self.compact = not labeller.show

    def line(self, n: int) -> str:
        """A recorded line."""
        plan, looks = self.plan, self.plan.looks(n)
        pale = plan.pale(n)
        label = self._words(n)
        small = self.merged and self.compact and looks in ("op", "derivative")
        circle = label.title[0].text if small and len(label.title) == 1 else ""
        rounded = self.merged and plan.line(n).op in NONLINEAR and looks != "derivative"
        first = f'id="node-n{n}" class="{looks}" label={self.label(label, pale)}'
        colours = self._colours(looks, rounded and not circle, circle, pale)
        lane = self._place(n)
        place = f" {form(lane)}" if lane else ""
        return f"n{n} [{first} {colours}{place} tooltip={quoted(self.labeller.tooltip(n))}]"

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
        values |= _circle(symbol) | self._place(n)
        values |= self.theme.pale if self.plan.pale(n) else {}
        return f"op_n{n}" + attributes(**values)

    def _colours(self, looks: str, rounded: bool, circle: str, pale: bool) -> str:
        """The attributes for colours, shape and border."""
        values = dict(self.theme.nodes[looks])
        if circle:
            values |= _circle(circle)
        elif rounded:
            values["style"] = "filled,rounded"
        return form(values | (self.theme.pale if pale else {}))

    def _words(self, n: int) -> Label:
        if self.style == "record" and not isinstance(self.plan.line(n), Box):
            return self.labeller.record(n)
        return self.labeller.result(n) if self.is_parted(n) else self.labeller.node(n)

    def _place(self, n: int) -> dict[str, str]:
        """The lane that a line stands on, if any."""
        lane = self.plan.states.lanes.get(n) or self.plan.states.groups.get(n)
        return {"group": lane} if lane else {}

    def reference(self, reference: Reference) -> str:
        """What a step shares with others."""
        looks, label = self.plan.looks(reference.root), self.labeller.reference(reference)
        pale = bool(reference.links) and all(
            self.plan.pale(x.source, x.child) for x in reference.links
        )
        names = f'id="{reference.id}" class="reference {looks} n{reference.root}"'
        words = f"label={self.label(label, pale)} {self._pill(looks, pale)}"
        tooltip = quoted(self.labeller.tooltip(reference.line))
        return f"{dot_name(reference.id)} [{names} {words} tooltip={tooltip}]"

    def handover(self, handover: Handover) -> str:
        """What a step gives to a line outside, as others do."""
        source, child = handover.link.source, handover.link.child
        looks, label = self.plan.looks(child), self.labeller.handover(handover)
        pale = self.plan.pale(source, child)
        names = f'id="{handover.id}" class="handover {looks} n{child}"'
        words = f"label={self.label(label, pale)} {self._pill(looks, pale)}"
        tooltip = quoted(self.labeller.tooltip(child))
        return f"{dot_name(handover.id)} [{names} {words} tooltip={tooltip}]"

    def _pill(self, looks: str, pale: bool) -> str:
        """The dashed, rounded form of a class."""
        colours = self.theme.pale if pale else self.theme.nodes[looks]
        kept = {k: v for k, v in colours.items() if k not in ("peripheries", "shape", "style")}
        return form(kept | {"style": "filled,rounded,dashed", "fontsize": "10"})

    def point(self, name: str, lane: str, *, fork: bool = False) -> str:
        """Where a state enters or leaves a step; a visible dot where its belt forks."""
        size = "0.05" if fork else "0.03"
        values = {"shape": "point", "width": size, "height": size, "color": self.theme.state}
        return f"{name} [{form(values | {'label': '', 'group': lane})}]"

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
    def label(self, label: Label, pale: bool = False) -> Quoted:
        """Title and rows, one under the other; in a record side by side."""
        beside = self.style == "record" and bool(label.rows)
        if not self.rich:
            words = [plain_title(label.title), *(row.text for row in label.rows)]
            return quoted(
                (" | " if beside else "\n").join(word for word in words if word or not beside)
            )
        title = "".join([self._rich_run(run, pale) for run in label.title])
        if not label.rows:
            return Quoted(f"<{title or ' '}>")
        if beside:
            words = [*([title] if title else []), *(self._rich_row(r, 9, pale) for r in label.rows)]
            cells = "<VR/>".join(f"<TD>{word}</TD>" for word in words)
            return Quoted(
                '<<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="4">'
                f"<TR>{cells}</TR></TABLE>>"
            )
        rows = [title, *(self._rich_row(row, 8, pale) for row in label.rows)]
        cells = "".join([f"<TR><TD>{row}</TD></TR>" for row in rows if row])
        return Quoted(
            f'<<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="1">{cells}</TABLE>>'
        )

    def _rich_run(self, run: Run, pale: bool = False) -> str:
        key = run, pale
        if key not in self._runs:
            self._runs[key] = self._written(run, pale)
        return self._runs[key]

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
            f"{''.join(self._rich_run(run) for run in name)}</TD>"
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
