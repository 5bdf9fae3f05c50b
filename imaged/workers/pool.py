"""The worker processes of one generation: forked when they are needed, replaced when they are old, large or dead."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any

from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from imaged.config.model import RenderSettings
from imaged.core.errors import ImagedError, NoWorkerError
from imaged.core.hashes import ImageHash
from imaged.hooks.host import RunInThread
from imaged.workers.forker_client import ChildProcess, ForkerClient
from imaged.workers.templates import Templates
from imaged.workers.wire import EndedError, Kind, MessageError, TemplateHead, parse, receive, send
from imaged.workers.worker import Worker
from imaged.workers.worker_end import how_it_ended

START_S = 60.0
"""How long a template may take to load the processors: a machine may be busy, and a disk slow."""

REPORT_S = 2.0
"""How long to wait for the report of how a process ended."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 30.0
"""The pause before the next start doubles with each process that dies before it has done a job."""


FEWEST = 1
"""How many workers a pool keeps at rest: the next trial of the health check, or the next request, finds one ready."""

REST_S = 300.0
"""After how long workers that no job has needed end, down to FEWEST."""


class WorkersFailedError(ImagedError):
    """No worker process can be started."""


@dataclass(frozen=True)
class GenerationSpec:
    """What a template needs to build the processors of a generation. Plain values, which become JSON.

    `processors` and `detectors` have the name and the section of each, `host` the fields of a ProcessorHost, and
    `bounds` those of Bounds.
    """

    processors: tuple[tuple[str, Mapping[str, Any]], ...]
    host: Mapping[str, Any]
    bounds: Mapping[str, Any]
    detectors: tuple[tuple[str, Mapping[str, Any]], ...] = ()

    def head(self, *, late: bool) -> dict[str, Any]:
        """Return the message; with `late`, each worker builds the processors itself."""
        plugins = {"processors": self.processors, "detectors": self.detectors}
        return {**plugins, "host": self.host, "bounds": self.bounds, "late": late}


