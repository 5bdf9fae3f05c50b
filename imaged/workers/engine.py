"""The engine, the only way to a processor: bounds what its workers do at once, and how long."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import Any

from imaged.config.model import RenderSettings
from imaged.core.activity import Activity
from imaged.core.details import ImageDetails
from imaged.core.errors import BusyError, ImagedError, NoWorkerError, OutOfTimeError
from imaged.core.hashes import ImageHash
from imaged.core.outputs import Output
from imaged.core.pictures import ImageFacts
from imaged.core.tracing import add_spans
from imaged.core.variants import Variant
from imaged.workers.admission import Admission
from imaged.workers.attempt import Attempt
from imaged.workers.render_jobs import EngineJob, ImageOutput, Take
from imaged.workers.tasks import Tasks
from imaged.workers.workers import NEARLY, Look, Workers

MOST_HEADERS = 1000
"""How many headers may wait."""

TRIAL_WAIT_S = 5.0
"""How long the trial of the health check waits for a worker. A worker that is busy needs no trial."""


class Engine:
    """Renders, identifies and verifies on `workers`, as many renders at once as there are. Reactor thread only.

    `verifies` says whether a processor checks new originals, `describes` whether one gives samples of them. `activity`
    lists the renders that run; `tasks` owns each check of an original until its worker has ended it.
    """

    def __init__(
        self,
        reactor: Any,
        settings: RenderSettings,
        workers: Workers,
        tasks: Tasks,
        activity: Activity[ImageOutput],
        *,
        verifies: bool,
        describes: bool = False,
    ) -> None:
        self._reactor = reactor
        self._timeout_s = settings.timeout_s
        self._tasks = tasks
        self._activity = activity
        self._verifies = verifies
        self._describes = describes
        self.workers = workers
        self.longest_s = self._timeout_s + workers.grace_s
        """How long a client waits for one job at most."""
        self.admission = Admission(workers.size, settings.queue, settings.timeout_s, reactor)
        """The queue in front of the workers, which holds the places of the renders that run."""
        self.headers = Admission(workers.headers, MOST_HEADERS, settings.timeout_s, reactor, "workers for headers")
        """The same for what is beside the renders, so that a new picture does not wait for the renders of others."""

    async def identify(self, hash: ImageHash, source: Path) -> ImageFacts:
        """Return what the header says of a picture, whose hash is `hash`.

        Raises NotAPictureError, TooLargeError when one frame has too many pixels, and BusyError as `verify`.
        """
        self.headers.check_room()
        return await self._tasks.own(self._identify(hash, source))

    async def _identify(self, hash: ImageHash, source: Path) -> ImageFacts:
        async with self.headers.place(self._timeout_s):
            return await self.workers.identify(hash, source)

    async def try_out(self, source: Path, variant: Variant) -> None:
        """Render beside the renders. Raises whatever goes wrong, and BusyError when all workers have other work."""
        async with self.headers.place(TRIAL_WAIT_S):
            await self.workers.try_out(source, variant)

    async def verify(self, hash: ImageHash, source: Path) -> ImageDetails | None:
        """Decode a new original if a processor wants that, for a client that waits; return its details if it says them.

        Raises what a render would raise; BusyError when the queue is full, or a processor does not return in time.
        """
        return await self._look(self.workers.verify, hash, source) if self._verifies else None

    async def describe(self, hash: ImageHash, source: Path) -> ImageDetails | None:
        """Look at the pixels of an original, for a client that waits; return None where no processor can.

        Raises as `verify`.
        """
        return await self._look(self.workers.describe, hash, source) if self._describes else None

    async def _look(self, look: Look, hash: ImageHash, source: Path) -> ImageDetails | None:
        self.admission.check_room()
        looking = self._tasks.own(self._look_in_place(look, hash, source))
        return await looking.addTimeout(self._timeout_s + self.longest_s, self._reactor, onTimeoutCancel=_hangs)

    async def _look_in_place(self, look: Look, hash: ImageHash, source: Path) -> ImageDetails | None:
        async with self.admission.place(self._timeout_s):
            details, ended = await look(hash, source, self._timeout_s)
        add_spans(ended.spans_s)
        if ended.error is not None:
            raise ended.error
        return details

    async def render(self, job: EngineJob, take: Take) -> None:
        """Await `take` for a result of each variant, each as soon as it is ready, one at a time.

        All variants are rendered together, then each that is missing is rendered alone before it fails. When a render
        does not return in time, each variant that is missing fails; a worker that returns later may still yield it as
        rendered. Raises BusyError for the variants that are left when no worker is free in time, or one took all its
        time. An error that `take` raises ends the job: the worker stops at the next variant, and `render` raises it.

        The first of those that runs out of time ends the job: else one hostile picture with a hundred outputs would
        hold a thread for an hour at each try.
        """
        deadline_s = self._reactor.seconds() + self._timeout_s if job.client_waits else math.inf
        missing, error = await self._attempt(job, job.variants, deadline_s, take)
        for variant in missing if len(job.variants) > 1 else ():
            if isinstance(error, OutOfTimeError) and self._reactor.seconds() >= deadline_s:
                raise self._late(self._timeout_s, variant.output)
            await self._attempt(job, (variant,), deadline_s, take)

    async def _attempt(
        self, job: EngineJob, variants: tuple[Variant, ...], deadline_s: float, take: Take
    ) -> tuple[list[Variant], ImagedError | None]:
        """Render variants in one call of a processor; return those without a result, and the error of the call.

        Raises BusyError when no thread is free by the deadline `deadline_s`, and as `Attempt.end`.
        """
        async with self.admission.place(deadline_s - self._reactor.seconds(), job.callers):
            began_s = self._reactor.seconds()
            timeout_s = min(self._timeout_s, deadline_s - began_s)
            attempt = Attempt(self._reactor, job.image, variants, self._activity, take)
            late = partial(attempt.give_up, partial(self._late, timeout_s))
            alarm = self._reactor.callLater(max(timeout_s, 0.0) + self.workers.grace_s, late)
            try:
                ended = await self.workers.render(job.image.hash, job.source, variants, timeout_s, attempt.send)
                if ended.last is not None:
                    attempt.receive(ended.last)
            finally:
                if alarm.active():
                    alarm.cancel()
                attempt.close()
        error = ended.error
        if isinstance(error, BusyError) and not isinstance(error, NoWorkerError):  # the picture is not at fault
            error = self._judge(error, self._reactor.seconds() - began_s, timeout_s)
        return await attempt.end(error, ended.spans_s), error

    def _late(self, timeout_s: float, output: Output) -> BusyError:
        error = BusyError(f"{output} took longer than {timeout_s:.3g} s: ask for a smaller output, or later")
        return self._judge(error, timeout_s, timeout_s)

    def _judge(self, error: BusyError, used_s: float, timeout_s: float) -> BusyError:
        """Return the error of a render that was too much: OutOfTimeError if it had nearly all of `render.timeout_s`.

        A processor that foresees that the rest would take too long says so early.
        """
        used_s = timeout_s if isinstance(error, OutOfTimeError) else min(used_s, timeout_s)
        if used_s >= NEARLY * self._timeout_s:
            return OutOfTimeError(str(error))
        if isinstance(error, OutOfTimeError):
            return BusyError(str(error), self.admission.retry_after_s)
        return BusyError(str(error), max(error.retry_after_s, self.admission.retry_after_s))


def _hangs(_: object, timeout_s: float) -> None:
    raise OutOfTimeError(f"this picture could not be checked within {timeout_s:g} s: try again later")
