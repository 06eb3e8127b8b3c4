"""A language model: text in, the next symbol out; how it writes, and the folder it is kept in.

A symbol is a character or a word: the model knows numbers only, the vocabulary what they stand for.
Legend: `B` batch, `T` time, `V` symbols.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from . import functional as F
from . import nn
from .arraylike import Array
from .data import Vocabulary, words
from .export import load_weights, save_weights
from .files import whole_file
from .modes import no_grad
from .tensor import Tensor

PROMPT = "The "


class LanguageModel(nn.Module):
    """The next symbol from all before it: embedding, recurrent layer, one score for each symbol.

    Dropout on the way in and on the way out, not along time (Zaremba et al. 2014).

    Args:
        symbols: V.
        cell: "rnn", "lstm" or "gru".
        embedding, hidden: widths.
        dropout: probability of a zero, while training.

    Call `model(x, state=None)` with integers x (T, B). Gives (scores (T, B, V), state).
    """

    def __init__(
        self,
        symbols: int,
        cell: str = "lstm",
        embedding: int = 64,
        hidden: int = 128,
        dropout: float = 0.0,
        *,
        dtype: DTypeLike = np.float32,
        rng: int | np.random.Generator | None = None,
    ) -> None:
        super().__init__()
        if cell not in nn.LAYERS:
            raise ValueError(f"cell is one of {', '.join(nn.LAYERS)}; given {cell!r}")
        self.config = {
            "symbols": symbols, "cell": cell, "embedding": embedding, "hidden": hidden,
            "dropout": dropout,
        }  # fmt: skip
        rng = np.random.default_rng(rng)
        self.embedding = nn.Embedding(symbols, embedding, dtype=dtype, rng=rng)
        self.dropout = nn.Dropout(dropout, rng=rng)
        self.recurrent = nn.LAYERS[cell](embedding, hidden, dtype=dtype, rng=rng)
        self.output = nn.Linear(hidden, symbols, dtype=dtype, rng=rng)

    def forward(self, x: Array, state: Any = None) -> tuple[Tensor, Any]:
        hs, state = self.recurrent(self.dropout(self.embedding(x)), state)  # (T, B, H)
        return self.output(self.dropout(hs)), state


# ---------------------------------------------------------------- writing
@no_grad()
def sample(
    model: LanguageModel,
    prompt: Array,
    length: int,
    *,
    temperature: float = 1.0,
    never: tuple[int, ...] = (),
    rng: int | np.random.Generator,
) -> Array:
    """`length` symbols that continue the prompt, each drawn from softmax(scores / temperature).

    Args:
        prompt: integers (n,), n >= 1.
        temperature: below 1 bolder, above 1 wilder; 0 always takes the likeliest.
        never: symbols that are not drawn, such as the unknown word.

    Raises:
        ValueError: for an empty prompt or a negative temperature.
    """
    if len(prompt) < 1 or temperature < 0:
        raise ValueError(
            "sampling needs a prompt of at least one symbol and temperature >= 0; given"
            f" {len(prompt)} symbols and {temperature}"
        )
    rng = np.random.default_rng(rng)
    scores, state = model(np.asarray(prompt)[:, None])
    drawn = []
    for _ in range(length):
        last = scores.data[-1, 0].astype(float)  # (V,)
        last[list(never)] = -np.inf
        if temperature < 1e-6:  # the likeliest; and nothing overflows
            symbol = int(last.argmax())
        else:
            symbol = int(rng.choice(last.size, p=F.softmax(last / temperature)))
        drawn.append(symbol)
        scores, state = model(np.array([[symbol]]), state)
    return np.array(drawn)


def write(
    model: LanguageModel,
    vocabulary: Vocabulary,
    *,
    prompt: str,
    length: int,
    temperature: float,
    seed: int,
) -> str:
    """The prompt and `length` characters, or words, that the model puts after it.

    Raises:
        ValueError: for a prompt that is empty, or has characters that the model does not know.
    """
    start = vocabulary.encode(words(prompt) if vocabulary.joiner else prompt)
    unknown = () if vocabulary.unknown is None else (vocabulary.symbols.index(vocabulary.unknown),)
    drawn = sample(model, start, length, temperature=temperature, never=unknown, rng=seed)
    text = vocabulary.decode(drawn)
    return f"{prompt.rstrip()}{vocabulary.joiner}{text}" if vocabulary.joiner else prompt + text


def default_prompt(vocabulary: Vocabulary) -> str:
    """'The ', if the model knows its symbols; else some symbol that it knows."""
    symbols = words(PROMPT) if vocabulary.joiner else PROMPT
    return PROMPT if set(symbols) <= set(vocabulary.symbols) else vocabulary.symbols[-1]


# ---------------------------------------------------------------- keeping
def save_model(model: LanguageModel, vocabulary: Vocabulary, folder: str | Path) -> None:
    """Write weights.npz and model.json (sizes and vocabulary) into an existing folder."""
    save_weights(model.state_dict(), Path(folder) / "weights.npz")
    with whole_file(Path(folder) / "model.json") as file:
        described = model.config | {"vocabulary": vocabulary.to_json()}
        json.dump(described, file, ensure_ascii=False)


def load_model(
    folder: str | Path, *, dtype: DTypeLike = np.float32
) -> tuple[LanguageModel, Vocabulary]:
    """The model, with dropout off, and vocabulary that `save_model` wrote.

    Raises:
        OSError: if the folder or a file in it cannot be read.
        ValueError: if the files do not describe a model, or the weights do not fit it.
    """
    path = Path(folder) / "model.json"
    if not path.exists() and path.with_name("result.json").exists():
        raise ValueError(
            f"{folder} holds no language model: those of the tasks characters and words can write"
        )
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        vocabulary = Vocabulary.from_json(config.pop("vocabulary"))
        model = LanguageModel(**config, dtype=dtype)
        if len(vocabulary) != config["symbols"]:
            raise ValueError(f"{len(vocabulary)} symbols, and sizes for {config['symbols']}")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} does not describe a model: {error!r}") from None
    model.load_state_dict(load_weights(Path(folder) / "weights.npz"))
    model.eval()
    return model, vocabulary
