"""One line in a test: the gradient of this function is right, or the test fails and says why."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..check import Report, gradcheck
from ..check.locate import locate
from ..check.modules import check_module


def assert_gradients(
    f: Any, *inputs: Any, order: int = 1, seeds: Iterable[int] = range(3), **options: Any
) -> list[Report]:
    r"""Raise unless the gradient of f is right at these inputs, for several random dL/dy.

    Args:
        f: a function of Tensors, a pair `(forward, backward)` of NumPy functions, or an
            `nn.Module`, whose parameters are checked too.
        inputs: arrays, Tensors or floats; integers are passed through.
        order: 2 checks second derivatives too (not for pairs).
        seeds: one check for each.
        options: of `gradcheck` (`wrt`, `names`, `may_share`), or of the Module's forward.

    Returns:
        the reports, one for each seed; all are right.

    Raises:
        AssertionError: with the report of the first that is not, and, of a Tensor function, the
            line of the operation that is wrong.

    >>> import numpy as np
    >>> reports = assert_gradients((np.sin, lambda g, x: g * np.cos(x)), [0.5, 2.0])
    >>> try:
    ...     assert_gradients((np.sin, lambda g, x: g * np.sin(x)), [0.5])
    ... except AssertionError as error:
    ...     print(str(error).split("\n")[1])
    sin: gradient WRONG (found at stage 4, direction)
    """
    module = hasattr(f, "named_parameters")
    check = check_module if module else gradcheck
    reports = [check(f, *inputs, order=order, seed=seed, **options) for seed in seeds]
    for report in reports:
        if not report:
            raise AssertionError(f"\n{report}{_where(f, inputs, order, module)}")
    return reports


def _where(f: Any, inputs: Any, order: int, module: bool) -> str:
    """What `locate` has to say, of a function that has a graph."""
    if isinstance(f, (tuple, list)) or module:
        return ""
    found = locate(f, *inputs, order=order)
    return f"\n{found}" if len(found) else ""
