"""Pairs are right by an independent rule, writing follows the model, and attention pays."""

from datetime import date, datetime

import numpy as np
import pytest
from learning import learned

from tinygrad_rnn.experiments.translate import (
    END,
    Dates,
    EncoderDecoder,
    Numbers,
    NumbersPlain,
    beam,
    date_formats,
    english,
    greedy,
    korean,
)
from tinygrad_rnn.fit import Fit

FEW = {"train": 96, "validation": 20, "test": 20}
CELLS = ("rnn", "lstm", "gru")


def few(task_class, **settings):
    return type("Few", (task_class,), {"sizes": FEW, "hidden": 16, "batch": 32})(**settings)


# ---------------------------------------------------------------- data
def test_python_reads_the_dates_as_we_do():
    patterns = (
        "%d %B %Y", "%A, %B %d, %Y", "%d.%m.%Y", "%m/%d/%Y", "%Y년 %m월 %d일", "%y. %m. %d.",
        "%Y%m%d", "%y%m%d",
    )  # fmt: skip
    for day in (date(2024, 3, 7), date(1999, 12, 31), date(2000, 2, 29)):
        for text, pattern in zip(date_formats(day), patterns, strict=True):
            assert datetime.strptime(text, pattern).date() == day


@pytest.mark.parametrize(
    ("n", "words", "hangul"),
    [
        (0, "zero", "영"),
        (11, "eleven", "십일"),
        (21, "twenty-one", "이십일"),
        (100, "one hundred", "백"),
        (1001, "one thousand and one", "천일"),
        (10000, "ten thousand", "만"),
        (11111, "eleven thousand one hundred and eleven", "만천백십일"),
        (200340, "two hundred thousand three hundred and forty", "이십만삼백사십"),
    ],
)
def test_numbers_in_words(n, words, hangul):
    assert (english(n), korean(n)) == (words, hangul)


def test_korean_numerals_add_up():
    values = dict(zip("일이삼사오육칠팔구", range(1, 10), strict=True))
    units = {"십": 10, "백": 100, "천": 1000}

    def group(text):
        total, digit = 0, None
        for letter in text:
            if letter in units:
                total, digit = total + (digit or 1) * units[letter], None
            else:
                digit = values[letter]
        return total + (digit or 0)

    for n in np.random.default_rng(0).integers(1, 10**6, 300).tolist():
        high, man, low = korean(n).rpartition("만")
        assert ((group(high) or 1) * 10000 if man else 0) + group(low) == n


@pytest.mark.parametrize("task_class", [Dates, Numbers])
def test_parts_share_no_answer_and_the_seed_decides(task_class):
    task, same, other = few(task_class), few(task_class), few(task_class, seed=1)
    targets = [set(task.parts[part].targets) for part in FEW]
    assert [len(some) for some in targets] == list(FEW.values())
    assert not (targets[0] & targets[1] or targets[0] & targets[2] or targets[1] & targets[2])
    assert task.parts["test"].sources == same.parts["test"].sources != other.parts["test"].sources


def test_what_is_told_is_what_was_wanted_one_step_later():
    task = few(Numbers)
    for told, wanted, steps, answer in zip(
        task.told, task.wanted, task.steps, task.parts["train"].targets, strict=True
    ):
        assert steps == len(answer) + 1 and wanted[steps - 1] == END == told[0]
        assert (told[1:steps] == wanted[: steps - 1]).all() and (wanted[steps:] < 0).all()
        assert task.target_symbols.decode(wanted[: steps - 1]) == answer


# ---------------------------------------------------------------- the model
@pytest.mark.parametrize("attention", [True, False])
@pytest.mark.parametrize("cell", CELLS)
def test_padding_changes_no_score(cell, attention):
    rng = np.random.default_rng(0)
    model = EncoderDecoder(cell, 5, 4, 8, attention=attention, rng=rng)
    x, y = rng.integers(1, 5, (6, 2)), rng.integers(0, 4, (3, 2))
    together = model(x, np.array([6, 2]), y).data
    alone = model(x[:2, 1:], np.array([2]), y[:, 1:]).data
    assert together.dtype == np.float32
    np.testing.assert_allclose(together[:, 1:], alone, atol=1e-6)


@pytest.mark.parametrize("task_class", [Numbers, NumbersPlain])
@pytest.mark.parametrize("cell", CELLS)
def test_the_loss_falls_with_every_cell(cell, task_class):
    task = few(task_class)
    run = Fit(task, task.model(cell, np.random.default_rng(0)), epochs=4)
    losses = [row.loss for row in run.epochs_left()]
    assert losses[-1] < losses[0]
    assert 0 <= run.score("test") <= 1


@pytest.mark.parametrize("cell", CELLS)
def test_a_beam_of_one_is_greedy_and_a_full_one_finds_the_likeliest(cell):
    model = EncoderDecoder(cell, 5, 3, 8, rng=np.random.default_rng(1))
    model.output.bias.data[END] += 1
    x = np.array([1, 2, 3])
    symbols = greedy(model, x[:, None], np.array([3]), 3)[:, 0]
    ((score, written),) = beam(model, x, 3, width=1)
    assert written == tuple(symbols[symbols != END].tolist())
    everything = beam(model, x, 3, width=27)
    assert everything[0][0] >= score
    ended = [both for both in everything if len(both[1]) < 3]
    assert len(ended) == 1 + 2 + 4  # all that two symbols and an END within three steps can be
    y = np.array([[END], *([s] for s in ended[1][1])])
    memory, state = model.encode(x[:, None], np.array([3]))
    scores = model.decode(y, state, memory)[0].data[:, 0].astype(float)
    chances = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    path = [*ended[1][1], END]
    assert ended[1][0] == pytest.approx(sum(chances[t, s] for t, s in enumerate(path)), abs=1e-5)
    with pytest.raises(ValueError, match="at least 1 wide"):
        beam(model, x, 3, width=0)


def test_greedy_writes_nothing_after_the_end():
    model = EncoderDecoder("gru", 5, 3, 8, rng=np.random.default_rng(2))
    rows = greedy(model, np.ones((4, 6), int), np.arange(6) % 4 + 1, 9)
    assert len(rows) <= 9
    for row in rows.T:
        assert not row[np.cumsum(row == END) > 0].any()


# ---------------------------------------------------------------- baseline, own data
def test_the_baseline_learns_what_ngrams_tell(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("\n".join(f"{a}{b}\t{b}" for a in "abcde" for b in "xyz" for _ in range(4)))
    task = Numbers(source=path)
    assert task.baseline()[1] == 1.0


def test_own_pairs(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("".join(f"{english(n)}\t{n}\n" for n in range(20)), encoding="UTF-8")
    task = Dates(source=path)
    assert [len(task.parts[part].targets) for part in FEW] == [16, 2, 2]
    model = task.model("gru", np.random.default_rng(0))
    assert 0 <= task.score(model, "test") <= 1
    assert len(task.examples(model)) == 3
    path.write_text("one\t1\ntwo\n", encoding="UTF-8")
    with pytest.raises(ValueError, match="line 2"):
        Dates(source=path)
    path.write_text("one\t1\n", encoding="UTF-8")
    with pytest.raises(ValueError, match="at least 10"):
        Dates(source=path)


@pytest.mark.slow
@pytest.mark.parametrize("task_class", [Dates, Numbers, NumbersPlain])
def test_it_learns_to_beat_the_baseline(task_class):
    task = task_class()
    score, _ = learned(task, (1 + task.baseline()[1]) / 2)
    assert task.beats_baseline(score)
