"""What takes long: the main job as a user runs it, and the benchmarks, so that they stay alive."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent / "benchmarks"

pytestmark = pytest.mark.slow


def run(*command, **options):
    done = subprocess.run(
        [sys.executable, *map(str, command)], capture_output=True, text=True, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_demo_reaches_1_7_nats_on_held_out_text(tmp_path):
    out = run("-m", "tinygrad_rnn", "demo", "--out", tmp_path / "kept", timeout=600)
    nats = float(re.search(r"held-out: ([\d.]+) nats", out).group(1))
    assert nats <= 1.7
    assert "(better than the baseline)" in out  # 4-grams
    digits = [int(d) for d in re.findall(r"right +(\d+) digits", out)]
    assert len(digits) == 7
    assert min(digits) >= 12


@pytest.mark.parametrize("cell", ["rnn", "gru"])
def test_the_other_cells_learn_too(tmp_path, cell):
    out = run("-m", "tinygrad_rnn", "train", "--cell", cell, "--out", tmp_path, timeout=600)
    assert float(re.search(r"held-out: ([\d.]+) nats", out).group(1)) <= 1.9


def test_the_speed_table_is_measured():
    command = ["lstm.py", "--seconds", 4, "--sizes", "20,4,4,8", "--only"]
    out = run(BENCHMARKS / command[0], *command[1:], "handwritten", "tinygrad_rnn", timeout=300)
    assert re.search(r"tinygrad_rnn +\d+\.\d+", out)
    assert "wrong" not in out


def test_long_chains_and_short_lives():
    out = run(BENCHMARKS / "scaling.py", "--only", "chain", "leftovers", "memory", timeout=300)
    assert "MISSED" not in out
