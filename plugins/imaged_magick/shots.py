"""From the frames of a file to the pictures that a viewer sees, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from wand.color import Color

from imaged.api import Format, Size

from .colour import to_srgb
from .deadline import Deadline
from .picture import Picture, coder, translated
from .sequence import Disposal, Frame, Sequence


def shots(format: Format, sequence: Sequence, profile: bytes, deadline: Deadline) -> Iterator[tuple[Picture, int]]:
    """Yield each picture of a sequence with the milliseconds that it shows; it is closed when the next is asked for.

    `profile` is that of the colours of all frames, empty for sRGB.

    Frames are decoded one at a time, as they are asked for, so that a long animation needs the memory of one canvas.
    """
    first = sequence.frames[0]
    if len(sequence.frames) == 1 and first.size == sequence.canvas:
        with _decode(format, first, profile, deadline) as picture:
            yield picture, first.duration_ms
        return
    with _blank(sequence.canvas, deadline) as canvas:
        for frame in sequence.frames:
            with _restored(canvas, frame, deadline):
                with _decode(format, frame, profile, deadline) as drawn:
                    to_srgb(drawn)
                    _put(canvas, drawn, frame, "over" if frame.blends else "copy")
                with Picture(deadline, image=canvas) as shot:
                    yield shot, frame.duration_ms
            if frame.disposal is Disposal.CLEAR:
                with _blank(frame.size, deadline) as hole:
                    _put(canvas, hole, frame, "copy")


@contextmanager
def _decode(format: Format, frame: Frame, profile: bytes, deadline: Deadline) -> Iterator[Picture]:
    with Picture(deadline) as picture:
        with translated(deadline, f"decoding this {coder(format)}"):
            picture.read_pixels(format, frame.still(), profile)
            picture.reset_coords()
        yield picture


@contextmanager
def _blank(size: Size, deadline: Deadline) -> Iterator[Picture]:
    """Give a transparent picture: browsers begin with one, whatever background colour a file names."""
    with Picture(deadline) as picture:
        with translated(deadline, "laying out the frames"):
            picture.blank(size.width_px, size.height_px, Color("#00000000"))
        yield picture


@contextmanager
def _restored(canvas: Picture, frame: Frame, deadline: Deadline) -> Iterator[None]:
    """Bring the canvas back to what it was, after a frame that asks for it."""
    if frame.disposal is not Disposal.RESTORE:
        yield
        return
    with Picture(deadline, image=canvas) as before:
        yield
        with translated(deadline, "laying out the frames"):
            canvas.composite(before, operator="copy")


def _put(canvas: Picture, picture: Picture, frame: Frame, operator: str) -> None:
    with translated(canvas.deadline, "laying out the frames"):
        canvas.composite(picture, frame.left_px, frame.top_px, operator=operator)
