"""What a PNG says of its colours: cICP before iCCP before sRGB before gAMA with cHRM (PNG 3rd edition, 4.3)."""

from __future__ import annotations

import math
import struct
import zlib
from dataclasses import astuple
from functools import lru_cache, partial

from .cicp import cicp_profile
from .icc_reader import inflate_profile, usable_profile
from .png_reader import png_chunks
from .rgb_spaces import BT709, Primaries, power_curve, space_profile
from .srgb_profile import srgb_curve

_KINDS = (b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM")
_COLOUR_TYPE, _COLOURED = 25, 2  # where IHDR has it, and its bit for colours (11.2.1)
_UNIT = 100_000  # gAMA and cHRM count in parts of it
_GAMMA_BYTES = 4
_GAMMAS = range(16, 625_000_001)  # what libpng believes
_NEAR_GAMMA, _NEAR_PRIMARY = 455, 0.003
_SRGB_GAMMA = 45_455  # with sRGB's primaries this is how sRGB is told to old decoders (11.3.2.5)


def png_profile(blob: bytes) -> bytes:
    """Return the profile of a PNG's colours, empty where they are sRGB or nothing is said of them.

    What says nothing that is understood here gives way to the next.
    """
    said = _declarations(blob)
    profile = cicp_profile(said.get(b"cICP", b""))
    if profile is None:
        profile = _embedded(said.get(b"iCCP", b""), coloured=bool(blob[_COLOUR_TYPE] & _COLOURED))
    if profile is None and b"sRGB" not in said:
        profile = _calibrated(said.get(b"gAMA", b""), said.get(b"cHRM", b""))
    return profile or b""


def _declarations(blob: bytes) -> dict[bytes, bytes]:
    """Return the first whole chunk of each kind; those that come too late (5.6) count as little as damaged ones."""
    said: dict[bytes, bytes] = {}
    for name, start, end in png_chunks(blob):
        if name in (b"PLTE", b"IDAT"):
            break
        if name in _KINDS and name not in said:
            (crc,) = struct.unpack_from(">I", blob, end - 4)
            if zlib.crc32(blob[start + 4 : end - 4]) == crc:
                said[name] = blob[start + 8 : end - 4]
    return said


def _embedded(data: bytes, *, coloured: bool) -> bytes | None:
    """Return the profile of an iCCP chunk, None where it is broken or not made for such pictures (11.3.2.3)."""
    name, _, compressed = data.partition(b"\x00")
    if not name or compressed[:1] != b"\x00":
        return None
    profile = inflate_profile(compressed[1:])
    return usable_profile(profile) if profile[16:20] in ((b"RGB ",) if coloured else (b"GRAY", b"RGB ")) else None


@lru_cache(maxsize=64)
def _calibrated(gamma: bytes, chromaticities: bytes) -> bytes | None:
    """Return what a gAMA and a cHRM chunk say, sRGB's part where one is missing or senseless; None without either."""
    if not gamma and not chromaticities:
        return None
    primaries = _primaries(chromaticities) or BT709
    number = int.from_bytes(gamma, "big") if len(gamma) == _GAMMA_BYTES else 0
    light = partial(power_curve, _UNIT / number) if number in _GAMMAS else srgb_curve
    if abs(number - _SRGB_GAMMA) <= _NEAR_GAMMA and _is_near(primaries, BT709):
        light = srgb_curve
    return space_profile(primaries, light) or space_profile(BT709, light)


def _primaries(data: bytes) -> Primaries | None:
    try:
        numbers = [number / _UNIT for number in struct.unpack(">8I", data)]
    except struct.error:
        return None
    white, red, green, blue = zip(numbers[::2], numbers[1::2], strict=True)
    return Primaries(red, green, blue, white)


def _is_near(some: Primaries, others: Primaries) -> bool:
    pairs = zip(astuple(some), astuple(others), strict=True)
    return all(math.dist(one, other) < _NEAR_PRIMARY for one, other in pairs)
