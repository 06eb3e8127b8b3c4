# %% page
if __name__ == "__main__" and "get_ipython" not in globals():
    import sys
    from pathlib import Path

    here = Path(__file__).resolve().parent
    sys.path[:0] = [str(here / "gallery"), str(here.parent)]
    from cells import main

    raise SystemExit(main(__file__))

# %% [markdown]
# # Pictures of back-propagation through time
#
# Every picture on this page is made by the lines beside it: nothing but `tinygrad_rnn` and NumPy.
# This page is `python tutorials/gallery.py`; its source opens as a notebook, too (`jupytext --to
# notebook tutorials/gallery.py`), where the last line of a cell shows the picture.

# %% imports
import numpy as np

import tinygrad_rnn as tg
from tinygrad_rnn import nn

# %% [markdown]
# ## Where two ways meet, gradients add up: 3 + 3 + 6 = 12
#
# `a` is used three times, twice by one addition. Each use has an arrow of its own, and backwards
# each arrow carries its own gradient; what arrives at `a` is their sum.

# %% diamond
a = tg.Tensor(3.0, requires_grad=True, name="a")
b = a + a
d = a * b
tg.label(b=b, d=d)
tg.draw(d, view="backward")

# %% [markdown]
# ## A neuron, in single numbers
#
# The first lesson: name, value and gradient side by side, operations as circles.

# %% neuron
values = {"x1": 2.0, "x2": 0.0, "w1": -3.0, "w2": 1.0, "b": 6.8814}
x1, x2, w1, w2, b = (tg.Tensor(v, requires_grad=True, name=k) for k, v in values.items())
o = tg.tanh(x1 * w1 + x2 * w2 + b)
tg.label(o=o)
tg.draw(o, style="record")

# %% [markdown]
# ## An LSTM over three steps
#
# A box for each time step; the belts of h and c run straight through all of them. A weight that the
# steps share stands once in the table, and as a reference in each step that uses it.

# %% lstm_compact
cell, rng = nn.LSTMCell(2, 2, rng=0), np.random.default_rng(0)
h, c = tg.Tensor(np.zeros((1, 2)), name="h0"), tg.Tensor(np.zeros((1, 2)), name="c0")
for t in range(1, 4):
    with tg.scope(t=t):
        x = tg.Tensor(rng.normal(size=(1, 2)), name=f"x{t}")
        h, c = cell(x, (h, c))
loss = (h * h).sum()
tg.label(loss=loss)
tg.draw(loss, show=())

# %% [markdown]
# ## The same with every value and every gradient
#
# `∇` is dL/d(this line); at the reference of a weight, the part of its gradient that came from that
# step, and in the table the sum over all steps. A dash is no gradient at all.

# %% lstm_values
cell, rng = nn.LSTMCell(2, 2, rng=0), np.random.default_rng(0)
h, c = tg.Tensor(np.zeros((1, 2)), name="h0"), tg.Tensor(np.zeros((1, 2)), name="c0")
for t in range(1, 4):
    with tg.scope(t=t):
        x = tg.Tensor(rng.normal(size=(1, 2)), name=f"x{t}")
        h, c = cell(x, (h, c))
loss = (h * h).sum()
tg.label(loss=loss)
tg.draw(loss, show=("value", "grad"))

# %% [markdown]
# ## From top to bottom
#
# The same once more, for a notebook's narrow column.

# %% lstm_top_to_bottom
cell, rng = nn.LSTMCell(2, 2, rng=0), np.random.default_rng(0)
h, c = tg.Tensor(np.zeros((1, 2)), name="h0"), tg.Tensor(np.zeros((1, 2)), name="c0")
for t in range(1, 4):
    with tg.scope(t=t):
        x = tg.Tensor(rng.normal(size=(1, 2)), name=f"x{t}")
        h, c = cell(x, (h, c))
loss = (h * h).sum()
tg.label(loss=loss)
tg.draw(loss, show=("value", "grad"), rankdir="TB")

