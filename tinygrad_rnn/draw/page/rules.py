"""What each operation does to a gradient, as a formula to fill with numbers, and in words.

The engine's rules in `ops.py` are functions; a reader wants to see `g × (1 − out²)` and then the
numbers in it. The formulas here are for reading only, and a test evaluates each of them and
compares it with the rule that it speaks of.

Legend: `{g}` = dL/d(out), `{out}` the result, `{x}, {y}` the operands.

Read next: `numbers.py`.
"""

from __future__ import annotations

# For operations that work entry by entry: one formula for each operand.
FORMULAS: dict[str, tuple[str, ...]] = {
    "add": ("{g}", "{g}"),
    "subtract": ("{g}", "−{g}"),
    "multiply": ("{g} × {y}", "{g} × {x}"),
    "divide": ("{g} ÷ {y}", "−{g} × {out} ÷ {y}"),
    "negative": ("−{g}",),
    "power": ("{g} × {y} × {x}^({y} − 1)", "{g} × {out} × log({x})"),
    "square": ("{g} × 2 × {x}",),
    "sqrt": ("{g} ÷ (2 × {out})",),
    "exp": ("{g} × {out}",),
    "expm1": ("{g} × exp({x})",),
    "log": ("{g} ÷ {x}",),
    "log1p": ("{g} ÷ (1 + {x})",),
    "sin": ("{g} × cos({x})",),
    "cos": ("−{g} × sin({x})",),
    "tanh": ("{g} × (1 − {out}²)",),
    "sigmoid": ("{g} × {out} × (1 − {out})",),
    "softplus": ("{g} × σ({x})",),
    "absolute": ("{g} × sign({x})",),
    "relu": ("{g} × [{out} > 0]",),
}

_MOVED = "Numbers were only moved, so their gradients move back to where they came from."
_REDUCED = "All gradient goes to the largest entry; entries that tie share it equally."

# For every operation: what the formula says, or what stands in its place.
WORDS: dict[str, str | tuple[str, ...]] = {
    "add": "A sum hands the gradient on unchanged to each summand.",
    "subtract": ("The first operand gets the gradient unchanged.", "The second gets it negated."),
    "multiply": "Each factor gets the gradient times the other factor.",
    "divide": (
        "The numerator gets the gradient divided by the denominator.",
        "The denominator gets minus the gradient times the quotient, divided by itself.",
    ),
    "negative": "The sign changes.",
    "power": (
        "The slope of xʸ in x is y xʸ⁻¹.",
        "The slope of xʸ in y is xʸ log x.",
    ),
    "square": "The slope of x² is 2x.",
    "sqrt": "The slope of √x is 1 / (2 √x).",
    "exp": "The slope of eˣ is eˣ, the result itself.",
    "expm1": "The slope of eˣ − 1 is eˣ.",
    "log": "The slope of log x is 1 / x.",
    "log1p": "The slope of log(1 + x) is 1 / (1 + x).",
    "sin": "The slope of sin is cos.",
    "cos": "The slope of cos is −sin.",
    "tanh": "The slope of tanh is 1 − out²: it fades as the result nears ±1.",
    "sigmoid": "The slope of σ is out (1 − out): never more than a quarter.",
    "softplus": "The slope of softplus is σ.",
    "absolute": "The slope of |x| is the sign of x; 0 at the corner.",
    "relu": "The slope is 1 where the result is above 0, else 0: there the gradient stops.",
    "clip": "The gradient passes where x lies between the bounds, and stops elsewhere.",
    "maximum": "The larger operand gets the gradient; where both are equal, each gets half.",
    "minimum": "The smaller operand gets the gradient; where both are equal, each gets half.",
    "where": (
        "A condition has no gradient.",
        "The gradient passes where the condition holds.",
        "The gradient passes where the condition does not hold.",
    ),
    "matmul": (
        "The left factor gets the gradient times the right factor, transposed.",
        "The right factor gets the left factor, transposed, times the gradient.",
    ),
    "sum_of_products": "As for a product of matrices, for each pair.",
    "einsum": "The gradient and the other operands are contracted to this operand's letters.",
    "sum": "Every summand gets the gradient of the sum unchanged.",
    "prod": "Each factor gets the gradient times the product of all the others.",
    "max": _REDUCED,
    "min": _REDUCED.replace("largest", "smallest"),
    "logsumexp": "Each entry gets the gradient times its share, softmax(x).",
    "cumsum": "Each entry gets the gradients of all the running sums that it went into.",
    "reshape": _MOVED,
    "transpose": _MOVED,
    "split": _MOVED,
    "stack": _MOVED,
    "concatenate": _MOVED,
    "getitem": _MOVED,
    "scatter": _MOVED,
    "broadcast_to": "The gradients of all copies add up.",
    "astype": "Only the precision changes.",
}


def formula(op: str, argument: int) -> str | None:
    """The formula for one operand, with its places `{g}`, `{out}`, `{x}`, `{y}`; None without one.

    >>> formula("multiply", 1)
    '{g} × {x}'
    """
    formulas = FORMULAS.get(op, ())
    return formulas[argument] if argument < len(formulas) else None


def words(op: str, argument: int) -> str:
    """What the rule for one operand does; for an operation unknown here, whose rule it is.

    >>> words("subtract", 1)
    'The second gets it negated.'
    >>> words("cube", 0)
    'The rule declared with cube for operand 0.'
    """
    found = WORDS.get(op, f"The rule declared with {op} for operand {argument}.")
    return found if isinstance(found, str) else found[argument]
