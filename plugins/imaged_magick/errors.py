"""The errors that container readers raise, and the limits on what they read."""

from __future__ import annotations

from imaged.api import NotAPictureError, TooLargeError

MAXIMUM_FRAMES = 10_000
"""Seven minutes at 25 frames a second."""

MAXIMUM_PARTS = 100_000
"""Markers of a JPEG or chunks of a PNG. Photographs have a few thousand; reading very many tiny ones takes seconds."""


def truncated_error(format: str) -> NotAPictureError:
    """Return the error for a file that ends before its picture does."""
    return NotAPictureError(f"this {format} is cut short, its end is missing: send the whole file again")


def malformed_error(format: str, reason: str) -> NotAPictureError:
    """Return the error for a file that breaks its format's rules; `reason` is a short clause."""
    return NotAPictureError(f"this {format} is broken: {reason}; send a picture that other programs can open")


def too_many_parts_error(format: str) -> TooLargeError:
    """Return the error for a file of more than MAXIMUM_PARTS parts."""
    return TooLargeError(f"this {format} has more than {MAXIMUM_PARTS} parts: save it again with another program")


def check_frame_count(format: str, frames: int) -> None:
    """Raise TooLargeError for more than MAXIMUM_FRAMES frames."""
    if frames > MAXIMUM_FRAMES:
        raise TooLargeError(f"this {format} has more than {MAXIMUM_FRAMES} frames: send a shorter animation")
