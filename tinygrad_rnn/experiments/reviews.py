"""Many-to-one on texts: a label that is in the order of words or letters, not in a bag of them.

Legend: `B` batch, `T` time, `E` embedding width, `H` hidden width, `V` symbols, `K` classes.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from .. import functional as F
from ..arraylike import Array
from ..data import (
    Vocabulary,
    bucketed_batches,
    characters,
    read_csv,
    read_folder,
    shuffled_split,
    words,
)
from ..nn import LAYERS, Embedding, Linear, Module
from ..task import Task, batches
from ..tensor import Tensor
from .memory import orthogonal

Examples = tuple[list[str], list[str]]  # texts, labels
FREQUENT: dict[str, Any] = {"min_count": 2, "max_size": 5000}  # every other symbol is <unk>


class Reader(Module):
    """Embedding, recurrent layer, and one score for each class from each text's own last state."""

    def __init__(self, cell: str, V: int, E: int, H: int, K: int, rng: np.random.Generator) -> None:
        super().__init__()
        self.embedding = Embedding(V, E, padding_idx=0, dtype=np.float32, rng=rng)
        self.recurrent = LAYERS[cell](E, H, dtype=np.float32, rng=rng)
        self.output = Linear(H, K, dtype=np.float32, rng=rng)

    def forward(self, x: Array, lengths: Array) -> Any:
        hs, _ = self.recurrent(self.embedding(x), lengths=lengths)  # (T, B, H)
        return self.output(hs[lengths - 1, np.arange(len(lengths))])  # (B, K)


class Texts(Task):
    """Texts with a label, in ragged batches: padded on the right, with `lengths=`.

    A text of your own that is longer than `longest` keeps its end.
    """

    shape = "many-to-one"
    layout = "a folder with a sub-folder for each class, or CSV with the columns text, label"
    metric = "accuracy"
    n: ClassVar[int] = 4000  # texts that are made, of which 3/5 are for training
    longest: ClassVar[int]  # tokens
    in_bag: ClassVar[str]  # what the baseline counts
    leave_out: ClassVar[str] = ""  # a sub-folder that is not a class

    def __init__(self, *, source: Path | None = None, seed: int = 0) -> None:
        rng = np.random.default_rng([seed, 0])
        texts, labels = self._made(rng) if source is None else self._read(Path(source))
        rest, test = shuffled_split(texts, labels, held_out=0.2, stratify=labels, rng=rng)
        train, validation = shuffled_split(*rest, held_out=0.25, stratify=rest[1], rng=rng)
        self.texts: dict[str, Examples] = {"train": train, "validation": validation, "test": test}
        tokens = (token for text in train[0] for token in self.tokens(text))
        self.vocabulary = Vocabulary(tokens, padding="<pad>", unknown="<unk>", **FREQUENT)
        self.classes = Vocabulary(labels)
        self.parts = {part: self._encoded(*some) for part, some in self.texts.items()}

    @abstractmethod
    def make(self, rng: np.random.Generator) -> tuple[str, str]:
        """(a text, its label), drawn at random."""

    @abstractmethod
    def tokens(self, text: str) -> list[str]:
        """What the recurrent net reads one by one."""

    @abstractmethod
    def bag(self, text: str) -> list[str]:
        """What the baseline throws into its bag."""

    def _made(self, rng: np.random.Generator) -> Examples:
        made: dict[str, str] = {}  # no text twice: the parts have none in common
        while len(made) < self.n:
            text, label = self.make(rng)
            made[text] = label
        return list(made), list(made.values())

    def _read(self, source: Path) -> Examples:
        if source.is_dir():
            folders = {path.name for path in source.iterdir() if path.is_dir()}
            names = {name for name in folders if not name.startswith(".")} - {self.leave_out}
            texts, labels = read_folder(source, names)
        else:
            texts, labels = read_csv(source, "text", "label")
        once = dict(zip(texts, labels, strict=True))
        counts = {label: list(once.values()).count(label) for label in sorted(set(labels))}
        if len(counts) < 2 or min(counts.values()) < 3:
            raise ValueError(
                f"{source}: {self.name} needs two classes or more, each with at least 3 different"
                f" texts; given {counts}"
            )
        return list(once), list(once.values())

    def _encoded(self, texts: list[str], labels: list[str]) -> tuple[list[Array], Array]:
        rows = [self.vocabulary.encode(self.tokens(text)[-self.longest :]) for text in texts]
        return rows, self.classes.encode(labels)

    def model(self, cell: str, rng: np.random.Generator) -> Reader:
        model = Reader(cell, len(self.vocabulary), 16, 48, len(self.classes), rng)
        orthogonal(model.recurrent, rng)
        return model

    def losses(self, model: Any, rng: np.random.Generator) -> Iterator[Tensor]:
        texts, labels = self.parts["train"]
        for x, lengths, rows in bucketed_batches(texts, 40, rng=rng, pool=20):
            yield F.cross_entropy(model(x, lengths), labels[rows])

    def _right(self, model: Any, part: str) -> Array:
        """For each text of a part whether the model's answer is its label."""
        texts, labels = self.parts[part]
        right = np.zeros(len(texts), bool)
        for x, lengths, rows in bucketed_batches(texts, 200, rng=0):
            right[rows] = model(x, lengths).data.argmax(axis=-1) == labels[rows]
        return right

    def score(self, model: Any, part: str) -> float:
        return float(self._right(model, part).mean())

    def baseline(self) -> tuple[str, float]:
        return f"logistic regression on a bag of {self.in_bag}", self._bag_accuracy

    @cached_property
    def _bag_accuracy(self) -> float:
        bags = {part: [self.bag(text) for text in some] for part, (some, _) in self.texts.items()}
        symbols = Vocabulary((s for bag in bags["train"] for s in bag), unknown="<unk>", **FREQUENT)
        x = {part: [symbols.encode(bag) for bag in some] for part, some in bags.items()}
        W = logistic_regression(x["train"], self.parts["train"][1], len(symbols), len(self.classes))
        answers = [W[np.unique(bag)].sum(axis=0).argmax() for bag in x["test"]]
        return float(np.mean(answers == self.parts["test"][1]))

    def examples(self, model: Any) -> list[str]:
        texts, labels = self.parts["test"]
        lines = []
        for k in range(min(4, len(texts))):
            scores = model(texts[k][:, None], np.array([len(texts[k])])).data[0]
            answer, label = (self.classes.symbols[c] for c in (scores.argmax(), labels[k]))
            text = self.texts["test"][0][k]
            lines.append(f"{self.shown(text)!r} is {label}, answer {answer}")
        return lines

    def shown(self, text: str) -> str:
        """As much of a text as fits into a line."""
        return text if len(text) <= 100 else f"... {text[-96:]}"


