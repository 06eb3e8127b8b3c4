"""The one training loop: forward, backward, clip, step; score, keep the best, go on.

A run can be stopped anywhere (Ctrl-C included) and resumed with identical numbers: after each epoch
a checkpoint holds the weights, the best weights, the optimizer, the random state and the history.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from math import isclose, isfinite
from pathlib import Path
from typing import Any

import numpy as np

from .arraylike import Array, raw
from .export import load_weights, save_weights
from .graph import ancestors, cotangents, seed_of
from .modes import detect_anomaly, enable_grad, no_grad
from .nn import Module
from .optim import Adam, clip_grad_norm_
from .schedule import Plateau, Schedule, cosine
from .task import Task
from .tensor import Tensor, demand_finite, numbered


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
                self.save(self.folder)
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
                where = f"epoch {epoch + 1}, step {len(losses) + 1}"
                raise FloatingPointError(f"{where}: {_first_bad(loss, self.model)}")
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

    # ------------------------------------------------------------ checkpoints
    def save(self, folder: Path) -> None:
        """Write checkpoint.npz, whole or not at all."""
        notes = {
            "settings": self._settings(),
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
        theirs, mine = notes["settings"], self._settings()
        if theirs != mine:
            raise ValueError(f"{path} belongs to another run: {theirs}; this is {mine}")
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
        score, now = self.history[-1].score, self.score("validation")
        if not isclose(now, score, rel_tol=1e-3, abs_tol=1e-6):
            raise ValueError(
                f"{path} belongs to a run on other data: its {self.task.metric} was {score:.4f},"
                f" and here it is {now:.4f}"
            )

    def _settings(self) -> dict[str, Any]:
        """What a run and its continuation must have in common."""
        task = self.task
        settings = {"task": task.name, "steps": task.epoch_steps}
        return settings | {"epochs": self.epochs, "lr": self.lr, "seed": self.seed}

    def _generators(self) -> list[np.random.Generator]:
        """The random generators that the model's layers were given (dropout)."""
        found: dict[int, np.random.Generator] = {}
        for _, module in self.model.named_modules():
            for value in vars(module).values():
                if isinstance(value, np.random.Generator):
                    found.setdefault(id(value), value)
        return list(found.values())


def _first_bad(loss: Tensor, model: Module) -> str:
    """Where a loss, or its gradient, stopped being finite: forwards, then along the walk back."""
    for name, p in model.named_parameters():
        if not np.isfinite(p.data).all():
            return f"the weights {name} are not finite: lower the learning rate"
    try:
        for out in ancestors([loss]):
            assert out.node is not None
            what = f"the result of {out.node.op.name}" + (f", {out.name!r}," if out.name else "")
            demand_finite(out.data, what, out.node, numbered([raw(x) for x in out.node.inputs]))
        with detect_anomaly():
            for _ in cotangents(loss, seed_of(loss, None)):
                pass
    except FloatingPointError as error:
        return str(error)
    return "the norm of the gradients is not finite, though every gradient is"
