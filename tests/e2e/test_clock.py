"""A wall clock that goes back while the daemon runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from daemon import Daemon, until
from notify_socket import NotifySocket

pytestmark = pytest.mark.whole_start

MOVABLE = """
import os, time
from pathlib import Path
set_back, real = Path(os.environ["CLOCK_IS_SET_BACK"]), time.time
time.time = lambda: real() - 3600 * set_back.exists()
"""
"""A `sitecustomize` whose wall clock goes back an hour when a file exists."""


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[NotifySocket]:
    """Return the service manager's socket."""
    manager = NotifySocket(tmp_path / "notify")
    yield manager
    manager.close()


def test_set_back(make_daemon: Callable[..., Daemon], manager: NotifySocket, tmp_path: Path) -> None:
    """The daemon sends watchdog pings and logs requests when the clock goes back an hour."""
    (tmp_path / "sitecustomize.py").write_text(MOVABLE)
    set_back = tmp_path / "set-back"
    daemon = make_daemon(
        environ={
            "PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]),
            "CLOCK_IS_SET_BACK": str(set_back),
            "NOTIFY_SOCKET": str(manager.path),
            "WATCHDOG_USEC": "400000",
        },
    )
    manager.wait_for("WATCHDOG=1")
    set_back.touch()
    assert daemon.get("/status_check").status == 200
    until(lambda: "/status_check" in daemon.log.read_text(), daemon)
    for _ in range(5):  # some are from before the change
        manager.wait_for("WATCHDOG=1")
