"""Draw a recorded graph: one node an operation, one arrow an argument, one box a time step.

`draw` goes through the files of this folder in the order in which they are read: `options.py`,
`contract.py` (hide movements), `focus.py`, `collapse.py` (one way only; modules as boxes),
`steps.py`, `states.py`, `references.py` (find the time steps, what they hand on and what they
share), `plan.py`, `labels.py`, `distinct.py`, `rolled.py`, `patterns.py`, `arrows.py`, `nodes.py`,
`legend.py`, `dot.py` (the words, and the DOT text), `mermaid.py`, `render.py`, `drawing.py` (a
picture of it).
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from ..modes import uncollected
from ..program import Gradients, Graph
from ..tensor import Tensor
from .arrows import Arrows, BackwardArrows
from .contract import MOVEMENTS, demand_operations
from .dot import dot_text
from .drawing import Drawing
from .labels import Labeller, shape_text
from .mermaid import mermaid_text
from .names import plural
from .options import SHOWN, Options, TooManyNodes, as_focus, as_steps
from .plan import LONG, Plan, make_plan
from .render import DrawingError
from .theme import known_theme

__all__ = ["Drawing", "DrawingError", "draw"]

_NUMBERED = 40  # gradients are written on the arrows of graphs with so few of them


@uncollected()
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
    rolled: bool = False,
    fold: str | int | None = "auto",
    steps: Iterable[int] | None = None,
    max_nodes: int = 400,
    seed: Any = None,
) -> Drawing:
    """The picture of how a Tensor was made, with the gradient of each result.

    Nothing is changed by drawing: no `.grad` is touched. Values and gradients are those that were
    recorded, also of weights that an optimizer has changed since; the caption then says so.

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
        rolled: draw one step for all steps of a loop, with the gradient of its states over time.
        fold: k draws the first and last k steps of each loop, and what lies between as one box;
            "auto" does so, with k = 2, for loops of more than 8 steps and where there are more than
            `max_nodes` nodes (not with `steps`, `depth` or `focus`, which leave out by themselves);
            None draws all steps.
        steps: the time steps to draw; the others are folded.
        max_nodes: refuse to draw more.
        seed: dL/d(output), for an output that is not a single number.

    Raises:
        ValueError: for an unknown option or operation, for steps that are not there, for more nodes
            than `max_nodes`, and with `rolled` for a graph without a loop, saying which steps
            differ.
        RuntimeError: if gradients that were asked for, by `seed` or the backward view, cannot be
            had. Otherwise they are left out, and the caption says why.

    >>> a = Tensor(3.0, requires_grad=True, name="a")
    >>> draw(a * a)
    <Drawing of 1 operation, 1 leaf>
    """
    options = Options(
        rankdir, show, weights, hide, view, style, depth, as_focus(focus), others, theme, legend,
        rolled, fold, as_steps(steps),
    )  # fmt: skip
    if not isinstance(max_nodes, int | np.integer) or max_nodes < 1:
        raise ValueError(f"max_nodes is how many nodes to draw at most; given {max_nodes!r}")
    return _drawing(_graph(outputs), options, max_nodes, seed)


def _drawing(graph: Graph, options: Options, max_nodes: int, seed: Any, note: str = "") -> Drawing:
    demand_operations(options.hide, graph)
    content = _Content(graph, options, max_nodes, seed, note)
    # Nothing but this holds the recorded program: where steps are left out already, it goes.
    all_steps = not content.plan.folds and options.depth is None and not options.focus
    folded = partial(_folded, graph, options, max_nodes, seed) if all_steps else lambda: None
    plain = partial(content.dot, rich=False)
    summary = _summary(content.plan)
    return Drawing(content.dot(), plain, content.caption, summary, content.mermaid, folded)


class _Content:
    """What the texts of a drawing are written from."""

    def __init__(
        self, graph: Graph, options: Options, max_nodes: int, seed: Any, note: str
    ) -> None:
        graph, plan = _fewer_steps(graph, options, max_nodes)
        _check_size(plan, graph, options, max_nodes)
        self.backward = options.view == "backward"
        gradients, why = None, ""
        if self.backward or "grad" in options.show:
            demanded = self.backward or seed is not None
            gradients, why = _gradients(graph, seed, demanded)
        notes = _as_recorded(graph), why, note
        self.plan = plan = replace(plan, notes=tuple(part for part in notes if part))
        norms = _norms(graph, seed) if gradients is not None and "grad" in options.show else {}
        self.labeller = Labeller(plan, options.show, gradients, sums=self.backward, norms=norms)
        self.options, self.theme = options, known_theme(options.theme)
        self.arrows: Arrows = (
            _backward(plan, self.labeller, options) if self.backward else Arrows(plan, self.theme)
        )
        self.caption = "; ".join(part for part in (plan.caption(), self.arrows.note) if part)

    def dot(self, rich: bool = True) -> str:
        """The DOT text; without HTML-like labels, if not `rich`."""
        return dot_text(
            self.plan, self.labeller, self.theme, self.options.rankdir, rich,
            style=self.options.style, arrows=self.arrows, legend=self.options.legend,
        )  # fmt: skip

    def mermaid(self) -> str:
        return mermaid_text(
            self.plan, self.labeller, self.options.rankdir, self.caption, backward=self.backward
        )


@uncollected()
def _folded(graph: Graph, options: Options, max_nodes: int, seed: Any) -> Drawing | None:
    """The same with folded loops, for when the layout takes too long; None if nothing folds, or
    what was recorded is lost by now."""
    for keep in (2, 1):
        thin = graph.fold(keep)
        if thin.folds:
            note = "folded, for the layout of all steps took too long"
            with contextlib.suppress(RuntimeError):
                return _drawing(thin, replace(options, fold="auto"), max_nodes, seed, note)
    return None


def _fewer_steps(graph: Graph, options: Options, max_nodes: int) -> tuple[Graph, Plan]:
    """The graph with the steps that are wanted, and its plan."""
    if options.rolled:
        graph = graph.roll()
    elif options.steps is not None:
        graph = graph.fold(steps=options.steps)
    elif isinstance(options.fold, int):
        graph = graph.fold(options.fold)
    leaves_out = options.depth is not None or options.focus or options.steps is not None
    automatic = options.fold == "auto" and not leaves_out
    if automatic and not graph.folds and any(len(loop) > LONG for loop in graph.loops()):
        graph = graph.fold()
    plan = _plan(graph, options)
    if automatic and not graph.folds and len(plan.nodes()) > max_nodes:
        graph = graph.fold()
        plan = _plan(graph, options)
    return graph, plan


def _plan(graph: Graph, options: Options) -> Plan:
    return make_plan(
        graph, options.hide, options.weights, depth=options.depth, focus=options.focus,
        others=options.others,
    )  # fmt: skip


def _norms(graph: Graph, seed: Any) -> dict[int, Sequence[float]]:
    """The norms of the gradients of rolled states, step by step."""
    states = [state for fold in graph.folds for state, _, _ in fold.recurrences]
    return {n: graph.step_norms(n, seed).tolist() for n in states}


def _graph(outputs: Tensor | Graph | Sequence[Tensor]) -> Graph:
    if isinstance(outputs, Graph):
        return outputs
    listed = isinstance(outputs, Iterable) and not isinstance(outputs, Tensor | str)
    several = tuple(outputs) if listed else (outputs,)
    if not several:
        raise ValueError("there is nothing to draw: give a Tensor, several, or a Graph")
    strangers = [one for one in several if not isinstance(one, Tensor)]
    if strangers:
        kind = type(strangers[0]).__name__
        raise TypeError(
            f"draw takes a Tensor, several, or a Graph; given {kind} {strangers[0]!r:.60}"
        )
    return Graph(*several)


def _backward(plan: Plan, labeller: Labeller, options: Options) -> BackwardArrows:
    if labeller.gradients is None:
        raise ValueError(
            "the backward view needs a gradient to start from: draw one output that is a single"
            " number and needs a gradient, or pass seed=, an array of the output's shape"
        )
    numbered = "grad" in options.show and not plan.steps and len(plan.graph.links) <= _NUMBERED
    return BackwardArrows(plan, known_theme(options.theme), labeller.gradients, numbered)


def _check_size(plan: Plan, graph: Graph, options: Options, max_nodes: int) -> None:
    count = len(plan.nodes())
    if count <= max_nodes:
        return
    ways: list[tuple[str, Any, str]] = [("max_nodes", count, f" (it is {max_nodes})")]
    if graph.loops() and not graph.folds:
        ways.append(("fold", 2, " for the first and last steps"))
        ways.append(("rolled", True, " for one step of each loop"))
    deep = options.depth is None or options.depth > 1
    if deep and not options.focus and any(line.path for line in graph.nodes):
        ways.append(("depth", 1, " for boxes of modules"))
    what = f"this graph has {count} nodes to draw"
    steps = f" in {len(plan.steps)} time steps: draw a shorter sequence" if plan.steps else ""
    part = "Not all" if graph.folds or graph.loops() else "No part"
    differ = f". {part} of it folds: {graph.remarks[0]}" if graph.remarks else ""
    raise TooManyNodes(count, what + (steps or ": draw a part of it"), ways, differ)


def _gradients(graph: Graph, seed: Any, demanded: bool) -> tuple[Gradients | None, str]:
    """All gradients; or None where there are none, and, if there should be some, why."""
    if seed is None and not graph.differentiable:
        return None, _why_none(graph)
    try:
        return graph.gradients(seed), ""
    except Exception as error:  # whatever a rule says, the values can be drawn
        if demanded:
            raise
        return None, f"no gradients: {error}"


def _why_none(graph: Graph) -> str:
    """Why there are no gradients; "" if nothing asks for one."""
    if not graph.outputs or not any(output.requires_grad for output in graph.outputs):
        return ""
    if len(graph.outputs) > 1:
        return f"no gradients: they start at one output, and there are {len(graph.outputs)}"
    shape = shape_text(graph.outputs[0].shape)
    return f"no gradients: the output is {shape} and no single number, so pass seed="


def _as_recorded(graph: Graph) -> str:
    """That what is drawn is not what the weights are by now."""
    if not graph.replaced:
        return ""
    first, *others = graph.replaced
    more = f" and {plural(len(others), 'other')}" if others else ""
    have = "have" if others else "has"
    return f"as recorded: {first}{more} {have} new values since"


def _summary(plan: Plan) -> str:
    lines = plan.graph.lines
    operations = sum(line.op is not None and line.kind != "folded" for line in lines)
    leaves = sum(line.op is None for line in lines)
    steps = sum(step.fold is None for step in plan.steps)
    parts = [plural(operations, "operation"), f"{leaves} {'leaf' if leaves == 1 else 'leaves'}"]
    return ", ".join([*parts, *([plural(steps, "time step")] if steps else [])])
