"""The daemon: what outlives generations (ports, the job queue, counters), built here, started and stopped."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from imaged.config.faults import ConfigurationError
from imaged.config.load import Loaded
from imaged.core.errors import ImagedError, StoreError
from imaged.core.generations import Generation, Generations
from imaged.core.hashes import ImageId
from imaged.daemon import runtime
from imaged.daemon.health import PROBE_EVERY_S, Health
from imaged.daemon.measuring import StoreUsage
from imaged.daemon.ports import base_url, open_port
from imaged.daemon.reload import Reload, restart_faults
from imaged.daemon.runtime import Runtime
from imaged.daemon.snapshot import Status
from imaged.jobs.promises import Promises
from imaged.jobs.queue import JobQueue, Kind
from imaged.jobs.worker import Perform, Worker
from imaged.pipeline.counters import Counters
from imaged.pipeline.pipeline import Pipeline
from imaged.pipeline.tasks import Tasks
from imaged.pipeline.threads import Threads
from imaged.web.public import PublicSite
from imaged.web.requests import Door, ImagedRequest
from imaged.web.status import StatusSite

VERSION = version("imaged")

WORK_THREADS = 16
"""Threads for identifying, hashing, saving and looking around; renders have their own."""

FAILED_START_S = 5.0
"""How long the work of a start that failed may take to end."""

STATUS_BODY_BYTES = 65_536
"""The largest body that the status port reads."""


class Service:
    """One process of imaged. `read` reads the settings anew, each time it is called. Reactor thread only."""

    _log = Logger()

    def __init__(self, reactor: Any, read: Callable[[], Loaded], config_name: str) -> None:
        self._reactor = reactor
        self._read = read
        self._config_name = config_name
        self._work = Threads(reactor, "work", WORK_THREADS)
        self._queue_thread = Threads(reactor, "queue", 1)
        self._counters = Counters(reactor.seconds)
        self._opened = AsyncExitStack()
        self._answers, self._closings = Tasks(), Tasks()
        self._leave_by_s = 0.0
        self._health = Health(self._work.run, lambda: self._pipeline.produce.renderer)
        self._last_reload: Reload | None = None
        self._usage = StoreUsage(self._work.run, reactor.seconds)

    async def start(self) -> tuple[str, str]:
        """Open the queue and the ports, take up what is owed; return the URLs of the public and the status port.

        Raises ConfigurationError for bad settings, StoreError and PortError for what this machine does not give; what
        had been opened until then is closed again.
        """
        try:
            return await self._start()
        except BaseException:
            self._leave_by_s = self._reactor.seconds() + FAILED_START_S
            await self._opened.aclose()
            raise

    async def stop(self) -> None:
        """Accept no more, finish what is in flight within `shutdown_timeout_s`, and keep the queue."""
        self._log.info("leaving: no more requests are taken")
        self._health.draining = True
        self._leave_by_s = self._reactor.seconds() + self._pipeline.settings.shutdown_timeout_s
        await self._opened.aclose()

    def reload(self) -> None:
        """Read the settings anew and let new requests use them; with any fault nothing changes and the log says why."""
        errors: tuple[str, ...] = ()
        try:
            loaded = self._read()
            if not loaded.faults and (faults := restart_faults(self._pipeline.settings, loaded)):
                raise ConfigurationError(faults)
            self._generations.swap(self._build(loaded), self._close_when_drained())
            self._health.probe()
        except ConfigurationError as error:
            errors = tuple(map(str, error.faults))
            self._log.error("reload refused, the settings stay as they were:\n{error}", error=error)
        else:
            self._log.info("reloaded: generation {number}", number=self._generations.current.number)
        self._last_reload = Reload(datetime.now(UTC), not errors, errors)

    async def _start(self) -> tuple[str, str]:
        """Open one thing after the other; they are closed in the opposite order."""
        opened = self._opened
        opened.callback(self._work.stop)
        opened.callback(self._queue_thread.stop)
        loaded = self._read()
        queue = await self._open_queue(Path(loaded.settings.state_dir))
        opened.push_async_callback(self._queue_thread.run, queue.close)
        self._promises = Promises(queue, self._queue_thread.run)
        self._generations = Generations(self._build(loaded))
        opened.push_async_callback(self._in_time, self._drain)
        if swept := await self._work.run(self._pipeline.store.prepare):
            self._log.info("removed {count} unfinished files of an earlier run", count=swept)
        self._start_worker("render", queue, self._render_lanes, lambda pipeline: pipeline.perform_renders)
        self._start_worker("upload", queue, self._upload_lanes, lambda pipeline: pipeline.perform_uploads)
        await self._usage.now(self._pipeline.store.root)
        self._repeat(PROBE_EVERY_S, self._health.probe)
        settings = loaded.settings
        public = PublicSite(self._lease, self._counters.posting, self._health.send, self._health.admit)
        private = StatusSite(self._snapshot(), self._health.send)
        return (
            await self._listen("listen", settings.listen, public, self._largest_body),
            await self._listen("status.listen", settings.status.listen, private, lambda: STATUS_BODY_BYTES),
        )

    async def _listen(self, key: str, endpoint: str, site: PublicSite | StatusSite, limit: Callable[[], int]) -> str:
        port = await open_port(
            self._reactor, key, endpoint, Door(partial(self._answer, site), limit, self._reactor.seconds)
        )
        self._opened.push_async_callback(port.stopListening)
        return base_url(port)

    def _repeat(self, interval_s: float, work: Callable[[], Deferred[None]]) -> None:
        looping = LoopingCall(work)
        looping.clock = self._reactor
        looping.start(interval_s)
        self._opened.callback(looping.stop)

    def _start_worker(
        self, kind: Kind, queue: JobQueue, lanes: Callable[[], int], choose: Callable[[Pipeline], Perform]
    ) -> None:
        async def perform(image: ImageId, names: Sequence[str]) -> Mapping[str, ImagedError | None]:
            with self._lease() as pipeline:
                return await choose(pipeline)(image, names)

        worker = Worker(kind, queue, self._queue_thread.run, self._reactor, random.random, lanes, perform)
        self._promises.on_new_work(kind, worker.wake)
        worker.start()
        self._opened.push_async_callback(self._in_time, worker.stop)

    async def _drain(self) -> None:
        """Let requests in flight end, close every generation, and let answers reach their clients."""
        self._generations.current.retire(self._close_when_drained())
        await self._closings.drained()
        await self._answers.drained()

    async def _in_time(self, ending: Callable[[], Coroutine[Deferred[Any], Any, None]]) -> None:
        """Wait for `ending`, but not past the time that the shutdown has."""
        left_s = max(0.0, self._leave_by_s - self._reactor.seconds())
        try:
            await Deferred.fromCoroutine(ending()).addTimeout(left_s, self._reactor)
        except defer.TimeoutError:  # Twisted's own, which is not the built-in one
            self._log.warn("the shutdown gave up on work in flight; what was promised stays queued")

    @property
    def _pipeline(self) -> Pipeline:
        return self._generations.current.value.pipeline

    @contextmanager
    def _lease(self) -> Iterator[Pipeline]:
        with self._generations.lease() as leased:
            yield leased.pipeline

    async def _open_queue(self, folder: Path) -> JobQueue:
        try:
            return await self._queue_thread.run(JobQueue, folder, time.time)
        except Exception as error:  # OSError and sqlite3's own tree: none leaves a queue to work with
            raise StoreError(f"state_dir: no job queue can be kept in {folder}: {error}") from error

    def _build(self, loaded: Loaded) -> Runtime:
        now = datetime.now(UTC)
        return runtime.build(loaded, self._reactor, self._work, self._promises, self._counters, VERSION, now)

    def _close_when_drained(self) -> Callable[[Generation[Runtime]], None]:
        """Return what is to be called with a generation after its last lease."""
        drained: Deferred[Generation[Runtime]] = Deferred()
        self._closings.own(self._close(drained))
        return drained.callback

    async def _close(self, drained: Deferred[Generation[Runtime]]) -> None:
        generation = await drained
        try:
            await generation.value.close()
        except Exception:  # a plugin's close may raise anything
            self._log.failure("generation {number} could not be closed", number=generation.number)

    async def _answer(self, site: PublicSite | StatusSite, request: ImagedRequest) -> None:
        self._answers.own(_end_of(request))
        await site.handle(request)

    def _snapshot(self) -> Callable[[], Awaitable[dict[str, Any]]]:
        status = Status(
            version=VERSION,
            config=self._config_name,
            seconds=self._reactor.seconds,
            started_s=self._reactor.seconds(),
            counters=self._counters,
            promises=self._promises,
            message=lambda: self._health.message,
            usage=self._usage,
            last_reload=lambda: self._last_reload,
        )
        return lambda: status.snapshot(self._generations.current)

    def _render_lanes(self) -> int:
        """Let promised renders use every thread, but one alone while clients wait for theirs."""
        return 1 if self._pipeline.pool.waiting else self._pipeline.pool.size

    def _largest_body(self) -> int:
        return self._pipeline.settings.sources.maximum_bytes

    def _upload_lanes(self) -> int:
        return self._pipeline.settings.upload.concurrency


async def _end_of(request: ImagedRequest) -> None:
    """Return when the client has its answer, or has left."""
    with suppress(Exception):  # whatever a connection may end with
        await request.notifyFinish()
