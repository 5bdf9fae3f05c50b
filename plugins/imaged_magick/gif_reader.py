"""Read GIF containers (GIF89a specification, W3C): the frames, their timing, and each frame as a still GIF."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, replace
from functools import partial

from imaged.api import Size, TooLargeError

from .errors import check_frame_count, malformed_error, truncated_error
from .frames import Disposal, Frame, FrameSequence
from .gil import yield_gil

_EXTENSION, _IMAGE, _TRAILER = 0x21, 0x2C, 0x3B
_CONTROL, _APPLICATION = 0xF9, 0xFF
_INTERLACED = 0x40  # the flag of an image block
_NO_TABLE = b"\x00\x00\x00\xff\xff\xff"  # the colour table of a file without one, as in libnsgif
_LOOPS = (b"NETSCAPE2.0", b"ANIMEXTS1.0")
_DISPOSALS = {2: Disposal.CLEAR, 3: Disposal.RESTORE}
_FULL_BLOCKS = re.compile(rb"(?:\xff.{255}){1,1000}+", re.DOTALL)  # a match holds the GIL
_MAXIMUM_BLOCKS = 500_000  # besides runs of full ones, which encoders write; reading very many tiny ones takes seconds


class _EndOfFileError(Exception):
    """The file ends inside a block."""


@dataclass
class _Control:
    """The graphic control extension of the next frame; `body` is its four bytes."""

    body: bytes = bytes(4)

    @property
    def disposal(self) -> Disposal:
        return _DISPOSALS.get(self.body[0] >> 2 & 7, Disposal.KEEP)

    @property
    def duration_ms(self) -> int:
        return 10 * int.from_bytes(self.body[1:3], "little")


class _Reader:
    """Reads the blocks of `blob` in order."""

    def __init__(self, blob: bytes) -> None:
        self.blob = blob
        self.at = 0
        self._blocks = 0

    def take(self, length: int) -> bytes:
        taken = self.blob[self.at : self.at + length]
        if len(taken) < length:
            raise _EndOfFileError
        self.at += length
        return taken

    def table(self, flags: int) -> bytes:
        """Read the colour table that `flags` announce, if any."""
        return self.take(3 << ((flags & 7) + 1)) if flags & 0x80 else b""

    def blocks(self) -> tuple[bytes, bool]:
        """Read data sub-blocks with their terminator. Return whether they were complete; if not, terminate them."""
        blob, start, at = self.blob, self.at, self.at
        while at < len(blob):
            length = blob[at]
            full = _FULL_BLOCKS.match(blob, at) if length == 255 else None  # noqa: PLR2004 -- a byte's largest
            end = full.end() if full else at + 1 + length
            if end > len(blob):
                break
            self._blocks += 1  # terminators count too: a file may have millions of empty extensions
            if self._blocks > _MAXIMUM_BLOCKS:
                raise TooLargeError("this GIF has too many data blocks: save it again with another program")
            yield_gil(self._blocks)
            at = end
            if not length:
                self.at = at
                return blob[start:at], True
        self.at = len(blob)
        rest = blob[at + 1 :]
        return blob[start:at] + (bytes([len(rest)]) + rest if rest else b"") + b"\x00", False


def read_gif(blob: bytes) -> FrameSequence:
    """Return the frames of a GIF. As in browsers, the end may be missing; a decoder finds out which pixels are.

    If the first frame is larger than the logical screen, the canvas grows to hold it, as in browsers.
    """
    reader = _Reader(blob)
    frames: list[Frame] = []
    width_px = height_px = 0
    control, plays, complete = _Control(), 1, True
    try:
        reader.take(6)
        width_px, height_px, flags = struct.unpack("<HHBxx", reader.take(7))
        screen = reader.table(flags)
        while reader.at < len(blob):
            kind = reader.take(1)[0]
            if kind == _IMAGE:
                frame, complete = _frame(reader, control, screen)
                _add(frames, frame, control)
                control = _Control()
            elif kind == _EXTENSION:
                label = reader.take(1)[0]
                body, _ = reader.blocks()
                if label == _CONTROL and body[:1] == b"\x04" and len(body) > 4:  # noqa: PLR2004 -- the block's fixed length
                    control = _Control(body[1:5])
                elif label == _APPLICATION:
                    plays = _plays(body, plays)
            else:  # the trailer, or an unknown block, where every reader stops
                break
    except _EndOfFileError:
        if not frames:
            raise truncated_error("GIF") from None
    if not frames:
        raise malformed_error("GIF", "it has no frames")
    first = frames[0]
    width_px = max(width_px, first.left_px + first.size.width_px)
    height_px = max(height_px, first.top_px + first.size.height_px)
    return FrameSequence(Size(width_px, height_px), tuple(frames), plays, truncated=not complete)


def _add(frames: list[Frame], frame: Frame | None, control: _Control) -> None:
    """Add a frame. For one without pixels, extend the frame before by its duration."""
    if frame is not None:
        frames.append(frame)
        check_frame_count("GIF", len(frames))
    elif frames:
        frames[-1] = replace(frames[-1], duration_ms=frames[-1].duration_ms + control.duration_ms)
    else:
        raise malformed_error("GIF", "its first frame has no pixels")


def _plays(body: bytes, plays: int) -> int:
    """Read the Netscape loop block, which counts repeats: one less than the plays, or 0 for ever."""
    if body[1:12] not in _LOOPS or body[12:14] != b"\x03\x01":
        return plays
    repeats = int.from_bytes(body[14:16], "little")
    return repeats + 1 if repeats else 0


def _frame(reader: _Reader, control: _Control, screen: bytes) -> tuple[Frame | None, bool]:
    """Read one image block, None for one without pixels, and whether its data is complete."""
    left_px, top_px, width_px, height_px, flags = struct.unpack("<HHHHB", reader.take(9))
    colours = reader.table(flags) or screen
    bits = reader.take(1)
    data, complete = reader.blocks()
    if complete and (not width_px or not height_px or _is_empty(bits[0], data)):
        return None, True
    if not width_px or not height_px:
        raise malformed_error("GIF", f"a frame of {width_px}x{height_px} pixels has no pixels")
    size = Size(width_px, height_px)
    as_still = partial(_still, colours, control, size, flags & _INTERLACED, bits + data)
    return Frame(left_px, top_px, size, control.duration_ms, control.disposal, blends=True, as_still=as_still), complete


def _is_empty(bits: int, data: bytes) -> bool:
    """Return whether sub-blocks hold no LZW code, or only clear and end codes."""
    clear, mask = 1 << bits, (2 << bits) - 1
    codes = int.from_bytes(data[1 : 1 + data[0]][:4], "little")
    first, second = codes & mask, codes >> (bits + 1) & mask
    return data == b"\x00" or first == clear + 1 or (first, second) == (clear, clear + 1)


def _still(colours: bytes, control: _Control, size: Size, flags: int, data: bytes) -> bytes:
    """Write one image block as a file of its own, whose logical screen is the frame.

    The colour table is extended by black to every index that the codes may hold: ImageMagick refuses one beyond it.
    """
    bits = min(8, max(data[0], 1, (len(colours) // 3 - 1).bit_length()))
    size_px = (size.width_px, size.height_px)
    return b"".join(
        [
            b"GIF89a"
            + struct.pack("<HHBxx", *size_px, 0x80 | (bits - 1))
            + (colours or _NO_TABLE).ljust(3 << bits, b"\x00"),
            b"\x21\xf9\x04" + bytes([control.body[0] & 1]) + control.body[1:4] + b"\x00",
            b"\x2c" + struct.pack("<HHHHB", 0, 0, *size_px, flags) + data,
            b"\x3b",
        ]
    )
