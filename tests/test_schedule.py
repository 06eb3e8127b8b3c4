"""Schedules are PyTorch's, as functions of the epoch."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from tinygrad_rnn.schedule import Plateau, cosine, step, warm_up


def theirs(make, epochs=12):
    torch = pytest.importorskip("torch", reason="the oracle")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule = make(torch.optim.lr_scheduler, optimizer)
    rates = []
    for _ in range(epochs):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return rates


@pytest.mark.parametrize(
    ("ours", "make"),
    [
        (step(3, 0.5), lambda s, o: s.StepLR(o, 3, 0.5)),
        (cosine(11, 0.1), lambda s, o: s.CosineAnnealingLR(o, 11, 0.1)),
        (warm_up(5), lambda s, o: s.LinearLR(o)),
        (warm_up(4, 0.2), lambda s, o: s.LinearLR(o, 0.2, 1.0, 4)),
    ],
)
def test_rates_are_pytorchs(ours, make):
    assert_allclose([ours(epoch) for epoch in range(12)], theirs(make), rtol=1e-12)


def test_plateau_is_pytorchs():
    torch = pytest.importorskip("torch", reason="the oracle")
    losses = np.random.default_rng(0).integers(0, 20, 40).astype(float)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, patience=3, factor=0.5, threshold=0
    )
    ours = Plateau(patience=3, factor=0.5)
    for loss in losses:
        schedule.step(loss)
        assert ours.seen(loss) == optimizer.param_groups[0]["lr"]


@pytest.mark.parametrize(
    "make", [lambda: step(0), lambda: cosine(0), lambda: warm_up(3, 0), lambda: Plateau(factor=2)]
)
def test_what_makes_no_sense_is_refused(make):
    with pytest.raises(ValueError, match="needs"):
        make()
