"""Transparent pictures are composited over the background colour in formats without transparency.

The expected result is alpha compositing in sRGB (W3C Compositing 1, 5.1), as browsers do it.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

import pytest
from picture_files import chunk, encode
from PIL import Image

Render = Callable[..., list[bytes]]
Opened = Callable[[bytes], Image.Image]
Colour = tuple[int, ...]

BACKGROUND, RED = "#e04010", (0xE0, 0x40, 0x10)
SIDE = 16


def png(kind: int, depth: int, pixel: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """Return a PNG of equal pixels."""
    row = pixel * SIDE if depth >= 8 else pixel * (SIDE * depth // 8)
    parts = [(b"IHDR", struct.pack(">IIBBBBB", SIDE, SIDE, depth, kind, 0, 0, 0)), *chunks]
    parts += [(b"IDAT", zlib.compress((b"\x00" + row) * SIDE)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def encoded(format: str, *images: Image.Image, **options: object) -> bytes:
    """Return a file that Pillow writes."""
    if len(images) > 1:
        options |= {"save_all": True, "append_images": images[1:], "duration": 100}
    return encode(images[0], format, **options)


def image(mode: str, *channels: int) -> Image.Image:
    """Return a picture of equal pixels."""
    return Image.new(mode, (SIDE, SIDE), channels)


def grey_gif(frames: int) -> bytes:
    """Return a GIF of two greys whose left half is transparent; each frame has a different grey."""
    images = []
    for number in range(frames):
        frame = Image.new("P", (SIDE, SIDE), 1)
        frame.putpalette([0, 0, 0, *[100 + 40 * number] * 3])
        frame.paste(0, (0, 0, SIDE // 2, SIDE))
        images.append(frame)
    return encoded("GIF", *images, transparency=0, disposal=2)


def over(colour: Colour, alpha: float) -> Colour:
    """Return a colour composited over the background."""
    return tuple(round(alpha * part + (1 - alpha) * below) for part, below in zip(colour, RED, strict=True))


GREY = (100,) * 3
CASES: dict[str, tuple[bytes, Colour]] = {
    "grey and alpha 8, clear": (png(4, 8, b"\x64\x00"), RED),
    "grey and alpha 8, half": (png(4, 8, b"\x64\x80"), over(GREY, 128 / 255)),
    "grey and alpha 8, opaque": (png(4, 8, b"\x64\xff"), GREY),
    "grey and alpha 16, clear": (png(4, 16, b"\x64\x64\x00\x00"), RED),
    "grey and alpha 16, a quarter": (png(4, 16, b"\x64\x64\x40\x00"), over(GREY, 0.25)),
    "grey 1 with tRNS": (png(0, 1, b"\xff", (b"tRNS", b"\x00\x01")), RED),
    "grey 2 with tRNS": (png(0, 2, b"\x55", (b"tRNS", b"\x00\x01")), RED),
    "grey 4 with tRNS": (png(0, 4, b"\x66", (b"tRNS", b"\x00\x06")), RED),
    "grey 8 with tRNS": (png(0, 8, b"\x64", (b"tRNS", b"\x00\x64")), RED),
    "grey 16 with tRNS": (png(0, 16, b"\x64\x65", (b"tRNS", b"\x64\x65")), RED),
    "grey 8 with another tRNS": (png(0, 8, b"\x64", (b"tRNS", b"\x00\x65")), GREY),
    "palette of greys": (png(3, 8, b"\x00", (b"PLTE", b"\x64" * 6), (b"tRNS", b"\x80")), over(GREY, 128 / 255)),
    "palette of colours": (png(3, 1, b"\x00", (b"PLTE", b"\x0a\xc8\x1e"), (b"tRNS", b"\x00")), RED),
    "colour 8 with tRNS": (png(2, 8, b"\x64\x64\x64", (b"tRNS", b"\x00\x64" * 3)), RED),
    "colour 16 with tRNS": (png(2, 16, b"\x64\x64" * 3, (b"tRNS", b"\x64\x64" * 3)), RED),
    "colour and alpha of greys": (png(6, 8, b"\x64\x64\x64\x80"), over(GREY, 128 / 255)),
    "colour and alpha 16 of greys": (png(6, 16, b"\x64\x64" * 3 + b"\x80\x80"), over(GREY, 128 / 255)),
    "colour and alpha": (png(6, 8, b"\x0a\xc8\x1e\x80"), over((10, 200, 30), 128 / 255)),
    "linear grey, half": (png(4, 8, b"\x64\x80", (b"gAMA", b"\x00\x01\x86\xa0")), over((168,) * 3, 128 / 255)),
    "WebP of greys": (encoded("WEBP", image("RGBA", *GREY, 128), lossless=True), over(GREY, 128 / 255)),
    "lossy WebP of greys": (encoded("WEBP", image("RGBA", *GREY, 128), quality=100), over(GREY, 128 / 255)),
    "animated WebP of greys": (
        encoded("WEBP", image("RGBA", *GREY, 128), image("RGBA", 9, 9, 9, 255), lossless=True),
        over(GREY, 128 / 255),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_transparency_shows_the_background(render: Render, opened: Opened, case: str) -> None:
    """A JPEG has the background colour in every transparent pixel, however the format stores transparency."""
    original, colour = CASES[case]
    for body in render(original, "full_size-q100.jpg", "x7-q100.jpg", background=BACKGROUND):
        assert opened(body).convert("RGB").getpixel((3, 3)) == pytest.approx(colour, abs=4)


@pytest.mark.parametrize("frames", [1, 3])
def test_grey_gifs_show_the_background(render: Render, opened: Opened, frames: int) -> None:
    """The transparent half of a grey GIF gets the background colour, and the other half keeps its grey."""
    (body,) = render(grey_gif(frames), "full_size-q100.jpg", background=BACKGROUND)
    seen = opened(body).convert("RGB")
    assert seen.getpixel((2, 8)) == pytest.approx(RED, abs=6)
    assert seen.getpixel((13, 8)) == pytest.approx(GREY, abs=6)


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
@pytest.mark.parametrize("name", ["full_size.png", "full_size.gif", "full_size-q100.webp"])
def test_greys_keep_their_transparency(render: Render, opened: Opened, mode: str, name: str) -> None:
    """Formats with transparency keep the greys and the alpha channel of a grey picture."""
    greys, mask = Image.linear_gradient("L").resize((SIDE, SIDE)), Image.new("L", (SIDE, SIDE), 255)
    mask.paste(0, (0, 0, 8, 8))
    original = Image.merge(mode, [*[greys] * (len(mode) - 1), mask])
    (body,) = render(encoded("PNG", original), name, background=BACKGROUND)
    seen = opened(body).convert("RGBA")
    for place in [(12, 2), (3, 12), (12, 12)]:
        assert seen.getpixel(place) == pytest.approx(original.convert("RGBA").getpixel(place), abs=4)
    alpha = seen.getchannel("A")
    assert alpha.getpixel((2, 2)) == 0


def test_animations_of_greys_keep_their_transparency(render: Render, opened: Opened) -> None:
    """An animated GIF of greys stays grey and transparent in every frame, as GIF and as WebP."""
    for body in render(grey_gif(3), "full_size.gif", "full_size-q100.webp", background=BACKGROUND):
        seen = opened(body)
        for number in range(3):
            seen.seek(number)
            frame = seen.convert("RGBA")
            assert frame.getchannel("A").getpixel((2, 8)) == 0
            assert frame.getpixel((13, 8)) == pytest.approx((*[100 + 40 * number] * 3, 255), abs=6)


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA"])
@pytest.mark.parametrize("frames", [1, 3])
def test_opaque_greys_stay_as_they_are(render: Render, opened: Opened, mode: str, frames: int) -> None:
    """Opaque grey pictures, still or animated, of few greys or of many after resizing, stay grey in a GIF."""
    for side, name in ((SIDE, "full_size.gif"), (300, "x270.gif")):
        greys = [Image.linear_gradient("L").resize((side, side)).rotate(90 * number) for number in range(frames)]
        images = [grey.convert(mode) for grey in greys]
        original = encoded("PNG", *images) if frames == 1 else encoded("WEBP", *images, lossless=True)
        seen = opened(render(original, name)[0])
        for number, grey in enumerate(each.resize(seen.size) for each in greys):
            seen.seek(number)
            assert seen.convert("RGBA").getchannel("A").getextrema() == (255, 255)
            for place in [(1, 1), (seen.width // 2, 3), (seen.width - 2, seen.height - 2)]:
                assert seen.convert("RGB").getpixel(place) == pytest.approx((grey.getpixel(place),) * 3, abs=4)


@pytest.mark.parametrize("name", ["full_size.png", "full_size-q100.jpg"])
def test_pixels_are_rounded(render: Render, opened: Opened, name: str) -> None:
    """Opaque white and greys are exact, without a tint, after a colour conversion in 16 bits."""
    for grey, light in ((255, 255), (100, 168), (1, 13)):
        (body,) = render(png(2, 8, bytes([grey] * 3), (b"cICP", b"\x01\x08\x00\x01")), name)
        assert opened(body).convert("RGB").getpixel((3, 3)) == (light,) * 3
