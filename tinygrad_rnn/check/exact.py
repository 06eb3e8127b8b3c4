"""The whole true gradient at once: a walk over the recorded forward, confirmed by a complex step.

One entry at a time, the truth of 1,000 entries costs 1,000 runs of f. Where f can be recorded
(`diagnose/recording.py`) the gradient by the package's own rules costs one, and one random
direction shows whether it is right. It only saves time: every verdict is the oracle's.

Read next: `direction.py`.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from ..arraylike import Array
from .diagnose.program import Program
from .diagnose.recording import record
from .oracle import Trial

CONFIRMED = 1e-11  # relative to the sum of absolute terms


class Exact:
    """The forward of a trial, recorded once somebody asks, and its gradients."""

    def __init__(self, trial: Trial) -> None:
        self.trial = trial

    @cached_property
    def program(self) -> Program | None:
        """The recorded forward; None if it cannot be recorded."""
        setting = self.trial.setting
        try:
            with np.errstate(all="ignore"):
                return Program(record(setting, setting.inputs))
        except Exception:  # a forward of the user's own may do anything to what is recorded
            return None

    @cached_property
    def _gradients(self) -> dict[int, Array]:
        """By the package's rules, not confirmed yet."""
        setting, program = self.trial.setting, self.program
        if program is None:
            return {}
        try:
            with np.errstate(all="ignore"):
                found = program.walk(setting.cotangents(self.trial.v))
        except Exception:  # and so may a rule
            return {}
        return program.of_inputs(found, setting.inputs)

    def gradient(self, i: int) -> Array | None:
        """The true gradient of input i for this dL/dy; None if it is not known."""
        setting, true = self.trial.setting, self._gradients.get(i)
        if true is None or true.shape != setting.inputs[i].shape:
            return None
        u = np.random.default_rng(2).standard_normal(true.shape) * setting.free(i)
        slope = self.trial.v * self.trial.slope(i, u).values
        off = abs(float(np.sum(slope)) - float(np.sum(true * u)))
        size = float(np.sum(np.abs(slope))) + float(np.sum(np.abs(true * u)))
        return true if off <= CONFIRMED * size else None

    @property
    def by_rules(self) -> bool:
        """Whether no rule in it is a complex step, so that it bears witness beside the oracle."""
        return self.program is not None and self.program.by_rules
