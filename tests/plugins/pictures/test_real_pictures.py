"""Real pictures from cameras and editors."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from PIL import Image, ImageChops, ImageStat

from imaged.api import ImageFacts, NotAPictureError, Size, TooLargeError

Render = Callable[..., list[bytes]]
Opened = Callable[[bytes], Image.Image]
Shared = Callable[[str], bytes]
Identify = Callable[..., ImageFacts]


@pytest.mark.parametrize(
    ("name", "size", "frames"),
    [
        ("photo-6mp.jpg", Size(2725, 2225), 1),
        ("Landscape_6.jpg", Size(600, 450), 1),
        ("giant-image.jpg", Size(20000, 14000), 1),
        ("16-bit-grey-alpha.png", Size(109, 96), 1),
        ("rotating-squares.gif", Size(80, 80), 30),
        ("animated-loop-3.gif", Size(370, 285), 10),
        ("rotating-squares.webp", Size(80, 80), 9),
        ("big-height.webp", Size(13, 169), 97),
        ("5_webp_a.webp", Size(300, 300), 1),
    ],
)
def test_facts(shared: Shared, identify: Identify, name: str, size: Size, frames: int) -> None:
    """The facts of real pictures are those that other programs report."""
    facts = identify(shared(name), maximum_pixels=300_000_000)
    assert (facts.size, facts.frames) == (size, frames)


@pytest.mark.parametrize("name", ["corrupt-header.jpg", "truncated.jpg", "truncated.png", "check.svg"])
def test_broken_and_foreign_files_are_refused(shared: Shared, accept: Identify, name: str) -> None:
    """A damaged header, half a file and a vector drawing are refused."""
    with pytest.raises(NotAPictureError):
        accept(shared(name))


def test_landscapes_look_alike(shared: Shared, render: Render, opened: Opened) -> None:
    """The same scene in four orientations is upright in every output."""
    views = [opened(render(shared(f"Landscape_{number}.jpg"), "w60.png")[0]).convert("RGB") for number in (1, 3, 6, 8)]
    for view in views:
        assert view.size == (60, 45)
        assert sum(ImageStat.Stat(ImageChops.difference(view, views[0])).mean) / 3 < 12


def test_animation_keeps_its_look(shared: Shared, render: Render) -> None:
    """Each frame of a resized animation looks like Pillow's frame of the original, resized."""
    original = Image.open(io.BytesIO(shared("rotating-squares.gif")))
    small = Image.open(io.BytesIO(render(shared("rotating-squares.gif"), "w40.webp", quality=95)[0]))
    elapsed_ms = {}
    at_ms = 0
    for number in range(getattr(small, "n_frames", 1)):
        small.seek(number)
        small.load()
        elapsed_ms[at_ms] = small.convert("RGBA")
        at_ms += small.info["duration"]
    assert at_ms == 30 * 30
    for number in range(30):
        original.seek(number)
        shown = elapsed_ms[max(start for start in elapsed_ms if start <= 30 * number)]
        wanted = original.convert("RGBA").resize((40, 40), Image.Resampling.LANCZOS)
        ground = Image.new("RGBA", (40, 40), (90, 160, 90, 255))
        views = [Image.alpha_composite(ground, view) for view in (shown, wanted)]
        assert sum(ImageStat.Stat(ImageChops.difference(*views)).mean) / 4 < 6


def test_paper_keeps_its_edge(shared: Shared, render: Render, opened: Opened) -> None:
    """Transparency is resized as Pillow does with premultiplied alpha."""
    original = opened(shared("alpha-premultiply-2048x1536-paper.png")).convert("RGBA")
    found = opened(render(shared("alpha-premultiply-2048x1536-paper.png"), "w256.png")[0]).convert("RGBA")
    wanted = original.convert("RGBa").resize((256, 192), Image.Resampling.LANCZOS).convert("RGBA")
    ground = Image.new("RGBA", found.size, (90, 160, 90, 255))
    views = [Image.alpha_composite(ground, view) for view in (found, wanted)]
    assert sum(ImageStat.Stat(ImageChops.difference(*views)).mean) / 3 < 2


def test_giant_is_refused_unless_allowed(shared: Shared, render: Render) -> None:
    """280 million pixels are too many by default; a server that allows them renders them small."""
    with pytest.raises(TooLargeError):
        render(shared("giant-image.jpg"), "w100.jpg")
    assert len(render(shared("giant-image.jpg"), "w100.jpg", maximum_pixels=300_000_000)) == 1
