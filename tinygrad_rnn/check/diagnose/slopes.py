"""What could stand in the place of each derivative: the wrong local rules, operation by operation.

Legend: `g` the gradient that arrives, `x` the input, `y` the output of the operation; an
`Alternative` is what an edge would carry in the place of the right contribution.

Read next: `movements.py`, the same for operations that move numbers; `values.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from ...arraylike import Array
from .program import Line, Program
from .words import formula, inside, mean_of, name_of

Slope = Callable[[Array], Array]


class Alternative(NamedTuple):
    """Another rule for one edge.

    key: the same for the same mistake in another case; phrase: the mistake in words.
    rule: from g to the contribution.
    """

    key: str
    phrase: str
    rule: Callable[[Array], Array]
    family: str = "local rule"


class Known(NamedTuple):
    """A function of one number: its slope from its output, from its input, and as text."""

    by_output: Slope | None
    by_input: Slope | None
    text: str


def sigmoid(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)))


KNOWN = {
    "tanh": Known(lambda y: 1 - y * y, lambda x: 1 - np.tanh(x) ** 2, "1 - tanh(x)^2"),
    "sigmoid": Known(
        lambda y: y * (1 - y), lambda x: sigmoid(x) * (1 - sigmoid(x)), "s(x) (1 - s(x))"
    ),
    "exp": Known(lambda y: y, np.exp, "exp(x)"),
    "log": Known(None, lambda x: 1 / x, "1 / x"),
    "sqrt": Known(lambda y: 1 / (2 * y), lambda x: 0.5 / np.sqrt(x), "1 / (2 sqrt(x))"),
    "square": Known(None, lambda x: 2 * x, "2 x"),
    "relu": Known(lambda y: 1.0 * (y > 0), lambda x: 1.0 * (x > 0), "1 where x > 0"),
    "sin": Known(None, np.cos, "cos(x)"),
    "cos": Known(None, lambda x: -np.sin(x), "-sin(x)"),
    "log1p": Known(None, lambda x: 1 / (1 + x), "1 / (1 + x)"),
    "expm1": Known(lambda y: y + 1, np.exp, "exp(x)"),
    "softplus": Known(None, sigmoid, "sigmoid(x)"),
    "absolute": Known(None, np.sign, "the sign of x"),
    "arctan": Known(None, lambda x: 1 / (1 + x * x), "1 / (1 + x^2)"),
    "sinh": Known(None, np.cosh, "cosh(x)"),
    "cosh": Known(None, np.sinh, "sinh(x)"),
}


def of_function(name: str, x: Array, y: Array) -> Iterator[Alternative]:
    """The wrong derivatives of a function of one number at x, with y its value."""
    known = KNOWN[name]
    true = known.by_input(x) if known.by_input is not None else known.by_output(y)  # type: ignore[misc]
    d = f"the derivative of {name}"
    right = f"{known.text} belongs here"

    def times(key: str, phrase: str, slope: Array) -> Alternative:
        return Alternative(f"{name}: {key}", phrase, lambda g: g * slope)

    yield times("forgotten", f"{d} is forgotten: {right}", np.ones(()))
    if known.by_output is not None:
        slope = known.by_output(x)
        yield times("input", f"{d} is built from its input x, not its output: {right}", slope)
    if known.by_input is not None:
        yield times(
            "own output",
            f"{d} is taken of its own output, as if {name} were applied twice: {right}",
            known.by_input(y),
        )
    yield times("squared", f"{d} is applied twice, as a factor too many: {right}", true * true)
    yield times("divided", f"1 / (...): divided by {d}, not multiplied: {right}", 1 / true)
    yield from (times(key, phrase, slope) for key, phrase, slope in _others(name, d, right, x, y))
    yield from (times(key, f"{phrase}: {right}", slope) for key, phrase, slope in _own(name, x, y))


def _others(name: str, d: str, right: str, x: Array, y: Array) -> Iterator[tuple[str, str, Array]]:
    """Another function's derivative."""
    for other, slope, text in (
        ("sigmoid", y * (1 - y), "y (1 - y)"),
        ("tanh", 1 - y * y, "1 - y^2"),
        ("relu", 1.0 * (x > 0), "x > 0"),
    ):
        if other != name:
            phrase = f"the derivative of {other}, {text}, stands for that of {name}: {right}"
            yield other, phrase, slope
    for other in ("sigmoid", "tanh", "exp", "log", "square"):
        if other != name:
            slope = KNOWN[other].by_input(x)  # type: ignore[misc]
            phrase = f"the derivative of another function, {other}, stands for that of {name}"
            yield f"{other} of x", f"{phrase}: {right}", slope
    yield "value", f"{d} is replaced by its output {name}(x), a factor that is a value", y
    yield "input as factor", f"{d} is replaced by a factor x, its input", x
    yield "extra value", f"{d} is multiplied by the output {name}(x) as well", y * _slope(name, x)
    yield "extra input", f"{d} is multiplied by the input x as well", x * _slope(name, x)
    yield "minus", f"{d} is taken at -x: its sign is lost on the way", _slope(name, -x)


