"""The optimizers against PyTorch, against steps worked out by hand, and in wrong hands."""

from __future__ import annotations

import inspect
from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_rnn as tg
from tinygrad_rnn import Tensor, nn, optim

try:
    import torch
except ImportError:
    torch = None

needs_torch = pytest.mark.skipif(torch is None, reason="PyTorch is not installed: .[oracle]")

SHAPES = [(4, 3), (3,), (), (2, 1, 2)]
SETTINGS = {
    "SGD": [
        {"lr": 0.05},
        {"lr": 0.05, "momentum": 0.9},
        {"lr": 0.05, "momentum": 0.9, "dampening": 0.3},
        {"lr": 0.05, "momentum": 0.9, "nesterov": True},
        {"lr": 0.05, "momentum": 0.8, "nesterov": True, "weight_decay": 0.1},
        {"lr": 0.05, "weight_decay": 0.2, "maximize": True},
    ],
    "RMSprop": [
        {},
        {"lr": 0.02, "alpha": 0.9, "eps": 1e-3},
        {"momentum": 0.7, "weight_decay": 0.1},
        {"centered": True},
        {"centered": True, "momentum": 0.5, "maximize": True},
    ],
    "Adagrad": [
        {},
        {"lr": 0.1, "lr_decay": 0.05, "weight_decay": 0.1},
        {"initial_accumulator_value": 0.3, "eps": 1e-3, "maximize": True},
    ],
    "Adam": [
        {},
        {"lr": 0.02, "betas": (0.8, 0.95), "eps": 1e-4},
        {"weight_decay": 0.1, "amsgrad": True},
        {"weight_decay": 0.1, "maximize": True},
    ],
    "AdamW": [{}, {"lr": 0.02, "weight_decay": 0.3, "amsgrad": True}, {"maximize": True}],
}
EVERY = [
    pytest.param(name, settings, id=f"{name}-{'-'.join(settings) or 'defaults'}")
    for name, several in SETTINGS.items()
    for settings in several
]
NAMES = list(SETTINGS)


def parameters(rng, shapes=SHAPES, dtype=float):
    return [
        Tensor(rng.standard_normal(shape), requires_grad=True, name=f"w{k}", dtype=dtype)
        for k, shape in enumerate(shapes)
    ]


def gradients(rng, steps, shapes=SHAPES, dtype=float):
    """Steps of gradients; sizes from 1e-3 to 1e3, sometimes exactly zero, sometimes none at all."""
    sizes = 10.0 ** rng.uniform(-3, 3, (steps, len(shapes)))
    kinds = rng.choice(["dense", "zero", "none"], p=[0.8, 0.1, 0.1], size=(steps, len(shapes)))

    def draw(kind, size, shape):
        g = np.asarray(size * rng.standard_normal(shape), dtype)
        return None if kind == "none" else g * (kind == "dense")

    return [[draw(*one) for one in zip(*row, shapes)] for row in zip(kinds, sizes)]


def run(optimizer, steps, rates=None):
    """Feed gradients; the parameters after every step."""
    trace = []
    for k, grads in enumerate(steps):
        if rates is not None:
            optimizer.lr = rates[k]
        for p, g in zip(optimizer.parameters, grads):
            p.grad = None if g is None else np.array(g)
        optimizer.step()
        trace.append([p.numpy() for p in optimizer.parameters])
    return trace


def run_torch(name, start, settings, steps, rates=None):
    ws = [torch.tensor(array, requires_grad=True) for array in start]
    optimizer = getattr(torch.optim, name)(ws, **settings)
    trace = []
    for k, grads in enumerate(steps):
        if rates is not None:
            optimizer.param_groups[0]["lr"] = rates[k]
        for w, g in zip(ws, grads):
            w.grad = None if g is None else torch.tensor(g)
        optimizer.step()
        trace.append([w.detach().numpy().copy() for w in ws])
    return trace


