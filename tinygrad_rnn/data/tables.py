"""A table becomes its columns: rows of one width, and no cell that is asked for is empty.

Read next: `records.py`, for files where one line is not yet an example.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..arraylike import Array
from .sources import bad_line, read_lines, read_text

Row = tuple[int, list[str]]  # the line that it begins in, its cells
LONGEST = 2**31 - 1  # letters of a cell: `csv` itself stops at 131,072, and a text may have more


def read_csv(
    path: str | Path,
    *columns: str | int,
    header: bool = True,
    delimiter: str = ",",
    encoding: str = "UTF-8",
) -> tuple[list[str], ...]:
    """The columns that are named, each a list: `texts, labels = read_csv(path, "text", "label")`.

    White space around a cell is dropped. `Vocabulary(labels).encode(labels)` gives the labels'
    numbers.

    Args:
        columns: each by its name in the header, or by its number from 0 on.
        header: whether the first row names the columns.
        delimiter: "," or ";" or a tab.

    Raises:
        OSError: if the file cannot be read.
        ValueError: naming the line: for a column that is not there, a row with fewer or more
            columns than the first, a blank line, an empty cell, or a quote that is not closed.
    """
    cells = _columns(path, _csv_rows(path, delimiter, encoding), columns, header)
    return tuple([cell for _, cell in column] for column in cells)


def read_series(
    path: str | Path,
    *columns: str | int,
    header: bool = True,
    delimiter: str = ",",
    encoding: str = "UTF-8",
) -> Array:
    """The columns as numbers, (n, columns): a time series. Arguments are those of `read_csv`.

    Raises:
        OSError, ValueError: as `read_csv`; and for a cell that is not a finite number.
    """
    rows = _csv_rows(path, delimiter, encoding)
    cells = _columns(path, rows, columns, header)
    numbers = [
        [_number(path, line, name, cell) for line, cell in column]
        for name, column in zip(columns, cells, strict=True)
    ]
    return np.array(numbers).T


def read_pairs(
    path: str | Path, source: int = 0, target: int = 1, *, encoding: str = "UTF-8"
) -> tuple[list[str], list[str]]:
    """(sources, targets) of a file with a pair on each line and a tab between; quotes are letters.

    Args:
        source, target: the numbers of the columns, from 0 on; a line may have more than two.

    Raises:
        OSError: if the file cannot be read.
        ValueError: naming the line: for a line with fewer or more columns than the first, a blank
            line, or an empty cell.
    """
    rows = [(line, text.split("\t")) for line, text in _without_end(read_lines(path, encoding))]
    pairs = _columns(path, rows, (source, target), header=False)
    sources, targets = ([cell for _, cell in column] for column in pairs)
    return sources, targets


# ---------------------------------------------------------------- rows
def _csv_rows(path: str | Path, delimiter: str, encoding: str) -> list[Row]:
    text = read_text(path, encoding=encoding).rstrip("\n")  # blank lines at the end are no rows
    if not isinstance(delimiter, str) or len(delimiter) != 1:
        raise ValueError(f'delimiter is one letter, such as "," or ";"; given {delimiter!r}')
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows, line = [], 1
    limit = csv.field_size_limit(LONGEST)
    try:
        for cells in reader:
            rows.append((line, cells))
            line = reader.line_num + 1
    except csv.Error as error:
        raise bad_line(path, line, f"this row is not CSV: {error}") from None
    finally:
        csv.field_size_limit(limit)
    return rows


def _without_end(lines: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """The lines without the blank ones at the end."""
    last = max((k for k, (_, text) in enumerate(lines) if text.strip()), default=-1)
    return lines[: last + 1]


def _columns(
    path: str | Path, rows: list[Row], columns: Sequence[str | int], header: bool
) -> list[list[tuple[int, str]]]:
    """For each column its cells with their lines, after every check."""
    if not columns:
        raise ValueError("name at least one column, or give its number")
    first, names = rows[0]  # there is one: `read_text` refuses empty files
    _check_filled(path, first, names)
    places = [_place(path, first, names, column, header) for column in columns]
    if not rows[header:]:
        raise ValueError(f"{path} has a header and no rows")
    for line, cells in rows[header:]:
        _check_filled(path, line, cells)
        if len(cells) != len(names):
            raise bad_line(path, line, f"{_count(len(cells))}, where line {first} has {len(names)}")
        for column, place in zip(columns, places, strict=True):
            if not cells[place].strip():
                raise bad_line(path, line, f"column {column!r} is empty")
    return [[(line, cells[place].strip()) for line, cells in rows[header:]] for place in places]


def _check_filled(path: str | Path, line: int, cells: list[str]) -> None:
    if not any(cell.strip() for cell in cells):
        raise bad_line(path, line, "a blank line")


def _place(path: str | Path, line: int, names: list[str], column: str | int, header: bool) -> int:
    """Which cell of a row a column is."""
    if isinstance(column, int):
        if 0 <= column < len(names):
            return column
        raise bad_line(path, line, f"no column {column}: {_count(len(names))}, numbered from 0 on")
    if not header:
        raise ValueError(f"column {column!r} needs a header; without one, columns have numbers")
    stripped = [name.strip() for name in names]
    if stripped.count(column) == 1:
        return stripped.index(column)
    fault = "more than one column" if column in stripped else "no column"
    raise bad_line(path, line, f"{fault} {column!r}; the header is {', '.join(stripped)}")


def _number(path: str | Path, line: int, column: str | int, cell: str) -> float:
    try:
        number = math.nan if "_" in cell else float(cell)  # Python reads 1_000 as a number
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise bad_line(path, line, f"column {column!r} is {cell!r}, which is not a number")
    return number


def _count(columns: int) -> str:
    return "1 column" if columns == 1 else f"{columns} columns"
