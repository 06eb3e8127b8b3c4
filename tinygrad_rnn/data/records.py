"""Lines that belong together become one example: a sentence with its tags, a sequence of letters.

Read next: `sound.py`, the one format here that is not text.
"""

from __future__ import annotations

from pathlib import Path
from string import ascii_uppercase

from .sources import bad_line, read_lines

LETTERS = ascii_uppercase + "*-"  # what IUPAC's codes for nucleotides and amino acids may use


# ---------------------------------------------------------------- tagged sentences
def read_conll(
    path: str | Path,
    token: int = 0,
    tag: int = -1,
    *,
    separator: str | None = None,
    comment: str | None = "# ",
    encoding: str = "UTF-8",
) -> tuple[list[list[str]], list[list[str]]]:
    """(sentences, tags): a token on each line, its tag in another column, blank lines between.

    This is the form of the CoNLL shared tasks (Tjong Kim Sang & De Meulder 2003). A `-DOCSTART-`
    alone between blank lines marks a document and is left out.

    Args:
        token, tag: the numbers of the columns, from 0 on, or from the end: -1 is the last. For
            CoNLL-U: token=1, tag=3, separator="\\t".
        separator: what stands between columns: any white space, unless given.
        comment: how a line begins that says something about the sentence after it. Within a
            sentence there are none, since "#" can be a token. None: nowhere.

    Raises:
        OSError: if the file cannot be read.
        ValueError: naming the line: for fewer or more columns than in the first, a column that is
            not there, or an empty token or tag; and if there is no sentence at all.
    """
    sentences: list[list[str]] = []
    tags: list[list[str]] = []
    first, width, inside = 0, 0, False
    for line, text in read_lines(path, encoding):
        about = comment is not None and not inside and text.startswith(comment)
        if about or not text.strip():
            inside = False
            continue
        cells = [cell.strip() for cell in text.split(separator)]
        if not width:
            first, width = line, len(cells)
            _check_columns(path, line, width, token=token, tag=tag)
        if len(cells) != width:
            fault = f"{len(cells)} columns, where line {first} has {width}"
            raise bad_line(path, line, f"{fault}: {text[:40]!r}")
        if not cells[token] or not cells[tag]:
            raise bad_line(path, line, f"the token or its tag is empty: {text[:40]!r}")
        if not inside:
            sentences.append([])
            tags.append([])
        inside = True
        sentences[-1].append(cells[token])
        tags[-1].append(cells[tag])
    kept = [k for k, sentence in enumerate(sentences) if sentence != ["-DOCSTART-"]]
    if not kept:
        raise ValueError(f"{path} has no sentences in it")
    return [sentences[k] for k in kept], [tags[k] for k in kept]


def _check_columns(path: str | Path, line: int, width: int, **columns: int) -> None:
    for name, column in columns.items():
        if not -width <= column < width:
            raise bad_line(path, line, f"no column {column} for the {name}: there are {width}")


# ---------------------------------------------------------------- sequences of letters
def read_fasta(
    path: str | Path, alphabet: str = LETTERS, *, encoding: str = "UTF-8"
) -> tuple[list[str], list[str]]:
    """(names, sequences): a line `>name`, then the letters of a sequence on any number of lines.

    Letters are made capital, since small ones only mark repeats (Pearson & Lipman 1988). Blank
    lines mean nothing.

    Args:
        alphabet: the capital letters that are legal: "ACGT" is strict about DNA.

    Raises:
        OSError: if the file cannot be read.
        ValueError: naming the line: for letters before the first name, a letter that is not in the
            alphabet, or a name that is empty or has no letters.
    """
    records: list[tuple[int, str, list[str]]] = []  # line, name, pieces
    for line, text in read_lines(path, encoding):
        text = text.strip()
        if text.startswith(">"):
            if not text[1:].strip():
                raise bad_line(path, line, "a sequence without a name")
            records.append((line, text[1:].strip(), []))
        elif text:
            if not records:
                raise bad_line(path, line, f"{text[:20]!r} stands before the first line '>name'")
            records[-1][2].append(_legal(path, line, text, alphabet))
    for line, name, pieces in records:
        if not pieces:
            raise bad_line(path, line, f"the sequence {name!r} has no letters")
    return [name for _, name, _ in records], ["".join(pieces) for _, _, pieces in records]


def _legal(path: str | Path, line: int, letters: str, alphabet: str) -> str:
    capital = [letter.upper() if letter.isascii() else letter for letter in letters]
    illegal = next((k for k, letter in enumerate(capital) if letter not in alphabet), None)
    if illegal is not None:
        raise bad_line(
            path,
            line,
            f"{capital[illegal]!r}, letter {illegal + 1}, is not one of {alphabet!r}",
        )
    return "".join(capital)
