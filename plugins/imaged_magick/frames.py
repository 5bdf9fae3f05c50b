"""The frames of an animation: those that a container reader finds, and those that a container writer takes."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass

from imaged.api import Size


class Disposal(enum.Enum):
    """What happens to a frame's area before the next frame is drawn (the disposal method of GIF89a and WebP)."""

    KEEP = "keep"
    CLEAR = "clear"
    RESTORE = "restore"


@dataclass(frozen=True)
class Frame:
    """One frame as the container describes it; its pixels are not decoded yet.

    `as_still` returns the frame as a file of its own. With `blends`, transparent pixels show the canvas below;
    otherwise they replace it.
    """

    left_px: int
    top_px: int
    size: Size
    duration_ms: int
    disposal: Disposal
    blends: bool
    as_still: Callable[[], bytes]


@dataclass(frozen=True)
class FrameSequence:
    """The frames of one file, at least one, on a canvas. The file plays them `plays` times; 0 means for ever.

    `profile` is the ICC profile of all frames as embedded, empty for none. With `truncated` the file ends inside the
    last frame, whose pixels may be missing.
    """

    canvas: Size
    frames: tuple[Frame, ...]
    plays: int
    profile: bytes = b""
    truncated: bool = False

    def drawn_pixels(self, count: int) -> int:
        """Return the pixels of the first frames, those outside of the canvas included: what a decoder must fill."""
        return sum(frame.size.pixels for frame in self.frames[:count])


@dataclass(frozen=True)
class EncodedFrame:
    """One frame to write: `still` is its picture, encoded as a file of its own, to be drawn at an offset.

    WebP can only write even offsets. With `blends`, transparent pixels show the canvas below. With `clears`, the
    frame's area becomes transparent when its time is over.
    """

    left_px: int
    top_px: int
    size: Size
    duration_ms: int
    still: bytes
    blends: bool = False
    clears: bool = False
