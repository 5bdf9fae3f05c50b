"""Does what is owed: claims jobs an image at a time, has them performed, and tries again what may yet succeed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.logger import Logger

from imaged.core.backoff import Backoff
from imaged.core.errors import ImagedError, OutOfTimeError, StoreError, StoreUnavailableError
from imaged.core.files import ImageFile
from imaged.core.hashes import ImageId
from imaged.jobs.monitored_queue import MonitoredQueue
from imaged.jobs.queue import Job, Kind

BACKOFF = Backoff(first_s=1, longest_s=300, attempts=21)
"""Attempts spread over half an hour or more, whatever the jitter."""

TOO_LONG = Backoff(first_s=60, longest_s=600, attempts=3)
"""The same for work that ran out of time, and may have lost a thread for good: a picture that is at fault stays so."""

LONGEST_PAUSE_S = 5.0
"""How often the queue is looked at when nothing wakes the worker: another process may have left work behind."""

AWAY = Backoff(first_s=2, longest_s=2, attempts=2)
"""How long a job waits when the remote store is away; whoever lends lanes knows when to try the store again."""

_BROKE_DOWN = StoreError("an unexpected failure, which the log tells")

RunJobs = Callable[[ImageId, Sequence[ImageFile]], Awaitable[Mapping[ImageFile, ImagedError | None]]]


class Worker:
    """Performs jobs of one kind, up to `lanes()` images at a time, as long as it is started.

    `run_jobs` answers for each output with None or the error that it ended with. `jitter` draws a number in [0, 1).
    """

    _log = Logger()

    def __init__(
        self,
        kind: Kind,
        watched: MonitoredQueue,
        clock: Any,
        jitter: Callable[[], float],
        concurrency: Callable[[], int],
        run_jobs: RunJobs,
    ) -> None:
        self._kind: Kind = kind
        self._watched = watched
        self._queue = watched.queue
        self._run = watched.run
        self._clock = clock
        self._jitter = jitter
        self._concurrency = concurrency
        self._run_jobs = run_jobs
        self._bell: Deferred[None] | None = None
        self._rung = False
        self._idle_s = LONGEST_PAUSE_S
        self._running = 0
        self._stopping = False
        self._loop: Deferred[None] | None = None

    def start(self) -> None:
        """Begin to claim jobs."""
        self._loop = Deferred.fromCoroutine(self._claim_forever())

    async def stop(self) -> None:
        """Claim no more, and return when what runs has ended."""
        self._stopping = True
        self.wake()
        if self._loop is not None:
            await self._loop

    def wake(self) -> None:
        """Look at the queue now."""
        self._rung = True
        if self._bell is not None:
            bell, self._bell = self._bell, None
            bell.callback(None)

    async def _claim_forever(self) -> None:
        while not self._stopping or self._running:
            self._rung = False
            jobs, pause_s = [], LONGEST_PAUSE_S
            if not self._stopping and self._running < self._concurrency():
                jobs = await self._claim()
                pause_s = self._idle_s
            if jobs:
                self._running += 1
                Deferred.fromCoroutine(self._work(jobs))
            elif not self._rung:
                await self._pause(pause_s)

    async def _claim(self) -> list[Job]:
        try:
            await self._watched.try_again()
            jobs = await self._run(self._queue.claim, self._kind)
            if not jobs and await self._run(self._queue.recover) > 0:
                jobs = await self._run(self._queue.claim, self._kind)
            due_s = await self._run(self._queue.next_due_s, self._kind)
        except Exception:  # the disk may be full or gone; promises wait until it is back
            self._log.failure("the job queue cannot be used; trying again in {pause_s} s", pause_s=LONGEST_PAUSE_S)
            self._idle_s = LONGEST_PAUSE_S
            return []
        self._idle_s = LONGEST_PAUSE_S if due_s is None else min(max(due_s, 0.0), LONGEST_PAUSE_S)
        return jobs

    async def _pause(self, pause_s: float) -> None:
        bell: Deferred[None] = Deferred()
        self._bell = bell
        timer = self._clock.callLater(pause_s, self.wake)
        await bell
        if timer.active():
            timer.cancel()

    async def _work(self, jobs: list[Job]) -> None:
        try:
            results: Mapping[ImageFile, ImagedError | None] = await self._run_jobs(
                jobs[0].image, [job.file for job in jobs]
            )
        except Exception:
            self._log.failure("{kind} of {image} broke down", kind=self._kind, image=str(jobs[0].image))
            results = {job.file: _BROKE_DOWN for job in jobs}
        owed = list(jobs)
        try:
            while not await self._settled(owed, results):
                await deferLater(self._clock, LONGEST_PAUSE_S)
        finally:
            self._running -= 1
            self.wake()

    async def _settled(self, owed: list[Job], results: Mapping[ImageFile, ImagedError | None]) -> bool:
        try:
            await self._settle(owed, results)
        except Exception:
            self._log.failure("the job queue cannot be written; trying again in {pause_s} s", pause_s=LONGEST_PAUSE_S)
            return False
        return True

    async def _settle(self, owed: list[Job], results: Mapping[ImageFile, ImagedError | None]) -> None:
        """Tell the queue how each job ended, and take it off `owed`: told twice, it might be taken for a later one."""
        failures = [(job, results.get(job.file, _BROKE_DOWN)) for job in owed]
        await self._run(self._queue.done, [job for job, error in failures if error is None])
        owed[:] = [job for job, error in failures if error is not None]
        for job, error in failures:
            if error is None:
                continue
            if isinstance(error, StoreUnavailableError):  # told once, by who knows of the store, not for every job
                delay_s = AWAY.delay_s(1, self._jitter())
                await self._run(self._queue.failed, job, str(error), delay_s, counts=False)
                owed.remove(job)
                continue
            backoff = TOO_LONG if isinstance(error, OutOfTimeError) else BACKOFF
            delay_s = backoff.delay_s(job.attempts + 1, self._jitter()) if error.transient else None
            self._log.warn(
                "{kind} of {image} {output} failed: {error}; {next}",
                kind=self._kind,
                image=str(job.image),
                output=str(job.file),
                error=str(error),
                next="parked" if delay_s is None else f"again in {delay_s:.1f} s",
            )
            await self._run(self._queue.failed, job, str(error), delay_s)
            owed.remove(job)
