"""Strip a JPEG (ITU-T T.81, annex B)."""

from __future__ import annotations

import re
import struct

from imaged.core.colours.icc_reader import join_profile, usable_profile
from imaged.core.exif import read_orientation
from imaged.core.stripping.unfit import require

_START, _END = b"\xff\xd8", b"\xff\xd9"
_TABLES, _FRAMES, _SCAN = {0xC4, 0xDB, 0xDD}, {0xC0, 0xC1, 0xC2}, 0xDA
_METADATA = {*range(0xE0, 0xF0), 0xFE}
_JFIF, _EXIF, _PROFILE, _ADOBE = b"JFIF\x00", b"Exif\x00\x00", b"ICC_PROFILE\x00", b"Adobe"
_PLAIN_JFIF = b"\xff\xe0\x00\x10" + _JFIF + b"\x01\x01\x00\x00\x01\x00\x01\x00\x00"
"""A JFIF segment without a resolution and without a thumbnail (JFIF 1.02)."""
_ADOBE_BYTES = 12
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7]")
_MOST_SEGMENTS = 1000


def strip_jpeg(blob: bytes) -> bytes:
    """Return a JPEG of the same codes. Raises UnfitError, struct.error or IndexError."""
    kept, exif, profiles, marker, components = [_START], b"", [], 0, 0
    require(blob.startswith(_START))
    at = len(_START)
    for _ in range(_MOST_SEGMENTS):
        if blob[at : at + 2] == _END:
            require(at + 2 == len(blob) and marker == _SCAN)
            break
        before = marker
        mark, marker, length = struct.unpack_from(">BBH", blob, at)
        end = at + 2 + length
        require(mark == 0xFF and length >= 2 and end <= len(blob))  # noqa: PLR2004 -- B.1.1.4
        data, segment = blob[at + 4 : end], blob[at:end]
        if marker in _METADATA:
            require(before != _SCAN)
            exif = exif or (data if data.startswith(_EXIF) else b"")
            profiles += [data[len(_PROFILE) :]] if data.startswith(_PROFILE) else []
            if marker == 0xE0 and data.startswith(_JFIF):  # noqa: PLR2004 -- APP0
                kept.append(_PLAIN_JFIF)
            elif marker == 0xEE and data.startswith(_ADOBE):  # noqa: PLR2004 -- APP14
                require(len(data) == _ADOBE_BYTES)
                kept.append(segment)
        elif marker == _SCAN:
            require(components)
            found = _MARKER.search(blob, end)
            require(found)
            end = found.start() if found else end
            kept.append(blob[at:end])
        else:
            require(marker in _TABLES or (marker in _FRAMES and not components))
            components = data[5] if marker in _FRAMES else components
            kept.append(segment)
        at = end
    else:
        require(False)
    require(components in (1, 3) and read_orientation(exif[len(_EXIF) :]) == 1)
    require(not profiles or usable_profile(join_profile(profiles)) == b"")
    return b"".join([*kept, _END])
