"""Stage 1, setting: f at one point, finite and deterministic, its outputs as one vector.

Read next: `oracle.py`, which differentiates f at this point.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import Any

import numpy as np

from ..arraylike import Array, raw
from .subject import Run, Subject, copied, is_floating

EPS = float(np.finfo(float).eps)


class Setting:
    """A subject, its inputs, and which of them are checked; `y` is all floating outputs in a row.

    Legend: `i` an input, `u` a direction in it, `j` an entry of it; `k` an entry of y, `v` the
    gradient dL/dy that arrives; `J` = dy/dx. The loss is L = <v, y>, so dL/dx = J^T v.

    Args:
        twice: whether to ask f a second time, for the same result.

    Raises:
        ValueError: if f is not finite here, not deterministic, or has no entry to differentiate.
        TypeError: if no output of f is floating.
    """

    def __init__(
        self,
        subject: Subject,
        inputs: Sequence[Any],
        names: Sequence[str],
        checked: Sequence[int],
        *,
        twice: bool = True,
    ) -> None:
        self.subject, self.inputs, self.names = subject, list(inputs), list(names)
        self.checked = list(checked)
        self.held: dict[int, Array] = {}  # entries that are not compared: f jumps there
        self.continued = False  # whether f is run on watched arrays at complex inputs
        outputs = subject.values(copied(inputs))
        self.floating = [k for k, y in enumerate(outputs) if y.dtype.kind in "fc"]
        self.templates = outputs
        self._demand_floating(outputs)
        self.shapes = [outputs[k].shape for k in self.floating]
        self.y = self.flat(outputs)
        lowest = min(np.finfo(outputs[k].dtype).precision for k in self.floating)
        self.single = lowest < 15  # the forward itself computes in float32
        if lowest < 6:
            raise ValueError(
                f"{subject.name} gives float16, whose three digits are too few to check a gradient:"
                " let it compute in float64 (or float32)"
            )
        self._demand_finite()
        if twice:
            self._demand_determinism()

    # ------------------------------------------------------------ evaluating near this point
    def moved(self, steps: Mapping[int, Array], by: complex) -> list[Any]:
        """The inputs, input i moved by `by * steps[i]`; all complex if `by` is."""
        out = []
        for i, x in enumerate(self.inputs):
            if is_floating(x):
                x = np.asarray(x + by * steps.get(i, 0))
            out.append(x)
        return out

    def at(self, inputs: Sequence[Any]) -> Array:
        """All floating outputs of f at other inputs, as one vector."""
        return self.flat(self.subject.values(inputs))

    def run(self) -> Run:
        """One forward pass, to be walked back."""
        return self.subject.run(copied(self.inputs))

    def pull(self, run: Run, v: Array) -> dict[int, Array]:
        """dL/dx by the walk under test, for each checked input; without those of a wrong shape."""
        grads = arranged(self.inputs, run.walk(self.cotangents(v))) or []
        found = {}
        for i in self.checked[: len(grads)]:
            g = np.zeros_like(self.inputs[i]) if grads[i] is None else np.array(raw(grads[i]))
            if g.shape == self.inputs[i].shape:
                found[i] = g
        return found

    def elsewhere(self, change: Callable[[Array], Array]) -> Setting:
        """The same f, with every floating input changed."""
        return self.there([np.asarray(change(x)) if is_floating(x) else x for x in self.inputs])

    def there(self, inputs: Sequence[Any]) -> Setting:
        """The same f at other inputs."""
        other = copy.copy(self)
        vars(other).pop("rounding", None)
        other.inputs = list(inputs)
        with np.errstate(all="ignore"):
            other.y = self.at(copied(other.inputs))
        return other

    def shrunk(self, *, grown: bool = False) -> Iterator[Setting]:
        """The same f nearer to 0, where what is saturated here is not, if f takes that.

        With `grown` farther out too, where what is lost in a sum here is not: 1 - cos(x) at 1e-9.
        """
        factors = [4.0**-1, 4.0**-2, 4.0**-4, 4.0**-8, 0.0]
        if grown:
            unit = 1 / max(self.scale(i) for i in self.checked)
            factors += [4.0, 4.0**2, 4.0**4, 4.0**6, unit, 4 * unit, 16 * unit]
        for factor in factors:
            try:
                there = self.elsewhere(partial(np.multiply, factor))
            except Exception:  # f promised nothing about other inputs
                continue
            if np.all(np.isfinite(there.y)):
                yield there

    @cached_property
    def rounding(self) -> float:
        """How far y is off by rounding, also by that of numbers which cancelled on the way to it.

        Found in extended precision; 0 where f, or the machine, has none.
        """
        off = [0.0]
        for factor in (1.0, 1 + 2.0**-9, 1 - 2.0**-9):
            try:
                there = self.elsewhere(partial(np.multiply, factor))
                exact = there.elsewhere(lambda x: x.astype(np.longdouble)).y
            except Exception:  # f promised nothing about longdouble
                return 0.0
            if exact.dtype == np.longdouble and np.all(np.isfinite(exact)):
                off.append(float(np.max(np.abs(exact - there.y), initial=0.0)))
        return max(off)

    def scale(self, i: int) -> float:
        """How large the entries of input i are; 1 for zeros."""
        return float(np.max(np.abs(self.inputs[i]), initial=0.0)) or 1.0

    def own(self, i: int) -> Array:
        """The size of each entry of input i; of a zero, that of the largest."""
        size = np.abs(self.inputs[i])
        return np.asarray(np.where(size == 0, self.scale(i), size))

    def nudge(self, i: int) -> Array:
        """A step of a billionth of each entry of input i; of equal entries no two the same."""
        own = self.own(i)
        ramp = np.linspace(2.0, 1.0, own.size).reshape(own.shape)
        return np.asarray((2.0**-12 if self.single else 2.0**-30) * own * ramp)

    def free(self, i: int) -> Array:
        """Which entries of input i are compared, as a mask."""
        if i in self.held:
            return ~self.held[i]
        return np.ones(self.inputs[i].shape, dtype=bool)

    # ------------------------------------------------------------ one vector and many arrays
    def flat(self, outputs: Sequence[Array]) -> Array:
        """The floating outputs as one vector."""
        if len(outputs) != len(self.templates):
            raise ValueError(
                f"{self.subject.name} returned {len(self.templates)} outputs, then {len(outputs)}:"
                " the number must not depend on the values"
            )
        return np.concatenate([np.ravel(outputs[k]) for k in self.floating])

    def cotangents(self, v: Array) -> list[Array]:
        """The vector v as one array for each output of f, fresh; zeros for integer outputs."""
        found, start = [], 0
        for k, y in enumerate(self.templates):
            if k in self.floating:
                found.append(v[start : start + y.size].reshape(y.shape).astype(y.dtype))
                start += y.size
            else:
                found.append(np.zeros(y.shape, y.dtype))
        return found

    def entry(self, k: int) -> str:
        """What entry k of y is called: y[0, 2], or y2[0] where f has several outputs."""
        for n, shape in zip(self.floating, self.shapes, strict=True):
            size = int(np.prod(shape))
            if k < size:
                name = "y" if len(self.templates) == 1 else f"y{n}"
                return name + subscript(np.unravel_index(k, shape))
            k -= size
        raise IndexError(k)

    # ------------------------------------------------------------ what the check cannot do without
    def _demand_floating(self, outputs: Sequence[Array]) -> None:
        if not self.floating:
            kinds = ", ".join(str(y.dtype) for y in outputs) or "nothing"
            raise TypeError(
                f"{self.subject.name} returned {kinds}: only floating outputs have derivatives."
                " Return the values before rounding, comparing or argmax"
            )
        if not sum(outputs[k].size for k in self.floating):
            raise ValueError(
                f"{self.subject.name} returned no numbers at all (shapes"
                f" {[y.shape for y in outputs]}): give inputs that are not empty"
            )

    def _demand_finite(self) -> None:
        bad = np.flatnonzero(~np.isfinite(self.y))
        if bad.size:
            raise ValueError(
                f"{self.subject.name} is not finite here: {self.entry(int(bad[0]))} is"
                f" {self.y[bad[0]]} ({bad.size} of {self.y.size} entries). A gradient can only be"
                " checked where f is finite: choose other inputs, or a form that does not overflow"
            )

    def _demand_determinism(self) -> None:
        again = self.at(copied(self.inputs))
        limit = 1e3 * EPS * np.max(np.abs(self.y), initial=0.0) * (1e9 if self.single else 1)
        if again.shape != self.y.shape or not np.all(np.abs(again - self.y) <= limit):
            raise ValueError(
                f"{self.subject.name} gave two different results for the same inputs: a gradient"
                " check needs the same function twice. Fix the seed (dropout: rng=0, or training="
                "False), and keep no state between calls"
            )


def arranged(inputs: Sequence[Any], returned: Any) -> list[Any] | None:
    """What a backward returned, one entry for each input; None if the number is wrong.

    Inputs without a derivative (indices, lengths) may be left out.
    """
    grads = list(returned) if isinstance(returned, (tuple, list)) else [returned]
    if len(grads) == len(inputs):
        return grads
    floating = [i for i, x in enumerate(inputs) if is_floating(x)]
    if len(grads) != len(floating):
        return None
    found: list[Any] = [None] * len(inputs)
    for i, g in zip(floating, grads, strict=True):
        found[i] = g
    return found


def subscript(index: Sequence[Any]) -> str:
    """(0, 2) as [0, 2]; nothing for a single number."""
    return f"[{', '.join(str(int(n)) for n in index)}]" if len(index) else ""
