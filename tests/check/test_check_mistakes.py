"""Every mistake seen in public is found, at the stage where it should be, whatever the seed."""

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn.check import gradcheck

SEEDS = range(20)


def normal(*shapes, seed):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape) for shape in shapes]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    e = np.exp(x - np.max(x.real, axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def expect(stage, pair, shapes, *, inputs=None, extra=()):
    """The pair is rejected at the stage, for every seed, and the report prints."""
    for seed in SEEDS:
        inputs_ = [*normal(*shapes, seed=seed), *extra]
        report = gradcheck(pair, *inputs_, seed=seed, diagnose=seed == 0)
        assert not report, f"seed {seed} passed"
        assert report.stage == stage, report
        if inputs is not None:
            assert {r.name for r in report.results if r.verdict == "wrong"} == set(inputs), report
        assert f"{stage})" in str(report) and report._repr_html_()


# ---------------------------------------------------------------- a hand-written LSTM
def lstm_forward(x, h, c, W, U, b):
    """x (T, B, D); the states h of all steps (T, B, H), and the last c."""
    states = []
    for x_t in x:
        i, f, g, o = gates(x_t, h, W, U, b)
        c = f * c + i * g
        h = o * np.tanh(c)
        states.append(h)
    return np.stack(states), c


def gates(x_t, h, W, U, b):
    i, f, g, o = np.split(x_t @ W + h @ U + b, 4, axis=-1)
    return sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)


def lstm_backward(gs, x, h, c, W, U, b, mistake=""):
    kept = []
    h0 = h
    for x_t in x:
        i, f, g, o = gates(x_t, h, W, U, b)
        before = (h, c)
        c = f * c + i * g
        h = o * np.tanh(c)
        kept.append((x_t, *before, i, f, g, o, c, h))
    dx, dW, dU, db = np.zeros_like(x), np.zeros_like(W), np.zeros_like(U), np.zeros_like(b)
    dh, dc = np.zeros_like(h0), gs[1].copy()
    if mistake == "a cotangent is dropped":
        dc = np.zeros_like(dc)
    steps = len(x)
    for t in reversed(range(steps)):
        x_t, h_old, c_old, i, f, g, o, c, h = kept[t]
        dh = gs[0][t] + (0 if mistake == "hidden gradient not passed back" else dh)
        if mistake == "truncated" and t == steps - 3:
            dh, dc = gs[0][t], np.zeros_like(dc)
        tanh_c = np.tanh(np.tanh(c)) if mistake == "tanh of tanh" else np.tanh(c)
        slope = 1 / (1 - tanh_c**2) if mistake == "1/(1-h^2)" else 1 - tanh_c**2
        if mistake == "= for +=":
            dc = dh * o * slope
        else:
            dc = dc + dh * o * slope
        if mistake == "dc += dc":
            dc += dc
        di, df, dg, do = dc * g, dc * c_old, dc * i, dh * np.tanh(c)
        di, df, do = di * i * (1 - i), df * f * (1 - f), do * o * (1 - o)
        if mistake == "slope of a gate missing":
            df = dc * c_old
        dz = np.concatenate([di, df, dg * (1 - g**2), do], axis=-1)
        if mistake == "gate blocks in another order":
            dz = np.concatenate([di, df, do, dg * (1 - g**2)], axis=-1)
        dx[t], db = dz @ W.T, db + dz.sum(axis=0)
        dW = dW + x_t.T @ dz
        dU = dU + (h if mistake == "h_t for h_{t-1}" else h_old).T @ dz
        if mistake == "assigned in the loop":
            dU = h_old.T @ dz
        dh, dc = dz @ U.T, dc * f
    return dx, dh, dc, dW, dU, db


LSTM_SHAPES = [(4, 1, 1), (1, 2), (1, 2), (1, 8), (2, 8), (8,)]


def test_the_hand_written_lstm_is_right():
    for seed in SEEDS:
        report = gradcheck(
            (lstm_forward, lstm_backward), *normal(*LSTM_SHAPES, seed=seed), seed=seed
        )
        assert report, report


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mistake", "inputs"),
    [
        ("= for +=", None),
        ("hidden gradient not passed back", ["x", "h", "c", "W", "U", "b"]),
        ("h_t for h_{t-1}", ["U"]),
        ("dc += dc", None),
        ("slope of a gate missing", None),
        ("tanh of tanh", None),
        ("1/(1-h^2)", None),
        ("truncated", ["x", "h", "c", "W", "U", "b"]),
        ("gate blocks in another order", ["x", "h", "c", "W", "U", "b"]),
        ("a cotangent is dropped", ["x", "h", "c", "W", "U", "b"]),
        ("assigned in the loop", ["U"]),
    ],
)
def test_mistakes_in_back_propagation_through_time(mistake, inputs):
    def backward(gs, *inputs):
        return lstm_backward(gs, *inputs, mistake=mistake)

    pair = (lstm_forward, backward)
    expect("direction", pair, LSTM_SHAPES, inputs=inputs)