# %% [markdown]
# ## A gradient that vanishes, seen
#
# The backward view: the same layout, arrows turned round, as thick as the logarithm of the gradient
# that comes over them. From the loss at the right to the first step it shrinks at each step.

# %% vanishing
values = {"W_hh": 0.5, "W_ih": 0.8, "b": 0.1}
W, U, b = (tg.Tensor(v, requires_grad=True, name=k) for k, v in values.items())
h = tg.Tensor(0.0, requires_grad=True, name="h0")
for t in range(1, 7):
    with tg.scope(t=t):
        h = tg.tanh(tg.Tensor(0.1 * t, requires_grad=True, name=f"x{t}") * U + h * W + b)
        tg.label(h=h)
loss = h * h
tg.label(loss=loss)
tg.draw(loss, view="backward", show=())

# %% [markdown]
# ## A GRU
#
# Nobody wrote its backward pass: six equations, recorded.

# %% gru
cell, rng = nn.GRUCell(2, 2, rng=0), np.random.default_rng(0)
h = tg.Tensor(np.zeros((1, 2)), name="h0")
for t in range(1, 4):
    with tg.scope(t=t):
        h = cell(tg.Tensor(rng.normal(size=(1, 2)), name=f"x{t}"), h)
loss = (h * h).sum()
tg.label(loss=loss)
tg.draw(loss, show=(), legend=True)

# %% [markdown]
# ## A hundred steps, folded
#
# Loops of more than eight steps are folded by themselves: the first two and the last two steps, and
# one box for those in between. `fold=None` draws all of them.

# %% lstm_folded
cell, rng = nn.LSTMCell(2, 2, rng=0), np.random.default_rng(0)
h, c = tg.Tensor(np.zeros((1, 2)), name="h0"), tg.Tensor(np.zeros((1, 2)), name="c0")
for t in range(1, 101):
    with tg.scope(t=t):
        x = tg.Tensor(rng.normal(size=(1, 2)), name=f"x{t}")
        h, c = cell(x, (h, c))
loss = (h * h).sum()
tg.label(loss=loss)
tg.draw(loss, show=())

# %% [markdown]
# ## The same hundred steps, rolled
#
# One step that stands for all; the dashed arrow is time. The steps need no marks for this: they are
# found by their likeness.

# %% lstm_rolled
cell, rng = nn.LSTMCell(2, 2, rng=0), np.random.default_rng(0)
h, c = tg.Tensor(np.zeros((1, 2)), name="h0"), tg.Tensor(np.zeros((1, 2)), name="c0")
for _ in range(100):
    h, c = cell(tg.Tensor(rng.normal(size=(1, 2)), name="x"), (h, c))
loss = (h * h).sum()
tg.label(loss=loss)
tg.draw(loss, show=(), rolled=True)

# %% [markdown]
# ## Rolled, with the gradient over time
#
# The small chart is the norm of dL/dh at each of the 24 steps: this RNN forgets.

# %% rnn_rolled
values = {"W_hh": 0.7, "W_ih": 0.8, "b": 0.1}
W, U, b = (tg.Tensor(v, requires_grad=True, name=k) for k, v in values.items())
h = tg.Tensor(0.0, requires_grad=True, name="h0")
for t in range(1, 25):
    with tg.scope(t=t):
        h = tg.tanh(tg.Tensor(np.sin(t), name=f"x{t}") * U + h * W + b)
        tg.label(h=h)
loss = h * h
tg.label(loss=loss)
tg.draw(loss, show=("grad",), rolled=True)

# %% [markdown]
# ## How does x2 reach the loss?
#
# With a focus, the ways from one line to another stand out, and the rest is pale.

# %% focus
W, U, h = tg.Tensor(0.5, requires_grad=True, name="W"), 0.8, tg.Tensor(0.0, name="h0")
for t in range(1, 5):
    with tg.scope(t=t):
        h = tg.tanh(tg.Tensor(0.1 * t, requires_grad=True, name=f"x{t}") * U + h * W)
        tg.label(h=h)
