"""Still pictures: orientation, resizing, transparency, encoding and metadata."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from picture_files import difference, encode, gradient
from PIL import Image

from imaged.api import Fill, Size, plan
from imaged.core.variants import Progressive
from imaged.testing.pictures import make_gif, make_jpeg, make_png, make_webp

Render = Callable[..., list[bytes]]
Opened = Callable[[bytes], Image.Image]
CORNERS = ((0.1, 0.1), (0.9, 0.1), (0.1, 0.9), (0.9, 0.9))
LETTERS = {(255, 0, 0): "R", (0, 255, 0): "G", (0, 0, 255): "B", (255, 255, 255): "W"}
UPRIGHT = {1: "RGBW", 2: "GRWB", 3: "WBGR", 4: "BWRG", 5: "RBGW", 6: "BRWG", 7: "WGBR", 8: "GWRB"}
"""The corners of the stored R G / B W as a viewer must see them, for each orientation (CIPA DC-008, 4.6.4 A)."""


def corners(image: Image.Image) -> str:
    """Return the letters of the four corners, in reading order."""
    rgb = image.convert("RGB")
    pixels: list[Any] = [rgb.getpixel((int(x * image.width), int(y * image.height))) for x, y in CORNERS]
    return "".join(LETTERS.get(tuple(255 * (part > 127) for part in pixel), "?") for pixel in pixels)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["jpg", "png", "webp"])
def test_outputs_are_upright(render: Render, opened: Opened, orientation: int, format: str) -> None:
    """All eight EXIF orientations are applied, of JPEG, PNG and WebP alike."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    originals = {
        "jpg": make_jpeg(orientation),
        "png": make_png(orientation=orientation),
        "webp": encode(opened(make_webp()), "WEBP", lossless=True, exif=exif),
    }
    for body in render(originals[format], "full_size.png", "w10.png"):
        image = opened(body)
        assert corners(image) == UPRIGHT[orientation]
        assert (image.width > image.height) == (orientation < 5)


@pytest.mark.parametrize("orientation", [1, 6, 8])
def test_shrinking_decoder_keeps_its_axes(render: Render, opened: Opened, orientation: int) -> None:
    """A sideways photograph that libjpeg shrinks looks like one that it decodes in full."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo = encode(gradient().resize((1600, 900)), "JPEG", quality=95, exif=exif)
    small, full = (opened(body) for body in render(photo, "90x160.png", "full_size.png"))
    alone = opened(render(photo, "90x160.png")[0])
    assert difference(small, alone) < 1
    wanted = plan(Size(*full.size), Fill(90, 160))
    scaled = full.convert("RGB").resize((wanted.scaled.width_px, wanted.scaled.height_px), Image.Resampling.LANCZOS)
    box = (wanted.left_px, wanted.top_px, wanted.left_px + 90, wanted.top_px + 160)
    assert difference(alone, scaled.crop(box)) < 1.5


def test_alpha_is_kept_where_the_format_holds_it(render: Render, opened: Opened) -> None:
    """PNG and WebP keep partial transparency; GIF makes pixels opaque from one half on."""
    png, webp, gif = (opened(body) for body in render(make_png(opacity=100), "w24.png", "w24.webp", "w24.gif"))
    assert png.convert("RGBA").getpixel((2, 2)) == (255, 0, 0, 100)
    assert webp.convert("RGBA").getpixel((2, 2))[3] == pytest.approx(100, abs=2)  # type: ignore[index]
    assert gif.convert("RGBA").getpixel((2, 2))[3] == 0  # type: ignore[index]
    assert opened(render(make_png(opacity=200), "w24.gif")[0]).convert("RGBA").getpixel((2, 2)) == (255, 0, 0, 255)


def test_jpeg_lays_transparency_on_the_background(render: Render, opened: Opened) -> None:
    """A format without transparency shows the background colour."""
    (body,) = render(make_png(opacity=0), "w24.jpg", background="#204060", quality=95)
    assert opened(body).getpixel((5, 5)) == pytest.approx((0x20, 0x40, 0x60), abs=4)
    (half,) = render(make_png(opacity=128), "w24.jpg", background="#000000", quality=95)
    assert opened(half).getpixel((5, 5)) == pytest.approx((128, 0, 0), abs=6)


def test_hidden_colours_do_not_bleed(render: Render, opened: Opened) -> None:
    """The colour of transparent pixels does not tint adjacent ones when resized."""
    image = Image.new("RGBA", (200, 200), (255, 0, 0, 0))
    image.paste((0, 0, 255, 255), (0, 0, 100, 200))
    small = opened(render(encode(image, "PNG"), "w21.png")[0]).convert("RGBA")
    seen = [small.getpixel((x, 10)) for x in range(21)]
    assert all(red < 8 for red, _, _, alpha in seen if alpha > 8)  # type: ignore[misc]


def test_deep_grey_with_alpha(render: Render, opened: Opened) -> None:
    """16-bit greys are converted to 8 bits."""
    steps = b"".join((257 * step).to_bytes(2, "little") for step in range(256))
    deep = encode(Image.frombytes("I;16", (1, 256), steps), "PNG")
    assert opened(render(deep, "full_size.png")[0]).convert("L").tobytes() == bytes(range(256))
    wanted = Image.linear_gradient("L")
    both = encode(Image.merge("LA", [wanted, wanted.rotate(90)]), "PNG")
    assert opened(render(both, "full_size.png")[0]).convert("LA").tobytes() == opened(both).tobytes()


def test_jpeg_chroma_follows_the_quality(render: Render) -> None:
    """JPEG has chroma at half resolution below quality 90 and at full resolution from there."""
    low, high = render(encode(gradient(), "PNG"), "full_size-q80.jpg", "full_size-q90.jpg")
    assert [layer[1:3] for layer in Image.open(io.BytesIO(low)).layer] == [(2, 2), (1, 1), (1, 1)]  # type: ignore[attr-defined]
    assert [layer[1:3] for layer in Image.open(io.BytesIO(high)).layer] == [(1, 1), (1, 1), (1, 1)]  # type: ignore[attr-defined]


@pytest.mark.parametrize("format", ["jpg", "webp"])
def test_quality_costs_bytes(render: Render, format: str) -> None:
    """Lossy formats grow with quality."""
    noise = encode(Image.effect_noise((200, 200), 60).convert("RGB"), "PNG")
    sizes = [len(render(noise, f"full_size-q{quality}.{format}")[0]) for quality in (10, 50, 95)]
    assert sizes == sorted(sizes)
    assert sizes[0] * 2 < sizes[2]


def test_png_is_lossless_at_any_quality(render: Render, opened: Opened) -> None:
    """A PNG's quality has no visible effect."""
    original = encode(gradient(), "PNG")
    for body in render(original, "full_size-q1.png", "full_size-q100.png"):
        assert opened(body).convert("RGB").tobytes() == gradient().tobytes()