# ---------------------------------------------------------------- forks
def test_assignment_for_addition_at_a_fork():
    fork = lambda x: np.tanh(x) * sigmoid(x)  # noqa: E731
    expect(
        "direction", (fork, lambda g, x: g * np.tanh(x) * sigmoid(x) * (1 - sigmoid(x))), [(3, 4)]
    )


# ---------------------------------------------------------------- the contract
def changed_gradient(g, x):
    g *= 1 - np.tanh(x) ** 2
    return g + 0


def changed_input(g, x):
    x -= x.max()
    return g * np.exp(x)


def overwriting_forward(x):
    x -= x.max()
    return np.exp(x)


class Accumulating:
    """dW += ... into an array that is kept between the calls."""

    def __init__(self):
        self.dx = 0

    def backward(self, g, x):
        self.dx = self.dx + 2 * g * x
        return self.dx


def test_incoming_gradient_changed_in_place():
    expect("contract", (np.tanh, changed_gradient), [(3, 4)])
    report = gradcheck((np.tanh, changed_gradient), *normal((3, 4), seed=0))
    assert "changed the incoming gradient in place" in str(report)


def test_inputs_changed_in_place():
    expect("contract", (lambda x: np.exp(x - x.max()), changed_input), [(4,)])
    pair = (overwriting_forward, lambda g, x: g * np.exp(x))
    expect("contract", pair, [(4,)])
    assert "the forward changed x in place" in str(gradcheck(pair, *normal(4, seed=0)))


def test_broadcast_not_summed():
    pair = (lambda x, b: x + b, lambda g, x, b: (g.copy(), g.copy()))
    expect("contract", pair, [(4, 3), (3,)], inputs=["b"])
    report = gradcheck(pair, *normal((4, 3), (3,), seed=0))
    assert "has shape (4, 3), and b has (3,): sum over axis 0" in report["b"].reason
    kept = gradcheck((pair[0], lambda g, x, b: (g.copy(), g * 1)), *normal((4, 3), (4, 1), seed=0))
    assert "sum over axis 1" in kept["b"].reason


def test_axes_renumbered_while_summing():
    """Summing axis 0, then axis 1 of what is left, in a cube: the shape is right by accident."""

    def backward(g, x, b):
        return g.copy(), g.sum(axis=0).sum(axis=1)

    expect("direction", (lambda x, b: x + b, backward), [(3, 3, 3), (3,)], inputs=["b"])


@pytest.mark.parametrize(
    ("backward", "said"),
    [
        (lambda g, x, y: g * y, "returned 1 gradient, and there are 2 inputs"),
        (lambda g, x, y: (g * y, g * x, g), "returned 3 gradients"),
        (lambda g, x, y: (g * y, None), "its gradient is None"),
        (lambda g, x, y: (g * y, [1.0, 2.0, 3.0]), "its gradient is a list"),
        (lambda g, x, y: (g * y, tg.Tensor(g * x)), "its gradient is a Tensor"),
        (lambda g, x, y: (g * y, (g * x).astype("f")), "its gradient is float32"),
        (lambda g, x, y: (g * y, np.zeros(3, int)), "its gradient is int64"),
        (lambda g, x, y: (g * y, g * x * np.nan), "not finite: nan at y[0] (3 of 3 entries)"),
        (lambda g, x, y: (g * y, (g * x)[None]), "has shape (1, 3), and y has (3,)"),
    ],
)
def test_the_contract(backward, said):
    expect("contract", (lambda x, y: x * y, backward), [3, 3])
    assert said in str(gradcheck((lambda x, y: x * y, backward), *normal(3, 3, seed=0)))


