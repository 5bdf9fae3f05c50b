"""Reloads that change ports: the daemon opens the new port before it closes the old one."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from clients import connected, health
from daemon import Daemon, until
from handover import upgrade
from ports import endpoint, free_port, listens, url

pytestmark = pytest.mark.whole_start


def written(public: str, private: str) -> str:
    """Return the text of a file."""
    return f"listen: '{public}'\nstatus: {{listen: '{private}'}}\naccess: {{open: true}}\n"


def test_connections_stay(make_daemon: Callable[..., Daemon]) -> None:
    """Connections to the old port stay open."""
    old, new, private = (free_port() for _ in range(3))
    daemon = make_daemon(written(endpoint(old), endpoint(private)), ports=())
    with closing(connected(daemon)) as connection:
        assert health(connection) == (200, None)
        daemon.configure(written(endpoint(new), endpoint(private)))
        assert daemon.reload().status == 200
        assert (listens(old), listens(new)) == (False, True)
        assert health(connection) == (200, None)
        assert health(connection) == (200, None)


def test_the_status_port_moves(make_daemon: Callable[..., Daemon]) -> None:
    """POST /reload is answered on its connection to the old status port."""
    public, old, new = (free_port() for _ in range(3))
    daemon = make_daemon(written(endpoint(public), endpoint(old)), ports=())
    daemon.configure(written(endpoint(public), endpoint(new)))
    assert daemon.reload().json()["ok"] is True
    assert (listens(old), listens(new)) == (False, True)
    daemon.private = url(new)
    assert daemon.status()["generation"]["number"] == 2


@pytest.mark.parametrize("other", ["tcp:{}", "tcp:{}:interface=0.0.0.0", "tcp:{}:interface=127.0.0.1:backlog=9"])
def test_the_same_port_otherwise(make_daemon: Callable[..., Daemon], other: str) -> None:
    """A port moves between interfaces with the same number."""
    public, private = free_port(), free_port()
    daemon = make_daemon(written(endpoint(public), endpoint(private)), ports=())
    for each in (other.format(public), endpoint(public)):
        daemon.configure(written(each, endpoint(private)))
        answer = daemon.reload()
        assert answer.json()["ok"] is True, answer.body
        assert daemon.get("/status_check").status == 200


def test_ports_change_places(make_daemon: Callable[..., Daemon]) -> None:
    """Two ports are exchanged, or nothing changes."""
    public, private = free_port(), free_port()
    daemon = make_daemon(written(endpoint(public), endpoint(private)), ports=())
    daemon.configure(written(endpoint(private), endpoint(public)))
    if daemon.reload().json()["ok"]:
        daemon.public, daemon.private = daemon.private, daemon.public
    assert daemon.status()["pid"] == daemon.process.pid
    assert daemon.get("/p/x").status == 404


def test_one_of_two_cannot_move(make_daemon: Callable[..., Daemon]) -> None:
    """If one port cannot be opened, the other is not opened either."""
    public, private, free = (free_port() for _ in range(3))
    daemon = make_daemon(written(endpoint(public), endpoint(private)), ports=())
    with socket.create_server(("127.0.0.1", 0)) as taken:
        daemon.configure(written(endpoint(free), endpoint(taken.getsockname()[1])))
        [error] = daemon.reload().json()["errors"]
    assert error.startswith("imaged.yaml:2: status.listen: ")
    assert (listens(public), listens(private), listens(free)) == (True, True, False)


def test_many_signals(make_daemon: Callable[..., Daemon]) -> None:
    """After many reloads at once, the last settings are in effect."""
    daemon = make_daemon()
    for threads in range(1, 31):
        daemon.configure(f"render: {{concurrency: {threads}}}\n")
        os.kill(daemon.process.pid, signal.SIGHUP)
        time.sleep(0.001 * (threads % 5))
    until(lambda: daemon.status()["processing"]["threads"] == 30, daemon)
    assert daemon.status()["generation"]["number"] <= 31
    assert daemon.log.read_text().count("reloaded: generation") == daemon.status()["generation"]["number"] - 1


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a socket of the file system."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=20)
        self._path = path

    def connect(self) -> None:
        """Connect."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self._path))


@pytest.fixture
def short(tmp_path: Path) -> Iterator[Path]:
    """Return a folder whose path is short enough for a socket."""
    link = Path(f"/tmp/{os.getpid()}-sockets")
    link.symlink_to(tmp_path)
    yield link
    link.unlink()


def test_a_socket_in_the_file_system(make_daemon: Callable[..., Daemon], short: Path) -> None:
    """A UNIX socket is handed over, moved, and removed at the end."""
    first, second = short / "first", short / "second"
    private = endpoint(free_port())
    daemon = make_daemon(written(f"unix:{first}", private), ports=())
    for path in (first, second):
        daemon.configure(written(f"unix:{path}", private))
        assert daemon.reload().json()["ok"] is True
        assert upgrade(daemon).wait() == 0
        with closing(UnixConnection(path)) as connection:
            assert health(connection)[0] == 200
    assert not first.exists()
    assert daemon.stop() == 0
    assert not second.exists()
