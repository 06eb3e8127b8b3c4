"""A file is written whole or not at all: into a neighbour first, then moved into place."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any


@contextmanager
def whole_file(path: str | Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Open a file for writing that appears under its name only if the block succeeds.

    Args:
        mode: "w" (UTF-8 text, newlines as they are) or "wb".

    Raises:
        OSError: as `open` does, about the path given; what stood there before is then untouched.
    """
    target = Path(path)
    if not target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "there is no such folder", str(target.parent))
    try:
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    except OSError as error:
        raise _about(target, error) from None
    try:
        text: Any = {} if "b" in mode else {"encoding": "utf-8", "newline": ""}
        with os.fdopen(handle, mode, **text) as file:
            yield file
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, target)
    except BaseException as error:
        os.unlink(temporary)
        if isinstance(error, OSError) and error.filename == temporary:
            raise _about(target, error) from None
        raise


def _about(target: Path, error: OSError) -> OSError:
    """The same error, about the file that was asked for and not about its neighbour."""
    return OSError(error.errno, error.strerror, str(target))


def _umask() -> int:
    """The process's file mode mask, which mkstemp's private files do not follow."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
