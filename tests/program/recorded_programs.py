"""Programs with loops in them, for the tests of what finds them."""

from collections.abc import Callable

import numpy as np

import tinygrad_rnn as tg
from tinygrad_rnn import Tensor, nn


def layer(kind: str, T: int, **options) -> Tensor:
    x = Tensor(np.random.default_rng(0).normal(size=(T, 1, 2)), name="x")
    output, _ = getattr(nn, kind)(2, 2, rng=0, **options)(x)
    return (output * output).sum()


def plain_loop(T: int, odd: int | None = None) -> Tensor:
    """A user's loop without any scope; step `odd` (from 0) has a nonlinearity of its own."""
    rng = np.random.default_rng(0)
    W, U = Tensor(rng.normal(size=(3, 3)), True, "W"), Tensor(rng.normal(size=(2, 3)), True, "U")
    h = Tensor(np.zeros(3), name="start")
    for t in range(T):
        z = Tensor(rng.normal(size=2), name="x") @ U + h @ W
        h = tg.sigmoid(z) if t == odd else tg.tanh(z)
    return (h * h).sum()


def scoped_loop(T: int, odd: int | None = None) -> Tensor:
    cell, h = nn.RNNCell(2, 3, rng=0), Tensor(np.zeros((1, 3)), name="h0")
    rng = np.random.default_rng(1)
    for t in range(T):
        with tg.scope(t=t):
            h = cell(Tensor(rng.normal(size=(1, 2)), name="x"), h)
            if t == odd:
                h = h * 0.5
    return (h * h).sum()


def heads(T: int) -> Tensor:
    """A head on each output, after the loop, and a loss that adds them up in a second one."""
    w, s, states = Tensor(0.5, True, "w"), Tensor(0.1, name="s0"), []
    for t in range(T):
        s = tg.tanh(w * s + Tensor(float(t), name="x"))
        states.append(s)
    outputs = [w * state + 1.0 for state in states]
    return sum([y * y for y in outputs[1:]], outputs[0])


def two_back(T: int) -> Tensor:
    """A state that is taken again two steps later."""
    a, b = Tensor(0.5, True, "a"), Tensor(-0.3, True, "b")
    x, y = Tensor(1.0, name="x"), Tensor(2.0, name="y")
    for _ in range(T):
        x, y = tg.tanh(a * x + b * y), x
    return x * x


def truncated(T: int, window: int) -> Tensor:
    """One graph of all windows: the state goes on over a cut, the gradient does not."""
    cell, h, total = nn.RNNCell(2, 3, rng=0), Tensor(np.zeros((1, 3)), name="h0"), 0.0
    rng = np.random.default_rng(1)
    for t in range(T):
        with tg.scope(t=t):
            h = cell(Tensor(rng.normal(size=(1, 2)), name="x"), h)
            total = total + (h * h).sum()
        kept.append(h)
        if t % window == window - 1:
            h = h.detach()
    assert isinstance(total, Tensor)
    return total


kept: list[Tensor] = []  # a cut remembers where from only while that is alive


def encoder_decoder(S: int, T: int, growing: bool = False) -> Tensor:
    """Attention over all the encoder's states; `growing`: over the decoder's own so far as well."""
    rng = np.random.default_rng(0)
    encoder, decoder = nn.GRU(2, 3, rng=0), nn.GRUCell(5, 3, rng=1)
    attend, h = nn.DotAttention(), Tensor(np.zeros((1, 3)), name="h0")
    memory, _ = encoder(Tensor(rng.normal(size=(S, 1, 2)), name="source"))
    memory = memory.swapaxes(0, 1)  # (B, S, H)
    outputs = []
    for t in range(T):
        with tg.scope("decoder"), tg.scope(t=t):
            context, _ = attend(h, memory)
            x = tg.concatenate([Tensor(rng.normal(size=(1, 2)), name="y"), context], axis=-1)
            h = decoder(x, h)
            outputs.append(h)
            if growing:
                memory = tg.concatenate([memory, h[:, None]], axis=1)
    return tg.stack(outputs).sum()


def read_again(T: int, order: Callable[[int], int], S: int | None = None) -> Tensor:
    """A second loop takes at step t what the first, of S steps or T, made at step order(t)."""
    W, U = Tensor(0.5, True, "W"), Tensor(0.3, True, "U")
    h, s, states = Tensor(0.0, name="h0"), Tensor(0.1, name="s0"), []
    for t in range(S or T):
        h = tg.tanh(W * h + Tensor(float(t), name="x"))
        states.append(h)
    for t in range(T):
        s = tg.sigmoid(U * s + states[order(t)])
    return s * s


def stacked_by_hand(T: int, L: int = 2) -> Tensor:
    """L equal cells in each step, one upon another."""
    rng = np.random.default_rng(0)
    weights = [Tensor(rng.normal(size=(3, 3)), True, f"W{k}") for k in range(L)]
    states = [Tensor(np.zeros(3), name=f"h{k}") for k in range(L)]
    for _ in range(T):
        x = Tensor(rng.normal(size=3), name="x")
        for k, W in enumerate(weights):
            x = states[k] = tg.tanh((x + states[k]) @ W)
    return (states[-1] * states[-1]).sum()


# by name: the program with T steps, and the number of steps of the loops that it has
LOOPS: dict[str, tuple[Callable[[int], Tensor], list[int]]] = {
    "RNN": (lambda T: layer("RNN", T), [0]),
    "LSTM": (lambda T: layer("LSTM", T), [0]),
    "GRU": (lambda T: layer("GRU", T), [0]),
    "two layers": (lambda T: layer("LSTM", T, num_layers=2), [0, 0]),
    "both directions": (lambda T: layer("GRU", T, bidirectional=True), [0, 0]),
    "plain": (plain_loop, [0]),
    "scoped": (scoped_loop, [0]),
    "heads": (heads, [0, -1, -2]),
    "two back": (two_back, [0]),
    "truncated": (lambda T: truncated(T, 4), [0]),
    "encoder-decoder": (lambda T: encoder_decoder(T, T), [0, 0]),
    "stacked by hand": (stacked_by_hand, [0]),
    "read forwards": (lambda T: read_again(T, lambda t: t), [0, 0]),
    "read backwards": (lambda T: read_again(T, lambda t: T - 1 - t), [0, 0]),
    "read from the middle": (lambda T: read_again(T, lambda t: (t + 2) % T), [0, 0]),
}
