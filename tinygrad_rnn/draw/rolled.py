"""What a rolled picture says of time: which step an arrow is there at, what a name is at step t.

Read next: `patterns.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..program import Line
from ..program.lines import PREVIOUS
from .contract import Link
from .plan import Plan, Recurrence


def places_in_time(plan: Plan) -> dict[int, str]:
    """What is lowered in the names of lines in rolled steps: t, t−1; "" for what steps share.

    What only the last step has, and no loop, is called after that step like everything else.
    """
    places: dict[int, str] = {}
    looped = {n for fold in plan.folds for n in fold.columns}
    for n in plan.graph.drawn if plan.folds else ():
        step = plan.step_of(n)
        if step is None or not step.rolled or n in plan.outputs:
            continue
        if n in looped or any(n in fold.own for fold in step.folds):
            places[n] = at_step(plan.later.get(n, 0))
        elif plan.line(n).op is None:
            places[n] = ""
    for fold in plan.folds:
        if not fold.rolled or any(plan.step_of(n) is not None for n in fold.columns):
            continue
        for n in {*fold.columns, *fold.own} - plan.outputs:  # layers, which have no box
            places[n] = at_step(0)
    for fold in plan.folds:
        for state, entry, lag in fold.recurrences:
            places[entry] = at_step(plan.later.get(state, 0) - lag * fold.pace)
    return places


def when(plan: Plan, link: Link) -> str:
    """For an arrow into or out of a rolled step, at which steps it is there: t = 3, all t."""
    step = plan.step_of(link.source)
    inside, at = plan.step_of(link.child), plan.taken_at(link)
    if inside is not None and inside.rolled and plan.line(link.child).op == PREVIOUS:
        if at:  # of a state of another loop, when it was made
            return f"t = {at[0]}"
        loops = [fold for fold in inside.folds if link.child in fold.stands]
        return f"t = {(loops or inside.folds)[0].ts[0]}"
    if inside is not None and inside.walks_back and (step is None or not step.walks_back):
        return ""  # the walk back takes at each t what the loop made at this t
    if step is not None and step.rolled and (step is not inside or len(at) == 1):
        ts = taken_at(plan, link)
        some = ", ".join(ts) if len(ts) < 4 else f"{ts[0]}, {ts[1]}, … {ts[-1]}"
        return f"all t{_picked(plan, link)}" if plan.gathers(link) else f"t = {some}"
    if inside is not None and inside.rolled and len(at) == 1:  # as one step takes, and no other
        return f"t = {at[0]}"
    parts = [n for n in plan.passed(link) if n in plan.indexed] if plan.indexed else []
    if parts and (link.child, link.argument) not in plan.referring:
        return part(plan, parts[0])
    return ""


def _picked(plan: Plan, link: Link) -> str:
    """What a hidden index picks of all that the steps of a loop made."""
    lines = [plan.line(n) for n in reversed(plan.passed(link))]
    return "".join([f" {movement_text(line)}" for line in lines if line.op == "getitem"])


def part(plan: Plan, n: int) -> str:
    """How a part is written that a rolled step takes: [t], [:, t+1]; [...] if time says nothing."""
    shift, t = plan.indexed[n]
    texts = _index_texts(plan.line(n))
    if shift is None or str(t + shift) not in texts:
        return "[...]"
    texts[texts.index(str(t + shift))] = at_step(shift)
    return f"[{', '.join(texts)}]"


def movement_text(line: Line) -> str:
    """How a movement is written behind what it moves: ᵀ, [0], [:, 0:2]; "" for the others."""
    if line.op == "transpose":
        return "ᵀ"
    if line.op != "getitem":
        return ""
    return f"[{', '.join(_index_texts(line))}]"


def _index_texts(line: Line) -> list[str]:
    index = line.attrs.get("index")
    return [_index_text(one) for one in (index if isinstance(index, tuple) else (index,))]


def _index_text(part: Any) -> str:
    """One part of an index as it is written in brackets."""
    if isinstance(part, slice):
        ends = ["" if end is None else str(end) for end in (part.start, part.stop)]
        return ":".join(ends + ([] if part.step is None else [str(part.step)]))
    if isinstance(part, np.ndarray | list):
        return "ids"
    return "..." if part is Ellipsis else str(part)


def taken_at(plan: Plan, link: Link) -> list[str]:
    """The times at which an arrow takes from a rolled step, in order; [] if it takes from none."""
    step, later = plan.step_of(link.source), plan.later.get(link.source, 0)
    if step is None or not step.rolled:
        return []
    return [str(t + later) for t in sorted(plan.taken_at(link)) or step.ts[-1:]]


def recurs(one: Recurrence) -> str:
    """What is written on the arrow of a recurrence.

    >>> recurs(Recurrence(7, 3, 2, cut=True))
    'cut, t → t+2'
    """
    cut = "cut, " if one.cut else "cut at times, " if one.at_times else ""
    often = f", × {one.steps} steps" if one.steps else ""
    return f"{cut}t → {at_step(one.later)}{often}"


def at_step(shift: int) -> str:
    """t, t+1, t−1.

    >>> at_step(0), at_step(-2)
    ('t', 't−2')
    """
    return "t" + (f"{shift:+}".replace("-", "−") if shift else "")
