"""Every claim the diagnosis can make: the mistake is made, and its sentence asked back."""

import diagnosis_nets as nets
import numpy as np
import pytest

import tinygrad_rnn as tg


def say(pair, *shapes, extra=(), seed=0, positive=False):
    """The diagnosis of a wrong pair at random inputs."""
    rng = np.random.default_rng(seed)
    draw = (lambda s: rng.uniform(0.5, 2, size=s)) if positive else (lambda s: rng.normal(size=s))
    report = tg.gradcheck(pair, *map(draw, shapes), *extra, seed=seed)
    assert not report and report.diagnosis is not None
    return report.diagnosis


def expect(diagnosis, family, *words, word="certain"):
    assert diagnosis.word.startswith(word), diagnosis
    assert diagnosis.family == family, diagnosis
    for each in words:
        assert each in diagnosis.sentence, diagnosis


# ---------------------------------------------------------------- contract and shape
def test_contract():
    def backward(g, x):
        g *= 2 * x
        return g + 0

    expect(say((np.square, backward), (3, 4)), "contract", "incoming gradient in place")


@pytest.mark.parametrize(
    ("db", "shapes", "words"),
    [
        (lambda g: 1 * g, [(4, 3), (3,)], ["(4, 3); b is (3,)", "not summed over axis 0"]),
        (lambda g: g.sum(axis=0), [(4, 3), (1, 3)], ["reshape them to the shape of b"]),
    ],
)
def test_shape(db, shapes, words):
    pair = (lambda x, b: x + b, lambda g, x, b: (1 * g, db(g)))
    expect(say(pair, *shapes), "shape", *words)


def test_shape_transposed():
    pair = (lambda x, W: x @ W, lambda g, x, W: (g @ W.T, g.T @ x))
    expect(say(pair, (2, 3), (3, 5)), "shape", "transposed")


# ---------------------------------------------------------------- global
def mean_loss(y, t):
    return ((y - t) ** 2).sum() / len(y)


def test_a_factor_that_follows_a_size():
    pair = (mean_loss, lambda g, y, t: (2 * g * (y - t), -2 * g * (y - t)))
    found = say(pair, (5, 3), (5, 3))
    expect(found, "global", "5 times too large at N = 5", "a mean over N", word="one of 2")
    assert "y.shape[0]" in found.sentence and "the division by 5 is forgotten" in str(found)


@pytest.mark.parametrize(
    ("dy", "words"),
    [
        (lambda g, x, y: 0 * x, ["dy is zero everywhere"]),
        (lambda g, x, y: -g * x, ["the sign of dy is wrong"]),
        (lambda g, x, y: (g * x)[::-1].copy(), ["dy is in reverse order along axis 0"]),
    ],
)
def test_global(dy, words):
    pair = (lambda x, y: x * y, lambda g, x, y: (g * y, dy(g, x, y)))
    expect(say(pair, (4, 3), (4, 3)), "global", *words)


def test_swapped_with_another_input():
    pair = (lambda x, y: np.tanh(x) * y, lambda g, x, y: (g * np.tanh(x), g * y / np.cosh(x) ** 2))
    expect(say(pair, (4, 3), (4, 3)), "global", "dx and dy are swapped")


# ---------------------------------------------------------------- cotangent
def tanh_slope(x):
    return 1 - np.tanh(x) ** 2


