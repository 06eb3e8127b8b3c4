"""`check_rule`: one rule of one primitive, right or wrong, and why."""

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import ops
from tinygrad_rnn.check.rules import argument_names, check_rule, has_rule

X = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]])
ROW = np.array([0.5, 1.25, -2.0])


def product(*rules):
    return tg.primitive(lambda x, y: x * y, name="product").gradients(*rules)


def towards_x(g, out, x, y):
    return g * y


def towards_y(g, out, x, y):
    return g * x


def test_right_rules_are_right_at_both_orders():
    for order in (1, 2):
        report = check_rule(product(towards_x, towards_y), None, X, ROW, order=order)
        assert report, report
        assert [r.name for r in report.results][:2] == ["x", "y"]


def test_only_the_rule_that_is_asked_for_is_checked():
    op = product(towards_x, lambda g, out, x, y: g * y)
    assert check_rule(op, 0, X, ROW)
    report = check_rule(op, 1, X, ROW)
    assert not report and report.stage == "direction"
    assert [r.name for r in report.results] == ["y"]
    assert not check_rule(op, None, X, ROW)


def test_an_operand_without_a_rule_does_not_stand_in_the_way():
    op = product(towards_x, None)
    assert [r.name for r in check_rule(op, None, X, ROW).results] == ["x"]
    assert [has_rule(op, k) for k in range(3)] == [True, False, False]


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (lambda g, out, x, y: None, "returned None"),
        (lambda g, out, x, y: (g * x)[0, 0], "returned shape ()"),
        (lambda g, out, x, y: np.ones((7, 5)), "returned shape (7, 5)"),
        (lambda g, out, x, y: np.multiply(g, x, out=g), "changed g in place"),
        (lambda g, out, x, y: np.multiply(g, x, out=x), "changed operand 0 in place"),
        (lambda g, out, x, y: x, "g is ignored"),
    ],
)
def test_a_broken_contract_is_a_verdict_and_no_error(rule, said):
    report = check_rule(product(towards_x, rule), 1, X.copy(), X.copy())
    assert not report and report.stage in ("contract", "linearity")
    assert said in str(report)


def test_a_joint_backward_is_checked_argument_by_argument():
    op = tg.primitive(lambda x, y: x * y, name="both", backward=lambda g, x, y: [g * y, g * y])
    assert check_rule(op, 0, X, X + 1) and not check_rule(op, 1, X, X + 1)
    few = tg.primitive(lambda x, y: x * y, name="few", backward=lambda g, x, y: [g * y])
    assert "returned 1 gradients for 2 inputs" in str(check_rule(few, 0, X, X))


def test_metadata_and_variadic_primitives():
    report = check_rule(ops.joined, None, X, X[:1], axis=0)
    assert report and [r.name for r in report.results] == ["xs[0]", "xs[1]"]
    assert check_rule(tg.sum, 0, X, axis=1, keepdims=True)
    assert check_rule(tg.getitem, 0, X, index=([0, 0], [1, 1]))
    assert check_rule(tg.where, None, X > 0, X, ROW)
    assert argument_names(np.multiply, 2) == ["x", "y"]


def test_a_rule_that_is_wrong_only_at_order_2():
    op = tg.primitive(np.tanh, name="tanh2").gradients(
        lambda g, out, x: (
            g * (1 - tg.Tensor(tg.tensor.raw(out)) ** 2)
            if isinstance(g, tg.Tensor)
            else g * (1 - out**2)
        )
    )
    assert check_rule(op, 0, X) and not check_rule(op, 0, X, order=2)


def test_operands_on_a_kink_are_no_mistake():
    assert check_rule(tg.relu, 0, np.array([-1.0, 0.0, 2.0]))


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: check_rule(np.tanh, 0, X), TypeError, "takes a primitive"),
        (lambda: check_rule(tg.tanh, 1, X), ValueError, "no argument 1"),
        (lambda: check_rule(tg.tanh, 0, [1, 2]), TypeError, "not floating"),
        (lambda: check_rule(product(towards_x, None), 1, X, X), ValueError, "no gradient rule"),
        (lambda: check_rule(product(), None, X, X), ValueError, "no gradient rule for any"),
    ],
)
def test_refused(call, error, said):
    with pytest.raises(error, match=said):
        call()


def test_the_place_of_the_call_is_the_users_line():
    """No line of the function's own called the primitive: the library's was named."""
    cube = tg.primitive(lambda x: x**3, name="cube").gradients(lambda g, out, x: g * x)
    for report in (check_rule(cube, 0, [2.0]), tg.gradcheck(cube, [2.0])):
        (found,) = report.located
        assert found.place.own.file == __file__ == found.place.near.file
        assert "check_rule(cube, 0, [2.0])" in found.place.own.text
