"""Read untrusted ICC profiles (ICC.1:2010) within limits, and keep only the tags that a conversion to sRGB needs."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterable

from imaged.core.colours.srgb_profile import is_srgb

MAXIMUM_PROFILE_BYTES = 8_000_000
"""The limit of libpng, and of the browsers that use it; the largest profiles of printing presses have some three."""

_MAXIMUM_TAGS = 100  # littleCMS reads no more
_MATRIX = {b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC"}
_USED = {b"A2B0", b"kTRC", b"wtpt", b"chad", *_MATRIX}
_MAXIMUM_PARTS, _PART_BYTES = 255, 2  # each part begins with its number, from 1, and the number of parts


def inflate_profile(data: bytes) -> bytes:
    """Return the profile in zlib `data`; empty if the data is broken or larger than MAXIMUM_PROFILE_BYTES."""
    stream = zlib.decompressobj()
    try:
        profile = stream.decompress(data, MAXIMUM_PROFILE_BYTES)
    except zlib.error:
        return b""
    return profile if stream.eof else b""


def join_profile(parts: Iterable[bytes]) -> bytes:
    """Join the parts of a profile in a JPEG's APP2 segments (ICC.1:2010, B.4); empty if one is missing.

    Each part begins with its number and the number of parts; they may come in any order.
    """
    numbered = {part[:_PART_BYTES]: part[_PART_BYTES:] for part in parts}
    count = len(numbered)
    if count > _MAXIMUM_PARTS or set(numbered) != {bytes([number, count]) for number in range(1, count + 1)}:
        return b""
    return b"".join(numbered[name] for name in sorted(numbered))


def usable_profile(profile: bytes) -> bytes | None:
    """Return a profile reduced to the tags that convert it to sRGB: empty if it is sRGB, None if it is unusable.

    Other tags are dangerous: littleCMS prefers floating point tables (D2B0), with which a profile of a kilobyte may
    have twenty thousand curves computed for each pixel.
    """
    if len(profile) > MAXIMUM_PROFILE_BYTES:
        return None
    try:
        (count,) = struct.unpack_from(">I", profile, 128)
        table = profile[132 : 132 + 12 * count] if count <= _MAXIMUM_TAGS else b""
        entries = {name: place for name, place in struct.iter_unpack(">4s8s", table) if name in _USED}
        complete = b"A2B0" not in entries or _is_complete(_element(profile, entries[b"A2B0"]))
    except (struct.error, IndexError):
        return None
    if not complete or not (b"A2B0" in entries or b"kTRC" in entries or entries.keys() >= _MATRIX):
        return None
    if is_srgb(profile):
        return b""
    head = profile[:128] + struct.pack(">I", len(entries)) + b"".join(name + place for name, place in entries.items())
    rest = 132 + len(table)
    return head + bytes(rest - len(head)) + profile[rest:]


def _element(profile: bytes, place: bytes) -> bytes:
    start, size = struct.unpack(">II", place)
    return profile[start : start + size]


def _is_complete(table: bytes) -> bool:
    """Return whether a lookup table has as many values as its grid announces (10.8 to 10.10).

    littleCMS allocates what the grid announces before it reads. Raises IndexError for a table without a header.
    """
    kind, inputs, outputs = table[:4], table[8], table[9]
    if kind == b"mAB ":
        start = int.from_bytes(table[24:28], "big")
        sides, value_bytes = (table[start : start + inputs], table[start + 16]) if start else (b"", 0)
    elif kind in (b"mft1", b"mft2"):
        sides, value_bytes = table[10:11] * inputs, int(kind[3:])
    else:
        return False
    return math.prod(sides) * outputs * value_bytes <= len(table)
