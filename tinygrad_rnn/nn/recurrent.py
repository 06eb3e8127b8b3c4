"""Layers run a cell along time: in one direction or both, one upon another, over ragged batches.

Legend: `B` batch, `T` time, `D` input width, `H` hidden width, `L` layers; states `h, c`.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from ..arraylike import Array, raw
from ..corners import where
from ..functional import concatenate, dropout, stack, swapaxes
from ..modes import scope, uncollected
from ..replay import replayable, replayed
from ..tensor import label, rename
from .cells import _GRU, _LSTM, _RNN, Bias, State, _known_activation, _Recurrent, label_input
from .module import Rng, array_or_tensor


class _Layer(_Recurrent):
    """A cell run along time, in one or both directions, in one or several layers.

    Args:
        input_size, hidden_size: D and H.
        num_layers: L; layer k + 1 reads the outputs of layer k, of both directions.
        bias: True (bias_ih and bias_hh, as PyTorch), "single" (bias_ih only) or False.
        batch_first: inputs and outputs are (B, T, ...), not (T, B, ...); states stay as they are.
        dropout: probability of a zero between layers, while training.
        bidirectional: a second set of weights (`..._reverse`) runs from the last step to the first.
        recurrent_dropout: probability of a zero in the h that enters each step, the same entries
            at every step of a sequence, while training (Gal & Ghahramani 2016).
        dtype, rng: of the initial weights (and dropout); `rng` is a seed or a Generator.
        own: by name, the options of the kind of cell: see `LSTMCell` and `GRUCell`.

    Call `layer(x, state=None, lengths=None)` with x (T, B, D), or (T, D) without a batch. Gives
    (output, state): output (T, B, H * directions), the last layer's h at every step; every state
    (L * directions, B, H), the last one of each layer and direction.

    With `lengths` (B,), whole numbers from 1 to T, what stands beyond a sequence's length is
    padding: it enters no state and gets gradient 0, the outputs there are 0, and the last state is
    that at the sequence's own end. The reverse direction starts at the sequence's own last step.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: Bias = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        recurrent_dropout: float = 0.0,
        dtype: DTypeLike = float,
        rng: Rng = None,
        **own: Any,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, dtype, **own)
        if num_layers < 1 or not 0 <= dropout < 1 or not 0 <= recurrent_dropout < 1:
            raise ValueError(
                "need num_layers >= 1, 0 <= dropout < 1 and 0 <= recurrent_dropout < 1;"
                f" given {num_layers}, {dropout} and {recurrent_dropout}"
            )
        self.recurrent_dropout = recurrent_dropout
        self.num_layers, self.batch_first = num_layers, batch_first
        self.dropout, self.bidirectional = dropout, bidirectional
        self.rng = np.random.default_rng(rng)
        self.directions = ("", "_reverse") if bidirectional else ("",)
        for k in range(num_layers):
            width = input_size if k == 0 else self._widths()[0] * len(self.directions)
            for direction in self.directions:
                self._make_weights(f"_l{k}{direction}", width, self.rng)

    def forward(
        self, x: Any, state: Any = None, *, lengths: ArrayLike | None = None
    ) -> tuple[Any, Any]:
        x = array_or_tensor(x)
        self._check_width(x, most=3)
        batched = x.ndim == 3
        if self.batch_first and batched:
            x = swapaxes(x, 0, 1)
        if not x.shape[0]:
            raise ValueError(f"{type(self).__name__} needs at least one time step; given {x.shape}")
        front = (self.num_layers * len(self.directions), *x.shape[1:-1])
        initial = self._unpacked(state, front, self.dtype, "(layers * directions, B, H)")
        label_input(x)
        inside = None if lengths is None else _inside(raw(lengths), x.shape)
        if inside is not None:
            x = where(inside[:, :, None], x, 0.0)  # whatever the padding holds, it ends here
        output, last = self._stack(x, initial, inside)
        output = swapaxes(output, 0, 1) if self.batch_first and batched else output
        return output, self._packed(tuple(stack(states) for states in zip(*last, strict=True)))

    def _stack(self, x: Any, initial: State, inside: Array | None) -> tuple[Any, list[State]]:
        """All layers: the last one's outputs, and the last state of each layer and direction."""
        last: list[State] = []
        for k in range(self.num_layers):
            outputs = []
            for direction in self.directions:
                start = tuple(s[len(last)] for s in initial)
                with scope(f"layer{k}{direction}"):
                    output, end = self._run(x, start, f"_l{k}{direction}", inside)
                outputs.append(output)
                last.append(end)
            x = outputs[0] if len(outputs) == 1 else concatenate(outputs, axis=-1)
            if k + 1 < self.num_layers:
                x = dropout(x, self.dropout, self.training, rng=self.rng)
        return x, last

    @uncollected()
    def _run(self, x: Any, state: State, suffix: str, inside: Array | None) -> tuple[Any, State]:
        """One layer in one direction: (T, B, D) to (T, B, H), and the last state."""
        parts = self._input_part(x, suffix)
        label(xW=parts)
        weights = (*self._recurrent_part(suffix), self._kept(state[0].shape))
        reverse = suffix.endswith("_reverse")
        if inside is None and self._is_ours() and replayable(parts, state, weights):
            now = self._settings()  # the lines may be asked for when the layer is another
            key = (type(self)._step, *vars(now).values())
            loop = partial(now._loop, reverse=reverse)
            return replayed(key, now._step, loop, parts, state, weights, reverse=reverse)
        return self._loop(parts, state, weights, inside=inside, reverse=reverse)

    def _is_ours(self) -> bool:
        """Whether a step is known to depend on its arguments and settings alone."""
        kind = type(self)
        ours = kind._step in (_RNN._step, _LSTM._step, _GRU._step) and kind._loop is _Layer._loop
        return ours and vars(self).keys().isdisjoint(("_step", "_loop"))

    def _settings(self) -> Any:
        """A layer without weights, with what a step reads of it: it is never called."""
        bare = object.__new__(type(self))
        vars(bare).update({name: getattr(self, name) for name in self.settings})
        return bare

    def _loop(
        self,
        parts: Any,
        state: State,
        weights: State,
        *,
        inside: Array | None = None,
        reverse: bool,
    ) -> tuple[Any, State]:
        """The steps one after the other: the output of each, and the last state."""
        T = len(parts)
        hs: list[Any] = [None] * T
        for t in reversed(range(T)) if reverse else range(T):
            with scope(t=t):
                new = self._step(parts[t], state, weights)
                state = new if inside is None else _advanced(inside[t], new, state)
            hs[t] = state[0]
        output = stack(hs)
        return output if inside is None else where(inside[:, :, None], output, 0.0), state

    def _kept(self, shape: tuple[int, ...]) -> Array | None:
        """What recurrent dropout multiplies h with, at every step alike."""
        p = self.recurrent_dropout
        if not self.training or not p:
            return None
        return ((self.rng.random(shape) >= p) / (1 - p)).astype(self.dtype)

    def extra_repr(self) -> str:
        extra = f", num_layers={self.num_layers}" if self.num_layers > 1 else ""
        extra += ", bidirectional=True" if self.bidirectional else ""
        return f"({self.input_size}, {self.hidden_size}{extra})"


