"""Which contributions to a recurrent weight's gradient are in yours: a table of (loss, use).

The gradient of a weight that is used in every step is a sum over all pairs of a step s with a loss
and a step t <= s with a use. Yours is regressed on these contributions: coefficients of 1
everywhere are the truth.

    1 only where s = t           the gradient is not carried from step to step
    1 in one column              dW is assigned in the loop, not added to
    1 in a band                  truncated
    32 16 8 4 2 1 in a row       what is carried back is doubled at every step

The residual is about 1e-15 if the mistake is of this kind, and about 1 if it is not.

Read next: `engine.py`.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...arraylike import Array
from .case import Case
from .program import Changes, Edge, Program, fit
from .resize import rounds
from .through_time import crossings, nothing

KIND = 1e-9  # the largest residual of a mistake of this kind
COMPLETE = "all contributions are there"
CALLS = 2  # random dL/dy of each loss, for more equations
MANY = 4  # equations for each coefficient, for which one dL/dy is enough


@dataclass
class TimeTable:
    """Coefficients of (loss at step s, use at step t), (S, T); nan where there is no contribution.

    residual: what the table does not explain, relative to your gradient. S is 1 where the result
        has no steps of its own.
    paths: "" for all of them, or "through c only": the contributions are those over the paths
        through one of several states that are handed on.
    """

    weight: str
    coefficients: Array
    residual: float
    paths: str = ""

    @property
    def explains(self) -> bool:
        return self.residual < KIND

    @property
    def reading(self) -> str:
        """What the pattern says; empty for one that is not known."""
        said = reading(self.coefficients) if self.explains else ""
        return f"{said}, of the paths {self.paths}" if said and self.paths else said

    def rows(self) -> list[list[str]]:
        """The numbers as they are shown."""
        return [["" if np.isnan(c) else f"{c + 0:.3g}" for c in row] for row in self._rounded()]

    def _rounded(self) -> Array:
        near = np.round(self.coefficients)
        off = np.abs(self.coefficients - near)
        return np.where(off < 1e-6, near, self.coefficients)

    def __str__(self) -> str:
        rows = self.rows()
        width = max(len(cell) for row in rows for cell in row) + 1
        head = f"  d{self.weight} by loss (rows) and use (columns), true: 1 everywhere"
        head += f"; here of the paths {self.paths}" if self.paths else ""
        lines = ["   ".ljust(4) + "".join(cell.rjust(width) for cell in row) for row in rows]
        said = self.reading or "no known pattern"
        if not self.explains:
            said = "the mistake is not of this kind"
        return "\n".join([head, *lines, f"    residual {self.residual:.1g}: {said}"])

    def html(self) -> str:
        """The table with a colour for each coefficient: white 0, blue 1, red above or below."""
        body = []
        for row, texts in zip(self._rounded(), self.rows(), strict=True):
            cells = [
                f'<td style="background:{_colour(c)};text-align:right;padding:2px 6px">{t}</td>'
                for c, t in zip(row, texts, strict=True)
            ]
            body.append(f"<tr>{''.join(cells)}</tr>")
        said = html.escape(self.reading or f"residual {self.residual:.1g}")
        return (
            f"<figure><figcaption>d{html.escape(self.weight)}: loss at step s (rows), use at step t"
            f" (columns){', paths ' + self.paths if self.paths else ''}; 1 is right."
            f" {said}</figcaption><table>{''.join(body)}</table></figure>"
        )

    def json(self) -> dict[str, Any]:
        return {
            "weight": self.weight,
            "coefficients": [[None if np.isnan(c) else float(c) for c in row]
                             for row in self.coefficients],
            "residual": self.residual,
            "paths": self.paths,
            "reading": self.reading,
        }  # fmt: skip


def _colour(c: float) -> str:
    if np.isnan(c):
        return "transparent"
    if abs(c - 1) < 1e-6:
        return "#9ecae1"
    if abs(c) < 1e-6:
        return "#ffffff"
    return "#fcae91" if abs(c) < 1.5 else "#fb6a4a"


# ---------------------------------------------------------------- the table of a case
def time_table(case: Case, i: int | None = None) -> TimeTable | None:
    """The table of an input that several steps use.

    Args:
        i: which input; by default the wrong one that multiplies the state of the step before, or
            else the first wrong one that several steps use.
    """
    program = case.program
    if program is None or rounds(case) < 2:
        return None
    found = [(k, uses_of(program, k)) for k in (case.wrong if i is None else [i])]
    found = [(k, uses) for k, uses in found if len({t for _, t in uses}) > 1]
    found.sort(key=lambda each: not _meets_the_state(program, each[1]))
    return _table(case, *found[0]) if found else None


def _meets_the_state(program: Program, uses: Sequence[tuple[Edge, int]]) -> bool:
    """Whether its uses have an operand of the step before."""
    return any(
        program.lines[k].t == t - 1
        for (n, i), t in uses
        for k in (*program.lines[n].args[:i], *program.lines[n].args[i + 1 :])
    )


def uses_of(program: Program, i: int) -> list[tuple[Edge, int]]:
    """Where the steps use an input, or what is made of it before the steps."""
    n = program.inputs[i]
    if n is None:
        return []
    found: list[tuple[Edge, int]] = []
    shared = [n]
    for k in shared:
        for user, argument in program.uses[k]:
            line = program.lines[user]
            if line.t is None:
                if line.live:
                    shared.append(user)
            else:
                found.append(((user, argument), line.t))
    return found


def _table(case: Case, i: int, uses: Sequence[tuple[Edge, int]]) -> TimeTable | None:
    """Over all paths; if that explains nothing, over those through one state only."""
    program = case.program
    assert program is not None
    asked = _asked(case, i)
    first = None
    for word, changes in _paths(program):
        if first is not None:  # does it explain the last loss, which has the most contributions?
            last = _regressed(case, i, uses, asked[-1:], changes)
            if last is None or not last.explains:
                continue
        table = _regressed(case, i, uses, asked, changes)
        if table is None or table.explains:
            return table if table is None else replace(table, paths=word)
        first = first or table
    return first


def _asked(case: Case, i: int) -> list[list[tuple[Array, Array]]]:
    """For the loss of each step some dL/dy, and what the backward gives for them."""
    rng = np.random.default_rng(9)
    found = []
    calls = 1 if case.inputs[i].size >= MANY * rounds(case) else CALLS
    for mask in loss_steps(case):
        several = [rng.standard_normal(case.v.size) * mask for _ in range(calls)]
        found.append([(v, np.ravel(case.answer(v)[i])) for v in several])
    return found


def _paths(program: Program) -> Iterator[tuple[str, Changes]]:
    """All paths; then, where several states are handed on, those through each of them alone."""
    yield "", Changes()
    sources: dict[Any, list[Edge]] = {}
    for (n, i), t in crossings(program):
        if not t:
            continue
        state = program.lines[program.lines[n].args[i]]
        sources.setdefault((state.role, state.name), []).append((n, i))
    for key, kept in sources.items() if len(sources) > 1 else ():
        others = [edge for each in sources.values() if each is not kept for edge in each]
        yield f"through {key[1] or 'one state'} only", Changes(dict.fromkeys(others, nothing))


def _regressed(
    case: Case,
    i: int,
    uses: Sequence[tuple[Edge, int]],
    asked: Sequence[Sequence[tuple[Array, Array]]],
    changes: Changes,
) -> TimeTable | None:
    """Yours for the loss of each step alone, as a sum of true contributions of the uses."""
    steps = sorted({t for _, t in uses})
    rows, left, size = [], 0.0, 0.0
    for each in asked:
        columns = [_contributions(case, v, i, uses, steps, changes) for v, _ in each]
        A, y = np.concatenate(columns, axis=1).T, np.concatenate([g for _, g in each])
        if A.shape[0] != y.size:
            return None
        size += float(np.sum(y**2))
        there = np.any(A != 0, axis=0)
        row = np.full(len(steps), np.nan)
        if np.any(there):
            solved = np.linalg.lstsq(A[:, there], y, rcond=1e-13)[0]
            row[there] = solved
            y = y - A[:, there] @ solved
        rows.append(row)
        left += float(np.sum(y**2))
    residual = float(np.sqrt(left / size)) if size else 0.0
    return TimeTable(case.names[i], np.array(rows), residual)


def _contributions(
    case: Case,
    v: Array,
    i: int,
    uses: Sequence[tuple[Edge, int]],
    steps: Sequence[int],
    changes: Changes,
) -> Array:
    """(steps, entries): what the uses in each step send to the input."""
    program = case.program
    assert program is not None
    edges: dict[Edge, Array] = {}
    program.walk(case.setting.cotangents(v), changes, edges)
    start = program.inputs[i]
    out = np.zeros((len(steps), case.inputs[i].size))
    for edge, t in uses:
        if edge in edges:
            c = _down_to(program, program.lines[edge[0]].args[edge[1]], edges[edge], start)
            out[steps.index(t)] += np.ravel(c)
    return out


def _down_to(program: Program, n: int, g: Array, start: int | None) -> Array:
    """The gradient of the input, from one of a line that is made of it outside of all steps."""
    if n == start:
        return g
    found: dict[int, Array] = {n: g}
    for k in range(n, -1, -1):
        line = program.lines[k]
        if k in found and line.live and k != start:
            for i, source in line.live:
                c = fit(program.pull(line, i, found[k]), program.lines[source].value.shape)
                found[source] = found[source] + c if source in found else c
    return found.get(start if start is not None else -1, np.zeros(()))


def loss_steps(case: Case) -> list[Array]:
    """Masks of dL/dy, one for each step that has a result of its own; one of ones without any."""
    T = rounds(case)
    for k, shape in enumerate(case.setting.shapes):
        for axis, n in enumerate(shape):
            if n == T and axis <= 1:
                masks = []
                for s in range(T):
                    parts = [np.zeros(each) for each in case.setting.shapes]
                    parts[k][(slice(None),) * axis + (s,)] = 1
                    masks.append(np.concatenate([p.ravel() for p in parts]))
                return masks
    return [np.ones(case.v.size)]


# ---------------------------------------------------------------- what the pattern says
def reading(table: Array) -> str:
    """The pattern of the coefficients in words; empty if it is none of the known ones."""
    c = np.where(np.isnan(table), 0, np.round(table, 6))
    there = ~np.isnan(table)
    S, T = c.shape
    if np.all(c[there] == 1):
        return COMPLETE
    if S == T and np.array_equal(c, np.eye(T)):
        return "identity: the gradient is not carried from step to step"
    columns = np.flatnonzero(np.any(c != 0, axis=0))
    if columns.size == 1 and np.all(c[there[:, columns[0]], columns[0]] == 1):
        t = int(columns[0])
        return (
            f"one column: only the use at step {t} counts, so the gradient is assigned (=) in the"
            " loop, not added (+=)"
        )
    for k in range(2, T):
        if S == T and np.array_equal(c, np.where(there, np.tri(S, T) - np.tri(S, T, -k), 0)):
            return f"a band: truncated, carried back over {k} steps only"
        kept = (np.arange(T) >= T - k)[None] * np.ones((S, 1))
        if np.array_equal(c, np.where(there, kept, 0)):
            return f"truncated: only the last {k} steps are there"
    if S == 1 and np.array_equal(c[0], np.arange(T) == T - 1):
        return "only the last step: the gradient is not carried from step to step"
    lag = np.arange(S)[:, None] + (T - S) - np.arange(T)[None]
    for ratio, said in ((2, "doubled"), (-1, "turned round in sign"), (0.5, "halved")):
        for shift in (0, 1):
            powers = ratio ** np.maximum(lag - shift, 0).astype(float)
            if np.allclose(c[there], powers[there]):
                return f"powers of {ratio:g}: what is carried back is {said} at every step"
    missing = np.flatnonzero(np.all(c == 0, axis=0))
    if missing.size and np.all(c[:, np.any(c != 0, axis=0)][there[:, np.any(c != 0, axis=0)]] == 1):
        return f"the uses at steps {', '.join(map(str, missing))} are missing"
    return ""
