"""Outputs are what a Lanczos filter makes of all pixels, whichever library resizes and whatever the decoder shrinks."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from photographs import dead_leaves
from picture_files import difference, encode
from PIL import Image, ImageOps
from structural_similarity import similarity

import imaged_pillow
from imaged.api import Size, plan
from imaged.core.outputs import parse
from imaged.testing.fakes import make_host
from imaged.testing.processors import render_job
from imaged_pillow import resizing

Render = Callable[..., Image.Image]
LEAVES = dead_leaves(512, 384)


@pytest.fixture
def render(tmp_path: Path) -> Render:
    """Return a function that renders an output of a file with a value of the option `filter`."""

    def render(body: bytes, name: str, filter: str = "good") -> Image.Image:
        processor = imaged_pillow.imaged_processor(make_host("pillow", {"filter": filter}))
        assert processor is not None
        source = tmp_path / "original"
        source.write_bytes(body)
        (rendered,) = processor.render(render_job(source, processor.identify(source), [parse(name)]))
        return Image.open(io.BytesIO(rendered.body))

    return render


def reduced(body: bytes, name: str) -> Image.Image:
    """Return what a Lanczos filter makes of all pixels of a file, upright, and the plan's crop of it."""
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(body)))
    wanted = plan(Size(*upright.size), parse(name).sizing)
    scaled = upright.resize((wanted.scaled.width_px, wanted.scaled.height_px), Image.Resampling.LANCZOS)
    left_px, top_px, size = wanted.left_px, wanted.top_px, wanted.size
    return scaled.crop((left_px, top_px, left_px + size.width_px, top_px + size.height_px))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["x60.png", "81x60.png", "60x81.png", "w77.png"])
def test_any_orientation_is_cropped_in_the_same_place(render: Render, orientation: int, name: str) -> None:
    """Crops are planned for the upright picture, and made of the stored one, which libjpeg has shrunk."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    body = encode(LEAVES, "JPEG", quality=95, exif=exif.tobytes())
    assert similarity(render(body, name), reduced(body, name)) > 0.985


@pytest.mark.parametrize("sides", [(509, 381), (505, 377), (511, 383)])
def test_sides_that_the_decoder_rounds_up_shift_nothing(render: Render, sides: tuple[int, int]) -> None:
    """The last column and row of a shrunk JPEG reach out of the picture."""
    body = encode(LEAVES.crop((0, 0, *sides)), "JPEG", quality=95)
    assert similarity(render(body, "w62.png"), reduced(body, "w62.png")) > 0.99


@pytest.mark.parametrize("name", ["w300.png", "x50.png", "900x20.png", "20x700.png"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P"])
def test_without_cykooz_resizer_outputs_look_the_same(
    render: Render, monkeypatch: pytest.MonkeyPatch, mode: str, name: str
) -> None:
    """Pillow's own resize differs by its rounding."""
    picture = LEAVES.convert(mode)
    if mode == "RGBA":
        picture.putalpha(Image.radial_gradient("L").resize(picture.size))
    body = encode(picture, "PNG")
    fast = render(body, name)
    monkeypatch.setattr(resizing, "cykooz_resizer", None)
    alone = render(body, name)
    assert alone.size == fast.size
    ground = Image.new("RGBA", alone.size, "#808080")
    flat = [Image.alpha_composite(ground, each.convert("RGBA")) for each in (alone, fast)]
    assert difference(*flat) < 0.6


@pytest.mark.parametrize(("name", "sharper"), [("w250.png", "good"), ("w110.png", "good"), ("w150.png", "best")])
def test_each_filter_is_as_sharp_as_it_says(render: Render, name: str, sharper: str) -> None:
    """A sharper filter has the decoder shrink less, where that makes a difference."""
    body = encode(LEAVES, "JPEG", quality=95)
    wanted = reduced(body, name)
    found = {filter: similarity(render(body, name, filter), wanted) for filter in ("fast", sharper)}
    assert found[sharper] > found["fast"] > 0.985
    assert similarity(render(body, name, "best"), wanted) >= found[sharper] > 0.995
