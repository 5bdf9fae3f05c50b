"""Saves outputs behind the answers to their clients: all that wait in one batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from imaged.core.errors import GoneError, ImagedError, StoreBoundError, StoreError
from imaged.core.events import OutputFailed, OutputRendered
from imaged.core.hashes import ImageId
from imaged.core.outputs import Output
from imaged.pipeline.purges import Purges
from imaged.pipeline.remote import Remote
from imaged.pipeline.saves import Save, Saves
from imaged.pipeline.shared import Shared
from imaged.store.disk import NewVariant
from imaged.workers.engine import Engine

MOST_BATCHES = 4
"""How many batches are saved at once. One begins beside the others when more outputs wait than batches are saved: a
disk flushes for several threads at once, but each thread costs CPU time."""


class Saver:
    """Gives the store each output, queues its upload, and reports it to the metrics. Reactor thread only.

    `saves` has the outputs that are made and not stored yet. `soon` calls a function when the answers have been sent,
    with which the thread of a save would compete.
    """

    _log = Logger()

    def __init__(
        self,
        shared: Shared,
        remote: Remote,
        engine: Engine,
        purges: Purges,
        soon: Callable[[Callable[[], object]], object],
    ) -> None:
        self._soon = soon
        self._shared = shared
        self._remote = remote
        self._engine = engine
        self._purges = purges
        self._next: list[Save] = []
        self._batches = 0
        self.saves = Saves()

    def begin(self, save: Save) -> None:
        """Begin to save an output, unless that has begun.

        One that begins while the disk is behind counts as a waiting render until it ends: bodies must not pile up
        without bound. A save that takes longer than a render may has failed for all that wait for it; until it ends,
        clients get the body from memory.
        """
        if save.has_begun:
            return
        save.has_begun = True
        if self.saves.is_full:
            save.until_end.enter_context(self._engine.admission.count_as_waiting())
        longest_s = self._engine.longest_s
        alarm = self._shared.reactor.callLater(longest_s, self._fail, save, _too_slow(longest_s))
        save.until_end.callback(lambda: alarm.active() and alarm.cancel())
        self._next.append(save)
        if self._batches < min(len(self._next), MOST_BATCHES):
            self._batches += 1
            self._shared.tasks.own(self._save_all())

    async def _save_all(self) -> None:
        """Save what waits, one batch after the other, until nothing waits."""
        sent: Deferred[None] = Deferred()
        self._soon(partial(sent.callback, None))
        await sent
        while self._next:
            batch, self._next = self._next, []
            errors = await self._save_within_bound(batch)
            stored = [save for save, error in zip(batch, errors, strict=True) if self._has(save, error)]
            self._shared.tasks.own(self._end(batch, stored))
        self._batches -= 1

    async def _save_within_bound(self, batch: Sequence[Save]) -> list[ImagedError | None]:
        """Save those outputs that the store has room for; return the error of each."""
        bound, is_elsewhere = self._shared.counters.bound, self._shared.counters.saves.is_elsewhere
        reserved = [0 if is_elsewhere(each.image.namespace) else bound.reserve(each.body.size_bytes) for each in batch]
        taken = [save for save, size_bytes in zip(batch, reserved, strict=True) if size_bytes is not None]
        try:
            errors = dict(zip(taken, await self._save(taken), strict=True)) if taken else {}
        finally:
            for size_bytes in reserved:
                bound.release(size_bytes or 0)
        bound.wake()
        return [errors[save] if save in errors else _beyond_bound() for save in batch]

    async def _save(self, batch: Sequence[Save]) -> Sequence[ImagedError | None]:
        variants = [NewVariant(save.image, save.output, save.body) for save in batch]
        try:
            return await self._shared.run(self._shared.store.variants.save_all, variants)
        except Exception:  # the next batch is saved, whatever happens to this one
            self._log.failure("{count} outputs could not be saved, a bug of imaged", count=len(batch))
            return [ImagedError("an unexpected failure: the log has its traceback")] * len(batch)

    def _has(self, save: Save, error: ImagedError | None) -> bool:
        """Report how a save has ended; return whether the store has the output."""
        if error is not None:
            self._fail(save, error)
            return False
        self._shared.counters.saves.succeeded()
        if save.error is None:
            image, output = save.image, save.output
            rendered = OutputRendered(image.namespace, str(output), output.extension, save.elapsed_s)
            self._shared.metrics.record(rendered)
        return True

    async def _end(self, batch: Sequence[Save], stored: Sequence[Save]) -> None:
        """Queue the uploads of what is stored, and end the saves.

        A queue that fails costs no picture: the outputs stay local, and the comparison with the remote store that
        follows when it works again queues them.
        """
        outputs: dict[ImageId, list[Output]] = {}
        for save in stored if self._remote.exists else ():
            outputs.setdefault(save.image, []).append(save.output)
        try:
            for image, each in outputs.items():
                await self._enqueue_uploads(image, each)
        finally:
            for save in batch:
                self.saves.remove(save)

    async def _enqueue_uploads(self, image: ImageId, outputs: Sequence[Output]) -> None:
        was_known = self._shared.jobs.fault is not None
        try:
            await self._shared.jobs.enqueue("upload", image, outputs)
        except ImagedError as error:
            if was_known:
                return
            self._log.error(
                "the upload of {output} of {image} is not queued: {error}; it is queued when the queue works again",
                output=", ".join(map(str, outputs)),
                image=str(image),
                error=error,
            )

    def _fail(self, save: Save, error: ImagedError) -> None:
        if save.error is not None:  # it was too slow before
            return
        if isinstance(error, GoneError):
            self._shared.tasks.own(self._purges.enqueue_late(save.image, save.output))
            save.decide(error)
            return
        is_bound = isinstance(error, StoreBoundError)
        if not is_bound and not self._shared.counters.saves.failed(save.image.namespace, error, save.body.size_bytes):
            self._log.error(
                "{output} of {image} is not stored: {error}; clients that asked for it have it, and the next request "
                "renders it again",
                output=str(save.output),
                image=str(save.image),
                error=str(error),
            )
        self.report_failure(save.image, save.output, error)
        save.decide(error)

    def report_failure(self, image: ImageId, output: Output, error: ImagedError) -> None:
        """Report an output that is not made or not stored to the metrics."""
        reason = type(error).__name__
        self._shared.metrics.record(OutputFailed(image.namespace, str(output), output.extension, reason))


def _too_slow(longest_s: float) -> StoreError:
    return StoreError(f"the local store took longer than {longest_s:g} s to keep an output: look at its disk")


def _beyond_bound() -> StoreBoundError:
    return StoreBoundError("the store is at its bound, store.maximum_bytes or store.keep_free_bytes: try again later")
