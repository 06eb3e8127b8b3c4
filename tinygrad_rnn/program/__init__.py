"""The recorded program as a value: listed, asked, counted, folded, handed to other programs.

Its files, in the order in which they are read: `lines.py` (what a line is), `value.py` (`Graph`),
`collect.py`, `recorded.py` (its lines, also after its weights have changed), `listing.py`,
`queries.py`, `costs.py` (what can be asked), `alike.py`, `runs.py`, `loops.py`, `numbering.py`,
`folds.py`, `folding.py`, `kept.py`, `taken.py`, `account.py`, `thinning.py`, `differences.py` (the
repeated step, and graphs with few of its copies), `exchange.py`.
"""

from .costs import Summary
from .folds import Fold
from .lines import MOVEMENTS, Edge, Gradients, Line, short, step_scope
from .loops import Loop, in_steps
from .value import Graph
