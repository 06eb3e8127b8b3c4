"""The bank of wrong gradients: right ones are right, wrong ones are wrong, and all are found."""

import copy
import re
import subprocess
import sys
from pathlib import Path

import bank
import numpy as np
import pytest
from bank.entry import CONTRACT, SHAPE

import tinygrad_rnn as tg

FUNCTIONS = bank.functions()
MISTAKES = bank.mistakes()
SEEDS = range(20)


def titles(mistakes):
    return [m.title for m in mistakes]


def gradients(forward, backward, inputs, seed):
    """What the backward gives for a random cotangent, flat."""
    inputs = copy.deepcopy(inputs)
    outputs = forward(*copy.deepcopy(inputs))
    rng = np.random.default_rng([seed, 7])
    if isinstance(outputs, tuple):
        g = tuple(rng.normal(size=np.shape(y)) for y in outputs)
    else:
        g = rng.normal(size=np.shape(outputs))
    found = backward(g, *inputs)
    found = found if isinstance(found, (tuple, list)) else [found]
    return np.concatenate([np.ravel(x) for x in found if x is not None])


def differs(mistake, seed):
    """Whether the wrong gradient is another one than the right one, on the inputs of this seed."""
    inputs = mistake.inputs(seed)
    wrong = gradients(mistake.of.forward, mistake.backward, inputs, seed)
    right = gradients(mistake.of.forward, mistake.of.right, inputs, seed)
    if wrong.shape != right.shape:
        return True
    return np.max(np.abs(wrong - right)) > 1e-9 * np.max(np.abs(right))


def test_the_bank_is_large_enough_and_every_name_is_used_once():
    assert len(MISTAKES) >= 150
    assert len(FUNCTIONS) >= 40
    assert len(bank.held_out_mistakes()) >= 30
    assert len(set(titles(MISTAKES))) == len(MISTAKES)
    assert len({m.family for m in MISTAKES}) == 10
    assert len({f.name for f in FUNCTIONS}) == len(FUNCTIONS)


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.name)
def test_the_right_backwards_are_right(function):
    for seed in range(3):
        for kind in ("distinct", "equal"):
            pair = (function.forward, function.right)
            report = tg.gradcheck(pair, *function.inputs(seed, kind), seed=seed)
            assert report, report


@pytest.mark.parametrize("mistake", MISTAKES, ids=titles(MISTAKES))
def test_the_wrong_backwards_give_something_else(mistake):
    if mistake.family not in (CONTRACT, SHAPE):
        assert sum(differs(mistake, seed) for seed in SEEDS) >= 15


def rejected(mistake, seed):
    return not tg.gradcheck(mistake.pair, *mistake.inputs(seed), seed=seed, diagnose=False)


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.name)
def test_a_sample_is_rejected(function):
    """The first mistake of each function; all of them in the slow tests."""
    if function.mistakes:
        first = function.mistakes[0]
        assert all(rejected(first, seed) for seed in range(3) if differs(first, seed))


@pytest.mark.slow
@pytest.mark.parametrize("mistake", MISTAKES, ids=titles(MISTAKES))
def test_every_mistake_is_rejected_whatever_the_seed(mistake):
    for seed in SEEDS:
        assert rejected(mistake, seed) or not differs(mistake, seed), seed


ROOT = Path(__file__).parents[2]


def printed(*command):
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_tables_are_printed():
    table = printed("-m", "tests.bank", "--name", "softmax: diagonal only")
    assert "| softmax: diagonal only | local rule | direction |" in table
    assert "found: 1 of 1" in table
    options = "--limit", "5", "--seeds", "1", "--only", "tinygrad_rnn"
    tools = printed("tests/benchmarks/checkers.py", *options)
    assert re.search(r"\| tinygrad_rnn \| 5 of 5 \| 5 \| 0 of 5 \| 0 of \d+ \|", tools)
