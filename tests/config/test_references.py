"""References, and the silence about what they stand for."""

from __future__ import annotations

import json
from copy import deepcopy

import pytest
from settings_world import World

from imaged.config.load import load
from imaged.config.references import Secret

SECRET = "hunter2-Hunter2/very+secret="


def test_references_are_resolved_wherever_a_value_stands() -> None:
    """Sections, lists and the options of plugins may all hold them; a file lies beside the settings."""
    world = World({"LISTEN": "tcp:1", "PLUGIN": "statsd"}, {"etc/key": "s3cret\r\n"})
    loaded = world.load("listen: {env: LISTEN}\nmetrics: [{env: PLUGIN}]\nplugins: {s3: {a: [{key: {file: key}}]}}")
    assert loaded.faults == ()
    assert loaded.settings.listen == "tcp:1"
    assert loaded.settings.metrics == ("statsd",)
    assert loaded.settings.plugins == {"s3": {"a": [{"key": "s3cret"}]}}


def test_an_absolute_file_is_read_where_it_lies() -> None:
    """Only a relative path begins at the settings' folder."""
    world = World(files={"/run/secrets/url": "https://a.example"})
    assert world.load("remote: {base_url: {file: /run/secrets/url}}").settings.remote.base_url == "https://a.example"


def test_only_line_ends_are_removed_from_a_file() -> None:
    """A secret may begin and end with spaces."""
    loaded = World(files={"etc/key": " s3cret \r\n\n"}).load("plugins: {s3: {key: {file: key}}}")
    assert loaded.settings.plugins == {"s3": {"key": " s3cret "}}


def test_a_reference_gives_a_number_where_one_is_wanted() -> None:
    """The text becomes a number for a number's key and stays text for a text's key."""
    world = World({"TEN": " 10\n", "NAME": "10"})
    loaded = world.load(
        "upload: {concurrency: {env: TEN}}\nrender: {timeout_s: {env: TEN}}\nuploader: {env: NAME}\n"
        "namespaces: {p: {maximum_width: {env: TEN}}}\nstore: {partitions: [{env: TEN}]}"
    )
    assert loaded.faults == ()
    settings = loaded.settings
    assert (settings.upload.concurrency, settings.render.timeout_s, settings.uploader) == (10, 10.0, "10")
    assert (settings.policy("p").maximum_width, settings.store.partitions) == (10, (10,))


def test_the_command_line_may_hold_references() -> None:
    """`--set` values are resolved like those of the file."""
    loaded = World({"N": "7"}).load("", "upload.concurrency={env: N}", "plugins.s3.key={env: N}")
    assert (loaded.settings.upload.concurrency, loaded.settings.plugins) == (7, {"s3": {"key": "7"}})


def test_a_namespace_or_section_called_env_is_none() -> None:
    """A mapping is a reference only when its one value is text."""
    loaded = World().load("namespaces: {env: {maximum_width: 5}}\nplugins: {file: {a: 1}, env: {}}")
    assert loaded.faults == ()
    assert loaded.settings.policy("env").maximum_width == 5


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("uploader: {env: NOPE}", 'etc/imaged.yaml:1: uploader: the environment has no variable "NOPE"'),
        ("metrics:\n- {env: NOPE}", 'etc/imaged.yaml:2: metrics.0: the environment has no variable "NOPE"'),
        ("metrics:\n- {env: NOPE}\n- 5", 'etc/imaged.yaml:2: metrics.0: the environment has no variable "NOPE"'),
        ("uploader: {file: a/b}", 'etc/imaged.yaml:1: uploader: cannot read "etc/a/b": No such file or directory'),
        ("uploader: {env: BROKEN}", "etc/imaged.yaml:1: uploader: what {env: BROKEN} holds is not UTF-8"),
        ("uploader: {env: NAME, file: b}", "etc/imaged.yaml:1: uploader: expected text, got a mapping"),
        ("plugins: {s3: {env: NAME}}", "etc/imaged.yaml:1: plugins.s3: expected a mapping, got text from {env: NAME}"),
        ("env: NAME", "etc/imaged.yaml:1: env: unknown key; the keys here are listen, status, log"),
    ],
)
def test_a_reference_that_leads_nowhere_is_a_fault(text: str, fault: str) -> None:
    """It names the variable or the file, which are no secrets."""
    (found,) = World({"BROKEN": "a\udcff", "NAME": "value"}).faults(text)
    assert found.startswith(fault)


@pytest.mark.parametrize("failure", [UnicodeDecodeError("utf-8", b"\xff", 0, 1, "no"), ValueError("null byte")])
def test_a_file_that_is_no_text_is_a_fault(failure: Exception) -> None:
    """What reading raises becomes a fault at the reference."""

    def read_bytes(_path: str) -> bytes:
        raise failure

    (fault,) = load("a: 1\nuploader: {file: b}", "f.yaml", environ={}, read_bytes=read_bytes).faults[1:]
    assert (fault.line, fault.path) == (2, ("uploader",))


