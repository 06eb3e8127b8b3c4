"""Cells and layers against PyTorch and against back-propagation through time derived by hand."""

from __future__ import annotations

import ast
import itertools
import pathlib

import numpy as np
import oracle
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_rnn as tg
from tinygrad_rnn import Tensor, nn
from tinygrad_rnn.tensor import PRIMITIVES, Step

try:
    import torch
except ImportError:
    torch = None

needs_torch = pytest.mark.skipif(torch is None, reason="PyTorch is not installed: .[oracle]")

CELLS = ("RNNCell", "LSTMCell", "GRUCell")
LAYERS = ("RNN", "LSTM", "GRU")
STATES = {"RNN": 1, "RNNCell": 1, "LSTM": 2, "LSTMCell": 2, "GRU": 1, "GRUCell": 1}
GATES = {"RNN": ("h",), "LSTM": ("i", "f", "g", "o", "c", "h"), "GRU": ("r", "z", "n", "h")}

# B, T, D, H: all distinct (a wrong transpose crashes), all equal (it hides), or anything from 1 up.
sizes = st.one_of(
    st.sampled_from([(2, 3, 4, 5), (3, 3, 3, 3), (1, 1, 1, 1), (2, 2, 2, 2), (5, 4, 3, 2)]),
    st.tuples(*[st.integers(1, 4)] * 4),
)
seeds = st.integers(0, 2**32 - 1)


def close(ours: dict, expected: dict, tolerance=1e-12):
    """Equal, relative to the largest entry of each array, or to 1 % of the largest of all.

    Gates are rounded at the size of 1, so what is below a thousandth has fewer digits.
    """
    assert list(ours) == list(expected)
    overall = max(np.max(np.abs(b), initial=0) for b in expected.values())
    for name, b in expected.items():
        a = np.asarray(ours[name])
        assert a.shape == b.shape, name
        scale = max(np.max(np.abs(b), initial=0), 1e-2 * overall, 1e-3)
        error = np.max(np.abs(a - b), initial=0)
        assert error <= tolerance * scale, f"{name}: off by {error}, of entries up to {scale}"


def as_states(packed, name):
    return packed if STATES[name] == 2 else (packed,)


def packed(states):
    return states if len(states) == 2 else states[0]


def weighted(outputs, cotangents):
    """The scalar with dL/d(output) = cotangent for every output."""
    return sum(((o * g).sum() for o, g in zip(outputs, cotangents, strict=True)), start=Tensor(0.0))


def ours_run(module, x, states, cotangents, name):
    """Outputs and all gradients of our module, by name."""
    x = Tensor(x, requires_grad=True)
    states = states and tuple(Tensor(s, requires_grad=True) for s in states)
    result = module(x, packed(states)) if states else module(x)
    outputs = flat(result, name)
    weighted(outputs, cotangents(outputs)).backward()
    found = {f"output {k}": o.data for k, o in enumerate(outputs)} | {"d x": x.grad}
    found |= {f"d state {k}": s.grad for k, s in enumerate(states or ())}
    return found | {f"d {path}": p.grad for path, p in module.named_parameters()}


def torch_run(module, x, states, cotangents, name):
    x = torch.tensor(x, requires_grad=True)
    states = states and tuple(torch.tensor(s, requires_grad=True) for s in states)
    result = module(x, packed(states)) if states else module(x)
    outputs = flat(result, name)
    seeds_ = [torch.tensor(g) for g in cotangents(outputs)]
    torch.autograd.backward(outputs, seeds_)
    found = {f"output {k}": o.detach().numpy() for k, o in enumerate(outputs)}
    found |= {"d x": x.grad.numpy()}
    found |= {f"d state {k}": s.grad.numpy() for k, s in enumerate(states or ())}
    return found | {f"d {path}": p.grad.numpy() for path, p in module.named_parameters()}


def flat(result, name):
    """A cell's (h', ...) or a layer's (output, h_n, ...) as one tuple."""
    if name in CELLS:
        return tuple(as_states(result, name))
    return (result[0], *as_states(result[1], name))


def random_cotangents(seed):
    return lambda outputs: [
        np.random.default_rng([seed, k]).standard_normal(tuple(o.shape))
        for k, o in enumerate(outputs)
    ]


def spread_out(module, rng):
    """Weights that reach both the linear and the saturated parts of the gates."""
    module.load_state_dict(
        {k: 1.5 * rng.standard_normal(v.shape) for k, v in module.state_dict().items()}
    )
    return module


