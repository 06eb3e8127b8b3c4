"""Keras' weights give Keras' outputs. `keras_reference.json` was computed by Keras 3.

LSTM and GRU with reset_after went through its float64 kernels; its general loop, which the two
others use, keeps a float32 state, so those agree to seven digits only.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import tinygrad_rnn as tg
from tinygrad_rnn.export import from_keras, to_keras

REFERENCE = json.loads((Path(__file__).parent / "keras_reference.json").read_text())
LAYERS = REFERENCE["layers"]
CLASSES = {"rnn": tg.nn.RNN, "lstm": tg.nn.LSTM, "gru": tg.nn.GRU}


def name(layer):
    return layer["kind"] + str(layer.get("reset_after", ""))


def ours(layer, bias):
    options = {"reset_after": layer["reset_after"]} if layer["kind"] == "gru" else {}
    return CLASSES[layer["kind"]](3, 2, bias=bias, batch_first=True, **options)


@pytest.mark.parametrize("layer", LAYERS, ids=name)
def test_outputs_are_those_of_keras(layer):
    weights = [np.array(w) for w in layer["weights"]]
    two = weights[2].ndim == 2
    net = ours(layer, bias=True if two else "single")
    net.load_state_dict(from_keras(layer["kind"], weights))
    output, _ = net(REFERENCE["x"])
    exact = name(layer) in ("lstm", "gruTrue")
    assert_allclose(output.data, layer["output"], rtol=0, atol=1e-14 if exact else 2e-7)
    back_again = to_keras(layer["kind"], net.state_dict(), reset_after=two)
    for back, w in zip(back_again, weights, strict=True):
        assert_array_equal(back, w)


@pytest.mark.parametrize("layer", [layer for layer in LAYERS if name(layer) != "gruTrue"], ids=name)
def test_two_biases_become_one(layer):
    net = ours(layer, bias=True)
    weights = to_keras(layer["kind"], net.state_dict())
    assert weights[2].ndim == 1 or layer["kind"] == "gru"
    if layer["kind"] != "gru":
        single = ours(layer, bias="single")
        single.load_state_dict(from_keras(layer["kind"], weights))
        assert_allclose(single(REFERENCE["x"])[0].data, net(REFERENCE["x"])[0].data, rtol=1e-12)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="rnn, lstm, gru"):
        from_keras("conv", [np.zeros((3, 2)), np.zeros((2, 2))])
    with pytest.raises(ValueError, match=r"kernel \(D, 4H\)"):
        from_keras("lstm", [np.zeros((3, 6)), np.zeros((2, 6))])


@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
def test_one_bias_of_keras_goes_into_a_layer_with_two(kind):
    single, two = (CLASSES[kind](3, 2, bias=b, rng=0) for b in ("single", True))
    options = {"reset_after": False} if kind == "gru" else {}
    weights = to_keras(kind, single.state_dict(), **options)
    two.load_state_dict(from_keras(kind, weights, bias=True))
    x = np.random.default_rng(0).normal(size=(4, 2, 3))
    assert_allclose(two(x)[0].data, single(x)[0].data, rtol=1e-12)


@pytest.mark.parametrize("reset_after", [True, False])
@pytest.mark.parametrize("bias", [True, "single"])
def test_a_gru_has_the_biases_that_keras_wants(reset_after, bias):
    net = tg.nn.GRU(3, 2, reset_after=reset_after, bias=bias, rng=0)
    weights = to_keras("gru", net.state_dict(), reset_after=reset_after)
    assert weights[2].shape == ((2, 6) if reset_after else (6,))
    back = tg.nn.GRU(3, 2, reset_after=reset_after, rng=1)
    back.load_state_dict(from_keras("gru", weights, bias=True))
    x = np.random.default_rng(0).normal(size=(4, 2, 3))
    assert_allclose(back(x)[0].data, net(x)[0].data, rtol=1e-12)


@pytest.mark.parametrize(
    ("kind", "weights", "message"),
    [
        ("gru", [np.ones((2, 9))], "two or three arrays"),
        ("gru", [np.ones(9), np.ones((3, 9))], "kernel"),
        (
            "lstm",
            [np.ones((2, 12)), np.ones((3, 12)), np.ones(11)],
            r"bias .* \(12,\); given \(11,\)",
        ),
        ("gru", [np.ones((2, 9)), np.ones((3, 9)), np.ones((3, 9))], r"\(2, 9\); given \(3, 9\)"),
    ],
)
def test_arrays_that_are_no_weights_of_keras_are_refused(kind, weights, message):
    with pytest.raises(ValueError, match=message):
        from_keras(kind, weights)


def test_what_keras_has_not_is_refused():
    with pytest.raises(ValueError, match="weight_ch_l0"):
        to_keras("lstm", tg.nn.LSTM(2, 3, peephole=True).state_dict())
    with pytest.raises(ValueError, match="weight_hr_l0"):
        to_keras("lstm", tg.nn.LSTM(2, 3, proj_size=2).state_dict())
    with pytest.raises(ValueError, match="no 'weight_ih_l0'"):
        to_keras("gru", {})
