"""`smf/imaged.xml` starts, stops and reloads the daemon. Only illumos has its DTD."""

from __future__ import annotations

import re
import shlex
import tomllib
from itertools import pairwise
from pathlib import PurePosixPath
from xml.etree.ElementTree import Element, fromstring

import pytest
from source_tree import ROOT

from imaged.cli import main
from imaged.commands import configuration
from imaged.config.model import Settings

FOLDER = ROOT / "smf"
TEXT = (FOLDER / "imaged.xml").read_text(encoding="utf-8")
SCRIPTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]

PARTS = [
    "dependency",
    "method_context",
    "exec_method",
    "property_group",
    "instance",
    "stability",
    "template",
]
"""The parts of a service, in the order of the DTD."""


def only(place: Element, path: str) -> Element:
    """Return the one element at a path."""
    (found,) = place.findall(path)
    return found


BUNDLE = fromstring(TEXT)
SERVICE = only(BUNDLE, "service")
PROPERTIES = {
    f"{group.get('name')}/{each.get('name')}": each.get("value", "")
    for group in SERVICE.findall("property_group")
    for each in group.findall("propval")
}
"""The value of every property, by its name in methods."""


def method(name: str) -> Element:
    """Return the method that svc.startd runs to start, stop or refresh."""
    return only(SERVICE, f"exec_method[@name='{name}']")


def start_words() -> list[str]:
    """Return the words of the start line, with each property replaced by its value."""
    line = re.sub(r"%\{(.+?)\}", lambda token: shlex.quote(PROPERTIES[token[1]]), method("start").get("exec", ""))
    return list(shlex.shlex(line, posix=True, punctuation_chars=True))


def test_it_names_its_dtd() -> None:
    """The document type has the DTD's path on illumos, and the bundle is a manifest."""
    assert '\n<!DOCTYPE service_bundle SYSTEM "/usr/share/lib/xml/dtd/service_bundle.dtd.1">\n' in TEXT
    assert (BUNDLE.tag, BUNDLE.get("type"), SERVICE.get("type")) == ("service_bundle", "manifest", "service")


def test_its_parts_are_in_the_order_of_the_dtd() -> None:
    """On import, svccfg refuses any other order."""
    places = [PARTS.index(part.tag) for part in SERVICE]
    assert places == sorted(places)
    assert set(places) == set(range(len(PARTS)))


def test_every_part_has_a_comment() -> None:
    """The comment stands directly above; the template needs none."""
    lines = TEXT.splitlines()
    parts = [(match[1], above) for above, line in pairwise(lines) if (match := re.match(r" {4}<(\w+)", line))]
    assert [name for name, _ in parts] == [part.tag for part in SERVICE]
    bare = [name for name, above in parts if not above.endswith("-->")]
    assert bare == ["stability", "template"]


def test_start_is_a_command_of_ours() -> None:
    """The start line has our program, one of its commands, and options of that command."""
    program, command, *arguments, background = start_words()
    assert PurePosixPath(program).is_relative_to("/usr/bin")
    assert PurePosixPath(program).name in SCRIPTS
    assert command == "run"
    assert background == "&"
    given = main.commands[command].make_context(command, arguments).params
    assert given == {"config": PROPERTIES["config/file"], "overrides": ()}


def test_the_settings_are_where_the_daemon_looks_for_them() -> None:
    """`imaged check` without -c checks the settings of the service."""
    assert PROPERTIES["config/file"] == str(configuration.SYSTEM)


def test_start_returns_and_leaves_the_daemon_in_its_contract() -> None:
    """An ampersand starts the daemon in the background; the contract outlives the shell."""
    assert PROPERTIES["startd/duration"] == "contract"
    assert [word for word in start_words() if set(word) & set("&|;<>()")] == ["&"]


def test_a_worker_that_dies_does_not_restart_the_service() -> None:
    """A process of the contract may dump core or be killed; the service restarts when no process is left."""
    assert PROPERTIES["startd/ignore_error"].split(",") == ["core", "signal"]


@pytest.mark.parametrize(("name", "signal"), [("stop", "TERM"), ("refresh", "HUP")])
def test_every_other_method_is_a_signal(name: str, signal: str) -> None:
    """Stop and refresh send the signals for shutdown and reload."""
    assert method(name).get("exec") == f":kill -{signal}"


def test_there_are_no_other_methods_and_no_scripts() -> None:
    """The manifest runs only the daemon."""
    assert [each.get("name") for each in SERVICE.iter("exec_method")] == ["start", "stop", "refresh"]
    assert [path.name for path in FOLDER.iterdir()] == ["imaged.xml"]


def test_stop_has_more_patience_than_the_daemon() -> None:
    """The timeout of stop exceeds `shutdown_timeout_s`."""
    assert int(method("stop").get("timeout_seconds", "")) >= Settings().shutdown_timeout_s + 10


def test_it_runs_without_privileges() -> None:
    """The service has its own user and group, and fewer privileges than a login."""
    credential = only(SERVICE, "method_context/method_credential")
    assert (credential.get("user"), credential.get("group")) == ("imaged", "imaged")
    basic, *others = credential.get("privileges", "").split(",")
    assert basic == "basic"
    assert [each for each in others if not each.startswith("!")] == []


def test_its_surroundings_are_its_own() -> None:
    """The working directory and the environment are those of the manifest."""
    context = only(SERVICE, "method_context")
    assert PurePosixPath(context.get("working_directory", "")).is_absolute()
    assert {each.get("name") for each in context.iter("envvar")} >= {"PATH", "LANG"}


def test_it_waits_for_disks_and_network() -> None:
    """It waits for disks and network, and for name services only where they are enabled."""
    needs = {each.get("name"): each.get("grouping") for each in SERVICE.findall("dependency")}
    assert needs == {"filesystem": "require_all", "network": "require_all", "name-services": "optional_all"}


def test_it_is_off_until_it_is_enabled() -> None:
    """Importing the manifest starts nothing."""
    assert only(SERVICE, "instance").attrib == {"name": "default", "enabled": "false"}


def test_the_template_describes_the_service() -> None:
    """The template has a name, a description, links, and every property that operators set."""
    template = only(SERVICE, "template")
    assert 0 < len(only(template, "common_name/loctext").text or "") < 40
    assert only(template, "description/loctext").text
    assert template.findall("documentation/doc_link")
    described = {
        f"{group.get('name')}/{each.get('name')}"
        for group in template.findall("pg_pattern")
        for each in group.findall("prop_pattern")
        if only(each, "description/loctext").text
    }
    assert described == {name for name in PROPERTIES if not name.startswith("startd/")}
