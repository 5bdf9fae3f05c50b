"""Effects change the pixels as Pillow finds them: in each processor, on stills and on each frame of animations."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from installed_processors import CHAINS, MAXIMUM_PIXELS, build
from picture_files import encode
from PIL import Image, ImageFilter, ImageSequence

from imaged.api import Compass, Effects, StoreError, Watermark
from imaged.core.errors import ImagedError
from imaged.core.outputs import parse
from imaged.testing.processors import make_variant
from imaged.workers.processors import Processors

Draw = Callable[..., bytes]
Colour = tuple[int, ...]

WHITE, RED, BLUE, CLEAR = (255, 255, 255, 255), (255, 0, 0, 255), (0, 0, 255, 255), (0, 0, 0, 0)
EXTENSIONS = ["jpg", "png", "gif", "webp"]


@pytest.fixture(params=CHAINS)
def draw(request: pytest.FixtureRequest, tmp_path: Path) -> Draw:
    """Return a function that renders an output with effects."""
    built = Processors(build(request.param).processors, MAXIMUM_PIXELS)
    source = tmp_path / "original"

    def draw(original: bytes, name: str, effects: Effects, **settings: Any) -> bytes:
        source.write_bytes(original)
        variant = replace(make_variant(parse(name), quality=100, **settings), effects=effects)
        (rendered,) = built.render(source, [variant], 30)
        return rendered.body

    return draw


def plain(colour: Colour, size: tuple[int, int] = (100, 60), mode: str = "RGBA") -> Image.Image:
    """Return a picture of one colour."""
    return Image.new(mode, size, colour)


def mark(colour: Colour = RED, size: tuple[int, int] = (40, 20)) -> bytes:
    """Return the file of a watermark."""
    return encode(plain(colour, size), "PNG")


def opened(body: bytes) -> Image.Image:
    """Return the picture in RGBA."""
    return Image.open(io.BytesIO(body)).convert("RGBA")


def pixel(image: Image.Image, x: int, y: int) -> Colour:
    """Return a pixel of a picture in RGBA."""
    found: Any = image.getpixel((x, y))
    return tuple(found)


def near(one: Colour, other: Colour, tolerance: int = 6) -> bool:
    """Return whether two colours are about the same, as lossy formats keep them."""
    return all(abs(a - b) <= tolerance for a, b in zip(one, other, strict=True))


def marked_box(image: Image.Image) -> tuple[int, int, int, int] | None:
    """Return the box of the pixels that are red, rather than white."""
    return image.getchannel("G").point(lambda value: 255 if value < 128 else 0).getbbox()


@pytest.mark.parametrize("extension", EXTENSIONS)
@pytest.mark.parametrize(
    ("gravity", "corner"), [("c", (40, 25)), ("n", (40, 6)), ("se", (74, 44)), ("w", (6, 25)), ("ne", (74, 6))]
)
def test_a_watermark_is_where_its_gravity_says(
    draw: Draw, extension: str, gravity: str, corner: tuple[int, int]
) -> None:
    """On 100x60, a scale of 0.2 makes a mark of 20x10, and a margin of 0.1 leaves 6 pixels."""
    effects = Effects(watermark=Watermark(mark(), Compass(gravity), 0.2, 1.0, 0.1))
    image = opened(draw(encode(plain(WHITE), "PNG"), f"full_size.{extension}", effects))
    left, top = corner
    assert marked_box(image) == (left, top, left + 20, top + 10)
    assert near(pixel(image, left + 10, top + 5), RED)


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_an_opacity_of_a_half_mixes_both_colours(draw: Draw, extension: str) -> None:
    """Red at a half over blue is between both, over what is opaque."""
    effects = Effects(watermark=Watermark(mark(), Compass.CENTRE, 0.5, 0.5, 0.0))
    image = opened(draw(encode(plain(BLUE), "PNG"), f"full_size.{extension}", effects))
    assert near(pixel(image, 50, 30), (128, 0, 128, 255))
    assert near(pixel(image, 5, 5), BLUE)


@pytest.mark.parametrize("extension", ["png", "webp"])
def test_a_watermark_on_a_transparent_picture_keeps_its_own_opacity(draw: Draw, extension: str) -> None:
    """The mark is drawn where the picture is transparent, and the rest stays so; a clear part of a mark shows it."""
    drawn = plain(CLEAR, (40, 20))
    drawn.paste(RED, (0, 0, 20, 20))
    effects = Effects(watermark=Watermark(encode(drawn, "PNG"), Compass.CENTRE, 0.4, 0.5, 0.0))
    image = opened(draw(encode(plain(CLEAR), "PNG"), f"full_size.{extension}", effects))
    assert near(pixel(image, 40, 30), (255, 0, 0, 128))
    assert pixel(image, 60, 30)[3] == 0
    assert pixel(image, 2, 2)[3] == 0


@pytest.mark.parametrize("watermark", [Watermark(mark(), opacity=0.0), Watermark(mark(), scale=0.004)])
def test_a_watermark_of_no_opacity_or_less_than_a_pixel_is_not_drawn(draw: Draw, watermark: Watermark) -> None:
    """The output is that without a watermark."""
    original = encode(plain(WHITE), "PNG")
    image = opened(draw(original, "full_size.png", Effects(watermark=watermark)))
    assert image.tobytes() == plain(WHITE).tobytes()


def test_a_watermark_fits_into_a_tiny_output(draw: Draw) -> None:
    """An output of one pixel is drawn, and a mark higher than its output shrinks with its aspect."""
    original = encode(plain(WHITE), "PNG")
    assert opened(draw(original, "x1.png", Effects(watermark=Watermark(mark(), scale=1.0)))).size == (1, 1)
    tall = Effects(watermark=Watermark(mark(RED, (10, 100)), Compass.CENTRE, 1.0, 1.0, 0.0))
    assert marked_box(opened(draw(original, "full_size.png", tall))) == (47, 0, 53, 60)


def test_a_grey_picture_takes_a_watermark_in_colour(draw: Draw) -> None:
    """The mark is drawn last: neither the picture nor the effect grayscale takes its colours."""
    effects = Effects(grayscale=True, watermark=Watermark(mark(), Compass.CENTRE))
    for original in (Image.new("L", (100, 60), 90), plain(BLUE)):
        for extension in ("jpg", "png", "webp", "gif"):
            image = opened(draw(encode(original, "PNG"), f"full_size.{extension}", effects))
            assert near(pixel(image, 50, 30), RED, 12)
            red, green, blue, _ = pixel(image, 5, 5)
            assert red == green == blue


@pytest.mark.parametrize("extension", EXTENSIONS)
@pytest.mark.parametrize(("colour", "grey"), [((255, 0, 0), 54), ((0, 255, 0), 182), ((0, 0, 255), 18)])
def test_grayscale_weighs_the_colours_as_css_does(draw: Draw, extension: str, colour: Colour, grey: int) -> None:
    """Red, green and blue become the greys of the CSS filter grayscale."""
    original = encode(plain(colour, mode="RGB"), "PNG")
    image = opened(draw(original, f"full_size.{extension}", Effects(grayscale=True)))
    assert near(pixel(image, 50, 30), (grey, grey, grey, 255), 3)


def test_grayscale_keeps_transparency(draw: Draw) -> None:
    """A half-transparent picture stays so."""
    original = encode(plain((255, 0, 0, 128)), "PNG")
    assert near(pixel(opened(draw(original, "full_size.png", Effects(grayscale=True))), 9, 9), (54, 54, 54, 128), 1)


def edge() -> Image.Image:
    """Return a picture whose left half is dark, and whose right half is light."""
    image = plain((60, 60, 60), mode="RGB")
    image.paste((200, 200, 200), (50, 0, 100, 60))
    return image


@pytest.mark.parametrize("sigma", [1.0, 3.0, 10.0])
def test_a_blur_is_that_of_pillow(draw: Draw, sigma: float) -> None:
    """Each pixel is about that of Pillow's Gaussian blur, whose sigma is in pixels of the output."""
    image = opened(draw(encode(edge(), "PNG"), "full_size.png", Effects(blur=sigma))).convert("RGB")
    wanted = edge().filter(ImageFilter.GaussianBlur(sigma))
    assert all(near(pixel(image, x, 30), pixel(wanted, x, 30), 4) for x in range(100))


