"""The processor as the daemon has it while worker processes render: without Pillow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from imaged.api import FORMATS, JPEG, PNG, WEBP, ImageFacts, Rendered, RenderJob


class UnloadedProcessor:
    """Has the formats and the methods of PillowProcessor. The daemon never calls them: they raise AssertionError."""

    detail = ""
    reads = FORMATS.reads
    writes = (JPEG, PNG, WEBP)

    def identify(self, source: Path) -> ImageFacts:
        """Raise AssertionError."""
        raise AssertionError(f"only workers identify {source.name}")

    def accepts(self, job: RenderJob) -> bool:
        """Raise AssertionError."""
        raise AssertionError(f"only workers accept {job.source.name}")

    def verify(self, job: RenderJob) -> None:
        """Raise AssertionError."""
        raise AssertionError(f"only workers verify {job.source.name}")

    def render(self, job: RenderJob) -> Iterator[Rendered]:
        """Raise AssertionError."""
        raise AssertionError(f"only workers render {job.source.name}")