def twin(module, arguments):
    """PyTorch's module of the same name, with the same weights."""
    theirs = getattr(torch.nn, type(module).__name__)(**arguments, dtype=torch.float64)
    theirs.load_state_dict({k: torch.tensor(v) for k, v in module.state_dict().items()})
    return theirs


# ---------------------------------------------------------------- (a) PyTorch
@needs_torch
@pytest.mark.parametrize("name", CELLS)
@given(data=st.data(), size=sizes, seed=seeds)
def test_cells_are_torchs(name, data, size, seed):
    B, _, D, H = size
    rng = np.random.default_rng(seed)
    arguments = {"input_size": D, "hidden_size": H, "bias": data.draw(st.booleans(), "bias")}
    if name == "RNNCell":
        arguments["nonlinearity"] = data.draw(st.sampled_from(["tanh", "relu"]), "nonlinearity")
    batch = data.draw(st.sampled_from([(B,), ()]), "batch")
    ours = spread_out(getattr(nn, name)(**arguments, rng=rng), rng)
    x = rng.standard_normal((*batch, D))
    given_state = data.draw(st.booleans(), "given_state")
    states = given_state and tuple(rng.standard_normal((*batch, H)) for _ in range(STATES[name]))
    cotangents = random_cotangents(seed)
    theirs = torch_run(twin(ours, arguments), x, states, cotangents, name)
    close(ours_run(ours, x, states, cotangents, name), theirs)


@needs_torch
@pytest.mark.parametrize("name", LAYERS)
@given(data=st.data(), size=sizes, seed=seeds)
def test_layers_are_torchs(name, data, size, seed):
    compare_layer(name, data, size, seed)


@needs_torch
@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("num_layers", [1, 2])
@given(data=st.data(), size=sizes, seed=seeds)
def test_every_stack_is_torchs(name, num_layers, bidirectional, data, size, seed):
    compare_layer(name, data, size, seed, num_layers=num_layers, bidirectional=bidirectional)


def compare_layer(name, data, size, seed, **fixed):
    B, T, D, H = size
    rng = np.random.default_rng(seed)
    arguments = {"input_size": D, "hidden_size": H}
    for option, strategy in {
        "num_layers": st.integers(1, 2),
        "bidirectional": st.booleans(),
        "bias": st.booleans(),
        "batch_first": st.booleans(),
    }.items():
        arguments[option] = fixed[option] if option in fixed else data.draw(strategy, option)
    if name == "RNN":
        arguments["nonlinearity"] = data.draw(st.sampled_from(["tanh", "relu"]), "nonlinearity")
    if name == "LSTM":
        arguments["proj_size"] = data.draw(st.integers(0, H - 1), "proj_size")
    batch = data.draw(st.sampled_from([(B,), ()]), "batch")
    axes = (*batch, T) if arguments["batch_first"] else (T, *batch)
    ours = spread_out(getattr(nn, name)(**arguments, rng=rng), rng)
    x = rng.standard_normal((*axes, D))
    many = arguments["num_layers"] * (2 if arguments["bidirectional"] else 1)
    given_state = data.draw(st.booleans(), "given_state")
    widths = (arguments.get("proj_size") or H, H)[: STATES[name]]
    states = given_state and tuple(rng.standard_normal((many, *batch, n)) for n in widths)
    cotangents = random_cotangents(seed)
    theirs = torch_run(twin(ours, arguments), x, states, cotangents, name)
    close(ours_run(ours, x, states, cotangents, name), theirs)


@needs_torch
@pytest.mark.parametrize("name", LAYERS)
def test_a_long_sequence_is_torchs(name):
    rng = np.random.default_rng(7)
    arguments = {"input_size": 3, "hidden_size": 4}
    ours = getattr(nn, name)(**arguments, rng=rng)
    x, states = rng.standard_normal((300, 2, 3)), None
    cotangents = random_cotangents(7)
    theirs = torch_run(twin(ours, arguments), x, states, cotangents, name)
    close(ours_run(ours, x, states, cotangents, name), theirs)


