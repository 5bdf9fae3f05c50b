"""Pictures in the further formats, made by Pillow and pillow-heif, and boxes of a HEIF made by hand."""

from __future__ import annotations

import io
import struct
from typing import Any

import pillow_heif
from PIL import Image

pillow_heif.register_heif_opener()


def make_picture(format: str, width_px: int = 48, height_px: int = 32, mode: str = "RGB", **options: Any) -> bytes:
    """Return a grey picture in one of Pillow's formats, half transparent if its mode can hold that."""
    file = io.BytesIO()
    colours: dict[str, Any] = {"RGBA": (128, 128, 128, 128), "1": 1}
    Image.new(mode, (width_px, height_px), colours.get(mode, "gray")).save(file, format, **options)
    return file.getvalue()


def box(kind: bytes, *contents: bytes) -> bytes:
    """Return a box."""
    body = b"".join(contents)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def make_heif(
    properties: list[bytes],
    *,
    kind: bytes = b"av01",
    coded: tuple[int, int] = (1, 1),
    stream: bytes = b"",
    tile_properties: list[bytes] | None = None,
    grid: bytes = b"",
    tiles: int = 0,
) -> bytes:
    """Return a HEIF whose item 1 has these properties, and whose bitstream is `stream`, or of AV1 and the size `coded`.

    With `grid` it is a grid of `tiles` times item 2.
    """
    items = [b"grid" if grid else kind, *[kind] * (1 if tiles else 0)]
    infe = [box(b"infe", struct.pack(">IHH4sB", 2 << 24, n, 0, name, 0)) for n, name in enumerate(items, 1)]
    tile_properties = tile_properties or []
    lists = [range(1, 1 + len(properties)), range(1 + len(properties), 1 + len(properties) + len(tile_properties))]
    ipma = b"".join(struct.pack(">HB", n, len(own)) + bytes(own) for n, own in enumerate(lists[: len(items)], 1))
    stream = stream or sequence_header(*coded)
    brand = b"heic" if kind == b"hvc1" else b"avif"
    places = [(0, len(grid))] if grid else []
    places = [*places, (len(grid), len(stream))][: len(items)]
    iloc = b"".join(struct.pack(">HHHHII", n, 1, 0, 1, *place) for n, place in enumerate(places, 1))
    parts = [
        box(b"hdlr", bytes(8), b"pict", bytes(13)),
        box(b"pitm", struct.pack(">IH", 0, 1)),
        box(b"iinf", struct.pack(">IH", 0, len(items)), *infe),
        box(
            b"iprp", box(b"ipco", *properties, *tile_properties), box(b"ipma", struct.pack(">II", 0, len(items)), ipma)
        ),
        box(b"iloc", struct.pack(">IBBH", 1 << 24, 0x44, 0, len(items)), iloc),
        box(b"idat", grid + stream),
    ]
    if tiles:
        parts.append(box(b"iref", bytes(4), box(b"dimg", struct.pack(f">HH{tiles}H", 1, tiles, *[2] * tiles))))
    return box(b"ftyp", brand, bytes(4), b"mif1", brand) + box(b"meta", bytes(4), *parts)


def sequence_header(width_px: int, height_px: int) -> bytes:
    """Return a reduced sequence header of AV1 (5.5.1), as a bitstream."""
    bits = f"00011{0:05b}{15:04b}{15:04b}{width_px - 1:016b}{height_px - 1:016b}".ljust(56, "0")
    return b"\x0a\x07" + int(bits, 2).to_bytes(7, "big")


def ispe(width_px: int, height_px: int) -> bytes:
    """Return the property of a size."""
    return box(b"ispe", struct.pack(">III", 0, width_px, height_px))
