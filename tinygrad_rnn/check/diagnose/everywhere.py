"""The same mistake in every place where it can be made: all sigmoids, both splits, every mean.

A helper that is wrong is wrong wherever it is called.

Read next: `recomputed.py`.
"""

# mypy: disable-error-code=misc
# (a lambda that binds a loop variable by a default has no inferred type)

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from .case import Case
from .compounds import of_compound
from .hypothesis import Hypothesis, by_changes
from .mistakes import alternatives, known_functions, parts_of, reordered
from .program import Changes, Edge, Line, Program, Rule

Kind = tuple[str, str, bool]  # the operation, the wrong rule, and whether there is a constant
Skip = tuple[int, Rule]  # where the gradient goes, and by which rule


def everywhere(case: Case) -> Iterator[Hypothesis]:
    """Hypotheses of one wrong rule, wherever it applies."""
    program = case.program
    if program is None:
        return
    yield from _of_blocks(case, program)
    for (name, key), (phrase, _) in _by_function(program).items():
        yield by_changes(
            "everywhere",
            f"wherever {name} occurs: {phrase}",
            lambda there, name=name, key=key: _functions_changed(there, name, key),
            case,
        )
    for kind, phrase in _rules(program).items():
        yield by_changes(
            "everywhere",
            f"in every place of this kind: {phrase}",
            lambda there, kind=kind: _rules_changed(there, kind),
            case,
        )


def _of_blocks(case: Case, program: Program) -> Iterator[Hypothesis]:
    """Everything that is cut into k parts, joined in another order."""
    counts = [len(parts_of(program, line)) for line in program.lines]
    for k in sorted({n for n in counts if n and counts.count(n) > 1}):
        for order in itertools.permutations(range(k)):
            if order != tuple(range(k)):
                yield by_changes(
                    "everywhere",
                    f"the {k} blocks (gates) of every split are joined in another order,"
                    f" {', '.join(map(str, order))}: they are swapped",
                    lambda there, order=order: _reordered(there, order),
                    case,
                )


def _reordered(program: Program, order: tuple[int, ...]) -> Changes | None:
    total = Changes()
    for line in program.lines:
        total = total.and_also(reordered(program, line, order) or Changes())
    return total if total.rules else None


def _functions_changed(program: Program, name: str, key: str) -> Changes | None:
    _, skips = _by_function(program).get((name, key), ("", {}))
    return Changes(skips=skips) if skips else None


def _by_function(program: Program) -> dict[tuple[str, str], tuple[str, dict[int, Skip]]]:
    """For every wrong rule of a known function its words, and what it does to which lines."""
    if program.functions is None:
        found: dict[tuple[str, str], tuple[str, dict[int, Skip]]] = {}
        for compound in known_functions(program):
            for each in of_compound(program, compound):
                _, skips = found.setdefault((compound.name, each.key), (each.phrase, {}))
                skips[compound.number] = compound.source, each.rule
        program.functions = found
    return program.functions


def _kind(line: Line, key: str) -> tuple[str, str, float]:
    """Lines of one operation, with the same constant in it if there is one."""
    constants = [float(x) for x in line.operands if np.ndim(x) == 0 and not isinstance(x, bool)]
    name = line.op.name if line.op else ""
    return name, key, constants[0] if len(constants) == 1 and len(line.operands) == 2 else np.inf


def _rules(program: Program) -> dict[Kind, str]:
    """All the kinds of rules that several lines have."""
    return {kind: phrase for kind, (phrase, rules) in _by_kind(program).items() if len(rules) > 1}


def _rules_changed(program: Program, kind: Kind) -> Changes | None:
    _, rules = _by_kind(program).get(kind, ("", {}))
    return Changes(rules) if rules else None


def _by_kind(program: Program) -> dict[Kind, tuple[str, dict[Edge, Rule]]]:
    """For every kind of wrong rule its words, and the edges that it can be made at."""
    if program.kinds is None:
        found: dict[Kind, tuple[str, dict[Edge, Rule]]] = {}
        for line in program.backwards:
            for i, _ in line.live:
                for each in alternatives(program, line, i):
                    name, key, constant = _kind(line, each.key)
                    kind = name, key, bool(np.isfinite(constant))
                    found.setdefault(kind, (each.phrase, {}))[1][line.number, i] = each.rule
        program.kinds = found
    return program.kinds
