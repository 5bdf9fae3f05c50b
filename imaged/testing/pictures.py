"""Generate small valid pictures without an imaging library: four quadrants of red, green, blue and white.

Red is at the top left, green at its right, blue below it. Each frame of an animation moves the colours one quadrant on.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence

WIDTH_PX, HEIGHT_PX = 48, 32
"""The default size of all pictures."""

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
QUADRANTS = (RED, GREEN, BLUE, WHITE)
"""The colours of the quadrants: top left, top right, bottom left, bottom right."""

_JPEG = (
    "|JeWF01!$>Nk#wx0RR9200961|JwjV00RO70|EjA0|NsD0|NvF2n7WM1O*BQ2L=cX3JeSj3JVJj4iXRz4iOFu3lJ6%5fc;@6%`B*7Z?^47!ni}"
    "6#v@*LjeN>1O)^I2?YfS6b%av6ciK`6ciK`6ciK`6ciK`6ciK`6ciK`6ciK`6ciK`6ciK`6ciK`6ciK`6ciK`6cqo!01*fPAOJ7}0TBQK5di}c"
    "0sq7R7XSeP0RaF20000000000000083JL$j02B}b00000000000000000000|HJ?p0RaF50RaF20000000000000LG3I+)O!~hf#0RR9100000"
    "00000000000RP$m3<CiG0ucid06zeo5MtE80b?O1W559%rq-MQ0b?O1W55B+#*E(O00x%TSndD;nnkI&Z~$p-RgT~QAOG0"
)
_VP8L = (
    "2f2fc007001f201048de1f3a8df9171014fc1fddfc47640f404ddb46504996e4917c33778ee8ff04141a3313366606",
    "2f2fc007001f201048de1f3a8df9171014fc1fddfc47640f404ddb46504996e4917c33778ee8ff0418859935166606",
    "2f2fc007001f201048de1f3a8df9171014fc1fddfc47640f404ddb46504996e4917c33778ee8ff04081b332b346606",
    "2f2fc007001f201048de1f3a8df9171014fc1fddfc47640f404ddb46504996e4917c33778ee8ff0434166666146606",
)


def make_jpeg(orientation: int | None = None) -> bytes:
    """Return a JPEG of 48x32 pixels as stored, with an EXIF orientation of 1 to 8 if one is given."""
    jpeg = base64.b85decode(_JPEG)
    if orientation is None:
        return jpeg
    exif = b"Exif\x00\x00" + make_exif(orientation)
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]


def make_exif(orientation: int) -> bytes:
    """Return an EXIF block (CIPA DC-008) with an orientation only."""
    return b"MM\x00*\x00\x00\x00\x08" + struct.pack(">HHHIHHI", 1, 0x0112, 3, 1, orientation, 0, 0)


def make_png(
    width_px: int = WIDTH_PX,
    height_px: int = HEIGHT_PX,
    *,
    opacity: int | None = None,
    orientation: int | None = None,
    comment: str | None = None,
) -> bytes:
    """Return a PNG, with an alpha channel if an `opacity` of 0 to 255 is given."""
    alpha = b"" if opacity is None else bytes([opacity])
    rows = (
        b"\x00" + b"".join(bytes(_colour(x, y, width_px, height_px)) + alpha for x in range(width_px))
        for y in range(height_px)
    )
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width_px, height_px, 8, 6 if alpha else 2, 0, 0, 0))]
    if orientation is not None:
        chunks.append((b"eXIf", make_exif(orientation)))
    if comment is not None:
        chunks.append((b"tEXt", b"Comment\x00" + comment.encode("latin-1")))
    chunks += [(b"IDAT", zlib.compress(b"".join(rows))), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


def make_gif(frames: int = 1, *, duration_ms: int = 100, repeats: int | None = 0) -> bytes:
    """Return a GIF whose frames last `duration_ms`. `repeats` is its loop count, 0 for ever, None for no loop block."""
    colours = b"".join(bytes(colour) for colour in QUADRANTS) + bytes(3 * 124)
    loop = b"" if repeats is None else b"\x21\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<H", repeats) + b"\x00"
    parts = [b"GIF89a", struct.pack("<HHBBB", WIDTH_PX, HEIGHT_PX, 0xF6, 0, 0), colours, loop]
    for frame in range(frames):
        parts.append(b"\x21\xf9\x04\x04" + struct.pack("<H", duration_ms // 10) + b"\x00\x00")
        parts.append(b"\x2c" + struct.pack("<HHHHB", 0, 0, WIDTH_PX, HEIGHT_PX, 0))
        parts.append(_gif_pixels(frame))
    return b"".join([*parts, b"\x3b"])


def make_webp(frames: int = 1, *, durations_ms: Sequence[int] = (100,), plays: int = 0) -> bytes:
    """Return a lossless WebP; with several frames, an animation that plays `plays` times, 0 for ever."""
    if frames == 1:
        return _riff([(b"VP8L", bytes.fromhex(_VP8L[0]))])
    size = struct.pack("<I", WIDTH_PX - 1)[:3] + struct.pack("<I", HEIGHT_PX - 1)[:3]
    chunks = [(b"VP8X", b"\x02\x00\x00\x00" + size), (b"ANIM", bytes(4) + struct.pack("<H", plays))]
    for frame in range(frames):
        pixels = _chunk(b"VP8L", bytes.fromhex(_VP8L[frame % 4]))
        duration = struct.pack("<I", durations_ms[frame % len(durations_ms)])[:3]
        chunks.append((b"ANMF", bytes(6) + size + duration + b"\x02" + pixels))
    return _riff(chunks)


def _colour(x: int, y: int, width_px: int, height_px: int) -> tuple[int, int, int]:
    return QUADRANTS[2 * (2 * y >= height_px) + (2 * x >= width_px)]


def _gif_pixels(turn: int) -> bytes:
    """Encode one frame without compression: LZW codes of 8 bits, with a clear code before they would grow to 9."""
    indices = [
        (2 * (2 * y >= HEIGHT_PX) + (2 * x >= WIDTH_PX) + turn) % 4 for y in range(HEIGHT_PX) for x in range(WIDTH_PX)
    ]
    codes = bytearray()
    for start in range(0, len(indices), 100):
        codes += bytes([128, *indices[start : start + 100]])
    codes.append(129)
    blocks = [codes[start : start + 255] for start in range(0, len(codes), 255)]
    return b"\x07" + b"".join(bytes([len(block)]) + block for block in blocks) + b"\x00"


def _riff(chunks: list[tuple[bytes, bytes]]) -> bytes:
    body = b"WEBP" + b"".join(_chunk(name, data) for name, data in chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)


def make_plain(extension: str, width_px: int, height_px: int) -> bytes:
    """Return a picture of any size in the format of that extension, made quickly and small; PNG has quadrants."""
    return _PLAIN[extension](width_px, height_px)


def _plain_jpeg(width_px: int, height_px: int) -> bytes:
    """Write a grey JPEG (ITU-T T.81, annex B) with two bits for each block: a DC difference of 0, and end of block."""
    table = b"\x01" + bytes(15) + b"\x00"  # one code, of one bit, for the symbol 0
    blocks = -(-width_px // 8) * -(-height_px // 8)
    segments = [
        (0xDB, b"\x00" + bytes([1] * 64)),
        (0xC0, struct.pack(">BHHB", 8, height_px, width_px, 1) + b"\x01\x11\x00"),
        (0xC4, b"\x00" + table + b"\x10" + table),
        (0xDA, b"\x01\x01\x00\x00\x3f\x00"),
    ]
    head = b"".join(struct.pack(">BBH", 0xFF, mark, len(data) + 2) + data for mark, data in segments)
    whole, rest = divmod(2 * blocks, 8)
    return b"\xff\xd8" + head + bytes(whole) + (bytes([0xFF >> rest]) if rest else b"") + b"\xff\xd9"


def _plain_gif(width_px: int, height_px: int) -> bytes:
    """Write a GIF with a canvas of this size and one frame of one pixel."""
    screen = struct.pack("<HHBBB", width_px, height_px, 0x80, 0, 0) + bytes(3) + b"\xff\xff\xff"
    return b"GIF89a" + screen + b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00\x3b"


def _plain_webp(width_px: int, height_px: int) -> bytes:
    """Write a VP8L picture (RFC 9649, 3) with five prefix codes of one symbol each, which takes no bits."""
    bits, at = 0, 0
    fields = [(width_px - 1, 14), (height_px - 1, 14), (0, 4), (0, 3)]  # no alpha, version 0; no transform, no cache
    fields += 4 * [(0b101, 3), (0x80, 8)] + [(0b001, 3), (0, 1)]  # simple codes: of 8 bits, and of one
    for value, width in fields:
        bits |= value << at
        at += width
    return _riff([(b"VP8L", b"\x2f" + bits.to_bytes(-(-at // 8), "little"))])


_PLAIN = {"jpg": _plain_jpeg, "png": make_png, "gif": _plain_gif, "webp": _plain_webp}
