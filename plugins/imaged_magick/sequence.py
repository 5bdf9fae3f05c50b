"""What the container of a GIF or WebP says of its frames, read without decoding one pixel."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass

from imaged.api import NotAPictureError, Size, TooLargeError

MAXIMUM_FRAMES = 10_000
"""Past this, looking at each costs too much: seven minutes at 25 frames a second."""


class Disposal(enum.Enum):
    """What becomes of a frame's area before the next frame is drawn."""

    KEEP = "keep"
    CLEAR = "clear"
    RESTORE = "restore"


@dataclass(frozen=True)
class Frame:
    """One frame: where it lies on the canvas, for how long it shows, and `still`, which writes it as a file of its own.

    `blends` says whether transparent pixels let the canvas through; otherwise they replace it.
    """

    left_px: int
    top_px: int
    size: Size
    duration_ms: int
    disposal: Disposal
    blends: bool
    still: Callable[[], bytes]


@dataclass(frozen=True)
class Sequence:
    """The frames of one file, at least one, on a canvas. It plays `plays` times, 0 for ever.

    `profile` is the colour profile of all frames, as the file has it, empty for none. With `cut` the file ends in the
    last frame, whose pixels may be missing.
    """

    canvas: Size
    frames: tuple[Frame, ...]
    plays: int
    profile: bytes = b""
    cut: bool = False

    @property
    def drawn_pixels(self) -> int:
        """How many pixels all the frames have, those outside of the canvas too: what a decoder must fill."""
        return sum(frame.size.pixels for frame in self.frames)


def cut_short(format: str) -> NotAPictureError:
    """Return the error for a file that ends before its picture does."""
    return NotAPictureError(f"this {format} is cut short, its end is missing: send the whole file again")


def broken(format: str, reason: str) -> NotAPictureError:
    """Return the error for a file that breaks its format's rules, `reason` in a few words."""
    return NotAPictureError(f"this {format} is broken: {reason}; send a picture that other programs can open")


def check_count(format: str, frames: int) -> None:
    """Raise TooLargeError for more frames than are worth counting."""
    if frames > MAXIMUM_FRAMES:
        raise TooLargeError(f"this {format} has more than {MAXIMUM_FRAMES} frames: send a shorter animation")
