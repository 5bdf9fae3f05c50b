"""The manual pages name all that there is to name: commands, options and settings."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click
import pytest
import yaml
from source_tree import ROOT

from imaged.cli import main
from imaged.config.document import read_document

MAN = ROOT / "docs" / "man"
COMMANDS = (MAN / "imaged.1").read_text(encoding="utf-8")
SETTINGS = (MAN / "imaged.yaml.5").read_text(encoding="utf-8")
SHIPPED = read_document((ROOT / "etc" / "imaged.yaml").read_text(encoding="utf-8"), "etc/imaged.yaml").data


def commands(group: click.Group, before: str = "") -> Iterator[tuple[str, click.Command]]:
    """Yield each command that does something, by the words that call it."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{before}{name} ")
        else:
            yield f"{before}{name}", command


def settings(section: object, before: str = "") -> Iterator[tuple[str, object]]:
    """Yield each setting with its default; what plugins and namespaces may hold is theirs."""
    assert isinstance(section, dict)
    for key, value in section.items():
        if isinstance(value, dict) and value:
            yield from settings(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value


@pytest.mark.parametrize(("words", "command"), list(commands(main)))
def test_every_command_is_in_the_manual(words: str, command: click.Command) -> None:
    """With its options."""
    assert f".Cm {words}\n" in COMMANDS
    for option in command.params:
        for flag in option.opts if isinstance(option, click.Option) else ():
            assert f"Fl {flag[1:]} " in COMMANDS, flag


@pytest.mark.parametrize(("key", "default"), list(settings(SHIPPED)))
def test_every_setting_is_in_the_manual(key: str, default: object) -> None:
    """With its default."""
    (shown,) = re.findall(rf"^\.It Va {re.escape(key)} Bq (.*)$", SETTINGS, re.MULTILINE)
    shown = shown.replace("\\(dq", '"')
    assert default in (yaml.safe_load(shown), "" if shown == "empty" else None)
