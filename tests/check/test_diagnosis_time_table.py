"""The time table: which (loss, use) contributions are in a recurrent weight's gradient."""

import diagnosis_nets as nets
import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn.check.diagnose.case import Case
from tinygrad_rnn.check.diagnose.time_table import TimeTable, reading, time_table
from tinygrad_rnn.check.setting import Setting
from tinygrad_rnn.check.subject import subject_of


def table(forward, backward, shapes, mistake, i):
    inputs = nets.normal(*shapes)
    names = [f"x{k}" for k in range(len(inputs))]
    both = nets.pair(forward, backward, mistake)
    setting = Setting(subject_of(both), inputs, names, range(len(inputs)))
    return time_table(Case(setting, np.random.default_rng(0)), i)


def lower(T, of_lag):
    """T x T coefficients that depend on the lag s - t; nan above the diagonal."""
    lag = np.arange(T)[:, None] - np.arange(T)[None]
    return np.where(lag >= 0, np.vectorize(of_lag)(np.maximum(lag, 0)), np.nan)


NETS = {
    "rnn": (nets.rnn, nets.rnn_backward, nets.RNN_SHAPES, 3),
    "two layers": (nets.two_layers, nets.two_layers_backward, nets.TWO_SHAPES, 4),
    "lstm": (nets.lstm, nets.lstm_backward, nets.LSTM_SHAPES, 4),
    "gru": (nets.gru, nets.gru_backward, nets.GRU_SHAPES, 3),
}


@pytest.mark.parametrize("name", NETS)
def test_a_right_gradient_is_one_everywhere(name):
    forward, backward, shapes, i = NETS[name]
    found = table(forward, backward, shapes, "", i)
    T = shapes[0][0]
    assert np.allclose(found.coefficients, lower(T, lambda lag: 1), equal_nan=True)
    assert found.residual < 1e-13
    assert found.reading == "all contributions are there"


@pytest.mark.parametrize("name", NETS)
def test_assigned_in_the_loop_is_one_column(name):
    forward, backward, shapes, i = NETS[name]
    found = table(forward, backward, shapes, "column", i)
    T = shapes[0][0]
    expected = np.where(np.arange(T) == 0, 1.0, 0) + 0 * lower(T, lambda lag: 1)
    assert np.allclose(found.coefficients, expected, equal_nan=True)
    assert found.residual < 1e-13
    assert "one column: only the use at step 0" in found.reading


@pytest.mark.parametrize("name", ["rnn", "two layers", "gru"])
def test_doubled_is_a_row_of_powers(name):
    forward, backward, shapes, i = NETS[name]
    found = table(forward, backward, shapes, "doubled", i)
    powers = lower(shapes[0][0], lambda lag: 2.0**lag)
    assert np.allclose(found.coefficients, powers, equal_nan=True)
    assert found.reading.startswith("powers of 2: what is carried back is doubled")
    if name == "rnn":
        assert found.rows()[-1] == ["32", "16", "8", "4", "2", "1"]


def test_no_carry_is_the_identity():
    found = table(nets.rnn, nets.rnn_backward, nets.RNN_SHAPES, "identity", 3)
    assert np.allclose(found.coefficients, lower(6, lambda lag: lag == 0), equal_nan=True)
    assert found.reading.startswith("identity")


def test_a_band_is_truncation():
    found = table(nets.rnn, nets.rnn_backward, nets.RNN_SHAPES, "band", 3)
    assert np.allclose(found.coefficients, lower(6, lambda lag: lag < 2), equal_nan=True)
    assert "a band: truncated, carried back over 2 steps" in found.reading


def test_only_the_last_steps():
    found = table(nets.rnn, nets.rnn_backward, nets.RNN_SHAPES, "last three", 3)
    assert "only the last 3 steps" in found.reading


def test_the_paths_of_an_lstm_through_c_alone():
    """Where h is not carried, what is left are the paths through c."""
    found = table(nets.lstm, nets.lstm_backward, nets.LSTM_SHAPES, "h is not carried", 4)
    assert found.paths == "through c only" and found.residual < 1e-13
    assert np.allclose(found.coefficients, lower(5, lambda lag: 1), equal_nan=True)


@pytest.mark.parametrize("mistake", ["h_t", "band"])
def test_the_residual_tells_whether_the_mistake_is_of_this_kind(mistake):
    found = table(nets.rnn, nets.rnn_backward, nets.RNN_SHAPES, mistake, 3)
    assert found.residual < 1e-13 if mistake == "band" else found.residual > 1e-3
    assert found.explains == (mistake == "band")
    assert bool(found.reading) == (mistake == "band")


def test_a_loss_of_the_last_state_gives_one_row():
    def forward(x, h, W, U):
        return nets.rnn(x, h, W, U)[-1]

    def backward(g, x, h, W, U, mistake=""):
        gs = np.zeros((len(x), *g.shape))
        gs[-1] = g
        return nets.rnn_backward(gs, x, h, W, U, mistake)

    found = table(forward, backward, nets.RNN_SHAPES, "doubled", 3)
    assert found.rows() == [["32", "16", "8", "4", "2", "1"]]
    assert "doubled" in found.reading


def test_the_table_shows_itself():
    found = TimeTable("W", np.array([[1.0, np.nan], [0.5, 2.0]]), 1e-16)
    assert [line.split() for line in str(found).splitlines()[1:3]] == [["1"], ["0.5", "2"]]
    assert "dW by loss (rows)" in str(found) and "no known pattern" in str(found)
    page = found.html()
    assert page.count("<td") == 4 and "#9ecae1" in page and "#fb6a4a" in page
    assert found.json()["coefficients"] == [[1.0, None], [0.5, 2.0]]
    assert reading(np.eye(3)).startswith("identity")


def test_the_report_of_a_recurrent_weight_shows_the_table():
    both = nets.pair(nets.rnn, nets.rnn_backward, "doubled")
    report = tg.gradcheck(both, *nets.normal(*nets.RNN_SHAPES))
    assert "32 16  8  4  2  1" in str(report)
    assert "<figure>" in report._repr_html_()
    assert report.diagnosis.table.json()["reading"].startswith("powers of 2")
