"""Signals during an upgrade: at most one daemon is left, and none after SIGTERM."""

from __future__ import annotations

import http.client
import signal
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest
from clients import connected, health
from daemon import Daemon, until
from handover import complete, upgrade
from ports import endpoint, free_port, listens
from processes import Process, living_in

pytestmark = pytest.mark.whole_start

BODY = b"no picture"


@contextmanager
def half_posted(daemon: Daemon) -> Iterator[http.client.HTTPConnection]:
    """Give a connection with an unfinished request, which keeps its process alive."""
    with closing(connected(daemon)) as connection:
        connection.putrequest("POST", "/p")
        connection.putheader("Content-Length", str(len(BODY)))
        connection.putheader("Expect", "100-continue")
        connection.endheaders()
        assert connection.sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        yield connection


def finish(connection: http.client.HTTPConnection) -> int:
    """Send a body that is no picture, and return the status of the answer."""
    connection.send(BODY)
    return connection.getresponse().status


def test_sigterm_to_the_new_process(make_daemon: Callable[..., Daemon]) -> None:
    """SIGTERM to the old process during the drain ends both processes."""
    daemon = make_daemon()
    with half_posted(daemon) as connection:
        old = upgrade(daemon)
        new = Process(daemon.pid)
        new.send(signal.SIGTERM)
        assert new.wait() == 0
        assert finish(connection) == 415
        assert old.wait() == 0, daemon.tail
    assert complete(daemon) is None


def test_sigterm_to_the_old_process(make_daemon: Callable[..., Daemon]) -> None:
    """The old process answers its requests, and the new one stays."""
    daemon = make_daemon()
    with half_posted(daemon) as connection:
        old = upgrade(daemon)
        new = daemon.pid
        old.send(signal.SIGTERM)
        assert finish(connection) == 415
    assert old.wait() == 0, daemon.tail
    assert complete(daemon) == new


def test_upgrades_in_a_row(make_daemon: Callable[..., Daemon]) -> None:
    """Each of three processes answers its requests. Only the last one accepts new ones."""
    daemon = make_daemon()
    with half_posted(daemon) as early:
        first = upgrade(daemon)
        with half_posted(daemon) as late:
            second = upgrade(daemon)
            third = daemon.pid
            assert finish(late) == 415
            assert second.wait() == 0, daemon.tail
        assert {daemon.pid for _ in range(20)} == {third}
        assert finish(early) == 415
    assert first.wait() == 0, daemon.tail
    assert {daemon.pid for _ in range(20)} == {third}
    assert complete(daemon) == third


def test_an_upgrade_of_one_that_leaves(make_daemon: Callable[..., Daemon]) -> None:
    """A process that was sent SIGTERM refuses to upgrade."""
    daemon = make_daemon()
    old = Process(daemon.pid)
    with half_posted(daemon) as connection:
        old.send(signal.SIGTERM)
        until(lambda: daemon.status()["message"] != "OK", daemon)
        old.send(signal.SIGUSR2)
        assert daemon.status()["pid"] == old.pid
        assert finish(connection) in {415, 503}
        assert old.wait() == 0, daemon.tail
    assert complete(daemon) is None
    assert "starting a new process" not in daemon.log.read_text()


def test_a_port_that_moved_before_the_new_one_died(make_daemon: Callable[..., Daemon]) -> None:
    """After a failed upgrade, the old process serves again."""
    port, other, private = (free_port() for _ in range(3))
    fixed = f"status: {{listen: '{endpoint(private)}'}}\n"
    daemon = make_daemon(f"{fixed}listen: '{endpoint(port)}'\n", ports=())
    with half_posted(daemon) as connection:
        old = upgrade(daemon)
        daemon.configure(f"{fixed}listen: '{endpoint(other)}'\n")
        assert daemon.reload().json()["ok"] is True
        until(lambda: listens(other), daemon)
        Process(daemon.pid).send(signal.SIGKILL)
        assert complete(daemon) == old.pid
        with closing(connected(daemon, timeout_s=5)) as fresh:
            assert health(fresh)[0] == 200
        assert finish(connection) == 415
    assert living_in(daemon.folder) == {old.pid}
