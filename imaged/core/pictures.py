"""What imaged knows about an original: the facts in its header, and those about its bytes."""

from __future__ import annotations

from dataclasses import dataclass

from imaged.core.details import ImageDetails
from imaged.core.formats import Format
from imaged.core.geometry import Size
from imaged.core.hashes import ImageHash


@dataclass(frozen=True)
class ImageFacts:
    """What a picture's header says.

    `size` is that of the upright picture: EXIF orientation is applied. `frames` counts the frames of an animation, 1
    for a still picture.
    """

    format: Format
    size: Size
    frames: int

    @property
    def pixels(self) -> int:
        """Width x height x frames: the cost of decoding all of it."""
        return self.size.pixels * self.frames


@dataclass(frozen=True)
class ImageInfo:
    """The record of an original, which the store keeps beside its bytes. `details` is None in an older record."""

    hash: ImageHash
    width_px: int
    height_px: int
    content_type: str
    size_bytes: int
    sha256: str
    details: ImageDetails | None = None
