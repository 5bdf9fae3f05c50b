"""The report of a run: tables for a terminal and for docs/performance.md, and the plot."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from figures import Figure, Section, section_of

MOST_COLUMNS = 6
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


class Results:
    """The sections measured so far, in a file, so that a run can be continued by section."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> list[Section]:
        """Return all sections, each as it was last measured."""
        if not self._path.exists():
            return []
        return [section_of(each) for each in json.loads(self._path.read_text()).values()]

    def keep(self, section: Section, order: Sequence[str]) -> None:
        """Replace a section by a newer one."""
        sections = {each.name: each for each in self.read()} | {section.name: section}
        kept = {name: sections[name].as_json() for name in order if name in sections}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(json.dumps(kept, indent=1))


def tables(section: Section) -> str:
    """Return a section as Markdown: a table for each unit, a row for each side, with ratios where there are some."""
    lines = [f"### {section.title}", ""]
    for unit in dict.fromkeys(each.unit for each in section.figures):
        figures = [each for each in section.figures if each.unit == unit]
        columns = list(dict.fromkeys(each.column for each in figures))
        sides = list(dict.fromkeys(each.side for each in figures))
        cells = {(each.side, each.column): _cell(section, each) for each in figures}
        if len(columns) > MOST_COLUMNS:  # the table lies on its side
            cells = {(column, side): cell for (side, column), cell in cells.items()}
            columns, sides = sides, columns
        rows = [[unit, *columns], ["---", *["---:"] * len(columns)]]
        rows += [[side, *(cells.get((side, column), "–") for column in columns)] for side in sides]
        lines += ["| " + " | ".join(row) + " |" for row in rows] + [""]
    return "\n".join([*lines, *(f"- {note}" for note in section.notes), ""])


def publish(sections: Sequence[Section], machine: str, page: Path) -> None:
    """Replace what stands between the marks of a page by the tables; the rest of the page stays."""
    text = page.read_text(encoding="utf-8")
    middle = "\n".join([BEGIN, "", machine, "", *(tables(each) for each in sections), END])
    page.write_text(re.sub(f"{BEGIN}.*{END}", lambda _: middle, text, flags=re.DOTALL), encoding="utf-8")


def _cell(section: Section, figure: Figure) -> str:
    value = figure.value
    text = f"{value:,.0f}" if value >= 100 else f"{value:.3g}"  # noqa: PLR2004  # three digits
    ratio = section.ratio(figure)
    return text if ratio is None or figure.side == figure.reference else f"{text} · {ratio:.2f}"
