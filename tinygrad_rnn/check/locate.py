"""Which rule in a graph is wrong, at which argument, called on which line.

The gradient of a function is wrong if a rule is wrong, or if something on the way is not recorded.
Both show at a single node, whatever surrounds it:

- a rule, checked in place: at the very operands that the node has in this graph, the complex step
  of its forward against its pull of a random gradient, argument by argument;
- a cut: an operand that no gradient goes through, and that is another one when the inputs are. Run
  f again a little beside, and look which of the graph's constants have moved.

Read next: `places.py`, which finds the line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..arraylike import Array, raw
from ..derivatives import grad
from ..graph import ancestors, cotangents
from ..modes import enable_grad, no_grad
from ..tensor import Node, Tensor
from .gradcheck import gradcheck
from .places import Call, watched
from .report import Report
from .rules import argument_names, as_function, check_rule, has_rule
from .subject import TensorFunction, is_floating, subject_of

AGREE = 1e-11  # a quick look lets pass what agrees so well; anything else is checked in full
MOVE = 1e-6  # how far beside f is run again, relative to each input


@dataclass
class Finding:
    """One mistake: a primitive's rule for one argument, or an argument that is cut off.

    Attributes:
        op: the primitive's name.
        argument: its place among the operands, from 0; `name`: what the primitive calls it.
        kind: "rule", "cut", or "raises" for a rule that raised an error.
        place: the line where it was called, as a `Call` (`.near.file`, `.near.line`).
        reason: one sentence. report: of a rule, what `check_rule` says of it, at these operands.
        calls, of: at how many calls of this line it shows, of how many.
        among: which expression it is, where a line calls the primitive more than once.
    """

    op: str
    argument: int
    name: str
    kind: str
    place: Call | None
    reason: str
    report: Report | None = None
    calls: int = 1
    of: int = 1
    among: str = ""

    def __str__(self) -> str:
        where = "" if self.place is None else f", called in {self.place}{self.among}"
        times = "" if self.of == 1 else f" ({self.calls} of {self.of} calls)"
        return f"{self.op}, argument {self.argument}{where}{times}\n  {self.reason}"

    def data(self) -> dict[str, Any]:
        """As plain data; `file` and `line` are the user's own."""
        return {
            "op": self.op,
            "argument": self.argument,
            "file": self.place.own.file if self.place else None,
            "line": self.place.own.line if self.place else None,
            "reason": self.reason,
        }


@dataclass
class Located:
    """The answer of `locate`: a sequence of findings that prints itself; false if there is one.

    `total` is the report of `gradcheck` on the whole function.
    """

    function: str
    findings: list[Finding]
    nodes: int
    total: Report
    notes: list[str] = field(default_factory=list)

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __len__(self) -> int:
        return len(self.findings)

    def __getitem__(self, k: int) -> Finding:
        return self.findings[k]

    def __bool__(self) -> bool:
        """Whether nothing is wrong: no finding, and the gradient of the whole is right."""
        return not self.findings and bool(self.total)

    def __str__(self) -> str:
        n = len(self.findings)
        found = f"{n} place{'s' * (n != 1)}" if n else "nothing"
        size = f"{self.nodes} operation{'s' * (self.nodes != 1)}"
        head = f"{self.function}: {found} wrong in a graph of {size}"
        lines = [head, *(line for f in self.findings for line in str(f).split("\n")), *self.notes]
        return "\n  ".join(lines)

    __repr__ = __str__


def locate(
    f: Callable[..., Any], *inputs: Tensor | ArrayLike, order: int = 1, seed: int = 0
) -> Located:
    """Check every operation of f in its place; name what is wrong, and the line it is called in.

    Args:
        f: a function of Tensors, as for `gradcheck`.
        inputs: where to look; the operands of every operation follow from them.
        order: 2 looks for rules whose own derivative is wrong, too.
        seed: as for `gradcheck`.

    Returns:
        a `Located`: a sequence of `Finding`s, in the order of the program. Each prints as
        "multiply, argument 1, called in my_file.py:12: z = x * y", and the reason beneath.

    Raises:
        TypeError, ValueError: as `gradcheck` does, for what it cannot check.

    >>> import tinygrad_rnn as tg
    >>> def f(x, y):
    ...     return (x * y.detach()).sum()
    >>> found = locate(f, [1.0, 2.0], [3.0, 4.0])
    >>> found[0].op, found[0].argument, found[0].kind
    ('multiply', 1, 'cut')
    """
    subject = subject_of(f)
    if not isinstance(subject, TensorFunction):
        raise TypeError(
            "locate looks into a graph, so it takes a function of Tensors; a pair of NumPy"
            " functions has none: gradcheck((forward, backward), ...) says what is wrong with it"
        )
    total = _whole(f, inputs, order, seed)
    findings, nodes = culprits(subject, inputs, order, seed, cuts=not total)
    found = Located(subject.name, findings, nodes, total)
    if not findings:
        found.notes.append(_nothing(total))
    return found


