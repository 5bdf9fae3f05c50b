"""Pictures, as files and in parts, that several tests of this plugin make; and how much two of them differ."""

from __future__ import annotations

import io
import struct
import zlib

from PIL import Image, ImageChops, ImageStat


def gradient() -> Image.Image:
    """Return a smooth picture of many colours."""
    bands = [Image.linear_gradient("L"), Image.linear_gradient("L").rotate(90), Image.radial_gradient("L")]
    return Image.merge("RGB", bands)


def encode(image: Image.Image, format: str, **options: object) -> bytes:
    """Return the file that Pillow writes."""
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def difference(one: Image.Image, other: Image.Image) -> float:
    """Return the mean difference of two pictures, in steps of 255."""
    stat = ImageStat.Stat(ImageChops.difference(one.convert("RGB"), other.convert("RGB")))
    return sum(stat.mean) / 3


def chunk(name: bytes, data: bytes, crc: int = 0) -> bytes:
    """Return a chunk of a PNG; a `crc` makes its checksum wrong."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data) ^ crc)


def segment(marker: int, data: bytes) -> bytes:
    """Return a segment of a JPEG with its marker and length (ITU-T T.81, B.1.1.4)."""
    return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data


def with_header(png: bytes, width_px: int, height_px: int) -> bytes:
    """Return a PNG whose header says another size."""
    header = struct.pack(">II", width_px, height_px) + png[24:29]
    return png[:8] + chunk(b"IHDR", header) + png[33:]
