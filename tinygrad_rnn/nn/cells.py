"""Recurrent cells are their equations, one line each; nobody writes their backward.

Each of `rnn_step`, `lstm_step`, `lstm_step_peephole`, `gru_step`, `gru_step_before` is its paper's
mathematics.
Back-propagation through time is what the walk makes of the lines that they record.

Legend: `B` batch, `D` input width, `H` hidden width; states `h, c`; gates `i, f, g, o` (LSTM) and
`r, z, n` (GRU), in PyTorch's order. In a step, `x` is the input's part x_t W_ih^T + b, which a
layer computes for all t in one product before the loop, and `W` is W_hh^T.

Read next: `recurrent.py`, which runs them along time.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike

from ..corners import relu
from ..functional import split, unbind
from ..ops import sigmoid, tanh
from ..tensor import Tensor, label, rename
from .module import Module, Rng, array_or_tensor, uniform

State = tuple[Any, ...]
Bias = bool | Literal["single"]


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


def lstm_step_peephole(x: Any, h: Any, c: Any, W: Any, p: Any) -> tuple[Any, Any]:
    """Gers & Schmidhuber (2000): the gates look at the cell, each entry at its own.

    As `lstm_step`, but i, f = sigmoid(... + p_i c, ... + p_f c) and o = sigmoid(... + p_o c').
    """
    z = x + h @ W
    i, f, g, o = split(z, 4, axis=-1)
    p_i, p_f, p_o = p
    i, f, g = sigmoid(i + p_i * c), sigmoid(f + p_f * c), tanh(g)
    c = f * c + i * g
    o = sigmoid(o + p_o * c)
    h = o * tanh(c)
    label(z=z, i=i, f=f, g=g, o=o, c=c, h=h)
    return h, c


def gru_step(x: Any, h: Any, W: Any, b: Any, *, seen: Any) -> Any:
    """Cho et al. (2014), with the reset gate after the product, as in PyTorch and Keras.

    r, z = sigmoid(...) of x + (h W + b);  n = tanh(x_n + r (h W + b)_n);  h' = (1 - z) n + z h.
    `seen` is the h in the product: h itself, unless recurrent dropout hides a part of it.
    """
    x_r, x_z, x_n = split(x, 3, axis=-1)
    h_r, h_z, h_n = split(seen @ W + b, 3, axis=-1)
    r = sigmoid(x_r + h_r)
    z = sigmoid(x_z + h_z)
    n = tanh(x_n + r * h_n)
    h = (1 - z) * n + z * h
    label(r=r, z=z, n=n, h=h)
    return h


def gru_step_before(x: Any, h: Any, W_rz: Any, W_n: Any, *, seen: Any) -> Any:
    """Cho et al. (2014) as printed: the reset gate acts on h, before the product.

    r, z = sigmoid(...) of x + h W_rz;  n = tanh(x_n + (r h) W_n);  h' = (1 - z) n + z h.
    """
    x_r, x_z, x_n = split(x, 3, axis=-1)
    h_r, h_z = split(seen @ W_rz, 2, axis=-1)
    r = sigmoid(x_r + h_r)
    z = sigmoid(x_z + h_z)
    n = tanh(x_n + (r * seen) @ W_n)
    h = (1 - z) * n + z * h
    label(r=r, z=z, n=n, h=h)
    return h


# ---------------------------------------------------------------- the weights of one step
class _Recurrent(Module, ABC):
    """Weights by PyTorch's names, and one step in terms of them.

    `gates` blocks of H rows each: weight_ih (gates H, D) and weight_hh (gates H, H). `bias=True`
    adds bias_ih and bias_hh (gates H), two that are always added together, for PyTorch's sake;
    `bias="single"` adds bias_ih only, as Keras does; `bias=False` none. All start from
    U(-1/sqrt(H), 1/sqrt(H)).
    """

    gates: int  # 1, 4 or 3
    states: tuple[str, ...] = ("h",)  # what a state consists of
    settings: tuple[str, ...]  # the attributes that a step reads

    def __init__(self, input_size: int, hidden_size: int, bias: Bias, dtype: DTypeLike) -> None:
        super().__init__()
        if bias not in (True, False, "single"):
            raise ValueError(f'bias is True, False or "single"; given {bias!r}')
        whole = all(isinstance(size, (int, np.integer)) for size in (input_size, hidden_size))
        if not whole or input_size < 0 or hidden_size < 1:
            raise ValueError(
                f"{type(self).__name__} needs whole numbers input_size >= 0 and hidden_size >= 1;"
                f" given {input_size} and {hidden_size}"
            )
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        self.dtype = np.dtype(dtype)

    def _make_weights(self, suffix: str, D: int, rng: np.random.Generator) -> None:
        bound = 1 / np.sqrt(self.hidden_size)
        for name, shape in self._shapes(D).items():
            setattr(self, name + suffix, uniform(rng, bound, shape, self.dtype))

    def _shapes(self, D: int) -> dict[str, tuple[int, ...]]:
        """The weights of a cell whose input is D wide, in PyTorch's order."""
        rows = self.gates * self.hidden_size
        biases = {"bias_ih": (rows,), "bias_hh": (rows,)} if self.bias is True else {}
        biases = {"bias_ih": (rows,)} if self.bias == "single" else biases
        return {"weight_ih": (rows, D), "weight_hh": (rows, self._widths()[0]), **biases}

    def _widths(self) -> tuple[int, ...]:
        """How wide each of the states is."""
        return (self.hidden_size,) * len(self.states)

    def _input_part(self, x: Any, suffix: str) -> Any:
        """x W_ih^T + b, for all the steps that x has: (..., D) to (..., gates H)."""
        part = x @ getattr(self, "weight_ih" + suffix).T
        return part + self._input_bias(suffix) if self.bias else part

    def _input_bias(self, suffix: str) -> Any:
        """The sum of the biases; a cell that needs b_hh inside the step keeps that back."""
        b = getattr(self, "bias_ih" + suffix)
        return b + getattr(self, "bias_hh" + suffix) if self.bias is True else b

    def _recurrent_part(self, suffix: str) -> tuple[Any, ...]:
        """What each step needs of the recurrent weights: W_hh^T, once for all steps."""
        return (getattr(self, "weight_hh" + suffix).T,)

    @abstractmethod
    def _step(self, x: Any, state: State, weights: State) -> State:
        """One step: the input's part of it and a state to the next state.

        `weights` are those of `_recurrent_part`, and last what multiplies the h that enters a
        product (recurrent dropout), or None.
        """

    def _packed(self, state: State) -> Any:
        """How a state is handed to the user: h alone, or (h, c)."""
        return state[0] if len(state) == 1 else state

    def _unpacked(self, given: Any, front: tuple[int, ...], dtype: DTypeLike, how: str) -> State:
        """The user's state, of shapes (*front, width), as a tuple, checked; zeros if none."""
        shapes = [(*front, width) for width in self._widths()]
        if given is None:
            pairs = zip(self.states, shapes, strict=True)
            return tuple(Tensor(np.zeros(shape, dtype), name=f"{s}0") for s, shape in pairs)
        if len(self.states) > 1 and not (isinstance(given, (tuple, list)) and len(given) == 2):
            each = " and ".join(map(str, dict.fromkeys(shapes)))
            raise TypeError(f"{type(self).__name__} takes its state as a pair (h, c), each {each}")
        state = tuple(map(array_or_tensor, given if len(self.states) > 1 else (given,)))
        for name, value, shape in zip(self.states, state, shapes, strict=True):
            if value.shape != shape:
                raise ValueError(
                    f"the initial {name} of {type(self).__name__} has shape {value.shape},"
                    f" expected {shape} = {how}"
                )
        return state

    def _check_width(self, x: Any, most: int) -> None:
        if x.ndim not in (most - 1, most) or x.shape[-1] != self.input_size:
            axes = {2: "(B, D) or (D,)", 3: "(T, B, D), (B, T, D) with batch_first, or (T, D)"}[
                most
            ]
            raise ValueError(
                f"{type(self).__name__} expects an input {axes} with D = {self.input_size}, and was"
                f" given one of shape {x.shape}"
            )


def _seen(h: Any, keep: Any) -> Any:
    return h if keep is None else h * keep


class _RNN(_Recurrent):
    gates = 1
    settings = ("nonlinearity",)
    nonlinearity: str

    def _step(self, x: Any, state: State, weights: State) -> State:
        activation = _ACTIVATIONS[self.nonlinearity]
        W, keep = weights
        return (rnn_step(x, _seen(state[0], keep), W, activation=activation),)


class _LSTM(_Recurrent):
    """Options of its own: `proj_size`, `peephole`; their weights are weight_hr and weight_ch."""

    gates = 4
    states = ("h", "c")
    settings = ("peephole", "proj_size")

    def __init__(self, *sizes: Any, proj_size: int = 0, peephole: bool = False) -> None:
        super().__init__(*sizes)
        if not 0 <= proj_size < self.hidden_size:
            raise ValueError(
                f"proj_size is from 0 (none) to below hidden_size = {self.hidden_size};"
                f" given {proj_size}"
            )
        self.proj_size, self.peephole = proj_size, peephole

    def _shapes(self, D: int) -> dict[str, tuple[int, ...]]:
        H, P = self.hidden_size, self.proj_size
        peepholes = {"weight_ch": (3, H)} if self.peephole else {}  # of i, f, o
        return super()._shapes(D) | peepholes | ({"weight_hr": (P, H)} if P else {})

    def _widths(self) -> tuple[int, ...]:
        return (self.proj_size or self.hidden_size, self.hidden_size)

    def _recurrent_part(self, suffix: str) -> State:
        part = super()._recurrent_part(suffix)
        if self.peephole:
            part += tuple(unbind(getattr(self, "weight_ch" + suffix)))
        return (*part, getattr(self, "weight_hr" + suffix).T) if self.proj_size else part

    def _step(self, x: Any, state: State, weights: State) -> State:
        W, *own, keep = weights
        h, c = _seen(state[0], keep), state[1]
        h, c = lstm_step_peephole(x, h, c, W, own[:3]) if self.peephole else lstm_step(x, h, c, W)
        if self.proj_size:  # the state, and the output, is W_hr h
            whole, h = h, h @ own[-1]
            rename(whole, h)
        return h, c


class _GRU(_Recurrent):
    """An option of its own: `reset_after`."""

    gates = 3
    settings = ("reset_after",)

    def __init__(self, *sizes: Any, reset_after: bool = True) -> None:
        super().__init__(*sizes)
        self.reset_after = reset_after

    def _step(self, x: Any, state: State, weights: State) -> State:
        step = gru_step if self.reset_after else gru_step_before
        *own, keep = weights
        return (step(x, state[0], *own, seen=_seen(state[0], keep)),)

    def _input_bias(self, suffix: str) -> Any:
        return (
            getattr(self, "bias_ih" + suffix) if self.reset_after else super()._input_bias(suffix)
        )

    def _recurrent_part(self, suffix: str) -> State:
        (W,) = super()._recurrent_part(suffix)
        if not self.reset_after:
            return tuple(split(W, [2 * self.hidden_size], axis=1))
        return (W, getattr(self, "bias_hh" + suffix) if self.bias is True else 0.0)


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
        bias: True (bias_ih and bias_hh, as PyTorch), "single" (bias_ih only) or False.
        dtype, rng: of the initial weights; `rng` is a seed or a Generator.
        own: by name, the options of the kind of cell: see `LSTMCell` and `GRUCell`.

    Call `cell(x, state=None)` with x of shape (B, D) or (D,), and states of shape (B, H) or (H,).
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: Bias = True,
        *,
        dtype: DTypeLike = float,
        rng: Rng = None,
        **own: Any,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, dtype, **own)
        self._make_weights("", input_size, np.random.default_rng(rng))

    def forward(self, x: Any, state: Any = None) -> Any:
        x = array_or_tensor(x)
        self._check_width(x, most=2)
        states = self._unpacked(state, x.shape[:-1], self.dtype, "(B, H)")
        label_input(x)
        part = self._input_part(x, "")
        return self._packed(self._step(part, states, (*self._recurrent_part(""), None)))

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
        bias: Bias = True,
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

    With `proj_size=P`, h' = W_hr (o tanh c') is P < H wide, with W_hr (P, H), as in PyTorch (Sak et
    al. 2014). With `peephole=True` the gates i, f see c, and o sees c', each entry with a weight of
    its own, weight_ch (3, H) for i, f, o (Gers & Schmidhuber 2000); PyTorch has no such cell.

    >>> h, c = LSTMCell(3, 2, rng=0)(np.zeros((5, 3)))
    >>> h.shape, c.shape
    ((5, 2), (5, 2))
    """


class GRUCell(_Cell, _GRU):
    """r, z = sigmoid of x- and h-part; n = tanh(x_n + r h_n); h' = (1 - z) n + z h. Gives h'.

    Cho et al. (2014). With `reset_after=True`, as in PyTorch and Keras, the reset gate acts after
    the product with W_hn; otherwise before it, as in the paper.

    >>> GRUCell(3, 2, rng=0)(np.zeros(3)).shape
    (2,)
    """


def label_input(x: Any) -> None:
    """Name the input, where the caller did not."""
    label(x=x)
