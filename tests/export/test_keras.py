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
    for back, w in zip(to_keras(layer["kind"], net.state_dict()), weights, strict=True):
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
