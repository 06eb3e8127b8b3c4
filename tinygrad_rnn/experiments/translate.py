"""Translation: one net reads a sequence into a state, another writes from it, of another length.

The encoder's last state is where the decoder starts; attention lets it look back at every step of
what was read (Sutskever et al. 2014; Bahdanau et al. 2015; Luong et al. 2015). The parts of the
model come first, then `greedy` and `beam`, which write with it, then the tasks.

Legend: `B` batch, `S` steps read, `T` steps written, `H` hidden width, `V` symbols.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from .. import functional as F
from ..arraylike import Array
from ..data import Vocabulary, characters, pad_sequences, read_pairs, words
from ..data import shuffled_split as shuffled
from ..modes import no_grad
from ..nn import LAYERS, DotAttention, Embedding, Linear, Module
from ..ops import tanh
from ..task import Task, batches
from ..tensor import Tensor

END = 0  # the symbol that begins and ends everything that is written
IGNORED = -100  # what a target is beyond the end: it counts for nothing


class Memory(NamedTuple):
    """What was read: the encoder's outputs (B, S, H), and where they are no padding (B, S)."""

    values: Any
    mask: Array

    def rows(self, rows: Array) -> Memory:
        return Memory(self.values[rows], self.mask[rows])


class EncoderDecoder(Module):
    """Two recurrent layers with the encoder's last state as a bridge; with attention, a second way.

    Args:
        cell: "rnn", "lstm" or "gru".
        sources, targets: how many symbols there are to read and to write.
        attention: whether the decoder looks back: h~ = tanh(W [h; context]) (Luong et al. 2015).

    Call `model(x, lengths, y)` with x (S, B), padded on the right, and y (T, B): what the decoder
    is told at every step (teacher forcing). Gives the scores of what comes next, (T, B, V).
    """

    def __init__(
        self,
        cell: str,
        sources: int,
        targets: int,
        hidden: int,
        *,
        attention: bool = True,
        rng: np.random.Generator,
    ) -> None:
        super().__init__()
        settings: dict[str, Any] = {"dtype": np.float32, "rng": rng}
        self.read = Embedding(sources, 32, **settings)
        self.encoder = LAYERS[cell](32, hidden, **settings)
        self.written = Embedding(targets, 32, **settings)
        self.decoder = LAYERS[cell](32, hidden, **settings)
        self.attention = DotAttention() if attention else None
        self.together = Linear(2 * hidden, hidden, **settings) if attention else None
        self.output = Linear(hidden, targets, **settings)

    def forward(self, x: Array, lengths: Array, y: Array) -> Any:
        memory, state = self.encode(x, lengths)
        return self.decode(y, state, memory)[0]

    def encode(self, x: Array, lengths: Array) -> tuple[Memory, Any]:
        """x (S, B) to the memory of it and the last state, at each sequence's own end."""
        hs, state = self.encoder(self.read(x), lengths=lengths)  # (S, B, H)
        mask = np.arange(len(x)) < np.asarray(lengths)[:, None]
        return Memory(F.swapaxes(hs, 0, 1), mask), state

    def decode(self, y: Array, state: Any, memory: Memory) -> tuple[Any, Any, Any]:
        """(scores (T, B, V), the next state, attention weights (B, T, S) or None) for y (T, B)."""
        hs, state = self.decoder(self.written(y), state)  # (T, B, H)
        if self.attention is None or self.together is None:
            return self.output(hs), state, None
        context, weights = self.attention(F.swapaxes(hs, 0, 1), memory.values, memory.mask)
        # DotAttention divides by a float64 root, so its context has to be made float32 again
        context = F.swapaxes(context, 0, 1)  # (T, B, H)
        hs = tanh(self.together(F.concatenate([hs, context], axis=-1)))
        return self.output(hs), state, weights


# ---------------------------------------------------------------- writing
@no_grad()
def greedy(model: EncoderDecoder, x: Array, lengths: Array, steps: int) -> Array:
    """The likeliest symbol at every step, told to the next step: (at most steps, B), END after END.

    Args:
        x, lengths: what is read: (S, B) and (B,).
        steps: when to give up waiting for END.
    """
    memory, state = model.encode(x, lengths)
    symbols = np.full(x.shape[1], END)
    over = np.zeros(x.shape[1], bool)
    rows: list[Array] = []
    while len(rows) < steps and not over.all():
        scores, state, _ = model.decode(symbols[None], state, memory)
        symbols = np.where(over, END, scores.data[0].argmax(axis=-1))
        over |= symbols == END
        rows.append(symbols)
    return np.array(rows, dtype=np.int64).reshape(len(rows), x.shape[1])