@pytest.mark.parametrize(
    "text",
    [
        "listen: {env: SECRET}",
        "state_dir: [{env: SECRET}]",
        "upload: {concurrency: {env: SECRET}}",
        "store: {partitions: {env: SECRET}}",
        "images: {outputs: [{env: SECRET}], extensions: [{env: SECRET}], background: {env: SECRET}}",
        "remote: {base_url: {env: SECRET}, base_path: {env: SECRET}}",
        "sources: {allow_networks: [{env: SECRET}]}",
        "processors: [{env: SECRET}, {env: SECRET}]",
        "plugins: {s3: {key: {env: SECRET}}, gcs: {env: SECRET}}",
        "status: {env: SECRET}",
    ],
)
def test_what_a_reference_stands_for_is_never_told(text: str) -> None:
    """Not in a fault, a repr, a str or the shown settings, whether it is accepted or not."""
    loaded = World({"SECRET": SECRET}).load(text)
    told = [*map(str, loaded.faults), *map(repr, loaded.faults), repr(loaded), str(loaded), repr(loaded.settings)]
    told += [
        str(loaded.settings),
        repr(loaded.places),
        repr(loaded.places.references),
        json.dumps(loaded.plain_values()),
    ]
    assert not [line for line in told if "hunter2" in line.casefold() or "very" in line]


def test_the_words_of_others_are_kept_back_where_a_reference_stands() -> None:
    """They may quote any piece of it, so the fault names the reference; elsewhere they stay whole."""
    loaded = World({"LISTEN": "tcp:7001:interface=10.9.8.7"}).load("listen: {env: LISTEN}")
    message = "cannot listen on 'TCP:7001:interface=10.9…': address already in use"
    said = loaded.places.quoting_fault(("listen",), message).message
    assert said == "is not accepted; why is not shown, for it may tell what {env: LISTEN} holds"
    message = "not the tcp:7001 of listen"
    assert loaded.places.quoting_fault(("uploader",), message).message == message
    assert loaded.describe_value(("listen",), "tcp:7001") == "what {env: LISTEN} holds"


def test_a_conflict_elsewhere_names_the_reference() -> None:
    """An output from a reference is not shown either where a namespace inherits it."""
    world = World({"OUT": "x300.jpg"})
    (fault,) = world.faults("images: {outputs: [{env: OUT}]}\nnamespaces: {p: {maximum_width: 10}}")
    assert fault.startswith("etc/imaged.yaml:2: namespaces.p: is not accepted; why is not shown")


def test_a_secret_prints_as_asterisks() -> None:
    """Only a model and JSON have its text; a copy stays a secret."""
    section = World({"KEY": SECRET}).load("plugins: {s3: {key: {env: KEY}}}").settings.plugins["s3"]
    secret = section["key"]
    assert isinstance(secret, Secret)
    shown = [str(secret), repr(secret), f"{secret}", f"{secret!r:>9}", "%s" % secret, repr(section)]  # noqa: UP031
    shown += [repr(deepcopy(section)), repr(ValueError(secret)), str(ValueError(secret)), "{}".format(secret)]  # noqa: UP032
    assert not [text for text in shown if "hunter2" in text.casefold()]
    assert json.loads(json.dumps(section)) == {"key": SECRET}


NO_PLUGIN = "expected the name of a plugin: letters, digits, _, - and ."
NO_AGENT = 'expected up to 500 characters of ASCII, such as "imaged (ops@example.com)"'
NO_EXTENSION = "expected the extension of a format, such as jpg"
NO_ENDPOINT = 'expected an endpoint such as "tcp:7000:interface=127.0.0.1"'


@pytest.mark.parametrize(
    ("text", "holds", "fault"),
    [
        ("uploader: {env: IT}", "the name of a plugin!", f"uploader: {NO_PLUGIN}"),
        ("images: {extensions: [{env: IT}]}", ".jpg", f"images.extensions.0: {NO_EXTENSION}"),
        ("render: {queue: {env: IT}}", "whole", "render.queue: expected a whole number"),
        ("listen: {env: IT}", "127.0.0.1:7000", f"listen: {NO_ENDPOINT}"),
        ("sources: {user_agent: {env: IT}}", "a\tb", f"sources.user_agent: {NO_AGENT}"),
    ],
)
def test_our_own_words_stay_whole(text: str, holds: str, fault: str) -> None:
    """Though the secret has some of them: what they say is not taken from it."""
    assert World({"IT": holds}).faults(text) == [f"etc/imaged.yaml:1: {fault}, got text from {{env: IT}}"]


def test_shown_settings_hold_the_references() -> None:
    """`config show` shows what the file says, beside the defaults."""
    loaded = World({"KEY": SECRET, "TEN": "10"}).load(
        "plugins: {s3: {key: {env: KEY}, list: [1.0, null, {env: KEY}]}}\nupload: {concurrency: {env: TEN}}\n"
        "namespaces: {p: {outputs: [x300.jpg]}}"
    )
    shown = loaded.plain_values()
    assert shown["plugins"] == {"s3": {"key": {"env": "KEY"}, "list": [1.0, None, {"env": "KEY"}]}}
    assert shown["upload"]["concurrency"] == {"env": "TEN"}
    assert shown["namespaces"] == {"p": {"outputs": ["x300.jpg"]}}
    assert shown["listen"] == "tcp:7000:interface=127.0.0.1"
