"""Long memory: what is asked was shown, biases are the paper's, a run from the command line."""

import csv
import json

import numpy as np
import pytest
from learning import learned

from tinygrad_rnn.cli import main
from tinygrad_rnn.experiments.memory import Adding, Copy, Order, Recall, chrono, orthogonal
from tinygrad_rnn.fit import Fit
from tinygrad_rnn.nn import GRU, LAYERS, LSTM, RNN

CELLS = ("rnn", "lstm", "gru")


def short(task_class, n=200):
    class Short(task_class):
        epochs = 2

    Short.n = n
    return Short


def test_answers_are_the_sums_of_the_marked_numbers():
    task = Adding(seed=3)
    for x, y in task.parts.values():
        assert (x[:, :, 1].sum(axis=0) == 2).all()
        halves = x[: task.T // 2, :, 1].sum(axis=0), x[task.T // 2 :, :, 1].sum(axis=0)
        assert (halves[0] == 1).all()
        assert (halves[1] == 1).all()
        for b in range(5):
            marked = x[x[:, b, 1] == 1, b, 0]
            assert y[b, 0] == pytest.approx(marked.sum())
    assert abs(task.baseline()[1] - 1 / 6) < 0.02
    np.testing.assert_array_equal(Adding(seed=3).parts["test"][0], task.parts["test"][0])
    with pytest.raises(ValueError, match="makes its own data"):
        Adding(source="x")


def test_a_run_from_the_command_line_writes_everything_down(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(Adding, "n", 100)
    out = ["--out", str(tmp_path)]
    assert main(["train", "adding", "--epochs", "2", "--cell", "rnn", *out]) in (0, 1)
    kept = {path.name for path in tmp_path.iterdir()}
    assert kept >= {"checkpoint.npz", "weights.npz", "history.csv", "result.json"}
    with open(tmp_path / "history.csv") as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["1", "2"]
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["task"] == "adding"
    assert "held-out mean squared error" in capsys.readouterr().out
    assert main(["train", "adding", "--epochs", "2", "--cell", "rnn", "--resume", *out]) in (0, 1)
    assert main(["train", "adding", "--epochs", "3", "--cell", "rnn", "--resume", *out]) == 2
    assert "another run" in capsys.readouterr().err
    assert main(["train", "adding", "--data", "x", *out]) == 2


def test_copy_shows_ten_symbols_and_asks_for_them_after_the_signal():
    task = Copy(length=7)
    for x, y in task.parts.values():
        assert x.shape == y.shape == (27, x.shape[1])
        assert (x[:10] == y[-10:]).all() and set(np.unique(x[:10])) == set(range(1, 9))
        assert (x[16] == 9).all() and not np.delete(x[10:], 6, axis=0).any() and not y[:17].any()
    parts = [{tuple(column) for column in x.T} for x, _ in task.parts.values()]
    assert not (parts[0] & parts[1] or parts[0] & parts[2] or parts[1] & parts[2])


def test_copy_baseline_is_the_entropy_of_ten_symbols_a_step():
    assert Copy().baseline()[1] == pytest.approx(0.51986, abs=1e-5)


@pytest.mark.parametrize("length", [20, 100])
def test_order_is_told_by_the_two_letters(length):
    x, y = Order(length=length).parts["test"]
    tenth = length // 10
    lengths = set()
    for column, label in zip(x.T, y, strict=True):
        text = "".join("abcdXYEB "[s] for s in column).lstrip()
        assert text[0] == "E" and text[-1] == "B" and set(text[1:-1]) <= set("abcdXY")
        places = [k for k, letter in enumerate(text) if letter in "XY"]
        assert tenth <= places[0] <= 2 * tenth and 5 * tenth <= places[1] <= 6 * tenth
        assert len(places) == 2
        assert ("XX", "XY", "YX", "YY")[label] == text[places[0]] + text[places[1]]
        lengths.add(len(text))
    assert lengths == set(range(length, length + tenth + 1))


@pytest.mark.parametrize("task_class", [Adding, Copy, Order])
def test_the_seed_decides(task_class):
    draws = [task_class(seed=seed).parts["test"][0] for seed in (0, 0, 1)]
    assert (draws[0] == draws[1]).all() and not (draws[0] == draws[2]).all()


@pytest.mark.parametrize("task_class", [Adding, Copy, Order])
def test_bad_arguments(task_class, tmp_path):
    with pytest.raises(ValueError, match="makes its own data"):
        task_class(source=tmp_path)
    with pytest.raises(ValueError, match="given 0"):
        task_class(length=0)


def test_chrono_biases():
    rng = np.random.default_rng(0)
    lstm, gru, rnn = LSTM(3, 50, rng=0), GRU(3, 50, rng=0), RNN(3, 50, rng=0)
    before = rnn.bias_ih_l0.data.copy()
    for layer in (lstm, gru, rnn):
        chrono(layer, 100, rng)
    i, f, g, o = np.split(lstm.bias_ih_l0.data + lstm.bias_hh_l0.data, 4)
    assert (f >= 0).all() and (f <= np.log(100)).all() and (i == -f).all()
    assert np.exp(f).mean() == pytest.approx(50, abs=12) and not g.any() and not o.any()
    r, z, n = np.split(gru.bias_ih_l0.data + gru.bias_hh_l0.data, 3)
    assert (z >= 0).all() and np.exp(z).max() > 80 and not r.any() and not n.any()
    assert (rnn.bias_ih_l0.data == before).all()
    with pytest.raises(ValueError, match="above 1"):
        chrono(lstm, 1, rng)
    with pytest.raises(ValueError, match="bias=False"):
        chrono(GRU(3, 4, bias=False), 9, rng)


def test_a_plain_rnn_may_start_orthogonal():
    """So many random matrices, too, are as likely one way round as the other."""
    rng, layers = np.random.default_rng(0), {cell: LAYERS[cell](3, 8, rng=0) for cell in CELLS}
    before = {cell: layer.state_dict() for cell, layer in layers.items()}
    for layer in layers.values():
        orthogonal(layer, rng)
    W = layers["rnn"].weight_hh_l0.data
    np.testing.assert_allclose(W @ W.T, np.eye(8), atol=1e-12)
    assert (layers["rnn"].weight_ih_l0.data == before["rnn"]["weight_ih_l0"]).all()
    for cell in ("lstm", "gru"):
        for name, weight in layers[cell].state_dict().items():
            np.testing.assert_array_equal(weight, before[cell][name])
    traces = []
    for _ in range(400):
        orthogonal(layers["rnn"], rng)
        traces.append(np.trace(layers["rnn"].weight_hh_l0.data))
    assert abs(np.mean(traces)) < 0.2  # of Haar's measure: mean 0, variance 1 (Diaconis 1994)
    assert 0.8 < np.std(traces) < 1.2


def test_a_gru_with_chrono_biases_forgets_at_the_rate_they_say():
    model = Recall("gru", 4, 30, 2, 50, np.random.default_rng(0))
    gru = model.recurrent
    for name, p in gru.named_parameters():
        if name.startswith("weight"):
            p.data[...] = 0
    h0 = np.ones((1, 1, 30), np.float32)
    _, h = gru(np.zeros((1, 1, 4), np.float32), h0)
    kept = h.data[0, 0]  # z = u / (1 + u) for b_z = log u: a memory of about u steps
    u = np.exp(gru.bias_ih_l0.data[30:60])
    np.testing.assert_allclose(kept, u / (1 + u), rtol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("task_class", [Copy, Order])
def test_the_loss_falls_with_every_cell(cell, task_class):
    task = short(task_class)(length=20)
    run = Fit(task, task.model(cell, np.random.default_rng(0)), epochs=2)
    rows = list(run.epochs_left())
    assert rows[-1].loss < rows[0].loss
    assert 0 <= run.score("test") <= (1 if task.higher_is_better else np.log(9))
    assert len(task.examples(run.model)) >= 3


@pytest.mark.slow
def test_the_default_run_beats_the_baseline(tmp_path):
    assert main(["train", "adding", "--out", str(tmp_path)]) == 0
    assert json.loads((tmp_path / "result.json").read_text())["score"] < 0.002


@pytest.mark.slow
@pytest.mark.parametrize("task_class", [Copy, Order])
def test_it_learns_to_beat_the_baseline(task_class):
    task = task_class()
    score, _ = learned(task, 0.9 if task_class is Order else 0.6 * task.baseline()[1])
    assert task.beats_baseline(score)
