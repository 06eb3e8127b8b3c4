"""One random case: the inputs, the gradient that arrives, yours and the true one beside each other.

The true gradient is a walk over the recorded forward, which one complex step has to confirm; of a
forward that cannot be recorded it is the complex step of every entry. Either way it can be asked
for another dL/dy, which is what a mistake about the arriving gradient amounts to.

Read next: `resize.py`, where further cases come from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from ...arraylike import Array, raw
from ..oracle import complex_step, richardson
from ..setting import Setting, arranged
from ..subject import is_floating
from .program import Changes, Edge, Gradients, Program
from .recorded import Unrecordable
from .recording import record

SAME = 1e-9  # two gradients that differ by less, relative to their largest entry, are equal
LOOSE = 1e-7  # the same, by differences, where f is not complex-safe
MANY = 400  # entries up to which the gradient of what cannot be recorded is found one by one


class NoCase(Exception):
    """No case with these inputs; the message says why."""


class Case:
    """A setting at some inputs, with everything that a hypothesis is compared with.

    Attributes:
        v: dL/dy as one vector; `arriving`, one array for each output.
        yours: for each checked input, what the backward gave, of whatever shape.
        true: the true gradients; `wrong` are the inputs where yours is another one.
        program: the recorded forward; None if it cannot be recorded, `unrecorded` then says why.

    Raises:
        NoCase: if the backward raises here, or the truth cannot be had.
    """

    def __init__(
        self, setting: Setting, rng: np.random.Generator, like: Program | None = None
    ) -> None:
        self.setting, self.rng = setting, rng
        self.names = setting.names
        self.v = rng.standard_normal(setting.y.size)
        self.arriving = setting.cotangents(self.v)
        self.program: Program | None = None
        self.unrecorded = ""
        try:
            self.program = Program(record(setting, setting.inputs), like)
        except Unrecordable as why:
            self.unrecorded = str(why)
        if self.program is not None and not self._confirmed(self.program):
            self.program, self.unrecorded = None, "its recorded gradient is not the true one"
        if self.program is not None and self.program.forget_shifts(*self.edges):
            del self.edges
        self.true = self.truth(self.arriving)
        self.yours = self.answer(self.v)
        self.wrong = [i for i in setting.checked if not same(self.yours.get(i), self.true[i])]

    # ------------------------------------------------------------ yours
    def answer(self, v: Array) -> dict[int, Array]:
        """What the backward gives for another dL/dy."""
        try:
            with np.errstate(all="ignore"):
                run = self.setting.run()
                grads = arranged(self.setting.inputs, run.walk(self.setting.cotangents(v)))
        except Exception as error:  # it was made for other shapes
            raise NoCase(f"the backward raises {type(error).__name__}: {error}") from error
        if grads is None:
            raise NoCase("the backward gives another number of gradients")
        found = {}
        for i in self.setting.checked:
            g = raw(grads[i])
            found[i] = np.zeros(self.setting.inputs[i].shape) if g is None else np.asarray(g)
        return found

    # ------------------------------------------------------------ the truth
    def truth(self, cotangents: Sequence[Array]) -> dict[int, Array]:
        """The true gradient for another dL/dy."""
        if self.program is not None:
            found = self.edges[0] if cotangents is self.arriving else self.program.walk(cotangents)
            grads = self.program.of_inputs(found, self.setting.inputs)
            return {i: grads[i] for i in self.setting.checked}
        flat = [np.ravel(cotangents[k]) for k in self.setting.floating]
        v = np.concatenate(flat)
        return {i: (J @ v).reshape(self.inputs[i].shape) for i, J in self._jacobians.items()}

    def supposed(
        self, changes: Changes, cotangents: Sequence[Array] | None = None
    ) -> dict[int, Array]:
        """The gradients that a mistake would give."""
        assert self.program is not None
        if cotangents is None and not any(changes):
            return self.true
        arriving = self.arriving if cotangents is None else cotangents
        grads = self.program.of_inputs(self.program.walk(arriving, changes), self.inputs)
        return {i: grads[i] for i in self.setting.checked}

    def given_by(self, i: int, supposed: Array) -> bool:
        """Whether this is your gradient of input i."""
        scale = float(np.abs(self.true[i]).max(initial=0.0))
        return same(self.yours[i], supposed, scale)

    @property
    def inputs(self) -> list[Any]:
        return self.setting.inputs

    @cached_property
    def edges(self) -> tuple[Gradients, dict[Edge, Array]]:
        """The true gradient of every line, and over every edge."""
        assert self.program is not None
        edges: dict[Edge, Array] = {}
        return self.program.walk(self.arriving, edges=edges), edges

    def may_be_given_by(self, i: int, cotangents: Sequence[Array]) -> bool:
        """Whether the truth for another dL/dy can be your gradient of input i: by their products
        with one direction, which cost no walk."""
        if self.program is None:
            return True
        u, moved = self._moved[i]
        mine = self.yours[i]
        if mine.shape != u.shape:
            return False
        products = [g * dy for g, dy in zip(cotangents, moved, strict=True) if dy is not None]
        off = float((mine * u).sum()) - sum(float(each.sum()) for each in products)
        size, scale = (float(np.abs(g).max(initial=0.0)) for g in (mine, self.true[i]))
        allowed = 2 * (SAME * size + 1e-12 * scale) * float(np.abs(u).sum())
        allowed += 1e-11 * sum(float(np.abs(each).sum()) for each in products)
        return not abs(off) > allowed

    @cached_property
    def _moved(self) -> dict[int, tuple[Array, list[Array | None]]]:
        """For each checked input a direction, and d(output) along it."""
        assert self.program is not None
        rng, found = np.random.default_rng(5), {}
        for i in self.setting.checked:
            u = rng.standard_normal(self.inputs[i].shape)
            along = self.program.tangents({i: u})
            found[i] = u, [None if n is None else along[n] for n in self.program.outputs]
        return found

    @cached_property
    def _jacobians(self) -> dict[int, Array]:
        """d y / d x for each checked input, (entries of x, entries of y)."""
        if sum(self.inputs[i].size for i in self.setting.checked) > MANY:
            raise NoCase("the forward cannot be recorded, and has too many inputs to do without")
        return {i: np.array([self._slope(i, j) for j in range(self.inputs[i].size)])
                for i in self.setting.checked}  # fmt: skip

    def _slope(self, i: int, j: int) -> Array:
        u = np.zeros(self.inputs[i].shape)
        u.flat[j] = 1.0
        return _directional(self.setting, {i: u})

    def _confirmed(self, program: Program) -> bool:
        """Whether the recorded outputs and gradient are the forward's own, along one direction."""
        checked = [i for i, x in enumerate(self.inputs) if is_floating(x)]
        steps = {i: self.rng.standard_normal(self.inputs[i].shape) for i in checked}
        grads = program.of_inputs(self.edges[0], self.inputs)
        mine = [grads[i] * u for i, u in steps.items()]
        for slope_of, tolerance in ((_directional, SAME), (_by_differences, LOOSE)):
            slope = self.v * slope_of(self.setting, steps)
            size = float(np.sum(np.abs(slope))) + sum(float(np.sum(np.abs(m))) for m in mine)
            off = abs(float(np.sum(slope)) - sum(float(np.sum(m)) for m in mine))
            if off <= tolerance * size:
                return True
        return False


