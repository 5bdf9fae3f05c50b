"""Workers that are processes: a picture can cost one of them, never the daemon."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from imaged.core.details import ImageDetails
from imaged.core.errors import BusyError, ImagedError, NoWorkerError, OutOfTimeError, PluginFailedError
from imaged.core.formats import AVIF, Formats
from imaged.core.hashes import ImageHash, ImageId
from imaged.core.pictures import ImageFacts
from imaged.core.snapshot import Isolation, WorkerStatus
from imaged.core.tracing import request_id
from imaged.core.variants import Variant
from imaged.hooks.checked_processor import SELF_CHECK_S
from imaged.hooks.host import RunInThread
from imaged.machine import memory_kills
from imaged.workers.pool import REPORT_S, WorkerPool
from imaged.workers.processors import TRIAL_S, Ended
from imaged.workers.quarantine import Quarantine
from imaged.workers.tasks import Tasks
from imaged.workers.threads import Threads
from imaged.workers.wire import Kind
from imaged.workers.worker import KILL_AFTER_S, Worker, WorkerDiedError, WorkerError, WorkerLiedError
from imaged.workers.worker_end import WorkerEnd, judge_end
from imaged.workers.worker_jobs import CheckWork, IdentifyWork, LookWork, RenderWork, WorkerJob
from imaged.workers.workers import NEARLY, Emit

HEADER_S = 10.0
"""How long reading a header may take."""

HEADER_WORKERS = 2
"""Workers beside those that render: a new picture does not wait for the renders of others."""

_LATE_AVIF = "the AVIFs of this picture take too long: ask for another format, for .auto, or later"

DETECTING_S = 10.0
"""How long a worker with detectors may look at a picture, before another one does so without them."""

DEATH_S = 1.0
"""How long a worker may take to end after its socket has closed."""


class ProcessWorkers:
    """Drives each job of `pool` on a thread. Reactor thread only.

    `threads` run renders, `run` what is beside them. `report_death` gets the cause of each death of a worker in a job.
    `detects` says whether the generation has detectors.
    """

    _log = Logger()
    headers = HEADER_WORKERS
    grace_s = KILL_AFTER_S + DEATH_S + REPORT_S + 1.0
    stuck = False

    def __init__(
        self,
        reactor: Any,
        pool: WorkerPool,
        threads: Threads,
        run: RunInThread,
        tasks: Tasks,
        formats: Formats,
        timeout_s: float,
        report_death: Callable[[str], None],
        *,
        detects: bool = False,
    ) -> None:
        self._reactor = reactor
        self._pool = pool
        self._threads = threads
        self._run = run
        self._tasks = tasks
        self._formats = formats
        self._timeout_s = timeout_s
        self._report_death = report_death
        self._detects = detects
        self._quarantine = Quarantine(reactor.seconds)
        self._memory_kills = memory_kills()
        self.size = threads.size

    async def start(self) -> None:
        """Start the worker processes. Raises WorkersFailedError."""
        await self._pool.start()

    async def render(
        self, hash: ImageHash, source: Path, variants: Sequence[Variant], timeout_s: float, emit: Emit
    ) -> Ended:
        """Render variants in one call of a processor; `emit` gets each on a thread, as it is ready."""
        job = RenderWork(self._formats, source, variants, request_id(), emit)
        more = f" and {len(variants) - 1} more" if len(variants) > 1 else ""
        return await self._do(job, hash, timeout_s, self._threads.run, f"{variants[0].output}{more}")

    async def verify(self, hash: ImageHash, source: Path, timeout_s: float) -> tuple[ImageDetails | None, Ended]:
        """Decode an original."""
        job = LookWork(Kind.VERIFY, source, request_id())
        ended = await self._do(job, hash, timeout_s, self._threads.run, "checking the pixels")
        return job.details, ended

    async def describe(self, hash: ImageHash, source: Path, timeout_s: float) -> tuple[ImageDetails | None, Ended]:
        """Look at the pixels of an original."""
        job = LookWork(Kind.DESCRIBE, source, request_id(), detects=self._detects)
        ended = await self._do(job, hash, timeout_s, self._threads.run, "looking at the pixels")
        return job.details, ended

    async def identify(self, hash: ImageHash, source: Path) -> ImageFacts:
        """Read a header on one of the workers beside those that render."""
        job = IdentifyWork(self._formats, source)
        ended = await self._do(job, hash, HEADER_S, self._run, "reading the header")
        if ended.error is not None:
            raise ended.error
        if job.facts is None:
            raise PluginFailedError("a worker ended without the facts of a picture")
        return job.facts

    async def try_out(self, source: Path, variant: Variant) -> None:
        """Render on one of the workers beside those that render."""
        job = RenderWork(self._formats, source, [variant], None, lambda _: True)
        ended = await self._do(job, None, TRIAL_S, self._run, "the trial")
        if ended.error is not None:
            raise ended.error

    async def self_check(self) -> None:
        """Have the processors of one of the workers beside those that render try their own protections."""
        job = CheckWork()
        ended = await self._do(job, None, SELF_CHECK_S, self._run, "the self check")
        if ended.error is not None:
            raise ended.error

    def _do(
        self, job: WorkerJob, hash: ImageHash | None, timeout_s: float, run: RunInThread, what: str
    ) -> Deferred[Ended]:
        """Do a job to its end, also when its caller has left: a thread uses the worker until then."""
        return self._tasks.own(self._try(job, hash, timeout_s, run, what))

    async def _try(
        self, job: WorkerJob, hash: ImageHash | None, timeout_s: float, run: RunInThread, what: str
    ) -> Ended:
        """Do a job; do it again when its worker has died for a reason that need not be the picture."""
        due_s, deaths, born_after_s = self._reactor.seconds() + timeout_s, 0, 0.0
        while True:
            if hash is not None and (refusal := self._refusal(hash, job)) is not None:
                return Ended(refusal, {})
            left_s = due_s - self._reactor.seconds()
            detects = isinstance(job, LookWork) and job.detects
            try:
                worker = await self._pool.take(left_s, born_after_s)
                within_s = min(left_s, DETECTING_S) if detects else left_s
                result = await self._lend(worker, job, hash, within_s, run, f"{what} of {hash}" if hash else what)
            except BusyError as error:
                return Ended(error, {})
            if isinstance(result, Ended):
                return result
            if not result.began:  # it had died before
                if due_s <= self._reactor.seconds():
                    return Ended(NoWorkerError("no worker process was ready in time: try again later"), {})
                continue
            deaths += 1
            end = judge_end(result, worker.child.status, what, memory_ran_out=self._memory_ran_out())
            again = deaths < end.tries or detects
            self._report(worker, end, hash, what, again=again)
            if again:
                born_after_s = worker.child.ended_s  # whatever has killed this worker may be killing all
                if isinstance(job, LookWork) and job.detects:
                    job.detects = False  # the picture may be sound: without detectors, its time begins again
                    due_s, deaths = self._reactor.seconds() + timeout_s, 0
                continue
            if hash is not None:
                self._blame(hash, job, end, timeout_s)
            return Ended(end.error, {}, job.last)

    def _blame(self, hash: ImageHash, job: WorkerJob, end: WorkerEnd, timeout_s: float) -> None:
        """Refuse a picture from now on, if it has killed the worker of a job with enough time."""
        if not end.blames_picture or (end.cause == "late" and timeout_s < NEARLY * min(self._timeout_s, HEADER_S)):
            return
        if isinstance(job, RenderWork) and job.only_avif and isinstance(end.error, OutOfTimeError):
            self._quarantine.put((hash, AVIF.extension), OutOfTimeError(_LATE_AVIF))
        else:
            self._quarantine.put(hash, end.error)

    def _refusal(self, hash: ImageHash, job: WorkerJob) -> ImagedError | None:
        """Return the error that a job on a picture is refused with now, or None.

        Where AVIFs alone are refused, the job leaves them out: they are asked for again by themselves.
        """
        refusal = self._quarantine.refusal(hash)
        if refusal is None and isinstance(job, RenderWork):
            late = self._quarantine.refusal((hash, AVIF.extension))
            refusal = None if late is None or job.leave_out_avif() else late
        return refusal

    def _memory_ran_out(self) -> bool:
        """Return whether the kernel has killed a process for memory since the last call."""
        before, self._memory_kills = self._memory_kills, memory_kills()
        return self._memory_kills != before

    async def _lend(
        self, worker: Worker, job: WorkerJob, hash: ImageHash | None, within_s: float, run: RunInThread, what: str
    ) -> Ended | WorkerError:
        """Have a worker do a job; return how the job ended, or what went wrong with the worker, which is then gone."""
        worker.begin(what)
        worker.picture = hash
        try:
            ended = await run(worker.work, job, within_s)
        except WorkerError as error:
            failure = error
            # before the kill, which would be in its status
            if isinstance(failure, WorkerDiedError) and not await worker.child.end_within(DEATH_S):
                failure = WorkerLiedError("nothing more and closed its socket, but did not end")
            self._pool.kill(worker)
            await worker.child.end_within(REPORT_S)
            return failure
        except BaseException as error:
            if isinstance(error, ImagedError) and not worker.is_in_job:
                self._pool.give_back(worker)
            else:
                self._pool.kill(worker)
            raise
        self._pool.give_back(worker)
        return ended

    def _report(self, worker: Worker, end: WorkerEnd, hash: ImageHash | None, what: str, *, again: bool) -> None:
        self._report_death(end.cause)
        self._log.error(
            "worker process {pid} {how} in its job {jobs}, {what} of {hash}: {then}",
            pid=worker.child.pid,
            how=end.how,
            jobs=worker.jobs,
            what=what,
            hash=hash,
            then="another one does the job again" if again else str(end.error),
        )

    @property
    def isolation(self) -> Isolation:
        """How the workers are confined; unknown before one of them has had a job."""
        ready = next((worker.ready for worker in self._pool.workers if worker.ready is not None), None)
        if ready is None:
            return Isolation("process", None, None, ())
        return Isolation("process", ready.landlock_abi, ready.seccomp, ready.missing)

    @property
    def details(self) -> Mapping[str, str]:
        """What each processor says about itself, by its name."""
        return self._pool.details

    @property
    def fault(self) -> str | None:
        """Why worker processes cannot be started, or None."""
        return self._pool.fault

    @property
    def refused_pictures(self) -> int:
        """How many pictures are refused now because they have ended a worker."""
        return len(self._quarantine)

    def statuses(self) -> tuple[WorkerStatus, ...]:
        """Return the workers that live, the oldest first."""
        return tuple(worker.status() for worker in self._pool.workers)

    def drop(self, image: ImageId) -> None:
        """End each worker whose last job was on this picture, at once or at the end of that job."""
        self._pool.drop(image.hash)

    def stop(self) -> None:
        """End the workers; block until their work is done."""
        self._threads.stop()
        self._pool.close()

    def let_go(self) -> None:
        """Kill the workers; return at once."""
        self._threads.let_go()
        self._pool.close()
