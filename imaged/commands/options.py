"""The options of the commands that read settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click


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
