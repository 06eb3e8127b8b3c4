"""Draw a recorded graph: one node an operation, one arrow an argument, one box a time step.

`draw` goes through the files of this folder in the order in which they are read: `contract.py`
(hide movements), `steps.py`, `states.py`, `references.py` (find the time steps, what they hand on
and what they share), `plan.py`, `labels.py`, `nodes.py`, `dot.py` (the words, and the DOT text),
`render.py`, `drawing.py` (a picture of it).
"""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import Any

from ..program import Gradients, Graph
from ..tensor import Tensor
from .contract import MOVEMENTS
from .dot import dot_text
from .drawing import Drawing
from .labels import Labeller
from .plan import Plan, make_plan
from .render import DrawingError
from .theme import known_theme

__all__ = ["Drawing", "DrawingError", "draw"]

_SHOWN = ("value", "grad", "shape")


def draw(
    outputs: Tensor | Graph,
    *,
    rankdir: str = "LR",
    show: Collection[str] = _SHOWN,
    weights: str = "ref",
    hide: Collection[str] = MOVEMENTS,
    theme: str = "light",
    max_nodes: int = 400,
    seed: Any = None,
) -> Drawing:
    """The picture of how a Tensor was made, with the gradient of each result.

    Nothing is changed by drawing: no `.grad` is touched, and values are taken as they are now.

    Args:
        outputs: a Tensor, or `Graph(y, z)` of several.
        rankdir: "LR" from left to right, "TB" from top to bottom.
        show: any of "value" (at most four numbers, else the norm), "grad" (dL/d(line), where L is
            the output; a dash where there is none) and "shape". With none of them: small circles.
        weights: "ref" puts a reference to a shared parameter into each time step; "line" draws it
            once, with arrows to every use; "hide" leaves parameters out.
        hide: operations that arrows run through, if they have one input, no name, and move numbers
            only; they are counted in the caption.
        theme: "light".
        max_nodes: refuse to draw more.
        seed: dL/d(output), for an output that is not a single number.

    Raises:
        ValueError: for an unknown option, or more nodes than `max_nodes`.

    >>> a = Tensor(3.0, requires_grad=True, name="a")
    >>> draw(a * a)
    <Drawing of 1 operation, 1 leaf>
    """
    _check(rankdir, show, weights, hide)
    colours = known_theme(theme)
    graph = outputs if isinstance(outputs, Graph) else Graph(outputs)
    plan = make_plan(graph, hide, weights)
    _check_size(plan, max_nodes)
    labeller = Labeller(plan, show, _gradients(graph, seed) if "grad" in show else None)
    write = partial(dot_text, plan, labeller, colours, rankdir)
    return Drawing(write(), partial(write, rich=False), plan.caption(), _summary(plan))


def _check(rankdir: str, show: Collection[str], weights: str, hide: Collection[str]) -> None:
    """Every option is known."""
    if isinstance(show, str) or not set(show) <= set(_SHOWN):
        raise ValueError(f'show is any of ("value", "grad", "shape"); given {show!r}')
    if isinstance(hide, str):
        raise ValueError(f'hide is a collection of names of operations: ("{hide}",)')
    if rankdir not in ("LR", "TB"):
        raise ValueError(f'rankdir is "LR" or "TB"; given {rankdir!r}')
    if weights not in ("ref", "line", "hide"):
        raise ValueError(f'weights is "ref", "line" or "hide"; given {weights!r}')


def _check_size(plan: Plan, max_nodes: int) -> None:
    count = len(plan.nodes())
    if count > max_nodes:
        steps = f" in {len(plan.steps)} time steps: draw a shorter sequence" if plan.steps else ""
        raise ValueError(
            f"this graph has {count} nodes to draw{steps or ': draw a part of it'}, or pass"
            f" max_nodes={count} (max_nodes is {max_nodes}); Graph(y).listing() prints it as text"
        )


def _gradients(graph: Graph, seed: Any) -> Gradients | None:
    """All gradients, or None where there is no single number to start from."""
    if seed is None:
        if len(graph.outputs) != 1:
            return None
        (output,) = graph.outputs
        if output.size != 1 or not output.requires_grad:
            return None
    return graph.gradients(seed)


def _summary(plan: Plan) -> str:
    lines = plan.graph.lines
    operations = sum(line.op is not None for line in lines)
    leaves = len(lines) - operations
    steps = len(plan.steps)
    parts = [_counted(operations, "operation"), f"{leaves} {'leaf' if leaves == 1 else 'leaves'}"]
    return ", ".join([*parts, *([_counted(steps, "time step")] if steps else [])])


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
