"""No file tells a reader or a program to install `imaged` from PyPI: another project has that name."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from source_tree import ROOT

from imaged.hooks.installation import DISTRIBUTION, packages

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
MADE = {".git", ".venv", "build", "dist", "node_modules", "var"}
"""Folders of made or installed files; the names of caches end in `_cache` or `__pycache__`."""

INSTALLERS = r"(?:pip[x3]?|uv|poetry|pdm|hatch|conda|mamba|easy_install)"
COMMAND = re.compile(rf"\b{INSTALLERS}\s(?:[^`\n;&|]*\s)?(?:install|add|download|wheel|run|upgrade)\s[^`\n;&|#]*")
REQUIREMENT = r"imaged(?:\[[\w\s,.-]*\])?\s*(?:(?:[=<>!~]=?=?|@)\s*[\w.].*)?"
ASKED_FOR = (
    re.compile(r"(?<![\w/.-])imaged\[[\w\s,.-]+\]"),  # an extra, wherever it stands
    re.compile(r"""["']imaged\s*(?:[=<>!~]=|[<>]|@\s*\w+[:+])"""),  # a version of it
    re.compile(r"""(?:dependencies|requires)\w*\s*=\s*[\[(][^\])]*["']imaged["']"""),
    re.compile(r"(?m)^Requires-Dist:\s*imaged\s*(?:$|[^\w-])"),
)


def asks(text: str) -> Iterator[str]:
    """Yield each place of a text that has its reader, or a program, install the distribution `imaged`."""
    joined = text.replace("\\\n", " ")
    for command in COMMAND.finditer(joined):
        words = (word.strip("\"'()[,:") for word in command[0].split())
        if any(re.fullmatch(REQUIREMENT, word.removesuffix(".")) for word in words):
            yield command[0]
    for pattern in ASKED_FOR:
        yield from (each[0] for each in pattern.finditer(joined))


def files() -> Iterator[Path]:
    """Yield every file of the source."""
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in MADE and not name.endswith(("_cache", "__pycache__"))]
        yield from (Path(folder, name) for name in names)


def test_no_file_installs_another_project() -> None:
    """Messages, pages and metadata name our distribution instead."""
    found = {}
    for path in files():
        if path == Path(__file__) or not path.is_file():
            continue
        if asked := list(asks(path.read_text(encoding="utf-8", errors="replace"))):
            found[str(path.relative_to(ROOT))] = asked
    assert found == {}


@pytest.mark.parametrize(
    "text",
    [
        "run `pip install imaged`.",
        "pip3 install --upgrade 'imaged[s3]'",
        'boto3 is missing; python -m pip install "imaged>=2"',
        "pip install \\\n    --user imaged",
        "uv tool install imaged",
        "pipx run imaged check",
        "    it takes imaged[manta,s3]",
        'dependencies = ["treq", "imaged"]',
        "dev = ['imaged >= 2.0']",
        "Requires-Dist: imaged (>=2)\n",
    ],
)
def test_advice_to_install_another_project_is_found(text: str) -> None:
    """The search finds commands of every installer, requirements and extras."""
    assert list(asks(text))


@pytest.mark.parametrize(
    "text",
    [
        "`pip install` it beside imaged",
        "`pip install 'boto3>=1.37'` in the environment of imaged",
        "pip install 'imaged-server[s3]'",
        "pip install ./imaged_server-2.0-py3-none-any.whl[s3]",
        "RUN pip install '/usr/src/imaged[s3]'",
        "apt install imaged",
        'packages = ["imaged"]',
    ],
)
def test_sound_advice_passes(text: str) -> None:
    """The search ignores our own distribution, other projects and other installers."""
    assert list(asks(text)) == []


def test_every_extra_of_a_plugin_is_known_by_its_packages() -> None:
    """`packages` returns the extra's requirements in `pyproject.toml`; docs/operations.md lists the same."""
    assert PROJECT["name"] == DISTRIBUTION
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    extras = set(PROJECT["optional-dependencies"]) & set(PROJECT["entry-points"]["imaged"])
    assert extras
    for extra in extras:
        asked = PROJECT["optional-dependencies"][extra]
        assert packages(extra) == asked, f"{extra}: run make .venv/tools"
        (row,) = re.findall(rf"^\| `{extra}` \| python3-\S+.* \| (.*) \|$", page, re.MULTILINE)
        assert re.findall(r"'([^']+)'", row) == asked
