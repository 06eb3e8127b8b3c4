"""A right gradient is never called wrong: 5,000 checks, at all scales, near kinks, saturated.

Checked are the functions of the catalogue (Tensor functions), the bank's right backwards, formulas
that lose digits, and functions with kinks at many distances. "Not compared" is no accusation, but
no verdict either; it is counted, and must stay rare.
"""

from collections import Counter

import bank
import numpy as np
import pytest
from cases import CATALOGUE, FAMILIES, cases
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_rnn as tg

SCALES = (1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0, 1e3)
FUNCTIONS = bank.functions()
EXAMPLES = 8  # of each function of the catalogue, in each of its families
SEEDS = range(4)  # of the bank, at each scale
FORMULA_SEEDS = range(6)


def verdict(f, inputs, seed, order=1):
    """ "right", "undecided", or "no case": f is not finite there, or has nothing to differentiate.

    Fails the test if the gradient is called wrong.
    """
    try:
        with np.errstate(all="ignore"):
            report = tg.gradcheck(f, *inputs, seed=seed, order=order)
    except (ValueError, TypeError) as error:
        refusals = ("finite", "no numbers at all", "returned nothing", "nothing to differentiate")
        assert any(words in str(error) for words in refusals), error
        return "no case"
    assert report.stage is None, report
    return "right" if report else "undecided"


def scaled(inputs, scale):
    return [scale * x if np.asarray(x).dtype.kind == "f" else x for x in inputs]


# ---------------------------------------------------------------- the catalogue
@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_the_catalogue(name):
    seen = Counter()

    @settings(max_examples=EXAMPLES, derandomize=True, database=None, deadline=None)
    @given(data=st.data(), k=st.integers(0, len(SCALES) - 1))
    def check(data, k):
        for family in FAMILIES:
            case = data.draw(cases(name, family))
            operands = scaled(case.operands, SCALES[k])
            seen[verdict(case.call, operands, seed=k)] += 1
            seen[verdict(case.call, case.operands, seed=k, order=2)] += 1

    check()
    assert seen["right"] >= EXAMPLES
    assert not seen["undecided"]


# ---------------------------------------------------------------- the bank's right backwards
def bank_checks(function, scales, seeds):
    for scale in scales:
        for seed in seeds:
            for kind in ("distinct", "equal"):
                pair = (function.forward, function.right)
                yield verdict(pair, scaled(function.inputs(seed, kind), scale), seed)


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.name)
def test_right_backwards_at_three_scales(function):
    seen = Counter(bank_checks(function, (1e-3, 1.0, 10.0), [0]))
    assert seen["right"] == seen.total()


@pytest.mark.slow
@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.name)
def test_right_backwards_at_all_scales(function):
    """At 100 and 1000 the bank's sigmoid, 1 / (1 + exp(-x)), overflows at complex numbers."""
    seen = Counter(bank_checks(function, SCALES[:5], SEEDS))
    assert seen["right"] == seen.total()
    saturated = Counter(bank_checks(function, SCALES[5:], SEEDS))
    assert saturated["right"] + saturated["undecided"] + saturated["no case"] == saturated.total()


# ---------------------------------------------------------------- formulas that lose digits, kinks
def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    e = np.exp(x - x.max())
    return e / e.sum()


def log_softmax(x):
    top = x - x.max()
    return top - np.log(np.exp(top).sum())


def at(x, k):
    """1 at place k, 0 elsewhere."""
    return np.arange(x.size) == k


def layer_norm(x):
    d = x - x.mean()
    return d / np.sqrt((d * d).mean() + 1e-5)


def layer_norm_backward(g, x):
    d = x - x.mean()
    s = np.sqrt((d * d).mean() + 1e-5)
    return (g - g.mean() - d / s * (g * d / s).mean()) / s