# ---------------------------------------------------------------- (b) derived by hand
def oracle_problem(kind, size, seed):
    B, T, D, H = size
    rng = np.random.default_rng(seed)
    rows = oracle.BLOCKS[kind] * H
    weights = oracle.Weights(
        *(1.2 * rng.standard_normal(shape) for shape in ((rows, D), (rows, H), (rows,), (rows,)))
    )
    x = rng.standard_normal((T, B, D))
    states = tuple(rng.standard_normal((B, H)) for _ in range(2 if kind == "lstm" else 1))
    d_hs, d_final = (
        rng.standard_normal((T, B, H)),
        tuple(rng.standard_normal(s.shape) for s in states),
    )
    return x, states, weights, d_hs, d_final, rng


@pytest.mark.parametrize("kind", oracle.KINDS)
@given(size=sizes, seed=seeds)
def test_the_oracle_is_right(kind, size, seed):
    """Its gradient in a random direction of all inputs at once, against the complex step."""
    x, states, weights, d_hs, d_final, rng = oracle_problem(kind, size, seed)
    _, _, tape = oracle.forward(kind, x, states, weights)
    d_x, d_states, d_weights = oracle.backward(kind, x, weights, tape, d_hs, d_final)
    inputs = [x, *states, *vars(weights).values()]
    grads = [d_x, *d_states, *vars(d_weights).values()]

    def loss(arrays):
        n = len(states)
        hs, final, _ = oracle.forward(
            kind, arrays[0], arrays[1 : n + 1], oracle.Weights(*arrays[n + 1 :])
        )
        return np.sum(hs * d_hs) + sum(np.sum(s * d) for s, d in zip(final, d_final, strict=True))

    for k, (array, grad) in enumerate(zip(inputs, grads, strict=True)):
        direction = rng.standard_normal(array.shape)
        moved = [a + 1e-30j * direction if j == k else a for j, a in enumerate(inputs)]
        slope, expected = loss(moved).imag / 1e-30, np.sum(grad * direction)
        assert abs(slope - expected) <= 1e-12 * max(1, np.sum(np.abs(grad * direction))), k


@pytest.mark.parametrize("kind", oracle.KINDS)
@given(size=sizes, seed=seeds)
def test_layers_and_cells_are_what_was_derived_by_hand(kind, size, seed):
    (_, T, D, H), name = size, {"lstm": "LSTM", "gru": "GRU"}.get(kind, "RNN")
    x, states, weights, d_hs, d_final, _ = oracle_problem(kind, size, seed)
    hs, final, tape = oracle.forward(kind, x, states, weights)
    d_x, d_states, d_weights = oracle.backward(kind, x, weights, tape, d_hs, d_final)
    expected = {"hs": hs, "d x": d_x} | {f"final {k}": s for k, s in enumerate(final)}
    expected |= {f"d state {k}": s for k, s in enumerate(d_states)}
    expected |= {f"d {k}": v for k, v in vars(d_weights).items()}
    options = {"nonlinearity": kind} if name == "RNN" else {}
    arrays = dict(zip(("weight_ih", "weight_hh", "bias_ih", "bias_hh"), vars(weights).values()))

    layer = getattr(nn, name)(D, H, **options)
    layer.load_state_dict({f"{path}_l0": array for path, array in arrays.items()})
    cell = getattr(nn, name + "Cell")(D, H, **options)
    cell.load_state_dict(arrays)
    for module in (layer, cell):
        xs = Tensor(x, requires_grad=True)
        starts = [Tensor(s, requires_grad=True) for s in states]
        if module is layer:
            output, last = layer(xs, packed(tuple(s.reshape(1, *s.shape) for s in starts)))
            last = [s[0] for s in as_states(last, name)]
        else:
            state, steps = packed(tuple(starts)), []
            for t in range(T):
                state = cell(xs[t], state)
                steps.append(as_states(state, name)[0])
            output, last = tg.stack(steps), as_states(state, name)
        weighted([output, *last], [d_hs, *d_final]).backward()
        ours = {"hs": output.data, "d x": xs.grad}
        ours |= {f"final {k}": s.data for k, s in enumerate(last)}
        ours |= {f"d state {k}": s.grad for k, s in enumerate(starts)}
        ours |= dict(zip([f"d {k}" for k in vars(weights)], [p.grad for p in module.parameters()]))
        close(ours, expected)


