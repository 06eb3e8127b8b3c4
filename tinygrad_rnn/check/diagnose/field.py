"""Every mistake in one place, judged at once: one walk, some tangents, and dot products.

Where an edge carries c' in the place of c, the gradient of the inputs changes by some d, and for a
direction u in the inputs  <d, u> = <c' - c, d(source) along u>.  So a mistake can be the one that
was made only if these numbers are those of (yours - true), for every one of a few directions.

Read next: `engine.py`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from ...arraylike import Array
from .case import Case
from .compounds import Compound, of_compound, slope_of
from .mistakes import WHOLE, Mistake, alternatives, known_functions, parts_of, slots
from .program import Changes, Edge, Gradients, H, Line, fit
from .values import Opening, Values, openings, same

DIRECTIONS = 3
CLOSE = 1e-8


class Field:
    """A case, and what a change at any edge would do to the gradients of some of its inputs."""

    def __init__(self, case: Case, among: Sequence[int]) -> None:
        assert case.program is not None
        self.case, self.program, self.among = case, case.program, list(among)
        rng = np.random.default_rng(3)
        self.steps = [
            {i: rng.standard_normal(case.inputs[i].shape) for i in self.among}
            for _ in range(DIRECTIONS)
        ]
        self.tangents = _stacked([self.program.tangents(u) for u in self.steps])
        self.values = Values(self.program)
        self.found: Gradients = []  # of the last walk
        self._edge_tangents: dict[Edge, Array] = {}

    def off(self, supposed: dict[int, Array]) -> Array | None:
        """<yours - supposed, u> for each direction; None if the shapes differ."""
        yours = self.case.yours
        if any(yours[i].shape != supposed[i].shape for i in self.among):
            return None
        return np.array(
            [sum(float(np.sum((yours[i] - supposed[i]) * u[i])) for i in self.among)
             for u in self.steps]
        )  # fmt: skip

    def mistakes(self, changes: Changes | None = None) -> Iterator[Mistake]:
        """Those that could be what is wrong, on top of changes that are made already."""
        edges: dict[Edge, Array] = {}
        found = self.program.walk(self.case.arriving, changes, edges)
        off = self.off(self.program.of_inputs(found, self.case.inputs))
        if off is None or not np.all(np.isfinite(off)):
            return
        rules, self.found = changes or Changes(), found
        stacks = _by_shape(found)
        for line in self.program.backwards:
            g = found[line.number]
            if g is None:
                continue
            for i, source in line.live:
                edge = line.number, i
                if edge in edges and edge not in rules.rules and edge not in rules.borrowed:
                    view = View(self, line, i, source, g, edges[edge], off)
                    if view.here.any():
                        yield from view.weights()
                        yield from view.rules()
                        yield from view.values()
                        yield from view.gradients(stacks)
        for line, g in zip(self.program.lines, found, strict=True):
            if g is not None:
                yield from self._of_line(line, g, off, found)
        yield from self._compounds(found, off)

    def _of_line(self, line: Line, g: Array, off: Array, found: Gradients) -> Iterator[Mistake]:
        """What is wrong with all that arrives, with both operands, with the order of the parts."""
        along, n = self.tangents[line.number], line.number
        uses = sum(found[user] is not None for user, _ in self.program.uses[n])
        if along is not None and uses and (uses > 1 or n in self.program.outputs):
            base = along @ np.ravel(g)
            weight = _weight(base, off)
            if weight is not None:
                yield Mistake("edge weight", line.role, WHOLE, "line", weight)
        if len(line.live) == 2 and line.op is not None and line.op.name == "multiply":
            yield from self._if_close("wrong value", line, "exchanged", "", found, off)
        for last in (True, False):
            yield from self._if_close("edge weight", line, "overwritten", last, found, off)
        parts = parts_of(self.program, line)
        for order in itertools.permutations(range(len(parts))) if parts else ():
            if order != tuple(range(len(parts))):
                yield from self._if_close("everywhere", line, "blocks", order, found, off)

    def _if_close(
        self, family: str, line: Line, kind: str, what: object, found: Gradients, off: Array
    ) -> Iterator[Mistake]:
        """A mistake of several edges that do not follow one another: the effects add up."""
        mistake = Mistake(family, line.role, WHOLE, kind, what)
        changes = mistake._change_of_line(self.program, line)
        effect, size = np.zeros(DIRECTIONS), np.zeros(DIRECTIONS)
        for (n, i), rule in (changes.rules if changes else {}).items():
            there = self.program.lines[n]
            g, along = found[n], self.tangents[there.args[i]]
            if g is not None and along is not None:
                shape = self.program.lines[there.args[i]].value.shape
                right = along @ np.ravel(fit(self.program.pull(there, i, g), shape))
                effect = effect + along @ np.ravel(fit(rule(g), shape)) - right
                size = size + np.abs(right)
        if changes and close(effect, off, size):
            yield mistake

    def _compounds(self, found: Gradients, off: Array) -> Iterator[Mistake]:
        for compound in known_functions(self.program):
            g, along = found[compound.number], self.tangents[compound.source]
            if g is None or along is None:
                continue
            base = along @ np.ravel(compound.pull(g))
            role = self.program.lines[compound.number].role
            for each in of_compound(self.program, compound):
                effect = along @ np.ravel(each.rule(g)) - base
                if close(effect, off, base):
                    yield Mistake(each.family, role, WHOLE, "rule", each.key)
            yield from self._slopes(compound, g, along, base, off)

    def _slopes(
        self, compound: Compound, g: Array, along: Array, base: Array, off: Array
    ) -> Iterator[Mistake]:
        """The slope of a known function, taken of another value."""
        opening = slope_of(compound, self.program.lines[compound.number].value.shape)
        if opening is None:
            return
        line = self.program.lines[compound.number]
        numbers, made = self.values.made(opening, opening.key)
        effects = made @ np.array([np.ravel(g) * row for row in along]).T - base
        far = np.abs(effects - off).max(axis=1, initial=0.0)
        for k in np.flatnonzero(far <= CLOSE * _size(off, base)) if numbers else ():
            if numbers[k] not in (compound.number, compound.source):
                for slot in slots(self.program, line, numbers[k]):
                    yield Mistake("wrong value", line.role, WHOLE, "slope", slot)

    def edge_tangent(self, line: Line, i: int) -> Array | None:
        """d(line) through argument i alone, (directions, entries)."""
        if (line.number, i) not in self._edge_tangents:
            along = self.tangents[line.args[i]]
            if along is None or line.op is None:
                return None
            rows = []
            for row in along:
                moved = list(line.operands)
                moved[i] = moved[i] + 1j * H * row.reshape(np.shape(moved[i]))
                rows.append(np.ravel(line.op.forward(*moved, **line.attrs)).imag / H)
            self._edge_tangents[line.number, i] = np.array(rows)
        return self._edge_tangents[line.number, i]


class View:
    """One edge of a field: the gradient `g` at its line, and its contribution `c`."""

    def __init__(
        self, field: Field, line: Line, i: int, source: int, g: Array, c: Array, off: Array
    ) -> None:
        self.field, self.line, self.i, self.source, self.g, self.off = (
            field,
            line,
            i,
            source,
            g,
            off,
        )
        along = field.tangents[source]
        self.along = np.zeros((DIRECTIONS, c.size)) if along is None else along
        self.here = self.along
        self.base = self.along @ np.ravel(c)

    def _made(self, family: str, kind: str, what: object) -> Mistake:
        return Mistake(family, self.line.role, self.i, kind, what)

    def weights(self) -> Iterator[Mistake]:
        """Times 0, -1, 2, or another factor; or the only path of several."""
        weight = _weight(self.base, self.off)
        twice = self.line.args.count(self.source) > 1  # x * x: its two edges are the same
        if weight is not None and (weight == 0 or not twice):
            yield self._made("edge weight", "weight", weight)
        whole = self.field.found[self.source]
        if whole is not None and len(self.field.program.uses[self.source]) > 1:
            others = self.along @ np.ravel(whole) - self.base
            weight = _weight(others, self.off)
            if weight is not None:
                yield self._made("edge weight", "others", weight)

    def rules(self) -> Iterator[Mistake]:
        shape = np.shape(self.field.program.lines[self.source].value)
        for each in alternatives(self.field.program, self.line, self.i):
            try:
                c = fit(each.rule(self.g), shape)
            except (ValueError, IndexError, StopIteration):  # it does not exist at these shapes
                continue
            if close(self.along @ np.ravel(c) - self.base, self.off, self.base):
                yield self._made(each.family, "rule", each.key)

    def values(self) -> Iterator[Mistake]:
        shape = np.shape(self.field.program.lines[self.source].value)
        for opening in openings(self.line, self.i):
            name = "same" if opening.through is same else opening.key
            numbers, made = self.field.values.made(opening, name)
            rows = [opening.projected(self.g, row.reshape(shape)) for row in self.along]
            if any(np.shape(row) != opening.shape for row in rows):
                continue
            effects = made @ np.array([np.ravel(row) for row in rows]).T - self.base
            yield from self._values(opening, numbers, effects)

    def _values(self, opening: Opening, numbers: list[int], effects: Array) -> Iterator[Mistake]:
        program = self.field.program
        right = self.line.number if opening.right < 0 else self.line.args[opening.right]
        own = self.line.args[self.i]  # its own operand there is a wrong rule, and said as one
        for n in self._fitting(numbers, effects):
            if n not in (right, own):
                for slot in slots(program, self.line, n):
                    yield self._made("wrong value", "value", (opening.key, slot))

    def gradients(
        self, stacks: dict[tuple[int, ...], tuple[list[int], Array]]
    ) -> Iterator[Mistake]:
        """The gradient of another line in the place of this one's."""
        numbers, made = stacks.get(np.shape(self.g), ([], np.zeros((0, 0))))
        along = self.field.edge_tangent(self.line, self.i) if numbers else None
        if along is None:
            return
        effects = made @ along.T - self.base
        for n in self._fitting(numbers, effects):
            if n > self.line.number:
                for slot in slots(self.field.program, self.line, n):
                    if slot.arg == WHOLE:
                        yield self._made("local rule", "gradient", slot)

    def _fitting(self, numbers: list[int], effects: Array) -> list[int]:
        """The lines whose effect is the difference that is there."""
        if not numbers:
            return []
        far = np.abs(effects - self.off).max(axis=1)
        return [numbers[k] for k in np.flatnonzero(far <= CLOSE * _size(self.off, self.base))]


