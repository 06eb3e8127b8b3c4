"""Which mistake explains the difference: families in order, then how sure that makes us.

    contract, shape     observed already
    global, cotangent   from the true gradient alone
    one place           every edge, rule, value of the recorded forward, judged at once (`field.py`)
    time                the walk through time as a whole, and the time table
    pairs               two of them

A hypothesis counts only if it gives your gradient to nine digits in every case. In a loop, a
mistake is looked for in the shortest run that shows it, where it is made once, and then confirmed
in all steps of longer ones.

Read next: `answer.py`.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from .arriving import arriving, nonlinear
from .case import Case
from .field import Field
from .hypothesis import Hypothesis, by_changes, holds
from .mistakes import Mistake
from .program import Changes, Edge, Program
from .recomputed import recomputed
from .resize import rounds, short
from .through_time import other_cuts, through_time
from .whole import whole
from .words import listed

PATIENCE = 0.4  # seconds
STEPS = ("all", ("but start", 0), ("from start", 0), ("from end", 0), ("but end", 0))


class Engine:
    """The cases, and what holds in all of them."""

    def __init__(self, cases: Sequence[Case], linear: bool) -> None:
        self.cases, self.linear = list(cases), linear
        self.first = self.cases[0]
        self.wrong = sorted(set().union(*(case.wrong for case in cases)))
        self.until = time.perf_counter() + PATIENCE
        self.tested: set[tuple[Mistake, tuple[int, ...]]] = set()
        self.near: list[Hypothesis] = []  # what was tried, for "likely"
        self._short: dict[int, Case | None] = {}

    def explanations(self) -> list[Hypothesis]:
        """All hypotheses that explain everything that is wrong; the best first."""
        found = self._of(self.wrong)
        if not found and len(self.wrong) > 1:
            found = self._input_by_input()
        if not found:
            found = self._pairs(self.wrong)
        if not found:
            found = self._held(recomputed(self.first), self.wrong)
        if not found:
            found = self._held(other_cuts(self.first), self.wrong)
        return self._ranked(found)

    def _ranked(self, found: list[Hypothesis]) -> list[Hypothesis]:
        """The same chain of edges once, and each sentence with the inputs that it is about."""
        seen: dict[object, Hypothesis] = {}
        for h in found:
            seen.setdefault(h.key or h.sentence, h)
        if any(h.family == "global" for h in found):  # it says what a weight on the whole says
            seen = {key: h for key, h in seen.items() if h.family != "edge weight"}
        return [replace(h, sentence=self._with_inputs(h)) for h in seen.values()]

    def _with_inputs(self, h: Hypothesis) -> str:
        names = [self.first.names[i] for i in h.about]
        if h.family == "global" or not names:
            return h.sentence
        only = "" if h.everywhere else " only"
        return f"{h.sentence} (in the gradient of {listed(names)}{only})"

    def patient(self) -> bool:
        return time.perf_counter() < self.until

    def _of(self, among: Sequence[int]) -> list[Hypothesis]:
        """All single mistakes that explain these inputs."""
        found = self._held(whole(self.cases, among), among)
        found += self._held(arriving(self.cases), among)
        if not self.linear:
            found += self._held(nonlinear(self.cases), among)
        if any(case.program is None for case in self.cases):
            return found
        found += self._held(through_time(self.first), among)
        found += self._held(self._in_one_place(among), among)
        return found

    def _held(self, hypotheses: Iterable[Hypothesis], among: Sequence[int]) -> list[Hypothesis]:
        found = []
        for hypothesis in hypotheses:
            held = holds(hypothesis, self.cases, among)
            if held is not None:
                found.append(held)
            if not self.patient():
                break
        return found

    # ------------------------------------------------------------ one place
    def _in_one_place(self, among: Sequence[int]) -> Iterator[Hypothesis]:
        """Mistakes that fit the shortest case that shows them."""
        for case in self._showing(among):
            shown = [i for i in among if i in case.wrong]
            fitting = list(dict.fromkeys(Field(case, shown).mistakes()))
            hits = 0
            for hypothesis in self._confirmable(fitting, among):
                hits += 1
                yield hypothesis
            if hits:
                return

    def _showing(self, among: Sequence[int]) -> Iterator[Case]:
        """Runs of one step, of two, of three, in which one of them is wrong; then the first."""
        for steps in (1, 2, 3):
            if rounds(self.first) > steps:
                if steps not in self._short:
                    self._short[steps] = short(self.first, steps)
                case = self._short[steps]
                if case is not None and set(among) & set(case.wrong):
                    yield case
        yield self.first

    def _confirmable(
        self, mistakes: Sequence[Mistake], among: Sequence[int]
    ) -> Iterator[Hypothesis]:
        """Each mistake in all steps, in some, or in one, whatever holds first."""
        for mistake in mistakes:
            for steps in self._selections(mistake):
                made = mistake.at(steps)
                key = made, tuple(among)
                if key in self.tested:
                    continue
                self.tested.add(key)
                hypothesis = self._hypothesis(made)
                if hypothesis is not None and holds(hypothesis, self.cases, among):
                    yield hypothesis
                    break

    def _selections(self, mistake: Mistake) -> Iterator[object]:
        program = self.first.program
        assert program is not None
        often = len(program.roles.get(mistake.role, []))
        yield "all"
        if often > 1:
            yield from STEPS[1:]
            for k in range(1, min(often, 8)):
                yield "from start", k
                yield "from end", k

    def _hypothesis(self, mistake: Mistake) -> Hypothesis | None:
        program = self.first.program
        assert program is not None
        if mistake.changes(program) is None:
            return None
        sentence = mistake.say(program) + _when(mistake.steps)
        made = by_changes(mistake.family, sentence, mistake.changes, self.first)
        if mistake.kind != "weight":
            return made
        tops = frozenset(_top(program, edge) for edge in made.edges)
        return replace(made, key=(mistake.what, tops, mistake.steps))

    # ------------------------------------------------------------ two mistakes
    def _input_by_input(self) -> list[Hypothesis]:
        """One explanation for each input, if two mistakes are enough."""
        parts: list[list[Hypothesis]] = []
        left = list(self.wrong)
        while left and self.patient():
            best: list[Hypothesis] = []
            for size in range(len(left) - 1 if not parts else len(left), 0, -1):
                for among in itertools.combinations(left, size):
                    best = self._of(among) if self.patient() else []
                    if best:
                        break
                if best:
                    break
            if not best:
                return []
            parts.append(best)
            left = [i for i in left if i not in best[0].about]
        if left or len(parts) > 2:
            return []
        return [_both(a, b) for a in parts[0][:1] for b in parts[1][:1]]

    def _pairs(self, among: Sequence[int]) -> list[Hypothesis]:
        """Two mistakes in the same program: one is made, the other looked for on top of it."""
        if any(case.program is None for case in self.cases):
            return []
        case = next(self._showing(among))
        field = Field(case, [i for i in among if i in case.wrong])
        assert case.program is not None
        found: list[Hypothesis] = []
        for one in _common(case.program):
            if not self.patient() or found:
                break
            changes = one.changes(case.program)
            if changes is None:
                continue
            for other in dict.fromkeys(field.mistakes(changes)):
                held = holds(self._pair(one, other), self.cases, among)
                if held is not None:
                    found.append(held)
        return found

    def _pair(self, one: Mistake, other: Mistake) -> Hypothesis:
        def made(program: Program) -> Changes | None:
            a, b = one.changes(program), other.changes(program)
            return None if a is None or b is None else a | b

        program = self.first.program
        assert program is not None
        try:
            sentence = f"two mistakes: {one.say(program)}; and {other.say(program)}"
        except (StopIteration, AssertionError):
            sentence = "two mistakes"
        return by_changes("pairs", sentence, made, self.first)


def _top(program: Program, edge: Edge) -> Edge:
    """The first edge of the chain that an edge is part of, seen from the result."""
    n, i = edge
    while True:
        uses = [use for use in program.uses[n] if program.lines[use[0]].live]
        if len(program.lines[n].live) != 1 or len(uses) != 1 or n in program.outputs:
            return n, i
        n, i = uses[0]


def _both(a: Hypothesis, b: Hypothesis) -> Hypothesis:
    """Two mistakes about different inputs."""
    sentence = f"two mistakes: {a.sentence}; and {b.sentence}"
    about = tuple(sorted({*a.about, *b.about}))
    return Hypothesis("pairs", sentence, a.supposed, (*a.edges, *b.edges), about)


def _common(program: Program) -> Iterator[Mistake]:
    """The mistakes that are tried as one of two: every path missing, of the wrong sign, twice."""
    for weight in (0, -1, 2):
        for role, numbers in program.roles.items():
            line = program.lines[numbers[0]]
            for i, _ in line.live:
                yield Mistake("edge weight", role, i, "weight", weight)


def _when(steps: object) -> str:
    """In which of the steps."""
    if steps == "all":
        return ""
    end, k = steps  # type: ignore[misc]
    side, inside = end.split()[1], end.startswith("from")
    which = (
        ("the first step" if k == 0 else f"step t = {k}")
        if side == "start"
        else ("the last step" if k == 0 else f"the step {k} before the last")
    )
    return f", in {which} only" if inside else f", in every step but {which}"
