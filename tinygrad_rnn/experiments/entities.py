"""Named entities: who, where, which firm? A name that nobody has met is told by its neighbours.

"Marden said that" is a person, "Marden shares fell" a firm: often what stands behind the name
decides, so a net that reads forward only has to guess. Read first: `tagging.py`.
"""

from __future__ import annotations

import numpy as np

from .tagging import Tagged, Tagging

SYLLABLES = (
    "ar", "bel", "cor", "dan", "el", "far", "gol", "hal", "is", "jor", "kan", "lin", "mar", "nor",
    "or", "pel", "quin", "ros", "sar", "tor", "ul", "van", "wes", "yor", "zan",
)  # fmt: skip
OPENINGS = (
    "PER said that", "PER , who lives in LOC , said that", "we heard from Mr PER that",
    "PER laughed when", "ORG shares fell after", "ORG , which makes cars , hired PER before",
    "a spokesman of ORG said that", "ORG has sued PER because", "LOC was flooded after",
    "LOC , a town by the sea , welcomed PER before", "everybody in LOC says that",
    "the streets of LOC were empty when",
)  # fmt: skip
CLOSINGS = (
    "it rained", "nobody was at home", "the train from LOC was late", "ORG bought its rival",
    "PER won the race", "ORG closed two factories", "LOC was snowed in", "PER fell asleep",
    "the road to LOC was closed", "Mrs PER sang", "ORG Inc. was sold to ORG Ltd.",
)  # fmt: skip


def name(rng: np.random.Generator) -> list[str]:
    """One word or two of three syllables each: whether a person's or a town's, who knows?

    >>> name(np.random.default_rng(0))
    ['Pelmargol', 'Halbelbel']
    """
    return ["".join(rng.choice(SYLLABLES, 3)).capitalize() for _ in range(rng.integers(1, 3))]


def sentence(rng: np.random.Generator) -> tuple[list[str], list[str]]:
    """(words, tags): B- at the first word of a name, I- at the second, O elsewhere."""
    words: list[str] = []
    tags: list[str] = []
    for symbol in f"{rng.choice(OPENINGS)} {rng.choice(CLOSINGS)} .".split():
        if symbol in ("PER", "LOC", "ORG"):
            words += name(rng)
            tags += [f"B-{symbol}", f"I-{symbol}"][: len(words) - len(tags)]
        else:
            words.append(symbol)
            tags.append("O")
    return words, tags


class Entities(Tagging):
    """The person, place or firm that each word names, if it names any, as B-, I- and O tags.

    Names are made of syllables, alike for all three, and hardly any comes twice: what counts as
    <unk> has to be told by the words before and behind it. The score is the share of words that a
    bidirectional net tags right; `examples` shows a one-way net's beside it.
    """

    name = "entities"
    epochs = 4
    B = 32
    sizes = (1500, 300, 500)

    def _made(self, rng: np.random.Generator) -> dict[str, Tagged]:
        parts: dict[str, Tagged] = {}
        for part, n in zip(("train", "validation", "test"), self.sizes, strict=True):
            some = [sentence(rng) for _ in range(n)]
            parts[part] = ([words for words, _ in some], [tags for _, tags in some])
        return parts