def _weight(base: Array, off: Array) -> float | None:
    """The weight w for which (w - 1) times what goes over an edge is what is off."""
    size = float(base @ base)
    if not size:
        return None
    weight = 1 + float(off @ base) / size
    if not close((weight - 1) * base, off, base):
        return None
    return round(weight) if abs(weight - round(weight)) < 1e-6 else weight


def close(effect: Array, off: Array, base: Array) -> bool:
    """Whether the effect of a mistake is the difference that is there."""
    allowed = CLOSE * _size(off, base)
    return all(abs(e - d) <= allowed for e, d in zip(effect.tolist(), off.tolist()))


def _size(off: Array, base: Array) -> float:
    return max(map(abs, off.tolist())) + max(map(abs, base.tolist()))


def _stacked(rows: list[list[Array | None]]) -> list[Array | None]:
    """For each line its tangents, (directions, entries)."""
    return [
        None if any(t is None for t in each) else np.array([np.ravel(t) for t in each])
        for each in zip(*rows, strict=True)
    ]


def _by_shape(found: Gradients) -> dict[tuple[int, ...], tuple[list[int], Array]]:
    """The gradients of all lines, a stack for each shape."""
    numbers: dict[tuple[int, ...], list[int]] = {}
    for n, g in enumerate(found):
        if g is not None and g.ndim:
            numbers.setdefault(g.shape, []).append(n)
    return {
        shape: (each, np.array([np.ravel(found[n]) for n in each]))  # type: ignore[arg-type]
        for shape, each in numbers.items()
    }
