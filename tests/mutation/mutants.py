"""A mutant is the source of one file with one small mistake in it; here they are all made.

The mistakes are those that people make in gradient rules: a sign, a factor forgotten, two operands
exchanged, a comparison turned round, an axis or a constant off by one, a statement left out. They
are made in the syntax tree, so every mutant compiles; the text of a mutant's `name` is its place
and its change, and stays the same when lines move.

Messages, annotations, docstrings and the names of primitives are left alone: no gradient depends on
them.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

Path = tuple[tuple[str, int | None], ...]  # of fields, from the whole tree down to a node


class Mutant(NamedTuple):
    """One mistake: the function it is in, and what was and became of the code there."""

    function: str
    before: str
    after: str
    line: int
    place: tuple[ast.Module, Path, ast.AST, ast.AST]

    @property
    def name(self) -> str:
        return f"{self.function}: {self.before} -> {self.after}"

    @property
    def source(self) -> str:
        """The whole file with the mistake in it."""
        tree, path, old, new = self.place
        _put(tree, path, new)
        try:
            return ast.unparse(tree)
        finally:
            _put(tree, path, old)


ARITHMETIC = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Mod: ast.Mult,
    ast.MatMult: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.FloorDiv: ast.Mult,
}  # fmt: skip
COMPARISONS = {
    ast.Eq: [ast.NotEq], ast.NotEq: [ast.Eq], ast.Is: [ast.IsNot], ast.IsNot: [ast.Is],
    ast.In: [ast.NotIn], ast.NotIn: [ast.In], ast.Lt: [ast.LtE, ast.GtE], ast.LtE: [ast.Lt, ast.Gt],
    ast.Gt: [ast.GtE, ast.LtE], ast.GtE: [ast.Gt, ast.Lt],
}  # fmt: skip
SIMPLE = (ast.Assign, ast.AugAssign, ast.Expr, ast.Raise, ast.Continue, ast.Break, ast.Delete)


def mutants(source: str) -> Iterator[Mutant]:
    """Every mutant of a file, in the order of its lines."""
    tree = ast.parse(source)
    seen: dict[str, int] = {}
    for path, node, function, statement in list(_places(tree)):
        before = _short(statement)
        for change in _changes(node):
            if isinstance(change, ast.Pass) and _assigned_nowhere_else(node, function, tree):
                continue
            change = ast.fix_missing_locations(copy.deepcopy(change))
            _put(tree, path, change)
            after = _short(change if node is statement else statement)
            _put(tree, path, node)
            text = f"{function}: {before} -> {after}"
            seen[text] = seen.get(text, 0) + 1
            if before != after:
                number = f" #{seen[text]}" if seen[text] > 1 else ""
                place = tree, path, node, change
                yield Mutant(function + number, before, after, node.lineno, place)


def statements(source: str) -> list[tuple[str, ast.stmt]]:
    """(name, statement) for the statements of a file."""
    return [(_named(node, ""), node) for node in ast.parse(source).body]


def _places(tree: ast.Module) -> Iterator[tuple[Path, ast.AST, str, ast.AST]]:
    """(path, node, the name of what it is in, the statement or lambda around it)."""
    stack: list[tuple[Path, ast.AST, str, ast.AST]] = [((), tree, "", tree)]
    while stack:
        path, node, function, around = stack.pop()
        if path and hasattr(node, "lineno"):
            yield path, node, function, around
        children = []
        for field, value in ast.iter_fields(node):
            for k, child in enumerate(value if isinstance(value, list) else [value]):
                if isinstance(child, ast.AST) and not _left_alone(node, field, child):
                    step = (*path, (field, k if isinstance(value, list) else None))
                    inner = isinstance(child, (ast.stmt, ast.Lambda))
                    name = _named(child, function)
                    children.append((step, child, name, child if inner else around))
        stack += reversed(children)


def _named(node: ast.AST, function: str) -> str:
    """The function or the module-level statement that a node belongs to."""
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return f"{function}.{node.name}" if function else node.name
    if function or not isinstance(node, ast.stmt):
        return function
    if isinstance(node, ast.Assign):
        return ast.unparse(node.targets[0])
    return ast.unparse(node).partition("(")[0].split("\n")[0]


def _left_alone(parent: ast.AST, field: str, child: ast.AST) -> bool:
    """What no gradient depends on: messages, annotations, docstrings, decorators, imports."""
    if field in ("annotation", "returns", "decorator_list", "bases", "args", "keywords"):
        if field == "args" and isinstance(parent, ast.Call):
            return False
        return not (field == "keywords" and isinstance(parent, ast.Call)) or (
            isinstance(child, ast.keyword) and child.arg in ("name", "doc", "strict")
        )
    if isinstance(child, (ast.JoinedStr, ast.Import, ast.ImportFrom, ast.AnnAssign, ast.Assert)):
        return True
    if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
        return True
    return isinstance(parent, ast.Raise)


# ---------------------------------------------------------------- the mistakes
def _changes(node: ast.AST) -> Iterator[ast.AST]:
    """What could stand in the place of this node by mistake."""
    if isinstance(node, ast.BinOp):
        if type(node.op) in ARITHMETIC:
            yield ast.BinOp(node.left, ARITHMETIC[type(node.op)](), node.right)
        yield node.left
        yield node.right
    elif isinstance(node, ast.UnaryOp):
        yield node.operand
    elif isinstance(node, ast.Compare):
        for k, op in enumerate(node.ops):
            for other in COMPARISONS[type(op)]:
                yield ast.Compare(node.left, [*node.ops[:k], other(), *node.ops[k + 1 :]],
                                  node.comparators)  # fmt: skip
    elif isinstance(node, ast.BoolOp):
        yield ast.BoolOp(ast.And() if isinstance(node.op, ast.Or) else ast.Or(), node.values)
        yield from node.values if len(node.values) == 2 else []
    elif isinstance(node, ast.Constant):
        yield from _other_constants(node.value)
    elif isinstance(node, ast.IfExp):
        yield node.body
        yield node.orelse
    elif isinstance(node, ast.Call):
        yield from _other_calls(node)
    elif isinstance(node, ast.Attribute) and node.attr == "T":
        yield node.value
    elif isinstance(node, ast.Lambda):
        yield from _exchanged(node)
    elif isinstance(node, (ast.If, ast.While)):
        yield _with(node, test=ast.UnaryOp(ast.Not(), node.test))
        if isinstance(node, ast.If):
            yield _with(node, test=ast.Constant(False))
    elif isinstance(node, ast.For):
        yield _with(node, iter=ast.Subscript(_list(node.iter), ast.Slice(ast.Constant(1))))
        yield _with(node, iter=ast.Subscript(_list(node.iter), ast.Slice(None, ast.Constant(-1))))
    elif isinstance(node, ast.comprehension) and node.ifs:
        yield _with(node, ifs=[])
    if isinstance(node, SIMPLE):
        yield ast.Pass()
    if isinstance(node, ast.AugAssign):
        yield ast.Assign([node.target], node.value, lineno=0)
        if type(node.op) in ARITHMETIC:
            yield _with(node, op=ARITHMETIC[type(node.op)]())


def _other_constants(value: object) -> Iterator[ast.AST]:
    if value is True or value is False:
        yield ast.Constant(not value)
    elif isinstance(value, (int, float)):
        yield ast.Constant(value + 1)
        if value not in (0, 1):
            yield ast.Constant(value - 1)


# Whose result has another type than its argument, so that the next line fails: nothing is learned.
CONVERSIONS = {"list", "set", "dict", "tuple", "len", "range", "iter", "next", "enumerate", "any"}


def _other_calls(node: ast.Call) -> Iterator[ast.AST]:
    """A call without one of its keywords; no call (x.T(), f(x) -> x); two arguments exchanged."""
    for k, keyword in enumerate(node.keywords):
        if keyword.arg not in ("name", "doc", "strict", "key", None):
            yield _with(node, keywords=[*node.keywords[:k], *node.keywords[k + 1 :]])
    called, args = node.func, node.args
    if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name):
        yield from (
            [] if called.value.id in ("np", "string", "dict", "functools") else [called.value]
        )
    elif isinstance(called, ast.Attribute):
        yield called.value
    elif isinstance(called, ast.Name) and called.id not in CONVERSIONS and len(args) == 1:
        yield from [] if isinstance(args[0], ast.Starred) else args
    if isinstance(called, ast.Name) and called.id in ("isinstance", "primitive"):
        return
    name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
    if name not in ("maximum", "minimum", "equal") and not any(
        isinstance(a, (ast.Starred, ast.Lambda)) for a in args
    ):
        for k in range(len(args) - 1):
            yield _with(node, args=[*args[:k], args[k + 1], args[k], *args[k + 2 :]])


METADATA = {"axis", "axes", "keepdims", "shape", "min", "max", "k", "cuts", "items", "i", "dtype"}


def _exchanged(rule: ast.Lambda) -> Iterator[ast.AST]:
    """A rule `lambda g, out, x, y: ...` that takes its operands, or out and x, for one another."""
    names = [a.arg for a in rule.args.args if a.arg not in METADATA]
    for a, b in pairwise(names[1:]):
        swap = {a: b, b: a}
        body = copy.deepcopy(rule.body)
        for node in ast.walk(body):
            if isinstance(node, ast.Name) and node.id in swap:
                node.id = swap[node.id]
        yield _with(rule, body=body)


def _list(iterable: ast.expr) -> ast.expr:
    return ast.Call(ast.Name("list", ast.Load()), [iterable], [])


def _with(node: ast.AST, **fields: object) -> ast.AST:
    other = copy.copy(node)
    for name, value in fields.items():
        setattr(other, name, value)
    return other


# ---------------------------------------------------------------- the tree
def _put(tree: ast.AST, path: Path, new: ast.AST) -> None:
    for field, k in path[:-1]:
        tree = getattr(tree, field) if k is None else getattr(tree, field)[k]
    field, k = path[-1]
    if k is None:
        setattr(tree, field, new)
    else:
        getattr(tree, field)[k] = new


def _assigned_nowhere_else(node: ast.AST, function: str, tree: ast.Module) -> bool:
    """Whether leaving out this assignment only leaves a name undefined: nothing to be learned."""
    if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], (ast.Name, ast.Tuple)):
        return False
    names = {n.id for n in ast.walk(node.targets[0]) if isinstance(n, ast.Name)}
    around = next(
        (f for f in ast.walk(tree) if isinstance(f, ast.FunctionDef) and node in ast.walk(f)), tree
    )
    if around is tree:
        return True
    stored = [
        n.id for n in ast.walk(around) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
    ]
    stored += [a.arg for a in ast.walk(around) if isinstance(a, ast.arg)]
    return all(stored.count(name) == 1 for name in names)


def _short(node: ast.AST) -> str:
    """A statement on one line: of a compound one its head, of a lambda its body."""
    if isinstance(node, ast.Lambda):
        return ast.unparse(node.body)
    if isinstance(node, (ast.If, ast.For, ast.While, ast.With, ast.FunctionDef)):
        return ast.unparse(node).partition("\n")[0]
    return " ".join(ast.unparse(node).split())
