"""How long does a cell remember? RNN, LSTM and GRU by length, beside the published figures.

`python -m tinygrad_rnn.experiments.recall` prints three tables (about ten minutes on one core). A
run ends when the validation part is solved; then the number of sequences it took, repeated ones
counted again, stands in brackets: the measure of the published figures.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..fit import Fit
from .memory import Adding, Copy, Order

CELLS = ("rnn", "lstm", "gru")


@dataclass(frozen=True)
class Question:
    """One table: which task, at which lengths, how long to try, and what others found.

    `solved` is the validation score at which a run ends.
    """

    task: type[Adding] | type[Copy] | type[Order]
    lengths: tuple[int, ...]
    epochs: int
    solved: float
    published: str


QUESTIONS = (
    Question(
        Adding, (50, 100, 200), 30, 0.002,
        "Hochreiter & Schmidhuber 1997, Table 7: an LSTM of 93 weights needed 74,000 sequences at"
        " T = 100 (1 of 2,560 wrong), 209,000 at T = 500 (0 wrong), 853,000 at T = 1,000 (1 wrong)."
        " There numbers are in [-1, 1], the marks among the first T/2, and an answer is right"
        " within a 25th of the sum's range (0.08 here).",
    ),
    Question(
        Copy, (5, 10, 20), 10, 0.01,
        "Arjovsky et al. 2016 train with T = 100 to 500 on 100,000 sequences; what they compare"
        " with is our baseline, 10 ln 8 / (T + 20), for who remembers nothing.",
    ),
    Question(
        Order, (50, 100, 200), 20, 1.0,
        "Hochreiter & Schmidhuber 1997, Table 9, task 6a: an LSTM of 156 weights needed 31,390"
        " sequences at length 100 to 110, and 1 of 2,560 was wrong.",
    ),
)  # fmt: skip


def compare(question: Question, cells: Sequence[str] = CELLS, *, seed: int = 0) -> Iterator[str]:
    """The lines of a table in Markdown, each as soon as it is known: a row for each length.

    A column for each cell: the test part's score, and in brackets the sequences that it took until
    the validation part was solved, if it was.
    """
    yield "| length | " + " | ".join(cell.upper() for cell in cells) + " | baseline |"
    yield "|---:|" + "---:|" * (len(cells) + 1)
    for length in question.lengths:
        task = question.task(seed=seed, length=length)
        found = []
        for cell in cells:
            score, sequences = tried(task, cell, question.epochs, question.solved, seed)
            found.append(f"{score:.4f}" + (f" ({sequences:,})" if sequences else ""))
        yield f"| {length} | {' | '.join(found)} | {task.baseline()[1]:.3f} |"


def tried(
    task: Adding | Copy | Order, cell: str, epochs: int, solved: float, seed: int
) -> tuple[float, int | None]:
    """(the best weights' score on the test part, the sequences until solved or None)."""
    run = Fit(task, task.model(cell, np.random.default_rng([seed, 1])), epochs=epochs, seed=seed)
    sequences = None
    for row in run.epochs_left():
        if row.score >= solved if task.higher_is_better else row.score <= solved:
            sequences = row.epoch * task.n
            break
    run.use_best()
    return run.score("test"), sequences


def main(argv: Sequence[str] | None = None) -> None:
    """Print the tables."""
    names = [question.task.name for question in QUESTIONS]
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="+", choices=names, default=names)
    parser.add_argument("--seed", type=int, default=0, help="of data, weights and order")
    options = parser.parse_args(argv)
    for question in QUESTIONS:
        if question.task.name in options.only:
            print(
                f"\n{question.task.name}: {question.task.metric} on the test part (sequences until"
                f" {question.solved:g} on the validation part)\n"
            )
            _print_each(compare(question, seed=options.seed))
            print(f"\nPublished: {question.published}")


def _print_each(lines: Iterable[str]) -> None:
    for line in lines:
        print(line, flush=True)


if __name__ == "__main__":
    main()
