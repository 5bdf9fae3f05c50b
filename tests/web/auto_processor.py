"""A processor of the tests that writes AVIF, and whose files are as large, or as late, as a test wants."""

from __future__ import annotations

from collections.abc import Iterator

from picture_samples import box, make_picture

from imaged.api import Rendered, RenderJob
from imaged.core.formats import AVIF, CORE
from imaged.testing.fakes import StillProcessor
from imaged.testing.pictures import make_plain


class AutoProcessor(StillProcessor):
    """Renders as StillProcessor does, and AVIF. `sizes_bytes` has the least size of the files of an extension.

    It raises what `failures` has for the extension of an output. `asked` lists the extensions of each job.
    """

    reads = CORE
    writes = (*CORE, AVIF)

    def __init__(self) -> None:
        super().__init__()
        self.sizes_bytes = {"jpg": 4000, "webp": 3000, "avif": 2000}
        self.failures: dict[str, Exception] = {}

    @property
    def asked(self) -> list[list[str]]:
        """The extensions of the outputs of each job."""
        return [[variant.format.extension for variant in job.variants] for job in self.jobs]

    def _rendered(self, job: RenderJob) -> Iterator[Rendered]:
        self._released.wait(job.timeout_s)
        for variant in job.variants:
            extension = variant.format.extension
            if extension in self.failures:
                raise self.failures[extension]
            size = variant.plan(job.facts.size).size
            if variant.format == AVIF:
                body = make_picture("AVIF", size.width_px, size.height_px)
            else:
                body = make_plain(extension, size.width_px, size.height_px)
            fill_bytes = max(0, self.sizes_bytes.get(extension, 0) - len(body) - 8)
            yield Rendered(variant.output, body + box(b"free", bytes(fill_bytes)))
