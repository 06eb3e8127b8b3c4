"""The colours and borders of a drawing, by the class of a node.

No class is told apart by its colour alone: each also has a border or a shape of its own. Text has a
contrast of 4.5 or more with what it stands on, lines one of 3 or more (WCAG 2.2); only what a
`focus` puts into the background is paler.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Theme:
    """Graphviz attributes: `nodes` by class; the rest are single colours.

    `pale` takes the place of a node's colours where a focus lies elsewhere.
    """

    background: str
    text: str
    value: str
    gradient: str
    faint: str
    edge: str
    parameter: str
    state: str
    step: dict[str, str]
    nodes: dict[str, dict[str, str]]
    pale: dict[str, str]


# Shape and border of each class, in every theme.
_FORMS: dict[str, dict[str, str]] = {
    "parameter": {"shape": "folder", "penwidth": "1.6"},
    "input": {"shape": "note"},
    "state": {"penwidth": "1.8"},
    "cut": {"shape": "octagon", "penwidth": "1.8", "style": "filled,dashed"},
    "folded": {"style": "filled,dashed", "penwidth": "1.4"},
    "op": {},
    "derivative": {"style": "filled,dotted", "penwidth": "1.6"},
    "module": {"style": "filled,rounded", "penwidth": "2.6"},
    "output": {"peripheries": "2"},
    "constant": {"style": "filled,dashed"},
}


def _nodes(**colours: tuple[str, str]) -> dict[str, dict[str, str]]:
    """Attributes by class, from (fill, border)."""
    return {
        name: {"fillcolor": fill, "color": border, **_FORMS[name]}
        for name, (fill, border) in colours.items()
    }


LIGHT = Theme(
    background="white",
    text="#000000",
    value="#222222",
    gradient="#B0307A",
    faint="#606060",
    edge="#666666",
    parameter="#0072B2",
    state="#B8860B",
    step={"fontcolor": "#6E6E6E", "color": "#CFCFCF", "bgcolor": "#FAFAFA"},
    nodes=_nodes(
        parameter=("#DCEBFA", "#0072B2"),
        input=("#DFF3EA", "#007A5A"),
        state=("#FFF3D1", "#B8860B"),
        cut=("#FFF3D1", "#B8860B"),
        folded=("#FFFFFF", "#B8860B"),
        op=("#FFFFFF", "#555555"),
        derivative=("#FBEFF6", "#B0307A"),
        module=("#F3F0FA", "#6A51A3"),
        output=("#FBE0D4", "#D55E00"),
        constant=("#EEEEEE", "#888888"),
    ),
    pale={"fillcolor": "#FFFFFF", "color": "#D6D6D6", "fontcolor": "#9A9A9A"},
)

DARK = Theme(
    background="#14171C",
    text="#F2F2F2",
    value="#DADADA",
    gradient="#FF8FD2",
    faint="#B4BAC4",
    edge="#A0A7B3",
    parameter="#7CC4FF",
    state="#E8B93C",
    step={"fontcolor": "#B4BAC4", "color": "#4A515D", "bgcolor": "#1B1F26"},
    nodes=_nodes(
        parameter=("#12324F", "#4FB0FF"),
        input=("#0F3B30", "#35C79A"),
        state=("#40330A", "#E8B93C"),
        cut=("#40330A", "#E8B93C"),
        folded=("#14171C", "#E8B93C"),
        op=("#22262E", "#A0A7B3"),
        derivative=("#2E1A2A", "#FF8FD2"),
        module=("#2A2440", "#B49CFF"),
        output=("#4A2412", "#FF8C4B"),
        constant=("#2A2E36", "#8E96A3"),
    ),
    pale={"fillcolor": "#181B21", "color": "#3A404A", "fontcolor": "#6A717C"},
)

PRINT = Theme(  # for black ink on white paper
    background="white",
    text="#000000",
    value="#000000",
    gradient="#000000",
    faint="#404040",
    edge="#333333",
    parameter="#000000",
    state="#000000",
    step={"fontcolor": "#404040", "color": "#808080", "bgcolor": "#FFFFFF"},
    nodes=_nodes(
        parameter=("#E6E6E6", "#000000"),
        input=("#FFFFFF", "#000000"),
        state=("#F0F0F0", "#000000"),
        cut=("#FFFFFF", "#000000"),
        folded=("#FFFFFF", "#000000"),
        op=("#FFFFFF", "#333333"),
        derivative=("#FFFFFF", "#333333"),
        module=("#F0F0F0", "#000000"),
        output=("#E6E6E6", "#000000"),
        constant=("#FFFFFF", "#666666"),
    ),
    pale={"fillcolor": "#FFFFFF", "color": "#D0D0D0", "fontcolor": "#A0A0A0"},
)

THEMES = {"light": LIGHT, "dark": DARK, "print": PRINT}


def known_theme(name: str) -> Theme:
    """The theme of that name."""
    if name not in THEMES:
        raise ValueError(f"theme is one of {', '.join(map(repr, THEMES))}; given {name!r}")
    return THEMES[name]
