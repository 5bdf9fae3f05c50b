"""The one writer of outputs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from twisted.logger import Logger

from imaged.core.errors import ImagedError, StoreError
from imaged.core.events import OutputFailed, OutputRendered
from imaged.core.hashes import ImageId
from imaged.core.outputs import Output
from imaged.core.tracing import SAVE, add_spans, span
from imaged.pipeline.remote import Remote
from imaged.pipeline.shared import Shared
from imaged.workers.engine import Engine
from imaged.workers.render_jobs import FailedVariant, RenderedVariant, RenderResult


@dataclass(frozen=True)
class OutputWriter:
    """Stores each output, queues its upload, and reports it to the metrics. Reactor thread only."""

    shared: Shared
    remote: Remote
    engine: Engine
    _log = Logger()

    async def write(self, image: ImageId, result: RenderResult) -> ImagedError | None:
        """Store a variant, whose upload is queued on return; return the error of one that failed.

        A queue that fails costs no picture: the output stays local, and the next comparison with the remote store
        queues it. Raises StoreError, also when saving takes longer than a render may: the store would not keep the
        other variants of the job either.
        """
        add_spans(result.spans_s)
        output = result.output
        if isinstance(result, FailedVariant):
            self._report_failure(image, output, result.error)
            return result.error
        try:
            with span(SAVE):
                saving = self.shared.tasks.own(self._save(image, result))
                await saving.addTimeout(self.engine.longest_s, self.shared.reactor, onTimeoutCancel=_too_slow)
        except StoreError as error:
            self._report_failure(image, output, error)
            raise
        self.shared.metrics.record(OutputRendered(image.namespace, str(output), output.extension, result.elapsed_s))
        if self.remote.exists:
            try:
                await self.shared.jobs.enqueue("upload", image, [output])
            except ImagedError as error:
                self._log.error(
                    "the upload of {output} of {image} is not queued: {error}; the next start queues it",
                    output=str(output),
                    image=str(image),
                    error=error,
                )
        return None

    async def reuse(self, image: ImageId, output: Output) -> bool:
        """Copy an output from the remote store; return False when it has none, or none of that format."""
        with self.shared.store.temporary() as temporary:
            if not await self.remote.download(image, output, temporary):
                return False
            kept = await self.shared.run(self._keep, image, output, temporary)
        if kept:
            await self.shared.jobs.mark_stored(self.remote.identity, image, [output])
        return kept

    def _keep(self, image: ImageId, output: Output, temporary: Path) -> bool:
        body = temporary.read_bytes()
        if self.shared.formats.sniff(body) != self.shared.formats.of(output):
            self._log.warn(
                "the remote {output} of {image} is not a picture of its format: rendering it",
                output=str(output),
                image=str(image),
            )
            return False
        self.shared.store.variants.save(image, output, body)
        return True

    def _report_failure(self, image: ImageId, output: Output, error: ImagedError) -> None:
        reason = type(error).__name__
        self.shared.metrics.record(OutputFailed(image.namespace, str(output), output.extension, reason))

    async def _save(self, image: ImageId, rendered: RenderedVariant) -> None:
        """Save a variant, counted until the disk has it: a slow disk must not pile up bodies without bound."""
        with self.engine.admission.count_as_waiting():
            await self.shared.run(self.shared.store.variants.save, image, rendered.output, rendered.body)


def _too_slow(_: object, timeout_s: float) -> None:
    raise StoreError(f"the local store took longer than {timeout_s:g} s to keep an output: look at its disk")
