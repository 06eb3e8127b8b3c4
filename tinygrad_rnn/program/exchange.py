"""A graph as JSON text, out and in, and as a networkx graph: plain data needs no Tensors.

The text says everything that a listing, a drawing or a query asks for, so a graph that was read
back answers alike. It cannot be differentiated again: it has the gradients that were written.

    {"format": "tinygrad_rnn graph", "version": 1, "ends": [3],
     "nodes": [{"op": "multiply", "inputs": [0, 0], "value": {...}, ...}, ...],
     "gradients": {"lines": [[0, {...}], ...], "edges": [[1, 0, {...}], ...]}, "folds": [...]}

An array is {"dtype": "<f8", "shape": [2], "data": [1.0, "nan"]}, or has its bytes as base64 text.
"""

from __future__ import annotations

import base64
import importlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from math import isfinite, prod
from typing import TYPE_CHECKING, Any

import numpy as np

from ..modes import Step
from .folds import Fold
from .lines import Gradients, Line

if TYPE_CHECKING:
    from .value import Graph

FORMAT, VERSION = "tinygrad_rnn graph", 1
KINDS = ("op", "folded", "parameter", "cut", "input", "constant")


@dataclass(frozen=True)
class Contents:
    """What a file says about a graph."""

    lines: list[Line]
    ends: list[int]
    cuts: dict[int, int | None]
    bytes: list[int]
    gradients: Gradients | None
    folds: list[Fold]
    norms: dict[int, list[float]]
    companions: dict[int, int]
    unscoped: frozenset[int]


# ---------------------------------------------------------------- out
def written(contents: Contents, values: str) -> str:
    """The JSON text of a graph.

    Args:
        values: "lists" of numbers, or "base64" of their bytes: shorter, and not to be read by eye.
    """
    if values not in ("lists", "base64"):
        raise ValueError(f'values are written as "lists" or "base64"; given {values!r}')

    def array(value: Any) -> Any:
        return _array_out(np.asarray(value), values)

    found = contents.gradients
    document = {
        "format": FORMAT,
        "version": VERSION,
        "ends": contents.ends,
        "nodes": [_line_out(line, contents, array) for line in contents.lines],
        "gradients": found
        and {
            "lines": [[n, array(g)] for n, g in sorted(found.lines.items())],
            "edges": [[*edge, array(g)] for edge, g in sorted(found.edges.items())],
        },
        "folds": [asdict(fold) | {"columns": sorted(fold.columns)} for fold in contents.folds],
        "norms": [[n, _numbers_out(norms)] for n, norms in sorted(contents.norms.items())],
        "companions": sorted(contents.companions.items()),
        "unscoped": sorted(contents.unscoped),
    }
    return json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n"


def _line_out(line: Line, contents: Contents, array: Callable[[Any], Any]) -> dict[str, Any]:
    out: dict[str, Any] = {"kind": line.kind, "op": line.op, "inputs": line.inputs}
    out["attrs"] = {key: _attr_out(value, array) for key, value in line.attrs.items()}
    out["scope"] = [[entry.t] if isinstance(entry, Step) else entry for entry in line.scope]
    out |= {"name": line.name, "learned": line.learned, "bytes": contents.bytes[line.number]}
    out["number"] = type(line.value).__name__ if np.isscalar(line.value) else None
    out["value"] = array(line.value)
    if line.number in contents.cuts:
        out["cut"] = contents.cuts[line.number]
    return {key: value for key, value in out.items() if value not in (None, [], {}, (), False)}


def _array_out(array: np.ndarray, values: str) -> dict[str, Any]:
    out = {"dtype": array.dtype.newbyteorder("<").str, "shape": array.shape}
    if values == "base64":
        ordered = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        return out | {"base64": base64.b64encode(ordered.tobytes()).decode()}
    flat = np.ascontiguousarray(array).ravel()
    if flat.dtype.kind == "c":
        flat = flat.view(flat.real.dtype)
    if flat.dtype.kind == "f":
        return out | {"data": _numbers_out(flat.tolist())}
    return out | {"data": flat.tolist()}


def _numbers_out(numbers: Sequence[float]) -> list[float | str]:
    """JSON has no word for what is not finite."""
    return [x if isfinite(x) else str(x) for x in numbers]


