"""Is every line like the one p lines later? That question, for all lines at once, finds loops.

Operations are numbered by their *place*: 0, 1, 2, ... in creation order, leaves left out. The lines
i and i + p do the same in two neighbouring steps of a loop if they are the same operation, giving
the same shape, and if each pair (u, v) of their operands is one of these:

    relative    v is p places after u        a result of the step, or a state of a step before
    shared      v is u, of before the loop   a weight
    own         both are leaves of one kind  x_t
    entering    u lies before the loop and v in its first steps: an initial state
    outside     both lie before the loop, results of one operation: x_t of a layer below

The last two, and results that are shared, depend on where the loop starts, so they put bounds on
that place: `after`, `until`.

Read next: `runs.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..arraylike import Array
from .lines import Line, Scope, index_free, made_of_parameters, step_scope

NEVER = np.iinfo(np.int64).max // 2


class Operands(NamedTuple):
    """Pairs of operands (u, v) of the lines i and i + p, as far as these are alike.

    Operations by their place; leaves as -1 - (their number).
    """

    place: Array
    argument: Array
    u: Array
    v: Array


class Places:
    """The operations of a program as arrays, and how alike they are at a distance.

    Attributes:
        numbers: the line number of each place.
        tokens: equal for lines that are the same operation on the same shapes.
        home: equal for neighbouring lines of the same time step; -1 outside of all.
        begins: whether a time step of the scope begins here, or after lines outside of all.
        after_named: whether the line before has a name, as a new state may have.
        until_step: how many such lines there are before it.
    """

    def __init__(self, lines: Sequence[Line], cuts: Mapping[int, int | None]) -> None:
        made = [line for line in lines if line.op is not None]
        known: dict[Any, int] = {}
        scopes = {id(line.scope): line.scope for line in lines}  # neighbours share one
        steps = {key: step_scope(scope) for key, scope in scopes.items()}
        chains = {key: _chain(step) for key, step in steps.items()}
        self.numbers = np.array([line.number for line in made], dtype=np.int64)
        token = known.setdefault
        tokens = [token(_form(line, chains[id(line.scope)]), len(known)) for line in made]
        self.tokens = np.array(tokens, dtype=np.int64)
        self.parameters = np.array([x.kind == "parameter" for x in lines], dtype=bool)
        self._lines, self._weights = lines, dict[int, bool]()
        leaves = (x for x in lines if x.op is None)
        self.leaf_tokens = {x.number: token(_form(x, None), len(known)) for x in leaves}
        place = -1 - np.arange(len(lines))
        place[self.numbers] = np.arange(len(made))
        for leaf, source in cuts.items():  # values go on over a cut, so it is no leaf here
            if source is not None and lines[source].op is not None:
                place[leaf] = place[source]
        counts = [len(line.inputs) for line in made]
        self.first = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
        self.users = np.repeat(np.arange(len(made)), counts)
        operands = [n for line in made for n in line.inputs]
        self.sources = place[np.array(operands, dtype=np.int64)]
        self.kinds = self._kinds()
        homes: dict[Scope | None, int] = {None: -1}
        home = {key: homes.setdefault(step, len(homes)) for key, step in steps.items()}
        self.home = np.array([home[id(line.scope)] for line in made], dtype=np.int64)
        self.begins, self.until_step = self._beginnings()
        named = [line.name is not None for line in made]
        self.after_named = np.array([False, *named[:-1]], dtype=bool)

    def __len__(self) -> int:
        return len(self.numbers)

    def _kinds(self) -> Array:
        """The token of each operand."""
        of_leaves = np.zeros(1 + max(self.leaf_tokens, default=0), dtype=np.int64)
        of_leaves[list(self.leaf_tokens)] = list(self.leaf_tokens.values())
        if not len(self):
            return self.sources
        is_leaf = self.sources < 0
        return np.where(
            is_leaf,
            of_leaves[np.where(is_leaf, -1 - self.sources, 0)],
            self.tokens[np.where(is_leaf, 0, self.sources)],
        )

    def _beginnings(self) -> tuple[Array, Array]:
        here = np.arange(len(self))
        inside = self.home >= 0
        following = np.minimum.accumulate(np.where(inside, here, len(self))[::-1])[::-1]
        before = np.maximum.accumulate(np.where(inside, here, -1))
        before = np.concatenate([[-1], before[:-1]]).astype(np.int64)
        home = np.append(self.home, -1)  # of places -1 and len(self), which are none
        begins = (following < len(self)) & (home[following] != home[before])
        return begins, np.where(begins, following - here, 0)

    def is_weight(self, x: int) -> bool:
        """Whether an operand is a parameter, or made of parameters and constants alone."""
        number = int(self.numbers[x]) if x >= 0 else -1 - x
        return made_of_parameters(self._lines, number, self._weights)

    def operands(self, p: int, start: int, stop: int) -> Operands:
        """The operands of the lines start ... stop - 1 beside those of the lines p later."""
        near, far = self._edges(p, start, stop)
        place = self.users[near]
        return Operands(place, near - self.first[place], self.sources[near], self.sources[far])

    def _edges(self, p: int, start: int, stop: int) -> tuple[Array, Array]:
        near = np.arange(self.first[start], self.first[stop])
        place = self.users[near]
        same = self.tokens[place] == self.tokens[place + p]
        near, place = near[same], place[same]
        return near, near + (self.first[place + p] - self.first[place])

    def bounds(self, p: int, start: int, stop: int) -> tuple[Array, Array]:
        """For the places i = start ... stop - p - 1: where may a loop through i and i + p start?

        Returns:
            (after, until): later than after[i - start], and at until[i - start] at the latest;
            NEVER and -1 where the two lines are not alike.
        """
        count = stop - p - start
        same = self.tokens[start : stop - p] == self.tokens[start + p : stop]
        after, until = np.where(same, -1, NEVER), np.where(same, NEVER, -1)
        near, far = self._edges(p, start, start + count)
        place, u, v = self.users[near] - start, self.sources[near], self.sources[far]
        same_kind = self.kinds[near] == self.kinds[far]
        relative, leaves = (u >= 0) & (v - u == p), (u < 0) & (v < 0)
        made = (u == v) & (u >= start)  # shared, and made in this stretch: before the loop, then
        np.maximum.at(after, place[made], u[made])
        alike = (u == v) | ((relative | leaves) & same_kind)
        place, u, v, same_kind = (x[~alike] for x in (place, u, v, same_kind))
        np.maximum.at(after, place, np.where(v < 0, NEVER, np.maximum(u, v - p)))
        entering = (u < 0) | ~same_kind
        np.minimum.at(until, place[entering], v[entering])
        return after, until


def _form(line: Line, chain: tuple[str, ...] | None) -> tuple[Any, ...]:
    """What a line is, and whose step it is in, apart from its operands and the places of an index:
    the steps of an encoder and those of a decoder are two loops."""
    value, attrs = line.value, index_free(line) if line.attrs else ()
    if type(value) is np.ndarray:
        return line.op, line.kind, value.shape, value.dtype.num, len(line.inputs), attrs, chain
    return line.op, line.kind, line.shape, getattr(value, "dtype", None), attrs, chain


def _chain(step: Scope | None) -> tuple[str, ...] | None:
    """The names around a time step; None outside of all."""
    return None if step is None else tuple([x for x in step if isinstance(x, str)])
