"""`tinygrad-rnn draw`: a built-in cell, or what your own function builds, as a picture or as text.

Each option of `tg.draw` is a flag of the same name.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .. import nn
from ..draw import Drawing, DrawingError, draw
from ..draw.contract import MOVEMENTS
from ..draw.drawing import check_format
from ..draw.options import CHOICES, SHOWN, TooManyNodes
from ..draw.page import Page, step_through
from ..modes import scope
from ..program import Graph
from ..tensor import Tensor
from ..userfile import UserFileError, blaming, load, split_spec

CELLS = {"rnn": nn.RNNCell, "lstm": nn.LSTMCell, "gru": nn.GRUCell}
HELP = {
    "rankdir": "left to right, or top to bottom",
    "weights": "a shared weight: a reference in each step, one node with lines, or left out",
    "view": "backward: arrows turned round, as thick as the gradient on them",
    "style": "an operation and its result: one node, two, or two with name | data | grad",
    "others": "what is not in focus",
    "theme": "print is black on white; auto, of a page: as the reader's system has it",
}
BUILT_IN = ("cell", "steps", "hidden", "seed")
SELECTING = ("weights", "view", "style", "others", "hide", "depth", "focus", "legend", "rolled",
             "fold", "only")  # fmt: skip
UNUSED = {  # flags without a meaning, by what is made
    "a page": ("show", *SELECTING),
    "a listing": ("rankdir", "theme", "max_nodes", "timeout", "out", "numeric", "predict",
                  *SELECTING),
    "Mermaid text": ("style", "theme", "legend", "timeout", "numeric", "predict"),
    "a picture": ("numeric", "predict"),
    "your own function": BUILT_IN,
}  # fmt: skip


def add_arguments(sub: argparse.ArgumentParser, number: Callable[[str], int]) -> None:
    """The flags of the verb, beside those for a built-in cell; `number` reads a whole one."""
    sub.add_argument(
        "build",
        nargs="?",
        metavar="FILE.py:NAME",
        help="your function: it takes no argument and returns a Tensor, several, or a tg.Graph",
    )
    for name, choices in CHOICES.items():
        sub.add_argument(
            f"--{name}",
            choices=(*choices, "auto") if name == "theme" else choices,
            default=choices[0],
            help=f"{HELP[name]} (default: {choices[0]})",
        )
    sub.add_argument(
        "--show", default="value,grad", help=f"any of {','.join(SHOWN)} (default: value,grad)"
    )
    sub.add_argument(
        "--hide",
        default=",".join(MOVEMENTS),
        help='operations that arrows run through, or "" (default: %(default)s)',
    )
    sub.add_argument("--depth", type=number, help="modules as boxes, from this depth of names on")
    sub.add_argument("--focus", metavar="FROM,TO", help="names: the ways from x2 to loss: x2,loss")
    sub.add_argument("--legend", action="store_true", help="explain the forms")
    sub.add_argument("--rolled", action="store_true", help="one step for all steps of a loop")
    sub.add_argument(
        "--fold",
        metavar="K",
        type=_fold,
        default="auto",
        help="draw the first and last K steps of a loop; none: all (default: 2 in long loops)",
    )
    sub.add_argument(
        "--only", metavar="T,T", type=_times, help="the time steps to draw, as 1,2,50; others fold"
    )
    _add_output(sub, number)


def _add_output(sub: argparse.ArgumentParser, number: Callable[[str], int]) -> None:
    """The flags for what is written, and where."""
    sub.add_argument(
        "--max-nodes", type=number, default=400, help="refuse to draw more (default: 400)"
    )
    sub.add_argument(
        "--timeout", type=number, default=30, help="seconds for the layout (default: 30)"
    )
    sub.add_argument("--listing", action="store_true", help="print the program instead")
    sub.add_argument(
        "--out",
        metavar="FILE",
        default="unrolled.svg",
        help=".svg .png .pdf .gv .mmd .md; .html: a page to step through; a missing folder is made"
        " (default: unrolled.svg)",
    )
    sub.add_argument("--numeric", action="store_true", help="page: numeric gradients beside ours")
    sub.add_argument("--predict", action="store_true", help="page: ask before a gradient is shown")
    sub.set_defaults(default_of=sub.get_default)


def run(arguments: argparse.Namespace) -> int:
    """Draw, and say what is not drawn and where the picture is."""
    path = Path(arguments.out)
    if not path.name:
        raise ValueError("--out needs a file name, such as unrolled.svg")
    what = _what(arguments.listing, path.suffix.lower())
    is_page = what == "a page"
    _demand_used(arguments, what)
    if not is_page:
        check_format(path.suffix or ".svg")
        if arguments.theme == "auto":
            raise ValueError(f"--theme auto is for pages: {what} is light, dark or print")
    graph = _graph(arguments)
    show = _words(arguments.show)
    try:
        if arguments.listing:
            print(graph.listing(show))
            return 0
        if is_page:
            print(f"  {_page(graph, arguments).save(path)}")
            return 0
        drawing = _drawing(graph, show, arguments)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always", RuntimeWarning)
            written = drawing.render(path, timeout=arguments.timeout)
    except DrawingError:
        raise
    except TooManyNodes as error:
        raise ValueError(error.told(_flag, "--listing")) from error
    except RuntimeError as error:  # a gradient that cannot be had: the message says why
        raise ValueError(str(error)) from error
    for warning in said:  # that the layout took too long, and what was drawn instead
        print(f"tinygrad-rnn draw: {warning.message}", file=sys.stderr)
    print(f"{drawing.caption}\n  {written}" if drawing.caption else f"  {written}")
    return 0


def _flag(name: str, value: Any) -> str:
    """An argument of `draw` as a flag.

    >>> _flag("max_nodes", 612), _flag("rolled", True)
    ('--max-nodes 612', '--rolled')
    """
    flag = f"--{name.replace('_', '-')}"
    return flag if value is True else f"{flag} {value}"


def _what(listing: bool, suffix: str) -> str:
    """What is made, by the name of the file."""
    if listing:
        return "a listing"
    if suffix in (".html", ".htm"):
        return "a page"
    return "Mermaid text" if suffix in (".mmd", ".md") else "a picture"


def _demand_used(arguments: argparse.Namespace, what: str) -> None:
    """Raise for a flag that would change nothing: whoever gives it expects something."""
    kinds = [what, *(["your own function"] if arguments.build is not None else [])]
    for kind in kinds:
        given = [
            f"--{name.replace('_', '-')}"
            for name in UNUSED[kind]
            if getattr(arguments, name) != arguments.default_of(name)
        ]
        if given:
            it = "it" if len(given) == 1 else "them"
            raise ValueError(f"{', '.join(given)} would change nothing in {kind}: leave {it} out")


def _page(graph: Graph, arguments: argparse.Namespace) -> Page:
    if len(graph.outputs) > 1:
        raise ValueError(f"a page steps back from one output, and there are {len(graph.outputs)}")
    if graph.outputs and graph.outputs[0].size != 1:
        raise ValueError(
            f"a page steps back from a single number, and this output has shape"
            f" {graph.outputs[0].shape}: return (y * seed).sum(), where seed is dL/dy"
        )
    if arguments.theme == "print":
        raise ValueError('a page is light or dark, or "auto": choose one of them with --theme')
    return step_through(
        graph,
        numeric=arguments.numeric,
        predict=arguments.predict,
        theme=arguments.theme,
        rankdir=arguments.rankdir,
        max_nodes=arguments.max_nodes,
        timeout=arguments.timeout,
    )


def _drawing(graph: Graph, show: tuple[str, ...], arguments: argparse.Namespace) -> Drawing:
    return draw(
        graph,
        show=show,
        hide=_words(arguments.hide),
        depth=arguments.depth,
        focus=None if arguments.focus is None else _words(arguments.focus),
        legend=arguments.legend,
        rolled=arguments.rolled,
        fold=arguments.fold,
        steps=arguments.only,
        max_nodes=arguments.max_nodes,
        **{name: getattr(arguments, name) for name in CHOICES},
    )


def _fold(text: str) -> str | int | None:
    if text in ("none", "auto"):
        return None if text == "none" else text
    return _whole(text, "none, auto, or how many steps")


def _times(text: str) -> list[int]:
    return [_whole(t, "time steps, as 1,2,50") for t in text.split(",")]


def _whole(text: str, wanted: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not {wanted}") from None


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _graph(arguments: argparse.Namespace) -> Graph:
    if arguments.build is None:
        return Graph(unrolled(arguments.cell, arguments.steps, arguments.hidden, arguments.seed))
    return built(arguments.build)


def built(spec: str) -> Graph:
    """The graph that a user's function gives, or that stands in their file under that name.

    Raises:
        UserFileError: if there is none; the message says what there is.
    """
    made, kind = load(spec), "is"
    if callable(made) and not isinstance(made, Tensor):
        path, _ = split_spec(spec)
        with blaming(path):
            made, kind = made(), "gave"
    if isinstance(made, Graph):
        return made
    several = made if isinstance(made, tuple | list) else (made,)
    if several and all(isinstance(one, Tensor) for one in several):
        return Graph(*several)
    raise UserFileError(
        f"{spec} {kind} {_described(made)}: it has to be a function without arguments that returns"
        " a Tensor, a tuple of Tensors, or a tg.Graph"
    )


def _described(made: Any) -> str:
    if isinstance(made, tuple | list):
        kinds = ", ".join(type(one).__name__ for one in made[:5])
        return f"a {type(made).__name__} of ({kinds}{', …' if len(made) > 5 else ''})"
    return "None" if made is None else f"a {type(made).__name__}"


def unrolled(kind: str, steps: int, hidden: int, seed: int) -> Tensor:
    """The loss of a cell after some steps, each in its scope: the graph of the first lesson."""
    rng = np.random.default_rng(seed)
    cell = CELLS[kind](hidden, hidden, rng=rng)
    zeros = [Tensor(np.zeros(hidden), requires_grad=True, name=name) for name in ("h0", "c0")]
    state: Any = tuple(zeros) if kind == "lstm" else zeros[0]
    for t in range(1, steps + 1):
        with scope(t=t):
            state = cell(Tensor(rng.standard_normal(hidden), requires_grad=True, name="x"), state)
    h = state[0] if kind == "lstm" else state
    loss = (h * h).sum()
    loss.name = "loss"
    return loss
