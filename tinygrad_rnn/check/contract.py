"""Stages 2 and 3: what a backward must keep to before its numbers are compared.

Contract: one gradient for each input, of its shape and dtype; inputs and the incoming gradient left
alone; no memory shared; the same answer twice. Linearity: dL/dx = J^T g is linear in g, so a
backward must give 0 for g = 0 and -k times as much for -kg; one that does not, ignores g, clips it,
or uses it twice.

Read next: `direction.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..arraylike import Array, raw
from ..tensor import Tensor
from .oracle import Oracle, Trial
from .report import Report, Result
from .setting import Setting, arranged, subscript
from .subject import Run

Shared = tuple[Result, str]  # whose gradient, and with what


def contract(
    setting: Setting, oracle: Oracle, v: Array, report: Report
) -> tuple[Trial | None, list[Shared]]:
    """Stage 2: the gradients, ready to be compared; None, and a failed report, if they are not.

    And which of them share their memory: they can be compared all the same, so see `unshared`.
    """
    run = setting.run()
    _inputs_untouched(setting, run, "forward", report)
    arriving = setting.cotangents(v)
    returned = run.walk(arriving)
    _cotangents_untouched(arriving, setting.cotangents(v), report)
    if report.stage is None:
        _inputs_untouched(setting, run, "backward", report)
    per_input = arranged(setting.inputs, returned)
    if per_input is None:
        report.fail("contract", _wrong_number(setting, returned))
        return None, []
    shared = list(_sharing(setting, run, arriving, per_input, report))
    gradients = {}
    for r in report.results:
        g = _in_form(setting, per_input[r.index], r)
        if g is not None:
            gradients[r.index] = np.array(g)
    if report.stage is not None:
        return None, shared
    trial = Trial(setting, oracle, run, v, gradients)
    _connected(trial, per_input, report)
    return trial, shared + _same_twice(trial, per_input, report)


def unshared(shared: Sequence[Shared], report: Report) -> None:
    """The last of the contract, asked once the numbers are compared: a wrong number says more."""
    failed = report.stage is not None
    for r, what in shared:
        why = (
            f"its gradient shares its memory with {what}, so adding to one changes the other:"
            " return a copy (may_share=True overlooks this)"
        )
        if failed:
            r.notes.append(why)
        else:
            r.fail("contract", why)


def _cotangents_untouched(arriving: list[Array], before: list[Array], report: Report) -> None:
    for k, (g, old) in enumerate(zip(arriving, before, strict=True)):
        if g.tobytes() != old.tobytes():
            which = "" if len(arriving) == 1 else f" of output {k}"
            report.fail(
                "contract",
                f"the backward changed the incoming gradient{which} in place: whoever passed it"
                " still needs it. Write g = g * ..., not g *= ...",
            )


def _inputs_untouched(setting: Setting, run: Run, who: str, report: Report) -> None:
    for name, x, held in zip(setting.names, setting.inputs, run.held, strict=True):
        if isinstance(x, np.ndarray) and x.tobytes() != np.asarray(held).tobytes():
            report.fail(
                "contract",
                f"the {who} changed {name} in place: whoever uses it next sees other numbers."
                " Compute a new array (x = x - m, not x -= m)",
            )


def _wrong_number(setting: Setting, returned: Any) -> str:
    n = len(returned) if isinstance(returned, (tuple, list)) else 1
    return (
        f"the backward returned {n} gradient{'s' * (n != 1)}, and there are {len(setting.inputs)}"
        f" inputs: return one for each, in the order ({', '.join(setting.names)})"
    )


def _in_form(setting: Setting, g: Any, r: Result) -> Array | None:
    """The gradient as an array, if it is finite and one of the input's shape and dtype."""
    x = setting.inputs[r.index]
    if g is None and not setting.subject.own_arrays:
        return np.zeros_like(x)  # no walk reaches it; `_connected` asks whether that is right
    if isinstance(g, Tensor) or not isinstance(g, (np.ndarray, np.generic, float, int)):
        kind = "None" if g is None else f"a {type(g).__name__}"
        r.fail("contract", f"its gradient is {kind}: return an array of shape {x.shape}")
        return None
    g = np.asarray(g)
    if g.shape != x.shape:
        hint = _broadcast_hint(g.shape, x.shape)
        r.fail("contract", f"its gradient has shape {g.shape}, and {r.name} has {x.shape}{hint}")
    elif g.dtype != x.dtype:
        r.fail(
            "contract", f"its gradient is {g.dtype}, and {r.name} {x.dtype}: use that throughout"
        )
    elif not np.all(np.isfinite(g)):
        bad = np.argwhere(~np.isfinite(g))
        where = f"{g[tuple(bad[0])]} at {r.name}{subscript(bad[0])}"
        r.fail("contract", f"its gradient is not finite: {where} ({len(bad)} of {g.size} entries)")
    return g if r.stage is None else None


