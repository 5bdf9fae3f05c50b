"""A test plugin whose renders wait at a gate. Its outputs name the instance that made them, and it keeps a journal.

An output is a plain picture with the text `TAG qQUALITY` appended: decoders ignore it, and tests read it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from imaged.api import BusyError, FullSize, Host, ImageFacts, Processor, Rendered, RenderJob, hookimpl
from imaged.testing.fakes import StillProcessor
from imaged.testing.pictures import make_plain


class Options(BaseModel):
    """The section `plugins.gate`: renders of full_size wait until the file `gate` exists; `raises` is raised."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    tag: str = "gate"
    gate: str = "."
    journal: str = "journal"
    raises: str = ""


class Gate:
    """Appends `TAG begin OUTPUT`, `TAG end OUTPUT` and `TAG close` to the journal."""

    def __init__(self, options: Options) -> None:
        self.detail = options.tag
        self._options = options
        self._still = StillProcessor()

    def identify(self, source: Path) -> ImageFacts:
        """Read the header."""
        return self._still.identify(source)

    def accepts(self, job: RenderJob) -> bool:
        """Accept every job."""
        return self._still.accepts(job)

    def render(self, job: RenderJob) -> Iterator[Rendered]:
        """Wait at the gate, then yield each output."""
        end_s = time.monotonic() + job.timeout_s
        for variant in job.variants:
            self._note(f"begin {variant.output}")
            while isinstance(variant.sizing, FullSize) and not Path(self._options.gate).exists():
                if time.monotonic() > end_s:
                    raise BusyError("the gate stayed closed")
                time.sleep(0.01)
            size = variant.plan(job.facts.size).size
            picture = make_plain(variant.format.extension, size.width_px, size.height_px)
            yield Rendered(variant.output, picture + f"{self.detail} q{variant.quality}".encode())
            self._note(f"end {variant.output}")

    def close(self) -> None:
        """Write `close` to the journal."""
        self._note("close")

    def _note(self, what: str) -> None:
        with Path(self._options.journal).open("a", encoding="utf-8") as journal:
            journal.write(f"{self.detail} {what}\n")


@hookimpl
def imaged_processor(host: Host) -> Processor | None:
    """Make a gate, or fail as the options say."""
    options = host.options(Options)
    if options.raises:
        raise RuntimeError(options.raises)
    return Gate(options)