# ---------------------------------------------------------------- peepholes and projections
def peephole_by_hand(x, h, c, weights, W_hr=None):
    """Gers & Schmidhuber (2000), one entry of one sequence after the other: (hs, c)."""
    w_ih, w_hh, b_ih, b_hh, w_ch = weights
    H, hs = w_ch.shape[1], []
    for x_t in x:
        s = w_ih @ x_t + w_hh @ h + b_ih + b_hh
        new = np.zeros_like(c)
        out = np.zeros_like(c)
        for k in range(H):
            i = oracle.sigmoid(s[k] + w_ch[0, k] * c[k])
            f = oracle.sigmoid(s[H + k] + w_ch[1, k] * c[k])
            new[k] = f * c[k] + i * np.tanh(s[2 * H + k])
            o = oracle.sigmoid(s[3 * H + k] + w_ch[2, k] * new[k])
            out[k] = o * np.tanh(new[k])
        h, c = out if W_hr is None else W_hr @ out, new
        hs.append(h)
    return np.array(hs), c


@pytest.mark.parametrize("proj_size", [0, 2])
@given(size=sizes, seed=seeds)
def test_peepholes_are_their_equations(proj_size, size, seed):
    _, T, D, H = size
    proj_size = min(proj_size, H - 1)
    rng = np.random.default_rng(seed)
    options = {"peephole": True, "proj_size": proj_size}
    layer, cell = spread_out(nn.LSTM(D, H, **options), rng), nn.LSTMCell(D, H, **options)
    arrays = [p.data for p in layer.parameters()]
    cell.load_state_dict(dict(zip(cell.state_dict(), arrays, strict=True)))
    x = rng.standard_normal((T, D))
    h, c = rng.standard_normal(proj_size or H), rng.standard_normal(H)
    hs, c_T = peephole_by_hand(x, h, c, arrays[:5], *arrays[5:])
    output, (h_n, c_n) = layer(x, (h[None], c[None]))
    for x_t in x:
        h, c = cell(x_t, (h, c))
    found = {"hs": output.data, "h": h_n.data[0], "c": c_n.data[0], "h'": h.data, "c'": c.data}
    close(found, {"hs": hs, "h": hs[-1], "c": c_T, "h'": hs[-1], "c'": c_T})


@pytest.mark.parametrize(
    "options", [{"peephole": True}, {"peephole": True, "proj_size": 2}], ids=str
)
def test_gradients_of_peepholes(options):
    layer = nn.LSTM(3, 4, num_layers=2, bidirectional=True, **options, rng=0)
    state = layer.state_dict()

    def outputs(x, *parameters):
        output, (h, c) = nn.functional_call(layer, dict(zip(state, parameters, strict=True)), x)
        return output.sum() * c.sum() + (h * h).sum()

    x = np.random.default_rng(1).standard_normal((3, 2, 3))
    report = tg.gradcheck(outputs, x, *state.values(), names=("x", *state))
    assert report, str(report)
    assert "weight_ch_l1_reverse" in str(report)


def test_peepholes_of_weight_zero_are_none():
    plain, layer = nn.LSTM(3, 4, rng=0), nn.LSTM(3, 4, peephole=True, rng=1)
    layer.load_state_dict(plain.state_dict() | {"weight_ch_l0": np.zeros((3, 4))})
    x = np.random.default_rng(2).standard_normal((5, 2, 3))
    np.testing.assert_allclose(layer(x)[0].data, plain(x)[0].data, rtol=1e-13)


@pytest.mark.parametrize("make", [nn.LSTM, nn.LSTMCell])
def test_projections_that_do_not_fit_are_refused(make):
    for wrong in (-1, 4, 5):
        with pytest.raises(ValueError, match=rf"below hidden_size = 4; given {wrong}"):
            make(3, 4, proj_size=wrong)
    with pytest.raises(TypeError, match="proj_size"):
        nn.GRU(3, 4, proj_size=2)
    layer, x = make(3, 4, proj_size=2), np.zeros((5, 3))
    front = (1,) if make is nn.LSTM else (5,)
    with pytest.raises(ValueError, match=r"the initial h .* expected \(\d, 2\)"):
        layer(x, (np.zeros((*front, 4)), np.zeros((*front, 4))))
    with pytest.raises(ValueError, match=r"the initial c .* expected \(\d, 4\)"):
        layer(x, (np.zeros((*front, 2)), np.zeros((*front, 2))))