@no_grad()
def beam(
    model: EncoderDecoder, x: Array, steps: int, width: int = 4
) -> list[tuple[float, tuple[int, ...]]]:
    """What could be written for one x (S,), the likeliest first: (log probability, symbols).

    At every step only the `width` likeliest beginnings are kept (Graves 2012). Those that END
    leave the beam; when as many as that have ended, or after `steps`, it is over. Beginnings that
    have not ended by then follow after those that have.

    Raises:
        ValueError: for a width below 1.
    """
    if width < 1:
        raise ValueError(f"a beam is at least 1 wide; given {width}")
    memory, state = model.encode(x[:, None], np.array([len(x)]))
    beginnings: list[tuple[float, tuple[int, ...]]] = [(0.0, ())]
    ended: list[tuple[float, tuple[int, ...]]] = []
    for _ in range(steps):
        last = np.array([[symbols[-1] if symbols else END for _, symbols in beginnings]])
        scores, state, _ = model.decode(last, state, memory)
        total = F.log_softmax(scores.data[0]) + np.array([[score] for score, _ in beginnings])
        best = np.argsort(-total, axis=None, kind="stable")[:width]
        rows, symbols = np.unravel_index(best, total.shape)
        longer = [
            (float(total[k, v]), (*beginnings[k][1], int(v)))
            for k, v in zip(rows, symbols, strict=True)
        ]
        ended += [(score, written[:-1]) for score, written in longer if written[-1] == END]
        beginnings = [both for both in longer if both[1][-1] != END]
        if not beginnings or len(ended) >= width:
            break
        kept = rows[symbols != END]
        memory, state = memory.rows(kept), _state_rows(state, kept)
    return (_likeliest_first(ended) + _likeliest_first(beginnings))[:width]


def _likeliest_first(written: list[Any]) -> list[Any]:
    return sorted(written, key=lambda both: -both[0])


def _state_rows(state: Any, rows: Array) -> Any:
    """The given rows of the batch: of h (1, B, H), or of the pair (h, c)."""
    return tuple(s[:, rows] for s in state) if isinstance(state, tuple) else state[:, rows]


# ---------------------------------------------------------------- the tasks
class Part(NamedTuple):
    """Some pairs: as text, and as what the encoder takes: x (S, n) and lengths (n,)."""

    sources: list[str]
    targets: list[str]
    x: Array
    lengths: Array


