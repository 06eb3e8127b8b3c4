"""Recurrent cells are their equations; layers run them along time; nobody writes their backward.

Each of `rnn_step`, `lstm_step`, `gru_step` is the paper's mathematics, one line an equation.
Back-propagation through time is what the walk makes of the lines that they record.

Legend: `B` batch, `T` time, `D` input width, `H` hidden width, `L` layers; states `h, c`; gates
`i, f, g, o` (LSTM) and `r, z, n` (GRU), in PyTorch's order. In a step, `x` is the input's part
x_t W_ih^T + b, which a layer computes for all t in one product before the loop, and `W` is W_hh^T.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..functional import concatenate, dropout, split, stack, swapaxes
from ..modes import scope
from ..ops import relu, sigmoid, tanh
from ..tensor import Tensor, label
from .module import Module, Rng, array_or_tensor, uniform

State = tuple[Any, ...]


# ---------------------------------------------------------------- the mathematics
def rnn_step(x: Any, h: Any, W: Any, *, activation: Callable[[Any], Any] = tanh) -> Any:
    """h' = tanh(x + h W)   (Elman 1990)."""
    h = activation(x + h @ W)
    label(h=h)
    return h


def lstm_step(x: Any, h: Any, c: Any, W: Any) -> tuple[Any, Any]:
    """Hochreiter & Schmidhuber (1997), with the forget gate of Gers et al. (2000).

    i, f, o = sigmoid(...), g = tanh(...) of x + h W;  c' = f c + i g;  h' = o tanh(c').
    """
    z = x + h @ W
    i, f, g, o = split(z, 4, axis=-1)
    i, f, g, o = sigmoid(i), sigmoid(f), tanh(g), sigmoid(o)
    c = f * c + i * g
    h = o * tanh(c)
    label(z=z, i=i, f=f, g=g, o=o, c=c, h=h)
    return h, c


def gru_step(x: Any, h: Any, W: Any, b: Any) -> Any:
    """Cho et al. (2014), with the reset gate after the product, as in PyTorch and Keras.

    r, z = sigmoid(...) of x + (h W + b);  n = tanh(x_n + r (h W + b)_n);  h' = (1 - z) n + z h.
    """
    x_r, x_z, x_n = split(x, 3, axis=-1)
    h_r, h_z, h_n = split(h @ W + b, 3, axis=-1)
    r = sigmoid(x_r + h_r)
    z = sigmoid(x_z + h_z)
    n = tanh(x_n + r * h_n)
    h = (1 - z) * n + z * h
    label(r=r, z=z, n=n, h=h)
    return h


# ---------------------------------------------------------------- the weights of one step
class _Recurrent(Module, ABC):
    """Weights by PyTorch's names, and one step in terms of them.

    `gates` blocks of H rows each: weight_ih (gates H, D), weight_hh (gates H, H), and, with
    `bias=True`, bias_ih and bias_hh (gates H). Two biases that are always added are kept for
    PyTorch's sake. All start from U(-1/sqrt(H), 1/sqrt(H)).
    """

    gates: int  # 1, 4 or 3
    states: tuple[str, ...] = ("h",)  # what a state consists of

    def __init__(self, input_size: int, hidden_size: int, bias: bool, dtype: DTypeLike) -> None:
        super().__init__()
        if input_size < 0 or hidden_size < 1:
            raise ValueError(
                f"{type(self).__name__} needs input_size >= 0 and hidden_size >= 1;"
                f" given {input_size} and {hidden_size}"
            )
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        self.dtype = np.dtype(dtype)

    def _make_weights(self, suffix: str, D: int, rng: np.random.Generator) -> None:
        H, rows = self.hidden_size, self.gates * self.hidden_size
        shapes: dict[str, tuple[int, ...]] = {"weight_ih": (rows, D), "weight_hh": (rows, H)}
        if self.bias:
            shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
        for name, shape in shapes.items():
            setattr(self, name + suffix, uniform(rng, 1 / np.sqrt(H), shape, self.dtype))

    def _input_part(self, x: Any, suffix: str) -> Any:
        """x W_ih^T + b, for all the steps that x has: (..., D) to (..., gates H)."""
        part = x @ getattr(self, "weight_ih" + suffix).T
        return part + self._input_bias(suffix) if self.bias else part

    def _input_bias(self, suffix: str) -> Any:
        """The two biases; a cell that needs b_hh inside the step keeps that back."""
        return getattr(self, "bias_ih" + suffix) + getattr(self, "bias_hh" + suffix)

    def _recurrent_part(self, suffix: str) -> tuple[Any, ...]:
        """What each step needs of the recurrent weights: W_hh^T, once for all steps."""
        return (getattr(self, "weight_hh" + suffix).T,)

    @abstractmethod
    def _step(self, x: Any, state: State, *weights: Any) -> State:
        """One step: the input's part of it and a state to the next state."""

    def _packed(self, state: State) -> Any:
        """How a state is handed to the user: h alone, or (h, c)."""
        return state[0] if len(state) == 1 else state

    def _unpacked(self, given: Any, shape: tuple[int, ...], dtype: DTypeLike, how: str) -> State:
        """The user's state as a tuple, checked; zeros if there is none."""
        if given is None:
            return tuple(Tensor(np.zeros(shape, dtype), name=f"{s}0") for s in self.states)
        if len(self.states) > 1 and not (isinstance(given, (tuple, list)) and len(given) == 2):
            raise TypeError(f"{type(self).__name__} takes its state as a pair (h, c), each {shape}")
        state = tuple(map(array_or_tensor, given if len(self.states) > 1 else (given,)))
        for name, value in zip(self.states, state, strict=True):
            if np.shape(value) != shape:
                raise ValueError(
                    f"the initial {name} of {type(self).__name__} has shape {np.shape(value)},"
                    f" expected {shape} = {how}"
                )
        return state

    def _check_width(self, x: Any, most: int) -> None:
        if np.ndim(x) not in (most - 1, most) or np.shape(x)[-1] != self.input_size:
            axes = {2: "(B, D) or (D,)", 3: "(T, B, D), (B, T, D) with batch_first, or (T, D)"}[
                most
            ]
            raise ValueError(
                f"{type(self).__name__} expects an input {axes} with D = {self.input_size}, and was"
                f" given one of shape {np.shape(x)}"
            )


