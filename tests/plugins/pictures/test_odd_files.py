"""Files that are valid, and not what most encoders write, look as other programs show them."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest
from photographs import dead_leaves
from picture_files import difference, encode, segment
from PIL import Image, ImageOps

from imaged.testing.pictures import make_exif

Render = Callable[..., list[bytes]]
Opened = Callable[[bytes], Image.Image]

PHOTO = dead_leaves(640, 480).resize((192, 128), Image.Resampling.LANCZOS)
JPEG = encode(PHOTO, "JPEG", quality=95)
BARE = JPEG[:2] + JPEG[4 + int.from_bytes(JPEG[4:6], "big") :]
"""The same without JFIF's segment."""


def with_ids(ids: bytes) -> bytes:
    """Return the bare JPEG with other numbers of its components."""
    named = bytearray(BARE)
    frame, scan = BARE.index(b"\xff\xc0"), BARE.index(b"\xff\xda")
    for number, each in enumerate(ids):
        named[frame + 10 + 3 * number] = named[scan + 5 + 2 * number] = each
    return bytes(named)


def with_segments(*segments: bytes, late: bool = False) -> bytes:
    """Return the JPEG with more segments: before all others, or before its scan."""
    at = JPEG.index(b"\xff\xda") if late else 2
    return JPEG[:at] + b"".join(segments) + JPEG[at:]


def adobe(transform: int) -> bytes:
    """Return a segment that says how colours are coded: 0 as they are, 1 YCbCr, 2 YCCK."""
    return segment(0xEE, b"Adobe\x00\x64\x00\x00\x00\x00" + bytes([transform]))


def oriented(orientation: int) -> bytes:
    """Return a segment of EXIF."""
    return segment(0xE1, b"Exif\x00\x00" + make_exif(orientation))


JPEGS = {
    **{f"chroma {name}": encode(PHOTO, "JPEG", quality=95, subsampling=name) for name in ("4:4:4", "4:2:2", "4:2:0")},
    "progressive": encode(PHOTO, "JPEG", quality=95, progressive=True),
    "grey": encode(PHOTO.convert("L"), "JPEG", quality=95),
    "grey, progressive": encode(PHOTO.convert("L"), "JPEG", quality=95, progressive=True),
    "not YCbCr": encode(PHOTO, "JPEG", quality=95, keep_rgb=True),
    "without JFIF": BARE,
    "not YCbCr, by the names of its components": with_ids(b"RGB"),
    "components from zero": with_ids(b"\x00\x01\x02"),
    "Adobe's, not YCbCr": with_segments(adobe(0)),
    "Adobe's, YCbCr": with_segments(adobe(1)),
    "Adobe's, an unknown transform": with_segments(adobe(2)),
    "restarts in each row": encode(PHOTO, "JPEG", quality=95, restart_marker_rows=1),
    "restarts in each block": encode(PHOTO, "JPEG", quality=95, restart_marker_blocks=1),
    "fill bytes between segments": JPEG[:2] + b"\xff\xff\xff" + JPEG[2:],
    "three megabytes of comments": with_segments(segment(0xFE, bytes(65_000)) * 50),
    "an orientation of zero": with_segments(oriented(0)),
    "an orientation that is none": with_segments(oriented(9)),
    "on its side, said late": with_segments(oriented(6), late=True),
    "upside down, then on its side": with_segments(oriented(3), oriented(6)),
    "two pictures": encode(PHOTO, "MPO", save_all=True, append_images=[PHOTO.rotate(180)], quality=95),
}


@pytest.mark.parametrize("name", JPEGS)
def test_jpegs_look_as_in_pillow(render: Render, opened: Opened, name: str) -> None:
    """A JPEG is decoded as Pillow does, in full and for an output that needs fewer pixels."""
    whole = ImageOps.exif_transpose(opened(JPEGS[name])).convert("RGB")
    full, reduced = (opened(render(JPEGS[name], output)[0]) for output in ("full_size.png", "w16.png"))
    assert full.size == whole.size
    assert difference(full, whole) < 1
    assert difference(reduced, whole.resize(reduced.size, Image.Resampling.LANCZOS)) < 3


def gif(screen: tuple[int, int], left_px: int, top_px: int, **options: object) -> bytes:
    """Return a GIF whose frame of 100x80 lies at a place on a logical screen of any size."""
    body = bytearray(encode(PHOTO.resize((100, 80)).quantize(64), "GIF", **options))
    frame = body.rindex(b"\x2c" + struct.pack("<HHHH", 0, 0, 100, 80))
    body[6:10] = struct.pack("<HH", *screen)
    body[frame + 1 : frame + 5] = struct.pack("<HH", left_px, top_px)
    return bytes(body)


GIFS: dict[str, tuple[tuple[int, int], int, int, dict[str, int]]] = {
    "the screen is the frame": ((100, 80), 0, 0, {}),
    "the frame is a part of the screen": ((200, 160), 50, 40, {}),
    "a part of the screen, and transparent": ((200, 160), 50, 40, {"transparency": 3}),
    "interlaced": ((100, 80), 0, 0, {"interlace": 1}),
    "a screen without pixels": ((0, 0), 0, 0, {}),
}


@pytest.mark.parametrize("name", GIFS)
def test_a_gif_is_transparent_around_its_frame(render: Render, opened: Opened, name: str) -> None:
    """A GIF has the pixels of its frame, as Pillow decodes it alone, on a screen that is transparent elsewhere."""
    screen, left_px, top_px, options = GIFS[name]
    whole = Image.new("RGBA", screen if all(screen) else (100, 80))
    whole.paste(opened(gif((100, 80), 0, 0, **options)).convert("RGBA"), (left_px, top_px))
    small = whole.convert("RGBa").resize((40, 32), Image.Resampling.LANCZOS).convert("RGBA")
    bodies = render(gif(screen, left_px, top_px, **options), "full_size.png", "w40.png")
    for body, wanted in zip(bodies, (whole, small), strict=True):
        ground = Image.new("RGBA", wanted.size, "#5aa05a")
        seen = opened(body).convert("RGBA")
        assert difference(*(Image.alpha_composite(ground, each) for each in (seen, wanted))) < 2
        assert difference(seen.getchannel("A"), wanted.getchannel("A")) < 2


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF"])
@pytest.mark.parametrize("size", [(1, 1), (1, 700), (700, 1), (2, 3), (5, 900)])
def test_extreme_shapes(render: Render, opened: Opened, format: str, size: tuple[int, int]) -> None:
    """Pictures of one row, one column or one pixel are reduced, enlarged and cropped."""
    body = encode(Image.new("RGB", size, (200, 100, 50)), format, **({} if format == "GIF" else {"quality": 95}))
    for made in render(body, "full_size.png", "w1.png", "x30.png", "9x40.png", "x7.webp"):
        assert opened(made).convert("RGB").getpixel((0, 0)) == pytest.approx((200, 100, 50), abs=6)
