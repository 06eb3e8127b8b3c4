"""Run the tests against every mutant of a file: each must make some test fail.

One mutant at a time, in a forked process that has pytest and NumPy already, and imports the mutated
source in the place of the file. The package and its tests are copied first, so the campaign sees
one state of them, whatever happens to the originals. First the battery for the functions that use
what is mutated, then the other tests of the file, up to the first that fails.
"""

from __future__ import annotations

import ast
import contextlib
import importlib.abc
import importlib.machinery
import importlib.util
import io
import os
import re
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import hypothesis  # these three are imported once, before the forks
import numpy as np  # noqa: F401
import pytest

from .mutants import Mutant, mutants, statements

ROOT = Path(__file__).parents[2]
TESTS = {  # those of a file that are likeliest to notice come first
    "ops": (
        "test_ops.py", "test_graph.py", "test_functional.py", "test_derivatives.py",
        "nn/test_counts.py", "test_mutants.py",
    ),
    "corners": (
        "test_ops.py", "test_graph.py", "test_functional.py", "test_derivatives.py",
        "test_mutants.py",
    ),
    "einsum": ("test_ops.py", "test_functional.py", "test_mutants.py"),
    "graph": (
        "test_graph.py", "test_mutants.py", "test_tensor.py", "test_derivatives.py",
        "test_replay.py", "test_edges.py",
        "program/test_program_value.py",
        "test_functional.py", "nn/test_counts.py", "test_ops.py",
    ),
}  # fmt: skip
WALKED = ("multiply", "matmul", "getitem", "split", "concatenate", "where", "sum")
SLOW = "not test_every_function and not pytorchs and not 100000"  # not for every survivor
EXAMPLES = 3  # of each case at the first look
SECONDS = 200  # of computing: a mutant that takes longer loops, and that is noticed, too
MEMORY = 4 << 30
BROKEN = 70  # how a child ends that could not run the tests
NO_TESTS = 5  # how pytest ends then
BATTERY = "battery"


class Outcome(NamedTuple):
    """What became of a mutant: the test that killed it, or None."""

    mutant: Mutant
    killer: str | None
    seconds: float


class Campaign:
    """A copy of the package and its tests, and one file of it to be mutated."""

    def __init__(self, module: str) -> None:
        self.module = module
        self.folder = Path(tempfile.mkdtemp(prefix="mutation-"))
        keep = shutil.ignore_patterns("__pycache__", "mutation", "benchmarks", "experiments")
        for name in ("tinygrad_rnn", "tests"):
            ignored = None if name == "tinygrad_rnn" else keep
            shutil.copytree(ROOT / name, self.folder / name, ignore=ignored)
        shutil.copy(ROOT / "pyproject.toml", self.folder)
        self.file = self.folder / "tinygrad_rnn" / f"{module}.py"
        source = self.file.read_text(encoding="utf-8")
        self.mutants = list(mutants(source))
        self.names = [node.name for node in ast.parse(source).body
                      if isinstance(node, ast.FunctionDef)]  # fmt: skip
        self.statements = [
            (re.split(r"[. ]", name)[0], ast.unparse(node)) for name, node in statements(source)
        ]

    def __enter__(self) -> Campaign:
        return self

    def __exit__(self, *exception: object) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, chosen: Sequence[Mutant]) -> Iterator[Outcome]:
        """The outcome for each mutant, as it becomes known."""
        for mutant in chosen:
            start = time.perf_counter()
            killer = None
            for words in self._stages(mutant):
                killer = killer or self._killer(mutant.source, words)
            yield Outcome(mutant, killer, time.perf_counter() - start)

    def unmutated(self) -> str | None:
        """The test that fails without any mutant, if one does: then nothing can be said."""
        source = self.file.read_text(encoding="utf-8")
        looks = [BATTERY, *(WALKED if self.module == "graph" else self.names)]
        return self._killer(source, looks) or self._killer(source, list(TESTS[self.module]))

    def _stages(self, mutant: Mutant) -> Iterator[list[str]]:
        """What to run, quickest to kill first: a few cases of the battery, all of it, the rest."""
        rest = [*TESTS[self.module], "-k", SLOW]
        if self.module == "graph":
            yield [BATTERY, *WALKED]
            yield [TESTS["graph"][0]]
            yield rest
        else:
            own = re.split(r"[. ]", mutant.function)[0]
            users = sorted(self._users(mutant.function), key=lambda name: (name != own, name))
            yield [BATTERY, *users]
            yield ["test_ops.py", "-k", " or ".join(users)]
            yield rest

    def _users(self, function: str) -> set[str]:
        """The function and whatever in the file mentions it, directly or not."""
        found, fresh = set(), {re.split(r"[. ]", function)[0]}
        while fresh:
            found |= fresh
            used = re.compile(rf"\b({'|'.join(fresh)})\b")
            fresh = {name for name, text in self.statements if used.search(text)} - found
        return found

    def _killer(self, source: str, words: list[str]) -> str | None:
        """The first test that fails, in a process of its own; None if none does."""
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            _child(self.folder, self.file, source, words, writing)
        os.close(writing)
        try:
            said = _read(reading, 20 * SECONDS)
        except TimeoutError:
            os.kill(child, signal.SIGKILL)
            said = "it does not come to an end"
        finally:
            os.close(reading)
            _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU:
            return "it does not come to an end"
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) == BROKEN:
            raise RuntimeError(f"the tests could not be run at all: {said}")
        return said or (None if status == 0 else f"the process dies ({status})")


