"""Gravities: which part of a picture stays when it is cropped."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True)
class FocalPoint:
    """A point in per cent, 0 to 100, from the left and from the top: the middle of what stays, as nearly as can be."""

    x_percent: int
    y_percent: int

    def __str__(self) -> str:
        return f"{self.x_percent}x{self.y_percent}"


class Compass(StrEnum):
    """A side, a corner or the centre of the picture, which stays."""

    CENTRE = "c"
    NORTH = "n"
    NORTH_EAST = "ne"
    EAST = "e"
    SOUTH_EAST = "se"
    SOUTH = "s"
    SOUTH_WEST = "sw"
    WEST = "w"
    NORTH_WEST = "nw"

    @property
    def point(self) -> FocalPoint:
        """The point of the picture that it means."""
        x_percent = 0 if "w" in self else 100 if "e" in self else 50
        y_percent = 0 if "n" in self else 100 if "s" in self else 50
        return FocalPoint(x_percent, y_percent)


@dataclass(frozen=True)
class Smart:
    """The part that a viewer would look at: each original has a focal point of its own."""

    def __str__(self) -> str:
        return "sm"


Gravity = Compass | FocalPoint | Smart


def parse_gravity(text: str) -> Gravity:
    """Read a gravity: `n`, `25x70` or `sm`. Raises ValueError for any other text."""
    if text == "sm":
        return Smart()
    if "x" not in text:
        return Compass(text)
    x_percent, y_percent = map(int, text.split("x"))
    if not (0 <= x_percent <= 100 and 0 <= y_percent <= 100):  # noqa: PLR2004  # per cent
        raise ValueError(f"{text} is not within 0x0 and 100x100")
    return FocalPoint(x_percent, y_percent)