def test_a_blur_bleeds_no_colour_out_of_transparent_pixels(draw: Draw) -> None:
    """Blue pixels without opacity leave red ones red; the opacity itself is blurred, and padding with it."""
    image = plain((0, 0, 255, 0))
    image.paste(RED, (0, 0, 50, 60))
    blurred = opened(draw(encode(image, "PNG"), "full_size.png", Effects(blur=3)))
    assert near(pixel(blurred, 48, 30)[:3], (255, 0, 0), 2)
    assert 100 < pixel(blurred, 50, 30)[3] < 156
    padded = opened(draw(encode(plain(RED), "PNG"), "p100x100.png", Effects(blur=3)))
    assert near(pixel(padded, 50, 17)[:3], (255, 0, 0), 2)
    assert 0 < pixel(padded, 50, 17)[3] < 128


def test_sharpening_adds_contrast_at_edges_alone(draw: Draw) -> None:
    """Both sides of an edge move apart, by about what an unsharp mask gives, and plain parts stay."""
    image = opened(draw(encode(edge(), "PNG"), "full_size.png", Effects(sharpen=0.5))).convert("RGB")
    wanted = edge().filter(ImageFilter.UnsharpMask(1, 50, 0))
    assert all(near(pixel(image, x, 30), pixel(wanted, x, 30), 4) for x in range(100))
    assert pixel(image, 49, 30)[0] < 45
    assert pixel(image, 50, 30)[0] > 215
    assert pixel(image, 10, 30)[0] == 60


