"""`imaged token new`: what it prints."""

from __future__ import annotations

import re

import pytest
import yaml
from click.testing import CliRunner, Result
from settings_world import World

from imaged.cli import main


def run(*arguments: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(main, ["token", "new", *arguments])


@pytest.mark.parametrize(
    ("arguments", "name", "namespaces", "actions"),
    [
        ([], "app", frozenset(), {"post", "process", "delete"}),
        (
            ["--name", "shop", "--namespace", "p", "--namespace", "q", "--action", "post", "--action", "delete"],
            "shop",
            {"p", "q"},
            {"post", "delete"},
        ),
        (
            ["--name", "no", "--namespace", "123", "--namespace", "on"],
            "no",
            {"123", "on"},
            {"post", "process", "delete"},
        ),
    ],
)
def test_the_settings_take_what_it_prints(
    arguments: list[str], name: str, namespaces: set[str], actions: set[str]
) -> None:
    """The standard output has the token alone, so that it can go into a file; standard error has the lines."""
    done = run(*arguments)
    token = done.stdout.removesuffix("\n")
    assert re.fullmatch(r"imaged_[A-Za-z0-9_-]{43}", token)
    assert token not in done.stderr
    shown = [line for line in done.stderr.splitlines() if re.match("     *(access|tokens|-)", line)]
    lines = "\n".join(line.removeprefix("    ") for line in shown)
    (entry,) = yaml.safe_load(lines)["access"]["tokens"]
    assert entry["token"] == {"file": f"{name}.token"}
    loaded = World(files={f"etc/{name}.token": f"{token}\n"}).load(lines)
    assert loaded.faults == ()
    (made,) = loaded.settings.access.known_tokens
    assert (made.name, made.namespaces, made.actions) == (name, namespaces, actions)


def test_each_token_is_another() -> None:
    """It has 256 random bits."""
    assert len({run().stdout for _ in range(20)}) == 20


@pytest.mark.parametrize(
    "arguments", [["--name", "a b"], ["--name", ""], ["--name", "../x"], ["--namespace", "P"], ["--action", "read"]]
)
def test_what_no_settings_would_take(arguments: list[str]) -> None:
    """Nothing is printed but a message."""
    done = run(*arguments)
    assert (done.exit_code, done.stdout) == (2, "")
