"""The recorded program as a value: its lines numbered in creation order.

Drawings, folds and exports start here; none of them needs more than these plain lines. What can be
asked of them is in the files beside this one, a file for each question.

Read next: `collect.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cached_property
from typing import Any, overload

import numpy as np

from ..arraylike import Array, raw
from ..graph import Sending, cotangents
from ..graph import ancestors as results_of
from ..guards import seed_of
from ..modes import uncollected
from ..tensor import Tensor
from .collect import collect
from .costs import Summary, flops, kept_bytes, summary
from .differences import differences
from .exchange import Contents, networkx_graph, read, written
from .folding import folded, rolled
from .folds import Fold, Thinned
from .lines import Arrived, Edge, Gradients, Line
from .listing import listing
from .loops import Loop, companions, find_loops
from .numbering import numbered
from .queries import all_uses, ancestors, between, named, paths, uses
from .recorded import as_recorded

Place = Tensor | int | str  # a line, by its Tensor, number or name


class Graph:
    """Everything that `outputs` were made of, as numbered lines.

    A leaf stands just before the line that uses it first. The numbers depend on the program only,
    not on memory addresses: the same program gives the same lines.

    Attributes:
        nodes: the lines; line n is `nodes[n]`.
        outputs: the Tensors it was made of; () for a graph that was read from a file.
        ends: the numbers of their lines.
        folds: what `fold` or `roll` left out.
        origins: after that, the number that each line had before; None otherwise.
        replaced: what has another array by now, and is shown with the recorded one: weights, after
            an optimizer's step.

    Where a method takes a line, that is a Tensor, a number, or a name that one line has.

    >>> x = Tensor(3.0, requires_grad=True, name="x")
    >>> graph = Graph(x * x + 1.0)
    >>> print(graph.listing())
    n0  x  ()  requires grad
    n1  = multiply(n0, n0)  ()
    n2  1.0  ()
    n3  = add(n1, n2)  ()
    >>> graph.paths("x", 3)
    2
    """

    @uncollected()
    def __init__(self, *outputs: Tensor) -> None:
        for output in outputs:
            if not isinstance(output, Tensor):
                raise TypeError(f"a graph is made of Tensors; this is a {type(output).__name__}")
        self.outputs = outputs
        self.nodes, self._numbers, self.replaced = collect(outputs)
        self.ends = tuple(self._numbers[output] for output in outputs)
        self.folds: list[Fold] = []
        self.origins: list[int] | None = None
        self._recorded: Graph | None = None  # what a fold or roll was made of
        self._unscoped: frozenset[int] = frozenset()
        self._known: Callable[[Any], Gradients] | None = None  # gradients that need no walk
        self._norms: Callable[[int, Any], Sequence[float] | None] | None = None

    def __len__(self) -> int:
        return len(self.nodes)

    def __repr__(self) -> str:
        made = [line for line in self.nodes if line.op is not None]
        steps = {line.t for line in made if line.kind == "op"} - {None}
        leaves = len(self.nodes) - len(made)
        counted = f"{len(steps)} time step{'' if len(steps) == 1 else 's'}"
        return f"Graph({len(made)} operations, {leaves} leaves, {counted})"

    # ------------------------------------------------------------ what is in it
    @property
    def edges(self) -> list[Edge]:
        """One for each argument of each line: `x * x` has two."""
        return [Edge(k, line.number, i) for line in self.nodes for i, k in enumerate(line.inputs)]

    def number(self, line: Place) -> int:
        """The number of a line.

        Raises:
            ValueError: if it is not in this graph, or a name is that of several lines.
        """
        if isinstance(line, Tensor):
            if line not in self._numbers:
                raise ValueError(f"{line.label} is not part of this graph")
            return self._numbers[line]
        if isinstance(line, str):
            return named(self.nodes, line)
        if isinstance(line, bool) or not isinstance(line, int | np.integer):
            raise TypeError(f"a line is a Tensor, its number or its name; given {line!r}")
        if not 0 <= line < len(self.nodes):
            raise ValueError(f"this graph has lines 0 to {len(self.nodes) - 1}; given {line}")
        return int(line)

    @cached_property
    def _cuts(self) -> dict[int, int | None]:
        found: dict[int, int | None] = {}
        for line in self.nodes:
            if line.kind == "cut":
                cut = None if line.tensor is None else line.tensor.cut
                source = None if cut is None else cut()
                found[line.number] = None if source is None else self._numbers.get(source)
        return found

    def cuts(self) -> dict[int, int | None]:
        """For every line that was cut off the line it was cut from; None if that is not here.

        Values went over the cut, and no gradient comes back: truncated BPTT.
        """
        return dict(self._cuts)

    @cached_property
    def _bytes(self) -> list[int]:
        if self._recorded is not None and self.origins is not None:
            return [self._recorded._bytes[n] for n in self.origins]
        return kept_bytes(self.nodes)

    def flops(self, line: Place) -> int:
        """The floating-point operations of a line; how they are counted: see `summary`."""
        return flops(self.nodes[self.number(line)], self.nodes)

    def listing(self, show: Iterable[str] = ("shape",)) -> str:
        """The program as text, a line each; scopes as headings.

        Args:
            show: of "shape", "value", "grad" (dL/d(line); the graph then needs a single output).
        """
        show = (show,) if isinstance(show, str) else tuple(show)
        unknown = set(show) - {"shape", "value", "grad"}
        if unknown:
            raise ValueError(f'listing shows "shape", "value" and "grad"; given {sorted(unknown)}')
        gradients = self.gradients() if "grad" in show else None
        return listing(self.nodes, show, gradients, self._cuts)

    def summary(self, *, by_step: bool = False) -> Summary:
        """Operations, bytes kept and flops of the forward pass, by scope: prints as a table.

        flops: a multiplication and an addition are two, so a product of (n, k) and (k, m) is
        2 n k m; a function that works entry by entry is one for each entry of its result; a
        reduction one for each entry that goes in; moving numbers is none.

        Bytes kept: the memory of the results that this graph holds for `backward()` and drawings,
        all of them, read by a rule or not; a view of memory that is there already counts nothing,
        and neither do leaves, which are the user's.

        Args:
            by_step: a row for each time step, not one for all steps of a module.

        >>> x = Tensor(np.ones((5, 3)), requires_grad=True)
        >>> print(Graph((x @ np.ones((3, 2))).sum()).summary())
        scope    steps  operations  bytes kept  flops
        ---------------------------------------------
        outside      0           2          88     70
        total        0           2          88     70
        """
        return summary(self.nodes, self._bytes, by_step)

    # ------------------------------------------------------------ what leads to what
    def paths(self, a: Place, b: Place) -> int:
        """The number of ways from a to b, an exact whole number however large; none are listed."""
        return paths(self.nodes, self.number(a), self.number(b))

    def between(self, a: Place, b: Place) -> list[Line]:
        """The lines on any way from a to b, both included; [] if b was not made of a."""
        return [self.nodes[n] for n in between(self.nodes, self.number(a), self.number(b))]

    def ancestors(self, line: Place) -> list[Line]:
        """All that a line was made of, in creation order; the line itself is not included."""
        return [self.nodes[n] for n in ancestors(self.nodes, self.number(line))]

    @overload
    def uses(self, line: None = None) -> dict[int, list[tuple[int, int]]]: ...
    @overload
    def uses(self, line: Place) -> list[tuple[int, int]]: ...
    def uses(self, line: Place | None = None) -> Any:
        """The (line, argument) pairs that take a line, as it is or moved (transposed, sliced).

        A weight of an unrolled net is taken at every step. Without an argument: for every line the
        pairs that take it as it is.
        """
        return all_uses(self.nodes) if line is None else uses(self.nodes, self.number(line))

    # ------------------------------------------------------------ gradients
    @uncollected()
    def gradients(self, seed: Any = None) -> Gradients:
        """Walk back and keep everything: the gradient of each line, and what each edge carried.

        No tensor's `.grad` is touched. They are the gradients of what was recorded, also after an
        optimizer's step.

        Args:
            seed: dL/d(output), for an output that is not a single number.

        Raises:
            ValueError: for a graph of several outputs: a gradient has one start; and for a graph
                read from a file without gradients.
            RuntimeError: if the output needs no gradient, has several entries and no seed, or is
                made of results that were changed.
        """
        if self._known is not None:
            return self._known(seed)
        if self.ends and not self.outputs:
            raise ValueError(
                "this graph was read from a file without gradients: write it again with"
                " to_json(seed=...), where seed is dL/d(output)"
            )
        if len(self.outputs) != 1:
            raise ValueError(
                f"gradients start at one output, and this graph has {len(self.outputs)}"
            )
        sendings: dict[Tensor, list[Sending]] = {}
        (output,) = self.outputs
        start = raw(seed_of(output, seed))
        numbers = self._numbers
        if any(line.tensor is not None and line.tensor.changed for line in self.nodes):
            copies = as_recorded(results_of(self.outputs))
            numbers = {copies.get(x, x): n for x, n in numbers.items()}
            output = copies.get(output, output)
        walk = cotangents(output, start, sendings=sendings, folded=True)  # none is, by now
        lines = {numbers[tensor]: g for tensor, g in walk}
        return Gradients(lines, Arrived({numbers[out]: sent for out, sent in sendings.items()}))

    @property
    def differentiable(self) -> bool:
        """Whether `gradients()` has a single number to start from."""
        if not self.outputs:
            return self._known is not None
        (output, *others) = self.outputs
        return not others and output.size == 1 and output.requires_grad

    def step_norms(self, line: Place, seed: Any = None) -> Array:
        """|dL/d(line)| of a line in a rolled step, for all the steps that it stands for, in order.

        Raises:
            ValueError: for a line that is in no rolled or folded loop.
        """
        n = self.number(line)
        norms = self._norms(n, seed) if self._norms is not None else None
        if norms is None:
            raise ValueError(f"n{n} is in no loop of which steps were left out: see `Graph.roll`")
        return np.array(norms)

    # ------------------------------------------------------------ fewer steps
    @property
    def remarks(self) -> list[str]:
        """Which steps are not like their neighbours, so that they do not fold, and where."""
        if self._recorded is not None:
            return self._recorded.remarks
        return differences(self.nodes, self._cuts, self._loops)

    @cached_property
    def _loops(self) -> list[Loop]:
        return numbered(self.nodes, self._cuts, find_loops(self.nodes, self._cuts))

    def loops(self) -> list[Loop]:
        """The loops of the program, found by the likeness of their steps; scopes are not needed."""
        return list(self._loops)

    @cached_property
    def _companions(self) -> dict[int, int]:
        return companions(self.nodes, self._loops)

    def companions(self) -> dict[int, int]:
        """For lines outside of all time steps that go along with a step: a line of that step.

        The loss of each output, and their running sum.
        """
        return dict(self._companions)

    @property
    def unscoped(self) -> frozenset[int]:
        """The lines that have a time step in this graph, of which steps were left out, although no
        scope gave one: the likeness of the steps did."""
        return self._unscoped

    def fold(self, keep: int = 2, *, steps: Collection[int] | None = None) -> Graph:
        """The same graph with the first and last `keep` steps of each loop, or with these `steps`.

        Lines called `folded` stand for the states in between; `folds` counts what they stand for.
        Values and gradients are the recorded ones. Where steps differ from the others, they stay,
        and `remarks` says which and where.

        >>> h = x = Tensor(0.5, requires_grad=True)
        >>> for _ in range(100):
        ...     h = h * 0.9
        >>> print(Graph(h).fold(keep=1).listing())
        n0  (unnamed)  ()  requires grad
        n1  0.9  ()
        n2  = multiply(n0, n1)  ()
        n3  = folded(n2, steps=98)  ()
        n4  0.9  ()
        n5  = multiply(n3, n4)  ()
        """
        thin = folded(self.nodes, self.ends, self._loops, self._cuts, keep, steps)
        return self._thinned(thin) if thin.folds or not self.folds else self

    def roll(self) -> Graph:
        """The same graph with one step for each loop: the last, which stands for all.

        Lines called `previous` stand for the state before; `folds` says which line of the step it
        is that recurs. `step_norms(h)` are the gradients of all steps. What arrived over the edge
        of something that all steps share, as a weight, or make of that alone, as its transpose, is
        the sum over all steps.

        Raises:
            ValueError: if there is no loop, saying which steps differ and where.
        """
        if not self._loops:
            first, *more = differences(self.nodes, self._cuts, [])
            others = f" (and {len(more)} more)" if more else ""
            raise ValueError(f"there is no loop to roll: {first}{others}")
        return self._thinned(rolled(self.nodes, self.ends, self._loops, self._cuts))

    def _thinned(self, thin: Thinned) -> Graph:
        """A graph of what is left, with the recorded gradients."""
        graph = Graph._of(thin.lines, thin.ends, thin.cuts)
        graph._recorded, graph.replaced = self, self.replaced
        graph.folds, graph.origins = thin.folds, thin.origins
        walked: list[Gradients] = []

        def recorded(seed: Any) -> Gradients:
            """One walk serves all that is asked of this graph."""
            if seed is not None:
                return self.gradients(seed)
            if not walked:
                walked.append(self.gradients())
            return walked[0]

        graph.outputs, graph._companions = self.outputs, thin.companions
        graph._unscoped = thin.unscoped
        tensors = ((line.tensor, line.number) for line in thin.lines)
        graph._numbers = {x: n for x, n in tensors if x is not None}
        if self.outputs or self._known is not None:
            graph._known = lambda seed: thin.gradients(recorded(seed))
            graph._norms = lambda n, seed: thin.norms(n, recorded(seed))
        return graph

    # ------------------------------------------------------------ other programs
    def to_json(self, *, values: str = "lists", seed: Any = None) -> str:
        """The graph as text, with its values and, if it has a start for them, its gradients.

        Args:
            values: "lists" of numbers, or "base64": shorter, for large arrays.
            seed: dL/d(output), for an output that is not a single number.
        """
        found = self.gradients(seed) if self.differentiable or seed is not None else None
        norms: dict[int, list[float]] = {}
        if found is not None and self._norms is not None:
            for fold in self.folds:
                states = {state for state, _, _ in fold.recurrences}
                norms |= {n: list(self._norms(n, seed) or ()) for n in states}
        return written(
            Contents(
                self.nodes,
                list(self.ends),
                self._cuts,
                self._bytes,
                found,
                self.folds,
                norms,
                self._companions,
                self._unscoped,
            ),
            values,
        )

    @classmethod
    def from_json(cls, text: str | bytes) -> Graph:
        """A graph from the text of `to_json`: it lists, draws and answers as the one written did.

        Raises:
            ValueError: for any other text, saying what is wrong with it.
        """
        contents = read(text)
        graph = cls._of(contents.lines, contents.ends, contents.cuts)
        graph._bytes = contents.bytes
        graph.folds, graph._companions = contents.folds, contents.companions
        graph._unscoped = contents.unscoped
        if contents.gradients is not None:
            stored = contents.gradients

            def known(seed: Any) -> Gradients:
                own: Any = stored.lines.get(graph.ends[0])
                if seed is not None and not np.array_equal(seed, own):
                    raise ValueError(
                        "a graph that was read back has the gradients for the seed that it was"
                        " written with: write it with to_json(seed=...) for another one"
                    )
                return stored

            graph._known = known
            graph._norms = lambda n, seed: known(seed) and contents.norms.get(n)
        return graph

    @classmethod
    def _of(cls, lines: list[Line], ends: Iterable[int], cuts: dict[int, int | None]) -> Graph:
        """A graph of lines that are there already."""
        graph = cls()
        graph.nodes, graph.ends, graph._cuts = lines, tuple(ends), cuts
        return graph

    def to_networkx(self) -> Any:
        """A `networkx.MultiDiGraph`: one node for each line, one edge for each argument."""
        return networkx_graph(self, self.gradients() if self.differentiable else None)
