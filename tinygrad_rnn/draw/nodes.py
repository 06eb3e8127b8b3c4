"""One statement for each node: its label, colours and border.

With `rich`, labels are HTML-like; without, the same rows as plain text, for programs that drop
HTML-like labels.

Read next: `dot.py`.
"""

from __future__ import annotations

from .escape import Quoted, attributes, quoted, rich_text
from .labels import Label, Labeller, Row, Run
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

    def __init__(self, plan: Plan, labeller: Labeller, theme: Theme, rich: bool) -> None:
        self.plan, self.labeller, self.theme, self.rich = plan, labeller, theme, rich
        self.compact = not labeller.show

    def line(self, n: int) -> str:
        """A recorded line."""
        plan, label, looks = self.plan, self.labeller.node(n), self.plan.looks(n)
        values = {"id": f"node-n{n}", "class": looks, "label": self.label(label)}
        values |= self.theme.nodes[looks]
        if looks == "op" and self.compact and len(label.title) == 1:
            values |= _circle(label.title[0].text)
        elif plan.line(n).op in NONLINEAR:
            values["style"] = "filled,rounded"
        lane = plan.states.lanes.get(n) or plan.states.groups.get(n)
        if lane:
            values["group"] = lane
        return f"n{n}" + attributes(**values, tooltip=self.labeller.tooltip(n))

    def reference(self, reference: Reference) -> str:
        """What a step shares with others."""
        looks = self.plan.looks(reference.root)
        label = self.label(self.labeller.reference(reference))
        values = {"id": reference.id, "class": f"reference {looks} n{reference.root}"}
        values |= self._pill(looks, label)
        return dot_name(reference.id) + attributes(
            **values, tooltip=self.labeller.tooltip(reference.line)
        )

    def handover(self, handover: Handover) -> str:
        """What a step gives to a line outside, as others do."""
        child = handover.link.child
        looks = self.plan.looks(child)
        label = self.label(self.labeller.handover(handover))
        values = {"id": handover.id, "class": f"handover {looks} n{child}"} | self._pill(
            looks, label
        )
        return dot_name(handover.id) + attributes(**values, tooltip=self.labeller.tooltip(child))

    def _pill(self, looks: str, label: Quoted) -> dict[str, str]:
        """The dashed, rounded form of a class."""
        colours = {k: v for k, v in self.theme.nodes[looks].items() if k != "peripheries"}
        return {"label": label} | colours | {"style": "filled,rounded,dashed", "fontsize": "10"}

    def point(self, name: str, lane: str, *, fork: bool = False) -> str:
        """Where a state enters or leaves a step; a visible dot where its belt forks."""
        size = "0.05" if fork else "0.03"
        return name + attributes(
            shape="point", width=size, height=size, color=self.theme.state, label="", group=lane
        )

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
    def label(self, label: Label) -> Quoted:
        """Title and rows, one under the other."""
        if not self.rich:
            return quoted("\n".join([plain_title(label.title), *(row.text for row in label.rows)]))
        title = "".join(map(self._rich_run, label.title))
        if not label.rows:
            return Quoted(f"<{title}>")
        cells = "".join(f"<TR><TD>{self._rich_row(row)}</TD></TR>" for row in label.rows)
        return Quoted(
            '<<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="1">'
            f"<TR><TD>{title}</TD></TR>{cells}</TABLE>>"
        )

    def _rich_run(self, run: Run) -> str:
        text = rich_text(run.text)
        if not text:
            return ""
        if run.style == "small":
            return f'<FONT POINT-SIZE="8" COLOR="{self.theme.faint}">{text}</FONT>'
        tags = {"b": "B", "sub": "SUB"}
        return f"<{tags[run.style]}>{text}</{tags[run.style]}>" if run.style else text

    def _rich_row(self, row: Row, size: int = 8) -> str:
        colour = getattr(self.theme, row.colour)
        return f'<FONT POINT-SIZE="{size}" COLOR="{colour}">{rich_text(row.text)}</FONT>'

    def _rich_table(
        self, heading: str, rows: list[tuple[int, tuple[Run, ...], tuple[Row, ...]]]
    ) -> Quoted:
        body = "".join(
            f'<TR><TD BGCOLOR="{self.theme.nodes[self.plan.looks(n)]["fillcolor"]}">'
            f"{''.join(map(self._rich_run, name))}</TD>"
            + "".join(f"<TD>{self._rich_row(cell, 9)}</TD>" for cell in cells)
            + "</TR>"
            for n, name, cells in rows
        )
        return Quoted(
            '<<TABLE BORDER="0" CELLBORDER="1" CELLSPACING="0" CELLPADDING="3" COLOR="#9CC3E4">'
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
