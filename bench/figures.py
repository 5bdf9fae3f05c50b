"""What a section of the benchmark measured: figures by column and side, from rounds in which the sides take turns."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Figure:
    """The values of one side in one column, one for each round.

    `reference` is the side that the ratio is to, if any; with `smallest`, the smallest value counts, not the median.
    """

    column: str
    side: str
    unit: str
    values: list[float]
    reference: str = ""
    smallest: bool = False

    @property
    def value(self) -> float:
        """What stands for all rounds: their median, or their smallest value."""
        return min(self.values) if self.smallest else statistics.median(self.values)


@dataclass
class Section:
    """The figures of one section, and what a reader has to know of them."""

    name: str
    title: str
    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(
        self, column: str, side: str, unit: str, value: float, reference: str = "", *, smallest: bool = False
    ) -> None:
        """Add the value of one round."""
        for each in self.figures:
            if (each.column, each.side, each.unit) == (column, side, unit):
                each.values.append(value)
                return
        self.figures.append(Figure(column, side, unit, [value], reference, smallest))

    def ratio(self, figure: Figure) -> float | None:
        """Return the median of the ratios of each round, or None where there is no other side."""
        for each in self.figures:
            if (each.column, each.side, each.unit) == (figure.column, figure.reference, figure.unit):
                pairs = zip(figure.values, each.values, strict=False)
                ratios = [here / there for here, there in pairs if there]
                return statistics.median(ratios) if ratios else None
        return None

    def as_json(self) -> dict[str, Any]:
        """Return the section as JSON has it."""
        return asdict(self)


def section_of(given: Mapping[str, Any]) -> Section:
    """Return the section that `as_json` was made of."""
    figures = [Figure(**each) for each in given["figures"]]
    return Section(given["name"], given["title"], figures, list(given["notes"]))


@dataclass(frozen=True)
class Bench:
    """How a run measures: `rounds` times, for about `seconds` each; `many` files and jobs are many.

    `folder` is where programs are installed and originals lie, `work` a new folder for this section, `picture` the JPEG
    that outputs are made of, `peers` the templates of servers that run already, by name. `may_install` says whether
    missing peers are installed.
    """

    rounds: int
    seconds: float
    many: int
    folder: Path
    work: Path
    picture: bytes
    peers: Mapping[str, str]
    may_install: bool
    say: Callable[[str], None]


def in_turn(bench: Bench, sides: Mapping[str, Callable[[int], None]]) -> None:
    """Have each side measure a round, each time another first; the first round, numbered 0, warms up."""
    names = list(sides)
    for number in range(bench.rounds + 1):
        shift = (number - 1) % len(names) if number else 0
        for name in names[shift:] + names[:shift]:
            sides[name](number)
        bench.say(f"  round {number} of {bench.rounds}")
