"""A number that is not finite is traced to the operation, the scope and the operands."""

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn.anomaly import first_bad

ignored = pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning")


def leaf(*values):
    return tg.Tensor(np.array(values), requires_grad=True)


@ignored
def test_the_first_of_many_bad_results_is_named():
    x = leaf(1.0, 0.0, -1.0)
    with tg.scope("net"), tg.scope(t=3):
        z = tg.log(x)
        tg.label(z=z)
    what = first_bad(tg.exp(z * 2).sum())
    assert what.startswith("the result of log, 'z', in net / t=3 has 2 of 3 entries")
    assert "input 0: -1 to 1" in what


@ignored
def test_a_gradient_of_finite_results_is_named():
    x = leaf(4.0, 0.0)
    with tg.scope("root"):
        y = tg.sqrt(x)
    assert np.isfinite(y.data).all()
    assert first_bad(y.sum()).startswith("the gradient of sqrt for input 0 in root has 1 of 2")
    assert x.grad is None


def test_a_bad_parameter_is_named_before_what_it_spoils():
    w, v = leaf(np.inf), leaf(1.0)
    loss = (w * v).sum()
    assert "the weights w are not finite" in first_bad(loss, [("v", v), ("w", w)])
    assert first_bad(loss).startswith("the result of multiply")


@ignored
def test_long_chains_are_searched():
    x = leaf(1.0)
    y = x
    for k in range(20_000):
        with tg.scope(t=k):
            y = y * (1e300 if k in (9_000, 9_001) else 1.0)
    assert "in t=9001 " in first_bad(y.sum())
