"""Pillow reads AVIF and HEIC and writes AVIF: upright, in sRGB, with transparency, and within bounds."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pytest
from picture_samples import ispe, make_heif
from PIL import Image
from profile_files import swapped_profile

import imaged_pillow
from imaged.api import (
    AVIF,
    HEIC,
    DeclinedError,
    Formats,
    ImagedError,
    NotAPictureError,
    Processor,
    RenderJob,
    TooLargeError,
)
from imaged.core.outputs import parse
from imaged.testing.fakes import make_host
from imaged.testing.processors import make_variant

RED, GREEN, BLUE, WHITE = (200, 30, 30), (30, 160, 40), (40, 50, 190), (230, 230, 230)


@pytest.fixture(scope="module")
def pillow() -> Processor:
    """Return the processor."""
    made = imaged_pillow.imaged_processor(make_host("pillow"))
    assert made is not None
    if not {AVIF, HEIC} <= {*made.reads}:  # type: ignore[attr-defined]  # a processor of more formats has it
        pytest.skip("Pillow has no AVIF, or pillow-heif is not installed")
    return made


def marked() -> Image.Image:
    """Return a picture of 96x64 whose quarters have four colours: red is at the top left."""
    picture = Image.new("RGB", (96, 64), WHITE)
    picture.paste(RED, (0, 0, 48, 32))
    picture.paste(GREEN, (48, 0, 96, 32))
    picture.paste(BLUE, (0, 32, 48, 64))
    return picture


def saved(picture: Image.Image, format: str, **options: Any) -> bytes:
    """Return the file that Pillow, or pillow-heif, writes."""
    file = io.BytesIO()
    if format == "HEIF":
        pillow_heif.from_pillow(picture).save(file, quality=95, **options)
    else:
        picture.save(file, format, quality=95, **options)
    return file.getvalue()


def render(pillow: Processor, tmp_path: Path, body: bytes, *names: str, maximum_pixels: int = 10**7) -> list[bytes]:
    """Identify, verify and render, as a worker does."""
    source = tmp_path / "original"
    source.write_bytes(body)
    formats = Formats(pillow.reads, pillow.writes)  # type: ignore[attr-defined]  # as above
    outputs = tuple(make_variant(parse(name), formats=formats) for name in names)
    job = RenderJob(source, pillow.identify(source), outputs, 30, maximum_pixels)
    pillow.verify(job)  # type: ignore[attr-defined]  # as above
    made = {str(each.output): each.body for each in pillow.render(job)}
    return [made[name] for name in names]


def opened(body: bytes) -> Image.Image:
    """Return the picture of a file, by Pillow."""
    return Image.open(io.BytesIO(body))


def near(picture: Image.Image, place: tuple[int, int], wanted: tuple[int, ...], steps: int = 12) -> bool:
    """Return whether a pixel has about this colour."""
    found: Any = picture.getpixel(place)
    return all(abs(one - other) <= steps for one, other in zip(found, wanted, strict=True))


def check_corners(picture: Image.Image) -> None:
    """Check that each quarter has its colour."""
    width_px, height_px = picture.size
    places = {(0, 0): RED, (1, 0): GREEN, (0, 1): BLUE, (1, 1): WHITE}
    for (right, below), colour in places.items():
        place = (width_px // 4 + right * width_px // 2, height_px // 4 + below * height_px // 2)
        assert near(picture.convert("RGB"), place, colour), (place, colour)


@pytest.mark.parametrize("format", ["AVIF", "HEIF"])
def test_it_is_read_and_written_as_every_format(pillow: Processor, tmp_path: Path, format: str) -> None:
    """All formats have the corners where they belong, in the size of their names."""
    names = ("w48.avif", "w48.jpg", "w48.png", "w48.webp", "x32.avif", "p96x96.avif")
    made = render(pillow, tmp_path, saved(marked(), format), *names)
    for body in made[:4]:
        assert opened(body).size == (48, 32)
        check_corners(opened(body))
    assert [opened(body).size for body in made[4:]] == [(32, 32), (96, 96)]
    assert opened(made[0]).format == "AVIF"
    assert opened(made[5]).mode == "RGBA"


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["AVIF", "HEIF"])
def test_it_is_turned_upright_once(pillow: Processor, tmp_path: Path, format: str, orientation: int) -> None:
    """`irot` and `imir` are applied, and the EXIF orientation beside them is not."""
    inverse = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    stored = marked().transpose(Image.Transpose(inverse[orientation])) if orientation > 1 else marked()
    exif = Image.Exif()
    exif[0x0112] = orientation
    body = saved(stored, format, exif=exif.tobytes())
    (made,) = render(pillow, tmp_path, body, "w96.png")
    judged = opened(body).size if format == "AVIF" else pillow_heif.open_heif(body).size
    assert sorted(opened(made).size) == sorted(judged)
    check_corners(opened(made))


@pytest.mark.parametrize("format", ["AVIF", "HEIF"])
def test_transparency_stays(pillow: Processor, tmp_path: Path, format: str) -> None:
    """Where the format holds it; elsewhere the background is behind the picture."""
    picture = marked()
    picture.putalpha(128)
    avif, jpeg = render(pillow, tmp_path, saved(picture, format), "w96.avif", "w96.jpg")
    assert near(opened(avif), (20, 10), (*RED, 128))
    assert near(opened(jpeg), (20, 10), tuple(round(each * 128 / 255 + 127) for each in RED))


def test_opaque_pictures_have_no_transparency(pillow: Processor, tmp_path: Path) -> None:
    """An AVIF of an opaque PNG with an alpha channel has none: it would cost bytes and time."""
    (made,) = render(pillow, tmp_path, saved(marked().convert("RGBA"), "AVIF"), "w96.avif")
    assert opened(made).mode == "RGB"


@pytest.mark.parametrize("format", ["AVIF", "HEIF"])
def test_profiles_are_converted(pillow: Processor, tmp_path: Path, format: str) -> None:
    """A picture whose profile exchanges red and green comes out as a viewer shows it, without a profile."""
    body = saved(marked(), format, icc_profile=swapped_profile())
    (made,) = render(pillow, tmp_path, body, "w96.avif")
    assert near(opened(made), (20, 10), (RED[1], RED[0], RED[2]))
    assert "icc_profile" not in opened(made).info


def test_ten_bits_are_read(pillow: Processor, tmp_path: Path) -> None:
    """A HEIC of ten bits, as telephones write, has its colours."""
    pillow_heif.options.SAVE_HDR_TO_12_BIT = False
    values = (np.asarray(marked(), np.uint16) << 8).tobytes()
    file = io.BytesIO()
    pillow_heif.encode("RGB;16", (96, 64), values, file, quality=95)
    assert pillow_heif.open_heif(file.getvalue(), convert_hdr_to_8bit=False).info["bit_depth"] == 10
    (made,) = render(pillow, tmp_path, file.getvalue(), "w48.png")
    check_corners(opened(made))


def test_metadata_is_gone(pillow: Processor, tmp_path: Path) -> None:
    """An AVIF output has neither EXIF nor XMP of its original."""
    exif = Image.Exif()
    exif[0x010F] = "secret maker"
    body = saved(marked(), "AVIF", exif=exif.tobytes(), xmp=b"secret place")
    assert b"secret" in body
    (made,) = render(pillow, tmp_path, body, "full_size.avif")
    assert b"secret" not in made


def test_quality_and_speed_are_those_of_the_variant(pillow: Processor, tmp_path: Path) -> None:
    """More quality takes more bytes, and the bytes of one variant are always the same."""
    noise = Image.effect_noise((200, 200), 60).convert("RGB")
    low, high, again = (
        render(pillow, tmp_path, saved(noise, "PNG"), name)[0]
        for name in ("w200-q30.avif", "w200-q90.avif", "w200-q90.avif")
    )
    assert len(low) * 2 < len(high)
    assert high == again


def with_size(body: bytes, width_px: int, height_px: int) -> bytes:
    """Return a file whose `ispe` announces another size."""
    at = body.index(b"ispe") + 8
    return body[:at] + struct.pack(">II", width_px, height_px) + body[at + 8 :]


@pytest.mark.parametrize("format", ["AVIF", "HEIF"])
def test_large_pictures_are_refused_before_they_are_decoded(pillow: Processor, tmp_path: Path, format: str) -> None:
    """A header that announces 30000x30000 is enough."""
    with pytest.raises(TooLargeError):
        render(pillow, tmp_path, with_size(saved(marked(), format), 30_000, 30_000), "w48.png")


@pytest.mark.parametrize("format", ["AVIF", "HEIF"])
def test_pictures_larger_than_they_announce_are_refused(pillow: Processor, tmp_path: Path, format: str) -> None:
    """Decoders would decode all of their pixels, and then scale them."""
    with pytest.raises((DeclinedError, NotAPictureError)):
        render(pillow, tmp_path, with_size(saved(marked(), format), 95, 63), "w48.png")


def test_grids_of_large_tiles_are_refused(pillow: Processor, tmp_path: Path) -> None:
    """A small picture of one tile of 16384x16384 costs what the tile costs."""
    grid = struct.pack(">BBBBHH", 0, 0, 0, 0, 64, 64)
    body = make_heif([ispe(64, 64)], grid=grid, tiles=1, tile_properties=[ispe(16_384, 16_384)])
    with pytest.raises(TooLargeError):
        render(pillow, tmp_path, body, "w48.png")


@pytest.mark.parametrize("format", ["AVIF", "HEIF"])
def test_broken_files_are_left_to_the_next(pillow: Processor, tmp_path: Path, format: str) -> None:
    """A file cut anywhere, or with other bytes, raises one of our errors and no other."""
    body, random = saved(marked(), format), np.random.default_rng(1)
    cut = [body[:length] for length in range(20, len(body), max(1, len(body) // 40))]
    changed = [bytearray(body) for _ in range(60)]
    for copy in changed:
        copy[int(random.integers(12, len(body)))] ^= int(random.integers(1, 256))
    for each in (*cut, *map(bytes, changed)):
        try:
            render(pillow, tmp_path, each, "w48.png")
        except ImagedError:
            continue


def test_pictures_of_an_srgb_nclx_are_not_converted(pillow: Processor, tmp_path: Path) -> None:
    """What Pillow writes says sRGB, and its colours stay within a step or two."""
    body = saved(Image.new("RGB", (64, 64), (120, 90, 200)), "AVIF")
    (made,) = render(pillow, tmp_path, body, "w64.png")
    assert near(opened(made).convert("RGB"), (30, 30), (120, 90, 200), 2)
