"""Reduced photographs look as good as those of libvips, next to all pixels reduced by a Lanczos filter.

The sides of the originals are multiples of 64: a decoder that shrinks by eighths rounds other sides up, which shifts
the picture by parts of a pixel, in libvips too.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
from installed_processors import CHAINS, build
from photographs import dead_leaves
from picture_files import encode
from PIL import Image
from processor_chain import Chain
from structural_similarity import similarity

from imaged.api import Size, plan
from imaged.core.outputs import parse

Render = Callable[..., list[bytes]]
Shared = Callable[[str], bytes]

OUTPUTS = ("x300.png", "w500.png", "w1000.png", "300x400.png", "x300.jpg", "w1000.jpg")
BEHIND = 0.003
"""How much less similar than libvips's picture an output may be."""


LEAST = {"fast": 0.985, "best": 0.998}
"""How similar an output of these filters is at least."""


@cache
def leaves(format: str) -> bytes:
    """Return a file that is like a photograph."""
    return encode(dead_leaves(2048, 1536), format, **({} if format == "PNG" else {"quality": 92}))


@cache
def judged(body: bytes, name: str) -> tuple[Image.Image, float]:
    """Return an output as Lanczos makes it of all pixels, and how similar that of libvips is."""
    output, image = parse(name), Image.open(io.BytesIO(body)).convert("RGB")
    wanted = plan(Size(*image.size), output.sizing)
    scaled, size = wanted.scaled, wanted.size
    box = (wanted.left_px, wanted.top_px, wanted.left_px + size.width_px, wanted.top_px + size.height_px)
    reference = image.resize((scaled.width_px, scaled.height_px), Image.Resampling.LANCZOS).crop(box)
    thumbnail = pyvips.Image.thumbnail_buffer(body, scaled.width_px, height=scaled.height_px, size="force")
    cropped = thumbnail.crop(wanted.left_px, wanted.top_px, size.width_px, size.height_px)
    options = {"Q": 75, "interlace": True, "keep": "none"} if output.extension == "jpg" else {}
    made = cropped.write_to_buffer(f".{output.extension}", **options)
    return reference, similarity(Image.open(io.BytesIO(made)), reference)


def check(body: bytes, outputs: dict[str, bytes]) -> None:
    """Compare each output with the one of libvips."""
    for name, made in outputs.items():
        reference, theirs = judged(body, name)
        ours = similarity(Image.open(io.BytesIO(made)), reference)
        assert ours >= theirs - BEHIND, (name, ours, theirs)


@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_photographs_look_as_good_as_those_of_libvips(render: Render, format: str) -> None:
    """Each output, alone in its job, is as similar to the reference as libvips's, or hardly less."""
    body = leaves(format)
    check(body, {name: render(body, name)[0] for name in OUTPUTS})


@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_outputs_of_one_job_look_as_good(render: Render, format: str) -> None:
    """So is each output of a job that has several."""
    body = leaves(format)
    check(body, dict(zip(OUTPUTS, render(body, *OUTPUTS), strict=True)))


def test_small_photographs_of_many_details_look_as_good(render: Render) -> None:
    """So are outputs of an original of one megapixel, at the scales at which a decoder could just shrink."""
    detailed = dead_leaves(2048, 1536).resize((1024, 768), Image.Resampling.LANCZOS)
    body = encode(detailed, "JPEG", quality=92)
    outputs = ("w750.png", "w376.png", "w292.png", "w187.png", "w170.png", "w140.png", "w78.png")
    check(body, {name: render(body, name)[0] for name in outputs})


@pytest.mark.parametrize("name", ["photo-6mp.jpg", "wine.jpg"])
def test_real_photographs_look_as_good(shared: Shared, render: Render, name: str) -> None:
    """So are those of real photographs, cropped to sides that the decoder does not round."""
    image = Image.open(io.BytesIO(shared(name)))
    body = encode(image.crop((0, 0, image.width // 64 * 64, image.height // 64 * 64)), "JPEG", quality=92)
    check(body, dict(zip(OUTPUTS, render(body, *OUTPUTS), strict=True)))


@pytest.mark.parametrize("filter", LEAST)
@pytest.mark.parametrize("name", CHAINS)
def test_each_filter_has_its_quality(tmp_path: Path, name: str, filter: str) -> None:
    """The filter `fast` still resembles the reference, and `best` is as close to it as a Lanczos filter alone."""
    chain = Chain(build(name, filter=filter), tmp_path / "original")
    for output in ("x300.png", "w500.png", "w1000.png", "300x400.png"):
        (made,) = chain.render(leaves("JPEG"), output)
        reference, _ = judged(leaves("JPEG"), output)
        assert similarity(Image.open(io.BytesIO(made)), reference) >= LEAST[filter], output


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (lambda x, y: (x * x + 3 * y * y) // 7 % 256 // 3 + 80, 0.5989435381206625),
        (lambda x, y: (x * x + 2 * x + 3 * y * y) // 7 % 256, 0.7575658123919988),
    ],
)
def test_similarity_is_that_of_another_program(change: Callable[..., Any], wanted: float) -> None:
    """The similarities of pictures made by formulas are those of scikit-image 0.26 with a Gaussian window."""
    down, across = np.mgrid[0:60, 0:80]
    one, other = ((across * across + 3 * down * down) // 7 % 256), change(across, down)
    pictures = [Image.fromarray(each.astype(np.uint8)) for each in (one, other)]
    assert similarity(*pictures) == pytest.approx(wanted, abs=1e-9)


def test_the_setting_says_how_much_effort_webp_takes(render: Render) -> None:
    """`webp_effort` reaches the encoder: the least effort writes the most bytes, and 4 is the default."""
    body = encode(dead_leaves(256, 192), "PNG")
    sizes = {effort: len(render(body, "w256.webp", webp_effort=effort)[0]) for effort in (0, 4, 6)}
    assert sizes[0] > sizes[4] > sizes[6]
    assert sizes[4] == len(render(body, "w256.webp")[0])
