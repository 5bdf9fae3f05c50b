"""Read the chunks of a PNG (3rd edition), and strip its metadata."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

from imaged.api import PNG, PNG_COLOUR_CHUNKS, Size, png_profile, png_profile_name, read_orientation

from .original import Original, declined

_PALETTE, _COLOURED = 3, 2  # a colour type, and its bit for colours (11.2.1)
_DEPTHS = {0: (1, 2, 4, 8), 2: (8,), 3: (1, 2, 4, 8), 4: (8,), 6: (8,)}
"""The bit depths of each colour type that Pillow decodes exactly: of 16 bits it drops eight."""
_USED = {b"IHDR", b"PLTE", b"tRNS"}
"""The chunks before the pixels that are kept. Any other critical one makes a PNG unreadable (5.4)."""
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of each colour type (11.2.1)
_SLICE_BYTES = 2**20
_LONGEST_SIDE_PX = 65_535
"""As in JPEG and GIF. A resize has tables of 48 bytes for each pixel of a side: gigabytes for a picture of one row."""
_ANCILLARY = 0x20  # the bit of a chunk type's first letter that marks ancillary chunks (5.4)
_MOST_CHUNKS = 10_000
_IEND = b"\x00\x00\x00\x00IEND\xaeB`\x82"


class Chunk(NamedTuple):
    """The name of a chunk, and the offsets where it starts and ends."""

    name: bytes
    start: int
    end: int


def read_png(blob: bytes) -> Original:
    """Parse a PNG. Raises DeclinedError for one that is damaged, or that Pillow does not decode exactly."""
    chunks = list(_chunks(blob))
    pixels = [each for each in chunks if each.name == b"IDAT"]
    before = chunks[: chunks.index(pixels[0])] if pixels else []
    if not before or chunks[0].name != b"IHDR" or chunks[0].end - chunks[0].start != 25:  # noqa: PLR2004 -- 11.2.1
        raise declined("PNG", "its header is damaged")
    if chunks[len(before) : len(before) + len(pixels)] != pixels:
        raise declined("PNG", "its pixels are in pieces")
    width_px, height_px, bits, kind, method, filter, interlaced = struct.unpack_from(">IIBBBBB", blob, 16)
    kept = [each for each in before if _is_kept(each, blob, kind)]
    names = [each.name for each in kept]
    if bits not in _DEPTHS.get(kind, ()) or method or filter or interlaced or (b"PLTE" in names) != (kind == _PALETTE):
        raise declined("PNG", "its coding is rare")
    if b"tRNS" in names and not kind and bits != 8:  # noqa: PLR2004 -- Pillow does not scale the transparent grey
        raise declined("PNG", "its transparency is rare")
    if (
        len(set(names)) < len(names)
        or not _USED.issuperset(names)
        or not all(_has_colours(each, bits) for each in kept)
    ):
        raise declined("PNG", "its header is damaged")
    exif = next((blob[each.start + 8 : each.end - 4] for each in chunks if each.name == b"eXIf"), b"")
    colours = _colours(before, blob)
    profile, name = png_profile(colours, coloured=bool(kind & _COLOURED)), png_profile_name(colours)
    size = _size(width_px, height_px)
    as_still = partial(_still, blob, [*kept, *pixels])
    return Original(PNG, as_still, size, read_orientation(exif), profile, profile_name=name)


def _still(blob: bytes, chunks: Sequence[Chunk]) -> bytes:
    """Return a PNG of these chunks. Raises DeclinedError if one is damaged."""
    if not all(_is_intact(each, blob) for each in chunks):
        raise declined("PNG", "its data is damaged")
    return b"".join([blob[:8], *(blob[each.start : each.end] for each in chunks), _IEND])


def has_all_rows(png: bytes) -> bool:
    """Return whether the stream of a stripped PNG has all its rows (7.2)."""
    width_px, height_px, bits, kind = struct.unpack_from(">IIBB", png, 16)
    missing: int = height_px * (1 + -(-width_px * bits * _CHANNELS[kind] // 8))
    stream = zlib.decompressobj()
    for each in _chunks(png):
        data = png[each.start + 8 : each.end - 4] if each.name == b"IDAT" else b""
        while missing > 0 and data:
            missing -= len(stream.decompress(data, _SLICE_BYTES))
            data = stream.unconsumed_tail
    return missing <= 0


def _size(width_px: int, height_px: int) -> Size:
    if not width_px or not height_px:
        raise declined("PNG", "its header is damaged")
    if max(width_px, height_px) > _LONGEST_SIDE_PX:
        raise declined("PNG", f"a side has more than {_LONGEST_SIDE_PX} pixels")
    return Size(width_px, height_px)


def _is_kept(chunk: Chunk, blob: bytes, kind: int) -> bool:
    """Return whether a chunk before the pixels may change them. Decoders skip a damaged ancillary chunk."""
    if chunk.name == b"tRNS":
        return _is_intact(chunk, blob)
    return not chunk.name[0] & _ANCILLARY and (chunk.name != b"PLTE" or kind == _PALETTE)


def _has_colours(chunk: Chunk, bits: int) -> bool:
    """Return whether a palette has whole colours, and no more than its indices (11.2.2). Other chunks do."""
    data_bytes = chunk.end - chunk.start - 12
    return chunk.name != b"PLTE" or (data_bytes > 0 and data_bytes % 3 == 0 and data_bytes <= 3 << bits)


def _is_intact(chunk: Chunk, blob: bytes) -> bool:
    """Return whether the CRC of a chunk is right (5.3)."""
    view = memoryview(blob)
    return zlib.crc32(view[chunk.start + 4 : chunk.end - 4]) == int.from_bytes(view[chunk.end - 4 : chunk.end], "big")


def _colours(chunks: list[Chunk], blob: bytes) -> dict[bytes, bytes]:
    """Return the data of the first intact chunk of each kind that declares colours, before PLTE (5.6)."""
    declared: dict[bytes, bytes] = {}
    for each in chunks:
        if each.name == b"PLTE":
            break
        if each.name in PNG_COLOUR_CHUNKS and each.name not in declared and _is_intact(each, blob):
            declared[each.name] = blob[each.start + 8 : each.end - 4]
    return declared


def _chunks(blob: bytes) -> Iterator[Chunk]:
    """Yield the chunks before IEND. Raises DeclinedError without an IEND, and for very many chunks."""
    at = 8
    for _ in range(_MOST_CHUNKS):
        if at + 12 > len(blob):
            raise declined("PNG", "its end is missing")
        length, name = struct.unpack_from(">I4s", blob, at)
        start, at = at, at + 12 + length
        if name == b"IEND":
            return
        yield Chunk(name, start, at)
    raise declined("PNG", "it has too many chunks")
