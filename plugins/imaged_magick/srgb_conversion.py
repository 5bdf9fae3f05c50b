"""From whatever colours a picture was saved in to sRGB."""

from __future__ import annotations

from wand.exceptions import CacheError, WandException

from .magickwand import profile_image
from .picture import Picture
from .srgb_profile import srgb_profile

_PIXEL_S = 0.2e-6
"""What ImageMagick's formulas cost for each pixel: meanwhile it does not look at the clock."""
_SPACE = slice(16, 20)  # where a profile names its colour space (ICC.1:2010, 7.2)
_FITTING = {"srgb": (b"RGB ",), "gray": (b"GRAY", b"RGB "), "cmyk": (b"CMYK",)}
"""The profiles that fit a picture's channels; editors save grey pictures with a profile for colours."""


def to_srgb(picture: Picture) -> None:
    """Convert the pixels to sRGB: through the profile where it fits them, else by ImageMagick's formulas.

    The intent is perceptual, littleCMS's own default. A profile that is broken, or made for other channels than the
    picture has, is passed over, as browsers do. A grey picture stays one unless it is transparent somewhere: laid on
    a colour, ImageMagick would keep it grey.
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
        picture.require(profile_image(picture.wand, b"icc", srgb, len(srgb)))
    except WandException as error:
        if isinstance(error, CacheError) or "memory" in str(error).lower():
            raise
        # ImageMagick calls this, too, a lack of resources, but it is the profile that is no good.
