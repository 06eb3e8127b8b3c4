"""On kinks, jumps and ties: what is legal is never accused, what is not never passes.

Each wrong backward here is wrong at the special entry only, so no other entry gives it away.
"""

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import gradcheck

SEEDS = range(6)
X = np.array([0.0, 1.5, -0.3])


def at_zero(value, elsewhere):
    """A backward that gives `value` at x = 0, and is right elsewhere."""
    return lambda g, x: g * np.where(x == 0, value, elsewhere(x))


def one(x):
    return np.ones(x.shape)


# ---------------------------------------------------------------- jumps
JUMPS = {
    "up": (lambda x: np.where(x.real > 0, x + 1, x), one),
    "down": (lambda x: np.where(x.real > 0, x - 1, x), one),
    "closed on the other side": (lambda x: np.where(x.real >= 0, x + 1, x), one),
    "floor": (lambda x: np.floor(x) + x, one),
    "sign": (lambda x: np.sign(x.real) + x * x, lambda x: 2 * x),
}


@pytest.mark.parametrize("name", JUMPS)
@pytest.mark.parametrize("value", [5.0, -2.0, 1e6])
def test_a_wrong_value_where_the_function_jumps_is_wrong(name, value):
    """A difference across a jump is as steep as one likes: it excused every value of its sign."""
    forward, slope = JUMPS[name]
    for seed in SEEDS:
        report = gradcheck((forward, at_zero(value, slope)), X, seed=seed)
        assert report.stage == "direction"
        assert "not between them" in report["x"].reason


@pytest.mark.parametrize("name", JUMPS)
def test_the_derivative_beside_a_jump_is_right(name):
    forward, slope = JUMPS[name]
    for seed in SEEDS:
        gradcheck((forward, lambda g, x: g * slope(x)), X, seed=seed).raise_if_failed()


def test_a_kink_beside_an_entry_excuses_nothing():
    x = np.array([1e-9, 1.0, -1.0])
    wrong = (lambda x: np.maximum(x, 0), lambda g, x: g * np.where(abs(x) < 1e-6, 0.5, x > 0))
    assert all(gradcheck(wrong, x, seed=seed).stage for seed in SEEDS)


# ---------------------------------------------------------------- ties
TIED_X, TIED_Y = np.array([1.0, 2.0, 3.0]), np.array([1.0, 0.0, 3.0])
SPLITS = {
    "the first": (lambda x, y: x >= y, lambda x, y: x < y),
    "the second": (lambda x, y: x > y, lambda x, y: x <= y),
    "halves": (lambda x, y: (x > y) + 0.5 * (x == y), lambda x, y: (x < y) + 0.5 * (x == y)),
}
TORN = {
    "both": (lambda x, y: x >= y, lambda x, y: x <= y),
    "neither": (lambda x, y: x > y, lambda x, y: x < y),
}


def maximum_by(of_x, of_y):
    return np.maximum, lambda g, x, y: (g * of_x(x, y), g * of_y(x, y))


@pytest.mark.parametrize("name", SPLITS)
def test_any_split_of_a_tie_between_two_inputs_is_right(name):
    for seed in SEEDS:
        gradcheck(maximum_by(*SPLITS[name]), TIED_X, TIED_Y, seed=seed).raise_if_failed()


@pytest.mark.parametrize("name", TORN)
def test_a_tie_between_two_inputs_that_both_or_neither_get_is_wrong(name):
    for seed in SEEDS:
        report = gradcheck(maximum_by(*TORN[name]), TIED_X, TIED_Y, seed=seed, names=["x", "y"])
        assert report.stage == "direction"
        assert "must add up to 1" in str(report)


def test_both_sides_of_a_distance_may_not_move_the_same_way():
    pair = (
        lambda x, y: np.abs(x - y).sum(),
        lambda g, x, y: (g * np.where(x >= y, 1.0, -1.0), g * np.where(y >= x, 1.0, -1.0)),
    )
    assert all(gradcheck(pair, TIED_X, TIED_Y, seed=seed).stage for seed in SEEDS)


def test_sorting_ties_in_any_order_is_right():
    """The middle of three equal entries keeps its place when it alone moves a little."""
    x = np.array([1.0, 2.0, -1.0, 2.0, 2.0])
    for kind in (1, -1):
        order = np.lexsort((kind * np.arange(x.size), x))
        for seed in SEEDS:
            pair = (np.sort, lambda g, x, order=order: g[np.argsort(order)])
            gradcheck(pair, x, seed=seed).raise_if_failed()


# ---------------------------------------------------------------- what is said of them
def maximum_of_rows(share):
    def backward(g, x):
        tied = x == x.max(axis=1, keepdims=True)
        return g[:, None] * share(tied)

    return lambda x: x.max(axis=1), backward


def first_of(tied):
    return tied & (np.cumsum(tied, axis=1) == 1)


def last_of(tied):
    return first_of(tied[:, ::-1])[:, ::-1]


