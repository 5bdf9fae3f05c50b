"""Encode pictures in each format: small, reproducible, and without metadata."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from threading import Lock
from typing import Any

from PIL import Image, ImageFile

from imaged.api import AVIF, AVIF_SPEED, PNG, WEBP_EFFORT, Size, Variant

from .exact_modes import smallest, without_opaque_alpha

Image.preinit()  # the first `save` would import plugins of Pillow, in each worker

_FULL_CHROMA_QUALITY = 90  # from here on JPEG keeps chroma at full resolution; below at half, as cameras do
_OPTIMISED_PIXELS = 200_000
"""Up to here, a baseline JPEG has Huffman tables of its own: it is 3 % smaller, and takes 4 % longer to make.
Larger ones gain half of that, and take three times as long."""
_NOISE_BYTES = 8
"""More than a pixel of noise takes in a JPEG of quality 100 with full chroma, which is 5."""
_buffer = Lock()
_NAMES = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP", "avif": "AVIF"}
"""Pillow's names of the formats."""


def encode(picture: Image.Image, variant: Variant) -> bytes:
    """Return the file of a picture in sRGB, whose transparency the variant's format holds."""
    if variant.format == PNG:
        picture = smallest(picture)
    elif variant.format == AVIF:
        picture = without_opaque_alpha(picture)
    body, options = BytesIO(), _options(variant, Size(*picture.size))
    with _room(picture, options):
        picture.save(body, _NAMES[variant.format.extension], **options)
    return body.getvalue()


@contextmanager
def _room(picture: Image.Image, options: dict[str, Any]) -> Iterator[None]:
    """Let Pillow write noise as an optimised JPEG with full chroma: its buffer has only 1 or 2 bytes a pixel.

    The size is a global of Pillow. It keeps the interpreter's lock while it encodes, so threads lose nothing here.
    """
    if options.get("subsampling") != "4:4:4" or not options["optimize"]:
        yield
        return
    with _buffer:
        before = ImageFile.MAXBLOCK
        ImageFile.MAXBLOCK = max(before, picture.width * picture.height * _NOISE_BYTES)
        try:
            yield
        finally:
            ImageFile.MAXBLOCK = before


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
            return {"quality": variant.quality, "method": WEBP_EFFORT if variant.effort is None else variant.effort}
        case "avif":
            speed = AVIF_SPEED if variant.effort is None else variant.effort
            return {"quality": variant.quality, "speed": speed, "subsampling": "4:2:0", "max_threads": 1}
    return {"compress_level": 6}
