"""The one training loop: forward, backward, clip, step; score, keep the best, go on.

Read next: `checkpoint.py`, for runs that are stopped and resumed; `schedule.py`; `anomaly.py`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from math import isclose, isfinite
from pathlib import Path

import numpy as np

from .anomaly import first_bad
from .checkpoint import load_checkpoint, save_checkpoint
from .modes import detect_anomaly, enable_grad, no_grad
from .nn import Module
from .optim import Adam, clip_grad_norm_
from .schedule import Plateau, Schedule, cosine
from .task import Task


@dataclass(frozen=True)
class Epoch:
    """One row of the history: the mean training loss, and the validation score after it."""

    epoch: int
    loss: float
    score: float
    lr: float
    seconds: float


class Fit:
    """One training run.

    Args:
        task, model: what is learned, and by whom.
        epochs, lr: default: the task's.
        schedule: of the learning rate, by epoch; or a `Plateau`, which is told the validation
            score after each. Default: half a cosine, down to a fiftieth.
        patience: stop after this many epochs without a better score; None: never.
        folder: where the checkpoint is kept; None: nowhere.
        seed: of the order of the batches.

    `for epoch in run.epochs_left():` trains; `run.best` are the weights with the best score.
    """

    def __init__(
        self,
        task: Task,
        model: Module,
        *,
        epochs: int | None = None,
        lr: float | None = None,
        schedule: Schedule | Plateau | None = None,
        patience: int | None = None,
        folder: Path | None = None,
        seed: int = 0,
    ) -> None:
        self.task, self.model, self.folder, self.seed = task, model, folder, seed
        self.epochs = task.epochs if epochs is None else epochs
        self.lr = task.lr if lr is None else lr
        self.schedule = cosine(self.epochs, 0.02) if schedule is None else schedule
        self.patience = patience
        self.optimizer = Adam(model.parameters(), lr=self.lr)
        self.history: list[Epoch] = []
        self.best = model.state_dict()

    def epochs_left(self) -> Iterator[Epoch]:
        """Train epoch after epoch, yielding each one's row, until all are done or none helps."""
        while len(self.history) < self.epochs and not self._given_up():
            row = self._one_epoch(len(self.history))
            if not self.history or self._better(row.score, self._best_score()):
                self.best = self.model.state_dict()
            self.history.append(row)
            if self.folder is not None:
                save_checkpoint(self, self.folder)
            yield row

    def _one_epoch(self, epoch: int) -> Epoch:
        """Forward, loss, backward, clip, step: the whole of training."""
        started = time.perf_counter()
        losses: list[float] = []
        rng = np.random.default_rng([self.seed, epoch])  # each epoch's own: so a run can resume
        self.model.train()
        self.optimizer.lr = self._rate(epoch)
        for loss in self.task.losses(self.model, rng):
            self.optimizer.zero_grad()
            loss.backward()
            norm = clip_grad_norm_(self.model.parameters(), self.task.clip)
            if not isfinite(loss.item() + norm):
                what = first_bad(loss, self.model.named_parameters())
                raise FloatingPointError(f"epoch {epoch + 1}, step {len(losses) + 1}: {what}")
            self.optimizer.step()
            losses.append(loss.item())
            self.on_step(len(losses), losses[-1], time.perf_counter() - started)
        score = self._finite_score("validation")
        seconds = time.perf_counter() - started
        return Epoch(epoch + 1, float(np.mean(losses)), score, self.optimizer.lr, seconds)

    def on_step(self, step: int, loss: float, seconds: float) -> None:
        """Called after the step-th step of an epoch; a progress bar overrides it."""

    def _rate(self, epoch: int) -> float:
        if not isinstance(self.schedule, Plateau):
            return self.lr * self.schedule(epoch)
        sign = -1 if self.task.higher_is_better else 1
        return self.lr * self.schedule.after(sign * row.score for row in self.history)

    @no_grad()
    def score(self, part: str) -> float:
        """The task's metric, with dropout off and nothing recorded."""
        self.model.eval()
        return self.task.score(self.model, part)

    def _finite_score(self, part: str) -> float:
        score = self.score(part)
        if not isfinite(score):
            with enable_grad(), detect_anomaly():  # once more, to say where
                self.task.score(self.model, part)
            raise FloatingPointError(f"the {part} {self.task.metric} is {score}")
        return score

    def use_best(self) -> None:
        """Put the weights with the best validation score into the model."""
        self.model.load_state_dict(self.best)

    def _better(self, score: float, than: float) -> bool:
        return score > than if self.task.higher_is_better else score < than

    def _best_score(self) -> float:
        choose = max if self.task.higher_is_better else min
        return choose(row.score for row in self.history)

    def _given_up(self) -> bool:
        if self.patience is None or len(self.history) <= self.patience:
            return False
        best = next(k for k, row in enumerate(self.history) if row.score == self._best_score())
        return len(self.history) - 1 - best >= self.patience

    def resume(self, folder: Path) -> None:
        """Go on after the last epoch of the run that `folder` has a checkpoint of.

        Raises:
            OSError: without a checkpoint.
            ValueError: for one of other settings or other data, or one that is damaged.
        """
        self.history = load_checkpoint(self, folder, Epoch)
        score, now = self.history[-1].score, self.score("validation")
        if not isclose(now, score, rel_tol=1e-3, abs_tol=1e-6):
            raise ValueError(
                f"{folder} holds a run on other data: its {self.task.metric} was {score:.4f}, and"
                f" here it is {now:.4f}"
            )
