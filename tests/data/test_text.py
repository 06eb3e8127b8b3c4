"""The same text gives the same integers, and no symbol is lost or read twice."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_rnn.data import Vocabulary, manual, read_text, sequential_batches, split


def test_the_standard_library_has_a_text_to_learn_from():
    text = manual()
    assert len(text) > 400_000
    assert 90 <= len(Vocabulary(text)) <= 130
    assert text == manual()


@given(st.text(min_size=1))
def test_encoding_and_decoding_are_inverse(text):
    vocabulary = Vocabulary(text)
    numbers = vocabulary.encode(text)
    assert numbers.shape == (len(text),)
    assert vocabulary.decode(numbers) == text
    assert sorted(set(numbers.tolist())) == list(range(len(vocabulary)))


def test_unknown_symbols_are_named():
    with pytest.raises(ValueError, match=r"2 symbols .* 'q' 'z'"):
        Vocabulary("abc").encode("zaq")


def test_held_out_text_is_the_end():
    training, held_out = split(np.arange(25), 0.2)
    assert training.tolist() + held_out.tolist() == list(range(25))
    assert len(held_out) == 5


@given(st.integers(2, 60), st.integers(1, 5), st.integers(1, 7))
def test_rows_carry_on_and_targets_are_one_later(n, B, T):
    numbers = np.arange(n)
    if (n - 1) // B < 1:
        with pytest.raises(ValueError, match="too few"):
            list(sequential_batches(numbers, B, T))
        return
    inputs, targets = zip(*sequential_batches(numbers, B, T), strict=True)
    rows = np.concatenate(inputs).T
    assert (rows + 1 == np.concatenate(targets).T).all()
    assert (np.diff(rows, axis=1) == 1).all()
    assert all(x.shape[0] == T for x in inputs[:-1])
    left_over = n - 1 - rows.size
    assert 0 <= left_over < B


def test_files_that_are_no_text_are_refused_by_name(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"abc\xff")
    with pytest.raises(ValueError, match=r"a\.txt is not UTF-8 text \(byte 3\)"):
        read_text(path)
    path.write_text("")
    with pytest.raises(ValueError, match="empty"):
        read_text(path)
    with pytest.raises(FileNotFoundError):
        read_text(tmp_path / "none.txt")
    path.write_bytes(b"\xef\xbb\xbfabc")
    assert read_text(path) == "abc"
