"""Read the header of a JPEG (ITU-T T.81, annex B), and strip its metadata."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

from imaged.api import JPEG, Size, join_profile, profile_name, read_orientation, usable_profile

from .original import Original, declined

_START_OF_SCAN, _END_OF_IMAGE, _COMMENT = 0xDA, 0xD9, 0xFE
_TABLES = {0xC4, 0xDB, 0xDD}
_FRAMES, _PROGRESSIVE = {0xC0, 0xC1, 0xC2}, 0xC2
"""Baseline, extended and progressive with Huffman codes, which browsers show."""
_APPLICATION = range(0xE0, 0xF0)
_NEEDED: dict[int, bytes | tuple[bytes, ...]] = {0xE0: b"JFIF\x00", 0xEE: b"Adobe"}
"""The segments that identify the colour space of the components (JFIF 1.02; ITU-T T.872, 6.5.3)."""
_APP1, _APP2 = 0xE1, 0xE2
_EXIF, _PROFILE = b"Exif\x00\x00", b"ICC_PROFILE\x00"  # CIPA DC-008, 4.7.2; ICC.1:2010, B.4
_SPACES: dict[int, tuple[bytes, ...]] = {1: (b"GRAY", b"RGB "), 3: (b"RGB ",), 4: (b"CMYK",)}
"""The colour spaces of profiles that fit a number of components; editors save grey pictures with RGB profiles."""
_SPACE = slice(16, 20)  # where a profile header names its colour space (ICC.1:2010, 7.2)
_BITS = 8
_OTHER_MARKER = re.compile(rb"\xff[^\x00\xc4\xd0-\xd7\xda-\xdd\xe0-\xef\xfe\xff]")
"""A marker that may not follow the start of a scan: in a whole JPEG, EOI is the first (B.2.1)."""
_MOST_SEGMENTS, _MOST_SCANS = 1000, 20
"""libjpeg processes all blocks of a component in each scan, and nothing interrupts it. Encoders write ten scans."""


class Segment(NamedTuple):
    """A marker with its data, and the offsets where the whole starts and ends."""

    marker: int
    data: bytes
    start: int
    end: int

    @property
    def is_needed(self) -> bool:
        """Whether it may change the pixels. Decoders skip comments and other applications' data."""
        return self.marker in {*_TABLES, *_FRAMES} or self.data.startswith(_NEEDED.get(self.marker, ()))


def read_jpeg(blob: bytes) -> Original:
    """Parse a JPEG. Raises DeclinedError for one that is damaged, rare, or slow to decode."""
    segments = list(_segments(blob))
    frames = [each for each in segments if each.marker in _FRAMES]
    known = all(each.is_needed or each.marker in _APPLICATION or each.marker == _COMMENT for each in segments)
    if not known or len(frames) != 1:
        raise declined("JPEG", "its coding is rare")
    size, components = _read_frame(frames[0].data)
    exif = (each.data for each in segments if each.marker == _APP1 and each.data.startswith(_EXIF))
    parts = (each.data for each in segments if each.marker == _APP2 and each.data.startswith(_PROFILE))
    embedded = join_profile(each[len(_PROFILE) :] for each in parts)
    profile = usable_profile(embedded) or b""
    if profile[_SPACE] not in _SPACES[components]:
        profile = b""
    orientation = read_orientation(next(exif, b"")[len(_EXIF) :])
    at = segments[-1].end
    in_one_scan = frames[0].marker != _PROGRESSIVE and blob[at + 4 : at + 5] == bytes([components])
    as_still = partial(_still, blob, segments, in_one_scan=in_one_scan)
    return Original(JPEG, as_still, size, orientation, profile, profile_name=profile_name(embedded))


def _still(blob: bytes, segments: Sequence[Segment], *, in_one_scan: bool) -> bytes:
    """Return a JPEG without metadata. Raises DeclinedError without an end, and for too many scans."""
    at = segments[-1].end  # where the first scan starts
    if blob.rfind(bytes([0xFF, _END_OF_IMAGE]), at) < 0:
        raise declined("JPEG", "its end is missing")
    if not in_one_scan and blob.count(bytes([0xFF, _START_OF_SCAN]), at) > _MOST_SCANS:
        raise declined("JPEG", "it has too many scans")
    return b"".join([blob[:2], *(blob[each.start : each.end] for each in segments if each.is_needed), blob[at:]])


def is_unbroken(jpeg: bytes) -> bool:
    """Return whether no marker is where codes should be. libjpeg skips such a marker, and loses the codes around it."""
    found = _OTHER_MARKER.search(jpeg, max(0, jpeg.find(bytes([0xFF, _START_OF_SCAN]))))
    return found is not None and found[0][1] == _END_OF_IMAGE


def _segments(blob: bytes) -> Iterator[Segment]:
    """Yield the segments before the first scan."""
    at = 2
    for _ in range(_MOST_SEGMENTS):
        try:
            mark, marker, length = struct.unpack_from(">BBH", blob, at)
        except struct.error:
            raise declined("JPEG", "its header is cut short") from None
        start, at = at, at + 2 + length
        if mark != 0xFF or marker < min(_FRAMES) or length < 2 or at > len(blob):  # noqa: PLR2004 -- T.81, B.1.1
            raise declined("JPEG", "its header is damaged")
        if marker == _START_OF_SCAN:
            return
        yield Segment(marker, blob[start + 4 : at], start, at)
    raise declined("JPEG", "it has too many segments")


def _read_frame(header: bytes) -> tuple[Size, int]:
    """Return the size and the number of components in the data of a frame header (B.2.2)."""
    try:
        bits, height_px, width_px, count = struct.unpack_from(">BHHB", header)
        size = Size(width_px, height_px)
    except (struct.error, ValueError):
        raise declined("JPEG", "its header is damaged") from None
    if bits != _BITS or count not in _SPACES or len(header) != 6 + 3 * count:
        raise declined("JPEG", "its coding is rare")
    return size, count