def swapped_halves(g):
    return np.roll(g, g.shape[1] // 2, 1)


@pytest.mark.parametrize(
    ("backward", "words"),
    [
        (lambda g, x: tanh_slope(x), ["ignored", "as if it were 1"]),
        (lambda g, x: g * g * tanh_slope(x), ["used twice"]),
        (lambda g, x: np.clip(g, -0.5, 0.5) * tanh_slope(x), ["clipped to [-0.5, 0.5]"]),
        (lambda g, x: g * tanh_slope(x) + 0.01 * x, ["0.01 times x is added", "weight decay"]),
        (lambda g, x: np.flip(g, 0) * tanh_slope(x), ["reverse order along axis 0"]),
        (
            lambda g, x: swapped_halves(g) * tanh_slope(x),
            ["the two halves of the incoming gradient g", "axis 1"],
        ),
    ],
)
def test_cotangent(backward, words):
    expect(say((np.tanh, backward), (3, 4)), "cotangent", *words)


def test_one_of_several_outputs_is_dropped():
    pair = (lambda x: (np.tanh(x), x**3), lambda gs, x: 3 * gs[1] * x**2)
    expect(say(pair, (3, 4)), "cotangent", "output 0", "is dropped")


# ---------------------------------------------------------------- edges
def lstm_step(x, c, W):
    f, g = np.split(x @ W, 2, axis=-1)
    c = nets.sigmoid(f) * c + np.tanh(g)
    return np.tanh(c) * c


def lstm_step_backward(g, x, c, W, through_tanh=1.0, through_c=1.0, blocks=(0, 1)):
    f, z = np.split(x @ W, 2, axis=-1)
    s = nets.sigmoid(f)
    new = s * c + np.tanh(z)
    dc = through_tanh * g * new * tanh_slope(new) + through_c * g * np.tanh(new)
    parts = [dc * c * s * (1 - s), dc * tanh_slope(z)]
    dz = np.concatenate([parts[k] for k in blocks], axis=-1)
    return dz @ W.T, dc * s, x.T @ dz


@pytest.mark.parametrize(
    ("weight", "words"),
    [(0, "a path is missing"), (-1, "the sign of a path is wrong"), (2, "a path is counted twice")],
)
def test_an_edge(weight, words):
    def backward(g, x, c, W):
        return lstm_step_backward(g, x, c, W, through_tanh=weight)

    found = say((lstm_step, backward), (2, 3), (2, 4), (3, 8))
    expect(found, "edge weight", words, "tanh(c) * c -> tanh(c)")
    n, i = found.edges[0]
    line = found.program.lines[n]
    assert line.op.name == "multiply" and found.program.lines[line.args[i]].op.name == "tanh"


def test_one_path_of_several():
    def forward(x):
        return np.tanh(x), x**2, np.sin(x)

    found = say((forward, lambda gs, x: gs[2] * np.cos(x)), (3, 4))
    expect(found, "edge weight", "only the path sin(x) -> x is there", "= for +=")


def test_overlapping_slices():
    def backward(g, x):
        dx = np.zeros_like(x)
        dx[1:] = g
        dx[:-1] = -g
        return dx

    found = say((lambda x: x[1:] - x[:-1], backward), (5, 3))
    expect(found, "edge weight", "overlap", "= for +=")


# ---------------------------------------------------------------- local rules
def through(slope):
    """tanh(x W) with another slope of tanh, a function of (z, y)."""

    def backward(g, x, W):
        z = x @ W
        dz = g * slope(z, np.tanh(z))
        return dz @ W.T, x.T @ dz

    return lambda x, W: np.tanh(x @ W), backward


@pytest.mark.parametrize(
    ("slope", "words"),
    [
        (lambda z, y: 1.0, ["the derivative of tanh is forgotten"]),
        (lambda z, y: 1 - z * z, ["built from its input"]),
        (lambda z, y: 1 - np.tanh(y) ** 2, ["its own output", "applied twice"]),
        (lambda z, y: (1 - y * y) ** 2, ["a factor too many"]),
        (lambda z, y: 1 / (1 - y * y), ["divided by the derivative of tanh"]),
        (lambda z, y: 1 - y, ["the square is forgotten"]),
    ],
)
def test_a_slope(slope, words):
    expect(say(through(slope), (3, 4), (4, 2)), "local rule", *words)


def test_another_activations_slope():
    found = say(through(lambda z, y: y * (1 - y)), (3, 4), (4, 2))
    expect(found, "local rule", "the derivative of sigmoid", "stands for that of tanh")


def test_a_function_of_several_lines_is_recognised():
    pair = (nets.sigmoid, lambda g, x: g * (1 - nets.sigmoid(x) ** 2))
    expect(say(pair, (3, 4)), "local rule", "the derivative of tanh", "that of sigmoid")


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def test_the_diagonal_of_a_softmax():
    pair = (softmax, lambda g, x: g * softmax(x) * (1 - softmax(x)))
    expect(say(pair, (3, 4)), "local rule", "the diagonal of its Jacobian only")


def test_an_operand_that_is_not_transposed():
    pair = (lambda x, W: x @ W, lambda g, x, W: (g @ W, x.T @ g))
    expect(say(pair, (3, 4), (4, 4)), "local rule", "W is not transposed in x @ W")


def test_a_factor_is_forgotten():
    pair = (lambda x, y: np.exp(x * y), lambda g, x, y: (g * np.exp(x * y), g * np.exp(x * y) * x))
    expect(say(pair, (3, 4), (3, 4)), "local rule", "the factor y is missing", "gradient of x")


# ---------------------------------------------------------------- values
def test_another_value():
    def backward(g, x, W):
        y = np.tanh(x @ W)
        dz = g * (1 - y * y)
        return dz @ W.T, y.T @ dz

    found = say((lambda x, W: np.tanh(x @ W), backward), (3, 4), (4, 4))
    expect(found, "wrong value", "the gradient of W in x @ W uses tanh(x @ W)", "multiplied x")


def test_the_neighbouring_step():
    found = say(nets.pair(nets.rnn, nets.rnn_backward, "h_t"), *nets.RNN_SHAPES)
    expect(found, "wrong value", "the gradient of U", "uses h_t", "the matrix multiplied h_{t-1}")


def test_a_value_computed_again_without_its_constant():
    def forward(x):
        return x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + 1e-3)

    def backward(g, x):
        s = np.sqrt((x * x).mean(axis=-1, keepdims=True))
        return g / s - x * (g * x).mean(axis=-1, keepdims=True) / s**3

    expect(say((forward, backward), (3, 4)), "wrong value", "the constant 0.001", "is forgotten")


