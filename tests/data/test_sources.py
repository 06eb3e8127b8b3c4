"""A file that is no text is refused by name and line; nothing in a folder is passed over unsaid."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_rnn.data import Vocabulary, manual, read_folder, read_text
from tinygrad_rnn.data.sources import read_lines


@pytest.fixture
def reviews(tmp_path):
    """The layout of the IMDB review set, small."""
    for name in ("pos/1_9.txt", "pos/0_10.txt", "neg/0_2.txt", "unsup/0_0.txt"):
        path = tmp_path / "train" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"review {name}", encoding="utf-8")
    (tmp_path / "train" / "urls_pos.txt").write_text("http://")
    (tmp_path / "train" / "pos" / ".DS_Store").write_bytes(b"\xff\xff")
    return tmp_path / "train"


def test_the_standard_library_has_a_text_to_learn_from():
    text = manual()
    assert len(text) > 400_000
    assert 90 <= len(Vocabulary(text)) <= 130
    assert text == manual()


# ---------------------------------------------------------------- one file
def test_files_that_are_no_text_are_refused_by_name_and_line(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"abc\xff")
    with pytest.raises(ValueError, match=r"a\.txt, line 1: not UTF-8 text \(byte 3 .* is 0xff\)"):
        read_text(path)
    path.write_bytes(b"one\r\ntwo\rthree\n\xc7\xd1\n")
    with pytest.raises(ValueError, match=r"a\.txt, line 4: .* convert it, or give its encoding"):
        read_text(path)
    assert read_text(path, encoding="CP949") == "one\ntwo\nthree\n한\n"
    path.write_text("")
    with pytest.raises(ValueError, match=r"a\.txt is empty$"):
        read_text(path)
    path.write_text(" \n")
    with pytest.raises(ValueError, match=r"a\.txt is empty, but for white space"):
        read_text(path)
    with pytest.raises(FileNotFoundError):
        read_text(tmp_path / "none.txt")


def test_a_byte_order_mark_is_no_text(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbfabc")
    assert read_text(path) == "abc"
    path.write_bytes("한글".encode("utf-16"))
    assert read_text(path, encoding="UTF-16") == "한글"
    path.write_bytes(b"\xef\xbb\xbf")
    with pytest.raises(ValueError, match="is empty"):
        read_text(path)


@given(lines=st.lists(st.text("ab한\x0b\u2028\x85 "), min_size=1), end=st.sampled_from("\n\r "))
def test_lines_are_counted_as_editors_count_them(tmp_path_factory, lines, end):
    path = tmp_path_factory.mktemp("lines") / "a.txt"
    end = "\r\n" if end == " " else end
    path.write_bytes((end.join(["first", *lines]) + end).encode())
    assert read_lines(path) == list(enumerate(["first", *lines], 1))


# ---------------------------------------------------------------- a folder for each class
def test_a_folder_for_each_class(reviews):
    texts, labels = read_folder(reviews, ("pos", "neg"))
    assert texts == ["review neg/0_2.txt", "review pos/0_10.txt", "review pos/1_9.txt"]
    assert labels == ["neg", "pos", "pos"]
    assert Vocabulary(labels).encode(labels).tolist() == [0, 1, 1]
    assert sorted(set(read_folder(reviews)[1])) == ["neg", "pos", "unsup"]


def test_a_class_that_is_not_there_is_named(reviews, tmp_path):
    with pytest.raises(ValueError, match=r"no sub-folder 'good'; .* neg, pos, unsup"):
        read_folder(reviews, ["good", "neg"])
    with pytest.raises(ValueError, match=r"gives no classes to read; .* neg, pos, unsup"):
        read_folder(reviews, [])
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"empty gives no classes to read; .* \(none\)"):
        read_folder(tmp_path / "empty")
    with pytest.raises(FileNotFoundError):
        read_folder(tmp_path / "none")


def test_what_is_no_text_in_a_class_is_named(reviews):
    with pytest.raises(ValueError, match=r"train/neg is not a \.txt file"):
        read_folder(reviews.parent)
    (reviews / "neg" / "notes.md").write_text("x")
    with pytest.raises(ValueError, match=r"notes\.md is not a \.txt file"):
        read_folder(reviews)
    assert read_folder(reviews, ["pos"])[1] == ["pos", "pos"]
    (reviews / "pos" / "2_7.txt").write_bytes(b"fine\n\xff")
    with pytest.raises(ValueError, match=r"2_7\.txt, line 2: not UTF-8"):
        read_folder(reviews, ["pos"])
    (reviews / "unsup" / "0_0.txt").write_bytes(b"")
    with pytest.raises(ValueError, match=r"0_0\.txt is empty"):
        read_folder(reviews, ["unsup"])
    (reviews / "unsup" / "0_0.txt").unlink()
    with pytest.raises(ValueError, match=r"unsup is empty: a class needs at least one \.txt"):
        read_folder(reviews, ["unsup"])


def test_another_suffix_and_encoding(tmp_path):
    (tmp_path / "긍정").mkdir()
    (tmp_path / "긍정" / "a.review").write_bytes("좋아요".encode("cp949"))
    texts, labels = read_folder(tmp_path, suffix=".review", encoding="CP949")
    assert (texts, labels) == (["좋아요"], ["긍정"])
