"""A label for every symbol of a sequence, and what stands after the symbol counts, too.

A quote opens a string or closes it; `#` begins a comment, or stands inside a string: a net that
reads in one direction has to guess, a bidirectional one looks (Schuster & Paliwal 1997). Legend:
`B` batch, `T` time, `H` hidden width, `V` symbols.
"""

from __future__ import annotations

import io
import keyword
import sysconfig
import tokenize
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from textwrap import shorten
from typing import Any

import numpy as np

from .. import functional as F
from ..arraylike import Array
from ..data import (
    Vocabulary,
    bucketed_batches,
    pad_sequences,
    read_conll,
    read_fasta,
    shuffled_split,
)
from ..fit import Fit
from ..modes import no_grad
from ..nn import LAYERS, Embedding, Linear, Module
from ..task import Task
from ..tensor import Tensor

Tagged = tuple[
    Sequence[Sequence[str]], Sequence[Sequence[str]]
]  # sequences of symbols, and of their tags

KINDS = {
    tokenize.COMMENT: "comment",
    tokenize.STRING: "string",
    tokenize.NUMBER: "number",
    tokenize.OP: "operator",
    tokenize.NAME: "name",
}
SIGNS = {"comment": "#", "string": '"', "number": "0", "operator": "+", "name": "n",
         "keyword": "k", "space": "_"}  # fmt: skip


class Tagger(Module):
    """Embedding, a recurrent layer in one or both directions, a linear output at every step."""

    def __init__(
        self, cell: str, V: int, H: int, tags: int, rng: np.random.Generator, *, both: bool = True
    ) -> None:
        super().__init__()
        self.cell = cell
        self.embedding = Embedding(V, 24, padding_idx=0, dtype=np.float32, rng=rng)
        self.recurrent = LAYERS[cell](24, H, bidirectional=both, dtype=np.float32, rng=rng)
        self.output = Linear(2 * H if both else H, tags, dtype=np.float32, rng=rng)

    def forward(self, x: Array, lengths: Array) -> Any:
        """Integers (T, B) to scores (T, B, tags)."""
        hs, _ = self.recurrent(self.embedding(x), lengths=lengths)  # (T, B, 2 H)
        return self.output(hs)


# ---------------------------------------------------------------- the standard library as data
def token_classes(code: str) -> list[str]:
    """The class of each character of Python source, by `tokenize`: a key of `SIGNS`.

    White space between tokens is "space", and so is the backslash that joins two lines.

    >>> "".join(SIGNS[kind] for kind in token_classes("if x: # 1"))
    'kk_n+_###'
    """
    starts = np.cumsum([0, *(len(line) + 1 for line in code.split("\n"))])
    kinds = ["space"] * len(code)
    opened: list[int] = []  # where f-strings begin that are not closed (Python 3.12 on)
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        first, last = (int(starts[row - 1]) + column for row, column in (token.start, token.end))
        name = tokenize.tok_name[token.type]
        kind = KINDS.get(token.type)
        if name.endswith("STRING_START"):
            opened.append(first)
        elif name.endswith("STRING_END"):
            first, kind = opened.pop(), "string"
        elif kind == "name" and keyword.iskeyword(token.string):
            kind = "keyword"
        if kind is not None:
            kinds[first:last] = [kind] * (last - first)
    return kinds


def stdlib_pieces(files: Sequence[Path], T: int, most: int, rng: np.random.Generator) -> Tagged:
    """From each file at most so many pieces of T characters, and their classes."""
    texts: list[Sequence[str]] = []
    tags: list[Sequence[str]] = []
    for path in files:
        with tokenize.open(path) as file:
            code = file.read()
        kinds = token_classes(code)
        starts = np.arange(0, len(code), T)
        for start in np.sort(rng.permutation(starts)[:most]).tolist():
            texts.append(code[start : start + T])
            tags.append(kinds[start : start + T])
    return texts, tags


def stdlib_files() -> list[Path]:
    """The standard library's modules of ordinary size, by name."""
    folder = Path(sysconfig.get_path("stdlib"))
    files = [path for path in sorted(folder.glob("*.py")) if 4000 < path.stat().st_size < 60_000]
    if len(files) < 90:
        raise FileNotFoundError(f"{folder} has {len(files)} source files: give --data instead")
    return files


