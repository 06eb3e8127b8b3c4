"""The bank's table: each mistake, the verdict, what the diagnosis says, and whether that is it.

python -m tests.bank [--seed 0] [--only known|held-out] [--wrong] [--name TEXT]
"""

from __future__ import annotations

import argparse

from . import held_out_mistakes, known_mistakes, mistakes
from .score import Row, examine_all, totals


def line(row: Row) -> str:
    """A row of the Markdown table."""
    others = "".join(f" / {other}" for other in row.others if other != row.sentence)
    said = (row.sentence + others).replace("|", "\\|").replace("\n", " ")
    held = " (held out)" if row.mistake.held_out else ""
    right = "-" if row.word == "-" else "yes" if row.right else "NO"
    name = f"{row.mistake.title}{held}".replace("|", "\\|")
    return f"| {name} | {row.mistake.family} | {row.stage} | {row.word} | {said} | {right} |"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bank", description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=["known", "held-out"])
    parser.add_argument("--wrong", action="store_true", help="print only what is not explained")
    parser.add_argument("--name", default="", help="only mistakes whose title contains this")
    args = parser.parse_args()
    chosen = {"known": known_mistakes, "held-out": held_out_mistakes}.get(args.only, mistakes)
    rows = examine_all([m for m in chosen() if args.name in m.title], args.seed)
    print("| mistake | family | found at | word | sentence | right? |\n|" + "---|" * 6)
    for row in rows:
        if not (args.wrong and row.right):
            print(line(row))
    print("\n" + "\n".join(totals(rows)))


main()
