"""The recorded forward as lines that a gradient can be walked back over, rule by rule changed.

This is not the engine's walk: it goes over plain arrays, and every edge (line, argument) can be
given another rule, which is how the gradient that a mistake *would* give is computed.

    walk      dL/d(line) for every line, and what went over every edge
    tangents  d(line) along a direction in the inputs, by the complex step of the lines

One walk and one row of tangents judge every mistake in one place: where an edge carries c' in the
place of c, the gradient along u changes by <c' - c, d(source) along u>.

Legend: `n` a line, `i` an argument of it, `g` the gradient that arrives at a line.

Read next: `case.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ...arraylike import Array, raw
from ...graph import Share
from ...program import Graph
from ...tensor import PRIMITIVES, Primitive, Tensor
from .recorded import by_complex_step
from .recording import Place, Recording, loop_of, roles

Edge = tuple[int, int]
Rule = Callable[[Array], Any]  # from g to the contribution to the argument, in any shape that fits
Gradients = list[Array | None]  # by line
H = 1e-100


class Changes(NamedTuple):
    """What a mistake does otherwise, edge by edge.

    rules: rules in the place of the primitives' own.
    skips: for a line, another line that its gradient goes to at once, by this rule.
    borrowed: for an edge, the line whose gradient stands in the place of its own.
    others: for a line, an edge into it and what all else that arrives there is multiplied by.
    """

    rules: Mapping[Edge, Rule] = {}
    skips: Mapping[int, tuple[int, Rule]] = {}
    borrowed: Mapping[Edge, int] = {}
    others: Mapping[int, tuple[Edge, float]] = {}

    def and_also(self, other: Changes) -> Changes:
        """Both; where they meet, the other's."""
        return Changes(
            {**self.rules, **other.rules},
            {**self.skips, **other.skips},
            {**self.borrowed, **other.borrowed},
            {**self.others, **other.others},
        )


class Line:
    """A line: the graph's, with what the walk wants at hand, its role and its time step."""

    __slots__ = ("args", "attrs", "declared", "live", "name", "needs", "number", "op", "operands",
                 "role", "t", "value")  # fmt: skip

    op: Primitive | None
    declared: Primitive | None  # the user's own primitive, whose rule may be the mistake
    args: tuple[int, ...]
    attrs: dict[str, Any]
    operands: list[Any]
    live: list[tuple[int, int]]  # (argument, its line) of the arguments that need a gradient
    needs: bool
    name: str | None
    role: Place
    t: int | None

    def __init__(self, number: int, value: Any, tensor: Tensor | None) -> None:
        self.number, self.value = number, value
        self.op, self.args, self.attrs, self.operands, self.live = None, (), {}, [], []
        self.declared, self.needs = None, False
        self.name = None if tensor is None else tensor.name
        self.role, self.t = ("leaf", self.name), None


