"""How a diagnosis is judged: is there one, how sure is it, and does it say what was done wrong?

An explanation counts as right if its sentence matches every pattern of the mistake. "One of k"
names k hypotheses that give the same numbers in every case that was tried, so nothing can tell them
apart: it counts if the first of them is right, which is what a reader sees first, or if another is
and k is at most 4. "certain" and not right is the one thing that must never happen.

Read next: `__main__.py`, the table.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from time import process_time

import tinygrad_rnn as tg

from .entry import Mistake

MOST = 4  # of a longer list only the first counts


@dataclass(frozen=True)
class Row:
    """What the check said about one mistake.

    Attributes:
        stage: where the check failed it; "passed", "undecided" or "raises" if it did not.
        word: how sure the diagnosis is; "-" where there is none.
        sentence, others: what it says, and what else it could be.
        seconds: of the processor, for the check with its diagnosis, and without.
    """

    mistake: Mistake
    stage: str
    word: str
    sentence: str
    others: tuple[str, ...]
    seconds: tuple[float, float]

    @property
    def found(self) -> bool:
        return self.stage not in ("passed", "undecided", "raises")

    @property
    def right(self) -> bool:
        """Whether it explains the mistake."""
        if self.word in ("-", "unknown"):
            return False
        every = list(dict.fromkeys([self.sentence, *self.others]))
        said = every if self.word == "one of k" and len(every) <= MOST else every[:1]
        return any(map(self.mistake.explained_by, said))

    @property
    def certain_and_wrong(self) -> bool:
        return self.word == "certain" and not self.right

    @property
    def diagnosis_seconds(self) -> float:
        """What stage 7 takes."""
        return max(0.0, self.seconds[0] - self.seconds[1])


def examine(mistake: Mistake, seed: int = 0) -> Row:
    """Check the wrong backward once, and write down what was said."""
    inputs = mistake.inputs(seed)
    start = process_time()
    try:
        report = tg.gradcheck(mistake.pair, *inputs, seed=seed, cases=mistake.cases(seed))
    except Exception as error:  # a check that breaks has found nothing; the table goes on
        return Row(mistake, "raises", "-", repr(error), (), (process_time() - start, 0.0))
    middle = process_time()
    tg.gradcheck(mistake.pair, *inputs, seed=seed, diagnose=False)
    seconds = middle - start, process_time() - middle
    diagnosis = report.diagnosis
    stage = "passed" if report else report.stage or "undecided"
    if diagnosis is None:
        return Row(mistake, stage, "-", "-", (), seconds)
    word = "one of k" if re.match("one of", diagnosis.word) else diagnosis.word
    said = diagnosis.sentence, tuple(map(str, diagnosis.alternatives))
    return Row(mistake, stage, word, *said, seconds)


def examine_all(mistakes: Iterable[Mistake], seed: int = 0) -> list[Row]:
    return [examine(m, seed) for m in mistakes]


def share(rows: Iterable[Row]) -> float:
    """The share of mistakes that are explained right."""
    return statistics.fmean(row.right for row in rows)


def totals(rows: list[Row]) -> list[str]:
    """The sums under the table."""
    lines = [f"found: {sum(r.found for r in rows)} of {len(rows)}"]
    parts = {
        "overall": rows,
        "known": [r for r in rows if not r.mistake.held_out],
        "held out": [r for r in rows if r.mistake.held_out],
    }
    for name, some in parts.items():
        if some:
            right = sum(r.right for r in some)
            lines.append(f"explained right, {name}: {right} of {len(some)} ({share(some):.1%})")
    words = dict.fromkeys(r.word for r in rows)
    for word in words:
        some = [r for r in rows if r.word == word]
        lines.append(f"said {word!r}: {len(some)}, of them right: {sum(r.right for r in some)}")
    lines.append(f"certain and wrong: {sum(r.certain_and_wrong for r in rows)}")
    times = [r.diagnosis_seconds * 1e3 for r in rows]
    lines.append(
        "the diagnosis takes (the check itself not counted)"
        f" mean {statistics.fmean(times):.0f} ms, at most {max(times):.0f} ms"
    )
    return lines
