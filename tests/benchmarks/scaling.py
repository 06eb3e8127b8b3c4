"""Does the cost of a long graph stay linear, in time, in memory and in objects left behind?

    python tests/benchmarks/scaling.py                   # everything, about three minutes
    python tests/benchmarks/scaling.py --only growth     # or: chain, leftovers, memory

Each figure is printed beside its bar; the exit status is 1 if a bar is missed.

Legend: B batch, T time, D input width, H hidden width, V classes.
"""

import argparse
import contextlib
import gc
import time
import tracemalloc
from functools import partial

from environment import installed, one_thread  # isort: skip - must come before NumPy

import numpy as np
from handwritten import HandwrittenLSTM
from timing import imports_frozen, seconds_of

GROWTH_BAR = 2.3
LENGTH_BAR = 1.15
DEEP_BAR = 2.0
MEMORY_BAR = 1.0
TURNS = 9
CHAIN = 100_000


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="+", choices=list(SECTIONS), default=list(SECTIONS))
    options = parser.parse_args(argv)
    with one_thread():
        results = [passed for name in options.only for passed in run(name)]
    return 0 if all(results) else 1


def run(name):
    """One section: print its lines, yield for each whether its bar is met (no bar: True)."""
    print(SECTIONS[name].__doc__.partition("\n")[0])
    try:
        for label, figure, passed in SECTIONS[name]():
            mark = {True: "ok", False: "MISSED", None: ""}[passed]
            print(f"  {label:<28} {figure:<56} {mark}".rstrip(), flush=True)
            yield passed is not False
    except Exception as error:
        print(f"  failed: {type(error).__name__}: {error}")
        yield False


# -- growth ----------------------------------------------------------------------------------


def growth():
    """Time of `for t in range(T): h = tanh(x[t] @ W + h @ U)`, T = 2000 by T = 1000

    forward and backward, with a gradient for x too: 2 if linear, 4 if every slice's gradient costs
    as much as x. The bar is for the algorithm, so the garbage collector is off, as in `timeit`: its
    full collections visit every object of every imported package, and they come with T = 2000 but
    not with T = 1000. The figure with the collector on is printed beside it.
    """
    loops = {"tinygrad_rnn": tinygrad_loop, "autograd": autograd_loop, "mygrad": mygrad_loop}
    for name, loop in loops.items():
        if not installed(name):
            yield name, "not installed", None
            continue
        short, long = loop(*loop_arrays(1000)), loop(*loop_arrays(2000))
        with collector_off():
            ratio, seconds = time_ratio(short, long)
        with imports_frozen():
            with_collector, _ = time_ratio(short, long)
        figure = f"{ratio:.2f} (collector on: {with_collector:.2f}), {seconds:.2f} s"
        if name == "tinygrad_rnn":
            yield name, f"{figure}  bar <= {GROWTH_BAR}", ratio <= GROWTH_BAR
        else:
            yield name, figure, None


def time_ratio(short, long):
    """The ratio of the two functions' shortest times, called in turns, and the longer one."""
    short(), long()
    pairs = [(seconds_of(short), seconds_of(long)) for _ in range(9)]
    a, b = (min(times) for times in zip(*pairs, strict=True))
    return b / a, b


@contextlib.contextmanager
def collector_off():
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def loop_arrays(T, B=8, D=32, H=32):
    """x (T, B, D), W (D, H), U (H, H), h0 (B, H) and the R (B, H) of loss = sum(h * R)."""
    rng = np.random.default_rng(0)
    shapes = ((T, B, D), (D, H), (H, H), (B, H), (B, H))
    return [rng.normal(size=shape) / np.sqrt(H) for shape in shapes]


def tinygrad_loop(x, W, U, h0, R):
    import tinygrad_rnn as tg

    x, W, U = (tg.Tensor(array, requires_grad=True) for array in (x, W, U))

    def step():
        x.grad = W.grad = U.grad = None
        h = tg.Tensor(h0)
        for t in range(x.shape[0]):
            h = tg.tanh(x[t] @ W + h @ U)
        (h * R).sum().backward()

    return step


