"""SIGTERM and SIGINT: the daemon answers each request in flight, and does not wait for idle connections."""

from __future__ import annotations

import http.client
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import yaml
from clients import connected, health
from daemon import Daemon, until
from processes import LONGEST_S

from imaged.testing.pictures import make_jpeg

pytestmark = pytest.mark.whole_start

GATED = yaml.safe_dump(
    {
        "processors": ["gate"],
        "plugins": {"gate": {"gate": "open"}},
        "shutdown_timeout_s": 50,
        "render": {"timeout_s": 50, "isolation": "thread"},  # the gate is a file, which a worker process cannot see
    }
)


def kept(daemon: Daemon) -> http.client.HTTPConnection:
    """Return an open connection on which one request has been answered."""
    connection = connected(daemon)
    assert health(connection) == (200, None)
    return connection


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_idle_connections(make_daemon: Callable[..., Daemon], number: signal.Signals) -> None:
    """The daemon does not wait for idle connections."""
    daemon = make_daemon("shutdown_timeout_s: 50\n")
    connections = [kept(daemon) for _ in range(20)]
    daemon.process.send_signal(number)
    assert daemon.process.wait(timeout=LONGEST_S) == 0, daemon.tail
    for connection in connections:
        assert connection.sock.recv(1) == b""
        connection.close()


def test_a_request_in_flight(make_daemon: Callable[..., Daemon], plugins: dict[str, str]) -> None:
    """The daemon answers it. Its health check answers 503 on older connections, and new connections are refused."""
    daemon = make_daemon(GATED, environ=plugins)
    target = f"/p/{daemon.post('/p', make_jpeg()).json()['hash']}/full_size.webp"
    connection = kept(daemon)
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(daemon.get, target)
        until(lambda: daemon.status()["processing"]["current"], daemon)
        daemon.process.send_signal(signal.SIGTERM)
        until(lambda: refuses(daemon), daemon)
        assert health(connection)[0] == 503
        (daemon.folder / "open").touch()
        assert held.result().body.endswith(b"gate q75")
    assert daemon.process.wait(timeout=LONGEST_S) == 0, daemon.tail
    connection.close()


def test_a_second_signal(make_daemon: Callable[..., Daemon], plugins: dict[str, str]) -> None:
    """A second signal ends the daemon at once. The next start does the queued jobs."""
    daemon = make_daemon(GATED, environ=plugins)
    info = daemon.post("/p?outputs=full_size.webp", make_jpeg()).json()
    until(lambda: daemon.status()["processing"]["current"], daemon)
    daemon.process.send_signal(signal.SIGTERM)
    until(lambda: refuses(daemon), daemon)
    daemon.process.send_signal(signal.SIGTERM)
    assert daemon.process.wait(timeout=LONGEST_S) == 128 + signal.SIGTERM, daemon.tail
    (daemon.folder / "open").touch()
    daemon.start()
    daemon.wait_for_files(info, ["full_size.webp"])


def refuses(daemon: Daemon) -> bool:
    """Say whether the public port refuses connections."""
    try:
        kept(daemon).close()
    except (OSError, http.client.HTTPException, AssertionError):
        return True
    return False
