"""Weights on disk are named arrays in a NumPy archive: no pickle, nothing that can run.

Names, shapes and gate order are PyTorch's, so the arrays move both ways.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..arraylike import Array
from ..files import whole_file


def save_weights(state: Mapping[str, Array], path: str | Path) -> None:
    """Write `module.state_dict()` to a `.npz` file, whole or not at all.

    Raises:
        ValueError: for another ending than .npz.
    """
    _check_ending(path)
    with whole_file(path, "wb") as file:
        arrays: Any = dict(state)
        np.savez(file, **arrays)


def load_weights(path: str | Path) -> dict[str, Array]:
    """The arrays of a `.npz` file, for `module.load_state_dict(...)`.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it is no archive of arrays.
    """
    _check_ending(path)
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (zipfile.BadZipFile, ValueError, EOFError) as error:
        raise ValueError(f"{path} is not a .npz archive of plain arrays: {error}") from None


def _check_ending(path: str | Path) -> None:
    if Path(path).suffix != ".npz":
        raise ValueError(f"weights are kept in .npz files; given {str(path)!r}")
