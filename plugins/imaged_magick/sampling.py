"""Give a small picture of an original, for looking at it."""

from __future__ import annotations

import ctypes

from wand.api import library

from imaged.api import Plan, Sample

from .filters import FILTERS
from .original import ParsedOriginal
from .picture import CHAR_PIXEL, Picture, translated
from .resizing import crop_and_resize
from .srgb_conversion import to_srgb


def take_sample(picture: Picture, wanted: Plan, original: ParsedOriginal) -> Sample:
    """Return a sample of the upright first frame, which this changes."""
    with translated(picture.deadline, "taking a sample"):
        transparency = bool(picture.alpha_channel) and picture.alpha().count(255) < picture.width * picture.height
        crop_and_resize(picture, wanted, FILTERS["fast"])
        to_srgb(picture)
        if not picture.alpha_channel:
            picture.alpha_channel = "opaque"  # without it, the opacities are whatever the memory held
        size = picture.sides
        rgba = ctypes.create_string_buffer(4 * size.pixels)
        picture.require(
            library.MagickExportImagePixels(
                picture.wand, 0, 0, size.width_px, size.height_px, b"RGBA", CHAR_PIXEL, rgba
            )
        )
    return Sample(size, rgba.raw, transparency, original.orientation, original.profile)
