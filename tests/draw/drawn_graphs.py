"""The graphs that the tests draw."""

from collections.abc import Callable
from contextlib import ExitStack, nullcontext

import numpy as np

import tinygrad_rnn as tg
from tinygrad_rnn import Tensor, nn
from tinygrad_rnn import functional as F
from tinygrad_rnn.bptt import detached


def leaf(value, name: str) -> Tensor:
    return Tensor(value, requires_grad=True, name=name)


def diamond() -> Tensor:
    a = leaf(3.0, "a")
    b = a + a
    d = a * b
    tg.label(b=b, d=d)
    return d


def neuron() -> Tensor:
    x1, x2, b = leaf(2.0, "x1"), leaf(0.0, "x2"), leaf(6.8814, "b")
    w1, w2 = leaf(-3.0, "w1"), leaf(1.0, "w2")
    o = tg.tanh(x1 * w1 + x2 * w2 + b)
    tg.label(o=o)
    return o


def vanishing(T: int = 6) -> Tensor:
    """An RNN whose gradient shrinks by about a half in each step, from the loss backwards."""
    W, U, b = leaf(0.5, "W_hh"), leaf(0.8, "W_ih"), leaf(0.1, "b")
    h = leaf(0.0, "h0")
    for t in range(1, T + 1):
        with tg.scope(t=t):
            h = tg.tanh(leaf(0.1 * t, f"x{t}") * U + h * W + b)
            h.name = "h"
    loss = h * h
    tg.label(loss=loss)
    return loss


def truncated(T: int = 4, cut_after: int = 2) -> Tensor:
    """Two windows of a series: the state is cut between them, and each has a loss."""
    w, s, loss = leaf(0.5, "w"), Tensor(0.25, name="s0"), Tensor(0.0, name="none")
    for t in range(1, T + 1):
        with tg.scope(t=t):
            s = tg.tanh(Tensor(0.2 * t, name=f"x{t}") + w * s)
        if t % cut_after == 0:
            loss = loss + s * s
            s = detached(s)
    tg.label(loss=loss)
    return loss


def slope() -> Tensor:
    """The graph of a gradient: d(x tanh x)/dx."""
    x = leaf(0.5, "x")
    dx = tg.grad(tg.tanh(x) * x, x, create_graph=True)
    tg.label(dx=dx)
    return dx


def slope_of_steps(T: int = 3) -> Tensor:
    """The graph of the gradient of a weight that T steps share."""
    w, h = leaf(0.5, "w"), Tensor(0.25, name="h0")
    for t in range(1, T + 1):
        with tg.scope(t=t):
            h = tg.tanh(Tensor(0.1 * t, name=f"x{t}") + w * h)
            tg.label(h=h)
    dw = tg.grad(h * h, w, create_graph=True)
    tg.label(dw=dw)
    return dw


def own_loop(T: int = 2, first: int = 1) -> Tensor:
    """A user's loop with names of its own: s = tanh(x_t + w s)."""
    w, s = leaf(0.5, "w"), Tensor(0.25, name="s0")
    for t in range(first, first + T):
        with tg.scope(t=t):
            s = tg.tanh(Tensor(float(t), name=f"x{t}") + w * s)
    loss = s * s
    tg.label(loss=loss)
    return loss


def two_lanes(T: int = 3, swapped: bool = False) -> Tensor:
    """Two unnamed states, slices of one input, and a loss that is carried along."""
    rng = np.random.default_rng(0)
    U, W = leaf(rng.normal(size=(2, 2)), "U"), leaf(rng.normal(size=(4, 2)), "W")
    xs = Tensor(rng.normal(size=(T, 2)), name="xs")
    p, q, loss = Tensor(np.zeros(2), name="p0"), Tensor(np.zeros(2), name="q0"), 0.0
    for t in range(T):
        with tg.scope(t=t):
            k = tg.sigmoid(p @ U)
            new = tg.tanh(tg.concatenate([p, xs[t]]) @ W) * k
            q = new + q * (1 - k) if swapped else q * (1 - k) + new
            p = tg.tanh(q) * k
            loss = loss + (p * p).sum()
    assert isinstance(loss, Tensor)
    return loss


