"""A user's own function by file and name: it loads, or one line says what is wrong and where."""

import sys

import pytest

from tinygrad_rnn.userfile import UserFileError, blaming, load


@pytest.fixture
def file(tmp_path, monkeypatch):
    """Writes a file of the user's and gives its path; the import path is put back afterwards."""
    monkeypatch.setattr(sys, "path", list(sys.path))

    def write(text: str, name: str = "mine.py"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_a_function_is_loaded_and_the_main_part_sleeps(file):
    path = file("def build():\n    return 6 * 7\nif __name__ == '__main__':\n    1 / 0\n")
    assert load(f"{path}:build")() == 42


def test_names_may_be_dotted_and_files_may_have_any_name(file):
    path = file("class 그물:\n    @staticmethod\n    def build(): return 1\n", "my file 한글.py")
    assert load(f"{path}:그물.build")() == 1


def test_two_files_of_one_name_are_two_modules(file, tmp_path):
    first = load(f"{file('def build(): return 1')}:build")
    other = tmp_path / "other"
    other.mkdir()
    (other / "mine.py").write_text("def build(): return 2")
    assert (first(), load(f"{other / 'mine.py'}:build")()) == (1, 2)


def test_the_folder_is_on_the_import_path_and_dataclasses_work(file):
    file("WIDTH = 3\n", "sizes_of_mine.py")
    path = file(
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        "@dataclass\nclass Net:\n    width: int\n"
        "def build():\n    from sizes_of_mine import WIDTH\n    return Net(WIDTH).width\n"
    )
    assert load(f"{path}:build")() == 3


@pytest.mark.parametrize(
    "text, name, message",
    [
        ("def build(): ...", "biuld", "has no 'biuld': did you mean build?"),
        ("def f(): ...\nclass Net: ...\nimport os", "zzz", "has no 'zzz': it has f, Net"),
        ("import os", "build", "it defines nothing"),
        ("\n\n1 / 0", "build", "mine.py, line 3: ZeroDivisionError: division by zero"),
        ("def f():\n    return {}['k']\nf()", "f", "line 2, in f: KeyError: 'k'"),
        ("x = (", "x", r"mine.py, line 1: SyntaxError: '\(' was never closed"),
        ("import nothing_like_this", "x", "line 1: ModuleNotFoundError: No module named"),
        ("import sys\nsys.exit()", "x", "line 2: SystemExit"),
        ("x = 1", "x y", "'x y' in .* is no name in Python"),
        ("class A: ...", "A.b", "has no 'A.b': it defines nothing"),
        ("x = 1", "x.b", "has no 'x.b': it defines nothing"),
        ("class A:\n    def build(self): ...", "A.buidl", "did you mean build?"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(file, text, name, message):
    with pytest.raises(UserFileError, match=message) as error:
        load(f"{file(text)}:{name}")
    assert "\n" not in str(error.value)


def test_a_file_that_failed_leaves_no_module(file):
    before = set(sys.modules)
    with pytest.raises(UserFileError):
        load(f"{file('1 / 0')}:x")
    assert set(sys.modules) == before


@pytest.mark.parametrize(
    "spec, message",
    [
        ("mine.py", "'mine.py' names no function: write mine.py:build"),
        (r"C:\lesson\mine.py", "names no function"),
        ("", "write my_file.py:build"),
        ("nowhere.py:build", "there is no file 'nowhere.py' in "),
        (":build", "is a folder"),
        (".:build", "is a folder: name a file in it, my_file.py:build"),
    ],
)
def test_a_wrong_path_is_said(spec, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserFileError, match=message):
        load(spec)


def test_a_file_that_is_no_python(file):
    with pytest.raises(UserFileError, match=r"its name has to end in \.py"):
        load(f"{file('hello', 'notes.txt')}:build")


def test_errors_of_a_call_are_placed_too(file):
    path = file("def build():\n    return int('x')\n")
    build = load(f"{path}:build")
    message = r"mine.py, line 2, in build: ValueError: invalid"
    with pytest.raises(UserFileError, match=message), blaming(path):
        build()


def test_an_interrupt_goes_through(file):
    with pytest.raises(KeyboardInterrupt):
        load(f"{file('raise KeyboardInterrupt')}:x")
