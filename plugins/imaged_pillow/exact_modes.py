"""Reduce pictures to the mode of fewest bytes a pixel that has the same pixels, for PNG."""

from __future__ import annotations

from PIL import Image

_OPAQUE = 255
_COLOURS = 256


def smallest(picture: Image.Image) -> Image.Image:
    """Return a picture of mode L, LA, P, RGB or RGBA with the same pixels."""
    picture = without_opaque_alpha(picture)
    if picture.mode in {"RGB", "RGBA"} and _is_grey(picture):
        picture = picture.convert("L" if picture.mode == "RGB" else "LA")
    return _with_palette(picture) if picture.mode == "RGB" else picture


def without_opaque_alpha(picture: Image.Image) -> Image.Image:
    """Return a picture without transparency if all of its pixels are opaque."""
    if picture.mode == "RGBA" and picture.getchannel("A").getextrema()[0] == _OPAQUE:
        return picture.convert("RGB")
    return picture


def _is_grey(picture: Image.Image) -> bool:
    red, green, blue = (picture.getchannel(number).tobytes() for number in range(3))
    return red == green == blue


def _with_palette(picture: Image.Image) -> Image.Image:
    """Return an RGB picture of few colours with a palette; median cut then finds exactly these colours."""
    colours = picture.getcolors(_COLOURS)
    if colours is None:
        return picture
    indexed = picture.quantize(len(colours), Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    return indexed if indexed.convert("RGB").tobytes() == picture.tobytes() else picture
