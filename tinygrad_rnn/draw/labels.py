"""The words in a drawing: what a line is called, its value, its gradient.

A label is rows of plain text, with bold and lowered parts marked; `nodes.py` escapes them. User's
names pass through here unchanged, except for the short forms of recurrent weights.

Read next: `distinct.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ..program import Gradients, Line, short
from ..program.lines import FOLDED, PREVIOUS
from .collapse import Box
from .distinct import distinct_names
from .names import Run, name_runs
from .patterns import MARKS, Facts
from .plan import Plan
from .references import Handover, Reference
from .rolled import movement_text, part, places_in_time, taken_at
from .states import base_name


class Row(NamedTuple):
    """A line under the title; `colour` names an attribute of the theme."""

    text: str
    colour: str


class Label(NamedTuple):
    """The words of a node."""

    title: tuple[Run, ...]
    rows: tuple[Row, ...] = ()


SYMBOLS = {
    "add": "+", "subtract": "−", "multiply": "×", "divide": "÷", "matmul": "@", "negative": "−( )",
    "power": "^", "sigmoid": "σ", "sum": "Σ", "prod": "Π", "sqrt": "√", "square": "( )²",
    "absolute": "|·|", "transpose": "ᵀ", "maximum": "max", "minimum": "min",
    "concatenate": "concat",
}  # fmt: skip

MISSING = "–"  # what `short` writes for a gradient that is not there


@lru_cache(maxsize=4096)
def shape_text(shape: tuple[int, ...]) -> str:
    """2×8, or "" for a single number."""
    return "×".join(map(str, shape))


def decimals(value: Any) -> str:
    """A single number with four decimals, where these can show it; others as `short`.

    >>> decimals(-1.5), decimals(1e-7)
    ('-1.5000', '1e-07')
    """
    if np.size(value) != 1 or value is None or np.iscomplexobj(value):
        return short(value)
    number = float(np.ravel(value)[0]) + 0
    return f"{number:.4f}" if number == 0 or 1e-3 <= abs(number) < 1e5 else f"{number:.3g}"


class Labeller:
    """Writes the label of each line of a plan.

    Args:
        show: of "value", "grad", "shape".
        gradients: None: every gradient is missing, a dash.
        sums: write a gradient that comes from several uses as their sum, 3 + 3 + 6 = 12.
        norms: for states of rolled steps the norm of the gradient at each step.
    """

    def __init__(
        self,
        plan: Plan,
        show: Collection[str],
        gradients: Gradients | None,
        *,
        sums: bool = False,
        norms: Mapping[int, Sequence[float]] | None = None,
    ) -> None:
        self.plan, self.show, self.gradients = plan, frozenset(show), plan.gathered(gradients)
        self._parts = self._contributions() if sums else {}
        self.references: dict[int, list[Reference]] = {}
        for reference in plan.references:
            if reference.step is not None:
                self.references.setdefault(reference.root, []).append(reference)
        self.referred = {reference.root for reference in plan.references}
        self.referred |= {handover.link.child for handover in plan.handovers}
        self._norms = norms or {}
        self._names = distinct_names(plan)
        self._below = places_in_time(plan)
        self._entering = {entry: n for fold in plan.folds for n, entry, _ in fold.recurrences}
        self._cuts = {leaf: source for source, leaf in plan.cuts}
        self._ts = [str(step.t) for step in plan.steps]
        self._special = {*self._names, *self._below, *self._cuts, *self._parts, *plan.later}
        self._texts: dict[int, tuple[str, str]] = {}
        self._primes: dict[int, int] = {}
        self._primes = self._called_alike()

    def kind(self, n: int) -> Hashable:
        """What the words of a line depend on besides its facts; None where that is more than here.

        Lines of one kind differ in their facts only: those of the steps of a loop.
        """
        line = self.plan.line(n)
        if line.kind != "op" or line.op == "getitem" or n in self._special:
            return None
        inside = self.plan.homes[n] is not None, line.t is not None
        return line.op, line.name, line.shape, inside, n in self.referred

    def facts(self, n: int) -> Facts:
        """What is this line's own."""
        home, operands = self.plan.homes[n], _operands(self.plan.line(n).inputs)
        t = "" if home is None else self._ts[home]
        return Facts(f"n{n}", t, operands, *self._value_and_gradient(n))

    def node(self, n: int) -> Label:
        """Name = operation, value, gradient."""
        line = self.plan.line(n)
        if isinstance(line, Box):
            return self._box(n, line)
        if line.op == FOLDED:
            return Label((Run("⋯", "b"),))
        title = self.name(n)
        if line.op == PREVIOUS:
            return Label(title + self._shape(line.shape))
        if line.op is not None:
            symbol = Run(self._symbol(line))
            title = (*title, Run(" = "), symbol) if title else (symbol,)
        if not self.show:
            return Label(title)
        if line.kind != "constant":
            title += self._shape(line.shape)
        if self._below.get(n):  # it stands for many steps, each with a value of its own
            return Label(title, self._over_time(n))
        _, _, _, value, grad = self.facts(n)
        if line.kind == "constant":
            return Label(title, self._rows(value) if line.shape else ())
        return Label(title, self._rows(value, self._sum(n, grad)))

    def _over_time(self, n: int) -> tuple[Row, ...]:
        """The gradient of a rolled state over all steps: bars, and the first and last norm."""
        norms = self._norms.get(n)
        if norms is None or "grad" not in self.show:
            return ()
        ends = f"|∇| {short(norms[0])} … {short(norms[-1])}"
        rows = bars(list(norms), 24), ends  # no bars where all are 0, or one is not finite
        return tuple([Row(row, "gradient") for row in rows if row])

    def symbol(self, n: int) -> str:
        """The sign of an operation, for a circle of its own."""
        return self._symbol(self.plan.line(n))

    def result(self, n: int) -> Label:
        """A line without its operation, which stands in a circle before it."""
        line, name = self.plan.line(n), self.name(n)
        value, grad = self._value_and_gradient(n)
        if line.kind == "constant":
            return Label(name, self._rows(value) if line.shape else ())
        rows = self._rows(value, self._sum(n, grad))
        title = name + self._shape(line.shape)
        return Label(title if title or rows else (Run(f"n{n}", "b"),), rows)

    def record(self, n: int) -> Label:
        """Name, data and gradient, to stand side by side, as micrograd (Karpathy 2020) has them."""
        line = self.plan.line(n)
        grad = self.gradients.lines.get(n) if self.gradients else None
        data, name = decimals(line.value), self.name(n)
        if line.kind == "constant":
            return Label((), (Row(f"data {data}", "value"),))
        wanted = {"value": Row(f"data {data}", "value")}
        wanted["grad"] = Row(f"grad {self._sum(n, decimals(grad))}", "gradient")
        rows = tuple(row for key, row in wanted.items() if key in self.show)
        return Label(name or (() if rows else (Run(f"n{n}", "b"),)), rows)

    def _box(self, n: int, box: Box) -> Label:
        """A module, what is in it, and its result if there is one only."""
        title = (Run(box.name or "", "b"),)
        if not self.show:
            return Label(title)
        facts = tuple(Row(fact, "faint") for fact in box.facts)
        if box.several:
            return Label(title, facts)
        rows = self._rows(*self._value_and_gradient(n))
        return Label(title + self._shape(box.shape), facts + rows)

    def reference(self, reference: Reference) -> Label:
        """The shared line's name, and the step's part of its gradient."""
        line, title = reference.line, list(self._name_taken(reference))
        movements = []
        while line != reference.root and line in self.plan.graph.passed:
            movements.append(self._movement(line))
            (line,) = self.plan.line(line).inputs
        title.append(Run("".join(reversed(movements))))
        if self._changes(reference):
            return Label(tuple(title))
        grad = short(reference.gradient(self.gradients))
        if any("[" in text for text in movements):  # a slice has a value of its own
            value, _ = self._value_and_gradient(reference.line)
            return Label(tuple(title), self._rows(value, grad))
        return Label(tuple(title), self._rows(None, grad))

    def _name_taken(self, reference: Reference) -> tuple[Run, ...]:
        """The name of what is shared; of a rolled state with the time step that one step takes."""
        name = self.name(reference.root)
        step = reference.step
        if not self._below.get(reference.root) or step is None or self.plan.steps[step].rolled:
            return name
        times = taken_at(self.plan, reference.links[0])
        return (*name[:-1], Run(times[0], "sub")) if len(times) == 1 else name

    def _changes(self, reference: Reference) -> bool:
        """Whether it is of a rolled step, and to something else at each t."""
        if reference.step is None or not self.plan.steps[reference.step].rolled:
            return False
        parts = [n for link in reference.links for n in self.plan.passed(link)]
        return bool(self._below.get(reference.root)) or any(n in self.plan.indexed for n in parts)

    def _movement(self, n: int) -> str:
        """How a movement is written; of a rolled step at no particular place: [t]."""
        if n in self.plan.indexed:
            return part(self.plan, n)
        return movement_text(self.plan.line(n))

    def handover(self, handover: Handover) -> Label:
        """Where it goes, and the gradient that comes back from there, if it is of one step."""
        title, link = (Run("→ "), *self.name(handover.link.child)), handover.link
        if self.plan.gathers(link) or len(taken_at(self.plan, link)) > 1:
            return Label(title)
        return Label(title, self._rows(None, short(handover.gradient(self.gradients))))

    def table_row(self, n: int) -> tuple[tuple[Run, ...], tuple[Row, ...]]:
        """Name, then shape, value and gradient of a shared leaf."""
        line = self.plan.line(n)
        value, grad = self._value_and_gradient(n)
        cells = [Row(shape_text(line.shape) or "scalar", "faint")]
        if "value" in self.show:
            cells.append(Row(value, "value"))
        if "grad" in self.show:
            total = grad if grad == MISSING else f"{grad} {self._total(n)}".rstrip()
            cells.append(Row(f"∇ {total}", "gradient"))
        return self.name(n), tuple(cells)

    def _total(self, n: int) -> str:
        """What the gradient of a shared leaf is the sum of: of all steps, drawn ones and those left
        out, and of uses outside."""
        if n not in self.references:
            return ""  # a tensor that holds the initial states of several chains
        links, homes = self.plan.graph.links, self.plan.homes
        outside = any(x.source == n and homes[x.child] is None for x in links)
        chains = {self.plan.steps[one.step or 0].path for one in self.references[n]}
        folded = any(x.fold and not x.rolled and x.path in chains for x in self.plan.steps)
        others = ["+ folded"] * folded + ["+ outside"] * outside
        if not others and any(fold.rolled for fold in self.plan.folds) and self._lacks(n):
            others = ["+ rolled up"]
        return " ".join([part for part in ("= Σₜ", self._bars(n), *others) if part])

    def _lacks(self, n: int) -> bool:
        """Whether a part of the gradient of a shared leaf came from what is not drawn: from lines
        that served only the steps that a rolled one stands for."""
        total = self.gradients.lines.get(n) if self.gradients else None
        parts = [one.gradient(self.gradients) for one in self.references[n]]
        drawn = [part for part in parts if part is not None]
        if total is None or any(one.line != n for one in self.references[n]):
            return False
        return not drawn or not np.allclose(sum(drawn[1:], drawn[0]), total, rtol=1e-6, atol=0)

    def _bars(self, n: int) -> str:
        """How much of its gradient a shared leaf got from each time step, as a row of bars."""
        norms: dict[int | None, float] = {}
        for reference in self.references.get(n, ()):
            part = reference.gradient(self.gradients)
            norm = 0.0 if part is None else float(np.linalg.norm(np.ravel(part)))
            norms[reference.step] = float(np.hypot(norms.get(reference.step, 0.0), norm))
        return bars(list(norms.values()))

    def name(self, n: int) -> tuple[Run, ...]:
        """What line n is called; () for an operation that has no name and needs none."""
        runs, primes = self._name(n), self._primes.get(self._entering.get(n, n), 0)
        if not primes or len(runs) < 2:
            return runs
        return (Run(runs[0].text + "′" * primes, runs[0].style), *runs[1:])

    def _called_alike(self) -> dict[int, int]:
        """Of lines in one rolled step that would be called the same, as two inputs without a name:
        how many primes the others get."""
        seen: dict[tuple[int | None, tuple[Run, ...]], int] = {}
        primes = {}
        for n in [n for n in self.plan.graph.drawn if self._below.get(n)]:
            if self.plan.line(n).op != PREVIOUS:
                key = self.plan.homes[n], self._name(n)
                primes[n] = seen.get(key, 0)
                seen[key] = primes[n] + 1
        return {n: count for n, count in primes.items() if count}

    def _name(self, n: int) -> tuple[Run, ...]:
        line, home = self.plan.line(n), self.plan.homes[n]
        if line.kind == "constant":
            if self._below.get(n):  # another number at each step
                return (Run("c", "b"), Run(self._below[n], "sub"))
            return (Run(f"{line.value:.3g}" if line.shape == () else "array"),)
        if n in self._names:
            return self._names[n]
        if not line.name:
            return self._unnamed(n, line)
        runs = name_runs(line.name)
        if n in self._below:
            below = self._below[n]
            return (runs[0], Run(below, "sub")) if below else runs
        if len(runs) > 1 or home is None:
            return runs
        leaf = line.op is None and self.plan.is_own(n)  # a weight belongs to no step
        inside = leaf or line.t is not None  # a running loss only goes along
        return (*runs, Run(self._time(n), "sub")) if inside else runs

    def _time(self, n: int) -> str:
        """Its time step; in a rolled window perhaps a later one than that of the window."""
        t, later = self.facts(n).t, self.plan.later
        return str(int(t) + later[n]) if n in later else t

    def _unnamed(self, n: int, line: Line) -> tuple[Run, ...]:
        """A line without a name: after its source, its place in a rolled step, or its number."""
        if n in self._cuts:
            return self.name(self._cuts[n])
        if n in self._entering:
            base = base_name(self.plan.line(self._entering[n]).name)
            below = Run(self._below[n], "sub" if base else "")
            return (Run(base, "b"), below) if base else (below,)
        if line.op == PREVIOUS:
            return (Run(self._below.get(n, "")),)
        if n in self._below and line.op is None:
            return (Run("x", "b"), Run(self._below[n], "sub")) if self._below[n] else ()
        nameless = line.op is None or n in self.referred
        return (Run(self.facts(n).number, "b"),) if nameless else ()

    def tooltip(self, n: int) -> str:
        """Everything about a line in one row of text."""
        line = self.plan.line(n)
        number, _, operands, value, grad = self.facts(n)
        made = f" = {line.op}({operands})" if line.op else ""
        name = f" | {line.name}" if line.name else ""
        shape = shape_text(line.shape) or "scalar"
        return f"{number}{made}{name} | {shape} | value {value} | grad {grad}"

    def _symbol(self, line: Line) -> str:
        if line.op == "getitem":
            return self._movement(line.number)
        return SYMBOLS.get(str(line.op), str(line.op))

    def _shape(self, shape: tuple[int, ...]) -> tuple[Run, ...]:
        if "shape" not in self.show or not shape:
            return ()
        return (Run("  " + shape_text(shape), "small"),)

    def _rows(self, value: str | None, grad: str | None = None) -> tuple[Row, ...]:
        rows = []
        if value is not None and "value" in self.show:
            rows.append(Row(value, "value"))
        if grad is not None and "grad" in self.show:
            rows.append(Row(f"∇ {grad}", "gradient"))
        return tuple(rows)

    def arrived(self, edge: tuple[int, int]) -> str:
        """What came back over an arrow (line, argument)."""
        return short(self.gradients.edges.get(edge) if self.gradients else None)

    def _contributions(self) -> dict[int, list[float]]:
        """For every single number the gradients that its uses sent, in their order."""
        parts: dict[int, list[float]] = {}
        edges = self.gradients.edges if self.gradients else {}
        for link in self.plan.graph.links:
            g = edges.get((link.child, link.argument))
            if g is not None and np.size(g) == 1:
                parts.setdefault(link.operand, []).append(float(np.real(np.ravel(g)[0])))
        return parts

    def _sum(self, n: int, grad: str) -> str:
        """3 + 3 + 6 = 12, for up to four uses of a single number."""
        parts = self._parts.get(n, [])
        if not 2 <= len(parts) <= 4:
            return grad
        first, *others = parts
        signed = "".join(f" {'-' if part < 0 else '+'} {short(abs(part))}" for part in others)
        return f"{short(first)}{signed} = {grad}"

    def _value_and_gradient(self, n: int) -> tuple[str, str]:
        """Both as text, computed once."""
        if n not in self._texts:
            grad = self.gradients.lines.get(n) if self.gradients else None
            self._texts[n] = short(self.plan.line(n).value), short(grad)
        return self._texts[n]


class Marked(Labeller):
    """The same with marks for facts: what it writes of one line is the pattern of all its kind."""

    def __init__(self, labeller: Labeller) -> None:
        self.__dict__ |= vars(labeller)

    def facts(self, n: int) -> Facts:
        return MARKS


def bars(norms: list[float], most: int = 40) -> str:
    """A row of bars, the largest full; of more than `most` numbers the largest of some together.

    >>> bars([0.0, 1.0, 2.0, 8.0])
    '▁▂▃█'
    """
    if len(norms) < 2:
        return ""
    width = -(-len(norms) // most)
    heights = [max(norms[k : k + width]) for k in range(0, len(norms), width)]
    top = max(heights)
    if top <= 0 or not np.all(np.isfinite(heights)):
        return ""
    return "".join("▁▂▃▄▅▆▇█"[min(int(8 * height / top), 7)] for height in heights)


def _operands(inputs: Sequence[int]) -> str:
    """n3, n4; of many, as a `stack` over all steps has, the first and the last."""
    if len(inputs) <= 8:
        return ", ".join([f"n{k}" for k in inputs])
    return f"n{inputs[0]}, n{inputs[1]}, … n{inputs[-1]}: {len(inputs)} operands"
