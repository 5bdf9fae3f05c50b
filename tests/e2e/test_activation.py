"""Socket activation: while the daemon restarts, no connection is refused."""

from __future__ import annotations

import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from daemon import START_S, Daemon
from handover import upgrade
from load import PROMISED, Load, stock
from ports import GIVE, HeldSocket, endpoint, free_port, url

from imaged.testing.pictures import make_jpeg

pytestmark = pytest.mark.whole_start

BY_NUMBER = ("listen=systemd:domain=INET:index=0", "status.listen=systemd:domain=INET:index=1")


@pytest.fixture
def held() -> Iterator[list[HeldSocket]]:
    """Return two listening sockets that stay open between daemons."""
    sockets = [HeldSocket(), HeldSocket()]
    yield sockets
    for each in sockets:
        each.close()


def inherit(held: Sequence[HeldSocket], *program: str) -> dict[str, Any]:
    """Return the command prefix that passes these sockets to a daemon."""
    files = [each.file for each in held]
    return {"files": files, "around": (sys.executable, "-c", GIVE, ",".join(map(str, files)), *program)}


@pytest.fixture
def activate() -> str:
    """Return `systemd-socket-activate`, which starts the daemon at the first connection."""
    found = shutil.which("systemd-socket-activate")
    if found is None:
        pytest.skip("no systemd-socket-activate, which is in Debian's package systemd")
    return found


@contextmanager
def connecting_to(port: int) -> Iterator[None]:
    """Connect to a port as soon as it is open."""
    with ThreadPoolExecutor(1) as pool:
        knock = pool.submit(connect, port)
        yield
        knock.result().close()


def connect(port: int) -> socket.socket:
    """Return a connection to a port that another thread opens."""
    end_s = time.monotonic() + START_S
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port))
        except ConnectionRefusedError:
            assert time.monotonic() < end_s
            time.sleep(0.02)


def restart_under_load(daemon: Daemon, times: int) -> None:
    """Restart the daemon so many times. No connect may fail, and each answer has to be right.

    Other events at a restart, such as the end of a persistent connection, are printed only.
    """
    with Load(daemon.public, stock(daemon)) as load:
        for _ in range(times):
            assert daemon.stop() == 0, daemon.tail
            daemon.start()
            load.wait_for(40)
    assert set(load.tally.failures) <= {"eof", "reset"}, f"{load.tally}\n{daemon.tail}"
    for info in load.posted:
        daemon.wait_for_files(info, PROMISED)


def test_restarts_with_sockets(make_daemon: Callable[..., Daemon], held: list[HeldSocket]) -> None:
    """Inherited sockets lose no connection over three restarts under load."""
    daemon = make_daemon(ports=BY_NUMBER, **inherit(held))
    assert (daemon.public, daemon.private) == tuple(url(each.port) for each in held)
    restart_under_load(daemon, 3)


def test_restarts_by_systemd(make_daemon: Callable[..., Daemon], held: list[HeldSocket], activate: str) -> None:
    """Eight restarts by `systemd-socket-activate` lose no connection."""
    with connecting_to(held[0].port):
        daemon = make_daemon(ports=BY_NUMBER, **inherit(held, activate))
    restart_under_load(daemon, 8)


def test_started_by_systemd(make_daemon: Callable[..., Daemon], activate: str) -> None:
    """The daemon matches inherited sockets with its settings by address."""
    ports = [free_port(), free_port()]
    around = [activate, *(argument for port in ports for argument in ("-l", f"127.0.0.1:{port}"))]
    settings = [f"listen={endpoint(ports[0])}", f"status.listen={endpoint(ports[1])}"]
    with connecting_to(ports[0]):
        daemon = make_daemon(ports=settings, around=around)
    assert (daemon.public, daemon.private) == tuple(map(url, ports))
    assert daemon.post("/p", make_jpeg()).status == 200


def test_upgrade_of_passed_sockets(make_daemon: Callable[..., Daemon], held: list[HeldSocket]) -> None:
    """An upgrade passes inherited sockets to the new process."""
    daemon = make_daemon(ports=BY_NUMBER, **inherit(held))
    assert upgrade(daemon).wait() == 0
    assert upgrade(daemon).wait() == 0
    assert daemon.public == url(held[0].port)
    assert daemon.post("/p", make_jpeg()).status == 200
