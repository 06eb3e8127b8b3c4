"""A run on disk: what it needs to be continued as if it had never stopped.

After each epoch `checkpoint.npz` holds the weights, the best weights, the optimizer, the state of
the random generators and the history. So a run can be stopped anywhere, by Ctrl-C or by a power
cut, and resumed with identical numbers; the epoch that was interrupted is done again.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .arraylike import Array
from .export import load_weights, save_weights
from .nn import Module

if TYPE_CHECKING:
    from .fit import Epoch, Fit


def save_checkpoint(run: Fit, folder: Path) -> None:
    """Write checkpoint.npz, whole or not at all."""
    notes = {
        "settings": _settings(run),
        "history": [asdict(row) for row in run.history],
        "random": [rng.bit_generator.state for rng in _generators(run.model)],
    }
    arrays: dict[str, Array] = {
        "notes": np.frombuffer(json.dumps(notes).encode(), np.uint8),
        **{f"model/{k}": v for k, v in run.model.state_dict().items()},
        **{f"best/{k}": v for k, v in run.best.items()},
        **{f"optimizer/{k}": np.asarray(v) for k, v in run.optimizer.state_dict().items()},
    }
    save_weights(arrays, folder / "checkpoint.npz")


def load_checkpoint(run: Fit, folder: Path, epoch: type[Epoch]) -> list[Epoch]:
    """Put everything where it was; gives the history.

    Raises:
        OSError: without a checkpoint.
        ValueError: for a checkpoint of other settings, or one that is damaged.
    """
    path = folder / "checkpoint.npz"
    arrays = load_weights(path)
    try:
        notes: dict[str, Any] = json.loads(arrays.pop("notes").tobytes())
        theirs = notes["settings"]
    except (KeyError, ValueError) as error:
        raise ValueError(f"{path} is not a checkpoint: {error!r}") from None
    if theirs != _settings(run):
        raise ValueError(f"{path} belongs to another run: {theirs}; this is {_settings(run)}")
    parts: dict[str, dict[str, Array]] = {"model": {}, "best": {}, "optimizer": {}}
    try:
        for key, array in arrays.items():
            part, _, name = key.partition("/")
            parts[part][name] = array
        run.model.load_state_dict(parts["best"])  # they fit: `use_best` will want them
        run.model.load_state_dict(parts["model"])
        run.optimizer.load_state_dict(parts["optimizer"])
        run.best = parts["best"]
        for rng, state in zip(_generators(run.model), notes["random"], strict=True):
            rng.bit_generator.state = state
        return [epoch(**row) for row in notes["history"]]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is damaged: {error}") from None


def _settings(run: Fit) -> dict[str, Any]:
    """What a run and its continuation must have in common."""
    task = {"task": run.task.name, "steps": run.task.epoch_steps}
    return task | {"epochs": run.epochs, "lr": run.lr, "seed": run.seed}


def _generators(model: Module) -> list[np.random.Generator]:
    """The random generators that the model's layers were given (dropout)."""
    found: dict[int, np.random.Generator] = {}
    for _, module in model.named_modules():
        for value in vars(module).values():
            if isinstance(value, np.random.Generator):
                found.setdefault(id(value), value)
    return list(found.values())
