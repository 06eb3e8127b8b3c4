"""Series: published errors of the linear prediction, targets kept apart in time, free running."""

import wave

import numpy as np
import pytest

from tinygrad_rnn.experiments.series import (
    SUNSPOTS,
    Sound,
    Sunspots,
    count_of,
    count_root,
    linear_prediction,
    plucked,
    run_free,
)
from tinygrad_rnn.fit import Fit

CELLS = ("rnn", "lstm", "gru")


class SmallSound(Sound):
    sizes, T, H = (60, 20, 20), 60, 12


def test_the_sunspots_are_309_yearly_numbers_with_known_peaks():
    numbers = np.array(SUNSPOTS.split(), float)
    assert len(numbers) == 309 and numbers.min() == 0
    assert 1700 + numbers.argmax() == 1957 and numbers.max() == 190.2
    assert numbers[1778 - 1700] == 154.4 and numbers[2008 - 1700] == 2.9


def test_the_linear_prediction_has_its_known_error():
    task = Sunspots()
    line, errors = task.line(), []
    for years in (np.arange(221, 256), np.arange(256, 280)):
        past, y = task.pasts(years, 9)
        errors.append(task.error(line(past), y))
    assert errors == pytest.approx([0.123, 0.342], abs=0.002)
    assert task.baseline()[1] == pytest.approx((35 * errors[0] + 24 * errors[1]) / 59)


def test_roots_bring_high_and_low_cycles_to_one_spread_and_back():
    """2 (sqrt(1 + x) - 1) is x near 0, and what has Poisson's spread sqrt(x) gets the spread 1."""
    counts = np.array([0, 1e-6, 3, 190.2])
    np.testing.assert_allclose(count_of(count_root(counts)), counts, atol=1e-9)
    np.testing.assert_allclose(count_root(counts[:2]), counts[:2], rtol=1e-5)
    rng = np.random.default_rng(0)
    spreads = [count_root(rng.poisson(x, 20_000)).std() for x in (20, 200)]
    np.testing.assert_allclose(spreads, 1, atol=0.03)
    assert count_of(np.array([-3.0]))[0] == 0


def test_a_linear_prediction_of_roots_is_shown_beside():
    task = Sunspots()
    past, y = task.pasts(task.parts["test"], 9)
    error = task.error(task.line(roots=True)(past), y)
    assert error == pytest.approx(0.166, abs=0.001) and error < task.baseline()[1]


def test_windows_are_learned_louder_or_fainter_as_a_whole(monkeypatch):
    """With noise off, what is read and its answer are one window of the series times one factor."""
    monkeypatch.setattr(Sunspots, "noise", 0.0)
    task, seen = Sunspots(), []

    def model(x):
        seen.append(task.unbend(x[:, :, 0].astype(float) * task.scale + task.mean))  # (T, n)
        return x.sum(axis=-1)

    for _ in task.losses(model, np.random.default_rng(0)):
        pass
    windows = np.hstack(seen).T
    past, _ = task.pasts(task.parts["train"], task.T)
    shares, known = (x / x.max(axis=1, keepdims=True) for x in (windows, past))
    near = np.abs(shares[:, None] - known).max(axis=2)  # which window of the series it was
    assert (near.min(axis=1) < 1e-3).all() and len(set(near.argmin(axis=1))) == len(past)
    factors = windows.max(axis=1) / past[near.argmin(axis=1)].max(axis=1)
    assert 0.2 < np.log(factors).std() < 0.4 and windows.max() > 200


def test_the_years_to_predict_are_apart_and_each_follows_its_past():
    task = Sunspots()
    years = [year for part in task.parts.values() for year in part]
    assert years == list(range(20, 280))
    past, y = task.pasts(task.parts["test"], 5)
    np.testing.assert_array_equal(past[0], task.series[216:221])
    assert y[0] == task.series[221] and y[-1] == task.series[279]


