"""Encode pictures in each format: small, reproducible, and without metadata."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from PIL import Image

from imaged.api import PNG, Size, Variant

from .exact_modes import smallest

Image.preinit()  # the first `save` would import plugins of Pillow, in each worker

_FULL_CHROMA_QUALITY = 90  # from here on JPEG keeps chroma at full resolution; below at half, as cameras do
_OPTIMISED_PIXELS = 200_000
"""Up to here, a baseline JPEG has Huffman tables of its own: it is 3 % smaller, and takes 4 % longer to make.
Larger ones gain half of that, and take three times as long."""
_NAMES = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP"}
"""Pillow's names of the formats."""


def encode(picture: Image.Image, variant: Variant) -> bytes:
    """Return the file of a picture in sRGB, on the variant's background if its format has no transparency."""
    if picture.mode == "RGBA" and not variant.format.alpha:
        ground = Image.new("RGB", picture.size, variant.background)
        ground.paste(picture, mask=picture)
        picture = ground
    if variant.format == PNG:
        picture = smallest(picture)
    body = BytesIO()
    picture.save(body, _NAMES[variant.format.extension], **_options(variant, Size(*picture.size)))
    return body.getvalue()


def _options(variant: Variant, size: Size) -> dict[str, Any]:
    """Return the options of an encoder. PNG is lossless at any quality."""
    match variant.format.extension:
        case "jpg":
            progressive = variant.is_progressive(size)
            return {
                "quality": variant.quality,
                "subsampling": "4:4:4" if variant.quality >= _FULL_CHROMA_QUALITY else "4:2:0",
                "progressive": progressive,
                "optimize": progressive or size.pixels <= _OPTIMISED_PIXELS,
            }
        case "webp":
            return {"quality": variant.quality, "method": 4}
    return {"compress_level": 6}
