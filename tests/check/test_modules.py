"""`check_module` and `check_loss`: every parameter of a net, by its path."""

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import functional as F
from tinygrad_rnn import nn
from tinygrad_rnn.check.modules import check_loss, check_module

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 2, 3))
STATE = tuple(RNG.normal(size=(2, 2, 4)) for _ in range(2))

halved = tg.primitive(lambda x: x * 1.0, name="halved").gradients(lambda g, out, x: g / 2)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = [nn.LSTM(3, 4, num_layers=2, rng=1), nn.Linear(4, 5, rng=2)]
        self.tied = self.layers[1].bias

    def forward(self, x, state=None, *, times=1.0):
        h, _ = self.layers[0](x, state)
        return self.layers[1](h) * times + self.tied


class Wrong(Net):
    def forward(self, x, state=None):
        h, _ = self.layers[0](x, state)
        return h @ halved(self.layers[1].weight).T


@pytest.mark.parametrize("layer", [nn.RNN, nn.LSTM, nn.GRU])
def test_all_parameters_of_a_recurrent_layer(layer):
    report = check_module(layer(3, 4, bidirectional=True, rng=0), X)
    assert report, report
    assert {"x", "weight_ih_l0", "weight_hh_l0_reverse", "bias_hh_l0"} <= {
        r.name for r in report.results
    }


def test_nested_inputs_and_options():
    report = check_module(Net(), X, STATE, times=2.0)
    assert report, report
    names = [r.name for r in report.results]
    assert names[:3] == ["x", "state[0]", "state[1]"]
    assert "layers.0.weight_hh_l1" in names
    assert "tied" in names and "layers.1.bias" not in names
    assert check_module(Net(), X, None)


def test_a_wrong_rule_is_found_at_the_parameter_that_it_touches():
    report = check_module(Wrong(), X)
    assert [r.name for r in report.results if r.verdict == "wrong"] == ["layers.1.weight"]
    assert check_module(Wrong(), X, wrt=["layers.0.weight_hh_l0", "x"])


def test_the_loss_of_a_net():
    def loss(net, x, y):
        return F.cross_entropy(net(x), y)

    y = RNG.integers(0, 5, (3, 2))
    report = check_loss(loss, Net(), X, y)
    assert report, report
    assert report.function == "loss" and report.results[0].name == "x"
    assert not check_loss(lambda net, x: net(x).sum() ** 2, Wrong(), X)
    assert check_loss(lambda net, x, y: F.cross_entropy(net(x), y), nn.Linear(3, 5, rng=0), X, y,
                      order=2)  # fmt: skip


def test_the_module_is_left_as_it_was():
    net = Net()
    before = dict(net.named_parameters())
    values = net.state_dict()
    check_loss(lambda net, x: net(x).sum(), net, X)
    assert dict(net.named_parameters()) == before
    assert all(np.array_equal(values[k], v) for k, v in net.state_dict().items())
    assert net._called is None and all(p.grad is None for p in net.parameters())


def test_a_float32_net_is_checked_in_float64():
    report = check_module(nn.Linear(3, 2, rng=0, dtype=np.float32), X)
    assert report and min(r.digits for r in report.results) >= 12


def test_an_input_that_is_called_like_a_parameter():
    class Scale(nn.Module):
        def __init__(self):
            super().__init__()
            self.x = nn.Parameter([1.0, 2.0, 3.0])

        def forward(self, x):
            return self.x * x

    assert [r.name for r in check_module(Scale(), X).results] == ["x (input)", "x"]


def test_refused():
    with pytest.raises(TypeError, match="expected a Module"):
        check_module(np.tanh, X)
    with pytest.raises(TypeError, match="expected a Module"):
        check_module(nn.LSTM, X)
    with pytest.raises(ValueError, match="two different results"):
        check_module(nn.LSTM(3, 4, num_layers=2, dropout=0.5, rng=0), X)
