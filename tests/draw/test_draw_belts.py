"""The belts of h and c: no bend and no crossing in unrolled RNN, LSTM and GRU."""

import shutil

import numpy as np
import pytest
from belts import bends, crossings, curves, meetings
from drawn_graphs import cell, encoder_decoder, layer, truncated

from tinygrad_rnn.draw import draw

pytestmark = pytest.mark.skipif(shutil.which("dot") is None, reason="needs the program dot")


@pytest.mark.parametrize("show", [(), ("value", "grad")], ids=["compact", "values"])
@pytest.mark.parametrize("T", [3, 6, 20])
@pytest.mark.parametrize("kind", ["RNNCell", "LSTMCell", "GRUCell", "RNN", "LSTM", "GRU"])
def test_no_belt_bends_or_is_crossed(kind, T, show):
    output = (cell if kind.endswith("Cell") else layer)(kind, T)
    svg = draw(output, show=show, fold=None, max_nodes=10**4).pipe("svg")
    belts = [name for name, _ in curves(svg) if name.startswith("edge belt ")]
    assert len(belts) >= T * (2 if kind.startswith("LSTM") else 1)
    assert bends(svg) == []
    assert crossings(svg) == []


@pytest.mark.parametrize("T", [3, 12])
def test_the_belts_of_an_encoder_run_on_into_its_decoder(T):
    drawing = draw(encoder_decoder(T), show=())
    assert drawing.source.count('class="belt ') >= (12 if T == 3 else 16)
    assert bends(drawing.pipe("svg")) == []
    assert ">start<" in drawing.source and 'class="input" label=<<B>start<' in drawing.source


def test_windows_with_a_loss_each_make_no_staircase():
    svg = draw(truncated(12, 3), show=()).pipe("svg")
    assert bends(svg) == []
    heights = [line[:, 1].mean() for name, line in curves(svg) if name.startswith("edge belt ")]
    cuts = [line for name, line in curves(svg) if name.startswith("edge cut")]
    assert np.ptp(heights) < 1 and len(cuts) == 6
    assert all(np.ptp(line[:, 1]) < 1 for line in cuts)


@pytest.mark.parametrize("show", [(), ("grad",), ("value", "grad", "shape")], ids=str)
@pytest.mark.parametrize("scoped", [True, False], ids=["scopes", "no scopes"])
@pytest.mark.parametrize("kind", ["RNNCell", "LSTMCell", "GRUCell", "RNN", "GRU"])
def test_the_arrow_of_time_of_a_rolled_cell_cuts_no_other(kind, scoped, show):
    output = cell(kind, 12, scoped=scoped) if kind.endswith("Cell") else layer(kind, 12)
    svg = draw(output, show=show, rolled=True).pipe("svg")
    arrows = [name for name, _ in curves(svg) if name.startswith("edge recurrence ")]
    assert len(arrows) == (2 if kind == "LSTMCell" else 1)
    assert meetings(svg, "recurrence") == []


def test_a_crossing_and_a_bend_are_seen():
    """The measure itself: one line over another, and one with a step in it."""
    text = (
        '<svg xmlns="http://www.w3.org/2000/svg">'
        '<g class="edge belt a"><path d="M0,0C1,0 9,0 10,0"/></g>'
        '<g class="edge b"><path d="M5,-5C5,-2 5,2 5,5"/></g>'
        '<g class="edge c"><path d="M5,5C5,4 5,2 5,0"/></g>'
        '<g class="edge belt d"><path d="M20,0C22,0 28,9 30,9"/></g></svg>'
    )
    assert crossings(text.encode()) == [("edge belt a", "edge b")]
    assert bends(text.encode()) == ["edge belt d"]
    touches = ("edge belt a", "edge c")
    assert meetings(text.encode(), "belt") == [("edge belt a", "edge b"), touches]
