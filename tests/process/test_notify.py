"""The service manager is told by datagrams, in the words of sd_notify(3)."""

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
    """Return what makes notifiers, which are closed in the end."""
    made: list[Notifier] = []

    def make(*args: Any, **options: Any) -> Notifier:
        made.append(Notifier(*args, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


def heard(manager: socket.socket) -> list[str]:
    """Return all that the manager has been told and not been asked for."""
    messages = []
    while True:
        try:
            messages.append(manager.recv(4096).decode())
        except BlockingIOError:
            return messages


def test_what_is_told(make: Make, manager: socket.socket) -> None:
    """Each in a datagram of its own; a status line that says the same is not told again."""
    notifier = make(manager.getsockname(), 10)
    notifier.ready()
    notifier.status("one\ntwo")
    notifier.status("one")
    notifier.main_process(7)
    notifier.alive()
    notifier.stopping()
    assert heard(manager) == ["READY=1", "STATUS=one", "MAINPID=7", "WATCHDOG=1", "STOPPING=1"]


def test_a_reload_is_told_with_its_moment(make: Make, manager: socket.socket) -> None:
    """In microseconds of CLOCK_MONOTONIC, by which systemd tells its READY from one of before."""
    before = time.monotonic_ns() // 1000
    make(manager.getsockname(), None).reloading()
    (message,) = heard(manager)
    word, moment = message.split("\n")
    assert word == "RELOADING=1"
    assert before <= int(moment.removeprefix("MONOTONIC_USEC=")) <= time.monotonic_ns() // 1000


def test_a_name_in_the_abstract_namespace(make: Make) -> None:
    """It is written with @ in the environment."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0imaged-{os.getpid()}")
        make(f"@imaged-{os.getpid()}", None).ready()
        assert listening.recv(100) == b"READY=1"


def test_no_sign_of_life_unless_asked_for(make: Make, manager: socket.socket) -> None:
    """Without a watchdog there is none to be fed."""
    make(manager.getsockname(), None).alive()
    assert heard(manager) == []


def test_a_muted_one_says_nothing(make: Make, manager: socket.socket) -> None:
    """The manager takes the word of its main process alone, and complains of others."""
    notifier = make(manager.getsockname(), None, muted=True)
    notifier.ready()
    assert heard(manager) == []
    notifier.muted = False
    notifier.ready()
    assert heard(manager) == ["READY=1"]


def test_nobody_to_tell(make: Make, tmp_path: Path) -> None:
    """No address, no word; a manager that is gone, or that does not listen, is a line in the log and no more."""
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
        ({"WATCHDOG_USEC": "1"}, 0.1),
        ({"WATCHDOG_USEC": "9" * 400}, None),
    ],
)
def test_the_watchdog_is_that_of_the_environment(environ: dict[str, str], watchdog_s: float | None) -> None:
    """When it means this process, or any."""
    assert make_notifier(environ, muted=False).watchdog_s == watchdog_s
