"""A plain NumPy forward, recorded: the same numbers, the true gradient, roles, steps and names."""

import numpy as np
import pytest
from numpy import stack, zeros

from tinygrad_rnn.check.diagnose.case import Case
from tinygrad_rnn.check.diagnose.program import Changes, Program
from tinygrad_rnn.check.diagnose.recorded import Unrecordable
from tinygrad_rnn.check.diagnose.recording import record
from tinygrad_rnn.check.diagnose.words import edge_text, formula
from tinygrad_rnn.check.setting import Setting
from tinygrad_rnn.check.subject import subject_of

X = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]])
W = np.array([[0.3, -0.6, 0.2], [0.1, 0.9, -0.4], [-0.5, 0.7, 0.8]])


def setting(forward, *inputs, names="xyz"):
    floating = [i for i, x in enumerate(inputs) if np.asarray(x).dtype.kind == "f"]
    pair = (forward, lambda g, *inputs: [0.0 * x for x in inputs])
    return Setting(subject_of(pair), list(inputs), list(names[: len(inputs)]), floating)


def program(forward, *inputs, **named):
    there = setting(forward, *inputs, **named)
    return Program(record(there, there.inputs))


def scale(x):
    return 2.0 * x


def assigned(x, W):
    states = np.zeros((4, *x.shape))
    h = x
    for t in range(4):
        h = np.tanh(h @ W)
        states[t] = h
    return states


def imported_by_name(x):
    out = zeros(x.shape)
    out[0] = x[1]
    out[1] += np.sin(x[0])
    return stack([out, x])


def scattered(x):
    out = np.zeros((4, 3))
    np.add.at(out, [0, 0, 3], x[[0, 1, 0]])
    return out


def in_place(x):
    y = x.copy()
    y *= 2.0
    y -= y.mean(axis=0)
    return y


FORWARDS = {
    "assignment into zeros": (assigned, X, W),
    "names imported from numpy": (imported_by_name, X),
    "np.add.at": (scattered, X),
    "in place": (in_place, X),
    "np.array of a list": (lambda x: np.array([x[0] * 2, x[1], x[0] * x[1]]), X),
    "out=": (lambda x: np.tanh(x, out=np.empty(x.shape)) * x, X),
    "methods": (lambda x: x.T.reshape(-1).sum() + x.mean(axis=0).max() - x.dot(x.T).ravel()[0], X),
    "helpers": (lambda x: scale(np.exp(scale(x))), X),
    "no primitive": (lambda x: np.arctan(x) * np.sort(x, axis=1) + np.linalg.norm(x), X),
    "rolled": (lambda x: np.roll(x, 1, axis=1) * np.tril(x[:, :2] @ x[:2, :2].T)[0, 0], X),
    "reduce": (lambda x: np.add.reduce(x, axis=0) * np.maximum.reduce(x, axis=0), X),
    "outputs": (lambda x: (np.tanh(x), x.sum()), X),
    "comprehension": (lambda x: np.vstack([np.exp(row) for row in x]), X),
    "closure": ((lambda k: lambda x: k(x) * x)(lambda x: np.cos(x)), X),
    "integers": (lambda W, k: W[k] ** 2, W, np.array([0, 2, 2])),
}


@pytest.mark.parametrize("name", FORWARDS)
def test_recorded_numbers_and_gradients_are_the_forwards(name):
    there = setting(*FORWARDS[name])
    case = Case(there, np.random.default_rng(0))  # one complex step confirms the gradient
    assert case.program is not None, case.unrecorded
    recorded = [case.program.lines[n].value for n in case.program.outputs if n is not None]
    assert np.allclose(np.concatenate([np.ravel(y) for y in recorded]), there.y, rtol=1e-14)
    tangents = case.program.tangents({0: np.ones(np.shape(there.inputs[0]))})
    ends = [tangents[n] for n in case.program.outputs if n is not None]
    along = sum(np.sum(v * t) for v, t in zip(case.arriving, ends, strict=True))
    assert along == pytest.approx(float(np.sum(case.true[0])), rel=1e-12)


@pytest.mark.parametrize(
    ("forward", "why"),
    [
        (lambda x: np.full(2, float(x[0, 0])), "float"),
        (lambda x: np.linalg.svd(x)[1], "several results"),
        (lambda x: np.multiply.outer(x[0], x[1]), "outer"),
    ],
)
def test_what_leaves_no_trace_is_refused(forward, why):
    there = setting(forward, X)
    with pytest.raises(Unrecordable, match=why):
        record(there, there.inputs)


def test_the_function_itself_is_left_alone():
    before = dict(globals())
    program(assigned, X, W)
    assert globals() == before and isinstance(assigned(X, W), np.ndarray)


def test_roles_and_steps_of_a_loop():
    found = program(assigned, X, W, names="xW")
    tanhs = [line for line in found.lines if line.op is not None and line.op.name == "tanh"]
    assert [line.t for line in tanhs] == [0, 1, 2, 3] and len({line.role for line in tanhs}) == 1
    assert found.roles[tanhs[0].role] == [line.number for line in tanhs]


def test_roles_of_an_inner_loop_are_apart():
    def forward(x):
        total = 0.0
        for _ in range(3):
            a, b = (np.tanh(half) for half in np.split(x, [1]))
            total = total + a * b
        return total

    found = program(forward, X)
    tanhs = [line for line in found.lines if line.op is not None and line.op.name == "tanh"]
    assert [line.t for line in tanhs] == [0, 0, 1, 1, 2, 2]
    assert len({line.role for line in tanhs}) == 2


def test_steps_of_a_cell_that_is_called():
    def cell(x, h):
        z = x + h
        return np.tanh(z)

    def forward(x):
        h = 0.0 * x[0]
        for x_t in x:
            h = cell(x_t, h)
        return h

    found = program(forward, np.concatenate([X, X]))
    tanhs = [line for line in found.lines if line.op is not None and line.op.name == "tanh"]
    assert [line.t for line in tanhs] == [0, 1, 2, 3] and len({line.role for line in tanhs}) == 1
    assert [found.lines[line.args[0]].name for line in tanhs] == ["z"] * 4


def test_names_are_the_variables():
    def forward(x, W):
        h = np.tanh(x @ W)
        return h * x

    found = program(forward, X, W, names="xW")
    n = next(n for n in found.outputs if n is not None)
    assert formula(found, n) == "h * x"
    assert edge_text(found, n, 0) == "h * x -> h"
    assert edge_text(found, found.lines[n].args[0], 0) == "h = tanh(x @ W) -> x @ W"


def test_changed_rules_and_all_else_that_arrives():
    found = program(lambda x: np.tanh(x) + x**2 + np.sin(x), X)
    one = np.ones(X.shape)
    x, square = 0, next(k.number for k in found.lines if k.op is not None and k.op.name == "power")
    doubled = found.walk([one], Changes({(square, 0): lambda g: 4 * g * X}))
    assert np.allclose(doubled[x] - found.walk([one])[x], 2 * X)
    alone = found.walk([one], Changes(others={x: ((square, 0), 0.0)}))
    assert np.allclose(alone[x], 2 * X)
