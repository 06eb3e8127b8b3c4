"""Every verb does what it says; bad input is one clear line and exit code 2, never a traceback."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from tinygrad_rnn.cli import main
from tinygrad_rnn.experiments.memory import Adding
from tinygrad_rnn.experiments.run import ShownFit

TEXT = "the cat sat on the mat; the dog ate the cat's hat. " * 120


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(TEXT)
    return path


def run(capsys, *words):
    code = main([str(word) for word in words])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_the_demo_does_all_five_steps(capsys, tmp_path, text, cell):
    folder = tmp_path / "new" / "folder"
    code, out, _ = run(
        capsys, "demo", "--text", text, "--cell", cell, "--steps", 12, "--out", folder
    )
    assert code == 0
    for word in ("nats per char", "temperature 0.5", "weight_hh_l0", "digits", "weights.npz"):
        assert word in out
    kept = {path.name for path in folder.iterdir()}
    assert kept >= {"weights.npz", "model.json", "history.csv", "samples.txt", "gradcheck.txt"}
    assert "unrolled.gv" in kept
    with open(folder / "history.csv") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == list(range(1, 13))
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"])


def test_same_seed_same_numbers(capsys, tmp_path, text):
    weights = []
    for name in ("a", "b"):
        run(capsys, "train", "--text", text, "--steps", 4, "--seed", 3, "--out", tmp_path / name)
        weights.append(np.load(tmp_path / name / "weights.npz"))
    for key in weights[0].files:
        np.testing.assert_array_equal(weights[0][key], weights[1][key])


def test_a_trained_model_writes_and_is_checked(capsys, tmp_path, text):
    run(capsys, "train", "--text", text, "--steps", 8, "--out", tmp_path / "m")
    code, out, _ = run(capsys, "sample", tmp_path / "m", "--prompt", "the ", "--length", 30)
    assert code == 0
    assert out.startswith("the ")
    assert len(out) == 35
    code, again, _ = run(capsys, "sample", tmp_path / "m", "--prompt", "the ", "--length", 30)
    assert again == out
    code, out, _ = run(capsys, "check", "--model", tmp_path / "m", "--steps", 3)
    assert code == 0
    assert "embedding.weight" in out


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_cells_are_checked_and_listed(capsys, cell):
    code, out, _ = run(capsys, "check", "--cell", cell)
    assert code == 0
    assert out.count("right") >= 5
    code, out, _ = run(capsys, "draw", "--cell", cell, "--listing", "--steps", 2)
    assert code == 0
    assert "# t=2" in out


def test_a_cell_is_drawn(capsys, tmp_path):
    code, out, _ = run(capsys, "draw", "--out", tmp_path / "p" / "lstm.gv")
    assert code == 0
    assert (tmp_path / "p" / "lstm.gv").read_text().startswith("digraph")
    assert "lstm.gv" in out


def refused(capsys, *words):
    code, _, err = run(capsys, *words)
    assert code == 2
    assert len(err.strip().splitlines()) == 1
    return err


def test_texts_that_cannot_be_used(capsys, tmp_path):
    out = ("--out", tmp_path / "out")
    assert "No such file" in refused(capsys, "demo", "--text", tmp_path / "none.txt", *out)
    assert "Is a directory" in refused(capsys, "demo", "--text", tmp_path, *out)
    (tmp_path / "a.txt").write_text("")
    assert "is empty" in refused(capsys, "train", "--text", tmp_path / "a.txt", *out)
    (tmp_path / "a.txt").write_text("too short")
    assert "9 characters" in refused(capsys, "train", "--text", tmp_path / "a.txt", *out)
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe\x00")
    assert "not UTF-8" in refused(capsys, "train", "--text", tmp_path / "a.txt", *out)


def test_the_shortest_text_that_is_accepted_works(capsys, tmp_path):
    path = tmp_path / "a.txt"
    path.write_text(TEXT[:100])
    code, out, _ = run(capsys, "demo", "--text", path, "--steps", 2, "--out", tmp_path / "o")
    assert code == 0 and "5. keep" in out
    path.write_text(TEXT[:99])
    message = refused(capsys, "train", "--text", path, "--out", tmp_path / "o")
    assert "99 characters: a language model needs 100 or more" in message


def test_a_run_that_is_not_finite_is_one_line(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(Adding, "n", 100)
    monkeypatch.setattr(Adding, "clip", 1e308)
    monkeypatch.setattr(Adding, "lr", 1e38)
    with np.errstate(all="ignore"):
        message = refused(capsys, "train", "adding", "--out", tmp_path)
    assert "step 2" in message and "not finite" in message


def test_what_belongs_to_another_task_is_refused(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(Adding, "n", 50)
    out = tmp_path / "adding"
    assert "--epochs" in refused(capsys, "train", "adding", "--steps", 3, "--out", out)
    assert "twice" in refused(capsys, "train", "--steps", 3, "--epochs", 3, "--out", out)
    run(capsys, "train", "adding", "--epochs", 1, "--cell", "rnn", "--out", out)
    assert "no language model" in refused(capsys, "sample", out)


def test_folders_that_cannot_be_written(capsys, tmp_path, text):
    (tmp_path / "file").write_text("")
    refused(capsys, "demo", "--text", text, "--out", tmp_path / "file")
    refused(capsys, "demo", "--text", text, "--out", tmp_path / "file" / "below")
    refused(capsys, "sample", tmp_path / "none")
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "model.json").write_text(json.dumps({"vocabulary": 3}))
    assert "model.json" in refused(capsys, "sample", tmp_path / "m")


def test_unknown_symbols_in_the_prompt(capsys, tmp_path, text):
    run(capsys, "train", "--text", text, "--steps", 1, "--out", tmp_path / "m")
    assert "'한'" in refused(capsys, "sample", tmp_path / "m", "--prompt", "한")
    assert "at least one" in refused(capsys, "sample", tmp_path / "m", "--prompt", "")


@pytest.mark.parametrize(
    "words", [[], ["dance"], ["demo", "--steps", "0"], ["draw", "--seed", "-1"]]
)
def test_the_command_line_is_explained(capsys, words):
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 2
    assert "usage: tinygrad-rnn" in capsys.readouterr().err


@pytest.mark.slow
def test_ctrl_c_keeps_what_was_learned_and_goes_on(tmp_path, text):
    command = [sys.executable, "-m", "tinygrad_rnn", "demo", "--text", str(text)]
    command += ["--steps", "3600", "--out", str(tmp_path / "m")]  # far more than it gets
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}

    def attentive():
        """A shell's background jobs are deaf to Ctrl-C, and so are their children."""
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdout=pipe, stderr=pipe, env=environment, preexec_fn=attentive
    ) as process:
        seen = b""
        while b"epoch 1/" not in seen:
            seen += process.stdout.read1(1000)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert b"5. keep" in out
    assert b"Traceback" not in err
    with open(tmp_path / "m" / "history.csv") as file:
        assert 1 <= len(list(csv.DictReader(file))) < 12


