"""Each form of a name, on a picture of nine colours: its size, and which part of the picture it shows.

The tables state what Pillow must find. Nothing here is computed by imaged's own geometry.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from picture_files import encode
from PIL import Image, ImageSequence
from processor_chain import Chain

Render = Callable[..., list[bytes]]

CELLS = {
    "R": (255, 0, 0), "G": (0, 255, 0), "B": (0, 0, 255),
    "C": (0, 255, 255), "A": (128, 128, 128), "M": (255, 0, 255),
    "Y": (255, 255, 0), "K": (0, 0, 0), "O": (255, 128, 0),
}  # fmt: skip
"""The colours of the picture, three in a row, by their letters."""
BACKGROUND = "#ffffff"
ALL = "RGBCAMYKO"

LANDSCAPE = {
    "w90": ((90, 45), ALL),
    "w500": ((180, 90), ALL),
    "h45": ((90, 45), ALL),
    "h500": ((180, 90), ALL),
    "f90x90": ((90, 45), ALL),
    "f500x45": ((90, 45), ALL),
    "f500x500": ((180, 90), ALL),
    "p90x90": ((90, 90), "___CAM___"),
    "p300x90": ((300, 90), "_G__A__K_"),
    "p600x400": ((600, 400), "____A____"),
    "x90": ((90, 90), ALL),
    "30x90": ((30, 90), "GGGAAAKKK"),
    "30x90-gc": ((30, 90), "GGGAAAKKK"),
    "30x90-gw": ((30, 90), "RRRCCCYYY"),
    "30x90-gnw": ((30, 90), "RRRCCCYYY"),
    "30x90-ge": ((30, 90), "BBBMMMOOO"),
    "30x90-gse": ((30, 90), "BBBMMMOOO"),
    "30x90-g17x0": ((30, 90), "RRRCCCYYY"),
    "30x90-g83x100": ((30, 90), "BBBMMMOOO"),
    "180x15-gn": ((180, 15), "RGBRGBRGB"),
    "180x15-gne": ((180, 15), "RGBRGBRGB"),
    "180x15": ((180, 15), "CAMCAMCAM"),
    "180x15-gs": ((180, 15), "YKOYKOYKO"),
    "180x15-gsw": ((180, 15), "YKOYKOYKO"),
    "180x15-g0x17": ((180, 15), "RGBRGBRGB"),
    "360x30-g99x83": ((360, 30), "YKOYKOYKO"),
    "x400": ((400, 400), ALL),
    "full_size": ((180, 90), ALL),
}
"""For a picture of 180x90: the size, and the letters at nine places of the output. `_` is padding."""

FORMATS = {"jpg": "JPEG", "png": "PNG", "gif": "GIF", "webp": "WEBP", "avif": "AVIF"}


def make_picture(*, orientation: int = 1) -> Image.Image:
    """Return the picture of 180x90, or one that is stored as EXIF's orientation 6 says."""
    image = Image.new("RGB", (3, 3))
    image.putdata(list(CELLS.values()))
    image = image.resize((180, 90), Image.Resampling.NEAREST)
    return image.transpose(Image.Transpose.ROTATE_90) if orientation == 6 else image


def make_animation() -> bytes:
    """Return a GIF of the picture, and of the picture upside down."""
    frames = [make_picture(), make_picture().transpose(Image.Transpose.ROTATE_180)]
    return encode(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=100, loop=0)


