"""Putting still WebPs together as an animated one (RFC 9649, 2.7).

ImageMagick's own writer gives each frame its successor's duration, drops the loop count, and makes a still of an
animation that plays once.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass

from imaged.api import Size

from .riff import (
    ALPHA,
    ANIMATION,
    PIXELS,
    REPLACE,
    Chunk,
    extended,
    read_chunks,
    write_chunks,
    write_sides,
    write_u24,
    write_webp,
)

_LONGEST_MS, _MOST_PLAYS = 2**24 - 1, 2**16 - 1  # what the format has bits for
SHORTEST_MS = 11
"""The shortest duration that browsers do not take for a longer one."""


@dataclass
class Piece:
    """The part of the canvas that a frame changes, as a still; and where it lies: WebP knows even places only.

    Where it `blends`, its transparent pixels let the canvas through. It `clears` its place when its time is over.
    """

    left_px: int
    top_px: int
    size: Size
    duration_ms: int
    still: bytes
    blends: bool = False
    clears: bool = False


def mux(canvas: Size, pieces: Iterable[Piece], plays: int) -> bytes:
    """Return an animated WebP that plays `plays` times, 0 for ever."""
    frames, flags = [], ANIMATION
    for piece in pieces:
        pixels = [(name, data) for name, data in read_chunks(piece.still, 12, len(piece.still)) if name in PIXELS]
        if any(name != b"VP8 " for name, _ in pixels):
            flags |= ALPHA
        place = write_u24(piece.left_px // 2) + write_u24(piece.top_px // 2)
        duration_ms = piece.duration_ms
        while duration_ms > _LONGEST_MS:
            part_ms = min(_LONGEST_MS, duration_ms - SHORTEST_MS)
            frames.append(_frame(place, piece, part_ms, pixels))
            duration_ms -= part_ms
        frames.append(_frame(place, piece, duration_ms, pixels))
    loop = bytes(4) + struct.pack("<H", min(plays, _MOST_PLAYS))
    return write_webp([extended(flags, canvas), (b"ANIM", loop), *frames])


def _frame(place: bytes, piece: Piece, duration_ms: int, pixels: list[Chunk]) -> Chunk:
    """Return one frame. One that shows for longer than can be written is written again, over itself."""
    manner = write_u24(duration_ms) + bytes([0 if piece.blends else REPLACE])
    return b"ANMF", place + write_sides(piece.size) + manner + write_chunks(pixels)
