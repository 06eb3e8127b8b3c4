"""The truth: the derivative of f along a direction, from values of f alone.

The complex step (Lyness & Moler 1967; Squire & Trapp 1998): f(x + ih u) = f(x) + ih J u - O(h^2),
so

    J u = Im f(x + ih u) / h

with no difference of nearly equal numbers; h = 1e-100 leaves no truncation error either. It needs
an f whose every operation is analytic along the way (`np.where` on the real part is; `np.abs` is,
on a watched array, see `watched.py`), which `choose` verifies. Where it is not, central differences
extrapolated to h = 0 stand in (Richardson 1911), and say themselves how well they see.

Read next: `compare.py`, which compares with this.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..arraylike import Array
from .jumps import hold_jumps
from .setting import EPS, Setting
from .subject import Run
from .watched import not_analytic, watched

Steps = Mapping[int, Array]


class Slope(NamedTuple):
    """J u, one number for each entry of y, and how far each may be off."""

    values: Array
    error: Array | float


class Oracle(NamedTuple):
    """Where the truth comes from, and how exactly a right gradient agrees with it."""

    name: str
    slope: Callable[[Setting, Steps], Slope]
    direction: float  # tolerance along a direction, relative to the sum of absolute terms
    entry: float  # tolerance of an entry, relative to the largest entries
    sees: str  # how many digits, and why not more

    def __str__(self) -> str:
        return f"{self.name}, {self.sees}"


class Trial(NamedTuple):
    """What is compared: a setting and its oracle, a run to walk back, dL/dy = v, and its dL/dx."""

    setting: Setting
    oracle: Oracle
    run: Run
    v: Array
    gradients: dict[int, Array]

    def slope(self, i: int, u: Array) -> Slope:
        """The true J u for a direction in input i."""
        return self.oracle.slope(self.setting, {i: u})

    def pull(self, v: Array) -> dict[int, Array]:
        """The gradients under test for another dL/dy."""
        return self.setting.pull(self.run, v)

    def elsewhere(self, setting: Setting) -> Trial:
        """The same comparison in another setting."""
        with np.errstate(all="ignore"):
            run = setting.run()
            gradients = setting.pull(run, self.v)
        return self._replace(setting=setting, run=run, gradients=gradients)

    def blur(self, slope: Slope) -> float:
        """How far <v, J u> may be off by the oracle's own estimate, a hundredfold."""
        return 100 * float(np.sum(np.abs(self.v) * slope.error))


def complex_step(setting: Setting, steps: Steps) -> Slope:
    """J u = Im f(x + ih u) / h.

    Raises:
        numpy.exceptions.ComplexWarning: if f drops an imaginary part.
    """
    return Slope(_complex_values(setting, steps).imag / _step(setting), 0.0)


def _step(setting: Setting) -> float:
    return 1e-20 if setting.single else 1e-100  # float32 knows nothing below 1e-38


