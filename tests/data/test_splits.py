"""Every example is on one side, rows stay together, and a seed decides which side."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_rnn.data import shuffled_split, split

SHARE = st.floats(0.01, 0.99)


def test_held_out_text_is_the_end():
    training, held_out = split(np.arange(25), 0.2)
    assert training.tolist() + held_out.tolist() == list(range(25))
    assert len(held_out) == 5
    assert len(split(np.arange(25), 0)[1]) == 0


@pytest.mark.parametrize("share", [-0.1, 1, 20, float("nan")])
def test_a_share_is_a_share(share):
    with pytest.raises(ValueError, match="0 <= held_out < 1; given"):
        split(np.arange(9), share)
    with pytest.raises(ValueError, match="0 < held_out < 1; given"):
        shuffled_split(np.arange(9), held_out=share, rng=0)


@given(st.integers(2, 50), SHARE, st.integers(0, 99))
def test_every_example_is_on_one_side(n, held_out, seed):
    columns = np.arange(n), [str(k) for k in range(n)], np.arange(2 * n).reshape(n, 2)
    (x, names, pairs), (x2, names2, pairs2) = shuffled_split(*columns, held_out=held_out, rng=seed)
    assert sorted([*x.tolist(), *x2.tolist()]) == list(range(n))
    assert len(x2) == min(max(round(n * held_out), 1), n - 1)
    assert names + names2 == [str(k) for k in (*x, *x2)]
    assert np.concatenate([pairs, pairs2])[:, 0].tolist() == [2 * k for k in (*x, *x2)]


@given(st.lists(st.integers(2, 15), min_size=1, max_size=4), SHARE, st.integers(0, 99))
def test_stratified_every_class_has_its_share(sizes, held_out, seed):
    labels = [f"class {k}" for k, size in enumerate(sizes) for _ in range(size)]
    (x, y), (x2, y2) = shuffled_split(
        np.arange(len(labels)), labels, held_out=held_out, stratify=labels, rng=seed
    )
    assert sorted([*x.tolist(), *x2.tolist()]) == list(range(len(labels)))
    assert y + y2 == [labels[k] for k in (*x, *x2)]
    for k, size in enumerate(sizes):
        assert y2.count(f"class {k}") == min(max(round(size * held_out), 1), size - 1)


def test_a_seed_repeats_a_generator_moves_on_and_both_sides_are_shuffled():
    def parts(rng, **how):
        return [p[0].tolist() for p in shuffled_split(np.arange(60), held_out=0.5, rng=rng, **how)]

    for how in ({}, {"stratify": np.arange(60) % 3}):
        assert parts(1, **how) == parts(1, **how) == parts(np.random.default_rng(1), **how)
        assert parts(1, **how) != parts(2, **how)
        rng = np.random.default_rng(1)
        assert parts(rng, **how) != parts(rng, **how)
        assert all(part != sorted(part) for part in parts(1, **how))


@pytest.mark.parametrize(
    "message, columns, how",
    [
        (r"given lengths \[\]", (), {}),
        (r"given lengths \[3, 2\]", ([1, 2, 3], [1, 2]), {}),
        (r"given lengths \[3, 1\]", ([1, 2, 3],), {"stratify": ["a"]}),
        ("the whole has 1 examples", ([1],), {}),
        ("class 'b' has 1 examples: to be on both sides", ([1, 2, 3],), {"stratify": "aab"}),
    ],
)
def test_what_cannot_be_parted_is_refused(message, columns, how):
    if "stratify" in how:
        how = {"stratify": list(how["stratify"])}
    with pytest.raises(ValueError, match=message):
        shuffled_split(*columns, rng=0, **how)
