"""The loop that every experiment uses: forward, backward, clip, step; score, keep the best, go on.

A run can be stopped anywhere (Ctrl-C included) and resumed with identical numbers: after each epoch
a checkpoint holds the weights, the best weights, the optimizer, the random state and the history.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .arraylike import Array
from .export import load_weights, save_weights
from .modes import no_grad
from .nn import Module
from .optim import Adam, clip_grad_norm_
from .schedule import Schedule, cosine
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
        schedule: of the learning rate, by epoch; default: half a cosine, down to a fiftieth.
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
        schedule: Schedule | None = None,
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
                self.save(self.folder)
            yield row

    def _one_epoch(self, epoch: int) -> Epoch:
        """Forward, loss, backward, clip, step: the whole of training."""
        started, losses = time.perf_counter(), []
        rng = np.random.default_rng([self.seed, epoch])  # each epoch's own: so a run can resume
        self.model.train()
        self.optimizer.lr = self._rate(epoch)
        for loss in self.task.losses(self.model, rng):
            self.optimizer.zero_grad()
            loss.backward()
            clip_grad_norm_(self.model.parameters(), self.task.clip)
            self.optimizer.step()
            losses.append(loss.item())
            self.on_step(len(losses), losses[-1])
        mean = float(np.mean(losses))
        if not np.isfinite(mean):
            raise FloatingPointError(
                f"the loss of epoch {epoch + 1} is {mean}: lower the learning rate ({self.lr:g}),"
                " or run inside tg.detect_anomaly() to see where it began"
            )
        seconds = time.perf_counter() - started
        return Epoch(epoch + 1, mean, self.score("validation"), self.optimizer.lr, seconds)

    def on_step(self, step: int, loss: float) -> None:
        """Called after every step; a progress bar overrides it."""

    def _rate(self, epoch: int) -> float:
        return self.lr * self.schedule(epoch)

    @no_grad()
    def score(self, part: str) -> float:
        """The task's metric, with dropout off and nothing recorded."""
        self.model.eval()
        return self.task.score(self.model, part)

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

    # ------------------------------------------------------------ checkpoints
    def save(self, folder: Path) -> None:
        """Write checkpoint.npz, whole or not at all."""
        settings = {"task": self.task.name, "epochs": self.epochs, "lr": self.lr, "seed": self.seed}
        notes = {
            "settings": settings,
            "history": [asdict(row) for row in self.history],
            "random": [rng.bit_generator.state for rng in self._generators()],
        }
        arrays: dict[str, Array] = {
            "notes": np.frombuffer(json.dumps(notes).encode(), np.uint8),
            **{f"model/{k}": v for k, v in self.model.state_dict().items()},
            **{f"best/{k}": v for k, v in self.best.items()},
            **{f"optimizer/{k}": np.asarray(v) for k, v in self.optimizer.state_dict().items()},
        }
        save_weights(arrays, folder / "checkpoint.npz")

    def resume(self, folder: Path) -> None:
        """Go on where `save` left off: the numbers are those of a run without a break.

        Raises:
            OSError: without a checkpoint.
            ValueError: for a checkpoint of other settings, or one that is damaged.
        """
        path = folder / "checkpoint.npz"
        arrays = load_weights(path)
        try:
            notes: dict[str, Any] = json.loads(arrays.pop("notes").tobytes())
        except (KeyError, ValueError) as error:
            raise ValueError(f"{path} is not a checkpoint: {error!r}") from None
        mine = {"task": self.task.name, "epochs": self.epochs, "lr": self.lr, "seed": self.seed}
        if notes["settings"] != mine:
            raise ValueError(f"{path} belongs to another run: {notes['settings']}; this is {mine}")
        parts: dict[str, dict[str, Array]] = {"model": {}, "best": {}, "optimizer": {}}
        for key, array in arrays.items():
            part, _, name = key.partition("/")
            parts[part][name] = array
        self.model.load_state_dict(parts["model"])
        self.optimizer.load_state_dict(parts["optimizer"])
        self.best = parts["best"]
        self.history = [Epoch(**row) for row in notes["history"]]
        for rng, state in zip(self._generators(), notes["random"], strict=True):
            rng.bit_generator.state = state

    def _generators(self) -> list[np.random.Generator]:
        """The random generators that the model's layers were given (dropout)."""
        found: dict[int, np.random.Generator] = {}
        for _, module in self.model.named_modules():
            for value in vars(module).values():
                if isinstance(value, np.random.Generator):
                    found.setdefault(id(value), value)
        return list(found.values())
