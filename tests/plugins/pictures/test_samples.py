"""The sample of an original: what every processor says of it, and what follows from it."""

from __future__ import annotations

import io
from collections.abc import Callable

import pillow_heif
import pytest
from picture_files import encode
from PIL import Image, ImageCms
from processor_chain import Chain

from imaged.core.details import ImageDetails
from imaged.testing.pictures import make_gif

Render = Callable[..., list[bytes]]
SIDEWAYS = 6


def describe(chain: Chain, body: bytes) -> ImageDetails:
    """Return the details of a picture, as a worker finds them."""
    chain.source.write_bytes(body)
    details = chain.processors.describe(chain.source, 30)
    assert details is not None
    return details


def house() -> Image.Image:
    """Return a landscape with a house, whose parts have different lights."""
    image = Image.new("RGB", (640, 400), (120, 170, 240))
    image.paste(Image.linear_gradient("L").resize((640, 250)).convert("RGB"), (0, 0))
    image.paste((60, 140, 40), (0, 260, 640, 400))
    image.paste((200, 30, 20), (420, 150, 560, 300))
    image.paste((250, 240, 200), (60, 60, 160, 120))
    return image


def distance(one: str, other: str) -> int:
    """Return how many bits differ."""
    return (int(one, 16) ^ int(other, 16)).bit_count()


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_a_sample_is_upright(chain: Chain, format: str) -> None:
    """A picture that is stored sideways has the hashes of the upright one, and tells its orientation."""
    exif = Image.Exif()
    exif[0x0112] = SIDEWAYS
    stored = encode(house().transpose(Image.Transpose.ROTATE_90), format, exif=exif, quality=95)
    sideways, upright = describe(chain, stored), describe(chain, encode(house(), format, quality=95))
    assert (sideways.orientation, upright.orientation) == (SIDEWAYS, 1)
    assert distance(sideways.dhash, upright.dhash) <= 4
    assert abs(sideways.focal_point.x_percent - upright.focal_point.x_percent) <= 4
    assert sideways.dominant_color[1] == upright.dominant_color[1]


@pytest.mark.parametrize(
    ("mode", "opacity", "transparency"), [("RGB", 255, False), ("RGBA", 255, False), ("RGBA", 254, True)]
)
def test_a_single_pixel_makes_a_picture_transparent(
    chain: Chain, mode: str, opacity: int, transparency: object
) -> None:
    """An alpha channel that is opaque is none; one pixel of many counts."""
    image = Image.new(mode, (900, 900), (200, 40, 40) if mode == "RGB" else (200, 40, 40, 255))
    image.putpixel((450, 450), (200, 40, 40) if mode == "RGB" else (200, 40, 40, opacity))
    assert describe(chain, encode(image, "PNG")).transparency is transparency


def test_an_animation_tells_its_frames(chain: Chain) -> None:
    """The sample is of the first frame, the count of all."""
    assert describe(chain, make_gif(5)).frames == 5
    assert describe(chain, encode(house(), "PNG")).frames == 1


def test_a_profile_is_named_and_its_colours_are_converted(chain: Chain) -> None:
    """The name is that in the profile; the average colour is that of the picture in sRGB."""
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    named = describe(chain, encode(Image.new("RGB", (64, 64), (10, 200, 30)), "PNG", icc_profile=lab.tobytes()))
    assert named.profile is None or "sRGB" in named.profile
    assert named.average_color == "#0ac81e"
    assert describe(chain, encode(Image.new("CMYK", (64, 64), (0, 255, 255, 0)), "JPEG")).average_color[:2] in {
        "#f", "#e",
    }  # fmt: skip


def test_the_outputs_of_a_picture_have_nearly_the_same_hash(chain: Chain, render: Render) -> None:
    """Whole outputs of any format, size and quality differ in at most 6 of 64 bits from their original."""
    original = encode(house(), "JPEG", quality=95)
    known = describe(chain, original)
    names = ["w320.jpg", "w64.png", "h100.webp", "f200x200.gif", "w320-q20.jpg", "full_size-q5.webp", "w33.png"]
    hashes = [describe(chain, body).dhash for body in render(original, *names)]
    assert max(distance(known.dhash, each) for each in hashes) <= 6


