"""Turn the picture of an original upright."""

from __future__ import annotations

from .further_originals import is_turned
from .original import ParsedOriginal
from .picture import Picture, translated
from .resizing import apply_orientation


def turn_upright(picture: Picture, original: ParsedOriginal) -> None:
    """Turn a decoded picture, or a frame, as its original's EXIF block says."""
    turned = original.self_turning or is_turned(original.format, picture.orientation)
    with translated(picture.deadline, "turning it upright"):
        apply_orientation(picture, 1 if turned else original.orientation)
