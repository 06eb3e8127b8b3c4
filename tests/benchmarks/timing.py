"""Contenders take turns, so that a slow minute of the machine is slow for all of them.

In every round each contender has one turn, in an order drawn anew; its time is compared with the
baseline's turn of the same round. Used by `python tests/benchmarks/lstm.py`.
"""

import contextlib
import gc
import random
from statistics import median
from time import perf_counter

LEAST_ROUNDS = 3
TURN_SECONDS = 0.02


def seconds_of(step):
    start = perf_counter()
    step()
    return perf_counter() - start


@contextlib.contextmanager
def imports_frozen():
    """The collector stays on, but does not visit what exists already: the contenders' packages.

    A user of one library has not imported the others. Their 150,000 objects would make every full
    collection, and so every library that makes many objects, slower than it is.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def turn(step, repeats):
    """The median time of some calls in a row, free of the garbage of the contender before."""
    gc.collect()
    return median(seconds_of(step) for _ in range(repeats))


def interleaved(steps, seconds, baseline):
    """The times of each round: a list of {name: seconds of one call}, the baseline in each.

    `steps` maps names to functions. Slow contenders leave when their share of the seconds is
    spent, but never before LEAST_ROUNDS; the fast ones go on. The garbage collector stays on.
    """
    repeats = {}
    for name, step in steps.items():
        repeats[name] = max(1, round(TURN_SECONDS / seconds_of(step)))
    spent = dict.fromkeys(steps, 0.0)
    share = seconds / len(steps)
    shuffle = random.Random(0).shuffle
    rounds = []
    while True:
        late = len(rounds) >= LEAST_ROUNDS
        present = [name for name in steps if not (late and spent[name] >= share)]
        others = [name for name in present if name != baseline]
        finished = not others if len(steps) > 1 else not present
        if finished or (late and sum(spent.values()) >= seconds):
            return rounds
        present = [*others, baseline]
        shuffle(present)
        times = {}
        for name in present:
            times[name] = turn(steps[name], repeats[name])
            spent[name] += times[name] * repeats[name]
        rounds.append(times)


def ratio(rounds, name, baseline):
    """A contender's time by the baseline's: the median over the rounds in which it took part."""
    return median(times[name] / times[baseline] for times in rounds if name in times)
