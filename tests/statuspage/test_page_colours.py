"""Text on the pages has enough contrast for people with weak eyes."""

from __future__ import annotations

import re

import pytest

from imaged.statuspage.page import read_file

ENOUGH = 4.5
"""The least contrast of text (WCAG 2.2, 1.4.3)."""

PAIRS = [
    ("text", "page"),
    ("text", "panel"),
    ("soft", "page"),
    ("soft", "panel"),
    ("good", "panel"),
    ("bad", "panel"),
    ("bad", "bad-ground"),
    ("text", "bad-ground"),
    ("warn", "panel"),
    ("warn", "warn-ground"),
    ("text", "warn-ground"),
    ("link", "panel"),
]


def luminance(colour: str) -> float:
    """Return the relative luminance of `rrggbb` (WCAG 2.2)."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("front", "back"), PAIRS)
def test_text_stands_out(scheme: int, front: str, back: str) -> None:
    """Each colour of text has enough contrast on each of its backgrounds, in both schemes."""
    sheet = read_file("base.css").split("prefers-color-scheme: dark")[scheme]
    colours = dict(re.findall(r"--([\w-]+): #([0-9a-f]{6})", sheet))
    darker, lighter = sorted((luminance(colours[front]), luminance(colours[back])))
    assert (lighter + 0.05) / (darker + 0.05) >= ENOUGH