def assert_same_trace(ours, theirs, tolerance):
    for k, (mine, yours) in enumerate(zip(ours, theirs, strict=True)):
        for a, b in zip(mine, yours, strict=True):
            assert a.dtype == b.dtype
            error, scale = np.max(np.abs(a - b)), max(np.max(np.abs(b)), 1e-2)
            assert error <= tolerance * scale, f"after {k + 1} steps: {a} and PyTorch's {b}"


# ---------------------------------------------------------------- PyTorch's numbers
@needs_torch
@pytest.mark.parametrize("name, settings", EVERY)
def test_float64_numbers_are_torchs_over_many_steps(name, settings):
    rng = np.random.default_rng(1)
    ws, steps = parameters(rng), gradients(rng, 200)
    start = [w.numpy() for w in ws]
    ours = run(getattr(optim, name)(ws, **settings), steps)
    assert_same_trace(ours, run_torch(name, start, settings, steps), 1e-12)


@needs_torch
@pytest.mark.parametrize("name, settings", EVERY)
def test_float32_stays_float32_and_near_torchs(name, settings):
    rng = np.random.default_rng(2)
    ws = parameters(rng, dtype=np.float32)
    steps = gradients(rng, 30, dtype=np.float32)
    start = [w.numpy() for w in ws]
    optimizer = getattr(optim, name)(ws, **settings)
    # centered: v - m^2 cancels, and that is as bad in PyTorch as here
    tolerance = 1e-3 if settings.get("centered") else 2e-5
    assert_same_trace(run(optimizer, steps), run_torch(name, start, settings, steps), tolerance)
    for key, value in optimizer.state_dict().items():
        assert not isinstance(value, np.ndarray) or value.dtype == np.float32, key


@needs_torch
@given(data=st.data(), seed=st.integers(0, 2**32 - 1))
def test_any_settings_and_changing_learning_rates(data, seed):
    name = data.draw(st.sampled_from(NAMES))
    rng = np.random.default_rng(seed)
    settings = {"lr": 0.01, "weight_decay": data.draw(st.sampled_from([0, 0.1]))}
    if name in ("SGD", "RMSprop"):
        settings["momentum"] = data.draw(st.sampled_from([0, 0.5, 0.99]))
    if name in ("Adam", "AdamW"):
        settings["betas"] = tuple(rng.uniform(0, 1, 2))
        settings["amsgrad"] = data.draw(st.booleans())
    shapes = data.draw(st.lists(st.sampled_from([(1,), (3, 2), (2, 2)]), min_size=1, max_size=3))
    ws, steps, rates = parameters(rng, shapes), gradients(rng, 20, shapes), rng.uniform(0, 0.1, 20)
    start = [w.numpy() for w in ws]
    ours = run(getattr(optim, name)(ws, **settings), steps, rates)
    assert_same_trace(ours, run_torch(name, start, settings, steps, rates), 1e-12)


