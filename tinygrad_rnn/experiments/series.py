"""The next value of a series: one step ahead, and, fed with its own answers, many.

What a net has to beat here is not the mean but a line through the last few values: linear
prediction by least squares (Yule 1927, who invented it for sunspots). Legend: `B` batch, `T` time,
`D` values that enter at a step, `H` hidden width, `p` order of the linear prediction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .. import functional as F
from ..arraylike import Array
from ..data import read_series, read_text, read_wav, sliding_windows
from ..modes import no_grad
from ..nn import LAYERS, Linear, Module
from ..task import Task, batches
from ..tensor import Tensor

# Sunspot numbers, yearly means 1700 ... 2008 (version 1): the public-domain series of the US
# National Geophysical Data Center, as statsmodels 0.15.0 ships it (datasets/sunspots).
SUNSPOTS = """
5 11 16 23 36 58 29 20 10 8 3 0 0 2 11 27 47 63 60 39 28 26 22 11 21 40 78 122 103 73 47 35 11 5
16 34 70 81 111 101 73 40 20 16 5 11 22 40 60 80.9 83.4 47.7 47.8 30.7 12.2 9.6 10.2 32.4 47.6
54 62.9 85.9 61.2 45.1 36.4 20.9 11.4 37.8 69.8 106.1 100.8 81.6 66.5 34.8 30.6 7 19.8 92.5
154.4 125.9 84.8 68.1 38.5 22.8 10.2 24.1 82.9 132 130.9 118.1 89.9 66.6 60 46.9 41 21.3 16 6.4
4.1 6.8 14.5 34 45 43.1 47.5 42.2 28.1 10.1 8.1 2.5 0 1.4 5 12.2 13.9 35.4 45.8 41.1 30.1 23.9
15.6 6.6 4 1.8 8.5 16.6 36.3 49.6 64.2 67 70.9 47.8 27.5 8.5 13.2 56.9 121.5 138.3 103.2 85.7
64.6 36.7 24.2 10.7 15 40.1 61.5 98.5 124.7 96.3 66.6 64.5 54.1 39 20.6 6.7 4.3 22.7 54.8 93.8
95.8 77.2 59.1 44 47 30.5 16.3 7.3 37.6 74 139 111.2 101.6 66.2 44.7 17 11.3 12.4 3.4 6 32.3
54.3 59.7 63.7 63.5 52.2 25.4 13.1 6.8 6.3 7.1 35.6 73 85.1 78 64 41.8 26.2 26.7 12.1 9.5 2.7 5
24.4 42 63.5 53.8 62 48.5 43.9 18.6 5.7 3.6 1.4 9.6 47.4 57.1 103.9 80.6 63.6 37.6 26.1 14.2 5.8
16.7 44.3 63.9 69 77.8 64.9 35.7 21.2 11.1 5.7 8.7 36.1 79.7 114.4 109.6 88.8 67.8 47.5 30.6
16.3 9.6 33.2 92.6 151.6 136.3 134.7 83.9 69.4 31.5 13.9 4.4 38 141.7 190.2 184.8 159 112.3 53.9
37.6 27.9 10.2 15.1 47 93.8 105.9 105.5 104.5 66.6 68.9 38 34.5 15.5 12.6 27.5 92.5 155.4 154.6
140.4 115.9 66.6 45.9 17.9 13.4 29.4 100.2 157.6 142.6 145.7 94.3 54.6 29.9 17.5 8.6 21.5 64.3
93.3 119.6 111 104 63.7 40.4 29.8 15.2 7.5 2.9
"""


class Forecaster(Module):
    """A recurrent layer and a linear output: after every step, what comes next."""

    def __init__(self, cell: str, D: int, H: int, rng: np.random.Generator) -> None:
        super().__init__()
        self.recurrent = LAYERS[cell](D, H, dtype=np.float32, rng=rng)
        self.output = Linear(H, 1, dtype=np.float32, rng=rng)

    def forward(self, x: Array) -> Any:
        """(T, B, D) to (T, B)."""
        hs, _ = self.recurrent(x)  # (T, B, H)
        return self.output(hs)[:, :, 0]


def linear_prediction(past: Array, y: Array) -> Callable[[Array], Array]:
    """The least-squares line from past values (n, p) to the next y (n,), as a function of past."""
    ones = np.ones((len(past), 1))
    weights, *_ = np.linalg.lstsq(np.hstack([past, ones]), y, rcond=None)
    return lambda past: past @ weights[:-1] + weights[-1]


def run_free(predict: Callable[[Array], Array], past: Array, steps: int) -> Array:
    """(n, steps) values ahead of the past (n, T): every answer enters the next question."""
    answers = []
    for _ in range(steps):
        answers.append(predict(past))  # (n,)
        past = np.hstack([past[:, 1:], answers[-1][:, None]])
    return np.stack(answers, axis=1)


# ---------------------------------------------------------------- sunspots
def count_root(x: Array) -> Array:
    """2 (sqrt(1 + x) - 1): of counts, whose spread grows with them (Ghaddar & Tong 1981)."""
    return 2 * (np.sqrt(1 + x) - 1)


def count_of(root: Array) -> Array:
    """The count that has this root, at least 0."""
    return (np.maximum(root, 0) / 2 + 1) ** 2 - 1


def _same(x: Array) -> Array:
    return x


class Sunspots(Task):
    """Next year's sunspot number, from the last 20 years' (Weigend, Huberman & Rumelhart 1990).

    Trained on 1700-1884, chosen by 1885-1920, judged by 1921-1979; the linear prediction has
    1700-1920 to learn from. The error is divided by the variance 1535, as it was then. The net
    reads and writes `count_root`s. So few years are soon known by heart, and the highest cycle is
    still to come: so each stretch of years is learned louder or fainter than it was, and with some
    noise. `examples` shows 1921-55 and 1956-79 apart, a linear prediction of roots, and the error
    of up to ten years ahead, running free.

    Args:
        source: a CSV file with a header and the series in its last column, in the order of time.
            60 % are to train on, the next 20 % to choose by, the last to be judged by. Values are
            taken as they are, without a root, and not made louder.
    """

    name = "sunspots"
    layout = "CSV with a header and the series in its last column"
    shape = "regression"
    metric = "normalised mean squared error"
    higher_is_better = False
    epochs = 60
    lr = 1e-2
    T, H, B, p = 20, 8, 32, 9
    noise, loudness = 0.1, 0.3  # spreads: of the noise; of the log of the factor

    def __init__(self, *, source: Path | None = None, seed: int = 0) -> None:
        self.bend: Callable[[Array], Array] = _same
        self.unbend: Callable[[Array], Array] = _same
        if source is None:
            self.series = np.array(SUNSPOTS.split(), float)[:280]
            ends, self.variance, self.first = (185, 221), 1535.0, 1700
            self.bend, self.unbend = count_root, count_of
        else:
            column = read_text(source).split("\n", 1)[0].count(",")
            self.series = read_series(source, column)[:, 0]
            n, self.variance, self.first = len(self.series), float(self.series.var()), 0
            ends, self.loudness = (int(0.6 * n), int(0.8 * n)), 0.0
            if n < 4 * self.T or not np.ptp(self.series[: ends[0]]):
                raise ValueError(
                    f"{source} has {n} values: give at least {4 * self.T}, and not all the same"
                )
        parts = np.split(np.arange(self.T, len(self.series)), np.array(ends) - self.T)
        self.parts = dict(zip(("train", "validation", "test"), parts, strict=True))
        known = self.bend(self.series[: ends[0]])
        self.mean, self.scale = float(known.mean()), float(known.std())

    def pasts(self, years: Array, T: int) -> tuple[Array, Array]:
        """(the T values before each year (n, T), the year's own (n,))."""
        return self.series[years[:, None] + np.arange(-T, 0)], self.series[years]

    def model(self, cell: str, rng: np.random.Generator) -> Module:
        return Forecaster(cell, 1, self.H, rng)

    def _read(self, values: Array) -> Array:
        """Values as the net sees them, near 0."""
        return ((self.bend(values) - self.mean) / self.scale).astype(np.float32)

    def losses(self, model: Any, rng: np.random.Generator) -> Iterator[Tensor]:
        past, y = self.pasts(self.parts["train"], self.T)
        for rows in batches(len(y), self.B, rng):
            factor = np.exp(rng.normal(0, self.loudness, len(rows)))
            x = self._read(factor[:, None] * past[rows]).T  # (T, B)
            x += rng.normal(0, self.noise, x.shape).astype(np.float32)
            yield F.mse_loss(model(x[:, :, None])[-1], self._read(factor * y[rows]))

    def predict(self, model: Any, past: Array) -> Array:
        """Next year's value (n,), from the values before it (n, T)."""
        answers = model(self._read(past).T[:, :, None]).data[-1].astype(float)
        return self.unbend(answers * self.scale + self.mean)

    def error(self, answers: Array, y: Array) -> float:
        """The mean squared error, as a share of the variance."""
        return float(np.mean((answers - y) ** 2) / self.variance)

    def score(self, model: Any, part: str) -> float:
        past, y = self.pasts(self.parts[part], self.T)
        return self.error(self.predict(model, past), y)

    def line(self, *, roots: bool = False) -> Callable[[Array], Array]:
        """The linear prediction AR(p), from all that comes before the test part."""
        past, y = self.pasts(np.arange(self.p, self.parts["test"][0]), self.p)
        if not roots:
            return linear_prediction(past, y)
        line = linear_prediction(self.bend(past), self.bend(y))
        return lambda past: self.unbend(line(self.bend(past)))

    def baseline(self) -> tuple[str, float]:
        past, y = self.pasts(self.parts["test"], self.p)
        return f"linear prediction, AR({self.p})", self.error(self.line()(past), y)

    def examples(self, model: Any) -> list[str]:
        model.eval()
        test, line, of_roots = self.parts["test"], self.line(), self.line(roots=True)
        lines = []
        with no_grad():
            for years in np.split(test, [35 if self.first else len(test) // 2]):
                past, y = self.pasts(years, self.T)
                lines.append(
                    f"{self.first + years[0]}-{self.first + years[-1]}, one step ahead:"
                    f" net {self.error(self.predict(model, past), y):.3f},"
                    f" AR({self.p}) {self.error(line(past[:, -self.p :]), y):.3f},"
                    f" of roots {self.error(of_roots(past[:, -self.p :]), y):.3f},"
                    f" same as last {self.error(past[:, -1], y):.3f}"
                )
            return lines + self._ahead(model, line)

    def _ahead(self, model: Any, line: Callable[[Array], Array]) -> list[str]:
        """The error of 2, 5 and 10 steps ahead, over all starts in the test part."""
        steps, start = 10, self.parts["test"][0]
        past, y = sliding_windows(self.series[start - self.T :], self.T, steps=steps)
        net = run_free(lambda past: self.predict(model, past), past, steps)
        ar = run_free(line, past[:, -self.p :], steps)
        rest = self.series[:start].mean()
        return [
            f"{k} steps ahead, running free: net {self.error(net[:, k - 1], y[:, k - 1]):.3f},"
            f" AR({self.p}) {self.error(ar[:, k - 1], y[:, k - 1]):.3f},"
            f" always the mean {self.error(rest, y[:, k - 1]):.3f}"
            for k in (2, 5, 10)
        ]


# ---------------------------------------------------------------- a sampled sound
def plucked(n: int, T: int, rng: np.random.Generator) -> Array:
    """n plucked strings, T samples each at 8000 a second: decaying harmonics, and noise.

    A note of the scale from A3 (220 Hz) on, a little out of tune; harmonic k starts with 1 / k of
    the first one's loudness and any phase, and dies away k times as fast. All of it goes through
    an amplifier that gives no more than 1 (tanh), which adds harmonics of its own.
    """
    t = np.arange(T) / 8000  # seconds
    k = np.arange(1, 5)[:, None]  # the harmonics
    sounds = np.zeros((n, T))
    for sound in sounds:
        pitch = 220 * 2 ** ((rng.integers(0, 12) + rng.normal(0, 0.05)) / 12)
        phase = rng.uniform(0, 2 * np.pi, (4, 1))
        waves = np.exp(-20 * k * t) / k * np.sin(2 * np.pi * pitch * k * t + phase)  # (4, T)
        sound += np.tanh(3 * waves.sum(axis=0))
    return sounds + rng.normal(0, 0.01, sounds.shape)


class Sound(Task):
    """The next sample of a sound, from all samples before it.

    One line has to serve all pitches; a net can hear which one it is. All errors are divided by
    the sound's variance, and counted from sample p on.

    Args:
        source: a WAV file (its first channel), at least a few thousand samples. The first 70 % are
            to train on, the next 15 % to choose by, the last 15 % to be judged by.
    """

    name = "sound"
    layout = "WAV"
    shape = "regression"
    metric = "normalised mean squared error"
    higher_is_better = False
    epochs = 24
    lr = 1e-2
    T, H, B, D, p = 160, 32, 32, 8, 32
    sizes = (800, 150, 150)

    def __init__(self, *, source: Path | None = None, seed: int = 0) -> None:
        rng = np.random.default_rng([seed, 0])
        names = ("train", "validation", "test")
        if source is None:
            self.parts = {
                part: plucked(n, self.T, rng) for part, n in zip(names, self.sizes, strict=True)
            }
        else:
            samples, _ = read_wav(source)
            n = len(samples) // self.T
            if n < 10 or not samples[:, 0].any():
                raise ValueError(
                    f"{source} has {len(samples)} samples: give at least {10 * self.T}, not silent"
                )
            pieces = samples[: n * self.T, 0].reshape(n, self.T)
            cuts = [int(0.7 * n), int(0.85 * n)]
            self.parts = dict(zip(names, np.split(pieces, cuts), strict=True))
        self.variance = float(self.parts["train"].var())

    def model(self, cell: str, rng: np.random.Generator) -> Module:
        return Forecaster(cell, self.D, self.H, rng)

    def _pasts(self, sounds: Array, D: int) -> tuple[Array, Array]:
        """(the D samples before each (B, T - D, D), the samples themselves (B, T - D))."""
        past = np.lib.stride_tricks.sliding_window_view(sounds, D, axis=1)
        return past[:, :-1], sounds[:, D:]

    def _answers(self, model: Any, sounds: Array) -> Any:
        past, _ = self._pasts(sounds / np.sqrt(self.variance), self.D)
        return model(past.swapaxes(0, 1).astype(np.float32))  # (T - D, B)

    def losses(self, model: Any, rng: np.random.Generator) -> Iterator[Tensor]:
        sounds = self.parts["train"]
        for rows in batches(len(sounds), self.B, rng):
            some = sounds[rows]
            target = (some[:, self.D :].T / np.sqrt(self.variance)).astype(np.float32)
            late = slice(self.p - self.D, None)
            yield F.mse_loss(self._answers(model, some)[late], target[late])

    def error(self, answers: Array, sounds: Array) -> float:
        """Of answers (B, n) to the last n samples: the mean squared error over the variance."""
        y = sounds[:, self.p :]
        return float(np.mean((answers[:, -y.shape[1] :] - y) ** 2) / self.variance)

    def score(self, model: Any, part: str) -> float:
        sounds = self.parts[part]
        answers = self._answers(model, sounds).data.T * np.sqrt(self.variance)
        return self.error(answers, sounds)

    def baseline(self) -> tuple[str, float]:
        past, y = self._pasts(self.parts["train"], self.p)
        line = linear_prediction(past.reshape(-1, self.p), y.reshape(-1))
        past, _ = self._pasts(self.parts["test"], self.p)
        error = self.error(line(past), self.parts["test"])
        return f"linear prediction from {self.p} samples", error

    def examples(self, model: Any) -> list[str]:
        model.eval()
        test = self.parts["test"]
        with no_grad():
            answers = self._answers(model, test[:1]).data[-6:, 0] * np.sqrt(self.variance)
        return [
            f"same as the last sample {self.error(test[:, :-1], test):.4f}",
            "sound  " + " ".join(f"{v:+.3f}" for v in test[0, -6:]),
            "answer " + " ".join(f"{v:+.3f}" for v in answers),
        ]
