"""Every task trains by the one command, on the user's own data where it takes any."""

import json
import wave

import numpy as np
import pytest

from tinygrad_rnn.cli import main
from tinygrad_rnn.experiments import TASKS

CELLS = ("rnn", "lstm", "gru")


def reviews(path):
    for label, word in (("neg", "bad"), ("pos", "good")):
        (path / label).mkdir(parents=True)
        for k in range(8):
            (path / label / f"{k}.txt").write_text(f"film {k} is {word}")


def tagged(path):
    path.write_text("a DET\ncat NOUN\nsat VERB\n\nthe DET\ndog NOUN\nran VERB\n\n" * 8)


def genes(path):
    path.write_text("".join(f">gene {k}\n{'ATGGCATTC' * 30}{'ACGT' * k}\n" for k in range(12)))


def pairs(path):
    path.write_text("".join(f"word {k} and {k % 7}\t{k}\n" for k in range(40)))


def dialogues(path):
    path.write_text("".join(f"Kim has {k} . Who has {k} ?\tKim\n" for k in range(40)))


def text(path):
    path.write_text("the cat sat on the mat, and the dog saw it. " * 30)


def series(path):
    rows = (f"{k},{np.sin(k / 3) + 0.01 * k:.4f}\n" for k in range(200))
    path.write_text("day,value\n" + "".join(rows))


def sound(path):
    tone = (9000 * np.sin(np.arange(4000) / 5)).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(tone.tobytes())


OWN = {
    "sentiment": reviews, "spam": reviews, "tagging": tagged, "entities": tagged, "dna": genes,
    "dates": pairs, "numbers": pairs, "numbers-plain": pairs, "bot": dialogues, "characters": text,
    "words": text, "sunspots": series, "sound": sound,
}  # fmt: skip


def test_what_takes_data_is_listed(capsys):
    assert set(OWN) == {name for name, task in TASKS.items() if task.layout}
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    listed = capsys.readouterr().out
    for name, task in TASKS.items():
        assert f"  {name} " in listed and task.shape + ":" in listed and task.layout in listed


@pytest.mark.parametrize("name", OWN)
def test_own_data(name, tmp_path, capsys):
    path, out = tmp_path / "own", tmp_path / "out"
    OWN[name](path)
    cell = CELLS[list(OWN).index(name) % 3]
    command = ["train", name, "--data", str(path), "--cell", cell, "--out", str(out)]
    command += ["--steps", "3"] if name == "characters" else ["--epochs", "2"]
    assert main(command) in (0, 1), capsys.readouterr().err
    result = json.loads((out / "result.json").read_text())
    assert (result["task"], result["cell"]) == (name, cell)
    assert np.isfinite(result["score"]) and np.isfinite(result["baseline_score"])
    assert {path.name for path in out.iterdir()} >= {"checkpoint.npz", "weights.npz", "history.csv"}
    shown = capsys.readouterr().out
    assert f"held-out {TASKS[name].metric}" in shown
    assert main([*command, "--resume"]) in (0, 1)
    again = json.loads((out / "result.json").read_text())
    assert again["score"] == result["score"]


@pytest.mark.parametrize("name", [name for name, task in TASKS.items() if not task.layout])
def test_tasks_with_data_of_their_own_say_so(name, tmp_path, capsys):
    assert main(["train", name, "--data", str(tmp_path), "--out", str(tmp_path)]) == 2
    assert "leave --data out" in capsys.readouterr().err
