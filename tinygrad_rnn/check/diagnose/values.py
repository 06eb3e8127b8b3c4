"""Another value of the forward pass in the place of an operand: all of one shape tried at once.

The contribution over an edge is linear in something made of one value: g * y in y, g (1 - y^2) in
1 - y^2, x.T @ g in x. So its product with the tangent of the source is <f(value), P>, and one
matrix product judges every value of that shape.

Read next: `compounds.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ...arraylike import Array
from .program import Line, Program
from .slopes import KNOWN

Through = Callable[[Array], Array]


class Opening(NamedTuple):
    """Where another value can stand in a rule.

    key: which one; right: the operand (position, or -1 for the output) that belongs there.
    through: f, what the rule makes of the value; shape: that the value must have.
    rule: (value, g) -> contribution.
    """

    key: str
    right: int
    through: Through
    shape: tuple[int, ...]
    rule: Callable[[Array, Array], Array]
    projected: Callable[[Array, Array], Array]  # (g, tangent of the source) -> P


def same(v: Array) -> Array:
    return v


def openings(line: Line, i: int) -> Iterator[Opening]:
    """The places for another value in the rule of argument i."""
    op = line.op.name if line.op else ""
    if op == "multiply":
        for shape in {np.shape(line.operands[1 - i]), line.value.shape}:
            yield _linear(f"product {len(shape)}", 1 - i, same, shape)
    elif op == "divide":
        yield from _of_divide(line, i)
    elif op == "matmul":
        yield from _of_matmul(line, i)
    elif op == "where" and i:
        keep = (lambda v: 1.0 * (v != 0)) if i == 1 else (lambda v: 1.0 * (v == 0))
        yield _linear("mask", 0, keep, np.shape(line.operands[0]))
    elif op == "power" and i == 0:
        n = line.operands[1]
        if np.ndim(n) == 0:
            slope = lambda v: n * np.power(v, n - 1)  # noqa: E731
            yield _linear("power", 0, slope, line.value.shape)
    elif op in KNOWN:
        known = KNOWN[op]
        if known.by_output is not None:
            yield _linear(f"{op} by output", -1, known.by_output, line.value.shape)
        elif known.by_input is not None:
            yield _linear(f"{op} by input", 0, known.by_input, line.value.shape)


def _linear(key: str, right: int, through: Through, shape: tuple[int, ...]) -> Opening:
    """c = g * f(value)."""
    return Opening(
        key,
        right,
        through,
        shape,
        lambda v, g: g * through(v),
        lambda g, dx: _fitted(g * dx, shape),
    )


def _of_divide(line: Line, i: int) -> Iterator[Opening]:
    a, b = line.operands
    if i == 0:
        yield _linear("divisor", 1, lambda v: 1 / v, np.shape(b))
        return
    yield Opening(
        "numerator",
        0,
        same,
        np.shape(a),
        lambda v, g: -g * v / b**2,
        lambda g, dx: _fitted(-g * dx / b**2, np.shape(a)),
    )
    yield Opening(
        "denominator",
        1,
        lambda v: 1 / v**2,
        np.shape(b),
        lambda v, g: -g * a / v**2,
        lambda g, dx: _fitted(-g * dx * a, np.shape(b)),
    )


def _of_matmul(line: Line, i: int) -> Iterator[Opening]:
    x, y = line.operands
    if x.ndim + y.ndim == 3:
        yield from _of_matrix_and_vector(line, i)
    if x.ndim < 2 or y.ndim < 2:
        return
    if i == 0:
        yield Opening(
            "right operand",
            1,
            same,
            y.shape,
            lambda v, g: g @ np.swapaxes(v, -1, -2),
            lambda g, dx: _fitted(np.swapaxes(dx, -1, -2) @ g, y.shape),
        )
        if y.ndim == 2:
            yield Opening(
                "right operand, transposed",
                1,
                same,
                y.shape[::-1],
                lambda v, g: g @ v,
                lambda g, dx: _fitted(np.swapaxes(dx, -1, -2) @ g, y.shape).T,
            )
    else:
        yield Opening(
            "left operand",
            0,
            same,
            x.shape,
            lambda v, g: np.swapaxes(v, -1, -2) @ g,
            lambda g, dy: _fitted(g @ np.swapaxes(dy, -1, -2), x.shape),
        )


def _of_matrix_and_vector(line: Line, i: int) -> Iterator[Opening]:
    """W @ x or x @ W, of a vector x."""
    x, y = line.operands
    if (x.ndim == 2, i) in ((True, 0), (False, 1)):  # of the matrix: an outer product
        rows = x.ndim == 2
        yield Opening(
            "the vector",
            1 if rows else 0,
            same,
            np.shape(y if rows else x),
            lambda v, g: np.outer(g, v) if rows else np.outer(v, g),
            lambda g, dW: dW.T @ g if rows else dW @ g,
        )
    else:
        left = x.ndim == 2
        yield Opening(
            "the matrix",
            0 if left else 1,
            same,
            np.shape(x if left else y),
            lambda v, g: v.T @ g if left else g @ v.T,
            lambda g, dx: np.outer(g, dx) if left else np.outer(dx, g),
        )


def _fitted(c: Array, shape: tuple[int, ...]) -> Array:
    """Summed to a shape that was broadcast to that of c; P for a value of that shape."""
    if c.shape == shape:
        return c
    lead = c.ndim - len(shape)
    c = c.sum(axis=tuple(range(lead)))
    stretched = tuple(k for k, n in enumerate(shape) if n == 1 and c.shape[k] != 1)
    return np.asarray(c.sum(axis=stretched, keepdims=True))


class Values:
    """All values of a program, by shape, and what an opening makes of them."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.numbers: dict[tuple[int, ...], list[int]] = {}
        for line in program.lines:
            if np.ndim(line.value) and np.asarray(line.value).dtype.kind in "fbiu":
                self.numbers.setdefault(np.shape(line.value), []).append(line.number)
        self._stacks: dict[Any, Array] = {}

    def made(self, opening: Opening, name: str) -> tuple[list[int], Array]:
        """(lines of the opening's shape, f of their values: one row each)."""
        numbers = self.numbers.get(opening.shape, [])
        key = (name, opening.shape)
        if key not in self._stacks:
            lines = self.program.lines
            values = [np.asarray(lines[n].value, dtype=float) for n in numbers]
            rows = [np.ravel(opening.through(value)) for value in values]
            size = int(np.prod(opening.shape))
            self._stacks[key] = np.array(rows, dtype=float).reshape(len(numbers), size)
        return numbers, self._stacks[key]
