"""One experiment from the command line: train, keep the best, judge it, and write it all down."""

from __future__ import annotations

import csv
import json
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ..export import save_weights
from ..files import whole_file
from ..fit import Epoch, Fit
from ..task import Task


class ShownFit(Fit):
    """A run whose steps move a progress bar (with tqdm; a line per epoch without)."""

    bar: Any = None

    def on_step(self, step: int, loss: float) -> None:
        if self.bar is not None:
            self.bar.set_postfix_str(f"loss {loss:.4f}", refresh=False)
            self.bar.update()


def run_task(
    task: Task,
    *,
    cell: str,
    folder: Path,
    epochs: int | None = None,
    seed: int = 0,
    resume: bool = False,
    patience: int | None = None,
) -> bool:
    """Train and judge; writes checkpoint.npz, weights.npz, history.csv, result.json, learning.png.

    Returns:
        whether the best weights beat the task's baseline on the test part.

    Raises:
        ValueError: if `resume` finds the checkpoint of another run.
    """
    model = task.model(cell, np.random.default_rng([seed, 1]))
    run = ShownFit(task, model, epochs=epochs, patience=patience, folder=folder, seed=seed)
    if resume:
        run.resume(folder)
    print(f"{task.name} ({task.shape}): {cell.upper()}, {model.num_parameters():,} parameters")
    with suppress(KeyboardInterrupt):
        _show(run)
    if not run.history:
        print("stopped before the first epoch was done: nothing was learned")
        return False
    run.use_best()
    score = run.score("test")
    what, base = task.baseline()
    better = task.beats_baseline(score)
    print(
        f"held-out {task.metric}: {score:.4f}; {what}: {base:.4f}"
        f" ({'better' if better else 'NOT better'} than the baseline)"
    )
    for line in task.examples(model):
        print(f"  {line}")
    result = {
        "task": task.name, "cell": cell, "seed": seed, "metric": task.metric, "score": score,
        "baseline": what, "baseline_score": base, "epochs": len(run.history),
        "seconds": sum(row.seconds for row in run.history),
    }  # fmt: skip
    _keep(run, result, folder)
    return better


def _show(run: ShownFit) -> None:
    """Train with what can be seen of it."""
    try:
        from tqdm import tqdm
    except ImportError:
        print("(pip install tqdm shows a progress bar here)")
    else:
        run.bar = tqdm(unit="step", file=sys.stdout, dynamic_ncols=True, leave=False)
    try:
        for row in run.epochs_left():
            line = (
                f"epoch {row.epoch}/{run.epochs}: loss {row.loss:.4f},"
                f" validation {run.task.metric} {row.score:.4f}, {row.seconds:.1f} s"
            )
            print(line) if run.bar is None else run.bar.write(line, file=sys.stdout)
    finally:
        if run.bar is not None:
            run.bar.close()


def _keep(run: Fit, result: dict[str, Any], folder: Path) -> None:
    save_weights(run.best, folder / "weights.npz")
    with whole_file(folder / "history.csv") as file:
        rows = csv.DictWriter(file, list(Epoch.__dataclass_fields__), lineterminator="\n")
        rows.writeheader()
        rows.writerows(asdict(row) for row in run.history)
    with whole_file(folder / "result.json") as file:
        json.dump(result, file, indent=1)
    _plot(run, folder / "learning.png")
    kept = ", ".join(
        sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    )
    print(f"  {folder}: {kept}")


def _plot(run: Fit, path: Path) -> None:
    """The learning curve, if matplotlib is there."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("(pip install 'tinygrad_rnn[plot]' draws the learning curve)")
        return
    figure = Figure(figsize=(6, 3.2), layout="constrained")
    axes = figure.subplots()
    epochs = [row.epoch for row in run.history]
    axes.plot(epochs, [row.loss for row in run.history], color="#0072B2", label="training loss")
    axes.set_xlabel("epoch")
    axes.set_ylabel("loss")
    other = axes.twinx()
    other.plot(epochs, [row.score for row in run.history], color="#D55E00", ls="--", label="score")
    other.set_ylabel(f"validation {run.task.metric}")
    figure.legend(loc="outside upper center", ncols=2, frameon=False)
    with whole_file(path, "wb") as file:
        figure.savefig(file, format="png", dpi=120)
