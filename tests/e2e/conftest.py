"""Daemons, sources, stores and browsers for the end-to-end tests."""

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
from failing_files import FailingFiles
from forked_daemon import ForkedDaemon, ForkServer
from loopback_origin import Origin
from processes import adopt_orphans

if TYPE_CHECKING:
    from browser import Browser
    from rclone import RcloneS3

HERE = Path(__file__).parent
FOREIGN = [*HERE.glob("imaged_*.py"), *(HERE.parent / "thirdparty" / "imaged-folder").glob("imaged_*.py")]


@pytest.fixture(scope="session")
def fork_server() -> Iterator[ForkServer]:
    """Return what forks the daemons of most tests."""
    server = ForkServer({})
    yield server
    server.close()


@pytest.fixture
def make_daemon(
    tmp_path: Path, request: pytest.FixtureRequest, fork_server: ForkServer
) -> Iterator[Callable[..., Daemon]]:
    """Return a function that starts a daemon with the given settings, as a fork unless the test is a `whole_start`.

    Each daemon has to exit with status 0 at the end, unless the test killed it.
    """
    adopt_orphans()
    is_whole = request.node.get_closest_marker("whole_start") is not None
    with ExitStack() as ends:

        def make(settings: str = "", *overrides: str, server: ForkServer = fork_server, **how: Any) -> Daemon:
            folder = tmp_path / f"daemon-{next(numbers)}"
            folder.mkdir()
            if is_whole or "around" in how:
                daemon = Daemon(folder, settings, **how)
            else:
                daemon = ForkedDaemon(folder, settings, server=server, **how)
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
    yield server
    server.stop()


@pytest.fixture
def files(tmp_path: Path) -> Iterator[FailingFiles]:
    """Return the file layer of the first daemon."""
    files = FailingFiles(tmp_path, tmp_path / "daemon-0" / "var")
    yield files
    files.close()


@pytest.fixture
def quick_server(files: FailingFiles) -> Iterator[ForkServer]:
    """Return what forks daemons on that file layer, which try again after short times."""
    server = ForkServer(files.environ, quick=True)
    yield server
    server.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RcloneS3]:
    """Return an S3 server of the test's own, which it may stop, with an empty bucket."""
    from rclone import RcloneS3  # noqa: PLC0415  # few tests need boto3, which is slow to import

    store = RcloneS3(tmp_path / "rclone")
    store.start()
    store.make_bucket()
    yield store
    store.stop()


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
