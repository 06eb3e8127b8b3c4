"""Tests of the tests: break the engine on purpose, and the battery must notice."""

from __future__ import annotations

import inspect
from functools import partial

import numpy as np
import pytest
from cases import CATALOGUE, OWN, Case, cases
from hypothesis import HealthCheck, Phase, find, settings
from hypothesis.errors import NoSuchExample
from test_graph import PROGRAMS, check_walk, diamond

import tinygrad_rnn as tg
from tinygrad_rnn import graph, ops
from tinygrad_rnn.arraylike import raw
from tinygrad_rnn.testing.battery import (
    check_both_walks_agree,
    check_float32_stays_float32,
    check_gradient_equals_the_complex_step,
    check_gradients_share_no_memory,
    check_inputs_and_cotangents_stay_untouched,
    check_second_gradient_equals_the_complex_step_of_the_first,
    leaf,
    normal,
)

PRIMITIVES = {name: op for name, op in OWN.items() if not op.constant}
A, B, M = normal((3,), 1), normal((3,), 2), normal((3, 3), 3)


def fails(check, case: Case) -> bool:
    """Whether a check notices. Only its own verdict counts, not a crash somewhere else."""
    try:
        check(case)
    except AssertionError:
        return True
    return False


def noticed_by_some_case(check, name: str) -> bool:
    """Whether there is a case of that function with which the check notices."""
    quick = settings(
        max_examples=60,
        phases=[Phase.generate],
        database=None,
        derandomize=True,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    try:
        find(cases(name, "distinct"), lambda case: fails(check, case), settings=quick)
    except NoSuchExample:
        return False
    return True


# ---------------------------------------------------------------- wrong rules
def opposite(rule, g, *rest, **attrs):
    return rule(-g, *rest, **attrs)


def one_and_a_half(rule, g, *rest, **attrs):
    return rule(1.5 * g, *rest, **attrs)


def cotangent_ignored(rule, g, *rest, **attrs):
    return rule(g * 0 + 1, *rest, **attrs)


def shuffled(rule, g, *rest, **attrs):
    return (
        rule(np.roll(g, 1), *rest, **attrs)
        if isinstance(g, np.ndarray)
        else rule(g, *rest, **attrs)
    )


def constant_cotangent(rule, g, *rest, **attrs):
    """Right at order 1; at order 2 the cotangent has been forgotten."""
    return rule(g.detach() if isinstance(g, tg.Tensor) else g, *rest, **attrs)


FIRST_ORDER = [opposite, one_and_a_half, cotangent_ignored, shuffled]


def differentiable_inputs(name: str) -> list[int]:
    """Which inputs have a rule; of a variadic primitive the first."""
    op = PRIMITIVES[name]
    return [i for i, rule in enumerate(op.rules) if rule is not None] if op.rules else [0]


def broken_rule(monkeypatch, name, i, mutant):
    """From here on, rule i of the primitive is the mutant's."""
    op = PRIMITIVES[name]
    if op.rules:
        wrong = partial(mutant, op.rules[i])
        monkeypatch.setattr(op, "rules", (*op.rules[:i], wrong, *op.rules[i + 1 :]))
    elif op.each is not None:
        right = op.each
        monkeypatch.setattr(
            op,
            "each",
            lambda k, g, *rest, **attrs: (
                mutant(partial(right, k), g, *rest, **attrs)
                if k == i
                else right(k, g, *rest, **attrs)
            ),
        )
    else:
        together = op.backward

        def one(g, out, *inputs, **attrs):
            return together(g, *inputs, **attrs)[i]

        def backward(g, *inputs, **attrs):
            grads = list(together(g, *inputs, **attrs))
            grads[i] = mutant(one, g, None, *inputs, **attrs)
            return grads

        monkeypatch.setattr(op, "backward", backward)


@pytest.mark.parametrize("mutant", FIRST_ORDER, ids=lambda f: f.__name__)
@pytest.mark.parametrize(
    ("name", "i"), [(name, i) for name in PRIMITIVES for i in differentiable_inputs(name)]
)
def test_a_wrong_rule_is_noticed(monkeypatch, name, i, mutant):
    broken_rule(monkeypatch, name, i, mutant)
    assert noticed_by_some_case(check_gradient_equals_the_complex_step, name)


@pytest.mark.parametrize("name", PRIMITIVES)
def test_a_rule_that_forgets_its_cotangent_at_order_2_is_noticed(monkeypatch, name):
    broken_rule(monkeypatch, name, differentiable_inputs(name)[0], constant_cotangent)
    assert noticed_by_some_case(check_second_gradient_equals_the_complex_step_of_the_first, name)


def test_a_rule_that_uses_plain_arrays_is_noticed_at_order_2(monkeypatch):
    monkeypatch.setattr(ops.tanh, "rules", (lambda g, out, x: g * (1 - raw(out) ** 2),))
    case = Case(tg.tanh, np.tanh, [A], "tanh")
    assert not fails(check_gradient_equals_the_complex_step, case)
    assert fails(check_second_gradient_equals_the_complex_step_of_the_first, case)


def test_a_rule_that_differs_between_the_two_walks_is_noticed(monkeypatch):
    monkeypatch.setattr(
        ops.sin, "rules", (lambda g, out, x: g * tg.cos(x) if isinstance(g, np.ndarray) else g * x,)
    )
    assert fails(check_both_walks_agree, Case(tg.sin, np.sin, [A], "sin"))


def test_a_softmax_that_passes_the_all_ones_cotangent_is_noticed(monkeypatch):
    """Its gradient is 0 for a cotangent of ones: returning zeros would pass such a test."""
    broken_rule(
        monkeypatch, "logsumexp", 0, lambda rule, g, *rest, **attrs: rule(g, *rest, **attrs) * 0
    )
    assert noticed_by_some_case(check_gradient_equals_the_complex_step, "softmax")


# ---------------------------------------------------------------- wrong walks
def some_program_fails(check=check_gradient_equals_the_complex_step) -> bool:
    return any(fails(check, case) for case in PROGRAMS.values())


def test_the_programs_pass_unbroken():
    assert not some_program_fails()


def test_assigning_instead_of_adding_is_noticed(monkeypatch):
    total = graph.summed
    monkeypatch.setattr(graph, "summed", lambda contributions, x: total(contributions[-1:], x))
    assert some_program_fails()


def test_walking_the_oldest_first_is_noticed(monkeypatch):
    monkeypatch.setattr(graph, "heappop", lambda heap: heap.pop(heap.index(sorted(heap)[-1])))
    with pytest.raises(AssertionError, match="visited twice"):
        check_walk(diamond(leaf(A), leaf(B)))


def test_leaving_out_the_un_broadcasting_is_noticed(monkeypatch):
    fit = graph._fit

    def first_only(c, x, node, i):
        lead = np.ndim(raw(c)) - x.ndim if isinstance(c, (np.ndarray, tg.Tensor)) else 0
        c = c[(0,) * lead] if lead else c
        for k, n in enumerate(x.shape if isinstance(c, (np.ndarray, tg.Tensor)) else ()):
            c = c[(slice(None),) * k + (slice(0, 1),)] if n == 1 else c
        return fit(c, x, node, i)

    monkeypatch.setattr(graph, "_fit", first_only)
    assert fails(check_gradient_equals_the_complex_step, PROGRAMS["broadcast_both_ways"])


def test_summing_the_wrong_axes_is_noticed(monkeypatch):
    case = Case(lambda a, b: a * b, lambda a, b: a * b, [normal((3, 1)), normal((3, 3))], "column")
    fit = graph._fit

    def rows_for_columns(c, x, node, i):
        wrong = isinstance(c, np.ndarray) and c.shape == (3, 3) and x.shape == (3, 1)
        return fit(c.T if wrong else c, x, node, i)

    monkeypatch.setattr(graph, "_fit", rows_for_columns)
    assert fails(check_gradient_equals_the_complex_step, case)


def test_dropping_repeated_indices_is_noticed(monkeypatch):
    def dropping(*gs, items, shape):
        out = np.zeros(shape, np.result_type(*gs))
        for g, index in zip(gs, items, strict=True):
            out[index] += g
        return out

    monkeypatch.setattr(ops.scatter, "forward", dropping)
    assert fails(check_gradient_equals_the_complex_step, PROGRAMS["repeated_rows"])
    for name in ("getitem", "take", "repeat", "embedding"):
        assert noticed_by_some_case(check_gradient_equals_the_complex_step, name)


def test_overwriting_overlapping_slices_is_noticed(monkeypatch):
    def overwriting(*gs, items, shape):
        out = np.zeros(shape, np.result_type(*gs))
        for g, index in zip(gs, items, strict=True):
            out[index] = g
        return out

    monkeypatch.setattr(ops.scatter, "forward", overwriting)
    assert noticed_by_some_case(check_gradient_equals_the_complex_step, "scatter")


def test_adding_up_in_a_borrowed_array_is_noticed(monkeypatch):
    total = graph.summed

    def borrowing(contributions, x):
        arrays = [c for c in contributions if type(c) is np.ndarray]
        if len(arrays) < 2 or len(arrays) < len(contributions):
            return total(contributions, x)
        for array in arrays[1:]:
            arrays[0] += array
        return arrays[0]

    monkeypatch.setattr(graph, "summed", borrowing)
    twice = Case(lambda x: x + x, lambda x: x + x, [A], "x + x")
    assert fails(check_inputs_and_cotangents_stay_untouched, twice)
    sums = Case(lambda x, y: (x + y) + x, lambda x, y: (x + y) + x, [A, B], "(x + y) + x")
    assert fails(check_gradient_equals_the_complex_step, sums)


def test_a_gradient_that_is_somebody_elses_array_is_noticed(monkeypatch):
    def aliasing(output, grad=None):
        for tensor, g in graph.cotangents(output, raw(graph.seed_of(output, grad))):
            if tensor.node is None:
                tensor.grad = g

    monkeypatch.setattr(graph, "backward", aliasing)
    assert fails(check_gradients_share_no_memory, Case(tg.add, np.add, [A, B], "add"))


def test_a_gradient_in_the_wrong_dtype_is_noticed(monkeypatch):
    def widening(output, grad=None):
        for tensor, g in graph.cotangents(output, raw(graph.seed_of(output, grad))):
            if tensor.node is None:
                tensor.grad = np.array(g, np.float64)

    monkeypatch.setattr(graph, "backward", widening)
    assert fails(check_float32_stays_float32, Case(tg.tanh, np.tanh, [A], "tanh"))


def test_walking_past_a_detached_tensor_is_noticed(monkeypatch):
    """An engine in which `detach` does nothing gives a gradient where there is none."""
    assert "detach" in dict(inspect.getmembers(tg.Tensor))
    monkeypatch.setattr(tg.Tensor, "detach", lambda self: self)
    x = leaf(A)
    (x * x.detach()).sum().backward()
    assert not np.allclose(x.grad, A)


def test_skipping_the_check_for_changed_arrays_gives_a_wrong_gradient(monkeypatch):
    """What the check is for: without it a recorded walk is silently wrong."""
    monkeypatch.setattr(graph, "refuse_changed", lambda out, node: None)
    w = leaf(A)
    loss = (w * w).sum()
    with tg.no_grad():
        w += 1.0
    assert not np.allclose(tg.grad(loss, w, create_graph=True).data, 2 * A)


def test_every_primitive_is_broken_once():
    assert set(PRIMITIVES) <= set(CATALOGUE)
