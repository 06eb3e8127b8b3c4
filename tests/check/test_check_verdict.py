"""No verdict by default: what a check cannot see it does not call right. Kinks, orders, scales."""

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn.check import gradcheck
from tinygrad_rnn.check.direction import grade


def relu(slope_at_zero=0.0, factor=1.0):
    """relu, and a backward with that slope at 0, all of it too large by the factor."""
    return (
        lambda x: np.maximum(x, 0),
        lambda g, x: g * factor * np.where(x == 0, slope_at_zero, (x > 0).astype(float)),
    )


# ---------------------------------------------------------------- many kinks
@pytest.mark.parametrize("live", [1, 500])
def test_a_mistake_beside_thousands_of_kinks_is_found(live):
    for seed in range(5):
        x = np.concatenate([np.zeros(3000), np.ones(live)])
        report = gradcheck(relu(factor=1.5), x, seed=seed)
        assert report["x"].worst[0] >= 3000
        assert report["x"].worst_values[2] == pytest.approx(1.5)


def test_one_wrong_entry_in_a_picture_with_zeros_is_found():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 60)) * (rng.random((60, 60)) > 0.3)
    x[5, 7] = 1.3

    def backward(g, x):
        dx = g * (x > 0)
        dx[5, 7] += 0.5 * g[5, 7]
        return dx

    for seed in range(5):
        report = gradcheck((np.abs, backward), x * (x > 0), seed=seed)
        assert report["x"].worst == (5, 7), report


@pytest.mark.parametrize(
    ("slope", "said"), [(0.0, "the left one"), (0.5, "the middle"), (1.0, "the right one")]
)
def test_thousands_of_kinks_on_one_side_are_right_and_counted(slope, said):
    x = np.concatenate([np.zeros(3000), [1.0, -1.0]])
    report = gradcheck(relu(slope), x).raise_if_failed()
    assert "3000 entries (x[0], ...) lie exactly on a kink" in str(report)
    assert str(report.results[0].notes[0]).endswith(said)


def test_a_million_kinks_take_a_few_evaluations():
    calls = []

    def loss(x):
        calls.append(1)
        return tg.relu(x).sum()

    assert gradcheck(loss, np.zeros(10**5))
    assert len(calls) < 60


def test_thousands_of_wrong_kinks_are_wrong():
    assert gradcheck(relu(2.0), np.zeros(3000)).stage == "direction"


@pytest.mark.parametrize("pair", [relu(0.3), (relu()[0], lambda g, x: 1.0 * g)])
def test_too_many_kinks_to_decide_are_not_called_right(pair):
    report = gradcheck(pair, np.zeros(3000))
    assert not report and report.stage is None
    assert report["x"].verdict == "not compared"
    assert "NOT COMPARED" in report.headline() and "too many entries" in str(report)
    assert "not compared" in report._repr_html_()
    with pytest.raises(AssertionError, match="too many entries"):
        report.raise_if_failed()


def test_a_mixture_of_sides_is_right():
    """clip counts its two edges as inside: right of the lower, left of the upper one."""
    x = np.tile([0.0, 1.0, 0.5, 2.0, -1.0], 1000)
    pair = (lambda x: np.minimum(np.maximum(x, 0), 1), lambda g, x: g * ((x >= 0) & (x <= 1)))
    for seed in range(3):
        gradcheck(pair, x, seed=seed).raise_if_failed()


# ---------------------------------------------------------------- order 2 on a kink
def cube(second):
    """x^3, whose second derivative is `second` times x."""
    slope = tg.primitive(lambda x: 3 * x**2, name="slope")
    slope = slope.gradients(lambda g, out, x: g * second * x)
    return tg.primitive(lambda x: x**3, name="cube").gradients(lambda g, out, x: slope(x) * g)


def test_an_entry_on_a_kink_does_not_hide_the_second_derivative_of_the_others():
    x = np.array([0.0, 1.0, 2.0])
    for seed in range(5):
        right = gradcheck(lambda x: cube(6)(x) + tg.relu(x), x, order=2, seed=seed)
        right.raise_if_failed()
        assert "x[0] is left out: gradient of f jumps there" in str(right)
        wrong = gradcheck(lambda x: cube(5)(x) + tg.relu(x), x, order=2, seed=seed)
        assert [r.name for r in wrong.results if r.verdict == "wrong"] == ["d/dx of the gradient"]


def test_where_nothing_has_a_second_derivative_there_is_no_verdict():
    assert gradcheck(tg.relu, np.zeros(3))
    report = gradcheck(tg.relu, np.zeros(3), order=2)
    assert not report and report.stage is None
    assert report["d/dx of the gradient"].verdict == "not compared"


def test_differences_that_see_nothing_do_not_call_a_gradient_right():
    """|y| = 1e13 and a slope of 1e-3: no difference of y sees it, and there is no complex step."""

    def f(x):
        out = np.zeros(1)
        out[0] = 1e13 + 1e-3 * np.sum(x * x)
        return out

    for factor in (1.0, 3.0):
        report = gradcheck((f, lambda g, x, k=factor: k * g * 2e-3 * x), [0.5, 1.0])
        assert not report and report["x"].verdict == "not compared", report
        assert "too few digits" in str(report)


