"""What looked like a detail and gave a wrong answer in silence, each once."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import functional as F
from tinygrad_rnn import guards, nn


def leaf(values, name="x"):
    return tg.Tensor(values, requires_grad=True, name=name)


def test_debug_sees_a_write_between_a_gradient_and_the_gradient_of_it():
    x = leaf([1.0, 2.0])
    with tg.debug():
        slope = tg.grad((x**3).sum(), x, create_graph=True)
        x.data[:] = [10.0, 20.0]
        with pytest.raises(RuntimeError, match="'x' was written into"):
            tg.grad(slope.sum(), x)


def test_debug_sees_a_write_into_an_index_within_a_tuple():
    x, rows = leaf([1.0, 2.0, 3.0]), np.array([0, 0, 1])
    with tg.debug():
        y = tg.getitem(x, index=(rows,)).sum()
        rows[0] = 2
        with pytest.raises(RuntimeError, match="written into"):
            y.backward()


@pytest.mark.parametrize("rule", [lambda g, out, x: x > 0, lambda g, out, x: (x > 0).astype(int)])
def test_a_rule_that_gives_whole_numbers_or_booleans_is_added_up_as_numbers(rule):
    ramp = tg.primitive(lambda x: np.maximum(x, 0), name="ramp").gradients(rule)
    x = leaf([1.0, 2.0, 3.0])
    (ramp(x) + ramp(x) + ramp(x)).sum().backward()
    assert x.grad.dtype == float
    np.testing.assert_array_equal(x.grad, [3.0, 3.0, 3.0])


def test_a_rule_that_gives_objects_is_refused_by_name():
    odd = tg.primitive(lambda x: x * 1.0, name="odd")
    odd.gradients(lambda g, out, x: np.array([None, None]))
    with pytest.raises(ValueError, match=r"rule of odd .* an array of object"):
        odd(leaf([1.0, 2.0])).sum().backward()


def test_more_rules_than_inputs_are_refused():
    with pytest.raises(TypeError, match="once has 1 inputs; given 2 rules"):
        tg.primitive(lambda x: x, name="once").gradients(lambda g, o, x: g, lambda g, o, x: g)


def test_a_hand_written_backward_cannot_write_into_what_arrives():
    def backward(g, x):
        g *= 2
        return g

    double = tg.primitive(lambda x: 2 * x, name="double", backward=backward)
    seed = np.ones(2)
    with pytest.raises(ValueError, match="read-only"):
        double(leaf([1.0, 1.0])).backward(seed)
    np.testing.assert_array_equal(seed, [1.0, 1.0])


def test_equality_with_numbers_is_asked_entry_by_entry_and_with_tensors_once():
    x, y = leaf([0.0, 2.0]), leaf([0.0, 2.0])
    np.testing.assert_array_equal(x == 0.0, [True, False])
    np.testing.assert_array_equal(x != np.array([0.0, 0.0]), [False, True])
    np.testing.assert_array_equal(tg.where(x == 0.0, 9.0, x).data, [9.0, 2.0])
    assert (x == x, x == y, x != y, x == None) == (True, False, True, False)  # noqa: E711
    assert len({x, y, x}) == 2 and 2.0 in x


def test_a_product_in_place_changes_the_tensor_itself():
    x = leaf([1.0, 2.0, 3.0])
    with tg.no_grad():
        w = x
        w @= 2 * np.eye(3)
    assert w is x and x.requires_grad
    np.testing.assert_array_equal(x.data, [2.0, 4.0, 6.0])
    with pytest.raises(RuntimeError, match="in-place matmul on 'x'"):
        x @= np.eye(3)


@pytest.mark.parametrize(
    "use",
    [
        lambda x, m: m * x,
        lambda x, m: x * m,
        lambda x, m: np.ma.exp(x),
        lambda x, m: tg.Tensor(m),
    ],
    ids=["masked * tensor", "tensor * masked", "np.ma.exp", "Tensor"],
)
def test_a_masked_array_is_refused(use):
    with pytest.raises(TypeError):
        use(leaf([1.0, 2.0]), np.ma.array([1.0, 2.0], mask=[0, 1]))


def test_new_data_keep_the_dtype_and_what_cannot_is_refused():
    x = leaf([1.0, 2.0])
    x.data = np.ones(2, np.float32)
    assert x.dtype == float
    with pytest.raises(TypeError, match="cannot become complex128"):
        x.data = np.ones(2, complex)


def test_a_parameter_cannot_be_replaced_by_what_is_not_learned():
    layer = tg.nn.Linear(2, 2, rng=0)
    for value in (np.zeros((2, 2)), tg.Tensor(np.zeros((2, 2))), [[1.0]]):
        with pytest.raises(TypeError, match="weight is a Parameter"):
            layer.weight = value
    layer.bias = None
    assert set(layer.state_dict()) == {"weight"}


@pytest.mark.parametrize("logit", [10.0, 30.0, 36.0, 700.0])
@pytest.mark.parametrize("target", [0.0, 1.0])
def test_a_loss_that_is_almost_zero_keeps_its_digits(logit, target):
    sure = logit if target else -logit
    loss = F.binary_cross_entropy_with_logits(leaf([sure]), np.array([target]))
    np.testing.assert_allclose(loss.item(), np.log1p(np.exp(-logit)), rtol=1e-14)


def test_a_spread_over_too_few_entries_is_infinite_as_in_numpy():
    x = tg.Tensor([1.0, 2.0])
    with np.errstate(all="ignore"):
        assert x.var(ddof=3).item() == np.inf == x.var(ddof=2).item()


def test_equal_entries_have_a_spread_without_slope():
    x = leaf([1.0, 1.0, 1.0])
    x.std().backward()
    np.testing.assert_array_equal(x.grad, [0.0, 0.0, 0.0])


def test_the_logarithm_of_an_empty_sum():
    x = leaf(np.zeros((2, 0)))
    y = tg.logsumexp(x, axis=1)
    np.testing.assert_array_equal(y.data, [-np.inf, -np.inf])
    y.backward(np.ones(2))
    assert x.grad.shape == (2, 0)


def test_scores_of_no_class_at_all():
    assert F.log_softmax(leaf(np.zeros((2, 0)))).shape == (2, 0)


def test_a_comparison_cannot_write_into_a_tensor():
    x = leaf([1.0, 2.0])
    with pytest.raises(TypeError, match=r"less\(out=\)"):
        np.less(np.ones(2), np.ones(2), out=x)


def test_nothing_taken_is_nothing():
    assert tg.take(leaf([1.0, 2.0]), []).shape == np.take(np.ones((3, 2)), [], axis=0)[:, 0].shape


def test_lists_are_arrays_here_too():
    np.testing.assert_array_equal(tg.pad([1.0, 2.0], 1), [0.0, 1.0, 2.0, 0.0])
    assert tg.nn.Dropout(0.5, rng=0)([1.0, 1.0]).shape == (2,)


def test_a_slice_of_a_sequential_shares_its_steps():
    net = tg.nn.Sequential(tg.nn.Linear(2, 3, rng=0), tg.tanh, tg.nn.Linear(3, 1, rng=1))
    part = net[:2]
    assert len(part) == 2 and part[0] is net[0] and net[-1] is net[2]


def test_a_padding_row_that_does_not_exist_is_named():
    with pytest.raises(ValueError, match="one of the 3 rows; given 7"):
        tg.nn.Embedding(3, 2, padding_idx=7)


def test_a_switch_without_parentheses_says_how_it_is_written():
    with pytest.raises(TypeError, match=r"write @no_grad\(\)"):
        tg.no_grad(lambda x: x)


def test_gradients_of_several_outputs_add_up():
    x = leaf([1.0, 2.0])
    a, b = x * x, x * 3.0
    (g,) = tg.grad([a, b], [x], [np.ones(2), np.array([0.0, 1.0])])
    np.testing.assert_array_equal(g.data, [2.0, 7.0])
    np.testing.assert_array_equal(tg.grad([a.sum(), a.sum()], x).data, [4.0, 8.0])
    (h,) = tg.grad([a, b, a], [x], [np.ones(2)] * 3)
    np.testing.assert_array_equal(h.data, [7.0, 11.0])
    with pytest.raises(ValueError, match="2 outputs need 2 gradients; given 1"):
        tg.grad([a, b], x, [np.ones(2)])


def test_a_direction_for_each_input_is_asked_for():
    with pytest.raises(ValueError, match="2 inputs need 2 directions; given 1"):
        tg.jvp(lambda x, y: x * y, (leaf([1.0]), leaf([2.0])), (np.ones(1),))


def taught(steps=3, **settings):
    w = tg.nn.Parameter([1.0, 2.0])
    optimizer = tg.optim.Adam([w], lr=0.1, **settings)
    for _ in range(steps):
        w.grad = w.data.copy()
        optimizer.step()
    return w, optimizer


@pytest.mark.parametrize("lost", ["exp_avg", "exp_avg_sq"])
def test_an_optimizers_memory_is_whole_or_refused(lost):
    w, optimizer = taught()
    state = optimizer.state_dict()
    del state[f"0.{lost}"]
    with pytest.raises(ValueError, match=f"missing: 0.{lost}"):
        tg.optim.Adam([w]).load_state_dict(state)


def test_a_gradient_that_is_a_tensor_is_taken_as_its_values():
    w = tg.nn.Parameter([1.0, 2.0])
    w.grad = tg.grad((w * w).sum(), w)
    assert tg.optim.clip_grad_norm_([w], 1.0) == pytest.approx(np.sqrt(20))
    tg.optim.SGD([w], lr=1.0).step()
    np.testing.assert_allclose(w.data, np.array([1.0, 2.0]) * (1 - 2 / np.sqrt(20)), rtol=1e-6)


def test_two_parameters_that_share_a_gradient_are_scaled_once():
    a, b = tg.nn.Parameter([1.0]), tg.nn.Parameter([1.0])
    a.grad = b.grad = np.array([3.0])
    tg.optim.clip_grad_norm_([a, b], 1.0)
    np.testing.assert_allclose([a.grad, b.grad], np.sqrt(0.5), rtol=1e-6)


def test_settings_that_are_no_settings():
    w = tg.nn.Parameter([1.0])
    for settings, error in (
        ({"betas": 0.9}, ValueError),
        ({"betas": (0.9, 0.9, 0.9)}, ValueError),
        ({"lr": "0.1"}, TypeError),
    ):
        with pytest.raises(error, match="Adam takes"):
            tg.optim.Adam([w], **settings)
    with pytest.raises(TypeError, match="iterable"):
        tg.optim.SGD(w)


# ---------------------------------------------------------------- memory that is shared
def linear():
    layer, x = nn.Linear(2, 3, rng=0), tg.Tensor(np.ones((4, 2)), requires_grad=True)
    return layer.weight, layer(x), x


def frozen():
    layer, x = nn.Linear(2, 3, rng=0), tg.Tensor(np.ones((4, 2)), requires_grad=True)
    layer.weight.requires_grad = False
    return layer.weight, layer(x), x


def detached():
    w, x = (tg.Tensor(np.ones(3), requires_grad=True, name=name) for name in "wx")
    return w, x * w.detach(), x


def sliced():
    w, x = tg.Tensor(np.ones(5), name="w"), tg.Tensor(np.ones(3), requires_grad=True)
    return w, x * w[:3], x


@pytest.mark.parametrize("program", [linear, frozen, detached, sliced])
def test_writing_into_data_is_noticed_through_a_view(program):
    """`w.data -= 1` writes into the array, and w.T, w[:3], w.detach() have the same memory."""
    w, y, x = program()
    w.data -= 1.0
    with pytest.raises(RuntimeError, match=f"shares the memory of '{w.name}'.* changed in place"):
        tg.grad(y.sum(), x)
    _, y, x = program()  # what is recorded afterwards is as good as ever
    y.sum().backward()


def test_a_training_loop_may_write_into_data():
    layer = nn.Linear(2, 1, rng=0)
    losses = []
    for _ in range(50):
        loss = tg.square(layer(np.array([[1.0, 2.0], [0.5, -1.0]])) - 1.0).sum()
        layer.zero_grad()
        loss.backward()
        for p in layer.parameters():
            p.data -= 0.1 * p.grad
        losses.append(loss.item())
    assert losses[-1] < 1e-3 * losses[0]


def test_what_was_written_into_is_forgotten_with_its_array():
    w = tg.Tensor(np.ones(3))
    before = len(guards.writes._known)
    w.data += 1.0
    w.data += 1.0
    assert len(guards.writes._known) == before + 1
    del w
    assert len(guards.writes._known) == before


@pytest.mark.parametrize("axis", [0, -1, ()])
def test_a_reduction_of_a_single_number_along_an_axis(axis):
    """NumPy lets 0 and -1 pass for a number without axes."""
    x = tg.Tensor(3.0, requires_grad=True)
    (2 * tg.sum(x, axis=axis)).backward()
    assert x.grad == 2
