"""The parameter tree, weights in and out, and modules as functions of their weights."""

from __future__ import annotations

import copy
import pickle
from collections import namedtuple

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import Tensor, nn
from tinygrad_rnn.nn import Module, Parameter


class Scale(Module):
    def __init__(self, *values):
        super().__init__()
        self.factor = Parameter(list(values))

    def forward(self, x):
        return x * self.factor


class Net(Module):
    """Parameters and modules in attributes, lists and tuples, among things that are neither."""

    def __init__(self, rng=0):
        super().__init__()
        rng = np.random.default_rng(rng)
        self.first = nn.Linear(3, 4, rng=rng)
        self.width = 4
        self.gains = [Parameter([1.0]), "no parameter", Parameter([2.0, 3.0])]
        self.blocks = (
            nn.Sequential(nn.Linear(4, 4, rng=rng), nn.Dropout(0.5, rng=rng)),
            Scale(1.0),
        )
        self.constant = Tensor([1.0, 2.0])
        self.nothing = None

    def forward(self, x):
        for block in (self.first, *self.blocks):
            x = block(x)
        return x * self.gains[0]


PATHS = [
    "gains.0",
    "gains.2",
    "first.weight",
    "first.bias",
    "blocks.0.0.weight",
    "blocks.0.0.bias",
    "blocks.1.factor",
]


class Tied(Module):
    """One parameter under two paths."""

    def __init__(self):
        super().__init__()
        self.a = nn.Linear(2, 2, bias=False, rng=0)
        self.b = nn.Linear(2, 2, bias=False, rng=1)
        self.b.weight = self.a.weight

    def forward(self, x):
        return self.b(self.a(x))


# ---------------------------------------------------------------- the tree
def test_parameters_are_found_in_attributes_lists_and_modules():
    net = Net()
    assert [path for path, _ in net.named_parameters()] == PATHS
    assert list(net.parameters()) == [p for _, p in net.named_parameters()]
    assert all(isinstance(p, Parameter) and p.requires_grad for p in net.parameters())
    assert net.num_parameters() == 1 + 2 + 12 + 4 + 16 + 4 + 1
    assert [path for path, _ in net.named_modules()] == [
        "", "first", "blocks.0", "blocks.0.0", "blocks.0.1", "blocks.1",
    ]  # fmt: skip


def test_the_tree_is_read_whenever_it_is_asked_for():
    net = Net()
    net.late = nn.Linear(2, 2, bias=False)
    net.gains.append(Parameter([5.0]))
    net.nothing = Scale(1.0)
    paths = [path for path, _ in net.named_parameters()]
    assert set(paths) == {*PATHS, "late.weight", "gains.3", "nothing.factor"}
    del net.first
    assert "first.weight" not in dict(net.named_parameters())


@pytest.mark.parametrize("holder", [lambda m: [[m]], lambda m: ([m],), lambda m: {"only": m}])
def test_no_module_is_lost_in_a_container(holder):
    """Weights that are silently not trained are worse than an error."""
    net = Module()
    try:
        net.layers = holder(nn.Linear(2, 2))
    except TypeError:
        return
    assert net.num_parameters() == 6


def test_a_misspelt_attribute_is_an_error():
    with pytest.raises(AttributeError, match="frist"):
        _ = Net().frist


def test_shared_parameters_and_modules_come_once():
    tied = Tied()
    assert [path for path, _ in tied.named_parameters()] == ["a.weight"]
    assert tied.num_parameters() == 4
    block = nn.Linear(2, 2, rng=0)
    twice = nn.Sequential(block, block)
    assert twice.num_parameters() == 6
    assert len(list(twice.parameters())) == 2


def test_shared_parameters_get_both_gradients():
    tied = Tied()
    x, cotangent = np.random.default_rng(0).standard_normal((2, 5, 2))
    (tied(x) * cotangent).sum().backward()
    w = tied.a.weight.data  # y = x w^T w^T
    expected = (cotangent @ w).T @ x + cotangent.T @ (x @ w.T)
    np.testing.assert_allclose(tied.a.weight.grad, expected, rtol=1e-12)


def test_parameters_are_named_after_their_attribute():
    net = Net()
    assert net.first.weight.name == "weight"
    net.mine = Parameter([1.0], name="given")
    assert net.mine.name == "given"


