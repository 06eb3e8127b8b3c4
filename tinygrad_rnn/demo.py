"""The main job in five steps: learn from text, write some, check every gradient, draw, keep it all.

Each step is a function here, and `tinygrad-rnn train, sample, check, draw` runs it alone.
"""

from __future__ import annotations

import csv
import math
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from itertools import count
from pathlib import Path
from typing import Any

from . import functional as F
from .arraylike import Array
from .check import Report, gradcheck
from .data import Vocabulary, sequential_batches, split
from .draw import Drawing, draw
from .files import whole_file
from .models import LanguageModel, save_model
from .nn import functional_call
from .tensor import Tensor
from .train import Progress, evaluate, repeated, sample, train

B, T = 32, 64  # rows that are read side by side, and steps between two cuts of the gradient
PROMPT = "The "
WINDOW = 3  # steps in the window that is checked and drawn


def learn(
    text: str, cell: str, steps: int, seed: int
) -> tuple[LanguageModel, Vocabulary, list[Progress], Array]:
    """Step 1: train on nine tenths; (model, vocabulary, history, the held-out numbers).

    Ctrl-C ends the training; what was learned is kept.

    Raises:
        ValueError: if the text is too short.
    """
    if not _enough(len(text)):
        need = next(n for n in count(len(text)) if _enough(n))
        raise ValueError(
            f"the text has {len(text):,} characters; {B} rows of {T} steps, and a tenth held out,"
            f" need at least {need:,}"
        )
    vocabulary = Vocabulary(text)
    training, held_out = split(vocabulary.encode(text))
    model = LanguageModel(len(vocabulary), cell, rng=seed)
    print(
        f"{len(text):,} characters, {len(vocabulary)} symbols; {cell.upper()} of"
        f" {model.num_parameters():,} parameters; Ctrl-C stops and keeps what was learned"
    )
    history: list[Progress] = []
    epochs = repeated(lambda: sequential_batches(training, B, T))
    with suppress(KeyboardInterrupt):
        for progress in _with_bar(train(model, epochs, steps), steps):
            history.append(progress)
    return model, vocabulary, history, held_out


def _enough(n: int) -> bool:
    """Whether a text of n characters fills every row once, and the held-out part a row."""
    held_out = int(n * 0.1)
    return (n - held_out) // B >= T and held_out >= T


def _with_bar(run: Iterator[Progress], steps: int) -> Iterator[Progress]:
    """The same progress, shown live: a bar with tqdm, else a line now and then."""
    try:
        from tqdm import tqdm
    except ImportError:
        print("(pip install tqdm shows a progress bar here)")
        yield from _with_lines(run, steps)
        return
    smooth = None
    with tqdm(run, total=steps, unit="step", dynamic_ncols=True, file=sys.stdout) as bar:
        for p in bar:
            smooth = p.loss if smooth is None else 0.98 * smooth + 0.02 * p.loss
            bar.set_postfix_str(
                f"loss {smooth:.3f} nats/char, {p.step * p.symbols / p.seconds:,.0f} chars/s",
                refresh=False,
            )
            yield p


def _with_lines(run: Iterator[Progress], steps: int) -> Iterator[Progress]:
    for p in run:
        if p.step % max(1, steps // 20) == 0:
            rate = p.step * p.symbols / p.seconds
            print(f"step {p.step}/{steps}: loss {p.loss:.3f} nats/char, {rate:,.0f} chars/s")
        yield p


def judged(model: LanguageModel, vocabulary: Vocabulary, held_out: Array) -> str:
    """The loss on text that was held out, and what it means, in one line."""
    nats = evaluate(model, sequential_batches(held_out, 1, 512))
    V = len(vocabulary)
    return (
        f"held-out: {nats:.3f} nats per character = {nats / math.log(2):.2f} bits"
        f" (uniform over {V} symbols: {math.log(V):.2f} nats)"
    )


def default_prompt(vocabulary: Vocabulary) -> str:
    """'The ', if the model knows these letters, else some symbol that it knows."""
    return PROMPT if set(PROMPT) <= set(vocabulary.symbols) else vocabulary.symbols[-1]


def write_some(
    model: LanguageModel,
    vocabulary: Vocabulary,
    *,
    prompt: str,
    length: int,
    temperature: float,
    seed: int,
) -> str:
    """Step 2: the prompt and `length` characters that the model puts after it."""
    numbers = sample(model, vocabulary.encode(prompt), length, temperature=temperature, rng=seed)
    return prompt + vocabulary.decode(numbers)


def window_loss(model: LanguageModel, x: Array, y: Array) -> Any:
    """The loss over a short window, as a function of every parameter; and their names."""
    state = model.state_dict()

    def loss(*parameters: Tensor) -> Tensor:
        scores, _ = functional_call(model, dict(zip(state, parameters, strict=True)), x)
        return F.cross_entropy(scores, y)

    return loss, state


def check_model(model: LanguageModel, x: Array, y: Array, seed: int = 0) -> Report:
    """Step 3: the gradient of every parameter on a window x, y (T, B), against the complex step."""
    loss, state = window_loss(model, x, y)
    arrays = [array.astype(float) for array in state.values()]
    return gradcheck(loss, *arrays, names=tuple(state), seed=seed)


def draw_model(model: LanguageModel, x: Array, y: Array) -> Drawing:
    """Step 4: the window unrolled, with values and gradients."""
    scores, _ = model(x)
    return draw(F.cross_entropy(scores, y))


def keep(
    folder: Path,
    model: LanguageModel,
    vocabulary: Vocabulary,
    history: list[Progress],
) -> list[Path]:
    """Step 5: the weights, the sizes and symbols, and the history as CSV."""
    save_model(model, vocabulary, folder)
    with whole_file(folder / "history.csv") as file:
        rows = csv.DictWriter(file, list(Progress.__dataclass_fields__), lineterminator="\n")
        rows.writeheader()
        rows.writerows(asdict(p) for p in history)
    return [folder / name for name in ("weights.npz", "model.json", "history.csv")]
