"""Read the header of a BMP (BITMAPFILEHEADER and BITMAPCOREHEADER to BITMAPV5HEADER of wingdi.h) without decoding it.

The reader trusts no length. It raises ValueError or struct.error for a broken file, and for a BMP that contains a JPEG
or a PNG.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from imaged.core.geometry import Size

_CORE_BYTES, _INFO_BYTES, _V4_BYTES, _V5_BYTES = 12, 40, 108, 124
_BITS = {0: (1, 4, 8, 16, 24, 32), 1: (8,), 2: (4,), 3: (16, 32), 6: (16, 32)}
"""The bits of a pixel in each compression: none, RLE8, RLE4, and masks without and with transparency."""
_RUN_LENGTHS = (1, 2)
_EMBEDDED = 0x4D424544  # "MBED": the profile follows


@dataclass(frozen=True)
class BmpHeader:
    """What the header says. `profile` is the ICC profile, empty for none."""

    size: Size
    bits: int
    compression: int
    profile: bytes


def read_bmp_size(body: bytes) -> tuple[int, int]:
    """Return width and height in pixels."""
    size = read_bmp(body).size
    return size.width_px, size.height_px


def read_bmp(body: bytes) -> BmpHeader:
    """Read the header of a file. Raises ValueError or struct.error."""
    pixels_at, header_bytes = struct.unpack_from("<II", body, 10)
    if body[:2] != b"BM" or 14 + header_bytes > pixels_at or pixels_at > len(body):
        raise ValueError("the header or the pixels are outside of the file")
    if header_bytes == _CORE_BYTES:
        width_px, height_px, planes, bits = struct.unpack_from("<HHHH", body, 18)
        compression = 0
    elif header_bytes >= _INFO_BYTES:
        width_px, height_px, planes, bits, compression = struct.unpack_from("<iiHHI", body, 18)
    else:
        raise ValueError("the header has an unknown length")
    size = Size(width_px, abs(height_px))
    if planes != 1 or bits not in _BITS.get(compression, ()):
        raise ValueError("the pixels are of a kind that imaged does not read")
    row_bytes = (size.width_px * bits + 31) // 32 * 4
    if compression not in _RUN_LENGTHS and pixels_at + row_bytes * size.height_px > len(body):
        raise ValueError("pixels are missing")
    return BmpHeader(size, bits, compression, _profile(body, header_bytes))


def _profile(body: bytes, header_bytes: int) -> bytes:
    if header_bytes < _V5_BYTES or struct.unpack_from("<I", body, 14 + 56)[0] != _EMBEDDED:
        return b""
    at, length = struct.unpack_from("<II", body, 14 + 112)
    return body[14 + at : 14 + at + length]
