"""Builds the plugins of one generation from their entry points, and turns their errors into faults.

Facts about pluggy: one broken entry point stops the loading of its whole group, so each is loaded by name; a misspelt
hook passes unless `check_pending` is called; an exception in one implementation stops the others, so each plugin has a
manager of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from importlib.metadata import EntryPoint
from inspect import isawaitable
from typing import Any

import pluggy
from pydantic import BaseModel

from imaged.config.extensions import extension_faults
from imaged.config.faults import Fault, KeyPath
from imaged.config.load import Loaded, plugin_faults
from imaged.config.messages import did_you_mean
from imaged.core.errors import ImagedError
from imaged.core.formats import Formats
from imaged.core.snapshot import Plugin
from imaged.hooks import specs
from imaged.hooks.boundary import describe, is_interrupt, kind_of, plugin_boundary, refuse, under_way
from imaged.hooks.checked_detector import CheckedDetector
from imaged.hooks.checked_processor import CheckedProcessor
from imaged.hooks.checked_purger import CheckedPurger
from imaged.hooks.checked_uploader import CheckedUploader
from imaged.hooks.contract_check import ContractError, Metadata, read_metadata
from imaged.hooks.contracts import MetricsSink
from imaged.hooks.host import Host, OptionsError, read_options
from imaged.hooks.installation import installed
from imaged.hooks.plugin_formats import combine

MakeHost = Callable[[str], Host]
"""Makes the host of a plugin by name."""

START_S = 1.0
"""How long an import or a hook may hold the reactor before the log names the plugin."""

CLOSE_S = 1.0
"""The same for `close`."""


@dataclass(frozen=True)
class HookResult:
    """The object that a hook returned, what it says about itself, its plugin, and the plugin's host."""

    plugin: Plugin
    thing: Any
    metadata: Metadata
    host: Host


@dataclass(frozen=True)
class Plugins:
    """The plugins of a generation by kind, behind checks. The runner of a sink checks the sink, on its thread."""

    processors: tuple[CheckedProcessor, ...]
    formats: Formats
    uploader: CheckedUploader | None
    sinks: Mapping[str, MetricsSink]
    results: tuple[HookResult, ...]
    detectors: tuple[CheckedDetector, ...] = ()
    origins: Mapping[str, CheckedUploader] = field(default_factory=dict)
    """The uploaders that origins read from, by the name of the origin."""
    purgers: tuple[CheckedPurger, ...] = ()

    @property
    def described(self) -> tuple[Plugin, ...]:
        """Each plugin, as the status page shows it."""
        return tuple(result.plugin for result in self.results)

    def close(self, hanging: Collection[object] = (), *, sinks_only: bool = False) -> None:
        """Call every object's `close`, if it has one, once each. An error goes to the log.

        Objects that are `hanging` stay open: a thread is still in them. With `sinks_only`, other plugins may hang too.
        """
        left_open = {id(each) for each in hanging}
        if sinks_only:
            left_open |= {id(result.thing) for result in self.results if result.plugin.kind != "metrics"}
        for result in self.results:
            if id(result.thing) in left_open:
                continue
            left_open.add(id(result.thing))
            called = f"{result.plugin.kind} {result.plugin.name}: close"
            with suppress(ImagedError), plugin_boundary(called, CLOSE_S):  # it is logged
                close = getattr(result.thing, "close", None)
                if callable(close) and isawaitable(returned := close()):
                    refuse(called, f"it returned a {kind_of(returned)}: declare it with def, not async def")


def load_options(entry_point: EntryPoint) -> type[BaseModel] | None:
    """Return a plugin's `Options`, the model of its section, or None. Raises the errors of its import."""
    model = getattr(entry_point.load(), "Options", None)
    return model if isinstance(model, type) and issubclass(model, BaseModel) else None


