"""Read the blocks of a GIF (GIF89a specification, W3C) up to its second picture."""

from __future__ import annotations

import struct
from functools import partial

from imaged.api import GIF, Size

from .original import Original, declined

_EXTENSION, _IMAGE, _TRAILER, _CONTROL = 0x21, 0x2C, 0x3B, 0xF9
_HEADER_BYTES = 13
_MOST_BLOCKS = 200_000
"""How many data sub-blocks are skipped; encoders write 255 bytes into each."""
_CONTROL_BYTES = 8


class _Cursor:
    """An offset in the blocks of a file. Raises DeclinedError for very many of them."""

    def __init__(self, blob: bytes, at: int) -> None:
        self.at = at
        self._blob = blob
        self._left = _MOST_BLOCKS

    def skip_blocks(self, at: int) -> None:
        """Move to the end of the data sub-blocks at an offset, after their terminator."""
        length = 1
        while length:
            length = self._blob[at]
            at += 1 + length
            self._left -= 1
            if self._left < 0:
                raise declined("GIF", "it has too many blocks")
        self.at = at


def read_gif(blob: bytes) -> Original:
    """Parse a GIF.

    Raises DeclinedError for a damaged file, and for a first picture that does not fill the canvas exactly.
    """
    try:
        return _read(blob)
    except (struct.error, IndexError):
        raise declined("GIF", "its end is missing") from None


def _read(blob: bytes) -> Original:
    screen_px = struct.unpack_from("<HH", blob, 6)
    cursor = _Cursor(blob, _HEADER_BYTES + _table_bytes(blob[10]))
    head, control, picture = blob[: cursor.at], b"", b""
    while True:
        start = cursor.at
        kind = blob[start]
        if kind == _TRAILER and picture:
            break
        if kind == _EXTENSION:
            cursor.skip_blocks(start + 2)
            if blob[start + 1] == _CONTROL and not picture:
                control = blob[start : cursor.at]
        elif kind == _IMAGE and picture:
            return Original(GIF, partial(_still, head, control, picture), Size(*screen_px), animated=True)
        elif kind == _IMAGE:
            left_px, top_px, *sides_px, flags = struct.unpack_from("<HHHHB", blob, start + 1)
            if (left_px, top_px, *sides_px) != (0, 0, *screen_px) or not all(sides_px):
                raise declined("GIF", "its first picture does not fill the canvas")
            if not (blob[10] | flags) & 0x80:
                raise declined("GIF", "it has no colours")
            cursor.skip_blocks(start + 11 + _table_bytes(flags))
            picture = blob[start : cursor.at]
        else:
            raise declined("GIF", "it is damaged")
    return Original(GIF, partial(_still, head, control, picture), Size(*screen_px))


def _still(head: bytes, control: bytes, picture: bytes) -> bytes:
    return b"".join([head, control if len(control) == _CONTROL_BYTES else b"", picture, bytes([_TRAILER])])


def _table_bytes(flags: int) -> int:
    """Return the length of the colour table that flags announce."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0
