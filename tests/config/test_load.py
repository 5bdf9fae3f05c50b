"""A file, `--set` and the environment give Settings, or every fault."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from settings_world import World

from imaged.config.faults import ConfigurationError
from imaged.config.model import Settings

BROKEN = """\
listen: 7000
images:
  maximum_widht: 500
  default_quality: 101
  outputs: [x300.jpg, w5000.jpg]
render: {queue: ten}
render: {queue: 3}
store:
  partitions: [3, 40]
uploader: {env: NOPE}
namespaces:
  avatars: {extensions: [.exe]}
  no: {}
  Big: {}
  tiny:
    maximum_width: 10
sources: {allow_networks: [10.0.0.1/8], timeout_s: }
shutdown_timeout: 5
metrics: [statsd, statsd]
"""

FAULTS = """\
etc/imaged.yaml:1: listen: expected an endpoint such as "tcp:7000:interface=127.0.0.1", got 7000: write 'tcp:7000'
etc/imaged.yaml:3: images.maximum_widht: unknown key; did you mean "maximum_width"?
etc/imaged.yaml:4: images.default_quality: expected at most 100, got 101
etc/imaged.yaml:5: images.outputs.1: w5000.jpg is wider than 4096 pixels, the most allowed here
etc/imaged.yaml:6: render.queue: expected a whole number, got "ten"
etc/imaged.yaml:7: render: the key is given twice, first on line 6: keep one of them
etc/imaged.yaml:9: store.partitions.1: expected at most 31, got 40
etc/imaged.yaml:10: uploader: the environment has no variable "NOPE"
etc/imaged.yaml:12: namespaces.avatars.extensions.0: expected the extension of a format, such as jpg, got ".exe"
etc/imaged.yaml:13: namespaces: the key "no" is no text to YAML: put it in double quotes
etc/imaged.yaml:14: namespaces.Big: 'Big' is not a namespace: use lower-case letters, digits and _
etc/imaged.yaml:15: namespaces.tiny: x300.jpg is wider than 10 pixels, the most allowed here; \
it comes from images.outputs: set outputs here as well
etc/imaged.yaml:17: sources.allow_networks.0: expected a network, by its first address, \
such as 10.0.0.0/8 or fd00::/8, got "10.0.0.1/8"
etc/imaged.yaml:17: sources.timeout_s: expected a number, got nothing
etc/imaged.yaml:18: shutdown_timeout: unknown key; did you mean "shutdown_timeout_s"?
etc/imaged.yaml:19: metrics: an entry is listed twice: list each entry once
--set: upload.concurrency: expected a whole number, got "abc"
"""


def test_all_faults_are_found_at_once_with_lines() -> None:
    """One load finds faults of syntax, types, bounds, references, conflicts and `--set`, each with its place."""
    loaded = World().load(BROKEN, "upload.concurrency=abc")
    assert str(ConfigurationError(loaded.faults)) == FAULTS.rstrip()


def test_what_is_not_faulty_stays_in_the_settings() -> None:
    """Later checks get usable settings: faulty branches have their defaults, the others their values."""
    loaded = World().load(BROKEN)
    assert loaded.settings.listen == Settings().listen
    assert loaded.settings.store.partitions == (3, 3)
    assert loaded.settings.policy("tiny").maximum_width == 10
    assert loaded.settings.images.default_quality == 75


def test_an_empty_file_gives_the_defaults() -> None:
    """A missing file is the same as an empty one."""
    loaded = World().load("")
    assert (loaded.settings, loaded.faults) == (Settings(), ())


@pytest.mark.parametrize(
    ("yaml", "place"),
    [
        ("trusted_proxies: [127.0.0.1]", "limits.trusted_proxies"),
        ("signing_keys: []", "access.signing_keys"),
        ("store: {allowed_outputs: []}", "images.allowed_outputs"),
        ("namespaces: {a: {maximum_bytes: 1}}", None),
        ("timeout_s: 5", None),
    ],
)
def test_the_fault_of_a_misplaced_key_names_its_section(yaml: str, place: str | None) -> None:
    """If exactly one section has it."""
    (found,) = World().faults(yaml)
    assert (f'unknown key; did you mean "{place}"?' in found) == (place is not None)


@pytest.mark.parametrize(
    ("override", "fault"),
    [
        ("upload.concurrency", "--set: expected key.path=VALUE"),
        ("upload..concurrency=1", '--set: "upload..concurrency" is no key path'),
        ("=1", '--set: "" is no key path'),
        ("uploads.concurrency=1", '--set: uploads: unknown key; did you mean "upload"?'),
        ("images.outputs.0=x1.jpg", "--set: images.outputs.0: images.outputs has no keys: set the whole of it"),
        ("listen.port=1", "--set: listen.port: listen has no keys: it is one value"),
        ("upload.concurrency=[hunter2", "--set: upload.concurrency: the value is not YAML"),
        ("upload={concurrency: 1, concurrency: 2}", "--set: upload.concurrency: the key is given twice"),
        ("upload={concurency: 1}", '--set: upload.concurency: unknown key; did you mean "concurrency"?'),
        ("plugins.s3.key=!hunter2!x", "--set: plugins.s3.key: the value is not YAML"),
        ("upload.concurrency=", '--set: upload.concurrency: expected a whole number, got ""'),
    ],
)
def test_the_fault_of_an_override_hides_its_value(override: str, fault: str) -> None:
    """The message has the key and the reason, and hides the value."""
    (found,) = World().faults("listen: 'tcp:1'\nimages:\n  outputs: [x300.jpg]", override)
    assert found.startswith(fault)
    assert "hunter2" not in found


def test_overrides_win_over_the_file_and_later_ones_over_earlier() -> None:
    """`--set` creates missing sections; its values are YAML, but empty values and those with # are text."""
    loaded = World().load(
        "upload: {concurrency: 3}\nremote: {base_path: a}\nimages: {background: '#000000'}\nstore:\n",
        "upload.concurrency=4",
        "upload.concurrency=5",
        "remote.base_path=",
        "images.background=#abcdef",
        "store.partitions=[2, 2]",
        "namespaces.avatars.maximum_width=64",
    )
    assert loaded.faults == ()
    found = loaded.settings
    assert (found.upload.concurrency, found.remote.base_path, found.images.background) == (5, "", "#abcdef")
    assert (found.store.partitions, found.policy("avatars").maximum_width) == ((2, 2), 64)


