"""The daemon: what outlives generations (ports, the job queue, counters), built here, started and stopped."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import AbstractContextManager, AsyncExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from imaged.config.faults import ConfigurationError, Fault, KeyPath
from imaged.config.load import Loaded
from imaged.core.errors import StoreError
from imaged.core.snapshot import GenerationStatus, Reload, Snapshot
from imaged.daemon import runtime
from imaged.daemon.health import PROBE_EVERY_S, Health
from imaged.daemon.job_runner import JobRunner, open_queue
from imaged.daemon.lineage import Lineage
from imaged.daemon.prepare import open_logs, prepare
from imaged.daemon.reload import Reloads, restart_faults
from imaged.daemon.runtime import Runtime
from imaged.daemon.sites import Sites
from imaged.daemon.superseded import reinstate, supersede
from imaged.hooks.host import PluginState
from imaged.hooks.installation import VERSION
from imaged.jobs.async_queue import AsyncJobQueue
from imaged.logs.files import Logs
from imaged.pipeline.build import Environment
from imaged.pipeline.counters import Counters
from imaged.pipeline.pipeline import Pipeline
from imaged.process.inheritance import Inheritance, Passed, Port
from imaged.process.notify import Notifier
from imaged.process.ports import PUBLIC, STATUS, OpenPort, Ports, endpoints
from imaged.process.shutdown import Shutdown
from imaged.profiling import profiles
from imaged.profiling.stalls import StallWatch
from imaged.statuspage.collector import Collector
from imaged.statuspage.history import INTERVAL_S, History
from imaged.statuspage.recent import RecentErrors
from imaged.statuspage.status_line import status_line
from imaged.statuspage.store_usage import StoreUsage
from imaged.web.connections import Connections, most_connections
from imaged.workers.keyed_locks import KeyedLocks
from imaged.workers.threads import Threads

P = ParamSpec("P")
R = TypeVar("R")

WORK_THREADS = 16
"""Threads for identifying, hashing, saving and looking around; renders have their own."""

FAILED_START_S = 5.0
"""How long the work of a start that failed may take to end."""

WATCH_EVERY_S = 60.0
"""How often the remote store is looked after."""

QUIET_S = 5.0
"""How long a connection is quiet before it is closed when another process serves already: nobody waits for that."""

GOING_QUIET_S = 1.0
"""The same when sockets of systemd wait for the next process: long enough for clients that ask all the time."""


class Service:
    """All that answers requests and keeps promises. `read` reads the settings anew, each time it is called.

    `logs` writes to the files that the settings name, `notifier` is told of reloads, `inheritance` holds the sockets to
    listen on that are there already. Reactor thread only.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        read: Callable[[], Loaded],
        config_name: str,
        logs: Logs,
        notifier: Notifier,
        inheritance: Inheritance,
    ) -> None:
        self._reactor = reactor
        self._read = read
        self._logs = logs
        self._work = Threads(reactor, "work", WORK_THREADS)
        self._queue_thread = Threads(reactor, "queue", 1)
        self._profile_threads = Threads(reactor, "profile", profiles.THREADS)
        self._counters = Counters(reactor.seconds)
        self._history = History(self._counters.totals())
        self._errors = RecentErrors()
        self._stalls = StallWatch(reactor, time.monotonic, time.process_time)
        self._keepsakes = PluginState()
        self._locks = KeyedLocks()
        self._opened = AsyncExitStack()
        self._shutdown = Shutdown(reactor)
        self._profiles = profiles.Profiles(self._profile_threads.run, lambda: self._shutdown.begun)
        self._health = Health(self._work.run, lambda: self._lineage.pipeline, reactor.seconds)
        self._usage = StoreUsage(self._work.run, reactor.seconds)
        self._reloads = Reloads(reactor, self._reload, notifier)
        self._connections = {path: Connections(reactor, most_connections()) for path in (PUBLIC, STATUS)}
        self._config_name = config_name
        self._collector = Collector(
            version=VERSION,
            pid=os.getpid(),
            seconds=reactor.seconds,
            started_s=reactor.seconds(),
            counters=self._counters,
            history=self._history,
            errors=self._errors,
            log=lambda: logs.state,
            message=lambda: self._health.message,
            usage=self._usage,
            stalls=self._stalls,
        )
        sites = Sites(
            lambda: self._lineage.pipeline,
            self._lease,
            self._counters,
            self._errors,
            self._health,
            self._connections,
            logs.write_request,
            lambda: self._ports.urls,
            reactor.seconds,
            self._snapshot,
            self._reload_for_client,
            self._profiles,
        )
        self._ports = Ports(reactor, inheritance, sites.make(reactor))
        self._succeeds = inheritance.channel is not None
        self.paused = False
        """Whether another process serves on the same ports."""
        self.warning = ""
        """What an operator should know besides, for the service manager's line."""

    @property
    def leaving(self) -> bool:
        """Whether this process has been told to end, or has handed over."""
        return self._shutdown.begun

    @property
    def shutdown_timeout_s(self) -> float:
        """How long `stop` may wait for what is in flight."""
        return self._lineage.pipeline.settings.shutdown_timeout_s

    async def start(self) -> None:
        """Open the queue and the ports, and take up what is owed.

        Raises ConfigurationError for bad settings, StoreError and PortError for what this machine does not give; what
        had been opened until then is closed again.
        """
        try:
            await self._start()
        except BaseException:
            self._shutdown.begin(FAILED_START_S)
            await self._opened.aclose()
            raise

    async def stop(self) -> None:
        """Accept no more, finish what is in flight within `shutdown_timeout_s`, and keep the queue."""
        self._log.info("leaving: what is in flight is finished, no more is taken")
        self._shutdown.begin(self.shutdown_timeout_s)
        self._health.draining = True
        if not self._ports.outlives_us(PUBLIC):
            self._health.refuses_from_s = self._reactor.seconds()
        await self._shutdown.in_time(self._reloads.hold)
        self._reloads.let_go()  # whoever still asks is told that we leave
        await self._opened.aclose()
        self._shutdown.tell_left_behind(self._counters.processing.running())
        self._logs.end()
        self._log.info("left")

    def reload(self) -> Deferred[Reload]:
        """Read the settings anew and let new requests use them; with any fault nothing changes and the log says why."""
        return self._reloads.ask()

    async def handover(self) -> tuple[Sequence[Passed], list[Port]]:
        """Return what another process has to be given to listen where we do; until `keep` all stays as it is."""
        await self._reloads.hold()
        return self._ports.handover()

    def keep(self) -> None:
        """Go on as before: no other process has come of it."""
        self._reloads.let_go()

    async def pause(self, taken: Collection[str]) -> None:
        """Leave what comes to a process that has `taken` these ports; return when no connection is left.

        Until then `resume` can undo it. What is still asked on open connections is answered.
        """
        self.paused = True
        supersede(self._lineage.pipeline.store)
        self._shutdown.begin(self.shutdown_timeout_s)
        self._profiles.end()
        await self._ports.pause(taken)
        for connections in self._connections.values():
            connections.leave()
        self._reloads.let_go()  # whoever still asks is told that we leave
        for connections in self._connections.values():
            await self._shutdown.in_time(partial(connections.gone, QUIET_S))

    async def resume(self) -> None:
        """Undo `pause`. Raises PortError when a port that was given up for good cannot be opened again."""
        self.paused = False
        reinstate(self._lineage.pipeline.store)
        self._shutdown.undo()
        for connections in self._connections.values():
            connections.stay()
        self._ports.resume()
        self._job_runner.wake()
        await self._ports.use(await self._ports.open(endpoints(self._lineage.pipeline.settings)))

    async def status_line(self) -> str:
        """Return how things are, in a line for the service manager."""
        line = await status_line(
            self._health.message, self._generation_status(), self._counters, self._lineage.pipeline, self._jobs
        )
        return f"{line}; {self.warning}" if self.warning else line

    def run(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Awaitable[R]:
        """Run a blocking function on a worker thread."""
        return self._work.run(function, *args, **kwargs)

    async def _start(self) -> None:
        """Open one thing after the other; they are closed in the opposite order."""
        opened = self._opened
        opened.push_async_callback(self._shutdown.in_time, self._work.wind_up)
        opened.push_async_callback(self._shutdown.in_time, self._queue_thread.wind_up)
        opened.push_async_callback(self._shutdown.in_time, self._profile_threads.wind_up)
        self._stalls.start()
        opened.callback(self._stalls.stop)
        loaded = self._read()
        self._logs.use(await open_logs(loaded, self._work.run))
        queue = await open_queue(self._queue_thread, Path(loaded.settings.state_dir))
        self._jobs = AsyncJobQueue(queue, self._queue_thread.run)
        opened.push_async_callback(self._shutdown.in_time, self._jobs.close)
        self._environment = Environment(self._reactor, self._work, self._jobs, self._counters, self._locks)
        self._lineage = Lineage(self._build(loaded))
        opened.push_async_callback(self._lineage.give_up)
        opened.push_async_callback(self._shutdown.in_time, self._lineage.end)
        await self._work.run(self._try_store)
        opened.push_async_callback(self._close_port, STATUS)  # after the workers: it shows what is waited for
        self._job_runner = JobRunner(
            self._reactor,
            self._work.run,
            self._jobs,
            self._lease,
            lambda: self._lineage.pipeline,
            lambda: self._shutdown.begun,
            self._errors,
        )
        opened.push_async_callback(self._shutdown.in_time, self._job_runner.stop)
        await self._job_runner.share_queue(succeeds=self._succeeds)
        self._job_runner.start()
        await self._usage.now(self._lineage.pipeline.store.root)
        self._repeat(PROBE_EVERY_S, self._health.probe)
        self._repeat(WATCH_EVERY_S, self._job_runner.watch)
        self._repeat(INTERVAL_S, lambda: self._history.sample(self._counters.totals()), now=False)
        fresh = await self._ports.open(endpoints(loaded.settings))
        opened.push_async_callback(self._close_port, PUBLIC)
        await self._ports.use(fresh)
        self._profiles.follow(loaded.settings.status.profile)
        opened.callback(self._profiles.close)  # first of all: who waits for one would have the status port wait, too
        self._tell_urls(fresh)

    def _try_store(self) -> None:
        store = self._lineage.pipeline.store
        try:
            store.try_out()
            swept = store.sweep()
        except (StoreError, OSError) as error:
            raise StoreError(f"store.path: {error}") from error
        if swept:
            self._log.info("removed {count} unfinished files of an earlier run", count=swept)

    async def _reload(self) -> None:
        """Build a new generation and all that it needs, then make it the current one; or raise ConfigurationError."""
        began_s = self._reactor.seconds()
        if self._shutdown.begun:
            whom = ": ask the one that follows it" if self.paused else ""
            raise ConfigurationError([Fault("imaged", None, (), f"this process leaves{whom}")])
        self._logs.reopen()  # whatever the settings are like: who rotates the files asks for it in this way
        loaded = self._read()
        if not loaded.faults and (faults := restart_faults(self._lineage.pipeline.settings, loaded)):
            raise ConfigurationError(faults)
        made = self._build(loaded)
        files, fresh = await prepare(loaded, made, self._work.run, self._ports)
        self._logs.use(files)
        await self._job_runner.tell_store(made.pipeline.store)
        self._lineage.replace(made)
        self._profiles.follow(loaded.settings.status.profile)
        self.warning = ""
        await self._ports.use(fresh)
        self._log.info(
            "reloaded: generation {number}, in {elapsed_ms} ms",
            number=self._lineage.current.number,
            elapsed_ms=round(1000 * (self._reactor.seconds() - began_s)),
        )
        self._tell_urls(fresh)
        self._health.probe()
        self._job_runner.watch()

    def _lease(self) -> AbstractContextManager[Pipeline]:
        return self._lineage.lease()

    async def _snapshot(self) -> Snapshot:
        runtime = self._lineage.current.value
        plugins = runtime.plugins.described
        return await self._collector.collect(self._generation_status(), plugins, runtime.pipeline, self._jobs)

    def _generation_status(self) -> GenerationStatus:
        current = self._lineage.current
        return GenerationStatus(current.number, current.value.loaded_at, self._config_name, self._reloads.last)

    async def _reload_for_client(self) -> tuple[Reload, int]:
        """Reload, and return the outcome and the number of the generation that is then in effect."""
        return await self.reload(), self._lineage.current.number

    def _tell_urls(self, ports: Sequence[OpenPort]) -> None:
        for port in ports:
            if port.path == STATUS:
                self._log.info("the status page is on {private}", private=port.url)
                continue
            self._log.info("imaged {version} serves images on {public}", version=VERSION, public=port.url)
            if port.url.startswith("http:"):
                self._log.info("try: curl --data-binary @picture.jpg '{public}/p?outputs=x300.jpg'", public=port.url)

    async def _close_port(self, path: KeyPath) -> None:
        """Give up a port, and its connections as they end."""
        quiet_s = GOING_QUIET_S if path == PUBLIC and self._ports.outlives_us(PUBLIC) else 0.0
        await self._ports.close(path)
        self._connections[path].leave()
        await self._shutdown.in_time(partial(self._connections[path].gone, quiet_s))

    def _repeat(self, interval_s: float, work: Callable[[], Deferred[None] | None], *, now: bool = True) -> None:
        looping = LoopingCall(work)
        looping.clock = self._reactor
        looping.start(interval_s, now)
        self._opened.callback(looping.stop)

    def _build(self, loaded: Loaded) -> Runtime:
        return runtime.build(loaded, self._keepsakes, self._environment, datetime.now(UTC))
