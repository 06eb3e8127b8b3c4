"""A row of samples that says what each form in a drawing means; only of forms that occur in it.

Read next: `dot.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

from .escape import attributes
from .nodes import Nodes
from .plan import Plan

MEANINGS = {
    "parameter": "parameter",
    "input": "input",
    "state": "state: goes on to the next step",
    "cut": "cut off: no gradient goes on",
    "folded": "stands for steps left out",
    "op": "operation = its result",
    "derivative": "made by the walk back",
    "module": "module",
    "output": "output",
    "constant": "constant",
}


def legend(plan: Plan, nodes: Nodes) -> Iterator[str]:
    """The statements of a legend."""
    theme = nodes.theme
    looks = {plan.looks(n) for n in plan.nodes()}
    samples = []
    for name, meaning in MEANINGS.items():
        if name in looks:
            parted = name == "op" and not nodes.merged
            words = "result of the operation in the circle" if parted else meaning
            samples.append((name, {"label": words, **theme.nodes[name]}))
    if plan.references:
        pill = {
            "style": "filled,rounded,dashed",
            "fillcolor": theme.nodes["parameter"]["fillcolor"],
        }
        values = {"label": "shared: all steps use the same", "color": theme.parameter, **pill}
        samples.append(("reference", values))
    yield "subgraph cluster_legend {"
    yield "graph" + attributes(
        id="legend", **{"class": "legend"}, label="legend", labeljust="l", labelloc="t",
        fontsize="10", margin="6", style="rounded", **theme.step,
    )  # fmt: skip
    for name, values in samples:
        yield f"legend_{name}" + attributes(
            id=f"legend-{name}", **{"class": f"sample {name}"}, **values, fontsize="9"
        )
    names = [f"legend_{name}" for name, _ in samples]
    yield f"{{rank=same; {' -> '.join(names)}{attributes(style='invis') if names[1:] else ''}}}"
    yield "}"
