"""Compare a gradient with the truth, and say what is wrong with it.

Read in this order: `gradcheck.py`, the public function and its stages; `subject.py`, what is
checked; `setting.py` and `oracle.py`, where the truth comes from; `contract.py` and `direction.py`,
the stages; `excuses.py`, when a difference is no mistake; `report.py`.
"""

from .gradcheck import gradcheck
from .report import Report, Result

__all__ = ["Report", "Result", "gradcheck"]