class Translation(Task):
    """Pairs (source, target): a subclass says how they are made and cut into tokens.

    `source`: a file with a pair on each line and a tab between; a tenth is held out to choose by
    and a tenth to be judged by.
    """

    shape = "many-to-many, other length"
    layout = "lines of a source, a tab, and its target"
    metric = "share of answers exactly right"
    attention: ClassVar[bool] = True
    hidden: ClassVar[int] = 64
    batch: ClassVar[int] = 64
    joiner: ClassVar[str] = ""  # between the tokens of a target
    sizes: ClassVar[dict[str, int]] = {"train": 8000, "validation": 500, "test": 1000}

    def __init__(self, *, source: Path | None = None, seed: int = 0) -> None:
        rng = np.random.default_rng([seed, 0])
        pairs = self._make(rng) if source is None else _read(source, rng)
        train = pairs["train"]
        tokens = (token for text in train[0] for token in self.source_tokens(text))
        self.source_symbols = Vocabulary(tokens, unknown="<unk>", padding="<pad>")
        tokens = (token for text in train[1] for token in self.target_tokens(text))
        self.target_symbols = Vocabulary(tokens, padding="<end>")  # number 0: END
        self.parts = {part: self._read(*texts) for part, texts in pairs.items()}
        answers = [self.target_symbols.encode(self.target_tokens(text)) for text in train[1]]
        self.told, _ = pad_sequences([[END, *row] for row in answers], side="right")
        self.wanted, self.steps = pad_sequences(
            [[*row, END] for row in answers], side="right", value=IGNORED
        )  # (n, T): what the decoder is told, and what it ought to say

    @abstractmethod
    def _make(self, rng: np.random.Generator) -> dict[str, tuple[list[str], list[str]]]:
        """(sources, targets) of each part; nothing is in two parts."""

    def source_tokens(self, text: str) -> list[str]:
        return characters(text)

    def target_tokens(self, text: str) -> list[str]:
        return characters(text)

    def _read(self, sources: list[str], targets: list[str]) -> Part:
        rows = [self.source_symbols.encode(self.source_tokens(text)) for text in sources]
        x, lengths = pad_sequences(rows, side="right")
        targets = [self.joiner.join(self.target_tokens(text)) for text in targets]
        return Part(sources, targets, x.T, lengths)

    def model(self, cell: str, rng: np.random.Generator) -> Module:
        sizes = len(self.source_symbols), len(self.target_symbols)
        return EncoderDecoder(cell, *sizes, self.hidden, attention=self.attention, rng=rng)

    def losses(self, model: Any, rng: np.random.Generator) -> Iterator[Tensor]:
        _, _, x, lengths = self.parts["train"]
        for rows in batches(len(lengths), self.batch, rng):
            S, T = lengths[rows].max(), self.steps[rows].max()
            scores = model(x[:S, rows], lengths[rows], self.told[rows, :T].T)
            yield F.cross_entropy(scores, self.wanted[rows, :T].T, ignore_index=IGNORED)

    def answers(self, model: Any, part: Part) -> list[str]:
        """What the model writes, greedily."""
        written = greedy(model, part.x, part.lengths, self.wanted.shape[1])
        return [self.target_symbols.decode(row, self.joiner) for row in written.T]

    def score(self, model: Any, part: str) -> float:
        return _share_right(self.answers(model, self.parts[part]), self.parts[part].targets)

    def baseline(self) -> tuple[str, float]:
        return "each symbol by ridge regression on the tokens' 1-, 2-, 3-grams", self._by_ngrams

    @cached_property
    def _by_ngrams(self) -> float:
        train, test = self.parts["train"], self.parts["test"]
        grams = [Counter(_ngrams(self.source_tokens(text))) for text in train.sources]
        counts = Counter(gram for row in grams for gram in row)
        columns = {gram: k for k, (gram, _) in enumerate(counts.most_common(2000))}
        X = _counted(grams, columns)
        wanted = np.where(self.wanted == IGNORED, END, self.wanted)
        Y = F.one_hot(wanted, len(self.target_symbols)).reshape(len(X), -1)
        W = np.linalg.solve(X.T @ X + np.eye(X.shape[1]), X.T @ Y)  # (2001, T V)
        judged = _counted([Counter(_ngrams(self.source_tokens(t))) for t in test.sources], columns)
        best = (judged @ W).reshape(len(judged), *wanted.shape[1:], -1).argmax(axis=-1)
        answers = [self.target_symbols.decode(row, self.joiner) for row in best]
        return _share_right(answers, test.targets)

    def examples(self, model: Any) -> list[str]:
        test = self.parts["test"]
        few = Part(test.sources[:6], test.targets[:6], test.x[:, :6], test.lengths[:6])
        triples = zip(few.sources, self.answers(model, few), few.targets, strict=True)
        lines = [
            f"{text} -> {answer}" + f" (should be {target})" * (answer != target)
            for text, answer, target in triples
        ]
        likeliest = beam(model, few.x[: few.lengths[0], 0], self.wanted.shape[1], width=3)
        written = (
            f"{self.target_symbols.decode(np.array(symbols, int), self.joiner)} {np.exp(score):.3f}"
            for score, symbols in likeliest
        )
        return [*lines, f"the first by beam search: {', '.join(written)}"]


def _read(path: Path, rng: np.random.Generator) -> dict[str, tuple[list[str], list[str]]]:
    sources, targets = read_pairs(path)
    if len(sources) < 10:
        raise ValueError(f"{path} has {len(sources)} pairs: three parts need at least 10")
    train, test = shuffled(sources, targets, held_out=0.1, rng=rng)
    train, validation = shuffled(*train, held_out=1 / 9, rng=rng)
    return {"train": train, "validation": validation, "test": test}


def _share_right(answers: Sequence[str], targets: Sequence[str]) -> float:
    return float(np.mean([a == b for a, b in zip(answers, targets, strict=True)]))


def _ngrams(tokens: list[str]) -> list[str]:
    """Runs of one, two and three tokens."""
    return ["\0".join(tokens[k : k + n]) for n in (1, 2, 3) for k in range(len(tokens) - n + 1)]


def _counted(grams: list[Counter[str]], columns: dict[str, int]) -> Array:
    """(n, columns + 1): how often each n-gram occurs, and a one."""
    X = np.zeros((len(grams), len(columns) + 1))
    X[:, -1] = 1
    for row, counts in zip(X, grams, strict=True):
        for gram, count in counts.items():
            if gram in columns:
                row[columns[gram]] = count
    return X


