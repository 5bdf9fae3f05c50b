"""The options of one plugin as text, and of every installed plugin in the schema of the settings."""

from __future__ import annotations

from textwrap import indent
from typing import Any

from imaged.config.messages import did_you_mean
from imaged.config.model import Settings
from imaged.hooks.installation import installed
from imaged.hooks.options import options_of, with_plugins
from imaged.hooks.registry import load_options


def options_text(name: str) -> str:
    """Return the options of a plugin as text; exit when it is not installed, or cannot be loaded."""
    plugins = installed()
    if name not in plugins:
        raise SystemExit(f"no plugin is called {name!r}{did_you_mean(name, plugins)}; installed: {', '.join(plugins)}")
    try:
        model = load_options(plugins[name])
    except (Exception, SystemExit) as error:  # an import may raise anything
        raise SystemExit(f"plugin {name!r} cannot be loaded: {type(error).__name__}: {error}") from error
    if model is None:
        return f"plugins.{name}: the plugin declares no options; see its own documentation."
    options = options_of(model)
    if not options:
        return f"plugins.{name}: there is nothing to set."
    lines = [f"plugins.{name}:"]
    for each in options:
        lines.append(f"  {each.name} ({each.type}; {_default(each.default)})")
        if each.description:
            lines.append(indent(each.description, "      "))
    return "\n".join(lines)


def settings_schema() -> dict[str, Any]:
    """Return the JSON Schema of the settings. The section of a plugin that declares no options may hold anything."""
    models = {}
    for name, entry_point in installed().items():
        try:
            model = load_options(entry_point)
        except (Exception, SystemExit):  # noqa: S112  # a plugin whose library is missing, say: its section may hold anything
            continue
        if model is not None:
            models[name] = model
    return with_plugins(Settings.model_json_schema(), models)


def _default(default: str) -> str:
    return default if default == "required" else f"default: {default}"
