"""The sRGB colour space: its ICC profile, written here so that no system file is needed, and a test for profiles."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import cache

from imaged.core.colours.icc_writer import fixed, write_profile

# The primaries of IEC 61966-2-1, adapted from D65 to D50 with the Bradford matrix.
_PRIMARIES = {
    b"rXYZ": (0.43604, 0.22248, 0.01392),
    b"gXYZ": (0.38511, 0.71691, 0.09707),
    b"bXYZ": (0.14305, 0.06061, 0.71391),
}
_SAMPLES = (0.0, 0.125, 0.25, 0.5, 0.75, 1.0)
_TOLERANCE = 0.002  # half an 8-bit step
_SRGB_PARAMETERS = 3  # the function type of sRGB's curve (ICC.1:2010, table 68)
_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)  # IEC 61966-2-1: gamma, a, b, c, d


@cache
def srgb_profile() -> bytes:
    """Return a version 4.2 display profile of sRGB: matrix and parametric curve (ICC.1:2010, section 8.3.3)."""
    curve = b"para" + bytes(4) + struct.pack(">HH", _SRGB_PARAMETERS, 0) + fixed(*_CURVE)
    return write_profile("sRGB", list(_PRIMARIES.values()), curve)


def is_srgb(profile: bytes) -> bool:
    """Return whether a profile is one of sRGB's many editions, to within half an 8-bit step.

    Only matrix profiles qualify: one with tables, such as the ICC's sRGB v4 preference, has a rendering intent of its
    own.
    """
    try:
        (count,) = struct.unpack_from(">I", profile, 128)
        entries = struct.iter_unpack(">4sII", profile[132 : 132 + 12 * min(count, 100)])
        tags = {name: profile[start : start + size] for name, start, size in entries}
        primaries = [struct.unpack_from(">8x3i", tags[name]) for name in _PRIMARIES]
        curves = [_curve_at(tags[name], at) for name in (b"rTRC", b"gTRC", b"bTRC") for at in _SAMPLES]
    except (KeyError, struct.error, ArithmeticError):
        return False
    wanted = [colour for primary in _PRIMARIES.values() for colour in primary]
    found = [number / 65536 for primary in primaries for number in primary]
    tones = 3 * [srgb_curve(at) for at in _SAMPLES]
    return b"A2B0" not in tags and _near(found, wanted) and _near(curves, tones)


def _near(found: Sequence[float], wanted: Sequence[float]) -> bool:
    return all(abs(have - want) < _TOLERANCE for have, want in zip(found, wanted, strict=True))


def srgb_curve(at: float) -> float:
    """Return the linear light of a value of 0 to 1 (IEC 61966-2-1)."""
    gamma, a, b, c, d = _CURVE
    return (a * at + b) ** gamma if at >= d else c * at


def _curve_at(element: bytes, at: float) -> float:
    """Evaluate a tone curve element at a value of 0 to 1 (ICC.1:2010, 10.5 and 10.15)."""
    kind, count = struct.unpack_from(">4s4xI", element)
    if kind == b"curv" and count > 1:
        return float(struct.unpack_from(">H", element, 12 + 2 * round(at * (count - 1)))[0]) / 65535
    if kind == b"para" and count >> 16 == _SRGB_PARAMETERS:
        gamma, a, b, c, d = (number / 65536 for number in struct.unpack_from(">12x5i", element))
        return float(max(0.0, a * at + b) ** gamma) if at >= d else c * at
    raise KeyError(kind)
