"""What a diagnosis holds and how it shows itself: words, JSON, HTML, red edges; and its cost."""

import json
import re
import time

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import gradcheck
from tinygrad_rnn.check.diagnose import engine, words
from tinygrad_rnn.check.diagnose.case import Case
from tinygrad_rnn.check.diagnose.resize import further, redrawn, short
from tinygrad_rnn.check.setting import Setting
from tinygrad_rnn.check.subject import subject_of

import diagnosis_nets as nets  # isort: skip

X = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]])
WRONG = (lambda x, y: np.tanh(x) * y, lambda g, x, y: (g * y, g * np.tanh(x)))


def test_a_right_gradient_has_no_diagnosis():
    right = (lambda x, y: x * y, lambda g, x, y: (g * y, g * x))
    report = tg.gradcheck(right, X, X)
    assert report and report.diagnosis is None and json.loads(report.json())["diagnosis"] is None
    with pytest.raises(ValueError, match="nothing is wrong"):
        report.draw()


def test_it_can_be_left_out():
    assert tg.gradcheck(WRONG, X, X + 1, diagnose=False).diagnosis is None


def test_the_learners_code_is_called_and_never_read():
    """Whatever the backward is, as long as it can be called."""

    class Backward:
        def __call__(self, g, x):
            return 1 * g

    assert tg.gradcheck((lambda x: np.tanh(x), Backward()), X).diagnosis.word == "certain"


def test_text_json_and_html_say_the_same():
    report = tg.gradcheck(WRONG, X, X + 1)
    found = report.diagnosis
    assert found.word == "certain" and f"  certain: {found.sentence}" in str(report)
    data = json.loads(report.json())
    assert data["diagnosis"]["sentence"] == found.sentence and data["diagnosis"]["cases"] == 3
    assert [r["verdict"] for r in data["results"]] == ["wrong", "right"]
    assert data["verdict"] == "wrong"
    assert data["results"][0]["worst"]["ratio"] == pytest.approx(report["x"].worst_values[2])
    assert "the derivative of tanh is forgotten" in report._repr_html_()


def test_the_smallest_failing_case_comes_first():
    lines = str(tg.gradcheck(WRONG, X, X + 1)).splitlines()
    assert lines[3].startswith("  x: smallest failing case: d y[")
    assert lines[4].startswith("  certain: ")


def test_the_drawing_has_the_wrong_edges_in_red():
    report = tg.gradcheck(WRONG, X, X + 1)
    ((n, i),) = report.diagnosis.edges
    red = [line for line in report.draw().source.split("\n") if 'color="#CF222E"' in line]
    assert len(red) == 1 and re.search(f"to-n{n} argument-{i}", red[0])


def test_cases_are_used_where_they_are_given():
    seen = []

    def forward(x):
        seen.append(x.shape)
        return np.tanh(x)

    def cases(k):
        return (np.random.default_rng(k).normal(size=(7 + k, 2)),)

    report = tg.gradcheck((forward, lambda g, x: g * (1 - x * x)), X, cases=cases)
    assert report.diagnosis.word == "certain" and {(7, 2), (8, 2)} <= set(seen)


def test_a_tensor_function_with_a_wrong_rule():
    op = tg.primitive(lambda x: np.tanh(x), name="mine").gradients(lambda g, out, x: g * (1 - out))
    W = np.array([[0.1, 0.4], [0.2, -0.3], [0.3, 0.6]])
    found = tg.gradcheck(lambda x, W: op(x @ W) @ W.T, X, W).diagnosis
    said = [found.sentence, *found.alternatives]
    assert any("the gradient rule of the primitive mine for argument 0" in s for s in said)
    assert any("the square is forgotten in the derivative of tanh" in s for s in said)
    line = found.program.lines[found.edges[0][0]]
    assert line.op.name == "mine" and 'color="#CF222E"' in tg.gradcheck(op, X).draw().source


def test_a_tensor_function_that_detaches():
    report = tg.gradcheck(lambda x: tg.tanh(x) * x.detach(), X)
    assert report.diagnosis.word == "certain", report.diagnosis
    assert "a path is missing: " in report.diagnosis.sentence
    assert "detach(x)" in report.diagnosis.sentence


# ---------------------------------------------------------------- cases
def case(forward, backward, *inputs):
    names = [f"x{k}" for k in range(len(inputs))]
    floating = [i for i, x in enumerate(inputs) if np.asarray(x).dtype.kind == "f"]
    there = Setting(subject_of((forward, backward)), list(inputs), names, floating)
    return Case(there, np.random.default_rng(0))


