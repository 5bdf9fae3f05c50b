"""Writing finished pixels in each format: small, reproducible, and without a word about where they came from."""

from __future__ import annotations

from collections.abc import Callable

from wand.api import library
from wand.color import Color
from wand.image import COLORSPACE_TYPES, DITHER_METHODS

from imaged.api import GIF, RenderTarget

from .colour import to_srgb
from .picture import Picture

_FULL_CHROMA_QUALITY = 90  # from here on JPEG keeps colour at full resolution; below, at half, as cameras do
_JPEG_INTERLACE, _NO_INTERLACE = 7, 1  # InterlaceType of magick/image.h, the same in ImageMagick 6 and 7


def finish(picture: Picture, target: RenderTarget) -> None:
    """Bring a still or one frame to 8-bit sRGB without metadata, and its transparency to what the format holds."""
    format = target.output.format
    to_srgb(picture)
    if picture.alpha_channel and not format.alpha:
        picture.background_color = Color(target.background)
        picture.alpha_channel = "remove"
        picture.alpha_channel = False
    elif picture.alpha_channel and format == GIF:
        picture.threshold(0.5, channel="alpha")  # a pixel of a GIF is there or not
    picture.strip()
    picture.units = "pixelsperinch"
    picture.resolution = (72, 72)
    picture.depth = 8
    picture.compression_quality = target.quality


def encode(picture: Picture, target: RenderTarget) -> bytes:
    """Return the file of a finished still or animation."""
    format = target.output.format
    interlace = _JPEG_INTERLACE if format.extension == "jpg" else _NO_INTERLACE
    library.MagickSetInterlaceScheme(picture.wand, interlace)
    library.MagickSetImageInterlaceScheme(picture.wand, interlace)
    for name, value in _OPTIONS.get(format.extension, _no_options)(target.quality).items():
        picture.set_option(name, value)
    if format == GIF:
        _share_palette(picture)
    return picture.write(format)


def _share_palette(picture: Picture) -> None:
    """Find one palette for all frames: a palette for each would cost 60 ms a frame, and differ from frame to frame."""
    library.MagickSetFirstIterator(picture.wand)
    space, dither = COLORSPACE_TYPES.index("srgb"), DITHER_METHODS.index("riemersma")
    picture.require(library.MagickQuantizeImages(picture.wand, 256, space, 0, dither, False))


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
