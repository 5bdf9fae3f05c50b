"""What a look at the pixels of an original says of it."""

from __future__ import annotations

from dataclasses import dataclass

from imaged.core.gravities import FocalPoint


@dataclass(frozen=True)
class ImageDetails:
    """What info.json tells of a picture, besides its size.

    `orientation` is that of EXIF, 1 to 8, as it was in the file. `profile` names its colour profile. `thumbhash` is in
    base64; `dhash` is a perceptual hash, 16 hexadecimal digits; colours are `#rrggbb`. `focal_point` is where a smart
    crop looks.
    """

    frames: int
    transparency: bool
    orientation: int
    profile: str | None
    thumbhash: str
    average_color: str
    dominant_color: str
    dhash: str
    focal_point: FocalPoint
