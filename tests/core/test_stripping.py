"""Originals lose their metadata and keep their pixels; what is unusual is not stripped at all."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageCms, ImageSequence, PngImagePlugin

from imaged.core.formats import FORMATS
from imaged.core.stripping.strip import strip

SECRET = b"52.5200 north"
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
OTHER_PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()


def picture(mode: str = "RGB") -> Image.Image:
    """Return a picture of many colours."""
    bands = [Image.linear_gradient("L"), Image.linear_gradient("L").rotate(90), Image.radial_gradient("L")]
    return Image.merge("RGB", bands).resize((61, 43)).convert(mode)


def exif(orientation: int = 1) -> bytes:
    """Return an EXIF block with a secret and a place."""
    made = Image.Exif()
    made[0x0112] = orientation
    made[0x010F] = SECRET.decode()
    made.get_ifd(0x8825)[1] = "N"
    return made.tobytes()


def saved(format: str, mode: str = "RGB", **options: Any) -> bytes:
    """Return the file that Pillow writes."""
    file = io.BytesIO()
    picture(mode).save(file, format, **options)
    return file.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    """Return a chunk of a PNG."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def with_chunks(png: bytes, *chunks: bytes) -> bytes:
    """Return a PNG with further chunks behind its header."""
    return png[:33] + b"".join(chunks) + png[33:]


def segment(marker: int, data: bytes) -> bytes:
    """Return a segment of a JPEG."""
    return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data


def with_segments(jpeg: bytes, *segments: bytes) -> bytes:
    """Return a JPEG with further segments behind its start."""
    return jpeg[:2] + b"".join(segments) + jpeg[2:]


def with_riff(webp: bytes, more: bytes) -> bytes:
    """Return a WebP with further chunks at its end."""
    body = webp[8:] + more
    return b"RIFF" + struct.pack("<I", len(body)) + body


def moving(format: str, **options: Any) -> bytes:
    """Return an animation of three pictures."""
    file = io.BytesIO()
    others = [ImageChops.offset(picture(), 9 * each) for each in (1, 2)]
    picture().save(file, format, save_all=True, append_images=others, duration=70, loop=3, **options)
    return file.getvalue()


def text() -> PngImagePlugin.PngInfo:
    """Return texts of a PNG."""
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", SECRET.decode())
    info.add_itxt("XML:com.adobe.xmp", SECRET.decode())
    info.add_text("Place", SECRET.decode(), zip=True)
    return info


def strips(body: bytes) -> bytes | None:
    """Strip a file by its own format."""
    format = FORMATS.sniff(body)
    assert format is not None
    return strip(format, body)


JFXX = segment(0xE0, b"JFIF\x00\x01\x02\x01\x01\x2c\x01\x2c\x01\x01" + SECRET[:3])
GOOD = {
    "jpeg": saved("JPEG", exif=exif(), comment=SECRET, icc_profile=SRGB, dpi=(300, 300)),
    "progressive jpeg": saved("JPEG", progressive=True, exif=exif(), xmp=SECRET),
    "grey jpeg": saved("JPEG", "L", exif=exif()),
    "jpeg with intervals": saved("JPEG", restart_marker_blocks=2, comment=SECRET),
    "jpeg with a thumbnail": with_segments(saved("JPEG"), JFXX, segment(0xED, SECRET)),
    "png": saved("PNG", exif=exif(), pnginfo=text(), icc_profile=SRGB, dpi=(300, 300)),
    "transparent png": saved("PNG", "RGBA", pnginfo=text()),
    "png with a palette": saved("PNG", "P", pnginfo=text(), transparency=3),
    "black and white png": saved("PNG", "1", pnginfo=text()),
    "png with a time": with_chunks(saved("PNG"), chunk(b"tIME", bytes(7)), chunk(b"sRGB", b"\x00")),
    "webp": saved("WEBP", exif=exif(), xmp=SECRET, icc_profile=SRGB),
    "lossless webp": saved("WEBP", "RGBA", lossless=True, exif=exif()),
    "simple webp": saved("WEBP"),
    "gif": saved("GIF", comment=SECRET),
    "moving gif": moving("GIF", comment=SECRET),
    "moving webp": moving("WEBP", exif=exif()),
}


