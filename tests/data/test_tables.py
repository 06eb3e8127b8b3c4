"""What was written comes back, column by column; a bad row is named by file and line."""

import csv
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_rnn.data import read_csv, read_pairs, read_series

CELL = st.text('ab한 ,;"\n\t', min_size=1, max_size=6).filter(str.strip)
TABLE = st.lists(st.tuples(CELL, CELL), min_size=1, max_size=9)


@pytest.fixture(scope="module")
def write(tmp_path_factory):
    path = tmp_path_factory.mktemp("tables") / "reviews.csv"

    def write(content):
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def written(rows, delimiter=","):
    file = io.StringIO(newline="")
    csv.writer(file, delimiter=delimiter, lineterminator="\r\n").writerows(rows)
    return file.getvalue()


# ---------------------------------------------------------------- CSV
@given(rows=TABLE, delimiter=st.sampled_from(",;\t"), bom=st.sampled_from(["", "\ufeff"]))
def test_what_was_written_comes_back(write, rows, delimiter, bom):
    path = write(bom + written([("id", "text", "label"), *((1, *row) for row in rows)], delimiter))
    texts, labels = read_csv(path, "text", "label", delimiter=delimiter)
    assert list(zip(texts, labels, strict=True)) == [(a.strip(), b.strip()) for a, b in rows]
    assert read_csv(path, 2, 1, delimiter=delimiter) == (labels, texts)
    without = write(bom + written(rows, delimiter))
    assert read_csv(without, 0, 1, header=False, delimiter=delimiter) == (texts, labels)


def test_white_space_around_cells_and_blank_lines_at_the_end_mean_nothing(write):
    path = write("text , label\n a film, pos \n\n\n")
    assert read_csv(path, "label", "text") == (["pos"], ["a film"])


def test_older_korean_files(write):
    path = write("본문,분류\n좋아요,긍정\n".encode("cp949"))
    assert read_csv(path, "본문", "분류", encoding="CP949") == (["좋아요"], ["긍정"])


HEAD = "text,label\n"


@pytest.mark.parametrize(
    "content, message",
    [
        (HEAD + "a,b\n" * 5 + "c\n", r"line 7: 1 column, where line 1 has 2"),
        (HEAD + "a,b\na,b,c\n", r"line 3: 3 columns, where line 1 has 2"),
        (HEAD + '"a\nb",x\nc\n', r"line 4: 1 column"),
        (HEAD + "a,b\n\na,b\n", r"line 3: a blank line"),
        (HEAD + "a,b\n , \na,b\n", r"line 3: a blank line"),
        ("\n" + HEAD + "a,b\n", r"line 1: a blank line"),
        (HEAD + "a,b\na, \n", r"line 3: column 'label' is empty"),
        (HEAD + "a,b\n,b\n", r"line 3: column 'text' is empty"),
        (HEAD + 'a,b\n"a,b\nc,d\n', r"line 3: this row is not CSV: unexpected end of data"),
        (HEAD + 'a,b\n"a"b,c\n', r"line 3: this row is not CSV: ',' expected after"),
        ("text;label\na;b\n", r"line 1: no column 'text'; the header is text;label"),
        ("text,text,label\na,b,c\n", r"line 1: more than one column 'text'"),
        (HEAD, r"reviews\.csv has a header and no rows"),
        ("", r"reviews\.csv is empty"),
        (b"text,label\na,b\n\xff,b\n", r"line 3: not UTF-8 text"),
    ],
)
def test_bad_rows_are_named_by_file_and_line(write, content, message):
    with pytest.raises(ValueError, match=r"reviews\.csv.*" + message.removeprefix(r"reviews\.csv")):
        read_csv(write(content), "text", "label")


def test_columns_that_are_not_there(write):
    path = write(HEAD + "a,b\n")
    for column in (2, -1):
        with pytest.raises(ValueError, match=f"line 1: no column {column}: 2 columns, numbered"):
            read_csv(path, 0, column)
    with pytest.raises(ValueError, match="'text' needs a header"):
        read_csv(path, "text", header=False)
    with pytest.raises(ValueError, match="at least one column"):
        read_csv(path)
    with pytest.raises(FileNotFoundError):
        read_csv(path.parent / "none.csv", 0)


# ---------------------------------------------------------------- numbers
@given(st.integers(1, 9), st.integers(0, 99))
def test_numbers_come_back_to_the_last_bit(write, n, seed):
    series = np.random.default_rng(seed).standard_normal((n, 2))
    path = write(
        written([("time", "x", "y"), *((f"day {k}", *row) for k, row in enumerate(series))])
    )
    assert (read_series(path, "x", "y") == series).all()
    assert (read_series(path, 2) == series[:, 1:]).all()


@pytest.mark.parametrize("cell", ["n/a", "nan", "-inf", "1,5"])
def test_what_is_no_number_is_named(write, cell):
    path = write(f'x\n1\n2e3\n"{cell}"\n')
    with pytest.raises(ValueError, match=rf"line 4: column 'x' is '{cell}', which is not a number"):
        read_series(path, "x")
    with pytest.raises(ValueError, match="line 1: column 0 is 'x', which is not a number"):
        read_series(path, 0, header=False)


# ---------------------------------------------------------------- pairs
PLAIN = st.text("ab한 ,;\"'", min_size=1, max_size=6).filter(str.strip)


@given(rows=st.lists(st.tuples(PLAIN, PLAIN, PLAIN), min_size=1), end=st.sampled_from(["", "\n\n"]))
def test_pairs_come_back(write, rows, end):
    path = write("\n".join("\t".join(row) for row in rows) + end)
    first, second, third = ([cell.strip() for cell in column] for column in zip(*rows, strict=True))
    assert read_pairs(path) == (first, second)
    assert read_pairs(path, source=2, target=0) == (third, first)


@pytest.mark.parametrize(
    "content, message",
    [
        ("a\tb\nc d\n", "line 2: 1 column, where line 1 has 2"),
        ("a\tb\nc\td\te\n", "line 2: 3 columns, where line 1 has 2"),
        ("a b\n", "line 1: no column 1: 1 column, numbered from 0 on"),
        ("a\tb\n\nc\td\n", "line 2: a blank line"),
        ("a\tb\n\td\n", "line 2: column 0 is empty"),
        ("a\tb\nc\t \n", "line 2: column 1 is empty"),
        ("\n", "is empty"),
    ],
)
def test_bad_pairs_are_named(write, content, message):
    with pytest.raises(ValueError, match=rf"reviews\.csv.*{message}"):
        read_pairs(write(content))


def test_a_cell_may_be_a_long_text(tmp_path):
    limit = csv.field_size_limit()
    (tmp_path / "a.csv").write_text("text,label\n" + "x" * 200_000 + ",1\n")
    texts, _ = read_csv(tmp_path / "a.csv", "text", "label")
    assert len(texts[0]) == 200_000 and csv.field_size_limit() == limit


def test_numbers_and_delimiters_of_python_and_of_no_table_are_refused(tmp_path):
    (tmp_path / "a.csv").write_text("a\n1_000\n")
    with pytest.raises(ValueError, match="line 2: column 'a' is '1_000', which is not a number"):
        read_series(tmp_path / "a.csv", "a")
    with pytest.raises(ValueError, match=r"delimiter is one letter.* given ',,'"):
        read_csv(tmp_path / "a.csv", "a", delimiter=",,")
