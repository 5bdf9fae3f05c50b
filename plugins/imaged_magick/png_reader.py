"""PNG files as ImageMagick gets to see them, and the EXIF block that tells what is up."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from .errors import MAXIMUM_PARTS, malformed_error, too_many_parts_error, truncated_error
from .gil import yield_gil

_ANCILLARY = 0x20  # the bit of a PNG chunk's first letter that says that a decoder may skip it (PNG 5.4)
_TRANSPARENT = b"tRNS"
_HEADER_BYTES = 25  # of the first chunk (PNG 11.2.1)


def png_exif(blob: bytes) -> bytes:
    """Return the EXIF block of a PNG, empty where it has none."""
    exif = b""
    for name, start, end in png_chunks(blob):
        if name == b"eXIf" and not exif:
            exif = blob[start + 8 : end - 4]
    return exif


def strip_png(blob: bytes) -> bytes:
    """Return a complete PNG without the chunks that are neither pixels nor their transparency, its pixels in one chunk.

    They never reach ImageMagick: it unpacks every text and profile, a gigabyte from a megabyte, and ends the whole
    process over a profile in a text that announces a senseless length. Where a checksum of pixels is wrong, that of all
    of them is: `repair_png` knows what to think of it. Pixels are in consecutive chunks (PNG 5.6), later ones are none.
    """
    view, kept, pixels, damaged = memoryview(blob), [blob[:8]], [], False
    for name, start, end in png_chunks(blob):
        if name == b"IDAT":
            pixels.append(view[start + 8 : end - 4])
            damaged = damaged or (end <= len(blob) and not is_intact(view[start:end]))
        elif pixels:
            break
        elif _counts(name, view[start:end]):
            kept.append(blob[start:end])
    if not pixels:
        raise truncated_error("PNG")
    if len(kept) == 1 or len(kept[1]) != _HEADER_BYTES or kept[1][4:8] != b"IHDR":
        raise malformed_error("PNG", "its header is damaged")
    chunk = write_chunk(b"IDAT", b"".join(pixels))
    if damaged:
        chunk = chunk[:-4] + bytes(byte ^ 0xFF for byte in chunk[-4:])
    return b"".join([*kept, chunk, write_chunk(b"IEND", b"")])


def _counts(name: bytes, chunk: memoryview) -> bool:
    """Say whether a chunk before the pixels may change them: decoders skip a damaged one that they need not know."""
    if not name[0] & _ANCILLARY:
        return True
    return name == _TRANSPARENT and is_intact(chunk)


def is_intact(chunk: bytes | memoryview) -> bool:
    """Say whether the checksum of a whole chunk is right (PNG 5.3)."""
    return zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:], "big")


def write_chunk(name: bytes, data: bytes) -> bytes:
    """Return a chunk of a PNG (PNG 5.3)."""
    return b"".join([struct.pack(">I4s", len(data), name), data, zlib.crc32(data, zlib.crc32(name)).to_bytes(4, "big")])


def png_chunks(blob: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield each chunk up to IEND, or to where the file ends: its name, where it starts and where it ends.

    Of pixels that the file ends in, those that are there are yielded, as if a checksum followed. Raises TooLargeError
    for very many chunks.
    """
    at = 8
    for count in range(1, MAXIMUM_PARTS):
        if at + 8 > len(blob):
            return
        length, name = struct.unpack_from(">I4s", blob, at)
        start, at = at, at + 12 + length
        if at > len(blob) and name == b"IDAT":
            yield name, start, min(at, len(blob) + 4)
        if at > len(blob) or name == b"IEND":
            return
        yield name, start, at
        yield_gil(count)
    raise too_many_parts_error("PNG")
