"""A loop over time is one step again and again: record it once, its backward pass too, and replay.

A layer's step makes the same lines at every t. So one step is recorded and differentiated, by the
walk like anything else; its lines are sorted by what they depend on, written down as functions of
arrays (as in `compiled.py`), and run T times. The whole loop is then a single line of the recorded
program, `loop(xs, *state, *weights)`, and nobody wrote its backward pass.

Nothing is hidden by that: whoever asks for the lines (a listing, a drawing, a second derivative)
makes them appear, from the arrays that the replay saw: `Folded.write_out`.

Read next: `nn/recurrent.py`, which uses it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import accumulate, chain, pairwise
from math import prod
from threading import Lock
from typing import Any
from weakref import ref

import numpy as np

from .arraylike import Array, raw
from .compiled import Program, Statement, function_text
from .derivatives import grad
from .graph import Share, ancestors
from .modes import mode, rewriting, uncollected
from .ops import getitem, reshape, sum_of_products
from .program import Graph
from .tensor import Primitive, Tensor, _result

LONG = 16  # steps from which on a program pays; a shorter loop is recorded line by line
PIECE = 2**13  # about so many numbers of a local derivative at once: they stay in the cache
MOST = 64  # programs that are kept
KINDS = ("fixed", "forward", "local", "backward")  # of the lines of a step, see StepProgram

_programs: dict[Hashable, StepProgram] = {}

State = tuple[Any, ...]
Step = Callable[[Any, State, State], State]  # x, state, weights -> new state
Loop = Callable[[Any, State, State], tuple[Any, State]]  # xs, state, weights -> outputs, last state

# Operations that may be run for many steps at once, their arrays one upon the other.
# fmt: off
_ELEMENTWISE = frozenset([
    "add", "subtract", "multiply", "divide", "negative", "square", "sqrt", "exp", "tanh", "sigmoid",
    "greater", "equal", "where",
])
# fmt: on


def replayable(xs: Any, state: State, weights: State) -> bool:
    """Whether a loop over xs is recorded, is long enough, and is all of one real dtype."""
    recording, _, watching = mode.get()
    if not recording or watching or len(xs) < LONG or not xs.size:
        return False
    arrays = [x for x in (xs, *state, *weights) if _is_array(x)]
    alike = xs.dtype.kind == "f" and all(x.dtype == xs.dtype for x in arrays)
    return alike and any(map(_needed, arrays))


def replayed(
    key: Hashable, step: Step, loop: Loop, xs: Any, state: State, weights: State, *, reverse: bool
) -> tuple[Any, State]:
    """What `loop(xs, state, weights)` gives, by replay: the output of each step, the last state.

    Args:
        key: what tells this step from all others, besides the shapes of what enters.
        step: one step, `step(x, state, weights)`, that depends on nothing else and makes the same
            lines for any values; the first entry of a state is the step's output.
        loop: the same for all of xs, one after the other (from the last, if `reverse`). It is run
            when somebody asks for the lines, and has to give then what it would give now.
        xs: (T, ...), what enters at each step.
        state: the arrays or Tensors of the initial state.
        weights: what enters at every step alike: Tensors, arrays, and plain values.
    """
    program = _program_of(key, step, xs, state, weights)
    flat = program.loop(xs, *state, *filter(_is_array, weights), kept=[], reverse=reverse)
    shapes = [(len(xs), *state[0].shape), *(s.shape for s in state)]
    outputs, *last = [
        reshape(getitem(flat, index=part), shape=shape)
        for part, shape in zip(_parts(shapes), shapes, strict=True)
    ]
    for tensor, name in zip(last, program.names, strict=True):
        tensor.name = name
    Folded(loop, (xs, state, weights), flat, [outputs, *last])
    return outputs, tuple(last)


class Folded:
    """A loop that was replayed, and how its lines come to light.

    Its results hold it, and it knows them by weak references only: no reference cycle.
    """

    def __init__(
        self, loop: Loop, inputs: tuple[Any, State, State], flat: Tensor, results: Sequence[Tensor]
    ) -> None:
        xs, (state, weights) = inputs[0], inputs[1:]
        assert flat._node is not None
        self.loop, self.inputs, self.size = loop, [xs, *state, *weights], 1 + len(state)
        self.index, self.scope = flat._node.index, flat._node.scope
        # As they are now: xs is nobody else's, but somebody may write into a weight's array.
        self.given = [
            _result(raw(x) if x is xs else raw(x).copy("K"), None, x._requires_grad)
            if isinstance(x, Tensor)
            else x
            for x in self.inputs
        ]
        self.results = [ref(tensor) for tensor in results]
        self.lock = Lock()
        for tensor in results:
            tensor._array = tensor._array.copy()  # its own, as line by line
            tensor.folded = self.write_out

    @uncollected()
    def write_out(self) -> None:
        """Run the loop line by line, and let its lines stand where the one line stood."""
        with self.lock:
            results = [mine() for mine in self.results]
            if not any(mine is not None and mine.folded for mine in results):
                return  # another thread was faster
            state, weights = self.given[1 : self.size], self.given[self.size :]
            with rewriting(self.scope), np.errstate(all="ignore"):  # it warned when it was run
                outputs, last = self.loop(self.given[0], tuple(state), tuple(weights))
            written = (outputs, *last)
            self._put_in_place(written, dict(zip(written, results, strict=True)))
            for mine, theirs in zip(results, written, strict=True):
                if mine is not None:
                    mine._node = theirs._node
                    mine.folded = None

    def _put_in_place(self, written: State, results: dict[Tensor, Tensor | None]) -> None:
        """The lines take what the loop was given, and stand before all that was made since."""
        original = {g: x for g, x in zip(self.given, self.inputs) if isinstance(g, Tensor)}
        original |= {theirs: mine for theirs, mine in results.items() if mine is not None}
        lines = ancestors(written)
        for k, tensor in enumerate(lines, 1):
            node = tensor._node
            assert node is not None
            operands = [original.get(x, x) if isinstance(x, Tensor) else x for x in node.inputs]
            node.inputs = tuple(operands)
            node.index = self.index + k / (len(lines) + 1)


# ---------------------------------------------------------------- the program of one step
class StepProgram:
    """One step as functions of arrays, each of the lines of one kind.

    - `fixed`: what is made of the weights alone: once for all steps, on either way.
    - `forward`: the new state, and whatever else of this step the others need.
    - `local`: local derivatives. No arriving gradient enters them, and they are elementwise, so
      many steps are done in one call.
    - `backward`: the rest, from the gradient of the new state to that of the state before.

    Attributes:
        loop: the primitive that runs them for all steps.
        names: of the parts of a state, as the step labels them.
    """

    def __init__(self, step: Step, x: Any, state: State, weights: State) -> None:
        self.loop = Primitive(self._run, name="loop", backward=self._pull)
        before = [_leaf(a, True) for a in (x, *state)]
        operands = [_leaf(w, isinstance(w, Tensor)) for w in weights]
        with rewriting(()), np.errstate(all="ignore"):
            new = step(before[0], tuple(before[1:]), tuple(operands))
            held = [w for w in operands if isinstance(w, Tensor)]
            seeds = [_leaf(y, False) for y in new]
            wanted = [leaf for leaf in (*before, *held) if leaf.requires_grad]
            grads = dict(zip(wanted, grad(new, wanted, seeds, create_graph=True)))
        self.names = [y.name for y in new]
        d_before = [grads[leaf] for leaf in before]
        d_weights = [_factors(grads.get(w)) for w in held]
        leaves = [*before, *held, *seeds]
        results = [*new, *d_before, *chain(*d_weights)]
        graph = Graph(*leaves, *results)
        program = Program(graph, leaves, results, many=True)
        names, statements = program.statements()

        def called(tensors: Iterable[Tensor]) -> list[str]:
            return [names[graph.number(tensor)] for tensor in tensors]

        self._before, self._held, self._seeds = called(before), called(held), called(seeds)
        self._new, (self._d_x, *self._d_state) = called(new), called(d_before)
        self._d_weights = [called(factors) for factors in d_weights]
        shapes = {name: leaf.shape for name, leaf in zip(called(leaves), leaves)}
        self._write(statements, self._kinds(statements, shapes), program.constants)

    def _kinds(
        self, statements: Sequence[Statement], shapes: dict[str, tuple[int, ...]]
    ) -> dict[str, str]:
        """Of which kind each line is, by what enters it."""
        kinds = dict.fromkeys(self._before, "forward") | dict.fromkeys(self._held, "fixed")
        kinds |= dict.fromkeys(self._seeds, "backward")
        needed = set(self._new)
        for statement in reversed(statements):
            if statement.name in needed:
                needed.update(statement.operands)
        for statement in statements:
            entering = {kinds[x] for x in statement.operands}
            shapes[statement.name] = statement.line.shape
            if entering <= {"fixed"}:
                kind = "fixed"
            elif statement.name in needed:
                kind = "forward"
            elif "backward" not in entering and _elementwise(statement, shapes):
                kind = "local"
            else:
                kind = "backward"
            kinds[statement.name] = kind
        return kinds

    def _write(
        self, statements: Sequence[Statement], kinds: dict[str, str], constants: dict[str, Any]
    ) -> None:
        """Make the four functions; each gives what the others need of it."""
        of = {kind: [s for s in statements if kinds[s.name] == kind] for kind in KINDS}
        used = {kind: _unique(x for s in of[kind] for x in s.operands) for kind in KINDS}
        given = _unique([self._d_x, *chain(*self._d_weights)])
        late = _unique([*used["backward"], *self._d_state, *given])  # what the way back needs
        held = self._held + [s.name for s in of["fixed"]]
        self._local_in = [x for x in used["local"] if kinds[x] == "forward"]
        self._per_step = [x for x in late if kinds[x] == "forward"]
        local_out = [x for x in late if kinds[x] == "local"]
        inner = [x for x in (*self._local_in, *self._per_step) if x not in self._before]
        self._row = [*self._new, *(x for x in _unique(inner) if x not in self._new)]
        self._returned = [x for x in given if kinds[x] in ("backward", "local")]

        def made(kind: str, inputs: list[str], results: list[str]) -> Callable[..., Any]:
            gives = f"({''.join(f'{x}, ' for x in results)})"
            text = function_text(kind, inputs, of[kind], results, gives)
            namespace = dict(constants)
            exec(text, namespace)
            return namespace.pop(kind)

        self.fixed = made("fixed", self._held, held)
        self.forward = made("forward", [*self._before, *held], self._row)
        self.local = made("local", [*self._local_in, *held], local_out)
        self.backward = made(
            "backward",
            [*self._seeds, *self._per_step, *local_out, *held],
            [*self._d_state, *self._returned],
        )

    # ------------------------------------------------------------ all steps
    def _run(self, xs: Array, *others: Any, kept: list[Any], reverse: bool) -> Array:
        """All steps: the outputs and the last state, one after the other in one array."""
        n = len(self._new)
        state, held = others[:n], self.fixed(*others[n:])
        for x in xs[::-1] if reverse else xs:
            row = self.forward(x, *state, *held)
            state = row[:n]
            kept.append(row)
        outputs = [row[0] for row in (reversed(kept) if reverse else kept)]
        return np.concatenate((*outputs, *state), axis=None)

    def _pull(self, g: Array, xs: Array, *others: Any, kept: list[Any], reverse: bool) -> list[Any]:
        """The gradient of each input of `_run`, from that of its result.

        A weight's product over all steps is left as a share: it is made where it is needed.
        """
        n = len(self._new)
        state, held = others[:n], self.fixed(*others[n:])
        columns: dict[str, Any] = dict(zip(self._row, zip(*kept, strict=True), strict=True))
        for name, first, new in zip(self._before[1:], state, self._new, strict=True):
            columns[name] = (first, *columns[new][:-1])
        columns[self._before[0]] = xs[::-1] if reverse else xs
        shapes = [(len(xs), *state[0].shape), *(s.shape for s in state)]
        parts = zip(_parts(shapes), shapes, strict=True)
        d_outputs, *d_last = [g[part].reshape(shape) for part, shape in parts]
        d_state = self._walk(d_outputs[::-1] if reverse else d_outputs, d_last, columns, held)
        whole = {x: _upon(columns[x]) for x in _unique([self._d_x, *chain(*self._d_weights)])}
        d_xs = whole[self._d_x][::-1] if reverse else whole[self._d_x]
        return [d_xs, *d_state, *(_summed([whole[x] for x in names]) for names in self._d_weights)]

    def _walk(
        self,
        d_outputs: Array,
        d_state: Sequence[Array],
        columns: dict[str, Any],
        held: Sequence[Any],
    ) -> Sequence[Array]:
        """Backwards through all steps; what it finds at each goes into the columns."""
        n, T = len(d_state), len(d_outputs)
        whole: list[Array] = []  # (T, ...) of each: rows that were made one by one take more memory
        piece = max(1, PIECE // d_outputs[0].size)
        for stop in range(T, 0, -piece):
            start = max(0, stop - piece)
            steps = slice(start, stop)
            local = self.local(*(_upon(columns[x][steps]) for x in self._local_in), *held)
            rows = [columns[x][steps] for x in self._per_step] + list(local)
            for t in range(stop - start)[::-1]:
                row = [a[t] for a in rows]
                back = self.backward(d_state[0] + d_outputs[start + t], *d_state[1:], *row, *held)
                d_state = back[:n]
                whole = whole or [np.empty((T, *a.shape), a.dtype) for a in back[n:]]
                for all_steps, a in zip(whole, back[n:]):
                    all_steps[start + t] = a
        columns.update(zip(self._returned, whole, strict=True))
        return d_state


def _program_of(key: Hashable, step: Step, xs: Any, state: State, weights: State) -> StepProgram:
    """The program of a step for arrays like these, made at the first call."""
    shapes = tuple([_kind(x) for x in (xs[0], *state, *weights)])
    key = (key, shapes, xs.dtype, Primitive.declared)
    if key not in _programs:
        if len(_programs) >= MOST:
            del _programs[next(iter(_programs))]  # the oldest
        _programs[key] = StepProgram(step, raw(xs)[0], state, weights)
    return _programs[key]


def _kind(x: Any) -> Any:
    return (type(x) is np.ndarray, x.shape) if _is_array(x) else x


def _is_array(x: Any) -> bool:
    return isinstance(x, (Tensor, np.ndarray))


def _needed(x: Any) -> bool:
    return isinstance(x, Tensor) and x._requires_grad


def _leaf(x: Any, needed: bool) -> Any:
    """A leaf like x, to record with; what is no array stays as it is."""
    return Tensor(raw(x), requires_grad=needed) if _is_array(x) else x


def _factors(g: Tensor | None) -> tuple[Tensor, ...]:
    """A weight's gradient, or, where it is a product over rows, its two factors.

    The products of all steps are then one product over the rows of all steps.
    """
    if g is None:
        return ()
    node = g.node
    product = node is not None and node.op is sum_of_products and len(node.inputs) == 2
    return node.inputs if node is not None and product else (g,)


def _elementwise(statement: Statement, shapes: dict[str, tuple[int, ...]]) -> bool:
    """Whether many steps can be computed in one call: no array in it is broadcast or moved."""
    line = statement.line
    alike = all(shapes[x] == line.shape for x in statement.operands)
    return alike and str(line.op) in _ELEMENTWISE


def _upon(arrays: Any) -> Array:
    """The arrays of many steps, one upon the other: (T, ...)."""
    if isinstance(arrays, np.ndarray):
        return arrays
    return np.concatenate(arrays).reshape(len(arrays), *arrays[0].shape)


def _summed(whole: Sequence[Array]) -> Any:
    """The sum over all steps of a weight's gradient, from its factors; None without any."""
    if len(whole) == 2:
        factors = tuple([x.reshape(-1, x.shape[-1]) for x in whole])
        return Share(sum_of_products, factors, None, {})
    return whole[0].sum(axis=0) if whole else None


def _parts(shapes: Sequence[tuple[int, ...]]) -> list[slice]:
    """Where arrays of these shapes stand in one array in which they follow each other."""
    ends = list(accumulate(map(prod, shapes), initial=0))
    return [slice(start, stop) for start, stop in pairwise(ends)]


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
