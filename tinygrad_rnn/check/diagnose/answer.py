"""From a failed check to its diagnosis: what was observed, what explains it, and how sure that is.

Read next: `diagnosis.py`.
"""

from __future__ import annotations

import numpy as np

from ...arraylike import Array
from ..report import Report
from ..setting import Setting
from .case import Case, Cases, made_case, same
from .diagnosis import CERTAIN, LIKELY, UNKNOWN, Diagnosis
from .engine import Engine
from .hypothesis import Hypothesis, share_explained
from .program import fit
from .resize import further, shortened
from .time_table import COMPLETE, TimeTable, time_table
from .words import listed

ENOUGH = 0.99  # of the squared difference, in every case, for "likely"
SINGLE = 6  # digits that agree where float32 was used


def diagnose(setting: Setting, report: Report, cases: Cases | None = None) -> Diagnosis:
    """Why this check failed.

    Args:
        cases: the inputs of the k-th further case; by default the given ones are resized.
    """
    try:
        return _explained(setting, report, cases)
    except Exception as error:  # the verdict stands, whatever a strange forward does to this
        observed = _observed(report)
        observed.sentence += f" (no diagnosis: {type(error).__name__}: {error!s:.80})"
        return observed


def _explained(setting: Setting, report: Report, cases: Cases | None) -> Diagnosis:
    if report.stage == "contract":
        return _of_contract(setting, report)
    if all(r.seen for r in report.results if r.stage is not None) and not report.problems:
        return Diagnosis(CERTAIN, _observed(report).sentence, "local rule")
    with np.errstate(all="ignore"):
        first = made_case(setting, [report.seed, 1])
        if first is None or not first.wrong:
            return _observed(report)
        whole, brief = first, shortened(first)
        first = brief or whole  # so that the search does not grow with the number of steps
        chosen = [first, *further(first, cases), *([whole] if brief else [])]
        engine = Engine(chosen, linear=report.stage != "linearity")
        found = engine.explanations()
        in_steps = not found or found[0].family in ("time table", "edge weight", "pairs")
        answer = _answer(engine, found, report, time_table(first) if in_steps else None)
        answer.unrecorded = first.unrecorded
        return answer


def _answer(
    engine: Engine, found: list[Hypothesis], report: Report, table: TimeTable | None
) -> Diagnosis:
    count, first = len(engine.cases), engine.first
    table = table if table is not None and table.reading not in ("", COMPLETE) else None
    if found:
        sentences = list(dict.fromkeys(h.sentence for h in found))
        word = CERTAIN if len(sentences) == 1 else f"one of {len(sentences)}"
        if len(sentences) == 1 and (count < 2 or found[0].family == "pairs" or found[0].partly):
            word = LIKELY  # one case proves nothing, not all pairs were tried, not made everywhere
        best = found[0]
        return Diagnosis(
            word, sentences[0], best.family, sentences[1:], count, best.edges, first.program, table
        )
    if table is not None:
        sentence = f"d{table.weight} is put together of its steps otherwise: {table.reading}"
        return Diagnosis(LIKELY, sentence, "time table", [], count, (), first.program, table)
    single = _single_precision(engine)
    if single:
        return Diagnosis(LIKELY, single, "local rule", [], count, (), first.program)
    near = _nearest(engine)
    if near is not None:
        return Diagnosis(LIKELY, near.sentence, near.family, [], count, near.edges, first.program)
    unknown = _observed(report) if not engine.linear else Diagnosis(UNKNOWN, _known(engine))
    unknown.cases, unknown.program = count, first.program
    return unknown


def _nearest(engine: Engine) -> Hypothesis | None:
    """A hypothesis that explains nearly all of the difference, in every case."""
    best, most = None, ENOUGH
    for hypothesis in engine.nearly():
        share = share_explained(hypothesis, engine.first)
        if share >= most:
            share = min(share_explained(hypothesis, case) for case in engine.cases)
        if share >= most:
            best, most = hypothesis, share
    return best


def _single_precision(engine: Engine) -> str:
    """Whether the difference is what float32 makes: 6 to 8 digits agree, in every case, and in most
    entries no more of them."""
    for case in engine.cases:
        for i in case.wrong:
            yours, true = case.yours[i], case.true[i]
            if not 1e-9 < _relative(yours, true) < 10.0**-SINGLE:
                return ""
            if 2 * np.count_nonzero(np.abs(yours - true) > 1e-10 * np.abs(true)) < true.size:
                return ""
    return (
        "the gradient agrees to 6 to 8 digits: it is computed in float32 somewhere, or a constant"
        " is off by so little"
    )


