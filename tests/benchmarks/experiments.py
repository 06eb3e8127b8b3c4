"""Every experiment by its default settings, and the table of what came out.

python tests/benchmarks/experiments.py                    # about a quarter of an hour
python tests/benchmarks/experiments.py --only dates bot --seeds 0 1 2
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import environment  # noqa: F401 (puts the checkout on the path)

from tinygrad_rnn.cli import main as run
from tinygrad_rnn.experiments import TASKS


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="+", choices=tuple(TASKS), default=tuple(TASKS))
    parser.add_argument("--seeds", nargs="+", default=["0"], help="the first fills the table")
    options = parser.parse_args(argv)
    found = {name: [trained(name, seed) for seed in options.seeds] for name in options.only}
    print("\n| task | shape | cell | held-out | | other seeds | baseline | | seconds |")
    print("|---|---|---|---|---:|---:|---|---:|---:|")
    for name, (r, *others) in found.items():
        if r is not None:
            again = ", ".join(shown(other["score"]) for other in others if other)
            print(
                f"| `{name}` | {TASKS[name].shape} | {r['cell'].upper()} | {r['metric']}"
                f" | {shown(r['score'])} | {again} | {r['baseline']}"
                f" | {r['baseline_score']:.3f} | {r['seconds']:.0f} |"
            )
    worse = [
        f"{name}, seed {seed}"
        for name, results in found.items()
        for seed, r in zip(options.seeds, results, strict=True)
        if r is None or TASKS[name].higher_is_better != (r["score"] > r["baseline_score"])
    ]
    if worse:
        print(f"\nnot run, or not better than the baseline: {'; '.join(worse)}", file=sys.stderr)
    return bool(worse)


def shown(score):
    """Three decimals; four of what is smaller."""
    return f"{score:.3f}" if score >= 0.001 else f"{score:.4f}"


def trained(name, seed):
    """What result.json says of a run with default settings; None if it could not be run."""
    with tempfile.TemporaryDirectory() as folder:
        run(["train", name, "--seed", seed, "--out", folder])
        path = Path(folder) / "result.json"
        return json.loads(path.read_text()) if path.exists() else None


if __name__ == "__main__":
    raise SystemExit(main())
