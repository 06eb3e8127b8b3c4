"""What a gradient check found, as data that prints itself: a line an input, then the reasons.

As text, as HTML in Jupyter, as JSON, and as a drawing of the forward with the wrong edges red.
"""

from __future__ import annotations

import html
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ..arraylike import Array
from .diagnose.diagnosis import Diagnosis

STAGES = ("setting", "contract", "linearity", "direction")


@dataclass
class Result:
    """What was found about one input.

    Attributes:
        name, shape: the input's; `index` is its place among the arguments of f.
        verdict: "right", "wrong", or "not compared": an earlier stage failed, or it could not be
            decided here, and a note says why.
        stage: where it went wrong: "contract", "linearity" or "direction"; None if it did not.
        digits: how many digits of the gradient agree with the truth; None if that cannot be said.
        yours, true: the gradient that was computed and the true one, for the random dL/dy of this
            check; of a large input only the entries that were looked at (the others are nan).
        worst: the index of the entry that is furthest off.
        reason: one sentence; `smallest` another: the smallest case that fails.
        seen: whether the reason is what was done wrong, as it was observed: a tie is split wrongly.
        notes: what does not change the verdict but should be known.
    """

    name: str
    shape: tuple[int, ...]
    index: int
    verdict: str = "not compared"
    stage: str | None = None
    digits: float | None = None
    yours: Array | None = None
    true: Array | None = None
    worst: tuple[int, ...] | None = None
    reason: str = ""
    smallest: str = ""
    seen: bool = False
    notes: list[str] = field(default_factory=list)

    def fail(self, stage: str, reason: str) -> None:
        """The first thing that is found wrong stands."""
        if self.stage is None:
            self.verdict, self.stage, self.reason = "wrong", stage, reason

    @property
    def worst_values(self) -> tuple[float, float, float] | None:
        """(yours, true, ratio) at the worst entry; None if nothing was compared."""
        if self.worst is None or self.yours is None or self.true is None:
            return None
        yours, true = float(self.yours[self.worst]), float(self.true[self.worst])
        return yours, true, yours / true if true else math.copysign(math.inf, yours)

    def row(self) -> tuple[str, str, str, str, str]:
        """Name, shape, verdict, digits, worst entry: as text."""
        digits = "" if self.digits is None else f"{math.floor(self.digits)} digits"
        values = self.worst_values
        worst = ""
        if values is not None and self.worst is not None:
            yours, true, ratio = values
            at = f"[{', '.join(map(str, self.worst))}] " if self.worst else ""
            n = 6 if abs(ratio - 1) > 1e-4 else 12
            worst = f"{at}yours {yours:.{n}g}, true {true:.{n}g}, ratio {ratio:.{n - 2}g}"
        verdict = self.verdict.upper() if self.verdict == "wrong" else self.verdict
        return self.name, str(self.shape), verdict, digits, worst


