"""Where f itself jumps there is no derivative to compare: such entries are left out, and named.

A loss seldom jumps; the gradient of relu does, at 0, and order 2 differentiates the gradient.

Read next: `oracle.py`.
"""

from __future__ import annotations

import numpy as np

from ..arraylike import Array
from .setting import Setting

LOOKS = 500  # parts of the inputs that are looked at before the search stops


def hold_jumps(setting: Setting) -> bool:
    """Enter the entries in which f jumps into `setting.held`; whether there are any."""
    looks = LOOKS
    for i in setting.checked:
        held = np.zeros(setting.inputs[i].shape, dtype=bool)
        parts = [np.arange(held.size)]
        while parts and looks:
            part, looks = parts.pop(), looks - 1
            if not jumps(setting, i, part):
                continue
            if part.size == 1:
                held.flat[part] = True
            else:
                parts += np.array_split(part, 2)
        if np.any(held):
            setting.held[i] = held
    return bool(setting.held)


def jumps(setting: Setting, i: int, part: Array) -> bool:
    """Whether y changes as much for a step a 64th as large: what is continuous changes less."""
    step = np.zeros(setting.inputs[i].shape)
    step.flat[part] = setting.nudge(i).flat[part]
    least = (1e-4 if setting.single else 1e-7) * float(np.max(np.abs(setting.y), initial=0.0))
    with np.errstate(all="ignore"):
        for side in (1, -1):
            far, near = (
                np.abs(setting.at(setting.moved({i: step}, side * h)) - setting.y)
                for h in (1.0, 1 / 64)
            )
            if np.any((near > least) & (near > 0.5 * far)):
                return True
    return False
