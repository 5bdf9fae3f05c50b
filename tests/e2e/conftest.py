"""Daemons for the end-to-end tests, and the real pictures where they are at hand."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from daemon import Daemon
from loopback_origin import Origin

PICTURES = Path(__file__).parents[3] / "shared" / "images"


@pytest.fixture
def make_daemon(tmp_path: Path) -> Iterator[Callable[..., Daemon]]:
    """Return what starts a daemon on the given settings; each must leave by itself with status 0, or be killed."""
    daemons: list[Daemon] = []

    def make(settings: str = "", *overrides: str) -> Daemon:
        folder = tmp_path / f"daemon-{len(daemons)}"
        folder.mkdir()
        daemon = Daemon(folder, settings)
        daemons.append(daemon)
        daemon.start(*overrides)
        return daemon

    yield make
    for daemon in daemons:
        try:
            assert daemon.stop() in {0, -9}, daemon.log.read_text()
        finally:
            shutil.rmtree(daemon.folder, ignore_errors=True)


@pytest.fixture
def origin() -> Iterator[Origin]:
    """Return a source of originals on loopback."""
    server = Origin()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def picture() -> Callable[[str], bytes]:
    """Return what reads one of the real pictures; the test is skipped where they are not beside the repository."""

    def read(name: str) -> bytes:
        path = PICTURES / name
        if not path.is_file():
            pytest.skip(f"no real pictures: {name} is not in ../shared/images")
        return path.read_bytes()

    return read
