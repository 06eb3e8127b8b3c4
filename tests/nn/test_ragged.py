"""A padded batch is each of its sequences run alone; and 300 configurations are PyTorch's.

Outputs, last states and every gradient, in both directions and all layers. Legend: B, T, D, H.
"""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import tinygrad_rnn as tg

LAYERS = {"RNN": tg.nn.RNN, "LSTM": tg.nn.LSTM, "GRU": tg.nn.GRU}


@st.composite
def configurations(draw, equal_lengths=False):
    kind = draw(st.sampled_from(sorted(LAYERS)))
    T, B, D, H = (draw(st.integers(1, n)) for n in (6, 4, 4, 5))
    options = {
        "num_layers": draw(st.integers(1, 3)),
        "bidirectional": draw(st.booleans()),
        "bias": draw(st.booleans()),
        "batch_first": draw(st.booleans()),
    }
    if kind == "RNN":
        options["nonlinearity"] = draw(st.sampled_from(["tanh", "relu"]))
    if kind == "LSTM":
        options["proj_size"] = draw(st.integers(0, H - 1))
    lengths = draw(st.lists(st.integers(1, T), min_size=B, max_size=B))
    lengths[draw(st.integers(0, B - 1))] = T
    ragged = draw(st.booleans())
    return (
        kind,
        (T, B, D, H),
        options,
        np.array(lengths) if ragged else None,
        draw(st.integers(0, 99)),
    )


def problem(kind, sizes, options, seed):
    """(layer, x (T, B, D) or (B, T, D), initial states, cotangents of output and last states)."""
    T, B, D, H = sizes
    rng = np.random.default_rng(seed)
    layer = LAYERS[kind](D, H, rng=rng, **options)
    directions = 2 if options["bidirectional"] else 1
    first = (B, T) if options["batch_first"] else (T, B)
    P = options.get("proj_size") or H
    states = [
        rng.standard_normal((options["num_layers"] * directions, B, width))
        for width in ((P, H) if kind == "LSTM" else (H,))
    ]
    x = rng.standard_normal((*first, D))
    r_output = rng.standard_normal((*first, P * directions))
    return layer, x, states, r_output, [rng.standard_normal(s.shape) for s in states]


def run(layer, x, states, r_output, r_states, lengths=None):
    """Outputs, last states and all gradients, by name."""
    x = tg.Tensor(x, requires_grad=True)
    states = [tg.Tensor(s, requires_grad=True) for s in states]
    layer.zero_grad()
    given = tuple(states) if len(states) == 2 else states[0]
    output, last = layer(x, given, lengths=lengths)
    last = last if isinstance(last, tuple) else (last,)
    loss = (output * r_output).sum()
    for s, r in zip(last, r_states, strict=True):
        loss = loss + (s * r).sum()
    loss.backward()
    found = {"output": output.data, "x": x.grad}
    found |= {f"last {k}": s.data for k, s in enumerate(last)}
    found |= {f"initial {k}": s.grad for k, s in enumerate(states)}
    return found | {name: p.grad for name, p in layer.named_parameters()}


def close(found, expected, digits):
    scale = max(np.abs(value).max(initial=0) for value in expected.values())
    for name, value in expected.items():
        size = max(np.abs(value).max(initial=0), 1e-2 * scale)
        assert_allclose(found[name], value, rtol=0, atol=digits * size, err_msg=name)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(configurations())
def test_a_padded_batch_is_each_sequence_alone(configuration):
    kind, (T, B, D, H), options, lengths, seed = configuration
    lengths = np.full(B, T) if lengths is None else lengths
    if kind == "LSTM":
        options |= {"peephole": bool(seed % 2)}
    layer, x, states, r_output, r_states = problem(kind, (T, B, D, H), options, seed)
    time_axis = 1 if options["batch_first"] else 0
    padded = x.copy()
    for b, n in enumerate(lengths):
        rows = (b, slice(n, None)) if options["batch_first"] else (slice(n, None), b)
        padded[rows] = np.nan  # nothing of this may be seen
    batch = run(layer, padded, states, r_output, r_states, lengths)
    alone = {name: np.zeros_like(value) for name, value in batch.items()}
    for b, n in enumerate(lengths):
        own = (slice(b, b + 1), slice(n)) if options["batch_first"] else (slice(n), slice(b, b + 1))
        column = (slice(None), slice(b, b + 1))
        single = run(
            layer, x[own], [s[column] for s in states], r_output[own], [r[column] for r in r_states]
        )
        for name, value in single.items():
            if name in ("output", "x"):
                alone[name][own] = value
            elif name.startswith(("last", "initial")):
                alone[name][column] = value
            else:
                alone[name] += value
    assert padded.shape[time_axis] == T
    close(batch, alone, 1e-12)
    for b, n in enumerate(lengths):
        rows = (b, slice(n, None)) if options["batch_first"] else (slice(n, None), b)
        assert not batch["x"][rows].any(), "padding gets exactly no gradient"
        assert not batch["output"][rows].any()


@pytest.mark.slow
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(configurations())
def test_three_hundred_configurations_are_pytorchs(configuration):
    torch = pytest.importorskip("torch", reason="the oracle: pip install 'tinygrad_rnn[oracle]'")
    kind, sizes, options, lengths, seed = configuration
    layer, x, states, r_output, r_states = problem(kind, sizes, options, seed)
    found = run(layer, x, states, r_output, r_states, lengths)

    theirs = getattr(torch.nn, kind)(*sizes[2:], **options).double()
    theirs.load_state_dict({k: torch.tensor(v) for k, v in layer.state_dict().items()})
    tx = torch.tensor(x, requires_grad=True)
    ts = [torch.tensor(s, requires_grad=True) for s in states]
    given = tuple(ts) if len(ts) == 2 else ts[0]
    batch_first = options["batch_first"]
    if lengths is None:
        output, last = theirs(tx, given)
    else:
        rnn = torch.nn.utils.rnn
        packed = rnn.pack_padded_sequence(tx, lengths, batch_first, enforce_sorted=False)
        output, last = theirs(packed, given)
        output, _ = rnn.pad_packed_sequence(output, batch_first, total_length=sizes[0])
    last = last if isinstance(last, tuple) else (last,)
    loss = (output * torch.tensor(r_output)).sum()
    for s, r in zip(last, r_states, strict=True):
        loss = loss + (s * torch.tensor(r)).sum()
    loss.backward()
    expected = {"output": output, "x": tx.grad}
    expected |= {f"last {k}": s for k, s in enumerate(last)}
    expected |= {f"initial {k}": s.grad for k, s in enumerate(ts)}
    expected |= {name: p.grad for name, p in theirs.named_parameters()}
    close(found, {k: v.detach().numpy() for k, v in expected.items()}, 1e-11)


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([0, 3], "from 1 to T = 5; given 0 to 3"),
        ([6, 3], "from 1 to T = 5; given 3 to 6"),
        ([3], "2 whole numbers"),
        ([3.0, 2.0], "2 whole numbers"),
        (4, "2 whole numbers"),
    ],
)
def test_lengths_that_make_no_sense(lengths, message):
    with pytest.raises(ValueError, match=message):
        tg.nn.GRU(3, 2)(np.zeros((5, 2, 3)), lengths=lengths)


def test_lengths_need_a_batch():
    with pytest.raises(ValueError, match="no batch axis"):
        tg.nn.GRU(3, 2)(np.zeros((5, 3)), lengths=[5])