# ---------------------------------------------------------------- the task
class Tagging(Task):
    """The token class of each character of Python source, on files that were never seen.

    The score is the share of characters that a bidirectional net tags right. `examples` trains a
    one-way net, as wide and as long, and shows its share beside that.

    Args:
        source: a file with a token and, in the last column, its tag on each line, and a blank line
            after each sentence (CoNLL, as of named entities or parts of speech).
    """

    name = "tagging"
    layout = "lines of a token and its tag; a blank line after each sentence (CoNLL)"
    shape = "many-to-many, same length"
    metric = "accuracy"
    epochs = 7
    lr = 1e-2
    H, T, B = 48, 100, 64
    files, pieces = (60, 10, 15), 50  # to train on, validate and test; pieces of each file

    def __init__(self, *, source: Path | None = None, seed: int = 0) -> None:
        rng = np.random.default_rng([seed, 0])
        self.seed = seed
        self._number(self._made(rng) if source is None else self._read(source, rng))

    def _number(self, texts: dict[str, Tagged]) -> None:
        """Symbols and tags become integers; a symbol that is not in the training part, unknown."""
        every = (symbol for text in texts["train"][0] for symbol in text)
        self.symbols = Vocabulary(every, padding="<pad>", unknown="<unk>", min_count=2)
        self.tags = Vocabulary(tag for _, rows in texts.values() for row in rows for tag in row)
        self.texts = texts
        self.parts = {
            part: (
                [self.symbols.encode(list(row)) for row in rows],
                [self.tags.encode(row) for row in tags],
            )
            for part, (rows, tags) in texts.items()
        }

    def _made(self, rng: np.random.Generator) -> dict[str, Tagged]:
        """The three parts of the task's own data."""
        order = rng.permutation(np.array(stdlib_files(), object)).tolist()
        n, m, k = self.files
        cut = {"train": order[:n], "validation": order[n : n + m], "test": order[n + m :][:k]}
        return {part: stdlib_pieces(some, self.T, self.pieces, rng) for part, some in cut.items()}

    @staticmethod
    def _read(source: Path, rng: np.random.Generator) -> dict[str, Tagged]:
        sentences, tags = read_conll(source)
        if len(sentences) < 10:
            raise ValueError(f"{source} has {len(sentences)} sentences: at least 10 make 3 parts")
        rest, test = shuffled_split(sentences, tags, held_out=0.15, rng=rng)
        train, validation = shuffled_split(*rest, held_out=0.15, rng=rng)
        return {"train": train, "validation": validation, "test": test}

    def model(self, cell: str, rng: np.random.Generator) -> Module:
        return Tagger(cell, len(self.symbols), self.H, len(self.tags), rng)

    def losses(self, model: Any, rng: np.random.Generator) -> Iterator[Tensor]:
        rows, tags = self.parts["train"]
        for x, lengths, chosen in bucketed_batches(rows, self.B, rng=rng):
            y, _ = pad_sequences([tags[row] for row in chosen], side="right", value=-100)
            yield F.cross_entropy(model(x, lengths), y.T)  # padding counts for nothing

    def predict(self, model: Any, rows: list[Array]) -> list[Array]:
        """The most probable tag of each symbol."""
        found = []
        for start in range(0, len(rows), 128):
            x, lengths = pad_sequences(rows[start : start + 128], side="right")
            best = model(x.T, lengths).data.argmax(axis=-1).T  # (B, T)
            found += [row[:n] for row, n in zip(best, lengths, strict=True)]
        return found

    def score(self, model: Any, part: str) -> float:
        rows, tags = self.parts[part]
        found = np.concatenate(self.predict(model, rows))
        return float(np.mean(found == np.concatenate(tags)))

    def baseline(self) -> tuple[str, float]:
        rows, tags = (np.concatenate(some) for some in self.parts["train"])
        counts = np.zeros((len(self.symbols), len(self.tags)))
        np.add.at(counts, (rows, tags), 1)
        counts[counts.sum(axis=1) == 0] = counts.sum(axis=0)  # a symbol never seen
        x, y = (np.concatenate(some) for some in self.parts["test"])
        return "each symbol's most frequent tag", float(np.mean(counts.argmax(axis=1)[x] == y))

    def one_way(self, cell: str) -> float:
        """The test score of a net that reads forward only, 2 H wide, with the same settings."""
        rng = np.random.default_rng([self.seed, 1])
        net = Tagger(cell, len(self.symbols), 2 * self.H, len(self.tags), rng, both=False)
        run = Fit(self, net, seed=self.seed)
        for _ in run.epochs_left():
            pass
        run.use_best()
        return run.score("test")

    def examples(self, model: Any) -> list[str]:
        model.eval()
        with no_grad():
            both = self.score(model, "test")
            found = self.predict(model, self.parts["test"][0][:3])
        counts = Counter(tag for row in self.texts["test"][1] for tag in row)
        (top, n), *_ = counts.most_common(1)
        lines = [
            f"always {top!r} {n / counts.total():.4f}, one-way {model.cell.upper()}"
            f" {self.one_way(model.cell):.4f}, bidirectional {both:.4f}"
        ]
        if set(self.tags.symbols) <= set(SIGNS):
            lines.append("signs: " + ", ".join(f"{s} {kind}" for kind, s in SIGNS.items()))
        for text, tags in zip(self.texts["test"][0], found, strict=False):
            named = [self.tags.symbols[k] for k in tags]
            if isinstance(text, str):
                lines += [text[:70].replace("\n", " "), "".join(SIGNS[k] for k in named)[:70]]
            else:
                pairs = " ".join(f"{a}/{b}" for a, b in zip(text, named, strict=True))
                lines.append(shorten(pairs, 100, placeholder=" ..."))
        return lines


