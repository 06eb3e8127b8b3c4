"""Where a wrong gradient could hide: few digits, numbers that cancel, small factors."""

from functools import reduce

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import gradcheck

SEEDS = range(6)


def found(forward, backward, *inputs, seed=0):
    report = gradcheck((forward, backward), *inputs, seed=seed, diagnose=False)
    return "right" if report else report.stage or "undecided"


# ---------------------------------------------------------------- few digits
def in_float32(x):
    return np.tanh(x.astype(np.float32))


def in_a_buffer(x):
    y = np.zeros(x.shape, np.float32)
    y[:] = np.tanh(x)
    return y


@pytest.mark.slow
@pytest.mark.parametrize("forward", [in_float32, in_a_buffer])
@pytest.mark.parametrize("factor", [0, 0.9, 1.01, 1.1, 2])
def test_a_forward_in_float32_hides_no_factor(forward, factor):
    """One direction in forty lay across a gradient of 0, and it was called right."""
    for seed in SEEDS:
        x = np.random.default_rng(seed).standard_normal(4)
        for k, verdict in ((factor, "direction"), (1, "right")):
            backward = lambda g, x, k=k: k * g * (1 - np.tanh(x) ** 2)  # noqa: E731
            assert found(forward, backward, x, seed=seed) == verdict


def test_float16_is_refused():
    with pytest.raises(ValueError, match="gives float16, whose three digits are too few"):
        gradcheck((lambda x: (x * x).astype(np.float16), lambda g, x: 2 * g * x), np.ones(2))


# ---------------------------------------------------------------- numbers that cancel
def softplus(x):
    return np.log(1 + np.exp(x))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


CANCELLING = {
    "softplus far left": (softplus, sigmoid, [-33.0, -34.0, -35.0]),
    "1 + tanh far left": (lambda x: 1 + np.tanh(x), lambda x: 1 - np.tanh(x) ** 2, [-20.0, -19.7]),
    "softplus, moved": (lambda x: softplus(x - 28), lambda x: sigmoid(x - 28), [0.1, 0.2, 0.3]),
    "1 - cos near 0": (lambda x: 1 - np.cos(x), np.sin, [1e-7, 2e-7, 3e-7]),
    "1 - cos nearer": (lambda x: 1 - np.cos(x), np.sin, [1e-9, 2e-9, 3e-9]),
    "softplus, steps": (lambda x: softplus(x - 20), lambda x: sigmoid(x - 20), [1e-7, 2e-7]),
    "log near 1": (lambda x: np.log(1 + x), lambda x: 1 / (1 + x), [1e-16, 2e-17, 3e-16]),
    "a large sum": (lambda x: (x + 1e8) - 1e8, np.ones_like, [1e-8, 2e-8, -1e-8]),
    "exp - 1 - x": (lambda x: np.exp(x) - 1 - x, lambda x: np.exp(x) - 1, [1e-8, 2e-8, -1e-8]),
}


@pytest.mark.parametrize("name", CANCELLING)
def test_where_numbers_cancel_differences_do_not_overrule_the_complex_step(name):
    """The differences were steps of rounding, or 0: a gradient of 0 was right, to 16 digits."""
    forward, slope, x = CANCELLING[name]
    x = np.array(x)
    for seed in SEEDS[:3]:
        assert found(forward, lambda g, x: g * slope(x), x, seed=seed) == "right"
        assert found(forward, lambda g, x: 0 * g, x, seed=seed) != "right"
        assert found(forward, lambda g, x: 2 * g * slope(x), x, seed=seed) != "right"


def test_the_rules_are_right_where_numbers_cancel():
    for x in ([1e-8, 2e-8, -1e-8], [3.0, -40.0, 1e-17]):
        gradcheck(lambda x: (x + 1e8) - 1e8, x).raise_if_failed()
        gradcheck(lambda x: tg.log(1.0 + tg.exp(x)), x).raise_if_failed()


