"""The load of the other tests: it finds no fault in an undisturbed daemon, and detects each kind of failure."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from daemon import Daemon
from load import PROMISED, Ask, Load, stock

pytestmark = pytest.mark.whole_start

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
RESET = struct.pack("ii", 1, 0)


@contextmanager
def peer(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """Serve each connection's first request with `answer`, then close it; give the URL."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                answer(connection)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def test_undisturbed(make_daemon: Callable[..., Daemon]) -> None:
    """An undisturbed daemon answers every request correctly, and keeps every connection."""
    daemon = make_daemon()
    with Load(daemon.public, stock(daemon)) as load:
        load.wait_for(1000)
    assert load.tally.spotless, load.tally
    assert not load.tally.turns, load.tally
    for info in load.posted:
        daemon.wait_for_files(info, PROMISED)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (lambda connection: None, "eof"),  # noqa: ARG005  # it answers nothing
        (lambda connection: connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET), "reset"),
        (lambda connection: connection.sendall(GOOD[:-1]), "cut"),
        (lambda connection: connection.sendall(GOOD[:-1] + b"x"), "wrong"),
        (lambda connection: connection.sendall(b"hello\r\n"), "garbled"),
    ],
    ids=["eof", "reset", "cut", "wrong", "garbled"],
)
def test_each_kind_of_wrong_answer_is_counted(answer: Callable[[socket.socket], None], kind: str) -> None:
    """A missing, a truncated and a wrong answer are failures of different kinds."""
    with (
        peer(answer) as url,
        Load(url, [Ask("GET", "/", b"ok".__eq__)], kept=0, fresh=1, pause_s=0.001, news=False) as load,
    ):
        load.wait_for(3)
    assert set(load.tally.failures) == {kind}, load.tally


def test_refusals() -> None:
    """A refused connection is a failure, unless the load expects a new address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closed = f"http://127.0.0.1:{listener.getsockname()[1]}"
    asks = [Ask("GET", "/", b"ok".__eq__)]
    with Load(closed, asks, kept=1, fresh=1, pause_s=0.001, news=False) as load:
        load.wait_for(3)
    assert set(load.tally.failures) == {"refused"}, load.tally
    with peer(lambda connection: connection.sendall(GOOD)) as url:
        load = Load(closed, asks, kept=0, fresh=1, pause_s=0.001, news=False)
        load.moving(url)
        load.moving(closed)  # one that is announced and not open yet
        with load:
            load.wait_for(3)
    assert not load.tally.failures, load.tally
    assert load.tally.turns["moved"] >= 3
