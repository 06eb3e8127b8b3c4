"""The walk: whole programs against the truth, and one test for every way a walk goes wrong."""

from __future__ import annotations

import copy
import gc
import pickle
import tracemalloc

import numpy as np
import pytest
from cases import Case
from test_ops import CHECKS, close, leaf, normal

import tinygrad_rnn as tg
from tinygrad_rnn import graph, ops


def doubled_twice(a):
    b = a + a
    return b + b


def diamond(a, b):
    c = np.tanh(a * b)
    return c * a + np.sin(c) / (2 + c * c)


def late_use_of_an_early_value(a):
    early = np.sin(a)
    late = early
    for _ in range(4):
        late = np.tanh(late) + early * a
    return early * late


def recurrent(x, W, b):
    h = b
    for t in range(len(x)):
        h = np.tanh(h @ W + x[t])
    return h


def gates(x, W):
    z = x @ W
    n = z.shape[-1] // 3
    i, f, g = z[..., :n], z[..., n : 2 * n], z[..., 2 * n :]
    return np.stack([np.tanh(i) * f, g * f], axis=1)


def repeated_rows(W):
    return np.concatenate([W[[0, 1, 0, 0]], W[:1], W[-1][None] * W[0]])


def used_by_rows_and_whole(W):
    return W @ W + W.T * W[0] + W[:, :1]


def broadcast_both_ways(a, b):
    return a[:, None] * b + (a[:, None] + b).sum(axis=0)


A, B, X, W = normal((3,), 1), normal((3,), 2), normal((4, 2, 3), 3), normal((3, 3), 4)
PROGRAMS = {
    f.__name__: Case(f, f, operands, f.__name__)
    for f, *operands in [
        (doubled_twice, A),
        (diamond, A, B),
        (late_use_of_an_early_value, A),
        (recurrent, X, W, A),
        (gates, X[0], normal((3, 6), 5)),
        (repeated_rows, W),
        (used_by_rows_and_whole, W),
        (broadcast_both_ways, A, normal((1, 4), 6)),
    ]
}


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("check", CHECKS)
def test_programs_with_reuse(check, program):
    CHECKS[check](PROGRAMS[program])


# ---------------------------------------------------------------- order and accumulation
def test_a_tensor_used_twice_gets_both_gradients():
    a = leaf(1.5)
    doubled_twice(a).backward()
    assert a.grad == 4


def test_x_times_x_records_two_inputs():
    x = leaf(3.0)
    y = x * x
    assert y.node.inputs == (x, x)
    y.backward()
    assert x.grad == 6


def test_backward_twice_adds_twice_and_the_graph_survives():
    x, seed = leaf(A), normal((3,), 9)
    y = np.tanh(x) * x
    y.backward(seed)
    once = x.grad.copy()
    assert y.node is not None and y.node.inputs[0].node.op is tg.tanh
    y.backward(seed)
    close(x.grad, 2 * once)


def test_a_gradient_is_an_array_also_after_adding_to_a_single_number():
    x = leaf(2.0)
    for times in (1, 2, 3):
        (x * x).backward()
        assert type(x.grad) is np.ndarray and x.grad.shape == ()
        assert x.grad == 4 * times


def test_ancestors_come_in_creation_order_and_once():
    a = leaf(A, "a")
    b = np.tanh(a)
    c = b * a
    d = c + b
    assert graph.ancestors([d]) == [b, c, d]
    assert graph.ancestors([d, d, b]) == [b, c, d]


def test_only_what_needs_a_gradient_is_walked():
    a, b = leaf(A), tg.Tensor(B)
    constant = np.tanh(b) * b
    y = a * constant
    assert [tensor for tensor, _ in graph.cotangents(y, B)] == [y, a]
    assert len(graph.ancestors([y])) == 3


def test_the_rule_of_a_constant_is_never_called():
    def forbidden(g, out, x, y):
        raise AssertionError("the gradient of a constant was computed")

    op = tg.primitive(lambda x, y: x * y, lambda g, out, x, y: g * y, forbidden, name="half")
    x, seed = leaf(A), normal((3,), 7)
    for constant in (B, tg.Tensor(B), leaf(B).detach()):
        op(x, constant).backward(seed)
        tg.grad(op(x, constant), x, seed, create_graph=True)
    y = leaf(B)
    tg.grad(op(x, y), x, seed)
    with pytest.raises(AssertionError, match="constant"):
        op(x, y).backward(seed)


