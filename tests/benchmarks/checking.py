"""What a gradient check costs and how well it sees: `python tests/benchmarks/checking.py`.

    oracle      error of the complex step on an LSTM, T = 10, relative to the largest entry; the
                truth is the same hand-written backward in long double
    one         a check of an LSTM cell with six inputs: a pair of NumPy functions, right
    fifty       the same for fifty structures: other sizes, batch 1, width 1
    diagnosis   what a wrong gradient costs more than a right one, over the bank of tests/bank

Times are seconds of work (`time.process_time`), so that a busy machine does not count.
"""

from __future__ import annotations

import sys
from pathlib import Path
from statistics import fmean, median
from time import process_time

import numpy as np

sys.path[:0] = [str(Path(__file__).parents[1] / "check"), str(Path(__file__).parents[2])]

import diagnosis_nets as nets  # noqa: E402

import tinygrad_rnn as tg  # noqa: E402
from tinygrad_rnn.check.oracle import complex_step  # noqa: E402
from tinygrad_rnn.check.setting import Setting  # noqa: E402
from tinygrad_rnn.check.subject import subject_of  # noqa: E402

NAMES = ("x", "h", "c", "W", "U", "b")


def cell(x, h, c, W, U, b):
    """One LSTM step, (h', c')."""
    i, f, g, o = np.split(x @ W + h @ U + b, 4, axis=-1)
    c = nets.sigmoid(f) * c + nets.sigmoid(i) * np.tanh(g)
    return nets.sigmoid(o) * np.tanh(c), c


def cell_backward(gs, x, h, c, W, U, b):
    dh, dc = gs
    i, f, g, o = np.split(x @ W + h @ U + b, 4, axis=-1)
    i, f, g, o = nets.sigmoid(i), nets.sigmoid(f), np.tanh(g), nets.sigmoid(o)
    t = np.tanh(f * c + i * g)
    dc = dc + dh * o * (1 - t * t)
    gates = dc * g * i * (1 - i), dc * c * f * (1 - f), dc * i * (1 - g * g), dh * t * o * (1 - o)
    dz = np.concatenate(gates, axis=-1)
    return dz @ W.T, dz @ U.T, dc * f, x.T @ dz, h.T @ dz, dz.sum(axis=0)


def shapes(B, D, H):
    return [(B, D), (B, H), (B, H), (D, 4 * H), (H, 4 * H), (4 * H,)]


def work(step, repeats=1):
    """The median seconds of work of a call."""
    times = []
    for _ in range(repeats):
        start = process_time()
        step()
        times.append(process_time() - start)
    return median(times)


def oracle_error():
    """max |complex step - truth| / max |truth| over all entries, T = 10."""
    inputs = nets.normal((10, 2, 3), (2, 4), (2, 4), (3, 16), (4, 16))
    pair = nets.pair(nets.lstm, nets.lstm_backward, "")
    setting = Setting(subject_of(pair), inputs, list("xhcWU"), range(5))
    v = np.random.default_rng(1).standard_normal(setting.y.size)
    long = [x.astype(np.longdouble) for x in inputs]
    truth = nets.lstm_backward(v.reshape(10, 2, 4).astype(np.longdouble), *long)
    worst, largest = 0.0, max(float(np.max(np.abs(g))) for g in truth)
    for i, g in enumerate(truth):
        for j in range(g.size):
            u = np.zeros(g.shape)
            u.flat[j] = 1.0
            slope = v @ complex_step(setting, {i: u}).values
            worst = max(worst, abs(float(slope - g.flat[j])))
    return worst / largest


def quick_checks():
    """(seconds of one structure, seconds of fifty)."""
    rng = np.random.default_rng(0)
    sizes = [(2, 3, 4)] + [tuple(rng.integers(1, 7, size=3)) for _ in range(49)]
    cases = [[0.8 * rng.standard_normal(s) for s in shapes(*each)] for each in sizes]

    def check(inputs):
        assert tg.gradcheck((cell, cell_backward), *inputs, names=NAMES)

    check(cases[0])
    return work(lambda: check(cases[0]), 20), work(lambda: [check(each) for each in cases], 3)


def diagnoses():
    """Seconds for each known mistake of the bank, beyond the same check without a diagnosis."""
    from tests import bank

    found = []
    for mistake in bank.known_mistakes():
        inputs, cases = mistake.inputs(0), mistake.cases(0)
        plain = work(lambda m=mistake, x=inputs: tg.gradcheck(m.pair, *x, diagnose=False))
        whole = work(lambda m=mistake, x=inputs, c=cases: tg.gradcheck(m.pair, *x, cases=c))
        found.append((max(0.0, whole - plain), mistake.title))
    return sorted(found, reverse=True)


def main():
    print(f"oracle, LSTM T = 10: error {oracle_error():.1e} (bar: 1e-14)")
    one, fifty = quick_checks()
    print(f"LSTM cell, six inputs, right: {1e3 * one:.1f} ms (bar: 5 ms)")
    print(f"fifty structures of it: {fifty:.2f} s (bar: 0.3 s)")
    times = diagnoses()
    mean, (most, which) = fmean(t for t, _ in times), times[0]
    print(f"diagnosis of {len(times)} mistakes: mean {1e3 * mean:.0f} ms (bar: 50 ms)")
    print(f"  at most {1e3 * most:.0f} ms (bar: 500 ms), {which}")


if __name__ == "__main__":
    main()
