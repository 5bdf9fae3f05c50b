"""The daemon: what outlives generations (ports, the job queue, counters), built here, started and stopped."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from imaged.config.faults import ConfigurationError
from imaged.config.load import Loaded
from imaged.core.errors import ImagedError, StoreError
from imaged.core.generations import Generation, Generations
from imaged.core.hashes import ImageId
from imaged.daemon import runtime
from imaged.daemon.health import Health
from imaged.daemon.ports import base_url, open_port
from imaged.daemon.reload import Reload, restart_faults
from imaged.daemon.runtime import Runtime
from imaged.daemon.snapshot import Status
from imaged.jobs.promises import Promises
from imaged.jobs.queue import JobQueue
from imaged.jobs.worker import Worker
from imaged.pipeline.counters import Counters
from imaged.pipeline.pipeline import Pipeline
from imaged.pipeline.threads import Threads
from imaged.store.usage import Usage, measure
from imaged.web.public import PublicSite
from imaged.web.requests import Door
from imaged.web.status import StatusSite

VERSION = version("imaged")

WORK_THREADS = 16
"""Threads for identifying, hashing, saving and looking around; renders have their own."""

MEASURE_EVERY_S = 600.0
"""How often the files of the store are counted for the status page."""

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
        self._ports: list[Any] = []
        self._workers: list[Worker] = []
        self._health = Health(reactor, self._work.run, lambda: self._pipeline.produce.renderer)
        self._last_reload: Reload | None = None
        self._usage = Usage(0, 0, 0)
        self._measuring = LoopingCall(self._measure)
        self._measuring.clock = reactor

    async def start(self) -> tuple[str, str]:
        """Open the queue and the ports, take up what is owed; return the URLs of the public and the status port.

        Raises ConfigurationError for bad settings, StoreError and PortError for what this machine does not give.
        """
        loaded = self._read()
        self._queue = await self._open_queue(Path(loaded.settings.state_dir))
        self._promises = Promises(self._queue, self._queue_thread.run)
        self._generations = Generations(self._build(loaded))
        if swept := await self._work.run(self._pipeline.store.incoming.sweep):
            self._log.info("removed {count} unfinished files of an earlier run", count=swept)
        await self._listen()
        self._start_workers()
        self._measuring.start(MEASURE_EVERY_S)
        self._health.start()
        return base_url(self._ports[0]), base_url(self._ports[1])

    async def stop(self) -> None:
        """Accept no more, finish what is in flight within `shutdown_timeout_s`, and keep the queue."""
        self._log.info("leaving: no more requests are taken")
        self._health.draining = True
        self._health.stop()
        for port in self._ports:
            await port.stopListening()
        if self._measuring.running:
            self._measuring.stop()
        timeout_s = self._pipeline.settings.shutdown_timeout_s
        try:
            await Deferred.fromCoroutine(self._finish()).addTimeout(timeout_s, self._reactor)
        except TimeoutError:
            self._log.warn("gave up on work in flight after {s} s; promised work stays queued", s=timeout_s)
        await self._queue_thread.run(self._queue.close)
        self._queue_thread.stop()

    def reload(self) -> None:
        """Read the settings anew and let new requests use them; with any fault nothing changes and the log says why."""
        errors: tuple[str, ...] = ()
        try:
            loaded = self._read()
            if faults := restart_faults(self._pipeline.settings, loaded):
                raise ConfigurationError([*loaded.faults, *faults])
            self._generations.swap(self._build(loaded), self._retire)
            self._health.probe()
        except ConfigurationError as error:
            errors = tuple(map(str, error.faults))
            self._log.error("reload refused, the settings stay as they were:\n{error}", error=error)
        else:
            self._log.info("reloaded: generation {number}", number=self._generations.current.number)
        self._last_reload = Reload(datetime.now(UTC), not errors, errors)

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

    def _retire(self, generation: Generation[Runtime]) -> None:
        closing = Deferred.fromCoroutine(generation.value.close())
        closing.addErrback(lambda failure: self._log.failure("a generation could not be closed", failure))

    async def _listen(self) -> None:
        settings = self._pipeline.settings
        public = PublicSite(self._lease, self._counters.posting, self._health.send)
        status = Status(
            version=VERSION,
            config=self._config_name,
            seconds=self._reactor.seconds,
            started_s=self._reactor.seconds(),
            counters=self._counters,
            promises=self._promises,
            message=lambda: self._health.message,
            usage=lambda: self._usage,
            last_reload=lambda: self._last_reload,
        )
        private = StatusSite(lambda: status.snapshot(self._generations.current), self._health.send)
        clock = self._reactor.seconds
        public_door = Door(public.handle, lambda: self._pipeline.settings.sources.maximum_bytes, clock)
        private_door = Door(private.handle, lambda: STATUS_BODY_BYTES, clock)
        self._ports.append(await open_port(self._reactor, "listen", settings.listen, public_door))
        self._ports.append(await open_port(self._reactor, "status.listen", settings.status.listen, private_door))

    def _start_workers(self) -> None:
        run, clock = self._queue_thread.run, self._reactor
        renders = Worker("render", self._queue, run, clock, random.random, self._render_lanes, self._renders)
        uploads = Worker("upload", self._queue, run, clock, random.random, self._upload_lanes, self._uploads)
        self._workers = [renders, uploads]
        self._promises.on_new_work("render", renders.wake)
        self._promises.on_new_work("upload", uploads.wake)
        for worker in self._workers:
            worker.start()

    def _render_lanes(self) -> int:
        """Let promised renders use every thread, but one alone while clients wait for theirs."""
        return 1 if self._pipeline.pool.waiting else self._pipeline.pool.size

    def _upload_lanes(self) -> int:
        return self._pipeline.settings.upload.concurrency

    async def _renders(self, image: ImageId, names: Sequence[str]) -> Mapping[str, ImagedError | None]:
        with self._lease() as pipeline:
            return await pipeline.perform_renders(image, names)

    async def _uploads(self, image: ImageId, names: Sequence[str]) -> Mapping[str, ImagedError | None]:
        with self._lease() as pipeline:
            return await pipeline.perform_uploads(image, names)

    async def _finish(self) -> None:
        for worker in self._workers:
            await worker.stop()
        drained: Deferred[None] = Deferred()
        self._generations.current.retire(lambda _: drained.callback(None))
        await drained
        await self._generations.current.value.close()
        self._work.stop()

    def _measure(self) -> Any:
        counting = Deferred.fromCoroutine(self._count())
        return counting.addErrback(lambda failure: self._log.failure("the store cannot be counted", failure))

    async def _count(self) -> None:
        self._usage = await self._work.run(measure, self._pipeline.store.root)