def test_grad_walks_only_towards_what_was_asked_for():
    def forbidden(g, out, x):
        raise AssertionError("walked past")

    op = tg.primitive(np.exp, forbidden, name="wall")
    a, b = leaf(A), leaf(B)
    h = op(a)
    seed = normal((3,), 7)
    close(tg.grad(h * b, b, seed).data, seed * h.data)
    close(tg.grad(h * b, h, seed).data, seed * B)


def check_walk(y):
    """Each tensor is met once, with its whole gradient: the sum of what its edges carried."""
    sendings = {}
    met = list(graph.cotangents(y, normal(y.shape, 7), sendings=sendings))
    totals = dict(met)
    assert len(met) == len(totals), "a tensor was visited twice"
    arrived = {}
    for out, sent in sendings.items():
        for i, x, contribution in sent:
            g = graph.summed([contribution], x)
            assert x is out.node.inputs[i] and g.shape == x.shape
            arrived[x] = arrived.get(x, 0) + g
    assert set(arrived) == set(totals) - {y}
    for x, g in arrived.items():
        close(g, totals[x])
    for x, g in totals.items():
        close(tg.grad(y, x, normal(y.shape, 7)).data, g)


@pytest.mark.parametrize("program", PROGRAMS)
def test_edges_add_up_to_node_gradients(program):
    case = PROGRAMS[program]
    check_walk(case.call(*map(leaf, case.operands)))


def two_ways_to_cut(x):
    rows, columns = tg.split(x, [1]), tg.split(x, [2], axis=1)
    return rows[0] * 2 + (rows[1] ** 2).sum() + (columns[0] * columns[1]).sum() * tg.split(x, 3)[0]


def test_shares_of_one_kind_with_different_attributes_are_kept_apart():
    CHECKS["gradient_equals_the_complex_step"](Case(two_ways_to_cut, two_ways_to_cut, [W], "cuts"))


# ---------------------------------------------------------------- long chains, memory, cost
def test_a_chain_of_100000_operations_is_walked_and_freed_without_recursion():
    x = leaf(1.0)
    y = x
    for _ in range(100_000):
        y = y + 1.0
    assert len(graph.ancestors([y])) == 100_000
    y.backward()
    assert x.grad == 1 and "add" in repr(y) and "add" in repr(y.node)
    (g,) = tg.grad(y, [x])
    assert g.data == 1
    del y


def test_leaves_are_pickled_and_copied_and_results_are_not():
    x = leaf(A, "x")
    x.data = x.data + 1  # changed, by this process's clock
    for again in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert (again.name, again.requires_grad, again.changed) == ("x", True, 0)
        (again * again).sum().backward()
        close(again.grad, 2 * x.data)
    with pytest.raises(TypeError, match="part of a graph"):
        copy.deepcopy(np.tanh(x))
    net = tg.nn.Sequential(tg.nn.Linear(2, 3), tg.tanh)
    assert pickle.loads(pickle.dumps(net))[1] is tg.tanh
    assert copy.deepcopy(tg.tanh) is tg.tanh


def test_a_finished_step_leaves_nothing_for_the_garbage_collector():
    x, w = leaf(X), leaf(W)
    op = tg.primitive(lambda x: 2 * x, name="double", backward=lambda g, x: 2 * g)

    def step():
        loss = (op(recurrent(x, w, tg.Tensor(A))) ** 2).sum() + x[1, [0, 0]].sum()
        loss.backward()
        gx, gw = tg.grad(loss, [x, w], create_graph=True)
        ((gx * gx).sum() + (gw * gw).sum()).backward()

    step()
    gc.collect()
    gc.disable()
    try:
        step()
        assert gc.collect() == 0
    finally:
        gc.enable()


def zeroed_bytes(monkeypatch, T, read):
    """How many bytes of zeros the backward pass of a loop over x (T, 50) asks for."""
    x = leaf(np.ones((T, 50)))
    loss = sum((read(x, t) * float(t)).sum() for t in range(T))
    asked = 0
    zeros = np.zeros

    def counting(*args, **kwargs):
        nonlocal asked
        out = zeros(*args, **kwargs)
        asked += out.nbytes
        return out

    with monkeypatch.context() as patch:
        patch.setattr(np, "zeros", counting)
        loss.backward()
    assert x.grad[-1, 0] == T - 1
    return asked


