"""JPEG files as ImageMagick gets to see them, cut down to what decoding needs, and what the rest says of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from .errors import MAXIMUM_PARTS, malformed_error, too_many_parts_error, truncated_error
from .gil import yield_gil
from .icc_reader import join_profile
from .jpeg_scans import START_OF_FRAME, ScanProgress, read_frame_header

_START_OF_SCAN, _END_OF_IMAGE, _COMMENT = 0xDA, 0xD9, 0xFE
_APPLICATION = range(0xE0, 0xF0)
_APP0, _APP1, _APP2, _APP14 = 0xE0, 0xE1, 0xE2, 0xEE
_NEEDED = {_APP0: b"JFIF\x00", _APP14: b"Adobe"}
"""The application segments that tell which colours the components are (JFIF 1.02; ITU-T T.872, 6.5.3)."""
_BETWEEN_SCANS = {0xC4, 0xCC, _START_OF_SCAN, 0xDB, 0xDC, 0xDD, _COMMENT, *_APPLICATION}
"""Tables, the next scan, and what is no picture (ITU-T T.81, B.2.1 to B.2.4)."""
_EXIF, _PROFILE = b"Exif\x00\x00", b"ICC_PROFILE\x00"  # CIPA DC-008, 4.7.2; ICC.1:2010, B.4
_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]")  # one with a segment, or the end (ITU-T T.81, table B.1)
_SLICE_BYTES = 2**18  # a search keeps Python's lock


class Segment(NamedTuple):
    """A marker, where its segment starts, and where it ends."""

    marker: int
    start: int
    end: int


def read_segments(blob: bytes) -> list[Segment]:
    """Return each segment up to the end of the picture, which is a segment of no length; scans lie between them.

    A missing end is forgiven, and whatever takes its place, where there was a scan of everything: only a decoder can
    tell whether the last one is whole. Raises NotAPictureError for what lacks scans or is not shown by browsers,
    TooLargeError for too many segments or scans.
    """
    segments: list[Segment] = []
    frame = work = None
    at = _next_marker(blob, 2)
    while segment := _segment_at(blob, at, scanned=work is not None):
        if segment.marker in START_OF_FRAME:
            frame = read_frame_header(segment.marker, blob[at + 4 : segment.end])
        elif segment.marker == _START_OF_SCAN:
            if frame is None:
                raise malformed_error("JPEG", "its header is missing")
            work = work or ScanProgress(frame)
            work.add(blob[at + 4 : segment.end])
        segments.append(segment)
        if len(segments) > MAXIMUM_PARTS:
            raise too_many_parts_error("JPEG")
        yield_gil(len(segments))
        at = _next_marker(blob, segment.end)
        if work and work.complete:
            break
    if not work:
        raise malformed_error("JPEG", "it has no picture") if at + 2 <= len(blob) else truncated_error("JPEG")
    if at >= len(blob):
        at = len(blob.rstrip(b"\xff"))  # half of a marker
    segments.append(Segment(_END_OF_IMAGE, at, at))
    if not work.has_all and not has_eoi(blob, segments):
        raise truncated_error("JPEG")
    return segments


def strip_jpeg(blob: bytes, segments: Sequence[Segment]) -> bytes:
    """Return a JPEG without the segments that neither are pixels nor say how to read them, and with an end.

    They never reach ImageMagick: it keeps each of them, and looks into some.
    """
    kept, start = [], 0
    for segment in segments:
        marker, at, end = segment
        if marker == _COMMENT or (marker in _APPLICATION and not _begins(blob, segment, _NEEDED.get(marker))):
            kept.append(blob[start:at])
            start = end
    codes = blob[start : segments[-1].start].rstrip(b"\xff")  # half of a marker
    return b"".join([*kept, codes, bytes([0xFF, _END_OF_IMAGE])])


def has_eoi(blob: bytes, segments: Sequence[Segment]) -> bool:
    """Say whether the marker for the end of the picture is where the picture ends."""
    return blob.startswith(bytes([0xFF, _END_OF_IMAGE]), segments[-1].start)


def jpeg_exif(blob: bytes, segments: Sequence[Segment]) -> bytes:
    """Return the EXIF block of a JPEG, empty where it has none."""
    for segment in segments:
        if segment.marker == _APP1 and _begins(blob, segment, _EXIF):
            return blob[segment.start + 4 + len(_EXIF) : segment.end]
        if segment.marker == _START_OF_SCAN:
            break
    return b""


def jpeg_profile(blob: bytes, segments: Sequence[Segment]) -> bytes:
    """Return the colour profile of a JPEG, empty where it has none, or parts of it are missing."""
    skip = 4 + len(_PROFILE)
    return join_profile(
        blob[segment.start + skip : segment.end]
        for segment in segments
        if segment.marker == _APP2 and _begins(blob, segment, _PROFILE)
    )


def _begins(blob: bytes, segment: Segment, name: bytes | None) -> bool:
    return name is not None and blob.startswith(name, segment.start + 4)


def _segment_at(blob: bytes, at: int, *, scanned: bool) -> Segment | None:
    """Return the segment of the marker there, None where the picture ends: after a scan, at whatever may not follow."""
    if at + 4 > len(blob):
        return None
    marker, end = blob[at + 1], at + 2 + int.from_bytes(blob[at + 2 : at + 4], "big")
    if marker == _END_OF_IMAGE or end > len(blob) or (scanned and marker not in _BETWEEN_SCANS):
        return None
    return Segment(marker, at, end)


def _next_marker(blob: bytes, at: int) -> int:
    """Return where the next marker is, or the length of `blob` where there is none."""
    while at < len(blob):
        found = _MARKER.search(blob, at, at + _SLICE_BYTES)
        if found:
            return found.start()
        at += _SLICE_BYTES - 1
    return len(blob)