class WorkerPool:
    """Keeps as many workers as jobs need side by side, `size` at most. Reactor thread only.

    Each is lent to one job at a time by `take`, and comes back by `give_back`.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        settings: RenderSettings,
        size: int,
        templates: Templates,
        spec: GenerationSpec,
        run: RunInThread,
    ) -> None:
        self._reactor = reactor
        self._settings = settings
        self._size = size
        self._wanted = min(FEWEST, size)  # that live, or start after a pause
        self._spare = 0  # the fewest that were idle at once since the last `_shrink`
        self._shrinking: Any = None
        self._templates = templates
        self._spec = spec
        self._run = run
        self._generation: ChildProcess | None = None
        self._forker: ForkerClient | None = None
        self._idle: deque[Worker] = deque()
        self._waiting: dict[Deferred[Worker], float] = {}
        self._fruitless = 0
        self._closed = False
        self.workers: list[Worker] = []
        """All that live."""
        self.fault: str | None = None
        """Why some of them cannot be started, or None."""
        self.details: Mapping[str, str] = {}
        """What each processor says about itself, by its name."""

    async def start(self) -> None:
        """Load the processors and start the workers. Raises WorkersFailedError, with what a plugin reports."""
        head = await self._start_template(late=False)
        if head.fault is None and head.threads > 1:  # a copy of a process with threads may hang
            self._stop_template()
            self._log.warn(
                "a processor starts threads when it is loaded, so each worker loads it by itself, which is slower"
            )
            head = await self._start_template(late=True)
        if head.fault is not None:
            self._stop_template()
            raise WorkersFailedError(f"a worker process cannot load the processors: {head.fault}")
        self.fault, self.details = None, head.details
        for _ in range(self._wanted):
            self._fork()

    async def _start_template(self, *, late: bool) -> TemplateHead:
        try:
            child = self._templates.take(self._reactor)
        except OSError as error:
            raise WorkersFailedError(f"the template of the worker processes does not start: {error!r}") from error
        try:
            send(child.connection, Kind.READY, self._spec.head(late=late))
            message = await self._run(receive, child.connection, monotonic() + START_S)
            head: TemplateHead = parse(TemplateHead, message, Kind.READY)
        except (OSError, EndedError, MessageError) as error:
            why = await self._why_not_ready(child, error)
            child.connection.close()
            raise WorkersFailedError(f"the template of the worker processes does not start: {why}") from error
        if self._closed:
            child.connection.close()
            raise WorkersFailedError("the worker processes were ended while they started")
        child.connection.settimeout(None)
        self._generation, self._forker = child, ForkerClient(child.connection)
        child.wait().addCallback(lambda _: self._restart(child))
        return head

    async def _why_not_ready(self, child: ChildProcess, error: Exception) -> str:
        if isinstance(error, TimeoutError):
            return f"it did not load the processors within {START_S:g} s"
        if isinstance(error, EndedError | ConnectionError) and await child.end_within(REPORT_S):
            return f"it {how_it_ended(child.status)} while it loaded the processors"
        return repr(error)

    def _stop_template(self) -> None:
        self._generation = None
        if self._forker is not None:
            self._forker.close()

    def _restart(self, child: ChildProcess) -> None:
        """Start the template again after it has died, and its workers with it."""
        if child is not self._generation or self._closed:
            return
        self._stop_template()
        self.fault = "the template of the worker processes has died"
        self._log.error("the template of the worker processes has died: starting it again")
        self._reactor.callLater(self._pause_s(), lambda: Deferred.fromCoroutine(self._try_restart()))

    async def _try_restart(self) -> None:
        if self._closed:
            return
        try:
            await self.start()
        except WorkersFailedError as error:
            self.fault = str(error)
            pause_s = self._pause_s()
            self._log.error("{error}; trying again in {pause_s:.1f} s", error=error, pause_s=pause_s)
            self._reactor.callLater(pause_s, lambda: Deferred.fromCoroutine(self._try_restart()))

    def _pause_s(self) -> float:
        self._fruitless += 1
        return min(FIRST_PAUSE_S * 2.0 ** min(self._fruitless - 1, 20), LONGEST_PAUSE_S)

    def _fork(self) -> None:
        if self._closed or self._forker is None or self._generation is None:
            return  # the template's restart forks all
        try:
            child = self._forker.fork(self._reactor)
        except OSError:
            return  # as above
        worker = Worker(child)
        self.workers.append(worker)
        child.wait().addCallback(lambda _: self._bury(worker))
        self._offer(worker, fresh=True)

    def _offer(self, worker: Worker, *, fresh: bool = False) -> None:
        for waiter, born_after_s in self._waiting.items():
            if worker.born_s > born_after_s:
                del self._waiting[waiter]
                waiter.callback(worker)
                return
        if fresh:
            self._idle.appendleft(worker)  # those that have their caches warm go first
        else:
            self._idle.append(worker)

    def _bury(self, worker: Worker) -> None:
        """Forget a worker that has ended, and start another in its place."""
        self.workers.remove(worker)
        if worker in self._idle:
            self._idle.remove(worker)
            worker.close()
        if worker.jobs:
            self._fruitless = 0
        if not worker.is_replaced and self._generation is not None:
            pause_s = 0.0 if worker.jobs else self._pause_s()
            if pause_s > FIRST_PAUSE_S:
                how = how_it_ended(worker.child.status)
                self.fault = f"worker processes die before their first job: the last one {how}"
                self._log.error(
                    "a worker process died before its first job ({how}); the next one starts in {pause_s:.1f} s",
                    how=how,
                    pause_s=pause_s,
                )
            self._reactor.callLater(pause_s, self._fork)

    async def take(self, within_s: float, born_after_s: float = 0.0) -> Worker:
        """Lend a worker that is younger than a time of the monotonic clock.

        Raises NoWorkerError when none is ready within that time.
        """
        for worker in reversed(self._idle):
            if worker.born_s > born_after_s:
                self._idle.remove(worker)
                self._spare = min(self._spare, len(self._idle))
                return worker
        self._spare = 0
        waiter: Deferred[Worker] = Deferred(self._waiting.__delitem__)
        self._waiting[waiter] = born_after_s
        starting = self._wanted - len(self.workers)  # in the places of dead ones
        if self._wanted < self._size and len(self._waiting) > starting:
            self._wanted += 1
            self._fork()
        if within_s < math.inf:
            waiter.addTimeout(max(within_s, 0.0), self._reactor)
        try:
            return await waiter
        except defer.TimeoutError as error:  # Twisted's own, which is not the built-in one
            raise NoWorkerError("no worker process could be started in time: try again later") from error

    def give_back(self, worker: Worker) -> None:
        """Take a worker back after a job that it ended; replace it when it is old or large."""
        large = (worker.memory_bytes or 0) > self._settings.worker_memory_bytes
        if self._closed or worker.child.ended:
            worker.close()
        elif large or worker.is_spent or worker.jobs >= self._settings.recycle_after:
            worker.is_replaced = True
            self.kill(worker)  # a worker that a picture has taken over would stay when its socket closes
            self._fork()
        else:
            if len(self.workers) >= self._wanted:
                self.fault = None
            self._offer(worker)
            if self._wanted > FEWEST and self._shrinking is None:
                self._spare = len(self._idle)
                self._shrinking = self._reactor.callLater(REST_S, self._shrink)

    def drop(self, picture: ImageHash) -> None:
        """Replace each worker that may have a copy of a picture; one that has a job, after that job."""
        for worker in self.workers:
            worker.is_spent = worker.is_spent or worker.picture == picture
        for worker in [each for each in self._idle if each.is_spent]:
            self._idle.remove(worker)
            self.give_back(worker)

    def kill(self, worker: Worker) -> None:
        """Kill a worker; another takes its place, if that has not been started."""
        if self._forker is not None:
            self._forker.kill(worker.child)
        worker.close()

    def _shrink(self) -> None:
        """End the workers that have been idle since the last call, those with the coldest caches, and call it again."""
        for _ in range(min(self._spare, len(self._idle), self._wanted - FEWEST)):
            worker = self._idle.popleft()
            self._wanted -= 1
            worker.is_replaced = True
            self.kill(worker)
        self._spare = len(self._idle)
        self._shrinking = self._reactor.callLater(REST_S, self._shrink) if self._wanted > FEWEST else None

    def close(self) -> None:
        """End all workers at once, those in a job too."""
        self._closed = True
        if self._shrinking is not None:
            self._shrinking.cancel()
            self._shrinking = None
        self._stop_template()
        for worker in self._idle:
            worker.close()
        self._idle.clear()
