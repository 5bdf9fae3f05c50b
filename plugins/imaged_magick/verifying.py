"""Verify that an original can be rendered, by decoding all its pixels before it is stored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from imaged.api import JPEG, Format, RenderJob

from .bounds import FRAME_PIXELS
from .deadline import Deadline
from .decoding import decoded_frame, decoded_still
from .errors import truncated_error
from .frames import Frame
from .original import ParsedOriginal
from .picture import Picture

_SMALLEST = "1x1"
"""The `jpeg:size` for one pixel a block: libjpeg still reads every entropy code, which is what can fail."""
_PADDING = 128 * b"\xfe"
"""Entropy codes that change the pixels if codes are missing before them; libjpeg itself would insert zeros."""
_TAIL_PIXELS = 4  # two blocks across, where chroma has half the resolution
_GREY = range(126, 131)  # what libjpeg gives missing blocks


def verify(job: RenderJob, original: ParsedOriginal, deadline: Deadline) -> None:
    """Decode an original. Raises NotAPictureError where pixels are missing or invalid.

    Of an animation with more pixels than `job` allows, decode the first frame only: its stills can be rendered.
    """
    if original.sequence:
        verify_frames(job, original.format, original.sequence.frames, deadline)
    else:
        with verified_still(original, b"", _SMALLEST, deadline):
            pass


def verify_frames(job: RenderJob, format: Format, frames: Sequence[Frame], deadline: Deadline, first: int = 0) -> None:
    """Decode the frames of an animation from number `first` on, or only frame 0 where all have too many pixels."""
    affordable = sum(max(frame.size.pixels, FRAME_PIXELS) for frame in frames) <= job.maximum_pixels
    for frame in (frames if affordable else frames[:1])[first:]:
        with decoded_frame(format, frame, b"", deadline):
            pass


@contextmanager
def verified_still(original: ParsedOriginal, profile: bytes, hint: str | None, deadline: Deadline) -> Iterator[Picture]:
    """Give the picture of an original without frames, and then verify it. `hint` is a `jpeg:size`."""
    check_jpeg_end(original, deadline)
    with decoded_still(original.format, original.blob, profile, hint, deadline) as picture:
        suspicious = original.format == JPEG and _ends_grey(picture)
        yield picture
    if suspicious and _lacks_codes(original.blob, _SMALLEST, deadline):
        raise truncated_error("JPEG")


def check_jpeg_end(original: ParsedOriginal, deadline: Deadline) -> None:
    """Raise NotAPictureError for a truncated JPEG that lacks pixels, not only its end marker."""
    if original.truncated and _lacks_codes(original.blob, None, deadline):
        raise truncated_error("JPEG")


def _ends_grey(picture: Picture) -> bool:
    """Return whether the last blocks are grey, as those are that libjpeg makes up for missing codes.

    A photograph that is damaged in the middle may lack a few codes at its end; viewers show it, and so it passes.
    """
    width_px = min(picture.width, _TAIL_PIXELS)
    channels = "CMYK" if picture.colorspace == "cmyk" else "RGB"
    tail = picture.export_pixels(picture.width - width_px, picture.height - 1, width_px, 1, channels, "char")
    return all(value in _GREY for value in tail)


def _lacks_codes(jpeg: bytes, hint: str | None, deadline: Deadline) -> bool:
    """Return whether more codes before the end of a stripped JPEG would change its pixels.

    libjpeg reports missing codes with a warning only, which ImageMagick does not pass on.
    """
    signatures = set()
    for blob in (jpeg, jpeg[:-2] + _PADDING + jpeg[-2:]):
        with decoded_still(JPEG, blob, b"", hint, deadline) as picture:
            signatures.add(picture.signature)
    return len(signatures) > 1
