"""How much of a gradient arrives how many steps back: norms, Jacobians, tables of one graph.

Every tool takes Tensors of a graph that was recorded anyway and gives plain arrays; none touches a
`.grad`. The states come from `find_states`, or are a list that a loop kept.

    dL/dh_t = (dh_T/dh_t)^T dL/dh_T,   dh_T/dh_t = product of dh_k/dh_(k-1) for k = t+1 ... T

In a linear net, h_t = W h_(t-1) + ..., the product is W^(T-t): it vanishes for a spectral radius
below 1 and explodes above. A tanh multiplies in derivatives below 1, so it may vanish above, too
(Bengio, Simard & Frasconi 1994; Pascanu, Mikolov & Bengio 2013).

Legend: `B` batch, `T` time, `H` hidden width; `S` losses; `h` states, `W` a weight; `s` the step of
a loss, `t` the step in which a weight is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..arraylike import Array, raw
from ..derivatives import grad
from ..graph import Sending, ancestors, cotangents, summed
from ..guards import seed_of
from ..modes import Step, enable_grad
from ..tensor import Tensor


# ---------------------------------------------------------------- states
def find_states(output: Tensor, name: str = "h", *, within: str | None = None) -> list[Tensor]:
    """The results called `name` in time steps that `output` was made of, in the order of the run.

    Cells and layers of `tg.nn` name their states h and c; a loop of your own needs
    `with tg.scope(t=t):` and `tg.label(h=h)`. A reverse direction runs from the last step, so its
    states come in that order.

    Args:
        within: a label of the module path, such as "layer0" or "layer1_reverse", where several
            layers or modules have states of that name.

    Raises:
        ValueError: if there is none, or if there are several chains of them.

    >>> import tinygrad_rnn as tg
    >>> output, h_n = tg.nn.RNN(3, 4, num_layers=2, rng=0)(np.zeros((5, 1, 3)))
    >>> [h.shape for h in find_states(h_n, within="layer1")]
    [(1, 4), (1, 4), (1, 4), (1, 4), (1, 4)]
    """
    chains: dict[tuple[str, ...], list[Tensor]] = {}
    names = set()
    for tensor in ancestors([output]):
        place = tensor.node.scope if tensor.node else ()
        path = tuple(entry for entry in place if isinstance(entry, str))
        if tensor.name is None or len(path) == len(place):
            continue
        names.add(tensor.name)
        if tensor.name == name and (within is None or within in path):
            chains.setdefault(path, []).append(tensor)
    if len(chains) == 1:
        return next(iter(chains.values()))
    if chains:
        paths = ", ".join("/".join(path) or "(no module)" for path in chains)
        raise ValueError(f"there are several chains of {name!r}: choose with within=, of {paths}")
    where = f" within {within!r}" if within is not None else ""
    there = ", ".join(sorted(names)) or "none"
    raise ValueError(
        f"no state {name!r}{where} in a time step; names in time steps: {there}."
        " Write `with tg.scope(t=t):` around a step, and tg.label(h=h)"
    )


def gradient_norms(
    output: Tensor, states: Sequence[Tensor], seed: ArrayLike | None = None
) -> Array:
    """|dL/dh_t| for every state of a list, by one walk: the Euclidean norm over all entries.

    Args:
        output: L, or anything else with its `seed` dL/d(output), as in `Tensor.backward`.
        states: h_t, results or leaves; 0 for one that the output does not depend on.

    Raises:
        ValueError: for a state that needs no gradient, such as a constant h0: it has one, but
            nothing was recorded to find it.

    >>> h = [Tensor(1.0, requires_grad=True)]
    >>> for t in range(3):
    ...     h.append(0.5 * h[-1])
    >>> gradient_norms(h[-1], h)
    array([0.125, 0.25 , 0.5  , 1.   ])
    """
    states = _checked_states(states)
    grads = grad(output, states, seed, allow_unused=True)
    return np.array([0.0 if g is None else np.linalg.norm(g.data) for g in grads])


def state_jacobians(states: Sequence[Tensor]) -> Array:
    """dh_T/dh_(T-k) for every lag k = 0, 1, ..., where h_T is the last state of the list.

    One walk for each entry of h_T, so choose a batch of one: a state of shape (B, H) counts as one
    vector of B H entries.

    Returns:
        (len(states), n, n) for states of n entries; [k, i, j] = d h_T[i] / d h_(T-k)[j].

    Raises:
        ValueError: for states of different sizes, or that need no gradient.
    """
    states = _checked_states(states)
    last, n = states[-1], states[-1].size
    if any(h.size != n for h in states):
        raise ValueError(f"states have one size; given {sorted({h.shape for h in states})}")
    jacobians = np.zeros((len(states), n, n), last.dtype)
    for i, one in enumerate(np.eye(n)):
        rows = grad(last, states, one.reshape(last.shape), allow_unused=True)
        for k, g in enumerate(reversed(rows)):
            jacobians[k, i] = 0 if g is None else g.data.reshape(n)
    return jacobians


def jacobian_norms(states: Sequence[Tensor]) -> Array:
    """|dh_T/dh_(T-k)| by lag k: the spectral norm, the most that a gradient can keep over k steps.

    >>> h = [Tensor([1.0, 1.0], requires_grad=True)]
    >>> for t in range(3):
    ...     h.append(h[-1] * [0.5, 0.1])
    >>> jacobian_norms(h)
    array([1.   , 0.5  , 0.25 , 0.125])
    """
    return np.linalg.norm(state_jacobians(states), 2, axis=(1, 2))


def spectral_radius(W: Tensor | ArrayLike) -> float:
    """The largest |eigenvalue|: |W^k| grows like its k-th power, whatever |W| itself is.

    Raises:
        ValueError: for anything but a square matrix.

    >>> spectral_radius([[0.5, 4.0], [0.0, 0.25]])
    0.5
    """
    W = np.asarray(raw(W))
    if W.ndim != 2 or W.shape[0] != W.shape[1] or not W.size:
        raise ValueError(f"a spectral radius belongs to a square matrix; given {W.shape}")
    return float(np.abs(np.linalg.eigvals(W)).max())


def _checked_states(states: Sequence[Tensor]) -> list[Tensor]:
    states = list(states)
    if not states:
        raise ValueError("the list of states is empty")
    for h in states:
        if not h.requires_grad:
            raise ValueError(
                f"{h.label} needs no gradient, so none was recorded: make it with"
                " requires_grad=True, or leave it out"
            )
    return states


# ---------------------------------------------------------------- a weight, use by use
class _Use(NamedTuple):
    """An operand (result, argument) in a time step: the weight, or what was made of it before."""

    out: Tensor
    argument: int
    t: int


def gradient_shares(losses: Sequence[Tensor], weight: Tensor) -> Array:
    """dL_s/dW by use: [s, t] is what loss s sends to W through its use in step t.

    A sum over t is the gradient of loss s, over both the gradient of the sum. `truncated_bptt` with
    k1, k2 keeps the shares in `kept_pairs(T, k1, k2)`.

    Args:
        losses: (S) single numbers, recorded with the same weight.
        weight: a leaf, or any Tensor, that is used in time steps (`with tg.scope(t=t):`; cells in
            such a loop and layers of `tg.nn` both do; a layer in a loop counts by the loop's step).
            What is made of it before the steps, such as the product of all inputs at once, counts
            in the step that takes its part.

    Returns:
        (S, T, *weight's shape), T the number of time steps that use the weight, in order.

    Raises:
        ValueError: if a loss uses the weight outside of all time steps, or no step uses it.
    """
    losses = list(losses)
    if not weight.requires_grad:
        raise ValueError(f"{weight.label} needs no gradient: make it with requires_grad=True")
    shared, uses = _uses(losses, weight)
    for loss in losses:
        if loss in shared:
            raise ValueError(
                f"{loss.label} uses {weight.label} outside of time steps, and a share needs one:"
                " write `with tg.scope(t=t):` around a step, and leave penalties out"
            )
    columns = sorted({use.t for use in uses})
    if not columns:
        raise ValueError(f"no time step uses {weight.label}: is it part of these losses' graph?")
    shares = np.zeros((len(losses), len(columns), *weight.shape), weight.dtype)
    again = _made_again(shared, weight)
    for s, loss in enumerate(losses):
        for (t, operand), g in _arrivals(loss, uses, weight).items():
            shares[s, columns.index(t)] += grad(again[operand], again[weight], g).data
    return shares


def gradient_table(losses: Sequence[Tensor], weight: Tensor) -> Array:
    """|dL_s/dW by its use in step t|, (S, T): the norms of `gradient_shares`, to look at.

    >>> import tinygrad_rnn as tg
    >>> w, h, losses = Tensor(0.5, requires_grad=True), 1.0, []
    >>> for t in range(3):
    ...     with tg.scope(t=t):
    ...         h = w * h
    ...     losses.append(h)
    >>> gradient_table(losses, w)  # w^(s-t) h_(t-1)
    array([[1.  , 0.  , 0.  ],
           [0.5 , 0.5 , 0.  ],
           [0.25, 0.25, 0.25]])
    """
    shares = gradient_shares(losses, weight)
    return np.sqrt(np.square(shares).sum(axis=tuple(range(2, shares.ndim))))


def _uses(losses: list[Tensor], weight: Tensor) -> tuple[set[Tensor], list[_Use]]:
    """What is made of the weight outside of all steps, and where a step takes such a thing."""
    shared, uses = {weight}, []
    for out in ancestors(losses):
        node = out.node
        assert node is not None
        t = next((entry.t for entry in node.scope if isinstance(entry, Step)), None)
        for argument, x in enumerate(node.inputs):
            if isinstance(x, Tensor) and x in shared:
                if t is None:
                    shared.add(out)
                else:
                    uses.append(_Use(out, argument, t))
    return shared, uses


def _arrivals(loss: Tensor, uses: list[_Use], weight: Tensor) -> dict[tuple[int, Tensor], Any]:
    """What one loss sends to each shared operand through each step."""
    if not loss.requires_grad:
        return {}
    sendings: dict[Tensor, list[Sending]] = {}
    for _ in cotangents(loss, raw(seed_of(loss, None)), towards=[weight], sendings=sendings):
        pass
    found: dict[tuple[int, Tensor], Any] = {}
    for out, argument, t in uses:
        for i, x, contribution in sendings.get(out, ()):
            if i == argument:
                found[t, x] = found.get((t, x), 0) + summed([contribution], x)
    return found


@enable_grad()
def _made_again(shared: set[Tensor], weight: Tensor) -> dict[Tensor, Tensor]:
    """What is made of the weight outside of steps, of a fresh leaf; all else in it is constant."""
    again = {weight: Tensor(weight.data, requires_grad=True)}
    for out in ancestors(shared):
        if out in shared and out is not weight:
            assert out.node is not None
            operands = out.node.inputs
            inputs = [again.get(x, raw(x)) if isinstance(x, Tensor) else x for x in operands]
            again[out] = out.node.op(*inputs, **out.node.attrs)
    return again
