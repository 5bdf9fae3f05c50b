"""The faults of a configuration, found without opening or writing any file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from imaged.config.extensions import find_missing
from imaged.config.faults import Fault, in_order
from imaged.config.load import Loaded
from imaged.config.unlisted import find_unlisted
from imaged.hooks.host import PluginState
from imaged.hooks.registry import Plugins
from imaged.logs import paths as log_paths
from imaged.pipeline.build import build_plugins
from imaged.process import endpoints
from imaged.workers.threads import Threads


def find_faults(loaded: Loaded, reactor: Any, threads: Threads, note: Callable[[str], None]) -> tuple[Fault, ...]:
    """Return every fault: those of the syntax, the values, the plugins' options, the endpoints and the log paths.

    Build the plugins to find theirs, and close them again. Without faults, `note` gets what the machine lacks, what a
    list may lack, and what an operator has to know about open writing.
    """
    plugins, faults = build_checked(loaded, reactor, threads, PluginState(), complete=True)
    plugins.close()
    found = in_order([*faults, *_log_faults(loaded)])
    if not found and (missing := find_missing(loaded.settings, plugins.formats)):
        note(missing)
    if not found:
        for line in find_unlisted(loaded.settings):
            note(line)
    if not found and loaded.settings.access.open:
        note("writing is open to every client: access.open is true")
    if not found and endpoints.is_unknown(loaded.settings):
        note("listen is a socket of systemd: without access.tokens, imaged starts only if no other machine reaches it")
    return found


def build_checked(
    loaded: Loaded, reactor: Any, threads: Threads, plugin_state: PluginState, *, complete: bool = False
) -> tuple[Plugins, tuple[Fault, ...]]:
    """Build the plugins; return them with every fault but those of log paths. The caller closes the plugins.

    `complete` is that of `build_plugins`.
    """
    plugins, faults = build_plugins(loaded, reactor, threads, plugin_state, complete=complete)
    if not faults:
        faults = _store_faults(loaded, plugins)
    return plugins, in_order([*loaded.faults, *faults, *endpoints.find_faults(loaded, reactor)])


def _store_faults(loaded: Loaded, plugins: Plugins) -> list[Fault]:
    """Find originals that would be forgotten although no other store has them."""
    if loaded.settings.store.originals == "kept" or plugins.uploader is not None:
        return []
    key, uploader = ("store", "originals"), loaded.settings.uploader
    return [loaded.places.fault(key, f"cached needs a remote store, and the uploader {uploader} is none: set uploader")]


def _log_faults(loaded: Loaded) -> list[Fault]:
    return [
        loaded.places.quoting_fault(key, fault)
        for key, path in log_paths.paths(loaded.settings.log).items()
        if (fault := log_paths.find_fault(path)) is not None
    ]
