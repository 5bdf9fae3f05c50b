"""What the filters of the plugin do: how far a JPEG shrinks while it decodes, and which pictures serve others."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from photographs import dead_leaves
from PIL import Image
from structural_similarity import similarity

from imaged.api import JPEG, Fill, Fit, FullSize, RenderJob, Size, plan
from imaged.core.outputs import parse
from imaged.testing.fakes import make_host
from imaged.testing.processors import make_variant
from imaged_magick import imaged_processor
from imaged_magick.deadline import Deadline
from imaged_magick.filters import FILTERS
from imaged_magick.jpeg_scale import jpeg_size_hint
from imaged_magick.picture import Picture
from imaged_magick.reductions import suffices

pytestmark = pytest.mark.usefixtures("processor")
"""ImageMagick has to start under the plugin's policy, before a test makes a picture."""

GOOD, BEST = FILTERS["good"], FILTERS["best"]


def test_the_hint_suffices_for_every_output() -> None:
    """The hint leaves every output the reserve of the filter, in the file's axes; None where an output needs more."""
    size = Size(4000, 3000)
    small = [plan(size, Fit(500)), plan(size, Fill(300, 400))]
    assert jpeg_size_hint(size, small, 1, GOOD) == "1000x750"
    assert jpeg_size_hint(size, small, 6, GOOD) == "750x1000"
    assert jpeg_size_hint(size, small, 1, BEST) == "1333x1000"
    assert jpeg_size_hint(size, [*small, plan(size, Fit(2000))], 1, GOOD) is None
    assert jpeg_size_hint(size, [*small, plan(size, FullSize())], 1, FILTERS["fast"]) is None


def test_small_originals_keep_more_reserve() -> None:
    """`good` has the decoder shrink an original of up to 4 megapixels as little as `best` does."""
    for size, width_px, hint in ((Size(4000, 3000), 1400, "2000x1500"), (Size(2000, 1500), 700, None)):
        assert jpeg_size_hint(size, [plan(size, Fit(width_px))], 1, GOOD) == hint


@given(st.integers(1, 700), st.integers(1, 700), st.integers(1, 400), st.sampled_from(sorted(FILTERS)))
def test_libjpeg_decodes_at_the_eighths_that_the_hint_means(across: int, down: int, width: int, name: str) -> None:
    """The decoded picture has the least number of eighths that the filter allows, in each version of ImageMagick."""
    size = Size(across, down)
    wanted = plan(size, Fit(width))
    filter = replace(FILTERS[name], detailed=FILTERS[name].decoded)
    hint = jpeg_size_hint(size, [wanted], 1, filter)
    decoded = _decoded(size, hint)
    if hint is None:
        assert decoded == size
        return
    ratio = min(across / wanted.scaled.width_px, down / wanted.scaled.height_px)
    eighths = min(each for each, least in filter.decoded.items() if ratio * each / 8 >= least)
    assert decoded == Size(-(-across * eighths // 8), -(-down * eighths // 8))


def _decoded(size: Size, hint: str | None) -> Size:
    file = io.BytesIO()
    Image.new("L", (size.width_px, size.height_px)).save(file, "JPEG")
    with Picture(Deadline(60, interrupts=False)) as picture:
        if hint:
            picture.set_option("jpeg:size", hint)
        picture.read_pixels(JPEG, file.getvalue())
        return picture.sides


def test_a_reduced_picture_serves_much_smaller_ones() -> None:
    """A reduced picture is a source for those of half its size; never a cropped one, and none for "best"."""
    size = Size(2725, 2225)
    large, half, more, crop = (plan(size, sizing) for sizing in (Fit(1000), Fit(500), Fit(501), Fill(1000, 300)))
    assert suffices(large, [half], GOOD)
    assert not suffices(large, [half, more], GOOD)
    assert not suffices(crop, [half], GOOD)
    assert not suffices(large, [half], BEST)


@pytest.mark.parametrize(("name", "least"), [("fast", 0.985), ("good", 0.99), ("best", 0.998)])
@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_each_filter_keeps_its_quality(tmp_path: Path, name: str, least: float, format: str) -> None:
    """The outputs of one job, and each alone, are as similar to Lanczos on all pixels as the filter promises."""
    image = dead_leaves(2048, 1536)
    source = tmp_path / "source"
    image.save(source, format, quality=92)
    processor = imaged_processor(make_host("magick", {"filter": name}))
    assert processor
    facts = processor.identify(source)
    assert facts
    outputs = [parse(f"w{width}.png") for width in (100, 170, 250, 300, 480, 500, 740, 1000)]
    jobs = [outputs, *([each] for each in outputs)]
    reference = Image.open(source)
    for job in jobs:
        made = processor.render(RenderJob(source, facts, tuple(map(make_variant, job)), 60, 10**8))
        for each in made:
            picture = Image.open(io.BytesIO(each.body)).convert("RGB")
            wanted = reference.resize(picture.size, Image.Resampling.LANCZOS)
            assert similarity(picture, wanted) >= least, each.output


def test_formats_of_one_size_have_the_same_pixels(tmp_path: Path) -> None:
    """Outputs of the same size in several formats are made of one reduced picture, none changed by another's format."""
    rng = np.random.default_rng(1)
    source = tmp_path / "source"
    Image.fromarray(rng.integers(0, 256, (90, 120, 4), dtype=np.uint8), "RGBA").save(source, "PNG")
    processor = imaged_processor(make_host("magick", {}))
    assert processor
    facts = processor.identify(source)
    assert facts
    alone, beside = (
        {
            each.output: each.body
            for names in jobs
            for each in processor.render(
                RenderJob(source, facts, tuple(make_variant(parse(name)) for name in names), 60, 10**8)
            )
        }
        for jobs in (
            [["x60.gif"], ["x60.jpg"], ["x60.png"], ["x60.webp"]],
            [["x60.gif", "x60.jpg", "x60.png", "x60.webp"]],
        )
    )
    assert alone == beside
