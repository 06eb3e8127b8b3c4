"""A sound becomes a time series: its samples, between -1 and 1.

Legend: `T` samples, `D` channels.
"""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np

from ..arraylike import Array


def read_wav(path: str | Path) -> tuple[Array, int]:
    """(samples (T, D) in [-1, 1), samples a second) of a WAV file: 8, 16, 24 or 32 bits, PCM.

    A sample is its integer divided by 2^(bits - 1); one channel gives D = 1, stereo D = 2.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it is no WAV file, not PCM, empty, or shorter than it says.
    """
    with open(path, "rb") as file:
        try:
            with wave.open(file) as sound:
                D, width, rate, T, *_ = sound.getparams()
                data = sound.readframes(T)
        except (wave.Error, EOFError) as error:
            reason = str(error) or "it ends too early"
            raise ValueError(f"{path} is not a WAV file of PCM samples: {reason}") from None
    if not 1 <= width <= 4:
        raise ValueError(f"{path} has samples of {8 * width} bits: 8, 16, 24 or 32 can be read")
    if len(data) < T * D * width:
        raise ValueError(
            f"{path} is cut off: {T} samples announced, {len(data) // (D * width)} there"
        )
    if T == 0:
        raise ValueError(f"{path} has no samples in it")
    return _integers(data, width).reshape(T, D) / 2.0 ** (8 * width - 1), rate


def _integers(data: bytes, width: int) -> Array:
    """Little-endian integers of 1 to 4 bytes; those of one byte are counted from -128 on."""
    if width == 1:
        return np.frombuffer(data, np.uint8).astype(np.int64) - 128
    wide = np.zeros((len(data) // width, 4), np.uint8)
    wide[:, 4 - width :] = np.frombuffer(data, np.uint8).reshape(-1, width)  # the high bytes
    return wide.view("<i4")[:, 0] >> (32 - 8 * width)
