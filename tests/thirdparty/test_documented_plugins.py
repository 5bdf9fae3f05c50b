"""The plugins of docs/plugins.md work as shown, installed outside of this repository."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from source_tree import ROOT

import imaged.api

PAGE = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
PYPROJECT = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)[0]
SAMPLES = dict(re.findall(r"^```python\n# (\w+\.py)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "--no-cache-dir", "install"]
OFFLINE = ["--no-deps", "--no-index", "--no-build-isolation"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the page's samples with pip; return a folder with their tests and the installed modules."""
    written, folder = tmp_path_factory.mktemp("written"), tmp_path_factory.mktemp("reader")
    (written / "pyproject.toml").write_text(PYPROJECT)
    for name, text in SAMPLES.items():
        ((folder if name.startswith("test_") else written) / name).write_text(text)
    (written / "test_shout.py").write_text(SAMPLES["test_shout.py"])  # its author has it there, too
    subprocess.run([*PIP, *OFFLINE, "--target", str(folder / "site"), str(written)], check=True, timeout=120)
    return folder


def run(folder: Path, *arguments: str, modules: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run Python to its end in the reader's folder, with the installed modules, and with those of a folder."""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, filter(None, [folder / "site", modules])))}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False, timeout=120)


def test_they_pass_the_tests_that_the_page_shows(folder: Path) -> None:
    """The contract suites are among them, and run on the installed modules."""
    ended = run(folder, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert re.search(r"^\d{2,} passed", ended.stdout, re.MULTILINE), ended.stdout


def test_they_are_listed(folder: Path) -> None:
    """`imaged plugins` prints each name with its module and distribution."""
    listed = [line.split() for line in run(folder, "-m", "imaged", "plugins").stdout.splitlines()]
    for name in ("shout", "folder", "pil"):
        assert [name, f"imaged_{name}", "imaged-shout", "1.0"] in listed


HOSTILE = """
import sys, tempfile
from pathlib import Path
from corpus import small_made
from fuzz_case import Case, CaseRunner
from installed_processors import build
with tempfile.TemporaryDirectory() as folder:
    runner = CaseRunner(build(sys.argv[1]), Path(folder), lambda step: None)
    for name, body in small_made():
        for finding in runner.run(Case(body, ["x9.jpg", "full_size.png", "x9.ppm"], twice=False)):
            print(name, finding)
"""


@pytest.mark.parametrize("name", ["pil", "ppm"])
def test_the_processors_withstand_hostile_files(folder: Path, name: str) -> None:
    """They fail on none of the files that the built-in processor is tested with."""
    ended = run(folder, "-c", HOSTILE, name, modules=ROOT / "tests" / "hostile")
    assert (ended.returncode, ended.stdout) == (0, ""), ended.stderr


def test_a_broken_contract_is_reported_with_its_values(folder: Path) -> None:
    """The suite ends, and pytest shows more than a bare AssertionError."""
    (folder / "broken.py").write_text(
        "import pytest, imaged_folder\n"
        "from imaged.testing.fakes import make_host\n"
        "from imaged.testing.uploaders import UploaderContract\n"
        "from imaged.testing.waiting import wait\n"
        "from twisted.internet.threads import deferToThread\n"
        "class Threaded(imaged_folder.Folder):\n"
        "    async def list(self, prefix):\n"
        "        return await deferToThread(lambda: [prefix + '/wrong'])\n"
        "    async def delete(self, keys):\n"
        "        pass\n"
        "class TestBroken(UploaderContract):\n"
        "    @pytest.fixture\n"
        "    def uploader(self, tmp_path):\n"
        "        return Threaded(tmp_path, make_host().run_in_thread)\n"
    )
    ended = run(folder, "-m", "pytest", "-q", "-p", "no:cacheprovider", "broken.py", "-k", "replaces_what")
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert re.search(r"assert \['contract/\S+/wrong'\] == \['contract/\S+/x300.jpg'\]", ended.stdout), ended.stdout


VALUES = [
    each for each in vars(imaged.api).values() if isinstance(each, type) and hasattr(each, "__dataclass_fields__")
]
TOLD_ELSEWHERE = {"Host", "Counted", "Tally", "Timing"}


@pytest.mark.parametrize("value", [each for each in VALUES if each.__name__ not in TOLD_ELSEWHERE])
def test_every_field_of_every_value_is_on_the_page(value: Any) -> None:
    """Each field has its row."""
    row = re.search(rf"^\| `{value.__name__}` \|(.*)\|$", PAGE, re.MULTILINE)
    assert row is not None
    assert [field.name for field in fields(value) if f"`{field.name}`" not in row[1]] == []