# ---------------------------------------------------------------- forgotten lines
def test_a_forgotten_super_init_does_no_harm():
    class Forgetful(Module):
        def __init__(self):
            self.w = Parameter([1.0])

        def forward(self, x):
            return self.w * x

    net = Forgetful()
    assert [path for path, _ in net.named_parameters()] == ["w"]
    assert net.training
    assert not net.eval().training
    assert net(2.0).item() == 2.0


def test_a_missing_forward_is_explained():
    class Empty(Module):
        pass

    with pytest.raises(TypeError, match=r"Empty has no forward\(\)"):
        Empty()(1.0)


# ---------------------------------------------------------------- modes and gradients
def test_train_and_eval_reach_everything_below():
    net = Net()
    assert all(m.training for _, m in net.named_modules())
    assert net.eval() is net
    assert not any(m.training for _, m in net.named_modules())
    assert net.train() is net
    assert all(m.training for _, m in net.named_modules())
    net.blocks[0].eval()
    assert net.training and not net.blocks[0][1].training


def test_zero_grad_forgets_all_gradients():
    net = Net()
    net(np.ones((2, 3))).sum().backward()
    assert net.first.weight.grad is not None
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())


# ---------------------------------------------------------------- weights in and out
def test_state_dict_holds_copies():
    net = Net()
    state = net.state_dict()
    assert list(state) == PATHS
    state["first.weight"][...] = 77
    assert not np.any(net.first.weight.data == 77)
    assert all(type(array) is np.ndarray for array in state.values())


def test_loading_copies_and_keeps_the_parameters_themselves():
    net, other = Net(0), Net(1)
    before = dict(net.named_parameters())
    state = other.state_dict()
    net.load_state_dict(state)
    assert dict(net.named_parameters()) == before, "the same Parameter objects"
    for path, array in state.items():
        assert np.array_equal(before[path].data, array)
        assert not np.shares_memory(before[path].data, array)
    x = np.random.default_rng(0).standard_normal((2, 3))
    assert np.array_equal(net.eval()(x).data, other.eval()(x).data)


def test_loading_keeps_the_dtype():
    half = nn.Linear(2, 3, dtype=np.float32)
    half.load_state_dict(nn.Linear(2, 3, rng=0).state_dict())
    assert half.weight.dtype == half.bias.dtype == np.float32


def test_a_file_of_weights_can_be_loaded(tmp_path):
    net, other = Net(0), Net(1)
    np.savez(tmp_path / "weights.npz", **net.state_dict())
    with np.load(tmp_path / "weights.npz") as weights:
        other.load_state_dict(weights)
    assert np.array_equal(other.first.weight.data, net.first.weight.data)


def test_weights_that_do_not_fit_are_all_named_and_nothing_is_changed():
    net = Net()
    before = net.state_dict()
    state = {path: array + 1 for path, array in before.items()}
    del state["first.bias"], state["gains.0"]
    state["first.wieght"] = np.ones((4, 3))
    state["blocks.0.0.weight"] = np.ones((5, 4))
    state["gains.2"] = np.ones((1, 2))  # would broadcast, and is refused
    with pytest.raises(ValueError, match="do not fit Net") as caught:
        net.load_state_dict(state)
    for words in (
        "missing: first.bias (4,)",
        "missing: gains.0 (1,)",
        "unexpected: first.wieght (4, 3)",
        "shape of blocks.0.0.weight: given (5, 4), expected (4, 4)",
        "shape of gains.2: given (1, 2), expected (2,)",
    ):
        assert words in str(caught.value)
    assert "first.weight" not in str(caught.value)
    for path, array in net.state_dict().items():
        assert np.array_equal(array, before[path])


def test_loading_some_of_the_weights():
    net = Net()
    before = net.state_dict()
    net.load_state_dict({"gains.0": [9.0], "other": [1.0]}, strict=False)
    assert net.gains[0].data == [9.0]
    assert np.array_equal(net.first.weight.data, before["first.weight"])
    with pytest.raises(ValueError, match=r"shape of gains\.0"):
        net.load_state_dict({"gains.0": [9.0, 9.0]}, strict=False)


def test_weights_that_are_no_numbers_change_nothing():
    layer = nn.Linear(2, 2, rng=0)
    before = layer.state_dict()
    with pytest.raises((ValueError, TypeError)):
        layer.load_state_dict({"weight": np.ones((2, 2)), "bias": np.array(["a", "b"])})
    assert np.array_equal(layer.weight.data, before["weight"])


