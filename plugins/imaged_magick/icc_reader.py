"""Colour profiles from strangers (ICC.1:2010): read within a bound, and cut down to what a conversion to sRGB needs."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterable

from .srgb_profile import is_srgb

MAXIMUM_PROFILE_BYTES = 8_000_000
"""The bound of libpng, and of the browsers that use it; the largest profiles of printing presses have some three."""

_MAXIMUM_TAGS = 100  # littleCMS reads no more
_MATRIX = {b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC"}
_USED = {b"A2B0", b"kTRC", b"wtpt", b"chad", *_MATRIX}
_MAXIMUM_PARTS, _PART_BYTES = 255, 2  # before the data of each part: its number, from 1, and how many there are


def inflate_profile(data: bytes) -> bytes:
    """Return the profile that zlib `data` hold; empty where they are broken, or hold more than a profile may have."""
    stream = zlib.decompressobj()
    try:
        profile = stream.decompress(data, MAXIMUM_PROFILE_BYTES)
    except zlib.error:
        return b""
    return profile if stream.eof else b""


def join_profile(parts: Iterable[bytes]) -> bytes:
    """Return the profile that is spread over a JPEG's markers, in any order (ICC.1:2010, B.4); empty where it has gaps.

    Each part begins with its number and their count.
    """
    numbered = {part[:_PART_BYTES]: part[_PART_BYTES:] for part in parts}
    count = len(numbered)
    if count > _MAXIMUM_PARTS or set(numbered) != {bytes([number, count]) for number in range(1, count + 1)}:
        return b""
    return b"".join(numbered[name] for name in sorted(numbered))


def usable_profile(profile: bytes) -> bytes | None:
    """Return what of a profile takes its colours to sRGB: empty where they are sRGB, None where it cannot be used.

    Tags that have no part in it are left out. They are no mere ballast: littleCMS prefers those of floating point
    (D2B0), where a profile of a kilobyte may ask for twenty thousand curves to be computed for each colour.
    """
    if len(profile) > MAXIMUM_PROFILE_BYTES:
        return None
    try:
        (count,) = struct.unpack_from(">I", profile, 128)
        table = profile[132 : 132 + 12 * count] if count <= _MAXIMUM_TAGS else b""
        entries = {name: place for name, place in struct.iter_unpack(">4s8s", table) if name in _USED}
        whole = b"A2B0" not in entries or _is_whole(_element(profile, entries[b"A2B0"]))
    except (struct.error, IndexError):
        return None
    if not whole or not (b"A2B0" in entries or b"kTRC" in entries or entries.keys() >= _MATRIX):
        return None
    if is_srgb(profile):
        return b""
    head = profile[:128] + struct.pack(">I", len(entries)) + b"".join(name + place for name, place in entries.items())
    rest = 132 + len(table)
    return head + bytes(rest - len(head)) + profile[rest:]


def _element(profile: bytes, place: bytes) -> bytes:
    start, size = struct.unpack(">II", place)
    return profile[start : start + size]


def _is_whole(table: bytes) -> bool:
    """Say whether a table of colours has all that it announces (10.8 to 10.10): littleCMS makes room for that first.

    Raises IndexError for one that does not even announce anything.
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
