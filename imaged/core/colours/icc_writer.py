"""Write ICC profiles (ICC.1:2010): version 4.2 display profiles with a matrix and one tone curve."""

from __future__ import annotations

import struct
from collections.abc import Sequence

D50 = (0.9642, 1.0, 0.8249)
"""The white of the profile connection space (7.2.16)."""
BRADFORD_D65 = (1.04789, 0.02292, -0.05022, 0.02958, 0.99048, -0.01708, -0.00925, 0.01507, 0.75168)
"""The Bradford matrix that adapts D65 to D50."""


def write_profile(name: str, primaries: Sequence[Sequence[float]], curve: bytes) -> bytes:
    """Return the profile of an RGB space. `primaries` are XYZ adapted to D50; the channels share a `curve` element."""
    tags = {
        b"desc": _text(name),
        b"cprt": _text("No copyright, use freely"),
        b"wtpt": _xyz(*D50),
        b"chad": b"sf32" + bytes(4) + fixed(*BRADFORD_D65),
        **{tag: _xyz(*colour) for tag, colour in zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries, strict=True)},
        **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve),
    }
    table, data = struct.pack(">I", len(tags)), b""
    first = 128 + 4 + 12 * len(tags)
    for tag, element in tags.items():
        table += struct.pack(">4sII", tag, first + len(data), len(element))
        data += element + bytes(-len(element) % 4)
    return _header(128 + len(table) + len(data)) + table + data


def sampled_curve(samples: Sequence[float]) -> bytes:
    """Return a tone curve element of evenly spaced samples from 0 to 1 (10.5)."""
    return b"curv" + struct.pack(f">4xI{len(samples)}H", len(samples), *(round(65535 * each) for each in samples))


def fixed(*numbers: float) -> bytes:
    """Return numbers as s15Fixed16 (4.6)."""
    return b"".join(struct.pack(">i", round(number * 65536)) for number in numbers)


def _header(size_bytes: int) -> bytes:
    """Return the profile header of 128 bytes (ICC.1:2010, 7.2)."""
    created = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)  # fixed, so that the profile is always the same
    return struct.pack(
        ">I4xI4s4s4s12s4s28x12s48x",
        size_bytes,
        0x04200000,
        b"mntr",
        b"RGB ",
        b"XYZ ",
        created,
        b"acsp",
        fixed(*D50),
    )


def _xyz(*numbers: float) -> bytes:
    return b"XYZ " + bytes(4) + fixed(*numbers)


def _text(text: str) -> bytes:
    encoded = text.encode("utf-16-be")
    return b"mluc" + bytes(4) + struct.pack(">II2s2sII", 1, 12, b"en", b"US", len(encoded), 28) + encoded
