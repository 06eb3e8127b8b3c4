"""Sentences and sequences come back whole; a bad line is named by file and number."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_rnn.data import read_conll, read_fasta

WORD = st.text("ab한.-", min_size=1, max_size=4)
SENTENCES = st.lists(st.lists(st.tuples(WORD, WORD, WORD), min_size=1, max_size=5), min_size=1)


@pytest.fixture(scope="module")
def write(tmp_path_factory):
    path = tmp_path_factory.mktemp("records") / "a.txt"

    def write(content):
        path.write_bytes(content.encode())
        return path

    return write


# ---------------------------------------------------------------- CoNLL
@given(SENTENCES, st.sampled_from([" ", "\t"]), st.sampled_from(["\n", "\n \n\n"]))
def test_tagged_sentences_come_back(write, sentences, separator, between):
    text = between.join(
        "# a comment\n" + "".join(separator.join(row) + "\n" for row in sentence)
        for sentence in sentences
    )
    path = write(text)

    def column(k):
        return [[row[k] for row in sentence] for sentence in sentences]

    assert read_conll(path) == (column(0), column(2))
    assert read_conll(path, token=1, tag=0) == (column(1), column(0))
    assert read_conll(path, -3, -2, separator=separator) == (column(0), column(1))


def test_documents_are_marked_and_marks_are_no_sentences(write):
    path = write(
        "-DOCSTART- -X- O\n\nEU NNP B-ORG\nrejects VBZ O\n\n-DOCSTART- -X- O\n\nPeter NNP B-PER\n"
    )
    sentences, tags = read_conll(path)
    assert sentences == [["EU", "rejects"], ["Peter"]]
    assert tags == [["B-ORG", "O"], ["B-PER"]]


def test_universal_dependencies(write):
    path = write("# sent_id = 1\n# text = New York\n1\tNew York\t_\tPROPN\n2\t#\t_\tSYM\n")
    assert read_conll(path, token=1, tag=3, separator="\t") == (
        [["New York", "#"]],
        [["PROPN", "SYM"]],
    )


def test_a_number_sign_can_be_a_token(write):
    path = write("# about\n#news O\nhere O\n# O\n\n# also about\nyes O\n")
    assert read_conll(path)[0] == [["#news", "here", "#"], ["yes"]]
    path = write("# O\nyes O\n")
    assert read_conll(path, comment=None)[0] == [["#", "yes"]]
    assert read_conll(path)[0] == [["yes"]]


@pytest.mark.parametrize(
    "content, message",
    [
        ("a O\nb\n", "line 2: 1 columns, where line 1 has 2: 'b'"),
        ("# x\na O\n\nb X O\n", "line 4: 3 columns, where line 2 has 2: 'b X O'"),
        ("a O\n# a remark inside\n", "line 2: 4 columns, where line 1 has 2"),
        ("#remark\na O\n", "line 2: 2 columns, where line 1 has 1"),
        ("# only\n# remarks\n\n", "a.txt has no sentences in it"),
        ("-DOCSTART- O\n", "a.txt has no sentences in it"),
        ("", "a.txt is empty"),
    ],
)
def test_bad_rows_are_named_by_file_and_line(write, content, message):
    with pytest.raises(ValueError, match=message if "a.txt" in message else f"a.txt, {message}"):
        read_conll(write(content))


def test_columns_that_are_not_there_and_cells_that_are_empty(write):
    path = write("a\tO\nb\t\n")
    with pytest.raises(ValueError, match=r"a\.txt, line 1: no column 2 for the tag: there are 2"):
        read_conll(path, tag=2)
    with pytest.raises(ValueError, match=r"line 1: no column -3 for the token: there are 2"):
        read_conll(path, token=-3)
    with pytest.raises(ValueError, match=r"line 2: the token or its tag is empty: 'b\\t'"):
        read_conll(path, separator="\t")
    with pytest.raises(ValueError, match=r"line 2: 1 columns"):
        read_conll(path)
    with pytest.raises(ValueError, match=r"line 1: the token or its tag is empty"):
        read_conll(write("\tO\n"), separator="\t")


# ---------------------------------------------------------------- FASTA
@given(
    st.lists(st.tuples(WORD, st.text("ACGTacgtN*-", min_size=1, max_size=20)), min_size=1),
    st.integers(1, 7),
    st.sampled_from(["\n", "\r\n", "\n\n"]),
)
def test_sequences_come_back(write, records, width, end):
    lines = []
    for name, letters in records:
        lines += [f">{name}", *(letters[k : k + width] for k in range(0, len(letters), width))]
    names, sequences = read_fasta(write(end.join(lines) + end))
    assert names == [name for name, _ in records]
    assert sequences == [letters.upper() for _, letters in records]


def test_the_whole_line_is_the_name(write):
    assert read_fasta(write("> sp|P1| Insulin [human] \nMALW\n"))[0] == ["sp|P1| Insulin [human]"]


@pytest.mark.parametrize(
    "content, message",
    [
        ("ACGT\n>a\n", r"a\.txt, line 1: 'ACGT' stands before the first line '>name'"),
        (">a\nACGT\n>\nAC\n", r"a\.txt, line 3: a sequence without a name"),
        (">a\n>b\nAC\n", r"a\.txt, line 1: the sequence 'a' has no letters"),
        (">a\nAC\n>b\n", r"a\.txt, line 3: the sequence 'b' has no letters"),
        (">a\nAC\nAC1T\n", r"a\.txt, line 3: '1', letter 3, is not one of"),
        (">a\nAC GT\n", r"a\.txt, line 2: ' ', letter 3, is not one of"),
        ("", r"a\.txt is empty"),
    ],
)
def test_bad_sequences_are_named_by_file_and_line(write, content, message):
    with pytest.raises(ValueError, match=message):
        read_fasta(write(content))


def test_a_strict_alphabet(write):
    path = write(">a\nACGT\nacgn\n")
    assert read_fasta(path)[1] == ["ACGTACGN"]
    with pytest.raises(ValueError, match="line 3: 'N', letter 4, is not one of 'ACGT'"):
        read_fasta(path, alphabet="ACGT")


def test_a_letter_whose_capital_is_another_letter_is_illegal(tmp_path):
    (tmp_path / "a.fasta").write_text(">a\nACG\n>b\nAß\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"a\.fasta, line 4: 'ß', letter 2, is not one of"):
        read_fasta(tmp_path / "a.fasta")
