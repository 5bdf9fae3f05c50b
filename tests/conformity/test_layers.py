"""Imports point one way."""

from __future__ import annotations

import ast
import re
from graphlib import TopologicalSorter

import pytest
from source_tree import ROOT, imports, module_of, modules

RANKS = {
    "core": 0,
    "config": 1,
    "hooks": 2,
    "machine": 2,
    "garbage": 2,
    "owners": 2,
    "api": 3,
    "workers": 3,
    "fetch": 3,
    "store": 3,
    "jobs": 3,
    "testing": 4,
    "pipeline": 4,
    "profiling": 4,
    "process": 5,
    "logs": 5,
    "statuspage": 5,
    "web": 6,
    "batch": 6,
    "daemon": 7,
    "commands": 8,
    "cli": 9,
    "__main__": 10,
}
"""Each room may import rooms of a lower rank, and itself."""

OURS = [name for name in modules() if name.split(".")[0] == "imaged"]
PLUGINS = [name for name in modules() if name.split(".")[0] != "imaged"]
IMPURE = {"twisted", "wand", "os", "time", "random", "socket", "threading", "subprocess", "logging"}


def room(module: str) -> str:
    """Return the room that a module of imaged is in."""
    return module.split(".")[1] if "." in module else ""


def test_every_room_has_its_place() -> None:
    """Each folder and module of imaged has a rank above."""
    assert {room(name) for name in OURS} - {""} == set(RANKS)


@pytest.mark.parametrize("name", OURS)
def test_a_room_imports_lower_rooms_only(name: str) -> None:
    """No room imports a room of the same or a higher rank."""
    ours = {found for each in imports(name) if (found := module_of(each)) and found.startswith("imaged.")}
    rank = RANKS.get(room(name), -1)
    assert [other for other in sorted(ours) if room(other) != room(name) and RANKS[room(other)] >= rank] == []


@pytest.mark.parametrize("name", OURS)
def test_imaged_names_no_plugin(name: str) -> None:
    """Built-in plugins are found by their entry points, as third-party ones are."""
    packages = {plugin.split(".")[0] for plugin in PLUGINS}
    assert [each for each in imports(name) if each.split(".")[0] in packages] == []


@pytest.mark.parametrize("name", [name for name in OURS if room(name) not in {"hooks", "workers"}])
def test_the_engine_is_the_only_way_to_a_processor(name: str) -> None:
    """Other rooms pass processors on, but do not call them."""
    assert not {"CheckedProcessor", "Processors"}.intersection(re.findall(r"\w+", modules()[name].read_text()))


@pytest.mark.parametrize("name", PLUGINS)
def test_plugins_import_the_api_alone(name: str) -> None:
    """Built-in plugins import `imaged.api` alone, as third-party ones do, and no other plugin."""
    own = name.split(".", maxsplit=1)[0]
    ours = {found for each in imports(name) if (found := module_of(each))}
    assert {each for each in ours if each.split(".")[0] != own} <= {"imaged.api"}


@pytest.mark.parametrize("name", [name for name in OURS if room(name) in {"core", "config"}])
def test_the_lowest_rooms_are_pure(name: str) -> None:
    """They import no module for network, disk, clock, random numbers or log."""
    assert [each for each in imports(name) if each.split(".")[0] in IMPURE] == []


@pytest.mark.parametrize("name", [name for name in modules() if room(name) not in {"cli", "testing"}])
def test_the_command_line_alone_knows_the_global_reactor(name: str) -> None:
    """Other modules of the daemon receive a reactor as an argument."""
    assert "twisted.internet.reactor" not in imports(name)


def test_no_modules_import_each_other() -> None:
    """The imports of all modules have no cycle."""
    graph = {
        name: {found for each in imports(name) if (found := module_of(each)) not in {name, None}} for name in modules()
    }
    TopologicalSorter(graph).prepare()


def test_the_table_of_rooms_has_each_with_its_rank() -> None:
    """Apart from the start of the program, which is no room."""
    page = (ROOT / "docs" / "development.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| `imaged/(\w+)(?:/|\.py)` \|", page, re.MULTILINE)
    assert {room: int(rank) for rank, room in rows} == {room: RANKS[room] for room in RANKS if room != "__main__"}


def test_each_room_says_what_it_is_for() -> None:
    """In one line, which differs from those of the other rooms."""
    sources = {path: path.read_text(encoding="utf-8") for path in (ROOT / "imaged").glob("*/__init__.py")}
    lines = {path: ast.get_docstring(ast.parse(source)) or "" for path, source in sources.items()}
    assert [path for path, line in lines.items() if not line.endswith(".") or "\n" in line] == []
    assert len(set(lines.values())) == len(lines)
