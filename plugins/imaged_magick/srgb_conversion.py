"""Convert pictures to sRGB."""

from __future__ import annotations

from ctypes import c_char_p, c_size_t, c_void_p

from wand.api import library
from wand.exceptions import CacheError, WandException

from imaged.api import srgb_profile

from .picture import Picture

library.MagickProfileImage.argtypes = [c_void_p, c_char_p, c_char_p, c_size_t]  # not declared by Wand

_PIXEL_S = 0.2e-6
"""The time for each pixel of a conversion by formulas, which cannot be interrupted."""
_SPACE = slice(16, 20)  # where a profile header names its colour space (ICC.1:2010, 7.2)
_FITTING = {"srgb": (b"RGB ",), "gray": (b"GRAY", b"RGB "), "cmyk": (b"CMYK",)}
"""The colour spaces of profiles that fit a picture's channels; editors save grey pictures with RGB profiles."""


def to_srgb(picture: Picture) -> None:
    """Convert the pixels to sRGB, with the embedded profile if it fits them, otherwise by ImageMagick's formulas.

    The intent is perceptual, littleCMS's default. As in browsers, a broken profile, or one for other channels, is
    ignored. A grey picture stays grey unless it has transparency: ImageMagick would keep it grey on a coloured
    background.
    """
    profile = picture.profiles["icc"]
    if profile and profile[_SPACE] in _FITTING.get(picture.colorspace, ()):
        _convert(picture, profile)
    if picture.colorspace != "srgb" and (picture.alpha_channel or picture.colorspace != "gray"):
        picture.deadline.check(_PIXEL_S * picture.width * picture.height)
        picture.transform_colorspace("srgb")


def _convert(picture: Picture, profile: bytes) -> None:
    if picture.colorspace == "gray" and profile[_SPACE] == b"RGB ":
        picture.colorspace = "srgb"
    picture.rendering_intent = "perceptual"
    srgb = srgb_profile()
    try:
        picture.require(library.MagickProfileImage(picture.wand, b"icc", srgb, len(srgb)))
    except WandException as error:
        if isinstance(error, CacheError) or "memory" in str(error).lower():
            raise
        # Ignore a broken profile, which ImageMagick reports as a resource limit.
