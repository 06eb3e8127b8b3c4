"""Themes: what is written can be read, and no two classes differ by colour alone."""

import itertools

import pytest

from tinygrad_rnn.draw.theme import THEMES, Theme

pytestmark = pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)


def luminance(colour: str) -> float:
    """WCAG 2.2's relative luminance of #RRGGBB."""
    colour = {"white": "#FFFFFF"}.get(colour, colour)
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return sum(k * c for k, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_black_on_white_is_21_to_1(theme):
    assert contrast("#000000", "white") == pytest.approx(21)
    assert contrast("#777777", "#FFFFFF") == pytest.approx(4.48, abs=0.01)


def test_words_are_readable_on_every_fill(theme: Theme):
    for look in theme.nodes.values():
        for words in (theme.text, theme.value, theme.gradient, theme.faint):
            assert contrast(words, look["fillcolor"]) >= 4.5, (words, look)


def test_words_are_readable_beside_nodes(theme: Theme):
    for paper in (theme.background, theme.step["bgcolor"]):
        for words in (theme.text, theme.faint, theme.gradient, theme.step["fontcolor"]):
            assert contrast(words, paper) >= 4.5, (words, paper)
    assert contrast(theme.parameter, theme.background) >= 4.5  # the heading of the table


def test_lines_are_seen(theme: Theme):
    lines = [theme.edge, theme.state, theme.gradient, theme.parameter]
    for colour in [*lines, *(look["color"] for look in theme.nodes.values())]:
        for paper in (theme.background, theme.step["bgcolor"]):
            assert contrast(colour, paper) >= 3, (colour, paper)


def test_classes_differ_in_form(theme: Theme):
    forms = {
        name: tuple(look.get(k) for k in ("shape", "style", "penwidth", "peripheries"))
        for name, look in theme.nodes.items()
    }
    for one, other in itertools.combinations(forms, 2):
        assert forms[one] != forms[other], (one, other)
