"""The colours and borders of a drawing, by the class of a node.

No class is told apart by its colour alone: each also has a border or a shape of its own.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Theme:
    """Graphviz attributes: `nodes` by class; the rest are single colours."""

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


LIGHT = Theme(
    background="white",
    text="#000000",
    value="#222222",
    gradient="#B0307A",
    faint="#777777",
    edge="#666666",
    parameter="#0072B2",
    state="#B8860B",
    step={"fontcolor": "#999999", "color": "#CFCFCF", "bgcolor": "#FAFAFA"},
    nodes={
        "parameter": {"fillcolor": "#DCEBFA", "color": "#0072B2", "penwidth": "1.6"},
        "input": {"fillcolor": "#DFF3EA", "color": "#007A5A", "shape": "note"},
        "state": {"fillcolor": "#FFF3D1", "color": "#B8860B", "penwidth": "1.8"},
        "cut": {"fillcolor": "#FFF3D1", "color": "#B8860B", "style": "filled,dashed"},
        "op": {"fillcolor": "#FFFFFF", "color": "#555555"},
        "output": {"fillcolor": "#FBE0D4", "color": "#D55E00", "peripheries": "2"},
        "constant": {"fillcolor": "#EEEEEE", "color": "#888888", "style": "filled,dashed"},
    },
)

THEMES = {"light": LIGHT}


def known_theme(name: str) -> Theme:
    """The theme of that name."""
    if name not in THEMES:
        raise ValueError(f"theme is one of {', '.join(map(repr, THEMES))}; given {name!r}")
    return THEMES[name]