def standardised(x):
    d = x - x.mean(axis=-1, keepdims=True)
    return d / np.sqrt((d * d).mean(axis=-1, keepdims=True) + 1e-5)


@pytest.mark.parametrize(
    ("spread", "words"),
    [
        (lambda d: d.var(axis=-1, ddof=1, keepdims=True), ["N - 1 instead of N"]),
        (lambda d: (d * d).mean(), ["over the whole array", "axis -1 belongs"]),
    ],
)
def test_a_mean_computed_again_otherwise(spread, words):
    def backward(g, x):
        d = x - x.mean(axis=-1, keepdims=True)
        s = np.sqrt(spread(d) + 1e-5)
        y = d / s
        return (g - g.mean(axis=-1, keepdims=True) - y * (g * y).mean(axis=-1, keepdims=True)) / s

    expect(say((standardised, backward), (4, 6)), "wrong value", *words)


def masked(x, m, U):
    """The state stays where m is 0."""
    h, states = np.zeros((x.shape[1], U.shape[0])), []
    for x_t, m_t in zip(x, m, strict=True):
        h = np.where(m_t, np.tanh(x_t + h @ U), h)
        states.append(h)
    return np.stack(states)


def masked_backward(g, x, m, U, used):
    h = [np.zeros((x.shape[1], U.shape[0])), *masked(x, m, U)]
    dx, dU, dh = np.zeros_like(x), np.zeros_like(U), 0 * h[0]
    for t in reversed(range(len(x))):
        m_t, total = used(m, t), g[t] + dh
        dx[t] = dz = m_t * total * (1 - np.tanh(x[t] + h[t] @ U) ** 2)
        dU, dh = dU + h[t].T @ dz, dz @ U.T + (1 - m_t) * total
    return dx, None, dU


@pytest.mark.parametrize(
    ("used", "words"),
    [
        (lambda m, t: np.ones_like(m[t]), ["the mask m is ignored", "1 everywhere"]),
        (lambda m, t: m[min(t + 1, len(m) - 1)], ["use the mask m of the step after it"]),
        (lambda m, t: m[max(t - 1, 0)], ["use the mask m of the step before it"]),
    ],
)
def test_another_mask(used, words):
    m = np.array([[1, 1, 1, 1, 1, 0], [1, 0, 1, 0, 0, 1], [1, 1, 0, 1, 0, 1]]).T[:, :, None]
    right = masked, lambda g, x, m, U: masked_backward(g, x, m, U, lambda m, t: m[t])
    x, U = nets.normal((6, 3, 4), (4, 4))
    assert tg.gradcheck(right, x, m, U)
    wrong = masked, lambda g, x, m, U: masked_backward(g, x, m, U, used)
    report = tg.gradcheck(wrong, x, m, U)
    expect(report.diagnosis, "wrong value", *words)


@pytest.mark.parametrize("kind", [int, float])
def test_a_mask_turned_round_in_a_product(kind):
    """Of integers it is no input; of floats it is one, with a gradient of its own."""
    m = np.array([[1, 0, 1, 1, 0], [0, 0, 1, 0, 1], [1, 1, 0, 1, 0]], dtype=kind)

    def backward(g, z, m):
        both = (g * 2 * z * (1 - m) / m.sum(), g * (z**2 - (m * z**2).sum() / m.sum()) / m.sum())
        return both if kind is float else both[0]

    (z,) = nets.normal((3, 5))
    report = tg.gradcheck((lambda z, m: (m * z**2).sum() / m.sum(), backward), z, m)
    expect(report.diagnosis, "wrong value", "the mask m is turned round, 1 - m")


@pytest.mark.parametrize(
    ("turned", "said"),
    [
        (lambda g: np.cumsum(g[::-1], axis=0), "not turned back after it was summed"),
        (lambda g: np.cumsum(g, axis=0), "summed from the wrong end"),
    ],
)
def test_a_running_sum_turned_round_once(turned, said):
    pair = (
        lambda x: np.cumsum(np.tanh(x), axis=0),
        lambda g, x: turned(g) * (1 - np.tanh(x) ** 2),
    )
    expect(say(pair, (5, 3)), "local rule", said)


