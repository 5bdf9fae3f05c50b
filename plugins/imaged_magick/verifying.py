"""Whether all the pixels of an original are there, found out by decoding them: what is kept must be renderable."""

from __future__ import annotations

from imaged.api import JPEG, RenderJob

from .bounds import FRAME_PIXELS
from .deadline import Deadline
from .decoding import check_frame, decoded_still
from .errors import truncated_error
from .original import ParsedOriginal
from .picture import Picture

_SMALLEST = "1x1"
"""The `jpeg:size` that has libjpeg make one pixel of each block: its codes are all read, and that is what can fail."""
_PADDING = 128 * b"\xfe"
"""Codes that change the pixels if any are missing before them: libjpeg puts zeros in their place."""
_TAIL_PIXELS = 4  # the last two blocks across, with colours of half the resolution
_GREY = range(126, 131)  # of blocks that are not there


def verify(job: RenderJob, original: ParsedOriginal, deadline: Deadline) -> None:
    """Decode an original as far as renders may. Raises NotAPictureError where pixels are missing or make no sense.

    Of an animation that has more pixels than renders take, that is its first frame.
    """
    if original.sequence:
        frames = original.sequence.frames
        affordable = sum(max(frame.size.pixels, FRAME_PIXELS) for frame in frames) <= job.maximum_pixels
        for frame in frames if affordable else frames[:1]:
            check_frame(original.format, frame, deadline)
        return
    check_end(original, deadline)
    with decoded_still(original.format, original.blob, b"", _SMALLEST, deadline) as picture:
        suspicious = original.format == JPEG and _ends_grey(picture)
    if suspicious and _lacks_codes(original.blob, _SMALLEST, deadline):
        raise truncated_error("JPEG")


def check_end(original: ParsedOriginal, deadline: Deadline) -> None:
    """Raise NotAPictureError for a JPEG that lacks more than its end."""
    if original.truncated and _lacks_codes(original.blob, None, deadline):
        raise truncated_error("JPEG")


def _ends_grey(picture: Picture) -> bool:
    """Say whether the last blocks may be those that libjpeg makes up.

    A file that is damaged in the middle may lack a few codes at its end; that is still a photograph to everybody.
    """
    width_px = min(picture.width, _TAIL_PIXELS)
    channels = "CMYK" if picture.colorspace == "cmyk" else "RGB"
    tail = picture.export_pixels(picture.width - width_px, picture.height - 1, width_px, 1, channels, "char")
    return all(value in _GREY for value in tail)


def _lacks_codes(jpeg: bytes, hint: str | None, deadline: Deadline) -> bool:
    """Say whether the pixels of a bare JPEG would be others if more codes came before its end.

    libjpeg tells of missing codes in a warning alone, which ImageMagick does not pass on.
    """
    signatures = set()
    for blob in (jpeg, jpeg[:-2] + _PADDING + jpeg[-2:]):
        with decoded_still(JPEG, blob, b"", hint, deadline) as picture:
            signatures.add(picture.signature)
    return len(signatures) > 1
