"""Cropping before scaling gives the same pixels as cropping afterwards."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from picture_files import encode
from PIL import Image, ImageChops, ImageStat

from imaged.testing.pictures import make_gif

Render = Callable[..., list[bytes]]


def ripples(width: int, height: int) -> Image.Image:
    """Return a picture that shows a shift by a fraction of a pixel: waves of a few pixels, and a hard edge."""
    waves = [round(127 + 100 * ((x * x + 3 * y * y) // 7 % 64 - 32) / 32) for y in range(height) for x in range(width)]
    picture = Image.frombytes("L", (width, height), bytes(waves)).convert("RGB")
    picture.paste((250, 20, 40), (width // 2, height // 3, width // 2 + width // 9, height // 3 + height // 9))
    return picture


@pytest.mark.parametrize(
    ("size", "name"),
    [
        ((400, 300), "100x90.png"),
        ((401, 299), "71x173.png"),
        ((397, 301), "x97.png"),
        ((997, 100), "x41.png"),
        ((100, 1403), "47x91.png"),
        ((97, 211), "150x60.png"),
        ((61, 83), "300x37.png"),
        ((83, 61), "31x400.png"),
        ((5, 7), "x160.png"),
        ((9, 5), "40x300.png"),
    ],
)
def test_pixels_lie_where_they_would(render: Render, size: tuple[int, int], name: str) -> None:
    """Crops equal those of Pillow, which scales boxes of fractional pixels."""
    original = ripples(*size)
    [body] = render(encode(original, "PNG"), name)
    made = Image.open(io.BytesIO(body)).convert("RGB")
    scale = max(made.width / original.width, made.height / original.height)
    across, down = round(original.width * scale), round(original.height * scale)
    left, top = (across - made.width) // 2, (down - made.height) // 2
    box = (
        left * original.width / across,
        top * original.height / down,
        (left + made.width) * original.width / across,
        (top + made.height) * original.height / down,
    )
    expected = original.resize(made.size, Image.Resampling.LANCZOS, box=box)
    difference = ImageStat.Stat(ImageChops.difference(made, expected)).mean
    shifted = ImageStat.Stat(ImageChops.difference(ImageChops.offset(expected, 1, 1), expected)).mean
    assert max(difference) < 0.05 * max(shifted) + 0.5, (difference, shifted)


def test_the_hint_to_the_decoder_still_works(render: Render) -> None:
    """A JPEG that libjpeg shrinks is cropped at the smaller size, without a shift."""
    file = io.BytesIO()
    ripples(800, 600).resize((3200, 2400), Image.Resampling.BICUBIC).save(file, "JPEG", quality=95)
    [body] = render(file.getvalue(), "90x200.png")
    whole = Image.open(file).convert("RGB")
    expected = whole.resize((90, 200), Image.Resampling.LANCZOS, box=(88 * 3200 / 267, 0, 178 * 3200 / 267, 2400))
    difference = ImageStat.Stat(ImageChops.difference(Image.open(io.BytesIO(body)).convert("RGB"), expected)).mean
    assert max(difference) < 3


def test_animations_too(render: Render) -> None:
    """Every frame of an animation is cropped before it is scaled."""
    [body] = render(make_gif(3), "20x3000.gif", maximum_pixels=3 * 20 * 3000 * 16)
    with Image.open(io.BytesIO(body)) as made:
        assert (made.size, getattr(made, "n_frames", 1)) == ((20, 3000), 3)
