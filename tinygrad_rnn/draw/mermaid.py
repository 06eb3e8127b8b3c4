"""The plan as a Mermaid flowchart: text that Markdown pages show as a picture.

Mermaid lays out by itself, so there are no lanes here; steps, references and arrows are the same as
in the DOT text. Words are the user's: everything in them but letters, digits and blanks is written
as a character code, so no word can end a label.

Read next: `render.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from .escape import printable
from .labels import Label, Labeller
from .nodes import dot_name, plain_title
from .plan import Plan
from .references import Edge, Reference
from .rolled import recurs, when
from .steps import titles
from .theme import LIGHT

_TAME = re.compile(r"[^\w .,:=+|∇·×−–→Σₜ₀₁₂₃₄₅₆₇₈₉₋₊▁▂▃▄▅▆▇█]|_")
_FORMS = {  # how Mermaid writes a box of each class: also without colours they differ
    "parameter": ("[[", "]]"),
    "input": ("[/", "/]"),
    "state": ("(", ")"),
    "cut": ("{{", "}}"),
    "output": ("([", "])"),
    "module": ("[/", "\\]"),
    "derivative": (">", "]"),
}


def mermaid_text(
    plan: Plan, labeller: Labeller, rankdir: str, caption: str, *, backward: bool = False
) -> str:
    """The Mermaid text; `backward` turns the arrows round and writes the gradient on them."""
    return "\n".join(_Flowchart(plan, labeller, backward).statements(rankdir, caption)) + "\n"


def mermaid_words(text: str) -> str:
    """Any text inside of a quoted Mermaid label.

    >>> mermaid_words('a "b" <c>')
    'a #34;b#34; #60;c#62;'
    """
    coded = _TAME.sub(lambda found: f"#{ord(found[0])};", printable(text).replace("\n", "\0"))
    # an invisible mark keeps Mermaid from reading a backslash and an n as the end of a line
    return coded.replace("#0;", "<br/>").replace("#92;n", "#92;\u2060n")


class _Flowchart:
    """Writes one plan."""

    def __init__(self, plan: Plan, labeller: Labeller, backward: bool) -> None:
        self.plan, self.labeller, self.backward = plan, labeller, backward
        self.tails: dict[Edge, str] = {}
        self.references: dict[int | None, list[Reference]] = {}
        for reference in plan.references:
            self.references.setdefault(reference.step, []).append(reference)
            name = dot_name(reference.id)
            self.tails |= {(link.child, link.argument): name for link in reference.links}
        self.used: set[str] = set()

    def statements(self, rankdir: str, caption: str) -> Iterator[str]:
        plan = self.plan
        by_home: dict[int | None, list[int]] = {}
        for n in plan.nodes():
            by_home.setdefault(plan.homes[n], []).append(n)
        if caption:
            yield from (
                "---",
                f"title: {json.dumps(printable(caption), ensure_ascii=False)}",
                "---",
            )
        yield f"flowchart {rankdir}"
        yield from self._inside(None, by_home.get(None, []), "  ")
        for step, title in zip(plan.steps, titles(plan.steps), strict=True):
            if step.number not in by_home:
                continue
            yield f'  subgraph s{step.number}["{mermaid_words(title)}"]'
            yield from self._inside(step.number, by_home.get(step.number, []), "    ")
            yield "  end"
        yield from (f"  {self._line(n)}" for n in plan.table if self._is_taken(n))
        yield from self._arrows()
        yield from self._classes()

    def _is_taken(self, n: int) -> bool:
        """Whether an arrow starts at a leaf that stands in the table of the picture."""
        links = self.plan.graph.links
        return any(x.source == n and (x.child, x.argument) not in self.tails for x in links)

    def _inside(self, home: int | None, lines: list[int], indent: str) -> Iterator[str]:
        for n in lines:
            yield indent + self._line(n)
        for reference in self.references.get(home, []):
            pale = all(self.plan.pale(link.source, link.child) for link in reference.links)
            looks = self._class(self.plan.looks(reference.root), pale)
            words = self._words(self.labeller.reference(reference))
            yield f'{indent}{dot_name(reference.id)}(["{words}"]):::{looks}'

    def _line(self, n: int) -> str:
        looks = self.plan.looks(n)
        left, right = _FORMS.get(looks, ("[", "]"))
        looks = self._class(looks, self.plan.pale(n))
        return f'n{n}{left}"{self._words(self.labeller.node(n))}"{right}:::{looks}'

    def _class(self, looks: str, pale: bool) -> str:
        """The class that gives the colours."""
        looks = "pale" if pale else looks
        self.used.add(looks)
        return looks

    def _words(self, label: Label) -> str:
        rows = [plain_title(label.title), *(row.text for row in label.rows)]
        return "<br/>".join(mermaid_words(row) for row in rows) or " "

    def _arrows(self) -> Iterator[str]:
        plan, gradients = self.plan, self.labeller.gradients
        for link in plan.graph.links:
            edge = link.child, link.argument
            tail, head = self.tails.get(edge, f"n{link.source}"), f"n{link.child}"
            if not self.backward or gradients is None:
                at = when(plan, link) if plan.folds else ""
                arrow = f'-->|"{at}"|' if at else "-->"
                yield f"  {tail} {arrow} {head}"
            elif edge in gradients.edges:
                words = mermaid_words(self.labeller.arrived(edge))
                yield f'  {head} -->|"{words}"| {tail}'
            else:
                yield f"  {head} -.- {tail}"
        drawn = set(plan.nodes())
        for source, leaf in plan.cuts:
            if source not in drawn or leaf not in drawn:
                continue  # one of them stands in the table, or is out of focus
            yield f'  n{source} -.->|"cut"| n{leaf}'
        for one in plan.recurrences():
            back = self.backward and not one.cut
            source, child = (one.entry, one.state) if back else (one.state, one.entry)
            yield f'  n{source} -.->|"{recurs(one)}"| n{child}'

    def _classes(self) -> Iterator[str]:
        for looks, values in LIGHT.nodes.items():
            if looks in self.used:
                dashed = ",stroke-dasharray:4 3" if "dashed" in values.get("style", "") else ""
                yield (
                    f"  classDef {looks} fill:{values['fillcolor']},stroke:{values['color']},"
                    f"color:#000,stroke-width:{values.get('penwidth', '1')}px{dashed}"
                )
        if "pale" in self.used:
            fill, stroke, words = LIGHT.pale.values()
            yield f"  classDef pale fill:{fill},stroke:{stroke},color:{words}"
