"""Start the daemon: open its parts in order, each from parts that are open already."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from imaged.config.faults import KeyPath
from imaged.config.load import Loaded
from imaged.core.disk_errors import disk_error
from imaged.core.errors import StoreError
from imaged.daemon.erasure_watch import watch_erasures
from imaged.daemon.generations import Generations, build_generation
from imaged.daemon.health import PROBE_EVERY_S, RETRY_EVERY_S, Health
from imaged.daemon.job_queue import open_queue, share_queue
from imaged.daemon.job_runner import JobRunner
from imaged.daemon.reconfiguration import Reconfiguration, log_urls, open_logs
from imaged.daemon.reload import Reloads
from imaged.daemon.remote_watch import RemoteWatch
from imaged.daemon.service import Service
from imaged.daemon.sites import public_site, status_site
from imaged.hooks.host import PluginState, RunInThread
from imaged.hooks.installation import VERSION
from imaged.logs.files import Logs
from imaged.pipeline.build import Environment
from imaged.pipeline.counters import Counters
from imaged.pipeline.eviction import CHECK_EVERY_S, Eviction
from imaged.pipeline.store_health import StoreHealth, prevents_service
from imaged.process.clock import repeat
from imaged.process.endpoints import PUBLIC, STATUS, endpoints, private_ports
from imaged.process.inherited_sockets import InheritedSockets
from imaged.process.notify import Notifier
from imaged.process.ports import Ports
from imaged.process.shutdown import Shutdown
from imaged.profiling import profiles
from imaged.profiling.stalls import StallWatch
from imaged.statuspage.collector import Collector
from imaged.statuspage.history import INTERVAL_S, History
from imaged.statuspage.recent import RecentErrors
from imaged.statuspage.store_usage import StoreUsage
from imaged.store.local import LocalStore
from imaged.web.clients import Clients
from imaged.web.connections import Connections, most_connections
from imaged.web.factory import ImagedFactory
from imaged.workers.keyed_locks import KeyedLocks
from imaged.workers.templates import Templates
from imaged.workers.threads import Threads

WORK_THREADS = 16
"""Threads for identifying, hashing, saving and reading folders; renders, and the folders of origins, have their own."""

HASH_BITS = 128

FAILED_START_S = 5.0
"""How long the parts of a failed start may take to close."""

WATCH_EVERY_S = 60.0
"""How often the remote store is tried, and asked for the erasures of other nodes."""

SYSTEMD_QUIET_S = 1.0
"""How long a connection is idle before it is closed, while sockets of systemd wait for the next process."""

_log = Logger()


async def start_service(
    reactor: Any,
    *,
    read: Callable[[], Loaded],
    config_name: str,
    logs: Logs,
    notifier: Notifier,
    inherited: InheritedSockets,
    templates: Templates,
) -> Service:
    """Start the daemon with the settings that `read` returns; each reload calls it again.

    Raises ConfigurationError for bad settings, and StoreError or PortError for what the machine refuses. Whatever was
    open by then is closed.
    """
    shutdown = Shutdown(reactor)
    async with _closed_on_failure(shutdown) as opened:

        def close_in_time(close: Callable[[], Coroutine[Deferred[Any], Any, None]]) -> None:
            opened.push_async_callback(shutdown.in_time, close)

        sizes = {"work": WORK_THREADS, "queue": 1, "profile": profiles.THREADS}
        work, queue_thread, profile_threads = (Threads(reactor, *each) for each in sizes.items())
        for threads in (work, queue_thread, profile_threads):
            close_in_time(threads.join)
        stalls = _watch_stalls(opened, reactor)

        loaded = read()
        logs.use(await open_logs(loaded, work.run))
        jobs = await open_queue(queue_thread, Path(loaded.settings.state_dir))
        close_in_time(jobs.close)
        counters, errors = Counters(reactor.seconds), RecentErrors()
        opened.callback(_stop_if_unused(templates, loaded).stop)
        environment = Environment(reactor, work, jobs, counters, PluginState(), KeyedLocks(), templates)
        generations = Generations(await build_generation(1, loaded, environment, datetime.now(UTC)), reactor)
        opened.push_async_callback(generations.close_sinks)
        close_in_time(generations.close)
        await _prepare_store(generations.pipeline.store, counters.saves, work.run)

        ports = Ports(reactor, inherited)
        connections = {
            PUBLIC: Connections(
                reactor,
                most_connections(),
                "public",
                Clients(lambda: generations.pipeline.settings.limits, reactor.seconds, counters.limits),
            ),
            STATUS: Connections(reactor, most_connections(), "status"),
        }
        close_port = partial(_close_port, ports, connections, shutdown)
        opened.push_async_callback(close_port, STATUS)  # after the jobs have ended: it shows what they wait for
        job_runner = JobRunner(environment, generations, shutdown, errors)
        close_in_time(job_runner.stop)
        await share_queue(jobs, generations.pipeline.store, is_upgrade=inherited.channel is not None)
        erasure_watch = await watch_erasures(generations)
        job_runner.start()
        usage = StoreUsage(work.run, reactor, counters.bound, lambda: shutdown.begun)
        remote_watch = RemoteWatch(environment, generations, shutdown)
        health = Health(work.run, lambda: generations.pipeline, counters.saves, reactor.seconds)
        history = History(counters.totals())
        eviction = Eviction(environment, lambda: generations.pipelines, generations.lease, secrets.randbits(HASH_BITS))
        close_in_time(eviction.stop)
        _start_timers(
            opened,
            reactor,
            (PROBE_EVERY_S, health.probe, True),
            (RETRY_EVERY_S, health.retry_store, False),
            (WATCH_EVERY_S, remote_watch.check, True),
            (WATCH_EVERY_S, erasure_watch.check, True),
            (CHECK_EVERY_S, eviction.check, True),
            (INTERVAL_S, lambda: history.sample(counters.totals()), False),
        )
        await usage.now(generations.pipeline.store.root)

        profiler = profiles.Profiles(profile_threads.run, lambda: shutdown.begun)
        reconfiguration = Reconfiguration(
            read=read,
            environment=environment,
            generations=generations,
            remote_watch=remote_watch,
            health=health,
            ports=ports,
            profiles=profiler,
            logs=logs,
            shutdown=shutdown,
        )
        reloads = Reloads(reactor, reconfiguration.apply, notifier)
        collector = Collector(
            version=VERSION,
            pid=os.getpid(),
            seconds=reactor.seconds,
            started_s=reactor.seconds(),
            counters=counters,
            history=history,
            errors=errors,
            erasures=environment.erasures,
            log=lambda: logs.state,
            message=lambda: health.message,
            usage=usage,
            stalls=stalls,
        )
        service = Service(
            opened=opened,
            shutdown=shutdown,
            environment=environment,
            generations=generations,
            ports=ports,
            connections=connections,
            job_runner=job_runner,
            remote_watch=remote_watch,
            health=health,
            profiles=profiler,
            reloads=reloads,
            collector=collector,
            config_name=config_name,
            logs=logs,
        )
        sites = {PUBLIC: public_site(service), STATUS: status_site(service)}
        ports.serve({path: ImagedFactory(reactor, site) for path, site in sites.items()})
        open_ports = await ports.open(endpoints(loaded.settings), private_ports(loaded.settings))
        opened.push_async_callback(close_port, PUBLIC)
        await ports.use(open_ports)
        profiler.follow(loaded.settings.status.profile)
        opened.callback(profiler.close)  # first of all: the status port would wait for a client of a profile
        log_urls(open_ports)
        return service


@asynccontextmanager
async def _closed_on_failure(shutdown: Shutdown) -> AsyncIterator[AsyncExitStack]:
    """Give a stack of what is open; after an error, close it within FAILED_START_S."""
    opened = AsyncExitStack()
    try:
        yield opened
    except BaseException:
        shutdown.begin(FAILED_START_S)
        await opened.aclose()
        raise


def _watch_stalls(opened: AsyncExitStack, reactor: Any) -> StallWatch:
    """Start to watch the reactor thread."""
    stalls = StallWatch(reactor, time.monotonic, time.process_time)
    stalls.start()
    opened.callback(stalls.stop)
    return stalls


def _start_timers(opened: AsyncExitStack, reactor: Any, *timers: tuple[float, Callable[[], object], bool]) -> None:
    """Call each function at its interval in seconds, and now if it says so."""
    for interval_s, call, now in timers:
        opened.callback(repeat(reactor, interval_s, call, now=now).stop)


def _stop_if_unused(templates: Templates, loaded: Loaded) -> Templates:
    if loaded.settings.render.isolation == "thread":
        templates.stop()  # a reload may start it again
    return templates


async def _prepare_store(store: LocalStore, saves: StoreHealth, run: RunInThread) -> None:
    """Remove unfinished files, which may fill the disk, and try the store: a full or read-only one can be served.

    Raises StoreError.
    """
    swept = 0
    try:
        swept = await run(store.incoming.sweep)
    except OSError as error:
        if prevents_service(disk_error("", error)):
            raise StoreError(f"store.path: {error}") from error
    trials = await run(store.try_places)
    for each in trials.values():
        if prevents_service(each.error):
            raise StoreError(f"store.path: {each.error}") from each.error
    saves.tried(trials)
    if swept:
        _log.info("removed {count} unfinished files of an earlier run", count=swept)


async def _close_port(ports: Ports, connections: dict[KeyPath, Connections], shutdown: Shutdown, path: KeyPath) -> None:
    """Close a port, and each of its connections when its answer is complete."""
    quiet_s = SYSTEMD_QUIET_S if path == PUBLIC and ports.outlives_process(PUBLIC) else 0.0
    await ports.close(path)
    connections[path].leave()
    await shutdown.in_time(partial(connections[path].gone, quiet_s))
