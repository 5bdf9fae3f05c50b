"""Effects: what changes the pixels of an output after it has its size."""

from __future__ import annotations

from dataclasses import dataclass, field

from imaged.core.gravities import Compass


@dataclass(frozen=True)
class Watermark:
    """A picture that is drawn on an output.

    `body` is the file. The mark is `scale` of the output's width wide, at the side or corner `gravity`, `margin` of the
    output's shorter side away from the edge; `opacity` is 0 to 1.
    """

    body: bytes = field(repr=False)
    gravity: Compass = Compass.SOUTH_EAST
    scale: float = 0.2
    opacity: float = 1.0
    margin: float = 0.02


@dataclass(frozen=True)
class Effects:
    """In this order: blur (sigma, in pixels of the output), sharpen (amount; 1 is strong), grayscale, watermark."""

    blur: float = 0.0
    sharpen: float = 0.0
    grayscale: bool = False
    watermark: Watermark | None = None


NO_EFFECTS = Effects()
