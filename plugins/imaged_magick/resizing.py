"""Orient, crop and resize pictures."""

from __future__ import annotations

from wand.api import library
from wand.color import Color

from imaged.api import NotAPictureError, Plan, Size, steps

from .filters import LANCZOS, Filter
from .picture import Picture

_ORIENTATIONS = (
    "undefined",
    "top_left",
    "top_right",
    "bottom_right",
    "bottom_left",
    "left_top",
    "right_top",
    "right_bottom",
    "left_bottom",
)


def apply_orientation(picture: Picture, orientation: int) -> None:
    """Rotate and mirror the pixels upright, from an EXIF orientation of 1 to 8."""
    picture.orientation = _ORIENTATIONS[orientation]
    if orientation > 1:
        picture.auto_orient()
        picture.reset_coords()


def crop_and_resize(picture: Picture, wanted: Plan, filter: Filter) -> None:
    """Crop and resize an upright picture by a plan for the full size. `pad` adds what the plan pads.

    The picture shows the same, and may be smaller: the decoder, or an earlier step, has shrunk it.
    """
    for step in steps(wanted, picture.sides):
        if step.cut != picture.sides:
            picture.cut(step.left_px, step.top_px, step.cut)
            picture.deadline.check()
        if step.scaled != step.cut:
            _resize(picture, step.scaled, filter)
    if picture.sides != wanted.kept:
        raise NotAPictureError("this picture's pixels are not of the size that its header announces")


def pad(picture: Picture, wanted: Plan, colour: str | None) -> None:
    """Put a resized picture in sRGB on the box of its plan, in a colour, or in none: transparent."""
    if not wanted.pads:
        return
    if colour is None and not picture.alpha_channel:
        picture.alpha_channel = "opaque"
    picture.background_color = Color(colour or "#00000000")
    picture.compose = "copy"  # transparent pixels of the picture stay
    size = wanted.size
    picture.require(
        library.MagickExtentImage(picture.wand, size.width_px, size.height_px, wanted.left_px, wanted.top_px)
    )
    picture.reset_coords()
    picture.deadline.check()


def _resize(picture: Picture, size: Size, filter: Filter) -> None:
    """Resize by the filter: average whole blocks first, where many pixels become one. Enlarge by Lanczos."""
    ratio = min(picture.width / size.width_px, picture.height / size.height_px)
    if ratio < 1:
        picture.resample(size, LANCZOS)
        return
    if (pixels := int(ratio / filter.averaged)) > 1:
        picture.average(Size(-(-picture.width // pixels), -(-picture.height // pixels)))
    picture.resample(size, filter.kernel, filter.sharpness)
