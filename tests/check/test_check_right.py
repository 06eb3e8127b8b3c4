"""A right gradient is never called wrong: primitives, recurrent loops, pairs, all scales, kinks."""

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import functional as F
from tinygrad_rnn.check import gradcheck


def normal(*shapes, seed=0, scale=1.0):
    rng = np.random.default_rng(seed)
    return [scale * rng.normal(size=shape) for shape in shapes]


def lstm(x, h, c, W, U, b):
    """x (B, T, D): the states h of all steps, and the last c."""
    states = []
    inputs = x @ W + b
    for t in range(x.shape[1]):
        i, f, g, o = tg.split(inputs[:, t] + h @ U, 4, axis=-1)
        c = tg.sigmoid(f) * c + tg.sigmoid(i) * tg.tanh(g)
        h = tg.sigmoid(o) * tg.tanh(c)
        states.append(h)
    return tg.stack(states, axis=1), c


def lstm_inputs(seed, scale=1.0):
    return normal((2, 4, 3), (2, 4), (2, 4), (3, 16), (4, 16), 16, seed=seed, scale=scale)


def layer_norm(x, a, b):
    centred = x - tg.mean(x, axis=-1, keepdims=True)
    return centred / tg.sqrt(tg.var(x, axis=-1, keepdims=True) + 1e-5) * a + b


def attention(q, k, v):
    return F.softmax(q @ k.T) @ v


