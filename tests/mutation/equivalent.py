"""Mutants that no test can notice, because they change nothing that can be observed; and why.

By file, then by reason: the names of the mutants as `python -m tests.mutation` prints them.
"""

from __future__ import annotations

from collections.abc import Iterable

from .mutants import Mutant

EQUIVALENT: dict[str, dict[str, list[str]]] = {"ops": {}, "einsum": {}, "graph": {}}


def reason(module: str, mutant: Mutant) -> str | None:
    """Why this mutant is equivalent; None if nobody has said so."""
    return next((why for why, names in EQUIVALENT[module].items() if mutant.name in names), None)


def unknown(module: str, mutants: Iterable[Mutant]) -> list[str]:
    """What is listed here, and is no mutant any more: the code has changed."""
    known = {mutant.name for mutant in mutants}
    return [name for names in EQUIVALENT[module].values() for name in names if name not in known]
