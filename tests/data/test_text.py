"""The same token gives the same integer, and no token is lost on the way."""

import json
import unicodedata

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import tinygrad_rnn as tg
from tinygrad_rnn import functional as F
from tinygrad_rnn.data import Vocabulary, characters, pad_sequences, words

TEXT = words("To be or not to be, that is the question: to be")
TOKENS = st.lists(st.text("abc한", min_size=1, max_size=3), min_size=1, max_size=30)
SPECIAL = st.sampled_from([{}, {"unknown": "<unk>"}, {"unknown": "?", "padding": "<pad>"}])
ORDERS = st.sampled_from(["sorted", "frequency", "given"])


def nfc(text):
    return unicodedata.normalize("NFC", text)


# ---------------------------------------------------------------- tokens
@pytest.mark.parametrize(
    "text, tokens",
    [
        ("", []),
        (" \t\n\u3000", []),
        ("The cat sat.", ["the", "cat", "sat", "."]),
        ("'I am a boy'", ["'", "i", "am", "a", "boy", "'"]),
        ("don't; rock’n’roll; the dogs'", ["don't", ";", "rock’n’roll", ";", "the", "dogs", "'"]),
        ("3.50 or 1,000, then v1.x", ["3.50", "or", "1,000", ",", "then", "v1", ".", "x"]),
        ("snake_case & e-mail", ["snake_case", "&", "e", "-", "mail"]),
        ("Wait...<br />", ["wait", ".", ".", ".", "<", "br", "/", ">"]),
        ("영웅은 죽지 않아요, 너만 빼고!", ["영웅은", "죽지", "않아요", ",", "너만", "빼고", "!"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("می\u200cخواهم", ["می\u200cخواهم"]),
        ("q\u0303x e\u0301", ["q\u0303x", "é"]),
        ("❤\ufe0fok", ["❤\ufe0f", "ok"]),
    ],
)
def test_words_by_the_documented_rule(text, tokens):
    assert words(text) == tokens


def test_case_is_kept_on_request():
    assert words("The THE", lower=False) == ["The", "THE"]
    assert words("The THE") == ["the", "the"]


def test_korean_is_the_same_however_it_was_typed():
    composed, jamo = "영웅은 죽지", unicodedata.normalize("NFD", "영웅은 죽지")
    assert composed != jamo
    assert words(composed) == words(jamo) == ["영웅은", "죽지"]
    assert characters(composed) == characters(jamo) == list("영웅은 죽지")
    assert characters("한", form="NFD") == ["\u1112", "\u1161", "\u11ab"]


@given(st.text())
def test_words_lose_nothing_but_white_space(text):
    tokens = words(text, lower=False)
    assert "".join(tokens) == "".join(nfc(text).split())
    assert all(tokens) and not any(any(c.isspace() for c in token) for token in tokens)


@given(st.text())
def test_words_of_words_are_the_words(text):
    tokens = words(text)
    assert words(" ".join(tokens), lower=False) == words(nfc(" ".join(tokens)), lower=False)
    assert words(unicodedata.normalize("NFD", text), lower=False) == words(text, lower=False)
    assert "".join(characters(text)) == nfc(text)


# ---------------------------------------------------------------- integers
@given(st.text(min_size=1))
def test_encoding_and_decoding_are_inverse(text):
    vocabulary = Vocabulary(text)
    numbers = vocabulary.encode(text)
    assert numbers.shape == (len(text),) and numbers.dtype == np.int64
    assert vocabulary.decode(numbers) == text
    assert sorted(set(numbers.tolist())) == list(range(len(vocabulary)))


@given(TOKENS, SPECIAL, ORDERS)
def test_same_word_same_integer(tokens, special, order):
    vocabulary = Vocabulary(tokens, order=order, **special)
    numbers = vocabulary.encode(tokens)
    assert len(set(zip(tokens, numbers.tolist(), strict=True))) == len(set(tokens))
    assert len(set(numbers.tolist())) == len(set(tokens)) == len(vocabulary) - len(special)
    assert vocabulary.decode(numbers, " ") == " ".join(tokens)
    assert [vocabulary.symbols[k] for k in numbers] == tokens


@given(TOKENS, SPECIAL, st.sampled_from(["left", "right"]))
def test_padding_disappears_again(tokens, special, side):
    vocabulary = Vocabulary(tokens, unknown="?", padding="<pad>")
    assert vocabulary.symbols[:2] == ("<pad>", "?")
    (row,), _ = pad_sequences([vocabulary.encode(tokens)], length=40, side=side)
    assert vocabulary.decode(row, " ") == " ".join(tokens)


def test_the_order_is_sorted_by_frequency_or_as_given():
    tokens = list("bcacbc")
    assert Vocabulary(tokens).symbols == ("a", "b", "c")
    assert Vocabulary(tokens, order="frequency").symbols == ("c", "b", "a")
    assert Vocabulary(tokens, order="given").symbols == ("b", "c", "a")
    assert Vocabulary("zyxw", order="frequency").symbols == tuple("wxyz")  # ties: sorted
    assert Vocabulary("b?a", unknown="?", padding="b", order="given").symbols == ("b", "?", "a")


def test_rare_symbols_are_left_out():
    assert Vocabulary(TEXT, min_count=2).symbols == ("be", "to")
    assert Vocabulary("aabbcd", max_size=3).symbols == ("a", "b", "c")
    small = Vocabulary(TEXT, max_size=4, unknown="<unk>", padding="<pad>", order="frequency")
    assert small.symbols == ("<pad>", "<unk>", "be", "to")
    assert small.encode(["to", "sleep", "be"]).tolist() == [3, 1, 2]
    assert small.decode([0, 0, 3, 1, 2], " ") == "to <unk> be"
    assert Vocabulary("ccbba", max_size=2, order="given").symbols == ("c", "b")


def test_the_notes_vocabulary_of_500_is_500_wide():
    tokens = [f"w{k}" for k in range(900)]
    vocabulary = Vocabulary(tokens, max_size=500, unknown="<unk>", padding="<pad>")
    assert len(vocabulary) == 500
    assert F.one_hot(vocabulary.encode(tokens), 500).shape == (900, 500)


def test_unknown_symbols_are_named():
    with pytest.raises(ValueError, match=r"2 symbols .* 'q' 'z'"):
        Vocabulary("abc").encode("zaq")
    with pytest.raises(ValueError, match=r"2 symbols .* 1 'q'"):
        Vocabulary("abc").encode(["q", 1])


@pytest.mark.parametrize("unknown", [None, "<unk>"])
def test_a_text_where_words_are_expected_is_refused(unknown):
    vocabulary = Vocabulary(TEXT, unknown=unknown)
    with pytest.raises(ValueError, match=r"encode words\(text\)"):
        vocabulary.encode("to be")
    assert vocabulary.encode(words("to be")).tolist() == vocabulary.encode(["to", "be"]).tolist()


@pytest.mark.parametrize(
    "numbers, message",
    [
        ([0, -1], r"numbered 0 \.\.\. 2; given -1 \.\.\. 0"),
        ([3], r"numbered 0 \.\.\. 2; given 3 \.\.\. 3"),
        ([[0]], r"one row of integers; given int64 \(1, 1\)"),
        ([0.5], r"one row of integers; given float64"),
    ],
)
def test_numbers_that_stand_for_nothing_are_refused(numbers, message):
    with pytest.raises(ValueError, match=message):
        Vocabulary("abc").decode(numbers)
    assert Vocabulary("abc").decode([]) == ""


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"unknown": "?", "padding": "?"}, "two symbols; given '\\?' for both"),
        ({"order": "random"}, "order is one of sorted, frequency, given; given 'random'"),
        ({"min_count": 0}, "min_count is at least 1; given 0"),
        ({"max_size": 1, "padding": "_"}, r"max_size 1 leaves no room beside \['_'\]"),
        ({"max_size": 0}, r"max_size 0 leaves no room"),
    ],
)
def test_contradictions_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Vocabulary("abc", **arguments)


