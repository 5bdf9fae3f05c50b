"""Loads the processors and detectors of a generation in a process without a reactor, from plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import Any

import pluggy
from twisted.logger import Logger

from imaged.core.formats import Formats
from imaged.hooks import specs
from imaged.hooks.boundary import describe
from imaged.hooks.checked_detector import CheckedDetector
from imaged.hooks.checked_processor import CheckedProcessor
from imaged.hooks.contract_check import Metadata, read_metadata
from imaged.hooks.host import Host, PluginState
from imaged.hooks.installation import installed
from imaged.hooks.plugin_formats import combine


class LoadError(Exception):
    """A plugin cannot be loaded, or its hook fails. The text names the plugin and the error."""


class NoReactor:
    """Stands in for the clock, the agent and the threads of a Host. `seconds` works; anything else raises."""

    seconds = staticmethod(monotonic)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"a worker process has no reactor, so that a processor cannot use {name} there")

    def __call__(self, *_: Any, **__: Any) -> Any:
        """Raise RuntimeError."""
        raise RuntimeError("a worker process has no reactor and no other threads: do the work at once")


@dataclass(frozen=True)
class ProcessorHost:
    """The values of a Host that do not need a reactor. Every field is JSON."""

    upload_concurrency: int
    namespaces: Sequence[str]
    extensions: Sequence[str]
    read_formats: Sequence[str]
    maximum_pixels: int
    worker_count: int
    _state: PluginState = field(default_factory=PluginState)

    def host(self, name: str, section: Mapping[str, Any]) -> Host:
        """Return the host of a plugin."""
        nothing: Any = NoReactor()
        return Host(
            name=name,
            section=section,
            clock=nothing,
            log=Logger(namespace=f"imaged.plugin.{name}"),
            agent=nothing,
            run_in_thread=nothing,
            make_threads=nothing,
            state=partial(self._state.get, name),
            upload_concurrency=self.upload_concurrency,
            namespaces=self.namespaces,
            extensions=self.extensions,
            read_formats=self.read_formats,
            maximum_pixels=self.maximum_pixels,
            worker_count=self.worker_count,
            renders=True,
        )


Named = Sequence[tuple[str, Mapping[str, Any]]]
"""The name and the section of each plugin, in the order of the settings."""


def load_processors(named: Named, hosts: ProcessorHost) -> tuple[tuple[CheckedProcessor, ...], Formats]:
    """Import plugins, call their hooks, and return the processors and the formats of all.

    Raises LoadError when a plugin fails: the daemon has checked its options, but perhaps not loaded its libraries.
    """
    found = _load("processor", named, hosts)
    formats, _ = combine([metadata.formats for _, _, metadata in found])
    return tuple(
        CheckedProcessor(name, processor, metadata.formats, formats, metadata.detail)
        for name, processor, metadata in found
    ), formats


def load_detectors(named: Named, hosts: ProcessorHost) -> tuple[CheckedDetector, ...]:
    """Import plugins, call their hooks, and return the detectors. Raises LoadError as `load_processors`."""
    return tuple(
        CheckedDetector(name, detector, metadata.side_px, metadata.detail)
        for name, detector, metadata in _load("detector", named, hosts)
    )


def _load(kind: str, named: Named, hosts: ProcessorHost) -> list[tuple[str, Any, Metadata]]:
    entry_points = installed()
    found: list[tuple[str, Any, Metadata]] = []
    for name, section in named:
        manager = pluggy.PluginManager(specs.PROJECT)
        manager.add_hookspecs(specs)
        try:
            manager.register(entry_points[name].load(), name)
            made = getattr(manager.hook, f"imaged_{kind}")(host=hosts.host(name, section))[:1]
            found.extend((name, thing, read_metadata(kind, thing)) for thing in made)
        except Exception as error:  # a plugin may raise anything
            raise LoadError(f"plugin {name!r} failed to start: {describe(error)}") from error
    return found
