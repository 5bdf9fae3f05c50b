"""What a processor renders: an output with everything that its namespace's policy decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from imaged.core.formats import Format
from imaged.core.geometry import Size
from imaged.core.outputs import Output, Sizing

Progressive = Literal["auto"] | bool

BASELINE_PIXELS = 100_000
"""Up to this size, a JPEG arrives with the first packets (10 of them, RFC 6928): there is nothing to show earlier."""


@dataclass(frozen=True)
class Variant:
    """An output with everything that changes a pixel, so that a processor looks nothing up.

    `format` is the one to encode in, and `quality` is 1 to 100. Where the format has no transparency, a
    transparent picture is drawn on `background`, `#rrggbb`. `progressive` is for JPEG: see `is_progressive`.
    """

    output: Output
    format: Format
    quality: int
    background: str
    progressive: Progressive = "auto"

    @property
    def sizing(self) -> Sizing:
        """How the original's size becomes that of the variant."""
        return self.output.sizing

    def is_progressive(self, size: Size) -> bool:
        """Return whether a JPEG of this size is progressive: with "auto", if it is larger than BASELINE_PIXELS.

        A browser shows a progressive JPEG coarsely before all of it has come. It has fewer bytes, and costs more time.
        """
        return size.pixels > BASELINE_PIXELS if self.progressive == "auto" else self.progressive