def logistic_regression(bags: list[Array], y: Array, V: int, K: int, passes: int = 20) -> Array:
    """W (V, K) such that softmax(sum of the rows W[v] of the symbols v in a bag) predicts y.

    Stochastic gradient with AdaGrad's steps (Duchi et al. 2011).
    """
    rng = np.random.default_rng(0)
    W, squares = np.zeros((V, K)), np.full((V, K), 1e-8)
    for _ in range(passes):
        for rows in batches(len(bags), 100, rng):
            X = np.zeros((len(rows), V))
            for x, k in zip(X, rows, strict=True):
                x[bags[k]] = 1
            gradient = X.T @ (F.softmax(X @ W) - F.one_hot(y[rows], K)) / len(rows)
            squares += gradient**2
            W -= 0.1 * gradient / np.sqrt(squares)
    return W


# ---------------------------------------------------------------- reviews
SUBJECTS = (
    "film", "plot", "cast", "music", "ending", "script", "acting", "camera", "story", "hero",
)  # fmt: skip
GOOD = ("good", "great", "funny", "clever", "lovely", "moving", "bright", "fine")
BAD = ("bad", "dull", "silly", "boring", "weak", "slow", "empty", "ugly")
ASIDES = (
    "i saw it on monday", "we went with friends", "it runs for two hours", "my sister came along",
    "the hall was full", "it is set in seoul", "tickets were ten euros", "it rained all day",
)  # fmt: skip


