"""Cropping before scaling gives the same pixels as cropping afterwards, and costs only the cropped area."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from picture_files import encode
from PIL import Image, ImageChops, ImageStat

from imaged.api import TooLargeError
from imaged.testing.pictures import make_gif, make_png

Render = Callable[..., list[bytes]]

SMALL_MEMORY = """
import sys
from pathlib import Path
import imaged_magick
from imaged.api import *
from imaged.core.outputs import parse
from imaged.testing.fakes import make_host
from imaged.testing.processors import make_variant
processor = imaged_magick.imaged_processor(make_host("magick", {"memory_bytes": 64 * 2**20}))
source = Path(sys.argv[1])
variant = make_variant(parse(sys.argv[2]))
[rendered] = processor.render(RenderJob(source, processor.identify(source), (variant,), 30, 50_000_000))
Path(sys.argv[3]).write_bytes(rendered.body)
"""


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


@pytest.mark.parametrize(
    ("size", "name"), [((1, 1), "100x9000.png"), ((600, 400), "90x9000.png"), ((3, 9000), "x300.png")]
)
def test_a_crop_takes_the_memory_of_the_kept_pixels(tmp_path: Path, size: tuple[int, int], name: str) -> None:
    """64 MiB are enough for a crop of a picture that would have 80 million pixels when scaled as a whole."""
    source, output = tmp_path / "original", tmp_path / "output"
    source.write_bytes(encode(Image.new("RGB", size, (200, 100, 50)), "PNG"))
    subprocess.run([sys.executable, "-c", SMALL_MEMORY, source, name, output], check=True)
    with Image.open(output) as made:
        assert f"{made.width}x{made.height}.png" in {name, name.replace("x300", "300x300")}
        assert made.convert("RGB").getcolors() == [(made.width * made.height, (200, 100, 50))]


def test_animations_too(render: Render) -> None:
    """Every frame of an animation is cropped before it is scaled."""
    [body] = render(make_gif(3), "20x3000.gif", maximum_pixels=3 * 20 * 3000 * 16)
    with Image.open(io.BytesIO(body)) as made:
        assert (made.size, getattr(made, "n_frames", 1)) == ((20, 3000), 3)


def test_the_pixels_around_a_crop_are_counted(render: Render) -> None:
    """A crop needs a few more pixels around it; if these exceed the limit, the error says so."""
    render(make_png(), "100x300.png", maximum_pixels=120_000)
    with pytest.raises(TooLargeError, match=r"100x300\.png would take \d+ pixels"):
        render(make_png(), "100x300.png", maximum_pixels=30_100)
