"""A task: data with a part held out, a model for it, and a baseline that it has to beat."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from .export import save_weights
from .nn import Module
from .tensor import Tensor


class Task(ABC):
    """What `fit` needs to know of an experiment.

    Args:
        source: the user's own file or folder; None: the task's own data.
        seed: of the data and of everything drawn from it.

    A subclass makes its data in `__init__`, in three parts: to train on, to choose by
    (validation), and to be judged by (test).
    """

    name: ClassVar[str]
    shape: ClassVar[str]  # "many-to-one", "many-to-many", ...
    metric: ClassVar[str]  # "accuracy", "perplexity", ...
    higher_is_better: ClassVar[bool] = True
    layout: ClassVar[str] = ""  # of the user's own data; "": the task takes none
    epochs: int = 10
    epoch_steps: int | None = None  # of an epoch; None: as many as one pass over the data has
    lr: ClassVar[float] = 3e-3
    clip: ClassVar[float] = 1.0
    cell: ClassVar[str] = "gru"  # the default cell

    @abstractmethod
    def __init__(self, *, source: Path | None = None, seed: int = 0) -> None: ...

    @abstractmethod
    def model(self, cell: str, rng: np.random.Generator) -> Module:
        """A fresh model with the given recurrent cell: "rnn", "lstm" or "gru"."""

    @abstractmethod
    def losses(self, model: Any, rng: np.random.Generator) -> Iterator[Tensor]:
        """One pass over the training part: the loss of each batch, to be differentiated."""

    @abstractmethod
    def score(self, model: Any, part: str) -> float:
        """The metric on the "validation" or "test" part. Called without recording, in eval mode."""

    @abstractmethod
    def baseline(self) -> tuple[str, float]:
        """(what it is, its metric on the test part): what one gets without a recurrent net."""

    def examples(self, model: Any) -> list[str]:
        """A few lines that show what the model does on the test part."""
        return []

    def meaning(self, score: float) -> list[str]:
        """Lines that say a score on the test part in other words, or units."""
        return []

    def progress(self, loss: float, rate: float) -> str:
        """What a progress bar says of a training loss, at so many steps a second."""
        return f"loss {loss:.4f}"

    def keep(self, model: Any, folder: Path) -> None:
        """Write what is needed to use the model again: here, its weights."""
        save_weights(model.state_dict(), folder / "weights.npz")

    def beats_baseline(self, score: float) -> bool:
        """Whether a score on the test part is better than the baseline's."""
        _, base = self.baseline()
        return score > base if self.higher_is_better else score < base


def batches(n: int, size: int, rng: np.random.Generator) -> Iterator[Any]:
    """The numbers 0 ... n-1 in a random order, `size` at a time."""
    order = rng.permutation(n)
    for start in range(0, n, size):
        yield order[start : start + size]
