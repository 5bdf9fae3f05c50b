"""The sRGB profile that pictures are converted to, written out by hand so that no system file is needed."""

from __future__ import annotations

import struct
from functools import cache

_WHITE = (0.9642, 1.0, 0.8249)  # D50, the white of the profile connection space (ICC.1:2010, 7.2.16)
# IEC 61966-2-1's primaries, adapted from D65 to D50 by the Bradford matrix below.
_PRIMARIES = {
    b"rXYZ": (0.43604, 0.22248, 0.01392),
    b"gXYZ": (0.38511, 0.71691, 0.09707),
    b"bXYZ": (0.14305, 0.06061, 0.71391),
}
_ADAPTATION = (1.04789, 0.02292, -0.05022, 0.02958, 0.99048, -0.01708, -0.00925, 0.01507, 0.75168)
_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)  # IEC 61966-2-1: gamma, a, b, c, d


@cache
def srgb_profile() -> bytes:
    """Return a version 4.2 display profile of sRGB: matrix and parametric curve (ICC.1:2010, section 8.3.3)."""
    curve = b"para" + bytes(4) + struct.pack(">HH", 3, 0) + _fixed(*_CURVE)
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