def build(loaded: Loaded, make_host: MakeHost) -> tuple[Plugins, list[Fault]]:
    """Load every plugin that the settings name, and call its hooks.

    Returns the plugins and every fault. With faults the plugins are incomplete: the caller closes them.
    """
    build = _Build(loaded, make_host)
    settings = loaded.settings
    named = [(name, ("processors", place)) for place, name in enumerate(settings.processors)]
    processors = list(build.results("processor", named))
    formats = build.formats(processors)
    if processors and not build.faults and not build.unfit:  # else a plugin that is missing may bring what is listed
        build.faults.extend(extension_faults(loaded, formats))
    seekers = [(name, ("detectors", place)) for place, name in enumerate(settings.detectors)]
    detectors = list(build.results("detector", seekers))
    uploaders = list(build.results("uploader", [(settings.uploader, ("uploader",))]))
    caches = [(name, ("purgers", place)) for place, name in enumerate(settings.purgers)]
    purgers = list(build.results("purger", caches))
    sinks = list(build.results("metrics", [(name, ("metrics", place)) for place, name in enumerate(settings.metrics)]))
    origins = {name: result for name in settings.origins if (result := build.origin(name)) is not None}
    used = (*settings.processors, *settings.detectors, settings.uploader, *settings.purgers, *settings.metrics)
    build.check_sections(frozenset(used))
    if not processors and not build.faults and not build.unfit:
        build.fault(("processors",), "none of these offers a processor with these options")
    checked = list(map(_checked_uploader, uploaders))
    plugins = Plugins(
        tuple(CheckedProcessor(each.plugin.name, each.thing, each.metadata.formats, formats) for each in processors),
        formats,
        checked[0] if checked else None,
        {each.plugin.name: each.thing for each in sinks},
        (*processors, *detectors, *uploaders, *purgers, *sinks, *origins.values()),
        tuple(CheckedDetector(each.plugin.name, each.thing, each.metadata.side_px) for each in detectors),
        {name: _checked_uploader(result) for name, result in origins.items()},
        tuple(CheckedPurger(each.plugin.name, each.thing, each.host.clock) for each in purgers),
    )
    return plugins, build.faults


def _checked_uploader(result: HookResult) -> CheckedUploader:
    return CheckedUploader(result.plugin.name, result.metadata, result.thing, result.host.clock)