# few entries, entries of which many are tied, and very many: they are searched in different ways
@pytest.mark.parametrize("shape", [(2, 5), (4, 5), (30, 20), (80, 20)])
@pytest.mark.parametrize("same", [False, True], ids=["every row's own", "one value for all"])
def test_ties_within_an_input_have_to_add_up(shape, same):
    """One of two got 1/D and the other 0: each alone lies between its two slopes."""
    for seed in SEEDS[:2]:
        rng = np.random.default_rng(seed)
        x = rng.uniform(-1, 1, size=shape)
        x[:, -1] = 2.0 if same else x[:, 1:-1].max(axis=1) + 1
        x[:, 0] = x[:, -1]
        for share in (first_of, last_of):
            forward, right = maximum_of_rows(share)
            gradcheck((forward, right), x, seed=seed).raise_if_failed()
            smaller = maximum_of_rows(lambda tied, share=share: share(tied) / tied.shape[1])
            wrong = gradcheck(smaller, x, seed=seed)
            assert wrong.stage == "direction" and "2 entries tie for y" in str(wrong), wrong


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (first_of, "all to one of them"),
        (last_of, "all to one of them"),
        (lambda tied: tied / tied.sum(axis=1, keepdims=True), "equal shares"),
    ],
)
def test_the_note_on_a_tie_says_how_it_was_split(share, said):
    """It said "the left one" of an entry that got all of the gradient: its right derivative."""
    x = np.array([[2.0, 2.0, -1.0], [0.0, 1.0, 1.0]])
    for seed in SEEDS:
        notes = gradcheck(maximum_of_rows(share), x, seed=seed)["x"].notes
        assert len(notes) == 1 and notes[0].endswith(f"used here: {said}")
        assert "tie" in notes[0] and "kink" not in notes[0]


@pytest.mark.parametrize(
    ("value", "said"), [(0.0, "the left one"), (1.0, "the right one"), (0.5, "the middle")]
)
def test_the_note_on_a_kink_says_which_side(value, said):
    pair = (lambda x: np.maximum(x, 0), at_zero(value, lambda x: x > 0))
    notes = [note for seed in SEEDS for note in gradcheck(pair, X, seed=seed)["x"].notes]
    assert notes and all(note.endswith(f"used here: {said}") for note in notes)


# ---------------------------------------------------------------- kinks behind one another
W = np.array([[2.0, 0.0, -1.0], [-1.0, 1.0, 2.0], [1.0, -2.0, 0.0]])


@pytest.mark.parametrize(
    "f",
    [
        lambda x: tg.relu(x) - 0.1 * tg.relu(-x),
        lambda x: tg.relu(x) - tg.relu(-x),
        lambda x: tg.relu(x @ W) @ W.T,
        lambda x: tg.maximum(x, 0.0) + tg.minimum(x, 0.0),
    ],
)
def test_legal_rules_that_make_no_subgradient_are_not_called_wrong(f):
    x = np.array([[0.0, 1.0, -1.0], [0.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
    for seed in SEEDS:
        gradcheck(f, x, seed=seed).raise_if_failed()


def test_the_report_says_that_it_was_the_chain_rule():
    report = gradcheck(lambda x: tg.relu(x) - 0.1 * tg.relu(-x), X)
    assert "(relu)" in report["x"].notes[0] and "By the chain rule" in report["x"].notes[0]


def test_a_pair_may_take_one_side_at_every_kink():
    """A layer of relus at zero inputs, with `z > 0` for the mask: zero, and no subgradient."""
    pair = (
        lambda x: np.maximum(x @ W, 0) @ W.T,
        lambda g, x: (g @ W * (x @ W > 0)) @ W.T,
    )
    for seed in SEEDS:
        gradcheck(pair, np.zeros((2, 3)), seed=seed).raise_if_failed()


def test_a_wrong_rule_behind_a_kink_is_wrong_all_the_same():
    pair = (
        lambda x: np.maximum(x @ W, 0) @ W.T,
        lambda g, x: 2 * (g @ W * (x @ W > 0)) @ W.T,
    )
    x = np.array([[0.0, 0.0, 0.0], [1.0, 0.5, -1.0]])
    assert all(gradcheck(pair, x, seed=seed).stage for seed in SEEDS)


def test_a_wrong_rule_of_an_operation_with_a_kink_is_wrong():
    leaky = tg.primitive(lambda x: np.where(x > 0, x, 0.1 * x), name="leaky")
    leaky.gradients(lambda g, out, x: g * ((x > 0) + 0.1 * (x < 0)))  # 0 at 0: not in [0.1, 1]
    assert all(gradcheck(lambda x: 2.0 * leaky(x), X, seed=seed).stage for seed in SEEDS)


def test_the_magnitude_as_a_primitive_of_the_users_own_may_take_one_side():
    """|x| - |-x|: no complex step goes through it, and each rule may answer with its own side."""
    one_side = tg.primitive(np.abs, name="one_side")
    one_side.gradients(lambda g, out, x: g * tg.where(x >= 0, 1.0, -1.0))
    report = gradcheck(lambda x: one_side(x) - one_side(-x), [0.0, 1.0, -2.0])
    assert report and "By the chain rule" in report["x"].notes[0], report


def test_at_the_top_of_a_hill_rounding_is_no_tie():
    """The cosine of two equal vectors: every gradient is 0, and what is there is rounding."""

    def cosine(a, b):
        return (a * b).sum(-1) / np.sqrt((a * a).sum(-1) * (b * b).sum(-1))

    def backward(g, a, b):
        na, nb = (np.sqrt((x * x).sum(-1, keepdims=True)) for x in (a, b))
        c, g = (a * b).sum(-1, keepdims=True) / na / nb, g[:, None]
        return g * (b / na / nb - c * a / na**2), g * (a / na / nb - c * b / nb**2)

    for shape in ((1, 3), (2, 3), (3, 5), (2, 7)):
        for seed in range(5):
            assert gradcheck((cosine, backward), np.ones(shape), np.ones(shape), seed=seed)