# ---------------------------------------------------------------- (c) weights move both ways
@needs_torch
@pytest.mark.parametrize("name", CELLS + LAYERS)
@pytest.mark.parametrize("bias", [True, False])
def test_state_dicts_are_torchs(name, bias):
    shapes = [{}]
    if name in LAYERS:
        shapes = [
            {"num_layers": n, "bidirectional": b}
            for n, b in itertools.product((1, 2, 3), (False, True))
        ]
    if name == "LSTM":
        shapes += [options | {"proj_size": 2} for options in shapes]
    for options in shapes:
        arguments = {"input_size": 3, "hidden_size": 5, "bias": bias} | options
        ours = getattr(nn, name)(**arguments, rng=0)
        theirs = getattr(torch.nn, name)(**arguments, dtype=torch.float64)
        expected = {path: tuple(value.shape) for path, value in theirs.state_dict().items()}
        assert {path: value.shape for path, value in ours.state_dict().items()} == expected
        assert list(ours.state_dict()) == list(theirs.state_dict())
        ours.load_state_dict(theirs.state_dict())  # theirs to ours, tensors and all
        for path, value in theirs.state_dict().items():
            assert np.array_equal(ours.state_dict()[path], value.numpy())
        again = getattr(nn, name)(**arguments, rng=1)
        theirs.load_state_dict({k: torch.tensor(v) for k, v in again.state_dict().items()})
        for path, value in again.state_dict().items():
            assert np.array_equal(theirs.state_dict()[path].numpy(), value)


@needs_torch
@pytest.mark.parametrize("name", CELLS + LAYERS)
def test_initial_weights_have_torchs_range(name):
    ours = getattr(nn, name)(7, 25, rng=0)
    for path, p in ours.named_parameters():
        assert np.all(np.abs(p.data) <= 1 / 5) and np.max(np.abs(p.data)) > 0.15, path
        assert abs(np.mean(p.data)) < 0.05, path


# ---------------------------------------------------------------- (d) nobody writes a backward
def tensors_of(*outputs):
    """Everything the outputs were made of."""
    seen, stack = set(outputs), list(outputs)
    while stack:
        tensor = stack.pop()
        for x in tensor.node.inputs if tensor.node is not None else ():
            if isinstance(x, Tensor) and x not in seen:
                seen.add(x)
                stack.append(x)
    return seen


def results_of(*outputs):
    """Everything the outputs were made of that an operation made, in the order it was made."""
    results = [t for t in tensors_of(*outputs) if t.node is not None]
    return sorted(results, key=lambda t: t.node.index)


@pytest.mark.parametrize("name", CELLS + LAYERS)
def test_every_node_is_a_primitive_of_the_package(name):
    options = (
        {"num_layers": 2, "bidirectional": True, "batch_first": True} if name in LAYERS else {}
    )
    x = np.ones((2, 3, 4)) if name in LAYERS else np.ones((2, 4))
    outputs = flat(getattr(nn, name)(4, 5, **options, rng=0)(x), name)
    used = {t.node.op for t in results_of(*outputs)}
    assert used and used <= set(PRIMITIVES.values())


def test_no_gradient_rule_is_written_in_nn():
    files = sorted(pathlib.Path(nn.__file__).parent.glob("*.py"))
    assert {f.name for f in files} >= {"module.py", "layers.py", "recurrent.py"}
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            where = f"{file.name}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Lambda):
                assert "backward" not in getattr(node, "name", ""), where
                arguments = [a.arg for a in node.args.args] if hasattr(node, "args") else []
                assert arguments[:2] != ["g", "out"], where
            if isinstance(node, ast.Attribute):
                assert node.attr not in ("gradients", "backward", "primitive", "Primitive"), where
            if isinstance(node, ast.Name):
                assert node.id not in ("primitive", "Primitive"), where
            if isinstance(node, ast.keyword):
                assert node.arg != "backward", where


# ---------------------------------------------------------------- (e) sizes and dtypes
@pytest.mark.parametrize("name", LAYERS)
def test_parameters_do_not_depend_on_time(name):
    layer = getattr(nn, name)(3, 4, rng=0)
    expected = {"RNN": 1, "LSTM": 4, "GRU": 3}[name] * (4 * 3 + 4 * 4 + 4 + 4)
    for T in (1, 2, 9):
        outputs = flat(layer(np.ones((T, 2, 3))), name)
        leaves = {t for t in tensors_of(*outputs) if isinstance(t, nn.Parameter)}
        assert leaves == set(layer.parameters())
        assert sum(p.size for p in leaves) == layer.num_parameters() == expected


