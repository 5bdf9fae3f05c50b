"""What is known of an original: the facts that its header tells, and those that its bytes tell."""

from __future__ import annotations

from dataclasses import dataclass

from imaged.core.formats import Format
from imaged.core.geometry import Size
from imaged.core.hashes import ImageHash


@dataclass(frozen=True)
class ImageFacts:
    """What a picture's header says of it.

    `size` is that of the upright picture: EXIF orientation is applied. `frames` counts the frames of an animation, 1
    for a still picture.
    """

    format: Format
    size: Size
    frames: int

    @property
    def pixels(self) -> int:
        """Width x height x frames: what decoding all of it costs."""
        return self.size.pixels * self.frames


@dataclass(frozen=True)
class ImageInfo:
    """What the store keeps of an original beside its bytes."""

    hash: ImageHash
    width_px: int
    height_px: int
    content_type: str
    size_bytes: int
    sha256: str
