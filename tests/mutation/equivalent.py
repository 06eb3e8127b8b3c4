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
        "where x and y are both 0 the factor y makes it 0, whatever power of 0 stands beside it": [
            '_power_slope: return y * power(x, where(equal(x, 0), where(equal(y, 0), 1.0, y - 1), y - 1)) -> return y * power(x, where(equal(x, 0), where(equal(y, 0), 2.0, y - 1), y - 1))',
        ],
        "from there on the result is 1 to the last digit: a smaller exponent would do, too": [
            "_MOST_AND_ONE: _MOST_AND_ONE = {c: (np.array(n, c), np.array(1, c)) for c, n in {'e': 11, 'f': 88, 'F': 88, 'd': 709}.items()} -> _MOST_AND_ONE = {c: (np.array(n, c), np.array(1, c)) for c, n in {'e': 10, 'f': 88, 'F': 88, 'd': 709}.items()}",
            "_MOST_AND_ONE: _MOST_AND_ONE = {c: (np.array(n, c), np.array(1, c)) for c, n in {'e': 11, 'f': 88, 'F': 88, 'd': 709}.items()} -> _MOST_AND_ONE = {c: (np.array(n, c), np.array(1, c)) for c, n in {'e': 11, 'f': 87, 'F': 88, 'd': 709}.items()}",
            "_MOST_AND_ONE: _MOST_AND_ONE = {c: (np.array(n, c), np.array(1, c)) for c, n in {'e': 11, 'f': 88, 'F': 88, 'd': 709}.items()} -> _MOST_AND_ONE = {c: (np.array(n, c), np.array(1, c)) for c, n in {'e': 11, 'f': 88, 'F': 87, 'd': 709}.items()}",
            "_MOST_AND_ONE: _MOST_AND_ONE = {c: (np.array(n, c), np.array(1, c)) for c, n in {'e': 11, 'f': 88, 'F': 88, 'd': 709}.items()} -> _MOST_AND_ONE = {c: (np.array(n, c), np.array(1, c)) for c, n in {'e': 11, 'f': 88, 'F': 88, 'd': 708}.items()}",
        ],
        "log(1 + exp(x)) and x + log(1 + exp(-x)) are equal, and neither overflows between 0 and 1": [
            'softplus: right = x.real > 0 -> right = x.real >= 0',
            'softplus: right = x.real > 0 -> right = x.real > 1',
        ],
        "a stack of rows times a matrix is one product or many, with the same result; one is quicker": [
            'matmul: if np.ndim(x) > 2 and np.ndim(y) == 2: -> if False:',
            'matmul: if np.ndim(x) > 2 and np.ndim(y) == 2: -> if np.ndim(y) == 2:',
            'matmul: if np.ndim(x) > 2 and np.ndim(y) == 2: -> if np.ndim(x) >= 2 and np.ndim(y) == 2:',
            'matmul: if np.ndim(x) > 2 and np.ndim(y) == 2: -> if np.ndim(x) <= 2 and np.ndim(y) == 2:',
            'matmul: if np.ndim(x) > 2 and np.ndim(y) == 2: -> if np.ndim(x) > 3 and np.ndim(y) == 2:',
            'matmul: if np.ndim(x) > 2 and np.ndim(y) == 2: -> if np.ndim(x) > 1 and np.ndim(y) == 2:',
        ],
        "the first of these names is the module's own, the last one the name of an index": [
            'for _name, _op in [*vars: for _name, _op in [*vars(corners).items(), *globals().items()]: -> for _name, _op in list([*vars(corners).items(), *globals().items()])[1:]:',
            'for _name, _op in [*vars: for _name, _op in [*vars(corners).items(), *globals().items()]: -> for _name, _op in list([*vars(corners).items(), *globals().items()])[:-1]:',
        ],
        "it has as many axes as the result": [
            'transpose.gradients: g.T if axes is None else g.transpose([int(k) for k in np.argsort([k % x.ndim for k in axes])]) -> g.T if axes is None else g.transpose([int(k) for k in np.argsort([k % out.ndim for k in axes])])',
        ],
        "np.add.at adds at any index; the other way is quicker where no entry is taken twice": [
            '_BASIC: _BASIC = frozenset([int, slice, type(None), type(Ellipsis)]) -> _BASIC = frozenset([int, slice, None, type(Ellipsis)])',
            '_BASIC: _BASIC = frozenset([int, slice, type(None), type(Ellipsis)]) -> _BASIC = frozenset([int, slice, type(None), Ellipsis])',
            'scatter: if _BASIC.issuperset(map(type, index if type(index) is tuple else (index,))): -> if False:',
            'scatter: if _BASIC.issuperset(map(type, index if type(index) is tuple else (index,))): -> if _BASIC.issuperset(map(type, (index,))):',
            'scatter: if _BASIC.issuperset(map(type, index if type(index) is tuple else (index,))): -> if _BASIC.issuperset(map(type, index if index is tuple else (index,))):',
        ],
        "which of the two is named first changes nothing": [
            'astype: return x.astype(np.result_type(dtype, np.complex64) if kept else dtype) -> return x.astype(np.result_type(np.complex64, dtype) if kept else dtype)',
        ],
        "where it counts, the product is divided by the same number again": [
            '_prod_gradient: others = np.where(zero, 1, x) -> others = np.where(zero, 2, x)',
        ],
        "what kept its axes has the shape already that it is brought into": [
            '_kept: if keepdims: -> if False:',
        ],
        "swapaxes(a, b) is swapaxes(b, a)": [
            '_matmul_right: return matmul(x.swapaxes(-1, -2), g) -> return matmul(x.swapaxes(-2, -1), g)',
            '_matmul_left: return g @ y.T if g.ndim == y.ndim == 2 else matmul(g, y.swapaxes(-1, -2)) -> return g @ y.T if g.ndim == y.ndim == 2 else matmul(g, y.swapaxes(-2, -1))',
        ],
        "np.asarray gives an array as it is: asking before is only quicker": [
            '_floating: if type(x) is not np.ndarray: -> if x is not np.ndarray:',
        ],
        "y is a matrix where this counts, and the last axis of a matrix is axis 1": [
            'matmul: return np.matmul(as_rows(x, x.shape[-1]), y).reshape(*x.shape[:-1], y.shape[-1]) -> return np.matmul(as_rows(x, x.shape[-1]), y).reshape(*x.shape[:-1], y.shape[1])',
            '_matmul_left: met = 1 if y.ndim == 1 else y.shape[-1] -> met = 1 if y.ndim == 1 else y.shape[1]',
            '_matmul_right: rows, g_rows = (as_rows(x, x.shape[-1]), as_rows(g, y.shape[-1])) -> rows, g_rows = (as_rows(x, x.shape[-1]), as_rows(g, y.shape[1]))',
        ],
        "NumPy takes every negative size for the one that is left open": [
            '_matmul_left: a.reshape(1, -1) -> a.reshape(1, -2)',
        ],
        "for a matrix y both ways give the same; @ is quicker, because it goes past the primitive": [
            '_matmul_left: return g @ y.T if g.ndim == y.ndim == 2 else matmul(g, y.swapaxes(-1, -2)) -> return matmul(g, y.swapaxes(-1, -2))',
            '_matmul_left: return g @ y.T if g.ndim == y.ndim == 2 else matmul(g, y.swapaxes(-1, -2)) -> return g @ y.T if g.ndim != y.ndim == 2 else matmul(g, y.swapaxes(-1, -2))',
            '_matmul_left: return g @ y.T if g.ndim == y.ndim == 2 else matmul(g, y.swapaxes(-1, -2)) -> return g @ y.T if g.ndim == y.ndim == 1 else matmul(g, y.swapaxes(-1, -2))',
        ],
        "y has one axis or more than two here: a matrix has been dealt with": [
            '_matmul_right: return expand(x, -1) * expand(g, -2) if y.ndim > 1 else g * x -> return expand(x, -1) * expand(g, -2) if y.ndim > 2 else g * x',
        ],
        "expand distinguishes -1 from every other axis, and is called with -1 and -2": [
            '_matmul_right: return expand(x, -1) * expand(g, -2) if y.ndim > 1 else g * x -> return expand(x, -1) * expand(g, 2) if y.ndim > 1 else g * x',
            '_matmul_right: return expand(x, -1) * expand(g, -2) if y.ndim > 1 else g * x -> return expand(x, -1) * expand(g, -3) if y.ndim > 1 else g * x',
        ],
        "a rule may return more axes than its input has: the walk sums them": [
            '_matmul_right: return as_rows(x * expand(g, -1), x.shape[-1]).sum(axis=0) -> return as_rows(x * expand(g, -1), x.shape[-1])',
            '_cumsum_gradient: return g.reshape(()) -> return g',
        ],
        "reshaping a matrix to its own shape gives the same matrix; not to ask for it is quicker": [
            'as_rows: return x if x.ndim == 2 else x.reshape(math.prod(x.shape[:-1]), n) -> return x.reshape(math.prod(x.shape[:-1]), n)',
        ],
        "concatenating one array gives an equal copy; not to make it is quicker": [
            'sum_of_products: if len(a) == 1: -> if False:',
        ],
        "np.where takes 1.0 for true and 0.0 for false": [
            '_product_of_others: others = prod(where(np.eye(n, dtype=bool), 1.0, rows), axis=-1) -> others = prod(where(np.eye(n), 1.0, rows), axis=-1)',
        ],
        "a NumPy integer is an axis and an end of a slice as well as Python's is": [
            '_product_of_others: return others.reshape(moved.shape).transpose([int(k) for k in np.argsort(order)]) -> return others.reshape(moved.shape).transpose([k for k in np.argsort(order)])',
            '_apart: stops = np.cumsum([x.shape[axis] for x in xs]).tolist() -> stops = np.cumsum([x.shape[axis] for x in xs])',
        ],
        "where the largest entry is infinite every finite number in its place gives that infinity": [
            'logsumexp: top = np.where(np.isfinite(top), top, 0) -> top = np.where(np.isfinite(top), top, 1)',
        ],
        "without an axis the gradient that arrives is flat: its axis 0 is all it has": [
            '_cumsum_gradient: return cumsum(g[back], axis=0 if axis is None else axis)[back].reshape(x.shape) -> return cumsum(g[back], axis=axis)[back].reshape(x.shape)',
        ],
    },
    "corners": {
        "np.where gives the dtype of `top` already, since NumPy 2: 0 is a weak number": [
            'whole_max: return np.where(np.isfinite(top), top, 0).astype(top.dtype) -> return np.where(np.isfinite(top), top, 0)',
        ],
        "a value is inside the bounds, strictly, if and only if its clipped value is": [
            'clipped.gradients: where(between(x, min=min, max=max), g, 0) -> where(between(out, min=min, max=max), g, 0)',
        ],
    },
    "einsum": {
        "a Tensor has ndim as an array has, and np.ndim asks for it": [
            '_einsum_gradient: terms, result = explicit_subscripts(subscripts, [np.ndim(raw(x)) for x in operands]) -> terms, result = explicit_subscripts(subscripts, [np.ndim(x) for x in operands])',
        ],
        "max(a, b) is max(b, a)": [
            '_einsum_gradient: sizes[letter] = max(n, sizes.get(letter, 0)) -> sizes[letter] = max(sizes.get(letter, 0), n)',
        ],
        "the size of an empty axis is taken for 1, so 0 ones take part: the gradient is empty in any case": [
            '_einsum_gradient: sizes[letter] = max(n, sizes.get(letter, 0)) -> sizes[letter] = max(n, sizes.get(letter, 1))',
        ],
        "a term without an ellipsis has as many letters as its operand has axes: NumPy has seen to it": [
            "explicit_subscripts: extra = [n - len(t.replace('...', '')) if '...' in t else 0 for t, n in zip(terms, ndims, strict=True)] -> extra = [n - len(t.replace('...', '')) for t, n in zip(terms, ndims, strict=True)]",
        ],
        "a NumPy integer is the end of a slice as well as Python's is": [
            "explicit_subscripts: dots = ''.join(unused[:int(np.max(extra))]) -> dots = ''.join(unused[:np.max(extra)])",
        ],
        "the dots of an ellipsis are three or more, so they are not among the letters that occur once": [
            "explicit_subscripts: letters = ''.join((t.replace('...', '') for t in left.split(','))) -> letters = ''.join((t for t in left.split(',')))",
            "explicit_subscripts: letters = ''.join((t.replace('...', '') for t in left.split(','))) -> letters = ''.join((t.replace('', '...') for t in left.split(',')))",
        ],
    },
    "graph": {
        "an output is no operand of anything: nobody looks at which operand it would be": [
            'cotangents: sent = [(0, output, seed) for output, seed in zip(outputs, seeds, strict=True)] -> sent = [(1, output, seed) for output, seed in zip(outputs, seeds, strict=True)]',
        ],
        "the clock ticks once for each node and each change: they are never equal": [
            '_chain_rule: if out.changed > index or writes.last > index or node.fingerprints is not None: -> if out.changed >= index or writes.last > index or node.fingerprints is not None:',
            '_chain_rule: if out.changed > index or writes.last > index or node.fingerprints is not None: -> if out.changed > index or writes.last >= index or node.fingerprints is not None:',
            '_chain_rule: if x.changed > index: -> if x.changed >= index:',
        ],
        "the output comes last, and nothing on the way to it is made of it: whether it leads is not asked": [
            '_leading_to: for out in made: -> for out in list(made)[:-1]:',
        ],
        "a short way for the commonest case; the long way gives the same numbers": [
            'summed: if len(contributions) == 1 and type(total) is not Share: -> if False:',
            '_added_up: total = (op if recorded else op.forward)(*operands, items=items, **attrs) -> total = op(*operands, items=items, **attrs)',
            '_fit: if type(c) is np.ndarray and c.shape == data.shape and (c.dtype == data.dtype): -> if False:',
            '_fit: if type(c) is np.ndarray and c.shape == data.shape and (c.dtype == data.dtype): -> if c is np.ndarray and c.shape == data.shape and (c.dtype == data.dtype):',
        ],
        "what arrives at one tensor has one dtype, and added in place or into a new array it is the same sum": [
            'summed: if k and type(total) is np.ndarray and (total.dtype == value.dtype): -> if False:',
            'summed: if k and type(total) is np.ndarray and (total.dtype == value.dtype): -> if k and type(total) is not np.ndarray and (total.dtype == value.dtype):',
            'summed: if k and type(total) is np.ndarray and (total.dtype == value.dtype): -> if k and total is np.ndarray and (total.dtype == value.dtype):',
            'summed: if k and type(total) is np.ndarray and (total.dtype == value.dtype): -> if k and type(total) is np.ndarray and (total.dtype != value.dtype):',
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
