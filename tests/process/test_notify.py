"""Notifications to the service manager are datagrams of sd_notify(3)."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.logger import capturedLogs

from imaged.process.notify import Notifier, make_notifier


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """Return the socket of a service manager."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.setblocking(False)
        yield listening


Make = Callable[..., Notifier]


@pytest.fixture
def make() -> Iterator[Make]:
    """Return a function that makes notifiers, and close them after the test."""
    made: list[Notifier] = []

    def make(*args: Any, **options: Any) -> Notifier:
        made.append(Notifier(*args, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


def received(manager: socket.socket) -> list[str]:
    """Return the datagrams that the manager has received since the last call."""
    messages = []
    while True:
        try:
            messages.append(manager.recv(4096).decode())
        except BlockingIOError:
            return messages


def test_each_notification_is_a_datagram(make: Make, manager: socket.socket) -> None:
    """A status line that has not changed is not sent again."""
    notifier = make(manager.getsockname(), 10)
    notifier.ready()
    notifier.status("one\ntwo")
    notifier.status("one")
    notifier.main_process(7)
    notifier.alive()
    notifier.stopping()
    assert received(manager) == ["READY=1", "STATUS=one", "MAINPID=7", "WATCHDOG=1", "STOPPING=1"]


def test_a_warning_ends_the_status_line(make: Make, manager: socket.socket) -> None:
    """The first line of each counts, and the status is sent again when the warning changes."""
    notifier = make(manager.getsockname(), None)
    notifier.warning = "upgrade failed: no program\nat all"
    notifier.status("OK\ntwo")
    notifier.warning = ""
    notifier.status("OK")
    assert received(manager) == ["STATUS=OK; upgrade failed: no program", "STATUS=OK"]


def test_a_reload_is_reported_with_its_time(make: Make, manager: socket.socket) -> None:
    """In microseconds of CLOCK_MONOTONIC, by which systemd ignores an earlier READY."""
    before = time.monotonic_ns() // 1000
    make(manager.getsockname(), None).reloading()
    (message,) = received(manager)
    word, moment = message.split("\n")
    assert word == "RELOADING=1"
    assert before <= int(moment.removeprefix("MONOTONIC_USEC=")) <= time.monotonic_ns() // 1000


def test_a_name_in_the_abstract_namespace(make: Make) -> None:
    """NOTIFY_SOCKET has it with @ in front."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0imaged-{os.getpid()}")
        make(f"@imaged-{os.getpid()}", None).ready()
        assert listening.recv(100) == b"READY=1"


def test_a_muted_notifier_sends_nothing(make: Make, manager: socket.socket) -> None:
    """The manager accepts notifications of its main process alone, and logs others."""
    notifier = make(manager.getsockname(), None, muted=True)
    notifier.ready()
    assert received(manager) == []
    notifier.muted = False
    notifier.ready()
    assert received(manager) == ["READY=1"]


def test_a_manager_that_does_not_listen(make: Make, tmp_path: Path) -> None:
    """Without an address nothing is sent; a manager that has gone, or that does not read, is a line in the log."""
    make(None, None).ready()
    with capturedLogs() as logged:
        make(str(tmp_path / "gone"), None).ready()
    assert "No such file" in logged[0]["error"]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as deaf, capturedLogs() as logged:
        deaf.bind(str(tmp_path / "deaf"))
        notifier = make(str(tmp_path / "deaf"), None)
        for _ in range(10_000):
            notifier.ready()
            if logged:
                break
    assert "temporarily unavailable" in logged[0]["error"]


@pytest.mark.parametrize(
    ("environ", "watchdog_s"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": str(os.getpid())}, 0.5),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_environment_sets_the_watchdog(environ: dict[str, str], watchdog_s: float | None) -> None:
    """If it names this process, or none."""
    assert make_notifier(environ, muted=False).watchdog_s == watchdog_s
