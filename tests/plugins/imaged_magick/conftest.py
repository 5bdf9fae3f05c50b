"""Fixtures: the processor, and functions that identify, verify and render bytes with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import imaged_magick
from imaged.api import ImageFacts, Processor, RenderJob, VerifyingProcessor
from imaged.core.outputs import parse
from imaged.core.variants import Progressive
from imaged.testing.fakes import make_host
from imaged.testing.processors import make_variant


@pytest.fixture(scope="session")
def processor() -> Processor:
    """Return the processor that the daemon would get."""
    processor = imaged_magick.imaged_processor(make_host("magick"))
    assert processor is not None
    return processor


@pytest.fixture
def identify(processor: Processor, tmp_path: Path) -> Callable[[bytes], ImageFacts]:
    """Return a function that identifies bytes."""

    def identify(body: bytes) -> ImageFacts:
        source = tmp_path / "original"
        source.write_bytes(body)
        return processor.identify(source)

    return identify


@pytest.fixture
def accept(processor: Processor, tmp_path: Path) -> Callable[..., ImageFacts]:
    """Return a function that identifies and then verifies bytes, as a POST does."""

    def accept(body: bytes, maximum_pixels: int = 50_000_000) -> ImageFacts:
        source = tmp_path / "original"
        source.write_bytes(body)
        facts = processor.identify(source)
        assert isinstance(processor, VerifyingProcessor)
        processor.verify(RenderJob(source, facts, (), 30, maximum_pixels))
        return facts

    return accept


@pytest.fixture
def render(processor: Processor, tmp_path: Path) -> Callable[..., list[bytes]]:
    """Return a function that renders outputs of a picture by their names."""

    def render(
        body: bytes,
        *names: str,
        quality: int = 75,
        background: str = "#ffffff",
        progressive: Progressive = "auto",
        timeout_s: float = 30,
        maximum_pixels: int = 50_000_000,
        **settings: Any,
    ) -> list[bytes]:
        source = tmp_path / "original"
        source.write_bytes(body)
        facts = processor.identify(source)
        outputs = [parse(name) for name in names]
        variants = tuple(
            make_variant(
                each, quality=each.quality or quality, background=background, progressive=progressive, **settings
            )
            for each in outputs
        )
        rendered = list(processor.render(RenderJob(source, facts, variants, timeout_s, maximum_pixels)))
        by_name = {str(each.output): each.body for each in rendered}
        assert len(rendered) == len(names)
        return [by_name[name] for name in names]

    return render
