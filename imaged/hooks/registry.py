"""The plugins of one generation: found by entry point, called alone, and told as faults when they fail.

pluggy facts that shape this: one broken entry point would stop the loading of its whole group, so each is loaded by
its own name; a misspelt hook passes unless it is asked for; an exception in one implementation stops the others, so
each plugin is called by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, ClassVar

import pluggy
from pydantic import BaseModel
from twisted.logger import Logger

from imaged.config.faults import Fault
from imaged.config.load import Loaded, plugin_faults
from imaged.config.messages import did_you_mean
from imaged.hooks import specs
from imaged.hooks.contracts import MetricsSink, Processor, Uploader
from imaged.hooks.host import Host, OptionsError, read_options

MakeHost = Callable[[str], Host]
"""Makes the host of a plugin, by the plugin's name."""


@dataclass(frozen=True)
class Plugin:
    """One plugin in use, as the status page shows it."""

    name: str
    kind: str
    version: str
    detail: str


@dataclass(frozen=True)
class Plugins:
    """The objects that the hooks returned, by what they are for, and a description of each."""

    processors: tuple[Processor, ...]
    uploader: Uploader | None
    sinks: tuple[MetricsSink, ...]
    described: tuple[Plugin, ...]
    _log: ClassVar[Logger] = Logger()

    @property
    def sink_names(self) -> list[str]:
        """The plugin that each of the sinks came from."""
        return [plugin.name for plugin in self.described if plugin.kind == "metrics"]

    def close(self, hanging: Collection[object] = ()) -> None:
        """Close every object that has a `close`, each once; one that fails does not keep the others open.

        Those that are `hanging` stay open: what a thread is in must not be closed under it.
        """
        self._close((*self.processors, self.uploader, *self.sinks), hanging)

    def close_sinks(self, hanging: Collection[object] = ()) -> None:
        """Close the sinks alone, but for those that are `hanging`: something else may hang in the rest."""
        others = {id(each) for each in (*self.processors, self.uploader)}
        self._close([each for each in self.sinks if id(each) not in others], hanging)

    def _close(self, objects: Iterable[object], hanging: Collection[object]) -> None:
        left = {id(each) for each in hanging}
        for each in {id(each): each for each in objects if id(each) not in left}.values():
            try:
                if callable(close := getattr(each, "close", None)):
                    close()
            except Exception:
                self._log.failure("{plugin} could not be closed", plugin=type(each).__name__)


def installed() -> dict[str, EntryPoint]:
    """Return the entry points of all installed plugins by name, sorted."""
    return {each.name: each for each in sorted(entry_points(group=specs.PROJECT), key=lambda each: each.name)}


def options_model(entry_point: EntryPoint) -> type[BaseModel] | None:
    """Return what a plugin calls `Options`, the model of its section; None when it has none or cannot be loaded."""
    try:
        model = getattr(entry_point.load(), "Options", None)
    except (Exception, SystemExit):  # an import may raise anything
        return None
    return model if isinstance(model, type) and issubclass(model, BaseModel) else None


def build(loaded: Loaded, make_host: MakeHost) -> tuple[Plugins, list[Fault]]:
    """Load every plugin that the settings name into a fresh plugin manager, and call its hooks.

    Returns what came out and every fault; with faults the plugins are incomplete, to be closed and not used.
    """
    build = _Build(loaded, make_host)
    settings = loaded.settings
    named = [(name, ("processors", place)) for place, name in enumerate(settings.processors)]
    processors = build.objects("processor", named, Processor)
    uploaders = build.objects("uploader", [(settings.uploader, ("uploader",))], Uploader)
    sinks = build.objects("metrics", [(name, ("metrics", i)) for i, name in enumerate(settings.metrics)], MetricsSink)
    build.check_sections({*settings.processors, settings.uploader, *settings.metrics})
    if not processors and not build.faults and not build.unfit:
        build.fault(("processors",), "none of these offers a processor with these options")
    return Plugins(tuple(processors), next(iter(uploaders), None), tuple(sinks), tuple(build.described)), build.faults


