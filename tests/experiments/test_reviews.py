"""The labels of the made texts are right by rules of their own; a bag has nothing to go by."""

import csv
import re
from collections import Counter

import numpy as np
import pytest
from learning import learned

from tinygrad_rnn.experiments.reviews import (
    BAD,
    BAIT,
    GOOD,
    Sentiment,
    Spam,
    disguised,
    logistic_regression,
    shuffled,
)
from tinygrad_rnn.fit import Fit
from tinygrad_rnn.modes import no_grad

TASKS = (Sentiment, Spam)
CLAUSE = re.compile(rf"the \w+ was (not )?({'|'.join(GOOD + BAD)})\b")


@pytest.fixture(scope="module")
def made():
    return {cls: type(cls.__name__, (cls,), {"n": 2000})(seed=3) for cls in TASKS}


@pytest.fixture
def small(monkeypatch):
    for cls in TASKS:
        monkeypatch.setattr(cls, "n", 200)


def all_texts(task):
    return [pair for some in task.texts.values() for pair in zip(*some, strict=True)]


# ---------------------------------------------------------------- data
def praise(match):
    return (match[2] in GOOD) != bool(match[1])


def judged(review):
    """The label, from the positions of the clauses and of "although" and "but" alone."""
    one, two = CLAUSE.finditer(review)
    assert praise(one) != praise(two)
    although = review.find("although")
    assert (although >= 0) != (" but " in review)
    decides = one if although > one.start() else two
    return "pos" if praise(decides) else "neg"


def test_what_follows_but_and_what_stands_without_although_decides(made):
    for review, label in all_texts(made[Sentiment]):
        assert judged(review) == label, review


def test_every_review_has_a_twin_of_the_same_words_and_the_other_label(made):
    for review, label in all_texts(made[Sentiment])[:500]:
        one, two = (match[0] for match in CLAUSE.finditer(review))
        twin = review.replace(one, "#").replace(two, one).replace("#", two)
        assert Counter(twin.split()) == Counter(review.split())
        assert judged(twin) != label


def says(word):
    """A word's letters without digits or doubling, found by trying every bait word as a pattern."""
    look_alike = {"o": "[o0]", "i": "[i1]", "e": "[e3]", "a": "[a4]", "s": "[s5]"}
    for bait in BAIT:
        letters = re.sub(r"(.)\1", r"\1", bait)
        if re.fullmatch("".join(f"(?:{look_alike.get(c, c)})+" for c in letters), word):
            return bait
    return None


def test_spam_has_bait_in_disguise_and_ham_has_not(made):
    for message, label in all_texts(made[Spam]):
        odd = [w for w in re.findall(r"\w+", message) if not w.isdigit() and not w.isalpha()]
        assert len(odd) == 1, message
        assert (says(odd[0]) is not None) == (label == "spam"), message


@pytest.mark.parametrize("word", BAIT)
def test_a_code_has_the_characters_of_the_disguise(word):
    rng = np.random.default_rng(0)
    for _ in range(20):
        spam = disguised(word, rng)
        code = shuffled(spam, rng)
        assert says(spam) == word
        assert says(code) is None
        assert sorted(code) == sorted(spam)


@pytest.mark.parametrize("cls", TASKS)
def test_parts_are_disjoint_balanced_and_seeded(made, cls):
    task = made[cls]
    texts = [text for text, _ in all_texts(task)]
    assert len(set(texts)) == len(texts) == task.n
    assert [len(rows) for rows, _ in task.parts.values()] == [1200, 400, 400]
    for _, labels in task.parts.values():
        assert 0.45 < labels.mean() < 0.55
    assert all_texts(type(task)(seed=3)) == all_texts(task)
    assert all_texts(type(task)(seed=4)) != all_texts(task)


def test_a_bag_of_words_is_at_chance_on_reviews(made):
    _, accuracy = made[Sentiment].baseline()
    assert 0.44 < accuracy < 0.56


def test_the_baseline_learns_what_a_bag_can_say():
    rng = np.random.default_rng(0)
    bags = [rng.permutation(20)[:5] for _ in range(600)]
    y = np.array([int(3 in bag or 7 in bag) for bag in bags])
    W = logistic_regression(bags, y, 20, 2)
    assert np.mean([W[bag].sum(axis=0).argmax() for bag in bags] == y) > 0.98


