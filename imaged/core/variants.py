"""What a processor renders: an output with everything that its namespace's policy decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from imaged.core.effects import NO_EFFECTS, Effects
from imaged.core.formats import Format
from imaged.core.geometry import Plan, Size, plan
from imaged.core.outputs import Output, Sizing

Progressive = Literal["auto"] | bool
LongAnimation = Literal["cut", "refuse"]

BASELINE_PIXELS = 100_000
"""Up to this size, a JPEG arrives with the first packets (10 of them, RFC 6928): there is nothing to show earlier."""


@dataclass(frozen=True)
class Variant:
    """An output with everything that changes a pixel, so that a processor looks nothing up.

    `output` is its name. `sizing` says how the original's size becomes that of the variant: for a preset its own one,
    for a smart crop one with the focal point of the original; without `enlarge`, a smaller original fills less.
    `format` is the one to encode in; `quality`, 1 to 100, and `effort` are on the scale of its encoder, where None is
    the default. Where the format has no transparency, a transparent picture is drawn on `background`, `#rrggbb`.
    `padding` is the colour around a padded picture, or None: transparent. `progressive` is for JPEG: see
    `is_progressive`. `animation` says whether an animation of too many pixels is cut or refused.
    """

    output: Output
    sizing: Sizing
    format: Format
    quality: int
    background: str
    progressive: Progressive = "auto"
    padding: str | None = None
    enlarge: bool = True
    effort: int | None = None
    animation: LongAnimation = "refuse"
    effects: Effects = NO_EFFECTS

    def plan(self, original: Size) -> Plan:
        """Return how an upright original of this size becomes the variant."""
        return plan(original, self.sizing, enlarge=self.enlarge)

    def is_progressive(self, size: Size) -> bool:
        """Return whether a JPEG of this size is progressive: with "auto", if it is larger than BASELINE_PIXELS.

        A browser shows a progressive JPEG coarsely before all of it has come. It has fewer bytes, and costs more time.
        """
        return size.pixels > BASELINE_PIXELS if self.progressive == "auto" else self.progressive
