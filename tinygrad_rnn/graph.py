"""Walking the graph: from a result back to everything it was made of, newest first.

Why newest first? Take `b = a + a; c = b + b`. The gradient of b is complete only when both of its
uses have sent theirs; a walk that went on from b after the first use would hand `a` half of it
twice over. Creation order solves this for good: whatever uses b was made after b.

Read next: `ops.py`, where the rules are; `derivatives.py`, which walks repeatedly.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import heappop, heappush
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .arraylike import raw
from .guards import (
    demand_finite_gradient,
    demand_rules,
    refuse_changed,
    refuse_shape,
    seed_of,
    writes,
)  # fmt: skip
from .modes import differentiating, mode, uncollected
from .tensor import Node, Primitive, Tensor


class Share(NamedTuple):
    """A contribution left uncomputed, because many of its kind are cheaper to add up in one call.

    T slices of one sequence go into one buffer, T products into one product over all steps. The sum
    of shares of one kind is `op(*operands of all, items=(item of each, ...), **attrs)`.
    """

    op: Primitive
    operands: tuple[Any, ...]
    item: Any
    attrs: dict[str, Any]


Sending = tuple[int, Tensor, Any]  # which argument, the operand in its place, its contribution


def ancestors(outputs: Iterable[Tensor], *, folded: bool = False) -> list[Tensor]:
    """All results that `outputs` are made of, in creation order; iterative: depth is no limit.

    Replayed loops are written out on the way, or with `folded` left as the one line that they are.
    """
    stack = list(dict.fromkeys(outputs))
    seen = set(stack)
    results = []
    while stack:
        tensor = stack.pop()
        node = tensor._node if folded else tensor.node
        if node is None:
            continue
        results.append(tensor)
        for x in node.inputs:
            if isinstance(x, Tensor) and x not in seen:
                seen.add(x)
                stack.append(x)
    return sorted(results, key=attrgetter("_node.index"))


def cotangents(
    outputs: Tensor | Sequence[Tensor],
    seeds: Any,
    *,
    towards: Sequence[Tensor] | None = None,
    recording: bool = False,
    sendings: dict[Tensor, list[Sending]] | None = None,
    folded: bool = False,
) -> Iterator[tuple[Tensor, Any]]:
    """Yield (tensor, dL/d(tensor)) for all that outputs were made of, newest first, leaves last.

    Args:
        outputs, seeds: a Tensor and dL/d(it), or a sequence of each.
        towards: go only where one of these can be reached; default: every tensor that needs it.
        recording: False: arrays in, arrays out. True: Tensors, so the walk itself is recorded.
        sendings: filled, if given, with what each result sent to its operands; `summed` makes an
            array of a `Share`.
        folded: go through a replayed loop in one stride, and not line by line.
    """
    if isinstance(outputs, Tensor):
        outputs, seeds = [outputs], [seeds]
    sent = [(0, output, seed) for output, seed in zip(outputs, seeds, strict=True)]
    leading = None
    if towards is not None or not folded:
        made = ancestors(outputs, folded=folded)  # not folded: this writes out the lines
        leading = None if towards is None else _leading_to(towards, made)
    finite = "finite" in mode.get().watching
    add_up = _summed_recorded if recording else summed
    arrived: dict[Tensor, list[Any]] = {}
    newest: list[tuple[float, Tensor]] = []  # a heap, newest on top
    leaves: list[Tensor] = []
    while True:
        for _, x, contribution in sent:
            if x in arrived:
                arrived[x].append(contribution)
                continue
            arrived[x] = [contribution]
            if x._node is None:
                leaves.append(x)
            else:
                heappush(newest, (-x._node.index, x))
        if not newest:
            break
        out = heappop(newest)[1]
        g = add_up(arrived.pop(out), out)
        yield out, g
        sent = _chain_rule(out, g, leading, recording, finite)
        if sendings is not None:
            sendings[out] = sent
    for leaf in leaves:
        yield leaf, add_up(arrived.pop(leaf), leaf)


def _chain_rule(
    out: Tensor, g: Any, leading: set[Tensor] | None, recording: bool, finite: bool
) -> list[Sending]:
    """(i, operand, g d(out)/d(operand)) for each operand i of `out` that needs a gradient."""
    node = out._node
    assert node is not None
    pull, fit, rules = node.op.puller(), _fit, node.op.rules
    value, inputs = (out, node.inputs) if recording else (out._array, node.values)
    if recording:
        place = differentiating(node.scope)
        pull, fit = place(pull), place(fit)
    index, attrs = node.index, node.attrs
    if out.changed > index or writes.last > index or node.fingerprints is not None:
        refuse_changed(out, node)
    found = []
    for i, x in enumerate(node.inputs):
        if not isinstance(x, Tensor):
            continue
        if x.changed > index:
            refuse_changed(out, node)
        if x._requires_grad and (leading is None or x in leading):
            if rules and rules[i] is None:  # requires_grad was set after the forward pass
                demand_rules(node.op.name, rules, node.inputs)
            c = pull(i, g, value, inputs, attrs)
            if type(c) is not Share:
                c = fit(c, x, node, i)
                if finite:
                    demand_finite_gradient(c, node, i, g)
            found.append((i, x, c))
    return found


def _leading_to(goals: Sequence[Tensor], made: Sequence[Tensor]) -> set[Tensor]:
    """The goals, and of the results `made` those that were made from them."""
    leading = set(goals)
    for out in made:
        assert out._node is not None
        if any(isinstance(x, Tensor) and x in leading for x in out._node.inputs):
            leading.add(out)
    return leading


def summed(contributions: list[Any], x: Tensor) -> Any:
    """The sum of what arrived at x: the multivariate chain rule is this addition."""
    total = contributions[0]
    if len(contributions) == 1 and type(total) is not Share:
        return total  # it may be someone else's array: it is never written into
    values = [c for c in contributions if type(c) is not Share]
    if len(values) < len(contributions):
        values += _added_up([c for c in contributions if type(c) is Share])
    total = values[0]
    for k, value in enumerate(values[1:]):  # the first sum is a new array; the others go into it
        if k and type(total) is np.ndarray and total.dtype == value.dtype:
            total += value
        else:
            total = total + value
    return _as_dtype(total, x)


def _summed_recorded(contributions: list[Any], x: Tensor) -> Any:
    """The same, recorded in the scope in which x was made."""
    with differentiating(() if x._node is None else x._node.scope):
        return summed(contributions, x)


def _added_up(shares: list[Share]) -> list[Any]:
    """The sum of the shares of each kind, in one call a kind."""
    op, _, _, attrs = shares[0]
    mine: list[Share] = []
    others: list[Share] = []
    for share in shares:
        (mine if share.op is op and share.attrs == attrs else others).append(share)
    operands = [x for share in mine for x in share.operands]
    items = [share.item for share in mine]
    recorded = isinstance(operands[0], Tensor)
    total = (op if recorded else op.forward)(*operands, items=items, **attrs)
    return [total, *_added_up(others)] if others else [total]


def _as_dtype(g: Any, x: Tensor) -> Any:
    """A real gradient has the precision of its tensor; a complex one (the checker's) stays."""
    if g.dtype == x._array.dtype or (g.dtype.kind == "c" and x._array.dtype.kind == "f"):
        return g
    return g.astype(x._array.dtype)


def _fit(c: Any, x: Tensor, node: Node, i: int) -> Any:
    """The contribution in the shape and dtype of `x`: where x was broadcast, it is summed."""
    data = x._array
    if type(c) is np.ndarray and c.shape == data.shape and c.dtype == data.dtype:
        return c
    if c is None:
        refuse_shape("None", x, node, i)
    if not isinstance(c, Tensor):
        c = np.asarray(c)
    if c.dtype.kind not in "fcbiu":
        refuse_shape(f"an array of {c.dtype}", x, node, i)
    if c.shape != data.shape:
        lead = c.ndim - data.ndim
        if lead < 0 or any(n not in (m, 1) for n, m in zip(data.shape, c.shape[lead:])):
            refuse_shape(f"shape {c.shape}", x, node, i)
        stretched = [lead + k for k, n in enumerate(data.shape) if n != c.shape[lead + k]]
        c = c.sum(axis=(*range(lead), *stretched)).reshape(data.shape)
    return _as_dtype(c, x)


@uncollected()
def backward(output: Tensor, grad: ArrayLike | None = None) -> None:
    """`Tensor.backward`: add dL/d(leaf) to `.grad` of every leaf that requires grad."""
    found = gradients([output], [raw(seed_of(output, grad))], lambda x: x._node is None)
    for leaf, g in found.items():
        total = g if leaf.grad is None else leaf.grad + g
        leaf.grad = np.array(total, order="C")  # the leaf's own: nobody else writes there


def gradients(
    outputs: Sequence[Tensor],
    seeds: Sequence[Any],
    wanted: Callable[[Tensor], bool],
    **options: Any,
) -> dict[Tensor, Any]:
    """The gradients of the wanted tensors; replayed loops are taken in one stride if possible."""

    def walk(folded: bool) -> dict[Tensor, Any]:
        walked = cotangents(outputs, seeds, folded=folded, **options)
        return {x: g for x, g in walked if wanted(x)}

    if not (options.get("recording") or mode.get().watching):
        with contextlib.suppress(RuntimeError):  # a refusal names the line of a loop, not the loop
            return walk(folded=True)
    return walk(folded=False)