@pytest.mark.parametrize(
    "read",
    [
        lambda x, t: x[t],
        lambda x, t: x[t : t + 1],
        lambda x, t: x[[t]],
        lambda x, t: tg.functional.embedding(np.array([t]), x),
        lambda x, t: tg.take(x, [t], axis=0),
    ],
)
def test_reading_one_step_at_a_time_costs_one_buffer_not_one_per_step(monkeypatch, read):
    short, long = (zeroed_bytes(monkeypatch, T, read) for T in (100, 200))
    assert long <= 2 * short <= 8 * 100 * 50 * 2 + 1000


@pytest.mark.parametrize("cut", [tg.unbind, lambda x: tg.split(x, len(x))])
def test_unbind_and_split_cost_one_buffer(monkeypatch, cut):
    parts = {}

    def read(x, t):
        if x not in parts:
            parts[x] = cut(x)
        return parts[x][t]

    short, long = (zeroed_bytes(monkeypatch, T, read) for T in (100, 200))
    assert long <= 2 * short <= 8 * 100 * 50 * 2 + 1000


def test_memory_of_a_backward_pass_through_slices_is_linear():
    peaks = []
    for T in (200, 400):
        x = leaf(np.ones((T, 20)))
        loss = sum((x[t] * 2.0).sum() for t in range(T))
        tracemalloc.start()
        loss.backward()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 3 * peaks[0]


def test_a_weight_used_at_every_step_costs_one_product(monkeypatch):
    calls = []
    forward = ops.sum_of_products.forward
    monkeypatch.setattr(
        ops.sum_of_products, "forward", lambda *a, **k: calls.append(len(a)) or forward(*a, **k)
    )
    x, w = tg.Tensor(normal((10, 2, 3))), leaf(W)
    recurrent(x, w, A).sum().backward()
    assert calls.count(20) == 1, "ten pairs (h, g), one product"


# ---------------------------------------------------------------- shapes and dtypes of gradients
def test_broadcast_operands_get_gradients_of_their_own_shape():
    for shape in [(), (1,), (3,), (2, 1), (1, 3), (1, 1, 1), (4, 1, 3)]:
        x, y, seed = leaf(normal(shape)), tg.Tensor(normal((4, 2, 3), 1)), normal((4, 2, 3), 2)
        (x * y).backward(seed)
        whole = np.zeros(shape)
        for at in np.ndindex(4, 2, 3):
            own = tuple(
                0 if n == 1 else k for k, n in zip(at[3 - len(shape) :], shape, strict=True)
            )
            whole[own] += (seed * y.data)[at]
        close(x.grad, whole)


def test_a_float32_weight_in_a_float64_program_gets_a_float32_gradient():
    for use in (lambda w: w @ X[0].T, lambda w: X[0] @ w, lambda w: w[0] * A, lambda w: w * W):
        w = leaf(W.astype(np.float32))
        use(w).sum().backward()
        assert w.grad.dtype == np.float32


def test_python_numbers_and_0d_tensors_do_not_upcast_float32():
    x, zero_d = leaf(A.astype(np.float32)), leaf(np.float32(2))
    y = (2 * x + 1.5) ** 2 / 3.0 - zero_d * x + tg.where(A > 0, x, 0.0)
    assert y.dtype == np.float32
    y.sum().backward()
    assert x.grad.dtype == zero_d.grad.dtype == np.float32
    assert tg.grad((x**2).sum(), x, create_graph=True).dtype == np.float32


def test_a_rule_that_returns_an_impossible_shape_is_named():
    op = tg.primitive(lambda x: 2 * x, lambda g, out, x: g[:-1], name="shrinking")
    x = leaf(A, "weights")
    for walk in (
        lambda: op(x).sum().backward(),
        lambda: tg.grad(op(x).sum(), x, create_graph=True),
    ):
        with pytest.raises(ValueError, match=r"shrinking.*\(2,\).*'weights'.*\(3,\)"):
            walk()