def _read(pipe: int, seconds: float) -> str:
    """What is written into a pipe until it is closed."""
    text, end = b"", time.monotonic() + seconds
    while True:
        ready, _, _ = select.select([pipe], [], [], max(0.0, end - time.monotonic()))
        if not ready:
            raise TimeoutError
        more = os.read(pipe, 4096)
        if not more:
            return text.decode()
        text += more


# ---------------------------------------------------------------- the forked process
class _FirstFailure:
    """A pytest plugin that remembers which test failed first."""

    def __init__(self) -> None:
        self.name = ""

    def pytest_runtest_logreport(self, report: object) -> None:
        if getattr(report, "failed", False) and not self.name:
            self.name = str(getattr(report, "nodeid", ""))

    def pytest_collectreport(self, report: object) -> None:
        if getattr(report, "failed", False) and not self.name:
            self.name = f"importing {getattr(report, 'nodeid', '')}"


class _Mutated(importlib.machinery.SourceFileLoader):
    """Loads the mutated source as if it stood in the file."""

    text = ""

    def get_code(self, fullname: str) -> object:
        return compile(self.text, self.path, "exec")


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, name: str, file: Path, source: str) -> None:
        self.name, self.loader = name, _Mutated(name, str(file))
        self.file, self.loader.text = file, source

    def find_spec(self, name: str, path: object = None, target: object = None) -> object:
        if name != self.name:
            return None
        return importlib.util.spec_from_file_location(name, self.file, loader=self.loader)


def _is_original(name: str, module: Any) -> bool:
    """Whether a module was imported from the originals, by whoever ran before: a whole test run."""
    if name.partition(".")[0] == "tinygrad_rnn":
        return True
    file = getattr(module, "__file__", None) or ""
    inside = file.startswith(str(ROOT / "tests"))
    return inside and Path(file).parent != Path(__file__).parent


def _child(folder: Path, file: Path, source: str, words: list[str], pipe: int) -> None:
    """Run the tests on the mutant and write the first failure; never returns."""
    status = BROKEN
    try:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        os.chdir(folder)
        os.environ["HYPOTHESIS_PROFILE"] = "ci"  # the same examples every time
        sys.path[:0] = [str(folder)]
        for name in [name for name, module in sys.modules.items() if _is_original(name, module)]:
            del sys.modules[name]
        sys.meta_path.insert(0, _Finder(f"tinygrad_rnn.{file.stem}", file, source))
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 1)
            os.dup2(nowhere.fileno(), 2)
            with contextlib.redirect_stdout(io.StringIO()):
                if words[0] == BATTERY:
                    failed = _first_look(folder, words[1:])
                else:
                    failed = _pytest(folder, words)
        os.write(pipe, failed.encode())
        status = 0
    except BaseException:
        os.write(pipe, traceback.format_exc().encode())
    finally:
        os._exit(status)


def _pytest(folder: Path, words: list[str]) -> str:
    """The first test that fails; "" if none does, or none is selected."""
    files = [str(folder / "tests" / word) if word.endswith(".py") else word for word in words]
    options = ["-x", "-q", "-p", "no:cacheprovider", "--no-header", "--tb=no"]
    options += ["-W", "ignore:Module already imported"]  # it was, before the fork
    first = _FirstFailure()
    code = int(pytest.main([*options, *files], plugins=[first]))
    return first.name or ("" if code in (0, NO_TESTS) else f"pytest ends with {code}")


def _first_look(folder: Path, names: list[str]) -> str:
    """A few cases of the battery, without pytest: most mutants go no further."""
    sys.path.insert(0, str(folder / "tests"))
    warnings.simplefilter("error")
    try:
        from cases import CATALOGUE, FAMILIES, cases  # type: ignore[import-not-found]

        from tinygrad_rnn.testing import CHECKS
    except Exception as error:
        return f"importing: {error!r}"
    for name in [name for name in names if name in CATALOGUE]:
        for check, f in CHECKS.items():
            try:
                _some(lambda p, name=name: cases(name, p), f, FAMILIES)()
            except Exception as error:
                return f"{check} of {name}: {type(error).__name__}: {error!s:.40}"
    return ""


def _some(cases: Any, check: Any, families: Any) -> Any:
    """A test of a few cases; the same ones every time."""

    def test(data: Any) -> None:
        for family in families:
            check(data.draw(cases(family)))

    few = hypothesis.settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    return few(hypothesis.given(data=hypothesis.strategies.data())(test))
