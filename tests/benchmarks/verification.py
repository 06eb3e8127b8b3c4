"""No contender is timed before its outputs and gradients are right.

The hand-written layer answers to the formula and to central differences, in float64; every other
contender answers to the hand-written layer, in float64 on a small problem and in float32 on the
problem that is timed. Run by `python tests/benchmarks/lstm.py`.
"""

from dataclasses import replace

import numpy as np
from contenders import PARAMETERS, Handwritten, make_problem
from handwritten import HandwrittenLSTM

SMALL = (9, 3, 4, 5)
TOLERANCE = {"float64": 1e-10, "float32": 1e-4}  # relative to the largest number of the array


def plain_lstm(x, leaves):
    """The hidden states of all steps, (T, B, H), by the formula and nothing else."""
    w_ih, w_hh, b_ih, b_hh = (leaves[name] for name in PARAMETERS)
    h, c = leaves["h0"], leaves["c0"]
    hidden = []
    for x_t in x:
        i, f, g, o = np.split(x_t @ w_ih.T + b_ih + h @ w_hh.T + b_hh, 4, axis=1)
        i, f, o = (0.5 + 0.5 * np.tanh(0.5 * a) for a in (i, f, o))
        c = f * c + i * np.tanh(g)
        h = o * np.tanh(c)
        hidden.append(h)
    return np.stack(hidden)


def check_handwritten():
    """Raise AssertionError unless the hand-written layer is right, also where sigmoids saturate."""
    problem = make_problem(SMALL, np.float64)
    leaves = problem.leaves()
    # Pieces of one step, of some steps (the last piece is shorter), and of all.
    for piece in (1, 4 * SMALL[0] * SMALL[1] * SMALL[3] // 2, 10**6):
        layer = HandwrittenLSTM(SMALL, problem.parameters, piece)
        out = layer.forward(problem.x, problem.h0, problem.c0)
        assert distance(out, plain_lstm(problem.x, leaves)) < 1e-12, "outputs"
        gradients = layer.backward(problem.R)
        for name in leaves:
            slope, expected = slopes(problem, gradients, name)
            assert abs(slope - expected) < 1e-7 * max(1, abs(expected)), f"gradient of {name}"
    for dtype in (np.float32, np.float64):
        check_saturated(dtype)


def slopes(problem, gradients, name, step=1e-5):
    """The slope of the loss along a random direction of one leaf: claimed, and by difference."""
    leaves = problem.leaves()
    direction = np.random.default_rng(1).normal(size=leaves[name].shape)

    def loss(distance):
        moved = {**leaves, name: leaves[name] + distance * direction}
        return (plain_lstm(problem.x, moved) * problem.R).sum()

    return (gradients[name] * direction).sum(), (loss(step) - loss(-step)) / (2 * step)


def check_saturated(dtype):
    """Pre-activations of about +-1000: no overflow, nothing that is not a number."""
    problem = make_problem(SMALL, dtype, scale=2000.0)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        contender = Handwritten(problem)
        contender.step()
    assert distance(contender.outputs(), plain_lstm(problem.x, problem.leaves())) < 1e-4
    for name, gradient in contender.gradients().items():
        assert np.isfinite(gradient).all(), f"gradient of {name} at +-1000"


def distance(actual, expected):
    """The largest difference, relative to the largest number expected."""
    return float(abs(actual - expected).max() / max(abs(expected).max(), 1e-30))


def fault(contender, reference):
    """What is wrong with a contender that has stepped, or None; both made from equal problems."""
    found = {"outputs": contender.outputs(), **contender.gradients()}
    wanted = {"outputs": reference.outputs(), **reference.gradients()}
    for name, expected in wanted.items():
        actual = np.asarray(found[name])
        if actual.shape != expected.shape or actual.dtype != expected.dtype:
            return (
                f"{name} is {actual.dtype}{actual.shape}, expected {expected.dtype}{expected.shape}"
            )
        error = distance(actual, expected)
        if not error < TOLERANCE[expected.dtype.name]:
            return f"{name} is off by {error:.1e}"
    return None


def checked(contender, problem):
    """The contender made for the problem, ready to be timed, and what is wrong (None: nothing)."""
    small = make_problem(SMALL, np.float64)
    for candidate in (small, problem):
        try:
            made = contender(own_copy(candidate))
            made.step()
            made.step()  # gradients must not add up over steps
        except Exception as error:
            return None, f"failed: {type(error).__name__}: {error}"
        reference = Handwritten(candidate)
        reference.step()
        wrong = fault(made, reference)
        if wrong:
            return None, f"wrong: {wrong}"
    return made, None


def own_copy(problem):
    """The same problem in arrays of its own, so that no contender can spoil another's."""
    parameters = {name: array.copy() for name, array in problem.parameters.items()}
    return replace(problem, parameters=parameters, h0=problem.h0.copy(), c0=problem.c0.copy())