@pytest.mark.parametrize("symbols", [["a", 1], 3, None, [None]])
def test_symbols_are_strings(symbols):
    with pytest.raises(TypeError):
        Vocabulary(symbols)
    with pytest.raises(TypeError, match="symbols are strings; given 7"):
        Vocabulary("abc", unknown=7)


# ---------------------------------------------------------------- kept as JSON
@given(TOKENS, SPECIAL, ORDERS)
@example(["a"], {"padding": "a"}, "given")
def test_a_vocabulary_survives_json(tokens, special, order):
    vocabulary = Vocabulary(tokens, order=order, **special)
    again = Vocabulary.from_json(json.loads(json.dumps(vocabulary.to_json())))
    assert again.symbols == vocabulary.symbols
    assert (again.unknown, again.padding) == (vocabulary.unknown, vocabulary.padding)
    assert again.to_json() == vocabulary.to_json()
    assert Vocabulary.from_json(list(Vocabulary(tokens).symbols)).symbols == tuple(
        sorted(set(tokens))
    )


@pytest.mark.parametrize(
    "value, message",
    [
        (None, "a vocabulary is a list of strings, .* given None"),
        ("abc", "a vocabulary is a list of strings"),
        (["a", 1], "a vocabulary is a list of strings"),
        ([["a"]], "a vocabulary is a list of strings"),
        ({"unknown": "?"}, "a vocabulary is a list of strings"),
        ({"symbols": "abc"}, "a vocabulary is a list of strings"),
        ({"symbols": ["a"], "size": 1}, "a vocabulary is a list of strings"),
        ({"symbols": ["a"], "unknown": 1}, "a vocabulary is a list of strings"),
        (["a", "a"], "all different"),
        ({"symbols": ["a", "?"], "unknown": "?"}, "padding and unknown first"),
        ({"symbols": ["a"], "unknown": "?"}, "padding and unknown first"),
    ],
)
def test_what_describes_no_vocabulary_is_refused(value, message):
    with pytest.raises(ValueError, match=message):
        Vocabulary.from_json(value)


def test_it_shows_its_symbols():
    assert repr(Vocabulary("abc")) == "Vocabulary(3 symbols: 'abc' ...)"
    assert repr(Vocabulary(["to", "be"])) == "Vocabulary(2 symbols: 'be to' ...)"


# ---------------------------------------------------------------- one-hot and embedding
@given(st.integers(1, 6), st.integers(1, 5), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_one_hot_times_a_matrix_is_the_embedding(V, T, E, seed):
    rng = np.random.default_rng(seed)
    x = rng.integers(V, size=(T, 3))
    g = rng.standard_normal((T, 3, E))
    layer = tg.nn.Embedding(V, E, rng=rng)
    W = tg.Tensor(layer.weight.data.copy(), requires_grad=True)
    product, looked_up = F.one_hot(x, V) @ W, layer(x)
    assert product.shape == looked_up.shape == (T, 3, E)
    assert (product.data == looked_up.data).all()
    product.backward(g)
    looked_up.backward(g)
    np.testing.assert_allclose(W.grad, layer.weight.grad, rtol=0, atol=1e-13)
