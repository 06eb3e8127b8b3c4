"""One visible training loop: forward, loss, backward, clip, step, and cut the past off.

Truncated back-propagation through time: the values of the state carry on from block to block, the
gradient stops at its edge (`detach`). Legend: `B` batch, `T` steps a block, `V` symbols.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from . import functional as F
from . import optim
from .arraylike import Array
from .bptt import detached
from .models import LanguageModel
from .modes import no_grad
from .schedule import cosine

Batches = Iterable[tuple[Array, Array]]


@dataclass(frozen=True)
class Progress:
    """One training step: `loss` in nats per symbol, the norm of the gradient before clipping."""

    step: int
    loss: float
    grad_norm: float
    lr: float
    symbols: int
    seconds: float


def train(
    model: LanguageModel,
    epochs: Iterable[Batches],
    steps: int,
    *,
    lr: float = 3e-3,
    clip: float = 1.0,
) -> Iterator[Progress]:
    """Train for a number of steps by truncated BPTT, yielding after each; stop whenever you like.

    Args:
        epochs: each is a fresh pass over the batches; a pass starts with an empty state.
        lr: the largest learning rate; it falls along half a cosine (Loshchilov & Hutter 2017).
        clip: the largest norm of the gradient (Pascanu et al. 2013).
    """
    optimizer = optim.Adam(model.parameters(), lr=lr)
    falling = cosine(steps, 0.02)
    started, step = time.perf_counter(), 0
    for batches in epochs:
        state = None
        for x, y in batches:
            if step == steps:
                return
            optimizer.lr = lr * falling(step)
            scores, state = model(x, state)
            loss = F.cross_entropy(scores, y)
            optimizer.zero_grad()
            loss.backward()
            norm = optim.clip_grad_norm_(model.parameters(), clip)
            optimizer.step()
            state = detached(state)
            step += 1
            seconds = time.perf_counter() - started
            yield Progress(step, loss.item(), float(norm), optimizer.lr, x.size, seconds)


@no_grad()
def evaluate(model: LanguageModel, batches: Batches) -> float:
    """The mean loss over all batches, in nats per symbol; dropout off, the state carried on."""
    training = model.training
    model.eval()
    total, count, state = 0.0, 0, None
    for x, y in batches:
        scores, state = model(x, state)
        total += F.cross_entropy(scores, y, reduction="sum").item()
        count += y.size
    model.train(training)
    return total / count


@no_grad()
def sample(
    model: LanguageModel,
    prompt: Array,
    length: int,
    *,
    temperature: float = 1.0,
    rng: int | np.random.Generator,
) -> Array:
    """`length` symbols that continue the prompt, each drawn from softmax(scores / temperature).

    Args:
        prompt: integers (n,), n >= 1.
        temperature: below 1 bolder, above 1 wilder; 0 always takes the likeliest.
    """
    if len(prompt) < 1 or temperature < 0:
        raise ValueError("sampling needs a prompt of at least one symbol and temperature >= 0")
    rng = np.random.default_rng(rng)
    scores, state = model(prompt[:, None])
    drawn = []
    for _ in range(length):
        last = scores.data[-1, 0].astype(float)
        if temperature < 1e-6:  # the likeliest; and nothing overflows
            symbol = int(last.argmax())
        else:
            symbol = int(rng.choice(last.size, p=F.softmax(last / temperature)))
        drawn.append(symbol)
        scores, state = model(np.array([[symbol]]), state)
    return np.array(drawn)


def repeated(make: Callable[[], Batches]) -> Iterator[Batches]:
    """A fresh pass over the batches, again and again."""
    return (make() for _ in itertools.count())