def test_sharpening_leaves_transparency(draw: Draw) -> None:
    """The opacities are as without it, and transparent colours draw no border."""
    image = plain((0, 0, 255, 0))
    image.paste((200, 100, 100, 200), (0, 0, 50, 60))
    sharp = opened(draw(encode(image, "PNG"), "full_size.png", Effects(sharpen=1)))
    assert [pixel(sharp, x, 30)[3] for x in (48, 49, 50, 51)] == [200, 200, 0, 0]
    assert near(pixel(sharp, 49, 30)[:3], (200, 100, 100), 3)


@pytest.mark.parametrize("extension", ["gif", "webp"])
def test_each_frame_of_an_animation_has_the_effects(draw: Draw, extension: str) -> None:
    """Frames are grey, and each has the mark."""
    frames = [plain(colour, mode="RGB") for colour in ((255, 0, 0), (0, 255, 0), (0, 0, 255))]
    original = encode(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=100, loop=0)
    effects = Effects(grayscale=True, watermark=Watermark(mark(BLUE), Compass.CENTRE, 0.5, 1.0, 0.0))
    image = Image.open(io.BytesIO(draw(original, f"w50.{extension}", effects)))
    seen = [(pixel(each.convert("RGBA"), 25, 15), pixel(each.convert("RGBA"), 3, 3)) for each in _frames(image)]
    assert len(seen) == 3
    for (middle, corner), grey in zip(seen, (54, 182, 18), strict=True):
        assert near(middle, BLUE, 12)
        assert near(corner, (grey, grey, grey, 255), 8)


def _frames(image: Image.Image) -> list[Image.Image]:
    return [each.copy() for each in ImageSequence.Iterator(image)]


@pytest.mark.parametrize("format", ["PNG", "JPEG", "GIF", "WEBP"])
def test_a_watermark_may_have_any_of_the_four_formats(draw: Draw, format: str) -> None:
    """The file is read as an original is: upright, and the first picture of it."""
    exif = Image.Exif()
    exif[0x0112] = 6
    options = {} if format == "GIF" else {"exif": exif}
    body = encode(plain((255, 0, 0), (20, 40), "RGB"), format, **options)
    upright = (20, 40) if format == "GIF" else (40, 20)
    effects = Effects(watermark=Watermark(body, Compass.NORTH_WEST, upright[0] / 100, 1.0, 0.0))
    image = opened(draw(encode(plain(WHITE), "PNG"), "full_size.png", effects))
    assert marked_box(image) == (0, 0, *upright)


def test_a_broken_watermark_is_not_the_fault_of_the_picture(draw: Draw) -> None:
    """A file whose pixels do not decode fails the output as a fault of the server, and says what is broken."""
    with pytest.raises(ImagedError) as raised:
        draw(encode(plain(WHITE), "PNG"), "full_size.png", Effects(watermark=Watermark(mark()[:60])))
    assert isinstance(raised.value, StoreError)
    assert "watermark" in str(raised.value)


def test_a_watermark_that_is_cut_short_is_not_the_fault_of_the_picture(draw: Draw) -> None:
    """The error names the watermark, and is that of a store: the operator's file is broken."""
    noise = encode(Image.effect_noise((60, 60), 90).convert("RGB"), "PNG")
    watermark = Watermark(noise[: len(noise) // 2], Compass.CENTRE, 0.5, 1.0, 0.0)
    with pytest.raises(StoreError, match="the watermark cannot be drawn"):
        draw(encode(plain(WHITE), "PNG"), "full_size.png", Effects(watermark=watermark))
