"""Read and write RIFF chunks as WebP uses them (RFC 9649, 2.3)."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

from imaged.api import Size

from .errors import check_frame_count, truncated_error
from .gil import yield_gil

Chunk = tuple[bytes, bytes]
"""A name of four bytes, and data."""

ICC, ALPHA, ANIMATION = 0x20, 0x10, 0x02
"""Flags of a VP8X chunk (RFC 9649, 2.7.1)."""
PIXELS = (b"ALPH", b"VP8 ", b"VP8L")
"""The chunks that make up one picture."""
REPLACE, CLEAR = 0x02, 0x01
"""Flags of an ANMF chunk: draw without blending, and clear the area afterwards."""


def read_chunks(blob: bytes, at: int, end: int) -> Iterator[Chunk]:
    """Yield each chunk between two offsets of `blob`. Raises NotAPictureError unless the last one ends at `end`."""
    count = 0
    while at + 8 <= end:
        name, length = struct.unpack_from("<4sI", blob, at)
        if at + 8 + length > end:
            raise truncated_error("WebP")
        count += 1
        check_frame_count("WebP", count)  # few chunks are not frames; very many empty ones would waste memory
        yield_gil(count)
        yield name, blob[at + 8 : at + 8 + length]
        at += 8 + length + length % 2
    if at != end:  # trailing bytes, or no padding: libwebp, and so browsers, refuse such a file
        raise truncated_error("WebP")


def write_chunks(chunks: Iterable[Chunk]) -> bytes:
    """Return the chunks, concatenated, each padded to an even length."""
    return b"".join(name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2) for name, data in chunks)


def write_webp(chunks: Iterable[Chunk]) -> bytes:
    """Return a WebP file of these chunks."""
    body = b"WEBP" + write_chunks(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def extended_header(flags: int, canvas: Size) -> Chunk:
    """Return the VP8X chunk that begins a file of the extended format."""
    return b"VP8X", bytes([flags, 0, 0, 0]) + write_sides(canvas)


def write_sides(size: Size) -> bytes:
    """Return width and height as VP8X and ANMF encode them, each minus one."""
    return write_u24(size.width_px - 1) + write_u24(size.height_px - 1)


def read_sides(data: bytes, at: int) -> Size:
    """Return the width and height that VP8X or ANMF encode at an offset."""
    return Size(read_u24(data, at) + 1, read_u24(data, at + 3) + 1)


def read_u24(data: bytes, at: int) -> int:
    """Return the 24-bit number at an offset."""
    return int.from_bytes(data[at : at + 3], "little")


def write_u24(number: int) -> bytes:
    """Return a number as 24 bits."""
    return number.to_bytes(3, "little")
