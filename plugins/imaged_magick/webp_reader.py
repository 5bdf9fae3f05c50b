"""Read WebP containers (RFC 9649): the frames, their timing, and each frame as a still WebP."""

from __future__ import annotations

from functools import partial

from imaged.api import Size, TooLargeError

from .errors import check_frame_count, malformed_error, truncated_error
from .frames import Disposal, Frame, FrameSequence
from .gil import yield_gil
from .riff import (
    ALPHA,
    ANIMATION,
    CLEAR,
    ICC,
    PIXELS,
    REPLACE,
    Chunk,
    extended_header,
    read_chunks,
    read_sides,
    read_u24,
    write_webp,
)

_MAXIMUM_SIDE_PX = 1_000_000  # the limit of our policy.xml
_VP8L_ALPHA_AT, _VP8L_ALPHA = 4, 0x10  # the alpha_is_used bit of lossless pixels (RFC 9649, 3.4)
_EXTENDED_BYTES, _FRAME_BYTES = 10, 16  # the fixed parts of VP8X and ANMF


def read_webp(blob: bytes) -> tuple[FrameSequence, bytes]:
    """Return the frames of a WebP, one for a still picture, and its EXIF block, empty for none."""
    size_bytes = int.from_bytes(blob[4:8], "little") + 8
    if size_bytes > len(blob):
        raise truncated_error("WebP")
    chunks = list(read_chunks(blob, 12, size_bytes))
    first = dict(reversed(chunks))
    header, exif = first.get(b"VP8X", b""), first.get(b"EXIF", b"")
    profile = first.get(b"ICCP", b"") if header and header[0] & ICC else b""
    if header and len(header) < _EXTENDED_BYTES:
        raise malformed_error("WebP", "its header is damaged")
    if not header or not header[0] & ANIMATION:
        size = _still_size(chunks)
        if header and size != read_sides(header, 4):
            raise malformed_error("WebP", "its picture does not have the size that its header announces")
        pixels = [(name, data) for name, data in chunks if name in PIXELS]
        if header and not header[0] & ALPHA:
            pixels = _opaque(pixels)
        frame = Frame(0, 0, size, 0, Disposal.KEEP, blends=True, as_still=partial(_still, size, pixels))
        return FrameSequence(size, (frame,), plays=1, profile=profile), exif
    canvas = read_sides(header, 4)
    if max(canvas.width_px, canvas.height_px) > _MAXIMUM_SIDE_PX:
        raise TooLargeError(
            f"this WebP is {canvas.width_px}x{canvas.height_px}: send one of at most {_MAXIMUM_SIDE_PX} pixels a side"
        )
    frames = []
    for name, body in chunks:
        if name == b"ANMF":
            frames.append(_frame(body, canvas))
            check_frame_count("WebP", len(frames))
            yield_gil(len(frames))
    if not frames:
        raise malformed_error("WebP", "it is an animation without frames")
    plays = int.from_bytes(first.get(b"ANIM", b"")[4:6], "little")
    return FrameSequence(canvas, tuple(frames), plays, profile), exif


def _frame(body: bytes, canvas: Size) -> Frame:
    """Read the body of an ANMF chunk."""
    if len(body) < _FRAME_BYTES:
        raise malformed_error("WebP", "a frame has no header")
    body += bytes(len(body) % 2)  # libwebp includes the padding
    left_px, top_px, size = 2 * read_u24(body, 0), 2 * read_u24(body, 3), read_sides(body, 6)
    if left_px + size.width_px > canvas.width_px or top_px + size.height_px > canvas.height_px:
        raise malformed_error("WebP", "a frame lies outside of the canvas")
    chunks = [(name, data) for name, data in read_chunks(body, _FRAME_BYTES, len(body)) if name in PIXELS]
    if _still_size(chunks) != size:
        raise malformed_error("WebP", "a frame does not have the size that its header announces")
    return Frame(
        left_px,
        top_px,
        size,
        duration_ms=read_u24(body, 12),
        disposal=Disposal.CLEAR if body[15] & CLEAR else Disposal.KEEP,
        blends=not body[15] & REPLACE,
        as_still=partial(_still, size, chunks),
    )


def _opaque(chunks: list[Chunk]) -> list[Chunk]:
    """Return pixel chunks without transparency: viewers ignore what the VP8X header does not announce."""
    opaque = []
    for name, data in chunks:
        if name == b"VP8L" and len(data) > _VP8L_ALPHA_AT:
            flags = data[_VP8L_ALPHA_AT] & ~_VP8L_ALPHA
            opaque.append((name, data[:_VP8L_ALPHA_AT] + bytes([flags]) + data[_VP8L_ALPHA_AT + 1 :]))
        elif name != b"ALPH":
            opaque.append((name, data))
    return opaque


def _still(size: Size, chunks: list[Chunk]) -> bytes:
    """Write a still WebP of pixel chunks only: ImageMagick would keep any others."""
    return write_webp(chunks if len(chunks) == 1 else [extended_header(ALPHA, size), *chunks])


def _still_size(chunks: list[Chunk]) -> Size:
    """Return the size in the header of the first pixel chunk (RFC 6386, 9.1; RFC 9649, 3.4)."""
    if chunks and chunks[-1][0] == b"ALPH":
        raise malformed_error("WebP", "it has transparency without pixels")
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
    raise malformed_error("WebP", "it has no pixels")
