"""What a case is made from: hypothesis chooses the structure, a seeded generator the values.

Structure: shapes, broadcasting, axes, indices, which operands are the same tensor. Values come from
a seed that hypothesis chooses: its own floats put exact zeros into half of all examples, sit on
kinks, and hide mistakes.

Three families of shapes, always: all sizes distinct (a wrong transpose crashes), all sizes equal (a
wrong transpose hides), and the edges (0-d, size 1, and empty where that means something).

Read next: `strategies.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..arraylike import Array
from .battery import Case
from .needs import needed

st = needed("hypothesis", "hypothesis").strategies

FAMILIES = ("distinct", "equal", "edge")
Shape = tuple[int, ...]


class Pick:
    """What a builder draws from: `choose` and `sizes` are structure, the rest are values."""

    def __init__(self, draw: Any, family: str) -> None:
        self.draw = draw
        self.family = family
        self.rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))

    # ------------------------------------------------------------ structure
    def choose(self, *options: Any) -> Any:
        """One of the options."""
        return self.draw(st.sampled_from(options))

    def number(self, low: int, high: int) -> int:
        """A whole number from low to high, both included."""
        return int(self.draw(st.integers(low, high)))

    def sizes(self, n: int, least: int = 0) -> list[int]:
        """n sizes of the family (at most 5); in the edge family from `least` on."""
        if self.family == "distinct":
            return list(self.draw(st.permutations([2, 3, 4, 5, 6])))[:n]
        if self.family == "equal":
            return [self.choose(2, 3)] * n
        return [self.number(least, max(2, least)) for _ in range(n)]

    def shape(self, low: int = 0, high: int = 3, least: int = 0) -> tuple[int, ...]:
        """A shape of low to high axes; 0-d only in the edge family."""
        low = low if self.family == "edge" else max(1, low)
        return tuple(self.sizes(self.number(low, high), least))

    def stretched(self, n: int, least: int = 0) -> list[tuple[int, ...]]:
        """n shapes that broadcast together: of a common one, axes left out or of size 1."""
        whole = self.shape(least=least)
        shapes = []
        for _ in range(n):
            ones = self.choose(*([False] * 3), True)
            shapes.append(
                tuple(1 if ones and self.choose(True, False) else n for n in whole)[
                    self.choose(0, 0, 0, 1, 2) :
                ]
            )
        return shapes

    def axis(self, ndim: int) -> int:
        """One axis, from either end."""
        return self.number(-ndim, ndim - 1)

    def axes(self, ndim: int) -> Any:
        """None, one axis, or a tuple of some; from either end."""
        some = self.draw(st.lists(st.integers(0, ndim - 1), unique=True)) if ndim else []
        some = tuple(k - self.choose(0, ndim) for k in some)
        return self.choose(None, some, *([self.axis(ndim)] * 2 if ndim else []))

    def index(self, shape: tuple[int, ...]) -> Any:
        """An index of any kind: integers, slices, None, Ellipsis, arrays with repeats, masks."""
        kind = self.choose("each", "each", "each", "mask", "mask of the first axis", "list")
        if kind == "mask":
            return self.rng.random(shape) < 0.6
        if kind == "mask of the first axis" and shape:
            return self.rng.random(shape[0]) < 0.6
        if kind == "list" and shape and shape[0]:
            return [int(k) for k in self.rng.integers(-shape[0], shape[0], 3)]
        some = self.number(0, len(shape))
        if self.choose(False, True):
            entries: list[Any] = [
                Ellipsis,
                *(self.entry(n) for n in shape[len(shape) - some :]),
            ]
        else:
            entries = [self.entry(n) for n in shape[:some]]
        if self.choose(False, False, True):
            entries.insert(self.number(0, len(entries)), None)
        return entries[0] if len(entries) == 1 else tuple(entries)

    def entry(self, n: int) -> Any:
        """An index for one axis of n entries: a slice, an integer, or an array of them."""
        kind = self.choose("slice", "int", "numpy int", "array") if n else "slice"
        if kind == "slice":
            ends = st.none() | st.integers(-n - 1, n + 1)
            return slice(self.draw(ends), self.draw(ends), self.choose(None, 1, 2, -1, -2))
        if kind == "array":  # repeats are likely; all arrays of an index broadcast together
            return self.rng.integers(-n, n, self.choose((), (4,), (2, 1), (2, 4)))
        at = self.number(-n, n - 1)
        return np.int64(at) if kind == "numpy int" else at

    # ------------------------------------------------------------ values
    def anywhere(self, shape: Shape) -> Array:
        """Normal numbers."""
        return np.asarray(self.rng.normal(size=shape))

    def positive(self, shape: Shape) -> Array:
        """From 0.5 to 2."""
        return np.asarray(self.rng.uniform(0.5, 2, shape))

    def off_zero(self, shape: Shape) -> Array:
        """From 0.5 to 2, of either sign: away from the corner of |x| and the pole of 1/x."""
        return np.asarray(self.positive(shape) * self.rng.choice([-1.0, 1.0], shape))

    def off_one(self, shape: Shape) -> Array:
        """Values whose size is not near 1, on both sides of it."""
        inside = self.rng.random(shape) < 0.5
        size = np.where(inside, self.rng.uniform(0, 0.8, shape), self.rng.uniform(1.2, 2, shape))
        return np.asarray(size * self.rng.choice([-1.0, 1.0], shape))

    def no_ties(self, shape: Shape) -> Array:
        """No two of them closer than 0.2: away from the kinks of max, min, sort."""
        n = int(np.prod(shape))
        return np.asarray(0.3 * self.rng.permutation(n) + self.rng.uniform(0, 0.1, n)).reshape(
            shape
        )

    # ------------------------------------------------------------ putting a case together
    def case(
        self,
        call: Callable[..., Any],
        numpy: Callable[..., Any] | None,
        operands: Sequence[Any],
        text: str,
        *,
        share: bool = True,
        promotes: bool = False,
    ) -> Case:
        """The case, with two operands of one shape made the same tensor now and then."""
        operands = [np.asarray(x) for x in operands]
        pairs = [
            (i, j)
            for j in range(len(operands))
            for i in range(j)
            if operands[i].shape == operands[j].shape
        ]
        if not (share and pairs and self.choose(False, True)):
            return Case(call, numpy, operands, text, promotes)
        i, j = self.choose(*pairs)
        use = [i if k == j else k - (k > j) for k in range(len(operands))]

        def shared(f: Callable[..., Any]) -> Callable[..., Any]:
            return lambda *xs: f(*(xs[k] for k in use))

        rest = operands[:j] + operands[j + 1 :]
        return Case(
            shared(call),
            numpy and shared(numpy),
            rest,
            f"{text}, operands {i} and {j} shared",
            promotes,
        )
