"""Strip a WebP (RFC 9649)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from imaged.core.colours.icc_reader import usable_profile
from imaged.core.exif import read_orientation
from imaged.core.stripping.unfit import require

_ALPHA, _ANIMATION = 0x10, 0x02  # flags of VP8X (2.7.1)
_METADATA = {b"ICCP", b"EXIF", b"XMP "}
_STILLS = ([b"VP8 "], [b"VP8L"], [b"VP8X", b"VP8 "], [b"VP8X", b"VP8L"], [b"VP8X", b"ALPH", b"VP8 "])
_FRAMES = ([b"VP8 "], [b"VP8L"], [b"ALPH", b"VP8 "])
_VP8X_BYTES, _FRAME_BYTES, _MOST_CHUNKS = 10, 16, 10_000

Chunk = tuple[bytes, bytes]
"""A name of four bytes, and data."""


def strip_webp(blob: bytes) -> bytes:
    """Return a WebP of the same pixels. Raises UnfitError or struct.error."""
    require(blob[:4] == b"RIFF" and blob[8:12] == b"WEBP" and int.from_bytes(blob[4:8], "little") + 8 == len(blob))
    chunks = list(_chunks(blob, 12))
    for name, data in chunks:
        require(name != b"EXIF" or read_orientation(data) == 1)
        require(name != b"ICCP" or usable_profile(data) == b"")
    kept = [(name, data) for name, data in chunks if name not in _METADATA]
    names = [name for name, _ in kept]
    if names[:2] == [b"VP8X", b"ANIM"]:
        require(len(names) > 2 and set(names[2:]) == {b"ANMF"})  # noqa: PLR2004 -- after these two
        for _, data in kept[2:]:
            require([name for name, _ in _chunks(data, _FRAME_BYTES)] in _FRAMES)
    else:
        require(names in _STILLS)
    if names[0] == b"VP8X":
        data = kept[0][1]
        require(len(data) == _VP8X_BYTES and bool(data[0] & _ANIMATION) == (b"ANIM" in names))
        kept[0] = b"VP8X", bytes([data[0] & (_ALPHA | _ANIMATION), 0, 0, 0]) + data[4:]
    body = b"".join(name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2) for name, data in kept)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def _chunks(blob: bytes, at: int) -> Iterator[Chunk]:
    """Yield the chunks (2.3). Raises UnfitError unless the last one ends where the blob does."""
    for _ in range(_MOST_CHUNKS):
        if at == len(blob):
            return
        name, length = struct.unpack_from("<4sI", blob, at)
        end = at + 8 + length
        require(end + length % 2 <= len(blob))
        yield name, blob[at + 8 : end]
        at = end + length % 2
    require(False)