def test_a_running_sum_turned_round_after_it():
    """That is as if the incoming gradient were turned round: both are said."""

    def backward(g, x):
        return np.cumsum(g, axis=0)[::-1] * (1 - np.tanh(x) ** 2)

    found = say((lambda x: np.cumsum(np.tanh(x), axis=0), backward), (5, 3))
    assert found.word == "one of 2" and "g is taken in reverse order" in found.sentence, found
    assert "turned round after the sum, not before" in found.alternatives[0]


def test_only_the_last_window_of_a_convolution():
    """dk = for += in a loop over windows: which of them is left is said."""

    def forward(x, k):
        return np.stack([x[:, t : t + len(k)] @ k for t in range(x.shape[1] - len(k) + 1)], axis=1)

    def backward(g, x, k):
        dx = np.zeros_like(x)
        for t in range(g.shape[1]):
            dx[:, t : t + len(k)] += g[:, t : t + 1] * k
            dk = g[:, t] @ x[:, t : t + len(k)]
        return dx, dk

    words = "only the path x[:, 5:8] @ k -> k is there", "by = for +=", "last step"
    expect(say((forward, backward), (4, 8), (3,)), "edge weight", *words)


# ---------------------------------------------------------------- everywhere
def test_blocks_in_another_order():
    def backward(g, x, c, W):
        return lstm_step_backward(g, x, c, W, blocks=(1, 0))

    found = say((lstm_step, backward), (2, 3), (2, 4), (3, 8))
    expect(found, "everywhere", "joined in another order, g, f")


def test_the_same_wrong_slope_wherever_it_occurs():
    def backward(g, x, y):
        a, b = nets.sigmoid(x), nets.sigmoid(y)
        return g * b * (1 - a), g * a * (1 - b)

    pair = (lambda x, y: nets.sigmoid(x) * nets.sigmoid(y), backward)
    found = say(pair, (3, 4), (3, 4))
    words = "wherever sigmoid occurs", "the factor y of the slope"
    expect(found, "everywhere", *words, word="one of")
    assert found.k == 1 + len(found.alternatives) == int(found.word.split()[-1])


# ---------------------------------------------------------------- time
@pytest.mark.parametrize(
    ("mistake", "family", "words"),
    [
        ("identity", "time table", ["no gradient is carried from step to step"]),
        ("doubled", "time table", ["carried back from step to step is counted twice"]),
        ("column", "edge weight", ["missing", "-> U", "in every step but the first"]),
        ("stopped", "time table", ["only the last 3 steps are walked", "given as the gradient"]),
        ("new state", "wrong value", ["computed again from the new h", "shifted by one"]),
        ("forward", "time table", ["walked forward in time", "goes to the step after it"]),
        ("added late", "time table", ["carried back to h_{t-1}", "too late", "the derivative"]),
        ("total added up", "time table", ["added up", "the whole gradient of the state after"]),
        ("carried added up", "time table", ["added up", "what was carried to the state after"]),
    ],
)
def test_steps(mistake, family, words):
    pair = nets.pair(nets.rnn, nets.rnn_backward, mistake)
    expect(say(pair, *nets.RNN_SHAPES), family, *words)


def test_only_the_last_step_may_be_a_walk_forward():
    """Where only the last step has a loss, a loop that is not reversed carries zeros until it."""

    def forward(x, U):
        h = np.zeros((x.shape[1], len(U)))
        for x_t in x:
            h = np.tanh(x_t + h @ U)
        return h

    def backward(g, x, U):
        h = [np.zeros((x.shape[1], len(U)))]
        for x_t in x:
            h.append(np.tanh(x_t + h[-1] @ U))
        dx, dU, dh = np.zeros_like(x), np.zeros_like(U), 0 * g
        for t in range(len(x)):
            dx[t] = dz = (dh + (g if t == len(x) - 1 else 0)) * (1 - h[t + 1] ** 2)
            dU, dh = dU + h[t].T @ dz, dz @ U.T
        return dx, dU

    found = say((forward, backward), (5, 2, 4), (4, 4))
    assert found.word == "one of 2" and "no gradient is carried" in found.sentence, found
    assert "walked forward in time" in found.alternatives[0]