class _RNN(_Recurrent):
    gates = 1
    nonlinearity: str

    def _step(self, x: Any, state: State, *weights: Any) -> State:
        return (rnn_step(x, *state, *weights, activation=_ACTIVATIONS[self.nonlinearity]),)


class _LSTM(_Recurrent):
    gates = 4
    states = ("h", "c")

    def _step(self, x: Any, state: State, *weights: Any) -> State:
        return lstm_step(x, *state, *weights)


class _GRU(_Recurrent):
    gates = 3

    def _step(self, x: Any, state: State, *weights: Any) -> State:
        return (gru_step(x, *state, *weights),)

    def _input_bias(self, suffix: str) -> Any:
        return getattr(self, "bias_ih" + suffix)

    def _recurrent_part(self, suffix: str) -> tuple[Any, ...]:
        return (
            *super()._recurrent_part(suffix),
            getattr(self, "bias_hh" + suffix) if self.bias else 0.0,
        )


_ACTIVATIONS: dict[str, Callable[[Any], Any]] = {"tanh": tanh, "relu": relu}


def _known_activation(name: str) -> str:
    if name not in _ACTIVATIONS:
        raise ValueError(f'nonlinearity is "tanh" or "relu"; given {name!r}')
    return name


# ---------------------------------------------------------------- cells: one step
class _Cell(_Recurrent):
    """A cell is a function of its input and its state; it keeps neither.

    Args:
        input_size, hidden_size: D and H.
        bias: whether to have bias_ih and bias_hh.
        dtype, rng: of the initial weights; `rng` is a seed or a Generator.

    Call `cell(x, state=None)` with x of shape (B, D) or (D,), and states of shape (B, H) or (H,).
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        *,
        dtype: DTypeLike = float,
        rng: Rng = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, dtype)
        self._make_weights("", input_size, np.random.default_rng(rng))

    def forward(self, x: Any, state: Any = None) -> Any:
        x = array_or_tensor(x)
        self._check_width(x, most=2)
        shape = (*np.shape(x)[:-1], self.hidden_size)
        states = self._unpacked(state, shape, self.dtype, "(B, H)")
        label_input(x)
        return self._packed(self._step(self._input_part(x, ""), states, *self._recurrent_part("")))

    def extra_repr(self) -> str:
        return f"({self.input_size}, {self.hidden_size})"


class RNNCell(_Cell, _RNN):
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu (Elman 1990). Gives h'.

    >>> cell = RNNCell(3, 2, rng=0)
    >>> cell(np.zeros((5, 3))).shape
    (5, 2)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        *,
        dtype: DTypeLike = float,
        rng: Rng = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, dtype=dtype, rng=rng)
        self.nonlinearity = _known_activation(nonlinearity)


class LSTMCell(_Cell, _LSTM):
    """i, f, o = sigmoid, g = tanh of W_ih x + b_ih + W_hh h + b_hh; c' = f c + i g; h' = o tanh c'.

    Hochreiter & Schmidhuber (1997), Gers et al. (2000). Gives (h', c').

    >>> h, c = LSTMCell(3, 2, rng=0)(np.zeros((5, 3)))
    >>> h.shape, c.shape
    ((5, 2), (5, 2))
    """


class GRUCell(_Cell, _GRU):
    """r, z = sigmoid of x- and h-part; n = tanh(x_n + r h_n); h' = (1 - z) n + z h. Gives h'.

    Cho et al. (2014); the reset gate acts after the product, as in PyTorch.

    >>> GRUCell(3, 2, rng=0)(np.zeros(3)).shape
    (2,)
    """


# ---------------------------------------------------------------- layers: a cell along time
class _Layer(_Recurrent):
    """A cell run along time, in one or both directions, in one or several layers.

    Args:
        input_size, hidden_size: D and H.
        num_layers: L; layer k + 1 reads the outputs of layer k, of both directions.
        bias: whether to have bias_ih and bias_hh.
        batch_first: inputs and outputs are (B, T, ...), not (T, B, ...); states stay as they are.
        dropout: probability of a zero between layers, while training.
        bidirectional: a second set of weights (`..._reverse`) runs from the last step to the first.
        dtype, rng: of the initial weights (and dropout); `rng` is a seed or a Generator.

    Call `layer(x, state=None)` with x (T, B, D), or (T, D) without a batch. Gives (output, state):
    output (T, B, H * directions), the last layer's h at every step; every state
    (L * directions, B, H), the last one of each layer and direction.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        dtype: DTypeLike = float,
        rng: Rng = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, dtype)
        if num_layers < 1 or not 0 <= dropout < 1:
            raise ValueError(
                f"need num_layers >= 1 and 0 <= dropout < 1; given {num_layers}, {dropout}"
            )
        self.num_layers, self.batch_first = num_layers, batch_first
        self.dropout, self.bidirectional = dropout, bidirectional
        self.rng = np.random.default_rng(rng)
        self.directions = ("", "_reverse") if bidirectional else ("",)
        for k in range(num_layers):
            width = input_size if k == 0 else hidden_size * len(self.directions)
            for direction in self.directions:
                self._make_weights(f"_l{k}{direction}", width, self.rng)

    def forward(self, x: Any, state: Any = None) -> tuple[Any, Any]:
        x = array_or_tensor(x)
        self._check_width(x, most=3)
        batched = x.ndim == 3
        if self.batch_first and batched:
            x = swapaxes(x, 0, 1)
        if not x.shape[0]:
            raise ValueError(f"{type(self).__name__} needs at least one time step; given {x.shape}")
        shape = (self.num_layers * len(self.directions), *np.shape(x)[1:-1], self.hidden_size)
        initial = self._unpacked(state, shape, self.dtype, "(layers * directions, B, H)")
        label_input(x)
        last: list[State] = []
        for k in range(self.num_layers):
            outputs = []
            for direction in self.directions:
                start = tuple(s[len(last)] for s in initial)
                with scope(f"layer{k}{direction}"):
                    output, end = self._run(x, start, f"_l{k}{direction}", reverse=direction != "")
                outputs.append(output)
                last.append(end)
            x = outputs[0] if len(outputs) == 1 else concatenate(outputs, axis=-1)
            if k + 1 < self.num_layers:
                x = dropout(x, self.dropout, self.training, rng=self.rng)
        output = swapaxes(x, 0, 1) if self.batch_first and batched else x
        return output, self._packed(tuple(stack(states) for states in zip(*last, strict=True)))

    def _run(self, x: Any, state: State, suffix: str, reverse: bool) -> tuple[Any, State]:
        """One layer in one direction: (T, B, D) to (T, B, H), and the last state."""
        T = np.shape(x)[0]
        parts = self._input_part(x, suffix)
        label(xW=parts)
        weights = self._recurrent_part(suffix)
        hs: list[Any] = [None] * T
        for t in reversed(range(T)) if reverse else range(T):
            with scope(t=t):
                state = self._step(parts[t], state, *weights)
            hs[t] = state[0]
        return stack(hs), state

    def extra_repr(self) -> str:
        extra = f", num_layers={self.num_layers}" if self.num_layers > 1 else ""
        extra += ", bidirectional=True" if self.bidirectional else ""
        return f"({self.input_size}, {self.hidden_size}{extra})"


def label_input(x: Any) -> None:
    """Name the input, where the caller did not."""
    if isinstance(x, Tensor):
        label(x=x)


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
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
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
            dtype=dtype,
            rng=rng,
        )
        self.nonlinearity = _known_activation(nonlinearity)


class LSTM(_Layer, _LSTM):
    """`LSTMCell` along time; its state is the pair (h, c).

    >>> output, (h_n, c_n) = LSTM(3, 4, num_layers=2, rng=0)(np.zeros((7, 2, 3)))
    >>> output.shape, h_n.shape, c_n.shape
    ((7, 2, 4), (2, 2, 4), (2, 2, 4))
    """


class GRU(_Layer, _GRU):
    """`GRUCell` along time.

    >>> output, h_n = GRU(3, 4, bidirectional=True, rng=0)(np.zeros((7, 2, 3)))
    >>> output.shape, h_n.shape
    ((7, 2, 8), (2, 2, 4))
    """