class Sentiment(Texts):
    """Is a review positive or negative, when each praises one thing and blames another?

    What follows "but" decides, and what is said with "although" does not, wherever it stands; "not"
    turns a word round. So every review has a twin of the same words and the other label, and a bag
    of words cannot do better than chance. Asides before and after mean nothing.

    Your own data: a folder with a sub-folder of .txt files for each class, as `aclImdb/train` of
    the IMDB reviews (Maas et al. 2011; its "unsup" is left out); or a CSV file with the columns
    text and label. The last 100 words of a review are read.
    """

    name = "sentiment"
    epochs = 15
    longest = 100
    leave_out = "unsup"
    in_bag = "words"

    def make(self, rng: np.random.Generator) -> tuple[str, str]:
        positive = bool(rng.integers(2))
        first, second = rng.permutation(SUBJECTS)[:2]
        decides, other = clause(first, positive, rng), clause(second, not positive, rng)
        opinion = (
            f"{other} , but {decides}",
            f"although {other} , {decides}",
            f"{decides} , although {other}",
        )[rng.integers(3)]
        before, after = np.split(rng.permutation(ASIDES)[: rng.integers(4)], [rng.integers(3)])
        return " . ".join([*before, opinion, *after]), "pos" if positive else "neg"

    def tokens(self, text: str) -> list[str]:
        return words(text)

    def bag(self, text: str) -> list[str]:
        return words(text)


def clause(subject: str, positive: bool, rng: np.random.Generator) -> str:
    """A clause such as "the plot was good" or, in half of all cases, "the plot was not bad"."""
    negated = bool(rng.integers(2))
    adjective = rng.choice(GOOD if positive != negated else BAD)
    return f"the {subject} was {'not ' * negated}{adjective}"


# ---------------------------------------------------------------- spam
BAIT = (
    "prize", "cash", "winner", "bonus", "claim", "casino",
    "credit", "million", "discount", "special", "offers", "gift",
)  # fmt: skip
LOOK_ALIKE = str.maketrans("oieas", "01345")
PHRASES = (
    "see you at {}", "the meeting is at {}", "call me on {}", "reply to {}", "thanks for the {}",
    "did you get the {}", "lunch at {}", "look at this {}", "only {} left", "here is your {}",
)  # fmt: skip


class Spam(Texts):
    """Is a message spam, when the bait is spelt so that a list of words seldom knows it?

    In spam one bait word is in disguise: look-alike digits for letters, and letters doubled, as in
    "pr11ze". Ham has in its place a code of the very same characters in another order, as in
    "1zpre1". Both also have plain bait words, and numbers. The net reads characters.

    Your own data: a CSV file with the columns text and label, or a folder with a sub-folder of .txt
    files for each class. The last 120 characters of a message are read.
    """

    name = "spam"
    epochs = 20
    cell = "lstm"
    longest = 120
    in_bag = "words and characters"

    def make(self, rng: np.random.Generator) -> tuple[str, str]:
        spam = bool(rng.integers(2))
        word = disguised(str(rng.choice(BAIT)), rng)
        fillings = [word if spam else shuffled(word, rng), rng.choice(BAIT), rng.integers(1, 100)]
        phrases = rng.permutation(PHRASES)[: len(fillings)]
        pairs = zip(phrases, rng.permutation(np.array(fillings, dtype=str)), strict=True)
        return ", ".join(p.format(f) for p, f in pairs), "spam" if spam else "ham"

    def tokens(self, text: str) -> list[str]:
        return characters(text)

    def bag(self, text: str) -> list[str]:
        return [*words(text), *characters(text)]


def disguised(word: str, rng: np.random.Generator) -> str:
    """The word with at least one look-alike digit for a letter, and some letters doubled."""
    can = [k for k, letter in enumerate(word) if letter != letter.translate(LOOK_ALIKE)]
    changed = rng.permutation(can)[: rng.integers(1, len(can) + 1)]
    letters = [c.translate(LOOK_ALIKE) if k in changed else c for k, c in enumerate(word)]
    return "".join(c * (1 + int(rng.random() < 0.25)) for c in letters)


def bare(word: str) -> str:
    """What a disguised word says: letters for the digits, and no letter twice in a row."""
    letters = word.translate(str.maketrans("01345", "oieas"))
    return "".join(c for c, before in zip(letters, " " + letters) if c != before)


def shuffled(word: str, rng: np.random.Generator) -> str:
    """The same characters in another order, which says something else."""
    code = word
    while bare(code) == bare(word):
        code = "".join(rng.permutation(list(word)))
    return code
