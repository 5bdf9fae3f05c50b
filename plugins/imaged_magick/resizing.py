"""Orient, crop and resize pictures, and let libjpeg shrink while it decodes."""

from __future__ import annotations

from collections.abc import Iterable

from imaged.api import Fill, Fit, FullSize, NotAPictureError, Plan, Size, plan, steps

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
_SIDEWAYS = 5
"""The first EXIF orientation that swaps width and height."""


def oriented_size(size: Size, orientation: int) -> Size:
    """Convert a size from the file's axes to the upright ones of an EXIF orientation, or back."""
    return Size(size.height_px, size.width_px) if orientation >= _SIDEWAYS else size


def apply_orientation(picture: Picture, orientation: int) -> None:
    """Rotate and mirror the pixels upright, from an EXIF orientation of 1 to 8."""
    picture.orientation = _ORIENTATIONS[orientation]
    if orientation > 1:
        picture.auto_orient()
        picture.reset_coords()


def jpeg_size_hint(size: Size, plans: Iterable[Plan], orientation: int) -> str | None:
    """Return the `jpeg:size` that suffices for all plans, in the file's own axes, or None for full size.

    libjpeg then shrinks to between an eighth and a half while it decodes. The hint is twice the largest size needed, so
    that a proper filter does the last step and the result looks the same. It is never larger than the original, which
    libjpeg would enlarge.
    """
    needs = [need.scaled for need in plans]
    width_px = 2 * max((need.width_px for need in needs), default=1)
    height_px = 2 * max((need.height_px for need in needs), default=1)
    if width_px >= size.width_px or height_px >= size.height_px:
        return None
    hint = oriented_size(Size(width_px, height_px), orientation)
    return f"{hint.width_px}x{hint.height_px}"


def crop_and_resize(picture: Picture, original: Size, sizing: Fit | Fill | FullSize) -> None:
    """Crop and resize an upright picture to an output's size.

    `original` is the full size; the decoder may have made the picture smaller.
    """
    wanted = plan(original, sizing)
    for step in steps(wanted, Size(picture.width, picture.height)):
        if step.cut != Size(picture.width, picture.height):
            picture.crop(step.left_px, step.top_px, width=step.cut.width_px, height=step.cut.height_px)
            picture.deadline.check()
        if step.scaled != step.cut:
            _resize(picture, step.scaled)
    if (picture.width, picture.height) != (wanted.size.width_px, wanted.size.height_px):
        raise NotAPictureError("this picture's pixels are not of the size that its header announces")


def _resize(picture: Picture, size: Size) -> None:
    """Resize with a Lanczos filter; a picture of more than 8 times the size is averaged down to 4 times first."""
    width_px, height_px = 4 * size.width_px, 4 * size.height_px
    if picture.width > 2 * width_px and picture.height > 2 * height_px:
        picture.scale(width_px, height_px)
    picture.resize(size.width_px, size.height_px, filter="lanczos")
    picture.deadline.check()  # an interrupted resize leaves the old size, which no later crop fits
