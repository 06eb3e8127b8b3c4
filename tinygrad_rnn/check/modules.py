"""The gradient of a whole net, or of its training loss, in every parameter by its path.

A module is a function of its inputs and its parameters; the check exchanges the parameters for
Tensors of its own (`nn.functional_call`), so the module itself is left as it was.

Read next: `locate.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..arraylike import Array, raw
from ..tensor import Tensor
from .gradcheck import gradcheck
from .report import Report
from .rules import argument_names


def check_module(
    module: Any,
    *inputs: Any,
    order: int = 1,
    wrt: str | Sequence[str] | None = None,
    seed: int = 0,
    **options: Any,
) -> Report:
    """Compare the gradient of `module(*inputs, **options)` with the truth, in every parameter.

    Inputs may be arrays, Tensors, None, or tuples of them, such as the state of an LSTM; floating
    ones are checked as well. All floating outputs count, however deeply they lie in tuples.

    Args:
        module: an `nn.Module`. It is checked as it is: call `.eval()` first where it has dropout.
        inputs: what it is called with, and `options` by name (`lengths=[3, 2]`), unchecked.
        order, seed: as for `gradcheck`.
        wrt: the names to check: "x", "weight_hh_l0", ...; default: everything.

    Returns:
        a `Report` whose results are named by the parameters' paths ("lstm.weight_ih_l0").

    Raises:
        TypeError: if `module` is no Module.
        ValueError: if it is not deterministic (dropout), or not finite here.

    >>> from tinygrad_rnn import nn
    >>> bool(check_module(nn.Linear(3, 2, rng=0), np.ones((4, 3))))
    True
    """
    names = argument_names(_method(module, "forward"), len(inputs))

    def call(own: Any, *batch: Any) -> Any:
        return own(*batch, **options)

    return _checked(call, module, inputs, names, type(module).__name__, order, wrt, seed)


def check_loss(
    loss: Callable[..., Any],
    module: Any,
    *batch: Any,
    order: int = 1,
    wrt: str | Sequence[str] | None = None,
    seed: int = 0,
) -> Report:
    """Compare the gradient of `loss(module, *batch)` with the truth, in every parameter.

    Args:
        loss: what is minimised, as a function of the module and a batch:
            `lambda net, x, y: cross_entropy(net(x), y)`.
        module: the `nn.Module` that it calls.
        batch: arrays, Tensors, None, or tuples of them; floating ones are checked as well.
        order, wrt, seed: as for `check_module`.

    Returns:
        a `Report` whose results are named by the parameters' paths.

    Raises:
        TypeError: if `module` is no Module.
        ValueError: if the loss is not deterministic (dropout), or not finite here.

    >>> from tinygrad_rnn import functional as F, nn
    >>> net = nn.Linear(3, 2, rng=0)
    >>> def loss(net, x, y):
    ...     return F.cross_entropy(net(x), y)
    >>> report = check_loss(loss, net, np.ones((2, 3)), [0, 1])
    >>> [r.name for r in report.results], bool(report)
    (['x', 'weight', 'bias'], True)
    """
    names = argument_names(loss, 1 + len(batch))[1:]
    title = getattr(loss, "__name__", "loss").replace("<lambda>", "loss")
    return _checked(loss, module, batch, names, title, order, wrt, seed)


def _checked(
    call: Callable[..., Any],
    module: Any,
    inputs: Sequence[Any],
    names: Sequence[str],
    title: str,
    order: int,
    wrt: str | Sequence[str] | None,
    seed: int,
) -> Report:
    """gradcheck of call(module, *inputs) as a function of all arrays in inputs and module."""
    state = {path: p.data for path, p in _method(module, "named_parameters")()}
    leaves = [leaf for name, x in zip(names, inputs, strict=True) for leaf in _leaves(x, name)]
    n = len(leaves)

    def f(*xs: Any) -> Any:
        given = iter(xs[:n])
        batch = [_rebuilt(x, given) for x in inputs]
        return _tensors(called_with(module, dict(zip(state, xs[n:], strict=True)), call, *batch))

    f.__name__ = title
    labels = _apart([name for name, _ in leaves], list(state))
    arrays = [x for _, x in leaves] + [_wide(a) for a in state.values()]
    return gradcheck(f, *arrays, order=order, wrt=wrt, seed=seed, names=labels)


def called_with(
    module: Any, tensors: dict[str, Tensor], call: Callable[..., Any], *inputs: Any
) -> Any:
    """`call(module, *inputs)` with these tensors in the place of the module's parameters."""
    from ..nn import Module, functional_call  # a Module is known only here, where one was given

    class Called(Module):
        """A module around the module, so that whatever calls it is a `forward` too."""

        def __init__(self) -> None:
            super().__init__()
            vars(self)["inner"] = module  # past __setattr__, which would name the module

        def forward(self, *inputs: Any) -> Any:
            return call(module, *inputs)

    return functional_call(Called(), {f"inner.{p}": x for p, x in tensors.items()}, *inputs)


def _method(module: Any, name: str) -> Callable[..., Any]:
    found = getattr(module, name, None)
    if isinstance(module, type) or not callable(found):
        raise TypeError(
            f"expected a Module, such as nn.LSTM(3, 4) makes; given {module!r:.60}. A plain"
            " function of Tensors is checked by gradcheck(f, *inputs)"
        )
    return found


# ---------------------------------------------------------------- nested inputs and outputs
def _leaves(x: Any, name: str) -> Iterator[tuple[str, Any]]:
    """(name, array) for every array in an input; None is no array."""
    if isinstance(x, tuple):
        for k, item in enumerate(x):
            yield from _leaves(item, f"{name}[{k}]")
    elif x is not None:
        yield name, x if isinstance(x, Tensor) else np.asarray(x)


def _rebuilt(x: Any, leaves: Iterator[Any]) -> Any:
    """The input again, with the next leaves in the place of its arrays."""
    if isinstance(x, tuple):
        items = [_rebuilt(item, leaves) for item in x]
        return x._make(items) if hasattr(x, "_make") else tuple(items)
    return None if x is None else next(leaves)


def _tensors(y: Any) -> Any:
    """All Tensors in an output, in a row; one Tensor alone as it is."""
    if not isinstance(y, (tuple, list)):
        return y
    found: list[Any] = []
    for item in y:
        inner = _tensors(item)
        found += inner if isinstance(inner, tuple) else [] if inner is None else [inner]
    return tuple(found)


def _apart(inputs: list[str], paths: list[str]) -> list[str]:
    """Names for all: an input that is called like a parameter says that it is the input."""
    return [f"{name} (input)" if name in paths else name for name in inputs] + paths


def _wide(array: Array) -> Array:
    return np.asarray(raw(array), dtype=np.float64)