def _relative(a: Array, b: Array) -> float:
    if a.shape != b.shape:
        return 1.0
    return float(np.max(np.abs(a - b), initial=0.0) / (np.max(np.abs(b), initial=0.0) or 1.0))


def _known(engine: Engine) -> str:
    """Which inputs, and which of their rows or steps, are wrong."""
    first = engine.first
    parts = []
    for i in first.wrong:
        name = f"d{first.names[i]}"
        yours, true = first.yours[i], first.true[i]
        if yours.shape == true.shape and true.ndim:
            parts.append(f"{name}{_rows(yours, true)}")
        else:
            parts.append(name)
    right = [f"d{first.names[i]}" for i in first.setting.checked if i not in first.wrong]
    sentence = f"wrong: {listed(parts)}"
    if right:
        sentence += f"; right: {listed(right)}"
    if not engine.patient():
        return (
            f"{sentence}; the search for an explanation was given up before its end: a smaller"
            " forward, or fewer steps, may help"
        )
    return sentence + "; no mistake that is known here gives these numbers"


def _rows(yours: Array, true: Array) -> str:
    """In which rows (steps, examples) a gradient is wrong, if not in all."""
    size = np.max(np.abs(true), initial=0.0)
    off = np.abs(yours - true) > 1e-9 * size
    wrong = np.flatnonzero(np.any(off.reshape(len(off), -1), axis=1))
    if len(wrong) in (0, len(off)):
        return ""
    return f" (rows {', '.join(map(str, wrong[:8]))}{', ...' if len(wrong) > 8 else ''})"


# ---------------------------------------------------------------- what was observed
def _observed(report: Report) -> Diagnosis:
    """The check's own words: not linear in g, or a problem of no single input."""
    reasons = [why for _, why in report.problems]
    about: dict[str, list[str]] = {}
    for r in report.results:
        if r.stage is not None:
            about.setdefault(r.reason, []).append(r.name)
    reasons += [f"{listed(names)}: {reason}" for reason, names in about.items()]
    family = {"linearity": "cotangent", "contract": "contract"}.get(report.stage or "", "")
    word = CERTAIN if family else UNKNOWN
    return Diagnosis(word, "; ".join(reasons) or "nothing more is known", family)


def _of_contract(setting: Setting, report: Report) -> Diagnosis:
    """A broken promise is seen, not supposed; of a wrong shape it is said how it came about."""
    observed = _observed(report)
    case = None if report.problems else made_case(setting, [report.seed, 1])
    if case is None:
        return observed
    parts = [
        f"{case.names[i]}: {_of_shape(case, i)}"
        for i in case.wrong
        if case.yours[i].shape != case.true[i].shape and case.yours[i].dtype.kind in "biufc"
    ]
    return Diagnosis(CERTAIN, "; ".join(parts), "shape") if parts else observed


def _of_shape(case: Case, i: int) -> str:
    """How a gradient came to its shape, if the true one can be made of it."""
    yours, true, name = case.yours[i], case.true[i], case.names[i]
    lead = yours.ndim - true.ndim
    has = f"d{name} has the shape {yours.shape}; {name} is {true.shape}"
    if yours.size == true.size and same(yours.reshape(true.shape), true):
        return f"{has}: the numbers are right; reshape them to the shape of {name}"
    if lead >= 0 and all(n in (1, m) for n, m in zip(true.shape, yours.shape[lead:], strict=True)):
        axes = [*range(lead)]
        axes += [lead + k for k, n in enumerate(true.shape) if n != yours.shape[lead + k]]
        where = f"{'axis' if len(axes) == 1 else 'axes'} {', '.join(map(str, axes))}"
        if same(fit(yours, true.shape), true):
            return f"{has}: it is not summed over {where}, where {name} was broadcast"
        return f"{has}: summed over {where} it would fit, and still be another one"
    if yours.ndim == 2 and same(yours.T, true):
        return f"{has}: it is transposed; take its .T"
    return f"{has}: a gradient has the shape of what it belongs to"
