"""Mistakes that show on the whole gradient of an input: zero, a factor, an order, another's.

These are observations: whether dW is zero, or 5 times the truth at N = 5 and 3 times at N = 3,
needs no recorded forward.

Read next: `arriving.py`.
"""

# mypy: disable-error-code=misc
# (a lambda that binds a loop variable by a default has no inferred type)

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ...arraylike import Array
from .case import Case, same
from .hypothesis import Gradients, Hypothesis
from .resize import rounds
from .words import inside, listed, number


def whole(cases: Sequence[Case], among: Sequence[int]) -> Iterator[Hypothesis]:
    """What the gradients of these inputs, all of them, have in common."""
    first = cases[0]
    names = listed([f"d{first.names[i]}" for i in among])
    be = "is" if len(among) == 1 else "are"
    or_first = ""
    if all(_starts_from_zero(first, i) for i in among):
        or_first = ", or that of the first step alone, whose state is 0 (= for += in the loop)"
    yield _of_each(f"{names} {be} zero everywhere: no gradient arrives{or_first}", _zero, among)
    yield _of_each(f"the sign of {names} is wrong: minus the true one", _minus, among)
    yield from _factors(cases, among, names, be)
    if len(among) == 1:
        yield from _orders(first, among[0])
    yield from _others(first, among)


def _starts_from_zero(case: Case, i: int) -> bool:
    """Whether the first step of a loop sends zeros to an input, and others do not."""
    program = case.program
    if program is None or program.inputs[i] is None:
        return False
    sent: dict[bool, list[bool]] = {True: [], False: []}
    for (n, k), c in case.edges[1].items():
        line = program.lines[n]
        if line.args[k] == program.inputs[i]:
            if line.t is None:
                return False
            sent[line.t == 0].append(bool(np.any(c)))
    return bool(sent[True]) and not any(sent[True]) and any(sent[False])


def _of_each(sentence: str, made: Callable[[Array], Array], among: Sequence[int]) -> Hypothesis:
    def supposed(case: Case) -> Gradients:
        return case.true | {i: made(case.true[i]) for i in among}

    return Hypothesis("global", sentence, supposed, walks=0)


def _zero(g: Array) -> Array:
    return 0 * g


def _minus(g: Array) -> Array:
    return -g


# ---------------------------------------------------------------- factors
def ratio(yours: Array, true: Array) -> float | None:
    """The factor between two gradients; None if there is none."""
    size = float(np.sum(true * true))
    if yours.shape != true.shape or not size:
        return None
    factor = float(np.sum(yours * true)) / size
    return factor if factor and same(yours, factor * true) else None


def _factors(
    cases: Sequence[Case], among: Sequence[int], names: str, be: str
) -> Iterator[Hypothesis]:
    found = []
    for case in cases:
        ratios = [ratio(case.yours[i], case.true[i]) for i in among]
        if any(r is None or abs(r / (ratios[0] or 1) - 1) > 1e-9 for r in ratios):
            return
        found.append(float(ratios[0] or 0))
    if abs(found[0] + 1) < 1e-9:
        return

    def supposed(case: Case) -> Gradients:
        r = found[list(cases).index(case)] if case in cases else found[0]
        return case.true | {i: r * case.true[i] for i in among}

    scalars = list(_of_scalars(cases, among, found)) if np.ptp(found) > 1e-9 * abs(found[0]) else []
    for said in scalars:
        yield Hypothesis("global", f"{names} {be} {said}", supposed, walks=0)
    if np.ptp(found) > 1e-9 * abs(found[0]) or _sizes_vary_not(cases):
        yield from (
            Hypothesis("global", f"{names} {be} {said}", supposed, walks=0)
            for said in _of_sizes(cases, found)
        )
    if np.ptp(found) <= 1e-9 * abs(found[0]):
        sentence = f"{names} {be} {_times(found[0])}: a constant factor"
        yield Hypothesis("global", sentence, supposed, walks=0)
    elif not scalars:
        sentence = (
            f"{names} {be} the true one{'s' * (be == 'are')} times a factor that is another one in"
            f" every case ({', '.join(f'{r:.6g}' for r in found)}): scaled, as to a norm, or by"
            " what is no size of the inputs"
        )
        yield Hypothesis("global", sentence, supposed, rank=1, walks=0, partly=True)