def _broadcast_hint(given: tuple[int, ...], expected: tuple[int, ...]) -> str:
    """Where a larger gradient can have come from: broadcasting that was not undone."""
    lead = len(given) - len(expected)
    if lead < 0 or any(n not in (1, m) for n, m in zip(expected, given[lead:], strict=True)):
        return ""
    axes = [str(k) for k in range(len(given)) if k < lead or expected[k - lead] != given[k]]
    axis = "axis" if len(axes) == 1 else "axes"
    return f": sum over {axis} {', '.join(axes)}, where it was broadcast"


def _sharing(
    setting: Setting, run: Run, gs: Sequence[Array], grads: Sequence[Any], report: Report
) -> Iterator[Shared]:
    """Gradients that are views of g, of an input or of another gradient: += on one changes both."""
    if not setting.subject.own_arrays:
        return
    everything = [("the incoming gradient", g) for g in gs]
    everything += [(f"the input {n}", x) for n, x in zip(setting.names, run.held, strict=True)]
    for r in report.results:
        mine = grads[r.index]
        shared = [what for what, other in everything if _shares(mine, other)]
        yield from ((r, what) for what in shared[:1])
        everything.append((f"the gradient of {r.name}", mine))


def _shares(a: Any, b: Any) -> bool:
    if not (isinstance(a, np.ndarray) and isinstance(b, np.ndarray)):
        return False
    try:
        return np.shares_memory(a, b, max_work=10_000)  # type: ignore[arg-type]
    except np.exceptions.TooHardError:
        return False


def _connected(trial: Trial, grads: Sequence[Any], report: Report) -> None:
    """An input that no walk reaches must not matter."""
    for r in report.results:
        if grads[r.index] is not None:
            continue
        u = np.random.default_rng(report.seed).standard_normal(r.shape)
        slope = trial.slope(r.index, u * trial.setting.free(r.index))
        if np.sum(np.abs(trial.v * slope.values)) > trial.blur(slope):
            r.fail(
                "contract",
                f"no gradient arrives, yet the result changes with {r.name}: an operation between"
                " them is not recorded (a plain NumPy call, .numpy(), .detach(), no_grad())",
            )
        elif np.all(trial.setting.free(r.index)):
            r.notes.append("the result does not depend on it")


def _same_twice(trial: Trial, grads: Sequence[Any], report: Report) -> list[Shared]:
    """The second call gives the same numbers; and in arrays of its own."""
    setting, kept = trial.setting, []
    again = arranged(setting.inputs, trial.run.walk(setting.cotangents(trial.v))) or []
    for r in report.results:
        g = again[r.index] if again else None
        g = (
            np.zeros(r.shape)
            if g is None and not setting.subject.own_arrays
            else np.asarray(raw(g))
        )
        if g.shape != r.shape or not _equal(trial.gradients[r.index], g):
            r.fail(
                "contract",
                "its gradient is another one when the backward is called a second time: something"
                " is kept, or changed in place, between the calls",
            )
        elif setting.subject.own_arrays and _shares(grads[r.index], g):
            kept.append((r, "the one of the call before"))
    return kept


def linearity(trial: Trial, report: Report) -> None:
    """Stage 3: backward(0) = 0, and backward(-kg) = -k backward(g) to 1e-12.

    k is 2^20, which leaves the digits alone and brings g to where somebody may have clipped it; 2
    where so large numbers overflow.
    """
    at_zero, k = trial.pull(0 * trial.v), LARGE
    with np.errstate(over="ignore", invalid="ignore"):
        grown = trial.pull(-k * trial.v)
    if not all(np.all(np.isfinite(g)) for g in grown.values()):
        k = 2
        grown = trial.pull(-k * trial.v)
    for r in report.results:
        g, zero, large = trial.gradients[r.index], at_zero.get(r.index), grown.get(r.index)
        if zero is None or not _equal(g, g + zero):
            r.fail(
                "linearity",
                "its gradient is not zero when the incoming gradient is zero: g is ignored, or"
                " something is added that does not depend on it",
            )
        elif large is None or not _equal(-k * g, large):
            r.fail(
                "linearity",
                f"its gradient does not become -{k:,} times as large when the incoming gradient"
                " does: g is clipped, or used twice",
            )


def _equal(a: Array, b: Array) -> bool:
    size = max(np.abs(a).max(initial=0.0), np.abs(b).max(initial=0.0))
    return bool((np.abs(a - b) <= 1e-12 * size + TINY).all())


TINY = 1e-290  # below this float64 loses digits
LARGE = 2**20
