"""Colour profiles with an unmistakable result, and files of each format that carry one."""

from __future__ import annotations

import struct
import zlib

from picture_files import chunk, segment
from PIL import Image, ImageCms

from imaged.testing.pictures import make_gif, make_jpeg, make_png, make_webp

SECRET = b"private words"
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
"""LittleCMS's own profile."""


def tags_of(profile: bytes) -> dict[bytes, bytes]:
    """Return the tags of a profile by name."""
    (count,) = struct.unpack_from(">I", profile, 128)
    entries = [struct.unpack_from(">4sII", profile, 132 + 12 * number) for number in range(count)]
    return {name: profile[start : start + size] for name, start, size in entries}


def profile_of(tags: dict[bytes, bytes]) -> bytes:
    """Return an RGB display profile of these tags."""
    table, data, first = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for name, element in tags.items():
        table += struct.pack(">4sII", name, first + len(data), len(element))
        data += element + bytes(-len(element) % 4)
    return struct.pack(">I", first + len(data)) + SRGB[4:128] + table + data


def swapped_profile() -> bytes:
    """Return a profile that swaps red and green."""
    tags = tags_of(SRGB)
    return profile_of({**tags, b"rXYZ": tags[b"gXYZ"], b"gXYZ": tags[b"rXYZ"]})


def laborious_profile(steps: int) -> bytes:
    """Return the same profile with so many curves to compute for each colour (ICC.1:2010, 10.14)."""
    segment = b"parf" + bytes(4) + struct.pack(">HH4f", 0, 0, 1, 1, 0, 0)
    curve = b"curf" + bytes(4) + struct.pack(">HH", 1, 0) + segment
    curves = b"cvst" + bytes(4) + struct.pack(">HH", 3, 3) + 3 * struct.pack(">II", 36, len(curve)) + curve
    place = struct.pack(">II", 16 + 8 * steps, len(curves))
    element = b"mpet" + bytes(4) + struct.pack(">HHI", 3, 3, steps) + steps * place + curves
    return profile_of({**tags_of(swapped_profile()), b"D2B0": element})


def png_with(*chunks: bytes) -> bytes:
    """Return a PNG with more chunks before its pixels."""
    png = make_png()
    return png[:33] + b"".join(chunks) + png[33:]


def jpeg_with(*segments: bytes) -> bytes:
    """Return a JPEG with more segments before its pixels."""
    jpeg = make_jpeg()
    return jpeg[:2] + b"".join(segments) + jpeg[2:]


def jpeg_profile_parts(profile: bytes, count: int) -> list[bytes]:
    """Return a profile split into so many segments of a JPEG (ICC.1:2010, B.4)."""
    size = -(-len(profile) // count)
    return [
        segment(0xE2, b"ICC_PROFILE\x00" + bytes([number + 1, count]) + profile[number * size : (number + 1) * size])
        for number in range(count)
    ]


def webp_with(webp: bytes, flags: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """Return a still WebP in the extended form, with chunks before and after its pixels."""
    sides = (47).to_bytes(3, "little") + (31).to_bytes(3, "little")
    parts = [(b"VP8X", bytes([flags, 0, 0, 0]) + sides), *chunks]
    body = b"".join(name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2) for name, data in parts)
    body += webp[12:] + b"XMP " + struct.pack("<I", len(SECRET) + 1) + SECRET + b" "
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def gif_with(name: bytes, data: bytes) -> bytes:
    """Return a GIF with an application extension."""
    gif = make_gif()
    blocks = [data[start : start + 255] for start in range(0, len(data), 255)]
    extension = b"\x21\xff\x0b" + name + b"".join(bytes([len(block)]) + block for block in blocks) + b"\x00"
    start = 13 + 3 * 128
    return gif[:start] + extension + gif[start:]


def top_left(image: Image.Image) -> tuple[int, ...]:
    """Return the colour of the first quadrant, which is stored as red."""
    colour = image.convert("RGB").getpixel((3, 3))
    assert isinstance(colour, tuple)
    return colour


def compressed(profile: bytes) -> bytes:
    """Return an iCCP chunk."""
    return chunk(b"iCCP", b"a profile\x00\x00" + zlib.compress(profile))


CARRIERS = {
    "png": lambda profile: png_with(compressed(profile)),
    "jpg": lambda profile: jpeg_with(*jpeg_profile_parts(profile, 1)),
    "jpg in parts": lambda profile: jpeg_with(*reversed(jpeg_profile_parts(profile, 3))),
    "webp": lambda profile: webp_with(make_webp(), 0x20, (b"ICCP", profile)),
}