def autograd_loop(x, W, U, h0, R):
    import autograd
    import autograd.numpy as anp

    def loss(x, W, U):
        h = h0
        for t in range(x.shape[0]):
            h = anp.tanh(anp.dot(x[t], W) + anp.dot(h, U))
        return anp.sum(h * R)

    gradient = autograd.grad(loss, argnum=(0, 1, 2))
    return lambda: gradient(x, W, U)


def mygrad_loop(x, W, U, h0, R):
    import mygrad as mg

    x, W, U = (mg.tensor(array) for array in (x, W, U))

    def step():
        for leaf in (x, W, U):
            leaf.null_grad()
        with mg.mem_guard_off:
            h = h0
            for t in range(x.shape[0]):
                h = mg.tanh(mg.matmul(x[t], W) + mg.matmul(h, U))
            (h * R).sum().backward()

    return step


# -- chain -----------------------------------------------------------------------------------


def chain():
    """A chain of 100,000 operations: no walk may recurse, none may be quadratic"""
    import tinygrad_rnn as tg

    x = tg.Tensor(np.array(0.5), requires_grad=True)
    kept = {}

    def forward():
        y = x
        for _ in range(CHAIN):
            y = tg.tanh(y)
        kept["y"] = y

    walks = {
        "forward": forward,
        "backward": lambda: kept["y"].backward(),
        "Graph(y).listing()": lambda: tg.Graph(kept["y"]).listing(),
        "draw(y).source": lambda: tg.draw(kept["y"], max_nodes=10**6).source,
        "del y": kept.clear,
    }
    for label, walk in walks.items():
        yield label, f"{seconds_of(walk):.2f} s  bar: it ends", True


# -- leftovers -------------------------------------------------------------------------------


def leftovers():
    """Objects a training step leaves to the collector (LSTM, Linear, cross_entropy, Adam)"""
    step = training_step()
    step()  # what the first step makes once and for all is not a leftover
    with collector_off():
        step()
        count = gc.collect()
    yield "unreachable objects", f"{count}  bar 0", count == 0


def training_step(T=10, B=4, D=5, H=6, V=3):
    """A function that makes one step of a small classifier."""
    import tinygrad_rnn as tg

    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(T, B, D)), rng.integers(V, size=B)
    lstm, linear = tg.nn.LSTM(D, H, rng=0), tg.nn.Linear(H, V, rng=1)
    optimizer = tg.optim.Adam([*lstm.parameters(), *linear.parameters()])

    def step():
        optimizer.zero_grad()
        output, _ = lstm(tg.Tensor(x))
        loss = tg.functional.cross_entropy(linear(output[-1]), labels)
        loss.backward()
        optimizer.step()

    return step


# -- memory ----------------------------------------------------------------------------------


def memory():
    """Extra memory of backward by that of the graph, LSTM (100, 32, 64, 128) float32"""
    from contenders import TinygradRNN, make_problem

    contender = TinygradRNN(make_problem((100, 32, 64, 128), np.float32))
    contender.step()
    contender.forget()
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        loss = contender.loss()
        recorded, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        loss.backward()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    graph, extra = (recorded - before) / 2**20, (peak - recorded) / 2**20
    yield "recorded by forward", f"{graph:.1f} MiB", None
    ratio = extra / graph
    figure = f"{extra:.1f} MiB, {ratio:.2f} of it  bar <= {MEMORY_BAR}"
    yield "extra peak of backward", figure, ratio <= MEMORY_BAR


