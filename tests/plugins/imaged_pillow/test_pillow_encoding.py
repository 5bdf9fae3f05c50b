"""Encoders get the settings that are worth their time, and PNG outputs the smallest mode that has all pixels."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from picture_files import encode, gradient
from PIL import Image

import imaged_pillow
from imaged.core.outputs import parse
from imaged.core.variants import Progressive
from imaged.testing.fakes import make_host
from imaged.testing.processors import make_variant, render_job

Render = Callable[..., bytes]
NOISE = Image.merge("RGB", [Image.effect_noise((700, 700), 200) for _ in range(3)])
SMALL_NOISE = NOISE.resize((400, 400), Image.Resampling.NEAREST)


@pytest.fixture
def render(tmp_path: Path) -> Render:
    """Return a function that renders a picture, by way of a PNG, in its full size."""

    def render(picture: Image.Image, name: str, progressive: Progressive = "auto") -> bytes:
        processor = imaged_pillow.imaged_processor(make_host("pillow"))
        assert processor is not None
        source = tmp_path / "original"
        source.write_bytes(encode(picture, "PNG"))
        job = render_job(source, processor.identify(source), [])
        output = parse(name)
        variant = make_variant(output, quality=output.quality or 75, progressive=progressive)
        (rendered,) = processor.render(type(job)(job.source, job.facts, (variant,), 30, 10**8))
        return rendered.body

    return render


FEW = gradient().resize((60, 40)).quantize(16).convert("RGB")
CLEAR = FEW.convert("RGBA")
CLEAR.putpixel((1, 1), (1, 2, 3, 100))
EXACT = {
    "opaque": (gradient().resize((60, 40)).convert("RGBA"), "RGB"),
    "few colours": (FEW, "P"),
    "few colours, opaque": (FEW.convert("RGBA"), "P"),
    "grey": (gradient().resize((60, 40)).convert("L").convert("RGB"), "L"),
    "grey, opaque": (gradient().resize((60, 40)).convert("LA"), "L"),
    "transparent": (CLEAR, "RGBA"),
    "256 colours": (Image.linear_gradient("L").convert("RGB"), "L"),
}


@pytest.mark.parametrize("name", EXACT)
def test_a_png_has_the_smallest_mode_with_the_same_pixels(render: Render, name: str) -> None:
    """An opaque picture has no alpha channel, a grey one no colours, and one of few colours a palette."""
    picture, mode = EXACT[name]
    made = Image.open(io.BytesIO(render(picture, "full_size.png")))
    assert made.mode == mode
    assert made.convert("RGBA").tobytes() == picture.convert("RGBA").tobytes()


@pytest.mark.parametrize("quality", [1, 75, 90, 100])
@pytest.mark.parametrize("progressive", [True, False])
def test_noise_fits_into_the_buffer_of_the_encoder(render: Render, quality: int, *, progressive: bool) -> None:
    """Pillow writes optimised JPEGs in one piece, whose size it has to guess. Noise of three colours is the largest."""
    for noise in (NOISE, SMALL_NOISE):
        made = Image.open(io.BytesIO(render(noise, f"full_size-q{quality}.jpg", progressive)))
        made.load()
        assert bool(made.info.get("progressive")) == progressive


def test_chroma_is_halved_below_quality_90(render: Render) -> None:
    """As in ImageMagick's plugin."""
    frames = {quality: render(FEW, f"full_size-q{quality}.jpg") for quality in (89, 90)}
    factors = {quality: body[body.index(b"\xff\xc0") + 11] for quality, body in frames.items()}
    assert factors == {89: 0x22, 90: 0x11}


def test_small_baseline_jpegs_have_tables_of_their_own(render: Render) -> None:
    """Large ones would take much longer for few bytes."""
    tables = {}
    for side_px in (100, 600):
        picture = gradient().resize((side_px, side_px))
        body = render(picture, "full_size.jpg", progressive=False)
        tables[side_px] = body.count(b"\xff\xc4"), len(encode(picture, "JPEG", quality=75)) == len(body)
    assert [same for _, same in tables.values()] == [False, True]
