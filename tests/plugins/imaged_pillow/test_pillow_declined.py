"""What Pillow does not render as well as ImageMagick is declined, before the first output."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import pytest
from picture_files import chunk, encode, gradient, segment
from PIL import Image

import imaged_pillow
from imaged.api import GIF, JPEG, PNG, DeclinedError, ImageFacts, Processor, Size
from imaged.core.outputs import parse
from imaged.testing.fakes import make_host
from imaged.testing.pictures import make_gif, make_jpeg, make_png, make_webp
from imaged.testing.processors import render_job

RGB = gradient().resize((64, 48))
JPEG_FILE = encode(RGB, "JPEG", quality=90)
SCAN = JPEG_FILE.index(b"\xff\xda")


def png(kind: int, bits: int, rows: bytes, *chunks: bytes, interlaced: int = 0) -> bytes:
    """Return a PNG of 8x8 pixels."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, bits, kind, 0, 0, interlaced))
    body = [header, *chunks, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


def long_png(width_px: int, height_px: int) -> bytes:
    """Return a grey PNG of other sides."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width_px, height_px, 8, 0, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(bytes((width_px + 1) * height_px)))
    return b"\x89PNG\r\n\x1a\n" + header + pixels + chunk(b"IEND", b"")


def gif_on_canvas() -> bytes:
    """Return a GIF whose picture is smaller than its canvas."""
    made = make_gif()
    return made[:6] + struct.pack("<HH", 60, 40) + made[10:]


HEADERS = {
    "GIF animation": make_gif(2),
    "GIF picture on a larger canvas": gif_on_canvas(),
    "GIF without its end": make_gif()[:-1],
    "GIF of very many empty extensions": make_gif()[:-1] + 250_000 * b"\x21\xfe\x00" + b"\x3b",
    "GIF of very many tiny blocks": make_gif()[:-1] + b"\x21\xfe" + 250_000 * b"\x01a" + b"\x00\x3b",
    "WebP animation": make_webp(2),
    "WebP, cut": make_webp()[:-2],
    "JPEG, arithmetic coding": JPEG_FILE.replace(b"\xff\xc0", b"\xff\xc9", 1),
    "JPEG of 12 bits": JPEG_FILE.replace(b"\xff\xc0\x00\x11\x08", b"\xff\xc1\x00\x11\x0c", 1),
    "JPEG without a frame": JPEG_FILE[:SCAN].replace(b"\xff\xc0", b"\xff\xee", 1) + JPEG_FILE[SCAN:],
    "JPEG, header cut": JPEG_FILE[: SCAN - 20],
    "PNG, grey of 16 bits": png(0, 16, (b"\x00" + bytes(16)) * 8),
    "PNG, colours of 16 bits": png(2, 16, (b"\x00" + bytes(48)) * 8),
    "PNG, interlaced": png(0, 8, bytes(100), interlaced=1),
    "PNG, transparent grey of 2 bits": png(0, 2, (b"\x00" + bytes(2)) * 8, chunk(b"tRNS", b"\x00\x01")),
    "PNG, unknown critical chunk": png(0, 8, (b"\x00" + bytes(range(8))) * 8, chunk(b"ALPH", b"")),
    "PNG of one very long row": long_png(65_536, 1),
    "PNG of one very long column": long_png(1, 65_536),
    "PNG without its end": make_png()[:-12],
    "PNG, other chunks among its pixels": make_png()[:-12]
    + chunk(b"tEXt", b"a\x00b")
    + chunk(b"IDAT", b"")
    + chunk(b"IEND", b""),
}
"""What a header shows, so that another processor identifies it."""

PIXELS = {
    "JPEG without its end": (JPEG, JPEG_FILE[:-2]),
    "JPEG, very many scans": (
        JPEG,
        encode(RGB, "JPEG", progressive=True)[:-2] + 30 * segment(0xDA, b"\x01\x01\x00\x00\x3f\x00") + b"\xff\xd9",
    ),
    "PNG, wrong checksum of its pixels": (PNG, make_png()[:-20] + b"\x00\x00\x00\x00" + make_png()[-16:]),
    "PNG without its last rows": (PNG, png(0, 8, (b"\x00" + b"\xff" * 8) * 5)),
    "PNG, index beyond its palette": (PNG, png(3, 8, (b"\x00" + bytes(range(8))) * 8, chunk(b"PLTE", bytes(9)))),
    "GIF without codes": (GIF, make_gif()[: make_gif().index(b"\x2c") + 11] + b"\x00\x3b"),
}
"""What only its pixels show."""


@pytest.fixture
def processor() -> Processor:
    """Return the processor that the daemon would get."""
    made = imaged_pillow.imaged_processor(make_host("pillow"))
    assert made is not None
    return made


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_is_left_to_another_processor(processor: Processor, tmp_path: Path, name: str) -> None:
    """`identify` declines it."""
    source = tmp_path / "original"
    source.write_bytes(HEADERS[name])
    with pytest.raises(DeclinedError):
        processor.identify(source)


@pytest.mark.parametrize("name", PIXELS)
def test_pixels_are_left_to_another_processor(processor: Processor, tmp_path: Path, name: str) -> None:
    """`verify` and `render` decline what may lack pixels."""
    format, body = PIXELS[name]
    source = tmp_path / "original"
    source.write_bytes(body)
    facts = processor.identify(source)
    assert facts.format == format
    for outputs in ([], [parse("x8.jpg")]):
        job = render_job(source, facts, outputs)
        assert processor.accepts(job)
        with pytest.raises(DeclinedError):
            list(processor.render(job)) if outputs else processor.verify(job)  # type: ignore[attr-defined]


def test_a_jpeg_that_ends_grey_is_not_verified(processor: Processor, tmp_path: Path) -> None:
    """Its last codes may be missing. ImageMagick's plugin finds out."""
    source = tmp_path / "original"
    source.write_bytes(JPEG_FILE[: SCAN + 200] + b"\xff\xd9")
    job = render_job(source, processor.identify(source), [])
    with pytest.raises(DeclinedError, match="its last pixels are missing"):
        processor.verify(job)  # type: ignore[attr-defined]


def test_the_first_picture_of_a_gif_animation_is_rendered(processor: Processor, tmp_path: Path) -> None:
    """For stills alone: an animated output is for another processor, and so is the check of all pictures."""
    source = tmp_path / "original"
    source.write_bytes(make_gif(3))
    facts = ImageFacts(GIF, Size(48, 32), 3)
    (rendered,) = processor.render(render_job(source, facts, [parse("full_size.png")]))
    one = tmp_path / "one"
    one.write_bytes(make_gif())
    (wanted,) = processor.render(render_job(one, processor.identify(one), [parse("full_size.png")]))
    assert rendered == wanted
    accepted = [processor.accepts(render_job(source, facts, outputs)) for outputs in ([], [parse("x8.webp")])]
    assert accepted == [False, False]


def test_facts_of_another_size_are_declined(processor: Processor, tmp_path: Path) -> None:
    """Another processor may read a header differently. Then it renders the picture, too."""
    source = tmp_path / "original"
    source.write_bytes(make_jpeg())
    job = render_job(source, ImageFacts(JPEG, Size(32, 48), 1), [parse("x8.jpg")])
    with pytest.raises(DeclinedError):
        list(processor.render(job))


def test_metadata_does_not_reach_pillow(processor: Processor, tmp_path: Path) -> None:
    """A PNG is rendered whose text inflates to more than Pillow allows."""
    bomb = zlib.compressobj(9)
    text = b"".join(bomb.compress(bytes(2**20)) for _ in range(64)) + bomb.flush()
    plain = make_png()
    source = tmp_path / "original"
    source.write_bytes(plain[:33] + chunk(b"zTXt", b"a\x00\x00" + text) + chunk(b"iTXt", b"broken") + plain[33:])
    with pytest.raises(ValueError, match="too large"):
        Image.open(source)
    (rendered,) = processor.render(render_job(source, processor.identify(source), [parse("full_size.png")]))
    assert PNG.read_size(rendered.body) == Size(48, 32)
