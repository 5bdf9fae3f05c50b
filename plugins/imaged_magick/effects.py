"""Change the pixels of an output after it has its size."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import lru_cache

from wand.api import library

from imaged.api import (
    LUMA,
    SHARPEN_SIGMA_PX,
    Effects,
    ImagedError,
    MarkPlace,
    Plan,
    Size,
    StoreError,
    Watermark,
)

from .compositing import composited_frames
from .deadline import Deadline
from .decoding import decoded_still
from .filters import FILTERS
from .original import HEADER_TIMEOUT_S, ParsedOriginal, parse_original
from .picture import CHAR_PIXEL, WAND_ERRORS, Picture, translate
from .resizing import apply_orientation, crop_and_resize
from .srgb_conversion import to_srgb

_ALL = "all_channels"
_OPAQUE = 255


def apply_effects(picture: Picture, effects: Effects) -> None:
    """Apply effects to a padded picture in sRGB, in their order."""
    if effects.blur:
        picture.blur(sigma=effects.blur, channel=_ALL)  # colours are weighted by their opacity
        picture.deadline.check()
    if effects.sharpen:
        _sharpen(picture, effects.sharpen)
    if effects.grayscale:
        _take_colours(picture)
    if effects.watermark:
        _draw(picture, effects.watermark)


def _sharpen(picture: Picture, amount: float) -> None:
    """Add the difference to a blur. ImageMagick's own unsharp mask shows the colours of transparent pixels."""
    opacities = picture.alpha() if picture.alpha_channel else None
    with Picture(picture.deadline, image=picture) as blurred:
        blurred.blur(sigma=SHARPEN_SIGMA_PX, channel=_ALL)
        for each in (blurred, picture):
            each.alpha_channel = False
            library.MagickSetImageArtifact(each.wand, b"compose:args", f"0,{-amount},{1 + amount},0".encode())
        picture.composite(blurred, operator="mathematics")
    if opacities is not None:
        picture.alpha_channel = "opaque"
        picture.set_alpha(opacities)
    picture.deadline.check()


def _take_colours(picture: Picture) -> None:
    if picture.colorspace == "gray":
        return
    red, green, blue = LUMA
    picture.color_matrix([[red, green, blue]] * 3)
    picture.deadline.check()


def _draw(picture: Picture, watermark: Watermark) -> None:
    """Draw a watermark, in its colours also on a grey picture."""
    pixels = _prepared(watermark, picture.sides)
    if pixels is None:
        return
    place, rgba = pixels
    if picture.colorspace != "srgb":
        picture.transform_colorspace("srgb")
    with Picture(picture.deadline) as mark:
        size = place.size
        mark.require(library.MagickConstituteImage(mark.wand, size.width_px, size.height_px, b"RGBA", CHAR_PIXEL, rgba))
        picture.composite(mark, place.left_px, place.top_px)
    picture.deadline.check()


@lru_cache(maxsize=1)
def _prepared(watermark: Watermark, output: Size) -> tuple[MarkPlace, bytes] | None:
    """Return the place of a watermark on an output, and its pixels there, with its opacity, as RGBA bytes.

    The last one is kept for the next frame or picture: the outputs of a preset often have the same size. Raises
    StoreError for a broken file: the original is not at fault.
    """
    try:
        return _pixels(watermark, output)
    except (ImagedError, *WAND_ERRORS) as error:
        ours = error if isinstance(error, ImagedError) else translate(error, "reading it")
        raise StoreError(f"the watermark cannot be drawn: {ours}") from error


def _pixels(watermark: Watermark, output: Size) -> tuple[MarkPlace, bytes] | None:
    deadline = Deadline(HEADER_TIMEOUT_S, interrupts=False)
    original = parse_original(watermark.body)
    place = watermark.place(output, original.size(deadline))
    if place is None:
        return None
    with _decoded(original, deadline) as mark:
        apply_orientation(mark, original.orientation)
        crop_and_resize(mark, Plan(place.size, place.size), FILTERS["good"])
        to_srgb(mark)
        if not mark.alpha_channel:
            mark.alpha_channel = "opaque"
        faded = bytes(round(watermark.opacity * each) for each in range(_OPAQUE + 1))
        mark.set_alpha(mark.alpha().translate(faded))
        if mark.colorspace != "srgb":
            mark.transform_colorspace("srgb")
        return place, mark.rgba()


@contextmanager
def _decoded(original: ParsedOriginal, deadline: Deadline) -> Iterator[Picture]:
    """Give the first picture of a watermark, as stored."""
    if original.sequence:
        with closing(composited_frames(original.format, original.sequence, original.profile, deadline)) as frames:
            yield next(frames)[0]
    else:
        with decoded_still(original.format, original.blob, original.profile, None, deadline) as picture:
            yield picture
