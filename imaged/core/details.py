"""What a look at the pixels of an original says of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from imaged.core.gravities import FocalPoint
from imaged.core.perception.profile_names import is_profile_name

_COLOUR, _DHASH = re.compile("#[0-9a-f]{6}"), re.compile("[0-9a-f]{16}")
_THUMBHASH = re.compile("(?:[A-Za-z0-9+/]{4}){1,12}(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
"""Of 5 to about 25 bytes, in base64."""
_MOST_FRAMES = 2**40


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

    @property
    def is_sound(self) -> bool:
        """Whether each field has a value that it may have. Workers and stores that others write to may tell anything.

        Fields of other types are unsound, too.
        """
        numbers: list[tuple[Any, range]] = [
            (self.frames, range(1, _MOST_FRAMES + 1)),
            (self.orientation, range(1, 9)),
            (self.focal_point.x_percent, range(101)),
            (self.focal_point.y_percent, range(101)),
        ]
        transparency: Any = self.transparency
        texts: list[tuple[Any, re.Pattern[str]]] = [
            (self.thumbhash, _THUMBHASH),
            (self.average_color, _COLOUR),
            (self.dominant_color, _COLOUR),
            (self.dhash, _DHASH),
        ]
        return (
            isinstance(transparency, bool)
            and all(type(value) is int and value in allowed for value, allowed in numbers)
            and all(isinstance(value, str) and pattern.fullmatch(value) for value, pattern in texts)
            and is_profile_name(self.profile)
        )