def test_the_last_state_at_every_step():
    def forward(x, U, V):
        h = np.zeros((x.shape[1], len(U)))
        for x_t in x:
            h = np.tanh(x_t + h @ U)
        return h @ V

    def backward(g, x, U, V):
        h = [np.zeros((x.shape[1], len(U)))]
        for x_t in x:
            h.append(np.tanh(x_t + h[-1] @ U))
        dx, dU, dh = np.zeros_like(x), np.zeros_like(U), g @ V.T
        for t in reversed(range(len(x))):
            dx[t] = dz = dh * (1 - h[t + 1] ** 2)
            dU, dh = dU + h[-1].T @ dz, dz @ U.T
        return dx, dU, h[-1].T @ g

    found = say((forward, backward), (5, 2, 4), (4, 4), (4, 3))
    expect(found, "wrong value", "uses h of the last step", "multiplied h_{t-1}")


def test_nothing_is_carried_to_the_first_state_either():
    """A run of one step shows it: there h0 gets nothing, which a cut between steps does not say."""

    def backward(g, *inputs):
        dx, dh, dW, dU = nets.rnn_backward(g, *inputs, mistake="identity")
        return dx, 0 * dh, dW, dU

    found = say((nets.rnn, backward), *nets.RNN_SHAPES)
    expect(found, "time table", "no gradient is carried", "nor to the first state")


@pytest.mark.parametrize(
    ("mistake", "family", "words"),
    [
        ("path", "edge weight", ["a path is missing", "-> tanh(c_t)"]),
        ("tanh of tanh", "local rule", ["as if tanh were applied twice"]),
        ("blocks", "everywhere", ["joined in another order, i_t, f_t, o_t, g_t"]),
        ("c without f", "local rule", ["the factor f_t is missing"]),
        ("c added up", "time table", ["carried back to c_{t-1} is added up", "whole gradient"]),
        ("h is not carried", "edge weight", ["a path is missing: h_{t-1} @ U -> h_{t-1}"]),
    ],
)
def test_an_lstm(mistake, family, words):
    pair = nets.pair(nets.lstm, nets.lstm_backward, mistake)
    expect(say(pair, *nets.LSTM_SHAPES), family, *words)


# ---------------------------------------------------------------- pairs, likely, unknown
def test_two_mistakes():
    def backward(g, x, b):
        y = np.tanh(x + b)
        return g * (1 - np.tanh(y) ** 2), (g * (1 - y * y)).mean(axis=0)

    found = say((lambda x, b: np.tanh(x + b), backward), (4, 3), (3,))
    expect(found, "pairs", "two mistakes", "db is", "applied twice", word="likely")


def test_two_paths_are_missing():
    def forward(x):
        d = x - x.mean(axis=-1, keepdims=True)
        return d / np.sqrt((d * d).mean(axis=-1, keepdims=True) + 1e-5)

    def backward(g, x):
        d = x - x.mean(axis=-1, keepdims=True)
        return g / np.sqrt((d * d).mean(axis=-1, keepdims=True) + 1e-5)

    found = say((forward, backward), (3, 5))
    assert found.family == "pairs" and found.word in ("likely", "one of 2"), found
    assert "mean(x)" in found.sentence and "sqrt" in found.sentence


def test_float32_is_likely():
    def backward(g, x):
        return (g.astype("f") * np.cos(x.astype("f"))).astype(float)

    expect(say((np.sin, backward), (3, 4)), "local rule", "float32", word="likely")


def test_nearly_all_of_the_difference_is_likely():
    """The path is missing, but for a hundredth of it."""

    def backward(g, x):
        y, s = np.tanh(x), nets.sigmoid(x)
        return g * ((1 - y * y) * s + (0.001 + 0.001 * np.sin(x)) * y * s * (1 - s))

    found = say((lambda x: np.tanh(x) * nets.sigmoid(x), backward), (3, 4))
    expect(found, "edge weight", "a path is missing", "tanh(x) * ", word="likely")


@pytest.mark.parametrize("factor", [0, 1.001])
def test_one_small_entry_that_is_wrong_is_no_float32(factor):
    scale = np.array([1, 1, 1, 1e-8, 1e-8]) if not factor else np.array([1, 1, 1, 1e-4, 1e-4])
    wrong = np.where(np.arange(5) == 3, factor, 1)
    pair = lambda a: np.sin(a) * scale, lambda g, a: g * scale * wrong * np.cos(a)
    found = say(pair, (5,), seed=3)
    assert found.word == "unknown" and "(rows 3)" in found.sentence, found


def test_unknown_says_where_and_nothing_more():
    def backward(g, x, y):
        dx = g * y
        dx[1] += np.sin(7 * x[1]) * g[1] * y[1] ** 3
        return dx, g * x

    found = say((lambda x, y: x * y, backward), (4, 3), (4, 3))
    assert found.word == "unknown" and found.k == 0 and not found.alternatives
    assert "dx (rows 1)" in found.sentence and "right: dy" in found.sentence