class _Build:
    def __init__(self, loaded: Loaded, make_host: MakeHost) -> None:
        self._loaded = loaded
        self._make_host = make_host
        self._managers: dict[str, pluggy.PluginManager | None] = {}
        self.entry_points = installed()
        self.faults: list[Fault] = []
        self.unfit = False
        """Whether the options of a plugin do not fit; a reference without a value has its fault already."""

    @property
    def all_installed(self) -> str:
        return f"installed: {', '.join(self.entry_points)}"

    def fault(self, path: tuple[str | int, ...], message: str) -> None:
        self.faults.append(self._loaded.places.fault(path, message))

    def results(self, kind: str, named: Sequence[tuple[str, tuple[str | int, ...]]]) -> Iterator[HookResult]:
        """Yield the result of the hook of each named plugin; `named` has the settings that name them."""
        for name, path in named:
            manager = self._managers[name] if name in self._managers else self._load(name, path)
            if manager is not None and (result := self._call(manager, kind, name, path)) is not None:
                yield result

    def origin(self, name: str) -> HookResult | None:
        """Return the uploader that an origin reads from, or None where no plugin does."""
        origin = self._loaded.settings.origins[name]
        if origin.plugin is None:
            return None
        path, place = ("origins", name, "plugin"), ("origins", name, "options")
        manager = self._managers[origin.plugin] if origin.plugin in self._managers else self._load(origin.plugin, path)
        if manager is None:
            return None
        options = None if origin.options is None else (place, origin.options)
        known = len(self.faults)
        result = self._call(manager, "uploader", origin.plugin, path, options)
        if result is None:
            if len(self.faults) == known and not self.unfit:
                self.fault(path, f"plugin {origin.plugin!r} keeps no files with these options: no origin can read them")
            return None
        plugin = replace(result.plugin, kind="origin", detail=f"{name}: {result.plugin.detail}".removesuffix(": "))
        return replace(result, plugin=plugin)

    def _load(self, name: str, path: tuple[str | int, ...]) -> pluggy.PluginManager | None:
        """Import a plugin into a manager of its own, or note why that is impossible."""
        if name not in self.entry_points:
            told = self._loaded.describe_value(path, repr(name))
            near = did_you_mean(name, self.entry_points) if told == repr(name) else ""
            self.fault(path, f"no plugin is called {told}{near}; {self.all_installed}")
            return None
        self._managers[name] = None
        manager = pluggy.PluginManager(specs.PROJECT)
        manager.add_hookspecs(specs)
        try:
            with under_way(f"plugin {name}: its import", START_S):
                manager.register(self.entry_points[name].load(), name)
            manager.check_pending()
        except BaseException as error:  # an import may raise anything
            if is_interrupt(error):
                raise
            self._failed(path, name, "cannot be loaded", error)
            return None
        self._managers[name] = manager
        return manager

    def _failed(self, path: tuple[str | int, ...], name: str, how: str, error: BaseException) -> None:
        self.fault(path, f"plugin {self._loaded.describe_value(path, repr(name))} {how}: {describe(error)}")

    def formats(self, processors: Sequence[HookResult]) -> Formats:
        """Return the formats that the processors bring, and note a fault for each that conflicts with another."""
        formats, conflicts = combine([result.metadata.formats for result in processors])
        for index, reason in conflicts:
            name = processors[index].plugin.name
            place = self._loaded.settings.processors.index(name)
            self.fault(("processors", place), f"plugin {name!r} {reason}")
        return formats

    def check_sections(self, used: Collection[str]) -> None:
        """Check the sections of plugins that are not in use or not installed.

        A plugin that cannot be imported, because its library is missing, is skipped: no setting names it.
        """
        for name, section in self._loaded.settings.plugins.items():
            if name not in self.entry_points:
                near = did_you_mean(name, self.entry_points)
                self.fault(("plugins", name), f"no such plugin{near}; {self.all_installed}")
            elif name not in used:
                with suppress(Exception, SystemExit):  # an import may raise anything
                    self._check_section(name, section)

    def _check_section(self, name: str, section: Mapping[str, Any]) -> None:
        try:
            if (model := load_options(self.entry_points[name])) is not None:
                read_options(section, model)
        except OptionsError as error:
            self.faults.extend(plugin_faults(self._loaded, name, error.error, error.model))

    def _call(
        self,
        manager: pluggy.PluginManager,
        kind: str,
        name: str,
        path: tuple[str | int, ...],
        options: tuple[KeyPath, Mapping[str, Any]] | None = None,
    ) -> HookResult | None:
        """Call a hook. `options` are those that stand elsewhere than in the section of the plugin, and their place."""
        hook_name = f"imaged_{kind}"
        hook = getattr(manager.hook, hook_name)
        if not hook.get_hookimpls():
            self.fault(path, f"plugin {name!r} offers no {kind}: it does not implement {hook_name}")
            return None
        host = self._make_host(name)
        host = host if options is None else replace(host, section=options[1])
        try:
            with under_way(f"plugin {name}: {hook_name}", START_S):
                results = hook(host=host)
                if not results:
                    return None
                metadata = read_metadata(kind, results[0])
        except ContractError as error:
            self.fault(path, f"plugin {name!r}: what {hook_name} returned {error}")
            return None
        except OptionsError as error:
            self.unfit = True
            self.faults.extend(plugin_faults(self._loaded, name, error.error, error.model, options, named=path))
            return None
        except BaseException as error:  # as above
            if is_interrupt(error):
                raise
            self._failed(path, name, "failed to start", error)
            return None
        distribution = self.entry_points[name].dist
        version = distribution.version if distribution else ""
        return HookResult(Plugin(name, kind, version, metadata.detail), results[0], metadata, host)
