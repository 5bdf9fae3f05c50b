"""From whatever colours a picture was saved in to sRGB."""

from __future__ import annotations

from wand.exceptions import CacheError, WandException

from .calls import profile_image
from .picture import Picture
from .srgb import is_srgb, srgb_profile

_SRGB_OR_GREY = ("srgb", "gray")
_GREY_PROFILE, _SPACE = b"GRAY", slice(16, 20)  # where a profile names its colour space (ICC.1:2010, 7.2)


def to_srgb(picture: Picture) -> None:
    """Convert the pixels to sRGB: through the embedded profile where it fits them, else by ImageMagick's formulas.

    The intent is perceptual, littleCMS's own default. A profile that is broken, or made for other channels than the
    picture has, is passed over, as browsers do.
    """
    profile = picture.profiles["icc"]
    if profile and not is_srgb(profile):
        grey = profile[_SPACE] == _GREY_PROFILE
        if not grey and picture.colorspace == "gray":
            picture.colorspace = "srgb"
        picture.rendering_intent = "perceptual"
        srgb = srgb_profile()
        try:
            picture.require(profile_image(picture.wand, b"icc", srgb, len(srgb)))
        except WandException as error:
            if isinstance(error, CacheError) or "memory" in str(error).lower():
                raise
            del picture.profiles["icc"]  # ImageMagick calls this, too, a lack of resources
    if picture.colorspace not in _SRGB_OR_GREY:
        picture.transform_colorspace("srgb")
