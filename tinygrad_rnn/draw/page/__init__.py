"""The page to step through: the picture of a graph, and the walk over it one step at a time.

Its files in the order in which they are read: `rules.py`, `numbers.py`, `walk.py`, `names.py`,
`chain.py`, `steps.py` (the steps as data), `replay.py` and `verdict.py` (numeric gradients),
`svg.py` (the picture made ready), `page.py`; then the page itself: `page.html`, `page.css`,
`page.js`.
"""

from .page import Page, step_through

__all__ = ["Page", "step_through"]