class Program:
    """The lines, which of them are inputs and outputs, and the walks over them.

    Attributes:
        inputs: for each input of the forward its line, or None (an integer, or not used).
        outputs: for each output its line, or None if it does not depend on an input.
        graph: the same as a `tg.Graph`, for drawings.
        loop: how many calls deep the loop over time is; `repeating`, the roles in it. A run `like`
            another takes over what that one knows: it may have one step only.
    """

    def __init__(self, recording: Recording, like: Program | None = None) -> None:
        ys = [y for y in recording.outputs if isinstance(y, Tensor)]
        self.graph, self._like = Graph(*ys), like
        self.loop: int | None = loop_of(recording) if like is None else like.loop
        self._cuts = {n: k for n, k in self.graph.cuts().items() if k is not None}
        there = {node.tensor: node.number for node in self.graph.nodes if node.tensor is not None}
        self._leaves = {there[x] for x in recording.inputs if x is not None and x in there}
        self.lines: list[Line] = []
        for node in self.graph.nodes:
            self.lines.append(self._line(node))
        self._name_constants(recording)
        repeated: frozenset[Place] = frozenset() if like is None else like.repeating
        made = [node.tensor for node in self.graph.nodes if node.op is not None]
        results = [tensor for tensor in made if tensor is not None]
        for tensor, (role, t) in zip(
            results, roles(recording, results, self.loop, repeated), strict=True
        ):
            line = self.lines[self.graph.number(tensor)]
            line.role, line.t = role, t
        known = {node.tensor: node.number for node in self.graph.nodes if node.tensor is not None}
        self.inputs = [known.get(x) if x is not None else None for x in recording.inputs]
        self.outputs = [
            known[y] if isinstance(y, Tensor) and self.lines[known[y]].needs else None
            for y in recording.outputs
        ]
        self.backwards = [line for line in self.lines[::-1] if line.live]
        self.texts: dict[int, str] = {}  # formulas, by line
        self.compounds: Any = None  # the known functions in it, see `mistakes.py`
        self.kinds: Any = None  # the wrong rules that can be made in it, see `everywhere.py`
        self.functions: Any = None  # and those of the known functions
        self.roles: dict[Place, list[int]] = {}
        for line in self.lines:
            self.roles.setdefault(line.role, []).append(line.number)
        self.repeating: frozenset[Place] = frozenset(
            line.role for line in self.lines if line.t is not None
        )
        self.uses: list[list[Edge]] = [[] for _ in self.lines]
        for line in self.lines:
            for i, source in enumerate(line.args):
                self.uses[source].append((line.number, i))

    @cached_property
    def carried(self) -> dict[tuple[Place, int], Place]:
        """The arguments, by role, that steps have from the step before, and the role of what they
        have from there; also those of the program that this one is `like`."""
        known = {} if self._like is None else self._like.carried
        return known | {
            (line.role, i): self.lines[k].role
            for line in self.backwards if line.t
            for i, k in line.live
            if (before := self.lines[k].t) is not None and before < line.t
        }  # fmt: skip

    def _name_constants(self, recording: Recording) -> None:
        """A plain array that is a part of an input takes its name: a mask, indices, lengths. And so
        does what is kept where the mask is 0, by its values."""
        plain = [(name, x) for name, x in recording.plain if isinstance(x, np.ndarray) and x.ndim]
        masks = [(name, x) for name, x in plain if np.isin(x, (0, 1)).all()]
        for line in self.lines:
            value = line.value
            if line.op is not None or line.name is not None or not np.ndim(value):
                continue
            for name, x in plain:
                if np.may_share_memory(value, x):
                    line.name = name if value.shape == x.shape else f"{name}[...]"
            for name, x in masks if line.name is None and np.isin(value, (0, 1)).all() else ():
                if value.size == x.size and np.array_equal(value.ravel(), 1 - x.ravel()):
                    line.name = f"1 - {name}"
                elif any(np.array_equal(value.ravel(), 1 - part.ravel()) for part in x):
                    line.name = f"1 - {name}[...]"

    def _line(self, node: Any) -> Line:
        line = Line(node.number, node.value, node.tensor)
        if node.number in self._cuts:
            source = self._cuts[node.number]
            line.op, line.args, line.operands = detached, (source,), [node.value]
        elif node.op is not None:
            op = node.tensor.node.op
            line.op, line.args, line.attrs = _trusted(op), node.inputs, node.attrs
            line.declared = None if line.op is op else op
            line.operands = [raw(x) for x in node.tensor.node.inputs]
        if line.op is not None and np.asarray(line.value).dtype.kind in "fc":
            there = len(self.lines)  # what was cut off may come from a later line
            live = [(i, k) for i, k in enumerate(line.args) if k < there and self.lines[k].needs]
            line.live = [(i, k) for i, k in live if _has_rule(line.op, i)]
        line.needs = bool(line.live) or node.number in self._leaves
        return line

    # ------------------------------------------------------------ backwards
    def walk(
        self,
        cotangents: Sequence[Array] | None,
        changes: Changes | None = None,
        edges: dict[Edge, Array] | None = None,
        *,
        seeds: Mapping[int, Array] | None = None,
    ) -> Gradients:
        """dL/d(line), None where nothing arrives.

        Args:
            cotangents: one for each output; None for zeros.
            changes: what is done otherwise than it should be.
            edges: filled, if given, with what went over each edge.
            seeds: what else arrives, by line.
        """
        rules, skips, borrowed, others = changes or Changes()
        kept: dict[Edge, Array] = {}
        lines, pull = self.lines, self.pull
        found: Gradients = [None] * len(lines)
        for end, seed in zip(self.outputs, cotangents or (), strict=cotangents is not None):
            if end is not None:
                _add(found, end, seed)
        for n, seed in (seeds or {}).items():
            _add(found, n, seed)
        for line in self.backwards:
            n = line.number
            g = found[n]
            if g is None:
                continue
            if n in others:
                g = found[n] = _all_but(g, others[n], kept)
            if n in skips:
                source, rule = skips[n]
                _add(found, source, fit(rule(g), lines[source].value.shape))
                continue
            for i, source in line.live:
                edge = n, i
                arriving = g if edge not in borrowed else found[borrowed[edge]]
                if arriving is None:
                    continue
                c = rules[edge](arriving) if edge in rules else pull(line, i, arriving)
                shape = lines[source].value.shape
                if type(c) is not np.ndarray or c.shape != shape:
                    c = fit(c, shape)
                if edges is not None:
                    edges[edge] = c
                if source in others and others[source][0] == edge:
                    kept[edge] = c
                before = found[source]
                found[source] = c if before is None else before + c
        for n, each in others.items():
            whole = found[n]
            if whole is not None and self.lines[n].op is None:
                found[n] = _all_but(whole, each, kept)
        return found

    def pull(self, line: Line, i: int, g: Array) -> Any:
        """What the primitive's own rule sends to argument i."""
        op = line.op
        assert op is not None
        if op.each is None and op.backward is None:  # the same as below, and most of all work here
            rule = op.rules[i]
            assert rule is not None
            c = rule(g, line.value, *line.operands, **line.attrs)
        else:
            c = op.puller()(i, g, line.value, line.operands, line.attrs)
        if type(c) is Share:
            return c.op.forward(*c.operands, items=[c.item], **c.attrs)
        return c

    @property
    def by_rules(self) -> bool:
        """Whether every rule is the package's own, none the complex step of a forward."""
        ops = [line.op for line in self.backwards if line.op is not None]
        return not any(map(_made_here, ops))

    def forget_shifts(self, found: Gradients, edges: Mapping[Edge, Array]) -> bool:
        """Take a maximum or a mean that is taken off, and gets no gradient, for a constant.

        What goes back to the maximum in a softmax, or to the mean in a variance, cancels; only in a
        wrong gradient it would not, and people leave it out.

        Args:
            found, edges: of a walk.

        Returns:
            whether there is such a thing.
        """
        forgotten = False
        for line in self.lines:
            source = self.lines[line.args[1]] if len(line.args) == 2 else None
            if source is None or source.op is None or line.op is None:
                continue
            if line.op.name != "subtract" or not 0 < np.size(source.value) < np.size(line.value):
                continue
            g, c = found[line.number], edges.get((line.number, 1))
            if g is None or c is None or not np.any(g):
                continue
            if np.abs(c).max() <= 1e-13 * np.abs(g).sum():
                line.live = [(i, k) for i, k in line.live if i != 1]
                forgotten = True
        return forgotten

    def of_inputs(self, found: Gradients, inputs: Sequence[Any]) -> dict[int, Array]:
        """The gradients of the forward's floating inputs, zeros where nothing arrives."""
        grads = {}
        for k, n in enumerate(self.inputs):
            if isinstance(inputs[k], np.ndarray) and inputs[k].dtype.kind == "f":
                g = None if n is None else found[n]
                grads[k] = np.zeros(inputs[k].shape) if g is None else g
        return grads

    # ------------------------------------------------------------ forwards
    def tangents(self, steps: Mapping[int, Array]) -> list[Array | None]:
        """d(line) along a direction in the inputs; None where nothing changes."""
        moved: list[Any] = [line.value for line in self.lines]
        found: list[Array | None] = [None] * len(self.lines)
        for k, u in steps.items():
            n = self.inputs[k]
            if n is not None:
                found[n] = u
                moved[n] = moved[n] + 1j * H * u
        for line in self.lines:
            if line.live and any(found[source] is not None for _, source in line.live):
                assert line.op is not None
                operands = list(line.operands)
                for i, source in line.live:
                    operands[i] = moved[source]
                value = line.op.forward(*operands, **line.attrs)
                moved[line.number] = value
                found[line.number] = value.imag / H
        return found


