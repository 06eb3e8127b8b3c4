"""A bank of wrong gradients: what a gradient check must find, and what it should say about each.

Each entry is a `Mistake`: a forward, its right backward, a wrong backward that somebody could have
written, inputs of random shapes, and what a right explanation says. The expectations were written
from the mistakes, not from any checker's answers.

    import bank                           # in a test; `python -m tests.bank` prints the table

    for mistake in bank.known_mistakes():
        inputs = mistake.inputs(seed=0)
        report = gradcheck(mistake.pair, *inputs, seed=0)
        mistake.explained_by("a sentence")    # does it say what is wrong?

The known mistakes are what the diagnosis was built against; the held-out ones (one file) are what
its author has not read. Read next: `entry.py`, how an entry is written; then `elementwise.py` and
the other parts; `score.py`, how explanations are counted.
"""

from __future__ import annotations

import importlib

from .entry import REGISTRY, Function, Mistake

PARTS = (
    "elementwise",
    "losses",
    "products",
    "norms",
    "shapes",
    "contracts",
    "recurrent",
    "gated",
    "sequences",
    "kinks",
)


def functions() -> list[Function]:
    """Every function of the bank, with its right backward; the held-out ones too."""
    for part in (*PARTS, "held_out"):
        importlib.import_module(f".{part}", __name__)
    return list(REGISTRY)


def known_mistakes() -> list[Mistake]:
    """The mistakes that the diagnosis may be built against."""
    for part in PARTS:
        importlib.import_module(f".{part}", __name__)
    return [m for f in REGISTRY for m in f.mistakes if not m.held_out]


def held_out_mistakes() -> list[Mistake]:
    """The mistakes that the author of the diagnosis has not read."""
    return [m for f in functions() for m in f.mistakes if m.held_out]


def mistakes() -> list[Mistake]:
    """All mistakes."""
    return known_mistakes() + held_out_mistakes()
