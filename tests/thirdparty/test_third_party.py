"""The real daemon works with plugins of another distribution, installed by pip."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from imaged.testing.pictures import make_png

DISTRIBUTION = Path(__file__).parent / "imaged-folder"
PICTURE = make_png()
DIGITS = hashlib.md5(PICTURE).hexdigest()
HOME = f"p/{DIGITS[:3]}/{DIGITS[3:6]}/{DIGITS[6:]}"
LONGEST_S = 20


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the distribution, as pip does it and without a network, into a folder of its own."""
    site = tmp_path_factory.mktemp("site")
    copy = tmp_path_factory.mktemp("source")
    subprocess.run(["cp", "-r", f"{DISTRIBUTION}/.", copy], check=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "--no-cache-dir"]
    options = ["--no-deps", "--no-index", "--no-build-isolation", "--target", str(site)]
    subprocess.run([*pip, "install", *options, str(copy)], check=True, timeout=120)
    return site


@dataclass(frozen=True)
class InstalledFolder:
    """A folder with settings, in which commands of imaged see the installed distribution."""

    folder: Path
    site: Path

    def configure(self, **changes: Any) -> None:
        """Write the settings."""
        settings = {
            "listen": "tcp:0:interface=127.0.0.1",
            "status": {"listen": "tcp:0:interface=127.0.0.1"},
            "render": {"concurrency": 1},
            "uploader": "folder",
            "metrics": ["lines"],
            "plugins": {"folder": {"path": "remote"}, "lines": {"path": "lines.jsonl"}},
            "remote": {"base_path": "public/images"},
        }
        (self.folder / "imaged.yaml").write_text(yaml.safe_dump(settings | changes, sort_keys=False))

    def imaged(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            [sys.executable, "-m", "imaged", *arguments],
            cwd=self.folder,
            env=self._environ(),
            capture_output=True,
            text=True,
            check=False,
            timeout=LONGEST_S,
        )

    @contextmanager
    def daemon(self) -> Iterator[str]:
        """Run the daemon for as long as the block does, on its public URL."""
        command = [sys.executable, "-m", "imaged", "run", "-c", "imaged.yaml"]
        log = self.folder / "log"
        with log.open("w") as stderr:
            process = subprocess.Popen(command, cwd=self.folder, env=self._environ(), stderr=stderr)
        try:
            found = until(lambda: re.search(r"serves images on (http://[^\"\s]+)", log.read_text()) or process.poll())
            assert isinstance(found, re.Match), log.read_text()
            yield found[1]
        finally:
            process.terminate()
            assert process.wait(LONGEST_S) == 0, log.read_text()

    def _environ(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(self.site)}


@pytest.fixture
def installed(site: Path, tmp_path: Path) -> InstalledFolder:
    """Return a folder with good settings."""
    installed = InstalledFolder(tmp_path, site)
    installed.configure()
    return installed


def until(condition: Callable[[], Any]) -> Any:
    """Wait until the condition is true, and return its value."""
    end_s = time.monotonic() + LONGEST_S
    while not (result := condition()):
        assert time.monotonic() < end_s, "it took too long"
        time.sleep(0.02)
    return result


def ask(url: str, body: bytes | None = None) -> bytes:
    """Return the body of a successful answer."""
    with urllib.request.urlopen(urllib.request.Request(url, data=body), timeout=LONGEST_S) as response:
        content: bytes = response.read()
        return content


def test_it_is_listed(installed: InstalledFolder) -> None:
    """Each plugin has its distribution, also the one that cannot be imported."""
    rows = [line.split() for line in installed.imaged("plugins").stdout.splitlines()]
    for name, module in (("folder", "imaged_folder"), ("lines", "imaged_lines"), ("broken", "imaged_broken")):
        assert [name, module, "imaged-folder", "1.2.3"] in rows
    assert "noop" in [row[0] for row in rows]


def test_its_options_are_checked(installed: InstalledFolder) -> None:
    """Each fault names the file and the line of its key, and never the value."""
    good = installed.imaged("check", "-c", "imaged.yaml")
    assert (good.returncode, good.stdout) == (0, "imaged.yaml: OK\n")
    installed.configure(plugins={"folder": {"paht": "secret", "file_mode": "644"}, "lines": {"path": "a"}})
    bad = installed.imaged("check", "-c", "imaged.yaml")
    lines = (installed.folder / "imaged.yaml").read_text().splitlines()
    section, key, mode = (
        next(number for number, line in enumerate(lines, 1) if line.strip().startswith(f"{key}:"))
        for key in ("folder", "paht", "file_mode")
    )
    assert bad.returncode == 1
    assert bad.stderr.splitlines() == [
        f"imaged.yaml:{section}: plugins.folder.path: is required: give it a value",
        f'imaged.yaml:{key}: plugins.folder.paht: unknown key; did you mean "path"?',
        f"imaged.yaml:{mode}: plugins.folder.file_mode: expected a whole number, got text",
    ]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"uploader": "broken"}, "uploader: plugin 'broken' cannot be loaded: ImportError: libpaint is not installed"),
        ({"uploader": "lines"}, "uploader: plugin 'lines' offers no uploader: it does not implement imaged_uploader"),
        (
            {"uploader": "floder"},
            "uploader: no plugin is called 'floder'; did you mean \"folder\"?; installed: broken, folder, ",
        ),
    ],
)
def test_an_unusable_plugin_is_a_fault(installed: InstalledFolder, changes: dict[str, Any], fault: str) -> None:
    """The fault names the setting; the other settings are checked too."""
    installed.configure(**changes)
    result = installed.imaged("check", "-c", "imaged.yaml")
    assert result.returncode == 1
    assert fault in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_the_daemon_works_with_it(installed: InstalledFolder) -> None:
    """POST uploads original and record, outputs follow, lost files are fetched, and events arrive."""
    remote, public = (installed.folder / path / HOME for path in ("remote/public/images", "var/public"))
    with installed.daemon() as url:
        answer = json.loads(ask(f"{url}/p?outputs=x10.png", PICTURE))
        assert answer["hash"] == DIGITS
        assert (remote / "original").read_bytes() == PICTURE
        assert json.loads((remote / "info.json").read_text())["sha256"] == hashlib.sha256(PICTURE).hexdigest()
        until((remote / "x10.png").exists)
        assert (remote / "x10.png").read_bytes() == (public / "x10.png").read_bytes()
        (public / "original").unlink()
        (public / "info.json").unlink()
        assert ask(f"{url}/{HOME}/original") == PICTURE
        (public / "original").unlink()
        assert ask(f"{url}/{HOME}/w5.webp").startswith(b"RIFF")
        until((remote / "w5.webp").exists)
    events = [json.loads(line) for line in (installed.folder / "lines.jsonl").read_text().splitlines()]
    assert [event["output"] for event in events if event["event"] == "OutputRendered"] == ["x10.png", "w5.webp"]
    assert len([event for event in events if event["event"] == "Uploaded"]) == 4
    assert all(event["namespace"] == "p" for event in events)
