"""Read JPEG markers: strip what decoding does not need, and find EXIF, the ICC profile and the end."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from imaged.api import join_profile

from .errors import MAXIMUM_PARTS, malformed_error, too_many_parts_error, truncated_error
from .gil import yield_gil
from .jpeg_scans import START_OF_FRAME, ScanProgress, read_frame_header

_START_OF_SCAN, _END_OF_IMAGE, _COMMENT = 0xDA, 0xD9, 0xFE
_APPLICATION = range(0xE0, 0xF0)
_APP0, _APP1, _APP2, _APP14 = 0xE0, 0xE1, 0xE2, 0xEE
_NEEDED = {_APP0: b"JFIF\x00", _APP14: b"Adobe"}
"""The application segments that identify the colour space of the components (JFIF 1.02; ITU-T T.872, 6.5.3)."""
_BETWEEN_SCANS = {0xC4, 0xCC, _START_OF_SCAN, 0xDB, 0xDC, 0xDD, _COMMENT, *_APPLICATION}
"""Tables, the next scan, comments and application data (ITU-T T.81, B.2.1 to B.2.4)."""
_EXIF, _PROFILE = b"Exif\x00\x00", b"ICC_PROFILE\x00"  # CIPA DC-008, 4.7.2; ICC.1:2010, B.4
_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]")  # a marker with a segment, or EOI (ITU-T T.81, table B.1)
_SLICE_BYTES = 2**18  # a search holds the GIL


class Segment(NamedTuple):
    """A marker, the offset where its segment starts, and the offset where it ends."""

    marker: int
    start: int
    end: int


def read_segments(blob: bytes) -> list[Segment]:
    """Return all segments up to the end of image (EOI), which is a segment of no length. Scan data lies between them.

    If every coefficient had a scan, EOI may be missing or damaged: only a decoder can find out whether the last scan is
    complete. Raises NotAPictureError for missing scans and for processes that browsers do not show, TooLargeError for
    too many segments or scans.
    """
    segments: list[Segment] = []
    frame = progress = None
    at = _next_marker(blob, 2)
    while segment := _segment_at(blob, at, scanned=progress is not None):
        if segment.marker in START_OF_FRAME:
            frame = read_frame_header(segment.marker, blob[at + 4 : segment.end])
        elif segment.marker == _START_OF_SCAN:
            if frame is None:
                raise malformed_error("JPEG", "its header is missing")
            progress = progress or ScanProgress(frame)
            progress.add(blob[at + 4 : segment.end])
        segments.append(segment)
        if len(segments) > MAXIMUM_PARTS:
            raise too_many_parts_error("JPEG")
        yield_gil(len(segments))
        at = _next_marker(blob, segment.end)
        if progress and progress.complete:
            break
    if not progress:
        raise malformed_error("JPEG", "it has no picture") if at + 2 <= len(blob) else truncated_error("JPEG")
    if at >= len(blob):
        at = len(blob.rstrip(b"\xff"))  # half of a marker
    segments.append(Segment(_END_OF_IMAGE, at, at))
    if not progress.has_all and not has_eoi(blob, segments):
        raise truncated_error("JPEG")
    return segments


def strip_jpeg(blob: bytes, segments: Sequence[Segment]) -> bytes:
    """Return a JPEG without comments and most application segments, ended by EOI.

    ImageMagick would keep all of them, and parse some.
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
    """Return whether the picture ends with an end-of-image marker (EOI)."""
    return blob.startswith(bytes([0xFF, _END_OF_IMAGE]), segments[-1].start)


def jpeg_exif(blob: bytes, segments: Sequence[Segment]) -> bytes:
    """Return the EXIF block of a JPEG, empty for none."""
    for segment in segments:
        if segment.marker == _APP1 and _begins(blob, segment, _EXIF):
            return blob[segment.start + 4 + len(_EXIF) : segment.end]
        if segment.marker == _START_OF_SCAN:
            break
    return b""


def jpeg_profile(blob: bytes, segments: Sequence[Segment]) -> bytes:
    """Return the ICC profile of a JPEG, empty if there is none or a part is missing."""
    skip = 4 + len(_PROFILE)
    return join_profile(
        blob[segment.start + skip : segment.end]
        for segment in segments
        if segment.marker == _APP2 and _begins(blob, segment, _PROFILE)
    )


def _begins(blob: bytes, segment: Segment, name: bytes | None) -> bool:
    return name is not None and blob.startswith(name, segment.start + 4)


def _segment_at(blob: bytes, at: int, *, scanned: bool) -> Segment | None:
    """Return the segment at a marker. None at the end: EOI, a cut segment, or a marker that may not follow a scan."""
    if at + 4 > len(blob):
        return None
    marker, end = blob[at + 1], at + 2 + int.from_bytes(blob[at + 2 : at + 4], "big")
    if marker == _END_OF_IMAGE or end > len(blob) or (scanned and marker not in _BETWEEN_SCANS):
        return None
    return Segment(marker, at, end)


def _next_marker(blob: bytes, at: int) -> int:
    """Return the offset of the next marker, or the length of `blob` if there is none."""
    while at < len(blob):
        found = _MARKER.search(blob, at, at + _SLICE_BYTES)
        if found:
            return found.start()
        at += _SLICE_BYTES - 1
    return len(blob)
