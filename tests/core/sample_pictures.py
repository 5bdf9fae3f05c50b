"""Samples that Pillow makes of pictures."""

from __future__ import annotations

from PIL import Image

from imaged.core.geometry import Size
from imaged.core.samples import Sample


def sample_of(image: Image.Image, side_px: int = 32) -> Sample:
    """Return a sample of a picture."""
    small = image.convert("RGBA")
    small.thumbnail((side_px, side_px), Image.Resampling.LANCZOS)
    opacity = image.convert("RGBA").getchannel("A").getextrema()
    return Sample(Size(*small.size), small.tobytes(), opacity != (255, 255))


def scene() -> Image.Image:
    """Return a landscape: a sky, a meadow, a red house."""
    image = Image.new("RGB", (300, 200), (120, 170, 240))
    image.paste((60, 140, 40), (0, 120, 300, 200))
    image.paste((200, 30, 20), (200, 70, 260, 150))
    return image
