"""Find the ICC profile of a PNG: cICP before iCCP before sRGB before gAMA with cHRM (PNG 3rd edition, 4.3)."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import astuple
from functools import lru_cache, partial

from imaged.core.colours.cicp import cicp_profile
from imaged.core.colours.icc_reader import inflate_profile, usable_profile
from imaged.core.colours.rgb_spaces import BT709, Primaries, power_curve, space_profile
from imaged.core.colours.srgb_profile import srgb_curve
from imaged.core.perception.profile_names import profile_name

PNG_COLOUR_CHUNKS = (b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM")
"""The chunks that declare colours, in their precedence."""

_UNIT = 100_000  # gAMA and cHRM are in 1/100000
_GAMMA_BYTES = 4
_GAMMAS = range(16, 625_000_001)  # the range that libpng accepts
_NEAR_GAMMA, _NEAR_PRIMARY = 455, 0.003
_SRGB_GAMMA = 45_455  # with sRGB's primaries, a declaration of sRGB for old decoders (11.3.2.5)


def png_profile(declared: Mapping[bytes, bytes], *, coloured: bool) -> bytes:
    """Return the profile of a PNG, empty if it is sRGB or undeclared.

    `declared` has the data of the first intact chunk of each of PNG_COLOUR_CHUNKS, before PLTE and IDAT as 5.6
    requires; a declaration that is invalid or unknown gives way to the next. The PNG is `coloured` if its pixels are.
    """
    profile = cicp_profile(declared.get(b"cICP", b""))
    if profile is None:
        profile = _embedded(declared.get(b"iCCP", b""), coloured=coloured)
    if profile is None and b"sRGB" not in declared:
        profile = _calibrated(declared.get(b"gAMA", b""), declared.get(b"cHRM", b""))
    return profile or b""


def png_profile_name(declared: Mapping[bytes, bytes]) -> str | None:
    """Return the name of the profile in a PNG, None without one. `declared` is that of `png_profile`."""
    profile = _inflated(declared.get(b"iCCP", b""))
    return profile_name(profile) if profile else None


def _embedded(data: bytes, *, coloured: bool) -> bytes | None:
    """Return the profile of an iCCP chunk, None if it is broken or for other channels (11.3.2.3)."""
    profile = _inflated(data)
    if profile is None:
        return None
    return usable_profile(profile) if profile[16:20] in ((b"RGB ",) if coloured else (b"GRAY", b"RGB ")) else None


def _inflated(data: bytes) -> bytes | None:
    """Return the profile of an iCCP chunk, None if the chunk is broken."""
    name, _, compressed = data.partition(b"\x00")
    return inflate_profile(compressed[1:]) if name and compressed[:1] == b"\x00" else None


@lru_cache(maxsize=64)
def _calibrated(gamma: bytes, chromaticities: bytes) -> bytes | None:
    """Return the profile for a gAMA and a cHRM chunk, None without either.

    sRGB's curve or primaries replace a chunk that is missing or invalid.
    """
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
