"""Imports run in one direction, from the tensor outwards; the core needs NumPy and nothing else."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "tinygrad_rnn"
RANKS = [  # a module imports only from its own row or from an earlier one
    {"modes", "files", "userfile"},
    {"arraylike"},
    {"guards"},
    {"tensor"},
    {"graph", "einsum", "corners"},
    {"ops"},
    {"functional", "program"},
    {"derivatives", "anomaly", "compiled", "replay", "check", "draw", "export", "bptt"},
    {"nn"},
    {"optim", "data", "models", "schedule", "testing"},
    {"task"},
    {"fit", "checkpoint"},
    {"experiments"},
    {"demo", "learn", "commands", "cli", "__main__"},
]
CORE = {"modes", "arraylike", "guards", "tensor", "graph", "einsum", "corners", "ops"}
CORE |= {"functional", "derivatives", "program", "compiled", "replay"}
UPWARD = {  # in both, what is above is named only by what the user passed in
    ("tensor", "graph"),  # Tensor.backward
    ("check", "nn"),  # check_module
}
FILES = sorted(PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def rank(name: str) -> int:
    return next((k for k, names in enumerate(RANKS) if name in names), len(RANKS))


def imports(path: Path) -> list[tuple[str, bool, bool]]:
    """(module, whether of this package, whether a star import) for every import in a file."""
    found = []
    here = path.relative_to(PACKAGE).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(alias.name.split(".")[0], False, False) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            star = node.names[0].name == "*"
            if node.level == 0:
                inside = (node.module or "").startswith(PACKAGE.name)
                found.append(((node.module or "").split(".")[int(inside)], inside, star))
                continue
            base = here[: len(here) - node.level + 1] + tuple((node.module or "").split("."))
            base = [part for part in base if part]
            names = base[:1] or [alias.name for alias in node.names]
            found += [(name, True, star) for name in names if name != "__version__"]
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_run_in_one_direction(path):
    me = room(path)
    for name, inside, star in imports(path):
        assert not star, f"{path} has a star import"
        if inside and me != "__init__":
            assert rank(name) <= rank(me) or (me, name) in UPWARD, f"{me} imports {name}"
        if not inside and me in CORE:
            assert name == "numpy" or name in sys.stdlib_module_names, f"{me} imports {name}"


def test_every_room_has_its_place_in_the_order():
    assert {room(path) for path in FILES} - {"__init__"} <= set().union(*RANKS)


def test_the_only_upward_imports_are_these():
    upward = [
        (room(path), name)
        for path in FILES
        for name, inside, _ in imports(path)
        if inside and room(path) != "__init__" and rank(name) > rank(room(path))
    ]
    assert upward == sorted(UPWARD)