# ---------------------------------------------------------------- dates
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def date_formats(day: date) -> list[str]:
    """A day in eight written forms; a slash means month first, a point and no space day first.

    >>> "|".join(date_formats(date(2024, 3, 7))[2:])
    '7.3.2024|3/7/2024|2024년 3월 7일|24. 3. 7.|20240307|240307'
    """
    y, m, d, month = day.year, day.month, day.day, MONTHS[day.month - 1]
    return [
        f"{d} {month} {y}",
        f"{DAYS[day.weekday()]}, {month} {d}, {y}",
        f"{d}.{m}.{y}",
        f"{m}/{d}/{y}",
        f"{y}년 {m}월 {d}일",
        f"{y % 100:02}. {m}. {d}.",
        f"{y}{m:02}{d:02}",
        f"{y % 100:02}{m:02}{d:02}",
    ]


class Dates(Translation):
    """A day of 1950 to 2049, in one of eight forms (Korean ones too), to ISO 8601: 2024-03-07.

    No day is in two parts. After the date task of Saito (2018, "Deep Learning from Scratch 2").
    Only the forms without marks between the numbers need order: for the others, which short runs
    of characters there are tells all, and the baseline knows.
    `source`: see `Translation`; tokens are characters.
    """

    name = "dates"
    epochs = 6
    lr = 5e-3

    def _make(self, rng: np.random.Generator) -> dict[str, tuple[list[str], list[str]]]:
        first = date(1950, 1, 1)
        chosen = rng.permutation((date(2050, 1, 1) - first).days)[: sum(self.sizes.values())]
        days = [first + timedelta(int(k)) for k in chosen]
        forms = rng.integers(0, 8, len(days))
        sources = [date_formats(day)[k] for day, k in zip(days, forms, strict=True)]
        return _cut(sources, [day.isoformat() for day in days], self.sizes)


def _cut(
    sources: list[str], targets: list[str], sizes: dict[str, int]
) -> dict[str, tuple[list[str], list[str]]]:
    parts, start = {}, 0
    for part, n in sizes.items():
        parts[part] = sources[start : start + n], targets[start : start + n]
        start += n
    return parts


# ---------------------------------------------------------------- numbers
SMALL = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen",
    "nineteen",
)  # fmt: skip
TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")


def english(n: int) -> str:
    """0 to 999,999 in words.

    >>> english(12305), english(40)
    ('twelve thousand three hundred and five', 'forty')
    """
    if n < 20:
        return SMALL[n]
    if n < 100:
        return TENS[n // 10 - 2] + (f"-{SMALL[n % 10]}" if n % 10 else "")
    if n < 1000:
        return f"{SMALL[n // 100]} hundred" + (f" and {english(n % 100)}" if n % 100 else "")
    rest = n % 1000
    joint = " and " if 0 < rest < 100 else " "
    return f"{english(n // 1000)} thousand" + (joint + english(rest) if rest else "")


def korean(n: int) -> str:
    """0 to 99,999,999 in Sino-Korean: four digits make a group, and a one is not said before ten.

    >>> korean(12305), korean(40), korean(110000)
    ('만이천삼백오', '사십', '십일만')
    """
    if n == 0:
        return "영"
    groups = [_korean_group(n // 10000), _korean_group(n % 10000)]
    if n >= 10000:
        groups[0] = ("" if n // 10000 == 1 else groups[0]) + "만"
    return "".join(groups)


def _korean_group(n: int) -> str:
    text = ""
    for place, unit in ((1000, "천"), (100, "백"), (10, "십"), (1, "")):
        digit = n // place % 10
        said = "" if digit == 1 and unit else "영일이삼사오육칠팔구"[digit]
        text += said + unit if digit else ""
    return text


class Numbers(Translation):
    """A number below a million in words, English or Korean, to digits; the net is not told which.

    No number is in two parts. `source`: see `Translation`; ASCII text is read word by word, other
    text, and the answer, character by character.
    """

    name = "numbers"
    epochs = 8
    lr = 5e-3

    def source_tokens(self, text: str) -> list[str]:
        return words(text) if text.isascii() else characters(text)

    def _make(self, rng: np.random.Generator) -> dict[str, tuple[list[str], list[str]]]:
        numbers = _numbers(sum(self.sizes.values()), rng)
        in_korean = rng.random(len(numbers)) < 0.5
        sources = [korean(n) if k else english(n) for n, k in zip(numbers, in_korean, strict=True)]
        return _cut(sources, [str(n) for n in numbers], self.sizes)


def _numbers(n: int, rng: np.random.Generator) -> list[int]:
    """n different numbers, short ones nearly as often as long ones, in random order."""
    some = np.unique((10 ** rng.uniform(0, 6, 3 * n)).astype(int))
    return [int(k) for k in rng.permutation(some)[:n]]


class NumbersPlain(Numbers):
    """The same numbers without attention: all that the decoder knows is one state of 64 numbers."""

    name = "numbers-plain"
    attention = False