@pytest.mark.parametrize("name", GOOD)
def test_pixels_stay_and_metadata_go(name: str) -> None:
    """Pillow sees the same pictures, durations and repetitions, and no metadata; the file is not larger."""
    body = GOOD[name]
    stripped = strips(body)
    assert stripped is not None
    assert len(stripped) <= len(body)
    assert SECRET not in stripped
    before, after = Image.open(io.BytesIO(body)), Image.open(io.BytesIO(stripped))
    assert after.mode == before.mode
    pairs = list(zip(ImageSequence.Iterator(before), ImageSequence.Iterator(after), strict=True))
    for one, other in pairs:
        assert one.convert("RGBA").tobytes() == other.convert("RGBA").tobytes()
        assert one.info.get("duration") == other.info.get("duration")
    assert before.info.get("loop") == after.info.get("loop")
    assert not {"exif", "comment", "icc_profile", "xmp", "Comment", "photoshop"} & after.info.keys()
    assert not after.getexif()
    assert strips(stripped) == stripped


BAD = {
    "sideways jpeg": saved("JPEG", exif=exif(6)),
    "mirrored png": saved("PNG", exif=exif(2)),
    "sideways webp": saved("WEBP", exif=exif(8)),
    "cmyk jpeg": saved("JPEG", "CMYK"),
    "jpeg with a profile": saved("JPEG", icc_profile=OTHER_PROFILE),
    "webp with a profile": saved("WEBP", icc_profile=OTHER_PROFILE),
    "png with a gamma": with_chunks(saved("PNG"), chunk(b"gAMA", struct.pack(">I", 100_000))),
    "png in P3": with_chunks(saved("PNG"), chunk(b"cICP", bytes((12, 13, 0, 1)))),
    "png of 16 bits": saved("PNG", "I;16"),
    "zip behind a jpeg": saved("JPEG") + b"PK\x03\x04" + SECRET,
    "zip behind a png": saved("PNG") + b"PK\x03\x04" + SECRET,
    "zip behind a webp": saved("WEBP") + b"PK\x03\x04" + SECRET,
    "zip behind a gif": saved("GIF") + b"PK\x03\x04" + SECRET,
    "zip before the end of a png's pixels": saved("PNG").replace(b"IEND", b"IDAT"),
    "second picture in a jpeg": saved("JPEG") + saved("JPEG"),
    "moving png": moving("PNG"),
    "png of a critical chunk": with_chunks(saved("PNG"), chunk(b"ABCD", SECRET)),
    "webp of an unknown chunk": with_riff(saved("WEBP", exif=exif()), b"ABCD" + struct.pack("<I", 4) + b"1234"),
    "jpeg of an unknown segment": with_segments(saved("JPEG"), segment(0xF0, SECRET)),
    "jpeg of long Adobe data": with_segments(saved("JPEG"), segment(0xEE, b"Adobe" + bytes(7) + SECRET)),
    "comment between scans": saved("JPEG", progressive=True).replace(
        b"\xff\xda", b"\xff\xda", 1
    )[:-2] + segment(0xFE, SECRET) + b"\xff\xd9",
    "gif with a text": saved("GIF")[:-1] + b"\x21\x01\x0c" + bytes(12) + b"\x04text\x00;",
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_is_unusual_is_not_given(name: str) -> None:
    """Turned pictures, other colours, and files with anything behind or between their parts are encoded."""
    assert strips(BAD[name]) is None


def test_bytes_behind_the_pixels_of_a_png_are_found() -> None:
    """A PNG whose stream ends before its data do is not given, nor one whose stream has too many rows."""
    pixels = zlib.compress(bytes(4 * 3))  # 3 rows of 3 grey pixels, each with its filter
    head = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 3, 3, 8, 0, 0, 0, 0))
    end = chunk(b"IEND", b"")
    assert strips(head + chunk(b"IDAT", pixels) + end)
    assert strips(head + chunk(b"IDAT", pixels + SECRET) + end) is None
    assert strips(head + chunk(b"IDAT", pixels) + chunk(b"IDAT", SECRET) + end) is None
    assert strips(head + chunk(b"IDAT", zlib.compress(bytes(4 * 4))) + end) is None
    assert strips(head + chunk(b"IDAT", zlib.compress(bytes(4 * 2))) + end) is None


@pytest.mark.parametrize("name", GOOD)
def test_a_file_cut_anywhere_is_not_given(name: str) -> None:
    """Whatever is missing, the file is not whole."""
    body = GOOD[name]
    assert not any(strips(body[:length]) for length in range(40, len(body), 7))


@given(name=st.sampled_from(sorted(GOOD)), data=st.data())
def test_changed_bytes_raise_nothing(name: str, data: st.DataObject) -> None:
    """A file with other bytes is stripped or not; no error leaves, and its metadata never do."""
    body = bytearray(GOOD[name])
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(12, len(body) - 1))] = data.draw(st.integers(0, 255))
    format = FORMATS.sniff(bytes(body))
    stripped = strip(format, bytes(body)) if format else None
    assert stripped is None or len(stripped) <= len(body) + 18