def test_further_cases_have_other_shapes_and_are_wrong_too():
    first = case(*nets.pair(nets.lstm, nets.lstm_backward, "path"), *nets.normal(*nets.LSTM_SHAPES))
    others = further(first, None)
    shapes = [[x.shape for x in each.inputs] for each in (first, *others)]
    assert len(others) == 2 and shapes[0] != shapes[1] != shapes[2] != shapes[0]
    for each in shapes:  # four gates stay four gates
        assert each[3][1] == 4 * each[1][1]
    assert all(each.wrong for each in others)


def test_sizes_that_the_backward_fixes_stay():
    first = case(lambda x: x * x, lambda g, x: g * x * np.ones((2, 3)), X)
    assert [each.inputs[0].shape for each in further(first, None)] == [(2, 3), (2, 3)]


@pytest.mark.parametrize("sizes", ["distinct", "equal"])
def test_a_short_run_has_one_step(sizes):
    shapes = nets.RNN_SHAPES if sizes == "distinct" else [(4, 4, 4), (4, 4), (4, 4), (4, 4)]
    first = case(*nets.pair(nets.rnn, nets.rnn_backward, "h_t"), *nets.normal(*shapes))
    one = short(first, 1)
    assert one is not None and one.inputs[0].shape == (1, *shapes[0][1:])
    assert [x.shape for x in one.inputs[1:]] == [tuple(s) for s in shapes[1:]]


def test_new_values_have_the_character_of_the_old():
    rng = np.random.default_rng(0)
    assert set(redrawn(np.array([0.0, 1.0, 1.0]), (50,), rng)) == {0.0, 1.0}
    assert np.all(redrawn(np.array([0.5, 2.0]), (50,), rng) >= 0.5)
    rows = redrawn(np.array([[0.25, 0.75]]), (5, 3), rng)
    assert np.allclose(rows.sum(axis=1), 1)
    assert set(redrawn(np.array([2, 5]), (50,), rng).tolist()) == {2, 5}
    assert redrawn(3, (), rng) == 3


def test_a_diagnosis_is_quick():
    """About 10 ms; the bar is 50 ms in the mean. Measured as work, the machine may be busy."""
    pair = nets.pair(nets.rnn, nets.rnn_backward, "h_t")
    inputs = nets.normal(*nets.RNN_SHAPES)
    start = time.process_time()
    tg.gradcheck(pair, *inputs)
    assert time.process_time() - start < 1.0


# ---------------------------------------------------------------- what a sentence says is true
def test_an_operation_inside_an_operation_is_in_brackets():
    pair = (lambda p, t: (p - t) ** 2, lambda g, p, t: (g * (p - t), -g * (p - t)))
    report = gradcheck(pair, *np.random.default_rng(0).normal(size=(2, 3)), names=["p", "t"])
    assert "the derivative of (p - t) ** 2 is 2 (p - t) ** (2 - 1)" in str(report)


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("x", "x"),
        ("tanh(x + y)", "tanh(x + y)"),
        ("x[0, 1]", "x[0, 1]"),
        ("x + y", "(x + y)"),
        ("tanh(x) + exp(y)", "(tanh(x) + exp(y))"),
        ("-x", "(-x)"),
    ],
)
def test_what_is_an_operand_already(text, inside):
    assert words.inside(text) == inside


def test_a_size_that_may_as_well_be_another_is_named_with_it():
    """As many rows as there are look-ups: which of the two divides, cannot be told."""

    def backward(g, W, i):
        dW = np.zeros_like(W)
        np.add.at(dW, i, g)
        return dW / len(i)

    W = np.random.default_rng(0).normal(size=(4, 2))
    report = gradcheck((lambda W, i: W[i], backward), W, np.array([0, 1, 1, 3]), names=["W", "i"])
    assert "W.shape[0]" in report.diagnosis.sentence
    assert "as large as i.shape[0] here" in report.diagnosis.sentence


def test_a_factor_of_nearly_one_is_written_out():
    pair = (np.tanh, lambda g, x: g * (1 - np.tanh(x) ** 2) * (1 + 1e-7))
    report = gradcheck(pair, np.array([0.5, -1.0]))
    assert "1.0000001 times too large" in report.diagnosis.sentence


def test_the_answer_does_not_hang_on_the_machines_speed(monkeypatch):
    """The search for a mistake stops after so much work, not after so many seconds."""
    assert not hasattr(engine, "time")
    monkeypatch.setattr(engine, "PATIENCE", 1)
    pair = (lambda x: np.tanh(x) * x, lambda g, x: g * np.tanh(x))
    assert gradcheck(pair, np.array([0.5, -1.0])).diagnosis.word == "unknown"