# ---------------------------------------------------------------- small factors
def gelu(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def gelu_slope(x, pi):
    c = np.sqrt(2 / pi)
    t = np.tanh(c * (x + 0.044715 * x**3))
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * c * (1 + 3 * 0.044715 * x * x)


def test_a_rounded_constant_is_wrong():
    """The whole was above the tolerance and each half below it: then it was right."""
    for seed in SEEDS:
        x = np.random.default_rng(seed).standard_normal(5)
        for pi, verdict in ((np.pi, "right"), (3.14159265, "direction")):
            backward = lambda g, x, pi=pi: g * gelu_slope(x, pi)  # noqa: E731
            assert found(gelu, backward, x, seed=seed) == verdict


# ---------------------------------------------------------------- nothing to be clipped
def test_clipping_is_found_where_nothing_is_clipped():
    for seed in SEEDS:
        x = np.random.default_rng(seed).standard_normal(4)
        clipped = lambda g, x: np.clip(g, -5, 5) * 2 * x  # noqa: E731
        assert found(np.square, clipped, x, seed=seed) == "linearity"
        assert found(np.square, lambda g, x: np.clip(g * 2 * x, -50, 50), x) == "linearity"


# ---------------------------------------------------------------- not more than is known
def no_grad(x):
    with tg.no_grad():
        y = 2.0 * x
    return x * y


@pytest.mark.parametrize(
    "wrong",
    [
        (lambda x: x + x, lambda g, x: g.copy()),
        (lambda x: x * (2 * x), lambda g, x: 2 * g * x),
        no_grad,
        lambda x: x * x.detach(),
    ],
)
def test_a_missing_path_that_halves_a_gradient_may_be_a_factor_or_a_path(wrong):
    diagnosis = gradcheck(wrong, np.array([1.0, 2.0, -0.5])).diagnosis
    assert diagnosis.word != "certain"
    said = [diagnosis.sentence, *diagnosis.alternatives]
    assert wrong is no_grad or any("a path is missing" in sentence for sentence in said)


@pytest.mark.parametrize(
    ("backward", "said"),
    [
        (lambda g, x: (2 * g)[None], r"the numbers are right; reshape them"),
        (lambda g, x: np.outer(g, x), r"summed over axis 0 it would fit, and still be another"),
        (lambda g, x: "a", r"its gradient is a str"),
    ],
)
def test_a_wrong_shape_is_not_explained_by_a_broadcast_that_was_none(backward, said):
    diagnosis = gradcheck((lambda x: 2 * x, backward), np.array([1.0, 2.0, -0.5])).diagnosis
    assert said in diagnosis.sentence and "broadcast" not in diagnosis.sentence


# ---------------------------------------------------------------- beside other inputs
@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e-6, 1e-9, 1e-12])
@pytest.mark.parametrize("off", [1e-6, 1.0])
def test_an_input_of_small_gradient_hides_no_error_beside_large_ones(scale, off):
    """All inputs share the first direction: the error must fit into what each alone may have."""
    for seed in SEEDS:
        x, y = np.random.default_rng(seed).standard_normal((2, 5))
        for wrong in (off, 0.0):
            backward = lambda g, x, y, w=wrong: (  # noqa: E731
                g * np.cos(x),
                g * scale * (1 + w) * (1 - np.tanh(y) ** 2),
            )
            forward = lambda x, y: np.sin(x) + scale * np.tanh(y)  # noqa: E731
            assert (found(forward, backward, x, y, seed=seed) == "right") == (not wrong)


def test_a_right_gradient_takes_no_more_runs_for_more_inputs():
    def runs(n):
        count = []
        forward = lambda *xs: count.append(1) or np.sin(reduce(np.multiply, xs))  # noqa: E731
        backward = lambda g, *xs: tuple(  # noqa: E731
            g * np.cos(np.prod(xs, axis=0)) * np.prod(xs, axis=0) / x for x in xs
        )
        inputs = np.random.default_rng(0).uniform(0.5, 1.5, (n, 4))
        assert found(forward, backward, *inputs) == "right"
        return len(count)

    assert runs(8) <= runs(1) <= 8
