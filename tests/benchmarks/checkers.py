"""Which wrong gradients does each gradient checker find? The bank, run through all that install.

    python tests/benchmarks/checkers.py                  # a Markdown table; some minutes
    python tests/benchmarks/checkers.py --only tinygrad_rnn scipy --seeds 1

Every tool gets the same pairs of plain NumPy functions (forward, backward) in the way its
documentation recommends, in float64, with its default tolerances:

- tinygrad_rnn: `gradcheck((forward, backward), *inputs)`.
- autograd: a `primitive` with `defvjp`; `check_grads(f, argnum, modes=["rev"], order=1)`. It
  checks argument 0 by default; a second row checks all. Forward mode and order 2 need more than a
  backward.
- torch: a `torch.autograd.Function` around the pair; `torch.autograd.gradcheck`, slow and fast.
- jax: `jax.custom_vjp` around `pure_callback`s; `jax.test_util.check_grads(order=1, modes=["rev"])`
  in 64 bits, as its notes on precision advise; a second row in JAX's default of 32.
- scipy: `scipy.optimize.check_grad` takes a scalar function and returns an error, no verdict: here
  the sum of the result times random normal numbers, and "wrong" is above 1e-5 of the gradient.

autograd, jax and ours draw a random cotangent; torch asks for every row of the Jacobian (slow) or
one random combination (fast). A tool finds a mistake if it raises or says no, whatever the reason;
it finds it at a seed, and the column counts mistakes found at every seed, and at some. Functions of
several results give them as one vector. A false alarm is the same for a right backward: at the
bank's own inputs, and near kinks (an input 1e-3 to 1e-9 from a kink).
"""

import argparse
import contextlib
import copy
import functools
import io
import warnings
from statistics import fmean
from time import perf_counter
from typing import NamedTuple

from environment import CHECKOUT, installed, machine, one_thread  # isort: skip - before NumPy

import sys

import numpy as np

sys.path.insert(1, f"{CHECKOUT}/tests")
import bank

import tinygrad_rnn as tg

THRESHOLD = 1e-5  # of SciPy's error; on right gradients it is about 1e-7


class Plain(NamedTuple):
    """A pair as every tool can take it: floating inputs in, one array out."""

    forward: object  # (*floats) -> array
    backward: object  # (g, *floats) -> list of arrays
    floats: list


def plain(forward, backward, inputs):
    """The pair with its integer inputs bound, and its results, if several, as one vector."""
    inputs = copy.deepcopy(inputs)
    places = [k for k, x in enumerate(inputs) if np.asarray(x).dtype.kind == "f"]
    result = forward(*copy.deepcopy(inputs))
    shapes = [np.shape(y) for y in result] if isinstance(result, tuple) else None

    def full(floats):
        every = list(inputs)
        for k, x in zip(places, floats, strict=True):
            every[k] = x
        return every

    def one(*floats):
        y = forward(*full(floats))
        return y if shapes is None else np.concatenate([np.ravel(part) for part in y])

    def back(g, *floats):
        if shapes is not None:
            ends = np.cumsum([int(np.prod(s)) for s in shapes])[:-1]
            g = tuple(p.reshape(s) for p, s in zip(np.split(g, ends), shapes, strict=True))
        found = backward(g, *full(floats))
        found = list(found) if isinstance(found, (tuple, list)) else [found]
        return [found[k] for k in places]

    return Plain(one, back, [np.array(inputs[k]) for k in places])


# ---------------------------------------------------------------- the tools: true if "right"
def ours(forward, backward, inputs, seed):
    return bool(tg.gradcheck((forward, backward), *inputs, seed=seed, diagnose=False))


def autograd(forward, backward, inputs, seed, every=False):
    from autograd.extend import defvjp, primitive
    from autograd.test_util import check_grads

    pair = plain(forward, backward, inputs)
    f = primitive(pair.forward)
    rules = [
        functools.partial(lambda k, y, *xs: lambda g: pair.backward(g, *xs)[k], k)
        for k in range(len(pair.floats))
    ]
    defvjp(f, *rules)
    np.random.seed(seed)  # noqa: NPY002 - it draws from there
    for k in range(len(pair.floats)) if every else [0]:
        check_grads(f, k, modes=["rev"], order=1)(*pair.floats)
    return True