def _has_rule(op: Primitive, i: int) -> bool:
    """Whether a gradient goes to argument i: not through what is constant in pieces."""
    if op.rules:
        return i < len(op.rules) and op.rules[i] is not None
    return op.each is not None or op.backward is not None


def _made_here(op: Primitive) -> bool:
    """Whether it was made on the spot, see `recorded.py`."""
    rule = getattr(op.each, "func", None)
    return getattr(rule, "__module__", "").startswith(__name__.rpartition(".")[0])


def _all_but(g: Array, edge: tuple[Edge, float], kept: Mapping[Edge, Array]) -> Array:
    """All that arrives times a weight, but for what came over one edge."""
    own = kept.get(edge[0], np.zeros(()))
    return np.asarray(edge[1] * (g - own) + own)


def _add(found: Gradients, n: int, c: Array) -> None:
    before = found[n]
    found[n] = c if before is None else before + c


def fit(c: Any, shape: tuple[int, ...]) -> Array:
    """A contribution in the shape of its argument: summed where that was broadcast."""
    c = np.asarray(c)
    if c.shape == shape:
        return c
    lead = c.ndim - len(shape)
    if lead < 0:
        return np.broadcast_to(c, shape)
    stretched = [lead + k for k, m in enumerate(shape) if m == 1 and c.shape[lead + k] != 1]
    c = c.sum(axis=(*range(lead), *stretched)).reshape(
        [m if lead + k in stretched else n for k, (m, n) in enumerate(zip(shape, c.shape[lead:]))]
    )
    return c if c.shape == shape else np.broadcast_to(c, shape)


# What `x.detach()` is in the forward: the gradient would go on.
detached = Primitive(lambda x: x, name="detach").gradients(lambda g, out, x: g)


def _trusted(op: Primitive) -> Primitive:
    """The primitive; for one of the user's own, whose rule may be the mistake, its forward's."""
    if PRIMITIVES.get(op.name) is op or op.name == "assign" or _made_here(op):
        return op
    if isinstance(op.forward, np.ufunc):
        return by_complex_step(op.forward, op.name, elementwise=True)
    return by_complex_step(op.forward, op.name, elementwise=False)
