"""Every sample comes back, of every width; a file that was cut off anywhere is refused."""

import io
import wave

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_rnn.data import read_wav

WIDTHS = [1, 2, 3, 4]


def wav(samples, width, rate=8000):
    """The bytes of a file with integer samples (T, D)."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(samples.shape[1])
        sound.setsampwidth(width)
        sound.setframerate(rate)
        shifted = samples + 128 if width == 1 else samples
        data = [int(k).to_bytes(width, "little", signed=width > 1) for k in shifted.ravel()]
        sound.writeframes(b"".join(data))
    return file.getvalue()


def integers(T, D, width, seed=0):
    half = 2 ** (8 * width - 1)
    samples = np.random.default_rng(seed).integers(-half, half, size=(T, D))
    samples.flat[:2] = -half, half - 1
    return samples


@given(
    st.integers(1, 30), st.integers(1, 3), st.sampled_from(WIDTHS), st.sampled_from([8000, 44100])
)
def test_every_sample_comes_back(tmp_path_factory, T, D, width, rate):
    path = tmp_path_factory.mktemp("sound") / "a.wav"
    samples = integers(T, D, width)
    path.write_bytes(wav(samples, width, rate))
    x, hertz = read_wav(path)
    assert hertz == rate and x.shape == (T, D) and x.dtype == np.float64
    assert (x * 2.0 ** (8 * width - 1) == samples).all()
    assert x.min() == -1 and x.max() < 1


@pytest.mark.parametrize("width", WIDTHS)
def test_a_file_that_was_cut_off_anywhere_is_refused(tmp_path, width):
    whole = wav(integers(4, 2, width), width)
    path = tmp_path / "a.wav"
    for n in range(len(whole)):
        path.write_bytes(whole[:n])
        with pytest.raises(ValueError, match=r"a\.wav (is not a WAV file|is cut off)"):
            read_wav(path)


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "is not a WAV file of PCM samples: it ends too early"),
        (b"ID3 this is something else", "is not a WAV file of PCM samples: .*RIFF"),
        (wav(np.zeros((0, 1), int), 2), "has no samples in it"),
        (wav(np.ones((9, 1), int), 2)[:-4], "is cut off: 9 samples announced, 7 there"),
        (
            wav(np.ones((9, 1), int), 2).replace(b"fmt \x10\0\0\0\1", b"fmt \x10\0\0\0\3"),
            "format: 3",
        ),
        (
            wav(np.ones((4, 1), int), 2).replace(b"\x02\0\x10\0data", b"\x05\0\x28\0data"),
            "samples of 40 bits: 8, 16, 24 or 32",
        ),
    ],
)
def test_what_is_no_sound_is_refused(tmp_path, content, message):
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"a\.wav.*{message}"):
        read_wav(path)


def test_a_missing_file_is_an_oserror(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_wav(tmp_path / "none.wav")
