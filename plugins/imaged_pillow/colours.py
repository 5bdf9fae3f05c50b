"""Convert pictures to sRGB by littleCMS."""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache
from io import BytesIO

from PIL import Image, ImageCms

from imaged.api import srgb_profile

_KEPT_BYTES = 1_000_000
"""The largest profile that is kept with its transform. Those for printing have half of that; clients may send 8 MB."""

_SPACE = slice(16, 20)  # where a profile header names its colour space (ICC.1:2010, 7.2)


def to_srgb(picture: Image.Image, profile: bytes) -> Image.Image:
    """Return a picture in sRGB, of mode L, RGB or RGBA.

    The intent is perceptual, littleCMS's default. A profile that does not fit the picture is ignored, and so is a
    broken one. A grey picture without one stays grey.
    """
    if profile and picture.mode == "L" and profile[_SPACE] == b"RGB ":
        picture = picture.convert("RGB")
    elif profile and picture.mode == "RGBA" and profile[_SPACE] == b"GRAY":
        picture = picture.convert("LA")
    if profile:
        with suppress(ImageCms.PyCMSError, OSError):  # OSError for a profile that cannot be opened
            return _convert(picture, profile)
    return picture.convert("RGB") if picture.mode == "CMYK" else picture


def _convert(picture: Image.Image, profile: bytes) -> Image.Image:
    alpha = picture.getchannel("A") if picture.mode in {"LA", "RGBA"} else None
    plain = picture.convert(picture.mode[:-1]) if alpha else picture
    make = _kept_transform if len(profile) <= _KEPT_BYTES else _transform
    converted = ImageCms.applyTransform(plain, make(profile, plain.mode))
    if converted is None:
        raise ImageCms.PyCMSError("no picture")
    converted.info.clear()  # Pillow would write the profile into PNG and AVIF
    if alpha:
        converted.putalpha(alpha)
    return converted


def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform:
    """Return the transform of pictures of a mode. Any thread may use it."""
    source, srgb = (ImageCms.ImageCmsProfile(BytesIO(each)) for each in (profile, srgb_profile()))
    return ImageCms.buildTransform(source, srgb, mode, "RGB", ImageCms.Intent.PERCEPTUAL)


_kept_transform = lru_cache(maxsize=16)(_transform)
