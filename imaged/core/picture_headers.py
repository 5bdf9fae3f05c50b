"""Width and height from a picture's header, without decoding it.

Each function returns width and height in pixels, and raises struct.error or ValueError for a broken header.
"""

from __future__ import annotations

import struct

_FRAME_MARKERS = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_BARE_MARKERS = {0x01, *range(0xD0, 0xD8)}
_VP8_START_CODE = b"\x9d\x01\x2a"


def read_png(body: bytes) -> tuple[int, int]:
    """Read IHDR (PNG 11.2.2)."""
    if body[12:16] != b"IHDR":
        raise ValueError("IHDR is not first")
    width_px, height_px = struct.unpack_from(">II", body, 16)
    return width_px, height_px


def read_gif(body: bytes) -> tuple[int, int]:
    """Read the logical screen descriptor (GIF89a, section 18)."""
    width_px, height_px = struct.unpack_from("<HH", body, 6)
    return width_px, height_px


def read_jpeg(body: bytes) -> tuple[int, int]:
    """Walk the markers to the frame header (ITU-T T.81 B.2.2); bytes of 0xFF may precede a marker (B.1.1.2)."""
    at = 2
    while True:
        mark, marker = struct.unpack_from(">BB", body, at)
        if mark != 0xFF:  # noqa: PLR2004  # a marker's first byte
            raise ValueError("no marker")
        if marker == 0xFF:  # noqa: PLR2004  # as above
            at += 1
            continue
        if marker in _FRAME_MARKERS:
            height_px, width_px = struct.unpack_from(">HH", body, at + 5)
            return width_px, height_px
        at += 2 if marker in _BARE_MARKERS else 2 + max(2, *struct.unpack_from(">H", body, at + 2))


def read_webp(body: bytes) -> tuple[int, int]:
    """Read VP8X (RFC 9649, 2.7), VP8L (3.4) or the frame header of VP8 (RFC 6386, 9.1)."""
    kind = body[12:16]
    if kind == b"VP8X":
        wide, high = body[24:27] + b"\x00", body[27:30] + b"\x00"
        return struct.unpack("<I", wide)[0] + 1, struct.unpack("<I", high)[0] + 1
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", body, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 " and body[23:26] == _VP8_START_CODE:
        width_px, height_px = struct.unpack_from("<HH", body, 26)
        return width_px & 0x3FFF, height_px & 0x3FFF
    raise ValueError("no chunk that states a size")
