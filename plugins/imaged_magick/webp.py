"""WebP containers (RFC 9649): the frames, their timing, and each as a still WebP."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import partial

from imaged.api import Size

from .sequence import Disposal, Frame, Sequence, broken, check_count, cut_short

_ICC, _ALPHA, _ANIMATION = 0x20, 0x10, 0x02  # the flags of VP8X that matter here (RFC 9649, 2.7.1)
_PIXELS = (b"ALPH", b"VP8 ", b"VP8L")


def read_webp(blob: bytes) -> tuple[Sequence, bytes]:
    """Return the frames of a WebP, one for a still picture, and its EXIF block, empty where it has none."""
    size_bytes = int.from_bytes(blob[4:8], "little") + 8
    if size_bytes > len(blob):
        raise cut_short("WebP")
    chunks = list(_chunks(blob, 12, size_bytes))
    first = dict(reversed(chunks))
    extended, exif = first.get(b"VP8X"), first.get(b"EXIF", b"")
    if extended is None or len(extended) < 10 or not extended[0] & _ANIMATION:  # noqa: PLR2004 -- VP8X's length
        size = _still_size(chunks)
        return Sequence(size, (Frame(0, 0, size, 0, Disposal.KEEP, blends=True, still=lambda: blob),), plays=1), exif
    canvas = Size(_u24(extended, 4) + 1, _u24(extended, 7) + 1)
    profile = first.get(b"ICCP", b"") if extended[0] & _ICC else b""
    frames = []
    for name, body in chunks:
        if name == b"ANMF":
            frames.append(_frame(body, canvas, profile))
            check_count("WebP", len(frames))
    if not frames:
        raise broken("WebP", "it is an animation without frames")
    plays = int.from_bytes(first.get(b"ANIM", b"")[4:6], "little")
    return Sequence(canvas, tuple(frames), plays), exif


def set_plays(blob: bytes, plays: int) -> bytes:
    """Return an animation that plays `plays` times, 0 for ever; anything else as it is.

    ImageMagick's own encoder leaves the count out.
    """
    at = 12
    while at + 14 <= len(blob):
        name, length = struct.unpack_from("<4sI", blob, at)
        if name == b"ANIM":
            return blob[: at + 12] + struct.pack("<H", min(plays, 0xFFFF)) + blob[at + 14 :]
        at += 8 + length + length % 2
    return blob


def _chunks(blob: bytes, at: int, end: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield the name and the body of each chunk between two places of `blob`."""
    count = 0
    while at + 8 <= end:
        name, length = struct.unpack_from("<4sI", blob, at)
        if at + 8 + length > end:
            raise cut_short("WebP")
        count += 1
        check_count("WebP", count)  # other chunks are few; many empty ones only waste our memory
        yield name, blob[at + 8 : at + 8 + length]
        at += 8 + length + length % 2


def _frame(body: bytes, canvas: Size, profile: bytes) -> Frame:
    """Read the body of an ANMF chunk."""
    if len(body) < 16:  # noqa: PLR2004 -- the fixed part of ANMF
        raise broken("WebP", "a frame has no header")
    left_px, top_px = 2 * _u24(body, 0), 2 * _u24(body, 3)
    size = Size(_u24(body, 6) + 1, _u24(body, 9) + 1)
    if left_px + size.width_px > canvas.width_px or top_px + size.height_px > canvas.height_px:
        raise broken("WebP", "a frame lies outside of the canvas")
    chunks = [(name, data) for name, data in _chunks(body, 16, len(body)) if name in _PIXELS]
    if _still_size(chunks) != size:
        raise broken("WebP", "a frame is not of the size that it announces")
    return Frame(
        left_px,
        top_px,
        size,
        duration_ms=_u24(body, 12),
        disposal=Disposal.CLEAR if body[15] & 1 else Disposal.KEEP,
        blends=not body[15] & 2,
        still=partial(_still, size, profile, chunks),
    )


def _still(size: Size, profile: bytes, chunks: list[tuple[bytes, bytes]]) -> bytes:
    """Write a still WebP of these pixel chunks, with the colour profile of the whole."""
    flags = (_ICC if profile else 0) | (_ALPHA if any(name != b"VP8 " for name, _ in chunks) else 0)
    extended = bytes([flags, 0, 0, 0]) + _to_u24(size.width_px - 1) + _to_u24(size.height_px - 1)
    parts = [(b"VP8X", extended), *([(b"ICCP", profile)] if profile else []), *chunks]
    body = b"".join(name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2) for name, data in parts)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def _still_size(chunks: list[tuple[bytes, bytes]]) -> Size:
    """Return the size that the first pixel chunk announces (RFC 6386, 9.1; RFC 9649, 3.4)."""
    for name, data in chunks:
        width_px = height_px = 0
        if name == b"VP8 " and data[3:6] == b"\x9d\x01\x2a":
            width_px, height_px = (int.from_bytes(data[at : at + 2], "little") & 0x3FFF for at in (6, 8))
        elif name == b"VP8L" and data[:1] == b"\x2f":
            bits = int.from_bytes(data[1:5], "little")
            width_px, height_px = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        elif name not in (b"VP8 ", b"VP8L"):
            continue
        if width_px and height_px:
            return Size(width_px, height_px)
        break
    raise broken("WebP", "it has no pixels")


def _u24(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 3], "little")


def _to_u24(number: int) -> bytes:
    return number.to_bytes(3, "little")
