"""Learning-rate schedules: what the rate is multiplied with, as a function of the epoch.

Each is a function epoch -> factor (epoch = 0, 1, ...), so schedules multiply: a warm-up times a
cosine is `lambda epoch: warm_up(5)(epoch) * cosine(100)(epoch)`. Set `optimizer.lr = lr * factor`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

Schedule = Callable[[int], float]


def step(size: int, gamma: float = 0.1) -> Schedule:
    """gamma^(epoch // size): PyTorch's StepLR.

    >>> [step(2, 0.5)(epoch) for epoch in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """
    _check(size >= 1 and gamma > 0, "step needs size >= 1 and gamma > 0")
    return lambda epoch: float(gamma ** (epoch // size))


def cosine(epochs: int, least: float = 0.0) -> Schedule:
    """From 1 to `least` along half a cosine (Loshchilov & Hutter 2017): CosineAnnealingLR.

    >>> [round(cosine(4)(epoch), 3) for epoch in range(5)]
    [1.0, 0.854, 0.5, 0.146, 0.0]
    """
    _check(epochs >= 1 and 0 <= least <= 1, "cosine needs epochs >= 1 and 0 <= least <= 1")
    return lambda epoch: (
        least + (1 - least) * 0.5 * (1 + math.cos(math.pi * min(epoch, epochs) / epochs))
    )


def warm_up(epochs: int, start: float = 1 / 3) -> Schedule:
    """From `start` to 1 along a line, then 1: PyTorch's LinearLR.

    >>> [round(warm_up(2, 0.5)(epoch), 3) for epoch in range(4)]
    [0.5, 0.75, 1.0, 1.0]
    """
    _check(epochs >= 1 and 0 < start <= 1, "warm_up needs epochs >= 1 and 0 < start <= 1")
    return lambda epoch: start + (1 - start) * min(epoch, epochs) / epochs


class Plateau:
    """Multiplies the rate by `factor` when a loss has not fallen for `patience` epochs.

    PyTorch's ReduceLROnPlateau with mode="min" and threshold=0, cooldown=0. It depends on what was
    measured, so it is told: `factor = plateau.seen(validation_loss)`.

    >>> plateau = Plateau(patience=1, factor=0.5)
    >>> [plateau.seen(loss) for loss in (3.0, 2.0, 2.0, 2.0, 1.0)]
    [1.0, 1.0, 1.0, 0.5, 0.5]
    """

    def __init__(self, patience: int = 10, factor: float = 0.1) -> None:
        _check(patience >= 0 and 0 < factor < 1, "Plateau needs patience >= 0 and 0 < factor < 1")
        self.patience, self.factor = patience, factor
        self.best, self.waited, self.now = math.inf, 0, 1.0

    def seen(self, loss: float) -> float:
        """What the first rate is to be multiplied with, after an epoch with this loss."""
        if loss < self.best:
            self.best, self.waited = loss, 0
        else:
            self.waited += 1
        if self.waited > self.patience:
            self.now, self.waited = self.now * self.factor, 0
        return self.now

    def after(self, losses: Iterable[float]) -> float:
        """The same for a run that starts anew with these losses, whatever was seen before."""
        fresh = Plateau(self.patience, self.factor)
        for loss in losses:
            fresh.seen(loss)
        return fresh.now


def _check(right: bool, message: str) -> None:
    if not right:
        raise ValueError(message)
