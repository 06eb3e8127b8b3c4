"""Where rounding hides the gradient: a factor of 2 is wrong, a right formula never accused."""

import numpy as np
import pytest

from tinygrad_rnn import gradcheck

SEEDS = range(10)
SLOPES = {
    "1 - t^2": lambda x: 1 - np.tanh(x) ** 2,
    "(1 - t)(1 + t)": lambda x: (1 - np.tanh(x)) * (1 + np.tanh(x)),
    "1 / cosh^2": lambda x: 1 / np.cosh(x) ** 2,
}


def verdicts(factor, slope, low, high):
    for seed in SEEDS:
        x = np.random.default_rng(seed).uniform(low, high, 3)
        with np.errstate(all="ignore"):
            yield gradcheck((np.tanh, lambda g, x: factor * g * slope(x)), x, seed=seed,
                            diagnose=False)  # fmt: skip


SLOW = pytest.mark.slow


@pytest.mark.parametrize("slope", SLOPES)
@pytest.mark.parametrize("places", [(16, 17), (18, 18.5), (18.5, 19.0), (19, 20), (25, 26)])
def test_a_right_formula_is_right_where_it_has_no_digits(slope, places):
    assert all(verdicts(1.0, SLOPES[slope], *places))


@pytest.mark.parametrize("slope", SLOPES)
@pytest.mark.parametrize(
    "factor", [2.0, 0.5, pytest.param(-1.0, marks=SLOW), pytest.param(1.5, marks=SLOW)]
)
@pytest.mark.parametrize("places", [(18, 18.5), (19, 20)])
def test_a_factor_is_wrong_where_rounding_is_as_large_as_the_gradient(slope, factor, places):
    """Noise in the difference excused it at about half of the seeds."""
    assert all(report.stage for report in verdicts(factor, SLOPES[slope], *places))


def test_a_constant_made_of_its_input_is_right():
    """x / x is 1: the truth is rounding and nothing else."""
    pair = (lambda x: x / x.sum() * 3, lambda g, x: 0 * g * x)
    for seed in range(20):
        x = np.random.default_rng(seed).normal(size=1)
        gradcheck(pair, x, seed=seed).raise_if_failed()
