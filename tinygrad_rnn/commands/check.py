"""`tinygrad-rnn check`: your own function, pair, class or net, a built-in cell, or a trained model.

Exit code 0: every gradient is right; 1: one is wrong; 2: it cannot be checked, and a line says why.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

import numpy as np

from ..check import Report
from ..check.modules import check_loss, check_module
from ..functional import cross_entropy
from ..models import load_model
from ..nn import LAYERS
from ..userfile import UserFileError, blaming, split_spec
from .inputs import Inputs, inputs_for
from .subjects import Checked, checked

SEEDS = 4  # of each structure and scale, with --deep
SCALES = (1.0, 1e-3, 1e3)

FILE = """\
FILE.py:NAME may be
  a function of Tensors; of NumPy arrays, if NAME_backward(g, *inputs) stands beside it
  a pair (forward, backward) of NumPy functions; a class with these two as methods, where backward
      takes (g, *inputs), or only g, and uses what forward kept
  a primitive: each of its rules alone
  an nn.Module, or its class: every parameter

where its inputs come from, the first that is there:
  --shapes "x=4,3 w=3,5 i=int5:4"  normal numbers of these shapes; whole numbers below 5;
                                   "p=" is one number, and "p=0.5" is this one
  NAME.inputs, or in the file NAME_inputs or inputs: arrays, in a tuple or in a dict by name, or a
      function of a NumPy Generator that gives them
  annotations: def f(x: "B, D", w: "D, H", i: int)
  trial: the first shapes that the function takes

exit code: 0 right, 1 wrong, 2 cannot be checked
"""


def add_arguments(sub: argparse.ArgumentParser) -> None:
    """The flags of the verb, beside those for a built-in cell."""
    sub.formatter_class = argparse.RawDescriptionHelpFormatter
    sub.epilog = FILE
    sub.add_argument("target", nargs="?", metavar="FILE.py:NAME", help="your own; see below")
    sub.add_argument("--shapes", metavar="TEXT", help='the inputs: "x=4,3 w=3,5"; see below')
    sub.add_argument(
        "--order", type=int, choices=(1, 2), default=1, help="2: second derivatives too"
    )
    sub.add_argument(
        "--deep", action="store_true", help="many structures, seeds and scales of the inputs"
    )
    sub.add_argument("--json", action="store_true", help="the report as JSON")
    sub.add_argument("--model", metavar="DIR", help="check a trained model instead of a fresh cell")


def run(arguments: argparse.Namespace) -> int:
    """Check, print the report, give the exit code."""
    try:
        report, inputs = _checked(arguments)
    except (OSError, ValueError, ArithmeticError, ImportError, MemoryError) as error:
        if not arguments.json:
            raise
        print(json.dumps(_no_report(arguments).data(error=_one_line(error)), indent=2))
        return 2
    return _said(report, inputs, arguments.json)


def _checked(arguments: argparse.Namespace) -> tuple[Report, str]:
    if arguments.target is not None:
        return _of_file(arguments)
    return (_of_model(arguments) if arguments.model is not None else _of_cell(arguments)), ""


def _no_report(arguments: argparse.Namespace) -> Report:
    """What there is to say of what could not be checked, in the form of a report."""
    what = arguments.target or arguments.model or arguments.cell
    return Report(str(what), [], "not asked", arguments.seed, arguments.order)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _of_cell(arguments: argparse.Namespace) -> Report:
    rng = np.random.default_rng(arguments.seed)
    layer = LAYERS[arguments.cell](arguments.hidden, arguments.hidden, rng=rng)
    x = rng.standard_normal((arguments.steps, 2, arguments.hidden))
    return check_module(layer, x, order=arguments.order, seed=arguments.seed)


def _of_model(arguments: argparse.Namespace) -> Report:
    model, vocabulary = load_model(arguments.model)
    rng = np.random.default_rng(arguments.seed)
    window = rng.integers(len(vocabulary), size=arguments.steps + 1)
    x, y = window[:-1, None], window[1:, None]

    def loss(model: Any, x: Any, y: Any) -> Any:
        return cross_entropy(model(x)[0], y)

    return check_loss(loss, model, x, y, order=arguments.order, seed=arguments.seed)


# ---------------------------------------------------------------- the user's own
def _of_file(arguments: argparse.Namespace) -> tuple[Report, str]:
    path, _ = split_spec(arguments.target)
    what = checked(arguments.target, arguments.seed)
    if what.pair and arguments.order == 2:
        raise UserFileError(
            f"{arguments.target} is a pair of NumPy functions, and their backward is not recorded:"
            " --order 2 needs a function of Tensors"
        )
    with blaming(path):
        inputs = inputs_for(what, arguments.shapes, arguments.seed)
        drawn = _deep(inputs, what) if arguments.deep else [(inputs, arguments.seed, 1.0)]
    done: list[tuple[Report, str]] = []
    for given, seed, scale in drawn:
        with blaming(path):
            values = _scaled(given.values(seed), scale)
            if done and not what.takes(values):
                continue
            report = what.report(values, arguments.order, seed)
            report.function = what.name
        times = f", times {scale:g}" if scale != 1 else ""
        done.append((report, f"inputs: {given.described(values)}{times}"))
        if not report:
            break
    report, said = done[0] if done[-1][0] else done[-1]
    if len(done) > 1:
        said += f"; {len(done)} checks of other sizes, seeds and scales"
    return report, said


def _deep(inputs: Inputs, what: Checked) -> list[tuple[Inputs, int, float]]:
    """(inputs, seed, scale): as they are first, then other structures, the smallest first."""
    kinds = [inputs, *(other for other in inputs.structures() if what.takes(other.values(0)))]
    return [(kind, seed, scale) for scale in SCALES for kind in kinds for seed in range(SEEDS)]


def _scaled(values: list[Any], scale: float) -> list[Any]:
    return [v * scale if np.asarray(v).dtype.kind == "f" else v for v in values]


# ---------------------------------------------------------------- what is printed
def _said(report: Report, inputs: str, as_json: bool) -> int:
    undecided = report.verdict == "not compared"
    why = f"{report.function} could not be compared everywhere: the notes of the report say why"
    if as_json:
        found = report.data(inputs.removeprefix("inputs: "), why if undecided else None)
        print(json.dumps(found, indent=2))
    else:
        print(report)
        if inputs:
            print(f"  {inputs}")
        if undecided:
            raise ValueError(why)
    return {"right": 0, "wrong": 1}.get(report.verdict, 2)
