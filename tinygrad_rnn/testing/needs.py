"""Optional packages, with a message that says what to install."""

from __future__ import annotations

import importlib
from typing import Any


def needed(module: str, package: str) -> Any:
    """The module.

    Raises:
        ImportError: saying which package to install.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f"this part of tinygrad_rnn.testing needs {package}: pip install {package}"
        ) from error
