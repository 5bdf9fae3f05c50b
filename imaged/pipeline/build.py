"""Build the plugins and the pipeline of a generation: for the daemon, for a batch and for the tests."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from ipaddress import ip_network
from typing import Any

from twisted.logger import Logger
from twisted.web.client import Agent

from imaged.config.faults import Fault
from imaged.config.load import Loaded
from imaged.config.model import Settings
from imaged.core.events import WorkerDied
from imaged.core.formats import Formats
from imaged.core.hashes import ImageId
from imaged.core.pictures import ImageInfo
from imaged.fetch.origin_sources import (
    FOLDER_THREADS,
    BucketSource,
    CountedSource,
    FolderSource,
    OriginSource,
    SiteSource,
    digest_of,
)
from imaged.fetch.resolver import Resolver
from imaged.fetch.sources import Sources
from imaged.hooks import registry
from imaged.hooks.checked_uploader import CheckedUploader
from imaged.hooks.host import Host, PluginState, RunInThread
from imaged.hooks.installation import VERSION
from imaged.hooks.metrics import Metrics
from imaged.hooks.registry import Plugins
from imaged.hooks.sink_runner import SinkRunner
from imaged.jobs.async_queue import AsyncJobQueue
from imaged.pipeline.auto_formats import AutoFormats
from imaged.pipeline.counters import Counters
from imaged.pipeline.erase import Eraser
from imaged.pipeline.erasures import Erasures
from imaged.pipeline.ingest import Ingest
from imaged.pipeline.originals import Originals
from imaged.pipeline.originals_in_use import OriginalsInUse
from imaged.pipeline.origins import Origin, Origins
from imaged.pipeline.other_nodes import OtherNodes
from imaged.pipeline.output_writer import OutputWriter
from imaged.pipeline.pipeline import Pipeline
from imaged.pipeline.purges import Purges
from imaged.pipeline.remote import Remote
from imaged.pipeline.remote_originals import RemoteOriginals
from imaged.pipeline.remote_tombstones import RemoteTombstones
from imaged.pipeline.renders import Renders
from imaged.pipeline.saver import Saver
from imaged.pipeline.shared import Shared
from imaged.store.local import LocalStore
from imaged.workers.building import build_engine, render_threads, worker_count
from imaged.workers.keyed_locks import KeyedLocks
from imaged.workers.single_flight import SingleFlight
from imaged.workers.tasks import Tasks
from imaged.workers.templates import Templates
from imaged.workers.threads import Threads

EVERY_NETWORK = (ip_network("0.0.0.0/0"), ip_network("::/0"))
"""The networks of URLs that the operator names."""


@dataclass(frozen=True, repr=False, eq=False)
class Environment:
    """The parts that outlive a generation: a pipeline uses them, and does not close them. Reactor thread only.

    `threads` run blocking work other than renders. `locks` are held on an image or a remote key, and `plugin_state` is
    what plugins keep across reloads. Worker processes are forked from `templates`.
    """

    reactor: Any
    threads: Threads
    jobs: AsyncJobQueue
    counters: Counters
    plugin_state: PluginState
    locks: KeyedLocks
    templates: Templates
    erasures: Erasures = field(default_factory=Erasures)
    in_use: OriginalsInUse = field(default_factory=OriginalsInUse)


def build_plugins(
    loaded: Loaded, reactor: Any, threads: Threads, plugin_state: PluginState, *, complete: bool = False
) -> tuple[Plugins, list[Fault]]:
    """Build the plugins that the settings name; return them with every fault found. The caller closes them.

    A processor that worker processes will call loads its libraries there; if `complete`, here too.
    """
    renders = complete or loaded.settings.render.isolation == "thread"
    return registry.build(loaded, partial(_host, loaded.settings, reactor, threads, plugin_state, renders))


def build_pipeline(
    settings: Settings,
    plugins: Plugins,
    store: LocalStore,
    environment: Environment,
    *,
    make_threads: Callable[[Any, str, int], Threads] = Threads,
    make_sources: Callable[..., Sources] = Sources,
    jitter: Callable[[], float] = random.random,
    soon: Callable[[Callable[[], object]], object] | None = None,
    now_s: Callable[[], float] = time.time,
) -> Pipeline:
    """Build the pipeline of one generation, with its own render threads and sink threads.

    `soon` calls a function when the answers have been sent. `now_s` returns the seconds since the epoch. The pipeline
    does not own `plugins` and `environment`.
    Tests replace what starts threads, opens connections, draws random numbers or waits.
    """
    reactor, counters = environment.reactor, environment.counters
    metrics = Metrics(
        [
            SinkRunner(name, sink, reactor, make_threads(reactor, f"metrics {name}", 1))
            for name, sink in plugins.sinks.items()
        ]
    )
    tasks = Tasks()
    shared = Shared(
        settings=settings,
        formats=plugins.formats,
        store=store,
        reactor=reactor,
        run=environment.threads.run,
        jobs=environment.jobs,
        counters=counters,
        erasures=environment.erasures,
        locks=environment.locks,
        in_use=environment.in_use,
        metrics=metrics,
        tasks=tasks,
    )
    threads = make_threads(reactor, "render", render_threads(settings))

    def report_death(cause: str) -> None:
        counters.worker_deaths.add(cause)
        metrics.record(WorkerDied(cause))

    engine = build_engine(
        settings,
        plugins,
        environment.templates,
        reactor=reactor,
        threads=threads,
        run=environment.threads.run,
        tasks=tasks,
        activity=counters.processing,
        report_death=report_death,
    )
    remote = Remote(shared, plugins.uploader, jitter)
    sources = bind_sources(settings, reactor, counters, plugins.formats, make_sources)
    client_sources = sources(
        resolver=Resolver(reactor),
        maximum_redirects=settings.sources.maximum_redirects,
        allow_networks=settings.sources.allow_networks,
    )
    operator_sources = partial(sources, resolver=Resolver(reactor), allow_networks=EVERY_NETWORK)
    address: Sources | None = None
    if settings.remote.base_url:  # the operator names it, so it may be in any network; its redirects are not followed
        address = operator_sources(maximum_redirects=0)
    purges = Purges(shared, plugins.purgers)
    there = RemoteTombstones(shared, remote)
    eraser = Eraser(shared, remote, there, purges)
    other_nodes = OtherNodes(shared, remote, there, eraser)
    for holder in (store.variants, engine.workers):
        environment.erasures.add_holder(holder)
    remote_originals = RemoteOriginals(shared, remote, address)
    originals = Originals(shared, engine, remote, remote_originals, eraser, other_nodes)
    writer = OutputWriter(shared, remote, Saver(shared, remote, engine, purges, soon or partial(reactor.callLater, 0)))
    sites = operator_sources(maximum_redirects=settings.sources.maximum_redirects)

    async def prepare(image: ImageId, info: ImageInfo) -> None:
        await pipeline.prepare(image, info)

    run = environment.threads.run
    origins = build_origins(settings, plugins.origins, sites, run, reactor, counters, make_threads)
    pipeline = Pipeline(
        settings=settings,
        store=store,
        originals=originals,
        ingest=Ingest(shared, originals, client_sources),
        origins=Origins(shared, originals, remote, origins, now_s, prepare),
        renders=Renders(shared, originals, engine, writer, SingleFlight(tasks)),
        remote=remote,
        eraser=eraser,
        other_nodes=other_nodes,
        purges=purges,
        engine=engine,
        jobs=environment.jobs,
        metrics=metrics,
        tasks=tasks,
        formats=plugins.formats,
        auto=AutoFormats(settings, plugins.formats),
    )
    return pipeline


def bind_sources(
    settings: Settings,
    reactor: Any,
    counters: Counters,
    formats: Formats,
    make_sources: Callable[..., Sources] = Sources,
) -> Callable[..., Sources]:
    """Return a function that makes sources with the bounds of the settings, given what differs between them."""
    return partial(
        make_sources,
        reactor,
        timeout_s=settings.sources.timeout_s,
        maximum_bytes=settings.sources.maximum_bytes,
        user_agent=settings.sources.user_agent or f"imaged/{VERSION}",
        activity=counters.downloads,
        budget=counters.incoming,
        free_bytes=counters.bound.room_bytes,
        formats=formats,
    )


def build_origins(
    settings: Settings,
    uploaders: Mapping[str, CheckedUploader],
    sites: Sources,
    run: RunInThread,
    reactor: Any,
    counters: Counters,
    make_threads: Callable[[Any, str, int], Threads] = Threads,
) -> dict[str, Origin]:
    """Return the origins of the settings, whose sources the caller closes.

    `uploaders` are those that origins read from. Originals count in `counters` when they come in.
    """
    found = {}
    most_bytes = settings.sources.maximum_bytes
    bounds, counted = (reactor, settings.sources.timeout_s, most_bytes), (counters.reserve, most_bytes)
    for name, origin in settings.origins.items():
        source: OriginSource
        if name in uploaders:
            source = CountedSource(BucketSource(uploaders[name], origin.base_path, run, *bounds), *counted)
        elif origin.path is not None:
            threads = make_threads(reactor, f"origin {name}", FOLDER_THREADS)
            source = CountedSource(FolderSource(origin.path, threads, *bounds), *counted)
        else:
            source = SiteSource(sites, origin.url, origin.headers)
        found[name] = Origin(name, origin, source, f"{name}-{digest_of(source)}")
    return found


def _host(
    settings: Settings,
    reactor: Any,
    threads: Threads,
    plugin_state: PluginState,
    renders: bool,  # noqa: FBT001  # partial gives all but the name
    name: str,
) -> Host:
    agent: Any = Agent(reactor)
    return Host(
        name=name,
        section=settings.plugins.get(name, {}),
        clock=reactor,
        log=Logger(namespace=f"imaged.plugin.{name}"),
        agent=agent,
        run_in_thread=threads.run,
        make_threads=partial(Threads, reactor, name),
        state=partial(plugin_state.get, name),
        upload_concurrency=settings.upload.concurrency,
        namespaces=tuple(settings.namespaces),
        extensions=settings.extensions,
        read_formats=settings.read_formats,
        maximum_pixels=settings.render.maximum_pixels,
        worker_count=worker_count(settings),
        renders=renders,
    )