def _by_differences(setting: Setting, steps: Mapping[int, Array]) -> Array:
    return np.asarray(richardson(setting, steps).values)


def _directional(setting: Setting, steps: Mapping[int, Array]) -> Array:
    """J u: by the complex step, or by differences where it does not work."""
    try:
        found = complex_step(setting, steps).values
        size = float(np.max(np.abs(found), initial=0.0))
        if np.all(np.isfinite(found)) and size:
            return found
    except Exception:  # whatever f says to complex numbers
        pass
    return _by_differences(setting, steps)


def same(yours: Any, supposed: Array, scale: float = 0.0) -> bool:
    """Whether two gradients are equal in shape and in nine digits.

    Args:
        scale: of the true gradient; what is smaller by 12 digits is nothing.
    """
    if yours is None or yours.shape != supposed.shape or not np.isfinite(supposed).all():
        return False
    size = max(np.abs(yours).max(initial=0.0), np.abs(supposed).max(initial=0.0))
    allowed = SAME * size + 1e-12 * scale
    return bool(np.abs(yours - supposed).max(initial=0.0) <= allowed)


def made_case(setting: Setting, seed: Sequence[int], like: Program | None = None) -> Case | None:
    """A case here, or None if there is none."""
    try:
        with np.errstate(all="ignore"):
            return Case(setting, np.random.default_rng(list(seed)), like)
    except (NoCase, ValueError):
        return None


Cases = Callable[[int], Sequence[Any]]
