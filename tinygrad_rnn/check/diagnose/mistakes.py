"""A mistake in one place of the program, in a form that can be made again in another case.

The place is a role (the same line of the forward in every time step) and an argument; the steps
are all, or one, counted from either end. `Mistake.changes` makes it in a program, `say` puts it
into words.

Read next: `field.py`.
"""

# mypy: disable-error-code=misc
# (a lambda that binds a loop variable by a default has no inferred type)

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from ...arraylike import Array
from .compounds import Compound, compounds, of_compound, slope_of
from .movements import of_broadcasting, of_movement
from .program import Changes, Edge, Line, Program
from .recording import Place
from .slopes import KNOWN, Alternative, of_arithmetic, of_function
from .values import openings
from .words import edge_text, formula, name_of, number, seen_from, told_apart

WHOLE = -1  # the "argument" of a mistake in a known function of several lines


@dataclass(frozen=True)
class Mistake:
    """One wrong rule.

    Attributes:
        role, arg: the edge, in every program of this forward; `arg` is WHOLE for a compound.
        kind: at an edge "weight", "others" (all else that arrives at its source, times a weight),
            "rule", "value" or "gradient";
            of a whole line "line" (its gradient, times a weight), "exchanged" (its two operands),
            "blocks" (the parts that it is cut into, in another order), "overwritten" (slices of it
            that overlap) or "slope" (that of a known function, of another value).
        what: the weight, the rule's key, (opening, the value's slot), the line's slot, the order.
        steps: "all"; or ("from start", k), ("from end", k); or ("but start", k), ("but end", k).
    """

    family: str
    role: Place
    arg: int
    kind: str
    what: Any
    steps: Any = "all"

    def at(self, steps: Any) -> Mistake:
        return replace(self, steps=steps)

    # ------------------------------------------------------------ where
    def lines(self, program: Program) -> list[Line]:
        """The lines of the program in which it is made."""
        lines = [program.lines[n] for n in program.roles.get(self.role, [])]
        if self.steps == "all" or not lines:
            return lines
        end, k = self.steps
        ordered = lines if end.endswith("start") else lines[::-1]
        chosen = ordered[k : k + 1]
        return [m for m in lines if (m in chosen) == end.startswith("from")]

    def edges(self, program: Program) -> list[Edge]:
        """The edges at fault, for a drawing."""
        if self.arg != WHOLE:
            return [(line.number, self.arg) for line in self.lines(program)]
        return [(line.number, i) for line in self.lines(program) for i, _ in line.live]

    # ------------------------------------------------------------ in a program
    def changes(self, program: Program) -> Changes | None:
        """What it does to a walk over a program; None where it cannot be made."""
        total = Changes()
        made = False
        for line in self.lines(program) if not self.is_one_of_several(program) else ():
            change = self._change(program, line)
            if change is not None:
                total, made = total.and_also(change), True
        return total if made else None

    def is_one_of_several(self, program: Program) -> bool:
        """Whether it says of several paths to one line that each of them is the only one."""
        if self.kind != "others":
            return False
        sources = [line.args[self.arg] for line in self.lines(program)]
        return len(set(sources)) < len(sources)

    def is_partly_made(self, program: Program) -> bool:
        """Whether it takes a value of another step, and at some steps there is none to take.

        Somebody who takes the state of the step before has the first state at the first step, so
        that such a mistake may only look like another one.
        """
        slot = self.what[1] if self.kind == "value" else self.what
        if not isinstance(slot, Slot) or not slot.apart or slot.apart > 0:
            return False
        return any(slot.find(program, line) is None for line in self.lines(program))

    def takes_zeros(self, program: Program) -> bool:
        """Whether the value that it takes is 0 wherever it is made: that is a path that is missing,
        as where the first state is 0."""
        if self.kind != "value":
            return False
        found = [self.what[1].find(program, line) for line in self.lines(program)]
        return not any(n is not None and np.any(program.lines[n].value) for n in found)

    def _change(self, program: Program, line: Line) -> Changes | None:
        if self.arg == WHOLE:
            return self._change_of_line(program, line)
        edge = line.number, self.arg
        if self.arg not in [i for i, _ in line.live]:
            return None
        if self.kind == "weight":
            return Changes({edge: _weighted(program, line, self.arg, self.what)})
        if self.kind == "others":
            return Changes(others={line.args[self.arg]: (edge, self.what)})
        if self.kind == "rule":
            alternative = next(
                (a for a in alternatives(program, line, self.arg) if a.key == self.what), None
            )
            return None if alternative is None else Changes({edge: alternative.rule})
        if self.kind == "gradient":
            n = self.what.find(program, line)
            return None if n is None else Changes(borrowed={edge: n})
        return self._with_value(program, line)

    def _change_of_line(self, program: Program, line: Line) -> Changes | None:
        if self.kind == "line":
            return Changes({(line.number, i): _weighted(program, line, i, self.what)
                            for i, _ in line.live})  # fmt: skip
        if self.kind == "exchanged":
            return exchanged(program, line)
        if self.kind == "blocks":
            return reordered(program, line, self.what)
        if self.kind == "overwritten":
            return overwritten(program, line, self.what)
        for compound in known_functions(program):
            if compound.number == line.number and self.kind == "slope":
                return self._slope_of_another(program, line, compound)
            if compound.number == line.number:
                for alternative in of_compound(program, compound):
                    if alternative.key == self.what:
                        return Changes(skips={line.number: (compound.source, alternative.rule)})
        return None

    def _slope_of_another(self, program: Program, line: Line, compound: Compound) -> Changes | None:
        opening, n = slope_of(compound, line.value.shape), self.what.find(program, line)
        if opening is None or n is None or np.shape(program.lines[n].value) != line.value.shape:
            return None
        value = program.lines[n].value
        rule = partial(opening.rule, value)
        return Changes(skips={line.number: (compound.source, rule)})

    def _with_value(self, program: Program, line: Line) -> Changes | None:
        key, slot = self.what
        opening = next((o for o in openings(line, self.arg) if o.key == key), None)
        n = slot.find(program, line)
        if opening is None or n is None:
            return None
        value = np.asarray(program.lines[n].value)
        if value.shape != opening.shape:
            return None
        return Changes({(line.number, self.arg): lambda g: opening.rule(value, g)})

    # ------------------------------------------------------------ in words
    def say(self, program: Program) -> str:
        """The sentence, without where it applies."""
        lines = self.lines(program)
        if not lines:
            return ""
        line = lines[len(lines) // 2]
        if self.kind in ("line", "exchanged", "blocks", "overwritten"):
            return self._said_of_line(program, line)
        if self.kind == "slope":
            n = self.what.find(program, line)
            used, right = "another value", name_of(program, line.number, line.t)
            if n is not None and n != line.number:
                used, right = told_apart(program, n, line.number, line.t)
            name = next(c.name for c in known_functions(program) if c.number == line.number)
            return (
                f"the slope of {name} for {right} uses {used}{_step_words(self.what.apart)}:"
                f" another gate or value, instead of {right} itself"
            )
        if self.arg == WHOLE:
            return _said_of_compound(program, line, self.what)
        path = edge_text(program, line.number, self.arg) + self._of_which_step(program, line)
        if self.kind == "weight":
            return _said_of_weight(self.what, path)
        if self.kind == "others":
            return self._said_of_others(program, line, path)
        if self.kind == "rule":
            found = next(a for a in alternatives(program, line, self.arg) if a.key == self.what)
            return found.phrase
        if self.kind == "gradient":
            return self._said_of_gradient(program, line, path)
        return self._said_of_value(program, line)

    def of_one_step(self, program: Program) -> bool:
        """Whether it is about one of the steps that a line outside of them takes: as a stack does
        of all states."""
        if self.arg == WHOLE:
            return False
        lines = self.lines(program)
        return bool(lines) and _of_one_step(program, lines[len(lines) // 2], self.arg)

    def _of_which_step(self, program: Program, line: Line) -> str:
        source = program.lines[line.args[self.arg]]
        return f" of step t = {source.t}" if _of_one_step(program, line, self.arg) else ""

    def _said_of_line(self, program: Program, line: Line) -> str:
        text = name_of(program, line.number, line.t)
        if self.kind == "line":
            what = {0: "missing", -1: "of the wrong sign, minus", 2: "counted twice"}
            said = what.get(self.what, f"times {number(self.what)}")
            full = formula(program, line.number)
            where = "" if full == text else f" (= {full})"
            return f"all that arrives at {text}{where} is {said}"
        if self.kind == "exchanged":
            a, b = (name_of(program, k, line.t) for k in line.args)
            return (
                f"the gradients of {a} and {b} in {formula(program, line.number)} are swapped: each"
                " is multiplied by itself instead of the other"
            )
        if self.kind == "overwritten":
            return (
                f"the slices (or repeated look-ups, indices) of {text} overlap, and their gradients"
                " overwrite one another: = for +=, so one path is missing where they overlap"
            )
        names = [name_of(program, n, line.t) for n in parts_of(program, line)]
        order = [names[k] for k in self.what]
        return (
            f"the blocks of {text} are joined in another order, {', '.join(order)}; the forward"
            f" splits it into {', '.join(names)} (gates swapped)"
        )

    def _said_of_others(self, program: Program, line: Line, path: str) -> str:
        source = name_of(program, line.args[self.arg], seen_from(program, line, self.arg))
        others = [use for use in _uses(program, line.args[self.arg])
                  if use != (line.number, self.arg)]  # fmt: skip
        if self.what == 0 and self.of_one_step(program) and len(others) == 1:
            (n, i) = others[0]
            steps = program.roles[program.lines[n].role]
            only = when(("from start", steps.index(n))) if len(steps) > 1 else ""
            return _said_of_weight(0, edge_text(program, n, i)) + only
        if self.what == 0:
            return (
                f"only the path {path} is there: the other paths to {source} are missing, as by"
                " = for +="
            )
        said = {2: "counted twice", -1: "of the wrong sign, minus"}.get(
            self.what, f"times {number(self.what)}"
        )
        return (
            f"what arrives at {source} from elsewhere, before {path} is added (carried back from"
            f" later steps, and from the loss), is {said}"
        )

    @property
    def rank(self) -> int:
        """0 for a mistake of its own kind, 1 for one that often only looks like another."""
        if self.kind in ("weight", "line", "others"):
            return int(self.kind != "weight" or self.what not in (0, -1, 2))
        return int(
            self.kind == "gradient"
            or " of x" in str(self.what)
            or (str(self.what)[-4:] in ("relu", "moid", "tanh") and ": " in str(self.what))
        )

    def _said_of_gradient(self, program: Program, line: Line, path: str) -> str:
        other = self.what.find(program, line)
        if other is None:
            return f"the path {path} uses the gradient of another step"
        mine, theirs = (name_of(program, n, line.t) for n in (line.number, other))
        between = _between(program, line.number, other)
        if between:
            return (
                f"the derivative of {between} is missing on the path {path}: it uses the gradient"
                f" of {theirs}, which belongs after it, for that of {mine}"
            )
        return (
            f"the path {path} uses the gradient of another value, {theirs}, instead of the one of"
            f" {mine}: they are mixed up"
        )

    def _said_of_value(self, program: Program, line: Line) -> str:
        key, slot = self.what
        opening = next(o for o in openings(line, self.arg) if o.key == key)
        n = slot.find(program, line)
        belonging = line.number if opening.right < 0 else line.args[opening.right]
        used = "another value" if n is None else _seen(program, n, slot, line)
        target = name_of(program, line.args[self.arg], line.t)
        right = (
            formula(program, line.number)
            if opening.right < 0
            else name_of(program, line.args[opening.right], line.t)
        )
        if n is not None and n != belonging and used == right:
            used, right = told_apart(program, n, belonging, line.t)
        op = line.op.name if line.op else ""
        what = f"the gradient of {target} in {formula(program, line.number)}"
        if opening.right < 0 and line.name is not None:
            right = f"{name_of(program, line.number, line.t)} = {right}"
        belongs = "the matrix multiplied" if op == "matmul" else f"the {op} wants"
        step = _step_words(slot.apart)
        return f"{what} uses {used}{step}; {belongs} {right}: another value stands instead of it"


def _seen(program: Program, n: int, slot: Slot, line: Line) -> str:
    """What a value is called, seen from a line; of one step for all the lines, with that step."""
    t = program.lines[n].t
    if slot.apart is not None or t is None or line.t is None:
        return name_of(program, n, line.t)
    last = max(each.t for each in program.lines if each.t is not None)
    return f"{name_of(program, n, None)} of {'the last step' if t == last else f'step t = {t}'}"


def _step_words(apart: int | None) -> str:
    if apart is None or not apart:
        return ""
    return ", of the step before" if apart < 0 else ", of the next step"


def _of_one_step(program: Program, line: Line, i: int) -> bool:
    source = program.lines[line.args[i]]
    alike = [k for _, k in line.live if program.lines[k].role == source.role]
    return line.t is None and source.t is not None and len(alike) > 1


def _uses(program: Program, n: int) -> list[Edge]:
    """The edges that send something back to a line."""
    return [(m, i) for m, i in program.uses[n] if (i, n) in program.lines[m].live]


def when(steps: Any) -> str:
    """In which of the steps, after a comma; "" for all of them."""
    if steps == "all":
        return ""
    end, k = steps
    side, inside = end.split()[1], end.startswith("from")
    which = (
        ("the first step" if k == 0 else f"step t = {k}")
        if side == "start"
        else ("the last step" if k == 0 else f"the step {k} before the last")
    )
    return f", in {which} only" if inside else f", in every step but {which}"


def _said_of_weight(weight: float, path: str) -> str:
    if weight == 0:
        return f"a path is missing: {path}"
    if weight == -1:
        return f"the sign of a path is wrong: minus {path}"
    if weight == 2:
        return f"a path is counted twice: {path}"
    return f"a path has the factor {number(weight)}: {path}"


def _said_of_compound(program: Program, line: Line, key: str) -> str:
    compound = next(c for c in known_functions(program) if c.number == line.number)
    found = next(a for a in of_compound(program, compound) if a.key == key)
    what = name_of(program, compound.source, line.t)
    return f"{found.phrase} (in the {compound.name} of {what})"


def exchanged(program: Program, line: Line) -> Changes | None:
    """Each operand of a product gets what belongs to the other."""
    if len(line.live) != 2 or np.shape(line.operands[0]) != np.shape(line.operands[1]):
        return None
    return Changes(
        {(line.number, i): lambda g, j=1 - i: program.pull(line, j, g) for i, _ in line.live}
    )


def parts_of(program: Program, line: Line) -> list[int]:
    """The parts of equal shape that a line is cut into, in order."""
    found = [
        n
        for n, i in program.uses[line.number]
        if (op := program.lines[n].op) and op.name in ("split", "getitem") and i == 0
    ]
    shapes = {np.shape(program.lines[n].value) for n in found}
    total = sum(np.size(program.lines[n].value) for n in found)
    apart = len(shapes) == 1 and total <= np.size(line.value)
    return found if apart and 1 < len(found) <= 4 else []


def overwritten(program: Program, line: Line, last: bool) -> Changes | None:
    """Where slices overlap only one of them counts: the last, or the first."""
    uses = [
        program.lines[n]
        for n, i in program.uses[line.number]
        if i == 0 and (op := program.lines[n].op) and op.name == "getitem"
    ]
    if len(uses) < 2 or not np.ndim(line.value):
        return None
    covered = np.zeros(np.shape(line.value), bool)
    rules: dict[Edge, Any] = {}
    for use in uses[::-1] if last else uses:
        index = use.attrs["index"]
        rules[use.number, 0] = partial(_put, ~covered, index)
        covered[index] = True
    return Changes(rules) if rules else None


def _put(free: Array, index: Any, g: Array) -> Array:
    """g written where `free` lets it."""
    out = np.zeros(free.shape)
    out[index] = g
    return out * free


def reordered(program: Program, line: Line, order: tuple[int, ...]) -> Changes | None:
    """The gradients of the parts joined in another order: part order[k] where part k belongs."""
    parts = parts_of(program, line)
    if len(parts) != len(order):
        return None
    places = [program.lines[parts[order.index(k)]] for k in range(len(parts))]
    return Changes(
        {
            (part, 0): lambda g, place=place: program.pull(place, 0, g)
            for part, place in zip(parts, places, strict=True)
        }
    )


def _weighted(program: Program, line: Line, i: int, weight: float) -> Any:
    return lambda g: weight * np.asarray(program.pull(line, i, g))


def _between(program: Program, n: int, other: int) -> str:
    """The operations on the way from a line to one that is made of it, if the way is short."""
    names: list[str] = []
    for _ in range(6):
        uses = [use for use in program.uses[n] if program.lines[use[0]].live]
        if not uses:
            return ""
        if len(uses) > 1 and all(use[0] != other for use in uses):
            return ""
        n = other if any(use[0] == other for use in uses) else uses[0][0]
        op = program.lines[n].op
        names.append(op.name if op else "")
        if n == other:
            return " and ".join(names)
    return ""


@dataclass(frozen=True)
class Slot:
    """A value as seen from a line: the result of a role, or an operand of one, some steps apart.

    `arg` is WHOLE for the result. A leaf (a weight, the first state) is a role of its own.
    """

    role: Place
    arg: int
    apart: int | None

    def find(self, program: Program, line: Line) -> int | None:
        """The line of that value; None where that step is not there."""
        for n in program.roles.get(self.role, []):
            there = program.lines[n]
            if self.apart is None or (
                there.t is not None and line.t is not None and there.t - line.t == self.apart
            ):
                return n if self.arg == WHOLE else there.args[self.arg]
        return None


def slots(program: Program, line: Line, n: int) -> list[Slot]:
    """The ways to say which value it is, seen from a line; the nearest first."""
    found = [_slot(program, line, n, WHOLE)]
    if program.lines[n].op is None and program.lines[n].name is None:
        found = []
    for user, i in program.uses[n]:
        found.append(_slot(program, line, user, i))
    return sorted(dict.fromkeys(found), key=lambda s: (abs(s.apart or 0), s.arg != WHOLE))[:8]


def _slot(program: Program, line: Line, n: int, arg: int) -> Slot:
    there = program.lines[n]
    apart = None if there.t is None or line.t is None else there.t - line.t
    return Slot(there.role, arg, apart)


# ---------------------------------------------------------------- all that can be wrong at an edge
def alternatives(program: Program, line: Line, i: int) -> Iterator[Alternative]:
    """The wrong rules for argument i of a line."""
    name = line.op.name if line.op else ""
    if line.declared is not None:
        pull = line.declared.puller()
        yield Alternative(
            "declared",
            f"the gradient rule of the primitive {name} for argument {i} is wrong",
            lambda g: pull(i, g, line.value, line.operands, line.attrs),
        )
    if name in KNOWN and len(line.operands) == 1:
        yield from of_function(name, line.operands[0], line.value)
    yield from of_arithmetic(program, line, i)
    yield from of_movement(program, line, i)
    yield from of_broadcasting(program, line, i, lambda g: program.pull(line, i, g))


def known_functions(program: Program) -> Any:
    """The compounds of a program, found once."""
    if program.compounds is None:
        program.compounds = compounds(program)
    return program.compounds