def test_nothing_is_certain_of_a_forward_that_cannot_be_recorded():
    def forward(x):
        return np.array([float(x[0]) ** 2, float(x[1])])

    report = tg.gradcheck((forward, lambda g, x: g * [x[1], 1.0]), [0.5, 0.25])
    assert not report and report.diagnosis.word == "unknown"
    assert report.diagnosis.unrecorded == "float() or .item() of a value"
    with pytest.raises(ValueError, match="could not be recorded"):
        report.draw()


# ---------------------------------------------------------------- what may only look like another
def test_what_cannot_be_done_at_the_first_step_is_not_certain():
    """There is no state before the first one that its step could take."""

    def backward(g, p0, x):
        before = [p0]
        for x_t in x:
            before.append(before[-1] * x_t)
        dx, d = np.zeros_like(x), g
        for t in reversed(range(len(x))):
            dx[t], d = d * before[max(t - 1, 0)], d * x[t]
        return d, dx

    def forward(p0, x):
        p = p0
        for x_t in x:
            p = p * x_t
        return p

    found = say((forward, backward), (3,), (5, 3))
    expect(found, "wrong value", "uses p_{t-2}, of the step before", word="likely")


def products(x, U):
    h, states = np.zeros(len(U)), []
    for x_t in x:
        h = np.tanh(x_t + U @ h)
        states.append(h)
    return np.stack(states)


def products_backward(g, x, U, cut=None, dropped=None, off=0):
    h = [np.zeros(len(U)), *products(x, U)]
    dx, dU, dh = np.zeros_like(x), np.zeros_like(U), 0 * h[0]
    for t in reversed(range(len(x))):
        dx[t] = dz = (dh + g[t] * (t != dropped)) * (1 - h[t + 1] ** 2)
        dU += np.outer(dz, h[t + off])
        dh = U.T @ dz * (t != cut)
    return dx, dU


def test_a_wrong_vector_before_a_matrix():
    pair = products, lambda g, x, U: products_backward(g, x, U, off=1)
    found = say(pair, (5, 3), (3, 3))
    expect(found, "wrong value", "the gradient of U", "uses h_t", "the matrix multiplied h_{t-1}")


def test_a_step_that_a_stack_takes_is_named():
    pair = products, lambda g, x, U: products_backward(g, x, U, dropped=1)
    expect(say(pair, (5, 3), (3, 3)), "edge weight", "is missing", "-> h of step t = 1")


def test_one_cut_is_not_certainly_a_cut_every_few_steps():
    pair = products, lambda g, x, U: products_backward(g, x, U, cut=4)
    found = say(pair, (6, 6), (6, 6))
    assert found.word == "one of 2", found
    assert any("h_{t-1}, in step t = 4 only" in said for said in found.alternatives)


@pytest.mark.parametrize("sizes", [(4, 4), (20, 3)], ids=["T is H", "many steps"])
def test_the_sizes_do_not_matter(sizes):
    T, H = sizes
    shapes = (T, 2, 3), (2, H), (2, H), (3, 4 * H), (H, 4 * H)
    pair = nets.pair(nets.lstm, nets.lstm_backward, "c without f")
    expect(say(pair, *shapes), "local rule", "the factor f_t is missing")


def test_a_running_product_without_its_first_factor():
    def backward(g, x):
        before = np.cumprod(np.vstack([np.ones((1, x.shape[1])), x]), axis=0)
        dx, d = np.zeros_like(x), 0 * g[0]
        for t in reversed(range(len(x))):
            d = d + g[t]
            dx[t], d = d * before[t] * (t > 0), d * x[t]
        return (dx,)

    def forward(x):
        p, out = np.ones(x.shape[1:]), []
        for x_t in x:
            p = p * x_t
            out.append(p)
        return np.stack(out)

    report = tg.gradcheck((forward, backward), 0.7 * np.random.default_rng(11).normal(size=(5, 3)))
    expect(report.diagnosis, "edge weight", "a path is missing", "in the first step only")


# ---------------------------------------------------------------- which of several
def leaky_tanh(x, k, h0):
    h = h0
    for x_t in x:
        h = (1 - k) * h + k * np.tanh(x_t)
    return h


@pytest.mark.parametrize(("kept", "which"), [(0, "first step"), (-1, "last step")])
def test_one_step_is_all_of_what_a_step_takes_twice(kept, which):
    def backward(g, x, k, h0):
        states = [h0]
        for each in x:
            states.append((1 - k) * states[-1] + k * np.tanh(each))
        dx, shares, dh = np.zeros_like(x), [], g
        for t in reversed(range(len(x))):
            c = np.tanh(x[t])
            shares.insert(0, dh * (c - states[t]))
            dx[t], dh = dh * k * (1 - c**2), dh * (1 - k)
        return dx, shares[kept], dh.copy()

    found = say((leaky_tanh, backward), (5, 3), (3,), (3,))
    expect(found, "time table", "the gradient of k", f"share of the {which}", "= for +=")


