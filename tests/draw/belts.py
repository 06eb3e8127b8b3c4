"""The geometry of an SVG: do the belts of states bend, does anything cross them?

A drawing from left to right has horizontal belts, so a crossing is a change of side.
"""

import re
import xml.etree.ElementTree as ET

import numpy as np

SVG = "{http://www.w3.org/2000/svg}"
NEAR = 0.5  # pt


def curves(svg: bytes) -> list[tuple[str, np.ndarray]]:
    """(class, points) of every arrow: its Bezier curves, 16 points for each."""
    found = []
    t = np.linspace(0, 1, 16)[:, None]
    basis = np.hstack([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3])
    for group in ET.fromstring(svg).iter(f"{SVG}g"):
        classes = group.get("class", "")
        if not classes.startswith("edge"):
            continue
        for path in group.iter(f"{SVG}path"):
            numbers = np.array(re.findall(r"-?\d+\.?\d*", path.get("d", "")), float)
            control = numbers.reshape(-1, 2)
            pieces = [basis @ control[k : k + 4] for k in range(0, len(control) - 3, 3)]
            found.append((classes, np.vstack(pieces)))
    return found


def bends(svg: bytes) -> list[str]:
    """The belts that are no horizontal line."""
    return [name for name, points in curves(svg) if _is_belt(name) and np.ptp(points[:, 1]) > NEAR]


def crossings(svg: bytes) -> list[tuple[str, str]]:
    """(belt, arrow) for every arrow, or other belt, that goes from one side of it to the other."""
    every = curves(svg)
    found = []
    for belt, line in every:
        if not _is_belt(belt):
            continue
        left, right, height = line[:, 0].min() + NEAR, line[:, 0].max() - NEAR, line[:, 1].mean()
        for name, points in every:
            off = points[np.abs(points[:, 1] - height) > NEAR]
            over = np.sign(off[:-1, 1] - height) != np.sign(off[1:, 1] - height)
            x = (off[:-1, 0] + off[1:, 0]) / 2
            if name != belt and np.any(over & (x > left) & (x < right)):
                found.append((belt, name))
    return found


def meetings(svg: bytes, kind: str) -> list[tuple[str, str]]:
    """(arrow, other) for every arrow of a kind and every other one that it cuts.

    Arrows that have an end in common with it are left out.
    """
    every = curves(svg)
    return [
        (name, other)
        for name, line in every
        for other, points in every
        if name.startswith(f"edge {kind} ") and points is not line
        if not _ends(name) & _ends(other)
        if np.any(_cut(line[:-1, None], line[1:, None], points[:-1], points[1:]))
    ]


def _ends(name: str) -> set[str]:
    return set(re.findall(r"(?:from|to)-(n\d+)", name))


def _cut(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> np.ndarray:
    """Whether the lines from a to b and from c to d have a point in common."""

    def side(p: np.ndarray, q: np.ndarray, r: np.ndarray) -> np.ndarray:
        (x, y), (u, v) = np.moveaxis(q - p, -1, 0), np.moveaxis(r - p, -1, 0)
        return np.sign(x * v - y * u)

    return (side(a, b, c) != side(a, b, d)) & (side(c, d, a) != side(c, d, b))


def _is_belt(name: str) -> bool:
    return name.startswith("edge belt ")
