"""Effects: what changes the pixels of an output after it has its size."""

from __future__ import annotations

from dataclasses import dataclass, field

from imaged.core.geometry import Size
from imaged.core.gravities import Compass


@dataclass(frozen=True)
class MarkPlace:
    """The size of a watermark, and where its left upper corner is on the output, in pixels."""

    size: Size
    left_px: int
    top_px: int


@dataclass(frozen=True)
class Watermark:
    """A picture that is drawn on an output.

    `body` is the file. The mark is `scale` of the output's width wide, at the side or corner `gravity`, `margin` of the
    output's shorter side away from the edges; `opacity` is 0 to 1. It is smaller where it would not fit between the
    margins.
    """

    body: bytes = field(repr=False)
    gravity: Compass = Compass.SOUTH_EAST
    scale: float = 0.2
    opacity: float = 1.0
    margin: float = 0.02

    def place(self, output: Size, mark: Size) -> MarkPlace | None:
        """Return where a mark of this upright size is drawn, None where it would have less than a pixel."""
        margin_px = round(self.margin * min(output.width_px, output.height_px))
        width_px, height_px = output.width_px - 2 * margin_px, output.height_px - 2 * margin_px
        factor = min(self.scale * output.width_px / mark.width_px, width_px / mark.width_px, height_px / mark.height_px)
        across_px, down_px = round(factor * mark.width_px), round(factor * mark.height_px)
        if across_px < 1 or down_px < 1 or self.opacity == 0:
            return None
        point = self.gravity.point
        left_px = margin_px + (width_px - across_px) * point.x_percent // 100
        top_px = margin_px + (height_px - down_px) * point.y_percent // 100
        return MarkPlace(Size(across_px, down_px), left_px, top_px)


@dataclass(frozen=True)
class Effects:
    """In this order: blur (sigma, in pixels of the output), sharpen (amount; 1 is strong), grayscale, watermark.

    They are on the whole output, padding included. `sharpen` adds that many times the difference to a blur by
    SHARPEN_SIGMA_PX, and leaves transparency as it is. `grayscale` weighs the colours in sRGB by LUMA.
    """

    blur: float = 0.0
    sharpen: float = 0.0
    grayscale: bool = False
    watermark: Watermark | None = None


NO_EFFECTS = Effects()

SHARPEN_SIGMA_PX = 1.0

LUMA = (0.2126, 0.7152, 0.0722)
"""The weights of red, green and blue of the CSS filter grayscale (Filter Effects 1, 8.2)."""