def test_ctrl_c_in_the_first_epoch_goes_on_to_the_report(capsys, tmp_path, text, monkeypatch):
    def interrupted(self, step, loss, seconds):
        if step == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(ShownFit, "on_step", interrupted)
    code, out, _ = run(capsys, "demo", "--text", text, "--out", tmp_path / "m")
    assert code == 0 and "5. keep" in out
    code, out, _ = run(capsys, "train", "--text", text, "--out", tmp_path / "n")
    assert code == 1 and "nothing was learned" in out


def test_corrupt_models_are_one_line(capsys, tmp_path, text):
    run(capsys, "train", "--text", text, "--steps", 1, "--out", tmp_path / "m")
    weights = tmp_path / "m" / "weights.npz"
    with open(weights, "wb") as file:
        np.save(file, np.zeros(3))
    assert "weights.npz is not a .npz archive" in refused(capsys, "sample", tmp_path / "m")
    config = tmp_path / "m" / "model.json"
    described = json.loads(config.read_text())
    config.write_text(json.dumps(described | {"vocabulary": [*described["vocabulary"], "!!"]}))
    assert "model.json does not describe a model" in refused(capsys, "sample", tmp_path / "m")
    config.write_bytes(b"\xff")
    assert "model.json" in refused(capsys, "sample", tmp_path / "m")
    refused(capsys, "check", "--hidden", 10**8)


def test_the_prompt_is_one_that_the_model_knows(capsys, tmp_path):
    path = tmp_path / "ko.txt"
    path.write_text("가나다라마바사아자차카타파하 " * 300, encoding="utf-8")
    run(capsys, "train", "--text", path, "--steps", 1, "--out", tmp_path / "m")
    code, out, _ = run(capsys, "sample", tmp_path / "m", "--length", 5)
    assert code == 0
    assert len(out) == 7


def test_a_terminal_without_korean_still_gets_the_report(tmp_path):
    path = tmp_path / "ko.txt"
    path.write_text("가나다라마바사아자차카타파하 " * 300, encoding="utf-8")
    command = [sys.executable, "-m", "tinygrad_rnn", "demo", "--steps", "1"]
    command += ["--text", str(path), "--out", str(tmp_path / "m")]
    done = subprocess.run(
        command, capture_output=True, env=os.environ | {"PYTHONIOENCODING": "ascii"}, check=True
    )
    assert b"5. keep" in done.stdout


@pytest.mark.parametrize("words", [["train", "--steps", "abc"], ["sample", "x", "--length", "0"]])
def test_numbers_are_asked_for_in_words(capsys, words):
    with pytest.raises(SystemExit):
        main(words)
    assert "expected a whole number from 1 on, given" in capsys.readouterr().err
