"""Where a number stopped being finite: the graph remembers how everything was made.

`with tg.detect_anomaly():` stops at the first nan or infinity; this looks back at a graph that is
recorded already. Read next: `fit.py`, which asks when a loss or a gradient is not finite.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from .arraylike import raw
from .graph import ancestors, cotangents
from .guards import demand_finite, numbered, seed_of
from .modes import detect_anomaly
from .tensor import Tensor


def first_bad(loss: Tensor, parameters: Iterable[tuple[str, Tensor]] = ()) -> str:
    r"""Where a loss, or its gradient, stopped being finite: forwards, then along the walk back.

    Args:
        loss: a single number, with its graph.
        parameters: (name, parameter): if one is not finite, it was so before this loss.

    Returns:
        a sentence with the operation, the scope it ran in, and the range of its operands.

    >>> from tinygrad_rnn import log
    >>> x = Tensor([1.0, 0.0], requires_grad=True)
    >>> with np.errstate(divide="ignore"):
    ...     print(*first_bad(-log(x).sum()).split(" ("), sep="\n")
    the result of log in the outermost scope has 1 of 2 entries that are not finite
    input 0: 0 to 1)
    """
    for name, p in parameters:
        if not np.isfinite(p.data).all():
            return f"the weights {name} are not finite: lower the learning rate"
    try:
        for out in ancestors([loss]):
            assert out.node is not None
            what = f"the result of {out.node.op.name}" + (f", {out.name!r}," if out.name else "")
            demand_finite(out.data, what, out.node, numbered([raw(x) for x in out.node.inputs]))
        with detect_anomaly():
            for _ in cotangents(loss, seed_of(loss, None)):
                pass
    except FloatingPointError as error:
        return str(error)
    return "the sum of what arrived at a tensor overflows, though every part of it is finite"