def _attr_out(value: Any, array: Callable[[Any], Any]) -> Any:
    """Plain JSON where it means the same; else {"what it is": its parts}."""
    if value is None or type(value) in (bool, int, float, str):
        finite = type(value) is not float or isfinite(value)
        return value if finite else {"float": str(value)}
    if isinstance(value, (tuple, list)):
        kind = "tuple" if isinstance(value, tuple) else "list"
        return {kind: [_attr_out(part, array) for part in value]}
    if isinstance(value, slice):
        parts = (value.start, value.stop, value.step)
        return {"slice": [_attr_out(part, array) for part in parts]}
    if isinstance(value, np.dtype):
        return {"dtype": value.str}
    if isinstance(value, (np.ndarray, np.generic)):
        return {"array": array(value)}
    return {"ellipsis": True} if value is Ellipsis else {"text": str(value)}


# ---------------------------------------------------------------- in
def read(text: str | bytes) -> Contents:
    """What `written` wrote.

    Raises:
        ValueError: for anything else, saying which part is wrong.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"this is no JSON text: {error}") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ValueError(f'this is not a graph: its "format" should be "{FORMAT}"')
    if document.get("version") != VERSION:
        raise ValueError(
            f"this graph is of version {document.get('version')!r}, and this package reads version"
            f" {VERSION}: write it again with this package, or read it with the newer one"
        )
    lines: list[Line] = []
    for n, node in enumerate(_part(document, "nodes", list)):
        lines.append(_wrapped(f"node {n}", partial(_line_in, n, node)))
    count = len(lines)
    ends = _wrapped('"ends"', lambda: [_number(n, count) for n in _part(document, "ends", list)])
    nodes = document["nodes"]
    cuts = {n: node.get("cut") for n, node in enumerate(nodes) if node["kind"] == "cut"}
    _wrapped("a cut", lambda: [_number(k, count) for k in cuts.values() if k is not None])
    return Contents(
        lines, ends, cuts, [int(node.get("bytes", 0)) for node in nodes],
        _wrapped('"gradients"', lambda: _gradients_in(document.get("gradients"), lines)),
        _wrapped('"folds"', lambda: [_fold_in(x, count) for x in document.get("folds", [])]),
        _wrapped('"norms"', lambda: _norms_in(document.get("norms", []), count)),
        _wrapped('"companions"', lambda: _pairs_in(document.get("companions", []), count)),
        _wrapped('"unscoped"', lambda: _numbers_in(document.get("unscoped", []), count)),
    )  # fmt: skip


def _wrapped(where: str, read: Callable[[], Any]) -> Any:
    """Any way in which a part can be wrong, as one error that names the part."""
    try:
        return read()
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise ValueError(f"{where} of this graph cannot be read: {what}") from None


def _part(document: dict[str, Any], key: str, kind: type) -> Any:
    if not isinstance(document.get(key), kind):
        raise ValueError(f'this graph has no {kind.__name__} "{key}"')
    return document[key]


def _number(n: Any, stop: int) -> int:
    if type(n) is not int or not 0 <= n < stop:
        raise ValueError(f"{n!r} is no number of a line from 0 to {stop - 1}")
    return n


def _numbers_in(numbers: list[int], stop: int) -> frozenset[int]:
    return frozenset([_number(n, stop) for n in numbers])


def _line_in(number: int, node: dict[str, Any]) -> Line:
    kind, op = node["kind"], node.get("op")
    if kind not in KINDS or isinstance(op, str) != (kind in ("op", "folded")):
        raise ValueError(f"kind {kind!r} with op {op!r}")
    value: Any = _array_in(node["value"])
    if node.get("number"):
        value = value.item() if node["number"] in ("int", "float", "complex", "bool") else value[()]
    return Line(
        number, op, tuple(_number(n, number) for n in node.get("inputs", ())),
        {str(key): _attr_in(part) for key, part in node.get("attrs", {}).items()},
        tuple(Step(int(*x)) if isinstance(x, list) else str(x) for x in node.get("scope", ())),
        value, None, node.get("name"), kind, bool(node.get("learned", False)),
    )  # fmt: skip


def _array_in(part: dict[str, Any]) -> np.ndarray:
    dtype, shape = np.dtype(part["dtype"]), tuple(part["shape"])
    if dtype.kind not in "biufc":
        raise ValueError(f"an array of numbers cannot have dtype {dtype}")
    if "base64" in part:
        flat = np.frombuffer(base64.b64decode(part["base64"], validate=True), dtype)
    elif dtype.kind == "c":
        flat = np.array([float(x) for x in part["data"]], dtype.type(0).real.dtype).view(dtype)
    else:
        numbers = map(float, part["data"]) if dtype.kind == "f" else part["data"]
        flat = np.array(list(numbers), dtype)
    if flat.size != prod(shape):
        raise ValueError(f"{flat.size} numbers for shape {shape}")
    return flat.reshape(shape).copy()


def _attr_in(part: Any) -> Any:
    if not isinstance(part, dict):
        return part
    ((kind, inside),) = part.items()
    if kind in ("tuple", "list", "slice"):
        parts = [_attr_in(one) for one in inside]
        return slice(*parts) if kind == "slice" else tuple(parts) if kind == "tuple" else parts
    readers: dict[str, Callable[[Any], Any]] = {
        "float": float, "dtype": np.dtype, "array": _array_in, "text": str,
        "ellipsis": lambda _: Ellipsis,
    }  # fmt: skip
    return readers[kind](inside)


def _gradients_in(part: Any, lines: list[Line]) -> Gradients | None:
    if part is None:
        return None
    count = len(lines)
    by_line = {_number(n, count): _array_in(g) for n, g in part["lines"]}
    edges = {}
    for n, argument, g in part["edges"]:
        edges[_number(n, count), _number(argument, len(lines[n].inputs))] = _array_in(g)
    return Gradients(by_line, edges)


def _fold_in(part: dict[str, Any], count: int) -> Fold:
    ts = tuple(map(int, part["ts"]))
    return Fold(
        bool(part["rolled"]), tuple(map(str, part["path"])), ts,
        _number(part["first"], len(ts)), _number(part["last"], len(ts)),
        int(part["lines"]), int(part["edges"]), int(part["cuts"]),
        tuple(_number(n, count) for n in part["stands"]),
        tuple((_number(a, count), _number(b, count), int(k)) for a, b, k in part["recurrences"]),
        tuple(_number(n, count) for n in part["own"]),
        tuple((_number(n, count), int(k)) for n, k in part["gathered"]),
        {_number(n, count): () for n in part["columns"]},
        bool(part.get("scoped", True)),
        tuple((_number(n, count), int(k), int(t)) for n, k, t in part.get("at", ())),
        tuple(_number(n, count) for n in part.get("shared", ())),
        tuple((_number(n, count), int(k)) for n, k in part.get("later", ())),
        tuple((_number(n, count), bool(always)) for n, always in part.get("cut", ())),
        tuple((_number(n, count), k if k is None else int(k)) for n, k in part.get("indexed", ())),
    )  # fmt: skip


def _norms_in(part: Any, count: int) -> dict[int, list[float]]:
    return {_number(n, count): [float(x) for x in some] for n, some in part}


def _pairs_in(part: Any, count: int) -> dict[int, int]:
    return {_number(a, count): _number(b, count) for a, b in part}


# ---------------------------------------------------------------- networkx
def networkx_graph(graph: Graph, gradients: Gradients | None) -> Any:
    """A `networkx.MultiDiGraph`: a node for each line, an edge for each argument, keyed by it.

    Raises:
        ImportError: without networkx.
    """
    try:
        networkx = importlib.import_module("networkx")
    except ImportError:
        raise ImportError(
            "to_networkx needs the package networkx: pip install 'tinygrad_rnn[networkx]'"
        ) from None
    made = networkx.MultiDiGraph()
    lines, edges = gradients or Gradients({}, {})
    for line in graph.nodes:
        made.add_node(
            line.number, op=line.op, kind=line.kind, name=line.name, attrs=line.attrs,
            scope=tuple(map(str, line.scope)), t=line.t, shape=line.shape, value=line.value,
            gradient=lines.get(line.number), flops=graph.flops(line.number),
        )  # fmt: skip
    for source, n, argument in graph.edges:
        gradient = edges.get((n, argument))
        made.add_edge(source, n, key=argument, argument=argument, gradient=gradient)
    return made