# ---------------------------------------------------------------- training
@pytest.mark.parametrize("cls", TASKS)
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_the_loss_falls_with_every_cell(cls, cell, small):
    task = cls(seed=0)
    task.parts["train"] = tuple(column[:40] for column in task.parts["train"])  # learned by heart
    run = Fit(task, task.model(cell, np.random.default_rng(0)), epochs=12, lr=1e-2)
    losses = [row.loss for row in run.epochs_left()]
    assert losses[-1] < losses[0] - 0.01
    assert 0 <= run.score("validation") <= 1


@no_grad()
def test_padding_does_not_change_an_answer(small):
    task = Sentiment(seed=0)
    model = task.model("gru", np.random.default_rng(0))
    texts, labels = task.parts["test"]
    alone = [model(x[:, None], np.array([len(x)])).data.argmax() for x in texts]
    np.testing.assert_array_equal(task._right(model, "test"), alone == labels)
    assert task.score(model, "test") == np.mean(alone == labels)


@pytest.mark.parametrize("cls", TASKS)
def test_examples_show_text_label_and_answer(cls, small):
    task = cls(seed=0)
    lines = task.examples(task.model("rnn", np.random.default_rng(0)))
    assert len(lines) == 4
    for line, text, label in zip(lines, *task.texts["test"], strict=False):
        assert text[-50:] in line
        assert f"is {label}, answer " in line


# ---------------------------------------------------------------- the user's own
WORDS = (("yes", "a"), ("no", "b"))
ROWS = [(f"{word} number {k}", label) for k in range(6) for word, label in WORDS]


@pytest.fixture
def table(tmp_path):
    def table(rows):
        path = tmp_path / "texts.csv"
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([("label", "text"), *((b, a) for a, b in rows)])
        return path

    return table


@pytest.mark.parametrize("cls", TASKS)
def test_a_table_of_the_users(cls, table):
    task = cls(source=table([*ROWS, ROWS[0]]))
    assert sorted(all_texts(task)) == sorted(ROWS)  # what comes twice counts once
    run = Fit(task, task.model("gru", np.random.default_rng(0)), epochs=1)
    assert len(list(run.epochs_left())) == 1
    assert 0 <= task.baseline()[1] <= 1
    assert task.examples(run.model)


def test_a_folder_of_the_users_in_the_layout_of_imdb(tmp_path):
    for k, name in enumerate(["neg", "pos", "unsup"] * 4):
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / f"{k}.txt").write_text("so " * 200 + f"ends it, {name} {k}")
    (tmp_path / "imdb.vocab").write_text("not a class")
    task = Sentiment(source=tmp_path)
    assert task.classes.symbols == ("neg", "pos")
    assert {len(row) for rows, _ in task.parts.values() for row in rows} == {Sentiment.longest}
    end = task.vocabulary.decode(task.parts["train"][0][0][-5:-2], " ")
    assert end == "ends it ,"  # a long text keeps its end


@pytest.mark.parametrize("cls", TASKS)
def test_sources_that_cannot_be_learned_from(cls, table, tmp_path):
    with pytest.raises(ValueError, match=r"two classes or more.*\{'a': 6\}"):
        cls(source=table(ROWS[::2]))
    with pytest.raises(ValueError, match="at least 3 different"):
        cls(source=table(ROWS[:3]))
    with pytest.raises(ValueError, match="gives no classes"):
        cls(source=tmp_path)
    with pytest.raises(OSError, match=r"none\.csv"):
        cls(source=tmp_path / "none.csv")


@pytest.mark.slow
@pytest.mark.parametrize("cls", TASKS)
def test_it_learns_to_beat_the_baseline_clearly(cls):
    task = cls(seed=0)
    score, _ = learned(task, 0.93)
    assert score > 0.9
    assert score > task.baseline()[1] + 0.15


@pytest.mark.slow
def test_a_plain_rnn_that_starts_orthogonal_beats_the_bag_on_spam():
    task = Spam(seed=0)
    score, _ = learned(task, task.baseline()[1] + 0.08, cell="rnn")
    assert score > task.baseline()[1] + 0.05
