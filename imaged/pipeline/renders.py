"""Makes the outputs that the store misses: each once for all who ask, several outputs of an original in one job."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any

from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from imaged.config.model import Settings
from imaged.core.errors import BusyError, ImagedError, PolicyError, StoreError
from imaged.core.events import OutputFailed, OutputRendered
from imaged.core.formats import Formats
from imaged.core.hashes import ImageId
from imaged.core.outputs import Output
from imaged.core.tracing import COALESCED, RENDERED, SAVE, WAIT, add_spans, span
from imaged.hooks.host import RunInThread
from imaged.hooks.metrics import Metrics
from imaged.jobs.async_queue import AsyncJobQueue
from imaged.pipeline.originals import Originals
from imaged.pipeline.remote import Remote
from imaged.store.local import LocalStore
from imaged.workers.engine import Engine, EngineJob, ImageOutput, RenderedVariant
from imaged.workers.single_flight import SingleFlight, wait
from imaged.workers.tasks import Tasks

Made = AsyncGenerator[tuple[ImageOutput, ImagedError | None], None]


@dataclass(frozen=True)
class Renders:
    """Makes outputs and writes them to the store. Reactor thread only.

    `run` saves files on a worker thread; `calls` and `tasks` are those of the generation.
    """

    clock: Any
    settings: Settings
    store: LocalStore
    originals: Originals
    remote: Remote
    engine: Engine
    jobs: AsyncJobQueue
    run: RunInThread
    tasks: Tasks
    calls: SingleFlight[ImageOutput, None]
    metrics: Metrics
    formats: Formats
    log = Logger()

    async def one(self, image: ImageId, output: Output) -> str:
        """Make one output for a client that waits; it is in the store on return, which says RENDERED or COALESCED.

        Raises BusyError at once when the queue is full, and when no worker is free within the time of a render;
        otherwise the ImagedError that the render ended with.
        """
        wanted = ImageOutput(image, output)
        if self.calls.in_flight(wanted):
            with span(WAIT):
                await wait(self._limited(self.calls.do([wanted], self._make)[wanted]))
            return COALESCED
        self.engine.admit()
        await wait(self.calls.do([wanted], partial(self._make, client_waits=True))[wanted])
        return RENDERED

    def admit(self, image: ImageId, outputs: Sequence[Output]) -> None:
        """Raise BusyError when a render of those that are missing would exceed the queue."""
        if not all(map(self.calls.in_flight, self._missing(image, outputs))):
            self.engine.admit()

    async def several(
        self, image: ImageId, outputs: Sequence[Output], *, client_waits: bool = False
    ) -> dict[Output, ImagedError | None]:
        """Make those outputs that the store misses; return None, or the error that it ended with, for each.

        With `client_waits`, what does not begin within the time of a render ends with BusyError. Other work is patient.
        """
        missing = self._missing(image, outputs)
        coalesced = [each for each in missing if client_waits and self.calls.in_flight(each)]
        waiters = self.calls.do(missing, partial(self._make, client_waits=client_waits))
        waiters |= {each: self._limited(waiters[each]) for each in coalesced}
        results: dict[Output, ImagedError | None] = dict.fromkeys(outputs)
        for wanted, waiter in waiters.items():
            results[wanted.output] = await waiter
        return results

    def _missing(self, image: ImageId, outputs: Sequence[Output]) -> list[ImageOutput]:
        return [ImageOutput(image, output) for output in outputs if not self.store.variants.has(image, output)]

    def _limited(self, waiter: Deferred[ImagedError | None]) -> Deferred[ImagedError | None]:
        """Let a client wait no longer than for a job of its own: the job that it waits for may be a patient one."""

        def refuse(failure: Failure) -> ImagedError:
            failure.trap(defer.TimeoutError)
            return BusyError("this output was not ready in time: try again later", self.engine.retry_after_s)

        return waiter.addTimeout(self.engine.longest_s, self.clock).addErrback(refuse)

    async def _make(self, wanted: list[ImageOutput], *, client_waits: bool = False) -> Made:
        """Make outputs of one original, and yield each as soon as it is in the store or has failed."""
        image, missing = wanted[0].image, []
        with self.engine.count_as_waiting():  # a slow remote store must not let more clients in than the queue holds
            for each in wanted:
                if await self._reuse(each):
                    yield each, None
                else:
                    missing.append(each.output)
            if not missing:
                return
            source = await self.originals.find(image)
        policy, variants = self.settings.policy(image.namespace), []
        for output in missing:
            try:
                variants.append(policy.resolve(output, self.formats))
            except PolicyError as error:  # the processor that wrote this format is gone
                yield ImageOutput(image, output), error
        if not variants:
            return
        with closing(self.engine.render(EngineJob(image, source, tuple(variants), client_waits))) as results:
            async for result in results:
                add_spans(result.spans_s)
                if isinstance(result, RenderedVariant):
                    await self._keep(image, result)
                    yield ImageOutput(image, result.output), None
                else:
                    self._count_failure(image, result.output, result.error)
                    yield ImageOutput(image, result.output), result.error

    async def _reuse(self, wanted: ImageOutput) -> bool:
        """Take an output from the remote store if the settings ask for that; return whether it is here now."""
        if not self.settings.remote.reuse_outputs:
            return False
        try:
            return await self.originals.reuse_output(wanted.image, wanted.output)
        except ImagedError as error:
            self.log.error(
                "cannot reuse the remote {output}, rendering it: {error}", output=str(wanted.output), error=str(error)
            )
            return False

    async def _keep(self, image: ImageId, rendered: RenderedVariant) -> None:
        """Store a variant and enqueue its upload. Raises StoreError, also when the store takes longer than a render.

        A queue that fails costs no picture: the output stays local, and the next comparison finds it.
        """
        output = rendered.output
        try:
            with span(SAVE):
                saving = self.tasks.own(self._save(image, rendered))
                await saving.addTimeout(self.engine.longest_s, self.clock, onTimeoutCancel=_too_slow)
        except StoreError as error:
            self._count_failure(image, output, error)
            raise
        self.metrics.record(OutputRendered(image.namespace, str(output), output.extension, rendered.elapsed_s))
        if self.remote.exists:
            try:
                await self.jobs.enqueue("upload", image, [output])
            except ImagedError as error:
                self.log.error("the upload of {output} is not queued: {error}", error=error, output=str(output))

    async def _save(self, image: ImageId, rendered: RenderedVariant) -> None:
        with self.engine.count_as_waiting():  # bodies that a slow disk holds up are bounded, too
            await self.run(self.store.variants.save, image, rendered.output, rendered.body)

    def _count_failure(self, image: ImageId, output: Output, error: ImagedError) -> None:
        reason, extension = type(error).__name__, output.extension
        self.metrics.record(OutputFailed(image.namespace, str(output), extension, reason))


def _too_slow(_: object, timeout_s: float) -> None:
    raise StoreError(f"the local store took longer than {timeout_s:g} s to keep an output: look at its disk")
