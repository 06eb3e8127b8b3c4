"""Names that lines need beyond their own: initial states, stacks, and where two have the same.

Read next: `rolled.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..program.lines import LAYER
from .names import Run, name_runs
from .plan import Plan
from .states import base_name


def distinct_names(plan: Plan) -> dict[int, tuple[Run, ...]]:
    """Names of lines that need more than their own: initial states, stacks, two of one name."""
    names = _initial_names(plan) | _stack_names(plan)
    named = [n for n in plan.graph.drawn if n in names or plan.line(n).name]
    named = [n for n in named if _is_weight(plan, n) or _stands_alone(plan, n)]
    alike: dict[tuple[Run, ...], list[int]] = {}
    for n in named:
        alike.setdefault(names.get(n) or name_runs(str(plan.line(n).name)), []).append(n)
    several = [(runs, some) for runs, some in alike.items() if len(some) > 1]
    modules = _modules(plan) if several else {}
    for runs, some in several:
        fuller = _in_modules(runs, [modules.get(n, ()) for n in some])
        distinct = len(set(fuller)) == len(some)
        for n, full in zip(some, fuller):
            if _is_weight(plan, n):
                first = distinct or full not in names.values()
                names[n] = full if first else (*full, Run(f"n{n}", "sub"))
            elif distinct:
                names[n] = full
    return names


def _is_weight(plan: Plan, n: int) -> bool:
    """Whether a line is a parameter, and not one step's only: that gets the number of its step."""
    return plan.looks(n) == "parameter" and not plan.is_own(n)


def _stands_alone(plan: Plan, n: int) -> bool:
    """Whether a line is an operation outside of all steps, so that its name gets no number."""
    return plan.line(n).op is not None and plan.homes[n] is None


def _in_modules(runs: tuple[Run, ...], paths: Sequence[tuple[str, ...]]) -> list[tuple[Run, ...]]:
    """One name with those of several modules: the innermost names that differ, if some do."""
    deepest = max(map(len, paths))
    levels = [[path[-k] if k <= len(path) else "" for path in paths] for k in range(1, deepest + 1)]
    names = [[_in_module(runs, module) for module in level] for level in levels]
    distinct = [level for level in names if len(set(level)) == len(paths)]
    return (distinct or names or [[runs] * len(paths)])[0]


def _in_module(runs: tuple[Run, ...], module: str) -> tuple[Run, ...]:
    """A name with that of its module: emb.weight; of a layer of `tg.nn`, xW with l0 below."""
    layer = LAYER.fullmatch(module)
    if layer is None:
        return (Run(f"{module}.{runs[0].text}".lstrip("."), "b"), *runs[1:])
    mark = f"l{layer[1]}{'←' if layer[2] else ''}"
    return (runs[0], Run(" ".join([*(run.text for run in runs[1:]), mark]), "sub"))


def _initial_names(plan: Plan) -> dict[int, tuple[Run, ...]]:
    """A state h0 that enters a loop which has a step 0, whose own state h is another h0."""
    zero = {step.path for step in plan.steps if 0 in step.ts}
    names: dict[int, tuple[Run, ...]] = {}
    for belts in plan.states.belts.values():
        for belt in belts:
            line = plan.line(belt.source)
            if line.op is not None or plan.homes[belt.source] is not None or not line.name:
                continue
            runs = name_runs(line.name)
            if runs[1:] == (Run("0", "sub"),) and plan.steps[belt.step].path in zero:
                names[belt.source] = (runs[0], Run("init", "sub"))
    return names


def _stack_names(plan: Plan) -> dict[int, tuple[Run, ...]]:
    """What has no name, and is made of the states h of all steps, is called h with 0…9 below."""
    taken: dict[int, set[str | None]] = {}
    ts: dict[int, set[int]] = {}
    for handover in plan.handovers:
        child, source = handover.link.child, plan.line(handover.link.source)
        taken.setdefault(child, set()).add(base_name(source.name))
        ts.setdefault(child, set()).update(plan.steps[handover.step].ts)
    names: dict[int, tuple[Run, ...]] = {}
    for child, (name, *others) in taken.items():
        stacked = plan.line(child).op in ("stack", "concatenate")
        if stacked and name and not others and not plan.line(child).name:
            names[child] = (Run(name, "b"), Run(f"{min(ts[child])}…{max(ts[child])}", "sub"))
    return names


def _modules(plan: Plan) -> dict[int, tuple[str, ...]]:
    """For every line the path of the module that made it; for a leaf, that uses it first."""
    modules: dict[int, tuple[str, ...]] = {}
    for line in plan.graph.lines:
        if line.path:
            modules[line.number] = line.path
            for operand in line.inputs:
                modules.setdefault(operand, line.path)
    return modules
