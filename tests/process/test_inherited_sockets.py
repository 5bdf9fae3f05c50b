"""Sockets that a process inherits: from systemd by its protocol, from the old process by ours."""

from __future__ import annotations

import ast
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress

import pytest

from imaged.process import inherited_sockets
from imaged.process.inherited_sockets import (
    ActivationSocket,
    InheritedPort,
    InheritedSockets,
    handover_environment,
    inherit_sockets,
)


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    """Return a socket that listens."""
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


@pytest.fixture
def given(listening: socket.socket, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Return an environment that passes a listening socket, and a descriptor that is not a socket."""
    first = 900
    monkeypatch.setattr(inherited_sockets, "FIRST_DESCRIPTOR", first)
    os.dup2(listening.fileno(), first)
    with open("/dev/null", "rb") as null:  # noqa: PTH123  # a device
        os.dup2(null.fileno(), first + 1)
    yield {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "2", "LISTEN_FDNAMES": "web:null", "HOME": "/"}
    for descriptor in (first, first + 1):
        with suppress(OSError):  # the test may have closed it
            os.close(descriptor)


def test_a_process_may_inherit_nothing() -> None:
    """As when an operator starts it from a shell."""
    assert inherit_sockets({}) == InheritedSockets()


def test_sockets_of_systemd_are_inherited(given: dict[str, str], listening: socket.socket) -> None:
    """By index and name. A descriptor that does not listen keeps its index. No child inherits any of them."""
    web, null = inherit_sockets(given).passed
    assert (web.name, null) == ("web", ActivationSocket("null", None))
    assert web.socket is not None
    assert web.socket.getsockname() == listening.getsockname()
    assert not web.socket.get_inheritable()
    assert not web.socket.getblocking()
    web.socket.close()
    assert given == {"HOME": "/"}


def test_names_may_be_missing(given: dict[str, str]) -> None:
    """systemd-socket-activate passes none by default."""
    del given["LISTEN_FDNAMES"]
    first, second = inherit_sockets(given).passed
    assert (first.name, second) == ("", ActivationSocket("", None))
    assert first.socket is not None
    first.socket.close()


@pytest.mark.parametrize("change", [{"LISTEN_PID": "1"}, {"LISTEN_FDS": "many"}, {"LISTEN_PID": ""}])
def test_sockets_for_another_process_are_ignored(given: dict[str, str], change: dict[str, str]) -> None:
    """Every child inherits the environment; LISTEN_PID names the process that the sockets are for."""
    environ = given | change
    assert inherit_sockets(environ) == InheritedSockets()
    assert environ == {"HOME": "/"}


NEW_PROCESS = """
import os
from imaged.process.inherited_sockets import detach, inherit_sockets
inherited = inherit_sockets(os.environ)
detach(inherited)
ports = [(port.key, port.endpoint, port.socket.getsockname()[1]) for port in inherited.ports]
passed = [(each.name, each.socket and each.socket.getsockname()[1]) for each in inherited.passed]
inherited.channel.sendall(repr((os.getpid(), ports, passed, sorted(os.environ))).encode())
"""


def test_a_new_process_inherits_every_socket(listening: socket.socket) -> None:
    """The ports by key and endpoint, the sockets of systemd, and the channel; but not the variables of systemd.

    The new process forks away from the process that was started, and sends its own number first.
    """
    number = listening.getsockname()[1]
    ours, theirs = socket.socketpair()
    before = {"WATCHDOG_PID": "1", "WATCHDOG_USEC": "5", "LISTEN_FDS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    passed, ports = (
        [ActivationSocket("web", listening), ActivationSocket("null", None)],
        [InheritedPort("listen", "tcp:0", listening)],
    )
    with ours, theirs:
        environ, descriptors = handover_environment(before, passed, ports, theirs)
        with subprocess.Popen([sys.executable, "-c", NEW_PROCESS], env=environ, pass_fds=descriptors) as started:
            theirs.close()
            received = ours.makefile().read()
    hello, _, rest = received.partition("\n")
    pid, its_ports, its_passed, its_environ = ast.literal_eval(rest)
    assert json.loads(hello) == {"pid": pid}
    assert pid != started.pid
    assert its_ports == [("listen", "tcp:0", number)]
    assert its_passed == [("web", number), ("null", None)]
    assert [name for name in its_environ if name != "LC_CTYPE"] == ["PYTHONPATH", "WATCHDOG_USEC"]


def test_a_port_is_claimed_once(listening: socket.socket) -> None:
    """By its key and endpoint. A port that is not claimed is closed, so that no client waits on it."""
    other = socket.create_server(("127.0.0.1", 0))
    inherited = InheritedSockets(
        ports=[InheritedPort("listen", "tcp:1", listening), InheritedPort("status.listen", "tcp:2", other)]
    )
    assert inherited.claim("listen", "tcp:2") is None
    assert inherited.claim("listen", "tcp:1") is listening
    assert inherited.claim("listen", "tcp:1") is None
    assert inherited.claimed == ["listen"]
    inherited.close_unclaimed()
    assert other.fileno() == -1
    assert listening.fileno() != -1