def test_a_rule_that_returns_nothing_raises_instead_of_storing_it():
    op = tg.primitive(lambda x: 2 * x, lambda g, out, x: None, name="forgetful")
    for data in (2.0, A):
        x = leaf(data)
        with pytest.raises((TypeError, ValueError), match="forgetful"):
            op(x).sum().backward()


def test_a_rule_may_return_a_python_number_where_the_input_is_one():
    op = tg.primitive(lambda x: 2 * x, lambda g, out, x: 2.0, name="two")
    x = leaf(1.0)
    op(x).backward()
    assert type(x.grad) is np.ndarray and x.grad == 2


# ---------------------------------------------------------------- what backward refuses
def test_backward_of_many_numbers_needs_a_seed():
    y = np.tanh(leaf(A))
    with pytest.raises(RuntimeError, match="3 entries"):
        y.backward()
    with pytest.raises(RuntimeError, match="3 entries"):
        tg.grad(y, y)
    with pytest.raises(ValueError, match=r"\(2,\).*\(3,\)"):
        y.backward(A[:2])


def test_backward_of_what_needs_no_gradient_is_refused():
    for y in (tg.Tensor(1.0), leaf(1.0).detach(), tg.Tensor(1.0) * 2):
        with pytest.raises(RuntimeError, match="needs no gradient"):
            y.backward()
    with pytest.raises(TypeError, match="ndarray"):
        tg.grad(A, leaf(A))


@pytest.mark.parametrize("recording", [False, True])
def test_an_operand_that_needs_a_gradient_only_after_the_forward_pass_and_has_no_rule_is_named(
    recording,
):
    op = tg.primitive(lambda x, y: x * y, lambda g, out, x, y: g * y, None, name="half")
    x, late = leaf(A), tg.Tensor(B, name="late")
    y = op(x, late).sum()
    tg.grad(y, x, create_graph=recording)
    late.requires_grad = True
    with pytest.raises(TypeError, match="half has no gradient rule for input 1, and 'late'"):
        tg.grad(y, [x, late], create_graph=recording)
    close(tg.grad(y, x, create_graph=recording).data, B)


def test_one_entry_of_any_shape_needs_no_seed():
    x = leaf([[2.0]])
    (x * x).backward()
    assert x.grad == [[4.0]]


def test_grad_of_what_is_not_part_of_the_graph_is_refused_or_none():
    x, other = leaf(A, "x"), leaf(B, "other")
    with pytest.raises(RuntimeError, match="'other'"):
        tg.grad(x.sum(), [x, other])
    found, missing = tg.grad(x.sum(), [x, other], allow_unused=True)
    assert missing is None and np.array_equal(found.data, np.ones(3))


def test_grad_leaves_every_grad_attribute_alone_and_gives_tensors():
    x = leaf(A)
    y = (x * x).sum()
    single = tg.grad(y, x)
    several = tg.grad(y, [x, y, x])
    assert x.grad is None and y.grad is None
    assert isinstance(single, tg.Tensor) and isinstance(several, tuple)
    close(several[0].data, 2 * A)
    assert several[1].data == 1 and np.array_equal(several[2].data, several[0].data)


def test_grad_of_a_leaf_by_itself_is_the_seed():
    x = leaf(A)
    close(tg.grad(x, x, B).data, B)
    x.backward(B)
    close(x.grad, B)
    assert not np.shares_memory(x.grad, B)


