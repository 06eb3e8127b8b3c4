"""`python -m tests.mutation`: the mutants of four files that no test notices.

    python -m tests.mutation                      every mutant: about half an hour
    python -m tests.mutation --file graph --only summed
    python -m tests.mutation --sample 30 --seed 1
    python -m tests.mutation --out found.json     then, with a new test: --again found.json

Those that are listed in `equivalent.py`, with the reason why they change nothing, are left out,
unless --listed is given. Any other survivor is printed, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from pathlib import Path

from .campaign import TESTS, Campaign, Outcome
from .equivalent import reason, unknown


def main() -> int:
    arguments = _arguments()
    left = 0
    kept: dict[str, dict[str, str | None]] = {}
    for module in arguments.file or TESTS:
        with Campaign(module) as campaign:
            broken = campaign.unmutated()
            if broken:
                print(f"without any mutant this test fails: {broken}", file=sys.stderr)
                return 2
            chosen = [m for m in campaign.mutants if (arguments.only or "") in m.function]
            if arguments.sample:
                chosen = random.Random(arguments.seed).sample(
                    chosen, min(arguments.sample, len(chosen))
                )
            if arguments.again:
                before = json.loads(arguments.again.read_text(encoding="utf-8"))[module]
                chosen = [m for m in chosen if before.get(m.name) is None]
            known = {m.name for m in chosen if reason(module, m)}
            chosen = [m for m in chosen if arguments.listed or m.name not in known]
            kept[module] = {}
            print(f"{module}.py: {len(known)} mutants are listed as equivalent")
            left += _report(module, campaign.run(chosen), len(chosen), kept, arguments.out)
            for name in unknown(module, campaign.mutants):
                print(f"LISTED, BUT NOT THERE  {module}.py  {name}")
                left += 1
    return 1 if left else 0


def _report(
    module: str,
    outcomes: object,
    n: int,
    kept: dict[str, dict[str, str | None]],
    out: Path | None,
) -> int:
    """Print the survivors as they come, then the counts; how many are not listed."""
    start, wrong = time.perf_counter(), 0
    for k, outcome in enumerate(outcomes):  # type: ignore[arg-type,var-annotated]
        assert isinstance(outcome, Outcome)
        kept[module][outcome.mutant.name] = outcome.killer
        listed = reason(module, outcome.mutant) is not None
        if listed == (outcome.killer is not None):
            wrong += 1
            verdict = "LISTED, BUT KILLED" if listed else "SURVIVES"
            print(f"{verdict}  {module}.py:{outcome.mutant.line}  {outcome.mutant.name}")
        if out is not None and (k % 20 == 0 or k == n - 1):
            out.write_text(json.dumps(kept, indent=1), encoding="utf-8")
        if k % 50 == 49:
            print(f"... {k + 1} of {n}, {time.perf_counter() - start:.0f} s", file=sys.stderr)
        sys.stdout.flush()
    print(
        f"{module}.py: {n} mutants run, {wrong} not as they should be"
        f" ({time.perf_counter() - start:.0f} s)"
    )
    return wrong


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--file", action="append", choices=tuple(TESTS), help="default: all four")
    parser.add_argument("--only", metavar="NAME", help="mutants of functions with this in the name")
    parser.add_argument("--sample", type=int, metavar="N", help="so many of them, at random")
    parser.add_argument("--seed", type=int, default=0, help="of the sample (default: 0)")
    parser.add_argument(
        "--listed", action="store_true", help="run those of equivalent.py, too: do they survive?"
    )
    parser.add_argument("--again", type=Path, metavar="FILE", help="those that an --out left over")
    parser.add_argument("--out", type=Path, metavar="FILE", help="every outcome, as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
