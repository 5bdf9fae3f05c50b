"""The manual pages have every command, option and setting."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

import click
import pytest
import yaml
from source_tree import ROOT

from imaged.cli import main
from imaged.config.document import read_document
from imaged.hooks.installation import installed
from imaged.hooks.options import options_of
from imaged.hooks.registry import load_options

MAN = ROOT / "docs" / "man"
COMMANDS = (MAN / "imaged.1").read_text(encoding="utf-8")
SETTINGS = (MAN / "imaged.yaml.5").read_text(encoding="utf-8")
BUILT_IN = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["imaged"]
SHIPPED = read_document((ROOT / "etc" / "imaged.yaml").read_text(encoding="utf-8"), "etc/imaged.yaml").data


def commands(group: click.Group, before: str = "") -> Iterator[tuple[str, click.Command]]:
    """Yield each command without subcommands, with the words that call it."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{before}{name} ")
        else:
            yield f"{before}{name}", command


def settings(section: object, before: str = "") -> Iterator[tuple[str, object]]:
    """Yield each setting with its default, without the sections of plugins and namespaces."""
    assert isinstance(section, dict)
    for key, value in section.items():
        if isinstance(value, dict) and value:
            yield from settings(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value


@pytest.mark.parametrize(("words", "command"), list(commands(main)))
def test_every_command_is_in_the_manual(words: str, command: click.Command) -> None:
    """The manual has each command with its options."""
    assert f".Cm {words}\n" in COMMANDS
    for option in command.params:
        for flag in option.opts if isinstance(option, click.Option) else ():
            assert re.search(rf"Fl {re.escape(flag[1:])}\s", COMMANDS), flag


def documented(key: str) -> tuple[str, str]:
    """Return the default and the description of a setting in the manual."""
    ((default, text),) = re.findall(rf"^\.It Va {re.escape(key)} Bq (.*)\n((?:[^.].*\n)*)", SETTINGS, re.MULTILINE)
    return default, " ".join(text.split())


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_option_of_a_plugin_is_in_the_manual(name: str) -> None:
    """The manual has its default and the description that `imaged plugins` prints."""
    assert name in installed(), "pyproject.toml has a new plugin: make .venv/tools"
    model = load_options(installed()[name])
    assert model is not None
    for each in options_of(model):
        assert each.description, each.name
        words = {"required": "required", "none": "none", '""': "empty"}
        default = words.get(each.default) or str(yaml.safe_load(each.default))
        assert documented(f"plugins.{name}.{each.name}") == (default, each.description)


def test_the_debian_package_has_every_page_for_operators() -> None:
    """The package has all pages but the one on development, and the pictures that they show."""
    packaged = set((ROOT / "debian" / "imaged.docs").read_text().split())
    files = [*(ROOT / "docs").glob("*.md"), *(ROOT / "docs").glob("*.svg")]
    pages = {f"docs/{path.name}" for path in files} - {"docs/development.md"}
    assert pages <= packaged


def test_the_debian_package_asks_for_the_lowest_versions() -> None:
    """dh_python3 makes versioned dependencies of the listed ones."""
    lines = (ROOT / "debian" / "py3dist-overrides").read_text().splitlines()
    listed = {line.split()[0] for line in lines if line.endswith("; PEP386")}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert listed == {re.split(r"[\[>]", each.lower())[0] for each in project["dependencies"]}


@pytest.mark.parametrize(("key", "default"), list(settings(SHIPPED)))
def test_every_setting_is_in_the_manual(key: str, default: object) -> None:
    """With its default."""
    (shown,) = re.findall(rf"^\.It Va {re.escape(key)} Bq (.*)$", SETTINGS, re.MULTILINE)
    shown = shown.replace("\\(dq", '"')
    assert default in (yaml.safe_load(shown), "" if shown == "empty" else None)