class _Build:
    def __init__(self, loaded: Loaded, make_host: MakeHost) -> None:
        self._loaded = loaded
        self._make_host = make_host
        self._manager = pluggy.PluginManager(specs.PROJECT)
        self._manager.add_hookspecs(specs)
        self.entry_points = installed()
        self.faults: list[Fault] = []
        self.described: list[Plugin] = []
        self._broken: set[str] = set()
        self.unfit = False
        """Whether the options of one do not fit: for a reference that led nowhere, which has its fault already."""

    @property
    def all_installed(self) -> str:
        return f"installed: {', '.join(self.entry_points)}"

    def fault(self, path: tuple[str | int, ...], message: str) -> None:
        self.faults.append(self._loaded.fault(path, message))

    def objects(self, kind: str, named: Sequence[tuple[str, tuple[str | int, ...]]], contract: type[Any]) -> list[Any]:
        """Return what the hook of this kind gives for each named plugin; `named` has the setting that names it."""
        found = []
        for name, path in named:
            if self._registered(name, path) and (each := self._call(kind, name, path, contract)) is not None:
                found.append(each)
                self.described.append(Plugin(name, kind, self._version(name), str(getattr(each, "detail", ""))))
        return found

    def _registered(self, name: str, path: tuple[str | int, ...]) -> bool:
        if self._manager.has_plugin(name):
            return True
        if name not in self.entry_points:
            told = self._loaded.told(path, repr(name))
            near = did_you_mean(name, self.entry_points) if told == repr(name) else ""
            self.fault(path, f"no plugin is called {told}{near}; {self.all_installed}")
            return False
        if name in self._broken:
            return False
        try:
            self._manager.register(self.entry_points[name].load(), name)
            self._manager.check_pending()
        except (Exception, SystemExit) as error:  # an import may raise anything, and the daemon must survive it
            self._broken.add(name)
            if self._manager.has_plugin(name):
                self._manager.unregister(name=name)
            self._failed(path, name, "cannot be loaded", error)
            return False
        return True

    def _failed(self, path: tuple[str | int, ...], name: str, how: str, error: BaseException) -> None:
        said = self._loaded.without_secrets(f"{type(error).__name__}: {error}")
        self.fault(path, f"plugin {self._loaded.told(path, repr(name))} {how}: {said}")

    def check_sections(self, used: Collection[str]) -> None:
        """Check the sections that no hook has read: of plugins that are not in use, and of those that there are not.

        One whose plugin cannot be loaded, as where its library is missing, is let be: nothing asks for it.
        """
        for name, section in self._loaded.settings.plugins.items():
            if name not in self.entry_points:
                near = did_you_mean(name, self.entry_points)
                self.fault(("plugins", name), f"no such plugin{near}; {self.all_installed}")
            elif name not in used and (model := options_model(self.entry_points[name])) is not None:
                try:
                    read_options(section, model)
                except OptionsError as error:
                    self.faults.extend(plugin_faults(self._loaded, name, error.error, error.model))

    def _call(self, kind: str, name: str, path: tuple[str | int, ...], contract: type[Any]) -> Any:
        plugin = self._manager.get_plugin(name)
        hook_name = f"imaged_{kind}"
        if all(caller.name != hook_name for caller in self._manager.get_hookcallers(plugin) or ()):
            self.fault(path, f"plugin {name!r} offers no {kind}: it does not implement {hook_name}")
            return None
        others = [each for each in self._manager.get_plugins() if each is not plugin]
        try:
            results = self._manager.subset_hook_caller(hook_name, others)(host=self._make_host(name))
        except OptionsError as error:
            self.unfit = True
            self.faults.extend(plugin_faults(self._loaded, name, error.error, error.model))
            return None
        except (Exception, SystemExit) as error:  # as above
            self._failed(path, name, "failed to start", error)
            return None
        result = next(iter(results), None)
        if result is not None and not isinstance(result, contract):
            self.fault(path, f"plugin {name!r}: what {hook_name} returned is no {contract.__name__}")
            return None
        return result

    def _version(self, name: str) -> str:
        distribution = self.entry_points[name].dist
        return distribution.version if distribution else ""
