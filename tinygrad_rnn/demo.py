"""The main job in five steps: learn from text, write some, check every gradient, draw, keep it all.

`tinygrad-rnn train, sample, check, draw` runs each step alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from . import functional as F
from .arraylike import Array
from .check import Report, gradcheck
from .data import sequential_batches
from .draw import Drawing, draw
from .experiments.language import Characters
from .experiments.run import judged, trained
from .models import LanguageModel
from .nn import functional_call
from .tensor import Tensor

WINDOW = 3  # steps in the windows that are checked; one of them is drawn
ROWS = 8  # windows, from places far apart: a net that is sure of one symbol has hardly a gradient


def learn(task: Characters, cell: str, folder: Path, seed: int = 0) -> Any:
    """Step 1: train, judge on held-out text, and keep; gives the model.

    Ctrl-C ends the training; what was learned is kept.
    """
    run = trained(task, cell, folder, seed=seed)
    if not run.history:
        run.best = run.model.state_dict()  # Ctrl-C in the first epoch: go on with what there is
    judged(run, cell)
    return run.model


def windows(task: Characters) -> tuple[Array, Array]:
    """Inputs and targets (WINDOW, ROWS) of the text that was learned."""
    return next(sequential_batches(task.parts["train"], ROWS, WINDOW))


def window_loss(model: LanguageModel, x: Array, y: Array) -> Any:
    """The loss over a short window, as a function of every parameter; and their names."""
    state = model.state_dict()

    def loss(*parameters: Tensor) -> Tensor:
        scores, _ = functional_call(model, dict(zip(state, parameters, strict=True)), x)
        return F.cross_entropy(scores, y)

    return loss, state


def check_model(model: LanguageModel, x: Array, y: Array, seed: int = 0) -> Report:
    """Step 3: the gradient of every parameter on a window x, y (T, B), against the complex step."""
    loss, state = window_loss(model, x, y)
    arrays = [array.astype(float) for array in state.values()]
    return gradcheck(loss, *arrays, names=tuple(state), seed=seed)


def draw_model(model: LanguageModel, x: Array, y: Array) -> Drawing:
    """Step 4: the window unrolled, with values and gradients."""
    scores, _ = model(x)
    return draw(F.cross_entropy(scores, y))
