"""Attention: a weighted mean of memories, weighted by how well each answers a query.

Legend: `B` batch, `S` steps of the memory, `T` queries, `Q` and `M` widths, `H` hidden width.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from ..arraylike import raw
from ..corners import where
from ..functional import expand_dims, softmax
from ..ops import tanh
from ..tensor import Tensor
from .layers import Linear
from .module import Module, Rng


class Attention(Module, ABC):
    """Call `attend(query, memory, mask=None)`; what differs is how a score is made.

    query (B, T, Q) or (B, Q), memory (B, S, M), mask (B, S), true where a memory may be looked at.
    Gives (context (B, T, M) or (B, M), weights (B, T, S) or (B, S)); the weights add up to 1.

    Raises:
        ValueError: for shapes that do not match, and for a mask that leaves nothing to look at.
    """

    @abstractmethod
    def scores(self, query: Any, memory: Any) -> Any:
        """(B, T, Q) and (B, S, M) to (B, T, S)."""

    def forward(self, query: Any, memory: Any, mask: ArrayLike | None = None) -> tuple[Any, Any]:
        query, memory = (x if isinstance(x, Tensor) else Tensor(x) for x in (query, memory))
        single = query.ndim == 2
        queries = expand_dims(query, 1) if single else query
        if queries.ndim != 3 or memory.ndim != 3 or queries.shape[0] != memory.shape[0]:
            raise ValueError(
                "attention takes a query (B, T, Q) or (B, Q) and a memory (B, S, M);"
                f" given {query.shape} and {memory.shape}"
            )
        scores = self.scores(queries, memory)
        if mask is not None:
            allowed = np.asarray(raw(mask), dtype=bool)
            if allowed.shape != memory.shape[:2] or not allowed.any(axis=1).all():
                raise ValueError(
                    f"a mask is (B, S) = {memory.shape[:2]} and leaves every query something to"
                    f" look at; given shape {allowed.shape}"
                )
            scores = where(allowed[:, None, :], scores, -np.inf)
        weights = softmax(scores, axis=-1)
        context = weights @ memory
        return (context[:, 0], weights[:, 0]) if single else (context, weights)


class DotAttention(Attention):
    """score = q . m / sqrt(M)   (Luong et al. 2015, scaled as by Vaswani et al. 2017); Q = M.

    >>> context, weights = DotAttention()(np.zeros((2, 4)), np.ones((2, 3, 4)))
    >>> context.shape, weights.shape
    ((2, 4), (2, 3))
    """

    def scores(self, query: Any, memory: Any) -> Any:
        if query.shape[-1] != memory.shape[-1]:
            raise ValueError(
                f"dot-product attention needs equal widths; given {query.shape} and {memory.shape}"
            )
        return query @ memory.swapaxes(-1, -2) / math.sqrt(memory.shape[-1])


class AdditiveAttention(Attention):
    """score = v . tanh(W_q q + W_m m)   (Bahdanau et al. 2015).

    Args:
        query_size, memory_size, hidden_size: Q, M and H.
    """

    def __init__(
        self,
        query_size: int,
        memory_size: int,
        hidden_size: int,
        *,
        dtype: DTypeLike = float,
        rng: Rng = None,
    ) -> None:
        super().__init__()
        rng = np.random.default_rng(rng)
        self.query = Linear(query_size, hidden_size, bias=False, dtype=dtype, rng=rng)
        self.memory = Linear(memory_size, hidden_size, dtype=dtype, rng=rng)
        self.score = Linear(hidden_size, 1, bias=False, dtype=dtype, rng=rng)

    def scores(self, query: Any, memory: Any) -> Any:
        together = expand_dims(self.query(query), 2) + expand_dims(self.memory(memory), 1)
        return self.score(tanh(together))[..., 0]  # (B, T, S, H) to (B, T, S)