def test_linear_prediction_finds_a_linear_rule_and_runs_free():
    series = [1.0, 2.0]
    for _ in range(30):
        series.append(1.2 * series[-1] - 0.8 * series[-2] + 0.5)
    past = np.lib.stride_tricks.sliding_window_view(series, 2)[:-1]
    line = linear_prediction(past, np.array(series[2:]))
    np.testing.assert_allclose(run_free(line, past[:1], 6)[0], series[2:8], rtol=1e-9)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("make", [Sunspots, SmallSound])
def test_the_loss_decreases(make, cell):
    task = make()
    run = Fit(task, task.model(cell, np.random.default_rng(0)), epochs=4)
    rows = list(run.epochs_left())
    assert rows[-1].loss < 0.9 * rows[0].loss
    assert 0 < rows[-1].score < 3


def test_examples_of_the_sunspots():
    task = Sunspots()
    lines = task.examples(task.model("gru", np.random.default_rng(0)))
    assert [line.split(",")[0] for line in lines] == [
        "1921-1955", "1956-1979", "2 steps ahead", "5 steps ahead", "10 steps ahead"
    ]  # fmt: skip


def test_a_csv_column(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("day,value\n" + "".join(f"{k},{np.sin(k / 3):.4f}\n" for k in range(120)))
    task = Sunspots(source=path)
    assert task.series[3] == pytest.approx(np.sin(1), abs=1e-4)
    assert [len(part) for part in task.parts.values()] == [52, 24, 24]
    assert task.baseline()[1] < 1e-6  # a sine obeys a linear rule
    assert len(task.examples(task.model("gru", np.random.default_rng(0)))) == 5


def test_a_short_or_constant_column(tmp_path):
    path = tmp_path / "t.csv"
    for cells in ("1\n2\n" * 5, "1\n" * 200):
        path.write_text("value\n" + cells)
        with pytest.raises(ValueError, match="give at least 80, and not all the same"):
            Sunspots(source=path)


def test_plucked_strings_are_bounded_decay_and_follow_the_seed():
    sounds = plucked(20, 800, np.random.default_rng(1))
    assert np.abs(sounds).max() < 1.1
    assert sounds[:, :160].std() > 2 * sounds[:, -160:].std()
    np.testing.assert_array_equal(sounds, plucked(20, 800, np.random.default_rng(1)))
    assert not np.array_equal(sounds, plucked(20, 800, np.random.default_rng(2)))


def test_the_strongest_frequency_is_a_note_of_the_scale():
    sounds = plucked(20, 8000, np.random.default_rng(0))
    peaks = np.abs(np.fft.rfft(sounds)).argmax(axis=1)  # in hertz: a second of sound
    assert all(215 < peak < 4 * 440 for peak in peaks)


def test_sound_answers_come_from_the_past_only():
    task = SmallSound()
    model = task.model("gru", np.random.default_rng(0))
    sounds = task.parts["test"][:2].copy()
    before = task._answers(model, sounds).data
    sounds[:, 40:] += 1
    after = task._answers(model, sounds).data
    np.testing.assert_array_equal(before[: 41 - task.D], after[: 41 - task.D])
    assert not np.array_equal(before[41 - task.D], after[41 - task.D])
    assert len(task.examples(model)) == 3


def test_a_wav_file(tmp_path):
    path = tmp_path / "s.wav"
    samples = (1e4 * np.sin(np.arange(4000) / 5)).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(samples.tobytes())
    task = Sound(source=path)
    assert [len(part) for part in task.parts.values()] == [17, 4, 4]
    np.testing.assert_allclose(task.parts["train"].reshape(-1)[:9], samples[:9] / 2**15)
    assert task.baseline()[1] < 1e-6
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(samples[:500].tobytes())
    with pytest.raises(ValueError, match="500 samples: give at least 1600"):
        Sound(source=path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "seed", "share"), [(Sound, 0, 0.6), *((Sunspots, seed, 0.97) for seed in range(5))]
)
def test_by_default_it_beats_the_baseline(make, seed, share):
    task = make(seed=seed)
    run = Fit(task, task.model("gru", np.random.default_rng([seed, 1])), seed=seed)
    assert len(list(run.epochs_left())) == task.epochs
    run.use_best()
    assert run.score("test") < share * task.baseline()[1]