def culprits(
    f: TensorFunction, inputs: Sequence[Any], order: int = 1, seed: int = 0, cuts: bool = True
) -> tuple[list[Finding], int]:
    """(what is wrong in the graph of f, how many operations it has), without a verdict on f.

    `cuts`: whether to look for constants that move, if every rule is right. Where the gradient of f
    is right, such a constant is meant: the largest entry, taken out of a logsumexp.
    """
    if _locating.get():  # a check of one node: nobody needs to be told again where that is
        return [], 0
    token = _locating.set(True)
    try:
        arrays = [_plain(x) for x in inputs]
        (xs, ys), places = watched(lambda: f.graph(arrays))
        program = ancestors(ys)
        findings = list(_wrong_rules(program, places, order, seed))
        if not findings and cuts:
            findings = list(_cuts(f, arrays, xs, ys, places, seed))
        return _grouped(findings, program, places), len(program)
    finally:
        _locating.reset(token)


_locating: ContextVar[bool] = ContextVar("locating", default=False)


def _whole(f: Any, inputs: Sequence[Any], order: int, seed: int) -> Report:
    """gradcheck of all of f; a rule that breaks its contract is a verdict, not an error."""
    try:
        return gradcheck(f, *inputs, order=order, seed=seed, diagnose=False)
    except ValueError as error:
        if not str(error).startswith(("the gradient rule of", "the backward of")):
            raise
        report = Report(subject_of(f).name, [], "not asked", seed)
        report.fail("contract", str(error))
        return report


def _nothing(total: Report) -> str:
    if total:
        return "the gradient of the whole is right, too"
    if total.stage is None:
        return total.headline()
    return (
        f"yet, of the whole: {total.headline()}. Every rule is right in its place and nothing is"
        " cut off at these inputs: the mistake is in what f does besides, or in the walk"
    )


def _plain(x: Any) -> Any:
    array = np.asarray(raw(x))
    return array.astype(np.float64) if array.dtype.kind == "f" else x


# ---------------------------------------------------------------- rules
def _wrong_rules(
    program: Sequence[Tensor], places: dict[Tensor, Call], order: int, seed: int
) -> Iterator[Finding]:
    """Every node that the walk goes through, every argument that it goes to."""
    rng = np.random.default_rng(seed)
    for out in program:
        node = out.node
        if node is None or not out.requires_grad:
            continue
        operands = [raw(x) for x in node.inputs]
        needed = [
            i for i, x in enumerate(node.inputs)
            if isinstance(x, Tensor) and x.requires_grad and has_rule(node.op, i)
        ]  # fmt: skip
        for i in needed:
            if order == 1 and _fits(node, i, operands, rng):
                continue
            report = _in_full(node, i, operands, order, seed)
            if isinstance(report, str) or report.stage is not None:
                yield _finding(node, i, len(operands), places.get(out), report)


def _fits(node: Node, i: int, operands: list[Any], rng: np.random.Generator) -> bool:
    """Whether <v, J u> by the complex step and <J^T v, u> by the rule agree, at a first look."""
    x = np.asarray(operands[i], dtype=float)
    u = rng.standard_normal(x.shape)
    leaf = Tensor(x, requires_grad=True)
    try:
        with np.errstate(all="ignore"), enable_grad():
            y = node.op(*operands[:i], leaf, *operands[i + 1 :], **node.attrs)
            v = rng.standard_normal(y.shape).astype(y.dtype)
            mine = grad(y, leaf, v.copy()).data * u
            moved = [*operands[:i], x + 1e-100j * u, *operands[i + 1 :]]
            true = v * np.imag(node.op.forward(*map(_array, moved), **node.attrs)) / 1e-100
    except Exception:  # the full check says what is wrong
        return False
    size = np.sum(np.abs(true)) + np.sum(np.abs(mine))
    return bool(np.abs(np.sum(true) - np.sum(mine)) <= AGREE * size)


def _array(x: Any) -> Any:
    return x.data if isinstance(x, Tensor) else x


def _in_full(node: Node, i: int, operands: list[Any], order: int, seed: int) -> Report | str:
    """What `check_rule` says: kinks and rounding are excused there. Or the error of the rule."""
    try:
        f = as_function(node.op, [i], node.attrs)
        found = map(_floating, operands)
        broken = check_rule(node.op, i, *found, seed=seed, diagnose=False, **node.attrs)
        if broken.stage is not None or order == 1:
            return broken
        return gradcheck(f, *map(_floating, operands), order=order, wrt=i, seed=seed,
                         diagnose=False)  # fmt: skip
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def _floating(x: Any) -> Any:
    """Python's numbers among the operands as arrays: they are constants, of any kind."""
    return np.asarray(x)


def _finding(node: Node, i: int, n: int, place: Call | None, report: Report | str) -> Finding:
    name = argument_names(node.op.forward, n)[i]
    if isinstance(report, str):
        return Finding(node.op.name, i, name, "raises", place, f"its rule cannot be used: {report}")
    reason = "; ".join(report.reasons())
    return Finding(node.op.name, i, name, "rule", place, f"its rule for {reason}", report)


