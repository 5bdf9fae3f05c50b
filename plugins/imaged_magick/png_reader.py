"""Read and write PNG chunks: strip what decoding does not need, and find the EXIF block."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from imaged.api import PNG_COLOUR_CHUNKS

from .errors import MAXIMUM_PARTS, malformed_error, too_many_parts_error, truncated_error
from .gil import yield_gil

COLOUR_TYPE_AT, COLOURED = 25, 2
"""The offset of IHDR's colour type, and its bit for colours (PNG 11.2.1)."""

_ANCILLARY = 0x20  # the bit of a chunk type's first letter that marks ancillary chunks (PNG 5.4)
_TRANSPARENT = b"tRNS"
_HEADER_BYTES = 25  # of the first chunk (PNG 11.2.1)
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of each colour type (PNG 11.2.1)
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""The first column and row of each Adam7 pass, and its steps across and down (PNG 8.1)."""
_STORED, _SPARE_BYTES = 16, 2**16
"""The longest stream of pixels that is decoded, as a multiple of the rows' size, and more.

zlib takes 6 bytes for one if it stores each on its own. libpng inflates what follows the rows, a gigabyte from a
megabyte, and cannot be interrupted meanwhile.
"""


def png_exif(blob: bytes) -> bytes:
    """Return the EXIF block of a PNG, empty for none."""
    exif = b""
    for name, start, end in png_chunks(blob):
        if name == b"eXIf" and not exif:
            exif = blob[start + 8 : end - 4]
    return exif


def png_colours(blob: bytes) -> dict[bytes, bytes]:
    """Return the data of the first intact chunk of each kind that declares colours, before PLTE and IDAT (PNG 5.6)."""
    declared: dict[bytes, bytes] = {}
    for name, start, end in png_chunks(blob):
        if name in (b"PLTE", b"IDAT"):
            break
        if name in PNG_COLOUR_CHUNKS and name not in declared and is_intact(blob[start:end]):
            declared[name] = blob[start + 8 : end - 4]
    return declared


def strip_png(blob: bytes) -> bytes:
    """Return a PNG of critical chunks and tRNS only, with one IDAT chunk and IEND.

    ImageMagick would inflate every text and profile, a gigabyte from a megabyte, and it aborts the process on a profile
    in a text chunk with an invalid length. If the CRC of an IDAT chunk is wrong, so is that of the new one, and
    `repair_png` decides about the pixels. IDAT chunks are consecutive (PNG 5.6); later ones are dropped, and a
    stream far longer than its rows is cut.
    """
    view, kept, pixels, damaged = memoryview(blob), [blob[:8]], [], False
    for name, start, end in png_chunks(blob):
        if name == b"IDAT":
            pixels.append(view[start + 8 : end - 4])
            damaged = damaged or (end <= len(blob) and not is_intact(view[start:end]))
        elif pixels:
            break
        elif _is_kept(name, view[start:end]):
            kept.append(blob[start:end])
    if not pixels:
        raise truncated_error("PNG")
    if len(kept) == 1 or len(kept[1]) != _HEADER_BYTES or kept[1][4:8] != b"IHDR":
        raise malformed_error("PNG", "its header is damaged")
    longest = _STORED * rows_bytes(b"".join(kept[:2])) + _SPARE_BYTES
    chunk = write_chunk(b"IDAT", b"".join(pixels)[:longest])
    if damaged:
        chunk = chunk[:-4] + bytes(byte ^ 0xFF for byte in chunk[-4:])
    return b"".join([*kept, chunk, write_chunk(b"IEND", b"")])


def _is_kept(name: bytes, chunk: memoryview) -> bool:
    """Return whether a chunk before IDAT may change the pixels. Decoders skip a damaged ancillary chunk."""
    if not name[0] & _ANCILLARY:
        return True
    return name == _TRANSPARENT and is_intact(chunk)


def is_intact(chunk: bytes | memoryview) -> bool:
    """Return whether the CRC of a complete chunk is right (PNG 5.3)."""
    return zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:], "big")


def write_chunk(name: bytes, data: bytes) -> bytes:
    """Return a chunk with its length and CRC (PNG 5.3)."""
    return b"".join([struct.pack(">I4s", len(data), name), data, zlib.crc32(data, zlib.crc32(name)).to_bytes(4, "big")])


def png_chunks(blob: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield each chunk up to IEND or the end of the file: its name, and the offsets where it starts and ends.

    An IDAT chunk that the file ends in is yielded as if a CRC followed its data. Raises TooLargeError for more than
    MAXIMUM_PARTS chunks.
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


def rows_bytes(png: bytes) -> int:
    """Return the number of bytes of all rows with their filter bytes, by the header of a PNG (PNG 7.2, 8.1)."""
    width_px, height_px, bits, kind, interlaced = struct.unpack_from(">IIBBxxB", png, 16)
    bits_a_pixel = bits * _CHANNELS.get(kind, 0)
    total = 0
    for left, top, across, down in _PASSES if interlaced else ((0, 0, 1, 1),):
        columns, rows = -(-(width_px - left) // across), -(-(height_px - top) // down)
        if columns > 0 and rows > 0:
            total += rows * (1 + -(-columns * bits_a_pixel // 8))
    return total