def _complex_values(setting: Setting, steps: Steps) -> Array:
    """f(x + ih u)."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("error", np.exceptions.ComplexWarning)
        return _at(setting, setting.moved(steps, 1j * _step(setting))).astype(complex)


def _at(setting: Setting, inputs: Sequence[Any]) -> Array:
    """f at complex inputs, on the branches where it is analytic."""
    return setting.at([watched(x) for x in inputs] if setting.continued else inputs)


def richardson(setting: Setting, steps: Steps) -> Slope:
    """Central differences at h, h/2, h/4, h/8, extrapolated to h = 0; the best of several h."""
    reach = min(setting.scale(i) / (np.max(np.abs(u), initial=0.0) or 1) for i, u in steps.items())
    best: Slope | None = None
    for h in ((3e-1,) if setting.single else ()) + (3e-2, 3e-3, 3e-4, 3e-5):
        found = _extrapolated(setting, steps, h * reach)
        if best is None or not np.sum(found.error) >= np.sum(best.error):
            best = found
        if np.sum(best.error) <= 1e-11 * np.sum(np.abs(best.values)):
            break
    assert best is not None
    best = _within_reach(setting, steps, best)
    if not np.all(np.isfinite(best.values)):
        raise ValueError(
            f"{setting.subject.name} cannot be checked here: it is not complex-safe, so its truth"
            " would come from differences, and it is not finite around these inputs. Move the"
            " inputs away from the edge of its domain, or write it without np.abs, float(), ..."
        )
    return best


def _within_reach(setting: Setting, steps: Steps, far: Slope) -> Slope:
    """The slope from steps that move no entry by more than a part of its own size, if it differs.

    Steps of the size of the largest entry jump over a kink beside a small one, or over a period.
    """
    moved = [(setting.inputs[i], u) for i, u in steps.items()]
    own = [np.abs(x[u != 0] / u[u != 0]) for x, u in moved]
    reach = min((float(np.min(r[r > 0], initial=np.inf)) for r in own), default=np.inf)
    if not np.isfinite(reach):
        return far
    for h in (1e-2, 1e-4, 1e-6, 1e-8):
        near = _extrapolated(setting, steps, h * reach)
        room = 10 * (near.error + far.error) + 1e-6 * np.abs(near.values)
        seen = np.sum(near.error) <= 1e-3 * np.sum(np.abs(near.values))
        if seen and np.any(np.abs(near.values - far.values) > room):
            far = near
    return far


def _extrapolated(setting: Setting, steps: Steps, h: float) -> Slope:
    """D_k = D_k + (D_k - D_{k-1}) / (4^p - 1), p = 1, 2, 3: each pass removes one power of h^2."""
    with np.errstate(all="ignore"):
        row = [
            (setting.at(setting.moved(steps, s)) - setting.at(setting.moved(steps, -s))) / (2 * s)
            for s in (h, h / 2, h / 4, h / 8)
        ]
        before = row
        for p in (1, 2, 3):
            before, pairs = row, itertools.pairwise(row)
            row = [fine + (fine - coarse) / (4.0**p - 1) for coarse, fine in pairs]
        eps = 1e9 * EPS if setting.single else EPS
        noise = 8 * (eps * np.max(np.abs(setting.y), initial=0.0) + _lost(setting)) / h
        error = np.abs(row[0] - before[1]) + np.abs(before[1] - before[0]) + noise
    return Slope(row[0], np.where(np.isfinite(error), error, np.inf))


def beside(trial: Trial, offset: Steps, steps: Steps) -> Array:
    """J u at x + offset * reach, in units of each entry's own size: on a kink the sides differ.

    f at x itself is not asked: where it jumps, a difference from there is the size of the jump.

    Args:
        offset: which way to go from x, for each input, from -1 to 1.
        steps: the direction u, in the same units.
    """
    setting = trial.setting
    exact = trial.oracle.slope is complex_step and not setting.single
    reach = 2.0**-30 if exact else 2.0**-12 if setting.single else 2.0**-18
    own = {i: setting.own(i) for i in {*offset, *steps}}

    def at(by: complex) -> Array:
        """y at the place beside, moved along u."""
        move = {i: reach * offset.get(i, 0.0) + by * steps.get(i, 0.0) for i in own}
        return _at(setting, setting.moved({i: own[i] * w for i, w in move.items()}, 1.0))

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", np.exceptions.ComplexWarning)
        if trial.oracle.slope is complex_step:
            h = _step(setting)
            return np.asarray(at(1j * h).imag / h)
        h = reach / 4  # within the side: the kink at x is not reached
        return np.asarray((at(h) - at(-h)) / (2 * h))


def _lost(setting: Setting) -> float:
    """What rounding takes from y; in float32 a bound stands for it."""
    return 0.0 if setting.single else setting.rounding


# ---------------------------------------------------------------- which one
COMPLEX = Oracle("complex step", complex_step, 1e-12, 1e-11, "sees 15 digits")
COMPLEX32 = Oracle("complex step", complex_step, 1e-4, 1e-3, "sees 6 digits: f computes in float32")
RICHARDSON = Oracle("Richardson differences", richardson, 1e-8, 1e-8, "")

LOSES = "its imaginary part is not its derivative (np.abs, np.sign, np.conj do that)"


def choose(setting: Setting, rng: np.random.Generator) -> Oracle:
    """The complex step where f is complex-safe, else Richardson, with the reason.

    Where f is not, because it jumps in some entries, those are left out (`setting.held`).
    """
    steps = {
        i: rng.standard_normal(setting.inputs[i].shape) * setting.scale(i) for i in setting.checked
    }
    near = setting.moved(steps, 2.0**-10)
    seen = not_analytic(setting, setting.moved(steps, 1j * _step(setting)), near)
    names, z, lost, setting.continued = seen
    why = unsafe(setting, steps, z=z) and unsafe(setting, _own(steps, setting))
    if lost and not why and _disproved(setting, steps, blur=1e-10):
        why = LOSES
    if names:
        why = f"it calls {' and '.join(names)}, which no complex step goes through"
    if why and hold_jumps(setting):
        steps = {i: u * setting.free(i) for i, u in steps.items()}
        why = why if names else unsafe(setting, steps)
    if why and not names and not _disproved(setting, steps):
        was = [
            size(there)
            for there in setting.shrunk(grown=True)
            if not (unsafe(there, steps) and unsafe(there, _as_far(steps, setting, there)))
        ]
        why = unsafe(setting, steps, max(was)) if was else why
    if not why:
        return COMPLEX32 if setting.single else COMPLEX
    found = richardson(setting, steps)
    total = float(np.sum(np.abs(found.values))) or 1.0
    digits = abs(math.log10(min(1.0, max(float(np.sum(found.error)) / total, EPS))))
    return RICHARDSON._replace(sees=f"sees {digits:.0f} digits; no complex step, because {why}")


def _disproved(setting: Setting, steps: Steps, blur: float = 1e-6) -> bool:
    """Whether the complex step is not what differences see, and clearly see, at this very point.

    Then it is not believed, however right it looks at others: there larger terms may hide it.
    """
    try:
        slope, found = complex_step(setting, steps).values, richardson(setting, steps)
    except Exception:  # whatever f says to complex numbers, or around these inputs
        return True
    room = 10 * found.error + blur * np.max(np.abs(found.values), initial=0.0)
    return bool(np.any(np.abs(slope - found.values) > room))


def _own(steps: Steps, setting: Setting) -> Steps:
    """The steps, each entry's in proportion to its own size: x = 1e-9 beside 1 is near a pole."""
    return {
        i: np.sign(u) * np.where(setting.inputs[i] == 0, 1.0, np.abs(setting.inputs[i]))
        for i, u in steps.items()
    }


