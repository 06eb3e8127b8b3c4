"""The whole true gradient at once: a walk over the recorded forward, confirmed by a complex step.

One entry at a time, the truth of 1,000 entries costs 1,000 runs of f. Where f can be recorded
(`diagnose/recording.py`) the gradient by the package's own rules costs one, and one random
direction shows whether it is right. It only saves time: every verdict is the oracle's.

Read next: `direction.py`.
"""

from __future__ import annotations

import numpy as np

from ..arraylike import Array
from .diagnose.program import Program
from .diagnose.recording import record
from .oracle import Trial

CONFIRMED = 1e-11  # relative to the sum of absolute terms


def exact(trial: Trial, i: int) -> Array | None:
    """The true gradient of input i for this dL/dy; None if f cannot be recorded."""
    setting = trial.setting
    try:
        with np.errstate(all="ignore"):
            program = Program(record(setting, setting.inputs))
            found = program.walk(setting.cotangents(trial.v))
    except Exception:  # a forward and a rule of the user's own may do anything to what is recorded
        return None
    true = program.of_inputs(found, setting.inputs).get(i)
    if true is None or true.shape != setting.inputs[i].shape:
        return None
    u = np.random.default_rng(2).standard_normal(true.shape) * setting.free(i)
    slope = trial.v * trial.slope(i, u).values
    off = abs(float(np.sum(slope)) - float(np.sum(true * u)))
    size = float(np.sum(np.abs(slope))) + float(np.sum(np.abs(true * u)))
    return true if off <= CONFIRMED * size else None
