"""Encode pictures in each format: small, reproducible, and without metadata."""

from __future__ import annotations

from wand.api import library
from wand.color import Color

from imaged.api import AVIF, AVIF_SPEED, GIF, JPEG, PNG, WEBP_EFFORT, Plan, Size, Variant

from . import libheif
from .effects import apply_effects
from .palette import find_palette, remap
from .picture import Picture
from .resizing import pad
from .srgb_conversion import to_srgb

_FULL_CHROMA_QUALITY = 90  # from here on JPEG keeps chroma at full resolution; below at half, as cameras do
_PIXEL_S = {"jpg": 0.05e-6, "png": 0.2e-6, "avif": 0.5e-6}
"""The time for each pixel that encoders cannot be interrupted in: JPEG's scans, PNG's search for a small palette,
and all of AVIF."""
_JPEG_INTERLACE, _NO_INTERLACE = 7, 1  # InterlaceType of magick/image.h, the same in ImageMagick 6 and 7
_HALF_STEP = 128  # half of an 8-bit step, in 16 bits


def normalise(picture: Picture, variant: Variant, wanted: Plan) -> None:
    """Convert a resized picture to 8-bit sRGB without metadata, pad it by its plan, and apply its effects.

    It has the transparency that the variant's format can hold.
    """
    format = variant.format
    to_srgb(picture)
    if picture.alpha_channel and not format.alpha:
        picture.background_color = Color(variant.background)
        picture.alpha_channel = "remove"
        picture.alpha_channel = False
    pad(picture, wanted, variant.padding)
    apply_effects(picture, variant.effects)
    if picture.alpha_channel and format == GIF:
        picture.threshold(0.5, channel="alpha")  # a GIF's pixel is opaque or transparent
    picture.strip()
    picture.units = "pixelsperinch"
    picture.resolution = (72, 72)
    if format == GIF:
        # ImageMagick 7 makes a whole grey picture transparent when it builds a palette. This is almost grey.
        picture.evaluate("xor", 1, channel="blue")
    if format == PNG:
        # ImageMagick's PNG encoder truncates 16 bits to 8, where others round.
        picture.evaluate("add", _HALF_STEP, channel="rgb")
        picture.depth = 8
    picture.compression_quality = variant.quality


def encode(picture: Picture, variant: Variant) -> bytes:
    """Return the file of a normalised still."""
    if variant.format == GIF:
        with find_palette([picture]) as palette:
            remap(picture, palette)
    return write(picture, variant)


def write(picture: Picture, variant: Variant) -> bytes:
    """Return the file of a normalised picture; for GIF, one that has been remapped to its palette."""
    format = variant.format
    picture.deadline.check(_PIXEL_S.get(format.extension, 0) * picture.width * picture.height)
    if format == AVIF:
        speed = AVIF_SPEED if variant.effort is None else variant.effort
        return libheif.encode(picture.export_8_bits(), variant.quality, speed)
    is_progressive = format == JPEG and variant.is_progressive(Size(picture.width, picture.height))
    interlace = _JPEG_INTERLACE if is_progressive else _NO_INTERLACE
    library.MagickSetInterlaceScheme(picture.wand, interlace)
    library.MagickSetImageInterlaceScheme(picture.wand, interlace)
    for name, value in _options(variant).items():
        picture.set_option(name, value)
    return picture.write(format)


def _options(variant: Variant) -> dict[str, str]:
    """Return the options of an encoder. PNG is lossless at any quality."""
    match variant.format.extension:
        case "jpg":
            sampling = "1x1" if variant.quality >= _FULL_CHROMA_QUALITY else "2x2"
            return {"jpeg:sampling-factor": sampling, "jpeg:optimize-coding": "true"}
        case "png":
            # A filter chosen for each row. zlib's default level 6 is 1 % smaller and takes twice the time. Dates would
            # make every file a different one.
            chunks = {"png:exclude-chunks": "all", "png:include-chunks": "tRNS"}
            return {"png:compression-level": "5", "png:compression-filter": "5", **chunks}
        case "webp":
            method = WEBP_EFFORT if variant.effort is None else variant.effort
            return {"webp:method": str(method), "webp:lossless": "false"}
    return {}