def _slope(name: str, x: Array) -> Array:
    by_input = KNOWN[name].by_input
    assert by_input is not None
    return by_input(x)


def _own(name: str, x: Array, y: Array) -> Iterator[tuple[str, str, Array]]:
    """Mistakes that belong to one function."""
    if name == "tanh":
        yield "1 - y", "1 - y for 1 - y^2: the square is forgotten in the derivative of tanh", 1 - y
        yield "1 + y^2", "1 + y^2 for 1 - y^2: a sign in the derivative of tanh", 1 + y * y
        yield "y^2", "y^2 for 1 - y^2: the 1 - of the derivative of tanh is forgotten", y * y
    if name == "sigmoid":
        yield "y", "the factor 1 - y of the slope y (1 - y) of sigmoid is forgotten", y
        yield "1 - y", "the factor y of the slope y (1 - y) of sigmoid is forgotten", 1 - y
        yield "1 + y", "1 + y for 1 - y: a sign in the derivative y (1 - y) of sigmoid", y * (1 + y)
    if name == "sqrt":
        yield "no 2", "the 2 in the derivative 1 / (2 sqrt(x)) of sqrt is forgotten", 1 / y
        yield "input for root", "the input x stands for the root in the derivative of sqrt", 0.5 / x
        yield "cubed", "the derivative of 1/sqrt stands for that of sqrt", -0.5 / (x * y)
        yield "halved only", "sqrt: only the factor 1/2 of its derivative is there", 0.5 + 0 * x
    if name == "exp":
        yield "power", "the rule of powers, x exp(x - 1), stands for exp's", x * np.exp(x - 1)
    if name == "log":
        yield "by output", "1 / log(x), built from the output of log, not from its input", 1 / y
        yield "times", "log: multiplied by its input x, not divided: times x, not 1 / x", x
    if name == "square":
        yield "no 2", "the 2 in the derivative 2 x of the square is forgotten: half of it", x
        yield (
            "only 2",
            "square: only the 2 of its derivative is there, the factor x is missing",
            (2 + 0 * x),
        )
    if name == "relu":
        yield (
            "inverted",
            "the mask of relu (max(x, 0)) is turned round: it keeps x < 0",
            1.0 * (x < 0),
        )


# ---------------------------------------------------------------- arithmetic
def of_arithmetic(program: Program, line: Line, i: int) -> Iterator[Alternative]:
    """The wrong rules of a product, a quotient, a power, for argument i."""
    op = line.op.name if line.op else ""
    if op == "multiply":
        yield from _of_product(program, line, i)
    elif op == "divide":
        yield from _of_quotient(program, line, i)
    elif op == "power" and i == 0:
        yield from _of_power(program, line)
    elif op in ("maximum", "minimum"):
        yield from _of_extremum(program, line, i)
    elif op in ("add", "subtract"):
        return
    elif op == "where" and i:
        yield from _of_where(program, line, i)


def _of_product(program: Program, line: Line, i: int) -> Iterator[Alternative]:
    own, other = line.operands[i], line.operands[1 - i]
    mine, theirs = (name_of(program, line.args[k], line.t) for k in (i, 1 - i))
    where = f"in {formula(program, line.number)}"
    if np.ndim(other) == 0 or np.all(other == np.ravel(other)[0]):
        said = f"the factor {theirs} is forgotten {where}"
    else:
        said = f"the factor {theirs} is missing {where}: the operand is forgotten"
    yield Alternative("product: forgotten", said, lambda g: g)
    yield Alternative(
        "product: itself",
        f"{mine} is multiplied by itself, its own value, instead of the other operand {theirs},"
        f" {where}",
        lambda g: g * own,
        "wrong value",
    )
    yield Alternative(
        "product: divided", f"divided by {theirs}, not multiplied, {where}", lambda g: g / other
    )
    if np.isin(other, (0, 1)).all() and 0 < np.mean(other) < 1:
        yield Alternative(
            "product: mask",
            f"the mask {theirs} is turned round, 1 - {theirs}, {where}",
            lambda g: g * (1 - other),
            "wrong value",
        )
    yield Alternative(
        "product: twice", f"the factor {theirs} is applied twice {where}", lambda g: g * other**2
    )
    yield Alternative(
        "product: output",
        f"multiplied by the product itself, not by {theirs}, {where}",
        lambda g: g * line.value,
    )