def test_of_two_places_that_read_alike_the_one_is_named():
    forward = lambda x, a, b: np.tanh(x) * a + np.tanh(x) * b  # noqa: E731
    for wrong in (0, 1):

        def backward(g, x, a, b, wrong=wrong):
            slopes = [1 - np.tanh(x) ** 2] * 2
            slopes[wrong] = np.ones_like(x)
            return g * a * slopes[0] + g * b * slopes[1], g * np.tanh(x), g * np.tanh(x)

        found = say((forward, backward), (3, 4), (3, 4), (3, 4))
        expect(found, "local rule", "tanh", f"in place {wrong + 1} of the 2 that read so")


def states_of(x, U):
    h, states = np.zeros(len(U)), [np.zeros(len(U))]
    for t in range(len(x)):
        h = np.tanh(x[t] + U @ h)
        states.append(h)
    return states


def test_a_single_cut_is_the_path_that_is_missing():
    def backward(g, x, U):
        states, dx, dU, dh = states_of(x, U), np.zeros_like(x), np.zeros_like(U), 0 * g[0]
        for t in reversed(range(len(x))):
            dx[t] = dz = (dh + g[t]) * (1 - states[t + 1] ** 2)
            dU, dh = dU + np.outer(dz, states[t]), U.T @ dz * (t != 2)
        return dx, dU

    pair = (lambda x, U: np.stack(states_of(x, U)[1:]), backward)
    words = ["a path is missing: U @ h_{t-1} -> h_{t-1}, in step t = 2 only"]
    expect(say(pair, (6, 3), (3, 3)), "edge weight", *words)


def test_a_maximum_over_time_hides_no_step():
    """Of a state that no maximum takes all goes through one path, so that this looks missing."""

    def backward(g, x, U):
        states, dx, dU = states_of(x, U), np.zeros_like(x), np.zeros_like(U)
        top, dh = np.argmax(states[1:], axis=0), np.zeros(len(U))
        for t in reversed(range(len(x))):
            dx[t] = dz = (dh + g * (top == t)) * (1 - states[t + 1] ** 2)
            dU, dh = dU + np.outer(dz, states[t]) * (t != 1), U.T @ dz
        return dx, dU

    pair = (lambda x, U: np.stack(states_of(x, U)[1:]).max(axis=0), backward)
    for seed in range(4):
        found = say(pair, (5, 3), (3, 3), seed=seed)
        expect(found, "edge weight", "a path is missing: U @ h_{t-1} -> U, in step t = 1 only")


def test_a_mean_over_one_less():
    def forward(x):
        return x - x.mean(axis=1, keepdims=True) * x

    def backward(g, x):
        n = x.shape[1]
        mean = x.mean(axis=1, keepdims=True)
        return g * (1 - mean) - (g * x).sum(axis=1, keepdims=True) / (n - 1) + 0 * x

    found = say((forward, backward), (3, 5))
    expect(found, "local rule", "divided by 5 - 1, not by the number of entries, 5")


def test_scaled_to_a_norm_of_its_own():
    def backward(g, x):
        g = 2 * g * x
        return g / (1 + np.linalg.norm(x))

    found = say((np.square, backward), (3, 4))
    expect(found, "global", "a factor that is another one in every case", word="likely")


@pytest.mark.parametrize("by", [1, -1])
def test_the_mask_of_another_step_in_all_rules(by):
    def run(x, m, U, h0):
        states, new = [h0], []
        for t in range(len(x)):
            new.append(np.tanh(x[t] + states[-1] @ U))
            states.append(m[t] * new[-1] + (1 - m[t]) * states[-1])
        return states, new

    def backward(g, x, m, U, h0):
        states, new = run(x, m, U, h0)
        dx, dU, dh = np.zeros_like(x), np.zeros_like(U), 0 * h0
        for t in reversed(range(len(x))):
            mask = m[t + by] if 0 <= t + by < len(m) else m[t]
            dh = dh + g[t]
            dx[t] = dz = dh * mask * (1 - new[t] ** 2)
            dU, dh = dU + states[t].T @ dz, dh * (1 - mask) + dz @ U.T
        return dx, None, dU, dh

    rng = np.random.default_rng(2)
    mask = rng.integers(2, size=(5, 2, 1))
    mask[:2] = [[[1], [0]], [[0], [1]]]
    pair = (lambda *inputs: np.stack(run(*inputs)[0][1:]), backward)
    x, U, h0 = (rng.normal(size=shape) for shape in ((5, 2, 3), (3, 3), (2, 3)))
    found = tg.gradcheck(pair, x, mask, U, h0, names=["x", "m", "U", "h0"]).diagnosis
    assert found is not None
    expect(found, "wrong value", "the mask m of the step", "next" if by > 0 else "previous")


