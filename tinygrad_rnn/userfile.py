"""A function of the user's own, named on the command line as `my_file.py:build`.

The file is run as `python my_file.py` would run it, with its folder on the import path; only
`__name__` differs, so that code under `if __name__ == "__main__":` stays asleep.
"""

from __future__ import annotations

import importlib.util
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from itertools import count
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

_numbers = count(1)  # two files of one name are two modules


class UserFileError(ValueError):
    """What the user named is not there, or their code raised an error."""


def load(spec: str) -> Any:
    """The object that `spec` names.

    Args:
        spec: "path/to/file.py:name"; the name may be dotted, "file.py:Net.build".

    Raises:
        UserFileError: if the file or the name is not there, or running the file raised an error;
            the message then has that error and the line of the file that it came from.

    >>> load("my_file.py")
    Traceback (most recent call last):
    ...
    tinygrad_rnn.userfile.UserFileError: 'my_file.py' names no function: write my_file.py:build
    """
    path, name = split_spec(spec)
    found: Any = _run(path)
    for part in name.split("."):
        if not hasattr(found, part):
            raise UserFileError(f"{path} has no {name!r}: {_names(found, part)}")
        found = getattr(found, part)
    return found


def split_spec(spec: str) -> tuple[Path, str]:
    """The file and the name in "path/to/file.py:name"; the file is there."""
    file, colon, name = spec.rpartition(":")
    if not colon or name.endswith(".py"):  # a colon of C:\lesson.py parts no name off
        raise UserFileError(f"{spec!r} names no function: write {spec or 'my_file.py'}:build")
    path = Path(file)
    if not all(part.isidentifier() for part in name.split(".")):
        raise UserFileError(f"{name!r} in {spec!r} is no name in Python: write {file}:build")
    if path.is_dir():
        raise UserFileError(
            f"{file!r} is a folder: name a file in it, {path / 'my_file.py'}:{name}"
        )
    if not path.is_file():
        raise UserFileError(f"there is no file {file!r} in {Path.cwd()}: check the path")
    return path, name


@contextmanager
def blaming(path: str | Path) -> Iterator[None]:
    """Give an error of the user's code as one line, with the place in their file.

    Raises:
        UserFileError: in the place of whatever the block raised.
    """
    try:
        yield
    except UserFileError:
        raise
    except (Exception, SystemExit) as error:
        what = f"{type(error).__name__}: {error}".removesuffix(": ")
        raise UserFileError(f"{_place(Path(path), error)}: {what}") from error


def _run(path: Path) -> ModuleType:
    """The module of a file. Its folder stays on the import path: functions may import later."""
    spec = importlib.util.spec_from_file_location(f"{path.stem}_{next(_numbers)}", path)
    if spec is None or spec.loader is None:
        raise UserFileError(f"{str(path)!r} is no Python file: its name has to end in .py")
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses and pickle look it up there
    try:
        with blaming(path):
            spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[spec.name]
        raise
    return module


def _place(path: Path, error: BaseException) -> str:
    """The file, and the line of it that the error came from: the innermost one."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}, line {error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    mine = [frame for frame in frames if Path(frame.filename).resolve() == path.resolve()]
    if not mine:
        return str(path)
    inside = "" if mine[-1].name == "<module>" else f", in {mine[-1].name}"
    return f"{path}, line {mine[-1].lineno}{inside}"


def _names(found: Any, name: str) -> str:
    """What to write instead: close names, else all that are the file's own."""
    own = [
        key
        for key, value in getattr(found, "__dict__", {}).items()
        if not key.startswith("_") and not _imported(value, found)
    ]
    close = get_close_matches(name, own, n=3)
    if close:
        return f"did you mean {' or '.join(close)}?"
    return f"it has {', '.join(own)}" if own else "it defines nothing"


def _imported(value: Any, module: Any) -> bool:
    if not isinstance(value, type | FunctionType | BuiltinFunctionType):
        return isinstance(value, ModuleType)  # an object is the file's own, whatever its class
    here = module.__name__ if isinstance(module, ModuleType) else value.__module__
    return value.__module__ not in (None, here)
