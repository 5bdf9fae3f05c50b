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
    kind: bytes = b"hvc1",
    tile_properties: list[bytes] | None = None,
    grid: bytes = b"",
    tiles: int = 0,
) -> bytes:
    """Return a HEIF whose item 1 has these properties. With `grid` it is a grid of `tiles` items, numbered from 2."""
    items = [b"grid" if grid else kind, *[kind] * (1 if tiles else 0)]
    infe = [box(b"infe", struct.pack(">IHH4sB", 2 << 24, n, 0, name, 0)) for n, name in enumerate(items, 1)]
    tile_properties = tile_properties or []
    lists = [range(1, 1 + len(properties)), range(1 + len(properties), 1 + len(properties) + len(tile_properties))]
    ipma = b"".join(struct.pack(">HB", n, len(own)) + bytes(own) for n, own in enumerate(lists[: len(items)], 1))
    idat = grid or b"pixels"
    iloc = b"".join(struct.pack(">HHHHII", n, 1, 0, 1, 0, len(idat)) for n in range(1, 1 + len(items)))
    parts = [
        box(b"pitm", struct.pack(">IH", 0, 1)),
        box(b"iinf", struct.pack(">IH", 0, len(items)), *infe),
        box(
            b"iprp", box(b"ipco", *properties, *tile_properties), box(b"ipma", struct.pack(">II", 0, len(items)), ipma)
        ),
        box(b"iloc", struct.pack(">IBBH", 1 << 24, 0x44, 0, len(items)), iloc),
        box(b"idat", idat),
    ]
    if tiles:
        parts.append(box(b"iref", bytes(4), box(b"dimg", struct.pack(f">HH{tiles}H", 1, tiles, *[2] * tiles))))
    return box(b"ftyp", b"heic", bytes(4), b"mif1heic") + box(b"meta", bytes(4), *parts)


def ispe(width_px: int, height_px: int) -> bytes:
    """Return the property of a size."""
    return box(b"ispe", struct.pack(">III", 0, width_px, height_px))
