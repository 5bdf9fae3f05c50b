"""The sRGB colour space: as a profile to convert to, written here so that no system file is needed, and as a test."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import cache

_WHITE = (0.9642, 1.0, 0.8249)  # D50, the white of the profile connection space (ICC.1:2010, 7.2.16)
# IEC 61966-2-1's primaries, adapted from D65 to D50 by the Bradford matrix below.
_PRIMARIES = {
    b"rXYZ": (0.43604, 0.22248, 0.01392),
    b"gXYZ": (0.38511, 0.71691, 0.09707),
    b"bXYZ": (0.14305, 0.06061, 0.71391),
}
_ADAPTATION = (1.04789, 0.02292, -0.05022, 0.02958, 0.99048, -0.01708, -0.00925, 0.01507, 0.75168)
_SAMPLES = (0.0, 0.125, 0.25, 0.5, 0.75, 1.0)
_TOLERANCE = 0.002  # half a step of 8 bits
_SRGB_PARAMETERS = 3  # the parametric curve that has sRGB's form (ICC.1:2010, table 68)
_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)  # IEC 61966-2-1: gamma, a, b, c, d


@cache
def srgb_profile() -> bytes:
    """Return a version 4.2 display profile of sRGB: matrix and parametric curve (ICC.1:2010, section 8.3.3)."""
    curve = b"para" + bytes(4) + struct.pack(">HH", _SRGB_PARAMETERS, 0) + _fixed(*_CURVE)
    tags = {
        b"desc": _text("sRGB"),
        b"cprt": _text("No copyright, use freely"),
        b"wtpt": _xyz(*_WHITE),
        b"chad": b"sf32" + bytes(4) + _fixed(*_ADAPTATION),
        **{name: _xyz(*colour) for name, colour in _PRIMARIES.items()},
        **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve),
    }
    table, data = struct.pack(">I", len(tags)), b""
    first = 128 + 4 + 12 * len(tags)
    for name, element in tags.items():
        table += struct.pack(">4sII", name, first + len(data), len(element))
        data += element + bytes(-len(element) % 4)
    return _header(128 + len(table) + len(data)) + table + data


def is_srgb(profile: bytes) -> bool:
    """Say whether a profile means sRGB, within what 8 bits can show: most photographs carry one of its many editions.

    Only matrix profiles are looked at; one with tables, such as the ICC's sRGB v4 preference, has an intent of its own.
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
    tones = 3 * [_srgb_curve(at) for at in _SAMPLES]
    return b"A2B0" not in tags and _near(found, wanted) and _near(curves, tones)


def _near(found: Sequence[float], wanted: Sequence[float]) -> bool:
    return all(abs(have - want) < _TOLERANCE for have, want in zip(found, wanted, strict=True))


def _srgb_curve(at: float) -> float:
    gamma, a, b, c, d = _CURVE
    return (a * at + b) ** gamma if at >= d else c * at


def _curve_at(element: bytes, at: float) -> float:
    """Evaluate a tone curve element at a place of 0 to 1 (ICC.1:2010, 10.5 and 10.15)."""
    kind, count = struct.unpack_from(">4s4xI", element)
    if kind == b"curv" and count > 1:
        return float(struct.unpack_from(">H", element, 12 + 2 * round(at * (count - 1)))[0]) / 65535
    if kind == b"para" and count >> 16 == _SRGB_PARAMETERS:
        gamma, a, b, c, d = (number / 65536 for number in struct.unpack_from(">12x5i", element))
        return float(max(0.0, a * at + b) ** gamma) if at >= d else c * at
    raise KeyError(kind)


def _header(size_bytes: int) -> bytes:
    """Return the 128 bytes that open a profile (ICC.1:2010, 7.2)."""
    created = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)  # fixed: the same profile on every day
    return struct.pack(
        ">I4xI4s4s4s12s4s28x12s48x",
        size_bytes,
        0x04200000,
        b"mntr",
        b"RGB ",
        b"XYZ ",
        created,
        b"acsp",
        _fixed(*_WHITE),
    )


def _fixed(*numbers: float) -> bytes:
    return b"".join(struct.pack(">i", round(number * 65536)) for number in numbers)


def _xyz(*numbers: float) -> bytes:
    return b"XYZ " + bytes(4) + _fixed(*numbers)


def _text(text: str) -> bytes:
    encoded = text.encode("utf-16-be")
    return b"mluc" + bytes(4) + struct.pack(">II2s2sII", 1, 12, b"en", b"US", len(encoded), 28) + encoded
