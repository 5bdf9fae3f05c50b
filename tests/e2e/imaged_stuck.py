"""A plugin for tests, a processor, an uploader or a sink, that does not end one of its calls.

The file `unloaded` tells that the interpreter took apart at its end what the plugin may be using, `closed-processor`
and so on that one of its objects was closed before.
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
"""What the daemon tries processors with is smaller."""


class Options(BaseModel):
    """The section `plugins.stuck`: in which of its calls it is stuck, once the file `stick` is there."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    at: str = ""


class Stuck:
    """All three in one, for pictures of which nobody looks at the pixels."""

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
        """Take any job."""
        return self._still.accepts(job)

    def render(self, job: RenderJob) -> Iterator[Rendered]:
        """Make some picture."""
        self._may_stick("render" if job.source.stat().st_size > TRIAL_BYTES else "trial")
        yield from self._still.render(job)

    def record(self, event: Event) -> None:  # noqa: ARG002  # any event will do
        """Take no note."""
        self._may_stick("record")

    async def upload(self, key: str, path: Path, content_type: str) -> None:  # noqa: ARG002  # nothing is kept
        """Keep nothing."""
        await self._threads.run(self._may_stick, "upload")

    async def download(self, key: str, path: Path) -> bool:  # noqa: ARG002  # as above
        """Have nothing."""
        return False

    async def list(self, prefix: str) -> Sequence[str]:  # noqa: ARG002  # as above
        """Have nothing."""
        return []

    async def delete(self, keys: Sequence[str]) -> None:
        """Have nothing."""

    def close(self) -> None:
        """Note it."""
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
