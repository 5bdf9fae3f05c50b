"""Hostile AVIF, HEIC, TIFF and BMP files: what announces, compresses or repeats too much, and what points nowhere."""

from __future__ import annotations

import io
import struct
import zlib
from functools import partial

import pillow_heif
from damage import Files
from picture_samples import ispe, make_heif
from PIL import Image

pillow_heif.register_heif_opener()
HUGE_PX = 30_000

_GRID = ">BBBBHH"
_NEXT_DIRECTORY_BYTES = 4


def pillow_picture(format: str, mode: str = "RGB", side_px: int = 40, **options: object) -> bytes:
    """Return a smooth picture in one of Pillow's formats."""
    bands = [Image.linear_gradient("L"), Image.linear_gradient("L").rotate(90), Image.radial_gradient("L")]
    file = io.BytesIO()
    Image.merge("RGB", bands).resize((side_px, side_px - 7)).convert(mode).save(file, format, **options)
    return file.getvalue()


def good() -> dict[str, bytes]:
    """Return good pictures by name."""
    return {
        "avif": pillow_picture("AVIF"),
        "avif with transparency": pillow_picture("AVIF", "RGBA"),
        "heic": pillow_picture("HEIF"),
        "heic with transparency": pillow_picture("HEIF", "RGBA"),
        "tiff": pillow_picture("TIFF"),
        "tiff lzw": pillow_picture("TIFF", compression="tiff_lzw"),
        "tiff deflate cmyk": pillow_picture("TIFF", "CMYK", compression="tiff_adobe_deflate"),
        "tiff jpeg": pillow_picture("TIFF", compression="jpeg"),
        "tiff of one bit": pillow_picture("TIFF", "1", compression="group4"),
        "bmp": pillow_picture("BMP"),
        "bmp indexed": pillow_picture("BMP", "P"),
        "bmp of one bit": pillow_picture("BMP", "1"),
    }


def announcing(body: bytes, width_px: int, height_px: int) -> bytes:
    """Return an AVIF or HEIC whose `ispe` boxes announce another size."""
    parts = body.split(b"ispe")
    size = struct.pack(">III", 0, width_px, height_px)
    return b"ispe".join([parts[0], *(size + part[12:] for part in parts[1:])])


def grid_bomb(columns: int, rows: int, tile_px: int) -> bytes:
    """Return a HEIC whose grid repeats one tile."""
    width_px, height_px = columns * tile_px, rows * tile_px
    tile = pillow_picture("HEIF", side_px=64)
    at = tile.index(b"hvcC") - 4
    configuration = tile[at : at + int.from_bytes(tile[at : at + 4], "big")]
    return make_heif(
        [ispe(width_px, height_px)],
        kind=b"hvc1",
        tile_properties=[ispe(tile_px, tile_px), configuration],
        grid=struct.pack(_GRID, 0, 0, rows - 1, columns - 1, width_px, height_px),
        tiles=columns * rows,
        stream=tile[tile.index(b"mdat") + 4 :],
    )


def tiff(*entries: tuple[int, int, int, int], data: bytes = b"", pages: int = 1, next_at: int | None = None) -> bytes:
    """Return a TIFF of one grey pixel and of these further entries: tag, type, count and value, which replace others.

    `data` is at offset 8. There are `pages` directories, and the last one says that the next one is at `next_at`.
    """
    plain = {tag: (tag, 4, 1, value) for tag, value in _PLAIN} | {each[0]: each for each in entries}
    rows = b"".join(struct.pack("<HHII", *plain[tag]) for tag in sorted(plain))
    data = data or bytes(8)
    length = 2 + len(rows) + _NEXT_DIRECTORY_BYTES
    body = struct.pack("<2sHI", b"II", 42, 8 + len(data)) + data
    for page in range(1, 1 + pages):
        following = len(body) + length if page < pages else next_at or 0
        body += struct.pack("<H", len(plain)) + rows + struct.pack("<I", following)
    return body


_PLAIN = ((256, 1), (257, 1), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, 1), (279, 1))


def deflated_tiff(side_px: int) -> bytes:
    """Return a TIFF of zeros in one strip of Deflate."""
    data = zlib.compress(bytes(side_px * side_px), 9)
    sides = [(256, 4, 1, side_px), (257, 4, 1, side_px), (278, 4, 1, side_px)]
    return tiff(*sides, (259, 4, 1, 8), (279, 4, 1, len(data)), data=data)