@pytest.mark.parametrize(
    ("forward", "backward", "said"),
    [
        (np.add, lambda g, x, y: (g * 1, g), "shares its memory with the incoming gradient"),
        (np.add, lambda g, x, y: [g * 1] * 2, "shares its memory with the gradient of x"),
    ],
)
def test_gradients_share_no_memory(forward, backward, said):
    expect("contract", (forward, backward), [3, 3])
    assert said in str(gradcheck((forward, backward), *normal(3, 3, seed=0)))


def test_shared_memory_hides_no_wrong_number():
    multiply = (np.multiply, lambda g, x, y: (g * y, g))
    expect("direction", multiply, [3, 3], inputs=["x2"])
    report = gradcheck(multiply, *normal(3, 3, seed=0))
    assert "shares its memory with the incoming gradient" in str(report)
    assert report.diagnosis is not None
    assert "the factor x1 is missing in x1 * x2" in report.diagnosis.sentence


def test_one_buffer_for_all_calls_is_shared_memory():
    buffer = np.empty(3)

    def backward(g, x):
        return np.multiply(2 * x, g, out=buffer)

    report = gradcheck((np.square, backward), *normal(3, seed=0))
    assert report.stage == "contract" and "the one of the call before" in str(report)


def test_sharing_may_be_allowed_and_interleaved_views_do_not_share():
    add = (lambda x, y: x + y, lambda g, x, y: (g, g))
    assert not gradcheck(add, *normal(3, 3, seed=0))
    assert gradcheck(add, *normal(3, 3, seed=0), may_share=True)

    def halves(g, x, y):
        both = np.concatenate([g, g], axis=1)
        return both[:, :2], both[:, 2:]

    assert gradcheck((lambda x, y: x + y, halves), *normal((3, 2), (3, 2), seed=0))


def test_a_second_call_gives_another_answer():
    for seed in SEEDS:
        report = gradcheck((np.square, Accumulating().backward), *normal(3, seed=seed), seed=seed)
        assert report.stage == "contract"
        assert "called a second time" in report["x"].reason


def test_an_operation_that_is_not_recorded_leaves_no_gradient():
    def silent(x, y):
        return y + tg.Tensor(np.tanh(x.detach().data))

    for seed in SEEDS:
        report = gradcheck(silent, *normal(3, 3, seed=seed), seed=seed)
        assert report.stage == "contract"
        assert "not recorded" in report["x"].reason
        assert report["y"].verdict == "not compared"
    assert gradcheck(lambda x, y: y * 2.0, *normal(3, 3, seed=0))  # x does not matter at all


# ---------------------------------------------------------------- linearity
@pytest.mark.parametrize(
    "backward",
    [
        lambda g, x: 1 - np.tanh(x) ** 2,
        lambda g, x: g * (1 - np.tanh(x) ** 2) + 0.01 * x,
        lambda g, x: np.clip(g, -0.5, 0.5) * (1 - np.tanh(x) ** 2),
        lambda g, x: g * g * (1 - np.tanh(x) ** 2),
        lambda g, x: np.abs(g) * (1 - np.tanh(x) ** 2),
        lambda g, x: np.ones_like(g) * (1 - np.tanh(x) ** 2),
    ],
    ids=["ignored", "weight decay", "clipped", "used twice", "absolute", "ones"],
)
def test_a_backward_that_is_not_linear_in_g(backward):
    expect("linearity", (np.tanh, backward), [(3, 4)])


# ---------------------------------------------------------------- invisible to a cotangent of ones
def log_softmax(x):
    top = np.max(x.real, axis=-1, keepdims=True)
    return x - top - np.log(np.sum(np.exp(x - top), axis=-1, keepdims=True))


def layer_norm(x):
    d = x - x.mean(axis=-1, keepdims=True)
    return d / np.sqrt((d * d).mean(axis=-1, keepdims=True) + 1e-5)


