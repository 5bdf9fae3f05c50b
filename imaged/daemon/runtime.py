"""A generation: all that one configuration needs, built whole or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from imaged.config.faults import ConfigurationError, Fault, in_order
from imaged.config.load import Loaded
from imaged.core.formats import Formats
from imaged.daemon.superseded import reinstate
from imaged.hooks.host import PluginState
from imaged.hooks.registry import Plugins
from imaged.logs import paths as log_paths
from imaged.pipeline.build import Environment, build_pipeline, build_plugins
from imaged.pipeline.pipeline import Pipeline
from imaged.process.ports import find_faults as find_port_faults
from imaged.store.local import LocalStore
from imaged.workers.threads import Threads


@dataclass(frozen=True, repr=False, eq=False)
class Runtime:
    """The pipeline that requests work with, and what has to be closed when the last of them has ended."""

    loaded_at: datetime
    plugins: Plugins
    pipeline: Pipeline

    async def close(self) -> None:
        """Wait for the work that goes on without its client, then close the plugins and end the render threads."""
        await self.pipeline.tasks.drained()
        await self.pipeline.metrics.close()
        self._close()

    async def give_up(self) -> None:
        """Tell the sinks the last and close them; processors and uploader, in which something may hang, stay open."""
        await self.pipeline.metrics.close()
        self.plugins.close_sinks(self.pipeline.metrics.hanging)

    def discard(self) -> None:
        """Close a generation that has never worked."""
        self.pipeline.metrics.discard()
        self._close()

    def _close(self) -> None:
        self.plugins.close(self.pipeline.metrics.hanging)
        self.pipeline.render_threads.stop()
        reinstate(self.pipeline.store)
        self.pipeline.store.close()


def find_faults(loaded: Loaded, reactor: Any, threads: Threads) -> tuple[Fault, ...]:
    """Return every fault of a configuration, from its syntax to its plugins' options; nothing stays built or written.

    What a generation finds out when it opens its files is looked at too, as far as that goes without opening any.
    """
    plugins, faults = compose(loaded, reactor, threads, PluginState())
    plugins.close()
    return in_order([*faults, *_log_faults(loaded)])


def find_formats(loaded: Loaded, reactor: Any) -> Formats:
    """Return the formats that the processors of a configuration bring; nothing stays built."""
    threads = Threads(reactor, "work", 1)
    try:
        plugins, _ = build_plugins(loaded, reactor, threads, PluginState())
        plugins.close()
    finally:
        threads.let_go()
    return plugins.formats


def build(loaded: Loaded, plugin_state: PluginState, environment: Environment, now: datetime) -> Runtime:
    """Build a generation. Raises ConfigurationError with every fault, and then nothing stays built."""
    settings = loaded.settings
    plugins, faults = compose(loaded, environment.reactor, environment.threads, plugin_state)
    if faults:
        plugins.close()
        raise ConfigurationError(faults)
    store = LocalStore(Path(settings.store.path), settings.store.partitions)
    return Runtime(now, plugins, build_pipeline(settings, plugins, store, environment))


def compose(
    loaded: Loaded, reactor: Any, threads: Threads, plugin_state: PluginState
) -> tuple[Plugins, tuple[Fault, ...]]:
    """Build the plugins of a configuration; return them, to be closed, and every fault from its syntax on."""
    plugins, faults = build_plugins(loaded, reactor, threads, plugin_state)
    return plugins, in_order([*loaded.faults, *faults, *find_port_faults(loaded, reactor)])


def _log_faults(loaded: Loaded) -> list[Fault]:
    return [
        loaded.foreign_fault(key, fault)
        for key, path in log_paths.paths(loaded.settings.log).items()
        if (fault := log_paths.find_fault(path)) is not None
    ]
