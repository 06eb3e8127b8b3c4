"""The steps of a page as plain data: forward in creation order, then backward in the other order.

    0             nothing is computed: parameters, inputs and constants are given
    1 ... F       one operation each
    F + 1         the gradient of the output: dL/dL = 1, or the seed
    ...           one operation each: what it hands back to each operand, `was -> now`; and one for
                  each cut, where nothing passes
    last          all gradients

Short keys, for the page is small: `k` the kind of a step, `n` its line, `v` and `g` where value and
gradient of a line are printed; of a contribution `a` is the argument, `o` the operand, `c` where it
is printed, `was` and `now` the sums, `i` and `of` which of how many.

Read next: `replay.py`.
"""

from __future__ import annotations

from typing import Any

from ...program import Gradients, Graph, Line
from .chain import ChainRule
from .names import expression, names_of
from .numbers import Printed
from .walk import Edge, walk_back


class Writer:
    """Writes lines and steps of one graph as data for the page.

    Args:
        names: what lines are called in the picture.
    """

    def __init__(self, graph: Graph, gradients: Gradients, names: dict[int, str]) -> None:
        self.graph, self.gradients = graph, gradients
        self.walk = walk_back(graph, gradients)
        self.names = names_of(graph, names)
        self.rule = ChainRule(graph, gradients, self.names)
        self.printed = Printed()
        self.output = graph.number(graph.outputs[0])

    def lines(self) -> list[dict[str, Any]]:
        """For each line its name, how it was made, where, its value and its gradient."""
        uses = self.graph.uses()
        return [self._line(line, uses[line.number]) for line in self.graph.nodes]

    def _line(self, line: Line, uses: list[Edge]) -> dict[str, Any]:
        item: dict[str, Any] = {"name": self.names[line.number], "v": self.printed.add(line.value)}
        item["kind"] = line.kind
        place = " / ".join(map(str, line.scope))
        if line.op is not None:
            item |= {
                "op": line.op,
                "how": expression(line, self.names),
                "in": line.inputs,
                "at": place,
            }
        g = self.gradients.lines.get(line.number)
        if g is not None:
            item["g"] = self.printed.add(g)
        if line.kind == "parameter":
            arrived = [edge for edge in uses if edge in self.walk.arrived]
            item["uses"] = sorted(arrived, key=lambda edge: (-edge[0], edge[1]))
        return item

    def steps(self) -> list[dict[str, Any]]:
        """One entry for each step, in order."""
        made = [line.number for line in self.graph.nodes if line.op is not None]
        forward = [{"k": "forward", "n": n} for n in made]
        cuts = self.graph.cuts()
        backward: list[dict[str, Any]] = []
        for _, n in self.walk.visits:
            if n in cuts:
                backward.append({"k": "cut", "n": n, "from": cuts[n]})
            else:
                backward.append({"k": "backward", "n": n, "pulls": self._pulls(n)})
        seed = {"k": "seed", "n": self.output}
        return [{"k": "start"}, *forward, seed, *backward, {"k": "end"}]

    def _pulls(self, n: int) -> list[dict[str, Any]]:
        """What line n hands back to each of its operands, or why not."""
        return [self._pull(n, argument) for argument in range(len(self.graph.nodes[n].inputs))]

    def _pull(self, n: int, argument: int) -> dict[str, Any]:
        operand = self.graph.nodes[n].inputs[argument]
        item: dict[str, Any] = {"a": argument, "o": operand}
        arrived = self.walk.arrived.get((n, argument))
        if arrived is None:
            return item | {"no": _why_not(self.graph.nodes[operand])}
        item |= {"c": self.printed.add(arrived.value), "now": self.printed.add(arrived.now)}
        if arrived.was is not None:
            item["was"] = self.printed.add(arrived.was)
        return item | {"i": arrived.which, "of": arrived.of} | self.rule.explain(arrived)


def _why_not(operand: Line) -> str:
    """Why no gradient goes to an operand."""
    return {
        "cut": "No gradient passes: detach() cut it off here.",
        "input": "No gradient is wanted for an input.",
        "constant": "A constant has no gradient.",
    }.get(operand.kind, "No gradient is wanted: nothing that it was made of needs one.")
