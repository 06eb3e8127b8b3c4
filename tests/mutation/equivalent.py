"""Mutants that no test can notice, because they change nothing that can be observed; and why.

By file, then by reason: the names of the mutants as `python -m tests.mutation` prints them.
"""

# ruff: noqa: E501 (the names are what the campaign prints)

from __future__ import annotations

from collections.abc import Iterable

from .mutants import Mutant

# fmt: off
EQUIVALENT: dict[str, dict[str, list[str]]] = {
    "ops": {
        "an empty axis is refused right after, in the same words: logsumexp takes the largest entry, too": [
            'whole_max: top = np.floor(np.max(x.real, axis=axis, keepdims=True, initial=-np.inf)) -> top = np.floor(np.max(x.real, axis=axis, keepdims=True))',
        ],
        "np.where gives the dtype of `top` already, since NumPy 2: 0 is a weak number": [
            'whole_max: return np.where(np.isfinite(top), top, 0).astype(top.dtype) -> return np.where(np.isfinite(top), top, 0)',
        ],
        "where x and y are both 0 the factor y makes it 0, whatever power of 0 stands beside it": [
            '_power_slope: return y * power(x, where(equal(x, 0), where(equal(y, 0), 1.0, y - 1), y - 1)) -> return y * power(x, where(equal(x, 0), where(equal(y, 0), 2.0, y - 1), y - 1))',
        ],
        "log(1 + exp(x)) and x + log(1 + exp(-x)) are equal, and neither overflows between 0 and 1": [
            'softplus: right = x.real > 0 -> right = x.real >= 0',
            'softplus: right = x.real > 0 -> right = x.real > 1',
        ],
        "a value is inside the bounds, strictly, if and only if its clipped value is": [
            'clipped.gradients: where(between(x, min=min, max=max), g, 0) -> where(between(out, min=min, max=max), g, 0)',
        ],
        "a matter of speed: a stack of rows times a matrix is one product or many, with the same result": [
            'matmul: if x.ndim > 2 and y.ndim == 2: -> if False:',
            'matmul: if x.ndim > 2 and y.ndim == 2: -> if y.ndim == 2:',
            'matmul: if x.ndim > 2 and y.ndim == 2: -> if x.ndim >= 2 and y.ndim == 2:',
            'matmul: if x.ndim > 2 and y.ndim == 2: -> if x.ndim <= 2 and y.ndim == 2:',
            'matmul: if x.ndim > 2 and y.ndim == 2: -> if x.ndim > 3 and y.ndim == 2:',
            'matmul: if x.ndim > 2 and y.ndim == 2: -> if x.ndim > 1 and y.ndim == 2:',
        ],
        "swapaxes(a, b) is swapaxes(b, a)": [
            '_matmul_right: return matmul(x.swapaxes(-1, -2), g) -> return matmul(x.swapaxes(-2, -1), g)',
        ],
    },
    "einsum": {
    },
    "graph": {
        "the heap has this one entry: nothing is compared with it before it is taken out": [
            'cotangents: newest = [(-output.node.index, output)] if output.node else [] -> newest = [(output.node.index, output)] if output.node else []',
        ],
        "a missing rule that is decorated is a missing rule: it is never called": [
            '_chain_rule: pulls = [differentiating(node.scope)(p) if p else p for p in pulls] -> pulls = [differentiating(node.scope)(p) for p in pulls]',
        ],
        "the clock ticks once for each node and each change: they are never equal": [
            '_chain_rule: if out.changed > index or node.fingerprints is not None: -> if out.changed >= index or node.fingerprints is not None:',
            '_chain_rule: if x.changed > index: -> if x.changed >= index:',
        ],
        "the output comes last, and nothing on the way to it is made of it: whether it leads is not asked": [
            '_leading_to: for out in ancestors([output]): -> for out in list(ancestors([output]))[:-1]:',
        ],
        "a short way for the commonest case; the long way gives the same numbers": [
            '_total: if len(contributions) == 1 and type(total) is not Share: -> if False:',
            '_added_up: total = (op if recorded else op.forward)(*operands, items=items, **attrs) -> total = op(*operands, items=items, **attrs)',
            '_fit: if type(c) is np.ndarray and c.shape == data.shape and (c.dtype == data.dtype): -> if False:',
            '_fit: if type(c) is np.ndarray and c.shape == data.shape and (c.dtype == data.dtype): -> if c is np.ndarray and c.shape == data.shape and (c.dtype == data.dtype):',
        ],
        "what arrives at one tensor has one dtype, and added in place or into a new array it is the same sum": [
            '_total: if k and type(total) is np.ndarray and (total.dtype == value.dtype): -> if False:',
            '_total: if k and type(total) is np.ndarray and (total.dtype == value.dtype): -> if k and type(total) is not np.ndarray and (total.dtype == value.dtype):',
            '_total: if k and type(total) is np.ndarray and (total.dtype == value.dtype): -> if k and total is np.ndarray and (total.dtype == value.dtype):',
            '_total: if k and type(total) is np.ndarray and (total.dtype == value.dtype): -> if k and type(total) is np.ndarray and (total.dtype != value.dtype):',
        ],
    },
}
# fmt: on


def reason(module: str, mutant: Mutant) -> str | None:
    """Why this mutant is equivalent; None if nobody has said so."""
    return next((why for why, names in EQUIVALENT[module].items() if mutant.name in names), None)


def unknown(module: str, mutants: Iterable[Mutant]) -> list[str]:
    """What is listed here, and is no mutant any more: the code has changed."""
    known = {mutant.name for mutant in mutants}
    return [name for names in EQUIVALENT[module].values() for name in names if name not in known]
