"""Workers that are threads of this process: a codec that crashes ends the daemon."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from imaged.core.details import ImageDetails
from imaged.core.hashes import ImageHash, ImageId
from imaged.core.pictures import ImageFacts
from imaged.core.snapshot import Isolation, WorkerStatus
from imaged.core.tracing import request_id
from imaged.core.variants import Variant
from imaged.hooks.checked_processor import GRACE_S
from imaged.hooks.host import RunInThread
from imaged.workers.processors import Ended, Processors, run_describe, run_render, run_self_check, run_trial, run_verify
from imaged.workers.threads import Threads
from imaged.workers.workers import Emit

HEADER_THREADS = 4
"""How many of the threads that are not for renders may read headers: no deadline reaches into a hostile one."""


class ThreadWorkers:
    """Renders on `threads`. Reactor thread only.

    `run` reads headers on other threads: a POST needs no render thread for that. Nothing can end a render that does
    not give up: it holds its thread after `timeout_s`, the time of a render.
    """

    headers = HEADER_THREADS
    grace_s = GRACE_S
    isolation = Isolation("thread", None, None, ())
    fault = None
    refused_pictures = 0

    def __init__(self, processors: Processors, threads: Threads, run: RunInThread, timeout_s: float) -> None:
        self._processors = processors
        self._threads = threads
        self._run = run
        self._stuck_after_s = timeout_s + GRACE_S
        self.size = threads.size

    @property
    def details(self) -> Mapping[str, str]:
        """Nothing: the daemon has the processors itself."""
        return {}

    @property
    def stuck(self) -> bool:
        """Whether every thread is in a render that should have ended, so that no client waits for it any more."""
        return self._threads.held_for(self._stuck_after_s) >= self._threads.size

    def statuses(self) -> tuple[WorkerStatus, ...]:
        """Return nothing: there are no worker processes."""
        return ()

    async def start(self) -> None:
        """Do nothing: each thread starts when it is first needed."""

    async def render(
        self, _: ImageHash, source: Path, variants: Sequence[Variant], timeout_s: float, emit: Emit
    ) -> Ended:
        """Render variants in one call of a processor; `emit` gets each on its thread, as it is ready."""
        return await self._threads.run(run_render, self._processors, source, variants, timeout_s, request_id(), emit)

    async def verify(self, _: ImageHash, source: Path, timeout_s: float) -> tuple[ImageDetails | None, Ended]:
        """Decode an original."""
        return await self._threads.run(run_verify, self._processors, source, timeout_s, request_id())

    async def describe(self, _: ImageHash, source: Path, timeout_s: float) -> tuple[ImageDetails | None, Ended]:
        """Look at the pixels of an original."""
        return await self._threads.run(run_describe, self._processors, source, timeout_s, request_id())

    async def identify(self, _: ImageHash, source: Path) -> ImageFacts:
        """Read a header."""
        return await self._run(self._processors.identify, source)

    async def try_out(self, source: Path, variant: Variant) -> None:
        """Render on a thread beside those that render."""
        await self._run(run_trial, self._processors, source, variant)

    async def self_check(self) -> None:
        """Have the processors try their own protections. Call it while nothing renders: threads share the limits."""
        ended = await self._run(run_self_check, self._processors)
        if ended.error is not None:
            raise ended.error

    def drop(self, image: ImageId) -> None:
        """Do nothing: a thread keeps no original for its next job, and what a processor keeps is its own."""

    def stop(self) -> None:
        """End the threads; block until their work is done."""
        self._threads.stop()

    def let_go(self) -> None:
        """End each thread when its work is done; return at once."""
        self._threads.let_go()
