"""Crop, resize and turn pictures to the size of an output, with cykooz-resizer or, without it, with Pillow."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

from PIL import Image

from imaged.api import Plan, is_sideways, oriented

from .decoding import Decoded
from .original import Original

cykooz_resizer: Any = import_module("cykooz_resizer") if find_spec("cykooz_resizer") else None

ENGINE = f", cykooz-resizer {version('cykooz-resizer')}" if cykooz_resizer else ""
"""What `detail` says of it."""

Box = tuple[float, float, float, float]
"""Left, top, right and bottom, in pixels."""

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""How each EXIF orientation is turned upright."""
_FROM_RIGHT, _FROM_BOTTOM = {2, 3, 7, 8}, {3, 4, 6, 7}
"""The orientations whose upright left, or top, is counted from the right, or the bottom, of the stored picture."""


def smallest_source(sources: Sequence[Decoded], plan: Plan, reused: float) -> Decoded:
    """Return the last source, each smaller than the one before, that is `reused` times as large as a plan scales.

    The first one always suffices.
    """

    def suffices(source: Decoded) -> bool:
        scaled = oriented(plan.scaled, source.original.orientation)
        width_px, height_px = source.picture.size
        return width_px >= reused * scaled.width_px and height_px >= reused * scaled.height_px

    return next((each for each in reversed(sources[1:]) if suffices(each)), sources[0])


def as_source(resized: Image.Image, original: Original) -> Decoded:
    """Return a resized picture as one that smaller outputs can be made from."""
    width_px, height_px = resized.size
    return Decoded(resized, original, (width_px / original.stored.width_px, height_px / original.stored.height_px))


def resize(source: Decoded, plan: Plan) -> Image.Image:
    """Return the part of a picture that a plan keeps, in its size, but neither upright nor padded.

    Only that part is resized, as the whole picture would be: the filter also reads the pixels around it.
    """
    size = oriented(plan.kept, source.original.orientation)
    box = _stored_box(source, plan)
    sides = (size.width_px, size.height_px)
    if source.picture.size != sides or box != (0.0, 0.0, float(size.width_px), float(size.height_px)):
        return _resize(source.picture, sides, box)
    return source.picture


def upright(picture: Image.Image, orientation: int) -> Image.Image:
    """Turn a picture upright, from an EXIF orientation of 1 to 8."""
    return picture.transpose(_TURNS[orientation]) if orientation in _TURNS else picture


def _stored_box(source: Decoded, plan: Plan) -> Box:
    """Return the box that a plan keeps, in pixels of the source.

    A decoder that shrinks rounds sides up, so the last column and row may be partly outside of the original.
    """
    orientation, stored = source.original.orientation, source.original.stored
    scaled, size = oriented(plan.scaled, orientation), oriented(plan.kept, orientation)
    left_px, top_px = max(0, plan.left_px), max(0, plan.top_px)
    if is_sideways(orientation):
        left_px, top_px = top_px, left_px
    if orientation in _FROM_RIGHT:
        left_px = scaled.width_px - size.width_px - left_px
    if orientation in _FROM_BOTTOM:
        top_px = scaled.height_px - size.height_px - top_px
    across, down = source.scale
    across, down = across * stored.width_px / scaled.width_px, down * stored.height_px / scaled.height_px
    right, bottom = (left_px + size.width_px) * across, (top_px + size.height_px) * down
    width_px, height_px = source.picture.size
    return left_px * across, top_px * down, min(right, width_px), min(bottom, height_px)


def _resize(picture: Image.Image, sides: tuple[int, int], box: Box) -> Image.Image:
    """Resize a box with a Lanczos filter. Colours are weighted by their opacity."""
    if cykooz_resizer is None:
        return picture.resize(sides, Image.Resampling.LANCZOS, box)
    left, top, right, bottom = box
    resized = Image.new(picture.mode, sides)
    cykooz_resizer.Resizer().resize_pil(
        picture,
        resized,
        cykooz_resizer.ResizeOptions(
            resize_alg=cykooz_resizer.ResizeAlg.convolution(cykooz_resizer.FilterType.lanczos3),
            crop_box=cykooz_resizer.CropBox(left, top, right - left, bottom - top),
        ),
    )
    return resized
