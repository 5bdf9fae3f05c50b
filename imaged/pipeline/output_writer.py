"""The one writer of rendered outputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from twisted.logger import Logger

from imaged.core.errors import ImagedError, StoreError
from imaged.core.events import OutputFailed, OutputRendered
from imaged.core.hashes import ImageId
from imaged.core.outputs import Output
from imaged.core.tracing import SAVE, span
from imaged.hooks.host import RunInThread
from imaged.hooks.metrics import Metrics
from imaged.jobs.async_queue import AsyncJobQueue
from imaged.pipeline.remote import Remote
from imaged.store.local import LocalStore
from imaged.workers.engine import Engine, RenderedVariant
from imaged.workers.tasks import Tasks


@dataclass(frozen=True, kw_only=True)
class OutputWriter:
    """Stores each variant, enqueues its upload, and reports it to the metrics. Reactor thread only.

    `run` saves files on a worker thread; `clock` is the reactor's.
    """

    clock: Any
    store: LocalStore
    remote: Remote
    engine: Engine
    jobs: AsyncJobQueue
    run: RunInThread
    tasks: Tasks
    metrics: Metrics
    log = Logger()

    async def write(self, image: ImageId, rendered: RenderedVariant) -> None:
        """Store a variant; its upload is queued on return.

        A queue that fails costs no picture: the output stays local, and the next comparison with the remote store
        queues it. Raises StoreError, also when saving takes longer than a render may.
        """
        output = rendered.output
        try:
            with span(SAVE):
                saving = self.tasks.own(self._save(image, rendered))
                await saving.addTimeout(self.engine.longest_s, self.clock, onTimeoutCancel=_too_slow)
        except StoreError as error:
            self.report_failure(image, output, error)
            raise
        self.metrics.record(OutputRendered(image.namespace, str(output), output.extension, rendered.elapsed_s))
        if self.remote.exists:
            try:
                await self.jobs.enqueue("upload", image, [output])
            except ImagedError as error:
                self.log.error("the upload of {output} is not queued: {error}", error=error, output=str(output))

    def report_failure(self, image: ImageId, output: Output, error: ImagedError) -> None:
        """Report an output that was not made to the metrics."""
        reason = type(error).__name__
        self.metrics.record(OutputFailed(image.namespace, str(output), output.extension, reason))

    async def _save(self, image: ImageId, rendered: RenderedVariant) -> None:
        """Save a variant, counted until the disk has it: a slow disk must not pile up bodies without bound."""
        with self.engine.count_as_waiting():
            await self.run(self.store.variants.save, image, rendered.output, rendered.body)


def _too_slow(_: object, timeout_s: float) -> None:
    raise StoreError(f"the local store took longer than {timeout_s:g} s to keep an output: look at its disk")