def letters(image: Image.Image, padding: tuple[int, ...]) -> str:
    """Return the letters at nine places, in reading order: the nearest colour of the picture, or `_` for padding."""
    rgba = image.convert("RGBA")
    known = {letter: (*colour, 255) for letter, colour in CELLS.items()} | {"_": padding}

    def nearest(x: int, y: int) -> str:
        pixel: Any = rgba.getpixel((rgba.width * x // 8, rgba.height * y // 8))
        if pixel[3] == 0:
            pixel = (0, 0, 0, 0)
        return min(known, key=lambda letter: sum((a - b) ** 2 for a, b in zip(known[letter], pixel, strict=True)))

    return "".join(nearest(x, y) for y in (1, 4, 7) for x in (1, 4, 7))


@pytest.mark.parametrize("extension", FORMATS)
@pytest.mark.parametrize("stored", ["upright", "sideways"])
def test_stills_show_what_their_names_say(chain: Chain, render: Render, extension: str, stored: str) -> None:
    """Size, part and padding of each name, in each format. Padding is transparent where the format can be."""
    if not chain.processors.formats.writes_extension(extension):
        pytest.skip("libheif lacks an encoder: apt install libheif-plugin-aomenc")
    orientation = 6 if stored == "sideways" else 1
    exif = Image.Exif()
    exif[0x0112] = orientation
    original = encode(make_picture(orientation=orientation), "JPEG", quality=95, subsampling=0, exif=exif)
    padding = (255, 255, 255, 255) if extension == "jpg" else (0, 0, 0, 0)
    bodies = render(original, *(f"{name}.{extension}" for name in LANDSCAPE), background=BACKGROUND)
    seen = {}
    for name, body in zip(LANDSCAPE, bodies, strict=True):
        image = Image.open(io.BytesIO(body))
        assert image.format == FORMATS[extension]
        seen[name] = (image.size, letters(image, padding))
    assert seen == LANDSCAPE


@pytest.mark.parametrize("extension", ["gif", "webp"])
def test_each_frame_of_an_animation_shows_what_its_name_says(render: Render, extension: str) -> None:
    """An animation has the same sizes, parts and padding as a still, in each of its frames."""
    names = [name for name in LANDSCAPE if name not in {"x400", "p600x400"}]
    for name, body in zip(names, render(make_animation(), *(f"{each}.{extension}" for each in names)), strict=True):
        image = Image.open(io.BytesIO(body))
        size, first = LANDSCAPE[name]
        frames = [letters(frame, (0, 0, 0, 0)) for frame in ImageSequence.Iterator(image)]
        assert image.size == size, name
        assert frames[0] == first, name
        if name in {"w90", "h45", "f90x90", "full_size"}:
            assert frames == [first, first[::-1]], name
        else:
            assert len(frames) == 2, name


def pixel(image: Image.Image, x: int, y: int) -> tuple[int, int, int, int]:
    """Return a pixel as red, green, blue and alpha."""
    found: Any = image.convert("RGBA").getpixel((x, y))
    return found


def test_padding_keeps_the_transparency_of_the_picture(render: Render) -> None:
    """A transparent picture is padded with transparency as PNG, and drawn on the background as JPEG."""
    image = Image.new("RGBA", (40, 40), (255, 0, 0, 255))
    image.paste((0, 0, 0, 0), (0, 0, 20, 40))
    png, jpeg = (
        Image.open(io.BytesIO(body)).convert("RGBA")
        for body in render(encode(image, "PNG"), "p60x40.png", "p60x40.jpg", background="#0000ff")
    )
    assert [pixel(png, x, 20)[3] for x in (2, 15, 40, 57)] == [0, 0, 255, 0]
    seen = [tuple(part > 127 for part in pixel(jpeg, x, 20)[:3]) for x in (2, 15, 40, 57)]
    blue, red = (False, False, True), (True, False, False)
    assert seen == [blue, blue, red, blue]


def test_a_grey_picture_is_padded(render: Render) -> None:
    """A picture without colours, with a profile or without alpha, has the same padding."""
    original = encode(Image.new("L", (40, 20), 128), "PNG")
    png, jpeg = (
        Image.open(io.BytesIO(body)).convert("RGBA")
        for body in render(original, "p40x40.png", "p40x40.jpg", background="#00ff00")
    )
    assert pixel(png, 20, 2)[3] == 0
    assert pixel(png, 20, 20) == (128, 128, 128, 255)
    assert pixel(jpeg, 20, 2)[1] > 250
    assert pixel(jpeg, 20, 2)[0] < 5