def _of_quotient(program: Program, line: Line, i: int) -> Iterator[Alternative]:
    a, b = line.operands
    top, bottom = (name_of(program, k, line.t) for k in line.args)
    where = f"in the quotient {formula(program, line.number)}"
    if i == 0:
        yield Alternative(
            "quotient: forgotten",
            f"the division by {bottom} is forgotten {where}: times too large by that factor",
            lambda g: g + 0 * b,
        )
        yield Alternative(
            "quotient: multiplied", f"multiplied by {bottom}, not divided, {where}", lambda g: g * b
        )
        yield Alternative(
            "quotient: twice",
            f"the division by {bottom} is applied twice {where}: too small",
            lambda g: g / b**2,
        )
        if mean_of(program, line) is not None and b > 2:
            yield Alternative(
                "quotient: one less",
                f"divided by {bottom} - 1, not by the number of entries, {bottom}, {where}",
                lambda g: g / (b - 1),
            )
        yield Alternative(
            "quotient: square",
            f"divided by the square root of {bottom} {where}",
            lambda g: g / np.sqrt(np.abs(b)),
        )
        return
    a_, b_ = inside(top), inside(bottom)
    d = f"d/d{b_} = -{a_} / {b_}^2"
    for key, phrase, rule in (
        ("not squared", f"{bottom} is not squared {where}", lambda g: -g * a / b),
        ("numerator", f"the numerator {top} is forgotten {where}", lambda g: -g / b**2),
        ("not divided", f"the division by {b_}^2 is forgotten {where}", lambda g: -g * a),
        ("only 1/b", f"the numerator is forgotten and the square {where}", lambda g: -g / b),
        ("cubed", f"{bottom} is cubed, one power too many, {where}", lambda g: -g * a / b**3),
        ("turned", f"turned over: {b_} / {a_} {where}", lambda g: -g * b / a),
        ("times", f"multiplied by {bottom}, not divided, {where}", lambda g: -g * a * b),
        ("own", f"as if it were the numerator, 1 / {b_}, {where}", lambda g: g / b),
    ):
        yield Alternative(f"quotient: {key}", f"{phrase}: {d}", rule)


def _of_power(program: Program, line: Line) -> Iterator[Alternative]:
    x, n = line.operands
    base, k = (inside(name_of(program, m, line.t)) for m in line.args)
    where = f"in the power {formula(program, line.number)}"
    right = f"the derivative of {base} ** {k} is {k} {base} ** ({k} - 1)"
    for key, phrase, rule in (
        ("exponent", f"the factor {k}, the exponent, is forgotten", lambda g: g * x ** (n - 1)),
        ("not reduced", "the exponent is not reduced by 1", lambda g: g * n * x**n),
        ("value", "the power itself stands for its derivative", lambda g: g * x**n),
        ("reduced twice", "the exponent is reduced twice", lambda g: g * n * x ** (n - 2)),
        ("only factor", f"only the factor {k} is there: the power is missing", lambda g: g * n),
        ("forgotten", "the derivative is forgotten", lambda g: g + 0 * x),
    ):
        yield Alternative(f"power: {key}", f"{phrase} {where}: {right}", rule)


def _of_extremum(program: Program, line: Line, i: int) -> Iterator[Alternative]:
    assert line.op is not None
    op, text = line.op.name, formula(program, line.number)
    mine = np.asarray(1.0 * (line.value == line.operands[i]))
    for key, phrase, rule in (
        ("mask", f"the mask of {op} is forgotten", lambda g: g),
        (
            "inverted",
            f"the mask of {op} is turned round, the other operand's: it keeps the gradient where"
            " the operand lost",
            lambda g: g * (1 - mine),
        ),
        ("half", f"the gradient of {op} is split in half, shared by both", lambda g: g / 2),
        (
            "gradient",
            f"the mask of {op} is the gradient's own (g > 0), which is not linear in g",
            lambda g: np.maximum(g, 0),
        ),
        (
            "value",
            f"the output of {op} stands for its mask, as a factor",
            lambda g: g * line.value,
        ),
    ):
        yield Alternative(f"{op}: {key}", f"{phrase}, in {text}", rule)


def _of_where(program: Program, line: Line, i: int) -> Iterator[Alternative]:
    chosen = np.asarray(1.0 * (np.asarray(line.operands[0]) != 0))
    mine = chosen if i == 1 else 1 - chosen
    text = formula(program, line.number)
    yield Alternative(
        "where: mask", f"the mask (condition) is forgotten in the branch of {text}", lambda g: g
    )
    yield Alternative(
        "where: inverted",
        f"the mask is turned round, the other branch's, in {text}",
        lambda g: g * (1 - mine),
    )