@needs_torch
@pytest.mark.parametrize("name", NAMES)
def test_arguments_and_defaults_are_torchs(name):
    ours = inspect.signature(getattr(optim, name)).parameters
    theirs = inspect.signature(getattr(torch.optim, name)).parameters
    for argument, parameter in ours.items():
        assert parameter.default == theirs[argument].default, argument
    how_to_compute = {"foreach", "fused", "capturable", "differentiable", "decoupled_weight_decay"}
    assert set(theirs) - set(ours) == how_to_compute & set(theirs)
    positional = [a for a, p in ours.items() if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert positional == list(theirs)[: len(positional)]


@needs_torch
def test_training_an_lstm_gives_torchs_weights():
    rng = np.random.default_rng(3)
    x, target = rng.standard_normal((5, 3, 2)), rng.standard_normal((5, 3, 4))
    ours, theirs = nn.LSTM(2, 4, rng=0), torch.nn.LSTM(2, 4, dtype=torch.float64)
    theirs.load_state_dict({k: torch.tensor(v) for k, v in ours.state_dict().items()})
    mine = optim.Adam(ours.parameters(), lr=0.01)
    yours = torch.optim.Adam(theirs.parameters(), lr=0.01)
    for _ in range(30):
        mine.zero_grad()
        yours.zero_grad()
        tg.functional.mse_loss(ours(x)[0], target).backward()
        torch.nn.functional.mse_loss(theirs(torch.tensor(x))[0], torch.tensor(target)).backward()
        ours_norm = optim.clip_grad_norm_(ours.parameters(), 0.05)
        theirs_norm = torch.nn.utils.clip_grad_norm_(theirs.parameters(), 0.05)
        assert ours_norm == pytest.approx(theirs_norm.item(), rel=1e-10)
        mine.step()
        yours.step()
    for name, value in theirs.state_dict().items():
        np.testing.assert_allclose(ours.state_dict()[name], value.numpy(), rtol=0, atol=1e-10)


# ---------------------------------------------------------------- worked out by hand
def two_steps(optimizer, g1=0.5, g2=-0.25):
    (w,) = optimizer.parameters
    values = []
    for g in (g1, g2):
        w.grad = np.array([g])
        optimizer.step()
        values.append(w.item())
    return values


def one(value=1.0):
    return [Tensor([value], requires_grad=True)]


def test_sgd_by_hand():
    assert two_steps(optim.SGD(one(), lr=0.1)) == pytest.approx([0.95, 0.975])
    # v = 0.5, then 0.9 * 0.5 - 0.25 = 0.2
    assert two_steps(optim.SGD(one(), lr=0.1, momentum=0.9)) == pytest.approx([0.95, 0.93])
    # v = 0.5 (no dampening of the first), then 0.9 * 0.5 - 0.6 * 0.25 = 0.3
    dampened = optim.SGD(one(), lr=0.1, momentum=0.9, dampening=0.4)
    assert two_steps(dampened) == pytest.approx([0.95, 0.92])
    # 0.5 + 0.9 * 0.5 = 0.95, then -0.25 + 0.9 * 0.2 = -0.07
    nesterov = optim.SGD(one(), lr=0.1, momentum=0.9, nesterov=True)
    assert two_steps(nesterov) == pytest.approx([0.905, 0.912])
    # 0.5 + 0.2 * 1 = 0.7, then -0.25 + 0.2 * 0.93 = -0.064
    assert two_steps(optim.SGD(one(), lr=0.1, weight_decay=0.2)) == pytest.approx([0.93, 0.9364])
    assert two_steps(optim.SGD(one(), lr=0.1, maximize=True)) == pytest.approx([1.05, 1.025])


def test_rmsprop_by_hand():
    v1 = 0.1 * 0.25
    v2 = 0.9 * v1 + 0.1 * 0.0625
    d1, d2 = 0.5 / (sqrt(v1) + 1e-2), -0.25 / (sqrt(v2) + 1e-2)
    plain = optim.RMSprop(one(), lr=0.1, alpha=0.9, eps=1e-2)
    assert two_steps(plain) == pytest.approx([1 - 0.1 * d1, 1 - 0.1 * (d1 + d2)])
    heavy = optim.RMSprop(one(), lr=0.1, alpha=0.9, eps=1e-2, momentum=0.5)
    assert two_steps(heavy) == pytest.approx([1 - 0.1 * d1, 1 - 0.1 * (d1 + 0.5 * d1 + d2)])
    m1, m2 = 0.05, 0.9 * 0.05 - 0.1 * 0.25
    d1 = 0.5 / (sqrt(v1 - m1**2) + 1e-2)
    d2 = -0.25 / (sqrt(v2 - m2**2) + 1e-2)
    centered = optim.RMSprop(one(), lr=0.1, alpha=0.9, eps=1e-2, centered=True)
    assert two_steps(centered) == pytest.approx([1 - 0.1 * d1, 1 - 0.1 * (d1 + d2)])


def test_centered_rmsprop_survives_a_constant_gradient():
    """The variance of a constant is zero; rounding must not make it negative and its root nan."""
    rng = np.random.default_rng(0)
    w = Tensor(np.zeros(200), requires_grad=True)
    optimizer = optim.RMSprop([w], alpha=0.5, eps=1e-2, centered=True)
    constant = rng.standard_normal(200)
    for _ in range(200):
        w.grad = constant
        optimizer.step()
    assert np.all(np.isfinite(w.data))


def test_adagrad_by_hand():
    d1, d2 = 0.5 / (0.5 + 1e-2), -0.25 / (sqrt(0.3125) + 1e-2)
    plain = optim.Adagrad(one(), lr=0.1, eps=1e-2)
    assert two_steps(plain) == pytest.approx([1 - 0.1 * d1, 1 - 0.1 * (d1 + d2)])
    d1, d2 = 0.5 / (sqrt(0.75) + 1e-2), -0.25 / (sqrt(0.8125) + 1e-2)
    slower = optim.Adagrad(one(), lr=0.1, eps=1e-2, lr_decay=1, initial_accumulator_value=0.5)
    assert two_steps(slower) == pytest.approx([1 - 0.1 * d1, 1 - 0.1 * (d1 + d2 / 2)])


def test_adam_by_hand():
    # the first step is lr g / |g|, whatever the size of g
    m2, v2 = 0.9 * 0.05 - 0.1 * 0.25, 0.99 * 0.0025 + 0.01 * 0.0625
    d1, d2 = 0.5 / (0.5 + 1e-2), m2 / 0.19 / (sqrt(v2 / (1 - 0.99**2)) + 1e-2)
    settings = {"lr": 0.1, "betas": (0.9, 0.99), "eps": 1e-2}
    assert two_steps(optim.Adam(one(), **settings)) == pytest.approx(
        [1 - 0.1 * d1, 1 - 0.1 * (d1 + d2)]
    )
    # v = 0.05, then 0.8 * 0.05 + 0.2 * 0.0025 = 0.0405, which is less
    big = optim.Adam(one(), lr=0.1, betas=(0.9, 0.8), eps=1e-2, amsgrad=True)
    d2 = (0.9 * 0.05 + 0.1 * 0.05) / 0.19 / (sqrt(0.05 / 0.36) + 1e-2)
    assert two_steps(big, 0.5, 0.05) == pytest.approx([1 - 0.1 * d1, 1 - 0.1 * (d1 + d2)])
    # coupled decay goes through the average: g = 0.5 + 0.2 * 1, and then g / |g| forgets it
    coupled = optim.Adam(one(), **settings, weight_decay=0.2)
    assert two_steps(coupled)[0] == pytest.approx(1 - 0.1 * 0.7 / 0.71)


def test_adamw_by_hand():
    d1 = 0.5 / (0.5 + 1e-2)
    optimizer = optim.AdamW(one(), lr=0.1, betas=(0.9, 0.99), eps=1e-2, weight_decay=0.2)
    assert two_steps(optimizer)[0] == pytest.approx(1 * (1 - 0.1 * 0.2) - 0.1 * d1)


FROZEN = {  # from PyTorch 2.13 in float64, for where PyTorch is missing
    "SGD": [
        [1.0, -2.0, 0.3535515873015873],
        [3.5012682165250015, -2.0771301847249997, -0.27697975146984133],
        [3.1905298045000006, -2.1028402462999995, -0.14158406001388898],
        [3.251141394872501, -2.0694171662525003, -0.3457301890212699],
        [1.8188057432161209, -1.695178344910709, -0.13675696338631585],
        [0.9440162671091504, -1.8099653802310662, 0.5893096409637684],
    ],
    "RMSprop": [
        [1.0700440983599377, -2.0446468811809244, 0.23428544632432974],
        [1.0260897610347488, -2.0254305326016113, 0.3153449533135967],
        [1.4144530467395942, -1.8188196500041796, -0.27838615932376515],
        [1.0716351594291231, -2.045335706879773, 0.2311219208999187],
        [0.7721304179821038, -1.888220928400194, 1.0178414367361839],
    ],
    "Adagrad": [
        [1.0073067301854821, -2.0045072544264246, 0.4736855238710762],
        [1.0953678094285746, -1.9378833697360127, 0.2506047724186147],
        [0.9927830684609658, -1.9977309827105019, 0.5235498621148654],
    ],
    "Adam": [
        [1.0055242551189767, -2.0015453915370287, 0.492287173750224],
        [1.0872165768504671, -2.026470078000959, 0.35474374300448397],
        [1.0053426696398222, -1.99811869507318, 0.4919715351885899],
        [0.9943019339954569, -1.99529641955249, 0.5073067079575075],
    ],
    "AdamW": [
        [1.0054238885744928, -2.0013452816749666, 0.4922375593283771],
        [1.0477054279921825, -1.9127006326961318, 0.32106404668232713],
        [0.9943761204252677, -1.9982547363245555, 0.5076624451715035],
    ],
}


def frozen_problem():
    """Ten gradients that are known exactly, without a generator."""
    start = np.array([1.0, -2.0, 0.5])
    return start, [[np.array([k - 4.5, (-1) ** k * 0.5, 1 / (k + 1)])] for k in range(10)]


@pytest.mark.parametrize("name, settings", EVERY)
def test_frozen_numbers(name, settings):
    start, steps = frozen_problem()
    w = Tensor(start, requires_grad=True)
    ours = run(getattr(optim, name)([w], **settings), steps)[-1][0]
    expected = FROZEN[name][SETTINGS[name].index(settings)]
    np.testing.assert_allclose(ours, expected, rtol=1e-12, atol=1e-12)


# ---------------------------------------------------------------- what a step touches
@pytest.mark.parametrize("name", NAMES)
def test_a_step_gives_new_arrays_and_writes_into_nothing(name):
    rng = np.random.default_rng(4)
    ws = parameters(rng)
    ws[1].requires_grad = False
    arrays, before = [w.data for w in ws], [w.numpy() for w in ws]
    grads = [rng.standard_normal(w.shape) for w in ws]
    optimizer = getattr(optim, name)(ws)
    for k, (w, g) in enumerate(zip(ws, grads)):
        w.grad = g if k != 1 else None
    copies = [g.copy() for g in grads]
    for _ in range(3):
        optimizer.step()
    for k, (w, array, old, g, copy) in enumerate(zip(ws, arrays, before, grads, copies)):
        assert np.array_equal(array, old), "what shares memory with the old values keeps them"
        assert np.array_equal(g, copy), "the gradient is only read"
        assert np.array_equal(w.data, old) == (k == 1), "a parameter without gradient stays"
        assert k == 1 or w.grad is g
    assert optimizer.state[1] == {}


@pytest.mark.parametrize("name, settings", EVERY)
def test_memory_is_not_the_gradient(name, settings):
    """Writing into a gradient after the step must not change the next step."""
    rng = np.random.default_rng(5)
    steps = gradients(rng, 6)
    start = [w.numpy() for w in parameters(rng)]

    def trace(spoil):
        ws = [Tensor(array, requires_grad=True) for array in start]
        optimizer = getattr(optim, name)(ws, **settings)
        for grads in steps:
            mine = [None if g is None else np.array(g) for g in grads]
            for w, g in zip(ws, mine):
                w.grad = g
            optimizer.step()
            for g in mine:
                if spoil and g is not None:
                    g[...] = 1e6
            for value in (v for s in optimizer.state for v in s.values()):
                for g in (g for g in mine if g is not None):
                    assert not np.shares_memory(value, g)
        return [w.numpy() for w in ws]

    for a, b in zip(trace(False), trace(True)):
        assert np.array_equal(a, b)


@pytest.mark.parametrize("name", NAMES)
def test_a_step_between_forward_and_backward_is_noticed_by_name(name):
    layer = nn.Linear(2, 3, rng=0)
    optimizer = getattr(optim, name)(layer.parameters())
    x = np.random.default_rng(0).standard_normal((4, 2))
    layer(x).sum().backward()
    loss = (layer(x) * layer(x)).sum()
    optimizer.step()
    with pytest.raises(RuntimeError, match=r"'(weight|bias)' was changed in place after"):
        loss.backward()
    (layer(x) * layer(x)).sum().backward()  # a new forward pass is fine


def test_a_graph_of_unchanged_parameters_survives_the_step():
    a, b = Tensor([1.0], requires_grad=True), Tensor([2.0], requires_grad=True)
    loss = (a * a).sum()
    b.grad = np.array([0.5])
    optim.SGD([a, b], lr=0.1).step()
    loss.backward()
    assert a.grad == [2.0]


def test_zero_grad_forgets():
    ws = parameters(np.random.default_rng(0))
    for w in ws:
        w.grad = np.zeros(w.shape)
    optim.SGD(ws).zero_grad()
    assert [w.grad for w in ws] == [None] * len(ws)


def test_a_numpy_learning_rate_keeps_float32():
    w = Tensor(np.ones(3), requires_grad=True, dtype=np.float32)
    optimizer = optim.Adam([w])
    optimizer.lr = 0.5 * (1 + np.cos(np.float64(1.0)))
    w.grad = np.ones(3, np.float32)
    optimizer.step()
    assert w.dtype == np.float32 and optimizer.state[0]["exp_avg"].dtype == np.float32


# ---------------------------------------------------------------- save and resume
@pytest.mark.parametrize("name, settings", EVERY)
def test_resuming_gives_identical_numbers(name, settings, tmp_path):
    rng = np.random.default_rng(6)
    steps = gradients(rng, 12)
    make = getattr(optim, name)
    first = make(parameters(rng), **settings)
    run(first, steps[:5])
    np.savez(tmp_path / "optimizer.npz", **first.state_dict())
    saved, weights = first.state_dict(), [w.numpy() for w in first.parameters]
    uninterrupted = run(first, steps[5:])

    with np.load(tmp_path / "optimizer.npz") as from_file:
        for state in (saved, from_file):
            second = make([Tensor(w, requires_grad=True) for w in weights], lr=77)
            second.load_state_dict(state)
            assert second.lr == first.lr
            for mine, yours in zip(run(second, steps[5:]), uninterrupted, strict=True):
                assert all(np.array_equal(a, b) for a, b in zip(mine, yours, strict=True))


def test_state_dict_is_plain_and_shares_nothing():
    ws = parameters(np.random.default_rng(0))
    optimizer = optim.Adam(ws, amsgrad=True)
    for w in ws:
        w.grad = np.ones(w.shape)
    optimizer.step()
    state = optimizer.state_dict()
    assert state["lr"] == 1e-3 and state["0.step"] == 1
    assert all(type(v) in (int, float, bool, tuple, np.ndarray) for v in state.values())
    other = optim.Adam(ws)
    other.load_state_dict(state)
    for optimizer_ in (optimizer, other):
        kept = [v for s in optimizer_.state for v in s.values() if isinstance(v, np.ndarray)]
        given_out = [v for v in state.values() if isinstance(v, np.ndarray)]
        assert not any(np.shares_memory(a, b) for a in kept for b in given_out)


def test_a_state_that_does_not_fit_is_refused_as_a_whole():
    ws = parameters(np.random.default_rng(0))
    adam = optim.Adam(ws, lr=0.5)
    for w in ws:
        w.grad = np.ones(w.shape)
    adam.step()
    good, before = adam.state_dict(), [s["exp_avg"].copy() for s in adam.state]
    missing = {k: v for k, v in good.items() if k != "eps"}
    for state, words in [
        (missing, "missing: eps"),
        (good | {"0.velocity": 1.0}, "0.velocity: given .*, expected no such entry"),
        (good | {"9.step": 1}, "9.step"),
        (good | {"1.exp_avg": np.zeros((7, 2))}, r"1.exp_avg: given \(7, 2\), expected \(3,\)"),
        (good | {"lr": -1.0}, "0 <= lr"),
        (good | {"lr": 0.1, "0.exp_avg": np.full((4, 3), "a")}, "could not convert"),
        (optim.SGD(ws).state_dict(), "missing: betas"),
    ]:
        with pytest.raises(ValueError, match=words):
            adam.load_state_dict(state)
        assert adam.lr == 0.5
        assert all(np.array_equal(s["exp_avg"], old) for s, old in zip(adam.state, before))


# ---------------------------------------------------------------- wrong use
@pytest.mark.parametrize(
    "use", [*(getattr(optim, n) for n in NAMES), lambda p: optim.clip_grad_norm_(p, 1.0)]
)
def test_what_is_no_list_of_parameters_is_refused(use):
    layer = nn.Linear(2, 3, rng=0)
    x = layer.weight
    used_up = layer.parameters()
    list(used_up)
    for params, error, words in [
        (layer, TypeError, r"module\.parameters\(\).* given a Linear"),
        (layer.named_parameters(), TypeError, "given a tuple"),
        ([np.ones(3)], TypeError, "given a ndarray"),
        (None, TypeError, "given a NoneType"),
        ([], ValueError, "empty"),
        (used_up, ValueError, "generator already used up"),
        ([x, layer.bias, x], ValueError, "each of them once; given 'weight', 'bias', 'weight'"),
        ([x * 2.0], ValueError, "leaves"),
        ([Tensor([1, 2])], ValueError, "real numbers"),
    ]:
        with pytest.raises(error, match=words):
            use(params)


@pytest.mark.parametrize(
    "name, wrong",
    [(name, {"lr": bad}) for name in NAMES for bad in (-0.1, np.nan, np.inf)]
    + [(name, {"weight_decay": -1.0}) for name in NAMES]
    + [("SGD", {"momentum": -0.9}), ("RMSprop", {"alpha": 1.5}), ("RMSprop", {"momentum": -1})]
    + [("Adagrad", {"lr_decay": -1}), ("Adagrad", {"initial_accumulator_value": -1})]
    + [(n, {"betas": b}) for n in ("Adam", "AdamW") for b in ((1.0, 0.9), (0.9, 1.0), (-0.1, 0.9))]
    + [(n, {"eps": -1e-8}) for n in NAMES if n != "SGD"],
)
def test_settings_out_of_range_are_refused(name, wrong):
    (setting,) = wrong
    with pytest.raises(ValueError, match=rf"{name} needs 0 <= {setting} < .*; given {setting}="):
        getattr(optim, name)(one(), **wrong)
    optimizer = getattr(optim, name)(one())
    setattr(optimizer, setting, wrong[setting])
    with pytest.raises(ValueError, match=setting):
        optimizer.step()


def test_nesterov_needs_momentum_and_no_dampening():
    for wrong in ({}, {"momentum": 0.9, "dampening": 0.1}):
        with pytest.raises(ValueError, match=r"momentum > 0 and dampening = 0; given"):
            optim.SGD(one(), nesterov=True, **wrong)


def test_a_gradient_of_another_shape_is_refused():
    w = Tensor(np.ones((2, 3)), requires_grad=True, name="w")
    w.grad = np.ones(3)
    with pytest.raises(ValueError, match=r"'w' \(2, 3\) has a gradient \(3,\)"):
        optim.SGD([w]).step()


def test_the_base_is_abstract():
    with pytest.raises(TypeError, match="abstract"):
        optim.Optimizer(one(), lr=0.1)


# ---------------------------------------------------------------- clipping
@needs_torch
@given(seed=st.integers(0, 2**32 - 1), bound=st.sampled_from([0.0, 1e-3, 0.5, 3.0, 1e3, np.inf]))
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_clipping_is_torchs(dtype, seed, bound):
    rng = np.random.default_rng(seed)
    (grads,) = gradients(rng, 1, dtype=dtype)
    tolerance = 1e-12 if dtype == np.float64 else 1e-5
    for name in ("clip_grad_norm_", "clip_grad_value_"):
        ours, theirs = parameters(rng, dtype=dtype), []
        for w, g in zip(ours, grads):
            w.grad = None if g is None else g.copy()
            theirs.append(torch.tensor(w.data, requires_grad=True))
            theirs[-1].grad = None if g is None else torch.tensor(g)
        mine = getattr(optim, name)(ours, bound)
        yours = getattr(torch.nn.utils, name)(theirs, bound)
        assert (mine is None) == (yours is None)
        if mine is not None:
            assert type(mine) is float and mine == pytest.approx(yours.item(), rel=tolerance)
        for w, v in zip(ours, theirs):
            assert (w.grad is None) == (v.grad is None)
            if w.grad is not None:
                assert w.grad.dtype == dtype
                np.testing.assert_allclose(w.grad, v.grad.numpy(), rtol=tolerance, atol=0)


def test_clipping_by_hand():
    a, b, c = (Tensor(np.zeros(n), requires_grad=True) for n in (2, 1, 1))
    a.grad, b.grad = np.array([3.0, 0.0]), np.array([-4.0])
    assert optim.clip_grad_norm_([a, b, c], 10) == 5.0
    assert a.grad.tolist() == [3.0, 0.0], "a norm within the bound changes nothing"
    assert optim.clip_grad_norm_([a, b, c], 0.5) == 5.0
    np.testing.assert_allclose([*a.grad, *b.grad], [0.3, 0.0, -0.4], rtol=1e-6)
    optim.clip_grad_value_([a, b, c], 0.35)
    np.testing.assert_allclose([*a.grad, *b.grad], [0.3, 0.0, -0.35], rtol=1e-6)
    assert c.grad is None
    assert optim.clip_grad_norm_([c], 1.0) == 0.0


def test_the_norm_of_float32_gradients_does_not_overflow():
    w = Tensor(np.zeros(4, np.float32), requires_grad=True)
    w.grad = np.full(4, 1e30, np.float32)
    assert optim.clip_grad_norm_([w], 1.0) == pytest.approx(2e30)
    np.testing.assert_allclose(w.grad, 0.5, rtol=1e-5)


@pytest.mark.parametrize("bad", [np.inf, np.nan])
def test_a_norm_that_is_not_finite(bad):
    w = Tensor(np.zeros(3), requires_grad=True)
    w.grad = np.array([1.0, bad, -2.0])
    with pytest.raises(RuntimeError, match=f"norm of the gradients is {bad}"):
        optim.clip_grad_norm_([w], 1.0, error_if_nonfinite=True)
    assert w.grad[0] == 1.0
    assert not np.isfinite(optim.clip_grad_norm_([w], 1.0))  # and PyTorch's zeros and nans
    assert np.isnan(w.grad[1])
    assert w.grad[0] == 0 if np.isinf(bad) else np.isnan(w.grad[0])


@pytest.mark.parametrize("bound", [-1.0, np.nan])
def test_clipping_bounds_below_zero_are_refused(bound):
    with pytest.raises(ValueError, match="max_norm >= 0; given"):
        optim.clip_grad_norm_(one(), bound)
    with pytest.raises(ValueError, match="clip_value >= 0; given"):
        optim.clip_grad_value_(one(), bound)
