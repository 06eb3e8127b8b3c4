"""What a report says, what it holds, and what gradcheck refuses."""

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn.check import Report, gradcheck

X = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]])


def product(x, y):
    return x * y


HALF = (product, lambda g, x, y: (g * y, g * x / 2))


def test_the_text_of_a_right_report():
    report = gradcheck(tg.tanh, X)
    assert isinstance(report, Report) and bool(report) is True and report.stage is None
    assert (
        str(report)
        == repr(report)
        == (
            "tanh: gradient right\n"
            f"  x  (2, 3)  right  {int(report['x'].digits)} digits\n"
            "  truth: complex step, sees 15 digits; seed 0"
        )
    )
    assert report.raise_if_failed() is report


def test_the_text_of_a_failed_report():
    report = gradcheck(HALF, X, X + 1)
    text = str(report)
    r = report["y"]
    assert bool(report) is False and report.stage == "direction"
    assert text.startswith("product: gradient WRONG (found at stage 4, direction)\n")
    assert "y  (2, 3)  WRONG  0 digits" in text
    assert f"[{r.worst[0]}, {r.worst[1]}] yours " in text and "ratio 0.5" in text
    assert "y: no digits agree: a wrong formula" in text
    place = f"[{r.worst[0]}, {r.worst[1]}]"
    assert f"smallest failing case: d y{place} / d y{place} is {X[r.worst]:.6g}" in text
    with pytest.raises(AssertionError, match="no digits agree: a wrong formula"):
        report.raise_if_failed()


def test_results_are_data():
    report = gradcheck(HALF, X, X + 1)
    x, y = report.results
    assert (x.name, x.shape, x.index, x.verdict, x.stage) == ("x", (2, 3), 0, "right", None)
    assert (y.name, y.index, y.verdict, y.stage) == ("y", 1, "wrong", "direction")
    assert np.allclose(y.true, 2 * y.yours) and y.worst_values[2] == pytest.approx(0.5)
    with pytest.raises(KeyError, match="there are x, y"):
        report["z"]


def test_html_is_escaped():
    report = gradcheck(HALF, X, X, names=("<b>x</b>", "y & z"))
    text = report._repr_html_()
    assert "<b>x</b>" not in text and "&lt;b&gt;x&lt;/b&gt;" in text and "y &amp; z" in text
    assert "WRONG" in text and "smallest failing case" in text


def test_names():
    named = tg.Tensor(X, name="weights")
    assert [r.name for r in gradcheck(product, named, X).results] == ["weights", "y"]
    assert [r.name for r in gradcheck(product, X, X, names=["a.0", "b"]).results] == ["a.0", "b"]
    assert [r.name for r in gradcheck(lambda *xs: xs[0] * xs[1], X, X).results] == [
        "input 0",
        "input 1",
    ]
    same = [tg.Tensor(X, name="h"), tg.Tensor(X, name="h")]
    assert [r.name for r in gradcheck(product, *same).results] == ["h (0)", "h (1)"]


def test_wrt_chooses_and_a_wrong_gradient_elsewhere_is_not_seen():
    assert gradcheck(HALF, X, X, wrt="x") and gradcheck(HALF, X, X, wrt=0)
    assert not gradcheck(HALF, X, X, wrt=["y"]) and not gradcheck(HALF, X, X, wrt=[0, 1])
    assert [r.name for r in gradcheck(product, X, X, wrt=[1]).results] == ["y"]


def test_the_seed_is_all_that_is_random():
    assert str(gradcheck(HALF, X, X, seed=3)) == str(gradcheck(HALF, X, X, seed=3))
    assert str(gradcheck(HALF, X, X, seed=3)) != str(gradcheck(HALF, X, X, seed=4))


def test_inputs_are_left_alone():
    x = tg.Tensor(X, requires_grad=True)
    gradcheck(lambda x: tg.tanh(x), x, order=2)
    assert x.grad is None and np.array_equal(x.data, X)


def test_integers_are_passed_through_as_they_are():
    seen = []

    def look_up(weight, index, scale):
        seen.append((index, scale))
        return weight[index] * scale

    index = np.array([0, 1, 1])
    assert gradcheck(look_up, X, index, 3)
    assert all(np.array_equal(i, index) and i.dtype == int and s == 3 for i, s in seen)


def test_a_module_is_a_function_of_its_parameters():
    nn = tg.nn
    layer = nn.Linear(3, 2, rng=0)
    names = [name for name, _ in layer.named_parameters()]

    def call(x, *parameters):
        return nn.functional_call(layer, dict(zip(names, parameters, strict=True)), x)

    report = gradcheck(call, X, *layer.parameters(), names=["x", *names])
    assert report and [r.name for r in report.results] == ["x", "weight", "bias"]