def without_the_variance_path(g, x):
    d = x - x.mean(axis=-1, keepdims=True)
    g = g / np.sqrt((d * d).mean(axis=-1, keepdims=True) + 1e-5)
    return g - g.mean(axis=-1, keepdims=True)


INVISIBLE = {
    "softmax gives zeros": (softmax, lambda g, x: 0 * g),
    "softmax diagonal only": (softmax, lambda g, x: g * softmax(x) * (1 - softmax(x))),
    "softmax without its sum": (softmax, lambda g, x: g * softmax(x)),
    "log-softmax without the sum of g": (log_softmax, lambda g, x: g - softmax(x)),
    "log-softmax, g not in the sum": (
        log_softmax,
        lambda g, x: g - softmax(x) * g.sum(axis=-1, keepdims=True) * 0,
    ),
    "halves of a concat swapped": (
        lambda x: np.concatenate([x[:, :2], 1 * x[:, 2:]], axis=1),
        lambda g, x: np.concatenate([g[:, 2:], g[:, :2]], axis=1),
    ),
    "Fortran order": (
        lambda x: x.reshape(-1),
        lambda g, x: g.reshape(x.shape, order="F").copy(),
    ),
    "transpose in the wrong order": (
        lambda x: np.transpose(x.reshape(4, 4, 1), (1, 2, 0)),
        lambda g, x: g.reshape(4, 4).copy(),
    ),
    "layer norm without the variance path": (layer_norm, without_the_variance_path),
    "cumsum from the wrong end": (
        lambda x: np.cumsum(x, axis=1),
        lambda g, x: np.cumsum(g, axis=1),
    ),
}


@pytest.mark.parametrize("name", INVISIBLE)
def test_mistakes_that_a_cotangent_of_ones_cannot_see(name):
    stage = "linearity" if name == "log-softmax without the sum of g" else "direction"
    expect(stage, INVISIBLE[name], [(4, 4)], inputs=["x"])


# ---------------------------------------------------------------- losses, sums, look-ups
def cross_entropy(x, k):
    return -log_softmax(x)[np.arange(len(k)), k].mean()


def cross_entropy_backward(g, x, k, divide_by):
    return g * (softmax(x) - np.eye(x.shape[1])[k]) / divide_by, None


@pytest.mark.parametrize(("name", "divide_by"), [("forgotten", 1), ("by the classes", 4)])
def test_the_mean_of_a_loss(name, divide_by):
    k = np.array([0, 3, 1])
    pair = (cross_entropy, lambda g, x, k: cross_entropy_backward(g, x, k, divide_by))
    expect("direction", pair, [(3, 4)], extra=[k])
    right = (cross_entropy, lambda g, x, k: cross_entropy_backward(g, x, k, 3))
    assert gradcheck(right, *normal((3, 4), seed=0), k)


def test_sum_over_everything_taken_as_the_sum_over_axis_0():
    """The gradient of sum(x, axis=0) has a row of g for each row; here g is one number."""
    pair = (lambda x: x.sum(), lambda g, x: np.eye(*x.shape) * g)
    expect("direction", pair, [(3, 3)])


def test_repeated_look_ups_dropped():
    def backward(g, W, k):
        dW = np.zeros_like(W)
        dW[k] += g
        return dW, None

    expect("direction", (lambda W, k: W[k], backward), [(4, 3)], extra=[np.array([1, 1, 0])])


def test_one_wrong_entry_among_many():
    def backward(g, x):
        dx = 2 * g * x
        dx[77, 13] *= 1.5
        return dx

    report = gradcheck((np.square, backward), *normal((100, 30), seed=0))
    assert report["x"].worst == (77, 13)
    assert report["x"].worst_values[2] == pytest.approx(1.5)
    assert "d y[77, 13] / d x[77, 13]" in report["x"].smallest
    assert np.isnan(report["x"].true[0, 0])  # 3,000 entries were bisected, not looked at


