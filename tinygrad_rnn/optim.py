"""Each update is its paper's equations.

Legend: `w` the array of one parameter, `g` its gradient dL/dw, `s` what the optimizer remembers of
that parameter: how often it was updated (`step`, here t), and arrays under PyTorch's names. `lr`
may be set anew between steps. Arguments, defaults and numbers are PyTorch's.

Read next: `fit.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import InitVar, dataclass, field, fields
from math import hypot, inf, isfinite, sqrt
from typing import Any, ClassVar, final

import numpy as np

from .arraylike import Array, raw
from .tensor import Tensor

Memory = dict[str, Any]


@dataclass(eq=False)
class Optimizer(ABC):
    """What every optimizer has in common; a subclass lists its settings and writes its `_update`.

    Args:
        params: an iterable of tensors, such as `module.parameters()`.
        lr: the learning rate.
        maximize: go uphill instead of downhill.

    Raises:
        TypeError: for anything that is not an iterable of tensors.
        ValueError: for an empty one, a tensor that comes twice, and settings out of range.
    """

    params: InitVar[Iterable[Tensor]]
    lr: float
    maximize: bool = field(default=False, kw_only=True)

    remembers: ClassVar[tuple[str, ...]]

    def __post_init__(self, params: Iterable[Tensor]) -> None:
        if isinstance(params, Tensor):
            raise TypeError(f"{type(self).__name__} takes an iterable of tensors: write [tensor]")
        self.parameters = _tensors(params, type(self).__name__)
        self.state: list[Memory] = [{} for _ in self.parameters]
        self._check(self._settings())

    @abstractmethod
    def _update(self, w: Array, g: Array, s: Memory, lr: float) -> None:
        """Write the next values into w, a copy. `g` may be the tensor's own: it is only read."""

    def step(self) -> None:
        """Give every parameter that has a gradient its next values, in a new array.

        Graphs that recorded the old values refuse `backward()` from here on; arrays that share
        memory with the old values keep them.
        """
        self._check(self._settings())
        for p, s in zip(self.parameters, self.state):
            if p.grad is None:
                continue
            g = raw(p.grad)
            if np.shape(g) != p.shape:
                raise ValueError(f"{p.label} {p.shape} has a gradient {np.shape(g)}")
            s["step"] = s.get("step", 0) + 1
            w = p.data.copy()
            self._update(w, -g if self.maximize else g, s, float(self.lr))
            p.data = w

    def zero_grad(self) -> None:
        """Forget every gradient: `grad` is None, and the next `backward()` starts from there."""
        for p in self.parameters:
            p.grad = None

    # ------------------------------------------------------------ settings and memory, out and in
    def state_dict(self) -> dict[str, Any]:
        """The settings by name, the memory by "number of the parameter.name"; arrays are copies.

        Flat, so that `np.savez(file, **optimizer.state_dict())` keeps it.
        """
        state = self._settings()
        for k, s in enumerate(self.state):
            state |= {f"{k}.{name}": copy(value) for name, value in s.items()}
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave: the next steps are those of the optimizer that gave it.

        Raises:
            ValueError: naming every missing, unexpected and misshapen key; then nothing is changed.
        """
        given = {name: np.asarray(value) for name, value in state.items()}
        own = self._settings()
        shapes = {name: np.shape(value) for name, value in own.items()}
        for k, p in enumerate(self.parameters):
            shapes |= {f"{k}.step": ()} | {f"{k}.{name}": p.shape for name in self.remembers}
        problems = [f"missing: {name}" for name in own if name not in given] + [
            f"{name}: given {array.shape}, expected {shapes.get(name, 'no such entry')}"
            for name, array in given.items()
            if array.shape != shapes.get(name)
        ]
        if problems:
            raise ValueError(f"this state does not fit {self}:\n  " + "\n  ".join(problems))
        settings = {name: given.pop(name).tolist() for name in own}
        self._check(settings)
        lost = [
            f"{k}.{name}"
            for k in range(len(self.parameters))
            for name in self._remembered(settings)
            if f"{k}.step" in given and f"{k}.{name}" not in given
        ]
        if lost:
            raise ValueError(f"this state does not fit {self}: missing: {', '.join(lost)}")
        memory: list[Memory] = [{} for _ in self.parameters]
        for key, array in given.items():
            number, _, name = key.partition(".")
            copied = array.astype(self.parameters[int(number)].dtype)
            memory[int(number)][name] = int(array) if name == "step" else copied
        vars(self).update(settings)
        self.state = memory

    def _remembered(self, settings: Mapping[str, Any]) -> set[str]:
        """What an update with these settings leaves in the memory."""
        trial, memory = copy(self), {"step": 1}
        vars(trial).update(settings)
        trial._update(np.zeros(1), np.zeros(1), memory, 0.0)
        return memory.keys() - {"step"}

    def _settings(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def _check(self, settings: Mapping[str, Any]) -> None:
        for name, value in settings.items():
            most = 1 if name in ("betas", "alpha") else inf
            numbers = value if isinstance(value, (tuple, list)) else [value]
            who = type(self).__name__
            if not all(isinstance(number, (int, float, np.number)) for number in numbers):
                raise TypeError(f"{who} takes numbers; given {name}={value!r}")
            if name == "betas" and len(numbers) != 2:
                raise ValueError(f"{who} takes two betas; given {value}")
            if not all(0 <= number < most for number in numbers):
                raise ValueError(f"{who} needs 0 <= {name} < {most}; given {name}={value}")


def _tensors(params: Iterable[Tensor], who: str) -> list[Tensor]:
    """The tensors as a list, checked."""
    one = isinstance(params, Tensor) or not isinstance(params, Iterable)
    tensors: list[Any] = [params] if one else list(params)
    expected = f"{who} takes an iterable of tensors, such as module.parameters(), each of them once"
    for p in tensors:
        if not isinstance(p, Tensor):
            raise TypeError(f"{expected}; given a {type(p).__name__}")
        if p.node is not None or p.dtype.kind != "f":
            raise ValueError(f"{who} changes leaves of real numbers; given {p!r}")
    if not tensors:
        raise ValueError(f"{expected}; this one is empty, or a generator already used up")
    if len(set(tensors)) < len(tensors):
        raise ValueError(f"{expected}; given {', '.join(p.label for p in tensors)}")
    return tensors


def _decayed(g: Array, w: Array, weight_decay: float) -> Array:
    """g + weight_decay w: the gradient of L + weight_decay |w|^2 / 2."""
    return g + weight_decay * w if weight_decay else g


def _recall(s: Memory, name: str, w: Array, start: float = 0) -> Array:
    """The remembered array of that name; at first, one like w that is filled with `start`."""
    if name not in s:
        s[name] = np.full_like(w, start)
    return s[name]


# ---------------------------------------------------------------- the equations
@final
@dataclass(eq=False)
class SGD(Optimizer):
    """Gradient descent (Robbins & Monro 1951), with momentum (Polyak 1964; Sutskever et al. 2013).

        g <- g + weight_decay w
        v <- momentum v + (1 - dampening) g         at first: v = g
        w <- w - lr v                               nesterov: w - lr (g + momentum v)

    >>> w = Tensor(1.0, requires_grad=True)
    >>> optimizer = SGD([w], lr=0.25)
    >>> (w * w).backward()
    >>> optimizer.step()
    >>> w.item()  # 1 - 0.25 * 2
    0.5
    """

    lr: float = 1e-3
    momentum: float = 0
    dampening: float = 0
    weight_decay: float = 0
    nesterov: bool = False

    remembers = ("momentum_buffer",)

    def _update(self, w: Array, g: Array, s: Memory, lr: float) -> None:
        g = _decayed(g, w, self.weight_decay)
        if self.momentum:
            v = _recall(s, "momentum_buffer", w)
            v *= self.momentum
            v += g if s["step"] == 1 else (1 - self.dampening) * g
            g = g + self.momentum * v if self.nesterov else v
        w -= lr * g

    def _check(self, settings: Mapping[str, Any]) -> None:
        super()._check(settings)
        momentum, dampening = settings["momentum"], settings["dampening"]
        if settings["nesterov"] and (momentum == 0 or dampening != 0):
            given = f"given momentum={momentum}, dampening={dampening}"
            raise ValueError(f"SGD(nesterov=True) needs momentum > 0 and dampening = 0; {given}")


@final
@dataclass(eq=False)
class RMSprop(Optimizer):
    """Steps in units of the gradient's root mean square (Tieleman & Hinton 2012).

    g <- g + weight_decay w
    v <- alpha v + (1 - alpha) g^2
    d <- g / (sqrt(v) + eps)                    centered: v - m^2 for v, with
                                                m <- alpha m + (1 - alpha) g
    w <- w - lr d                               momentum: b <- momentum b + d;  w - lr b

    centered: Graves (2013).
    """

    lr: float = 1e-2
    alpha: float = 0.99
    eps: float = 1e-8
    weight_decay: float = 0
    momentum: float = 0
    centered: bool = False

    remembers = ("square_avg", "grad_avg", "momentum_buffer")

    def _update(self, w: Array, g: Array, s: Memory, lr: float) -> None:
        g = _decayed(g, w, self.weight_decay)
        v = _recall(s, "square_avg", w)
        v *= self.alpha
        v += (1 - self.alpha) * g * g
        if self.centered:
            m = _recall(s, "grad_avg", w)
            m *= self.alpha
            m += (1 - self.alpha) * g
            v = np.maximum(v - m * m, 0)  # a variance; rounding may have made it -1e-20
        d = g / (np.sqrt(v) + self.eps)
        if self.momentum:
            b = _recall(s, "momentum_buffer", w)
            b *= self.momentum
            b += d
            d = b
        w -= lr * d


@final
@dataclass(eq=False)
class Adagrad(Optimizer):
    """Steps that shrink with all the gradients so far (Duchi, Hazan & Singer 2011).

    g <- g + weight_decay w
    v <- v + g^2                                at first: v = initial_accumulator_value
    w <- w - lr / (1 + (t - 1) lr_decay) g / (sqrt(v) + eps)
    """

    lr: float = 1e-2
    lr_decay: float = 0
    weight_decay: float = 0
    initial_accumulator_value: float = 0
    eps: float = 1e-10

    remembers = ("sum",)

    def _update(self, w: Array, g: Array, s: Memory, lr: float) -> None:
        g = _decayed(g, w, self.weight_decay)
        v = _recall(s, "sum", w, self.initial_accumulator_value)
        v += g * g
        w -= lr / (1 + (s["step"] - 1) * self.lr_decay) * g / (np.sqrt(v) + self.eps)


@dataclass(eq=False)
class _Adam(Optimizer):
    """The equations that Adam and AdamW share."""

    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0
    amsgrad: bool = False

    remembers = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")

    def _update(self, w: Array, g: Array, s: Memory, lr: float) -> None:
        t, (beta1, beta2) = s["step"], self.betas
        m, v = _recall(s, "exp_avg", w), _recall(s, "exp_avg_sq", w)
        m *= beta1
        m += (1 - beta1) * g
        v *= beta2
        v += (1 - beta2) * g * g
        if self.amsgrad:
            largest = _recall(s, "max_exp_avg_sq", w)
            v = np.maximum(largest, v, out=largest)
        w -= lr / (1 - beta1**t) * m / (np.sqrt(v) / sqrt(1 - beta2**t) + self.eps)


@final
@dataclass(eq=False)
class Adam(_Adam):
    """Averages of g and g^2, both corrected for their start at zero (Kingma & Ba 2015).

    g <- g + weight_decay w
    m <- beta1 m + (1 - beta1) g
    v <- beta2 v + (1 - beta2) g^2              amsgrad: below, the largest v so far
    w <- w - lr m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps)

    amsgrad: Reddi, Kale & Kumar (2018).
    """

    def _update(self, w: Array, g: Array, s: Memory, lr: float) -> None:
        super()._update(w, _decayed(g, w, self.weight_decay), s, lr)


@final
@dataclass(eq=False)
class AdamW(_Adam):
    """Adam with the weight decay outside of the averages (Loshchilov & Hutter 2019).

    w <- w - lr weight_decay w
    w <- Adam's update, without weight decay
    """

    weight_decay: float = 1e-2

    def _update(self, w: Array, g: Array, s: Memory, lr: float) -> None:
        w *= 1 - lr * self.weight_decay
        super()._update(w, g, s, lr)


# ---------------------------------------------------------------- gradients that are too large
def clip_grad_norm_(
    parameters: Iterable[Tensor], max_norm: float, *, error_if_nonfinite: bool = False
) -> float:
    """Scale all gradients together so that their common norm is at most `max_norm`.

    g <- g min(1, max_norm / (norm + 1e-6)), norm = sqrt(sum over all parameters of |g|^2)
    (Pascanu, Mikolov & Bengio 2013; the 1e-6 is PyTorch's). A norm that is not finite makes the
    gradients zero or nan, as in PyTorch.

    Returns:
        the norm as it was before; 0.0 if there are no gradients.

    Raises:
        ValueError: for a negative `max_norm`.
        RuntimeError: with `error_if_nonfinite`, for a norm that is inf or nan, before anything
            is changed.
    """
    if not max_norm >= 0:
        raise ValueError(f"clip_grad_norm_ needs max_norm >= 0; given {max_norm}")
    tensors = _tensors(parameters, "clip_grad_norm_")
    entries = [np.ravel(raw(p.grad)).astype(float) for p in tensors if p.grad is not None]
    total = hypot(*(sqrt(g @ g) for g in entries))
    if error_if_nonfinite and not isfinite(total):
        raise RuntimeError(f"the norm of the gradients is {total}: look for where it overflows")
    scale = max_norm / (total + 1e-6)
    with np.errstate(invalid="ignore"):  # inf * 0 is nan, as announced above
        for p in tensors:
            if p.grad is not None and not scale >= 1:
                p.grad = raw(p.grad) * scale  # a new array: two tensors may share one
    return total


def clip_grad_value_(parameters: Iterable[Tensor], clip_value: float) -> None:
    """Clip every entry of every gradient to -clip_value ... clip_value.

    Raises:
        ValueError: for a negative `clip_value`.
    """
    if not clip_value >= 0:
        raise ValueError(f"clip_grad_value_ needs clip_value >= 0; given {clip_value}")
    for p in _tensors(parameters, "clip_grad_value_"):
        if p.grad is not None:
            p.grad = np.clip(raw(p.grad), -clip_value, clip_value)