@pytest.mark.parametrize("name", CELLS + LAYERS)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("given_state", [True, False])
def test_float32_stays_float32(name, bias, given_state):
    rng = np.random.default_rng(0)
    options = {"num_layers": 2, "bidirectional": True, "dropout": 0.5} if name in LAYERS else {}
    module = getattr(nn, name)(4, 5, bias=bias, **options, dtype=np.float32, rng=0)
    x = Tensor(rng.standard_normal((3, 2, 4) if name in LAYERS else (2, 4)), True, dtype=np.float32)
    shape = (4, 2, 5) if name in LAYERS else (2, 5)
    states = tuple(
        Tensor(rng.standard_normal(shape), True, dtype=np.float32) for _ in range(STATES[name])
    )
    outputs = flat(module(x, packed(states)) if given_state else module(x), name)
    cotangents = [rng.standard_normal(o.shape).astype(np.float32) for o in outputs]
    sum_of_all = (
        sum((o * g).sum() for o, g in zip(outputs[1:], cotangents[1:])) if outputs[1:] else 0
    )
    ((outputs[0] * cotangents[0]).sum() + sum_of_all).backward()
    made = tensors_of(*outputs)
    assert {t.dtype for t in made if t.dtype.kind == "f"} == {np.dtype(np.float32)}
    leaves = [x, *module.parameters(), *(states if given_state else ())]
    assert {leaf.grad.dtype for leaf in leaves} == {np.dtype(np.float32)}


def test_float64_is_the_default():
    for name in CELLS + LAYERS:
        module = getattr(nn, name)(2, 3)
        assert {p.dtype for p in module.parameters()} == {np.dtype(float)}


@pytest.mark.parametrize("name", CELLS + LAYERS)
def test_the_same_seed_gives_the_same_weights(name):
    def weights(rng):
        return getattr(nn, name)(3, 4, rng=rng).state_dict()

    first, again, other = weights(5), weights(np.random.default_rng(5)), weights(6)
    for path in first:
        assert np.array_equal(first[path], again[path])
        assert not np.array_equal(first[path], other[path])
    values = np.concatenate([v.ravel() for v in first.values()])
    assert len(set(values)) == values.size, "no two parameters share their draws"


