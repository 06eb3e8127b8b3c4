"""`tinygrad-rnn VERB`: each verb is one public function with its arguments on the command line.

Bad input is one clear line on stderr and exit code 2; a traceback is a bug.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import __version__, demo
from .commands import check as check_verb
from .commands import draw as draw_verb
from .draw import Drawing, DrawingError
from .experiments import TASKS
from .experiments.language import Characters
from .experiments.run import run_task
from .files import whole_file
from .models import PROMPT, default_prompt, load_model, write
from .nn import LAYERS


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; gives the exit code: 0 done, 1 a gradient is wrong, 2 it could not be done."""
    arguments = _parser().parse_args(argv)
    if isinstance(
        sys.stdout, io.TextIOWrapper
    ):  # a terminal that cannot show a letter is no reason
        sys.stdout.reconfigure(errors="backslashreplace")  # to stop
    try:
        return int(arguments.run(arguments))
    except (OSError, ValueError, ArithmeticError, ImportError, MemoryError, DrawingError) as error:
        print(f"tinygrad-rnn {arguments.verb}: {_one_line(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\ntinygrad-rnn {arguments.verb}: interrupted", file=sys.stderr)
        return 130


def _one_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return " ".join(str(error).split())


# ---------------------------------------------------------------- verbs
def run_demo(arguments: argparse.Namespace) -> int:
    """Train, sample, check, draw, keep."""
    folder = _writable_folder(arguments.out)
    task = Characters(source=_path(arguments.text), seed=arguments.seed, steps=arguments.steps)
    vocabulary = task.vocabulary
    print("1. train")
    model = demo.learn(task, arguments.cell, folder, arguments.seed)

    print("\n2. sample")
    written = [
        write(
            model,
            vocabulary,
            prompt=default_prompt(vocabulary),
            length=240,
            temperature=heat,
            seed=arguments.seed,
        )
        for heat in (0.5, 1.0)
    ]
    for heat, some in zip((0.5, 1.0), written, strict=True):
        print(f"--- temperature {heat}\n{some}")

    print("\n3. check the gradient of every parameter")
    x, y = demo.windows(task)
    report = demo.check_model(model, x, y, arguments.seed)
    print(report)

    print("\n4. draw the unrolled window")
    drawing = demo.draw_model(model, x[:, :1], y[:, :1])
    _write_pictures(drawing, folder / "unrolled")

    print("\n5. keep")
    for name, content in {
        "samples.txt": "\n\n".join(written),
        "gradcheck.txt": str(report),
    }.items():
        with whole_file(folder / name) as file:
            file.write(content + "\n")
    for path in sorted(folder.glob("[!.]*")):
        print(f"  {path}")
    return 0 if report else 1


def run_train(arguments: argparse.Namespace) -> int:
    """One experiment, judged on held-out data."""
    steps = {} if arguments.steps is None else {"steps": arguments.steps}
    if steps and arguments.task != Characters.name:
        raise ValueError(f"--steps is for characters; {arguments.task} takes --epochs")
    if steps and arguments.epochs is not None:
        raise ValueError("--steps and --epochs say the same thing twice: give one of them")
    task = TASKS[arguments.task](source=_path(arguments.data), seed=arguments.seed, **steps)
    better = run_task(
        task,
        cell=arguments.cell or task.cell,
        folder=_writable_folder(arguments.out or arguments.task),
        epochs=arguments.epochs,
        patience=arguments.patience,
        seed=arguments.seed,
        resume=arguments.resume,
    )
    return 0 if better else 1


def run_sample(arguments: argparse.Namespace) -> int:
    """Text from a trained model, by characters or by words, as it was trained."""
    model, vocabulary = load_model(arguments.model)
    prompt = arguments.prompt
    print(
        write(
            model,
            vocabulary,
            prompt=default_prompt(vocabulary) if prompt is None else prompt,
            length=arguments.length,
            temperature=arguments.temperature,
            seed=arguments.seed,
        )
    )
    return 0


# ---------------------------------------------------------------- files
def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)


