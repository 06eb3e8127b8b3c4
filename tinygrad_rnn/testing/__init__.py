"""For the tests of other people's code: right gradients asserted, primitives put through a battery.

`assert_gradients` and `run_battery` need nothing but NumPy; `battery`, which makes a test for
pytest, and the strategies (`strategies`, `Pick`) need hypothesis, and say so.

Read in this order: `gradients.py`; `battery.py`, every check that one call can fail; `pytests.py`,
the battery as a test; `pick.py` and `strategies.py`, what it is run on.
"""

from __future__ import annotations

import importlib
from typing import Any

from .battery import CHECKS, Case, run_battery
from .gradients import assert_gradients
from .pytests import battery

__all__ = ["CHECKS", "Case", "assert_gradients", "battery", "run_battery", "strategies"]


def __getattr__(name: str) -> Any:
    """`testing.strategies`, imported when it is first asked for: it needs hypothesis."""
    if name in ("strategies", "pick"):
        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
