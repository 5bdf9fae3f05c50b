"""Cropping before scaling costs only the cropped area."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from picture_files import encode
from PIL import Image

from imaged.api import TooLargeError
from imaged.testing.pictures import make_png

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


def test_the_pixels_around_a_crop_are_counted(render: Render) -> None:
    """A crop needs a few more pixels around it; if these exceed the limit, the error says so."""
    render(make_png(), "100x300.png", maximum_pixels=120_000)
    with pytest.raises(TooLargeError, match=r"100x300\.png would take \d+ pixels"):
        render(make_png(), "100x300.png", maximum_pixels=30_100)
