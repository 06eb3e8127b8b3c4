"""A Module is a tree: its parameters are the Parameters found in its attributes, in their order.

There is no registration and no `__getattr__`: the tree is read off the attributes whenever it is
asked for, lists and tuples of modules included; a misspelt attribute is an AttributeError.

Read next: `layers.py`, `recurrent.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from ..arraylike import Array, raw
from ..modes import scope
from ..tensor import Tensor

Rng = int | np.random.Generator | None


@runtime_checkable
class _NamedTuple(Protocol):
    def _make(self, values: Any) -> Any: ...


class Parameter(Tensor):
    """A Tensor that a Module learns: it requires grad, and `parameters()` finds it."""

    __slots__ = ()
    learned = True

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


def array_or_tensor(x: Any) -> Any:
    """A Tensor as it is, anything else (a list, a number) as an array."""
    return x if isinstance(x, Tensor) else np.asarray(x)


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

    training: bool = True
    _called: str | None = None  # the attribute that holds it: its label in the module path

    def __setattr__(self, name: str, value: Any) -> None:
        before = vars(self).get(name)
        if isinstance(before, Parameter) and not (value is None or isinstance(value, Parameter)):
            raise TypeError(
                f"{type(self).__name__}.{name} is a Parameter, and {type(value).__name__} in its"
                f" place would not be learned: assign to {name}.data, or give another Parameter"
            )
        for path, child in _children(name, value):
            if isinstance(child, Parameter) and child.name is None:
                child.name = path
            elif isinstance(child, Module) and child._called is None:
                child._called = path
        super().__setattr__(name, value)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The function that the module computes."""
        raise TypeError(f"{type(self).__name__} has no forward(): define what a call computes")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with scope(self._called or type(self).__name__):
            return self.forward(*args, **kwargs)

    # ------------------------------------------------------------ the tree
    def named_children(self) -> Iterator[tuple[str, Module | Parameter]]:
        """What attributes hold, in lists, tuples and dicts too: ("weight", p), ("layers.0", m)."""
        for name, value in vars(self).items():
            yield from _children(name, value)

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """(path, module) for this module and all below it, parents first."""
        yield from self._named_modules(prefix, above=())

    def _named_modules(
        self, prefix: str, above: tuple[Module, ...]
    ) -> Iterator[tuple[str, Module]]:
        yield prefix, self
        above = (*above, self)
        for name, child in self.named_children():
            if isinstance(child, Module) and not any(child is module for module in above):
                yield from child._named_modules(_joined(prefix, name), above)

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
                    yield _joined(prefix, name), child

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
        if not isinstance(state, Mapping):
            raise TypeError(f"a state dict maps names to arrays; given a {type(state).__name__}")
        own = dict(self._all_parameters())
        arrays = {path: _as_array(path, value) for path, value in state.items()}
        strange = [path for path, array in arrays.items() if array.dtype.kind not in "fiub"]
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
        problems += [f"not numbers: {path} is {arrays[path].dtype}" for path in strange]
        if problems:
            raise ValueError(
                f"these weights do not fit {type(self).__name__}:\n  " + "\n  ".join(problems)
            )
        for path, parameter in own.items():
            if path in arrays:
                parameter.data = arrays[path].astype(parameter.dtype, copy=True)

    def __repr__(self) -> str:
        n = self.num_parameters()
        count = f"{n:,} parameter{'' if n == 1 else 's'}"
        lines = [f"{type(self).__name__}{self.extra_repr()} ({count})"]
        for name, child in self.named_children():
            text = f"{name} {child.shape}" if isinstance(child, Parameter) else f"{name}: {child!r}"
            lines += ["  " + line for line in text.split("\n")]
        return "\n".join(lines)

    def extra_repr(self) -> str:
        """What stands between the class's name and the count; e.g. its sizes."""
        return ""


def _as_array(path: str, value: Any) -> Array:
    """A value of a state dict; PyTorch's bfloat16, for one, has no array."""
    try:
        return np.asarray(raw(value))
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"{path} cannot become an array: {error}") from None


def _children(name: str, value: Any) -> Iterator[tuple[str, Module | Parameter]]:
    """The modules and parameters in a value, by path; containers are looked into."""
    if isinstance(value, (Module, Parameter)):
        yield name, value
    elif isinstance(value, (list, tuple)):
        for k, item in enumerate(value):
            yield from _children(f"{name}.{k}", item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _children(f"{name}.{key}", item)


def _joined(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


def _exchanged(value: Any, tensors: Mapping[Parameter, Tensor]) -> Any:
    """The value with other tensors in the place of parameters; itself, if it holds none of them."""
    if isinstance(value, Parameter):
        return tensors.get(value, value)
    if not isinstance(value, (list, tuple, dict)):
        return value
    before = list(value.values() if isinstance(value, dict) else value)
    after = [_exchanged(item, tensors) for item in before]
    if all(a is b for a, b in zip(after, before, strict=True)):
        return value
    if isinstance(value, dict):
        return dict(zip(value, after, strict=True))
    return value._make(after) if isinstance(value, _NamedTuple) else type(value)(after)


def functional_call(
    module: Module, tensors: Mapping[str, Tensor], *args: Any, **kwargs: Any
) -> Any:
    """Call the module with `tensors` in the place of its parameters (PyTorch's functional_call).

    This is what makes a module a function of its weights, for `tg.gradcheck`, `tg.hvp`, ... A
    parameter that is shared is replaced wherever it stands.

    Raises:
        KeyError: for a path that the module does not have.
        ValueError: for a tensor of another shape than its parameter.
    """
    own = dict(module._all_parameters())
    unknown = tensors.keys() - own.keys()
    if unknown:
        raise KeyError(f"{type(module).__name__} has no parameter {', '.join(sorted(unknown))}")
    for path, tensor in tensors.items():
        if np.shape(tensor) != own[path].shape:
            raise ValueError(f"{path} has shape {own[path].shape}; given {np.shape(tensor)}")
    exchange = {own[path]: tensor for path, tensor in tensors.items()}
    places = [
        (vars(m), name, value)
        for _, m in module.named_modules()
        for name, value in vars(m).items()
        if _exchanged(value, exchange) is not value
    ]
    try:
        for attributes, name, value in places:
            attributes[name] = _exchanged(value, exchange)
        return module(*args, **kwargs)
    finally:
        for attributes, name, value in places:
            attributes[name] = value
