"""The mutator makes the mistakes that it says, and the campaign notices and survives them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from .campaign import TESTS, Campaign
from .equivalent import EQUIVALENT, reason
from .mutants import mutants

RULE = """
multiply = primitive(np.multiply, lambda g, out, x, y: g * y, lambda g, out, x, y: g * x)

def f(x, axis=0):
    \"\"\"Text.\"\"\"
    total = 0
    for k in range(x.ndim):
        total += x.sum(axis=k, keepdims=True)
    if total > 1 and not x.T:
        raise ValueError(f"too large: {total + 1}")
    return -total if axis else total
"""


def changes(source):
    return {f"{m.before} -> {m.after}" for m in mutants(source)}


@pytest.mark.parametrize(
    "change",
    [
        "g * y -> g / y",
        "g * y -> g",
        "g * x -> g * y",
        "total += x.sum(axis=k, keepdims=True) -> total -= x.sum(axis=k, keepdims=True)",
        "total += x.sum(axis=k, keepdims=True) -> total = x.sum(axis=k, keepdims=True)",
        "total += x.sum(axis=k, keepdims=True) -> pass",
        "total += x.sum(axis=k, keepdims=True) -> total += x.sum(axis=k)",
        "total += x.sum(axis=k, keepdims=True) -> total += x.sum(axis=k, keepdims=False)",
        "for k in range(x.ndim): -> for k in list(range(x.ndim))[1:]:",
        "if total > 1 and (not x.T): -> if total >= 1 and (not x.T):",
        "if total > 1 and (not x.T): -> if total > 1 or not x.T:",
        "if total > 1 and (not x.T): -> if total > 1 and x.T:",
        "if total > 1 and (not x.T): -> if total > 1 and (not x):",
        "if total > 1 and (not x.T): -> if total > 2 and (not x.T):",
        "if total > 1 and (not x.T): -> if False:",
        "return -total if axis else total -> return total if axis else total",
        "return -total if axis else total -> return -total",
    ],
)
def test_the_mistakes_that_are_made(change):
    assert change in changes(RULE)


def test_messages_docstrings_and_names_are_left_alone():
    assert not any("Text" in c.partition(" -> ")[2] for c in changes(RULE))
    found = [m for m in mutants(RULE) if m.before.startswith("raise")]
    assert {m.after for m in found} == {"pass"}


def test_every_mutant_compiles_differs_and_has_a_name_of_its_own():
    root = Path(__file__).parents[2] / "tinygrad_rnn"
    for module in ("einsum", "graph"):
        source = (root / f"{module}.py").read_text(encoding="utf-8")
        whole = ast.unparse(ast.parse(source))
        found = list(mutants(source))
        assert len({m.name for m in found}) == len(found) > 50
        for m in found[::25]:
            compile(m.source, module, "exec")
            assert m.source != whole
        assert len({m.source for m in found[:50]}) >= 48


def test_a_mutant_is_killed_and_the_original_is_not():
    with Campaign("ops") as campaign:
        wanted = [m for m in campaign.mutants if m.before == "g * cos(x)" and m.after == "g"]
        (outcome,) = campaign.run(wanted)
        assert outcome.killer is not None and "gradient" in outcome.killer
        right = campaign.file.read_text(encoding="utf-8")
        assert campaign._killer(right, next(campaign._stages(wanted[0]))) is None
    assert not campaign.folder.exists()


@pytest.mark.slow
@pytest.mark.parametrize("module", TESTS)
def test_a_sample_of_mutants_is_killed_or_known_to_be_equivalent(module):
    with Campaign(module) as campaign:
        assert campaign.unmutated() is None
        every = max(1, len(campaign.mutants) // 15)
        left = [
            outcome.mutant.name
            for outcome in campaign.run(campaign.mutants[7::every])
            if outcome.killer is None and not reason(module, outcome.mutant)
        ]
    assert left == []


def test_each_reason_is_a_sentence_and_each_mutant_is_listed_once():
    for module in TESTS:
        names = [name for names in EQUIVALENT[module].values() for name in names]
        assert len(names) == len(set(names))
        assert all(len(why) > 20 for why in EQUIVALENT[module])