def test_a_graph_from_before_loading_refuses_backward():
    net = Net()
    loss = net(np.ones((2, 3))).sum()
    net.load_state_dict(Net(1).state_dict())
    with pytest.raises(RuntimeError, match="was changed in place"):
        loss.backward()


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_a_copy_is_independent(duplicate):
    net = Net()
    other = duplicate(net)
    assert list(other.state_dict()) == PATHS
    x = np.random.default_rng(0).standard_normal((2, 3))
    other.eval()(x).sum().backward()
    assert net.first.weight.grad is None and other.first.weight.grad is not None
    with tg.no_grad():
        other.first.weight += 1.0
    assert not np.any(net.first.weight.data == other.first.weight.data)
    tied = duplicate(Tied())
    assert tied.a.weight is tied.b.weight


# ---------------------------------------------------------------- how it looks
def test_repr_shows_the_tree_with_shapes_and_counts():
    assert repr(Net()) == "\n".join(
        [
            "Net (40 parameters)",
            "  first: Linear(3, 4) (16 parameters)",
            "    weight (4, 3)",
            "    bias (4,)",
            "  gains.0 (1,)",
            "  gains.2 (2,)",
            "  blocks.0: Sequential (20 parameters)",
            "    0: Linear(4, 4) (20 parameters)",
            "      weight (4, 4)",
            "      bias (4,)",
            "    1: Dropout(0.5) (0 parameters)",
            "  blocks.1: Scale (1 parameter)",
            "    factor (1,)",
        ]
    )
    text = repr(nn.LSTM(100, 200, num_layers=2, bidirectional=True))
    assert "LSTM(100, 200, num_layers=2, bidirectional=True) (1,446,400 parameters)" in text
    assert "weight_hh_l1_reverse (800, 200)" in text


# ---------------------------------------------------------------- scopes
def test_nodes_know_their_module_path():
    net = Net().eval()
    y = net(np.ones((2, 3)))
    assert {("Net",), ("Net", "first")} <= scopes_of(y)
    assert tg.exp(y).node.scope == (), "and the scope ends with the call"


def scopes_of(*tensors):
    found, stack = set(), list(tensors)
    while stack:
        node = stack.pop().node
        if node is not None:
            found.add(node.scope)
            stack += [x for x in node.inputs if isinstance(x, Tensor)]
    return found


def test_the_scope_ends_when_forward_raises():
    layer = nn.Linear(2, 3)
    with pytest.raises(ValueError):
        layer(np.ones(5))
    assert tg.exp(Tensor(1.0)).node.scope == ()


# ---------------------------------------------------------------- a function of its weights
def test_functional_call_computes_with_the_given_tensors_and_gives_them_the_gradient():
    net = Net().eval()
    rng = np.random.default_rng(0)
    x, cotangent = rng.standard_normal((2, 3)), rng.standard_normal((2, 4))
    other = Net(1).eval()
    weights = {k: Tensor(v, requires_grad=True) for k, v in other.state_dict().items()}
    y = nn.functional_call(net, weights, x)
    assert np.array_equal(y.data, other(x).data)
    (y * cotangent).sum().backward()
    (other(x) * cotangent).sum().backward()
    for path, p in other.named_parameters():
        if p.grad is None:  # gains.2 is not used
            assert weights[path].grad is None
        else:
            np.testing.assert_array_equal(weights[path].grad, p.grad)
    assert all(p.grad is None for p in net.parameters())


def test_functional_call_replaces_some_and_puts_them_back():
    net = Net().eval()
    before, x = dict(net.named_parameters()), np.random.default_rng(0).standard_normal((2, 3))
    y = net(x).data
    doubled = nn.functional_call(net, {"gains.0": Tensor([2.0])}, x)
    np.testing.assert_allclose(doubled.data, 2 * y)
    assert dict(net.named_parameters()) == before
    assert np.array_equal(net(x).data, y)


def test_functional_call_passes_all_arguments():
    layer = nn.GRU(2, 3, rng=0)
    x, h0 = np.ones((4, 1, 2)), np.ones((1, 1, 3))
    weights = {path: Tensor(array) for path, array in layer.state_dict().items()}
    ours = nn.functional_call(layer, weights, x, state=h0)
    assert np.array_equal(ours[0].data, layer(x, h0)[0].data)


