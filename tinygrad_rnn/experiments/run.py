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

from ..files import whole_file
from ..fit import Epoch, Fit
from ..task import Task


class ShownFit(Fit):
    """A run whose epochs are printed, and whose steps move a progress bar on a terminal."""

    bar: Any = None
    steps = 0  # of the epoch, so far

    def show(self) -> None:
        """Train. Ctrl-C ends it; what was learned until the end of the last epoch stays."""
        some = self.task.epoch_steps
        self.bar = _bar(None if some is None else some * (self.epochs - len(self.history)))
        try:
            with suppress(KeyboardInterrupt):
                for row in self.epochs_left():
                    self._print(row)
        finally:
            if self.bar is not None:
                self.bar.close()

    def _print(self, row: Epoch) -> None:
        line = (
            f"epoch {row.epoch}/{self.epochs}:"
            f" {self.task.progress(row.loss, self.steps / row.seconds)},"
            f" validation {self.task.metric} {row.score:.4f}, {row.seconds:.1f} s"
        )
        if self.bar is None:
            print(line, flush=True)
        else:
            self.bar.total = self.bar.n + (self.epochs - row.epoch) * self.steps
            self.bar.write(line, file=sys.stdout)

    def on_step(self, step: int, loss: float, seconds: float) -> None:
        self.steps = step
        if self.bar is not None:
            self.bar.set_postfix_str(self.task.progress(loss, step / seconds), refresh=False)
            self.bar.update()


def _bar(total: int | None) -> Any:
    """A progress bar, if there is tqdm and a terminal to show it; else None."""
    if not sys.stdout.isatty():
        return None
    try:
        from tqdm import tqdm
    except ImportError:
        print("(pip install tqdm shows a progress bar here)")
        return None
    return tqdm(total=total, unit="step", file=sys.stdout, dynamic_ncols=True, leave=False)


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
        FloatingPointError: for a loss or gradient that is not finite, naming where it was made.
    """
    run = trained(task, cell, folder, epochs, seed, resume, patience)
    if not run.history:
        print("stopped before the first epoch was done: nothing was learned")
        return False
    better = judged(run, cell)
    for line in task.examples(run.model):
        print(f"  {line}")
    print(f"  {folder}: {', '.join(sorted(path.name for path in folder.glob('[!.]*')))}")
    return better


def trained(
    task: Task,
    cell: str,
    folder: Path,
    epochs: int | None = None,
    seed: int = 0,
    resume: bool = False,
    patience: int | None = None,
) -> ShownFit:
    """The run, after it was shown; its arguments are those of `run_task`."""
    model = task.model(cell, np.random.default_rng([seed, 1]))
    run = ShownFit(task, model, epochs=epochs, patience=patience, folder=folder, seed=seed)
    if resume:
        run.resume(folder)
    print(
        f"{task.name} ({task.shape}): {cell.upper()}, {model.num_parameters():,} parameters;"
        " Ctrl-C stops and keeps what the epochs until then learned",
        flush=True,
    )
    run.show()
    return run


def judged(run: Fit, cell: str) -> bool:
    """Put the best weights into the model, judge them on the test part, and write all down."""
    task = run.task
    run.use_best()
    score = run.score("test")
    what, base = task.baseline()
    better = task.beats_baseline(score)
    print(
        f"held-out {task.metric}: {score:.4f}; {what}: {base:.4f}"
        f" ({'better' if better else 'NOT better'} than the baseline)"
    )
    for line in task.meaning(score):
        print(line)
    result = {
        "task": task.name, "cell": cell, "seed": run.seed, "metric": task.metric, "score": score,
        "baseline": what, "baseline_score": base, "epochs": len(run.history),
        "seconds": sum(row.seconds for row in run.history),
    }  # fmt: skip
    if run.folder is not None:
        _keep(run, result, run.folder)
    return better


def _keep(run: Fit, result: dict[str, Any], folder: Path) -> None:
    run.task.keep(run.model, folder)
    with whole_file(folder / "history.csv") as file:
        rows = csv.DictWriter(file, list(Epoch.__dataclass_fields__), lineterminator="\n")
        rows.writeheader()
        rows.writerows(asdict(row) for row in run.history)
    with whole_file(folder / "result.json") as file:
        json.dump(result, file, indent=1)
    _plot(run, folder / "learning.png")


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
