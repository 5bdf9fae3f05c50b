"""A generation: all that one configuration needs, built whole or not at all."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from twisted.logger import Logger
from twisted.web.client import Agent

from imaged.config.faults import ConfigurationError, Fault, in_order
from imaged.config.load import Loaded
from imaged.config.model import Settings
from imaged.fetch.resolver import Resolver
from imaged.fetch.sources import Sources
from imaged.hooks import registry
from imaged.hooks.checked_uploader import CheckedUploader
from imaged.hooks.host import Host, PluginState
from imaged.hooks.limits import cores
from imaged.hooks.metrics import Metrics
from imaged.hooks.sink_runner import SinkRunner
from imaged.jobs.async_queue import AsyncJobQueue
from imaged.logs import paths as log_paths
from imaged.pipeline.counters import Counters
from imaged.pipeline.ingest import Ingest
from imaged.pipeline.originals import Originals
from imaged.pipeline.pipeline import Pipeline
from imaged.pipeline.remote import Remote
from imaged.pipeline.remote_originals import RemoteOriginals
from imaged.pipeline.rendering import Renderer
from imaged.pipeline.renders import Renders
from imaged.process.ports import STATUS, endpoints, find_clash, find_fault
from imaged.store.local import LocalStore
from imaged.store.usage import free
from imaged.workers.admission import RenderPool
from imaged.workers.keyed_locks import KeyedLocks
from imaged.workers.single_flight import SingleFlight
from imaged.workers.tasks import Tasks
from imaged.workers.threads import Threads

MakeStore = Callable[[Settings, bool], LocalStore]

EVERYWHERE = (ip_network("0.0.0.0/0"), ip_network("::/0"))


@dataclass(frozen=True, repr=False, eq=False)
class Runtime:
    """The pipeline that requests work with, and what has to be closed when the last of them has ended."""

    loaded_at: datetime
    plugins: registry.Plugins
    pipeline: Pipeline
    tasks: Tasks
    render_threads: Threads

    async def close(self) -> None:
        """Wait for the work that goes on without its client, then close the plugins and end the render threads."""
        await self.tasks.drained()
        await self.pipeline.metrics.close()
        self._close()

    async def give_up(self) -> None:
        """Tell the sinks the last and close them; processors and uploader, in which something may hang, stay open."""
        await self.pipeline.metrics.close()
        self.plugins.close_sinks(self.pipeline.metrics.hanging)

    def discard(self) -> None:
        """Close a generation that has never worked."""
        self.pipeline.metrics.let_go()
        self._close()

    def _close(self) -> None:
        self.plugins.close(self.pipeline.metrics.hanging)
        self.render_threads.stop()
        self.pipeline.store.close()


def identity(settings: Settings, uploader: CheckedUploader | None) -> str:
    """Return what tells one remote store from another: what is known of one says nothing of the other."""
    if uploader is None:
        return ""
    return f"{uploader.name} {uploader.identity} {settings.remote.base_path}"


def former_identity(settings: Settings, uploader: CheckedUploader | None) -> str | None:
    """Return what did that before uploaders had an `identity`, where the uploader knows it."""
    if uploader is None or not uploader.noted_as:
        return None
    return f"{uploader.name} {uploader.noted_as} {settings.remote.base_path}"


def find_faults(loaded: Loaded, reactor: Any, threads: Threads) -> tuple[Fault, ...]:
    """Return every fault of a configuration, from its syntax to its plugins' options; nothing stays built or written.

    What a generation finds out when it opens its files is looked at too, as far as that goes without opening any.
    """
    plugins, faults = compose(loaded, reactor, threads, PluginState())
    plugins.close()
    return in_order([*faults, *_log_faults(loaded)])


def configured_store(settings: Settings, remote: bool = False) -> LocalStore:  # noqa: ARG001, FBT001, FBT002  # another may ask
    """Return the local store that the settings name."""
    return LocalStore(Path(settings.store.path), settings.store.partitions)


def build(
    loaded: Loaded,
    reactor: Any,
    threads: Threads,
    jobs: AsyncJobQueue,
    counters: Counters,
    plugin_state: PluginState,
    locks: KeyedLocks,
    version: str,
    now: datetime,
    make_store: MakeStore = configured_store,
) -> Runtime:
    """Build a generation. Raises ConfigurationError with every fault, and then nothing stays built.

    `make_store` is called with the settings and whether there is a remote store; what it raises is raised.
    """
    settings = loaded.settings
    plugins, faults = compose(loaded, reactor, threads, plugin_state)
    if faults:
        plugins.close()
        raise ConfigurationError(faults)
    try:
        store = make_store(settings, plugins.uploader is not None)
    except BaseException:
        plugins.close()
        raise
    render_threads = Threads(reactor, "render", settings.render.concurrency or cores())
    renderer = Renderer(plugins.processors, store, settings.render.timeout_s, settings.render.maximum_pixels)
    tasks = Tasks()
    metrics = Metrics(
        [
            SinkRunner(name, sink, reactor, Threads(reactor, f"metrics {name}", 1))
            for name, sink in zip(plugins.sink_names, plugins.sinks, strict=True)
        ]
    )
    remote = Remote(
        plugins.uploader,
        identity(settings, plugins.uploader),
        former_identity(settings, plugins.uploader),
        settings.remote.base_path,
        store,
        concurrency=settings.upload.concurrency,
        timeout_s=settings.upload.timeout_s,
        clock=reactor,
        jitter=random.random,
        locks=locks,
        tasks=tasks,
        activity=counters.uploads,
        metrics=metrics,
    )
    make_sources = partial(
        Sources,
        reactor,
        timeout_s=settings.sources.timeout_s,
        maximum_bytes=settings.sources.maximum_bytes,
        user_agent=settings.sources.user_agent or f"imaged/{version}",
        activity=counters.downloads,
        budget=counters.incoming,
        free_bytes=free,
    )
    sources = make_sources(
        resolver=Resolver(reactor),
        maximum_redirects=settings.sources.maximum_redirects,
        allow_networks=settings.sources.allow_networks,
    )
    # The operator names this address, and where it redirects to nobody has: so anywhere, but no further.
    trusting = partial(make_sources, resolver=Resolver(reactor), maximum_redirects=0, allow_networks=EVERYWHERE)
    remote_originals = RemoteOriginals(remote, settings.remote.base_url, trusting)
    pool = RenderPool(render_threads, settings.render.queue, reactor)
    originals = Originals(store, renderer, remote, remote_originals, jobs, threads.run, pool, tasks, metrics, locks)
    ingest = Ingest(
        store, originals, sources, settings.sources.maximum_bytes, threads.run, tasks, metrics, reactor.seconds
    )
    produce = Renders(
        reactor=reactor,
        settings=settings,
        store=store,
        originals=originals,
        remote=remote,
        renderer=renderer,
        pool=pool,
        jobs=jobs,
        tasks=tasks,
        flights=SingleFlight(tasks),
        activity=counters.processing,
        metrics=metrics,
    )
    pipeline = Pipeline(settings, store, originals, ingest, produce, remote, pool, jobs, metrics)
    return Runtime(now, plugins, pipeline, tasks, render_threads)


def compose(
    loaded: Loaded, reactor: Any, threads: Threads, plugin_state: PluginState
) -> tuple[registry.Plugins, tuple[Fault, ...]]:
    """Build the plugins of a configuration; return them, to be closed, and every fault from its syntax on."""
    plugins, faults = registry.build(loaded, partial(_host, loaded.settings, reactor, threads, plugin_state))
    return plugins, in_order([*loaded.faults, *faults, *_endpoint_faults(loaded, reactor)])


def _host(settings: Settings, reactor: Any, threads: Threads, plugin_state: PluginState, name: str) -> Host:
    agent: Any = Agent(reactor)
    return Host(
        name=name,
        section=settings.plugins.get(name, {}),
        clock=reactor,
        log=Logger(namespace=f"imaged.plugin.{name}"),
        agent=agent,
        run_in_thread=threads.run,
        make_threads=partial(Threads, reactor, name),
        keep=partial(plugin_state.keep, name),
        upload_concurrency=settings.upload.concurrency,
        namespaces=tuple(settings.namespaces),
    )


def _log_faults(loaded: Loaded) -> list[Fault]:
    return [
        loaded.foreign_fault(key, fault)
        for key, path in log_paths.paths(loaded.settings.log).items()
        if (fault := log_paths.find_fault(path)) is not None
    ]


def _endpoint_faults(loaded: Loaded, reactor: Any) -> list[Fault]:
    faults = [
        loaded.foreign_fault(path, fault)
        for path, endpoint in endpoints(loaded.settings).items()
        if (fault := find_fault(reactor, endpoint)) is not None
    ]
    if not faults and (clash := find_clash(reactor, loaded.settings)) is not None:
        faults.append(loaded.fault(STATUS, clash))
    return faults
