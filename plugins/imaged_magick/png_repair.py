"""Repair a PNG whose pixels are complete although its stream lacks an end or a checksum, or its palette colours."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping

from .deadline import Deadline
from .errors import malformed_error, truncated_error
from .png_reader import is_intact, png_chunks, rows_bytes, write_chunk

_BITS_AT, _INDEXED = 24, 3  # the offset of IHDR's bit depth, before the colour type; the type for palettes
_ZLIB_HEADER_BYTES, _CHECKSUM_BYTES, _SLICE_BYTES = 2, 4, 2**20
_LARGEST_WINDOW, _DICTIONARY = 7, 0x20  # of a zlib header (RFC 1950, 2.2)


def repair_png(png: bytes, deadline: Deadline) -> bytes:
    """Return a stripped PNG with its rows compressed again. Raises NotAPictureError if rows are missing or damaged.

    Bytes after the last row change no pixel, so the end of the stream may be missing. One checksum may be wrong, the
    chunk's CRC or the stream's Adler-32; if both are, the pixels are damaged.
    """
    chunks = {name: (start, end) for name, start, end in png_chunks(png)}
    start, end = chunks[b"IDAT"]
    stream, slices = _inflate(png[start + 8 : end - 4])
    rows = zlib.compressobj(1)
    compressed, missing, checksum = [], rows_bytes(png), 1
    intact = is_intact(memoryview(png)[start:end])
    for data in slices:
        checksum = zlib.adler32(data, checksum)
        if missing > 0:
            compressed.append(rows.compress(data[:missing]))
            missing -= len(data)
        deadline.check()
        if missing <= 0 and intact:
            break
    if missing > 0:
        raise truncated_error("PNG")
    adler = stream.unused_data[:_CHECKSUM_BYTES]
    if not intact and len(adler) == _CHECKSUM_BYTES and int.from_bytes(adler, "big") != checksum:
        raise malformed_error("PNG", "its pixels are damaged")
    pixels = write_chunk(b"IDAT", b"".join([*compressed, rows.flush()]))
    return _full_palette(png[:start], chunks) + pixels + write_chunk(b"IEND", b"")


def _full_palette(head: bytes, chunks: Mapping[bytes, tuple[int, int]]) -> bytes:
    """Return the chunks before IDAT, with the palette extended by black to a colour for each index, as in libpng."""
    start, end = chunks.get(b"PLTE", (0, 0))
    bits, kind = head[_BITS_AT : _BITS_AT + 2]
    if not start or kind != _INDEXED:
        return head
    return head[:start] + write_chunk(b"PLTE", head[start + 8 : end - 4].ljust(3 << bits, b"\x00")) + head[end:]


def _inflate(data: bytes) -> tuple[zlib._Decompress, Iterator[bytes]]:
    """Return a decompressor and an iterator that inflates `data` in slices, as far as the data goes.

    Raises NotAPictureError for an invalid zlib header (RFC 1950, 2.2): its method, window size or check bits.
    """
    header = int.from_bytes(data[:_ZLIB_HEADER_BYTES], "big")
    if header % 31 or header >> 8 & 15 != zlib.DEFLATED or header >> 12 > _LARGEST_WINDOW or header & _DICTIONARY:
        raise malformed_error("PNG", "its pixels are invalid")
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    return stream, _slices(stream, data[_ZLIB_HEADER_BYTES:])


def _slices(stream: zlib._Decompress, data: bytes) -> Iterator[bytes]:
    while not stream.eof:
        try:
            slice = stream.decompress(data, _SLICE_BYTES)
        except zlib.error:
            raise malformed_error("PNG", "its pixels are invalid") from None
        if not slice:
            return
        yield slice
        data = stream.unconsumed_tail
