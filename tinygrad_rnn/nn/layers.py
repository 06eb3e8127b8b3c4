"""Layers without time: Linear, Embedding, Dropout, Sequential."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from .. import functional as F
from .module import Module, Parameter, Rng, uniform


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
        if np.shape(x)[-1:] != (self.in_features,):
            raise ValueError(
                f"Linear expects (..., {self.in_features}), and was given {np.shape(x)}: the last"
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
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        *,
        dtype: DTypeLike = float,
        rng: Rng = None,
    ) -> None:
        super().__init__()
        rng = np.random.default_rng(rng)
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.weight = Parameter(rng.standard_normal((num_embeddings, embedding_dim)), dtype=dtype)

    def forward(self, indices: ArrayLike) -> Any:
        return F.embedding(indices, self.weight)

    def extra_repr(self) -> str:
        return f"({self.num_embeddings}, {self.embedding_dim})"


class Dropout(Module):
    """Zeroes each entry with probability p while training (Srivastava et al. 2014).

    Args:
        p: the probability of a zero.
        rng: a seed or Generator; it is the layer's own, and advances with every call.
    """

    def __init__(self, p: float = 0.5, *, rng: Rng = None) -> None:
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError(f"dropout takes a probability 0 <= p < 1, and this is {p}")
        self.p = p
        self.rng = np.random.default_rng(rng)

    def forward(self, x: Any) -> Any:
        return F.dropout(x, self.p, self.training, rng=self.rng)

    def extra_repr(self) -> str:
        return f"({self.p})"


class Sequential(Module):
    """Modules one after the other: the output of each is the input of the next."""

    def __init__(self, *modules: Module) -> None:
        super().__init__()
        for k, module in enumerate(modules):
            setattr(self, str(k), module)

    def __len__(self) -> int:
        return sum(1 for _ in self.named_children())

    def __getitem__(self, k: int) -> Module:
        return [child for _, child in self.named_children() if isinstance(child, Module)][k]

    def forward(self, x: Any) -> Any:
        for _, module in self.named_children():
            x = module(x)  # type: ignore[operator]
        return x