def test_an_override_can_mend_a_faulty_value() -> None:
    """A wrong value in the file is no fault when `--set` overrides it."""
    assert World().faults("upload: {concurrency: ten}", "upload.concurrency=2") == []


def test_a_later_check_finds_the_nearest_line() -> None:
    """A path that the file does not set has the line of the section around it; `--set` has no line."""
    loaded = World().load("plugins:\n  s3: {}\nupload: {concurrency: 2}", "metrics=[statsd]")
    assert loaded.places.fault(("plugins", "s3", "bucket"), "m").line == 2
    assert str(loaded.places.fault(("uploader",), "m")) == "etc/imaged.yaml: uploader: m"
    assert str(loaded.places.fault(("metrics", 0), "m")) == "--set: metrics.0: m"
    assert str(loaded.places.fault((), "m")) == "etc/imaged.yaml: m"


def test_what_is_shown_can_be_loaded_again() -> None:
    """The output of `config show` is a file with the same settings."""
    loaded = World().load(
        "sources: {allow_networks: [127.0.0.0/8], timeout_s: 0.5}\nnamespaces: {p: {outputs: [x300-q5.jpg]}}\n"
        "plugins: {s3: {a: {b: [1, null, x]}}}"
    )
    again = World().load(yaml.safe_dump(loaded.plain_values()))
    assert (again.settings, again.faults) == (loaded.settings, ())


KEYS = st.sampled_from(
    [*Settings.model_fields, "path", "partitions", "outputs", "maximum_width", "concurrency", "env", "file", "x", ""]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("x300.jpg")
TREES = st.dictionaries(
    KEYS,
    st.recursive(
        SCALARS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
        max_leaves=8,
    ),
    max_size=5,
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(data=TREES, overrides=st.lists(st.text(max_size=10) | st.builds("{}={}".format, KEYS, SCALARS), max_size=2))
def test_nothing_in_a_file_raises(data: dict[str, Any], overrides: list[str]) -> None:
    """Any data gives Settings that can be shown, and faults of one line."""
    loaded = World({"x": "1"}).load(yaml.safe_dump(data), *overrides)
    assert isinstance(loaded.settings, Settings)
    assert all(str(fault).isprintable() for fault in loaded.faults)
    assert set(loaded.plain_values()) == set(Settings.model_fields)


@given(text=st.text(max_size=60))
def test_no_text_raises_either(text: str) -> None:
    """Any text gives Settings."""
    assert isinstance(World().load(text).settings, Settings)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("listen: 0.0.0.0:7000", ": write 'tcp:7000:interface=0.0.0.0'"),
        ("listen: ':7000'", ": write 'tcp:7000'"),
        ("listen: '*:7000'", ": write 'tcp:7000'"),
        ("listen: localhost:7000", ": write 'tcp:7000:interface=127.0.0.1'"),
        ("listen: '[::1]:7000'", ": write 'tcp:7000:interface=\\:\\:1'"),
        ("listen: ':70000'", 'got ":70000"'),
        ("images: {extensions: [.png]}", '; did you mean "png"?'),
        ("images: {outputs: w500.jpg}", 'got "w500.jpg": put it in [ ]'),
        ("store: {maximum_bytes: 100GB}", 'got "100GB": write the number of bytes'),
        ("sources: {timeout_s: 10s}", 'got "10s": write the number of seconds'),
        ("erase: {remember_days: 90d}", 'got "90d": write the number of days'),
    ],
)
def test_a_similar_value_is_suggested(text: str, hint: str) -> None:
    """The message suggests the value that the operator probably meant."""
    (fault,) = World().faults(text)
    assert fault.endswith(hint)