# ---------------------------------------------------------------- large beside small
@pytest.mark.parametrize(
    ("true", "given"),
    [
        ([1e12, 1, 1], [1e12, 0, 0]),
        ([1e18, 1, 1], [1e18, 1, 0]),
        ([1e10, 1, 1], [1e10, 2, 1]),
        ([1e6, 1e-6, 1e-12], [1e6, 1e-6, 1.001e-12]),
        ([0, 1, 1], [1e-9, 1, 1]),
    ],
)
def test_small_entries_are_judged_at_their_own_scale(true, given):
    x = np.array([1.0, 2.0, 3.0])
    for seed in range(5):
        right = (lambda x: x * np.array(true), lambda g, x: g * np.array(true))
        gradcheck(right, x, seed=seed).raise_if_failed()
        wrong = (right[0], lambda g, x: g * np.array(given))
        assert gradcheck(wrong, x, seed=seed).stage == "direction"


def test_a_small_row_of_a_weight_gradient_is_judged():
    def backward(g, x, W):
        dW = x.T @ g
        dW[2] = 0
        return g @ W.T, dW

    for seed in range(5):
        rng = np.random.default_rng(seed)
        x, W = rng.normal(size=(4, 3)) * [1e6, 1e6, 1e-5], rng.normal(size=(3, 2))
        report = gradcheck((lambda x, W: x @ W, backward), x, W, seed=seed)
        assert report["x"].verdict == "right" and report["W"].worst[0] == 2


def kernel(x, c):
    return np.exp(-((x[:, None] - c) ** 2).sum(axis=-1))


RNG = np.random.default_rng(0)
ZEROS = {
    "gaussian": (lambda x: np.exp(-(x**2)), [np.array([6.5, 7.0])]),
    "decay": (lambda x: np.exp(30 - x), [np.array([60.0, 61.0])]),
    "kernel": (kernel, [4 * RNG.normal(size=(5, 3)), 4 * RNG.normal(size=(4, 3))]),
}


@pytest.mark.parametrize("name", ZEROS)
def test_zeros_are_not_excused_as_rounding(name):
    forward, inputs = ZEROS[name]
    for seed in range(5):
        report = gradcheck(
            (forward, lambda g, *xs: tuple(np.zeros_like(x) for x in xs)), *inputs, seed=seed
        )
        assert report.stage == "direction", report


def test_a_large_constant_does_not_hide_a_wrong_slope():
    f = lambda x: 1e9 + np.sum(x**2)  # noqa: E731
    for seed in range(5):
        assert gradcheck((f, lambda g, x: 2 * g * x), [1.0, 2.0], seed=seed)
        report = gradcheck((f, lambda g, x: 2 * g * x * (1 + 1e-5)), [1.0, 2.0], seed=seed)
        assert "a small constant is missing" in str(report)


def test_one_wrong_saturated_entry_is_found_beside_a_right_one():
    """At 32.9 a slope of 5e-15 is twice too large; that of 5 has 16 digits."""

    def backward(g, x):
        e = np.exp(-np.abs(x))
        return g * np.array([1, 2]) * e / (1 + e) ** 2

    sigmoid = lambda x: 1 / (1 + np.exp(-x))  # noqa: E731
    assert gradcheck((sigmoid, backward), [5.0, 32.9]).results[0].worst == (1,)


@pytest.mark.parametrize("shift", [20.0, 40.0, 100.0])
def test_a_gate_saturated_by_a_constant_is_not_wrong(shift):
    def gate(x):
        return tg.sigmoid(x + shift)

    for seed in range(3):
        gradcheck(gate, np.array([0.1, -0.2, 0.3]), seed=seed).raise_if_failed()


def test_second_derivatives_of_saturated_gates_are_not_wrong():
    for seed in range(10):
        x = np.random.default_rng(seed).uniform(-40, 40, size=4)
        for f in (tg.tanh, tg.sigmoid, lambda x: tg.tanh(x) * tg.sigmoid(-x)):
            gradcheck(f, x, order=2, seed=seed).raise_if_failed()


# ---------------------------------------------------------------- words, refusals
@pytest.mark.parametrize(
    ("digits", "said"),
    [
        (0.4, "no digits agree: a wrong formula"),
        (1.0, "1 digit agrees: a wrong formula"),
        (3.99, "3 digits agree: a wrong formula"),
        (4.0, "4 digits agree: a small constant is missing, such as an eps (4 to 6 digits)"),
        (5.9, "5 digits agree: a small constant is missing, such as an eps (4 to 6 digits)"),
        (6.0, "6 digits agree: float32 somewhere (6 to 8 digits)"),
        (7.9, "7 digits agree: float32 somewhere (6 to 8 digits)"),
        (8.0, "8 digits agree, not all: a tiny or a rounded constant, such as 3.14159265"),
    ],
)
def test_grades(digits, said):
    assert grade(digits) == said


@pytest.mark.parametrize("seed", [None, -1, 1.5, "0"])
def test_a_seed_is_a_whole_number(seed):
    with pytest.raises(ValueError, match="seed is a whole number"):
        gradcheck(tg.tanh, 1.0, seed=seed)
    assert gradcheck(tg.tanh, 1.0, seed=np.int64(3))
