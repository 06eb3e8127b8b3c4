"""Truncated back-propagation through time: values carry on, gradients reach k2 steps back.

Every k1 steps, the losses of those k1 steps go back through a window of the last k2 steps: this is
BPTT(h; h') of Williams & Peng (1990) with h = k2, h' = k1. In front of the window the state is a
plain value (`detached`). With k1 = 2, k2 = 4, the third window of a series:

    step      0 1 2 3 4 5
    window        [     ]   recorded, one graph; the state after step 1 enters it as a value
    losses            * *   those of steps 4 and 5; the earlier ones had their turn

Where windows overlap (k2 > k1) the steps are run again from the value kept k2 steps back. So every
gradient is the exact one of its window at today's weights, although the optimizer moved them
between two windows: nothing is propagated through products of old weights.

Legend: `T` steps of the series, `t` a step, `x_t` its input; shapes are up to `step`.

Read next: `flow.py`, which shows what a cut leaves out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import count, islice
from operator import add, index
from typing import Any

import numpy as np

from ..arraylike import Array
from ..modes import Step, scope
from ..tensor import Tensor

State = Any  # None, a Tensor, an array, or a tuple, list or dict of such
StepFunction = Callable[[Any, State], tuple[Any, State]]
LossFunction = Callable[[int, Any], Tensor | None]


def detached(state: State) -> State:
    """The state's values without its past: here the gradient is cut.

    A state h that was made in time step 3 is called h3 from here on, in listings and drawings.

    Raises:
        TypeError: for anything but None, Tensors, arrays, numbers, and tuples, lists or dicts of
            them: a state that was not cut would silently keep the whole series in memory.

    >>> h = Tensor([1.0], requires_grad=True) * 2
    >>> detached((h, None))
    (Tensor([2.]), None)
    """
    if isinstance(state, Tensor):
        cut = state.detach()
        place = state.node.scope if state.node else ()
        t = next((entry.t for entry in reversed(place) if isinstance(entry, Step)), "")
        cut.name = state.name and f"{state.name}{t}"
        return cut
    if type(state) in (tuple, list):
        return type(state)(map(detached, state))
    if type(state) is dict:
        return {key: detached(part) for key, part in state.items()}
    if state is None or isinstance(state, (np.ndarray, np.generic, int, float)):
        return state
    raise TypeError(
        "a state is None, a Tensor, an array, or a tuple, list or dict of those; given a"
        f" {type(state).__name__}: return it from `step` as a tuple"
    )


@dataclass(frozen=True, eq=False)
class Window:
    """One backward pass, just made: losses of steps first to end, through steps start to end.

    Attributes:
        start, first, end: as in `range`: at most k2 steps in the window, at most k1 with a loss.
        loss: the sum of the window's losses with its graph (to draw); None if no step had one.
        state: the values after step end - 1, cut.
    """

    start: int
    first: int
    end: int
    loss: Tensor | None
    state: State


def truncated_bptt(
    step: StepFunction,
    xs: Iterable[Any],
    state: State,
    loss: LossFunction,
    *,
    k1: int,
    k2: int,
    update: Callable[[Window], object] | None = None,
) -> tuple[float, State]:
    """Run a series and add the truncated gradients to `.grad`, or step an optimizer on the way.

    Args:
        step: `step(x_t, state) -> (output, next state)`, one step or one block of steps. It may be
            run again for one t (k2 > k1), so it must not count or remember calls; a dropout inside
            draws a new mask then.
        xs: the series, one x_t after the other: an array (T, ...), a list, or a generator, of which
            k2 inputs are kept.
        state: before the first step. While a window still starts there it is used as it is, so a
            state that requires grad receives its gradient.
        loss: `loss(t, output)`, a single number, or None where step t has no loss.
        k1: steps from one backward pass to the next; a last, shorter block has one of its own.
        k2: steps that a backward pass reaches back, the newest included; at least k1.
        update: called after each backward pass, e.g. with `optimizer.step()` and
            `optimizer.zero_grad()`. Without it the gradients of all windows add up.

    Returns:
        the sum of all losses, each once, and the state after the last step, cut.

    Raises:
        ValueError: for k1 < 1, k2 < k1, or an empty series.
        TypeError: for k1, k2 that are no integers; a loss that is no Tensor; see `detached`.
        RuntimeError: if `update` changed what the given initial state was made of, and a later
            window still starts there: pass `detached(state)`.

    Memory is that of one window, however long the series is. The gradient is the full one for
    k2 >= T, and else the sum over `kept_pairs`. Source: Williams & Peng (1990), "An efficient
    gradient-based algorithm for on-line training of recurrent network trajectories".

    >>> w = Tensor(0.5, requires_grad=True)
    >>> def step(x, h):
    ...     h = w * h + x
    ...     return h, h
    >>> truncated_bptt(step, np.ones(4), 0.0, lambda t, y: y, k1=2, k2=2)
    (6.125, Tensor(1.875))
    >>> w.grad  # 1 + (1.5 + (1.75 + 0.5 * 1.5)); uncut it is 1 + 2 + 2.75
    array(5.)
    """
    total = 0.0
    for window in windows(step, xs, state, loss, k1=k1, k2=k2):
        total += 0.0 if window.loss is None else float(window.loss.item())
        state = window.state
        if update is not None:
            update(window)
        del window  # its graph ends before the next one is recorded
    return total, state


def windows(
    step: StepFunction,
    xs: Iterable[Any],
    state: State,
    loss: LossFunction,
    *,
    k1: int,
    k2: int,
) -> Iterator[Window]:
    """`truncated_bptt` as a loop: yields after each backward pass; stop whenever you like.

        for window in windows(step, xs, state, loss, k1=5, k2=20):
            optimizer.step()
            optimizer.zero_grad()

    Arguments and errors are those of `truncated_bptt`. A loop that keeps the last `window` while
    the next is made holds two graphs, not one.
    """
    k1, k2 = _checked(k1, k2)
    return _windows(step, xs, state, loss, k1, k2)


def _windows(
    step: StepFunction, xs: Iterable[Any], state: State, loss: LossFunction, k1: int, k2: int
) -> Iterator[Window]:
    series, start, end = iter(xs), 0, 0
    inputs: list[Any] = []  # x_start ... x_(end - 1)
    states: list[State] = [state]  # before each of those steps, and after the last
    while block := list(islice(series, k1)):
        first, end = end, end + len(block)
        fresh = max(0, end - k2)
        inputs, state = inputs[fresh - start :] + block, states[fresh - start]
        start = fresh
        window, states = _pass(step, inputs, state, loss, start, first)
        yield window
        del window
    if not end:
        raise ValueError("truncated BPTT needs a series of at least one step; this one is empty")


def _pass(
    step: StepFunction, inputs: Sequence[Any], state: State, loss: LossFunction, *place: int
) -> tuple[Window, list[State]]:
    """Record one window and go back through it: what to yield, and its states, cut."""
    start, first = place
    states, losses = [state], []
    for t, x in zip(count(start), inputs):
        with scope(t=t):
            output, state = step(x, state)
            states.append(detached(state))
            value = loss(t, output) if t >= first else None
        if value is not None:
            losses.append(_checked_loss(value, t))
    total = reduce(add, losses) if losses else None
    if total is not None:
        total.backward()
    return Window(start, first, start + len(inputs), total, states[-1]), states


def kept_pairs(T: int, k1: int, k2: int) -> Array:
    """What a cut keeps: [s, t] says whether loss s reaches the use of a weight in step t.

    Returns:
        booleans (T, T). The loss of step s goes back when its block ends, after min(k1 (s // k1 +
        1), T) steps, and reaches the k2 steps before that end, as far as they are not later than s.

    >>> kept_pairs(6, k1=2, k2=4).astype(int)
    array([[1, 0, 0, 0, 0, 0],
           [1, 1, 0, 0, 0, 0],
           [1, 1, 1, 0, 0, 0],
           [1, 1, 1, 1, 0, 0],
           [0, 0, 1, 1, 1, 0],
           [0, 0, 1, 1, 1, 1]])
    """
    k1, k2 = _checked(k1, k2)
    s, t = np.arange(T)[:, None], np.arange(T)
    end = np.minimum(k1 * (s // k1 + 1), T)
    return (t <= s) & (t >= end - k2)


def _checked(k1: int, k2: int) -> tuple[int, int]:
    try:
        k1, k2 = index(k1), index(k2)
    except TypeError:
        raise TypeError(f"k1 and k2 are whole numbers of steps; given {k1=}, {k2=}") from None
    if not 1 <= k1 <= k2:
        raise ValueError(
            f"truncated BPTT goes back every k1 steps through k2 >= k1 >= 1; given {k1=}, {k2=}"
        )
    return k1, k2


def _checked_loss(value: Any, t: int) -> Tensor:
    if not isinstance(value, Tensor) or value.size != 1:
        what = f"shape {value.shape}" if isinstance(value, Tensor) else type(value).__name__
        raise TypeError(f"the loss of step {t} is {what}: give a Tensor of one number, or None")
    return value