@dataclass
class Report:
    """The answer of `gradcheck`: true if every gradient is right; prints itself, also in Jupyter.

    Attributes:
        function: the name of f.
        results: one `Result` for each input that was checked; after them, for order 2, one for each
            input of the gradient, whose names begin with "d/d".
        oracle: where the truth came from, and how well it sees.
        problems: (stage, sentence) of what is wrong and belongs to no single input.
        notes: what does not change the verdict but should be known.
        diagnosis: why a gradient is wrong, and how sure that is; None where none is.
        located: of a wrong function of Tensors the operations that are wrong, with their lines:
            `Finding`s, see `tg.locate`.
    """

    function: str
    results: list[Result]
    oracle: str
    seed: int
    order: int = 1
    problems: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    diagnosis: Diagnosis | None = None
    located: list[Any] = field(default_factory=list)

    @property
    def stage(self) -> str | None:
        """The first stage that failed, or None."""
        failed = [s for s, _ in self.problems] + [r.stage for r in self.results if r.stage]
        return min(failed, key=STAGES.index) if failed else None

    def __bool__(self) -> bool:
        return not self.problems and all(r.verdict == "right" for r in self.results)

    def __getitem__(self, name: str) -> Result:
        """The result for the input of that name."""
        for result in self.results:
            if result.name == name:
                return result
        raise KeyError(f"no input {name!r}; there are {', '.join(r.name for r in self.results)}")

    def raise_if_failed(self) -> Report:
        """Returns the report if every gradient is right.

        Raises:
            AssertionError: with the report as its text; also if something could not be compared.
        """
        if not self:
            raise AssertionError("\n" + str(self))
        return self

    def fail(self, stage: str, sentence: str) -> None:
        """Enter something wrong that belongs to no single input."""
        self.problems.append((stage, sentence))

    # ------------------------------------------------------------ as text
    def headline(self) -> str:
        """One line: what was checked, and the verdict."""
        what = "gradient" if self.order == 1 else "first and second derivatives"
        if self:
            return f"{self.function}: {what} right"
        stage = self.stage
        if stage is None:
            return f"{self.function}: {what} NOT COMPARED everywhere: no verdict"
        return f"{self.function}: {what} WRONG (found at stage {STAGES.index(stage) + 1}, {stage})"

    def reasons(self) -> Iterator[str]:
        """The smallest failing case, the diagnosis, a sentence for each thing, then the notes."""
        failing = [r for r in self.results if r.smallest]
        for r in sorted(failing, key=lambda r: math.prod(r.shape))[:1]:
            yield f"{r.name}: {r.smallest}"
        if self.diagnosis is not None and self.diagnosis.family != "contract":
            yield from str(self.diagnosis).splitlines()
        for finding in self.located:
            yield from str(finding).splitlines()
        for _, sentence in self.problems:
            yield sentence
        wrong: dict[str, list[str]] = {}
        for r in self.results:
            if r.reason:
                wrong.setdefault(r.reason, []).append(r.name)
        for reason, names in wrong.items():
            yield f"{', '.join(names)}: {reason}"
        about: dict[str, list[str]] = {}
        for r in self.results:
            for note in r.notes:
                about.setdefault(note, []).append(r.name)
        for note, names in about.items():
            yield f"note, {', '.join(names)}: {note}"
        for note in self.notes:
            yield f"note: {note}"

    def __str__(self) -> str:
        rows = [r.row() for r in self.results]
        widths = [max((len(row[k]) for row in rows), default=0) for k in range(5)]
        lines = [self.headline()]
        for row in rows:
            cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
            lines.append("  " + "  ".join(cells).rstrip())
        lines += [f"  {reason}" for reason in self.reasons()]
        lines.append(f"  truth: {self.oracle}; seed {self.seed}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        colour = {"right": "#1a7f37", "wrong": "#cf222e", "not compared": "#6e7781"}
        rows = []
        for r in self.results:
            cells = "".join(_cell(text) for text in r.row())
            rows.append(f'<tr style="color:{colour[r.verdict]}">{cells}</tr>')
        reasons = "".join(f"<li>{html.escape(reason)}</li>" for reason in self._without_table())
        table = self.diagnosis.table if self.diagnosis is not None else None
        truth = html.escape(f"truth: {self.oracle}; seed {self.seed}")
        return (
            f"<div><b>{html.escape(self.headline())}</b><table>{''.join(rows)}</table>"
            f"<ul>{reasons}</ul>{'' if table is None else table.html()}<small>{truth}</small></div>"
        )

    def _without_table(self) -> list[str]:
        """The reasons, without the lines of the time table: that is drawn."""
        table = self.diagnosis.table if self.diagnosis is not None else None
        left_out = set() if table is None else set(str(table).splitlines())
        return [reason for reason in self.reasons() if reason not in left_out]

    # ------------------------------------------------------------ for programs
    @property
    def verdict(self) -> str:
        """ "right", "wrong", or "not compared": it could not be decided everywhere."""
        return "right" if self else "not compared" if self.stage is None else "wrong"

    def data(self, inputs: str = "", error: str | None = None) -> dict[str, Any]:
        """The report in words, numbers and lists; a number that is not finite is None.

        Args:
            inputs, error: what the command line has to add: where the inputs came from, and why
                there is no verdict.
        """
        return {
            "function": self.function,
            "verdict": self.verdict if error is None else "not compared",
            "stage": self.stage,
            "order": self.order,
            "seed": self.seed,
            "truth": self.oracle,
            "inputs": inputs,
            "results": [_plain(r) for r in sorted(self.results, key=lambda r: math.prod(r.shape))],
            "problems": [sentence for _, sentence in self.problems],
            "notes": list(self.notes),
            "diagnosis": None if self.diagnosis is None else self.diagnosis.json(),
            "places": [finding.data() for finding in self.located],
            "error": error,
        }

    def json(self) -> str:
        """`data()` as JSON text: what `tinygrad-rnn check --json` prints."""
        return json.dumps(self.data(), indent=2)

    # ------------------------------------------------------------ as a picture
    def draw(self, **options: Any) -> Any:
        """The graph of the forward, with the edges at fault in red: a `tg.draw` drawing.

        Args:
            options: as for `tg.draw`; by default nothing is hidden, and shapes are shown.

        Raises:
            ValueError: if there is no diagnosis, or the forward could not be recorded.
        """
        if self.diagnosis is None:
            raise ValueError("nothing is wrong with this gradient: there is no edge to draw")
        return self.diagnosis.draw(**options)


def _plain(r: Result) -> dict[str, Any]:
    """A result as plain data."""
    worst: dict[str, Any] | None = None
    if r.worst is not None:
        values = [v if math.isfinite(v) else None for v in r.worst_values or [math.nan] * 3]
        worst = {"index": list(r.worst)} | dict(zip(("yours", "true", "ratio"), values))
    return {
        "name": r.name,
        "shape": list(r.shape),
        "verdict": r.verdict,
        "stage": r.stage,
        "digits": r.digits,
        "worst": worst,
        "reason": r.reason,
        "smallest": r.smallest,
        "notes": list(r.notes),
    }


def _cell(text: Any) -> str:
    return f'<td style="text-align:left">{html.escape(str(text))}</td>'