_OF_A: tuple[tuple[str, Callable[[float], float]], ...] = (
    ("{a}", lambda a: a), ("1 / {a}", lambda a: 1 / a), ("{a} ** 2", lambda a: a * a),
    ("1 / {a} ** 2", lambda a: 1 / (a * a)), ("sqrt({a})", lambda a: abs(a) ** 0.5),
    ("1 - {a}", lambda a: 1 - a), ("1 / (1 - {a})", lambda a: 1 / (1 - a)),
    ("1 + {a}", lambda a: 1 + a), ("1 / (1 + {a})", lambda a: 1 / (1 + a)),
    ("(1 - {a}) / {a}", lambda a: (1 - a) / a), ("{a} / (1 - {a})", lambda a: a / (1 - a)),
    ("(1 + {a}) / (1 - {a})", lambda a: (1 + a) / (1 - a)),
)  # fmt: skip


def _of_scalars(
    cases: Sequence[Case], among: Sequence[int], found: Sequence[float]
) -> Iterator[str]:
    """What simple function of an input that is a single number the factor is; or 1 / g."""
    first = cases[0]
    with np.errstate(all="ignore"):
        for i, x in enumerate(first.inputs):
            if isinstance(x, np.ndarray) and x.size == 1 and x.dtype.kind == "f":
                values = [np.float64(case.inputs[i].item()) for case in cases]
                for text, f in _OF_A:
                    if _equal(found, [float(f(a)) for a in values]):
                        factors = ", ".join(f"{r:.6g}" for r in found)
                        yield f"{text.format(a=first.names[i])} times the true one ({factors})"
        some = len(among) < len(first.setting.checked)  # of all, `arriving.py` says it
        if (
            some
            and all(case.v.size == 1 for case in cases)
            and _equal(found, [float(1 / case.v[0]) for case in cases])
        ):
            yield "as if g were 1: the incoming gradient is ignored"


def _sizes_vary_not(cases: Sequence[Case]) -> bool:
    shapes = [[np.shape(x) for x in case.inputs] for case in cases]
    return all(each == shapes[0] for each in shapes)


def _times(r: float) -> str:
    size, sign = abs(r), " with the wrong sign" if r < 0 else ""
    if size >= 1:
        return f"{number(size)} times too large{sign}"
    return f"{number(1 / size)} times too small, {number(size)} of the true one{sign}"


def _of_sizes(cases: Sequence[Case], found: Sequence[float]) -> Iterator[str]:
    """Which size of the inputs, or quotient of two, the factor is."""
    quantities = _quantities(cases)
    for word, values in quantities:
        if _equal(found, values):
            what = "the scale" if word.startswith("sqrt") else "a mean over N,"
            yield (
                f"{_listing(found, word, values, quantities)}: the division by N, {what} is"
                " forgotten, or it is multiplied by N once too often"
            )
            return
        if _equal(found, [1 / v for v in values]):
            why = "" if word.startswith("sqrt") else ", as by a mean"
            said = _listing(found, word, values, quantities)
            yield f"{said}: divided by it once too often{why}"
            return
    for (a, of_a), (b, of_b) in _pairs(quantities):
        if _equal(found, [x / y for x, y in zip(of_a, of_b, strict=True)]):
            at = ", ".join(f"{number(r)} times" for r in found)
            yield (
                f"{inside(_bare(a))} / {inside(_bare(b))} times the true one ({at}): divided by"
                f" {b}{_equals(b, of_b, quantities)} where it should be"
                f" {a}{_equals(a, of_a, quantities)}"
            )
            return


Quantities = Sequence[tuple[str, list[float]]]


def _listing(
    found: Sequence[float], word: str, values: Sequence[float], quantities: Quantities
) -> str:
    parts, root = [], word.startswith("sqrt(")
    for r, n in zip(found, values, strict=True):
        size = "large" if abs(r) >= 1 else "small"
        at = f"sqrt({number(n * n)})" if root else number(n)
        parts.append(f"{number(max(abs(r), 1 / abs(r)))} times too {size} at N = {at}")
    same = _equals(word, values, quantities)
    return f"{', '.join(dict.fromkeys(parts))} (N = {word}{same})"


def _equals(word: str, values: Sequence[float], quantities: Quantities) -> str:
    """The other sizes that are as large in every case: it may as well be one of them."""
    others = [
        _bare(w) for w, of in quantities
        if list(of) == list(values) and w != word and "result" not in w
        and _form(w) == _form(word)
    ]  # fmt: skip
    if not others:
        return ""
    return f", as large as {', '.join(others[:3])}{', ...' if len(others) > 3 else ''} here"


