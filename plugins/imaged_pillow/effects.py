"""Change the pixels of an output after it has its size."""

from __future__ import annotations

from functools import lru_cache

from PIL import Image, ImageFilter

from imaged.api import LUMA, SHARPEN_SIGMA_PX, Effects, ImagedError, MarkPlace, Plan, Size, StoreError, Watermark

from .colours import to_srgb
from .decoding import decode
from .filters import FILTERS
from .reading import parse_original
from .resizing import resize, upright


def with_effects(picture: Image.Image, effects: Effects) -> Image.Image:
    """Return a padded picture in sRGB, of mode L, RGB or RGBA, with effects in their order."""
    if effects.blur:
        picture = _blurred(picture, effects.blur)
    if effects.sharpen:
        sharpened = Image.blend(_blurred(picture, SHARPEN_SIGMA_PX), picture, 1 + effects.sharpen)
        if picture.mode == "RGBA":
            sharpened.putalpha(picture.getchannel("A"))
        picture = sharpened
    if effects.grayscale:
        picture = _grey(picture)
    return _marked(picture, effects.watermark) if effects.watermark else picture


def check_watermark(effects: Effects) -> None:
    """Raise DeclinedError for a watermark that this plugin does not read."""
    if effects.watermark:
        parse_original(effects.watermark.body)


def _blurred(picture: Image.Image, sigma_px: float) -> Image.Image:
    """Return a picture blurred, its colours weighted by their opacity."""
    blur = ImageFilter.GaussianBlur(sigma_px)
    if picture.mode == "RGBA":
        return picture.convert("RGBa").filter(blur).convert("RGBA")
    return picture.filter(blur)


def _grey(picture: Image.Image) -> Image.Image:
    if picture.mode == "L":
        return picture
    grey = picture.convert("RGB").convert("L", (*LUMA, 0))
    return Image.merge("RGBA", (grey, grey, grey, picture.getchannel("A"))) if picture.mode == "RGBA" else grey


def _marked(picture: Image.Image, watermark: Watermark) -> Image.Image:
    """Return a picture with a watermark, in its colours also on a grey one."""
    prepared = _prepared(watermark, Size(*picture.size))
    if prepared is None:
        return picture
    place, mark = prepared
    at = (place.left_px, place.top_px)
    if picture.mode == "RGBA":
        marked = picture.copy()
        marked.alpha_composite(mark, at)
    else:
        marked = picture.convert("RGB") if picture.mode == "L" else picture.copy()
        marked.paste(mark, at, mark)
    return marked


@lru_cache(maxsize=1)
def _prepared(watermark: Watermark, output: Size) -> tuple[MarkPlace, Image.Image] | None:
    """Return the place of a watermark on an output, and its pixels there, with its opacity; do not change them.

    The last one is kept for the next picture: the outputs of a preset often have the same size.
    """
    original = parse_original(watermark.body)
    place = watermark.place(output, original.size)
    if place is None:
        return None
    wanted = Plan(place.size, place.size)
    try:
        decoded = decode(original, [wanted.scaled], FILTERS["best"].reductions(original.stored))
    except ImagedError as error:  # the client's picture is not at fault
        raise StoreError(f"the watermark cannot be drawn: {error}") from error
    mark = to_srgb(upright(resize(decoded, wanted), original.orientation), original.profile).convert("RGBA")
    mark.putalpha(mark.getchannel("A").point([round(watermark.opacity * each) for each in range(256)]))
    return place, mark