def torch(forward, backward, inputs, seed, fast=False):
    import torch

    pair = plain(forward, backward, inputs)

    class Function(torch.autograd.Function):
        @staticmethod
        def forward(ctx, *xs):
            ctx.save_for_backward(*xs)
            return torch.as_tensor(pair.forward(*(x.detach().numpy() for x in xs)))

        @staticmethod
        def backward(ctx, g):
            found = pair.backward(g.numpy(), *(x.detach().numpy() for x in ctx.saved_tensors))
            return tuple(None if d is None else torch.as_tensor(d) for d in found)

    torch.manual_seed(seed)
    xs = [torch.tensor(x, requires_grad=True) for x in pair.floats]
    return torch.autograd.gradcheck(Function.apply, xs, fast_mode=fast)


def jax(forward, backward, inputs, seed, bits=64):
    import jax
    from jax.test_util import check_grads

    pair = plain(forward, backward, inputs)
    with jax.enable_x64(bits == 64):
        xs = [jax.numpy.asarray(x) for x in pair.floats]
        kind = xs[0].dtype
        call = functools.partial(jax.pure_callback, vmap_method="sequential")

        def numbers(f):
            return lambda *arrays: f(*(np.asarray(x) for x in arrays))

        out = jax.ShapeDtypeStruct(np.shape(pair.forward(*pair.floats)), kind)
        like = [jax.ShapeDtypeStruct(x.shape, kind) for x in xs]

        def pull(g, *arrays):
            return [np.asarray(d, kind) for d in numbers(pair.backward)(g, *arrays)]

        @jax.custom_vjp
        def f(*arrays):
            return call(lambda *a: np.asarray(numbers(pair.forward)(*a), kind), out, *arrays)

        f.defvjp(lambda *a: (f(*a), a), lambda a, g: tuple(call(pull, like, g, *a)))
        try:
            check_grads(f, xs, order=1, modes=["rev"])
        finally:
            jax.clear_caches()  # it keeps what it traced, some MB a check
    return True


def scipy(forward, backward, inputs, seed):
    from scipy.optimize import check_grad

    pair = plain(forward, backward, inputs)
    v = np.random.default_rng(seed).normal(size=np.shape(pair.forward(*pair.floats)))
    ends = np.cumsum([x.size for x in pair.floats])[:-1]

    def arrays(flat):
        return [p.reshape(x.shape) for p, x in zip(np.split(flat, ends), pair.floats, strict=True)]

    def f(flat):
        return float(np.sum(v * pair.forward(*arrays(flat))))

    def slope(flat):
        found = pair.backward(v.copy(), *arrays(flat.copy()))
        return np.concatenate([np.ravel(d) for d in found]).astype(float)

    start = np.concatenate([np.ravel(x) for x in pair.floats])
    return check_grad(f, slope, start) <= THRESHOLD * max(1.0, np.linalg.norm(slope(start)))


TOOLS = {
    "tinygrad_rnn": ("tinygrad_rnn", ours),
    "autograd, argument 0": ("autograd", autograd),
    "autograd, all arguments": ("autograd", functools.partial(autograd, every=True)),
    "torch, slow": ("torch", torch),
    "torch, fast": ("torch", functools.partial(torch, fast=True)),
    "jax, 64 bits": ("jax", jax),
    "jax, 32 bits": ("jax", functools.partial(jax, bits=32)),
    "scipy": ("scipy", scipy),
}


