"""Write an animated WebP (RFC 9649, 2.7) from still WebPs.

ImageMagick's own writer gives each frame its successor's duration, drops the loop count, and turns an animation that
plays once into a still.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from imaged.api import Size

from .frames import EncodedFrame
from .riff import (
    ALPHA,
    ANIMATION,
    PIXELS,
    REPLACE,
    Chunk,
    extended_header,
    read_chunks,
    write_chunks,
    write_sides,
    write_u24,
    write_webp,
)

_LONGEST_MS, _MOST_PLAYS = 2**24 - 1, 2**16 - 1  # the largest values of their fields
SHORTEST_MS = 11
"""The shortest duration that browsers do not lengthen."""


def mux_webp(canvas: Size, frames: Iterable[EncodedFrame], plays: int) -> bytes:
    """Return an animated WebP that plays `plays` times; 0 means for ever."""
    chunks, flags = [], ANIMATION
    for frame in frames:
        pixels = [(name, data) for name, data in read_chunks(frame.still, 12, len(frame.still)) if name in PIXELS]
        if any(name != b"VP8 " for name, _ in pixels):
            flags |= ALPHA
        duration_ms = frame.duration_ms
        while duration_ms > _LONGEST_MS:  # written several times, over itself
            part_ms = min(_LONGEST_MS, duration_ms - SHORTEST_MS)
            chunks.append(_frame_chunk(frame, part_ms, pixels))
            duration_ms -= part_ms
        chunks.append(_frame_chunk(frame, duration_ms, pixels))
    loop = bytes(4) + struct.pack("<H", min(plays, _MOST_PLAYS))
    return write_webp([extended_header(flags, canvas), (b"ANIM", loop), *chunks])


def _frame_chunk(frame: EncodedFrame, duration_ms: int, pixels: list[Chunk]) -> Chunk:
    offset = write_u24(frame.left_px // 2) + write_u24(frame.top_px // 2)
    timing = write_u24(duration_ms) + bytes([0 if frame.blends else REPLACE])
    return b"ANMF", offset + write_sides(frame.size) + timing + write_chunks(pixels)
