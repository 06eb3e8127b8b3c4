"""The derivative of an einsum is another einsum: the output and the other operands go in.

Read next: `ops.py`, all the other primitives.
"""

from __future__ import annotations

import string
from typing import Any

import numpy as np

from .arraylike import raw
from .tensor import primitive


@primitive(name="einsum")
def contracted(*operands, subscripts):
    """np.einsum(subscripts, *operands)."""
    return np.einsum(subscripts, *operands)


def _einsum_gradient(i: int, g: Any, out: Any, operands: Any, subscripts: str) -> Any:
    """Another einsum: the output and the other operands on the left, this one on the right.

    A letter that stands only in this operand was summed (ones bring it back); one that stands in it
    twice took a diagonal (an identity puts it back).
    """
    terms, result = explicit_subscripts(subscripts, [np.ndim(raw(x)) for x in operands])
    fresh = iter(sorted(set(string.ascii_letters) - set("".join(terms))))
    others = [(result, g)] + [
        (t, x) for k, (t, x) in enumerate(zip(terms, operands, strict=True)) if k != i
    ]
    sizes: dict[str, int] = {}
    for term, x in others:
        for letter, n in zip(term, np.shape(x), strict=True):
            sizes[letter] = max(n, sizes.get(letter, 0))
    target = ""
    for letter, n in zip(terms[i], operands[i].shape, strict=True):
        if letter in target:
            new = next(fresh)
            others.append((letter + new, np.eye(n, dtype=g.dtype)))
            letter = new
        elif sizes.get(letter) != n:  # it was summed, or the others have 1 there and broadcast
            others.append((letter, np.ones(n, dtype=g.dtype)))
        target += letter
    return contracted(
        *(x for _, x in others), subscripts=",".join(t for t, _ in others) + "->" + target
    )


def explicit_subscripts(subscripts: str, ndims: list[int]) -> tuple[list[str], str]:
    """The letters of each operand and of the result, an ellipsis or implied result spelt out."""
    left, arrow, result = subscripts.replace(" ", "").partition("->")
    unused = sorted(set(string.ascii_letters) - set(subscripts))
    terms = left.split(",")
    extra = [
        n - len(t.replace("...", "")) if "..." in t else 0
        for t, n in zip(terms, ndims, strict=True)
    ]
    dots = "".join(unused[: int(np.max(extra))])
    terms = [t.replace("...", dots[len(dots) - n :]) for t, n in zip(terms, extra, strict=True)]
    if not arrow:
        letters = "".join(t.replace("...", "") for t in left.split(","))
        result = "..." + "".join(sorted(c for c in set(letters) if letters.count(c) == 1))
    return terms, result.replace("...", dots)


contracted.gradients(each=_einsum_gradient)
