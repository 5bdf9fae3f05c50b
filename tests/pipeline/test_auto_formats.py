"""The formats of `auto` outputs follow from settings, processors, and the size of the picture."""

from __future__ import annotations

import pytest
from pipeline_harness import IMAGE

from imaged.config.images import ImagePolicy
from imaged.config.model import Settings
from imaged.core.errors import PolicyError
from imaged.core.formats import AVIF, CORE, JPEG, WEBP, Formats
from imaged.core.hashes import ImageHash
from imaged.core.outputs import parse
from imaged.core.pictures import ImageInfo
from imaged.pipeline.auto_formats import MOST_GIVEN_UP, AutoFormats, GivenUp
from imaged.workers.render_jobs import ImageOutput

EVERY = ("jpg", "png", "gif", "webp", "avif")


def formats(*written: str, **policy: object) -> AutoFormats:
    """Return the formats of a server that writes these extensions."""
    writes = tuple(format for format in (*CORE, AVIF) if format.extension in written)
    return AutoFormats(Settings(images=ImagePolicy.model_validate(policy)), Formats(CORE, writes))


def picture(width_px: int, height_px: int) -> ImageInfo:
    """Return the record of a photograph."""
    return ImageInfo(ImageHash("0" * 32), width_px, height_px, "image/jpeg", 100, "0" * 64)


@pytest.mark.parametrize(
    ("name", "size", "expected"),
    [
        ("w500.auto", (4000, 3000), (AVIF, WEBP, JPEG)),
        ("full_size.auto", (4000, 3000), (WEBP, JPEG)),  # more pixels than an AVIF may have
        ("full_size.auto", (16_383, 10), (AVIF, WEBP, JPEG)),
        ("full_size.auto", (16_384, 10), (AVIF, JPEG)),
        ("full_size.auto", (10, 16_385), (JPEG,)),
        ("w2000.auto", (16_385, 10), (AVIF, WEBP, JPEG)),
        ("x2000.auto", (10, 10), (AVIF, WEBP, JPEG)),
        ("2001x2000.auto", (10, 10), (WEBP, JPEG)),
    ],
)
def test_a_format_has_to_hold_the_size(name: str, size: tuple[int, int], expected: tuple[object, ...]) -> None:
    """The size is that of the output; AVIF has a budget of four megapixels besides its longest side."""
    found = formats(*EVERY, extensions=EVERY, maximum_width=4096)
    assert found.candidates(IMAGE, parse(name), picture(*size)).all == expected


def test_a_namespace_without_any_format_is_refused_before_a_picture_comes() -> None:
    """Its posts that order an `auto` output get an error at once."""
    formats("jpg", extensions=("jpg", "avif")).check("p")
    with pytest.raises(PolicyError, match="no processor writes"):
        formats("jpg", extensions=("png", "avif")).check("p")


def test_outputs_that_are_given_up_are_bounded() -> None:
    """The oldest is forgotten first."""
    given_up = GivenUp()
    outputs = [ImageOutput(IMAGE, parse(f"w{number}.avif")) for number in range(1, MOST_GIVEN_UP + 2)]
    for output in outputs:
        given_up.add(output)
    assert [output in given_up for output in outputs[:2]] == [False, True]
    assert outputs[-1] in given_up