def _pairs(quantities: Quantities) -> list[tuple[tuple[str, list[float]], ...]]:
    """Two of them, first those of one kind: sqrt(D) / sqrt(T), not D / sqrt(T D)."""
    forms = {word: _form(word) for word, _ in quantities}
    pairs = itertools.permutations(quantities, 2)
    return sorted(pairs, key=lambda pair: forms[pair[0][0]] != forms[pair[1][0]])


def _form(word: str) -> str:
    """What kind of expression it is: sqrt(a size), a size - 1, ..."""
    return re.sub(r"[\w' ]+\.?shape\[\d+\]", "n", _bare(word))


def _equal(a: Sequence[float], b: Sequence[float]) -> bool:
    return all(abs(x - y) <= 1e-9 * abs(y) for x, y in zip(a, b, strict=True))


def _quantities(cases: Sequence[Case]) -> list[tuple[str, list[float]]]:
    """Sizes with their names, products of two of one array, one less; and single numbers."""
    found: list[tuple[str, list[float]]] = []
    first = cases[0]
    for i, x in enumerate(first.inputs):
        shapes = [np.shape(case.inputs[i]) for case in cases]
        for axis in range(np.ndim(x)):
            word = f"{first.names[i]}.shape[{axis}], the size of its axis {axis}"
            found.append((word, [s[axis] for s in shapes]))
        if np.ndim(x) > 1:
            word = f"{first.names[i]}.size, all its entries"
            found.append((word, [float(np.prod(s)) for s in shapes]))
        for a, b in itertools.combinations(range(np.ndim(x)), 2):
            word = f"{first.names[i]}.shape[{a}] * {first.names[i]}.shape[{b}]"
            found.append((word, [float(s[a] * s[b]) for s in shapes]))
    ends = [[np.shape(y) for y in case.setting.templates] for case in cases]
    for k, shape in enumerate(ends[0]):
        for axis in range(len(shape)):
            found.append((f"the result's shape[{axis}]", [each[k][axis] for each in ends]))
    found += _counts(cases)
    found += [(f"{_bare(word)} - 1", [v - 1 for v in values]) for word, values in found]
    found = [(word, values) for word, values in found if min(values) > 1]
    found += [(f"sqrt({_bare(word)})", [v**0.5 for v in values]) for word, values in found]
    return found


def _bare(word: str) -> str:
    """A size without the words that explain it."""
    return word.partition(", ")[0]


def _counts(cases: Sequence[Case]) -> list[tuple[str, list[float]]]:
    """Sums of whole-number inputs: how many positions a mask lets count."""
    found = []
    for i, x in enumerate(cases[0].inputs):
        if isinstance(x, np.ndarray) and x.ndim and (x.dtype.kind in "biu" or _is_mask(x)):
            values = [float(np.sum(case.inputs[i])) for case in cases]
            found.append((f"{cases[0].names[i]}.sum()", values))
    return found


def _is_mask(x: Array) -> bool:
    return bool(np.isin(x, (0, 1)).all())


# ---------------------------------------------------------------- orders and exchanges
def _orders(first: Case, i: int) -> Iterator[Hypothesis]:
    name = first.names[i]
    for axis in range(np.ndim(first.inputs[i])):
        in_time = axis == 0 and rounds(first) == len(first.inputs[i])
        when = ", which is its order in time" if in_time else ""
        yield _of_each(
            f"d{name} is in reverse order along axis {axis}{when}: turn it round (flip)",
            lambda g, axis=axis: np.flip(g, axis),
            [i],
        )
    if np.ndim(first.inputs[i]) == 2:
        yield _of_each(f"d{name} is transposed: it is dL/d({name}.T)", np.transpose, [i])
    for axis in range(np.ndim(first.inputs[i])):
        yield _of_each(
            f"d{name}: its two halves along axis {axis} are swapped, in the other order",
            lambda g, axis=axis: np.roll(g, g.shape[axis] // 2, axis),
            [i],
        )


def _others(first: Case, among: Sequence[int]) -> Iterator[Hypothesis]:
    """The gradient of another input, with or without that one's in exchange."""
    checked = first.setting.checked
    if len(among) == 2:
        i, j = among
        a, b = first.names[i], first.names[j]
        yield Hypothesis(
            "global",
            f"d{a} and d{b} are swapped: each is the gradient of the other",
            lambda case: case.true | {i: case.true[j], j: case.true[i]},
            walks=0,
        )
    if len(among) == 1:
        i = among[0]
        for j in checked:
            if i != j:
                yield Hypothesis(
                    "global",
                    f"d{first.names[i]} is the gradient of another input, {first.names[j]}: they"
                    " are mixed up",
                    lambda case, j=j: case.true | {i: case.true[j]},
                    walks=0,
                )
