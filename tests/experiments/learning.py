"""A task's default run, stopped once the validation part says that it has learned enough.

`tests/benchmarks/experiments.py` makes the whole runs, and the README's table of them.
"""

import numpy as np

from tinygrad_rnn.fit import Fit


def learned(task, enough, *, cell=None):
    """(the test score of the best weights, the run) after the first epoch that scores so well.

    Args:
        enough: a validation score; where a smaller one is better, one that is as small.
    """
    run = Fit(task, task.model(cell or task.cell, np.random.default_rng([0, 1])))
    for row in run.epochs_left():
        if row.score >= enough if task.higher_is_better else row.score <= enough:
            break
    run.use_best()
    return run.score("test"), run