def test_the_hessian_and_the_arriving_gradient_are_in_a_report_of_order_2():
    report = gradcheck(lambda x: tg.tanh(x) * x, X, order=2)
    assert [r.name for r in report.results] == [
        "x",
        "d/dx of the gradient",
        "d/dg of the gradient",
    ]
    assert str(report).startswith("f: first and second derivatives right")


def test_an_asymmetric_second_derivative_is_found():
    """Each rule alone looks right to a check that trusts it; together they are no gradient."""
    op = tg.primitive(lambda x: x[0] * x[1], name="lopsided").gradients(
        lambda g, out, x: tg.stack([g * x[1], g * tg.tensor.raw(x)[0]])
    )
    report = gradcheck(op, np.array([0.5, 2.0]), order=2)
    assert not report


# ---------------------------------------------------------------- refused
class Flaky:
    def __init__(self):
        self.calls = 0

    def __call__(self, x):
        self.calls += 1
        return x * float(self.calls)


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: gradcheck(tg.tanh, [1, 2]), TypeError, "no floating input"),
        (lambda: gradcheck(tg.tanh), TypeError, "no floating input"),
        (lambda: gradcheck(tg.tanh, "text"), TypeError, "inputs are arrays or Tensors"),
        (lambda: gradcheck(lambda x, s: x, X, None), TypeError, "inputs are arrays or Tensors"),
        (lambda: gradcheck(tg.tanh, X + 1j), TypeError, "real numbers"),
        (lambda: gradcheck(3, X), TypeError, "a pair"),
        (lambda: gradcheck((np.tanh, 3), X), TypeError, "a pair"),
        (lambda: gradcheck(lambda x: x.data, X), TypeError, "returned a ndarray"),
        (lambda: gradcheck((tg.tanh, np.tanh), tg.Tensor(X)), None, ""),
        (lambda: gradcheck((lambda x: tg.Tensor(x), None.__eq__), X), TypeError, "plain arrays"),
        (lambda: gradcheck((np.argmax, lambda g, x: g), X), TypeError, "floating outputs"),
        (lambda: gradcheck(lambda x: x[:, :0], X), ValueError, "not empty"),
        (lambda: gradcheck(Flaky(), X), ValueError, "two different results"),
        (lambda: gradcheck(tg.tanh, X, order=3), ValueError, "order is 1 or 2"),
        (lambda: gradcheck(HALF, X, X, order=2), TypeError, "function of Tensors"),
        (lambda: gradcheck(tg.tanh, X, wrt="y"), ValueError, "there are 0 (x)"),
        (lambda: gradcheck(tg.tanh, X, wrt=1), ValueError, "wrt=1"),
        (lambda: gradcheck(tg.tanh, X, wrt=[]), ValueError, "wrt is empty"),
        (lambda: gradcheck(product, X, X, names=["x"]), ValueError, "names has 1 entries"),
    ],
)
def test_refused(call, error, said):
    if error is None:
        call()
        return
    with pytest.raises(error) as raised:
        call()
    assert said in str(raised.value)


def test_a_function_that_is_not_finite_is_refused():
    with np.errstate(all="ignore"), pytest.raises(ValueError, match=r"y\[0, 1\] is nan"):
        gradcheck(tg.log, X)


def test_an_error_inside_a_backward_says_how_it_was_called():
    def backward(g, x):
        return g @ x @ x

    with pytest.raises(ValueError) as raised:
        gradcheck((np.tanh, backward), X)
    assert "g of shape (2, 3) and inputs of shapes (2, 3)" in raised.value.__notes__[0]


def test_the_direction_stage_is_fast():
    """Six inputs of an LSTM cell: one evaluation each (about 2 ms in all)."""
    calls = []

    def cell(x, h, c, W, U, b):
        calls.append(1)
        i, f, g, o = tg.split(x @ W + h @ U + b, 4, axis=-1)
        c = tg.sigmoid(f) * c + tg.sigmoid(i) * tg.tanh(g)
        return tg.sigmoid(o) * tg.tanh(c), c

    rng = np.random.default_rng(0)
    shapes = [(2, 3), (2, 4), (2, 4), (3, 16), (4, 16), (16,)]
    assert gradcheck(cell, *(rng.normal(size=shape) for shape in shapes))
    assert (
        len(calls) <= 13
    )  # twice for the setting, 3 for the oracle, once to walk back, 6 directions, all at once
