"""What a processor is asked for: an output with everything that its namespace's policy decides."""

from __future__ import annotations

from dataclasses import dataclass

from imaged.core.formats import Format
from imaged.core.outputs import Output, Sizing


@dataclass(frozen=True)
class Variant:
    """An output with nothing left to look up: whatever changes a pixel is here.

    `quality` is 1 to 100; transparent pictures are laid on `background`, `#rrggbb`, where the format has no
    transparency.
    """

    output: Output
    quality: int
    background: str

    @property
    def sizing(self) -> Sizing:
        """How the original's size becomes that of the variant."""
        return self.output.sizing

    @property
    def format(self) -> Format:
        """The format to encode in."""
        return self.output.format
