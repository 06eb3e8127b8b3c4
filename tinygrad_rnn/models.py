"""A language model, and the folder that it is kept in: weights.npz and model.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from . import nn
from .arraylike import Array
from .data import Vocabulary
from .export import load_weights, save_weights
from .files import whole_file
from .tensor import Tensor


class LanguageModel(nn.Module):
    """The next symbol from all before it: embedding, recurrent layer, one score for each symbol.

    Args:
        symbols: V.
        cell: "rnn", "lstm" or "gru".
        embedding, hidden: widths.

    Call `model(x, state=None)` with integers x (T, B). Gives (scores (T, B, V), state).
    """

    def __init__(
        self,
        symbols: int,
        cell: str = "lstm",
        embedding: int = 64,
        hidden: int = 128,
        *,
        dtype: DTypeLike = np.float32,
        rng: int | np.random.Generator | None = None,
    ) -> None:
        super().__init__()
        if cell not in nn.LAYERS:
            raise ValueError(f"cell is one of {', '.join(nn.LAYERS)}; given {cell!r}")
        self.config = {"symbols": symbols, "cell": cell, "embedding": embedding, "hidden": hidden}
        rng = np.random.default_rng(rng)
        self.embedding = nn.Embedding(symbols, embedding, dtype=dtype, rng=rng)
        self.recurrent = nn.LAYERS[cell](embedding, hidden, dtype=dtype, rng=rng)
        self.output = nn.Linear(hidden, symbols, dtype=dtype, rng=rng)

    def forward(self, x: Array, state: Any = None) -> tuple[Tensor, Any]:
        hs, state = self.recurrent(self.embedding(x), state)
        return self.output(hs), state


def save_model(model: LanguageModel, vocabulary: Vocabulary, folder: str | Path) -> None:
    """Write weights.npz and model.json (sizes and symbols) into an existing folder."""
    save_weights(model.state_dict(), Path(folder) / "weights.npz")
    with whole_file(Path(folder) / "model.json") as file:
        json.dump(model.config | {"vocabulary": vocabulary.symbols}, file, ensure_ascii=False)


def load_model(
    folder: str | Path, *, dtype: DTypeLike = np.float32
) -> tuple[LanguageModel, Vocabulary]:
    """The model and vocabulary that `save_model` wrote.

    Raises:
        OSError: if the folder or a file in it cannot be read.
        ValueError: if the files do not describe a model, or the weights do not fit it.
    """
    path = Path(folder) / "model.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        vocabulary = Vocabulary(config.pop("vocabulary"))
        model = LanguageModel(**config, dtype=dtype)
        if len(vocabulary) != config["symbols"]:
            raise ValueError(f"{len(vocabulary)} symbols, and sizes for {config['symbols']}")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} does not describe a model: {error!r}") from None
    model.load_state_dict(load_weights(Path(folder) / "weights.npz"))
    return model, vocabulary
