"""The settings of access: tokens, and who may write without one."""

from __future__ import annotations

import json

import pytest
from settings_world import World

from imaged.config.model import Settings

TOKEN, OTHER = "imaged_0123456789abcdefghij", "imaged_9876543210abcdefghij"
WORLD = World({"TOKEN": TOKEN, "OTHER": OTHER, "SHORT": "hunter2", "SAME": "a" * 40, "SPACE": f"{TOKEN} {OTHER}"})


def faults(tokens: str, *more: str) -> list[str]:
    """Return the faults of a list of tokens."""
    return WORLD.faults("\n".join(["access:", f"  tokens: {tokens}", *more]))


@pytest.mark.parametrize("word", ["namespaces", "actions"])
def test_all_is_a_word(word: str) -> None:
    """It stands for each namespace, or for each action, as leaving the key out does."""
    plain = f"access: {{tokens: [{{name: a, token: {TOKEN}}}]}}"
    said = f"access: {{tokens: [{{name: a, token: {TOKEN}, {word}: all}}]}}"
    assert WORLD.load(said).settings.access.known_tokens == WORLD.load(plain).settings.access.known_tokens


def test_tokens_by_reference() -> None:
    """Each has a name, and what it is for; without that it is for all. What is shown has the reference."""
    loaded = WORLD.load(
        "access: {tokens: [{name: a, token: {env: TOKEN}}, "
        "{name: b, token: {env: OTHER}, namespaces: [p, q], actions: [post]}]}"
    )
    assert loaded.faults == ()
    first, second = loaded.settings.access.known_tokens
    assert (first.name, first.namespaces, len(first.actions)) == ("a", frozenset(), 3)
    assert (second.name, second.namespaces, second.actions) == ("b", {"p", "q"}, {"post"})
    assert loaded.plain_values()["access"]["tokens"] == [
        {
            "name": "a",
            "token": {"env": "TOKEN"},
            "namespaces": "all",
            "actions": ["post", "process", "delete"],
        },
        {"name": "b", "token": {"env": "OTHER"}, "namespaces": ["p", "q"], "actions": ["post"]},
    ]
    shown = [repr(loaded.settings), repr(loaded.settings.access.tokens), json.dumps(loaded.plain_values())]
    assert not [text for text in shown if TOKEN in text]


def test_a_token_in_the_file_is_shown_nowhere() -> None:
    """`imaged config show` prints asterisks, and no fault quotes it."""
    loaded = WORLD.load(f"access: {{tokens: [{{name: a, token: {TOKEN}}}], signing_keys: [{OTHER}]}}")
    assert loaded.faults == ()
    assert loaded.settings.access.known_tokens
    assert loaded.plain_values()["access"]["tokens"][0]["token"] == "***"
    assert loaded.plain_values()["access"]["signing_keys"] == ["***"]
    (fault,) = faults("[{name: a, token: hunter2}]")
    assert "hunter2" not in fault


@pytest.mark.parametrize(
    ("tokens", "fault"),
    [
        (
            "[{name: a, token: {env: SHORT}}]",
            "0.token: this secret is too easy to guess: take at least 20 random characters; `imaged token new`",
        ),
        ("[{name: a, token: {env: SAME}}]", "0.token: this secret is too easy to guess"),
        ("[{name: a, token: {env: SPACE}}]", "0.token: a token has only letters, digits and -._~+/"),
        ('[{name: a, token: ""}]', "0.token: this secret is empty; `imaged token new` prints one"),
        ("[{name: a, token: 12345678901234567890}]", "0.token: this secret is no text"),
        ("[{name: a, token: {env: NONE}}]", '0.token: the environment has no variable "NONE"'),
        ("[{name: a}]", "0.token: is required"),
        ("[{token: {env: TOKEN}}]", "0.name: is required"),
        ("[{name: a b, token: {env: TOKEN}}]", "0.name: expected a name: 40 letters"),
        ("[{name: a, token: {env: TOKEN}, namespaces: []}]", "0.namespaces: the list is empty"),
        ("[{name: a, token: {env: TOKEN}, namespaces: p}]", "0.namespaces: expected a list"),
        ("[{name: a, token: {env: TOKEN}, namespaces: [P]}]", "0.namespaces.0: 'P' is not a namespace"),
        ("[{name: a, token: {env: TOKEN}, actions: []}]", "0.actions: the list is empty"),
        ("[{name: a, token: {env: TOKEN}, actions: [read]}]", "0.actions.0: expected one of post, process, delete"),
        ("[{name: a, token: {env: TOKEN}, action: post}]", '0.action: unknown key; did you mean "actions"?'),
        ("[{name: a, token: {env: TOKEN}}, {name: b, token: {env: TOKEN}}]", ": a and b are the same token"),
        ("[{name: a, token: {env: TOKEN}}, {name: a, token: {env: OTHER}}]", ": two tokens have the name a"),
    ],
)
def test_faults_of_tokens(tokens: str, fault: str) -> None:
    """Each is a single fault, with its line."""
    (found,) = faults(tokens)
    assert found.startswith("etc/imaged.yaml:2: access.tokens")
    assert f"access.tokens{'' if fault.startswith(':') else '.'}{fault}" in found


def test_open_writing_and_tokens_exclude_each_other() -> None:
    """Else an operator could take the port for closed."""
    (found,) = faults("[{name: a, token: {env: TOKEN}}]", "  open: true")
    assert found.startswith("etc/imaged.yaml:3: access.open: access.tokens lists tokens")


def test_who_may_write_without_a_token() -> None:
    """Without tokens, programs of this machine; every client, if the settings say so; with one, none."""
    assert Settings().access.needs_private_port
    assert "programs of this machine" in (Settings().access.open_to or "")
    opened = WORLD.load("access: {open: true}").settings.access
    assert (opened.needs_private_port, opened.open_to) == (False, "every client")
    closed = WORLD.load("access: {tokens: [{name: a, token: {env: TOKEN}}]}").settings.access
    assert (closed.needs_private_port, closed.open_to) == (False, None)
