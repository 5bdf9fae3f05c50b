"""Makes the outputs that the store misses: each once for all requests, several outputs of an original in one job."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace

from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from imaged.core.clients import NO_CHARGE, Charge
from imaged.core.errors import (
    BusyError,
    ImagedError,
    NotFoundError,
    PolicyError,
    StoreError,
    TooLargeError,
)
from imaged.core.files import ORIGINAL
from imaged.core.formats import AVIF
from imaged.core.geometry import Size
from imaged.core.hashes import ImageId
from imaged.core.outputs import Output
from imaged.core.tracing import COALESCED, RENDERED, SAVE, WAIT, span
from imaged.pipeline.division import PARTS, divide
from imaged.pipeline.originals import Originals
from imaged.pipeline.output_writer import OutputWriter
from imaged.pipeline.saves import Save
from imaged.pipeline.shared import Shared
from imaged.store.disk import FileBody
from imaged.workers.callers import Callers
from imaged.workers.engine import Engine
from imaged.workers.render_jobs import EngineJob, FailedVariant, GivesWayError, ImageOutput, RenderResult
from imaged.workers.single_flight import SingleFlight, wait

Made = Save | None
"""An output that is made: its save, or None when the store has it already."""

_BUDGETED = AVIF.extension

Resolve = Callable[[ImageOutput, Made | ImagedError], None]


@dataclass(frozen=True)
class Renders:
    """Makes outputs, each once for all concurrent requests. Reactor thread only."""

    shared: Shared
    originals: Originals
    engine: Engine
    writer: OutputWriter
    calls: SingleFlight[ImageOutput, Made]
    _log = Logger()

    def unsaved(self, image: ImageId, output: Output) -> FileBody | None:
        """Return an output that is made and not stored yet, or None; never one of an erased picture."""
        save = self.writer.saver.saves.get(image, output)
        return None if save is None or self.shared.store.tombstones.find(image) is not None else save.body

    def unsaved_outputs(self, image: ImageId) -> Collection[Output]:
        """Return the outputs of an image that are made and that the store does not have yet."""
        return self.writer.saver.saves.outputs(image)

    async def one(self, image: ImageId, output: Output, charge: Charge = NO_CHARGE) -> tuple[FileBody | None, str]:
        """Make one output for a client that waits; return it with RENDERED or COALESCED.

        It may not be stored yet on return. None instead of a body: it came from the remote store, and is stored. The
        client is charged if its request begins the render, unless there is no such image, and for the fetch of the
        original.

        Raises BusyError at once when the queue is full or too long, and when no worker is free within the time of a
        render; otherwise the ImagedError that the render ended with. Cancelling takes the render out of the queue, if
        no other caller waits for the output; a render that runs continues, and its output is kept.
        """
        wanted = ImageOutput(image, output)
        if self.calls.in_flight(wanted):
            with span(WAIT):
                made = await wait(self._limited(self.calls.do([wanted], self._make)[wanted]))
            outcome = COALESCED
        else:
            self.engine.admission.check_room()
            charge.outputs(0)  # a refusal costs nothing
            self.originals.admit(image, charge)
            charge.outputs(1)
            try:
                made = await wait(self.calls.do([wanted], self._make)[wanted])
            except NotFoundError:
                charge.outputs(-1)
                raise
            outcome = RENDERED
        return (None if made is None else made.body), outcome

    async def together(
        self, image: ImageId, outputs: Sequence[Output], charge: Charge = NO_CHARGE
    ) -> tuple[dict[Output, FileBody | ImagedError | None], str]:
        """Make outputs for a client that waits, in one job; return the result of each as `one` does, or its error.

        Charges, and raises BusyError at once, as `one` does. Cancelling is as for `one`.
        """
        wanted = [ImageOutput(image, output) for output in outputs]
        coalesced = [each for each in wanted if self.calls.in_flight(each)]
        if len(coalesced) < len(wanted):
            self.engine.admission.check_room()
            charge.outputs(len(wanted) - len(coalesced))
        waiters = self.calls.do(wanted, self._make)
        waiters |= {each: self._limited(waiters[each]) for each in coalesced}
        results: dict[Output, FileBody | ImagedError | None] = {}
        try:
            with span(WAIT) if len(coalesced) == len(wanted) else nullcontext():
                for each, waiter in waiters.items():
                    made = await waiter
                    results[each.output] = made.body if isinstance(made, Save) else made
        finally:  # the client may have left, and waits for none of them
            _cancel(waiters.values())
        return results, COALESCED if len(coalesced) == len(wanted) else RENDERED

    def check_room(self, image: ImageId, missing: Sequence[Output]) -> None:
        """Raise BusyError when the queue is full or too long for a render of outputs that no store has."""
        saves = self.writer.saver.saves
        wanted = [output for output in missing if saves.get(image, output) is None]
        if not all(self.calls.in_flight(ImageOutput(image, output)) for output in wanted):
            self.engine.admission.check_room()

    async def several(
        self,
        image: ImageId,
        outputs: Sequence[Output],
        *,
        client_waits: bool = False,
        charge: Charge = NO_CHARGE,
    ) -> dict[Output, ImagedError | None]:
        """Make those outputs that the store misses; return None, or the error that it ended with, for each.

        Those without an error are stored on return, and their uploads are queued. Two renders make them where two
        places are free.

        With `client_waits`, a render that does not begin within `render.timeout_s` ends with BusyError. Queued jobs
        wait as long as it takes, behind clients. Cancelling is as for `one`.
        """
        saves = [save for each in outputs if (save := self.writer.saver.saves.get(image, each)) is not None]
        missing = self._missing(image, outputs)
        coalesced = [each for each in missing if client_waits and self.calls.in_flight(each)]
        if new := sum(not self.calls.in_flight(each) for each in missing):
            charge.outputs(new)
        waiters: dict[ImageOutput, Deferred[Made | ImagedError]] = {}
        for part in divide(missing) if self.engine.admission.free >= PARTS else [missing]:
            waiters |= self.calls.do(part, self._make, client_waits=client_waits)
        waiters |= {each: self._limited(waiters[each]) for each in coalesced}
        results: dict[Output, ImagedError | None] = dict.fromkeys(outputs)
        try:
            for wanted, waiter in waiters.items():
                made = await waiter
                if isinstance(made, Save):
                    saves.append(made)
                else:
                    results[wanted.output] = made
        finally:  # the client may have left, and waits for none of them
            _cancel(waiters.values())
        with span(SAVE):
            for save in saves:
                results[save.output] = await save.stored()
        return results

    def _missing(self, image: ImageId, outputs: Sequence[Output]) -> list[ImageOutput]:
        """Return the outputs that have to be made: neither stored nor being saved."""
        store, saves = self.shared.store, self.writer.saver.saves
        return [
            ImageOutput(image, output)
            for output in outputs
            if saves.get(image, output) is None and not store.has(image, output)
        ]

    def _limited(self, waiter: Deferred[Made | ImagedError]) -> Deferred[Made | ImagedError]:
        """Let a client wait no longer than for a job of its own: the job that it waits for may be a patient one."""

        def refuse(failure: Failure) -> ImagedError:
            failure.trap(defer.TimeoutError)
            return BusyError("this output was not ready in time: try again later", self.engine.admission.retry_after_s)

        return waiter.addTimeout(self.engine.longest_s, self.shared.reactor).addErrback(refuse)

    async def _make(self, wanted: Sequence[ImageOutput], resolve: Resolve, callers: Callers) -> None:
        """Make outputs of one original, and resolve each as soon as it is made or has failed."""
        try:
            async with self.originals.using(wanted[0].image):
                await self._make_all(wanted, resolve, callers)
        except ImagedError:
            self.shared.store.tombstones.check(wanted[0].image)  # the files of an erased picture are missing
            raise

    async def _make_all(self, wanted: Sequence[ImageOutput], resolve: Resolve, callers: Callers) -> None:
        image, missing, client_waits = wanted[0].image, [], callers.client_waits
        # a slow remote store must not let more clients in than the queue holds
        with self.engine.admission.count_as_waiting() if client_waits else nullcontext():
            for each in wanted:
                if await self._reuse(each):
                    resolve(each, None)
                else:
                    missing.append(each.output)
            if not missing:
                return
            source = await self.originals.find(image)
            policy, info, details = self.shared.settings.policy(image.namespace), None, None
            if any(policy.is_smart(output) for output in missing):
                info = await self.originals.described(image)
                details = info.details
            elif any(each.extension == _BUDGETED for each in missing):
                info = await self.originals.info(image)
        variants = []
        for output in missing:
            try:
                variant = policy.resolve(output, self.shared.formats, details)
                if info is not None:
                    policy.check_pixels(variant, Size(info.width_px, info.height_px))
                variants.append(variant)
            except (PolicyError, TooLargeError) as error:  # such as a format that no processor writes any more
                resolve(ImageOutput(image, output), error)
        await self._render(EngineJob(image, source, tuple(variants), client_waits, callers), resolve)

    async def _render(self, job: EngineJob, resolve: Resolve) -> None:
        """Render the variants of a job in one call of the engine, or in several if a queued job gives way to clients.

        Each call decodes the original again, and gives one variant at least. The first output that the store does not
        keep ends the job of a queue: it would not keep the others either. Clients get the others from memory.
        """
        left = {variant.output: variant for variant in job.variants}
        saves: list[Save] = []
        may_restore = True

        async def take(result: RenderResult) -> None:
            nonlocal may_restore
            if may_restore and self._is_forgotten(job.image, result):
                may_restore = False
                await self.originals.find(job.image)
                raise GivesWayError
            left.pop(result.output, None)
            made = self.writer.take(job.image, result)
            if isinstance(made, Save) and self.writer.saver.saves.is_full:
                self.writer.saver.begin(made)
                await made.stored()
            resolve(ImageOutput(job.image, result.output), made)
            if isinstance(made, Save):
                saves.append(made)
                self.writer.saver.begin(made)  # after the answers
            for save in saves if left and not job.callers.client_waits else ():
                if save.error is not None:
                    raise save.error
            if left and self.engine.admission.should_give_way(job.callers):
                raise GivesWayError

        while left:
            with suppress(GivesWayError):
                await self.engine.render(replace(job, variants=tuple(left.values())), take)
                return

    def _is_forgotten(self, image: ImageId, result: RenderResult) -> bool:
        """Return whether a render failed because another daemon with this store has forgotten the original."""
        is_unread = isinstance(result, FailedVariant) and isinstance(result.error, StoreError)
        return is_unread and not self.shared.store.has(image, ORIGINAL)

    async def _reuse(self, wanted: ImageOutput) -> bool:
        """Take an output from the remote store if the settings ask for that; return whether it is here now.

        A store that takes no files could not keep it.
        """
        if not self.shared.settings.remote.reuse_outputs or self.shared.counters.saves.error is not None:
            return False
        try:
            return await self.writer.reuse(wanted.image, wanted.output)
        except ImagedError as error:
            self._log.error(
                "cannot reuse the remote {output}, rendering it: {error}", output=str(wanted.output), error=str(error)
            )
            return False


def _cancel(waiters: Iterable[Deferred[Made | ImagedError]]) -> None:
    for waiter in waiters:
        waiter.addErrback(lambda _: None)
        waiter.cancel()
