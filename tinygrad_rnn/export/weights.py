"""Weights on disk are named arrays: no pickle, nothing that can run.

`.npz` needs NumPy only; `.safetensors` is what the PyTorch world exchanges (an extra). Names,
shapes and gate order are PyTorch's, so the arrays move both ways without PyTorch.
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
    """Write `module.state_dict()` to a `.npz` or `.safetensors` file, whole or not at all.

    Raises:
        ValueError: for another ending.
        ModuleNotFoundError: for .safetensors without the package; the message says what to install.
    """
    kind = _ending(path)
    arrays: Any = {name: np.asarray(array, order="C") for name, array in state.items()}
    with whole_file(path, "wb") as file:
        if kind == ".npz":
            _write_npz(file, arrays)
        else:
            file.write(_safetensors().save(arrays))


def load_weights(path: str | Path) -> dict[str, Array]:
    """The arrays of a `.npz` or `.safetensors` file, for `module.load_state_dict(...)`.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it is no archive of arrays, or has another ending.
    """
    if _ending(path) == ".safetensors":
        safetensors = _safetensors()
        try:
            return dict(safetensors.load(Path(path).read_bytes()))
        except Exception as error:
            if isinstance(error, OSError):
                raise
            if isinstance(error, KeyError):  # the name of a dtype, such as 'BF16'
                raise ValueError(
                    f"{path} has numbers of type {error}, which NumPy does not have: convert them"
                    " to float32 before they are saved"
                ) from None
            raise ValueError(f"{path} is not a .safetensors file: {error}") from None
    if not zipfile.is_zipfile(path):
        Path(path).read_bytes()  # if it cannot be read, this says so
        raise ValueError(f"{path} is not a .npz archive")
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (zipfile.BadZipFile, ValueError, EOFError, AttributeError, TypeError) as error:
        what = "objects, which are never loaded" if "pickle" in str(error) else str(error)
        raise ValueError(f"{path} is not a .npz archive of plain arrays: {what}") from None


def _write_npz(file: Any, arrays: Mapping[str, Array]) -> None:
    """As `np.savez`, which takes no array that is called "file"."""
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def _ending(path: str | Path) -> str:
    ending = Path(path).suffix
    if ending not in (".npz", ".safetensors"):
        raise ValueError(f"weights are kept in .npz or .safetensors files; given {str(path)!r}")
    return ending


def _safetensors() -> Any:
    try:
        from safetensors import numpy
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "a .safetensors file needs: pip install 'tinygrad_rnn[io]'; or write .npz"
        ) from None
    return numpy
