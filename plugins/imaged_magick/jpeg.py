"""JPEG files as ImageMagick gets to see them, cut down to what decoding needs, and the colour profile beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .profiles import join_profile
from .stills import MAXIMUM_PARTS, too_many

_START_OF_SCAN, _END_OF_IMAGE, _COMMENT = 0xDA, 0xD9, 0xFE
_APPLICATION = range(0xE0, 0xF0)
_APP0, _APP2, _APP14 = 0xE0, 0xE2, 0xEE
_NEEDED = {_APP0: b"JFIF\x00", _APP14: b"Adobe"}
"""The application segments that tell which colours the components are (JFIF 1.02; ITU-T T.872, 6.5.3)."""
_PROFILE = b"ICC_PROFILE\x00"  # ICC.1:2010, B.4
_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]")  # one with a segment, or the end (ITU-T T.81, table B.1)
_SLICE_BYTES = 2**20  # a search keeps Python's lock


def bare_jpeg(blob: bytes) -> bytes:
    """Return a JPEG without the segments that neither are pixels nor say how to read them.

    They never reach ImageMagick: it keeps each of them, and looks into some.
    """
    kept, start = [], 0
    for marker, at, end in _segments(blob):
        if marker == _COMMENT or (marker in _APPLICATION and not _is_needed(blob, marker, at)):
            kept.append(blob[start:at])
            start = end
    return b"".join([*kept, blob[start:]]) if kept else blob


def jpeg_profile(blob: bytes) -> bytes:
    """Return the colour profile of a JPEG, empty where it has none, or parts of it are missing."""
    skip = 4 + len(_PROFILE)
    return join_profile(
        blob[at + skip : end]
        for marker, at, end in _segments(blob)
        if marker == _APP2 and blob.startswith(_PROFILE, at + 4)
    )


def _is_needed(blob: bytes, marker: int, at: int) -> bool:
    return marker in _NEEDED and blob.startswith(_NEEDED[marker], at + 4)


def _segments(blob: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield each segment up to the end of the picture: its marker, where it starts and where it ends.

    What a scan holds, and fill bytes, lie between them. Raises TooLargeError for very many.
    """
    at, count = 2, 0
    while at < len(blob):
        found = _MARKER.search(blob, at, at + _SLICE_BYTES)
        if not found:
            at += _SLICE_BYTES - 1
            continue
        at, marker = found.start(), blob[found.start() + 1]
        if marker == _END_OF_IMAGE:
            return
        count += 1
        if count > MAXIMUM_PARTS:
            raise too_many("JPEG")
        end = at + 2 + int.from_bytes(blob[at + 2 : at + 4], "big")
        yield marker, at, min(end, len(blob))
        at = end
