"""The battery as a test: one line in a test file puts a primitive through all of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..tensor import Primitive
from .battery import CHECKS, Case, chosen
from .needs import needed


def battery(
    f: Callable[..., Any],
    *,
    n: int | None = None,
    numpy: Callable[..., Any] | None = None,
    values: str | Callable[..., Any] | Sequence[Any] = "anywhere",
    shapes: Any = None,
    attrs: Any = None,
    order: int = 2,
    promotes: bool = False,
) -> Callable[..., None]:
    """A test for pytest that runs every check on f, with the cases that hypothesis finds.

    Without more being said, f takes n operands of shapes that broadcast together, of all three
    families: all sizes distinct, all equal, and the edges (0-d, size 1, empty).

    Args:
        f: a primitive, or any function of Tensors that also takes plain arrays.
        n: how many operands; default: as many as the primitive takes.
        numpy: the same function in NumPy (with the metadata), for the forward.
        values: where the operands live: "anywhere", "positive", "off_zero", "off_one" or "no_ties"
            (the methods of `testing.pick.Pick`), or a function of (rng, shape); or one for each.
        shapes: a strategy for a list of shapes, one for each operand, instead of those above.
        attrs: a strategy for a dict of metadata, or a function of the shapes that gives one.
        order: 1 leaves second derivatives out.
        promotes: whether float32 operands may give float64.

    Returns:
        the test, parametrized by the names of the checks: assign it to a name that starts with
        `test_`.

    Raises:
        ImportError: without pytest or hypothesis; the message says what to install.

        import numpy as np
        import tinygrad_rnn as tg
        from tinygrad_rnn import testing

        @tg.primitive
        def swish(x):
            return x / (1 + np.exp(-x))

        swish.gradients(lambda g, out, x: g * (tg.sigmoid(x) + out * (1 - tg.sigmoid(x))))

        test_swish = testing.battery(swish, numpy=lambda x: x / (1 + np.exp(-x)))
    """
    pytest, hypothesis = needed("pytest", "pytest"), needed("hypothesis", "hypothesis")
    from . import strategies

    if n is None:
        n = f.arity if isinstance(f, Primitive) and f.arity < 10 else 1
    title = getattr(f, "__name__", "f").replace("<lambda>", "f")

    def case_of(data: Any, family: str) -> Case:
        drawn = shapes if shapes is not None else strategies.broadcastable(n, family)
        found = [tuple(shape) for shape in data.draw(drawn)]
        wanted = attrs(found) if callable(attrs) else attrs
        given = {} if wanted is None else data.draw(wanted)
        each = [values] * len(found) if isinstance(values, str) or callable(values) else values
        operands = [
            data.draw(strategies.arrays(shape, how)) for shape, how in zip(found, each, strict=True)
        ]
        truth = None if numpy is None else (lambda *xs: numpy(*xs, **given))
        return Case(lambda *xs: f(*xs, **given), truth, operands, f"{title}{found} {given}",
                    promotes)  # fmt: skip

    def test(check: str, data: Any) -> None:
        for family in strategies.FAMILIES if shapes is None else ("drawn",):
            case = case_of(data, family)
            hypothesis.note(case.text)
            CHECKS[check](case)

    test.__name__ = test.__qualname__ = f"test_{title}"  # hypothesis keeps examples by this name
    quiet = hypothesis.settings(deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
    given = hypothesis.given(data=hypothesis.strategies.data())
    return pytest.mark.parametrize("check", chosen(order))(quiet(given(test)))