REAL = [
    "photo-6mp.jpg", "Landscape_1.jpg", "Landscape_6.jpg", "Landscape_8.jpg", "gain-map.jpg", "flowers.jpeg",
    "wine.jpg", "Channel_digital_image_CMYK_color.jpg", "prophoto.png", "swiss.png", "4.webp", "rotating-squares.gif",
]  # fmt: skip
WHOLE = ["w320.jpg", "w100.webp", "w640-q30.jpg", "w33.png", "h64.gif", "f200x200-q10.webp", "w500-q5.jpg"]


@pytest.mark.parametrize("name", REAL)
def test_real_pictures_have_nearly_the_same_hash(
    chain: Chain, render: Render, shared: Callable[[str], bytes], name: str
) -> None:
    """The same is true of real pictures, in all formats, sizes and qualities."""
    original = shared(name)
    known = describe(chain, original)
    hashes = {output: describe(chain, *render(original, output)).dhash for output in WHOLE}
    assert {output: n for output, each in hashes.items() if (n := distance(known.dhash, each)) > 6} == {}


def test_real_transparent_pictures_have_nearly_the_same_hash(
    chain: Chain, render: Render, shared: Callable[[str], bytes]
) -> None:
    """It is that of the picture on white, so outputs without transparency have it, too, on a white background."""
    for name in ("alpha-premultiply-2048x1536-paper.png", "5_webp_a.webp", "grey-8bit-alpha.png"):
        original = shared(name)
        known = describe(chain, original)
        for output in ("w320.jpg", "w100.webp", "w640-q30.jpg", "w33.png", "h200.png"):
            assert distance(known.dhash, describe(chain, *render(original, output)).dhash) <= 6, (name, output)


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (31, 33)])
def test_any_size_has_details(chain: Chain, size: tuple[int, int]) -> None:
    """The thinnest pictures have all their details."""
    details = describe(chain, encode(Image.new("RGB", size, (90, 90, 90)), "PNG"))
    assert details.average_color == "#5a5a5a"
    assert 0 <= details.focal_point.x_percent <= 100


def test_details_never_tell_a_place(chain: Chain) -> None:
    """Neither a place in EXIF nor any other text of the file is in the details."""
    exif = Image.Exif()
    exif[0x010E] = "SECRET TEXT"
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)
    exif.get_ifd(0x8825)[29] = "2026:01:01"
    details = describe(chain, encode(house(), "JPEG", exif=exif, comment=b"SECRET COMMENT"))
    assert "SECRET" not in repr(details)


def further(image: Image.Image, format: str, **how: object) -> bytes:
    """Return the file of a picture in a further format."""
    if format in {"TIFF", "BMP"}:
        return encode(image, format, **how)
    body = io.BytesIO()
    pillow_heif.from_pillow(image).save(body, quality=90, format=format, **how)
    return body.getvalue()


@pytest.mark.parametrize("format", ["HEIF", "TIFF", "BMP"])
def test_a_further_format_has_the_details_of_its_picture(chain: Chain, format: str) -> None:
    """Hash and colours are those of the same picture as a PNG; a file without an ICC profile has none."""
    details, known = describe(chain, further(house(), format)), describe(chain, encode(house(), "PNG"))
    assert distance(details.dhash, known.dhash) <= 6
    assert details.average_color[1] == known.average_color[1]
    assert (details.frames, details.transparency, details.orientation, details.profile) == (1, False, 1, None)


def test_a_transparent_heic_tells_it(chain: Chain) -> None:
    """Its alpha is an auxiliary picture of its own."""
    image = house().convert("RGBA")
    image.putalpha(200)
    assert describe(chain, further(image, "HEIF")).transparency


def test_a_heic_tells_how_it_was_stored(chain: Chain) -> None:
    """Decoders turn it upright by themselves; its orientation is that in the file."""
    exif = Image.Exif()
    exif[0x0112] = SIDEWAYS
    stored = house().transpose(Image.Transpose.ROTATE_90)
    body = further(stored, "HEIF", exif=exif.tobytes())
    turned, upright = describe(chain, body), describe(chain, encode(house(), "PNG"))
    assert turned.orientation == SIDEWAYS
    assert distance(turned.dhash, upright.dhash) <= 6