FORMULAS = {
    "tanh": (np.tanh, lambda g, x: g * (1 - np.tanh(x) ** 2)),
    "tanh by cosh": (np.tanh, lambda g, x: g / np.cosh(x) ** 2),
    "sigmoid": (sigmoid, lambda g, x: g * sigmoid(x) * (1 - sigmoid(x))),
    "sigmoid by squares": (sigmoid, lambda g, x: g * (sigmoid(x) - sigmoid(x) ** 2)),
    "sigmoid by exp": (sigmoid, lambda g, x: g * np.exp(-x) / (1 + np.exp(-x)) ** 2),
    "silu": (
        lambda x: x * sigmoid(x),
        lambda g, x: g * (sigmoid(x) + x * sigmoid(x) * (1 - sigmoid(x))),
    ),
    "softplus": (lambda x: np.log1p(np.exp(x)), lambda g, x: g * sigmoid(x)),
    "minus log sigmoid": (lambda x: -np.log(sigmoid(x)), lambda g, x: -g * (1 - sigmoid(x))),
    "bell": (lambda x: np.exp(-x * x), lambda g, x: -2 * x * g * np.exp(-x * x)),
    "sin": (np.sin, lambda g, x: g * np.cos(x)),
    "1 / x": (lambda x: 1 / x, lambda g, x: -g / x**2),
    "log of a square": (lambda x: np.log(x * x), lambda g, x: 2 * g / x),
    "length": (lambda x: np.sqrt((x * x).sum()), lambda g, x: g * x / np.sqrt((x * x).sum())),
    "difference of moments": (
        lambda x: (x * x).mean() - x.mean() ** 2,
        lambda g, x: 2 * g * (x - x.mean()) / x.size,
    ),
    "there and back": (lambda x: np.exp(np.log(x * x + 1)), lambda g, x: 2 * g * x),
    "softmax": (softmax, lambda g, x: softmax(x) * (g - (g * softmax(x)).sum())),
    "log-softmax": (log_softmax, lambda g, x: g - g.sum() * softmax(x)),
    "cross entropy": (lambda x: -log_softmax(x)[0], lambda g, x: g * (softmax(x) - at(x, 0))),
    "layer norm": (layer_norm, layer_norm_backward),
    "relu": (lambda x: np.maximum(x, 0), lambda g, x: g * (x > 0)),
    "relu by where": (lambda x: np.where(x > 0, x, 0), lambda g, x: g * (x > 0)),
    "leaky relu": (
        lambda x: np.where(x > 0, x, x / 100),
        lambda g, x: g * np.where(x > 0, 1, 0.01),
    ),
    "absolute": (lambda x: np.where(x < 0, -x, x), lambda g, x: g * np.sign(x)),
    "np.abs": (lambda x: np.abs(x), lambda g, x: g * np.sign(x)),
    "clip": (lambda x: np.clip(x, -1, 1), lambda g, x: g * (np.abs(x) < 1)),
    "max": (lambda x: x.max(), lambda g, x: g * at(x, x.argmax())),
    "min": (lambda x: x.min(), lambda g, x: g * at(x, x.argmin())),
    "sort": (np.sort, lambda g, x: g[np.argsort(np.argsort(x))]),
    "hinge": (lambda x: np.maximum(1 - x, 0).sum(), lambda g, x: -g * (x < 1)),
    "squared hinge": (
        lambda x: (np.maximum(1 - x, 0) ** 2).sum(),
        lambda g, x: -2 * g * np.maximum(1 - x, 0),
    ),
    "Huber": (
        lambda x: np.where(x * x < 1, x * x / 2, np.where(x < 0, -x, x) - 0.5),
        lambda g, x: g * np.clip(x, -1, 1),
    ),
}


def places(seed):
    """(what is special, x): scales, mixed magnitudes, near and on kinks and ties."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=int(rng.integers(2, 7)))
    for scale in (1e-6, 1e-3, 1.0, 10.0, 30.0, 100.0, 300.0, 1e3, 1e6):
        yield f"scale {scale:g}", scale * x
    yield "shifted", x + 1e4
    yield "nearly equal", 1 + 1e-6 * x
    yield "ones", np.ones(x.size)
    for distance in (1e-3, 1e-6, 1e-9, 1e-12, 1e-15):
        for kink in (0.0, 1.0, -1.0):
            yield f"{distance:g} from {kink:g}", first(x, kink + distance * rng.choice([-1, 1]))
        yield f"{distance:g} from a tie", first(x, x[-1] * (1 + distance))
    for kink in (1.0, -1.0):
        yield f"on {kink:g}", first(x, kink)
    yield "a tie", first(x, x[-1])


def first(x, value):
    x = x.copy()
    x[0] = value
    return x


HARD = [  # where a difference steps over a kink, a pole or a period beside a large entry
    ("np.abs", "1e-06 from 0"),
    ("1 / x", "1e-09 from 0"),
    ("1 / x", "1e-12 from 0"),
    ("1 / x", "1e-15 from 0"),
    ("log of a square", "1e-09 from 0"),
    ("log of a square", "1e-12 from 0"),
    ("log of a square", "1e-15 from 0"),
    ("sin", "scale 1e+06"),
    ("sort", "ones"),  # the middle of an odd tie keeps its place to the left and to the right
]


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMULAS)
def test_formulas_at_many_places(name):
    seen = Counter()
    for seed in FORMULA_SEEDS:
        for _, x in places(seed):
            with np.errstate(all="ignore"):
                finite = np.all(np.isfinite(FORMULAS[name][1](1.0 + 0 * x, x.copy())))
            if finite:
                seen[verdict(FORMULAS[name], [x], seed)] += 1
    assert seen["undecided"] <= 0.05 * seen.total()


@pytest.mark.parametrize(("name", "place"), HARD)
def test_formulas_where_differences_see_too_far(name, place):
    for seed in FORMULA_SEEDS:
        verdict(FORMULAS[name], [dict(places(seed))[place]], seed)


def test_a_cube_at_zero():
    pair = (lambda x: x**3, lambda g, x: 3 * g * x * x)
    assert verdict(pair, [np.array([0.0, 1.0, -2.0])], 0) == "right"


# ---------------------------------------------------------------- together
def test_the_checks_are_five_thousand():
    of_catalogue = len(CATALOGUE) * len(FAMILIES) * EXAMPLES
    of_bank = len(FUNCTIONS) * 2 * len(SEEDS) * len(SCALES)
    of_formulas = len(FORMULAS) * len(FORMULA_SEEDS) * len(list(places(0)))
    assert of_catalogue + of_bank + of_formulas >= 5000
