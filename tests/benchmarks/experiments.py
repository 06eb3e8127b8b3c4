"""Every experiment by its default settings, and the table of what came out.

python tests/benchmarks/experiments.py                    # about a quarter of an hour
python tests/benchmarks/experiments.py --only dates bot --seed 1
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
    parser.add_argument("--seed", default="0")
    options = parser.parse_args(argv)
    results, missing = [], []
    with tempfile.TemporaryDirectory() as folder:
        for name in options.only:
            out = Path(folder) / name
            run(["train", name, "--seed", options.seed, "--out", str(out)])
            if (out / "result.json").exists():
                results.append(json.loads((out / "result.json").read_text()))
            else:
                missing.append(name)
    print("\n| task | shape | cell | held-out | | baseline | | seconds |")
    print("|---|---|---|---|---:|---|---:|---:|")
    for r in results:
        print(
            f"| `{r['task']}` | {TASKS[r['task']].shape} | {r['cell'].upper()} | {r['metric']}"
            f" | {r['score']:.3f} | {r['baseline']} | {r['baseline_score']:.3f}"
            f" | {r['seconds']:.0f} |"
        )
    if missing:
        print(f"\nnot run: {', '.join(missing)}", file=sys.stderr)
    return bool(missing) or not all(
        TASKS[r["task"]].higher_is_better == (r["score"] > r["baseline_score"]) for r in results
    )


if __name__ == "__main__":
    raise SystemExit(main())