def bmp(
    width_px: int,
    height_px: int,
    data: bytes = b"",
    *,
    bits: int = 8,
    compression: int = 0,
    pixels_at: int | None = None,
) -> bytes:
    """Return a BMP with a palette of two colours."""
    at = 14 + 40 + 8 if pixels_at is None else pixels_at
    header = struct.pack("<2sIHHI", b"BM", 62 + len(data), 0, 0, at)
    info = struct.pack("<IiiHHIIiiII", 40, width_px, height_px, 1, bits, compression, len(data), 1, 1, 2, 2)
    return header + info + b"\x00\x00\x00\x00\xff\xff\xff\x00" + data


def files() -> Files:
    """Return the files by name."""
    avif, heic = pillow_picture("AVIF"), pillow_picture("HEIF")
    return {
        "an AVIF that announces 30000x30000": partial(announcing, avif, HUGE_PX, HUGE_PX),
        "an AVIF that announces 2x2": partial(announcing, avif, 2, 2),
        "an AVIF that announces nothing": partial(announcing, avif, 0, 0),
        "a HEIC that announces 30000x30000": partial(announcing, heic, HUGE_PX, HUGE_PX),
        "a HEIC that announces a little more": partial(announcing, heic, 41, 33),
        "a bitstream of 30000x30000 in an AVIF of 40x40": partial(make_heif, [ispe(40, 40)], coded=(HUGE_PX, HUGE_PX)),
        "a HEIC grid of 65025 tiles": partial(grid_bomb, 255, 255, 64),
        "a HEIC grid of tiles that are not as large as they say": partial(grid_bomb, 60, 60, 500),
        "a HEIC grid of the same tile": partial(grid_bomb, 60, 60, 64),
        "a TIFF of a hundred directories": partial(tiff, pages=100),
        "a TIFF of 30000 directories": partial(tiff, pages=30_000),
        "a TIFF of circular directories": partial(tiff, pages=3, next_at=16),
        "a TIFF whose next directory is nowhere": partial(tiff, next_at=2**31),
        "a TIFF of 30000x30000": partial(tiff, (256, 4, 1, HUGE_PX), (257, 4, 1, HUGE_PX)),
        "a TIFF with a giga of strips": partial(tiff, (257, 4, 1, 2**30), (273, 4, 2**30, 8), (279, 4, 2**30, 8)),
        "a TIFF with a strip of gigabytes": partial(tiff, (279, 4, 1, 2**32 - 9)),
        "a TIFF with a tile of gigabytes": partial(
            tiff, (322, 4, 1, 65_536), (323, 4, 1, 65_536), (324, 4, 1, 8), (325, 4, 1, 8)
        ),
        "a TIFF of 255 samples": partial(tiff, (277, 4, 1, 255)),
        "a TIFF in JPEG without a JPEG": partial(tiff, (259, 4, 1, 7), (279, 4, 1, 8)),
        "a TIFF of 49 megapixels in Deflate": partial(deflated_tiff, 7000),
        "a TIFF of 400 megapixels in Deflate": partial(deflated_tiff, 20_000),
        "a BMP of 30000x30000": partial(bmp, HUGE_PX, HUGE_PX),
        "a BMP of 49 megapixels in runs": partial(bmp, 7000, 7000, b"\x00\x01", compression=1),
        "a BMP of runs that leave the picture": partial(
            bmp, 8, 8, b"\x00\x02\xff\xff" * 9 + b"\xff\x01", compression=1
        ),
        "a BMP of endless runs": partial(bmp, 8, 8, b"\xff\x01" * 50_000, compression=1),
        "a BMP of runs of 4 bits": partial(bmp, 9, 9, b"\x09\x01\x00\x00" * 9, bits=4, compression=2),
        "a BMP whose pixels are nowhere": partial(bmp, 8, 8, bytes(64), pixels_at=2**31),
        "a BMP whose pixels are in its header": partial(bmp, 8, 8, bytes(64), pixels_at=2),
        "a BMP of a negative width": partial(bmp, -8, 8, bytes(64)),
        "a BMP of the lowest height": partial(bmp, 8, -(2**31), bytes(64)),
        "a BMP that contains a JPEG": partial(bmp, 8, 8, bytes(64), bits=0, compression=4),
    }
