"""A function with its right backward, and wrong backwards beside it: how a bank is written down.

    square = Function("square", lambda x: x * x, lambda g, x: 2 * g * x, one_array)

    @square.wrong("the 2 is forgotten", LOCAL, says=["factor|ratio|0\\.5|half"])
    def _(g, x):
        return g * x

Read next: `elementwise.py`, the first part of the bank.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

# The kinds of mistake.
CONTRACT = "contract"  # not one gradient an input, or something is changed in place
SHAPE = "shape"
GLOBAL = "global"  # the whole gradient, or all of one input's: a factor, reversed, swapped
COTANGENT = "cotangent"  # the gradient that arrives is ignored, dropped, clipped
EDGE = "edge weight"  # a path through the graph is missing, has the wrong sign, counts twice
LOCAL = "local rule"  # the derivative of one operation is another one
VALUE = "wrong value"  # another value of the forward pass stands in a right formula
EVERYWHERE = "everywhere"  # blocks in another order
TIME = "time table"  # which (loss at step s, use at step t) contributions are in the sum
PAIR = "pairs"  # two of the above at once

# Phrases: a sentence is right if every pattern of `says` occurs in it, in any case of letters.
MISSING = (
    r"missing|forg[eo]t|without|left out|not passed|drop|lack|absent|lost|omit|never|ignore|"
    r"0 times|times 0|no (path|term|sum|carry)|not (there|added|in(cluded)?|applied|summed|carried)"
    r"|only|skip|cut|weight 0|is 1\b|as if .* 1\b"
)
SIGN = r"sign|negat|minus|-1\b"
TWICE = r"twice|doubl|two times|2 times|times 2|counted 2|factor (of )?2\b|weight 2|2 instead of 1"
TRANSPOSED = r"transpos|\.T\b"
SWAPPED = r"swap|exchang|other('s| order)|one another|each other|mixed up|order"


def uses(what: str) -> str:
    """The pattern of "uses ...": which other value stands in a right formula."""
    return rf"(uses|takes|built from|multiplied by|stands) (the )?(value (of )?)?({what})"


SIZES = ("distinct", "equal")

Inputs = tuple[Any, ...]
Sizes = tuple[int, ...]
Make = Callable[[np.random.Generator, Sizes], Inputs]

REGISTRY: list[Function] = []


@dataclass(frozen=True)
class Mistake:
    """One wrong backward.

    Attributes:
        of: the function it is a wrong backward of (`of.forward`, `of.right`, `of.make`).
        name: what was done wrong.
        backward: the wrong backward, called like the right one.
        family: the kind of mistake.
        says: patterns that a right explanation matches, every one of them.
        only: it exists only where all sizes are "equal" (elsewhere it raises), or "distinct".
        held_out: the author of the diagnosis has not read it.
    """

    of: Function
    name: str
    backward: Callable[..., Any]
    family: str
    says: tuple[str, ...]
    only: str = ""
    held_out: bool = False

    @property
    def title(self) -> str:
        return f"{self.of.name}: {self.name}"

    @property
    def pair(self) -> tuple[Callable[..., Any], Callable[..., Any]]:
        """(forward, wrong backward), as `gradcheck` takes them."""
        return self.of.forward, self.backward

    def inputs(self, seed: int) -> Inputs:
        """Inputs for a seed: sizes all distinct for even seeds, all equal for odd ones."""
        return self.of.inputs(seed, self.only or SIZES[seed % 2])

    def cases(self, seed: int) -> Callable[[int], Inputs]:
        """k -> the inputs of the k-th further random case, of other shapes."""
        kind = self.only or "distinct"
        return lambda k: self.of.inputs(1000 * (seed + 1) + k, kind)

    def explained_by(self, sentence: str) -> bool:
        """Whether the sentence says what was done wrong."""
        return all(re.search(pattern, sentence, re.IGNORECASE) for pattern in self.says)


@dataclass
class Function:
    """A forward and its right backward, as plain NumPy functions; `mistakes` are wrong ones.

    `make(rng, n)` draws the inputs; `n` are six sizes, which it uses as it needs them.
    """

    name: str
    forward: Callable[..., Any]
    right: Callable[..., Any]
    make: Make
    mistakes: list[Mistake] = field(default_factory=list)

    def __post_init__(self) -> None:
        REGISTRY.append(self)

    def wrong(
        self,
        name: str,
        family: str,
        says: Sequence[str],
        *,
        only: str = "",
        held_out: bool = False,
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Decorate a wrong backward."""

        def enter(backward: Callable[..., Any]) -> Callable[..., Any]:
            mistake = Mistake(self, name, backward, family, tuple(says), only, held_out)
            self.mistakes.append(mistake)
            return backward

        return enter

    def flagged(self, name: str, family: str, says: Sequence[str], **how: Any) -> None:
        """Enter the right backward's own variant `mistake=name`."""
        self.wrong(name, family, says, **how)(partial(self.right, mistake=name))

    def inputs(self, seed: int, kind: str) -> Inputs:
        """Random inputs; kind: sizes all "distinct" or all "equal"."""
        rng = np.random.default_rng([seed, SIZES.index(kind)])
        return self.make(rng, sizes(rng, kind))


def sizes(rng: np.random.Generator, kind: str) -> Sizes:
    """Six sizes from 2 to 7: all distinct (a wrong transpose crashes) or all equal (it hides)."""
    if kind == "equal":
        return (int(rng.integers(3, 7)),) * 6
    return tuple(int(n) for n in rng.permutation([2, 3, 4, 5, 6, 7]))


# ---------------------------------------------------------------- makers that many functions share
def normal(*axes: str, scale: float = 1.0) -> Make:
    """Normal arrays; `axes` names the sizes of each: "ab" is (n[0], n[1]), "" a number."""

    def make(rng: np.random.Generator, n: Sizes) -> Inputs:
        return tuple(scale * rng.normal(size=[n["abcdef".index(a)] for a in each]) for each in axes)

    return make


def positive(*axes: str) -> Make:
    """Like `normal`, with values from 0.5 to 2."""

    def make(rng: np.random.Generator, n: Sizes) -> Inputs:
        return tuple(
            rng.uniform(0.5, 2, size=[n["abcdef".index(a)] for a in each]) for each in axes
        )

    return make