# ---------------------------------------------------------------- cuts
def _cuts(
    f: TensorFunction,
    arrays: Sequence[Any],
    xs: Sequence[Any],
    ys: Sequence[Tensor],
    places: dict[Tensor, Call],
    seed: int,
) -> Iterator[Finding]:
    """Constants of the graph that move with the inputs, and through which the result moves."""
    rng = np.random.default_rng(seed)
    steps = [_step(x, rng) if is_floating(x) else None for x in arrays]
    sides = [
        f.graph([x if u is None else x + s * u for x, u in zip(arrays, steps, strict=True)])
        for s in (1, -1)
    ]
    ends = [_constants(side_xs, side_ys) for side_xs, side_ys in sides]
    here = _constants(xs, ys)
    if not all(len(end) == len(here) for end in ends):
        return  # f takes another way there: nothing can be compared
    arrived = _arrived(ys, rng)
    effects: dict[int, list[tuple[float, float, Tensor, int]]] = {}
    for (out, i, value), (_, _, right), (_, _, left) in zip(here, *ends, strict=True):
        change = (np.asarray(raw(right)) - np.asarray(raw(left))) / 2
        if change.shape != np.shape(raw(value)) or not np.any(change):
            continue
        g = _towards(out, i, arrived)
        if g is not None and g.shape == change.shape:
            terms = g * change
            effect = (float(np.sum(terms)), float(np.sum(np.abs(terms))), out, i)
            effects.setdefault(id(value), []).append(effect)
    for found in effects.values():
        if abs(sum(e[0] for e in found)) > 1e-4 * sum(e[1] for e in found):
            for _, size, out, i in found:
                if size:
                    yield _cut(out, i, places.get(out))


def _step(x: Array, rng: np.random.Generator) -> Array:
    scale = np.where(x == 0, np.max(np.abs(x), initial=0.0) or 1.0, np.abs(x))
    return MOVE * scale * rng.standard_normal(x.shape)


def _constants(xs: Sequence[Any], ys: Sequence[Tensor]) -> list[tuple[Tensor, int, Any]]:
    """(result, argument, value) for each floating operand that a walk back does not go to."""
    own = {x for x in xs if isinstance(x, Tensor)}
    return [
        (out, i, x)
        for out in ancestors(ys)
        if out.requires_grad and out.node is not None
        for i, x in enumerate(out.node.inputs)
        if not (isinstance(x, Tensor) and (x.requires_grad or x in own))
        and np.asarray(raw(x)).dtype.kind == "f"
    ]


def _arrived(ys: Sequence[Tensor], rng: np.random.Generator) -> dict[Tensor, Any]:
    """dL/d(every result), for a random L = <v, y> over all outputs."""
    found: dict[Tensor, Any] = {}
    for y in ys:
        if y.requires_grad:
            v = rng.standard_normal(y.shape).astype(y.dtype)
            for tensor, g in cotangents(y, v):
                found[tensor] = found[tensor] + g if tensor in found else g
    return found


def _towards(out: Tensor, i: int, arrived: dict[Tensor, Any]) -> Array | None:
    """dL/d(operand i of out), for an operand that the walk itself leaves out."""
    node = out.node
    if node is None or out not in arrived or not has_rule(node.op, i):
        return None
    operands = [raw(x) for x in node.inputs]
    leaf = Tensor(np.asarray(operands[i], dtype=float), requires_grad=True)
    with enable_grad():
        y = node.op(*operands[:i], leaf, *operands[i + 1 :], **node.attrs)
    with no_grad():
        return np.asarray(grad(y, leaf, raw(arrived[out])).data)


def _cut(out: Tensor, i: int, place: Call | None) -> Finding:
    node = out.node
    assert node is not None
    name = argument_names(node.op.forward, len(node.inputs))[i]
    x = node.inputs[i]
    how = ".detach() or no_grad()" if isinstance(x, Tensor) else ".numpy(), .data or float()"
    reason = (
        f"{name} depends on the inputs, but no gradient goes back through it: something between is"
        f" not recorded ({how}, or plain NumPy on values)"
    )
    return Finding(node.op.name, i, name, "cut", place, reason)


# ---------------------------------------------------------------- one line for each line
def _grouped(
    findings: list[Finding], program: Sequence[Tensor], places: dict[Tensor, Call]
) -> list[Finding]:
    """The calls of one line in a loop as one finding, with their number."""
    calls: dict[tuple[str, Call | None], int] = {}
    lines: dict[tuple[str, str, int], set[str]] = {}
    for out in program:
        place = places.get(out)
        if out.node is not None and place is not None:
            name, near = out.node.op.name, place.near
            calls[name, place] = calls.get((name, place), 0) + 1
            lines.setdefault((name, near.file, near.line), set()).add(near.expression)
    groups: dict[Any, Finding] = {}
    for found in findings:
        key = (found.op, found.argument, found.kind, found.place)
        if key in groups:
            groups[key].calls += 1
            continue
        groups[key] = found
        found.of = calls.get((found.op, found.place), 1)
        if found.place is not None:
            near = found.place.near
            if len(lines[found.op, near.file, near.line]) > 1 and near.expression:
                found.among = f", at {near.expression}"
    return list(groups.values())