def _writable_folder(folder: str | Path) -> Path:
    """The folder, made if it is missing; raises before any work if nothing can be written there."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        return folder


def _write_pictures(drawing: Drawing, stem: Path) -> list[Path]:
    """The DOT source always; the picture too, if there is a program that draws."""
    drawing.save(stem.with_suffix(".gv"))
    try:
        drawing.render(stem, format="svg")
    except DrawingError as error:
        print(_one_line(error))
        return [stem.with_suffix(".gv")]
    return [stem.with_suffix(".gv"), stem.with_suffix(".svg")]


# ---------------------------------------------------------------- the command line
def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tinygrad-rnn",
        description="Recurrent nets from primitive operations: train, sample, draw and check them.",
        epilog="Start with: tinygrad-rnn demo",
    )
    parser.add_argument("--version", action="version", version=f"tinygrad-rnn {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)

    def verb(name: str, run: Any, text: str) -> argparse.ArgumentParser:
        sub = verbs.add_parser(name, help=text, description=text)
        sub.set_defaults(run=run)
        sub.add_argument(
            "--seed", type=_natural, default=0, help="same seed, same numbers (default: 0)"
        )
        return sub

    sub = verb("demo", run_demo, "the whole tour in a minute: train, sample, check, draw, keep")
    _add_cell(sub)
    sub.add_argument("--text", metavar="FILE", help="your UTF-8 text; default: Python's manual")
    sub.add_argument(
        "--steps", type=_positive, default=1200, help="training steps (default: 1200, a minute)"
    )
    sub.add_argument("--out", metavar="DIR", default="demo", help="folder to keep (default: demo)")

    sub = verb("train", run_train, "train one experiment and judge it on held-out data")
    _add_training(sub)

    sub = verb("sample", run_sample, "let a trained model write")
    sub.add_argument(
        "model", metavar="DIR", help="the folder of demo, or of train characters, train words"
    )
    sub.add_argument("--prompt", help=f"the text to continue (default: {PROMPT!r})")
    sub.add_argument(
        "--length", type=_positive, default=400, help="characters or words (default: 400)"
    )
    sub.add_argument(
        "--temperature", type=_temperature, default=0.7, help="0: the likeliest (default: 0.7)"
    )

    sub = verb("draw", draw_verb.run, "draw a cell unrolled over time, or your own function")
    _add_cell(sub)
    _add_sizes(sub, steps=3, hidden=2)
    draw_verb.add_arguments(sub, _positive)

    sub = verb("check", check_verb.run, "compare every gradient of a cell, or of your own file")
    _add_cell(sub)
    _add_sizes(sub, steps=5, hidden=4)
    check_verb.add_arguments(sub)
    return parser


def _add_training(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "task",
        metavar="TASK",
        nargs="?",
        choices=tuple(TASKS),
        default=Characters.name,
        help=f"one of those below (default: {Characters.name})",
    )
    sub.add_argument("--cell", choices=tuple(LAYERS), help="which cell (default: the task's)")
    sub.add_argument("--data", "--text", metavar="PATH", help="your own data, as said below")
    sub.add_argument("--epochs", type=_positive, help="passes over the data (default: the task's)")
    sub.add_argument("--patience", type=_positive, help="stop after so many epochs without gain")
    sub.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out")
    sub.add_argument("--steps", type=_positive, help="characters: of all epochs (default: 1200)")
    sub.add_argument("--out", metavar="DIR", help="folder to keep (default: the task's name)")
    sub.formatter_class = argparse.RawDescriptionHelpFormatter
    lines = (
        f"  {name:14}{task.shape + ':':28}{task.layout or '(has its own data)'}"
        for name, task in TASKS.items()
    )
    sub.epilog = "\n".join(("tasks, and what --data is:", *lines))


def _add_cell(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "--cell", choices=tuple(LAYERS), default="lstm", help="which recurrent cell (default: lstm)"
    )


def _add_sizes(sub: argparse.ArgumentParser, steps: int, hidden: int) -> None:
    sub.add_argument(
        "--steps", type=_positive, default=steps, help="time steps (default: %(default)s)"
    )
    sub.add_argument(
        "--hidden", type=_positive, default=hidden, help="width of the state (default: %(default)s)"
    )


def _number(text: str, kind: type, least: float, what: str) -> Any:
    try:
        number = kind(text)
    except ValueError:
        number = None
    if number is None or not least <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"expected {what}, given {text!r}")
    return number


def _positive(text: str) -> int:
    return int(_number(text, int, 1, "a whole number from 1 on"))


def _natural(text: str) -> int:
    return int(_number(text, int, 0, "a whole number from 0 on"))


def _temperature(text: str) -> float:
    return float(_number(text, float, 0, "a number from 0 on"))
