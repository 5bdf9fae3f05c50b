"""Width and height out of a picture's header, without decoding it."""

from __future__ import annotations

import struct
from collections.abc import Callable

from imaged.core.formats import GIF, JPEG, PNG, WEBP, Format
from imaged.core.geometry import Size

_FRAME_MARKERS = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_BARE_MARKERS = {0x01, *range(0xD0, 0xD8)}
_VP8_START_CODE = b"\x9d\x01\x2a"


def read_size(format: Format, body: bytes) -> Size | None:
    """Return the size that the header of `body` tells, or None when it is cut off or tells none."""
    try:
        return Size(*_READERS[format](body))
    except (KeyError, struct.error, ValueError):
        return None


def _png(body: bytes) -> tuple[int, int]:
    """Read IHDR (PNG 11.2.2)."""
    if body[12:16] != b"IHDR":
        raise ValueError("IHDR is not first")
    width_px, height_px = struct.unpack_from(">II", body, 16)
    return width_px, height_px


def _gif(body: bytes) -> tuple[int, int]:
    """Read the logical screen descriptor (GIF89a, section 18)."""
    width_px, height_px = struct.unpack_from("<HH", body, 6)
    return width_px, height_px


def _jpeg(body: bytes) -> tuple[int, int]:
    """Walk the markers to the frame header (ITU-T T.81 B.2.2); bytes of 0xFF may fill the room before one (B.1.1.2)."""
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


def _webp(body: bytes) -> tuple[int, int]:
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
    raise ValueError("no chunk that tells a size")


_READERS: dict[Format, Callable[[bytes], tuple[int, int]]] = {PNG: _png, GIF: _gif, JPEG: _jpeg, WEBP: _webp}
