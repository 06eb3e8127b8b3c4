"""A compiled program gives what the recorded one gives, at other values too, or is refused."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import nn
from tinygrad_rnn.functional import cross_entropy


def tensors(rng, **shapes):
    return [tg.Tensor(rng.standard_normal(s), True, name) for name, s in shapes.items()]


def loss_and_gradients(layer, names):
    """The function that training compiles: (x, weights...) to (loss, gradients...)."""

    def step(x, *weights):
        output, _ = nn.functional_call(layer, dict(zip(names, weights, strict=True)), x)
        loss = (output * output).sum()
        return loss, *tg.grad(loss, [x, *weights], create_graph=True)

    return step


LAYERS = {
    "rnn": lambda: nn.RNN(3, 4, rng=0),
    "lstm": lambda: nn.LSTM(3, 4, rng=0),
    "lstm, two layers, both ways": lambda: nn.LSTM(3, 4, 2, bidirectional=True, rng=0),
    "relu rnn": lambda: nn.RNN(3, 4, nonlinearity="relu", rng=0),
    "gru": lambda: nn.GRU(3, 4, rng=0),
    "gru, reset before": lambda: nn.GRU(3, 4, reset_after=False, rng=0),
}


@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
def test_a_recurrent_layer_and_its_bptt(make):
    layer, rng = make(), np.random.default_rng(1)
    names = [name for name, _ in layer.named_parameters()]
    step = loss_and_gradients(layer, names)
    x = tg.Tensor(rng.standard_normal((6, 2, 3)), requires_grad=True)
    weights = [p for _, p in layer.named_parameters()]
    run = tg.compile(step, x, *weights)
    for _ in range(2):  # at values that it was not recorded with
        arrays = [rng.standard_normal(t.shape) for t in (x, *weights)]
        expected = step(*[tg.Tensor(a, requires_grad=True) for a in arrays])
        found = run(*arrays)
        for y, z in zip(expected, found, strict=True):
            assert y.data.shape == z.shape and y.data.dtype == z.dtype
            np.testing.assert_allclose(z, y.data, rtol=1e-13, atol=1e-13)


def test_a_loss_with_fixed_targets_and_the_second_derivative():
    targets = np.array([0, 2, 1])

    def f(z):
        (g,) = tg.grad(cross_entropy(z, targets), [z], create_graph=True)
        return g, tg.grad((g * g).sum(), z, create_graph=True)

    rng = np.random.default_rng(0)
    (z,) = tensors(rng, z=(3, 4))
    run = tg.compile(f, z)
    other = rng.standard_normal((3, 4))
    for y, found in zip(f(tg.Tensor(other, requires_grad=True)), run(other), strict=True):
        np.testing.assert_allclose(found, y.data, rtol=1e-13, atol=1e-15)


def test_the_text_is_the_program():
    rng = np.random.default_rng(0)
    x, w = tensors(rng, x=(2, 3), w=(3, 4))

    def f(x, w):
        a, b = tg.split(x @ w, 2, axis=1)
        return -(2.0 * a) / tg.sigmoid(b) - x[:, 1:].sum()

    run = tg.compile(f, x, w)
    assert run.source.splitlines() == [
        "def program(v0, v1):",
        "    v2 = v0 @ v1",
        "    v3 = v2[:, 0:2]",
        "    v4 = v2[:, 2:4]",
        "    del v2",
        "    v5 = 2.0 * v3",
        "    del v3",
        "    v6 = -v5",
        "    del v5",
        "    v7 = sigmoid(v4)",
        "    del v4",
        "    v8 = v6 / v7",
        "    del v6, v7",
        "    v9 = v0[:, 1:]",
        "    v10 = sum(v9, axis=None, keepdims=False)",
        "    del v9",
        "    v11 = v8 - v10",
        "    return v11",
    ]
    np.testing.assert_array_equal(run(x, w), f(x, w).data)


def test_equal_lines_are_computed_once():
    (x,) = tensors(np.random.default_rng(0), x=(3, 3))
    run = tg.compile(lambda x: x.T @ x.T + x.T, x)
    assert run.source.count("transpose") == 1
    np.testing.assert_array_equal(run(x), (x.data.T @ x.data.T) + x.data.T)


def test_the_parts_of_a_split_are_joined_and_overlapping_ones_added():
    (x,) = tensors(np.random.default_rng(0), x=(2, 6))

    def gradient(cut):
        def f(x):
            parts = cut(x)
            loss = sum(((k + 1) * (p**3).sum() for k, p in enumerate(parts)), 0.0)
            return tg.grad(loss, x, create_graph=True)

        run = tg.compile(f, x)
        np.testing.assert_allclose(run(x), f(x).data, rtol=1e-14)
        return run.source

    assert "concatenate" in gradient(lambda x: tg.split(x, 3, axis=1))
    assert "concatenate" in gradient(lambda x: tg.split(x, 2, axis=0)[::-1])
    for partial in (
        lambda x: tg.split(x, 3, axis=1)[1:],
        lambda x: tg.split(x, 3, axis=1)[:2],
        lambda x: [x[:, :4], x[:, 3:]],
        lambda x: [x[:, :3], x[:, 3:], x[:, 3:]],
        lambda x: [x[:1, :3], x[:1, 3:]],
        lambda x: [x[:, :4:2], x[:, 4:]],
        lambda x: [x[:, 0], x[:, 1:]],
        lambda x: [x[0], x[1:]],
    ):
        assert "concatenate" not in gradient(partial)


def test_names_and_constants_of_every_kind():
    (x,) = tensors(np.random.default_rng(0), x=(3,))
    named = tg.Tensor(np.arange(3.0), name='v0"; import os')
    korean = tg.Tensor(np.arange(3.0) + 1, name="상수")
    negative = tg.compile(lambda x: x * -1.5 + named - korean * np.float64(2.0) - named, x)
    expected = x.data * -1.5 + named.data - korean.data * 2.0 - named.data
    np.testing.assert_array_equal(negative(x), expected)


def test_indices_of_every_kind():
    (x,) = tensors(np.random.default_rng(0), x=(4, 5))
    chosen = np.array([3, 0, 0])
    indices = [0, (slice(None), -1), (..., None), chosen, (chosen, slice(0, 4, 2)), (1, 2)]
    for index in indices:
        run = tg.compile(lambda x, index=index: x[index] * 1.0, x)
        np.testing.assert_array_equal(run(x.data + 1), (x.data + 1)[index])


def test_whole_numbers_are_no_input():
    z, k = tg.Tensor(np.eye(2), requires_grad=True), tg.Tensor([1, 1])
    with pytest.raises(TypeError, match="input 1 of compile is of int64"):
        tg.compile(lambda z, k: cross_entropy(z, k), z, k)


KINKED = {
    "relu": lambda x, y: tg.relu(x),
    "abs": lambda x, y: abs(x),
    "clip": lambda x, y: tg.clip(x, -0.5, 0.5),
    "maximum": lambda x, y: tg.maximum(x, y),
    "minimum": lambda x, y: tg.minimum(x, y),
    "prod": lambda x, y: tg.prod(x, axis=1),
    "max": lambda x, y: tg.max(x, axis=0),
    "min": lambda x, y: tg.min(x),
    "softmax": lambda x, y: tg.functional.softmax(x) * y,
    "power": lambda x, y: tg.power(tg.square(x), 1.5) * tg.power(y, 3),
}


@pytest.mark.parametrize("f", KINKED.values(), ids=KINKED)
def test_masks_are_part_of_the_program(f):
    rng = np.random.default_rng(3)

    def step(x, y):
        z = f(x, y)
        return z, tg.grad(tg.sum(z * z), [x, y], create_graph=True, allow_unused=True)[0]

    run = tg.compile(step, *tensors(rng, x=(3, 4), y=(3, 4)))
    for k in range(4):
        x, y = tensors(rng, x=(3, 4), y=(3, 4))
        x.data = np.where(np.arange(12).reshape(3, 4) % 3, x.data, 0.0) if k == 3 else x.data
        for expected, found in zip(step(x, y), run(x, y), strict=True):
            np.testing.assert_allclose(found, expected.data, rtol=1e-13, atol=1e-15)


def branching(x):
    return x * 2 if x.data.sum() > 0 else x * 3


NOISE = np.random.default_rng(0)


def noisy(x):
    return x * NOISE.standard_normal(3)


@pytest.mark.parametrize(
    "f",
    [
        branching,
        noisy,
        lambda x: tg.functional.dropout(x, 0.5, rng=np.random.default_rng()),
        lambda x: x * (x.data > 0),
        lambda x: x[np.argsort(x.data)],
        lambda x: tg.sum(tg.stack([x] * (1 + int(x.data[0] > 0)))),
        lambda x: tg.clip(x, x.data.min(), 2.0),
    ],
)
def test_what_depends_on_values_is_refused(f):
    (x,) = tensors(np.random.default_rng(0), x=(3,))
    with pytest.raises(ValueError, match="another program for other values"):
        tg.compile(f, x)


def test_bad_input():
    (x,) = tensors(np.random.default_rng(0), x=(3,))
    with pytest.raises(TypeError, match="input 0 of compile is a ndarray"):
        tg.compile(lambda x: x, np.zeros(3))
    with pytest.raises(TypeError, match="gave float"):
        tg.compile(lambda x: 1.0, x)
    run = tg.compile(lambda x: x * 2, x)
    for bad in ([np.zeros(4)], [np.zeros(3, np.float32)], [], [x, x]):
        with pytest.raises(ValueError, match="compile the function again"):
            run(*bad)


def test_one_output_or_several():
    (x,) = tensors(np.random.default_rng(0), x=(3,))
    assert isinstance(tg.compile(lambda x: x.sum(), x)(x), np.ndarray)
    assert isinstance(tg.compile(lambda x: [x.sum()], x)(x), tuple)
    np.testing.assert_array_equal(tg.compile(lambda x: x, x)(x), x.data)


def test_nothing_is_kept_and_nothing_is_recorded():
    (x,) = tensors(np.random.default_rng(0), x=(3,))
    run = tg.compile(lambda x: tg.tanh(x) * x, x)
    x.data = np.zeros(3)
    assert x.grad is None and not run(np.zeros(3)).any()
    assert repr(run) == "<compiled program of 2 operations>"


# ---------------------------------------------------------------- what a reviewer found
def test_results_are_new_arrays():
    (x,) = tensors(np.random.default_rng(0), x=(3,))
    w = tg.Tensor(np.ones(3), requires_grad=True)
    run = tg.compile(lambda x: (x * w, w, x * 2, x * 2, x), x)
    for found in run(x):
        found[...] = 42.0
    assert w.data.tolist() == [1.0, 1.0, 1.0] and 42.0 not in x.data
    np.testing.assert_array_equal(run(x)[1], np.ones(3))


def test_what_the_function_holds_is_as_it_was():
    (x,) = tensors(np.random.default_rng(0), x=(3,))
    held = np.ones(3)
    run = tg.compile(lambda x: x * held, x)
    held[:] = 7.0
    np.testing.assert_array_equal(run(x), x.data)


def adds_in_place(x):
    y = tg.tanh(x)
    with tg.no_grad():
        y += 1
    return y * 2


def replaces_its_input(x):
    x.data = x.data * 10
    return x * 2


def test_arrays_that_were_replaced_are_refused():
    (x,) = tensors(np.random.default_rng(0), x=(3,))
    with pytest.raises(RuntimeError, match="was changed in place"):
        tg.compile(adds_in_place, x)
    with pytest.raises(ValueError, match="replaced the data"):
        tg.compile(replaces_its_input, x)
    w = tg.Tensor([0.1, 0.2, 0.3], requires_grad=True, name="w")
    h = tg.tanh(w)
    w.data = np.ones(3)
    with pytest.raises(RuntimeError, match="'w' was changed in place"):
        tg.compile(lambda x: x * h, x)


def test_backward_is_no_part_of_a_program():
    (x,) = tensors(np.random.default_rng(0), x=(3,))

    def f(x):
        y = (x * x).sum()
        y.backward()
        return y

    with pytest.raises(ValueError, match=r"called backward\(\)"):
        tg.compile(f, x)


def made(name, forward, *rules):
    return tg.primitive(forward, *rules, name=name)


def test_somebody_elses_operation_of_a_known_name_is_called():
    (x,) = tensors(np.random.default_rng(0), x=(3,))
    for name in ("divide", "negative", "matmul", "getitem", "split", "class", "program", "µ"):
        op = made(name, lambda x: 3 * x, lambda g, out, x: 3 * g)
        run = tg.compile(lambda x, op=op: op(x) * 2, x)
        np.testing.assert_array_equal(run(x), 6 * x.data)


def test_operations_of_one_name_are_told_apart():
    (x,) = tensors(np.random.default_rng(0), x=(3,))
    twice, thrice = (made("f", lambda x, k=k: k * x, lambda g, out, x: g) for k in (2, 3))
    run = tg.compile(lambda x: twice(x) + thrice(x), x)
    np.testing.assert_allclose(run(x), 5 * x.data)
    with pytest.raises(ValueError, match="another program"):
        tg.compile(lambda x: twice(x) if x.data.sum() > 0 else thrice(x), x)


def test_a_forward_that_gives_no_array():
    (x,) = tensors(np.random.default_rng(0), x=(3,))
    listed = made("listed", lambda x: [float(v) for v in x], lambda g, out, x: g)
    run = tg.compile(lambda x: listed(x) * 2, x)
    np.testing.assert_array_equal(run(x), 2 * x.data)
    draws = made("draws", lambda x: x * NOISE.standard_normal(), lambda g, out, x: g)
    assert np.all(tg.compile(lambda x: draws(x) - draws(x), x)(x) != 0)


def swapped(x, y):
    return (x, y) if x.data.sum() > y.data.sum() else (y, x)


def chosen(x, y):
    a, b = x * 2, x * 3
    return (a, b) if x.data[0] > 0 else (b, a)


def one_or_two(x, y):
    a = x * 2
    return [a, a * 3] if x.data[0] > 0 else [a * 3]


def not_a_number(x, y):
    return x * (float("nan") if x.data[0] > 0 else 1.0)


def clipped_by_norm(x, y):
    n = np.sqrt((x.data**2).sum())
    return x * (5 / n) if n > 50 else x * 1.0


@pytest.mark.parametrize("f", [swapped, chosen, one_or_two, not_a_number, clipped_by_norm])
def test_results_and_thresholds_that_depend_on_values_are_refused(f):
    with pytest.raises(ValueError, match="another program for other values"):
        tg.compile(f, *tensors(np.random.default_rng(0), x=(3,), y=(3,)))


@pytest.mark.parametrize(
    "name",
    ["WT Wᵀ", "µ μ", "ﬁ fi", "x² x2", "lambda", "None", "program", "v0", "1", "", "sum", "π"],
)
def test_any_name_of_a_constant(name):
    (x,) = tensors(np.random.default_rng(0), x=(3,))
    held = [tg.Tensor(np.arange(3.0) + k, name=part) for k, part in enumerate(name.split(" "))]
    run = tg.compile(lambda x: sum((c * (k + 1) for k, c in enumerate(held)), x), x)
    expected = x.data + sum((k + 1) * c.data for k, c in enumerate(held))
    np.testing.assert_array_equal(run(x), expected)


def test_whole_numbers_of_numpy_in_indices():
    (x,) = tensors(np.random.default_rng(0), x=(3, 4))
    a, b = np.cumsum([1, 2])
    run = tg.compile(lambda x: x[a:b, :: np.int64(2)] * x[a, None, np.uint8(2)], x)
    np.testing.assert_array_equal(run(x), x.data[1:3, ::2] * x.data[1, None, 2])


def test_what_f_raises_at_other_values_says_whose_values_they_are():
    x = tg.Tensor([1.0, 2.0])

    def f(x):
        if (x.data <= 0).any():
            raise ValueError("x must be positive")
        return x * 2

    with pytest.raises(ValueError, match="positive") as caught:
        tg.compile(f, x)
    assert "compile ran f at other values" in caught.value.__notes__[0]


def test_no_grad_outside_is_no_mask_and_empty_inputs_warn_of_nothing():
    (x,) = tensors(np.random.default_rng(0), x=(0, 3))
    with tg.no_grad():
        run = tg.compile(lambda x: tg.tanh(x).sum(axis=0), x)
    np.testing.assert_array_equal(run(x), np.zeros(3))
    with pytest.raises(TypeError, match="at least one Tensor"):
        tg.compile(lambda x: (), x)
