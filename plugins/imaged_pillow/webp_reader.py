"""Read the RIFF chunks of a WebP (RFC 9649, 2.3)."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

from imaged.api import WEBP, profile_name, read_orientation, usable_profile

from .original import Original, declined

_ICC, _ALPHA, _ANIMATION = 0x20, 0x10, 0x02
"""Flags of a VP8X chunk (2.7.1)."""
_STILLS = ([b"VP8 "], [b"VP8L"], [b"VP8X", b"VP8 "], [b"VP8X", b"VP8L"], [b"VP8X", b"ALPH", b"VP8 "])
"""The chunks that make up a picture, metadata left out."""
_PICTURE = (b"VP8X", b"ALPH", b"VP8 ", b"VP8L", b"ANMF")
_MOST_CHUNKS = 1000
_VP8L_ALPHA = 0x10  # the alpha_is_used bit of lossless pixels (3.4)

Chunk = tuple[bytes, bytes]
"""A name of four bytes, and data."""


def read_webp(blob: bytes) -> Original:
    """Parse a WebP. Raises DeclinedError for an animation, and for a file that is damaged or breaks the rules."""
    end = int.from_bytes(blob[4:8], "little") + 8
    if end > len(blob):
        raise declined("WebP", "its end is missing")
    chunks = list(_chunks(blob, end))
    first = dict(reversed(chunks))
    flags = (first.get(b"VP8X") or b"\x00")[0]
    picture = [(name, data) for name, data in chunks if name in _PICTURE]
    names = [name for name, _ in picture]
    silent = b"VP8X" in names and not flags & _ALPHA and _is_transparent(picture)
    if flags & _ANIMATION or names not in _STILLS or silent:
        raise declined("WebP", "it is an animation, or rare")
    body, size = _file(picture), WEBP.read_size(_file(picture[-1:]))
    if size is None or size != WEBP.read_size(body):
        raise declined("WebP", "its header is damaged")
    embedded = first.get(b"ICCP", b"") if flags & _ICC else b""
    profile, orientation = usable_profile(embedded) or b"", read_orientation(first.get(b"EXIF", b""))
    return Original(WEBP, lambda: body, size, orientation, profile, profile_name=profile_name(embedded))


def _chunks(blob: bytes, end: int) -> Iterator[Chunk]:
    """Yield the name and the data of each chunk. Raises DeclinedError unless the last one ends at `end`."""
    at = 12
    for _ in range(_MOST_CHUNKS):
        if at == end:
            return
        if at + 8 > end:
            break
        name, length = struct.unpack_from("<4sI", blob, at)
        yield name, blob[at + 8 : at + 8 + length]
        at += 8 + length + length % 2
        if at > end:
            break
    raise declined("WebP", "it is damaged")


def _is_transparent(picture: Sequence[Chunk]) -> bool:
    """Return whether the pixels of a picture have transparency (RFC 9649, 3.4)."""
    name, data = picture[-1]
    return len(picture) > 2 or (name == b"VP8L" and any(byte & _VP8L_ALPHA for byte in data[4:5]))  # noqa: PLR2004 -- with ALPH


def _file(chunks: Sequence[Chunk]) -> bytes:
    """Return a file of these chunks. Of the flags of a VP8X chunk, keep those for transparency."""
    written = []
    for name, data in chunks:
        kept = bytes([data[0] & _ALPHA]) + data[1:] if name == b"VP8X" and data else data
        written.append(name + struct.pack("<I", len(kept)) + kept + bytes(len(kept) % 2))
    return b"RIFF" + struct.pack("<I", 4 + len(b"".join(written))) + b"WEBP" + b"".join(written)