def test_an_encoders_state_is_not_a_step_ahead():
    """Its step is counted in another loop."""

    def run(x, y, A, B):
        h, s, states, out = np.zeros(len(A)), np.zeros(len(A)), [], []
        for t in range(len(x)):
            h = np.tanh(x[t] + A @ h)
            states.append(h)
        for t in range(len(y)):
            s = np.tanh(y[t] + B @ s + h)
            out.append(s)
        return states, out

    def backward(g, x, y, A, B):
        states, out = run(x, y, A, B)
        dx, dy, dA, dB = (np.zeros_like(each) for each in (x, y, A, B))
        ds, dh = 0 * g[0], 0 * g[0]
        for t in reversed(range(len(y))):
            dy[t] = dz = (ds + g[t]) * (1 - out[t] ** 2)
            dh = dh + dz * (t > 0)
            ds = B.T @ dz
            dB += np.outer(dz, out[t - 1] if t else 0 * dz)
        for t in reversed(range(len(x))):
            dx[t] = dz = dh * (1 - states[t] ** 2)
            dA += np.outer(dz, states[t - 1] if t else 0 * dz)
            dh = A.T @ dz
        return dx, dy, dA, dB

    pair = (lambda *inputs: np.stack(run(*inputs)[1]), backward)
    found = say(pair, (4, 3), (3, 3), (3, 3), (3, 3))
    assert "-> h" in found.sentence and "t+" not in found.sentence, found


# ---------------------------------------------------------------- factors of single numbers
X = np.random.default_rng(0).normal(size=(3, 4))


@pytest.mark.parametrize(
    ("forward", "backward", "a", "words"),
    [
        (lambda x, a: (1 - a) * x, lambda g, x, a: ((1 + a) * g, -(g * x).sum()), 0.9,
         "dx is (1 + a) / (1 - a) times the true one"),
        (lambda x, a: a * x, lambda g, x, a: ((1 - a) * g, (g * x).sum()), 0.3,
         "dx is (1 - a) / a times the true one"),
        (lambda x, a: a * np.sin(x), lambda g, x, a: (a**3 * g * np.cos(x), (g * np.sin(x)).sum()),
         2.0, "dx is a ** 2 times the true one"),
    ],
)  # fmt: skip
def test_a_factor_made_of_a_single_number(forward, backward, a, words):
    found = tg.gradcheck((forward, backward), X, a, names=["x", "a"]).diagnosis
    assert found is not None
    expect(found, "global", words)


def test_the_sum_of_a_mask_of_floats():
    pair = (
        lambda y, m: (y * y * m).sum() / m.sum(),
        lambda g, y, m: (2 * g * y * m, None),
    )
    found = tg.gradcheck(pair, X, 1.0 * (X > 0), wrt=0, names=["y", "m"]).diagnosis
    assert found is not None and "(N = m.sum())" in found.sentence, found


def test_g_is_ignored_for_one_input():
    pair = (
        lambda y, t: ((y - t) ** 2).sum(),
        lambda g, y, t: (2 * (y - t), -2 * g * (y - t)),
    )
    found = tg.gradcheck(pair, X, 2 * X[::-1], names=["y", "t"]).diagnosis
    assert found is not None and "the incoming gradient is ignored" in found.sentence, found


def test_a_first_state_of_zeros_hides_the_share_of_its_step():
    def backward(g, x, U):
        states, dx, dU, dh = states_of(x, U), np.zeros_like(x), np.zeros_like(U), 0 * g[0]
        for t in reversed(range(len(x))):
            dx[t] = dz = (dh + g[t]) * (1 - states[t + 1] ** 2)
            dU, dh = np.outer(dz, states[t]), U.T @ dz
        return dx, dU

    pair = (lambda x, U: np.stack(states_of(x, U)[1:]), backward)
    expect(say(pair, (5, 3), (3, 3)), "global", "or that of the first step alone", "= for +=")


# ---------------------------------------------------------------- forwards that are not analytic
def test_magnitudes_beside_masks_are_diagnosed():
    """A boolean line has no sign; the search ended in an error there."""
    pair = (
        lambda y, t, m: (np.abs(y - t) * m).sum() / m.sum(),
        lambda g, y, t, m: (g * np.sign(y - t) * m, -g * np.sign(y - t) * m / m.sum(), None),
    )
    found = tg.gradcheck(pair, X, 2 * X, X > 0, names=["y", "t", "m"]).diagnosis
    assert found is not None
    expect(found, "global", "(N = m.sum())")