# ---------------------------------------------------------------- arrays changed after recording
CHANGES = {
    "rebinding": lambda w: setattr(w, "data", w.data + 1),
    "augmented rebinding": lambda w: setattr(w, "data", np.add(w.data, 1)),
    "add": lambda w: w.__iadd__(1.0),
    "subtract": lambda w: w.__isub__(1.0),
    "multiply": lambda w: w.__imul__(2.0),
    "divide": lambda w: w.__itruediv__(2.0),
    "power": lambda w: w.__ipow__(2.0),
    "assignment": lambda w: w.__setitem__(0, 7.0),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_value_changed_between_forward_and_backward_is_named(change):
    w, before = leaf(A, "the weight"), leaf(B)
    loss = (w * before).sum()
    with tg.no_grad():
        CHANGES[change](w)
    for walk in (loss.backward, lambda: tg.grad(loss, w, create_graph=True)):
        with pytest.raises(RuntimeError, match="'the weight' was changed"):
            walk()
    assert w.grad is None and before.grad is None, "a refused walk leaves no gradient behind"
    (w * before).sum().backward()
    assert w.grad is not None


def test_a_changed_result_is_noticed_as_well():
    x = leaf(A)
    h = np.tanh(x)
    y = h.sum()
    with tg.no_grad():
        h *= 2.0
    with pytest.raises(RuntimeError, match="tanh"):
        y.backward()


def test_changing_a_value_after_backward_or_before_forward_is_fine():
    w = leaf(A)
    for _ in range(3):
        loss = (w * w).sum()
        loss.backward()
        with tg.no_grad():
            w -= 0.1 * w.grad
            w.grad = None
    assert np.all(np.abs(w.data) < np.abs(A))


def test_in_place_update_of_what_a_detached_tensor_shares_is_noticed_or_harmless():
    x, w = leaf(1.0), leaf([2.0])
    y = (x * w.detach()).sum()
    with tg.no_grad():
        w += 5.0
    try:
        y.backward()
    except RuntimeError:
        return
    assert x.grad == 2, "the gradient of a value that was not there in the forward pass"


def test_in_place_update_through_a_view_is_noticed_or_harmless():
    x = leaf(A)
    y = (x * x).sum()
    with tg.no_grad():
        view = x.reshape(3, 1)
        view += 100.0
    try:
        y.backward()
    except RuntimeError:
        return
    close(x.grad, 2 * A)


def test_two_tensors_that_were_given_the_same_array_do_not_change_together():
    a, b = leaf(A), leaf(B)
    b.data = a.data
    with tg.no_grad():
        b += 1.0
    close(a.data, A)


def test_debug_mode_notices_raw_writes_to_tensors_and_constants():
    constant = B.copy()
    x = leaf(A, "x")
    with tg.debug():
        y = (x * constant).sum()
    y.backward()
    constant[0] = 9
    with pytest.raises(RuntimeError, match="plain array was written into after multiply"):
        y.backward()
    constant[:] = B
    y.backward()
    x.data[0] = 9
    with pytest.raises(RuntimeError, match="'x' was written into"):
        y.backward()


def test_a_recorded_index_is_the_graphs_own():
    for look_up in (lambda x, i: x[i], tg.take, lambda x, i: tg.functional.embedding(i, x)):
        x, index = leaf(A.ravel()), np.array([0, 1])
        y = look_up(x, index).sum()
        index[0] = 2
        y.backward()
        assert np.flatnonzero(x.grad).tolist() == [0, 1]


# ---------------------------------------------------------------- second order
def test_the_third_derivative_of_tanh():
    x = leaf(0.3)
    d1 = tg.grad(tg.tanh(x), x, create_graph=True)
    d2 = tg.grad(d1, x, create_graph=True)
    d3 = tg.grad(d2, x)
    t = np.tanh(0.3)
    close(d3.data, -2 * (1 - t**2) * (1 - 3 * t**2), 1e-14)


def test_mixed_second_derivatives_of_a_power_agree_in_both_orders():
    for exponent in (2.0, 1.0, 0.0, -1.5):
        x, y = leaf(2.0), leaf(exponent)
        gx, gy = tg.grad(x**y, (x, y), create_graph=True)
        expected = 2 ** (exponent - 1) * (1 + exponent * np.log(2))
        close(tg.grad(gx, y).data, expected)
        close(tg.grad(gy, x).data, expected)


def test_create_graph_records_everything_also_inside_no_grad():
    x = leaf(0.3)
    b = tg.exp(x)
    y = b * b
    with tg.no_grad():
        g = tg.grad(y, x, create_graph=True)
    close(tg.grad(g, x).data, 4 * np.exp(0.6))


def test_gradient_nodes_are_recorded_in_the_scope_they_differentiate():
    x = leaf(A)
    with tg.scope("cell"), tg.scope(t=2):
        y = np.tanh(x)
    g = tg.grad(y, x, B, create_graph=True)
    assert [str(entry) for entry in g.node.scope] == ["gradient", "cell", "t=2"]


def test_a_seed_that_needs_a_gradient_gets_one():
    x, seed = leaf(A), leaf(B)
    g = tg.grad(np.sin(x), x, seed, create_graph=True)
    close(tg.grad(g, seed, normal((3,), 5)).data, np.cos(A) * normal((3,), 5))