loss = h * h
tg.label(loss=loss)
tg.draw(loss, focus=("x2", "loss"), show=("value", "grad"))

# %% [markdown]
# ## Truncated back-propagation: the cut
#
# After two steps the state is cut off its past: its value goes on, and no gradient comes back.

# %% truncated
w = tg.Tensor(0.5, requires_grad=True, name="w")
s, losses = tg.Tensor(0.25, name="s0"), []
for t in range(1, 5):
    with tg.scope(t=t):
        s = tg.tanh(tg.Tensor(0.2 * t, name=f"x{t}") + w * s)
        tg.label(s=s)
    if t % 2 == 0:
        losses.append(s * s)
        s = tg.bptt.detached(s)
loss = losses[0] + losses[1]
tg.label(loss=loss)
tg.draw(loss, show=("value", "grad"))

# %% [markdown]
# ## All windows at once
#
# Rolled up, one window stands for all: the loss goes on to the next, and the state over a cut.

# %% truncated_rolled
w = tg.Tensor(0.5, requires_grad=True, name="w")
s, loss = tg.Tensor(0.25, name="s0"), tg.Tensor(0.0, name="loss0")
for t in range(1, 25):
    with tg.scope(t=t):
        s = tg.tanh(tg.Tensor(np.sin(t), name=f"x{t}") + w * s)
        tg.label(s=s)
    if t % 2 == 0:
        loss, s = loss + s * s, tg.bptt.detached(s)
        tg.label(loss=loss)
tg.draw(loss, show=("value", "grad"), rolled=True)

# %% [markdown]
# ## Both directions
#
# Two belts that run opposite ways; each output is made of one state of each.

# %% bidirectional
rnn = nn.RNN(2, 2, bidirectional=True, rng=0)
x = tg.Tensor(np.random.default_rng(0).normal(size=(3, 1, 2)), name="x")
output, h_n = rnn(x)
loss = (output * output).sum()
tg.label(output=output, loss=loss)
tg.draw(loss, show=())

# %% [markdown]
# ## Layers one upon another
#
# The second layer reads what the first one puts out at each step.

# %% stacked
rnn = nn.RNN(2, 2, num_layers=2, rng=0)
x = tg.Tensor(np.random.default_rng(0).normal(size=(3, 1, 2)), name="x")
output, h_n = rnn(x)
loss = (output * output).sum()
tg.label(output=output, loss=loss)
tg.draw(loss, show=())

# %% [markdown]
# ## An encoder and a decoder with attention
#
# Nine states are remembered; each step of the decoder asks all of them, weighs them with a
# softmax, and reads their mean. Both loops are rolled.

# %% attention
encoder, decoder = nn.RNN(2, 2, rng=0), nn.RNNCell(2, 2, rng=1)
attend = nn.DotAttention()
x = tg.Tensor(np.random.default_rng(0).normal(size=(9, 1, 2)), name="x")
memory, h = encoder(x)
memory, h = memory.swapaxes(0, 1), h[0]
for t in range(1, 7):
    with tg.scope("decoder"), tg.scope(t=t):
        context, weights = attend(h, memory)
        tg.label(context=context, weights=weights)
        h = decoder(context, h)
loss = (h * h).sum()
tg.label(loss=loss)
tg.draw(loss, show=(), rolled=True)

# %% [markdown]
# ## An encoder that hands on to a decoder
#
# The belts of h and c run on from the last step of one net into the first step of the other, which
# then reads what it wrote itself.

# %% handed_on
encoder, decoder = nn.LSTMCell(2, 2, rng=0), nn.LSTMCell(2, 2, rng=1)
h, c = tg.Tensor(np.zeros((1, 2)), name="h0"), tg.Tensor(np.zeros((1, 2)), name="c0")
for t in range(1, 3):
    with tg.scope("encoder"), tg.scope(t=t):
        h, c = encoder(tg.Tensor(np.ones((1, 2)), name=f"x{t}"), (h, c))
