"""Strip a PNG (3rd edition)."""

from __future__ import annotations

import struct
import zlib

from imaged.core.colours.png_colours import PNG_COLOUR_CHUNKS, png_profile
from imaged.core.exif import read_orientation
from imaged.core.stripping.unfit import require

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_KEPT = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}
_ANIMATED = {b"acTL", b"fcTL", b"fdAT"}
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of each colour type (11.2.1)
_ANCILLARY, _COLOURED, _MOST_BITS = 0x20, 2, 8
_SLICE_BYTES, _MOST_CHUNKS = 2**20, 10_000


def strip_png(blob: bytes) -> bytes:
    """Return a PNG of the same pixels. Raises UnfitError, struct.error, zlib.error or KeyError."""
    require(blob.startswith(_SIGNATURE))
    names: list[bytes] = []
    kept, pixels, colours = [_SIGNATURE], [], {}
    at = len(_SIGNATURE)
    for _ in range(_MOST_CHUNKS):
        length, name = struct.unpack_from(">I4s", blob, at)
        end = at + 12 + length
        data = blob[at + 8 : end - 4]
        require(end <= len(blob) and zlib.crc32(name + data) == int.from_bytes(blob[end - 4 : end], "big"))
        require(name not in _ANIMATED and (name in _KEPT or name[0] & _ANCILLARY))
        if name in _KEPT:
            require(name == b"IDAT" or name not in names)
            require(name != b"IDAT" or b"IDAT" not in names or names[-1] == b"IDAT")
            kept.append(blob[at:end])
            pixels += [data] if name == b"IDAT" else []
        elif name == b"eXIf":
            require(read_orientation(data) == 1)
        elif name in PNG_COLOUR_CHUNKS:
            require(name not in colours)
            colours[name] = data
        names.append(name)
        at = end
        if name == b"IEND":
            break
    require(names[-1] == b"IEND" and not data and at == len(blob) and names[0] == b"IHDR" and pixels)
    width_px, height_px, bits, kind, method, filter, interlaced = struct.unpack_from(">IIBBBBB", blob, 16)
    require(kind in _CHANNELS and bits <= _MOST_BITS and not (method or filter or interlaced))
    require(png_profile(colours, coloured=bool(kind & _COLOURED)) == b"")
    require(_is_whole(pixels, height_px * (1 + -(-width_px * bits * _CHANNELS[kind] // 8))))
    return b"".join(kept)


def _is_whole(pixels: list[bytes], expected_bytes: int) -> bool:
    """Return whether a stream has these bytes, a right checksum, and nothing behind it (7.2, 10.1)."""
    stream, found_bytes = zlib.decompressobj(), 0
    for data in pixels:
        left = data
        while left and not stream.eof and found_bytes <= expected_bytes:
            found_bytes += len(stream.decompress(left, _SLICE_BYTES))
            left = stream.unconsumed_tail
        if left or stream.unused_data:
            return False
    return stream.eof and found_bytes == expected_bytes
