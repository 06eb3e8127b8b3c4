"""Compare a gradient with the truth, and say what is wrong with it.

Read in this order: `gradcheck.py`, the public function and its stages; `subject.py`, what is
checked; `setting.py`, `jumps.py` and `oracle.py`, where the truth comes from; `contract.py`,
`compare.py` and `direction.py`, the stages; `search.py`, where it is wrong; `rounding.py` and
`kinks.py`, when a difference is no mistake; `exact.py`, all entries at once; `diagnose/`, what was
done wrong; `report.py`.
"""

from .gradcheck import gradcheck
from .report import Report, Result

__all__ = ["Report", "Result", "gradcheck"]
