"""RIFF containers as WebP uses them: chunks in, chunks out (RFC 9649, 2.3)."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

from imaged.api import Size

from .errors import check_frame_count, truncated_error
from .gil import yield_gil

Chunk = tuple[bytes, bytes]
"""Its name, four bytes, and its data."""

ICC, ALPHA, ANIMATION = 0x20, 0x10, 0x02
"""The flags of a VP8X chunk that matter here (RFC 9649, 2.7.1)."""
PIXELS = (b"ALPH", b"VP8 ", b"VP8L")
"""The chunks that make up one picture."""
REPLACE, CLEAR = 0x02, 0x01
"""The flags of an ANMF chunk: put in place without blending, and cleared afterwards."""


def read_chunks(blob: bytes, at: int, end: int) -> Iterator[Chunk]:
    """Yield each chunk between two places of `blob`. Raises NotAPictureError unless the last, padded, ends there."""
    count = 0
    while at + 8 <= end:
        name, length = struct.unpack_from("<4sI", blob, at)
        if at + 8 + length > end:
            raise truncated_error("WebP")
        count += 1
        check_frame_count("WebP", count)  # chunks other than frames are few; many empty ones only waste our memory
        yield_gil(count)
        yield name, blob[at + 8 : at + 8 + length]
        at += 8 + length + length % 2
    if at != end:  # bytes that are no chunk, or no padding: libwebp refuses the file, and with it browsers
        raise truncated_error("WebP")


def write_chunks(chunks: Iterable[Chunk]) -> bytes:
    """Return the chunks one after the other, each padded to an even length."""
    return b"".join(name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2) for name, data in chunks)


def write_webp(chunks: Iterable[Chunk]) -> bytes:
    """Return a WebP file of these chunks."""
    body = b"WEBP" + write_chunks(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def extended_header(flags: int, canvas: Size) -> Chunk:
    """Return the VP8X chunk that opens a file of more than pixels."""
    return b"VP8X", bytes([flags, 0, 0, 0]) + write_sides(canvas)


def write_sides(size: Size) -> bytes:
    """Return width and height as VP8X and ANMF hold them, each less one."""
    return write_u24(size.width_px - 1) + write_u24(size.height_px - 1)


def read_sides(data: bytes, at: int) -> Size:
    """Return the width and height that `write_sides` writes."""
    return Size(read_u24(data, at) + 1, read_u24(data, at + 3) + 1)


def read_u24(data: bytes, at: int) -> int:
    """Return the number of three bytes at a place."""
    return int.from_bytes(data[at : at + 3], "little")


def write_u24(number: int) -> bytes:
    """Return a number as three bytes."""
    return number.to_bytes(3, "little")
