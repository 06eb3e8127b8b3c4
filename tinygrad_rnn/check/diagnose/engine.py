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

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice

import numpy as np

from .arriving import arriving, nonlinear
from .carried import carried_wrongly, walked_forward
from .case import Case
from .everywhere import everywhere
from .field import Field
from .hypothesis import Hypothesis, by_changes, excluded, holds, share_explained
from .mistakes import Mistake, when
from .other_operands import other_masks, other_operands
from .program import Changes, Edge, Program
from .recomputed import recomputed
from .resize import rounds, short
from .through_time import other_cuts, through_time
from .whole import whole
from .words import edge_text, listed

PATIENCE = 11_000  # lines that are walked over, in all cases together: about 0.2 s
FIELD = 35  # walks that a look at every edge of a program takes as long as
LARGE = 2000  # entries of a value that take as long as a line does
TRIED = 12  # first mistakes of a pair
PAIRS = 12  # pairs that may hold at once, and be told
STEPS = (("but start", 0), ("from start", 0), ("from end", 0), ("but end", 0))
LAST = (("from end", 0),)


class Engine:
    """The cases, and what holds in all of them."""

    def __init__(self, cases: Sequence[Case], linear: bool) -> None:
        self.cases, self.linear = list(cases), linear
        self.first = self.cases[0]
        self.wrong = sorted(set().union(*(case.wrong for case in cases)))
        self.spent = 0.0
        self.tested: set[tuple[Mistake, tuple[int, ...]]] = set()
        self._short: dict[int, Case | None] = {}

    def explanations(self) -> list[Hypothesis]:
        """All hypotheses that explain everything that is wrong; the best first."""
        found = self._of(self.wrong)
        if not self.linear:  # all that follows is
            return self._ranked(found)
        for others in (other_operands, everywhere, recomputed, other_cuts):
            found = found or self._held(others(self.first), self.wrong, self._shortest())
        found = found or self._input_by_input() or self._pairs(self.wrong)
        return self._ranked(found)

    def nearly(self) -> Iterator[Hypothesis]:
        """Simple hypotheses that may explain nearly all: to be said where none explains all."""
        yield from whole(self.cases, self.wrong)
        yield from arriving(self.cases)
        if all(case.program is not None for case in self.cases):
            for mistake in self._likeliest(self.first):
                hypothesis = self._hypothesis(mistake)
                if hypothesis is not None:
                    yield hypothesis

    def _ranked(self, found: list[Hypothesis]) -> list[Hypothesis]:
        """What says the same once, and only the simplest: about all inputs, of the first rank, made
        in every step that it is about."""
        for simpler in (_about_all, _of_first_rank, _wholly_made):
            found = [h for h in found if simpler(h)] or found
        seen: dict[object, Hypothesis] = {}
        for h in found:
            seen.setdefault(h.key or h.sentence, h)
        observed = [h for h in found if _is_observed(h)]
        if observed:  # it says what a weight on the whole says
            factor = all(h.family == "global" for h in observed)
            partly = factor and any(np.any(self.first.yours[i]) for i in self.wrong)
            seen = {
                k: h
                for k, h in seen.items()
                if h.family != "edge weight" or h.in_some_steps or (partly and _is_missing(h))
            }
        return [replace(h, sentence=self._in_full(h)) for h in seen.values()]

    def _in_full(self, h: Hypothesis) -> str:
        """The sentence; which of the places it is that read alike; which inputs it is about."""
        names = [self.first.names[i] for i in h.about]
        if h.family == "global" or not names:
            return h.sentence
        only = "" if h.everywhere else " only"
        which = "" if self.first.program is None else _of_which_twin(self.first.program, h.edges)
        return f"{h.sentence}{which} (in the gradient of {listed(names)}{only})"

    def patient(self) -> bool:
        """Whether to go on. Work is counted, not time: the answer is the same on any machine."""
        return self.spent < PATIENCE

    def _pay(self, cases: Iterable[Case], times: int = 1) -> None:
        self.spent += times * sum(map(_lines, cases))

    def _of(self, among: Sequence[int]) -> list[Hypothesis]:
        """All single mistakes that explain these inputs."""
        found = self._held(whole(self.cases, among), among)
        found += self._held(arriving(self.cases), among)
        if not self.linear:
            found += self._held(nonlinear(self.cases), among)
        if any(case.program is None for case in self.cases):
            return found
        found += self._held(other_masks(self.first), among)
        in_time = [*islice(self._in_time(among), 1)]
        if in_time:  # a loop that is not reversed may look so, too
            in_time += self._held([walked_forward()], among)
        found += in_time
        in_place = self._held(self._in_one_place(among, rivals=bool(found)), among)
        if in_time and in_time[0].sentence.startswith("truncated") and not in_place:
            in_place = self._held(other_cuts(self.first), among)  # or is it a single cut?
        return found + in_place

    def _in_time(self, among: Sequence[int]) -> Iterator[Hypothesis]:
        """Mistakes of the walk through time as a whole, which are about all that it gives."""
        shown = next(self._showing(among))
        brief = self._of_steps(2) if shown is self.first else shown
        supposed = chain(through_time(self.first), carried_wrongly(self.first))
        found = self._holding(supposed, among, brief)
        return (h for h in found if h.everywhere)

    def _held(
        self,
        hypotheses: Iterable[Hypothesis],
        among: Sequence[int],
        shortest: Case | None = None,
    ) -> list[Hypothesis]:
        """Those that hold in all cases, and if they can be made there, in the shortest run."""
        return [*self._holding(hypotheses, among, shortest)]

    def _holding(
        self, hypotheses: Iterable[Hypothesis], among: Sequence[int], shortest: Case | None
    ) -> Iterator[Hypothesis]:
        for hypothesis in hypotheses:
            if not self.patient():
                return
            if not hypothesis.possible(self.first, among):
                continue
            if shortest is not None:
                self._pay([shortest], hypothesis.walks)
                if excluded(hypothesis, shortest, among):
                    continue
            self._pay(self.cases[:1], hypothesis.walks)
            held = holds(hypothesis, self.cases, among)
            if held is not None:
                yield held

    # ------------------------------------------------------------ one place
    def _in_one_place(self, among: Sequence[int], rivals: bool) -> Iterator[Hypothesis]:
        """Mistakes that fit the shortest case that shows them.

        Args:
            rivals: there is an explanation: is there another? The shortest case shows that, too.
        """
        for case in self._showing(among):
            if not self.patient():
                return
            shown = [i for i in among if i in case.wrong]
            self._pay([case], FIELD)
            fitting = list(dict.fromkeys(Field(case, shown).mistakes()))
            hits = 0
            for hypothesis in self._confirmable(fitting, among):
                hits += 1
                yield hypothesis
            if hits or rivals or not fitting:
                return

    def _showing(self, among: Sequence[int]) -> Iterator[Case]:
        """Runs of one step, of two, of three, in which one of them is wrong; then the first."""
        for steps in (1, 2, 3):
            case = self._of_steps(steps)
            if case is not None and set(among) & set(case.wrong):
                yield case
        yield self.first

    def _of_steps(self, steps: int) -> Case | None:
        """The first case with so many time steps; None if it has no more, or cannot be cut."""
        if rounds(self.first) <= steps:
            return None
        if steps not in self._short:
            self._short[steps] = short(self.first, steps)
        return self._short[steps]

    def _shortest(self) -> Case | None:
        """A run of one step, or of two."""
        return self._of_steps(1) or self._of_steps(2)

    def _confirmable(
        self, mistakes: Sequence[Mistake], among: Sequence[int]
    ) -> Iterator[Hypothesis]:
        """The mistakes in all steps; if none holds, in some, or in one, whatever holds first."""
        program = self.first.program
        assert program is not None
        hits = 0
        for mistake in mistakes:
            steps = LAST if mistake.is_one_of_several(program) else ["all"]
            for hypothesis in self._held_at(mistake, steps, among):
                hits += not mistake.of_one_step(program)
                yield hypothesis
        for mistake in mistakes if not hits else ():
            yield from self._held_at(mistake, self._selections(mistake), among)

    def _held_at(
        self, mistake: Mistake, selections: Iterable[object], among: Sequence[int]
    ) -> Iterator[Hypothesis]:
        """A mistake in the first selection of steps in which it holds."""
        for steps in selections:
            made = mistake.at(steps)
            key = made, tuple(among)
            if key in self.tested:
                continue
            self.tested.add(key)
            self._pay(self.cases[:1])
            hypothesis = self._hypothesis(made)
            if hypothesis is not None and holds(hypothesis, self.cases, among):
                yield hypothesis
                return

    def _selections(self, mistake: Mistake) -> Iterator[object]:
        """Some steps of several."""
        program = self.first.program
        assert program is not None
        often = len(program.roles.get(mistake.role, []))
        if often > 1:
            yield from STEPS
            for k in range(1, min(often, 8)):
                yield "from start", k
                yield "from end", k

    def _hypothesis(self, mistake: Mistake) -> Hypothesis | None:
        program = self.first.program
        assert program is not None
        if mistake.changes(program) is None or mistake.takes_zeros(program):
            return None
        try:
            sentence = mistake.say(program) + when(mistake.steps)
        except (StopIteration, IndexError):  # it is made at other steps than would be spoken of
            return None
        made = by_changes(mistake.family, sentence, mistake.changes, self.first)
        partly = mistake.is_partly_made(program)
        return replace(made, rank=mistake.rank, key=self._key(mistake), partly=partly,
                       in_some_steps=str(mistake.steps[0]).startswith("from"))  # fmt: skip

    # ------------------------------------------------------------ two mistakes
    def _input_by_input(self) -> list[Hypothesis]:
        """One mistake for one of the inputs, and another for all the others."""
        for i in self.wrong if len(self.wrong) > 1 else ():
            others = [k for k in self.wrong if k != i]
            alone = self._of([i]) if self.patient() else []
            if alone and (rest := self._of(others)):
                return [_both(alone[0], rest[0])]
        return []

    def _pairs(self, among: Sequence[int]) -> list[Hypothesis]:
        """Two mistakes in the same program: one is made, the other looked for on top of it."""
        if any(case.program is None for case in self.cases):
            return []
        case = next(self._showing(among))
        field = Field(case, [i for i in among if i in case.wrong])
        found: list[Hypothesis] = []
        for one in self._likeliest(case):
            changes = one.changes(field.program)
            if not self.patient() or found or changes is None:
                break
            self._pay([case], FIELD)
            for other in dict.fromkeys(field.mistakes(changes)):
                pair = self._pair(one, other) if other.what != 1 else None
                held = None if pair is None else holds(pair, self.cases, among)
                found += [] if held is None else [held]
        return found if len(found) <= PAIRS else []  # so many say nothing

    def _likeliest(self, case: Case) -> list[Mistake]:
        """The paths whose absence, sign or repetition explains most of the difference."""
        program = case.program
        assert program is not None
        shares: list[tuple[float, int, Mistake]] = []
        for weight in (0, -1, 2):
            for role, numbers in program.roles.items():
                line = program.lines[numbers[0]]
                for i, _ in line.live:
                    mistake = Mistake("edge weight", role, i, "weight", weight)
                    if self.patient() and _top(program, (line.number, i)) == (line.number, i):
                        self._pay([case])
                        made = by_changes("edge weight", "", mistake.changes, case)
                        shares.append((share_explained(made, case), len(shares), mistake))
        return [mistake for _, _, mistake in sorted(shares, reverse=True)[:TRIED]]

    def _pair(self, one: Mistake, other: Mistake) -> Hypothesis | None:
        def made(program: Program) -> Changes | None:
            a, b = one.changes(program), other.changes(program)
            return None if a is None or b is None else a.and_also(b)

        program = self.first.program
        assert program is not None
        try:
            sentence = f"two mistakes: {one.say(program)}; and {other.say(program)}"
        except (StopIteration, IndexError):
            return None
        pair = by_changes("pairs", sentence, made, self.first)
        keys = frozenset(self._key(each) for each in (one, other))
        return replace(pair, key=keys)

    def _key(self, mistake: Mistake) -> object:
        """The same for a weight anywhere along a chain."""
        program = self.first.program
        assert program is not None
        if mistake.kind != "weight":
            return mistake
        return mistake.what, frozenset(_top(program, edge) for edge in mistake.edges(program))


