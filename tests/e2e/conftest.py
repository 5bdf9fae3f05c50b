"""Daemons, sources and browsers for the end-to-end tests."""

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


@pytest.fixture
def make_daemon(tmp_path: Path) -> Iterator[Callable[..., Daemon]]:
    """Return a function that starts a daemon with the given settings.

    Each daemon has to exit with status 0 at the end, unless the test killed it.
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
    """Stop a daemon, unless the test has stopped it, and check its exit status."""
    try:
        assert daemon.stop() in {0, -9}, daemon.tail
    finally:
        shutil.rmtree(daemon.folder, ignore_errors=True)


@pytest.fixture
def plugins(tmp_path: Path) -> dict[str, str]:
    """Return an environment with the plugins of this folder and of tests/thirdparty installed."""
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
def make_browser(tmp_path: Path) -> Iterator[Callable[..., Browser]]:
    """Return a function that starts Chromium. Skip the test where it is missing."""
    from browser import Browser  # noqa: PLC0415  # few tests need selenium, which is slow to import

    with ExitStack() as ends:
        numbers = count()

        def make(**how: Any) -> Browser:
            browser = Browser(tmp_path / f"browser-{next(numbers)}", **how)
            ends.callback(browser.close)
            return browser

        yield make
