"""The table of cells by length: scores, sequences until solved, and the figures of the papers."""

import pytest

from tinygrad_rnn.experiments import recall
from tinygrad_rnn.experiments.memory import Adding, Copy, Order
from tinygrad_rnn.experiments.recall import Question, compare, tried


def small(task_class, n):
    class Small(task_class):
        pass

    Small.n = n
    return Small


def test_compare_is_a_table():
    question = Question(small(Copy, 40), (1, 2), 1, 0.0, "")
    lines = list(compare(question, ("rnn", "gru")))
    assert lines[:2] == ["| length | RNN | GRU | baseline |", "|---:|---:|---:|---:|"]
    assert [line.split(" ")[1] for line in lines[2:]] == ["1", "2"]
    assert [line.split(" ")[-2] for line in lines[2:]] == ["0.990", "0.945"]
    assert lines == list(compare(question, ("rnn", "gru")))
    assert lines != list(compare(question, ("rnn", "gru"), seed=1))


@pytest.mark.parametrize(("task_class", "enough"), [(Adding, 9.0), (Copy, 9.0), (Order, 0.0)])
def test_a_run_ends_when_it_is_solved(task_class, enough):
    task = small(task_class, 100)(length=20)
    score, sequences = tried(task, "gru", 3, enough, 0)
    assert sequences == 100
    never = -1.0 if not task.higher_is_better else 2.0
    other, sequences = tried(task, "gru", 2, never, 0)
    assert sequences is None
    assert score >= 0 and other >= 0


def test_the_tables_are_printed_with_what_was_published(capsys, monkeypatch):
    for question in recall.QUESTIONS:
        monkeypatch.setattr(question.task, "n", 50)
    monkeypatch.setattr(
        recall,
        "QUESTIONS",
        [Question(q.task, (20,), 1, q.solved, q.published) for q in recall.QUESTIONS],
    )
    recall.main(["--only", "order", "adding"])
    out = capsys.readouterr().out
    assert "order: accuracy" in out and "adding: mean squared error" in out and "copy:" not in out
    assert "31,390" in out and "74,000" in out
