"""A test plugin (processor, uploader and sink) of which one call does not return.

The file `unloaded` says that the interpreter destroyed the module while it was in use; `closed-processor` and so on say
that an object was closed before.
"""

from __future__ import annotations

import atexit
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from imaged.api import Event, Host, ImageFacts, MetricsSink, Processor, Rendered, RenderJob, Uploader, hookimpl
from imaged.testing.fakes import StillProcessor

TRIAL_BYTES = 100
"""The picture of the health check is smaller."""


class Options(BaseModel):
    """The section `plugins.stuck`: the call that hangs once the file `stick` exists."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    at: str = ""


class Stuck:
    """A processor, an uploader and a sink in one. Its pictures are placeholders."""

    detail = identity = "stuck"

    def __init__(self, host: Host, role: str) -> None:
        self._role = role
        self._at = host.options(Options).at
        self._threads = host.make_threads(1)
        self._still = StillProcessor()
        atexit.register(Path("unloaded").touch)

    def identify(self, source: Path) -> ImageFacts:
        """Read the header."""
        if source.stat().st_size > TRIAL_BYTES:
            self._may_stick("identify")
        return self._still.identify(source)

    def accepts(self, job: RenderJob) -> bool:
        """Accept every job."""
        return self._still.accepts(job)

    def render(self, job: RenderJob) -> Iterator[Rendered]:
        """Make some picture."""
        self._may_stick("render" if job.source.stat().st_size > TRIAL_BYTES else "trial")
        yield from self._still.render(job)

    def record(self, event: Event) -> None:  # noqa: ARG002  # any event will do
        """Ignore the event."""
        self._may_stick("record")

    async def upload(self, key: str, path: Path, content_type: str) -> None:  # noqa: ARG002  # nothing is kept
        """Store nothing."""
        await self._threads.run(self._may_stick, "upload")

    async def download(self, key: str, path: Path) -> bool:  # noqa: ARG002  # as above
        """Find nothing."""
        return False

    async def list(self, prefix: str) -> Sequence[str]:  # noqa: ARG002  # as above
        """Find nothing."""
        return []

    async def delete(self, keys: Sequence[str]) -> None:
        """Find nothing."""

    def close(self) -> None:
        """Write that it was closed."""
        Path(f"closed-{self._role}").touch()
        self._threads.let_go()

    def _may_stick(self, at: str) -> None:
        while self._at == at and Path("stick").exists():
            Path("sticks").touch()
            time.sleep(3600)


@hookimpl
def imaged_processor(host: Host) -> Processor | None:
    """Offer one."""
    return Stuck(host, "processor")


@hookimpl
def imaged_uploader(host: Host) -> Uploader | None:
    """Offer one."""
    return Stuck(host, "uploader")


@hookimpl
def imaged_metrics(host: Host) -> MetricsSink | None:
    """Offer one."""
    return Stuck(host, "sink")
