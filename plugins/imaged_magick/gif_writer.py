"""Write an animated GIF (GIF89a specification, W3C) from still GIFs."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, replace

from imaged.api import Size

from .frames import EncodedFrame

_LONGEST_TICKS, _MOST_REPEATS = 2**16 - 1, 2**16 - 1  # the largest values of their fields
TICK_MS, SHORTEST_TICKS = 10, 2
"""The unit of a GIF's delays, and the shortest delay that browsers do not lengthen."""
_EXTENSION, _IMAGE, _CONTROL = 0x21, 0x2C, 0xF9
_TABLE, _TABLE_SIZE, _TRANSPARENCY = 0x80, 0x07, 0x01  # flags: a colour table, its size, a transparent index
_KEEP, _CLEAR = 1 << 2, 2 << 2  # disposal methods, shifted to their place among the flags


@dataclass(frozen=True)
class _Still:
    """A parsed still: its colour table, its transparent index, if any, and its compressed pixels."""

    size: Size
    table: bytes
    transparent: int | None
    data: bytes


def mux_gif(canvas: Size, transparent_pixel: bytes, frames: Iterable[EncodedFrame], plays: int) -> bytes:
    """Return an animated GIF that plays `plays` times; 0 means for ever. All frames blend.

    `transparent_pixel` is a still of one such pixel. It extends frames that last longer than the largest delay. Every
    frame names its transparent index: some readers clear a frame without one to a colour.
    """
    filler = _read(transparent_pixel)
    table, filler = filler.table, replace(filler, table=b"")
    blocks = []
    for frame in frames:
        still = _read(frame.still)
        if still.table == table:
            still = replace(still, table=b"", transparent=filler.transparent)
        shown, ticks = still, frame.duration_ms // TICK_MS
        while ticks > _LONGEST_TICKS:
            part = min(_LONGEST_TICKS, ticks - SHORTEST_TICKS)
            blocks.append(_write(shown, frame, part, _KEEP))
            shown, ticks = filler, ticks - part
        blocks.append(_write(still, frame, ticks, _CLEAR) if frame.clears else _write(shown, frame, ticks, _KEEP))
    flags = 0x70 | _flags(table)
    screen = struct.pack("<HHBBx", canvas.width_px, canvas.height_px, flags, filler.transparent or 0)
    loop = b"" if plays == 1 else b"\x21\xff\x0bNETSCAPE2.0\x03\x01" + _repeats(plays) + b"\x00"
    return b"".join([b"GIF89a", screen, table, loop, *blocks, b"\x3b"])


def _repeats(plays: int) -> bytes:
    """Return the number of repeats for the Netscape loop block, which is one less than the plays; 0 means for ever."""
    return struct.pack("<H", min(plays - 1, _MOST_REPEATS) if plays else 0)


def _write(still: _Still, frame: EncodedFrame, ticks: int, disposal: int) -> bytes:
    """Write one frame with its delay and its disposal method."""
    flags = disposal | (0 if still.transparent is None else _TRANSPARENCY)
    control = struct.pack("<BBBBHBx", _EXTENSION, _CONTROL, 4, flags, ticks, still.transparent or 0)
    place = (frame.left_px, frame.top_px, still.size.width_px, still.size.height_px)
    return control + struct.pack("<BHHHHB", _IMAGE, *place, _flags(still.table)) + still.table + still.data


def _flags(table: bytes) -> int:
    """Return the flags for a colour table, whose number of colours is a power of two."""
    return _TABLE | ((len(table) // 3).bit_length() - 2) if table else 0


def _read(still: bytes) -> _Still:
    """Parse a GIF of one frame as ImageMagick writes it."""
    at, table = _table(still, 10, 13)
    transparent = None
    while still[at] == _EXTENSION:
        if still[at + 1] == _CONTROL and still[at + 3] & _TRANSPARENCY:
            transparent = still[at + 6]
        at += 2
        while still[at]:
            at += still[at] + 1
        at += 1
    size = Size(*struct.unpack_from("<HH", still, at + 5))
    at, local = _table(still, at + 9, at + 10)
    return _Still(size, local or table, transparent, still[at:-1])


def _table(still: bytes, flags_at: int, at: int) -> tuple[int, bytes]:
    """Return the offset after a colour table and the table, empty if the flags announce none."""
    flags = still[flags_at]
    length = 3 << ((flags & _TABLE_SIZE) + 1) if flags & _TABLE else 0
    return at + length, still[at : at + length]
