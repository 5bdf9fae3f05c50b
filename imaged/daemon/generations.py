"""Generations: the plugins and the pipeline of each configuration, open until their last request has ended."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from imaged.config.extensions import find_missing
from imaged.config.faults import ConfigurationError
from imaged.config.load import Loaded
from imaged.core.snapshot import Plugin
from imaged.daemon.faults import build_checked
from imaged.garbage import LONG_LIVED
from imaged.hooks.registry import Plugins
from imaged.pipeline.build import Environment, build_pipeline
from imaged.pipeline.pipeline import Pipeline
from imaged.store.local import LocalStore
from imaged.workers.pool import WorkersFailedError
from imaged.workers.tasks import Tasks

_log = Logger()

IN_WORKERS = frozenset({"processor", "detector"})
"""The kinds of plugins that worker processes load."""


class Generation:
    """The plugins and the pipeline of one configuration; `number` counts from 1. Reactor thread only."""

    def __init__(self, number: int, loaded_at: datetime, plugins: Plugins, pipeline: Pipeline) -> None:
        self.number = number
        self.loaded_at = loaded_at
        self.plugins = plugins
        self.pipeline = pipeline
        self.leases = 0
        self._unleased: list[Deferred[None]] = []

    @property
    def described(self) -> tuple[Plugin, ...]:
        """Each plugin, as the status page shows it. Worker processes know the details of what they load."""
        details = self.pipeline.engine.workers.details
        return tuple(
            replace(each, detail=details.get(each.name, each.detail)) if each.kind in IN_WORKERS else each
            for each in self.plugins.described
        )

    @contextmanager
    def lease(self) -> Iterator[Pipeline]:
        """Keep the generation open while the block runs."""
        self.leases += 1
        try:
            yield self.pipeline
        finally:
            self.leases -= 1
            if not self.leases:
                waiting, self._unleased = self._unleased, []
                for each in waiting:
                    each.callback(None)

    async def drain(self) -> None:
        """Wait for the last lease to end, then for the tasks that the requests have left running."""
        if self.leases:
            unleased: Deferred[None] = Deferred()
            self._unleased.append(unleased)
            await unleased
        await self.pipeline.tasks.drained()

    async def close(self) -> None:
        """Send the last events to the sinks, then close the plugins, the render threads and the store."""
        await self.pipeline.metrics.close()
        self._close()

    async def close_sinks(self) -> None:
        """Send the last events to the sinks and close them; leave open the other plugins, where a thread may hang."""
        await self.pipeline.metrics.close()
        self.plugins.close(self.pipeline.metrics.hanging, sinks_only=True)

    def discard(self) -> None:
        """Close a generation that has never been current."""
        self.pipeline.metrics.discard()
        self._close()

    def _close(self) -> None:
        self.plugins.close(self.pipeline.metrics.hanging)
        self.pipeline.origins.close()
        self.pipeline.engine.workers.stop()
        self.pipeline.store.close()


class Generations:
    """The current generation, and older ones that still have leases. `clock` is the reactor's. Reactor thread only."""

    _log = Logger()

    def __init__(self, first: Generation, clock: Any) -> None:
        self.current = first
        self._clock = clock
        self._open = [first]
        self._closings = Tasks()

    @property
    def pipeline(self) -> Pipeline:
        """The pipeline of the current generation, for reads that do not wait; anything longer takes a lease."""
        return self.current.pipeline

    @property
    def pipelines(self) -> list[Pipeline]:
        """The pipelines of all generations that are open, the current one first."""
        older = [each.pipeline for each in self._open if each is not self.current]
        return [self.current.pipeline, *older]

    def lease(self) -> AbstractContextManager[Pipeline]:
        """Keep the current generation open while the block runs, and return its pipeline."""
        return self.current.lease()

    def replace(self, new: Generation) -> None:
        """Make `new` the current generation, and close the previous one when it has drained."""
        old, self.current = self.current, new
        self._open.append(new)
        old.pipeline.store.variants.supersede()
        self._closings.own(self._close(old))

    async def close(self) -> None:
        """Close every generation; return when all have drained and are closed."""
        self._closings.own(self._close(self.current))
        await self._closings.drained()

    async def close_sinks(self) -> None:
        """Close the sinks of each generation that is still open; leave open whatever a thread may hang in."""
        abandoned, self._open = self._open, []
        for closing in [Deferred.fromCoroutine(each.close_sinks()) for each in abandoned]:
            await closing

    async def _close(self, generation: Generation) -> None:
        await generation.drain()
        if generation not in self._open:
            return  # it was abandoned meanwhile
        self._open.remove(generation)
        try:
            await generation.close()
        except Exception:  # the close of a plugin may raise anything
            self._log.failure(
                "the settings that a reload replaced (generation {number}) could not be closed",
                number=generation.number,
            )
        if generation is not self.current:
            LONG_LIVED.renew_later(self._clock)  # it collects the objects of this generation


async def build_generation(number: int, loaded: Loaded, environment: Environment, now: datetime) -> Generation:
    """Build a generation and start its workers. Raises ConfigurationError with every fault.

    After any error, what was built is closed.
    """
    settings = loaded.settings
    plugins, faults = build_checked(loaded, environment.reactor, environment.threads, environment.plugin_state)
    if faults:
        plugins.close()
        raise ConfigurationError(faults)
    size = environment.counters.bound.size if settings.store.maximum_bytes or settings.store.keep_free_bytes else None
    store = LocalStore(Path(settings.store.path), settings.store.partitions, size=size)
    generation = Generation(number, now, plugins, build_pipeline(settings, plugins, store, environment))
    with ExitStack() as undo:
        undo.callback(generation.discard)
        try:
            await generation.pipeline.engine.workers.start()
        except WorkersFailedError as error:
            raise ConfigurationError([loaded.places.fault(("processors",), str(error))]) from error
        undo.pop_all()
    if missing := find_missing(settings, plugins.formats):
        _log.info("{missing}: see images.read_formats and images.extensions", missing=missing)
    if who := settings.access.open_to:
        _log.info("writing is open to {who}: access.tokens lists no token", who=who)
    return generation
