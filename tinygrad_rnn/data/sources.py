"""A file, or a folder of files, becomes text, or an error that names the file and the line.

Read next: `tables.py` and `records.py`, which make sense of the lines.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def manual() -> str:
    """The standard library's own text on Python: `pydoc_data.topics`, about 0.5 million characters.

    It differs a little from one Python version to the next.
    """
    from pydoc_data.topics import topics

    return "\n".join(topics[name] for name in sorted(topics))


def read_text(path: str | Path, *, encoding: str = "UTF-8") -> str:
    """The text of a file; every line ends with a line feed, and a byte order mark is dropped.

    Args:
        encoding: "CP949" for older Korean files.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it is empty, or not text in this encoding, naming the line.
    """
    try:
        text = Path(path).read_bytes().decode(encoding)
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode(encoding)
        raise bad_line(
            path,
            _with_line_feeds(before).count("\n") + 1,
            f"not {encoding} text (byte {error.start} of the file is"
            f" {error.object[error.start]:#04x}): convert it, or give its encoding",
        ) from None
    text = text.removeprefix("\ufeff")
    if not text.strip():
        raise ValueError(f"{path} is empty" + ", but for white space" * bool(text))
    return _with_line_feeds(text)


def read_lines(path: str | Path, encoding: str = "UTF-8") -> list[tuple[int, str]]:
    """The lines of a file with their numbers from 1 on; raises as `read_text` does."""
    text = read_text(path, encoding=encoding).removesuffix("\n")
    return list(enumerate(text.split("\n"), 1))


def read_folder(
    folder: str | Path,
    classes: Iterable[str] | None = None,
    *,
    suffix: str = ".txt",
    encoding: str = "UTF-8",
) -> tuple[list[str], list[str]]:
    """(texts, labels) of a folder with a sub-folder for each class and a file for each text.

    This is how the IMDB review set is laid out (Maas et al. 2011): `train/pos/0_9.txt`. A label is
    the sub-folder's name; both are in the order of the names. Files beside the sub-folders, and
    names that begin with a dot, are not part of the layout. `Vocabulary(labels).encode(labels)`
    gives the labels' numbers.

    Args:
        classes: the sub-folders to read, if not all: ("neg", "pos") leaves IMDB's "unsup" out.
        suffix: how the files' names end.

    Raises:
        OSError: if something cannot be read.
        ValueError: if there is no sub-folder, or one of `classes` is missing; if a sub-folder is
            empty, or has something else than texts in it; or for a text that `read_text` refuses.
    """
    there = {path.name: path for path in _visible(folder) if path.is_dir()}
    wanted = sorted(there if classes is None else set(classes))
    missing = [name for name in wanted if name not in there]
    if missing or not wanted:
        lacking = f"has no sub-folder {missing[0]!r}" if missing else "gives no classes to read"
        raise ValueError(
            f"{folder} {lacking}; its sub-folders are: {', '.join(sorted(there)) or '(none)'}"
        )
    texts, labels = [], []
    for name in wanted:
        paths = _visible(there[name])
        if not paths:
            raise ValueError(f"{there[name]} is empty: a class needs at least one {suffix} file")
        for path in paths:
            if path.is_dir() or not path.name.endswith(suffix):
                raise ValueError(
                    f"{path} is not a {suffix} file: the folder of a class has no more"
                )
            texts.append(read_text(path, encoding=encoding))
            labels.append(name)
    return texts, labels


def bad_line(path: str | Path, line: int, fault: str) -> ValueError:
    """The error that says where: "reviews.csv, line 7: ..."."""
    return ValueError(f"{path}, line {line}: {fault}")


def _visible(folder: str | Path) -> list[Path]:
    return sorted(path for path in Path(folder).iterdir() if not path.name.startswith("."))


def _with_line_feeds(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
