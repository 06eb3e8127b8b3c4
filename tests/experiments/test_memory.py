"""The adding problem: data by an independent rule, a run from the command line, its baseline."""

import csv
import json

import numpy as np
import pytest

from tinygrad_rnn.cli import main
from tinygrad_rnn.experiments.memory import Adding


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


@pytest.mark.slow
def test_the_default_run_beats_the_baseline(tmp_path):
    assert main(["train", "adding", "--out", str(tmp_path)]) == 0
    assert json.loads((tmp_path / "result.json").read_text())["score"] < 0.02