@pytest.mark.parametrize("name", LAYERS)
def test_no_state_is_kept_between_calls(name):
    layer = getattr(nn, name)(3, 4, rng=0)
    x = np.random.default_rng(0).standard_normal((5, 2, 3))
    first, second = (flat(layer(x), name) for _ in range(2))
    assert all(np.array_equal(a.data, b.data) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("name", LAYERS)
def test_a_sequence_in_two_pieces_is_the_sequence(name):
    layer = getattr(nn, name)(3, 4, num_layers=2, rng=0)
    x = np.random.default_rng(0).standard_normal((5, 2, 3))
    whole = flat(layer(x), name)
    first, state = layer(x[:2])
    second = flat(layer(x[2:], state), name)
    np.testing.assert_array_equal(np.concatenate([first.data, second[0].data]), whole[0].data)
    for a, b in zip(second[1:], whole[1:], strict=True):
        np.testing.assert_array_equal(a.data, b.data)


# ---------------------------------------------------------------- wrong use
@pytest.mark.parametrize("name", CELLS)
def test_wrong_widths_and_states_of_cells(name):
    cell = getattr(nn, name)(3, 4)
    wrong = packed((np.zeros((2, 5)),) * STATES[name])
    for x in (np.zeros((2, 4)), np.zeros((1, 2, 3)), np.zeros(())):
        with pytest.raises(ValueError, match=rf"{name} expects .*D = 3, and was given .*shape \("):
            cell(x)
    with pytest.raises(
        ValueError, match=rf"initial h of {name} has shape \(2, 5\), expected \(2, 4\)"
    ):
        cell(np.zeros((2, 3)), wrong)
    if STATES[name] == 2:
        with pytest.raises(ValueError, match="initial c of LSTMCell"):
            cell(np.zeros((2, 3)), (np.zeros((2, 4)), np.zeros((2, 1))))
        with pytest.raises(TypeError, match=r"a pair \(h, c\)"):
            cell(np.zeros((2, 3)), np.zeros((2, 4)))


@pytest.mark.parametrize("name", LAYERS)
def test_wrong_widths_and_states_of_layers(name):
    layer = getattr(nn, name)(3, 4, num_layers=2, bidirectional=True)
    for x in (np.zeros((5, 2, 4)), np.zeros(3), np.zeros((1, 5, 2, 3))):
        with pytest.raises(ValueError, match=rf"{name} expects .*D = 3, and was given .*shape \("):
            layer(x)
    # the states are (layers * directions, B, H), also with batch_first
    first = getattr(nn, name)(3, 4, num_layers=2, bidirectional=True, batch_first=True)
    for module, x in ((layer, np.zeros((5, 2, 3))), (first, np.zeros((2, 5, 3)))):
        for shape in ((4, 4), (2, 2, 4), (2, 4, 4), (4, 1, 4), (4, 2, 1)):
            with pytest.raises(ValueError, match=rf"initial h of {name} .*expected \(4, 2, 4\)"):
                module(x, packed((np.zeros(shape),) * STATES[name]))
        module(x, packed((np.zeros((4, 2, 4)),) * STATES[name]))
    with pytest.raises(ValueError, match=r"expected \(4, 4\)"):
        layer(np.zeros((5, 3)), packed((np.zeros((4, 2, 4)),) * STATES[name]))
    if STATES[name] == 2:
        for state in (np.zeros((4, 2, 4)), (np.zeros((4, 2, 4)),), (np.zeros((4, 2, 4)),) * 3):
            with pytest.raises(TypeError, match=r"a pair \(h, c\)"):
                layer(np.zeros((5, 2, 3)), state)


def test_wrong_arguments_of_the_constructors():
    for name in LAYERS:
        make = getattr(nn, name)
        for wrong in ({"num_layers": 0}, {"dropout": 1.0}, {"dropout": -0.1}):
            with pytest.raises(ValueError, match="num_layers >= 1, 0 <= dropout < 1 and"):
                make(3, 4, **wrong)
    for name in CELLS + LAYERS:
        with pytest.raises(ValueError, match=rf"{name} needs .*; given 3 and 0"):
            getattr(nn, name)(3, 0)
    for make in (nn.RNN, nn.RNNCell):
        with pytest.raises(ValueError, match="'sigmoid'"):
            make(3, 4, nonlinearity="sigmoid")


# ---------------------------------------------------------------- initial states that are learnt
@pytest.mark.parametrize("name", LAYERS)
def test_initial_states_can_be_parameters(name):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = getattr(nn, name)(3, 4, rng=0)
            rng = np.random.default_rng(1)
            self.start = [nn.Parameter(rng.standard_normal((1, 1, 4))) for _ in range(STATES[name])]

        def forward(self, x):
            states = tuple(tg.broadcast_to(s, shape=(1, x.shape[1], 4)) for s in self.start)
            return self.layer(x, packed(states))[0]

    net, x = Net(), np.random.default_rng(2).standard_normal((3, 5, 3))
    cotangent = np.random.default_rng(3).standard_normal((3, 5, 4))
    (net(x) * cotangent).sum().backward()
    assert next(p for p, _ in net.named_parameters()).startswith("start.")
    for start in net.start:
        step = np.random.default_rng(4).standard_normal(start.shape)
        before, ends = start.numpy(), []
        for sign in (1, -1):
            start.data = before + sign * 1e-6 * step
            ends.append(np.sum(net(x).data * cotangent))
        start.data = before
        slope = (ends[0] - ends[1]) / 2e-6
        assert np.sum(start.grad * step) == pytest.approx(slope, rel=1e-6, abs=1e-8)


# ---------------------------------------------------------------- what the graph says about itself
@pytest.mark.parametrize("name", LAYERS)
def test_nodes_know_their_layer_and_time_step(name):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = getattr(nn, name)(3, 4, num_layers=2, bidirectional=True, rng=0)

        def forward(self, x):
            return self.encoder(x)

    T = 3
    outputs = flat(Net()(np.ones((T, 2, 3))), name)
    results = results_of(*outputs)
    assert {t.node.scope[:2] for t in results} == {("Net", "encoder")}
    runs = {f"layer{k}{direction}" for k in (0, 1) for direction in ("", "_reverse")}
    assert {t.node.scope[2] for t in results if len(t.node.scope) > 2} == runs
    for run in runs:
        inside = [t for t in results if run in t.node.scope]
        times = [t.node.scope[3].t for t in inside if len(t.node.scope) == 4]
        assert times == sorted(times, reverse=run.endswith("_reverse"))
        assert set(times) == set(range(T))
        for step in range(T):
            named = {t.name: t for t in inside if t.node.scope[-1] == Step(step)}
            for gate in GATES[name]:
                assert named[gate].shape == (2, 4), (run, step, gate)


@pytest.mark.parametrize("name", CELLS)
def test_gates_of_cells_have_their_values(name):
    """The names are on the right tensors: the equations hold between the named values."""
    cell = getattr(nn, name)(3, 4, rng=0)
    rng = np.random.default_rng(0)
    x, states = (
        rng.standard_normal((2, 3)),
        [rng.standard_normal((2, 4)) for _ in range(STATES[name])],
    )
    outputs = as_states(cell(x, packed(tuple(states))), name)
    named = {t.name: t.data for t in results_of(*outputs) if t.name is not None}
    assert set(GATES[name[:-4]]) <= set(named)
    assert np.array_equal(named["h"], outputs[0].data)
    if name == "LSTMCell":
        np.testing.assert_allclose(named["c"], named["f"] * states[1] + named["i"] * named["g"])
        np.testing.assert_allclose(named["h"], named["o"] * np.tanh(named["c"]))
        assert np.array_equal(named["c"], outputs[1].data)
        i_part = x @ cell.weight_ih.data[:4].T + states[0] @ cell.weight_hh.data[:4].T
        i_part = i_part + cell.bias_ih.data[:4] + cell.bias_hh.data[:4]
        np.testing.assert_allclose(named["i"], oracle.sigmoid(i_part))
    if name == "GRUCell":
        z, n = named["z"], named["n"]
        np.testing.assert_allclose(named["h"], (1 - z) * n + z * states[0])
        r_part = x @ cell.weight_ih.data[:4].T + states[0] @ cell.weight_hh.data[:4].T
        r_part = r_part + cell.bias_ih.data[:4] + cell.bias_hh.data[:4]
        np.testing.assert_allclose(named["r"], oracle.sigmoid(r_part))


@pytest.mark.parametrize("name", LAYERS)
def test_outputs_without_recording_are_the_same(name):
    layer = getattr(nn, name)(3, 4, num_layers=2, bidirectional=True, rng=0)
    x = np.random.default_rng(0).standard_normal((5, 2, 3))
    recorded = flat(layer(x), name)
    with tg.no_grad():
        plain = flat(layer(x), name)
    for a, b in zip(recorded, plain, strict=True):
        assert np.array_equal(a.data, b.data) and b.node is None


def test_dropout_between_layers_only_while_training():
    x = np.random.default_rng(0).standard_normal((5, 2, 3))
    layer = nn.LSTM(3, 4, num_layers=2, dropout=0.5, rng=0)
    plain = nn.LSTM(3, 4, num_layers=2, rng=0)
    plain.load_state_dict(layer.state_dict())
    first, second = layer(x)[0].data, layer(x)[0].data
    assert not np.array_equal(first, second)
    layer.eval()
    assert np.array_equal(layer(x)[0].data, plain(x)[0].data)
    single = nn.LSTM(3, 4, dropout=0.5, rng=0)
    assert np.array_equal(single(x)[0].data, single.eval()(x)[0].data), (
        "nothing after the last layer"
    )


@pytest.mark.parametrize("name", LAYERS)
def test_an_empty_batch_works(name):
    layer = getattr(nn, name)(3, 4, rng=0)
    outputs = flat(layer(np.ones((5, 0, 3))), name)
    assert [o.shape for o in outputs] == [(5, 0, 4)] + [(1, 0, 4)] * STATES[name]
    weighted(outputs, [np.ones(o.shape) for o in outputs]).backward()
    assert all(not p.grad.any() for p in layer.parameters())


@pytest.mark.parametrize("name", LAYERS)
def test_saturated_gates_do_not_overflow(name):
    layer = getattr(nn, name)(3, 4, rng=0)
    for size in (1000.0, -1000.0):
        layer.zero_grad()
        outputs = flat(layer(np.full((3, 2, 3), size)), name)
        weighted(outputs, random_cotangents(0)(outputs)).backward()
        assert all(np.all(np.isfinite(p.grad)) for p in layer.parameters())


@pytest.mark.parametrize("name", LAYERS)
def test_a_sequence_of_no_steps_is_refused_by_name(name):
    with pytest.raises(ValueError, match=name):
        getattr(nn, name)(3, 4, rng=0)(np.zeros((0, 2, 3)))


def test_steps_on_plain_arrays_give_plain_arrays():
    x, h, W = np.ones((2, 3)), np.ones((2, 3)), np.eye(3)
    assert type(nn.rnn_step(x, h, W)) is np.ndarray
