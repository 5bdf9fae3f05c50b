"""GIF containers (GIF89a specification, W3C): the frames, their timing, and each as a still GIF."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import partial

from imaged.api import Size, TooLargeError

from .sequence import Disposal, Frame, Sequence, broken, check_count, cut_short

_EXTENSION, _IMAGE, _TRAILER = 0x21, 0x2C, 0x3B
_CONTROL, _APPLICATION = 0xF9, 0xFF
_LOOPS = (b"NETSCAPE2.0", b"ANIMEXTS1.0")
_DISPOSALS = {2: Disposal.CLEAR, 3: Disposal.RESTORE}
_MAXIMUM_BLOCKS = 2_000_000  # encoders fill blocks of 255 bytes; one of many tiny ones only wastes our time


@dataclass
class _Control:
    """The graphic control extension that goes before a frame; `body` is its four bytes."""

    body: bytes = bytes(4)

    @property
    def disposal(self) -> Disposal:
        return _DISPOSALS.get(self.body[0] >> 2 & 7, Disposal.KEEP)

    @property
    def duration_ms(self) -> int:
        return 10 * int.from_bytes(self.body[1:3], "little")


class _Reader:
    """Walks the blocks of `blob`, and raises NotAPictureError where it ends too soon."""

    def __init__(self, blob: bytes) -> None:
        self.blob = blob
        self.at = 0
        self._blocks = 0

    def take(self, length: int) -> bytes:
        taken = self.blob[self.at : self.at + length]
        if len(taken) < length:
            raise cut_short("GIF")
        self.at += length
        return taken

    def table(self, flags: int) -> bytes:
        """Take the colour table that `flags` announce, if any."""
        return self.take(3 << ((flags & 7) + 1)) if flags & 0x80 else b""

    def skip_blocks(self) -> None:
        """Pass over data sub-blocks and their terminator."""
        blob, at, blocks = self.blob, self.at, self._blocks
        try:
            while True:
                length = blob[at]
                at += length + 1
                blocks += 1  # terminators count too: a file may hold millions of extensions without data
                if blocks > _MAXIMUM_BLOCKS:
                    raise TooLargeError("this GIF has too many data blocks to read: save it anew with another program")
                if not length:
                    break
        except IndexError:
            raise cut_short("GIF") from None
        self.at, self._blocks = at, blocks


def read_gif(blob: bytes) -> Sequence:
    """Return the frames of a GIF. A missing trailer is forgiven, as browsers do; a frame that is cut short is not.

    Where the first frame is larger than the logical screen the canvas grows to hold it, as in browsers.
    """
    reader = _Reader(blob)
    reader.take(6)
    width_px, height_px, flags = struct.unpack("<HHBxx", reader.take(7))
    screen = (flags, reader.table(flags))
    frames: list[Frame] = []
    control, plays = _Control(), 1
    while reader.at < len(blob):
        kind = reader.take(1)[0]
        if kind == _IMAGE:
            frames.append(_frame(reader, control, screen))
            check_count("GIF", len(frames))
            control = _Control()
        elif kind == _EXTENSION:
            label = reader.take(1)[0]
            start = reader.at
            reader.skip_blocks()
            body = blob[start : reader.at]
            if label == _CONTROL and body[0] == 4:  # noqa: PLR2004 -- the block's fixed length
                control = _Control(body[1:5])
            elif label == _APPLICATION:
                plays = _plays(body, plays)
        else:  # the trailer; or no block that GIF knows, where every reader stops
            break
    if not frames:
        raise broken("GIF", "it has no frames")
    first = frames[0]
    width_px = max(width_px, first.left_px + first.size.width_px)
    height_px = max(height_px, first.top_px + first.size.height_px)
    return Sequence(Size(width_px, height_px), tuple(frames), plays)


def _plays(body: bytes, plays: int) -> int:
    """Read Netscape's loop block: it counts repeats, so that one play more is seen; 0 repeats for ever."""
    if body[1:12] not in _LOOPS or body[12:14] != b"\x03\x01":
        return plays
    repeats = int.from_bytes(body[14:16], "little")
    return repeats + 1 if repeats else 0


def _frame(reader: _Reader, control: _Control, screen: tuple[int, bytes]) -> Frame:
    """Read one image block."""
    left_px, top_px, width_px, height_px, flags = struct.unpack("<HHHHB", reader.take(9))
    if not width_px or not height_px:
        raise broken("GIF", f"a frame of {width_px}x{height_px} pixels has no pixels")
    start = reader.at
    reader.table(flags)
    reader.take(1)
    reader.skip_blocks()
    size, data = Size(width_px, height_px), reader.blob[start : reader.at]
    still = partial(_still, screen, control, size, flags, data)
    return Frame(left_px, top_px, size, control.duration_ms, control.disposal, blends=True, still=still)


def _still(screen: tuple[int, bytes], control: _Control, size: Size, flags: int, data: bytes) -> bytes:
    """Write one image block as a file of its own, whose screen is the frame."""
    screen_flags, colours = screen
    size_px = (size.width_px, size.height_px)
    return b"".join(
        [
            b"GIF89a" + struct.pack("<HHBxx", *size_px, screen_flags) + colours,
            b"\x21\xf9\x04" + bytes([control.body[0] & 1]) + control.body[1:4] + b"\x00",
            b"\x2c" + struct.pack("<HHHHB", 0, 0, *size_px, flags) + data,
            b"\x3b",
        ]
    )