def _lines(case: Case) -> float:
    """How much work a walk over the case's forward is, in lines."""
    if case.program is None:
        return 10.0  # no walk: products with Jacobians
    return sum(1 + np.size(line.value) / LARGE for line in case.program.backwards)


def _about_all(h: Hypothesis) -> bool:
    return h.everywhere


def _of_first_rank(h: Hypothesis) -> bool:
    return h.rank == 0


def _wholly_made(h: Hypothesis) -> bool:
    return not h.partly


def _is_observed(h: Hypothesis) -> bool:
    return h.family in ("global", "cotangent", "time table")


def _is_missing(h: Hypothesis) -> bool:
    """Whether nothing goes over some edge: if there is a gradient, that is not all of it."""
    return isinstance(h.key, tuple) and h.key[0] == 0


def _top(program: Program, edge: Edge) -> Edge:
    """The first edge of the chain that an edge is part of, seen from the result."""
    n, i = edge
    while True:
        uses = [use for use in program.uses[n] if program.lines[use[0]].live]
        if len(program.lines[n].live) != 1 or len(uses) != 1 or n in program.outputs:
            return n, i
        n, i = uses[0]


def _of_which_twin(program: Program, edges: Sequence[Edge]) -> str:
    """For an expression that is computed in several places: in which of them the mistake is."""
    if not edges:
        return ""
    n, i = edges[len(edges) // 2]
    line, text = program.lines[n], edge_text(program, n, i)
    alike = [
        each.number for each in program.lines
        if each.op is line.op and each.t == line.t and i in [k for k, _ in each.live]
        and edge_text(program, each.number, i) == text
    ]  # fmt: skip
    if len(alike) < 2 or {(k, i) for k in alike} <= set(edges):
        return ""
    return f", in place {alike.index(n) + 1} of the {len(alike)} that read so"


def _both(a: Hypothesis, b: Hypothesis) -> Hypothesis:
    """Two mistakes about different inputs."""
    sentence = f"two mistakes: {a.sentence}; and {b.sentence}"
    about = tuple(sorted({*a.about, *b.about}))
    return Hypothesis("pairs", sentence, a.supposed, (*a.edges, *b.edges), about)
