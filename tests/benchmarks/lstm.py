"""How many times slower than a hand-written LSTM gradient? One process, one thread, side by side.

    python tests/benchmarks/lstm.py                      # about two and a half minutes
    python tests/benchmarks/lstm.py --markdown           # the same table, for a README
    python tests/benchmarks/lstm.py --sizes 50,16,16,32 --only tinygrad_rnn torch-cell --seconds 20

Measured: an LSTM layer forward, loss = sum(outputs * R) with a fixed random R, and backward to all
weights, biases and both initial states (not to the input), float32. Every contender's outputs and
gradients are verified first, in the same run; a wrong one is not timed.

Legend: B batch, T time, D input width, H hidden width.
"""

import argparse
import sys
from statistics import geometric_mean, median

from environment import installed, machine, one_thread  # isort: skip - must come before NumPy

import numpy as np
from contenders import CONTENDERS, make_problem
from timing import imports_frozen, interleaved, ratio
from verification import check_handwritten, checked

BASELINE = "handwritten"
SIZES = [(50, 16, 16, 32), (100, 32, 64, 128), (100, 32, 256, 512), (1000, 8, 32, 64)]


def main(argv=None):
    options = arguments(argv)
    with one_thread():
        check_handwritten()
        columns = [
            measured_column(sizes, options.only, options.seconds / len(options.sizes))
            for sizes in options.sizes
        ]
        header, rows = table(options.sizes, options.only, columns)
        print(markdown(header, rows) if options.markdown else plain(header, rows))
        print(f"\nMedian ratio to the hand-written layer (its row: ms). {machine()}.")
    return report_faults(columns)


def report_faults(columns):
    """Print each distinct fault once; the exit status: 1 if there is one."""
    cells = {
        f"{name} {cell}" for column in columns for name, cell in column.items() if ": " in cell
    }
    for fault in sorted(cells):
        print(fault, file=sys.stderr)
    return 1 if cells else 0


def arguments(argv):
    parser = argparse.ArgumentParser(
        description=__doc__.partition("\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--sizes", nargs="+", type=sizes_from, default=SIZES, metavar="T,B,D,H")
    parser.add_argument("--only", nargs="+", choices=list(CONTENDERS), default=list(CONTENDERS))
    parser.add_argument("--seconds", type=float, default=120, help="time budget of all sizes")
    parser.add_argument("--markdown", action="store_true", help="print a Markdown table")
    return parser.parse_args(argv)


def sizes_from(text):
    T, B, D, H = (int(number) for number in text.split(","))
    return T, B, D, H


def measured_column(sizes, names, seconds):
    """What the table says of each contender at one size: time, ratio, or what is wrong."""
    problem = make_problem(sizes, np.float32)
    column, steps = {}, {}
    for name in [BASELINE, *(name for name in names if name != BASELINE)]:
        if not installed(CONTENDERS[name].package):
            column[name] = "not installed"
            continue
        contender, wrong = checked(CONTENDERS[name], problem)
        if wrong:
            column[name] = wrong
        else:
            steps[name] = contender.step
    with imports_frozen():
        rounds = interleaved(steps, seconds, BASELINE)
    milliseconds = 1000 * median(times[BASELINE] for times in rounds)
    for name in steps:
        column[name] = f"{ratio(rounds, name, BASELINE):.2f}"
    column[BASELINE] = f"{milliseconds:.2f} ms"
    return column


def table(all_sizes, names, columns):
    """Header and rows of text; the last column is the geometric mean of the ratios."""
    header = ["T, B, D, H", *(", ".join(map(str, sizes)) for sizes in all_sizes), "mean"]
    rows = []
    for name in [BASELINE, *(name for name in names if name != BASELINE)]:
        cells = [column[name].partition(":")[0] for column in columns]  # faults: one word here
        rows.append([CONTENDERS[name].name, *cells, "1" if name == BASELINE else mean(cells)])
    return header, rows


def mean(cells):
    """The geometric mean of a row of ratios, or a dash if one is missing."""
    try:
        return f"{geometric_mean(map(float, cells)):.2f}"
    except ValueError:
        return "-"


def plain(header, rows):
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = []
    for first, *cells in [header, *rows]:
        aligned = [cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True)]
        lines.append("   ".join([first.ljust(widths[0]), *aligned]))
    return "\n".join(lines)


def markdown(header, rows):
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [header, rule, *rows])


if __name__ == "__main__":
    raise SystemExit(main())