def test_functional_call_restores_after_an_exception():
    net = Net().eval()
    before = dict(net.named_parameters())
    weights = {path: Tensor(array) for path, array in net.state_dict().items()}
    with pytest.raises(ValueError, match="Linear expects"):
        nn.functional_call(net, weights, np.ones((2, 7)))
    assert dict(net.named_parameters()) == before
    assert type(net.gains) is list and type(net.blocks) is tuple
    assert net.gains[1] == "no parameter"


def test_functional_call_replaces_inside_tuples():
    net = Module()
    net.pair = (Parameter([1.0]), Parameter([2.0]))
    before, seen = net.pair, []
    net.forward = lambda: seen.append(net.pair)
    mine = Tensor([5.0])
    nn.functional_call(net, {"pair.1": mine})
    assert type(seen[0]) is tuple and seen[0][0] is before[0] and seen[0][1] is mine
    assert net.pair == before and type(net.pair) is tuple


def test_functional_call_refuses_unknown_paths():
    net = Net()
    with pytest.raises(KeyError, match=r"Net has no parameter first\.wieght"):
        nn.functional_call(net, {"first.wieght": Tensor(1.0)}, np.ones((2, 3)))


def test_functional_call_replaces_a_shared_parameter_everywhere():
    """As PyTorch does (tie_weights=True): `dict(named_parameters())` has only its first path."""
    tied = Tied()
    eye = Tensor(np.eye(2), requires_grad=True)
    x = np.random.default_rng(0).standard_normal((5, 2))
    assert np.array_equal(nn.functional_call(tied, {"a.weight": eye}, x).data, x)


def test_a_module_can_be_differentiated_twice():
    """A Hessian-vector product of all weights, against differences of gradients."""
    layer = nn.Linear(2, 3, rng=0)
    rng = np.random.default_rng(0)
    x, cotangent, v = (
        rng.standard_normal((4, 2)),
        rng.standard_normal((4, 3)),
        rng.standard_normal((3, 2)),
    )

    def gradient(array, create_graph=False):
        w = Tensor(array, requires_grad=True)
        y = tg.tanh(nn.functional_call(layer, {"weight": w}, x))
        return w, tg.grad((y * cotangent).sum(), w, create_graph=create_graph)

    w0 = layer.weight.numpy()
    w, g = gradient(w0, create_graph=True)
    hvp = tg.grad((g * v).sum(), w).data
    ends = [gradient(w0 + sign * 1e-6 * v)[1].data for sign in (1, -1)]
    np.testing.assert_allclose(hvp, (ends[0] - ends[1]) / 2e-6, rtol=1e-6, atol=1e-8)


# ---------------------------------------------------------------- what a first reviewer found
def test_functional_call_keeps_what_forward_notes_and_named_tuples():
    Sizes = namedtuple("Sizes", "width weight")

    class Counting(Module):
        def __init__(self):
            super().__init__()
            self.sizes, self.calls, self.seen = Sizes(3, Parameter([1.0, 2.0])), 0, []

        def forward(self, x):
            self.calls += 1
            self.seen.append(self.sizes.width)
            return (self.sizes.weight * x).sum()

    net = Counting()
    assert nn.functional_call(net, {"sizes.1": Tensor([5.0, 6.0])}, 1.0).item() == 11
    assert (net.calls, net.seen) == (1, [3])
    assert net(1.0).item() == 3


def test_a_parameter_is_not_replaced_by_a_result():
    net = nn.Linear(2, 1)
    with pytest.raises(TypeError, match=r"Linear\.weight is a Parameter"):
        net.weight = net.weight - 0.1 * net.weight
    net.bias = None
    assert [path for path, _ in net.named_parameters()] == ["weight"]


def test_a_module_that_knows_its_parent():
    parent, child = nn.Sequential(nn.Linear(2, 2)), nn.Linear(2, 2)
    parent.child, child.parent = child, parent
    assert len(list(parent.parameters())) == 4
    assert parent.num_parameters() == 12


def test_a_state_dict_may_hold_the_parameters_themselves():
    net, other = nn.Linear(2, 1, rng=0), nn.Linear(2, 1, rng=1)
    other.load_state_dict(dict(net.named_parameters()))
    assert np.array_equal(net.weight.data, other.weight.data)


def test_a_trained_module_comes_back_from_its_pickle_and_learns_on():
    net = nn.Linear(2, 1, rng=0)
    net.weight.data = net.weight.data * 2
    again = pickle.loads(pickle.dumps(net))
    (again(np.ones((3, 2))) ** 2).sum().backward()
    assert again.weight.grad.shape == (1, 2)
