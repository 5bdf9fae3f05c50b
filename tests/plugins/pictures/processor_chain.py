"""Processors on one file, called as a worker calls them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from installed_processors import MAXIMUM_PIXELS

from imaged.api import DeclinedError, ImageFacts, RenderJob, Variant
from imaged.core.outputs import parse
from imaged.core.variants import Progressive
from imaged.testing.processors import make_variant
from imaged.workers.processors import Processors


@dataclass(frozen=True)
class Chain:
    """The processors of a setting, on the file `source`, called as a worker calls them."""

    processors: Processors
    source: Path

    def identify(self, body: bytes, maximum_pixels: int = MAXIMUM_PIXELS) -> ImageFacts:
        """Identify bytes."""
        self.source.write_bytes(body)
        return Processors(self.processors.processors, maximum_pixels).identify(self.source)

    def accept(self, body: bytes, maximum_pixels: int = MAXIMUM_PIXELS) -> ImageFacts:
        """Identify and then verify bytes, as for a POST."""
        facts = self.identify(body, maximum_pixels)
        Processors(self.processors.processors, maximum_pixels).verify(self.source, 30)
        return facts

    def render(
        self,
        body: bytes,
        *names: str,
        quality: int = 75,
        background: str = "#ffffff",
        progressive: Progressive = "auto",
        timeout_s: float = 30,
        maximum_pixels: int = MAXIMUM_PIXELS,
        **settings: Any,
    ) -> list[bytes]:
        """Render outputs of a picture by their names, in the order of the names. `settings` are of images."""
        self.source.write_bytes(body)
        formats = self.processors.formats
        variants = _variants(names, quality, background, progressive, formats=formats, **settings)
        rendered = list(Processors(self.processors.processors, maximum_pixels).render(self.source, variants, timeout_s))
        by_name = {str(each.output): each.body for each in rendered}
        assert len(rendered) == len(names)
        return [by_name[name] for name in names]

    def does_itself(self, body: bytes, *names: str) -> bool:
        """Return whether the first processor accepts a picture with these outputs, and does not decline it."""
        self.source.write_bytes(body)
        first = self.processors.processors[0]
        try:
            facts = first.identify(self.source)
            variants = _variants(names, 75, "#ffffff", "auto")
            job = facts and RenderJob(self.source, facts, variants, 30, MAXIMUM_PIXELS)
            return job is not None and first.accepts(job) and len(list(first.render(job))) == len(names)
        except DeclinedError:
            return False


def _variants(
    names: Sequence[str], quality: int, background: str, progressive: Progressive, **settings: Any
) -> tuple[Variant, ...]:
    outputs = [parse(name) for name in names]
    return tuple(
        make_variant(each, quality=each.quality or quality, background=background, progressive=progressive, **settings)
        for each in outputs
    )
