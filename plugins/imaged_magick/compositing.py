"""Draw the frames of an animation onto a canvas, one after the other, as a viewer does."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager

from wand.color import Color

from imaged.api import Format, Size

from .deadline import Deadline
from .decoding import decoded_frame
from .frames import Disposal, Frame, FrameSequence
from .picture import Picture, translated
from .srgb_conversion import to_srgb


def composited_frames(
    format: Format, sequence: FrameSequence, profile: bytes, deadline: Deadline
) -> Generator[tuple[Picture, int], None, None]:
    """Yield the canvas as each frame leaves it, with the frame's duration in milliseconds.

    `profile` is the ICC profile of all frames, empty for sRGB. Frames are decoded one at a time, as the caller takes
    them, so that a long animation needs the memory of one canvas. A picture is closed when the caller takes the next.
    """
    first = sequence.frames[0]
    if len(sequence.frames) == 1 and first.size == sequence.canvas:
        with decoded_frame(format, first, profile, deadline) as picture:
            yield picture, first.duration_ms
        return
    with _transparent(sequence.canvas, deadline) as canvas:
        for frame in sequence.frames:
            with _restored_after(canvas, frame, deadline):
                with decoded_frame(format, frame, profile, deadline) as picture:
                    to_srgb(picture)
                    _draw(canvas, picture, frame, "over" if frame.blends else "copy")
                with Picture(deadline, image=canvas) as copy:
                    yield copy, frame.duration_ms
            if frame.disposal is Disposal.CLEAR:
                with _transparent(frame.size, deadline) as hole:
                    _draw(canvas, hole, frame, "copy")


@contextmanager
def _transparent(size: Size, deadline: Deadline) -> Iterator[Picture]:
    """Give a transparent picture. Browsers begin with one, whatever background colour a file names."""
    with Picture(deadline) as picture:
        with translated(deadline, "compositing the frames"):
            picture.blank(size.width_px, size.height_px, Color("#00000000"))
        yield picture


@contextmanager
def _restored_after(canvas: Picture, frame: Frame, deadline: Deadline) -> Iterator[None]:
    """Bring the canvas back to what it was before a frame whose disposal is RESTORE."""
    if frame.disposal is not Disposal.RESTORE:
        yield
        return
    with Picture(deadline, image=canvas) as before:
        yield
        with translated(deadline, "compositing the frames"):
            canvas.composite(before, operator="copy")


def _draw(canvas: Picture, picture: Picture, frame: Frame, operator: str) -> None:
    with translated(canvas.deadline, "compositing the frames"):
        canvas.composite(picture, frame.left_px, frame.top_px, operator=operator)
