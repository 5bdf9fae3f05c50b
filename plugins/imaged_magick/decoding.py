"""Decode pixels. Tolerate the damage that browsers tolerate, and refuse files with missing pixels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from imaged.api import AVIF, GIF, HEIC, PNG, Format, NotAPictureError

from . import libheif
from .deadline import Deadline
from .errors import malformed_error, truncated_error
from .frames import Frame, FrameSequence
from .picture import Picture, coder, translated
from .png_repair import repair_png

_MAXIMUM_TRIAL_PIXELS = 2**26
"""The largest truncated frame that is decoded to find out whether pixels are missing."""


@contextmanager
def decoded_still(
    format: Format, blob: bytes, profile: bytes, hint: str | None, deadline: Deadline
) -> Iterator[Picture]:
    """Give the picture of a format without frames. `hint` is a `jpeg:size` to which libjpeg may shrink when decoding.

    A PNG that does not decode is repaired and decoded again.
    """
    with Picture(deadline) as picture:
        try:
            _decode(picture, format, blob, profile, hint)
        except NotAPictureError:
            if format != PNG:
                raise
            repaired = repair_png(blob, deadline)
        else:
            yield picture
            return
    with Picture(deadline) as picture:
        _decode(picture, format, repaired, profile, hint)
        yield picture


def _decode(picture: Picture, format: Format, blob: bytes, profile: bytes, hint: str | None) -> None:
    if format in (AVIF, HEIC):
        name, size = coder(format), format.read_size(blob)
        if size is None:
            raise malformed_error(name, "its header is damaged")
        with translated(picture.deadline, f"decoding this {name}"):
            picture.import_pixels_of(libheif.decode(blob, name, size), profile)
        return
    with translated(picture.deadline, f"decoding this {coder(format)}"):
        if hint:
            picture.set_option("jpeg:size", hint)
        picture.read_pixels(format, blob, profile)
        picture.reset_coords()


@contextmanager
def decoded_frame(format: Format, frame: Frame, profile: bytes, deadline: Deadline) -> Iterator[Picture]:
    """Give the picture of a frame. Raises NotAPictureError when it is broken."""
    with Picture(deadline) as picture:
        _decode(picture, format, frame.as_still(), profile, None)
        yield picture


def drop_truncated_frame(sequence: FrameSequence, deadline: Deadline) -> FrameSequence:
    """Return the frames of a GIF without a last one that lacks pixels because the file ends.

    Raises NotAPictureError where no frame is left.
    """
    if not sequence.truncated:
        return sequence
    *others, last = sequence.frames
    try:
        if last.size.pixels > _MAXIMUM_TRIAL_PIXELS:
            raise truncated_error("GIF")
        with decoded_frame(GIF, last, b"", deadline):
            pass
    except NotAPictureError:
        if not others:
            raise truncated_error("GIF") from None
        return replace(sequence, frames=tuple(others), truncated=False)
    return sequence
