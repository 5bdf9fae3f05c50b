"""Crop, resize and turn pictures to the size of an output, with cykooz-resizer or, without it, with Pillow."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

from PIL import Image

from imaged.api import Plan

from .decoding import Decoded
from .original import is_sideways, oriented

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


def resize(decoded: Decoded, plan: Plan) -> Image.Image:
    """Return the part of a picture that a plan keeps, in its size, upright.

    Only that part is resized, as the whole picture would be: the filter also reads the pixels around it. Turning
    comes last, when there are fewest pixels.
    """
    orientation = decoded.original.orientation
    size = oriented(plan.size, orientation)
    box = _stored_box(decoded, plan)
    sides = (size.width_px, size.height_px)
    picture = decoded.picture
    if picture.size != sides or box[:2] != (0, 0) or box[2:] != sides:
        picture = _resize(picture, sides, box)
    return picture.transpose(_TURNS[orientation]) if orientation in _TURNS else picture


def _stored_box(decoded: Decoded, plan: Plan) -> Box:
    """Return the box that a plan keeps, in pixels of the decoded picture.

    A decoder that shrinks rounds sides up, so the last column and row may be partly outside of the original.
    """
    orientation, reduction = decoded.original.orientation, decoded.reduction
    stored, scaled = decoded.original.stored, oriented(plan.scaled, orientation)
    size = oriented(plan.size, orientation)
    left_px, top_px = (plan.top_px, plan.left_px) if is_sideways(orientation) else (plan.left_px, plan.top_px)
    if orientation in _FROM_RIGHT:
        left_px = scaled.width_px - size.width_px - left_px
    if orientation in _FROM_BOTTOM:
        top_px = scaled.height_px - size.height_px - top_px
    across, down = stored.width_px / reduction / scaled.width_px, stored.height_px / reduction / scaled.height_px
    right, bottom = (left_px + size.width_px) * across, (top_px + size.height_px) * down
    width_px, height_px = decoded.picture.size
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
