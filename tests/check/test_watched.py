"""Forwards that lose the imaginary part in one term, beside others that hide it."""

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import gradcheck


def bce(z, y):
    """Binary cross-entropy with logits, as it is stable."""
    return (np.maximum(z, 0) - z * y + np.log1p(np.exp(-np.abs(z)))).mean()


HIDDEN = {  # forward, right backward, the same without the term
    "L1": (
        lambda z: (z * z).mean() + 0.1 * np.abs(z).sum(),
        lambda g, z: g * (2 * z / z.size + 0.1 * np.sign(z)),
        lambda g, z: g * 2 * z / z.size,
    ),
    "var": (
        lambda z: (z**3).sum() + z.var(),
        lambda g, z: g * (3 * z**2 + 2 * (z - z.mean()) / z.size),
        lambda g, z: g * 3 * z**2,
    ),
    "std": (
        lambda z: z**2 + np.std(z),
        lambda g, z: g * 2 * z + g.sum() * (z - z.mean()) / z.size / z.std(),
        lambda g, z: g * 2 * z,
    ),
    "norm": (
        lambda z: (z**2).sum() + np.linalg.norm(z),
        lambda g, z: g * (2 * z + z / np.linalg.norm(z)),
        lambda g, z: g * 2 * z,
    ),
    "abs of a sum": (
        lambda z: (z**2).sum() + abs(z.sum()),
        lambda g, z: g * (2 * z + np.sign(z.sum())),
        lambda g, z: g * 2 * z,
    ),
    "vdot": (
        lambda z: (z**3).sum() + np.vdot(z, z),
        lambda g, z: g * (3 * z**2 + 2 * z),
        lambda g, z: g * 3 * z**2,
    ),
    "real part": (
        lambda z: z**2 + np.where(z > 0, np.real(z), 0 * z),
        lambda g, z: g * (2 * z + (z > 0)),
        lambda g, z: g * 2 * z,
    ),
}


@pytest.mark.parametrize("name", HIDDEN)
@pytest.mark.parametrize("seed", range(6))
def test_a_term_beside_larger_ones_is_not_lost(name, seed):
    forward, right, wrong = HIDDEN[name]
    z = np.random.default_rng(seed).normal(size=(4, 3))
    gradcheck((forward, right), z, seed=seed).raise_if_failed()
    assert not gradcheck((forward, wrong), z, seed=seed, diagnose=False)


@pytest.mark.parametrize("scale", [0.5, 1, 8, 30, 100])
def test_a_stable_cross_entropy_is_right_at_every_scale(scale):
    for seed in range(8):
        rng = np.random.default_rng(seed)
        z, y = scale * rng.normal(size=6), rng.integers(2, size=6) * 1.0

        def backward(g, z, y):
            return g * (np.where(z > 0, 1, np.exp(z)) / (1 + np.exp(-abs(z))) - y) / 6, -g * z / 6

        report = gradcheck((bce, backward), z, y, seed=seed)
        assert report.stage is None, report


def test_its_slope_as_a_step_is_wrong():
    for seed in range(8):
        rng = np.random.default_rng(seed)
        z, y = rng.normal(size=6), rng.integers(2, size=6) * 1.0
        step = bce, lambda g, z, y: (g * ((z > 0) - y) / 6, -g * z / 6)
        assert not gradcheck(step, z, y, seed=seed, diagnose=False)


@pytest.mark.parametrize("scale", [1e-3, 1e-6, 3e-7])
def test_a_tiny_batch_through_numpys_variance(scale):
    def forward(x):
        return (x - x.mean(0)) / np.sqrt(np.var(x, axis=0) + 1e-5)

    def backward(g, x):
        s = np.sqrt(x.var(0) + 1e-5)
        y = (x - x.mean(0)) / s
        return (g - g.mean(0) - y * (g * y).mean(0)) / s

    for seed in range(5):
        x = scale * np.random.default_rng(seed).normal(size=(8, 3))
        report = gradcheck((forward, backward), x, seed=seed)
        assert report.stage is None, report


def test_a_primitive_of_the_users_own_is_watched_too():
    absolute = tg.primitive(np.abs, name="mine").gradients(lambda g, out, x: 0 * g)
    x = tg.Tensor(np.random.default_rng(0).normal(size=(4, 3)))
    report = gradcheck(lambda x: (x * x).mean() + 0.1 * absolute(x).sum(), x)
    assert not report and "np.abs" in report.oracle


def test_the_magnitude_of_a_real_part_is_no_reason():
    """It decides, and is no part of the result."""
    forward = lambda x: np.where(np.abs(x.real) > 1, x, x**3)  # noqa: E731
    report = gradcheck(
        (forward, lambda g, x: g * np.where(np.abs(x) > 1, 1, 3 * x**2)), [0.5, 2.0, -3.0]
    )
    assert report and report.oracle.startswith("complex step"), report


@pytest.mark.parametrize("weight", [1e-3, 1e-2, 0.1])
@pytest.mark.parametrize(
    "penalty",
    [
        lambda w: sum(abs(a) for a in w),
        lambda w: np.abs(np.asarray(w)).sum(),
        lambda w: np.abs(np.array(list(w))).sum(),
        lambda w: np.where(np.abs(w) > 0, np.abs(w), 0).sum(),
        lambda w: (w.real**2).sum(),
        lambda w: (np.real(w) ** 2).sum(),
        lambda w: sum(v * v for v in w.tolist()),
    ],
    ids=["a loop", "np.asarray", "np.array", "np.where", "real", "np.real", "tolist"],
)
def test_a_forgotten_penalty_is_found_where_arrays_lose_their_watch(penalty, weight):
    def forgotten(g, x, w):
        return g * 2 * np.outer(x @ w, w), g * 2 * x.T @ (x @ w)

    for seed in range(3):
        rng = np.random.default_rng(seed)
        x, w = rng.standard_normal((5, 3)), rng.standard_normal(3)
        forward = lambda x, w: ((x @ w) ** 2).sum() + weight * penalty(w)  # noqa: E731
        assert not gradcheck((forward, forgotten), x, w, diagnose=False, seed=seed)


def test_inputs_whose_gradients_are_all_zero():
    """Nothing to divide by."""
    a, w = np.zeros(2), np.ones(2)
    pair = lambda a, w, b: a * w * b, lambda g, a, w, b: (g * w * b, g * a * b, g * a * w)
    assert gradcheck(pair, a, w, a.copy())
