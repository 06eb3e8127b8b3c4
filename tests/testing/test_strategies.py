"""What the strategies promise: shapes that fit, indices of every kind, nets that run."""

import numpy as np
import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

import tinygrad_rnn as tg
from tinygrad_rnn import testing
from tinygrad_rnn.check.modules import check_module
from tinygrad_rnn.testing import strategies as s


@given(st.data())
def test_shapes_of_the_families(data):
    distinct = data.draw(s.shapes(family="distinct"))
    assert len(set(distinct)) == len(distinct) and distinct
    assert len(set(data.draw(s.shapes(family="equal")))) == 1
    assert data.draw(s.families()) in s.FAMILIES
    assert all(n >= 1 for n in data.draw(s.shapes(least=1)))


@given(st.data(), st.integers(1, 4))
def test_groups_broadcast(data, n):
    group = data.draw(s.broadcastable(n))
    assert len(group) == n
    np.broadcast_shapes(*group)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("what", "strategy", "wanted"),
    [
        ("stretched", s.broadcastable(2), lambda g: g[0] != g[1] and 1 in g[0]),
        ("left out", s.broadcastable(2), lambda g: len(g[0]) > len(g[1])),
        ("0-d", s.shapes(), lambda shape: shape == ()),
        ("empty", s.shapes(), lambda shape: 0 in shape),
        ("no axis", s.axes(3), lambda a: a is None),
        ("one axis", s.axes(3), lambda a: a == -2),
        ("some axes", s.axes(3), lambda a: isinstance(a, tuple) and len(a) == 2),
        ("an integer", s.indices((3, 4)), lambda i: isinstance(i, int)),
        ("a step back", s.indices((3, 4)), lambda i: isinstance(i, slice) and i.step == -1),
        ("newaxis", s.indices((3, 4)), lambda i: isinstance(i, tuple) and None in listed(i)),
        ("ellipsis", s.indices((3, 4)), lambda i: isinstance(i, tuple) and ... in listed(i)),
        ("a mask", s.indices((3, 4)), lambda i: np.shape(i) == (3, 4)),
        ("a mask of rows", s.indices((3, 4)), lambda i: kind_of(i) == "b"
            and i.shape == (3,)),
        ("repeats", s.indices((3, 4)), lambda i: kind_of(i) == "i"
            and i.size > len(np.unique(i)) > 0),
        ("mixed", s.indices((3, 4)), lambda i: isinstance(i, tuple)
            and {type(k) for k in i} >= {slice, np.ndarray}),
        ("all true", s.masks((2, 3)), lambda m: m.all()),
        ("all false", s.masks((2, 3)), lambda m: not m.any()),
        ("ragged", s.lengths(3, 4), lambda n: len(set(n.tolist())) == 3),
        ("bidirectional", s.layers(), lambda c: c.options["bidirectional"] and c.kind == "gru"),
        ("ragged layers", s.layers(), lambda c: c.lengths is not None and c.B > 1),
    ],
)  # fmt: skip
def test_every_structure_occurs(what, strategy, wanted):
    quick = settings(max_examples=3000, database=None, derandomize=True)
    assert wanted(find(strategy, wanted, settings=quick))


def kind_of(index):
    return index.dtype.kind if isinstance(index, np.ndarray) else ""


def listed(index):
    return [k for k in index if k is None or k is ...]


@given(st.data())
def test_indices_and_axes_are_legal(data):
    shape = data.draw(s.shapes())
    x = np.zeros(shape)
    x[data.draw(s.indices(shape))]
    np.sum(x, axis=data.draw(s.axes(len(shape))))


@given(st.data())
def test_values_live_where_they_should(data):
    shape = data.draw(s.shapes(low=1, least=2))
    assert np.all(data.draw(s.arrays(shape, "positive")) > 0)
    assert np.all(np.abs(data.draw(s.arrays(shape, "off_zero"))) >= 0.5)
    spread = np.diff(np.sort(data.draw(s.arrays(shape, "no_ties")).ravel()))
    assert np.all(spread > 0.1)
    assert np.array_equal(
        data.draw(s.arrays(shape, lambda rng, shape: np.ones(shape))), np.ones(shape)
    )


@given(s.lengths(4, 5))
def test_one_sequence_is_as_long_as_the_batch(lengths):
    assert lengths.max() == 5 and lengths.min() >= 1 and lengths.shape == (4,)


@given(s.cells())
def test_cells_run_and_their_gradients_are_right(c):
    x, state = c.inputs()
    assert check_module(c.build(), x, state), c


@given(s.layers())
@settings(max_examples=3)
def test_layers_run_with_states_and_lengths(c):
    x, state = c.inputs()
    out, _ = c.build()(x, state, lengths=c.lengths)
    steps = (c.B, c.T) if c.options["batch_first"] else (c.T, c.B)
    assert out.shape == (*steps, c.H * (1 + c.options["bidirectional"]))


def test_what_is_not_there():
    with pytest.raises(AttributeError, match="no attribute 'strategy'"):
        _ = testing.strategy
    assert testing.pick.Pick is s.Pick and tg is not None
