"""Draw a recorded graph: one node an operation, one arrow an argument, one box a time step.

`draw` goes through the files of this folder in the order in which they are read: `options.py`,
`contract.py` (hide movements), `focus.py`, `collapse.py` (one way only; modules as boxes),
`steps.py`, `states.py`, `references.py` (find the time steps, what they hand on and what they
share), `plan.py`, `labels.py`, `arrows.py`, `nodes.py`, `legend.py`, `dot.py` (the words, and the
DOT text), `mermaid.py`, `render.py`, `drawing.py` (a picture of it).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial
from typing import Any

from ..modes import uncollected
from ..program import Gradients, Graph
from ..tensor import Tensor
from .arrows import Arrows, BackwardArrows
from .contract import MOVEMENTS
from .dot import dot_text
from .drawing import Drawing
from .labels import Labeller
from .mermaid import mermaid_text
from .options import SHOWN, Options, as_focus
from .plan import Plan, make_plan
from .render import DrawingError
from .theme import known_theme

__all__ = ["Drawing", "DrawingError", "draw"]

_NUMBERED = 40  # gradients are written on the arrows of graphs with so few of them


def draw(
    outputs: Tensor | Graph | Sequence[Tensor],
    *,
    rankdir: str = "LR",
    show: Collection[str] = SHOWN,
    weights: str = "ref",
    hide: Collection[str] = MOVEMENTS,
    view: str = "forward",
    style: str = "merged",
    depth: int | None = None,
    focus: Tensor | str | Sequence[Tensor | str] | None = None,
    others: str = "pale",
    theme: str = "light",
    legend: bool = False,
    max_nodes: int = 400,
    seed: Any = None,
) -> Drawing:
    """The picture of how a Tensor was made, with the gradient of each result.

    Nothing is changed by drawing: no `.grad` is touched, and values are taken as they are now.

    Args:
        outputs: a Tensor, or several, or a Graph.
        rankdir: "LR" from left to right, "TB" from top to bottom.
        show: any of "value" (at most four numbers, else the norm), "grad" (dL/d(line), where L is
            the output; a dash where there is none) and "shape". With none of them: small circles.
        weights: "ref" puts a reference to a shared parameter into each time step, with the part of
            the gradient that came from there; "line" draws it once, with arrows to every use;
            "hide" leaves parameters out.
        hide: operations that arrows run through, if they have one input, no name, and move numbers
            only; they are counted in the caption.
        view: "forward", or "backward": the same layout with all arrows turned round, as thick as
            the logarithm of the gradient that comes over them.
        style: "merged", one node for an operation and its result; "separate", a circle and a box;
            "record", the same with name, data and grad side by side, for scalars.
        depth: draw modules as boxes from this depth of names on: 1 is the outermost.
        focus: (x, y), Tensors or their names: the ways from x to y stand out; or one Tensor, and
            its uses do.
        others: what is not in focus is "pale", or "hide": left out, and counted.
        theme: "light", "dark" or "print" (black on white).
        legend: explain the forms that occur.
        max_nodes: refuse to draw more.
        seed: dL/d(output), for an output that is not a single number.

    Raises:
        ValueError: for an unknown option, or more nodes than `max_nodes`.

    >>> a = Tensor(3.0, requires_grad=True, name="a")
    >>> draw(a * a)
    <Drawing of 1 operation, 1 leaf>
    """
    options = Options(
        rankdir, show, weights, hide, view, style, depth, as_focus(focus), others, theme, legend
    )
    return _drawing(_graph(outputs), options, max_nodes, seed)


@uncollected()
def _drawing(graph: Graph, options: Options, max_nodes: int, seed: Any) -> Drawing:
    plan = make_plan(
        graph, options.hide, options.weights, depth=options.depth, focus=options.focus,
        others=options.others,
    )  # fmt: skip
    _check_size(plan, max_nodes)
    backward = options.view == "backward"
    gradients = _gradients(graph, seed) if backward or "grad" in options.show else None
    labeller = Labeller(plan, options.show, gradients, sums=backward)
    theme = known_theme(options.theme)
    arrows = _backward(plan, labeller, options) if backward else Arrows(plan, theme)
    write = partial(
        dot_text, plan, labeller, theme, options.rankdir, style=options.style, arrows=arrows,
        legend=options.legend,
    )  # fmt: skip
    caption = "; ".join(part for part in (plan.caption(), arrows.note) if part)
    mermaid = partial(mermaid_text, plan, labeller, options.rankdir, caption, backward=backward)
    return Drawing(write(), partial(write, rich=False), caption, _summary(plan), mermaid)


def _graph(outputs: Tensor | Graph | Sequence[Tensor]) -> Graph:
    if isinstance(outputs, Graph):
        return outputs
    several = (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)
    if not several:
        raise ValueError("there is nothing to draw: give a Tensor, several, or a Graph")
    return Graph(*several)


def _backward(plan: Plan, labeller: Labeller, options: Options) -> BackwardArrows:
    if labeller.gradients is None:
        raise ValueError(
            "the backward view needs a gradient to start from: draw one output that is a single"
            " number and needs a gradient, or pass seed=, an array of the output's shape"
        )
    numbered = "grad" in options.show and not plan.steps and len(plan.graph.links) <= _NUMBERED
    return BackwardArrows(plan, known_theme(options.theme), labeller.gradients, numbered)


def _check_size(plan: Plan, max_nodes: int) -> None:
    count = len(plan.nodes())
    if count > max_nodes:
        steps = f" in {len(plan.steps)} time steps: draw a shorter sequence" if plan.steps else ""
        raise ValueError(
            f"this graph has {count} nodes to draw{steps or ': draw a part of it'}, or pass"
            f" max_nodes={count} (max_nodes is {max_nodes}), or depth=1 for boxes of modules;"
            " Graph(y).listing() prints it as text"
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
