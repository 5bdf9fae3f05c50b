"""Messages to the service manager, by the protocol of sd_notify(3)."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from daemon import Daemon
from handover import complete
from notify_socket import NotifySocket

pytestmark = pytest.mark.whole_start

WATCH = """
import os, sys
os.environ["WATCHDOG_PID"] = str(os.getpid())
os.execvp(sys.argv[1], sys.argv[1:])
"""


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[NotifySocket]:
    """Return the service manager's socket."""
    manager = NotifySocket(tmp_path / "notify")
    yield manager
    manager.close()


@pytest.fixture
def daemon(make_daemon: Callable[..., Daemon], manager: NotifySocket) -> Daemon:
    """Return a daemon with a service manager that watches its main process."""
    environ = {"NOTIFY_SOCKET": str(manager.path), "WATCHDOG_USEC": "2000000"}
    return make_daemon(environ=environ, around=(sys.executable, "-c", WATCH))


def test_ready_and_stopping(daemon: Daemon, manager: NotifySocket) -> None:
    """The daemon itself sends READY, watchdog pings, and STOPPING."""
    messages = [manager.wait_for(text) for text in ("READY=1", "WATCHDOG=1", "WATCHDOG=1")]
    assert daemon.stop() == 0
    messages.append(manager.wait_for("STOPPING=1"))
    assert {message.pid for message in messages} == {daemon.process.pid}
    assert any("STATUS" in message.fields for message in manager.seen)


def test_reloads(daemon: Daemon, manager: NotifySocket) -> None:
    """The daemon announces a reload with the time, then its end, with the faults of a refused one."""
    manager.wait_for("READY=1")
    began_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    daemon.hup()
    told_us = int(manager.wait_for("RELOADING=1").fields["MONOTONIC_USEC"])
    assert began_us <= told_us <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    manager.wait_for("READY=1")
    daemon.configure("uploader: nothing\n")
    daemon.hup()
    manager.wait_for("RELOADING=1")
    manager.wait_for("READY=1", "imaged.yaml:1: uploader: ")


def test_upgrade(daemon: Daemon, manager: NotifySocket) -> None:
    """The old process names the new one as the main process, which sends the messages from then on."""
    old = manager.wait_for("READY=1").pid
    os.kill(old, signal.SIGUSR2)
    named = manager.wait_for("MAINPID=")
    assert named.pid == old
    new = complete(daemon)
    assert named.fields["MAINPID"] == str(new)
    while manager.wait_for("WATCHDOG=1").pid != new:
        continue
    daemon.hup()
    assert manager.wait_for("RELOADING=1").pid == new
    assert manager.wait_for("READY=1").pid == new
    assert not [each for each in manager.seen if each.pid == old and "STOPPING" in each.fields]


def test_failed_upgrade(daemon: Daemon, manager: NotifySocket) -> None:
    """After a failed upgrade, the status has the reason, and the main process stays."""
    old = manager.wait_for("READY=1").pid
    daemon.configure("uploader: nothing\n")
    os.kill(old, signal.SIGUSR2)
    manager.wait_for("imaged.yaml:1: uploader: ")
    assert complete(daemon) == old
    assert not [each for each in manager.seen if "MAINPID" in each.fields]
