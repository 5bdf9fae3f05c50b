"""AVIF, HEIC, TIFF and BMP: right colours, upright, with transparency; Pillow and pillow-heif are the judges."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from typing import Any

import further_files
import numpy as np
import pillow_heif
import pytest
import pyvips
from numpy.typing import NDArray
from picture_samples import box, ispe, make_heif
from PIL import Image, ImageCms
from processor_chain import Chain

from imaged.api import ImageFacts, NotAPictureError, Size, TooLargeError, cicp_profile

pillow_heif.register_heif_opener()
Pixels = NDArray[np.int64]
COLOURS = [[(255, 0, 0), (0, 255, 0)], [(0, 0, 255), (240, 200, 40)]]
"""Of the four quarters."""
SIDE_PX = 64
DISPLAY_P3 = cicp_profile(bytes((12, 13, 0, 1))) or b""
NEAR = 6
"""Lossy coding, and chroma of half the resolution, change the colours of a plain area by this much at most."""


def quarters(side_px: int = SIDE_PX) -> Image.Image:
    """Return a picture whose quarters have colours of their own."""
    return Image.fromarray(np.array(COLOURS, np.uint8)).resize((side_px, side_px), Image.Resampling.NEAREST)


def saved(picture: Image.Image, format: str, **options: Any) -> bytes:
    """Return the file of a picture."""
    file = io.BytesIO()
    picture.save(file, format, **options)
    return file.getvalue()


def corners(body: bytes, mode: str = "RGB") -> Pixels:
    """Return the middle of each quarter."""
    with Image.open(io.BytesIO(body)) as picture:
        pixels = np.asarray(picture.convert(mode)).astype(int)
    high, wide = pixels.shape[0] // 4, pixels.shape[1] // 4
    return pixels[[[high, high], [3 * high, 3 * high]], [[wide, 3 * wide], [wide, 3 * wide]]]


def telephone(rotation: int) -> bytes:
    """Return a HEIC as a telephone makes it: a grid of tiles in Display P3 that is turned by `irot`."""
    tile = saved(quarters(), "HEIF", quality=95, chroma=444)
    at = tile.index(b"hvcC") - 4
    configuration = tile[at : at + int.from_bytes(tile[at : at + 4], "big")]
    colours = box(b"colr", b"prof", DISPLAY_P3)
    return make_heif(
        [ispe(3 * SIDE_PX, 2 * SIDE_PX), colours, box(b"irot", bytes([rotation]))],
        kind=b"hvc1",
        tile_properties=[ispe(SIDE_PX, SIDE_PX), configuration, colours],
        grid=struct.pack(">BBBBHH", 0, 0, 1, 2, 3 * SIDE_PX, 2 * SIDE_PX),
        tiles=6,
        stream=tile[tile.index(b"mdat") + 4 :],
    )


def deep_avif(bits: int) -> bytes:
    """Return an AVIF of 10 or 12 bits a channel."""
    pixels = np.asarray(quarters()).astype(np.uint16) * 257
    picture = pyvips.Image.new_from_array(pixels).copy(interpretation="rgb16")
    made: bytes = picture.heifsave_buffer(compression="av1", bitdepth=bits, Q=90)
    return made


@pytest.mark.parametrize("rotation", range(4))
def test_a_picture_of_a_telephone_is_upright_and_in_srgb(render: Callable[..., list[bytes]], rotation: int) -> None:
    """Each quarter turn of `irot` counts once, and Display P3 becomes sRGB as littleCMS converts it."""
    body = telephone(rotation)
    with Image.open(io.BytesIO(body)) as picture:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(DISPLAY_P3))
        converted = ImageCms.profileToProfile(picture.convert("RGB"), profile, ImageCms.createProfile("sRGB"))
    assert converted is not None
    (output,) = render(body, "full_size.png")
    with Image.open(io.BytesIO(output)) as made:
        assert made.size == converted.size
        difference = np.abs(np.asarray(made.convert("RGB")).astype(int) - np.asarray(converted))
    assert np.median(difference) <= 1
    assert difference.mean() < NEAR


@pytest.fixture(autouse=True)
def _codecs(chain: Chain) -> None:
    """Skip where the libraries of a processor lack codecs."""
    has = {format.extension for format in chain.processors.formats.reads}
    if not {"avif", "heic"} <= has or not chain.processors.formats.writes_extension("avif"):
        pytest.skip("libheif lacks codecs: apt install libheif-plugin-{aomenc,dav1d,libde265}")


ORIGINALS = {
    "an AVIF of 10 bits": deep_avif(10),
    "an AVIF of 12 bits": deep_avif(12),
    "an AVIF": saved(quarters(), "AVIF", quality=95),
    "a HEIC": saved(quarters(), "HEIF", quality=95),
    "a TIFF": saved(quarters(), "TIFF"),
    "a TIFF in CMYK": saved(quarters().convert("CMYK"), "TIFF"),
    "a TIFF in LZW": saved(quarters(), "TIFF", compression="tiff_lzw"),
    "a TIFF in JPEG": saved(quarters(), "TIFF", compression="jpeg", quality=95),
    "a TIFF of two pages": saved(quarters(), "TIFF", save_all=True, append_images=[Image.new("RGB", (9, 9))]),
    "a BMP": saved(quarters(), "BMP"),
}


@pytest.mark.parametrize("name", ORIGINALS)
def test_colours_are_right(chain: Chain, name: str) -> None:
    """In each kind of original, and again in an AVIF made of it."""
    facts = chain.accept(ORIGINALS[name])
    assert (facts.size, facts.frames) == (Size(SIDE_PX, SIDE_PX), 1)
    for output in chain.render(ORIGINALS[name], "full_size.png", "full_size.avif", quality=90):
        assert np.abs(corners(output) - COLOURS).max() <= NEAR


@pytest.mark.parametrize("format", ["BMP", "TIFF"])
def test_one_bit_is_black_or_white(render: Callable[..., list[bytes]], format: str) -> None:
    """No pixel of a bilevel original is grey, and none changes."""
    bilevel = quarters().convert("1")
    (output,) = render(saved(bilevel, format), "full_size.png")
    with Image.open(io.BytesIO(output)) as made:
        assert np.array_equal(np.asarray(made.convert("L")), np.asarray(bilevel.convert("L")))


@pytest.mark.parametrize("format", ["AVIF", "HEIF", "TIFF"])
def test_transparency_is_kept_or_laid_on_the_background(render: Callable[..., list[bytes]], format: str) -> None:
    """An AVIF holds it, a JPEG does not."""
    picture = quarters()
    picture.putalpha(Image.fromarray(np.array([[255, 0], [255, 0]], np.uint8)).resize((SIDE_PX, SIDE_PX), 0))
    avif, jpeg = render(saved(picture, format, quality=95), "full_size.avif", "full_size.jpg", background="#ffffff")
    assert np.abs(corners(avif, "RGBA")[..., 3] - [[255, 0], [255, 0]]).max() <= NEAR
    assert np.abs(corners(jpeg)[:, 1] - 255).max() <= NEAR


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_of_a_tiff_is_applied(render: Callable[..., list[bytes]], orientation: int) -> None:
    """By its tag, as Pillow does."""
    exif = Image.Exif()
    exif[0x112] = orientation
    body = saved(quarters().resize((64, 32), 0), "TIFF", exif=exif)
    (output,) = render(body, "full_size.png")
    with Image.open(io.BytesIO(body)) as judged:
        upright = saved(judged.convert("RGB"), "PNG")
    with Image.open(io.BytesIO(output)) as made:
        assert made.size == ((64, 32) if orientation < 5 else (32, 64))
    assert np.array_equal(corners(output), corners(upright))


@pytest.mark.parametrize(("width_px", "height_px"), [(1, 1), (3, 2), (63, 31), (640, 3)])
def test_an_avif_of_any_size_is_written(render: Callable[..., list[bytes]], width_px: int, height_px: int) -> None:
    """Odd sides too, although chroma has half of them."""
    (output,) = render(saved(Image.new("RGB", (width_px, height_px), "teal"), "PNG"), "full_size.avif")
    with Image.open(io.BytesIO(output)) as made:
        assert (made.size, made.format) == ((width_px, height_px), "AVIF")


def test_a_lower_quality_makes_a_smaller_avif(render: Callable[..., list[bytes]]) -> None:
    """The quality of the name reaches the encoder."""
    picture = Image.effect_noise((200, 150), 60).convert("RGB")
    sizes = [len(render(saved(picture, "PNG"), f"full_size-q{quality}.avif")[0]) for quality in (20, 50, 90)]
    assert sizes == sorted(set(sizes))


LARGE = ("an AVIF that announces 30000x30000", "a HEIC grid of 65025 tiles", "a TIFF of 400 megapixels in Deflate")
BROKEN = (
    "a bitstream of 30000x30000 in an AVIF of 40x40",
    "a HEIC that announces 30000x30000",
    "a TIFF of 30000x30000",
    "a TIFF with a giga of strips",
    "a TIFF with a strip of gigabytes",
    "a TIFF with a tile of gigabytes",
    "a BMP of 30000x30000",
    "a BMP of 49 megapixels in runs",
    "a BMP whose pixels are nowhere",
)


@pytest.mark.parametrize("name", LARGE)
def test_a_bomb_is_too_large(accept: Callable[..., ImageFacts], name: str) -> None:
    """Its header says so, so no decoder sees it."""
    with pytest.raises(TooLargeError):
        accept(further_files.files()[name]())


@pytest.mark.parametrize("name", BROKEN)
def test_a_bomb_that_lies_is_broken(accept: Callable[..., ImageFacts], name: str) -> None:
    """What it announces is not in the file, or not what its pixels say."""
    with pytest.raises(NotAPictureError):
        accept(further_files.files()[name]())


@pytest.mark.parametrize("name", [name for name in further_files.files() if "directories" in name])
def test_a_tiff_of_too_many_directories_is_refused(accept: Callable[..., ImageFacts], name: str) -> None:
    """A document of a hundred pages is no picture, and a circle of directories has no end."""
    with pytest.raises(NotAPictureError):
        accept(further_files.files()[name]())


@pytest.mark.parametrize("pages", [1, 2, 64])
def test_the_first_picture_of_a_tiff_is_read(accept: Callable[..., ImageFacts], pages: int) -> None:
    """Further directories cost nothing, and may point anywhere."""
    assert accept(further_files.tiff(pages=pages)).size == Size(1, 1)
    assert accept(further_files.files()["a TIFF whose next directory is nowhere"]()).size == Size(1, 1)
