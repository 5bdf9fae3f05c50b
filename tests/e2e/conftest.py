"""Daemons for the end-to-end tests, and the real pictures where they are at hand."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from daemon import Daemon
from loopback_origin import Origin
from processes import adopt_orphans

if TYPE_CHECKING:
    from browser import Browser

HERE = Path(__file__).parent
FOREIGN = [*HERE.glob("imaged_*.py"), *(HERE.parent / "thirdparty" / "imaged-folder").glob("imaged_*.py")]
PICTURES = HERE.parents[2] / "shared" / "images"


@pytest.fixture
def make_daemon(tmp_path: Path) -> Iterator[Callable[..., Daemon]]:
    """Return what starts a daemon on the given settings.

    Each must leave by itself with status 0 in the end; or the test has killed it or sent it two signals.
    """
    adopt_orphans()
    with ExitStack() as ends:

        def make(settings: str = "", *overrides: str, **how: Any) -> Daemon:
            folder = tmp_path / f"daemon-{next(numbers)}"
            folder.mkdir()
            daemon = Daemon(folder, settings, **how)
            ends.callback(end, daemon)
            daemon.start(*overrides)
            return daemon

        numbers = count()
        yield make


def end(daemon: Daemon) -> None:
    """End a daemon, if the test has not, and see that it leaves well."""
    try:
        assert daemon.stop() in {0, -9}, daemon.tail
    finally:
        shutil.rmtree(daemon.folder, ignore_errors=True)


@pytest.fixture
def plugins(tmp_path: Path) -> dict[str, str]:
    """Return the environment of a daemon that has plugins of others: gate, wreck, and those of tests/thirdparty."""
    site = tmp_path / "site"
    about = site / "foreign-1.dist-info"
    about.mkdir(parents=True)
    for module in FOREIGN:
        shutil.copy(module, site)
    names = {module.stem.removeprefix("imaged_"): module.stem for module in FOREIGN}
    entries = [f"{name} = {module}" for name, module in names.items()]
    (about / "entry_points.txt").write_text("\n".join(["[imaged]", *entries, ""]))
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: foreign\nVersion: 1\n")
    return {"PYTHONPATH": str(site)}


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


@pytest.fixture
def make_browser(tmp_path: Path) -> Iterator[Callable[..., Browser]]:
    """Return what starts a Chromium; the test is skipped where there is none."""
    from browser import Browser  # noqa: PLC0415  # few tests need selenium, which is slow to import

    with ExitStack() as ends:
        numbers = count()

        def make(**how: Any) -> Browser:
            browser = Browser(tmp_path / f"browser-{next(numbers)}", **how)
            ends.callback(browser.close)
            return browser

        yield make