def test_nothing_but_pixels_is_written(render: Render, opened: Opened) -> None:
    """Profiles, EXIF, comments, dates and densities of the original are gone."""
    exif = Image.Exif()
    exif[0x010E] = "secret"
    original = encode(gradient(), "JPEG", exif=exif, comment="secret", dpi=(300, 300), icc_profile=b"secret")
    for body in render(original, "w90.jpg", "w90.png", "w90.webp", "w90.gif"):
        assert b"secret" not in body
        assert not {"exif", "icc_profile", "comment", "xmp", "Comment"} & set(opened(body).info)
        assert b"date:" not in body
        assert b"tIME" not in body


def test_enlarging_a_banner_costs_no_more_than_its_output(render: Render, opened: Opened) -> None:
    """A very long picture is cropped to a square without enlarging all of it."""
    banner = Image.new("RGB", (6000, 4), (10, 20, 30))
    banner.paste((200, 100, 50), (2900, 0, 3100, 4))
    (body,) = render(encode(banner, "PNG"), "x300.png", maximum_pixels=1_000_000)
    image = opened(body).convert("RGB")
    assert image.size == (300, 300)
    assert image.getpixel((150, 150)) == pytest.approx((200, 100, 50), abs=2)


def test_offsets_of_a_png_are_forgotten(render: Render, opened: Opened) -> None:
    """A picture with a page geometry, cropped from a larger one, has the size of its pixels."""
    png = make_png()
    chunk = b"oFFs" + (7).to_bytes(4, "big") + (9).to_bytes(4, "big") + b"\x00"
    shifted = png[:33] + (9).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big") + png[33:]
    for body in render(shifted, "full_size.gif", "full_size.png"):
        assert opened(body).size == (48, 32)
        assert corners(opened(body)) == "RGBW"


@pytest.mark.parametrize(
    ("setting", "names"), [(True, ["w200.jpg", "w500.jpg"]), (False, []), ("auto", ["w500.jpg"])], ids=str
)
def test_jpegs_are_progressive_as_set(render: Render, opened: Opened, setting: Progressive, names: list[str]) -> None:
    """JPEGs are progressive, baseline, or what their size decides; their pixels are the same."""
    photo = encode(gradient().resize((600, 400)), "JPEG", quality=95)
    outputs = ["w200.jpg", "w500.jpg"]
    images = dict(zip(outputs, map(opened, render(photo, *outputs, progressive=setting)), strict=True))
    assert [name for name, image in images.items() if image.info.get("progressive")] == names
    for name, body in zip(outputs, render(photo, *outputs, progressive=True), strict=True):
        assert difference(images[name], opened(body)) == 0


def test_stills_show_the_first_frame(render: Render, opened: Opened) -> None:
    """A format without animation shows the first frame, also in a job with animated variants."""
    for original in (make_gif(3), make_webp(3)):
        jpg, gif, png = render(original, "w24.jpg", "w24.gif", "w24.png")
        assert getattr(opened(gif), "n_frames", 1) == 3
        assert opened(jpg).getpixel((2, 2)) == pytest.approx((255, 0, 0), abs=16)
        assert opened(png).convert("RGBA").getpixel((2, 2)) == (255, 0, 0, 255)
