"""Turn the picture of an original upright."""

from __future__ import annotations

from .original import ParsedOriginal
from .picture import Picture, translated
from .resizing import apply_orientation


def turn_upright(picture: Picture, original: ParsedOriginal) -> None:
    """Turn a decoded picture, or a frame, as its original's EXIF block says."""
    with translated(picture.deadline, "turning it upright"):
        apply_orientation(picture, original.orientation)
