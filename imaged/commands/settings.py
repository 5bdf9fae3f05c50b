"""The options of every command that reads the settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from imaged.commands import configuration
from imaged.config.faults import ConfigurationError
from imaged.config.load import Loaded


def settings_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that select the settings to a command."""
    command = click.option(
        "--set",
        "overrides",
        metavar="KEY.PATH=VALUE",
        multiple=True,
        help="Override a setting, for example --set render.concurrency=2; may be repeated.",
    )(command)
    return click.option(
        "-c",
        "--config",
        "config",
        metavar="FILE",
        help="The settings. Default: $IMAGED_CONFIG, else etc/imaged.yaml here, else /etc/imaged/imaged.yaml, "
        "else every setting is at its default.",
    )(command)


def read_settings(config: str | None, overrides: tuple[str, ...]) -> Loaded:
    """Read the settings; exit with a message when their file cannot be read."""
    try:
        return configuration.read(configuration.find(config), overrides)
    except ConfigurationError as error:
        raise SystemExit(str(error)) from error
