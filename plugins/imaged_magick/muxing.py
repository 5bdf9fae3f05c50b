"""Putting still WebPs together as an animated one (RFC 9649, 2.7).

ImageMagick's own writer gives each frame its successor's duration, drops the loop count, and makes a still of an
animation that plays once.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass

from imaged.api import Size

from .webp import ALPHA, ANIMATION, PIXELS, chunks_of

_REPLACE = 0x02  # the flag of ANMF that says not to blend


@dataclass(frozen=True)
class Piece:
    """A part of the canvas that changes, as a still WebP; `left_px` and `top_px` are even."""

    left_px: int
    top_px: int
    size: Size
    duration_ms: int
    still: bytes


def mux(canvas: Size, pieces: Iterable[Piece], plays: int) -> bytes:
    """Return an animated WebP that plays `plays` times, 0 for ever."""
    frames, flags = [], ANIMATION
    for piece in pieces:
        pixels = [(name, data) for name, data in chunks_of(piece.still) if name in PIXELS]
        if any(name != b"VP8 " for name, _ in pixels):
            flags |= ALPHA
        place = _u24(piece.left_px // 2) + _u24(piece.top_px // 2) + _sides(piece.size)
        header = place + _u24(min(piece.duration_ms, 0xFFFFFF)) + bytes([_REPLACE])
        frames.append((b"ANMF", header + b"".join(chunk(name, data) for name, data in pixels)))
    extended = bytes([flags, 0, 0, 0]) + _sides(canvas)
    loop = bytes(4) + struct.pack("<H", min(plays, 0xFFFF))
    return riff([(b"VP8X", extended), (b"ANIM", loop), *frames])


def riff(chunks: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return a WebP file of these chunks."""
    body = b"WEBP" + b"".join(chunk(name, data) for name, data in chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def chunk(name: bytes, data: bytes) -> bytes:
    """Return a chunk, padded to an even length."""
    return name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)


def _sides(size: Size) -> bytes:
    return _u24(size.width_px - 1) + _u24(size.height_px - 1)


def _u24(number: int) -> bytes:
    return number.to_bytes(3, "little")
