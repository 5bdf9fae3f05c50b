"""Writing finished pixels in each format: small, reproducible, and without a word about where they came from."""

from __future__ import annotations

from collections.abc import Callable

from wand.api import library
from wand.color import Color

from imaged.api import GIF, PNG, Variant

from .palette import find_palette, remap
from .picture import Picture
from .srgb_conversion import to_srgb

_FULL_CHROMA_QUALITY = 90  # from here on JPEG keeps colour at full resolution; below, at half, as cameras do
_UNASKED_S = {"jpg": 0.05e-6, "png": 0.2e-6}
"""What the writers spend for each pixel without a look at the clock: on the scans of a JPEG, on a PNG's few colours."""
_JPEG_INTERLACE, _NO_INTERLACE = 7, 1  # InterlaceType of magick/image.h, the same in ImageMagick 6 and 7
_HALF_STEP = 128  # of 8 bits, as 16 bits have it


def normalise(picture: Picture, variant: Variant) -> None:
    """Bring a still or one frame to 8-bit sRGB without metadata, and its transparency to what the format holds."""
    format = variant.output.format
    to_srgb(picture)
    if picture.alpha_channel and not format.alpha:
        picture.background_color = Color(variant.background)
        picture.alpha_channel = "remove"
        picture.alpha_channel = False
    elif picture.alpha_channel and format == GIF:
        picture.threshold(0.5, channel="alpha")  # a pixel of a GIF is there or not
    picture.strip()
    picture.units = "pixelsperinch"
    picture.resolution = (72, 72)
    if format == GIF:
        # Looking for a palette, ImageMagick 7 makes all of a grey sheet transparent; this is no grey but looks like it.
        picture.evaluate("xor", 1, channel="blue")
    if format == PNG:
        picture.evaluate("add", _HALF_STEP, channel="rgb")  # where other writers round 16 bits to 8, this one cuts
        picture.depth = 8
    picture.compression_quality = variant.quality


def encode(picture: Picture, variant: Variant) -> bytes:
    """Return the file of a finished still."""
    if variant.output.format == GIF:
        with find_palette([picture]) as palette:
            remap(picture, palette)
    return write(picture, variant)


def write(picture: Picture, variant: Variant) -> bytes:
    """Return the file of a picture that has the colours of its format."""
    format = variant.output.format
    picture.deadline.check(_UNASKED_S.get(format.extension, 0) * picture.width * picture.height)
    interlace = _JPEG_INTERLACE if format.extension == "jpg" else _NO_INTERLACE
    library.MagickSetInterlaceScheme(picture.wand, interlace)
    library.MagickSetImageInterlaceScheme(picture.wand, interlace)
    for name, value in _OPTIONS.get(format.extension, _no_options)(variant.quality).items():
        picture.set_option(name, value)
    return picture.write(format)


def _jpeg_options(quality: int) -> dict[str, str]:
    """Progressive (above), with Huffman tables of its own."""
    sampling = "1x1" if quality >= _FULL_CHROMA_QUALITY else "2x2"
    return {"jpeg:sampling-factor": sampling, "jpeg:optimize-coding": "true"}


def _png_options(_quality: int) -> dict[str, str]:
    """Lossless at any quality: zlib's own default level, and filters chosen for each row.

    Of the chunks that are not pixels only transparency stays: dates and the like would make every file another one.
    """
    return {
        "png:compression-level": "6",
        "png:compression-filter": "5",
        "png:exclude-chunks": "all",
        "png:include-chunks": "tRNS",
    }


def _webp_options(_quality: int) -> dict[str, str]:
    return {"webp:method": "4", "webp:lossless": "false"}


def _no_options(_quality: int) -> dict[str, str]:
    return {}


_OPTIONS: dict[str, Callable[[int], dict[str, str]]] = {
    "jpg": _jpeg_options,
    "png": _png_options,
    "webp": _webp_options,
}
