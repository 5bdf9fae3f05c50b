"""A small picture of an original, for looking at it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from imaged.core.geometry import Size


@dataclass(frozen=True)
class Sample:
    """The first frame of an original, upright, in sRGB, shrunk to fit into a square.

    `rgba` has 4 bytes a pixel, row by row; colours are not multiplied by their opacity. `transparency` says whether any
    pixel of the frame itself is not opaque. `orientation` is EXIF's, 1 to 8, and `profile` the name that
    `profile_name` gives the ICC profile of the file, None without one.
    """

    size: Size
    rgba: bytes = field(repr=False)
    transparency: bool
    orientation: int = 1
    profile: str | None = None

    def channel(self, number: int) -> Sequence[int]:
        """Return red (0), green (1), blue (2) or opacity (3) of each pixel."""
        return self.rgba[number::4]