def _as_far(steps: Steps, setting: Setting, there: Setting) -> Steps:
    """The steps in proportion to the inputs there."""
    return {i: u * (there.scale(i) / setting.scale(i)) for i, u in steps.items()}


def size(setting: Setting) -> float:
    """The largest entry of y."""
    return float(np.max(np.abs(setting.y), initial=0.0))


def unsafe(setting: Setting, steps: Steps, was: float = 0.0, z: Array | None = None) -> str:
    """Why the complex step of f cannot be trusted, in words; empty if it can.

    f at x + ih u must keep its real part, and its imaginary part must lie (roughly) between the
    one-sided differences: `np.abs` loses it, `np.sign` and `np.conj` give a wrong one, in silence.
    `was` is the size of y where that was so: what cannot be seen here, for rounding, is then
    believed. `z` is f there, where that is known.
    """
    try:
        z = _complex_values(setting, steps) if z is None else z
    except np.exceptions.ComplexWarning:
        return "it drops imaginary parts (writing into np.zeros or float() does that)"
    except Exception as error:  # whatever f says to complex numbers: it is not at fault
        return f"it cannot take complex numbers ({type(error).__name__}: {error!s:.60})"
    room = (1e-3 if setting.single else 1e-8) * size(setting) + 1e-13 * was + 1e-150
    slope = z.imag / _step(setting)
    if not np.all(np.abs(z.real - setting.y) <= room):
        return "its real part changes at complex numbers"
    if not np.all(np.isfinite(slope)):
        return "it is not finite at complex numbers"
    if any(_roughly(setting, steps, slope, h, was) for h in (1e-5, 1e-7, 1e-4, 1e-3, 1e-9)):
        return ""
    return LOSES


def _roughly(setting: Setting, steps: Steps, slope: Array, h: float, was: float) -> bool:
    """Whether slope lies between the right and the left differences, as far as they can see."""
    with np.errstate(all="ignore"):
        right = (setting.at(setting.moved(steps, h)) - setting.y) / h
        left = (setting.y - setting.at(setting.moved(steps, -h))) / h
        noise = (1e-6 if setting.single else 1e-14) * max(was, size(setting)) / h
        largest = float(np.max(np.abs(slope)))
        if h < 1e-8 and noise > 1e-2 * largest:
            return False  # so small a step sees nothing here
        if noise > 1e-2 * largest:  # perhaps others do not, either
            lost = 8 * _lost(setting) / h
            if lost > largest and not was:
                return False
            noise = max(noise, lost)
        room = 1e-3 * largest + noise
        below = slope < np.minimum(right, left) - room
        above = slope > np.maximum(right, left) + room
    return not np.any(below | above)
