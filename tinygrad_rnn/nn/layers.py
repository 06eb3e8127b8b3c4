"""Layers without time: Linear, Embedding, LayerNorm, Dropout, Sequential.

All but Embedding work on the last axis, so a sequence (T, B, ...) goes through as it is: an output
layer is "time-distributed" by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from .. import functional as F
from ..arraylike import raw
from ..corners import where
from ..ops import (
    sqrt,
    tanh,  # noqa: F401 (for the example in Sequential)
)
from .module import Module, Parameter, Rng, array_or_tensor, uniform


class Linear(Module):
    """y = x W^T + b: (..., in_features) to (..., out_features).

    Args:
        in_features, out_features: D and H; `weight` is (H, D), `bias` (H,).
        bias: whether to add one.
        rng: a seed or Generator for the initial U(-1/sqrt(D), 1/sqrt(D)).
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        dtype: DTypeLike = float,
        rng: Rng = None,
    ) -> None:
        super().__init__()
        rng = np.random.default_rng(rng)
        bound = 1 / np.sqrt(max(in_features, 1))
        self.in_features, self.out_features = in_features, out_features
        self.weight = uniform(rng, bound, (out_features, in_features), dtype)
        self.bias = uniform(rng, bound, (out_features,), dtype) if bias else None

    def forward(self, x: Any) -> Any:
        x = array_or_tensor(x)
        if x.shape[-1:] != (self.in_features,):
            raise ValueError(
                f"Linear expects (..., {self.in_features}), and was given {x.shape}: the last"
                " axis holds the features"
            )
        return F.linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"({self.in_features}, {self.out_features})"


class Embedding(Module):
    """A table of V vectors, looked up by integers: (...) to (..., E).

    The same as `one_hot(indices, V) @ weight`, without the zeros. A row that is looked up twice
    gets both gradients.

    Args:
        num_embeddings, embedding_dim: V and E; `weight` is (V, E), initially N(0, 1).
        padding_idx: the row for padding; it starts at 0 and gets no gradient.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        *,
        dtype: DTypeLike = float,
        rng: Rng = None,
    ) -> None:
        super().__init__()
        rng = np.random.default_rng(rng)
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        weight = rng.standard_normal((num_embeddings, embedding_dim))
        self.padding_idx = None
        if padding_idx is not None:
            if not -num_embeddings <= padding_idx < num_embeddings:
                raise ValueError(
                    f"padding_idx is one of the {num_embeddings} rows; given {padding_idx}"
                )
            self.padding_idx = padding_idx % num_embeddings
            weight[padding_idx] = 0
        self.weight = Parameter(weight, dtype=dtype)

    def forward(self, indices: ArrayLike) -> Any:
        rows = F.embedding(indices, self.weight)
        if self.padding_idx is None:
            return rows
        padding = np.asarray(raw(indices)) == self.padding_idx
        return where(padding[..., None], raw(rows), rows)

    def extra_repr(self) -> str:
        return f"({self.num_embeddings}, {self.embedding_dim})"


class LayerNorm(Module):
    """(x - mean) / sqrt(var + eps) over the last axis, times weight, plus bias (Ba et al. 2016).

    Args:
        normalized_shape: the length of the last axis.
        eps: keeps the root away from 0.
    """

    def __init__(
        self, normalized_shape: int, eps: float = 1e-5, *, dtype: DTypeLike = float
    ) -> None:
        super().__init__()
        self.normalized_shape, self.eps = normalized_shape, eps
        self.weight = Parameter(np.ones(normalized_shape), dtype=dtype)
        self.bias = Parameter(np.zeros(normalized_shape), dtype=dtype)

    def forward(self, x: Any) -> Any:
        x = array_or_tensor(x)
        if x.shape[-1:] != (self.normalized_shape,):
            raise ValueError(
                f"LayerNorm expects (..., {self.normalized_shape}), and was given {x.shape}"
            )
        centred = x - F.mean(x, -1, keepdims=True)
        variance = F.mean(centred * centred, -1, keepdims=True)
        return centred / sqrt(variance + self.eps) * self.weight + self.bias

    def extra_repr(self) -> str:
        return f"({self.normalized_shape})"


class Dropout(Module):
    """Zeroes each entry with probability p while training (Srivastava et al. 2014).

    Args:
        p: the probability of a zero.
        rng: a seed or Generator; it is the layer's own, and advances with every call.
    """

    def __init__(self, p: float = 0.5, *, rng: Rng = None) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"dropout takes a probability 0 <= p <= 1, and this is {p}")
        self.p = p
        self.rng = np.random.default_rng(rng)

    def forward(self, x: Any) -> Any:
        return F.dropout(x, self.p, self.training, rng=self.rng)

    def extra_repr(self) -> str:
        return f"({self.p})"


class Sequential(Module):
    """Modules and functions one after the other: what each gives is what the next takes.

    >>> net = Sequential(Linear(2, 3, rng=0), tanh, Linear(3, 1, rng=1))
    >>> net(np.zeros((5, 2))).shape
    (5, 1)
    """

    def __init__(self, *steps: Callable[[Any], Any]) -> None:
        super().__init__()
        for k, step in enumerate(steps):
            if not callable(step):
                raise TypeError(f"Sequential takes modules and functions; number {k} is {step!r}")
            setattr(self, str(k), step)
        self._length = len(steps)

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, k: int | slice) -> Any:
        """Step k; for a slice, a Sequential of these steps (the same ones, not copies)."""
        steps = [getattr(self, str(i)) for i in range(self._length)]
        return Sequential(*steps[k]) if isinstance(k, slice) else steps[k]

    def forward(self, x: Any) -> Any:
        for k in range(self._length):
            x = self[k](x)
        return x
