"""The plot of docs/performance.md: misses and hits, as an SVG that is the same for the same figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from figures import Section
from matplotlib.figure import Figure as Drawing

PANELS = {
    "misses": ("requests/s", ("x300.jpg", "w1000.jpg", "x300.webp")),
    "hits": ("requests/s", ("4 kB", "16 kB", "100 kB")),
}
OURS, OTHERS = ("#0b6e4f", "#3fa34d", "#8bc34a", "#c5e1a5"), ("#37474f", "#607d8b", "#90a4ae", "#b0bec5", "#cfd8dc")


def draw(sections: Sequence[Section], path: Path) -> None:
    """Draw the sections that were measured."""
    mpl.rcParams |= {"svg.hashsalt": "imaged", "svg.fonttype": "none", "font.size": 8, "font.family": "sans-serif"}
    shown = [section for section in sections if section.name in PANELS]
    drawing = Drawing(figsize=(9, 3.2 * len(shown)), layout="constrained")
    for axes, section in zip(drawing.subplots(len(shown), squeeze=False)[:, 0], shown, strict=True):
        unit, columns = PANELS[section.name]
        figures = {(each.side, each.column): each.value for each in section.figures if each.unit == unit}
        sides = list(dict.fromkeys(side for side, _ in figures))
        ours, others = iter(OURS), iter(OTHERS)
        for number, side in enumerate(sides):
            heights = [figures.get((side, column), 0) for column in columns]
            places = [place + 0.8 * (number - len(sides) / 2 + 0.5) / len(sides) for place in range(len(columns))]
            colour = next(ours if side.startswith("imaged") else others, "#000000")
            bars = axes.bar(places, heights, 0.8 / len(sides), label=side, color=colour)
            axes.bar_label(bars, [f"{height:,.0f}" if height else "" for height in heights], fontsize=6)
        axes.set_xticks(range(len(columns)), columns)
        axes.set_ylabel(unit)
        axes.set_title(section.title, fontsize=9, loc="left")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    drawing.savefig(path, metadata={"Date": None})
