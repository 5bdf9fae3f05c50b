"""The one writer of outputs."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from twisted.logger import Logger

from imaged.core.errors import ImagedError, StoreError
from imaged.core.events import OutputFailed, OutputRendered
from imaged.core.hashes import ImageId
from imaged.core.outputs import Output
from imaged.core.tracing import add_spans
from imaged.pipeline.remote import Remote
from imaged.pipeline.saves import Save, Saves
from imaged.pipeline.shared import Shared
from imaged.store.disk import FileBody, now_ns
from imaged.workers.engine import Engine
from imaged.workers.render_jobs import FailedVariant, RenderResult


@dataclass(frozen=True)
class OutputWriter:
    """Stores each output, queues its upload, and reports it to the metrics. Reactor thread only.

    `saves` has the outputs that are made and not stored yet.
    """

    shared: Shared
    remote: Remote
    engine: Engine
    saves: Saves = field(default_factory=Saves)
    _log = Logger()

    def take(self, image: ImageId, result: RenderResult) -> Save | ImagedError:
        """Take a variant, which clients get from now on; `store` then saves it. Return the error of one that failed."""
        add_spans(result.spans_s)
        if isinstance(result, FailedVariant):
            self._report_failure(image, result.output, result.error)
            return result.error
        if (save := self.saves.get(image, result.output)) is None:  # a late worker may give an output again
            save = Save(image, result.output, FileBody(result.body, now_ns()), result.elapsed_s)
            self.saves.add(save)
        return save

    def store(self, save: Save) -> None:
        """Begin to save a variant, once the clients that wait for it have their answers."""
        if not save.has_begun:
            save.has_begun = True
            self.shared.tasks.own(self._store(save))

    async def _store(self, save: Save) -> None:
        """Save a variant and queue its upload, counted until the disk has it: bodies must not pile up without bound.

        A save that takes longer than a render may has failed for all that wait for it; until it ends, clients get the
        body from memory.
        """
        image, output, reactor = save.image, save.output, self.shared.reactor
        alarm = reactor.callLater(self.engine.longest_s, self._fail, save, _too_slow(self.engine.longest_s))
        try:
            with self.engine.admission.count_as_waiting():
                body = save.body
                await self.shared.run(self.shared.store.variants.save, image, output, body.body, body.modified_ns)
            if save.error is None:
                self.shared.counters.saves.succeeded()
                rendered = OutputRendered(image.namespace, str(output), output.extension, save.elapsed_s)
                self.shared.metrics.record(rendered)
            await self._enqueue_upload(image, output)
        except ImagedError as error:
            self._fail(save, error)
        except Exception:
            self._log.failure("{output} of {image} failed unexpectedly", output=str(output), image=str(image))
            self._fail(save, ImagedError("an unexpected failure: the log has its traceback"))
        finally:
            if alarm.active():
                alarm.cancel()
            self.saves.remove(save)
            save.decide(None)

    def _fail(self, save: Save, error: ImagedError) -> None:
        if save.error is not None:  # it was too slow before
            return
        self._log.error(
            "{output} of {image} is not stored: {error}; clients that asked for it have it, and the next request "
            "renders it again",
            output=str(save.output),
            image=str(save.image),
            error=str(error),
        )
        self.shared.counters.saves.failed(str(error))
        self._report_failure(save.image, save.output, error)
        save.decide(error)

    async def _enqueue_upload(self, image: ImageId, output: Output) -> None:
        """Queue the upload of an output that is stored.

        A queue that fails costs no picture: the output stays local, and the next comparison with the remote store
        queues it.
        """
        if not self.remote.exists:
            return
        try:
            await self.shared.jobs.enqueue("upload", image, [output])
        except ImagedError as error:
            self._log.error(
                "the upload of {output} of {image} is not queued: {error}; the next start queues it",
                output=str(output),
                image=str(image),
                error=error,
            )

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


def _too_slow(longest_s: float) -> StoreError:
    return StoreError(f"the local store took longer than {longest_s:g} s to keep an output: look at its disk")
