"""The battery notices each kind of mistake in a user's own primitive, by the check for it."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from hypothesis import strategies as st

import tinygrad_rnn as tg
from tinygrad_rnn import nn, testing
from tinygrad_rnn.arraylike import raw
from tinygrad_rnn.testing.battery import CHECKS, Case, run_battery

X = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]])


def weighted(forward=lambda x, y: 2 * x * y, left=None, right=None):
    return tg.primitive(forward, name="weighted").gradients(
        left or (lambda g, out, x, y: 2 * g * y), right or (lambda g, out, x, y: 2 * g * x)
    )


# ---------------------------------------------------------------- a test in one line each
test_a_binary_primitive = testing.battery(weighted(), numpy=lambda x, y: 2 * x * y)
test_where_it_lives = testing.battery(
    tg.divide, numpy=np.divide, values=["anywhere", lambda rng, shape: rng.uniform(1, 2, shape)]
)
test_metadata = testing.battery(
    tg.cumsum,
    numpy=lambda x, axis: np.cumsum(x, axis),
    shapes=testing.strategies.shapes(low=1).map(lambda shape: [shape]),
    attrs=lambda shapes: st.fixed_dictionaries({"axis": st.integers(0, len(shapes[0]) - 1)}),
)
test_a_composed_function = testing.battery(lambda x: tg.tanh(x) * x, n=1, numpy=None)
test_first_order_only = testing.battery(
    tg.primitive(np.sin, name="sine").gradients(lambda g, out, x: g * np.cos(raw(x))),
    numpy=np.sin,
    order=1,
)


@pytest.mark.parametrize(
    ("op", "said"),
    [
        (weighted(left=lambda g, out, x, y: -2 * g * y), "gradient of operand 0: off by"),
        (weighted(right=lambda g, out, x, y: 2 * g * y), "gradient of operand 1: off by"),
        (weighted(lambda x, y: 2 * np.abs(x) * np.abs(y)), ""),
        (weighted(lambda x, y: 2.5 * x * y), "the forward"),
        (weighted(left=lambda g, out, x, y: 2 * np.asarray(raw(g)) * y), "second gradient"),
        (weighted(right=lambda g, out, x, y: 2 * np.multiply(g, x, out=g)), ""),
    ],
)
def test_a_mistake_is_noticed_and_named(op, said):
    with pytest.raises((AssertionError, TypeError)) as raised:
        run_battery(op, X, X + 1, numpy=lambda x, y: 2 * x * y)
    assert said in str(raised.value)
    assert any("in the check" in note for note in raised.value.__notes__)


WRONG = {
    "forward_equals_numpy": weighted(lambda x, y: x * y),
    "gradient_equals_the_complex_step": weighted(left=lambda g, out, x, y: g * y),
    "second_gradient_equals_the_complex_step_of_the_first": weighted(
        left=lambda g, out, x, y: 2 * g * raw(y)
    ),
    "complex_step_is_safe": weighted(lambda x, y: 2 * np.real(x) * np.real(y)),
    "gradient_is_linear_in_the_cotangent": weighted(
        left=lambda g, out, x, y: 2 * np.clip(g, -0.1, 0.1) * y
    ),
    "inputs_and_cotangents_stay_untouched": weighted(
        left=lambda g, out, x, y: np.multiply(g, 2 * y, out=g)
    ),
    "float32_stays_float32": weighted(lambda x, y: np.float64(2) * np.multiply(x, y, dtype=float)),
    "both_walks_agree": weighted(
        left=lambda g, out, x, y: 2 * g * y if isinstance(g, np.ndarray) else g * y
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_every_check_can_fail(name):
    case = Case(WRONG[name], lambda x, y: 2 * x * y, [X, X + 1], name)
    with pytest.raises(AssertionError):
        CHECKS[name](case)
    right = Case(weighted(), lambda x, y: 2 * x * y, [X, X + 1], name)
    CHECKS[name](right)


def test_the_checks_that_only_the_engine_can_fail_are_tested_by_breaking_the_engine():
    engine = {"gradients_share_no_memory", "constants_change_no_gradient"}
    assert set(CHECKS) == set(WRONG) | engine


# ---------------------------------------------------------------- assert_gradients
def test_assert_gradients_of_functions_pairs_and_modules():
    assert len(testing.assert_gradients(lambda x: tg.tanh(x) * x, X, order=2)) == 3
    testing.assert_gradients((np.sin, lambda g, x: g * np.cos(x)), X, seeds=[7])
    testing.assert_gradients(nn.LSTM(3, 4, rng=0), X)
    wrong = weighted(right=lambda g, out, x, y: g * x)
    with pytest.raises(AssertionError) as raised:
        testing.assert_gradients(lambda x: wrong(x, x).sum(), X)
    assert "gradient WRONG" in str(raised.value)
    assert "weighted, argument 1, called in test_battery.py:" in str(raised.value)
    with pytest.raises(AssertionError):
        testing.assert_gradients((np.sin, lambda g, x: -g * np.cos(x)), X)


# ---------------------------------------------------------------- the example, as a user has it
def example() -> str:
    text = testing.battery.__doc__
    return textwrap.dedent(text[text.index("        import numpy") :])


FEW = """
import hypothesis
phases = [hypothesis.Phase.generate]
hypothesis.settings.register_profile("few", max_examples=5, deadline=None, phases=phases)
hypothesis.settings.load_profile("few")
"""


def run_pytest(folder, source):
    """As a user would, with fewer examples than hypothesis draws, and none of them made smaller."""
    (folder / "conftest.py").write_text(FEW)
    (folder / "test_swish.py").write_text(source)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_swish.py"]
    root = str(Path(tg.__file__).parents[1])
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": root}
    )


def test_the_example_of_the_documentation_runs(tmp_path):
    assert len([line for line in example().splitlines() if line.strip()]) <= 10
    done = run_pytest(tmp_path, example())
    assert done.returncode == 0 and f"{len(CHECKS)} passed" in done.stdout, done.stdout
    wrong = example().replace("out * (1 - tg.sigmoid(x))", "out * tg.sigmoid(x)")
    assert wrong != example()
    done = run_pytest(tmp_path, wrong)
    assert done.returncode == 1 and "gradient of operand 0: off by" in done.stdout


def test_without_hypothesis_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    with pytest.raises(ImportError, match="pip install hypothesis"):
        testing.battery(tg.tanh)
    testing.run_battery(tg.tanh, X)  # this one needs NumPy only


def test_a_factor_in_a_tiny_gradient_is_found():
    """The tolerance was relative to 1 + the gradient: at 1e-10 a factor of 2 passed."""
    tiny = tg.primitive(lambda x: 1e-12 * np.tanh(x), name="tiny")
    tiny.gradients(lambda g, out, x: 2e-12 * g * (1 - tg.tanh(x) ** 2))
    with pytest.raises(AssertionError, match="gradient of operand 0"):
        run_battery(tiny, [0.5, -1.0])