FUNCTIONS = {
    "arithmetic": (lambda x, y: x * y - y / (2 + x * x) + (-x), [(3, 4), (4,)]),
    "power": (lambda x: (x * x + 1) ** 1.5, [(3, 2)]),
    "elementary": (lambda x: tg.exp(x) + tg.log(x * x + 1) * tg.sin(x) + tg.cos(x), [(2, 3)]),
    "gates": (lambda x: tg.tanh(x) * tg.sigmoid(x) + tg.softplus(x), [(5,)]),
    "corners": (lambda x: tg.relu(x) + tg.absolute(x) + tg.clip(x, min=-0.5, max=0.5), [(4, 3)]),
    "extrema": (lambda x, y: tg.max(tg.maximum(x, y), axis=1) - tg.min(x), [(3, 4), (3, 4)]),
    "matmul": (lambda x, y: x @ y, [(2, 3, 4), (4, 5)]),
    "einsum": (lambda x, y: tg.einsum("bij,bjk->bik", x, y), [(2, 3, 4), (2, 4, 5)]),
    "shapes": (
        lambda x: tg.concatenate([x.T.reshape(-1), x[0], x[[0, 0, 1]].sum(axis=0)]),
        [(3, 4)],
    ),
    "reductions": (lambda x: tg.mean(x, axis=0) + tg.std(x, axis=0) + tg.prod(x, axis=0), [(4, 3)]),
    "softmax": (lambda x: F.softmax(x) * F.log_softmax(x), [(3, 4)]),
    "loss": (lambda x: F.cross_entropy(x, [0, 3, 1]), [(3, 4)]),
    "layer norm": (layer_norm, [(3, 5), (5,), (5,)]),
    "attention": (attention, [(3, 4), (5, 4), (5, 2)]),
    "scalars": (lambda x, y: x * tg.tanh(y), [(), ()]),
    "several outputs": (lambda x, y: (x * y, tg.sum(x), y), [(3,), (3,)]),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("order", [1, 2])
def test_functions(name, order):
    f, shapes = FUNCTIONS[name]
    for seed in range(4):
        report = gradcheck(f, *normal(*shapes, seed=seed), seed=seed, order=order)
        assert report, report
        assert "complex step" in report.oracle
        assert all(r.digits > 11 for r in report.results)


@pytest.mark.parametrize("seed", range(5))
def test_an_lstm_through_time_at_both_orders(seed):
    report = gradcheck(lstm, *lstm_inputs(seed), order=2, seed=seed)
    assert report, report
    assert [r.name for r in report.results[:6]] == ["x", "h", "c", "W", "U", "b"]
    assert "d/dW of the gradient" in [r.name for r in report.results]


@pytest.mark.parametrize("scale", [1e-3, 1e-2, 0.1, 10.0, 40.0, 100.0, 1e3])
def test_every_scale_and_saturation(scale):
    for seed in range(4):
        gradcheck(lstm, *lstm_inputs(seed, scale), seed=seed).raise_if_failed()
        for f in (tg.tanh, tg.sigmoid, tg.softplus, F.softmax, F.log_softmax):
            gradcheck(f, *normal(3, seed=seed, scale=scale), seed=seed).raise_if_failed()
        q, k, v = normal((3, 4), (5, 4), (5, 4), seed=seed)
        gradcheck(attention, scale * q, k, v, seed=seed).raise_if_failed()
        x, a, b = normal((3, 5), 5, 5, seed=seed)
        gradcheck(layer_norm, 1e-3 * x + scale, a, b, seed=seed).raise_if_failed()


@pytest.mark.parametrize("x", [17.0, 18.0, 19.5, 25.0, 36.0, 40.0, -18.0, -40.0, 600.0])
def test_a_saturated_gate_alone_says_that_it_is_saturated(x):
    for f in (tg.sigmoid, tg.tanh):
        report = gradcheck(f, x)
        assert report, report
        r = report.results[0]
        assert r.digits is None or r.digits > 7
        assert r.digits is not None or "rounding" in str(report)


def test_tiny_gradients_are_still_judged():
    """|g| = 1e-7 and a factor of 5: absolute-or-relative tolerances let it pass."""
    right = lambda x: 1e-7 * np.tanh(x)  # noqa: E731
    slope = lambda g, x: g * 1e-7 * (1 - np.tanh(x) ** 2)  # noqa: E731
    x = np.linspace(-1, 1, 5)
    assert gradcheck((right, slope), x)
    assert not gradcheck((right, lambda g, x: 5 * slope(g, x)), x)
    vanishing = lambda h: 0.5**30 * h  # noqa: E731
    assert not gradcheck((vanishing, lambda g, h: g * 0.5**31), x)


def test_pairs_of_numpy_functions():
    matmul = (lambda x, y: x @ y, lambda g, x, y: (g @ y.T, x.T @ g))
    look_up = (lambda W, k: W[k], lambda g, W, k: (add_at(W, k, g), None))
    fewer = (lambda W, k: W[k], lambda g, W, k: add_at(W, k, g))
    two = (lambda x: (x + 1, x * x), lambda gs, x: gs[0] + 2 * x * gs[1])
    for seed in range(5):
        assert gradcheck(matmul, *normal((3, 4), (4, 2), seed=seed), seed=seed)
        for pair in (look_up, fewer):
            report = gradcheck(pair, *normal((4, 3), seed=seed), np.array([1, 1, 0]), seed=seed)
            assert report, report
            assert [r.name for r in report.results] == ["W"]
        assert gradcheck(two, *normal((3, 2), seed=seed), seed=seed)


def add_at(W, k, g):
    out = np.zeros_like(W)
    np.add.at(out, k, g)
    return out


# ---------------------------------------------------------------- kinks
def test_near_a_kink_the_complex_step_stays_on_its_side():
    x = np.array([1e-3, -1e-6, 1e-9, -1e-12, 1e-15, -1e-300])
    for f in (tg.relu, tg.absolute, lambda x: tg.maximum(x, 0.0), lambda x: tg.clip(x, min=0.0)):
        for seed in range(5):
            report = gradcheck(f, x, seed=seed)
            assert report, report
            assert not report.results[0].notes


@pytest.mark.parametrize("slope", [0.0, 0.3, 0.5, 1.0])
def test_on_the_kink_of_relu_every_subgradient_is_right(slope):
    pair = (
        lambda x: np.maximum(x, 0),
        lambda g, x: g * np.where(x == 0, slope, (x > 0).astype(float)),
    )
    said = {0.0: "the left one", 0.3: "a value between", 0.5: "the middle", 1.0: "the right one"}
    notes = set()
    for seed in range(8):
        report = gradcheck(pair, np.array([0.0, 1.0, 0.0, -1.0, 0.0]), seed=seed)
        assert report, report
        notes |= {note.rpartition(": ")[2] for note in report.results[0].notes}
    assert notes == {said[slope]}


@pytest.mark.parametrize("slope", [-0.1, 1.1, 2.0])
def test_on_the_kink_of_relu_other_values_are_wrong(slope):
    pair = (
        lambda x: np.maximum(x, 0),
        lambda g, x: g * np.where(x == 0, slope, (x > 0).astype(float)),
    )
    for seed in range(8):
        report = gradcheck(pair, np.array([0.0, 1.0, 0.0, -1.0, 0.0]), seed=seed)
        assert report["x"].stage == "direction"
        assert report["x"].worst[0] in (0, 2, 4)


def tied_maximum(share):
    """max along axis 1, and a backward that gives tied entries `share(n)` of the gradient each."""

    def backward(g, x):
        won = x == x.max(axis=1, keepdims=True)
        n = won.sum(axis=1, keepdims=True)
        return won * share(n, np.cumsum(won, axis=1)) * g[:, None]

    return lambda x: x.max(axis=1), backward


TIED = np.array([[1.0, 1.0, 0.0], [2.0, 1.0, 2.0], [3.0, 3.0, 3.0], [0.0, 1.0, 2.0]])


@pytest.mark.parametrize(
    "share",
    [lambda n, k: 1 / n, lambda n, k: k == 1, lambda n, k: k == n],
    ids=["equal", "first", "last"],
)
def test_any_split_of_a_tie_is_right(share):
    for seed in range(8):
        gradcheck(tied_maximum(share), TIED, seed=seed).raise_if_failed()


def test_a_tie_that_is_counted_twice_is_wrong():
    for seed in range(8):
        report = gradcheck(tied_maximum(lambda n, k: 1.0), TIED, seed=seed)
        assert not report, seed
        assert "tie" in report["x"].reason


def test_ties_and_corners_of_our_own_primitives():
    for seed in range(8):
        gradcheck(lambda x: tg.max(x, axis=1), TIED, seed=seed).raise_if_failed()
        gradcheck(tg.maximum, TIED, TIED.copy(), seed=seed).raise_if_failed()
        for f in (tg.relu, tg.absolute, lambda x: tg.clip(x, min=0.0, max=1.0)):
            gradcheck(f, TIED - 1, seed=seed).raise_if_failed()
        gradcheck(
            lambda x: tg.relu(x[0]) - tg.absolute(x[1]), np.zeros(2), seed=seed
        ).raise_if_failed()


def test_kinks_in_an_input_of_many_entries():
    for seed in range(3):
        x = np.random.default_rng(seed).normal(size=2500)
        x[[3, 700]] = 0
        report = gradcheck(tg.relu, x, seed=seed)
        assert report, report


# ---------------------------------------------------------------- other oracles, other precisions
CONTINUED = {
    "abs": (lambda x: np.abs(x) * x, lambda g, x: 2 * np.abs(x) * g),
    "fabs": (lambda x: np.fabs(x) * x, lambda g, x: 2 * np.abs(x) * g),
    "norm": (lambda x: np.linalg.norm(x), lambda g, x: g * x / np.linalg.norm(x)),
    "norm along an axis": (
        lambda x: np.linalg.norm(x.reshape(2, 3), axis=1),
        lambda g, x: (
            g[:, None] * x.reshape(2, 3) / np.linalg.norm(x.reshape(2, 3), axis=1)[:, None]
        ).ravel(),
    ),
    "hypot": (
        lambda x: np.hypot(x, x[::-1] + 1),
        lambda g, x: (
            (g / np.hypot(x, x[::-1] + 1)) * x
            + (g / np.hypot(x, x[::-1] + 1) * (x[::-1] + 1))[::-1]
        ),
    ),
    "sign": (lambda x: np.sign(x) * x * x, lambda g, x: 2 * np.abs(x) * g),
    "conj": (lambda x: np.sum(np.conj(x) * x), lambda g, x: 2 * g * x),
    "vdot": (lambda x: np.vdot(x, x), lambda g, x: 2 * g * x),
    "var": (lambda x: np.var(x), lambda g, x: g * 2 * (x - x.mean()) / x.size),
    "var of a sample": (lambda x: x.var(ddof=1), lambda g, x: g * 2 * (x - x.mean()) / 5),
    "std": (lambda x: np.std(x), lambda g, x: g * (x - x.mean()) / x.size / x.std()),
}
NOT_COMPLEX_SAFE = {
    "norm of order 1": (lambda x: np.linalg.norm(x, 1), lambda g, x: g * np.sign(x)),
    "copysign": (lambda x: np.copysign(x * x, x), lambda g, x: 2 * np.abs(x) * g),
    "zeros": (lambda x: filled(x**3), lambda g, x: 3 * g * x * x),
    "float": (lambda x: np.array([float(x[0]) ** 2, 1.0]), lambda g, x: 2 * g[0] * x * first(x)),
}


def filled(values):
    out = np.zeros(values.shape)
    out[...] = values
    return out


def first(x):
    return np.arange(x.size) == 0


@pytest.mark.parametrize("name", CONTINUED)
def test_what_is_analytic_on_each_side_goes_on_there(name):
    forward, backward = CONTINUED[name]
    for seed in range(5):
        for scale in (1e-2, 1.0, 1e2):
            inputs = normal(6, seed=seed, scale=scale)
            report = gradcheck((forward, backward), *inputs, seed=seed)
            assert report and "complex step, sees 15 digits" in report.oracle, report
    wrong = gradcheck((forward, lambda g, x: (1 + 1e-9) * backward(g, x)), *normal(6))
    assert wrong["x"].stage == "direction"


@pytest.mark.parametrize("weight", [1.0, 1e-10])
def test_kinks_that_cancel_are_taken_on_one_side(weight):
    """max(z, 0) - z / 2 is |z| / 2: at 0 both go on to where the step goes."""
    forward = lambda z: np.maximum(z, 0) - z / 2 - np.abs(z) / 2 + weight * z * z  # noqa: E731
    for seed in range(5):
        report = gradcheck((forward, lambda g, z: g * 2 * weight * z), [0.0, 1.0, -1.0], seed=seed)
        assert report, report


@pytest.mark.parametrize("name", NOT_COMPLEX_SAFE)
def test_functions_that_are_not_complex_safe_fall_to_richardson_and_say_so(name):
    for seed in range(5):
        for scale in (1e-2, 1.0, 1e2):
            report = gradcheck(
                NOT_COMPLEX_SAFE[name], *normal(6, seed=seed, scale=scale), seed=seed
            )
            assert report, report
            assert "Richardson" in str(report) and "no complex step, because" in str(report)
    forward, backward = NOT_COMPLEX_SAFE[name]
    wrong = gradcheck((forward, lambda g, x: 1.001 * backward(g, x)), *normal(6))
    assert wrong["x"].stage == "direction"


def test_a_loss_of_the_imaginary_part_that_is_too_small_to_notice_blames_the_oracle():
    f = lambda x: x * x + 1e-5 * np.copysign(x * x, x)  # noqa: E731
    report = gradcheck((f, lambda g, x: g * (2 * x + 2e-5 * np.abs(x))), *normal(5))
    assert report, report
    assert "not complex-safe" in str(report) or "Richardson" in report.oracle


def test_float32_inputs_are_checked_in_float64():
    x = np.linspace(-1, 1, 4, dtype=np.float32)
    report = gradcheck(tg.tanh, x)
    assert report.results[0].digits > 12
    assert "float32 inputs were checked in float64" in str(report)


def test_a_forward_that_computes_in_float32_is_checked_with_fewer_digits():
    single = lambda x: np.tanh(x.astype(narrow(x)))  # noqa: E731
    for seed in range(10):
        x = normal(5, seed=seed)
        report = gradcheck((single, lambda g, x: g * (1 - np.tanh(x) ** 2)), *x, seed=seed)
        assert report, report
        assert "float32" in report.oracle
        assert not gradcheck((single, lambda g, x: 1.01 * g * (1 - np.tanh(x) ** 2)), *x, seed=seed)


def narrow(x):
    return np.complex64 if np.iscomplexobj(x) else np.float32


def test_a_function_that_takes_gradients_itself():
    def penalty(x):
        dx = tg.grad((tg.tanh(x) * x).sum(), x, create_graph=True)
        return (dx * dx).sum()

    for order in (1, 2):
        assert gradcheck(penalty, *normal(3), order=order)
    assert not gradcheck(lambda x: tg.grad(wrong_cube(x).sum(), x, create_graph=True), *normal(3))


def slope_of_cube(g, out, x):
    """Right, but its own derivative is half of what it should be."""
    return 3 * g * x * (x.detach() if isinstance(x, tg.Tensor) else x)


wrong_cube = tg.primitive(lambda x: x * x * x, slope_of_cube, name="wrong_cube")