# ---------------------------------------------------------------- what they are asked
def near_kinks(seed):
    """(forward, right backward, inputs) with an entry 1e-3 to 1e-9 from a kink."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(3, 4))
    distance = 10.0 ** rng.integers(-9, -2) * rng.choice([-1, 1])
    names = {"relu": 0.0, "clip": 1.0, "max over rows": "tie"}
    for f in bank.functions():
        if f.name not in names:
            continue
        kink = names[f.name]
        near = x.copy()
        near[1, 2] = np.max(np.delete(near[1], 2)) + distance if kink == "tie" else kink + distance
        yield f.forward, f.right, (near,)
    near = x.copy()
    near[0, 1] = distance
    yield (lambda x: np.where(x < 0, -x, x)), (lambda g, x: g * np.sign(x)), (near,)


def says_right(tool, forward, backward, inputs, seed):
    """The tool's verdict; any exception is a no. What it prints or warns is not shown."""
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            return bool(tool(forward, backward, copy.deepcopy(inputs), seed))
        except Exception:
            return False


class Score(NamedTuple):
    always: int  # mistakes found at every seed
    some: int  # at one at least
    mistakes: int
    alarms: int
    rights: int
    kink_alarms: int
    kinks: int
    milliseconds: float


def shows(mistake, seed):
    """Whether the mistake makes a difference on the inputs of this seed; broken contracts do."""
    inputs = mistake.inputs(seed)
    with contextlib.suppress(Exception):
        g = np.random.default_rng([seed, 7])
        right = plain(mistake.of.forward, mistake.of.right, inputs)
        wrong = plain(mistake.of.forward, mistake.backward, inputs)
        v = g.normal(size=np.shape(right.forward(*right.floats)))
        pairs = zip(
            right.backward(v.copy(), *right.floats), wrong.backward(v.copy(), *wrong.floats)
        )
        same = all(np.allclose(a, b, rtol=1e-9, atol=1e-12) for a, b in pairs)
        return mistake.family == "contract" or not same
    return True


def measured(tool, mistakes, functions, seeds):
    """The tool's Score on the bank."""
    found = []
    for m in mistakes:
        shown = [s for s in seeds if shows(m, s)]
        found.append([not says_right(tool, *m.pair, m.inputs(s), s) for s in shown])
    alarms, times = [], []
    for f in functions:
        for seed in seeds:
            inputs = f.inputs(seed, ("distinct", "equal")[seed % 2])
            start = perf_counter()
            alarms.append(not says_right(tool, f.forward, f.right, inputs, seed))
            times.append(perf_counter() - start)
    kinks = [not says_right(tool, *asked, seed) for seed in range(40) for asked in near_kinks(seed)]
    always, some = sum(map(all, found)), sum(map(any, found))
    counts = sum(alarms), len(alarms), sum(kinks), len(kinks)
    return Score(always, some, len(found), *counts, 1e3 * fmean(times))


def row(name, s):
    cells = (
        f"{s.always} of {s.mistakes}",
        str(s.some),
        f"{s.alarms} of {s.rights}",
        f"{s.kink_alarms} of {s.kinks}",
        f"{s.milliseconds:.1f} ms",
    )
    return f"| {name} | " + " | ".join(cells) + " |"


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="+", choices=TOOLS, default=list(TOOLS))
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--limit", type=int, help="only so many mistakes and functions")
    parser.add_argument("--missed", action="store_true", help="name what each tool never finds")
    options = parser.parse_args(argv)
    mistakes, functions = bank.mistakes()[: options.limit], bank.functions()[: options.limit]
    print("| tool | found at every seed | at some seed | false alarms | near kinks | a check |")
    print("|" + "---|" * 6)
    with one_thread():
        for name in options.only:
            package, tool = TOOLS[name]
            if not installed(package):
                print(f"| {name} | not installed | | | | |")
                continue
            print(row(name, measured(tool, mistakes, functions, range(options.seeds))), flush=True)
            if options.missed:
                for m in mistakes:
                    if all(says_right(tool, *m.pair, m.inputs(s), s) for s in range(options.seeds)):
                        print("  never found:", m.title)
    print(f"\n{options.seeds} seeds; time: the mean over right gradients. {machine()}.")


if __name__ == "__main__":
    main()
