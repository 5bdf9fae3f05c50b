"""A small picture of an original, for looking at it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from imaged.core.geometry import Size


@dataclass(frozen=True)
class Sample:
    """The first frame of an original, upright, in sRGB, shrunk to fit into a square.

    `rgba` has 4 bytes a pixel, row by row; colours are not multiplied by their opacity. `transparency` says whether any
    pixel of the frame itself is not opaque. `orientation` is EXIF's, 1 to 8, and `profile` the ICC profile that its
    colours had, empty for sRGB.
    """

    size: Size
    rgba: bytes = field(repr=False)
    transparency: bool
    orientation: int = 1
    profile: bytes = field(default=b"", repr=False)

    def channel(self, number: int) -> Sequence[int]:
        """Return red (0), green (1), blue (2) or opacity (3) of each pixel."""
        return self.rgba[number::4]
