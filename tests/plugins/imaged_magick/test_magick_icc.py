"""Untrusted profiles and metadata cost little, and colours are still right."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from picture_files import chunk, segment
from PIL import Image, ImageCms
from profile_files import (
    CARRIERS,
    SECRET,
    compressed,
    gif_with,
    jpeg_profile_parts,
    jpeg_with,
    laborious_profile,
    png_with,
    profile_of,
    swapped_profile,
    tags_of,
    top_left,
    webp_with,
)

from imaged.core.colours.icc_reader import MAXIMUM_PROFILE_BYTES, inflate_profile, join_profile, usable_profile
from imaged.core.colours.srgb_profile import srgb_profile
from imaged.testing.pictures import make_exif, make_jpeg, make_png, make_webp
from imaged_magick.original import parse_original

Render = Callable[..., list[bytes]]
Opened = Callable[[bytes], Image.Image]


@pytest.mark.parametrize("carrier", CARRIERS)
def test_laborious_profiles_are_cut_down(render: Render, opened: Opened, carrier: str) -> None:
    """The tags of a small profile that demand endless work are dropped; the others are applied."""
    profile = laborious_profile(600_000)
    assert usable_profile(laborious_profile(3)) is not None
    assert tags_of(usable_profile(profile) or b"").keys() == usable_names()
    (body,) = render(CARRIERS[carrier](profile if carrier == "png" else laborious_profile(3)), "full_size.png")
    assert top_left(opened(body)) == pytest.approx((0, 255, 0), abs=20)


def usable_names() -> set[bytes]:
    """Return the tags of a matrix profile that a conversion needs."""
    return {b"wtpt", b"chad", b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC"}


def test_a_reduced_profile_converts_equally() -> None:
    """LittleCMS converts equally with a profile and with its reduced copy."""
    image = Image.merge("RGB", [Image.linear_gradient("L"), Image.radial_gradient("L"), Image.new("L", (256, 256), 99)])
    srgb = ImageCms.createProfile("sRGB")
    whole, kept = (
        ImageCms.profileToProfile(image, ImageCms.ImageCmsProfile(io.BytesIO(profile)), srgb)
        for profile in (swapped_profile(), usable_profile(swapped_profile()) or b"")
    )
    assert whole is not None
    assert kept is not None
    assert whole.tobytes() == kept.tobytes() != image.tobytes()


@pytest.mark.parametrize("profile", [b"", b"nonsense" * 50, srgb_profile()[:140], bytes(MAXIMUM_PROFILE_BYTES + 1)])
def test_profiles_that_cannot_be_used(profile: bytes) -> None:
    """A profile that is broken, lacks tags or is too large is unusable; one of sRGB needs no conversion."""
    assert usable_profile(profile) is None
    assert usable_profile(srgb_profile()) == b""


def table_profile(grid: int, values: int, outputs: int = 3) -> bytes:
    """Return a profile of a lookup table with so many of the values that its grid announces (ICC.1:2010, 10.8)."""
    ends = struct.pack(">2H", 0, 65535)
    matrix = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    head = b"mft2" + bytes(4) + bytes([3, outputs, grid, 0]) + matrix + struct.pack(">HH", 2, 2)
    return profile_of({b"A2B0": head + 3 * ends + bytes(2 * values) + outputs * ends})


def lut_profile(grid: int, values: int) -> bytes:
    """Return the same as a version 4 table (ICC.1:2010, 10.10)."""
    head = b"mAB " + bytes(4) + bytes([3, 3, 0, 0]) + struct.pack(">5I", 0, 0, 0, 32, 0)
    return profile_of({b"A2B0": head + bytes([grid] * 3) + bytes(13) + b"\x02" + bytes(3 + 2 * values)})


def test_tables_must_have_their_announced_size() -> None:
    """A table without the values that it announces is unusable: littleCMS would allocate half a gigabyte for it."""
    assert usable_profile(table_profile(2, 8 * 3)) is not None
    assert usable_profile(lut_profile(2, 8 * 3)) is not None
    assert usable_profile(table_profile(255, 8 * 3)) is None
    assert usable_profile(table_profile(255, 8 * 3, outputs=15)) is None
    assert usable_profile(lut_profile(255, 8 * 3)) is None
    assert usable_profile(profile_of({b"A2B0": b"mpet" + bytes(20)})) is None
    assert usable_profile(profile_of({b"A2B0": b"mft2"})) is None


def test_inflating_ends_at_the_bound() -> None:
    """A profile of the largest size is read; one byte more, or a truncated stream, gives an empty profile."""
    largest = bytes(MAXIMUM_PROFILE_BYTES)
    assert inflate_profile(zlib.compress(largest)) == largest
    assert inflate_profile(zlib.compress(largest + b"\x00")) == b""
    assert inflate_profile(zlib.compress(SECRET)[:-4]) == b""
    assert inflate_profile(b"no zlib data") == b""


def test_parts_of_a_profile_have_an_order() -> None:
    """Parts are put in the order of their numbers; a missing one gives an empty profile."""
    parts = [bytes([number, 3]) + bytes([number]) for number in (2, 3, 1)]
    assert join_profile(parts) == b"\x01\x02\x03"
    assert join_profile(parts[:2]) == join_profile([b"\x01"]) == join_profile([]) == b""
    assert join_profile(number.to_bytes(2, "big") for number in range(65_536)) == b""


BEYOND = {
    "png": png_with(
        chunk(b"tEXt", b"Comment\x00" + SECRET),
        chunk(b"zTXt", b"Comment\x00\x00" + zlib.compress(SECRET)),
        chunk(b"iTXt", b"XML:com.adobe.xmp\x00\x00\x00\x00\x00" + SECRET),
        chunk(b"eXIf", make_exif(1) + SECRET),
        compressed(swapped_profile()),
    ),
    "jpg": jpeg_with(
        segment(0xE1, b"Exif\x00\x00" + make_exif(1) + SECRET),
        segment(0xE1, b"http://ns.adobe.com/xap/1.0/\x00" + SECRET),
        segment(0xED, b"Photoshop 3.0\x00" + SECRET),
        segment(0xE0, b"JFXX\x00" + SECRET),
        segment(0xFE, SECRET),
        *jpeg_profile_parts(swapped_profile(), 2),
    ),
    "webp": webp_with(make_webp(), 0x2C, (b"ICCP", swapped_profile()), (b"EXIF", make_exif(1) + SECRET)),
    "gif": gif_with(b"XMP DataXMP", SECRET),
    "gif with a profile": gif_with(b"ICCRGBG1012", swapped_profile()),
}


@pytest.mark.parametrize("kind", BEYOND)
def test_only_pixels_reach_the_decoder(kind: str) -> None:
    """Texts, EXIF, XMP and profiles, compressed or not, are stripped before decoding."""
    original = parse_original(BEYOND[kind])
    decoded = original.sequence.frames[0].as_still() if original.sequence else original.blob
    for word in (SECRET, zlib.compress(SECRET), b"acsp", b"iCCP", b"EXIF", b"Exif", b"xap", b"tEXt"):
        assert word not in decoded


def test_segments_between_scans_are_dropped() -> None:
    """A JPEG may have segments after its first scan, too."""
    jpeg = make_jpeg()
    assert parse_original(jpeg[:-2] + segment(0xFE, SECRET) + segment(0xE2, SECRET) + jpeg[-2:]).blob == jpeg


def test_bombs_take_little_memory(tmp_path: Path) -> None:
    """Profiles and texts that inflate to 96 MB, and very long plain ones, take no more memory than the limit."""
    head = struct.pack(">I", 96 << 20) + srgb_profile()[4:128]
    bomb = zlib.compress(head + bytes(96 << 20))
    bombs = {
        "iccp": png_with(chunk(b"iCCP", b"x\x00\x00" + bomb)),
        "ztxt": png_with(chunk(b"zTXt", b"x\x00\x00" + bomb)),
        "itxt": png_with(chunk(b"iTXt", b"x\x00\x01\x00\x00\x00" + bomb)),
        "jpeg": jpeg_with(*[segment(0xE2, b"ICC_PROFILE\x00\x01\x01" + bytes(500))] * 20_000),
    }
    program = """
import resource, sys
from pathlib import Path
import imaged_magick
from imaged.api import *
from imaged.core.outputs import parse
from imaged.testing.fakes import make_host
from imaged.testing.processors import make_variant
processor = imaged_magick.imaged_processor(make_host("magick"))
def render(source):
    facts = processor.identify(source)
    variant = make_variant(parse("full_size.png"))
    return list(processor.render(RenderJob(source, facts, (variant,), 30, 50_000_000)))
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
first, *bombs = map(Path, sys.argv[1:])
render(first)
before = peak()
for bomb in bombs:
    render(bomb)
print(peak() - before)
"""
    paths = []
    for name, body in {"first": make_png(), **bombs}.items():
        paths.append(tmp_path / name)
        paths[-1].write_bytes(body)
    command = [sys.executable, "-c", program, *map(str, paths)]
    grown_kb = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert grown_kb < 64_000
