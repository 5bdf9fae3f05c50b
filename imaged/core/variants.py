"""What a processor renders: an output with everything that its namespace's policy decides."""

from __future__ import annotations

from dataclasses import dataclass

from imaged.core.formats import Format
from imaged.core.outputs import Output, Sizing


@dataclass(frozen=True)
class Variant:
    """An output with everything that changes a pixel, so that a processor looks nothing up.

    `format` is the one to encode in, and `quality` is 1 to 100. Where the format has no transparency, a
    transparent picture is drawn on `background`, `#rrggbb`.
    """

    output: Output
    format: Format
    quality: int
    background: str

    @property
    def sizing(self) -> Sizing:
        """How the original's size becomes that of the variant."""
        return self.output.sizing