def cell(kind: str, T: int = 3, scoped: bool = True) -> Tensor:
    rng = np.random.default_rng(0)
    step = getattr(nn, kind)(2, 2, rng=0)
    h, c = Tensor(np.zeros((1, 2)), name="h0"), Tensor(np.zeros((1, 2)), name="c0")
    state = (h, c) if kind == "LSTMCell" else h
    for t in range(1, T + 1):
        with tg.scope(t=t) if scoped else nullcontext():
            state = step(Tensor(rng.normal(size=(1, 2)), name=f"x{t}"), state)
    last = state[0] if kind == "LSTMCell" else state
    loss = (last * last).sum()
    tg.label(loss=loss)
    return loss


def encoder_decoder(T: int = 3, scoped: bool = True) -> Tensor:
    """The decoder starts from the encoder's last states, and reads its own last output."""
    rng = np.random.default_rng(0)
    cells = [nn.LSTMCell(2, 2, rng=k) for k in range(2)]
    state = Tensor(np.zeros((1, 2)), name="h0"), Tensor(np.zeros((1, 2)), name="c0")
    y = Tensor(np.ones((1, 2)), name="start")
    for name, step in zip(("encoder", "decoder"), cells):
        for t in range(1, T + 1):
            x = Tensor(rng.normal(size=(1, 2)), name="x") if name == "encoder" else y
            with ExitStack() as stack:
                for scope in (tg.scope(name), tg.scope(t=t)) if scoped else ():
                    stack.enter_context(scope)
                state = step(x, state)
            y = state[0] if name == "decoder" else y
    loss = (y * y).sum()
    tg.label(loss=loss)
    return loss


def layer(kind: str, T: int = 3, **options) -> Tensor:
    x = Tensor(np.random.default_rng(0).normal(size=(T, 1, 2)), name="x")
    output, _ = getattr(nn, kind)(2, 2, rng=0, **options)(x)
    loss = (output * output).sum()
    tg.label(loss=loss)
    return loss


def char_model(T: int = 4) -> Tensor:
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.emb = nn.Embedding(5, 3, rng=0)
            self.rnn = nn.LSTM(3, 4, rng=1)
            self.head = nn.Linear(4, 5, rng=2)

        def forward(self, indices):
            return self.head(self.rnn(self.emb(indices))[0])

    indices = np.arange(T)[:, None] % 5
    loss = F.cross_entropy(Net()(indices), (indices + 1) % 5)
    tg.label(loss=loss)
    return loss


GRAPHS: dict[str, Callable[[], Tensor]] = {
    "diamond": diamond,
    "neuron": neuron,
    "vanishing": vanishing,
    "truncated": truncated,
    "slope": slope,
    "slope of steps": slope_of_steps,
    "own loop": own_loop,
    "own loop from 0": lambda: own_loop(3, first=0),
    "one step": lambda: cell("LSTMCell", 1),
    "two lanes": two_lanes,
    "two lanes, swapped": lambda: two_lanes(swapped=True),
    "RNNCell": lambda: cell("RNNCell", 6),
    "LSTMCell": lambda: cell("LSTMCell"),
    "GRUCell": lambda: cell("GRUCell"),
    "LSTM": lambda: layer("LSTM"),
    "LSTM, 8 steps": lambda: layer("LSTM", 8),
    "LSTM, 2 layers": lambda: layer("LSTM", num_layers=2),
    "LSTM, both directions": lambda: layer("LSTM", bidirectional=True),
    "GRU": lambda: layer("GRU"),
    "encoder and decoder": encoder_decoder,
    "GRU, both directions": lambda: layer("GRU", bidirectional=True),
    "character model": char_model,
}
STEPPED = [name for name in GRAPHS if name not in ("diamond", "neuron", "slope")]