# ---------------------------------------------------------------- DNA
# The genetic code: the amino acid of each codon, TTT, TTC, TTA, TTG, TCT, ... (NCBI's table 1).
CODONS = [a + b + c for a in "TCAG" for b in "TCAG" for c in "TCAG"]
AMINO = "FFLLSSSSYY**CC*WLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG"
CODE = dict(zip(CODONS, AMINO, strict=True))


def translated(dna: str) -> str:
    """For each base the amino acid of its codon, "*" in the stop codon, "-" outside of the gene.

    The gene begins with the first ATG and ends with a stop codon in its frame, or with the last
    whole codon.

    >>> translated("CCATGGGATAAG")
    '--MMMGGG***-'
    """
    start = dna.find("ATG")
    if start < 0:
        return "-" * len(dna)
    labels = "-" * start
    for k in range(start, len(dna) - 2, 3):
        labels += 3 * CODE[dna[k : k + 3]]
        if labels[-1] == "*":
            break
    return labels + "-" * (len(dna) - len(labels))


def gene(rng: np.random.Generator) -> str:
    """A start, 4 to 12 codons, a stop; and up to 12 bases before and behind that mean nothing."""
    before, behind = ("".join(rng.choice(list("ACGT"), rng.integers(0, 13))) for _ in range(2))
    inner = [codon for codon in CODONS if CODE[codon] != "*"]
    stop = [codon for codon in CODONS if CODE[codon] == "*"]
    codons = ["ATG", *rng.choice(inner, rng.integers(4, 13)), rng.choice(stop)]
    return before + "".join(codons) + behind


class Dna(Tagging):
    """The amino acid that each base of a DNA sequence is translated to, if it is.

    The same three letters mean another amino acid in another frame, and none before the start: the
    net has to find the first ATG and to count by threes from there (64 codons, the standard code).
    The sequences are of different length.

    Args:
        source: a FASTA file of letters A, C, G, T; longer sequences are cut into pieces of 120.
    """

    name = "dna"
    layout = "FASTA of the letters A, C, G, T"
    epochs = 6
    H, B = 64, 32
    sizes = (3000, 300, 500)

    def __init__(self, *, source: Path | None = None, seed: int = 0) -> None:
        rng = np.random.default_rng([seed, 0])
        self.seed = seed
        if source is None:
            rows = [gene(rng) for _ in range(sum(self.sizes))]
            cuts = self.sizes[0], self.sizes[0] + self.sizes[1]
        else:
            _, long = read_fasta(source, "ACGT")
            pieces = [dna[k : k + 120] for dna in long for k in range(0, len(dna), 120)]
            if len(pieces) < 10:
                raise ValueError(
                    f"{source} has {len(pieces)} pieces of 120: at least 10 make 3 parts"
                )
            rows = [pieces[k] for k in rng.permutation(len(pieces))]
            cuts = int(0.7 * len(rows)), int(0.85 * len(rows))
        parts = {"train": rows[: cuts[0]], "validation": rows[cuts[0] : cuts[1]]}
        parts["test"] = rows[cuts[1] :]
        self._number({part: (list(x), [translated(row) for row in x]) for part, x in parts.items()})

    def baseline(self) -> tuple[str, float]:
        """Each base's most frequent label, by the two letters on either side of it."""
        counts: dict[str, Counter[str]] = {}
        for window, label in self._windows("train"):
            counts.setdefault(window, Counter())[label] += 1
        best = {window: count.most_common(1)[0][0] for window, count in counts.items()}
        right = [best.get(window, "-") == label for window, label in self._windows("test")]
        return "most frequent label of 5 letters", float(np.mean(right))

    def _windows(self, part: str) -> Iterator[tuple[str, str]]:
        for dna, labels in zip(*self.texts[part], strict=True):
            around = "__" + "".join(dna) + "__"
            yield from ((around[k : k + 5], label) for k, label in enumerate(labels))

    def examples(self, model: Any) -> list[str]:
        model.eval()
        with no_grad():
            found = self.predict(model, self.parts["test"][0][:3])
        lines = []
        for dna, labels, tags in zip(*self.texts["test"], found, strict=False):
            lines += [
                f"{'dna':8}{dna}",
                f"{'truth':8}{labels}",
                f"{'answer':8}{self.tags.decode(tags)}",
            ]
        return lines
