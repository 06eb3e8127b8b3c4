"""Compare a gradient with the truth, and say what is wrong with it.

Read in this order: `gradcheck.py`, the public function and its stages; `subject.py`, what is
checked; `setting.py`, `jumps.py` and `oracle.py`, where the truth comes from; `contract.py`,
`compare.py` and `direction.py`, the stages; `search.py`, where it is wrong; `rounding.py`,
`kinks.py`, `ties.py` and `chain_rule.py`, when a difference is no mistake; `exact.py`, all entries
at once; `diagnose/`, what was done wrong; `report.py`. Then what else can be checked: `rules.py`,
one rule; `modules.py`, a net or a training loss; `locate.py`, every operation in its place.
"""

from .gradcheck import gradcheck
from .locate import Finding, Located, locate
from .modules import check_loss, check_module
from .report import Report, Result
from .rules import check_rule

__all__ = [
    "Finding", "Located", "Report", "Result", "check_loss", "check_module", "check_rule",
    "gradcheck", "locate",
]  # fmt: skip