def _inside(lengths: Any, shape: tuple[int, ...]) -> Array:
    """(T, B): where a step belongs to its sequence, and is not padding."""
    lengths = np.asarray(lengths)
    if len(shape) != 3:
        raise ValueError(
            f"lengths belong to a batch; the input has shape {shape} and no batch axis"
        )
    T, B, _ = shape
    if lengths.shape != (B,) or lengths.dtype.kind not in "iu":
        raise ValueError(
            f"lengths are {B} whole numbers, one for each sequence of the batch;"
            f" given {lengths.dtype} of shape {lengths.shape}"
        )
    if B and not (lengths.min() >= 1 and lengths.max() <= T):
        raise ValueError(
            f"lengths are from 1 to T = {T}; given {lengths.min()} to {lengths.max()}:"
            " leave empty sequences out of the batch"
        )
    return np.arange(T)[:, None] < lengths


def _advanced(inside: Array, new: State, old: State) -> State:
    """The new state where a sequence goes on, the old one where it is over or has not begun."""
    if inside.all():
        return new
    states = tuple(where(inside[:, None], n, o) for n, o in zip(new, old, strict=True))
    for candidate, state in zip(new, states):
        rename(candidate, state)
    return states


class RNN(_Layer, _RNN):
    """Elman's network along time: h_t = tanh(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh), or relu.

    >>> output, h_n = RNN(3, 4, rng=0)(np.zeros((7, 2, 3)))
    >>> output.shape, h_n.shape
    ((7, 2, 4), (1, 2, 4))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: Bias = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        recurrent_dropout: float = 0.0,
        dtype: DTypeLike = float,
        rng: Rng = None,
    ) -> None:
        super().__init__(
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            recurrent_dropout=recurrent_dropout,
            dtype=dtype,
            rng=rng,
        )
        self.nonlinearity = _known_activation(nonlinearity)


class LSTM(_Layer, _LSTM):
    """`LSTMCell` along time, with its `proj_size` and `peephole`; its state is the pair (h, c).

    >>> output, (h_n, c_n) = LSTM(3, 4, num_layers=2, rng=0)(np.zeros((7, 2, 3)))
    >>> output.shape, h_n.shape, c_n.shape
    ((7, 2, 4), (2, 2, 4), (2, 2, 4))
    """


class GRU(_Layer, _GRU):
    """`GRUCell` along time; `reset_after=False` resets before the product, as in the paper.

    >>> output, h_n = GRU(3, 4, bidirectional=True, rng=0)(np.zeros((7, 2, 3)))
    >>> output.shape, h_n.shape
    ((7, 2, 8), (2, 2, 4))
    """


LAYERS: dict[str, Any] = {"rnn": RNN, "lstm": LSTM, "gru": GRU}  # by the name on a command line