# ---------------------------------------------------------------- grades
def test_float32_inside_a_backward_is_graded():
    for seed in SEEDS:
        pair = (
            lambda x, W: np.tanh(x @ W),
            lambda g, x, W: (
                (g * (1 - np.tanh(x @ W) ** 2)) @ W.T,
                (x.astype("f").T @ (g * (1 - np.tanh(x @ W) ** 2)).astype("f")).astype(float),
            ),
        )
        report = gradcheck(pair, *normal((3, 4), (4, 5), seed=seed), seed=seed)
        assert report["W"].verdict == "wrong" and report["x"].verdict == "right"
        assert 6 <= report["W"].digits < 9
        assert "float32 somewhere (6 to 8 digits)" in report["W"].reason


def test_a_forgotten_eps_is_graded():
    def backward(g, x):  # the whole of layer norm's, but for the eps
        d = x - x.mean(axis=-1, keepdims=True)
        s = np.sqrt((d * d).mean(axis=-1, keepdims=True))
        y = d / s
        return (g - g.mean(-1, keepdims=True) - y * (g * y).mean(-1, keepdims=True)) / s

    for seed in SEEDS:
        report = gradcheck((layer_norm, backward), *normal((3, 16), seed=seed), seed=seed)
        assert "a small constant is missing" in report["x"].reason, report


def test_a_small_wrong_factor_is_found():
    for factor, digits in ((1 + 1e-3, 3), (1 + 1e-5, 5), (1 + 1e-7, 7)):
        report = gradcheck((np.tanh, lambda g, x, k=factor: k * g * (1 - np.tanh(x) ** 2)), 0.5)
        assert report["x"].digits == pytest.approx(digits, abs=0.5)


# ---------------------------------------------------------------- mistakes in Tensor functions
def broken(rule):
    return tg.primitive(lambda x: np.tanh(x), name="broken").gradients(rule)


@pytest.mark.slow
@pytest.mark.parametrize(
    "rule",
    [
        lambda g, out, x: g * (1 - out),
        lambda g, out, x: g * (1 - x * x),
        lambda g, out, x: g / (1 - out * out),
        lambda g, out, x: -g * (1 - out * out),
    ],
)
def test_a_wrong_rule_inside_a_larger_function(rule):
    op = broken(rule)
    for seed in SEEDS:
        x, W = normal((3, 4), (4, 4), seed=seed)
        report = gradcheck(lambda x, W: op(x @ W) @ W, x, W, seed=seed)
        assert report.stage == "direction"
        assert not gradcheck(lambda x, W: op(x @ W), x, W, seed=seed, wrt="W")


def test_a_rule_that_is_right_at_order_1_only():
    """The slope comes from the raw array: the walk through the walk never sees it."""
    op = broken(lambda g, out, x: g * (1 - np.tanh(tg.tensor.raw(x)) ** 2))
    for seed in SEEDS:
        x = normal(3, seed=seed)
        assert gradcheck(op, *x, seed=seed)
        report = gradcheck(op, *x, seed=seed, order=2)
        assert [r.name for r in report.results if r.verdict == "wrong"] == ["d/dx of the gradient"]


def test_detach_is_seen():
    for seed in SEEDS:
        report = gradcheck(lambda x: tg.tanh(x) * x.detach(), *normal(3, seed=seed), seed=seed)
        assert report.stage == "direction"


# ---------------------------------------------------------------- a layer that keeps its last input
class Layer:
    """As courses write it: forward keeps what backward needs."""

    def __init__(self, factor):
        self.factor = factor

    def forward(self, x, W):
        self.x, self.y = x, np.tanh(x @ W)
        return self.y

    def backward(self, g, x, W):
        dz, dW = g * (1 - self.y**2), np.zeros(W.shape)
        dW += self.x.T @ dz
        return dz @ W.T, self.factor * dW


@pytest.mark.parametrize("factor", [1, 2])
def test_a_layer_that_keeps_its_last_input(factor):
    """The check asks forward at complex numbers in between: backward must not see them."""
    layer = Layer(factor)
    x, W = np.random.default_rng(0).standard_normal((2, 4, 4))
    report = gradcheck((layer.forward, layer.backward), x, W)
    assert bool(report) == (factor == 1)
    assert factor == 1 or "dW is 2 times too large" in report.diagnosis.sentence