y = tg.Tensor(np.ones((1, 2)), name="start")
for t in range(1, 3):
    with tg.scope("decoder"), tg.scope(t=t):
        h, c = decoder(y, (h, c))
        y = h
tg.draw(h, show=())

# %% [markdown]
# ## Modules as boxes
#
# A whole model from afar: what is in a module is one box that says what it holds.


# %% modules
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(5, 3, rng=0)
        self.rnn, self.head = nn.LSTM(3, 4, rng=1), nn.Linear(4, 5, rng=2)

    def forward(self, indices):
        return self.head(self.rnn(self.embedding(indices))[0])


text = np.arange(6)[:, None] % 5
loss = tg.functional.cross_entropy(Model()(text), (text + 1) % 5)
tg.label(loss=loss)
tg.draw(loss, depth=2)

# %% [markdown]
# ## The graph of a gradient
#
# A gradient that was recorded is a graph like any other. Here a loss is y plus the square of its
# slope dy/dx; what the walk back made is dotted, what the function made is not.

# %% second_order
x = tg.Tensor(0.5, requires_grad=True, name="x")
y = tg.tanh(x) * x
dx = tg.grad(y, x, create_graph=True)
loss = y + dx * dx
tg.label(y=y, dx=dx, loss=loss)
tg.draw(loss)

# %% [markdown]
# ## The graph of a gradient through time
#
# The walk back is a second chain of steps, from the last to the first. What it takes from the steps
# that it goes through stands in its own steps by reference.

# %% walk_back
w, h = tg.Tensor(0.5, requires_grad=True, name="w"), tg.Tensor(0.25, name="h0")
for t in range(1, 4):
    with tg.scope(t=t):
        h = tg.tanh(tg.Tensor(0.1 * t, name=f"x{t}") + w * h)
        tg.label(h=h)
dw = tg.grad(h * h, w, create_graph=True)
tg.label(dw=dw)
tg.draw(dw, show=())

# %% [markdown]
# ## Dark
#
# For slides and for the night: the same forms, so nothing is said by colour alone.

# %% dark
cell, x = nn.LSTMCell(2, 2, rng=0), tg.Tensor(np.ones((1, 2)), name="x")
with tg.scope(t=1):
    h, c = cell(x)
loss = (h * h).sum()
tg.label(loss=loss)
tg.draw(loss, show=("value", "grad"), theme="dark", legend=True)

# %% [markdown]
# ## Black on white
#
# For paper: every kind of line has a shape or a border of its own.

# %% print
cell, h = nn.GRUCell(2, 2, rng=0), tg.Tensor(np.zeros((1, 2)), name="h0")
for t in range(1, 3):
    with tg.scope(t=t):
        h = cell(tg.Tensor(np.ones((1, 2)), name=f"x{t}"), h)
loss = (h * h).sum()
tg.label(loss=loss)
tg.draw(loss, show=(), theme="print", legend=True)

# %% [markdown]
# ## A page to step through
#
# Forward, then backward with the chain rule in numbers, by mouse or by the arrow keys; click a
# weight to see what each step adds to its gradient. One file that works offline.

# %% step_page
cell, rng = nn.LSTMCell(2, 2, rng=0), np.random.default_rng(0)
h, c = tg.Tensor(np.zeros((1, 2)), name="h0"), tg.Tensor(np.zeros((1, 2)), name="c0")
for t in range(1, 3):
    with tg.scope(t=t):
        h, c = cell(tg.Tensor(rng.normal(size=(1, 2)), name=f"x{t}"), (h, c))
loss = (h * h).sum()
tg.label(loss=loss)
tg.step_through(loss, numeric=True, title="An LSTM, step by step")
