"""A program is shown as it was recorded, also when an optimizer has given its weights new arrays.

An array that was recorded is replaced, never overwritten, and each node holds the arrays that its
operands had. So the values, and the gradients at these values, can still be had: by a walk over a
copy of the program in which nothing was changed.

Read next: `listing.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..arraylike import Array
from ..tensor import Node, Tensor, _result


def recorded_arrays(results: Iterable[Tensor]) -> dict[Tensor, Array]:
    """For each tensor with another array by now the one that was recorded."""
    return {x: array for x, array in _taken(results).items() if array is not x.data}


def as_recorded(results: Sequence[Tensor]) -> dict[Tensor, Tensor]:
    """A copy of each tensor that `results` are made of, with what was recorded in it.

    Raises:
        RuntimeError: if what was recorded is lost, or a leaf had two arrays in one program.
    """
    arrays = _taken(results, strict=True)
    copies: dict[Tensor, Tensor] = {}
    for out in results:
        assert out.node is not None
        for x in out.node.inputs:
            if isinstance(x, Tensor) and x not in copies:  # a leaf: results come in their order
                copies[x] = _result(arrays.get(x, x.data), None, x.requires_grad)
        copies[out] = _result(out.data, _copied(out.node, copies), out.requires_grad)
    return copies


def _taken(results: Iterable[Tensor], strict: bool = False) -> dict[Tensor, Array]:
    """For each tensor that was ever changed the array that the first line took which uses it."""
    taken: dict[Tensor, Array] = {}
    for out in results:
        node = out.node
        assert node is not None
        if strict and out.changed > node.index:
            raise RuntimeError(
                f"{out.label} was given another array after it was made, and what it was is gone:"
                " run the forward pass again, and draw before you change it"
            )
        for x, array in zip(node.inputs, node.values):
            if not isinstance(x, Tensor) or not x.changed:
                continue
            if taken.setdefault(x, array) is not array and strict:
                raise RuntimeError(
                    f"{x.label} had two arrays within this one program, and has no one gradient:"
                    " run the forward pass again without changing it on the way"
                )
    return taken


def _copied(node: Node, copies: dict[Tensor, Tensor]) -> Node:
    copy = Node()
    copy.op, copy.values, copy.attrs = node.op, node.values, node.attrs
    copy.scope, copy.index, copy.fingerprints = node.scope, node.index, node.fingerprints
    copy.inputs = tuple([copies[x] if isinstance(x, Tensor) else x for x in node.inputs])
    return copy
