"""A Module is a tree: its parameters are the Parameters found in its attributes, in their order.

There is no registration and no `__getattr__`: the tree is read off the attributes whenever it is
asked for, lists and tuples of modules included; a misspelt attribute is an AttributeError.

Read next: `layers.py`, `recurrent.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from ..arraylike import Array
from ..modes import scope
from ..tensor import Tensor

Rng = int | np.random.Generator | None


class Parameter(Tensor):
    """A Tensor that a Module learns: it requires grad, and `parameters()` finds it."""

    __slots__ = ()

    def __init__(
        self,
        data: ArrayLike,
        requires_grad: bool = True,
        name: str | None = None,
        *,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__(data, requires_grad, name, dtype=dtype)


def uniform(rng: Rng, bound: float, shape: tuple[int, ...], dtype: DTypeLike) -> Parameter:
    """A Parameter drawn from U(-bound, bound), as PyTorch does for linear and recurrent layers."""
    return Parameter(np.random.default_rng(rng).uniform(-bound, bound, shape), dtype=dtype)


class Module:
    """Base class of everything with parameters: write `__init__` and `forward`, call the object.

    A call runs `forward` inside `tg.scope` of the attribute's name, so every node of the graph
    knows its module path. A module keeps no recurrent and no random state of its own between calls,
    except a Generator that it was given.

    >>> class Net(Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.w = Parameter([1.0, 2.0])
    ...     def forward(self, x):
    ...         return (self.w * x).sum()
    >>> Net()
    Net (2 parameters)
      w (2,)
    """

    training: bool
    _called: str | None

    def __init__(self) -> None:
        self.training = True
        self._called = None

    def __setattr__(self, name: str, value: Any) -> None:
        if "training" not in vars(self) and name not in ("training", "_called"):
            raise AttributeError(
                f"call super().__init__() before setting {type(self).__name__}.{name}"
            )
        if isinstance(value, Parameter) and value.name is None:
            value.name = name
        if isinstance(value, Module) and value._called is None:
            value._called = name
        super().__setattr__(name, value)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The function that the module computes."""
        raise TypeError(f"{type(self).__name__} has no forward(): define what a call computes")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with scope(self._called or type(self).__name__):
            return self.forward(*args, **kwargs)

    # ------------------------------------------------------------ the tree
    def named_children(self) -> Iterator[tuple[str, Module | Parameter]]:
        """The modules and parameters held in attributes: ("weight", p), ("layers.0", m)."""
        for name, value in vars(self).items():
            if isinstance(value, (Module, Parameter)):
                yield name, value
            elif isinstance(value, (list, tuple)):
                for k, item in enumerate(value):
                    if isinstance(item, (Module, Parameter)):
                        yield f"{name}.{k}", item

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """(path, module) for this module and all below it, parents first."""
        yield prefix, self
        for name, child in self.named_children():
            if isinstance(child, Module):
                yield from child.named_modules(f"{prefix}.{name}" if prefix else name)

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """(path, parameter) for all below; one that is shared comes once, under its first path."""
        seen = set()
        for path, parameter in self._all_parameters():
            if parameter not in seen:
                seen.add(parameter)
                yield path, parameter

    def _all_parameters(self) -> Iterator[tuple[str, Parameter]]:
        for prefix, module in self.named_modules():
            for name, child in module.named_children():
                if isinstance(child, Parameter):
                    yield f"{prefix}.{name}" if prefix else name, child

    def parameters(self) -> Iterator[Parameter]:
        """All parameters below, each once."""
        return (parameter for _, parameter in self.named_parameters())

    def num_parameters(self) -> int:
        """How many numbers the module learns."""
        return sum(p.size for p in self.parameters())

    # ------------------------------------------------------------ modes and gradients
    def train(self, mode: bool = True) -> Self:
        """Switch dropout on (or off) everywhere below; returns the module."""
        for _, module in self.named_modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """`train(False)`."""
        return self.train(False)

    def zero_grad(self) -> None:
        """Forget every parameter's gradient."""
        for parameter in self.parameters():
            parameter.grad = None

    # ------------------------------------------------------------ weights in and out
    def state_dict(self) -> dict[str, Array]:
        """A copy of every parameter's array by its path; names and shapes are PyTorch's."""
        return {path: parameter.numpy() for path, parameter in self._all_parameters()}

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> None:
        """Copy arrays into the parameters; nothing is changed unless everything fits.

        Raises:
            ValueError: naming every missing, unexpected (if `strict`) and misshapen key.
        """
        own = dict(self._all_parameters())
        arrays = {path: np.asarray(value) for path, value in state.items()}
        problems = []
        if strict:
            problems += [
                f"missing: {path} {p.shape}" for path, p in own.items() if path not in arrays
            ]
            problems += [
                f"unexpected: {path} {a.shape}" for path, a in arrays.items() if path not in own
            ]
        problems += [
            f"shape of {path}: given {arrays[path].shape}, expected {parameter.shape}"
            for path, parameter in own.items()
            if path in arrays and arrays[path].shape != parameter.shape
        ]
        if problems:
            raise ValueError(
                f"these weights do not fit {type(self).__name__}:\n  " + "\n  ".join(problems)
            )
        for path, parameter in own.items():
            if path in arrays:
                parameter.data = arrays[path].astype(parameter.dtype, copy=True)

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__}{self.extra_repr()} ({self.num_parameters():,} parameters)"]
        for name, child in self.named_children():
            text = f"{name} {child.shape}" if isinstance(child, Parameter) else f"{name}: {child!r}"
            lines += ["  " + line for line in text.split("\n")]
        return "\n".join(lines)

    def extra_repr(self) -> str:
        """What stands between the class's name and the count; e.g. its sizes."""
        return ""


@contextmanager
def _replaced(module: Module, tensors: Mapping[str, Tensor]) -> Iterator[None]:
    """The module with other tensors in the place of its parameters, by path."""
    places = []
    for prefix, owner in module.named_modules():
        for name, child in owner.named_children():
            path = f"{prefix}.{name}" if prefix else name
            if isinstance(child, Parameter) and path in tensors:
                places.append((owner, name, child, tensors[path]))
    for owner, name, _, tensor in places:
        _place(owner, name, tensor)
    try:
        yield
    finally:
        for owner, name, parameter, _ in places:
            _place(owner, name, parameter)


def _place(owner: Module, name: str, tensor: Tensor) -> None:
    attribute, dot, k = name.partition(".")
    if not dot:
        vars(owner)[name] = tensor
        return
    items = list(vars(owner)[attribute])
    items[int(k)] = tensor
    vars(owner)[attribute] = type(vars(owner)[attribute])(items)


def functional_call(
    module: Module, tensors: Mapping[str, Tensor], *args: Any, **kwargs: Any
) -> Any:
    """Call the module with `tensors` in the place of its parameters (PyTorch's functional_call).

    This is what makes a module a function of its weights, for `tg.gradcheck`, `tg.hvp`, ...

    Raises:
        KeyError: for a path that the module does not have.
    """
    unknown = tensors.keys() - dict(module._all_parameters()).keys()
    if unknown:
        raise KeyError(f"{type(module).__name__} has no parameter {', '.join(sorted(unknown))}")
    with _replaced(module, tensors):
        return module(*args, **kwargs)
