"""What commands have in common: the options that say which settings they work with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from imaged.config.faults import ConfigurationError
from imaged.config.load import Loaded
from imaged.daemon import configuration


def settings_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say which settings it works with."""
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
    """Read the settings; end the program with a line when their file cannot be read."""
    try:
        return configuration.read(configuration.find(config), overrides)
    except ConfigurationError as error:
        raise SystemExit(str(error)) from error