def length():
    """Time and memory per step as T grows, LSTM, B = 8, H = 64, float32, collector on

    The lengths take turns, with as many steps in each turn, so that a slow minute of the machine is
    slow for all of them, and in each round they come once more in the other order, so that one that
    grows slower is, too: the spread is that of the times relative to T = 1,000 of the same round,
    the median over rounds; the quickest turns are printed. Each turn begins with a call that is not
    timed: a net is trained at one length, and the memory of the call before is there to be used
    again. A longer sequence has left the processor's cache, for a gradient by hand too: the figures
    of the hand-written layer, in rounds of its own, stand beside ours.
    """
    import tinygrad_rnn as tg

    lengths = (100, 1000, 10_000)
    lstm = tg.nn.LSTM(64, 64, dtype=np.float32, rng=0)
    rng = np.random.default_rng(0)
    inputs = {T: rng.standard_normal((T, 8, 64)).astype(np.float32) for T in lengths}

    def ours(T):
        output, _ = lstm(inputs[T])
        (output * output).sum().backward()

    def by_hand(T):
        zeros = np.zeros((8, 64), np.float32)
        output = layers[T].forward(inputs[T], zeros, zeros)
        np.vdot(output, output)
        layers[T].backward(output)

    layers = {T: HandwrittenLSTM((T, 8, 64, 64), lstm.state_dict()) for T in lengths}
    sizes = [traced_peak(partial(ours, T)) / T / 1024 for T in lengths]
    for what, f, bar in (("time", ours, LENGTH_BAR), ("time by hand", by_hand, None)):
        rounds = 1e6 * np.array([in_turns(f, lengths) for _ in range(TURNS)])
        relative = np.median(rounds / rounds[:, [1]], axis=0)
        yield spread_row(what, "us", rounds.min(axis=0), relative, bar)
    yield spread_row("memory", "KiB", sizes, sizes, LENGTH_BAR)


def in_turns(f, lengths):
    """Seconds a step at each length: up through the lengths, and down again."""
    spent = dict.fromkeys(lengths, 0.0)
    for T in (*lengths, *reversed(lengths)):
        f(T)
        runs = range(max(lengths) // T // 2 or 1)
        spent[T] += sum(seconds_of(partial(f, T)) for _ in runs) / (T * len(runs)) / 2
    return list(spent.values())


def spread_row(what, unit, figures, compared, bar):
    """The figures of all lengths, and how far the largest of what is compared is from the least."""
    spread = max(compared) / min(compared)
    shown = ", ".join(f"{figure:.0f}" for figure in figures)
    row = f"{shown} {unit}, spread {spread:.2f}" + (f"  bar <= {bar}" if bar else "")
    return f"{what} a step, T = 100 ... 10,000", row, spread <= bar if bar else None


def traced_peak(step):
    """The most bytes that are allocated at once, during a call."""
    tracemalloc.start()
    try:
        step()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def deep():
    """Two layers, both directions, LSTM (100, 32, 64, 128) float32, by four hand-written passes"""
    import tinygrad_rnn as tg

    T, B, D, H = 100, 32, 64, 128
    rng = np.random.default_rng(0)
    net = tg.nn.LSTM(D, H, num_layers=2, bidirectional=True, dtype=np.float32, rng=rng)
    arrays = [rng.standard_normal((T, B, n)).astype(np.float32) for n in (D, 2 * H, H, 2 * H)]
    x, between, d_one, d_both = arrays
    zeros = np.zeros((B, H), np.float32)
    single = {n: tg.nn.LSTM(n, H, dtype=np.float32, rng=rng).state_dict() for n in (D, 2 * H)}
    passes = [
        (HandwrittenLSTM((T, B, inputs.shape[-1], H), single[inputs.shape[-1]]), inputs)
        for inputs in (x, x, between, between)
    ]

    def ours():
        output, _ = net(x)
        (output * d_both).sum().backward()
        net.zero_grad()

    def by_hand():
        for layer, inputs in passes:
            layer.forward(inputs, zeros, zeros)
        for layer, _ in reversed(passes):
            layer.backward(d_one)

    ratios = []
    for _ in range(12):
        seconds = []
        for run_once in (ours, by_hand):
            started = time.process_time()
            run_once()
            seconds.append(time.process_time() - started)
        ratios.append(seconds[0] / seconds[1])
    ratio = float(np.median(ratios[2:]))
    yield "ratio", f"{ratio:.2f}  bar <= {DEEP_BAR}", ratio <= DEEP_BAR


SECTIONS = {
    "growth": growth,
    "chain": chain,
    "leftovers": leftovers,
    "memory": memory,
    "length": length,
    "deep": deep,
}


if __name__ == "__main__":
    raise SystemExit(main())
